import {valuesOfArgument, valuesOfFlag, type Values} from './values.js'

/** A command as the scripts know it. */
export interface CompletedCommand {
  /** `cache get`, or `call`. */
  readonly words: string
  readonly summary: string
  /** Has the flags of a connection. */
  readonly connects: boolean
  readonly args: readonly CompletedArgument[]
  /** Sorted by name. */
  readonly flags: readonly CompletedFlag[]
}

export interface CompletedArgument {
  readonly name: string
  readonly values: Values
  readonly required: boolean
  /** Takes all the words that follow. */
  readonly many: boolean
}

export interface CompletedFlag {
  /** Without dashes. */
  readonly name: string
  readonly char?: string
  readonly summary: string
  /** Undefined for a flag without a value. */
  readonly values?: Values
  readonly placeholder: string
  /** May stand on a line several times. */
  readonly many: boolean
  /** One that every command which connects has. */
  readonly shared: boolean
  /** Says where the command acts, and so whose names are completed. */
  readonly scope: boolean
}

/** All that a script completes. */
export interface CompletionModel {
  /** Sorted by words. */
  readonly commands: readonly CompletedCommand[]
  /** By the first word of commands with two. */
  readonly topics: Readonly<Record<string, string>>
  /** Flags that every command which connects has. */
  readonly connection: readonly CompletedFlag[]
}

/** The parts of a command class that are completed. */
export interface CommandClass {
  readonly hidden?: boolean
  readonly summary?: string | undefined
  readonly enableJsonFlag?: boolean
  readonly args?: Readonly<Record<string, ArgumentClass>>
  readonly flags?: Readonly<Record<string, FlagClass>>
  readonly baseFlags?: Readonly<Record<string, FlagClass>>
}

interface ArgumentClass {
  readonly required?: boolean | undefined
  readonly multiple?: boolean | undefined
  readonly options?: readonly string[] | undefined
}

interface FlagClass {
  readonly type: 'boolean' | 'option'
  readonly char?: string | undefined
  readonly summary?: string | undefined
  readonly description?: string | undefined
  readonly hidden?: boolean | undefined
  readonly multiple?: boolean | undefined
  readonly allowNo?: boolean | undefined
  readonly options?: readonly string[] | undefined
  readonly helpValue?: string | readonly string[] | undefined
  readonly helpGroup?: string | undefined
}

/** Describes all commands that are not hidden; `topics` are the descriptions of first words of two. */
export function describeCommands(
  classes: Readonly<Record<string, CommandClass>>,
  topics: Readonly<Record<string, string>>,
): CompletionModel {
  const commands = Object.entries(classes)
    .filter(([, {hidden}]) => hidden !== true)
    .map(([words, command]) => describeCommand(words, command))
    .sort((a, b) => byText(a.words, b.words))
  const used = commands.flatMap(({words}) => (words.includes(' ') ? [words.split(' ')[0]!] : []))
  return {
    commands,
    topics: Object.fromEntries([...new Set(used)].map((topic) => [topic, topics[topic] ?? ''])),
    connection: commands.find(({connects}) => connects)?.flags.filter(({shared}) => shared) ?? [],
  }
}

function describeCommand(words: string, command: CommandClass): CompletedCommand {
  const {summary, enableJsonFlag, args, flags, baseFlags} = command
  const connects = baseFlags?.['server'] !== undefined
  const all = Object.entries({...baseFlags, ...flags}).filter(([, {hidden}]) => hidden !== true)
  const described = all
    .flatMap(([name, flag]) => describeFlag({command: words, name, flag}))
    .map((flag) => ({...flag, shared: connects && baseFlags[flag.name.replace(/^no-/, '')] !== undefined}))
  const common = [
    ...(enableJsonFlag === true ? [plainFlag('json', 'Format output as json.')] : []),
    plainFlag('help', 'Explain this command.'),
  ]
  return {
    words,
    summary: oneLine(summary),
    connects,
    args: Object.entries(args ?? {}).map(([name, {required, multiple, options}]) => ({
      name,
      values: knownValues(valuesOfArgument({command: words, name, options}), connects),
      required: required === true,
      many: multiple === true,
    })),
    flags: [...described, ...common]
      .map((flag) => (flag.values === undefined ? flag : {...flag, values: knownValues(flag.values, connects)}))
      .sort((a, b) => byText(a.name, b.name)),
  }
}

/** A command that does not connect is about no lattice whose names could be asked for. */
function knownValues(values: Values, connects: boolean): Values {
  const local = values === 'names:context' || values === 'names:embedded' || !values.startsWith('names:')
  return connects || local ? values : 'none'
}

function describeFlag({command, name, flag}: {command: string; name: string; flag: FlagClass}): CompletedFlag[] {
  const placeholder = typeof flag.helpValue === 'string' ? flag.helpValue : 'VALUE'
  const common = {
    ...(flag.char === undefined ? {} : {char: flag.char}),
    summary: oneLine(flag.summary ?? flag.description),
    placeholder,
    many: flag.multiple === true,
    shared: false,
    scope: flag.helpGroup === 'CONNECTION' && !otherwhere.test(name),
  }
  if (flag.type === 'option') {
    return [{...common, name, values: valuesOfFlag({command, name, options: flag.options, helpValue: placeholder})}]
  }
  const not = {...common, name: `no-${name}`, summary: `Not: ${common.summary}`}
  return [{...common, name}, ...(flag.allowNo === true ? [not] : [])]
}

/** Connection flags that do not change which names there are. */
const otherwhere = /^(timeout|connect-timeout|dialect|nsc-store|sys-.*|(operator|cluster)-seed-file)$/

function plainFlag(name: string, summary: string): CompletedFlag {
  return {name, summary, placeholder: '', many: false, shared: false, scope: false}
}

/** Help texts hold templates and quotes; what a shell shows is one plain line. */
function oneLine(text = ''): string {
  return text
    .replace(/<%=.*?%>/g, '')
    .replace(/\s+/g, ' ')
    .trim()
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
