import * as Flags from '@oclif/core/flags'

import {parseLatticeName} from '../entity/entity.js'
import {parseDuration} from '../duration.js'
import {parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'

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
