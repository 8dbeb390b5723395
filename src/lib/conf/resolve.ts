import {ConfigTextError} from './config-error.js'
import type {LoadedFile} from './load.js'
import {parseConfigText} from './parse.js'
import {placeAt, sourceOf, type Place, type Source, type WrittenMap, type WrittenValue} from './tree.js'

/** Where something is written. */
export interface Origin {
  readonly source: Source
  readonly start: number
  readonly end: number
}

/** A value with variables and includes resolved. */
export type ConfigNode = Origin &
  (
    | {readonly kind: 'string'; readonly value: string}
    | {readonly kind: 'number'; readonly value: number}
    | {readonly kind: 'boolean'; readonly value: boolean}
    | {readonly kind: 'date'; readonly value: string}
    | {readonly kind: 'array'; readonly items: readonly ConfigNode[]}
    | ConfigMap
  )

/** A map in reading order, those of included files in their place; of equal keys the last counts. */
export type ConfigMap = Origin & {
  readonly kind: 'map'
  readonly settings: readonly Setting[]
  readonly includes: readonly IncludeUse[]
}

/** One key with its value. */
export interface Setting extends Origin {
  readonly key: string
  readonly value: ConfigNode
  /** True where a variable refers to it; servers then do not take it for an unknown field or an account. */
  readonly used: boolean
}

/** An include that stands directly in a map. */
export interface IncludeUse extends Origin {
  /** As it is written. */
  readonly path: string
  /** As it is opened. */
  readonly file: string
}

/** Values of the environment, which are the outermost variables. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface ResolveOptions {
  /** Told of each variable that is not set here; it then stands for its own name. Without it that is an error. */
  readonly onUnset?: ((name: string) => void) | undefined
}

/** Resolves variables and includes as the server does; throws a ConfigTextError at a variable that is not set. */
export function resolveConfig(file: LoadedFile, env: Environment, {onUnset}: ResolveOptions = {}): ConfigMap {
  return resolveMap(file.root, {file, env, scopes: [], asked: [], onUnset})
}

interface Context extends ResolveOptions {
  readonly file: LoadedFile
  readonly env: Environment
  /** The maps around, innermost first. */
  readonly scopes: readonly Map<string, MutableSetting>[]
  /** Environment variables that are being read. */
  readonly asked: readonly string[]
}

type MutableSetting = Omit<Setting, 'used'> & {used: boolean}

function resolveMap({entries, start, end}: WrittenMap, context: Context): ConfigMap {
  const {source} = context.file
  const scope = new Map<string, MutableSetting>()
  const settings: MutableSetting[] = []
  const includes: IncludeUse[] = []
  const add = (setting: MutableSetting): void => {
    settings.push(setting)
    scope.set(setting.key, setting)
  }
  for (const entry of entries) {
    const span = {source, start: entry.start, end: entry.end}
    if (entry.kind === 'pair') {
      const value = resolveValue(entry.value, {...context, scopes: [scope, ...context.scopes]})
      add({key: entry.key, value, used: false, ...span})
      continue
    }
    const file = context.file.includes.get(entry)
    if (file === undefined) throw failureAt(source, entry.start, `the file '${entry.path}' was not read`)
    includes.push({path: entry.path, file: file.source.file, ...span})
    // An included file knows no variables but its own and those of the environment.
    const included = resolveMap(file.root, {...context, file, scopes: [], asked: []})
    for (const setting of included.settings) add(setting)
  }
  return {kind: 'map', settings, includes, source, start, end}
}

function resolveValue(written: WrittenValue, context: Context): ConfigNode {
  const {source} = context.file
  const {start, end} = written
  switch (written.kind) {
    case 'map':
      return resolveMap(written, context)
    case 'array':
      return {kind: 'array', items: written.items.map((item) => resolveValue(item, context)), source, start, end}
    case 'variable':
      return lookUp(written.name, context, {source, start, end})
    case 'string':
    case 'number':
    case 'boolean':
    case 'date':
      return {...written, source}
  }
}

function lookUp(name: string, context: Context, at: Origin): ConfigNode {
  // A hash of a password needs no quotation marks.
  if (name.startsWith('2a$')) return {kind: 'string', value: `$${name}`, ...at}
  for (const scope of context.scopes) {
    const setting = scope.get(name)
    if (setting === undefined) continue
    setting.used = true
    return setting.value
  }
  if (context.asked.includes(name)) throw failureAt(at.source, at.start, `the variable '$${name}' refers to itself`)
  const text = Object.hasOwn(context.env, name) ? context.env[name] : undefined
  const value =
    text === undefined ? undefined : readEnvironment(text, {...context, asked: [...context.asked, name]}, at)
  if (value !== undefined) return value
  if (context.onUnset === undefined) throw failureAt(at.source, at.start, `the variable '$${name}' is not set`)
  context.onUnset(name)
  return {kind: 'string', value: `$${name}`, ...at}
}

function readEnvironment(text: string, context: Context, at: Origin): ConfigNode | undefined {
  const source = sourceOf(at.source.file, `pk=${text}`)
  const file = {source, root: parseEnvironment(source, at), includes: new Map()}
  // Places in it are of no file, so what is in it stands where the variable does.
  const {settings} = resolveMap(file.root, {...context, scopes: [], file})
  const value = settings.findLast(({key}) => key === 'pk')?.value
  return value === undefined ? undefined : {...value, ...at}
}

/** What fails in it is not quoted: it may be a secret. */
function parseEnvironment(source: Source, at: Origin): WrittenMap {
  try {
    return parseConfigText(source)
  } catch (error) {
    if (!(error instanceof ConfigTextError)) throw error
    throw failureAt(at.source, at.start, 'the value of a variable cannot be read')
  }
}

/** The settings that count, by key. */
export function effective({settings}: ConfigMap): ReadonlyMap<string, Setting> {
  return new Map(settings.map((setting) => [setting.key, setting]))
}

/** The settings that count under any of these names, whatever their case. */
export function named(map: ConfigMap, ...names: readonly string[]): Setting[] {
  return [...effective(map).values()].filter(({key}) => names.includes(key.toLowerCase()))
}

/** Where something begins. */
export function placeOf({source, start}: Origin): Place {
  return placeAt(source, start)
}

function failureAt(source: Source, offset: number, reason: string): ConfigTextError {
  return new ConfigTextError(reason, placeAt(source, offset))
}
