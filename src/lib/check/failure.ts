import {LatticeError} from '../errors.js'
import type {Answer, Question} from './report.js'

/** A failure as the answer to a question: its sentence without the full stop, and what it suggests. */
export function failed(check: Question, error: unknown): Answer {
  if (!(error instanceof LatticeError)) throw error
  const {message, suggestions} = error
  return {
    check,
    state: 'missing',
    detail: message.replace(/\.$/, ''),
    ...(suggestions.length > 0 ? {fix: suggestions} : {}),
  }
}

/** True when the server said that the user may not publish or subscribe. */
export function isDenied(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name === 'PermissionViolationError') return true
  }
  return false
}
