import type {WatchEvent} from '../cache/watch-records.js'
import {valueLine} from './cache-list.js'
import type {TableOptions} from './table.js'
import {clean} from './text.js'

type RecordEvent = Extract<WatchEvent, {event: 'put' | 'del'}>
type StateEvent = Exclude<WatchEvent, RecordEvent>

/** Long values push what comes next off the screen. */
const longestValue = 80

/**
 * A record that was written or is gone, on one line: what happened, kind, key, name, version, revision, time, bucket and
 * value. For a person without the bucket, and with the beginning of the value.
 */
export function watchedRecordLine(event: RecordEvent, {terminal}: TableOptions): string {
  const {kind, name, title = '', version = '', revision, created, bucket} = event
  const value = event.event === 'put' ? valueLine(event.format, event.value) : ''
  if (!terminal) return [event.event, kind, name, title, version, revision, created, bucket, value].map(text).join('\t')
  const named = title === '' ? '' : ` (${[title, version].join(' ').trim()})`
  const why = event.event === 'del' && event.vanished === true ? 'expired, purged or deleted with its bucket' : ''
  const line = `${event.event} ${kind.padEnd(9)} ${name}${named}  revision ${revision}  ${clip(clean(value)) || why}`
  return `${created}  ${clean(line).trimEnd()}`
}

/** What is known of what was shown, for a person; undefined for what was said already. */
export function watchStateLine(event: StateEvent, before: 'current' | 'stale' | undefined): string | undefined {
  switch (event.event) {
    case 'current': {
      const count = `${event.records} ${event.records === 1 ? 'record' : 'records'} in lattice '${event.lattice}'`
      return before === 'stale' ? `Current again: ${count}.` : `Current: ${count}. Changes follow until Ctrl-C.`
    }
    case 'stale':
      return before === 'stale' ? undefined : `Stale at ${event.time}: what was shown may have changed; trying again.`
    case 'unreadable':
      return `The bucket '${event.bucket}' is left out: ${clean(event.message)}`
  }
}

function text(cell: string | number): string {
  return clean(String(cell))
}

function clip(value: string): string {
  return value.length <= longestValue ? value : `${value.slice(0, longestValue - 1)}…`
}
