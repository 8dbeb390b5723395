import type {CompletedArgument, CompletedCommand, CompletedFlag, CompletionModel} from './model.js'
import {quoted, script, type Program} from './script.js'
import type {Values} from './values.js'
import {renderZshScope, zshNames} from './zsh-names.js'

/** The completion script for zsh: a function file, or to be sourced behind compinit. */
export function renderZsh(model: CompletionModel, program: Program): string {
  return `${head}
${renderZshScope(model, program)}
${zshNames}
${renderWords(model)}
${renderCommands(model)}
${main}`
}

const head = script`#compdef lattice
# zsh completion of lattice, made by: lattice completion zsh
# All that does not change stands in this file; names come from a file that a process in the background keeps.
`

/** First words, and second words by topic. */
function renderWords({commands, topics}: CompletionModel): string {
  const single = commands.filter(({words}) => !words.includes(' ')).map(({words, summary}) => [words, summary] as const)
  const first = [...single, ...Object.entries(topics), ['help', 'Explain a command.'] as const]
  const cases = Object.keys(topics).map((topic) => {
    const verbs = commands.filter(({words}) => words.startsWith(`${topic} `))
    return `    ${topic}) list=(${described(verbs.map(({words, summary}) => [words.slice(topic.length + 1), summary]))}) ;;`
  })
  return script`_lattice_words() {
  local -a list
  case $1 in
    '') list=(${described(first)}) ;;
${cases.join('\n')}
    *) return 1 ;;
  esac
  _describe -t commands command list
}

_lattice_two() {
  case $1 in
    ${commands.flatMap(({words}) => (words.includes(' ') ? [quoted(words)] : [])).join(' | ')}) return 0 ;;
  esac
  return 1
}
`
}

function described(entries: readonly (readonly [string, string])[]): string {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([word, text]) => quoted(`${word}:${text}`)).join(' ')
}

function renderCommands({commands, connection}: CompletionModel): string {
  return script`_lattice_command() {
  local -a connection=(
${connection
  .flatMap(renderFlag)
  .map((spec) => `    ${spec}`)
  .join('\n')}
  )
  case $1 in
${commands.map(renderCommand).join('\n')}
    *) return 1 ;;
  esac
}
`
}

function renderCommand({words, connects, args, flags}: CompletedCommand): string {
  const specs = [...args.map(renderArgument), ...flags.filter(({shared}) => !shared).flatMap(renderFlag)]
  const shared = connects ? ' "$connection[@]"' : ''
  const rest = specs.map((spec) => ` \\\n        ${spec}`).join('')
  const about = /^names:(ref|entity)$/.test(args[0]?.values ?? '') ? '      first=entity\n' : ''
  return `    ${quoted(words)})\n${about}      _arguments -s -S${shared}${rest} ;;`
}

function renderArgument({name, values, required, many}: CompletedArgument): string {
  return quoted(`${many ? '*' : ''}${required || many ? ':' : '::'}${name}:${renderAction(values)}`)
}

function renderFlag({name, char, summary, placeholder, values, many}: CompletedFlag): string[] {
  const forms = char === undefined ? [] : [`-${char}`]
  const all = [...forms, `--${name}`]
  const before = many ? '*' : all.length > 1 ? `(${all.join(' ')})` : ''
  const explained = `[${summary.replace(/[\\[\]]/g, '\\$&')}]`
  return all.map((form) => {
    if (values === undefined) return quoted(`${before}${form}${explained}`)
    const joined = form.startsWith('--') ? '=' : '+'
    return quoted(`${before}${form}${joined}${explained}:${placeholder.replaceAll(':', '\\:')}:${renderAction(values)}`)
  })
}

function renderAction(values: Values): string {
  if (values === 'none') return ' '
  if (values === 'files') return '_files'
  if (values === 'folders') return '_files -/'
  const [kind, rest] = [values.slice(0, values.indexOf(':')), values.slice(values.indexOf(':') + 1)]
  return kind === 'words' ? `(${rest.replaceAll('|', ' ')})` : `_lattice_names ${rest}`
}

const main = script`_lattice() {
  local curcontext=$curcontext command first=
  local -a lattice_words line
  local -A opt_args
  local -i lattice_current=CURRENT ret=1
  lattice_words=("\${(@)words}")
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then compadd -- --help --version; else _lattice_words ''; fi
    return
  fi
  if [[ $words[2] == help ]]; then
    if (( CURRENT == 3 )); then _lattice_words ''; elif (( CURRENT == 4 )); then _lattice_words $words[3]; fi
    return
  fi
  if (( CURRENT == 3 )) && _lattice_words $words[2]; then return; fi
  command=$words[2]
  if (( CURRENT > 3 )) && _lattice_two "$words[2] $words[3]"; then
    command="$words[2] $words[3]"
    shift words
    (( CURRENT-- ))
  fi
  shift words
  (( CURRENT-- ))
  curcontext="\${curcontext%:*}-\${command// /-}:"
  _lattice_command $command
}

if [[ $funcstack[1] == _lattice ]]; then
  _lattice "$@"
elif (( $+functions[compdef] )); then
  compdef _lattice lattice
fi
`
