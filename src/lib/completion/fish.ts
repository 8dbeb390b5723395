import type {CompletedArgument, CompletedCommand, CompletedFlag, CompletionModel} from './model.js'
import {fishNames, renderFishScope} from './fish-names.js'
import {fishWord, script, type Program} from './script.js'
import type {Values} from './values.js'

/** The completion script for fish 3.4 or newer. */
export function renderFish(model: CompletionModel, program: Program): string {
  return `${head}
${renderCommands(model)}
${line}
${renderFishScope(model, program)}
${fishNames}
${renderWords(model)}
${renderShared(model)}
${model.commands.map(renderCommand).join('\n')}
`
}

const head = script`# fish completion of lattice, made by: lattice completion fish
# All that does not change stands in this file; names come from a file that a process in the background keeps.
`

/** Which commands there are, and which of their flags have a value. */
function renderCommands({commands, connection}: CompletionModel): string {
  const valued = (flags: readonly CompletedFlag[]): string =>
    flags
      .flatMap(({name, char, values}) =>
        values === undefined ? [] : [`--${name}`, ...(char === undefined ? [] : [`-${char}`])],
      )
      .join(' ')
  const cases = commands.map(
    ({words, connects, flags}) => `        case ${fishWord(words)}
            set valued ${connects ? '$valued ' : ''}${valued(flags.filter(({shared}) => !connects || !shared))}`,
  )
  const connecting = commands.filter(({connects}) => connects).map(({words}) => fishWord(words))
  const about = commands.filter(({args}) => /^names:(ref|entity)$/.test(args[0]?.values ?? ''))
  return script`function __lattice_valued --argument-names command
    set -l valued ${valued(connection)}
    switch $command
${cases.join('\n')}
        case '*'
            return 1
    end
    printf '%s\n' $valued
end

function __lattice_connects
    contains -- (__lattice_command) ${connecting.join(' ')}
end

function __lattice_about_entity
    contains -- (__lattice_command) ${about.map(({words}) => fishWord(words)).join(' ')}
end

function __lattice_two
    contains -- "$argv" ${commands.flatMap(({words}) => (words.includes(' ') ? [fishWord(words)] : [])).join(' ')}
end
`
}

const line = script`# Words before the one that is completed, without what stands before the program.
function __lattice_tokens
    set -l tokens (commandline -opc)
    while string match -qr '^\w+=' -- "$tokens[1]"
        set -e tokens[1]
    end
    test (count $tokens) -gt 0; and printf '%s\n' $tokens
end

# The command of the line, read once for all the conditions below.
function __lattice_command
    set -l line (commandline -pc)
    if test "$line" != "$__lattice_line"
        set -l tokens (__lattice_tokens)
        set -g __lattice_line "$line"
        set -g __lattice_is "$tokens[2]"
        __lattice_two "$tokens[2]" "$tokens[3]"; and set -g __lattice_is "$tokens[2] $tokens[3]"
    end
    printf '%s\n' $__lattice_is
end

function __lattice_at
    __lattice_command >/dev/null
    test "$__lattice_is" = "$argv"
end

function __lattice_second
    set -l tokens (__lattice_tokens)
    test (count $tokens) -eq 2 -a "$tokens[2]" = "$argv"
end

function __lattice_first
    set -l tokens (__lattice_tokens)
    test (count $tokens) -eq 1 -o \( (count $tokens) -eq 2 -a "$tokens[2]" = help \)
end

# The words that are neither flags nor values of flags.
function __lattice_positionals
    set -l tokens (__lattice_tokens)
    set -l command (__lattice_command)
    set -l valued (__lattice_valued $command)
    set -l from (math 2 + (count (string split ' ' -- $command)))
    set -l value no
    for token in $tokens[$from..-1]
        if test $value = yes
            set value no
        else if contains -- $token $valued
            set value yes
        else if not string match -q -- '-?*' $token
            printf '%s\n' $token
        end
    end
end

# Whether the argument of a command with this number comes next; with a plus, also when it came.
function __lattice_argument --argument-names command number
    __lattice_at $command; or return
    set -l count (count (__lattice_positionals))
    if string match -q '*+' -- $number
        test $count -ge (math (string trim -c + -- $number) - 1)
    else
        test $count -eq (math $number - 1)
    end
end
`

function renderWords({commands, topics}: CompletionModel): string {
  const single = commands.filter(({words}) => !words.includes(' ')).map(({words, summary}) => [words, summary] as const)
  const first = [...single, ...Object.entries(topics), ['help', 'Explain a command.'] as const]
  const second = commands.flatMap(({words, summary}) => {
    const [topic, verb] = words.split(' ')
    return verb === undefined
      ? []
      : [`complete -c lattice -n '__lattice_second ${topic!}' -a ${verb} -d ${fishWord(summary)}`]
  })
  return [
    'complete -c lattice -f',
    ...first.map(([name, text]) => `complete -c lattice -n __lattice_first -a ${name} -d ${fishWord(text)}`),
    ...second,
    '',
  ].join('\n')
}

function renderShared({connection}: CompletionModel): string {
  return connection.map((flag) => renderFlag('__lattice_connects', flag)).join('\n')
}

function renderCommand({words, connects, args, flags}: CompletedCommand): string {
  const own = flags.filter(({shared}) => !connects || !shared)
  return [
    ...args.flatMap((argument, index) => renderArgument(words, argument, index + 1)),
    ...own.map((flag) => renderFlag(`__lattice_at ${words}`, flag)),
  ].join('\n')
}

function renderArgument(words: string, {values, many}: CompletedArgument, number: number): string[] {
  if (values === 'none') return []
  const condition = `__lattice_argument "${words}" ${number}${many ? '+' : ''}`
  const files = values === 'files' || values === 'names:artifact' ? ' -F' : ''
  return [`complete -c lattice -n ${fishWord(condition)}${files}${renderValues(values)}`]
}

function renderFlag(condition: string, {name, char, summary, values}: CompletedFlag): string {
  const letter = char === undefined ? '' : ` -s ${char}`
  const takes = values === undefined ? '' : values === 'files' ? ' -r -F' : ` -x${renderValues(values)}`
  return `complete -c lattice -n ${fishWord(condition)}${letter} -l ${name}${takes} -d ${fishWord(summary)}`
}

function renderValues(values: Values): string {
  if (values === 'none' || values === 'files') return ''
  if (values === 'folders') return " -a '(__fish_complete_directories)'"
  const [kind, rest] = [values.slice(0, values.indexOf(':')), values.slice(values.indexOf(':') + 1)]
  return kind === 'words'
    ? ` -a ${fishWord(rest.replaceAll('|', ' '))}`
    : ` -k -a ${fishWord(`(__lattice_names ${rest})`)}`
}
