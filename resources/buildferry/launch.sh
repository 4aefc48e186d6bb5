#!/bin/sh
# How every CI host starts buildferry: find a Python, have prepare.py create an environment once, and exec it.
#
#   sh plugin/launch.sh ARGUMENTS...    takes what the `buildferry` command takes
# In a checkout the package around this file runs in place. Alone with prepare.py, packages.py and load.py (Jenkins'
# libraryResource) it installs $BUILDFERRY_PACKAGE, after the lock file that $BUILDFERRY_REQUIREMENTS names.
# POSIX sh with `test -ef`, `-nt`, `-k` and `-O`, which dash, bash 3.2, busybox ash and Git bash have. Every Python
# starts with -I: no json.py of the checkout, no PYTHONPATH and no sitecustomize.py reaches us or pip. Nothing is
# written to stdout or to the checkout. Exit codes are those of every run: 2 fix the workflow, 5 run again later.
# shellcheck disable=SC3013,SC3065,SC3067
set -u
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONEXECUTABLE __PYVENV_LAUNCHER__

# Ends the run before Python has started: says why, and sets the outputs `status` and `error` the way this host does.
fail() { # exit code, one sentence
    sentence=$(printf '%s' "$2" | tr '\000-\037' ' ')
    case $1 in
        2 | 3 | 4) state=failed ;;
        130 | 143) state=aborted ;;
        *) state=unknown ;;
    esac
    case ${PLUGIN_HOST-} in
        github | gitea)
            case ${GITEA_ACTIONS-}${FORGEJO_ACTIONS-}$PLUGIN_HOST in
                github) printf '::error title=buildferry::%s\n' "$(printf '%s' "$sentence" | sed 's/%/%25/g')" >&2 ;;
                *) printf 'buildferry: %s\n' "$sentence" >&2 ;; # their runners show this command as text
            esac
            [ -z "${GITHUB_OUTPUT-}" ] || printf 'status=%s\nerror=%s\n' "$state" "$sentence" >>"$GITHUB_OUTPUT"
            ;;
        azure)
            carried=$(printf '%s' "$sentence" | sed 's/%/%AZP25/g')
            printf '##vso[task.logissue type=error]buildferry: %s\n' "$carried" >&2
            printf '##vso[task.setvariable variable=%s;isOutput=true]%s\n' status "$state" error "$carried" >&2
            ;;
        bitrise)
            printf '\033[31;1mbuildferry: %s\033[0m\n' "$sentence" >&2
            ! command -v envman >/dev/null || hand_to_envman
            ;;
        buildkite)
            printf '^^^ +++\nbuildferry: %s\n' "$sentence" >&2
            ! command -v buildkite-agent >/dev/null || hand_to_agent
            ;;
        gitlab)
            printf '\033[31;1mbuildferry: %s\033[0m\n' "$sentence" >&2
            write_outputs
            [ -z "${BUILDFERRY_DOTENV_FILE-}" ] ||
                printf '%s_STATUS=%s\n' "$(prefix_of "${PLUGIN_OUTPUT_PREFIX-}")" "$state" >"$BUILDFERRY_DOTENV_FILE"
            ;;
        *)
            printf 'buildferry: %s\n' "$sentence" >&2
            write_outputs
            # For Harness' two readers of such a file: without quotes, `#`, `$`, backslashes and grave accents.
            [ -z "${DRONE_OUTPUT-}" ] || [ "${PLUGIN_HOST-}" != woodpecker ] ||
                printf 'STATUS=%s\nERROR=%s\n' "$state" \
                    "$(printf '%s' "$sentence" | tr '\042\043\044\047\134\140' ' ')" >>"$DRONE_OUTPUT"
            ;;
    esac
    exit "$1"
}

# The outputs that an earlier use may have set; each run sets `status` and `error` itself.
OUTPUTS='build-id build-ids build-number build-url artifact-ids service-status upload-context-id app-label app-package
app-version app-version-code downloaded-files install-url access-url qr-file log-file receipt dry-run result'

write_outputs() {
    quoted=$(printf '%s' "$sentence" | sed 's/[\\"]/\\&/g')
    [ -z "${PLUGIN_OUTPUT_FILE-}" ] ||
        printf '{"status": "%s", "error": "%s"}\n' "$state" "$quoted" >"$PLUGIN_OUTPUT_FILE"
}

prefix_of() { # what the input output-prefix gives, if that is valid
    case $1 in
        '' | [!A-Za-z_]* | *[!A-Za-z0-9_]*) echo BUILDFERRY ;;
        *) echo "$1" ;;
    esac
}

