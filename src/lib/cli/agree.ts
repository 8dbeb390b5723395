import {InterruptedError} from '../errors.js'
import type {Terminal} from './confirm.js'
import {endOfInput} from './end-of-input.js'

/** Asks a person a question that is answered with yes or no; the answer to nothing is no. */
export async function askToAgree(message: string, {input, output}: Terminal): Promise<boolean> {
  const {confirm} = await import('@inquirer/prompts')
  using end = endOfInput(input)
  try {
    return await confirm({message, default: false}, {input, output, signal: end.signal})
  } catch (cause) {
    throw new InterruptedError('Nobody agreed.', {cause})
  }
}
