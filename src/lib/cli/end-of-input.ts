import type {Readable} from 'node:stream'

/** Aborted when the input ends or at Ctrl-D, after which the prompt library would never settle; dispose it after use. */
export interface EndOfInput extends Disposable {
  readonly signal: AbortSignal
}

/** Watches the input of a prompt: `using end = endOfInput(input)`. */
export function endOfInput(input: Readable): EndOfInput {
  const ended = new AbortController()
  const onEnd = (): void => ended.abort()
  const onKey = (_text: unknown, key: {readonly ctrl?: boolean; readonly name?: string} | undefined): void => {
    if (key?.ctrl === true && key.name === 'd') ended.abort()
  }
  input.once('end', onEnd).on('keypress', onKey)
  return {
    signal: ended.signal,
    [Symbol.dispose]: () => void input.off('end', onEnd).off('keypress', onKey),
  }
}
