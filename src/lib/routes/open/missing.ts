import {ConnectionError} from '../../errors.js'

/** The results, or every ConnectionError at once; another error wins over them. */
export async function allOrMissing<T extends readonly unknown[]>(
  promises: {readonly [K in keyof T]: Promise<T[K]> | T[K]},
  /** A way that needs none of it. */
  otherwise: readonly string[] = [],
): Promise<T> {
  const results = await Promise.allSettled(promises as readonly unknown[])
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  const missing = reasons.filter((reason) => reason instanceof ConnectionError)
  const other = reasons.find((reason) => !(reason instanceof ConnectionError))
  if (missing.length > 1) throw new MissingSeveralError(missing, otherwise)
  if (missing.length === 1 && other === undefined) throw missing[0]!
  if (other !== undefined) throw other as Error
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T
}

/** Several of the things that a change needs are not there. */
export class MissingSeveralError extends ConnectionError {
  constructor(missing: readonly ConnectionError[], otherwise: readonly string[] = []) {
    const reasons = [...new Set(missing.map(({message}) => message.replace(/\.$/, '')))]
    super(`${reasons.join('; ')}.`, {
      suggestions: [...new Set([...missing.flatMap(({suggestions}) => suggestions), ...otherwise])],
      details: {missing: missing.map(({name, message}) => ({name, message}))},
      cause: missing[0],
    })
  }
}
