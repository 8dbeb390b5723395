import {finding, type Finding, type RuleName} from '../routing/rule-book.js'
import {protectedPrefix, subjectsOverlap} from '../routing/subject.js'
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
  return [
    ...services.flatMap((service, index) => judgeName(service, services.slice(0, index))),
    ...all.flatMap((one) => judgeSource(one)),
    ...sound.flatMap((one, index) => [
      ...judgeOverlap(one, sound.slice(0, index)),
      ...judgeCaught(one, sound),
      ...judgeShared(one, sound.slice(0, index)),
    ]),
  ]
}

function faultOf(source: string, template: string): string | undefined {
  return sourceFault(source) ?? templateFault(source, template)
}

function judgeName({name, lattice, where}: DeclaredService, before: readonly DeclaredService[]): Finding[] {
  const first = before.find((other) => other.name === name && other.lattice === lattice)
  if (first === undefined) return []
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

function judgeOverlap({source, where}: Declared, before: readonly Declared[]): Finding[] {
  return before
    .filter((other) => subjectsOverlap(other.source, source))
    .slice(0, 1)
    .map((other) =>
      finding('overlap', 'refuse', {
        source,
        where,
        sentence: `The source '${source}' overlaps '${other.source}' of '${other.service.name}' at ${other.where}.`,
      }),
    )
}

/** An address that a source catches is mapped once more when somebody publishes there, and never by another mapping. */
function judgeCaught({source, template, service, where}: Declared, all: readonly Declared[]): Finding[] {
  const pattern = templatePattern(template)
  return all
    .filter((other) => subjectsOverlap(other.source, pattern))
    .map((other) => {
      const own = other.source === source && other.service === service
      const whose = own ? 'its own source' : `the source of '${other.service.name}' at ${other.where}`
      const sentence = `The template '${template.text}' can give subjects that '${other.source}' catches, ${whose}.`
      return finding(own ? 'own-destination' : 'chained', own ? 'warn' : 'refuse', {source, where, sentence})
    })
}

/** Within one service workers may tell requests apart; two services on one subject take each other's. */
function judgeShared({source, template, service, where}: Declared, before: readonly Declared[]): Finding[] {
  return before
    .filter((other) => subjectsOverlap(templatePattern(other.template), templatePattern(template)))
    .slice(0, 1)
    .map((other) => {
      const sentence = `The template '${template.text}' can give the same subject as '${other.template.text}' of '${other.service.name}' at ${other.where}.`
      const level = other.service === service ? 'warn' : 'refuse'
      return finding('shared-template', level, {source, where, sentence})
    })
}
