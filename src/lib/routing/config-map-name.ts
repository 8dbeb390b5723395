import {UsageError} from '../errors.js'

/** A ConfigMap of Kubernetes. */
export interface ConfigMapName {
  readonly namespace: string
  readonly name: string
}

const label = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

/** Reads `NAMESPACE/NAME`; throws a UsageError for what is none, and for the chart's own ConfigMap. */
export function parseConfigMapName(text: string): ConfigMapName {
  const [namespace = '', name = '', ...others] = text.split('/')
  const valid = label.test(namespace) && name.length <= 253 && name.split('.').every((part) => label.test(part))
  if (!valid || others.length > 0) {
    throw new UsageError(`${JSON.stringify(text)} names no ConfigMap.`, {
      suggestions: ['--configmap NAMESPACE/NAME, such as nats/lattice-mappings'],
    })
  }
  // What Helm writes it writes again, and without our mappings.
  if (/nats.*-config$/.test(name)) {
    throw new UsageError(`The ConfigMap '${text}' has a name as the NATS chart gives to its own.`, {
      suggestions: [`--configmap ${namespace}/lattice-mappings`],
      details: {namespace, name},
    })
  }
  return {namespace, name}
}

/** As kubectl and our flags write it. */
export function formatConfigMapName({namespace, name}: ConfigMapName): string {
  return `${namespace}/${name}`
}
