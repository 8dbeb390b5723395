import {exitCodes, type ErrorKind} from '../errors.js'

/** Lets a command that has printed its result end with the exit code of a kind. */
export function endWith(kind: ErrorKind): void {
  process.exitCode = exitCodes[kind]
}
