/** A destination as somebody wrote it, right or wrong. */
export interface WrittenDestination {
  readonly subject: string
  /** A number, or whatever stands there; undefined: nothing. */
  readonly weight?: unknown
  readonly cluster?: string
}

/** A mapping as somebody wrote it, right or wrong. */
export interface WrittenMapping {
  readonly source: string
  readonly destinations: readonly WrittenDestination[]
  /** What of the entry has no known form, a sentence each. */
  readonly malformed?: readonly string[]
  /** Where it stands, such as a line of a file. */
  readonly where?: string
}

/** The mappings of a token's claims, whatever is wrong with them; the problem is a sentence. */
export function writtenMappings(claim: unknown): {readonly mappings: WrittenMapping[]; readonly problem?: string} {
  if (claim === undefined || claim === null) return {mappings: []}
  if (!isObject(claim)) return {mappings: [], problem: "The claim 'nats.mappings' is not an object."}
  return {mappings: Object.entries(claim).map(([source, list]) => writtenMapping(source, list))}
}

function writtenMapping(source: string, list: unknown): WrittenMapping {
  if (list === null) return {source, destinations: []}
  if (!Array.isArray(list)) {
    return {source, destinations: [], malformed: [`What '${source}' is mapped to is not a list.`]}
  }
  const items = list.map((item: unknown) => writtenDestination(source, item))
  const malformed = items.flatMap((item) => (typeof item === 'string' ? [item] : []))
  const destinations = items.filter((item) => typeof item !== 'string')
  return {source, destinations, ...(malformed.length > 0 ? {malformed} : {})}
}

function writtenDestination(source: string, item: unknown): WrittenDestination | string {
  if (!isObject(item)) return `A destination of '${source}' is not an object.`
  const {subject, weight, cluster} = item
  if (typeof subject !== 'string') {
    const other = ['destination', 'dest'].find((key) => Object.hasOwn(item, key))
    return other === undefined
      ? `A destination of '${source}' names no subject.`
      : `A destination of '${source}' is called '${other}', and tokens call it 'subject'.`
  }
  if (cluster !== undefined && cluster !== null && typeof cluster !== 'string') {
    return `The cluster of '${source}' to '${subject}' is not a text.`
  }
  return {
    subject,
    ...(weight === undefined || weight === null ? {} : {weight}),
    ...(typeof cluster === 'string' && cluster !== '' ? {cluster} : {}),
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
