import {script} from './script.js'

/** Reads the line and finds what fits at its end. */
export const bashLine = script`# Splits a line into words as the shell would: words, doubt (1 where a word holds what the shell would expand),
# cur (the last word, without quotes), raw (as it was typed) and quote (the quote that is open).
_lattice_split() {
  local text=$1 char doubtful=0 i
  words=() doubt=() cur= raw= quote=
  ((\${#text} < 2000)) || return 1
  for ((i = 0; i < \${#text}; i++)); do
    char=\${text:i:1}
    if [[ -z $quote && ($char == ' ' || $char == $'\t') ]]; then
      [[ -n $raw ]] && words+=("$cur") doubt+=("$doubtful")
      cur= raw= doubtful=0
      continue
    fi
    raw+=$char
    case $quote:$char in
      "':'" | '":"') quote= ;;
      "':"*) cur+=$char ;;
      :[\'\"]) quote=$char ;;
      *:'\')
        char=\${text:++i:1}
        raw+=$char
        [[ $quote == '"' && $char != [\"\\\$\`] ]] && cur+='\'
        cur+=$char ;;
      *:[\$\`] | :[\*\?\[\{\(\<\>]) doubtful=1 cur+=$char ;;
      ':~') if [[ $raw == '~' && -n \${HOME-} ]]; then cur=$HOME; else cur+=$char; fi ;;
      *) cur+=$char ;;
    esac
  done
  lastdoubt=$doubtful
}

# What a flag takes, in REPLY; its long name in flag.
_lattice_flag() {
  local each
  flag=$1
  for each in $flags; do
    case $each in
      "$1="@* | "$1+="@*) _lattice_flag "\${each#*@}"; return ;;
      "$1="* | "$1+="*) REPLY=\${each#*=}; return 0 ;;
    esac
  done
  REPLY=
  return 1
}

# Notes a flag that was typed with its value, where it says whose names are wanted.
_lattice_note() {
  [[ $1 == --entity ]] && entity=$2
  _lattice_scope_flag "$1" || return 0
  (($3)) && lost=1
  scope+=("$1" "$2")
  if [[ -n $4 ]]; then typed+=("$1" "$2"); else typed+=("$1"); fi
}

# Walks over the words behind the command: positional, used, pending (the flag whose value comes next).
_lattice_walk() {
  local word i
  for ((i = start; i < \${#words[@]}; i++)); do
    word=\${words[i]}
    if [[ -n $pending ]]; then
      _lattice_note "$pending" "$word" "\${doubt[i]}" value
      pending=
    elif [[ -n $ended || $word == - || $word != -* ]]; then
      positional+=("$word")
    elif [[ $word == -- ]]; then
      ended=1
    elif [[ $word == --*=* ]]; then
      _lattice_note "\${word%%=*}" "\${word#*=}" "\${doubt[i]}" value
    else
      _lattice_flag "$word"
      used+=" $flag "
      if [[ -n $REPLY ]]; then pending=$flag; else _lattice_note "$flag" '' 0 ''; fi
    fi
  done
}

# Adds the flags that may still come.
_lattice_flags() {
  local each name
  for each in $flags; do
    name=\${each%%=*}
    [[ $each == *=@* || ($name != *+ && $used == *" $name "*) ]] && continue
    found+=("\${name%+}")
  done
}

# Finds all that fits behind the words: found, and mode.
_lattice_find() {
  local start=2 args= flags= flag= used= pending= ended= REPLY entity= lost=0
  local -a positional=() scope=() typed=() takes
  case \${#words[@]} in
    1) _lattice_words ''; [[ $cur == -* ]] && found=(--help --version); return ;;
    2) _lattice_words "\${words[1]}" && return ;;
  esac
  [[ \${words[1]} == help ]] && { ((\${#words[@]} == 2)) && _lattice_words ''; ((\${#words[@]} == 3)) && _lattice_words "\${words[2]}"; return; }
  if _lattice_command "\${words[1]} \${words[2]-}"; then start=3; else _lattice_command "\${words[1]}" || return; fi
  _lattice_walk
  takes=($args)
  [[ -z $entity && \${#takes[@]} -gt 0 && $args == *names:[er]* ]] && entity=\${positional[0]-}
  if [[ -n $pending ]]; then
    _lattice_flag "$pending"
    _lattice_values "$REPLY"
  elif [[ -z $ended && $cur == --*=* ]]; then
    _lattice_flag "\${cur%%=*}" || return
    kept=\${cur%%=*}=
    cur=\${cur#*=}
    _lattice_values "$REPLY"
  elif [[ -z $ended && $cur == -* ]]; then
    _lattice_flags
  elif ((\${#positional[@]} < \${#takes[@]})); then
    _lattice_values "\${takes[\${#positional[@]}]%+}"
  elif ((\${#takes[@]} > 0)) && [[ \${takes[\${#takes[@]} - 1]} == *+ ]]; then
    _lattice_values "\${takes[\${#takes[@]} - 1]%+}"
  elif [[ -z $cur && -z $ended ]]; then
    _lattice_flags
  fi
}
`

