#!/bin/sh
# How every CI host starts buildferry: find a Python, make an environment for it once, become it.
#
#   sh plugin/launch.sh ARGUMENTS...    takes what the `buildferry` command takes
# In a checkout the package around this file runs in place. A copy of this file alone (Jenkins' libraryResource)
# installs $BUILDFERRY_PACKAGE, after the lock file that $BUILDFERRY_REQUIREMENTS names.
# POSIX sh with `test -ef` and `-O`, which dash, bash 3.2, busybox ash and Git bash have. Every Python starts with -I:
# no json.py of the checkout, no PYTHONPATH and no sitecustomize.py reaches us or pip. Nothing is written to stdout or
# to the checkout. Exit codes are the README's: 2 fix the workflow, 5 run again later.
# shellcheck disable=SC3013,SC3067
set -u
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONEXECUTABLE __PYVENV_LAUNCHER__

case ${PLUGIN_HOST-} in # how this host shows an error
    github) opening='::error title=buildferry::' closing='' ;;
    bitrise) opening='\033[31;1mbuildferry: ' closing='\033[0m' ;;
    *) opening='buildferry: ' closing='' ;;
esac

fail() { # exit code, one sentence
    printf "$opening%s$closing\n" "$2" >&2
    exit "$1"
}

# The folders that may hold our environments: calls $1 with each as $cache until one suits.
try_caches() {
    home=${HOME:+$HOME/.cache}
    [ -d "${HOME-}/Library/Caches" ] && home=${HOME-}/Library/Caches
    for cache in "${RUNNER_TOOL_CACHE-}" "${XDG_CACHE_HOME-}" "${LOCALAPPDATA-}" "$home"; do
        case $cache in /* | [A-Za-z]:*) ;; *) continue ;; esac
        cache=$cache/buildferry
        "$1" && return
    done
    return 1
}

usable() {
    mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]
}

private() { # the last resort; others may write to the temporary folder too, but not to this one
    cache=${RUNNER_TEMP:-${TMPDIR:-/tmp}}/buildferry-$(id -u)
    (umask 077 && mkdir "$cache") 2>/dev/null
    [ -d "$cache" ] && [ -O "$cache" ] && ! [ -h "$cache" ] && [ -w "$cache" ]
}

# A start file names an environment, the interpreter under it, and the command that led there: trusting it saves
# starting a Python to ask for its version. For a wrapper (pyenv's shim) the interpreter stands there in its place.
ready() {
    [ -r "$cache/$start" ] || return 1
    { IFS= read -r environment_name && IFS= read -r interpreter && IFS= read -r found; } <"$cache/$start" || return 1
    [ "$found" -ef "$interpreter" ] || return 1
    for env_python in "$cache/$environment_name/bin/python" "$cache/$environment_name/Scripts/python.exe"; do
        [ -x "$env_python" ] && return
    done
    return 1
}

find_python() { # sets $python, which may be two words
    seen=
    for python in python3 python 'py -3' python3.14 python3.13 python3.12 python3.11 python3.10; do
        command -v "${python%% *}" >/dev/null || continue
        # Flags and code that Python 2 knows too. The Windows Store's placeholder answers nothing.
        version=$($python -E -s -S -c 'import sys; sys.stdout.write("%d.%d.%d" % sys.version_info[:3])' \
            </dev/null 2>/dev/null)
        case $version in
            3.[1-9][0-9].* | [4-9].*) return ;;
            [0-9].*) seen="$seen, $python is $version" ;;
            *) seen="$seen, $python does not run" ;;
        esac
    done
    seen=${seen:-, none of them}
    fail 2 "Python 3.10 or newer is needed. Looked on PATH for python3, python, py -3 and python3.14 to python3.10;\
 found ${seen#, }. Install Python, or put a step before this one that does (on GitHub: actions/setup-python)."
}

stop() { # the CI job was cancelled while the environment was made
    kill -TERM "$maker" 2>/dev/null
    wait "$maker"
    exit "$1"
}

prepare() { # makes the environment, unless another start did, and writes the start file
    # shellcheck disable=SC2086
    $python -I -X utf8 - "$cache" "$start" "$lock" "$package" "$(command -v "${python%% *}")" "$(command -v uv)" \
        "$opening" "$closing" <<'PYTHON' >&2 &
import glob, hashlib, importlib.machinery, importlib.util, os, platform, re, shutil, signal, subprocess, sys, time

cache, start, lock, package, found, uv, opening, closing = sys.argv[1:]
version = f"{sys.executable} (Python {platform.python_version()})"

PASSED_ON = r"""
PATH(EXT)?|HOME|USER(PROFILE)?|LOGNAME|(LOCAL)?APPDATA|PROGRAM(DATA|FILES)|SYSTEM(ROOT|DRIVE)|WINDIR|COMSPEC
|PROCESSOR_\w+|TMPDIR|TE?MP|LANG|LC_\w+|XDG_\w+|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE
|NETRC|(LD|DYLD|DYLD_FALLBACK)_LIBRARY_PATH|RUNNER_TRACKING_ID|JENKINS_SERVER_COOKIE
|PIP_((EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|(CLIENT_)?CERT|PROXY|(DEFAULT_)?TIMEOUT|RETRIES
    |(NO_)?CACHE_DIR|CONFIG_FILE|KEYRING_PROVIDER)
|UV_((DEFAULT_|EXTRA_)?INDEX(_URL)?|INDEX_\w+|FIND_LINKS|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_\w+
    |REQUEST_TIMEOUT|CONCURRENT_\w+|CACHE_DIR|NO_CACHE|NO_CONFIG|CONFIG_FILE|KEYRING_PROVIDER|LINK_MODE)
"""
CAUSES = (  # the first that fits what the tool said: exit code, what to tell the user
    (2, "do not match the hashes|hash mismatch",
     "the package index, or the folder in PIP_FIND_LINKS, has a file that is not the published one: its hash differs."),
    (5, r"connection ?(error|refused|reset|aborted|timed)|\(connect\)|dns error|name (resolution|or service)|timed out|"
     r"(proxy|ssl|protocol)error|certificate|max retries|\b5\d\d (server|bad|service|gateway|internal)",
     "the Python package index could not be reached: run again later. In a closed network set PIP_INDEX_URL, or "
     "PIP_NO_INDEX=1 and PIP_FIND_LINKS."),
    (2, "no matching distribution|unsatisfiable|could not find a version|invalid requirement|does not exist|not found",
     f"the package index, or the folder in PIP_FIND_LINKS, has no package that fits {version}."),
    (5, "", "the packages that buildferry needs could not be installed: run again later."),
)
# Runs in the new environment: proves that each package loads, and puts the bytecode of all that was loaded where
# `-X pycache_prefix` will look for it, under the name that the environment will have.
LOAD = """
import importlib.util, os, shutil, sys
site, made, final = sys.argv[1:]
for entry in sorted(os.listdir(site)):
    if entry.endswith(".py") or os.path.isfile(os.path.join(site, entry, "__init__.py")):
        importlib.import_module(entry.partition(".")[0])
sys.pycache_prefix = os.path.join(made, "pycache")
for spec in [getattr(module, "__spec__", None) for module in list(sys.modules.values())]:
    if spec and spec.has_location and spec.cached and os.path.isfile(spec.cached):
        target = importlib.util.cache_from_source(spec.origin.replace(made, final, 1))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(spec.cached, target)
"""

def fail(code, sentence, output=""):
    """Exit with one sentence, after the last lines of a tool: marked, so that no host takes one for a command."""
    plain = re.sub(r"://[^/\s]+@", "://***@", re.sub(r"\x1b\[[0-9;]*m", "", output)).replace("##", "# #")
    for line in [line for line in plain.splitlines() if line.strip()][-12:]:
        print("|", line, file=sys.stderr)
    shown = sentence.replace("%", "%25") if opening.startswith("::") else sentence
    print((opening + "%s" + closing).replace("\\033", "\033") % shown, file=sys.stderr)
    sys.exit(code)

def python_of(env):
    return os.path.join(env, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))

def usable():
    return os.access(python_of(final), os.X_OK)

def outside():
    """What pip and uv may know: the way to the packages. No secret of the job, no PYTHON* variable, no other target."""
    known = {name: value for name, value in os.environ.items() if re.fullmatch(PASSED_ON, name, re.X | re.I)}
    for name, separator in (("INDEX_URL", " "), ("EXTRA_INDEX_URL", " "), ("FIND_LINKS", ",")):
        known.setdefault("UV_" + name, separator.join(known.get("PIP_" + name, "").split()))
    known.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip does it; the hashes say which package is right
    return known | {
        "NO_COLOR": "1", "PIP_NO_COLOR": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off", "PIP_USER": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_LOG": log, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never",
    }

def run(*arguments):
    """Run a tool: what it said, and its exit code. Only here a cancelled job stops us: no tool is left behind."""
    with subprocess.Popen(arguments, env=outside(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace") as process:
        while True:
            try:
                return process.communicate(timeout=0.1)[0], process.returncode
            except subprocess.TimeoutExpired:
                if cancelled:
                    process.kill()
                    sys.exit(143)

def make_empty(env):
    venv.EnvBuilder(symlinks=os.name != "nt").create(env)
    return next(folder for folder, _, _ in os.walk(env) if os.path.basename(folder) == "site-packages")

def installers(site):
    """The beginnings of an install command that may work here, the best first."""
    if uv:  # --project: no uv.toml of the checkout
        no_index = outside().get("PIP_NO_INDEX", "").lower() in ("1", "true", "yes", "on", "y", "t")
        yield (uv, "--project", cache, "pip", "install", "--quiet", "--python", python_of(made),
               *(["--no-index"] if no_index else []))
    python = sys.executable
    if not importlib.util.find_spec("pip"):
        if not importlib.util.find_spec("ensurepip"):
            return
        python = python_of(os.path.join(scratch, "pip"))
        make_empty(os.path.join(scratch, "pip"))
        run(python, "-I", "-m", "ensurepip")
    # --target: every pip has it (--python came with 22.3, Ubuntu 22.04 has 22.0), and pip starts once, not twice.
    yield (python, "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--target", site)

def install(site, *arguments):
    said = ""
    for installer in installers(site):
        said, code = run(*installer, "--no-deps", *arguments)
        if code == 0:
            return
        if os.path.exists(log):  # only here pip tells what it could not reach
            with open(log, encoding="utf-8", errors="replace") as file:
                said = "\n".join((*re.findall("Could not fetch URL .*", file.read()), said))
    if not said:
        fail(2, f"{version} has no pip: install it (Debian and Ubuntu: apt-get install python3-venv), or uv.")
    code, _, sentence = next(cause for cause in CAUSES if re.search(cause[1], said, re.I))
    fail(code, sentence, said)

def make():
    """Under another name first: what was stopped half way is never used, and of two at once the first one wins."""
    os.makedirs(scratch)
    site = make_empty(made)
    install(site, "--only-binary", ":all:", "--require-hashes", "-r", lock)
    if os.path.isdir(package):  # a copy, because a build writes into its source tree
        tree = os.path.join(scratch, "source")
        shutil.copytree(package, tree, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
        install(site, "--", tree)
    elif package:
        install(site, "--", package)
    shutil.rmtree(scratch, ignore_errors=True)
    said, code = run(python_of(made), "-I", "-c", LOAD, site, made, final)
    if code != 0:
        fail(2, f"the packages that buildferry needs do not load in {version}.", said)
    try:
        if os.path.isdir(final) and not usable():  # somebody removed parts of it
            os.rename(final, made + "-damaged")
        os.rename(made, final)
    except OSError:
        if not usable():
            raise

cancelled = []
signal.signal(signal.SIGTERM, lambda number, frame: cancelled.append(number))
try:
    import venv
except ImportError:
    fail(2, f"{version} has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv).")
interpreter = getattr(sys, "_base_executable", None) or sys.executable
if os.name != "nt":
    # The real file, python3.12 rather than python3: after an upgrade there is a new environment, not a broken one.
    interpreter = sys._base_executable = os.path.realpath(interpreter)
digest = hashlib.sha256("\0".join((interpreter, platform.machine(), package, "")).encode())
with open(lock, "rb") as file:
    digest.update(file.read())
for path in sorted([package, *glob.glob(os.path.join(glob.escape(package), "**"), recursive=True)] if package else []):
    if os.path.isfile(path) and not path.endswith(".pyc"):  # a local package may change
        digest.update(repr((path, os.path.getsize(path), os.path.getmtime(path))).encode())
name = f"{importlib.machinery.EXTENSION_SUFFIXES[0].split('.')[1]}-{digest.hexdigest()[:16]}"
final = os.path.join(cache, name)
made = f"{final}.making-{os.urandom(8).hex()}"
scratch, log = os.path.join(made, "scratch"), os.path.join(made, "scratch", "pip.log")
try:
    if not usable():
        print("buildferry: preparing Python packages (once)...", file=sys.stderr, flush=True)
        for entry in os.scandir(cache):
            if ".making-" in entry.name and entry.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(entry.path, ignore_errors=True)
        make()
    if not os.path.samefile(found, interpreter):
        found = interpreter
    with open(made + ".start", "w", encoding="utf-8", newline="\n") as file:
        file.write("".join(f"{line}\n".replace(os.sep, "/") for line in (name, interpreter, found)))
    os.replace(made + ".start", os.path.join(cache, start))
except OSError as error:
    fail(2, f"the Python environment cannot be made in {cache}: {error}.")
finally:
    for left in (made, made + "-damaged"):
        shutil.rmtree(left, ignore_errors=True)
PYTHON
    maker=$!
    trap 'stop 130' INT
    trap 'stop 143' TERM
    wait "$maker" || exit
    trap - INT TERM
}

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
if [ -f "$here/__main__.py" ]; then
    package='' lock=$here/requirements.txt
    set -- "$here/__main__.py" ${1+"$@"}
else
    package=${BUILDFERRY_PACKAGE-} lock=${BUILDFERRY_REQUIREMENTS:-$here/requirements.txt}
    set -- -m plugin ${1+"$@"}
    [ -n "$package" ] || fail 2 "this copy of launch.sh stands alone: set BUILDFERRY_PACKAGE, say to buildferry==1.0.0."
fi
[ -r "$lock" ] || fail 2 "the lock file $lock is not there: set BUILDFERRY_REQUIREMENTS to its path."

# All that decides which environment is right, as far as a shell sees it: the commands, the machine, its C library.
start=$(
    {
        command -v python3
        command -v python
        command -v py
        printf '%s\n' "$package" /lib/ld-musl-*
        uname -sm
        cat -- "$lock"
    } | cksum
)
start=start-${start%% *}

# A package in a local file or folder may have changed since, which only a look inside tells.
if [ -e "$package" ] || ! try_caches ready; then
    try_caches usable || private || fail 2 "no folder for the Python environment can be written: set XDG_CACHE_HOME."
    find_python
    prepare
    ready || fail 1 "the environment that was just made in $cache is not there."
fi
exec "$env_python" -I -X utf8 -u -X "pycache_prefix=$cache/$environment_name/pycache" "$@"
