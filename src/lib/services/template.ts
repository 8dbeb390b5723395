import {decodeVersion, encodeVersion, type Version} from '../entity/version.js'
import {patternOf} from '../routing/subject.js'
import {destinationFault, sourceFault} from './mapping.js'

/** Where the versions of a service listen behind one source: the subject with a place for the version. */
export interface Template {
  /** As it is written. */
  readonly text: string
  /** `base64url` can be read back from an address, `dash` cannot. */
  readonly form: 'base64url' | 'dash'
}

const place = /\{v(?::dash)?\}/g
/** What stands for a version while the shape of a template is judged. */
const sample = 'MS4wLjA'

/** Why a text is no template of a source that is right, as the end of a sentence; undefined when it is one. */
export function templateFault(source: string, text: string): string | undefined {
  const places = text.match(place) ?? []
  if (places.length === 0) return 'it has no {v} where the version stands'
  if (places.length > 1) return 'the version stands in it more than once'
  return destinationFault(source, text.replace(place, sample))
}

/** Reads a template that has no fault. */
export function readTemplate(text: string): Template {
  return {text, form: text.includes('{v:dash}') ? 'dash' : 'base64url'}
}

/** The subject of a version; what the n-th `*` of the source stood for is `$n`. */
export function addressAt({text, form}: Template, version: string): string {
  const token = form === 'dash' ? dashed(version) : encodeVersion(version)
  return text.replace(place, () => token)
}

/** Why the address of a version cannot stand behind a source, as the end of a sentence; undefined when it can. */
export function versionFault(source: string, template: Template, version: string): string | undefined {
  return sourceFault(source) ?? destinationFault(source, addressAt(template, version))
}

/** The version that a subscription on this subject stands for; undefined where that cannot be told. */
export function versionAt({text, form}: Template, subject: string): Version | undefined {
  if (form === 'dash') return undefined
  const [wanted, given] = [text.split('.'), subject.split('.')]
  const open = wanted.at(-1) === '>'
  if (open ? given.length < wanted.length : given.length !== wanted.length) return undefined
  let version: Version | undefined
  for (const [index, token] of wanted.entries()) {
    const other = given[index]!
    const at = token.indexOf('{v}')
    if (at >= 0) {
      const [before, after] = [token.slice(0, at), token.slice(at + 3)]
      const fits = other.length >= before.length + after.length && other.startsWith(before) && other.endsWith(after)
      version = fits ? decodeVersion(other.slice(before.length, other.length - after.length)) : undefined
      if (version === undefined) return undefined
    } else if (token !== '>' && !/^\$\d+$/.test(token) && token !== other) return undefined
  }
  return version
}

/** All subjects that addresses by this template can be, as a pattern. */
export function templatePattern({text}: Template): string {
  return patternOf(
    text
      .split('.')
      .map((token) => (/\{v(?::dash)?\}/.test(token) ? '*' : token))
      .join('.'),
  )
}

/** One token for all versions that differ in punctuation alone. */
function dashed(version: string): string {
  return version.replace(/[^A-Za-z0-9]/g, '-')
}