/** Gives what was found to readline. */
export const bashAnswer = script`# A name as it is typed behind the quote that is open.
_lattice_quote() {
  local text=$1 char i
  REPLY=$text
  if [[ $quote == "'" ]]; then
    REPLY=\${text//\'/"'\\''"}
  elif [[ $text == *[!A-Za-z0-9_@%+=:,./-]* ]]; then
    REPLY=
    for ((i = 0; i < \${#text}; i++)); do
      char=\${text:i:1}
      case $quote:$char in
        '":'[\"\\\$\`]) REPLY+='\' ;;
        :[\ \'\"\\\$\`\&\;\|\<\>\(\)\{\}\[\]\*\?\!\#\~^]) REPLY+='\' ;;
      esac
      REPLY+=$char
    done
  fi
  # Readline takes such an end for the end of the quote, and does not write that.
  if [[ -n $quote && $REPLY == *"$quote" ]]; then REPLY+=$quote; fi
}

# Prints how the answer is to be taken and then the answers, a line each. $1 is what readline will replace.
_lattice_reply() {
  local -a words doubt found=() answers=()
  local cur raw quote mode=words kept= each before replaced=$1 lastdoubt=0 REPLY
  set +efux
  shopt -u failglob nocasematch nocaseglob
  IFS=$' \t\n'
  _lattice_split "\${COMP_LINE:0:COMP_POINT}" || return
  local whole=$cur open=$quote redirected='^[0-9&]*[<>]+$'
  if [[ \${words[\${#words[@]} - 1]} =~ $redirected ]]; then
    printf 'files\n'
    return
  fi
  if ((!lastdoubt)); then _lattice_find; else mode=files; fi
  # The part of the word that readline keeps: it breaks words at : and = and @ too.
  before=\${raw:0:\${#raw} - \${#replaced}}
  _lattice_split "$before"
  before=$cur quote=$open
  for each in "\${found[@]}"; do
    each=$kept$each
    [[ $each == "$whole"* ]] || continue
    REPLY=\${each#"$before"}
    [[ -z $quote && $REPLY != *[!A-Za-z0-9_@%+=:,./-]* ]] || _lattice_quote "$REPLY"
    answers+=("$REPLY")
  done
  printf '%s\n' "$mode" "\${answers[@]}"
}

_lattice() {
  local mode
  mapfile -t COMPREPLY <<<"$(_lattice_reply "$2" 2>/dev/null)"
  mode=\${COMPREPLY[0]-}
  COMPREPLY=("\${COMPREPLY[@]:1}")
  compopt -o nosort 2>/dev/null
  case $mode in
    nospace) compopt -o nospace ;;
    files) [[ \${#COMPREPLY[@]} -gt 0 ]] || compopt -o default ;;
    folders) compopt -o dirnames ;;
  esac
  return 0
}

# Older ones lack too much.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then complete -F _lattice lattice; fi
`
