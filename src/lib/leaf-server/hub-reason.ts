import {open} from 'node:fs/promises'

import {ConnectionError} from '../errors.js'

/** The most of a log that is looked through. */
const tailBytes = 64 * 1024

/** Where a log ends now, to read later what was written since. */
export async function logEnd(file: string): Promise<number> {
  try {
    await using log = await open(file)
    return (await log.stat()).size
  } catch {
    return 0
  }
}

/** The lines of a log from a place on, the last ones where it is long; a log that was begun anew is read whole. */
export async function logSince(file: string, from: number): Promise<string[]> {
  try {
    await using log = await open(file)
    const {size} = await log.stat()
    const start = Math.max(size < from ? 0 : from, size - tailBytes)
    const {buffer, bytesRead} = await log.read({buffer: Buffer.alloc(size - start), position: start})
    return buffer.toString('utf8', 0, bytesRead).split('\n')
  } catch {
    return []
  }
}

/** What a leaf node's server last wrote of why it is not connected, without a full stop; undefined when it wrote nothing. */
export function hubReason(log: readonly string[]): string | undefined {
  const line = log.findLast(
    (text) => /\[ERR\]|\[WRN\]/.test(text) && /leaf|remote server|TLS|x509|Authorization/i.test(text),
  )
  if (line === undefined) return undefined
  const text = line
    .replace(/^\[\d+\] \S+ \S+ \[\w+\] /, '')
    .replace(/^\S+ - (lid|l|wid):\S+ - /, '')
    .replace(/\/\/[^/@\s]*@/g, '//')
    .replace(/\.$/, '')
    .trim()
  return explain(text)
}

function explain(text: string): string {
  if (/authorization violation/i.test(text)) {
    return 'the servers refuse this user as a leaf node: wrong or revoked credentials, or a user that may not connect as LEAFNODE'
  }
  if (/revoked/i.test(text)) return 'the user was revoked'
  if (/maximum.*leaf/i.test(text)) return `the account takes no more leaf nodes (${text})`
  if (/expired/i.test(text)) return `the credentials have expired (${text})`
  if (/connection refused/i.test(text)) return `nobody takes leaf nodes there (${text.replace(/^.*\): /, '')})`
  if (/x509|certificate|tls/i.test(text)) return `the secure connection could not be made (${text})`
  return text
}

/** The servers of the account do not take it as a leaf node. */
export class HubRefusedError extends ConnectionError {
  constructor(urls: readonly string[], reason: string | undefined) {
    const where = urls.map((url) => `'${url}'`).join(', ')
    super(`The leaf node cannot connect to ${where}: ${reason ?? 'no answer came in time'}.`, {
      suggestions: [
        '--remote URL   (where the servers take leaf nodes: leafnodes {listen: …} in their configuration; port 7422 by default)',
        'Ask whoever runs the account whether it may have leaf nodes, and this user may be one.',
      ],
      details: {remotes: urls, reason: reason ?? 'timeout'},
    })
  }
}
