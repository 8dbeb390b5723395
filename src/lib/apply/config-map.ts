import {createHash} from 'node:crypto'

import {UnsafeError} from '../errors.js'
import {formatConfigMapName, type ConfigMapName} from '../routing/config-map-name.js'
import {defaultMappingsFile} from './config-file.js'

/** What Kubernetes takes as the data of one ConfigMap. */
const largestBytes = 1 << 20

/** The manifest of a ConfigMap that holds a file of mappings and nothing else. Throws an UnsafeError where it is too large. */
export function renderConfigMap({namespace, name}: ConfigMapName, text: string): string {
  const bytes = Buffer.byteLength(text)
  if (bytes >= largestBytes) throw new LargeConfigMapError({namespace, name}, bytes)
  const digest = createHash('sha256').update(text).digest('hex')
  return [
    'apiVersion: v1',
    'kind: ConfigMap',
    'metadata:',
    `  name: ${JSON.stringify(name)}`,
    `  namespace: ${JSON.stringify(namespace)}`,
    '  labels:',
    '    app.kubernetes.io/managed-by: lattice',
    '  annotations:',
    `    lattice-cli/mappings-digest: sha256:${digest}`,
    'data:',
    `  ${defaultMappingsFile}: ${renderText(text)}`,
    '',
  ].join('\n')
}

/** A block where a person can read it; what YAML has no plain form for is quoted. */
function renderText(text: string): string {
  const plain = /^\S[\t\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*\S\n$/.test(text)
  if (!plain) return quoteText(text)
  const lines = text.slice(0, -1).split('\n')
  return ['|', ...lines.map((line) => (line === '' ? '' : `    ${line}`))].join('\n')
}

/** Unlike in JSON, a character is not written as two halves. */
function quoteText(text: string): string {
  const escaped = text.replace(/[^\x20-\x7e]|["\\]/gu, (character) => {
    return `\\U${character.codePointAt(0)!.toString(16).padStart(8, '0')}`
  })
  return `"${escaped}"`
}

class LargeConfigMapError extends UnsafeError {
  constructor(name: ConfigMapName, bytes: number) {
    super(
      `The mappings have ${bytes} bytes, and the ConfigMap '${formatConfigMapName(name)}' can hold ${largestBytes}.`,
      {
        details: {rule: 'configmap-size', bytes, limit: largestBytes},
      },
    )
  }
}
