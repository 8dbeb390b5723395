import type {CompletionModel} from './model.js'
import {scopeVariables} from './scope.js'
import {freshSeconds, namesHead, offeredSeconds, quoted, script, startRefresh, type Program} from './script.js'

/** Where names lie and how a refresh of them is started. */
export function renderBashScope({connection}: CompletionModel, [node, run]: Program): string {
  const flags = connection.filter(({scope}) => scope).map(({name}) => `--${name}`)
  return script`_lattice_scope_flag() {
  case $1 in
    ${flags.join(' | ')}) return 0 ;;
  esac
  return 1
}

_lattice_program() {
  program=(${quoted(node)} ${quoted(run)})
  [[ -x \${program[0]} && -f \${program[1]} ]] && return 0
  program=("$(type -P lattice)")
  [[ -n \${program[0]} ]]
}

# What may stand in the name of a file and in its first lines: never a secret.
_lattice_public() {
  case $1 in
    data:*) REPLY=data: ;;
    *@*) REPLY=\${1##*@} ;;
    /*) REPLY=$1 ;;
    # It may be a path, and means another file in another folder.
    */* | *.*) REPLY=$1 here="in=$PWD " ;;
    *) if ((\${#1} > 40)); then REPLY=set; else REPLY=$1; fi ;;
  esac
}

# Where the names of the line lie: key, file, context; fails where they cannot be known.
_lattice_scope() {
  local config=\${XDG_CONFIG_HOME-} cache=\${XDG_CACHE_HOME-} here= variable password i
  [[ $config == /* ]] || config=\${HOME:+$HOME/.config}
  [[ $cache == /* ]] || cache=\${HOME:+$HOME/.cache}
  [[ -n $config && -n $cache ]] || return 1
  folder=$cache/lattice/completion context=\${LATTICE_CONTEXT-} key=
  for ((i = 0; i < \${#scope[@]}; i += 2)); do
    case \${scope[i + 1]} in - | *$'\n'* | *$'\t'*) return 1 ;; esac
    [[ \${scope[i]} == --context ]] && context=\${scope[i + 1]}
    [[ \${scope[i]} == --server && \${scope[i + 1]} == *@* ]] && return 1
    _lattice_public "\${scope[i + 1]}"
    key+=\${scope[i]}=$REPLY' '
  done
  for variable in ${scopeVariables.join(' ')}; do
    [[ -n \${!variable-} ]] || continue
    case \${!variable} in - | *$'\n'* | *$'\t'*) return 1 ;; esac
    password=\${variable%USER}PASSWORD
    if [[ $variable == *_USER && -z \${!password-} ]]; then REPLY=set; else _lattice_public "\${!variable}"; fi
    key+=$variable=$REPLY' '
  done
  [[ -z $context && -r $config/nats/context.txt ]] && IFS= read -r context <"$config/nats/context.txt"
  [[ $context$PWD == *[$'\n\t']* ]] && return 1
  key+="\${here}context=$context"
  case $context in */* | *.json) ;; ?*) context=$config/nats/context/$context.json ;; esac
  local LC_ALL=C
  REPLY=\${key//[^A-Za-z0-9.-]/_}
  ((\${#REPLY} > 120)) && REPLY=\${REPLY: -120}
  file=$folder/names-$REPLY
}

# Starts a refresh, unless one was started lately.
_lattice_refresh() {
  local tried= program
  [[ -r $file.tried ]] && IFS= read -r tried <"$file.tried"
  case $tried in '' | *[!0-9]*) tried=0 ;; esac
  ((now - 10#$tried >= 0 && now - 10#$tried < ${String(freshSeconds)})) && return
  _lattice_program || return
  sh -c ${quoted(startRefresh)} sh "$folder" "$file.tried" "$now" "\${program[@]}" \
    completion refresh --file "\${file##*/}" --key "$key" "\${typed[@]}" </dev/null >/dev/null 2>&1
}
`
}

