import {UsageError} from '../errors.js'
import {extras, formatObject, isJsonRecord, requiredField, stringField, type JsonRecord} from './universal.js'

const linkFields = [
  'source_id',
  'target',
  'name',
  'wit_namespace',
  'wit_package',
  'interfaces',
  'source_config',
  'target_config',
] as const
const linkLists = ['interfaces', 'source_config', 'target_config'] as const

/**
 * True for a configuration of a v0 host, which is named after its entity and holds any bytes; what a v1 host keeps
 * under a name is an object of strings (wasmcloud-v0 §4.2, wasmcloud-v1 §9).
 */
export function isRawConfig(name: string): boolean {
  return /^[MV][A-Z2-7]{55}_/.test(name)
}

/** A component as v1 hosts write it; throws a UsageError that names the field that does not fit. */
export function formatComponent(component: JsonRecord): string {
  const links = component['links'] ?? []
  if (!Array.isArray(links)) throw new UsageError("The field 'links' must be a list of links.")
  return formatObject([
    ['url', stringField(component, 'url') ?? ''],
    ['links', links.map(componentLink)],
    ...extras(component, ['url', 'links']),
  ])
}

/** A configuration as v1 hosts read it; throws a UsageError that names the value that is not a string. */
export function formatConfig(config: JsonRecord): string {
  return formatObject(Object.keys(config).map((name) => [name, requiredText(config, name)] as const))
}

/** True for a component whose fields are all there and of their types. */
export function isPlainComponent(value: unknown): value is JsonRecord {
  return (
    isJsonRecord(value) &&
    typeof value['url'] === 'string' &&
    Array.isArray(value['links']) &&
    value['links'].every(isPlainComponentLink)
  )
}

/** True for an object of strings. */
export function isPlainConfig(value: unknown): value is Readonly<Record<string, string>> {
  return isJsonRecord(value) && Object.values(value).every((field) => typeof field === 'string')
}

function isPlainComponentLink(link: unknown): boolean {
  return (
    isJsonRecord(link) &&
    linkFields.every((name) => (isListField(name) ? isTexts(link[name]) : typeof link[name] === 'string'))
  )
}

function componentLink(link: unknown, index: number): JsonRecord {
  const place = `links.${index}`
  if (!isJsonRecord(link)) throw new UsageError(`The field '${place}' must be an object.`)
  const required = (name: string): string => requiredField(link, name, `${place}.${name}`)
  const list = (name: (typeof linkLists)[number]): readonly string[] => {
    const value = link[name] ?? []
    if (isTexts(value)) return value
    throw new UsageError(`The field '${place}.${name}' must be a list of strings.`)
  }
  return {
    source_id: required('source_id'),
    target: required('target'),
    name: stringField(link, 'name', `${place}.name`) ?? 'default',
    wit_namespace: required('wit_namespace'),
    wit_package: required('wit_package'),
    interfaces: list('interfaces'),
    source_config: list('source_config'),
    target_config: list('target_config'),
    ...Object.fromEntries(extras(link, linkFields)),
  }
}

function requiredText(record: JsonRecord, name: string): string {
  const value = stringField(record, name)
  if (value === undefined) throw new UsageError(`The field '${name}' must be a string.`)
  return value
}

function isListField(name: string): boolean {
  return (linkLists as readonly string[]).includes(name)
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
