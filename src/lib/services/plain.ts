import type {Entity, ListedEndpoint} from '../entity/entity.js'
import {shellWord} from '../entity/require.js'
import {compareVersions, parseVersion, type Version} from '../entity/version.js'
import {UsageError} from '../errors.js'
import {patternOf, subjectsOverlap} from '../routing/subject.js'
import {destinationFault, isIncumbent, sourceFault} from './mapping.js'

/** How the leg is written that is the source itself. */
const incumbent = '@source'
const mostLegs = 100
const howToWrite = ['--source orders.get --leg 1.0.0=orders.v1.get --leg 2.0.0=orders.v2.get']

/**
 * The entity of a plain subject: `--source orders.get --leg 1.0.0=@source --leg 2.0.0=orders.v2.get`, wildcards as `*`
 * in the source and `$1` in the legs. Its instances stand for the versions that were named, with a count of 0, because
 * who listens is not known. Throws a UsageError with the reason.
 */
export function parseSourceAndLegs(source: string, legs: readonly string[]): Entity {
  const fault = sourceFault(source)
  if (fault !== undefined)
    throw new UsageError(`${quote(source)} cannot be a source: ${fault}.`, {suggestions: howToWrite})
  if (legs.length === 0) {
    throw new UsageError(`The source ${quote(source)} has no legs.`, {suggestions: howToWrite})
  }
  if (legs.length > mostLegs) throw new UsageError(`A source can have at most ${mostLegs} legs, not ${legs.length}.`)
  const parsed = legs.map((leg) => parseLeg(source, leg)).sort((a, b) => compareVersions(a.version, b.version))
  refuseTwins(source, parsed)
  return {
    kind: 'subject',
    key: source,
    name: source,
    endpoints: [{source, addresses: Object.fromEntries(parsed.map(({version, address}) => [version, address]))}],
    instances: parsed.map(({version, address}) => ({version, host: '', count: 0, dark: address !== source})),
  }
}

/** What is odd about the legs of an endpoint and no reason to refuse them, a sentence each. */
export function warnAboutLegs({source, addresses}: ListedEndpoint): string[] {
  return Object.entries(addresses)
    .filter(([, address]) => !isIncumbent(source, address) && subjectsOverlap(source, patternOf(address)))
    .map(
      ([version, address]) =>
        `The source '${source}' also catches the address '${address}' of version ${version}: what is published there directly is mapped again.`,
    )
}

interface ParsedLeg {
  readonly version: Version
  readonly address: string
}

function parseLeg(source: string, text: string): ParsedLeg {
  const at = text.indexOf('=')
  if (at < 1) {
    throw new UsageError(`${quote(text)} is not a leg: it is written VERSION=SUBJECT.`, {suggestions: howToWrite})
  }
  const version = parseVersion(text.slice(0, at))
  const address = text.slice(at + 1)
  if (address === incumbent) return {version, address: source}
  if (isIncumbent(source, address)) {
    throw new UsageError(`The leg ${quote(text)} is the source itself, which is to be said.`, {
      suggestions: [`--leg ${shellWord(`${version}=${incumbent}`)}`],
    })
  }
  const fault = destinationFault(source, address)
  if (fault === undefined) return {version, address}
  throw new UsageError(`${quote(text)} cannot be a leg of ${quote(source)}: ${fault}.`, {suggestions: howToWrite})
}

/** Exactly one version listens on a leg address: no version twice, and no address that another leg catches. */
function refuseTwins(source: string, legs: readonly ParsedLeg[]): void {
  for (const [index, leg] of legs.entries()) {
    for (const other of legs.slice(index + 1)) {
      if (leg.version === other.version) throw new UsageError(`Version ${quote(leg.version)} has more than one leg.`)
      if (!subjectsOverlap(patternOf(leg.address), patternOf(other.address))) continue
      const [mine, theirs] = [`${leg.version}=${leg.address}`, `${other.version}=${other.address}`]
      throw new UsageError(
        leg.address === source || other.address === source
          ? `The version that listens on ${quote(source)} would hear the other leg too: ${quote(leg.address === source ? theirs : mine)}.`
          : `The legs ${quote(mine)} and ${quote(theirs)} would hear each other's messages.`,
        {suggestions: ['Give each version a subject of its own that the source does not catch.']},
      )
    }
  }
}

/** A text from outside as a terminal can show it, in quotes and not too long. */
export function quote(text: string): string {
  const short = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
  return short.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}
