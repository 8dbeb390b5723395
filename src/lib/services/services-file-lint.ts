import {finding, type Finding, type RuleName} from '../routing/rule-book.js'
import {indexSources, type SourceIndex} from '../routing/source-index.js'
import {protectedPrefix} from '../routing/subject.js'
import {sourceFault} from './mapping.js'
import {quote} from './plain.js'
import type {DeclaredService, DeclaredSource} from './services-file.js'
import {templateFault, templatePattern} from './template.js'

interface Declared extends DeclaredSource {
  readonly service: DeclaredService
}

/** What speaks against services as they are declared, in the order of the file. */
export function judgeServices(services: readonly DeclaredService[]): Finding[] {
  const all = services.flatMap((service) => service.sources.map((one): Declared => ({...one, service})))
  const sound = all.filter(({source, template}) => faultOf(source, template.text) === undefined)
  const sources = new Overlaps(sound, ({source}) => source)
  const templates = new Overlaps(sound, ({template}) => templatePattern(template))
  const names = Map.groupBy(services, ({name, lattice}) => `${lattice} ${name}`)
  return [
    ...services.flatMap((service) => judgeName(service, names.get(`${service.lattice} ${service.name}`)![0]!)),
    ...all.flatMap((one) => judgeSource(one)),
    ...sound.flatMap((one) => [
      ...judgeOverlap(one, sources.before(one)),
      ...judgeCaught(one, sources),
      ...judgeShared(one, templates.before(one)),
    ]),
  ]
}

/** Finds among many those whose subjects overlap, without comparing each with each. */
class Overlaps {
  readonly #index: SourceIndex
  readonly #found: ReadonlyMap<string, readonly Declared[]>
  readonly #places: ReadonlyMap<Declared, number>
  readonly #subjectOf: (one: Declared) => string

  constructor(all: readonly Declared[], subjectOf: (one: Declared) => string) {
    this.#found = Map.groupBy(all, subjectOf)
    this.#index = indexSources(this.#found.keys())
    this.#places = new Map(all.map((one, place) => [one, place]))
    this.#subjectOf = subjectOf
  }

  /** The first that stands before this one in the file. */
  before(one: Declared): Declared | undefined {
    const place = this.#places.get(one)!
    return this.with(this.#subjectOf(one), Number.POSITIVE_INFINITY)
      .filter((other) => this.#places.get(other)! < place)
      .sort((a, b) => this.#places.get(a)! - this.#places.get(b)!)[0]
  }

  /** Those that share a subject with a pattern. */
  with(pattern: string, most: number): Declared[] {
    return this.#index.overlapping(pattern, '', most).flatMap((subject) => this.#found.get(subject) ?? [])
  }
}

function faultOf(source: string, template: string): string | undefined {
  return sourceFault(source) ?? templateFault(source, template)
}

function judgeName(service: DeclaredService, first: DeclaredService): Finding[] {
  if (first === service) return []
  const {name, lattice, where} = service
  const sentence = `The service '${name}' is declared twice in lattice '${lattice}', first at ${first.where}.`
  return [finding('duplicate-service', 'refuse', {sentence, where})]
}

function judgeSource({source, template: {text}, where}: Declared): Finding[] {
  const fault = sourceFault(source)
  if (fault !== undefined) {
    const rule: RuleName = protectedPrefix(source) === undefined ? 'subject' : 'protected-source'
    return [finding(rule, 'refuse', {source, where, sentence: `${quote(source)} cannot be a source: ${fault}.`})]
  }
  const wrong = templateFault(source, text)
  if (wrong === undefined) return []
  const rule: RuleName = wrong.includes('which NATS itself needs') ? 'protected-destination' : 'template'
  return [finding(rule, 'refuse', {source, where, sentence: `${quote(text)} is no template of '${source}': ${wrong}.`})]
}

function judgeOverlap({source, where}: Declared, other: Declared | undefined): Finding[] {
  if (other === undefined) return []
  const sentence = `The source '${source}' overlaps '${other.source}' of '${other.service.name}' at ${other.where}.`
  return [finding('overlap', 'refuse', {source, where, sentence})]
}

/** Of those that catch one and the same template, a few say enough. */
const mostCaught = 5

/** An address that a source catches is mapped once more when somebody publishes there, and never by another mapping. */
function judgeCaught({source, template, service, where}: Declared, sources: Overlaps): Finding[] {
  return sources.with(templatePattern(template), mostCaught).map((other) => {
    const own = other.source === source && other.service === service
    const whose = own ? 'its own source' : `the source of '${other.service.name}' at ${other.where}`
    const sentence = `The template '${template.text}' can give subjects that '${other.source}' catches, ${whose}.`
    return finding(own ? 'own-destination' : 'chained', own ? 'warn' : 'refuse', {source, where, sentence})
  })
}

/** Within one service workers may tell requests apart; two services on one subject take each other's. */
function judgeShared({source, template, service, where}: Declared, other: Declared | undefined): Finding[] {
  if (other === undefined) return []
  const sentence = `The template '${template.text}' can give the same subject as '${other.template.text}' of '${other.service.name}' at ${other.where}.`
  return [finding('shared-template', other.service === service ? 'warn' : 'refuse', {source, where, sentence})]
}
