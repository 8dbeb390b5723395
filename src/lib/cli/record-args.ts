import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {recordKinds, type RecordKind} from '../records/registry.js'

const kinds = [...recordKinds]

/** A kind of record. Stdin holds the value, so no argument is taken from it. */
export const recordKindArg = Args.custom<RecordKind>({
  description: 'Kind of record.',
  ignoreStdin: true,
  options: kinds,
  parse: (text) => Promise.resolve(text as RecordKind),
})

export const recordKindFlag = Flags.custom<RecordKind>({
  options: kinds,
  parse: (text) => Promise.resolve(text as RecordKind),
})

export const recordKeyArg = {
  description: 'Key of the record: echo@1.2.0, echo/wasmcloud:httpserver/default, an OCI URL, or a raw key.',
  required: true,
  ignoreStdin: true,
} as const

export const bucketFlag = Flags.string({
  helpValue: 'NAME',
  summary: "Bucket of a raw key; default the lattice's data bucket.",
})

/** The revision that a write expects. */
export const expectedRevisionFlag = Flags.integer({
  min: 1,
  helpValue: 'N',
  summary: 'Write only if this is the present revision; default the one read first.',
})

/** Whether a record is checked before it is written. */
export const validateFlag = Flags.boolean({
  default: true,
  allowNo: true,
  summary: 'Check the record; without it the bytes are stored as they are: for repairs only.',
})
