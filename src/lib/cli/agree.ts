import {InterruptedError} from '../errors.js'
import type {Terminal} from './confirm.js'

/** Asks a person a question that is answered with yes or no; the answer to nothing is no. */
export async function askToAgree(message: string, {input, output}: Terminal): Promise<boolean> {
  const {confirm} = await import('@inquirer/prompts')
  const ended = new AbortController()
  // The prompt library never settles when its input ends.
  const onEnd = (): void => ended.abort()
  input.once('end', onEnd)
  try {
    return await confirm({message, default: false}, {input, output, signal: ended.signal})
  } catch (cause) {
    throw new InterruptedError('Nobody agreed.', {cause})
  } finally {
    input.off('end', onEnd)
  }
}
