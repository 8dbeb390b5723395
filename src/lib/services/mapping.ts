import {asDestination} from '../routing/endpoint.js'
import {patternOf, protectedPrefix} from '../routing/subject.js'
import {isPlainSubject} from './info.js'

const longest = 255

/** True when an address is the source itself, in either way to write it. */
export function isIncumbent(source: string, address: string): boolean {
  return address === source || address === asDestination(source)
}

/** Why a text cannot be the source of a mapping, as the end of a sentence; undefined when it can. */
export function sourceFault(source: string): string | undefined {
  const fault = subjectFault(source)
  if (fault !== undefined) return fault
  const tokens = source.split('.')
  if (tokens.some((token) => /^\$[+-]?\d+$/.test(token))) return 'a source holds * where its destinations hold $1'
  const prefix = protectedPrefix(source)
  return prefix === undefined ? undefined : `it would catch '${prefix}', which NATS itself needs`
}

/** Why a text cannot be a destination of a source that is right, as the end of a sentence; undefined when it can. */
export function destinationFault(source: string, destination: string): string | undefined {
  const fault = subjectFault(destination)
  if (fault !== undefined) return fault
  const tokens = destination.split('.')
  if (tokens.includes('*')) return 'a * names many subjects, and a message goes to one; write $1 for the first *'
  if (tokens.some((token) => /^\$(?![1-9]\d{0,2}$)/.test(token))) return 'a $ stands before the number of a * only'
  if (destination.includes('-lattice-drop')) return 'the ending -lattice-drop is kept for shares that fail'
  if (tokens.includes('>') !== source.split('.').includes('>'))
    return 'both the source and the leg end in >, or neither'
  const wildcards = source.split('.').filter((token) => token === '*').length
  const used = tokens.flatMap((token) => (token.startsWith('$') ? [Number(token.slice(1))] : []))
  const missing = used.find((index) => index > wildcards)
  if (missing !== undefined) return `the source has ${wildcards} *, and there is no $${missing}`
  for (let index = 1; index <= wildcards; index++) {
    const times = used.filter((each) => each === index).length
    if (times !== 1) return `it has $${index} ${times === 0 ? 'nowhere' : 'more than once'}, and needs each * once`
  }
  const prefix = protectedPrefix(patternOf(destination))
  return prefix === undefined ? undefined : `it would reach into '${prefix}', which NATS itself needs`
}

/** The shape that every subject has; wildcards are judged apart. */
function subjectFault(subject: string): string | undefined {
  if (subject === '') return 'it is empty'
  if (subject.length > longest) return `it has more than ${longest} characters`
  if (!isPlainSubject(subject)) {
    return 'a subject is made of tokens between dots, without white space, and > may only be the last'
  }
  if (/[{}]/.test(subject)) return 'functions in braces are not for legs; write $1 for the first *'
  const mixed = subject.split('.').find((token) => token.length > 1 && /[*>]/.test(token))
  return mixed === undefined ? undefined : `'*' and '>' stand as tokens of their own, not in '${mixed}'`
}

/** A subject that somebody listens on as a destination: its n-th `*` is written `$n`. */
export function asAddress(subject: string): string {
  return asDestination(subject)
}

/** Why an address that a service named cannot stand behind a source; the source itself always can. */
export function addressFault(source: string, address: string): string | undefined {
  return sourceFault(source) ?? (isIncumbent(source, address) ? undefined : destinationFault(source, address))
}
