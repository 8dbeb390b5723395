import type {CompletedFlag, CompletionModel} from './model.js'
import {scopeVariables} from './scope.js'
import {freshSeconds, namesHead, offeredSeconds, quoted, script, startRefresh, type Program} from './script.js'

/** Where names lie and how a refresh of them is started. */
export function renderZshScope({connection}: CompletionModel, [node, run]: Program): string {
  const scope = connection.filter((flag) => flag.scope)
  const valued = scope.filter(({values}) => values !== undefined)
  const letters = valued.filter(({char}) => char !== undefined)
  const longOf = letters.map(
    ({char, name}) => `      -${char!}) word=--${name} ;;\n      -${char!}*) word=--${name}=\${word#-?} ;;`,
  )
  const list = (flags: readonly CompletedFlag[]): string => flags.map(({name}) => `--${name}`).join(' | ')
  const plain = scope.filter(({values}) => values === undefined)
  return script`# What may stand in the name of a file and in its first lines: never a secret.
_lattice_public() {
  case $1 in
    data:*) REPLY=data: ;;
    *@*) REPLY=\${1##*@} ;;
    /*) REPLY=$1 ;;
    # It may be a path, and means another file in another folder.
    */* | *.*) REPLY=$1 here="in=$PWD " ;;
    *) if (( $#1 > 40 )); then REPLY=set; else REPLY=$1; fi ;;
  esac
}

# Notes a flag that says whose names are wanted.
_lattice_note() {
  [[ $2 == - || $2 == *[$'\n\t']* || ( $1 == --server && $2 == *@* ) ]] && return 1
  [[ $1 == --context ]] && context=$2
  _lattice_public "$2"
  key+="$1=$REPLY "
}

# Reads those flags from the line: typed, context, key.
_lattice_typed() {
  local word value
  local -i i
  for (( i = 2; i < lattice_current; i++ )); do
    word=$lattice_words[i]
    [[ $word == -- ]] && break
    case $word in
${longOf.join('\n')}
    esac
    value=
    case $word in
      ${list(valued)}) (( ++i < lattice_current )) || break; value=$lattice_words[i] ;;
      --*=*) value=\${word#*=} word=\${word%%=*} ;;
      ${list(plain)}) typed+=("$word"); key+="$word= "; continue ;;
    esac
    case $word in
      ${list(valued)}) ;;
      *) continue ;;
    esac
    [[ $value == *[\$\`]* ]] && return 1
    value=\${(Q)value}
    [[ $value == '~/'* ]] && value=$HOME\${value#'~'}
    _lattice_note $word "$value" || return 1
    typed+=("$word" "$value")
  done
}

# Where the names of the line lie: key, file, context; fails where they cannot be known.
_lattice_scope() {
  local config=\${XDG_CONFIG_HOME-} cache=\${XDG_CACHE_HOME-} here= variable password REPLY
  [[ $config == /* ]] || config=\${HOME:+$HOME/.config}
  [[ $cache == /* ]] || cache=\${HOME:+$HOME/.cache}
  [[ -n $config && -n $cache ]] || return 1
  # What stands before the command is not among its words.
  [[ \${LBUFFER-} == *(LATTICE|NATS)_[A-Z_]#=*lattice* ]] && return 1
  folder=$cache/lattice/completion context=\${LATTICE_CONTEXT-} key=
  _lattice_typed || return 1
  for variable in ${scopeVariables.join(' ')}; do
    [[ -z \${(P)variable-} ]] && continue
    password=\${variable%USER}PASSWORD
    if [[ $variable == *_USER && -z \${(P)password-} ]]; then
      key+="$variable=set "
    else
      _lattice_note $variable "\${(P)variable}" || return 1
    fi
  done
  [[ -z $context && -r $config/nats/context.txt ]] && IFS= read -r context <$config/nats/context.txt
  [[ $context$PWD == *[$'\n\t']* ]] && return 1
  key+="\${here}context=$context"
  case $context in
    */* | *.json | '') ;;
    *) context=$config/nats/context/$context.json ;;
  esac
  local LC_ALL=C
  REPLY=\${key//[^A-Za-z0-9.-]/_}
  (( $#REPLY > 120 )) && REPLY=\${REPLY[-120,-1]}
  file=$folder/names-$REPLY
}

# Starts a refresh, unless one was started lately.
_lattice_refresh() {
  local tried=
  local -a program=(${quoted(node)} ${quoted(run)})
  [[ -r $file.tried ]] && IFS= read -r tried <$file.tried
  [[ $tried == <-> ]] || tried=0
  (( now - tried >= 0 && now - tried < ${String(freshSeconds)} )) && return
  [[ -x $program[1] && -f $program[2] ]] || program=("\${commands[lattice]-}")
  [[ -n $program[1] ]] || return
  command sh -c ${quoted(startRefresh)} sh "$folder" "$file.tried" "$now" "$program[@]" \
    completion refresh --file "$file:t" --key "$key" "$typed[@]" </dev/null >/dev/null 2>&1
}
`
}

