import * as Flags from '@oclif/core/flags'

import {UsageError} from '../errors.js'

/** A version of nats-server, such as `2.10` or `2.15.2`, with all three numbers. */
export const serverVersionFlag = Flags.custom({
  helpValue: 'VERSION',
  parse: (text) => Promise.resolve(parseServerVersion(text)),
})

/** Parses a server version, of which the last number may be left out; throws a UsageError. */
function parseServerVersion(text: string): string {
  const match = /^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(-[0-9A-Za-z.-]+)?$/.exec(text)
  if (match === null) {
    throw new UsageError(`${JSON.stringify(text)} is not a version of nats-server.`, {suggestions: ['2.10', '2.15.2']})
  }
  const [, major, minor, patch = '0', tag = ''] = match
  return `${Number(major)}.${Number(minor)}.${Number(patch)}${tag}`
}
