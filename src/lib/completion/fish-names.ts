import type {CompletedFlag, CompletionModel} from './model.js'
import {scopeVariables} from './scope.js'
import {fishWord, freshSeconds, namesHead, offeredSeconds, script, startRefresh, type Program} from './script.js'

/** Where names lie and how a refresh of them is started. */
export function renderFishScope({connection}: CompletionModel, [node, run]: Program): string {
  const scope = connection.filter((flag) => flag.scope)
  const list = (flags: readonly CompletedFlag[]): string => flags.map(({name}) => `--${name}`).join(' ')
  const letters = scope.flatMap(({char, name}) =>
    char === undefined ? [] : [`            case -${char}\n                set token --${name}`],
  )
  return script`# What may stand in the name of a file and in its first lines: never a secret.
function __lattice_public --argument-names value
    switch "$value"
        case 'data:*'
            set value data:
        case '*@*'
            set value (string replace -r '.*@' '' -- $value)
        case '*/*' '*.*'
        case '*'
            test (string length -- "$value") -gt 40; and set value set
    end
    printf '%s\n' "$value"
end

# Fails for a value with which the names cannot be known.
function __lattice_known --argument-names flag value
    test "$value" = -; and return 1
    string match -qr '[\n\t]' -- "$value"; and return 1
    test "$flag" = --server; and string match -q '*@*' -- "$value"; and return 1
    return 0
end

# Sets, where they can be known, whose names are wanted: folder, context, key, file, typed.
function __lattice_scope --no-scope-shadowing
    set -l config "$XDG_CONFIG_HOME"
    set -l cache "$XDG_CACHE_HOME"
    string match -q '/*' -- $config; or set config (test -n "$HOME"; and printf '%s' $HOME/.config)
    string match -q '/*' -- $cache; or set cache (test -n "$HOME"; and printf '%s' $HOME/.cache)
    test -n "$config" -a -n "$cache"; or return 1
    # A value before the command is in no variable yet.
    string match -qr '(^|\s)(LATTICE|NATS)_[A-Z_]+=.*lattice' -- (commandline -pc); and return 1
    set folder $cache/lattice/completion
    set context "$LATTICE_CONTEXT"
    set key ''
    set -l flag ''
    for token in (__lattice_tokens)[2..-1]
        if test -n "$flag"
            string match -qr '[$(]' -- $token; and return 1
            set token (string replace -r '^~/' "$HOME/" -- $token)
            __lattice_known $flag "$token"; or return 1
            test $flag = --context; and set context $token
            set key "$key$flag="(__lattice_public "$token")' '
            set -a typed $flag $token
            set flag ''
            continue
        end
        switch "$token"
            case --
                break
${letters.join('\n')}
            case '--*=*'
                set -l parts (string split -m 1 = -- $token)
                if contains -- $parts[1] ${list(scope.filter(({values}) => values !== undefined))}
                    string match -qr '[$(]' -- $token; and return 1
                    __lattice_known $parts[1] "$parts[2]"; or return 1
                    test $parts[1] = --context; and set context $parts[2]
                    set key "$key$parts[1]="(__lattice_public "$parts[2]")' '
                    set -a typed $parts
                end
                continue
        end
        if contains -- "$token" ${list(scope.filter(({values}) => values !== undefined))}
            set flag $token
        else if contains -- "$token" ${list(scope.filter(({values}) => values === undefined))}
            set key "$key$token= "
            set -a typed $token
        end
    end
    for variable in ${scopeVariables.join(' ')}
        test -n "$$variable"; or continue
        __lattice_known $variable "$$variable"; or return 1
        set -l password (string replace -r 'USER$' PASSWORD -- $variable)
        if test $password != $variable -a -z "$$password"
            set key "$key$variable=set "
        else
            set key "$key$variable="(__lattice_public "$$variable")' '
        end
    end
    test -z "$context" -a -r $config/nats/context.txt; and read context <$config/nats/context.txt
    string match -qr '[\n\t]' -- "$context$PWD"; and return 1
    # A relative path means another file in another folder.
    string match -qr '=[^/ ][^ ]*[./]' -- "$key"; and set key "$key"in="$PWD "
    set key "$key"context="$context"
    string match -qr '/|\.json$|^$' -- "$context"; or set context $config/nats/context/$context.json
    set file $folder/names-(string sub -s -120 -- (string replace -ra '[^A-Za-z0-9.-]' _ -- $key))
end

# Starts a refresh, unless one was started lately.
function __lattice_refresh --argument-names folder file now key
    set -l typed $argv[5..-1]
    set -l tried 0
    test -r $file.tried; and read tried <$file.tried
    string match -qr '^[0-9]+$' -- "$tried"; or set tried 0
    test (math $now - $tried) -ge 0 -a (math $now - $tried) -lt ${String(freshSeconds)}; and return
    set -l program ${fishWord(node)} ${fishWord(run)}
    test -x $program[1] -a -f $program[2]; or set program (command -s lattice)
    test -n "$program"; or return
    command sh -c ${fishWord(startRefresh)} sh $folder $file.tried $now $program \
        completion refresh --file (string replace -r '.*/' '' -- $file) --key $key $typed </dev/null >/dev/null 2>&1
end
`
}

