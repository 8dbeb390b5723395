import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {parseDuration} from '../duration.js'
import {parseRef, type EntityRef} from '../entity/entity.js'
import {UsageError} from '../errors.js'
import {isLiteralSubject} from '../routing/subject.js'

/** What is traced: a subject, or the subjects of an entity. */
export type TraceTarget =
  {readonly kind: 'subject'; readonly subject: string} | {readonly kind: 'entity'; readonly ref: EntityRef}

/** A text with a dot is a subject, as names of entities rarely have one. */
export const traceTargetArg = Args.custom<TraceTarget>({
  ignoreStdin: true,
  parse: (text) => Promise.resolve(parseTraceTarget(text)),
})

/** Parses a subject without wildcards, or the name of an entity. */
function parseTraceTarget(text: string): TraceTarget {
  if (/[.*>]/.test(text) && !text.includes('@')) {
    if (isLiteralSubject(text)) return {kind: 'subject', subject: text}
    throw new UsageError(`${JSON.stringify(text)} is not a subject that a message can have.`, {
      suggestions: ['lattice route trace orders.get', 'lattice route trace --entity NAME'],
    })
  }
  const {version, ...ref} = parseRef(text)
  if (version === undefined) return {kind: 'entity', ref}
  throw new UsageError(`${JSON.stringify(text)} names a version, and an entity or a subject is wanted here.`)
}

/** How long to count, in milliseconds; 0 is none at all. */
export const windowFlag = Flags.custom<number>({
  helpValue: 'DURATION',
  parse: (text) => Promise.resolve(/^0+(?:ms|s|m|h)?$/.test(text) ? 0 : parseDuration(text)),
})
