import type {FetchEvent} from './fetch.js'

/** What happens while an embedded lattice starts or stops. */
export type EmbeddedEvent =
  | FetchEvent
  | {readonly kind: 'waiting'; readonly pid: number}
  | {readonly kind: 'server-ready'; readonly url: string; readonly version: string}
  | {readonly kind: 'host-ready'; readonly id: string}
  /** Something ended that should not have: the last lines of its log. */
  | {readonly kind: 'log'; readonly file: string; readonly lines: readonly string[]}
  | {readonly kind: 'killed'; readonly what: string; readonly pid: number}