/** Prints names, each with what is said beside it. */
export const fishNames = script`# Lines of the file of names, if they are to be offered.
function __lattice_lines
    set -l folder ''
    set -l context ''
    set -l key ''
    set -l file ''
    set -l typed
    __lattice_scope 2>/dev/null; or return
    set -l now (date +%s)
    set -l lines
    set -l age -1
    test -r $file; and set lines (string match -r '.*' <$file)
    if test "$lines[1]" = '${namesHead}' -a "$lines[2]" = "$key"; and string match -qr '^[0-9]+$' -- "$lines[3]"
        set age (math $now - $lines[3])
    end
    # What the context says may have changed since.
    test -n "$context"; and command test $context -nt $file 2>/dev/null; and set age -1
    test $age -ge 0 -a $age -lt ${String(freshSeconds)}; or __lattice_refresh $folder $file $now $key $typed
    test $age -ge 0 -a $age -lt ${String(offeredSeconds)}; and printf '%s\n' $lines[4..-1]
end

# Names of the given kinds, with what is said beside them.
function __lattice_lookup
    set -l lines (__lattice_lines)
    for kind in $argv
        string replace -rf "^$kind\t" '' -- $lines
    end
end

# The versions of the entity that was typed, of all entities when none was; fish drops what comes twice.
function __lattice_versions
    set -l entity (__lattice_entity)
    if test -n "$entity"
        __lattice_lookup version | string replace -rf '\t'(string escape --style=regex -- $entity)'$' ''
    else
        __lattice_lookup version
    end
end

# The same, behind those that stand before a comma.
function __lattice_more_versions
    set -l head (string match -r '.*,' -- (commandline -ct))
    set -l versions (__lattice_versions)
    for used in (string split , -- "$head")
        set versions (string match -rv '^'(string escape --style=regex -- $used)'(\t|$)' -- $versions)
    end
    string replace -r '^' (string replace -a '\\' '\\\\' -- "$head" | string replace -a '$' '\\$') -- $versions
end

function __lattice_entity
    set -l before ''
    set -l entity ''
    for token in (__lattice_tokens)
        test "$before" = --entity; and set entity $token
        string match -q -- '--entity=*' $token; and set entity (string replace -- --entity= '' $token)
        set before $token
    end
    test -z "$entity"; and __lattice_about_entity; and set entity (__lattice_positionals)[1]
    string replace -r '@.*' '' -- "$entity"
end

function __lattice_entries --argument-names folder ending
    for path in $folder/*$ending
        set -l name (string replace -r '.*/' '' -- (string sub -e -(string length -- $ending) -- $path))
        printf '%s\n' $name
    end
end

function __lattice_base --argument-names folder otherwise
    if string match -q '/*' -- "$folder"
        printf '%s\n' $folder
    else
        printf '%s\n' "$HOME/$otherwise"
    end
end

function __lattice_names --argument-names kind
    # No name begins like a flag.
    string match -qr '^-[^=]*$' -- (commandline -ct); and return
    begin
        switch $kind
            case context
                __lattice_entries (__lattice_base "$XDG_CONFIG_HOME" .config)/nats/context .json
                string match -q '*/*' -- (commandline -ct); and __fish_complete_path (commandline -ct)
            case embedded
                __lattice_entries (__lattice_base "$XDG_STATE_HOME" .local/state)/lattice / | string match -rv '\.'
            case artifact
                printf 'builtin:httpserver\n'
            case entity
                __lattice_lookup actor provider
            case ref
                __lattice_lookup actor provider ref
            case record
                test (__lattice_positionals)[1] = claims; and __lattice_lookup actor provider ref
            case leg
                __lattice_lookup ref | string replace -r '(\t|$)' '=$1'
            case provider
                printf 'httpserver\tthe one that hosts have\n'
                __lattice_lookup provider | string match -rv '^httpserver\t'
            case version
                __lattice_versions
            case versions
                __lattice_more_versions
            case '*'
                __lattice_lookup $kind
        end
    end 2>/dev/null
end
`