/** Completes names. */
export const zshNames = script`# Lines of the file of names, if they are to be offered.
_lattice_lines() {
  local folder context key file
  local -a typed
  local -i now age=-1
  lines=()
  _lattice_scope || return 1
  zmodload -F zsh/datetime p:EPOCHSECONDS 2>/dev/null || return 1
  now=$EPOCHSECONDS
  [[ -r $file ]] && lines=("\${(@f)$(<$file)}")
  [[ $lines[1] == '${namesHead}' && $lines[2] == "$key" && $lines[3] == <-> ]] && age='now - lines[3]'
  # What the context says may have changed since.
  [[ -n $context && $context -nt $file ]] && age=-1
  (( age >= 0 && age < ${String(freshSeconds)} )) || _lattice_refresh
  (( age >= 0 && age < ${String(offeredSeconds)} ))
}

# Adds the names of some kinds, with what is said beside them.
_lattice_lookup() {
  local kind each
  for kind in "$@"; do
    for each in "\${(@M)lines[4,-1]:#$kind$'\t'*}"; do
      each=\${each#*$'\t'}
      _lattice_add "\${each%%$'\t'*}" "\${each#*$'\t'}"
    done
  done
}

_lattice_add() {
  (( \${+known[$1]} )) && return
  known[$1]=1
  found+=("$1")
  notes+=("\${2-}")
}

# Adds the versions of the entity that was typed, of all entities when none was.
_lattice_versions() {
  local each entity=\${(Q)opt_args[--entity]-}
  [[ -z $entity && $first == entity ]] && entity=\${(Q)line[1]-}
  for each in "\${(@M)lines[4,-1]:#version$'\t'*}"; do
    each=\${each#*$'\t'}
    [[ -z $entity || \${each#*$'\t'} == "\${entity%%@*}" ]] || continue
    _lattice_add "\${each%%$'\t'*}" "\${each#*$'\t'}"
  done
}

# Completes names of the kind that is the last argument; what stands before it is for others.
_lattice_names() {
  local kind=$@[-1] base each
  local -a lines found notes display options expl
  local -i i widest=0
  local -A known
  # No name begins like a flag.
  [[ $PREFIX == -* ]] && return 1
  case $kind in
    context)
      base=\${XDG_CONFIG_HOME-}
      [[ $base == /* ]] || base=\${HOME-}/.config
      for each in $base/nats/context/*.json(N:t:r); do _lattice_add "$each"; done
      [[ $PREFIX == */* ]] && { _files -g '*.json'; return } ;;
    embedded)
      base=\${XDG_STATE_HOME-}
      [[ $base == /* ]] || base=\${HOME-}/.local/state
      for each in $base/lattice/*(N/:t); do [[ $each == *.* ]] || _lattice_add "$each"; done ;;
    artifact)
      _files
      local -i ret=$?
      compadd builtin:httpserver && ret=0
      return ret ;;
    record) [[ \${line[1]-} == claims ]] || return 1; kind=ref ;;
    provider) _lattice_add httpserver 'the one that hosts have' ;;
  esac
  if [[ $kind != (context|embedded) ]] && _lattice_lines; then
    case $kind in
      entity) _lattice_lookup actor provider ;;
      ref) _lattice_lookup actor provider ref ;;
      leg) _lattice_lookup ref; found=("\${^found[@]}="); options=(-S '') ;;
      version) _lattice_versions ;;
      versions)
        compset -P '*,'
        _lattice_versions
        options=(-S '' -F "(\${(j: :)\${(qs:,:)IPREFIX}})") ;;
      *) _lattice_lookup $kind ;;
    esac
  fi
  (( $#found )) || return 1
  for each in "$found[@]"; do (( $#each > widest )) && widest=$#each; done
  for (( i = 1; i <= $#found; i++ )); do
    each="\${(r:widest:)found[i]}\${notes[i]:+  -- $notes[i]}"
    display+=("\${each[1,COLUMNS - 1]}")
  done
  _wanted -V names expl "$kind" compadd -l -d display "$options[@]" -a found
}
`
