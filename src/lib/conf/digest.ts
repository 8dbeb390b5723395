import {createHash} from 'node:crypto'

import {effective, type ConfigMap, type ConfigNode} from './resolve.js'

/** The `config_digest` that a server (2.11 and later) gives when it runs on this configuration: the hash of it as JSON. */
export function configDigest(root: ConfigMap): string {
  return `sha256:${createHash('sha256')
    .update(`${encode(root)}\n`)
    .digest('hex')}`
}

function encode(node: ConfigNode): string {
  switch (node.kind) {
    case 'map':
      return encodeMap(node)
    case 'array':
      return `[${node.items.map(encode).join(',')}]`
    case 'string':
    case 'date':
      return encodeText(node.value)
    case 'number':
    case 'boolean':
      return String(node.value)
  }
}

/** Go sorts keys by their bytes. */
function encodeMap(map: ConfigMap): string {
  const entries = [...effective(map)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return `{${entries.map(([key, {value}]) => `${encodeText(key)}:${encode(value)}`).join(',')}}`
}

/** Go escapes for HTML, too. */
function encodeText(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
