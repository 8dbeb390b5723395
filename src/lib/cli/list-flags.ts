import * as Flags from '@oclif/core/flags'

import {UsageError} from '../errors.js'
import {parseMoment, type Moment} from '../moment.js'
import {entryColumns, type EntryColumn} from '../output/cache-list.js'

/** A moment, as so long ago or as a time. */
export const momentFlag = Flags.custom<Moment>({
  helpValue: 'DURATION|TIME',
  parse: (text) => Promise.resolve(parseMoment(text)),
})

/** Columns of a listing, in the order in which they are to stand. */
export const columnsFlag = Flags.custom<readonly EntryColumn[]>({
  helpValue: 'NAME,…',
  parse: (text) => Promise.resolve(text.split(',').map(parseColumn)),
})

function parseColumn(text: string): EntryColumn {
  const column = entryColumns.find((name) => name === text.trim().toLowerCase())
  if (column !== undefined) return column
  throw new UsageError(`${JSON.stringify(text)} is not a column.`, {
    suggestions: [`--columns ${entryColumns.join(',')}`],
  })
}
