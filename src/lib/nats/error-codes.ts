/** Codes and messages of an error, of what caused it and of what it consists of, a line each. */
export function codesOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(codesOf).join('\n')
  if (!(error instanceof Error)) return String(error)
  const own = [(error as NodeJS.ErrnoException).code, error.message].filter(Boolean).join('\n')
  return error.cause === undefined ? own : `${own}\n${codesOf(error.cause)}`
}

/** The first line of a text from outside, as the end of a clause. */
export function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/[.\s]+$/, '').slice(0, 200)
}
