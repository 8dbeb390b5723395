import {named, placeOf, type ConfigMap, type ConfigNode} from './resolve.js'
import type {Place} from './tree.js'

/** A service or stream that an account offers to others. */
export interface ConfigExport {
  readonly kind: 'service' | 'stream'
  readonly subject: string
  /** Undefined: every account may import it. */
  readonly accounts?: readonly string[]
  readonly at: Place
}

/** A service or stream of another account. */
export interface ConfigImport {
  readonly kind: 'service' | 'stream'
  readonly account: string
  /** As the exporter has it. */
  readonly subject: string
  /** As it is here, where it is another one. */
  readonly to?: string
  /** Of a stream: what is put before its subjects. */
  readonly prefix?: string
  readonly at: Place
}

/** What an account gives and takes. */
export function readShares(account: ConfigMap): {
  readonly imports: readonly ConfigImport[]
  readonly exports: readonly ConfigExport[]
} {
  return {
    imports: maps(named(account, 'imports')[0]?.value).flatMap(readImport),
    exports: maps(named(account, 'exports')[0]?.value).flatMap(readExport),
  }
}

const kinds = ['service', 'stream'] as const

function readImport(map: ConfigMap): ConfigImport[] {
  return kinds.flatMap((kind) => {
    const from = named(map, kind)[0]?.value
    if (from?.kind !== 'map') return []
    const [account, subject] = [text(from, 'account'), text(from, 'subject')]
    const [to, prefix] = [text(map, 'to'), text(map, 'prefix')]
    if (account === undefined || subject === undefined) return []
    const local = {...(to === undefined ? {} : {to}), ...(prefix === undefined ? {} : {prefix})}
    return [{kind, account, subject, ...local, at: placeOf(map)}]
  })
}

function readExport(map: ConfigMap): ConfigExport[] {
  return kinds.flatMap((kind) => {
    const subject = text(map, kind)
    if (subject === undefined) return []
    const list = named(map, 'accounts')[0]?.value
    const accounts =
      list?.kind === 'array' ? list.items.flatMap((item) => (item.kind === 'string' ? [item.value] : [])) : undefined
    return [{kind, subject, ...(accounts === undefined ? {} : {accounts}), at: placeOf(map)}]
  })
}

function maps(value: ConfigNode | undefined): ConfigMap[] {
  return value?.kind === 'array' ? value.items.filter((item) => item.kind === 'map') : []
}

function text(map: ConfigMap, name: string): string | undefined {
  const value = named(map, name)[0]?.value
  return value?.kind === 'string' ? value.value : undefined
}