hand_to_envman() { # as hosts/bitrise.py does
    prefix=$(prefix_of "${output_prefix-}")
    # Those of an earlier use of the step in this workflow still exist.
    known=$(env)
    for output in $(printf '%s' "$OUTPUTS" | tr 'a-z-' 'A-Z_'); do
        case $known in *"${prefix}_$output="?*) add "${prefix}_$output" --value '' </dev/null ;; esac
    done
    printf '%s' "$state" | add "${prefix}_STATUS"
    printf '%s' "$sentence" | add "${prefix}_ERROR"
}

add() { # variable, more arguments; envman gets no secret of the job
    variable=$1
    shift
    env -i PATH="$PATH" HOME="${HOME-}" ${ENVMAN_ENVSTORE_PATH:+"ENVMAN_ENVSTORE_PATH=$ENVMAN_ENVSTORE_PATH"} \
        envman add --key "$variable" --no-expand ${1+"$@"} >&2
}

hand_to_agent() { # as hosts/buildkite.py does
    prefix=$(env | sed -n "s/^BUILDKITE_PLUGIN_${BUILDKITE_PLUGIN_NAME-}_OUTPUT_PREFIX=//p")
    case $prefix in
        '' | [!A-Za-z_]* | *[!A-Za-z0-9_]*) prefix=buildferry ;;
    esac
    known=$(agent meta-data keys </dev/null)
    [ "$?" != 124 ] || return 0 # it hangs
    known=" $(printf '%s' "$known" | tr '\n' ' ') "
    for output in $OUTPUTS; do
        case $known in *" $prefix-$output "*) printf '%s' - | agent meta-data set "$prefix-$output" >&2 ;; esac
    done
    printf '%s' "$state" | agent meta-data set "$prefix-status" >&2
    printf '%s' "$sentence" | agent meta-data set "$prefix-error" >&2
}

agent() ( # arguments; the agent gets no secret of the job, and its own is not an argument of a program
    for variable in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
        case $variable in
            PATH | HOME | TMPDIR | BUILDKITE_JOB_ID | BUILDKITE_AGENT_ACCESS_TOKEN | BUILDKITE_AGENT_ENDPOINT) ;;
            BUILDKITE_NO_HTTP2 | SSL_CERT_FILE | SSL_CERT_DIR | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | ALL_PROXY) ;;
            http_proxy | https_proxy | no_proxy | all_proxy) ;;
            *) command unset "$variable" ;;
        esac
    done 2>/dev/null
    command -v timeout >/dev/null && exec timeout 5 buildkite-agent "$@"
    exec buildkite-agent "$@"
)

# Calls $1 for each folder that may hold our environments, until one suits: $cache, and $above it a folder that others
# must not change either.
try_caches() {
    home=${HOME:+$HOME/.cache}
    [ -d "${HOME-}/Library/Caches" ] && home=${HOME-}/Library/Caches
    for folder in "${RUNNER_TOOL_CACHE-}" "${XDG_CACHE_HOME-}" "${LOCALAPPDATA-}" "$home"; do
        case $folder in /* | [A-Za-z]:*) ;; *) continue ;; esac
        above=$folder/ cache=$folder/buildferry
        "$1" && return
    done
    for folder in "${RUNNER_TEMP-}" "${TMPDIR:-/tmp}"; do # the last resort: others may write there, but not into ours
        case $folder in /* | [A-Za-z]:*) ;; *) continue ;; esac
        above=$folder/ cache=$folder/buildferry-$(id -u)
        [ ! -k "$folder" ] || above=
        "$1" && return
    done
    return 1
}

# Whether only this user and root can change files in these folders: whoever puts a start file or a Python there gets
# every token of the job. A link is refused, unless its name ends in a slash.
exclusive() {
    # shellcheck disable=SC2012 # find has no portable way to print an owner
    ls -ldn -- "$@" 2>/dev/null | for folder; do
        read -r mode _ owner _ || exit 1
        case $mode in d????-??-*) ;; *) exit 1 ;; esac
        [ "$owner" = 0 ] || [ -O "$folder" ] || exit 1
    done
}

usable() {
    if [ -n "$above" ]; then
        (umask 077 && mkdir -p "$above") 2>/dev/null
        exclusive "$above" || return 1
    fi
    (umask 077 && mkdir "$cache") 2>/dev/null
    exclusive "$cache" && [ -w "$cache" ]
}

# A start file names an environment, the interpreter under it, and the command that led there: trusting it saves
# starting a Python to ask for its version. For a wrapper (pyenv's shim) it names the interpreter instead.
# It is written last, so a folder of packages that is newer has lost files since.
ready() {
    [ -r "$cache/$start" ] && exclusive ${above:+"$above"} "$cache" || return 1
    { IFS= read -r environment_name && IFS= read -r interpreter && IFS= read -r found; } <"$cache/$start" || return 1
    made=$cache/$environment_name
    [ "$found" -ef "$interpreter" ] && [ -s "$made/pyvenv.cfg" ] || return 1
    for folder in "$made" "$made"/[Ll]ib/ "$made"/[Ll]ib/*/ "$made"/[Ll]ib/*/*/ "$made"/[Ll]ib/*/*/*/; do
        [ "$folder" -nt "$cache/$start" ] && return 1
    done
    for env_python in "$made/bin/python" "$made/Scripts/python.exe"; do
        [ -x "$env_python" ] && return
    done
    return 1
}