/** Adds names, and what else fits a description of values. */
export const bashNames = script`# Lines of the file of names, if they are to be offered.
_lattice_lines() {
  local folder context key file now=\${EPOCHSECONDS-} age
  lines=()
  _lattice_scope || return 1
  [[ -n $now ]] || printf -v now '%(%s)T' -1
  [[ -r $file ]] && mapfile -t lines <"$file"
  case \${lines[2]-} in '' | *[!0-9]*) age=-1 ;; *) age=$((now - 10#\${lines[2]})) ;; esac
  [[ \${lines[0]-} == '${namesHead}' && \${lines[1]-} == "$key" ]] || age=-1
  # What the context says may have changed since.
  [[ -n $context && $context -nt $file ]] && age=-1
  ((age >= 0 && age < ${String(freshSeconds)})) || _lattice_refresh
  ((age >= 0 && age < ${String(offeredSeconds)})) || { lines=(); return 1; }
}

# Adds the names of some kinds, written as a|b, in one go over all lines; $2 is put behind each of them.
_lattice_lookup() {
  local line name
  for line in "\${lines[@]}"; do
    [[ $line == @($1)$'\t'"$cur"* ]] || continue
    name=\${line#*$'\t'}
    found+=("\${name%%$'\t'*}\${2-}")
  done
}

# Adds the versions of the entity that was typed, of all entities when none was.
_lattice_versions() {
  local line rest known=$'\n'
  for line in "\${lines[@]}"; do
    [[ $line == version$'\t'"$cur"* ]] || continue
    rest=\${line#*$'\t'}
    [[ -z $entity || \${rest#*$'\t'} == "\${entity%%@*}" ]] || continue
    rest=\${rest%%$'\t'*}
    [[ $known == *$'\n'"$rest"$'\n'* ]] && continue
    known+=$rest$'\n'
    found+=("$rest")
  done
}

# Adds the entries of a folder; $2 is the end that they must have and that is left out.
_lattice_entries() {
  local path
  shopt -s nullglob
  for path in "$1"/*"$2"; do
    path=\${path%"$2"}
    found+=("\${path##*/}")
  done
}

# Adds names of a kind.
_lattice_names() {
  local lines base
  case $1 in
    context)
      base=\${XDG_CONFIG_HOME-}
      [[ $base == /* ]] || base=\${HOME-}/.config
      _lattice_entries "$base/nats/context" .json
      [[ $cur == */* || $cur == *.json ]] && mode=files
      return ;;
    embedded)
      base=\${XDG_STATE_HOME-}
      [[ $base == /* ]] || base=\${HOME-}/.local/state
      _lattice_entries "$base/lattice" /
      return ;;
    artifact)
      mode=files
      # Files come first: what readline does with them it does only where there is no other answer.
      compgen -f -- "$cur" >/dev/null || found+=(builtin:httpserver)
      return ;;
    # The one that hosts have.
    provider) found+=(httpserver) ;;
    record) [[ \${positional[0]-} == claims ]] || return ;;
  esac
  ((lost)) && return
  _lattice_lines || return
  case $1 in
    entity) _lattice_lookup 'actor|provider' ;;
    ref | record) _lattice_lookup 'actor|provider|ref' ;;
    leg) _lattice_lookup ref =; mode=nospace ;;
    version | versions) _lattice_versions ;;
    provider)
      found=()
      _lattice_lookup provider
      [[ " \${found[*]} " == *' httpserver '* ]] || found+=(httpserver) ;;
    *) _lattice_lookup "$1" ;;
  esac
}

# Adds what fits a description of values.
_lattice_values() {
  local head i
  case $1 in
    words:*) IFS='|' read -r -a found <<<"\${1#words:}" ;;
    files) mode=files ;;
    folders) mode=folders ;;
    names:versions)
      [[ $cur == *,* ]] && head=\${cur%,*},
      local cur=\${cur##*,}
      _lattice_names versions
      for i in "\${!found[@]}"; do
        if [[ ,\${head-} == *",\${found[i]},"* ]]; then unset "found[i]"; else found[i]=\${head-}\${found[i]}; fi
      done
      mode=nospace ;;
    names:*) _lattice_names "\${1#names:}" ;;
  esac
}
`
