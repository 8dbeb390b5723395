/** One file's text, as it was read. */
export interface Source {
  /** Path as it is shown and opened. */
  readonly file: string
  readonly text: string
  /** Where each line begins. */
  readonly lineStarts: readonly number[]
}

/** A place in a file that a person can find; line and column begin at 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Offsets into the text; `end` is one past the last character. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A value as it is written: variables are names, includes are paths. */
export type WrittenValue = Span &
  (
    | {readonly kind: 'string'; readonly value: string}
    | {readonly kind: 'number'; readonly value: number}
    | {readonly kind: 'boolean'; readonly value: boolean}
    | {readonly kind: 'date'; readonly value: string}
    | {readonly kind: 'variable'; readonly name: string}
    | {readonly kind: 'array'; readonly items: readonly WrittenValue[]}
    | WrittenMap
  )

export type WrittenMap = Span & {readonly kind: 'map'; readonly entries: readonly WrittenEntry[]}

/** One line of a map: a key with its value, or an include. */
export type WrittenEntry = Span &
  (
    | {readonly kind: 'pair'; readonly key: string; readonly value: WrittenValue}
    | {readonly kind: 'include'; readonly path: string}
  )

/** A text with what is needed to find places in it. */
export function sourceOf(file: string, text: string): Source {
  const lineStarts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lineStarts.push(at + 1)
  return {file, text, lineStarts}
}

/** The file, line and column of an offset. */
export function placeAt({file, lineStarts}: Source, offset: number): Place {
  let [low, high] = [0, lineStarts.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (lineStarts[middle]! <= offset) low = middle
    else high = middle - 1
  }
  return {file, line: low + 1, column: offset - lineStarts[low]! + 1}
}

/** A place as programs print it: `file:line:column`. */
export function formatPlace({file, line, column}: Place): string {
  return `${file}:${line}:${column}`
}