find_python() { # sets $python, which may be two words, and $interpreter, the file behind it: a shim takes its time
    seen=
    for python in python3 python 'py -3' python3.14 python3.13 python3.12 python3.11 python3.10; do
        command -v "${python%% *}" >/dev/null || continue
        # Flags and code that Python 2 also accepts. The Windows Store's placeholder prints nothing.
        version=$($python -E -s -S -c 'import sys; write = sys.stdout.write
write("%d.%d.%d " % sys.version_info[:3]); write(sys.executable)' </dev/null 2>/dev/null)
        interpreter=${version#* } version=${version%% *}
        [ -x "$interpreter" ] || interpreter=$(command -v "${python%% *}")
        case $version in
            3.[1-9][0-9].* | [4-9].*) return ;;
            [0-9].*) seen="$seen, $python is $version" ;;
            *) seen="$seen, $python does not run" ;;
        esac
    done
    seen=${seen:-, none of them}
    fail 2 "Python 3.10 or newer is needed. PATH was searched for python3, python, py -3 and python3.14 to python3.10;\
 found ${seen#, }. Install Python, or add a step before this one that installs it (on GitHub: actions/setup-python)."
}

stop() { # exit code, signal: the CI job was cancelled while the environment was made
    kill -TERM "${!-}" 2>/dev/null
    wait
    trap '' INT TERM
    rm -f "$said"
    fail "$1" "cancelled by $2"
}

prepare() { # creates the environment, unless another start did, and writes the start file
    said=$cache/$start.said.$$ # where prepare.py writes the sentence that explains a failure
    trap 'stop 130 SIGINT' INT
    trap 'stop 143 SIGTERM' TERM
    "$interpreter" -I -X utf8 "$here/prepare.py" "$cache" "$start" "$lock" "$package" "$(command -v "${python%% *}")" \
        "$(command -v uv)" "$said" >&2 &
    wait "$!"
    code=$?
    if [ "$code" = 0 ]; then
        trap - INT TERM
        return
    fi
    trap '' INT TERM # Jenkins ends this shell after its child: it ends by itself, with its outputs
    sentence=$(cat "$said" 2>/dev/null)
    rm -f "$said"
    case $code in
        130) sentence='cancelled by SIGINT' ;;
        143) sentence='cancelled by SIGTERM' ;;
    esac
    fail "$code" "${sentence:-the Python environment could not be created in $cache: see the lines above.}"
}

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
if [ -f "$here/__main__.py" ]; then
    package='' lock=$here/requirements.txt
    set -- "$here/__main__.py" ${1+"$@"}
else
    package=${BUILDFERRY_PACKAGE-} lock=${BUILDFERRY_REQUIREMENTS:-$here/requirements.txt}
    set -- -m plugin ${1+"$@"}
    [ -n "$package" ] || fail 2 "launch.sh is not in a checkout: set BUILDFERRY_PACKAGE to what pip can install."
fi
[ -r "$here/prepare.py" ] || fail 2 "$here/prepare.py is missing: it must be in the folder of launch.sh."
[ -r "$lock" ] || fail 2 "the lock file $lock does not exist: set BUILDFERRY_REQUIREMENTS to its path."

# Everything that determines the environment, as far as a shell knows: the commands, the machine, its C library.
start=$(
    {
        command -v python3
        command -v python
        command -v py
        set -- /lib*/ld-* # on Linux the loader's name gives the machine and the C library
        printf '%s\n' "$package" "$@"
        [ -e "$1" ] || uname -sm
        exec cat -- "$lock"
    } | cksum
)
start=start-${start%% *}

# A package in a local file or folder may have changed since, which only its contents show.
if [ -e "$package" ] || ! try_caches ready; then
    try_caches usable || fail 2 "no folder for the Python environment is writable: set XDG_CACHE_HOME to one that is."
    find_python
    prepare
    ready || fail 1 "the new environment in $cache is missing: please report this."
fi
exec "$env_python" -I -X utf8 -u -X "pycache_prefix=$cache/$environment_name/pycache" "$@"
