import type {CompletedFlag, CompletionModel} from './model.js'
import {bashAnswer, bashLine} from './bash-line.js'
import {bashNames, renderBashScope} from './bash-names.js'
import {quoted, script, type Program} from './script.js'

/** The completion script for bash 4.4 or newer. */
export function renderBash(model: CompletionModel, program: Program): string {
  return `${head}
${renderWords(model)}
${renderCommands(model)}
${renderBashScope(model, program)}
${bashNames}
${bashLine}
${bashAnswer}`
}

const head = script`# bash completion of lattice, made by: lattice completion bash
# All that does not change stands in this file; names come from a file that a process in the background keeps.
`

/** First words, and second words by topic. */
function renderWords({commands, topics}: CompletionModel): string {
  const first = [...new Set([...commands.map(({words}) => words.split(' ')[0]!), 'help'])].sort()
  const cases = Object.keys(topics).map((topic) => {
    const verbs = commands.flatMap(({words}) => (words.startsWith(`${topic} `) ? [words.slice(topic.length + 1)] : []))
    return `    ${topic}) found+=(${verbs.join(' ')}) ;;`
  })
  return script`_lattice_words() {
  case $1 in
    '') found+=(${first.join(' ')}) ;;
${cases.join('\n')}
    *) return 1 ;;
  esac
}
`
}

/** What each command takes: `args` in order, `flags` as name=values, with nothing behind = where there is no value. */
function renderCommands({commands, connection}: CompletionModel): string {
  const cases = commands.map(({words, connects, args, flags}) => {
    const own = flags.filter(({shared}) => !shared).map(renderFlag)
    const all = [...own, ...(connects ? ['$connection'] : [])].join(' ')
    const takes = args.map(({values, many}) => `${values}${many ? '+' : ''}`).join(' ')
    return `    ${quoted(words)}) args='${takes}' flags="${all}" ;;`
  })
  return script`_lattice_command() {
  local connection='${connection.map(renderFlag).join(' ')}'
  case $1 in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
`
}

function renderFlag({name, char, values, many}: CompletedFlag): string {
  const letter = char === undefined ? '' : ` -${char}=@--${name}`
  return `--${name}${many ? '+' : ''}=${values ?? ''}${letter}`
}
