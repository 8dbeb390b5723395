import * as Flags from '@oclif/core/flags'

import {parseLatticeName} from '../entity/entity.js'
import {parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'

const unitMs = {ms: 1, s: 1000, m: 60_000, h: 3_600_000} as const

/** Parses `500ms`, `5s`, `2m` or `1h` into milliseconds; a bare number means seconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  const ms = match === null ? 0 : Number(match[1]) * unitMs[(match[2] ?? 's') as keyof typeof unitMs]
  if (!Number.isFinite(ms) || ms < 1 || ms > 86_400_000) {
    throw new UsageError(`${JSON.stringify(text)} is not a length of time between 1ms and 24h.`, {
      suggestions: ['5s, 500ms or 2m'],
    })
  }
  return Math.round(ms)
}

/** A length of time in milliseconds, written `500ms`, `5s` or `2m`. */
export const durationFlag = Flags.custom<number>({
  helpValue: 'DURATION',
  parse: (text) => Promise.resolve(parseDuration(text)),
})

export const latticeFlag = Flags.custom({
  helpValue: 'NAME',
  parse: (text, _context, {name}) => Promise.resolve(parseLatticeName(text, name)),
})

export const versionFlag = Flags.custom<Version>({
  helpValue: 'VERSION',
  parse: (text) => Promise.resolve(parseVersion(text)),
})

export const dryRunFlag = Flags.boolean({summary: 'Show what would be done and stop there.', default: false})

/** A provider's link name: one subject token. */
export const linkNameFlag = Flags.custom({
  helpValue: 'LINK',
  parse: (text) => {
    if (/^[A-Za-z0-9_-]+$/.test(text)) return Promise.resolve(text)
    throw new UsageError(`${JSON.stringify(text)} is not a link name: it may hold letters, digits, - and _ only.`)
  },
})
