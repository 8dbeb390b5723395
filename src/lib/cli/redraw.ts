import type {ProgressTerminal} from './progress.js'

/** A text on a terminal that is replaced by the next one. */
export class RedrawnText {
  readonly #terminal: ProgressTerminal
  #lines = 0

  constructor(terminal: ProgressTerminal = process.stdout) {
    this.#terminal = terminal
  }

  /** Draws over what was drawn before; a line that has no room is cut, so that it stays one. */
  show(text: string): void {
    // Some terminals say that they have no columns.
    const {columns = 0} = this.#terminal
    const width = Math.max(20, (columns === 0 ? 80 : columns) - 1)
    const lines = text.split('\n').map((line) => Array.from(line).slice(0, width).join(''))
    const up = this.#lines === 0 ? '' : `\u001b[${this.#lines}A`
    this.#terminal.write(`${up}\u001b[J${lines.join('\n')}\n`)
    this.#lines = lines.length
  }
}
