"""Install Python packages into a new environment, with uv or pip, independent of most of the user's settings.

A part of prepare.py, which loads it from its own folder: it imports nothing but the standard library. The only place
that starts a tool while the environment is made.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# How to reach packages: of PIP_* and of pip's and uv's files only these settings are used.
PIP_SETTINGS = r"""
(EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|(CLIENT_)?CERT|PROXY|(DEFAULT_)?TIMEOUT|RETRIES
|(NO_)?CACHE_DIR|KEYRING_PROVIDER|USE_(FEATURE|DEPRECATED)
"""
UV_SETTINGS = r"""
(extra-)?index-url|index|find-links|no-index|keyring-provider|native-tls|system-certs|offline|allow-insecure-host
|(https?|no)-proxy|cache-dir|no-cache|link-mode|concurrent-\w+
"""
UV_PATHS = ("index-url", "extra-index-url", "find-links", "cache-dir", "url")  # may be relative to their file
# What any program needs; the last two let the CI system end what it has started.
ALWAYS = r"""
PATH(EXT)?|HOME|USER(PROFILE)?|LOGNAME|(LOCAL)?APPDATA|PROGRAM(DATA|FILES)|SYSTEM(ROOT|DRIVE)|WINDIR|COMSPEC
|TMPDIR|TE?MP|LANG|LC_\w+|XDG_\w+|(LD|DYLD|DYLD_FALLBACK)_LIBRARY_PATH
|RUNNER_TRACKING_ID|JENKINS_SERVER_COOKIE
"""
PASSED_ON = rf"""
{ALWAYS}
|PROCESSOR_\w+|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|NETRC
|PIP_(CONFIG_FILE|{PIP_SETTINGS})
|UV_((DEFAULT_|EXTRA_)?INDEX(_URL)?|INDEX_\w+|FIND_LINKS|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_\w+
    |REQUEST_TIMEOUT|CONCURRENT_\w+|CACHE_DIR|NO_CACHE|NO_CONFIG|CONFIG_FILE|KEYRING_PROVIDER|LINK_MODE)
"""
SOURCE = "the package index, or the folder in PIP_FIND_LINKS,"
UNREACHABLE = (
    r"connection ?(error|refused|reset|aborted|timed)|\(connect\)|dns error|name (resolution|or service)|timed out|"
    r"(proxy|ssl|protocol)error|certificate|max retries|\b5\d\d (server|bad|service|gateway|internal)"
)
ABSENT = "no matching distribution|unsatisfiable|could not find a version|invalid requirement|does not exist|not found"
# The first pattern that the tool's output matches gives the exit code, and the message for the user.
CAUSES = {
    "do not match the hash|hash mismatch": (2, SOURCE + " has a file that is not the published one: its hash differs."),
    "no space left|disk quota|read-only file system|permission denied": (
        2,
        "the folder {cache} is full or not writable: free some space, or set XDG_CACHE_HOME to another folder.",
    ),
    UNREACHABLE: (
        5,
        "the Python package index could not be reached: run again later. Without internet access set PIP_INDEX_URL, or "
        "PIP_NO_INDEX=1 and PIP_FIND_LINKS.",
    ),
    ABSENT: (2, SOURCE + " does not have a package for {version}."),
    "": (2, "the packages that buildferry needs could not be installed: the lines above say why."),
}
CANCELLED = 128 + signal.SIGTERM
POLL_INTERVAL = 0.1  # seconds between two checks for a signal while a tool runs
TRUE = ("1", "true", "yes", "on", "y", "t")  # as pip reads it


class PreparationError(Exception):
    """The environment cannot be created."""

    def __init__(self, code: int, sentence: str, said: str = "") -> None:
        """Keep the exit code, one sentence for the user, and a tool's output."""
        super().__init__(sentence)
        self.code = code
        self.said = said


def install(
    site: Path, arguments: Sequence[str], installers: Iterator[tuple[list[str], dict[str, str]]], log: Path
) -> tuple[bool, str | None]:
    """Install into the folder `site` with the first of the installers that can.

    Each is the beginning of a command, and its environment. Return whether one succeeded, and the last output: None
    if there was none.
    """
    said = None
    for installer, environment in installers:
        before = len(list(site.iterdir()))
        command = [*installer, "--no-deps", *arguments]
        said, code = run(command, environment)
        if code != 0 and re.search(ABSENT, said, re.IGNORECASE):
            # Only pip's log says what it could not reach; as it has a line for each file of the index, it is slow.
            said, code = run(command, {**environment, "PIP_LOG": str(log), "PIP_RETRIES": "0"})
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            said = "\n".join((*re.findall("Could not fetch URL .*", text), said))
        if code == 0 and len(list(site.iterdir())) > before:  # a setting may request another target, or a dry run
            return True, said
    return False, said


def cause(said: str) -> tuple[int, str]:
    """Return the exit code and the message for the user, from an installer's output."""
    return next(told for pattern, told in CAUSES.items() if re.search(pattern, said, re.IGNORECASE))


def uv_command(uv: str, python: Path, settings: Path, environment: Mapping[str, str]) -> list[str]:
    """Begin an install command of uv, which reads no file of settings but `settings`."""
    no_index = ["--no-index"] if environment.get("PIP_NO_INDEX", "").lower() in TRUE else []
    return [uv, "--config-file", str(settings), "pip", "install", "--quiet", "--python", str(python), *no_index]


def pip_command(python: str, site: Path) -> list[str]:
    """Begin an install command of pip.

    Every pip has --target (--python came with 22.3, Ubuntu 22.04 has 22.0), and with it pip starts once, not twice.
    """
    return [python, "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(site)]


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Select a tool's environment: how to reach packages. No secret of the job, no PYTHON* variable, no target."""
    names = re.compile(PASSED_ON, re.VERBOSE | re.IGNORECASE)
    known = {name: value for name, value in environ.items() if names.fullmatch(name)}
    for name, separator in (("INDEX_URL", " "), ("EXTRA_INDEX_URL", " "), ("FIND_LINKS", ",")):
        known.setdefault(f"UV_{name}", separator.join(known.get(f"PIP_{name}", "").split()))
    known.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip does; the hashes identify the right package
    quiet = {"NO_COLOR": "1", "PIP_NO_COLOR": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"}
    quiet |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    return known | quiet | {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def for_pip(known: Mapping[str, str], home: Path) -> dict[str, str]:
    """Isolate pip: it reads no settings file, and gets from those only how to reach packages.

    Raises PreparationError.
    """
    return _pip_settings(config_files(known, home)) | dict(known) | {"PIP_CONFIG_FILE": os.devnull}


def config_files(known: Mapping[str, str], home: Path) -> list[Path]:
    """Return the files in which pip searches for settings, the strongest last.

    Source: pip.pypa.io/en/stable/topics/configuration
    """
    own = known.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return []
    if os.name == "nt":
        shared = [Path(known.get("PROGRAMDATA", "C:/ProgramData"), "pip", "pip.ini")]
        users = [home / "pip" / "pip.ini", Path(known.get("APPDATA") or home, "pip", "pip.ini")]
    else:
        mac = Path("Library", "Application Support", "pip", "pip.conf")
        folders = (known.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        shared = [Path("/") / mac, *(Path(folder, "pip", "pip.conf") for folder in folders), Path("/etc/pip.conf")]
        user = Path(known.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
        users = [home / ".pip" / "pip.conf", user, home / mac]
    site = Path(sys.prefix, users[0].name)
    return [*shared, site, Path(own)] if own and Path(own).exists() else [*shared, *users, site]


def _pip_settings(files: Sequence[Path]) -> dict[str, str]:
    """Read how to reach packages from pip's files, as PIP_* variables. Raises PreparationError."""
    import configparser  # here, because uv does not need it

    parser = configparser.RawConfigParser()
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        places = ", ".join(str(path) for path in files if path.exists())
        advice = f"correct it ({places}), or set PIP_CONFIG_FILE={os.devnull}"
        raise PreparationError(
            2, f"a file with pip's settings cannot be read, {type(error).__name__}: {advice}."
        ) from error
    found = {}
    for section in ("global", "install"):
        for key, value in parser.items(section) if parser.has_section(section) else ():
            name = key.upper().replace("-", "_")
            if re.fullmatch(PIP_SETTINGS, name, re.VERBOSE) and value.strip():
                found[f"PIP_{name}"] = value.strip()
    return found


def for_uv(known: Mapping[str, str], home: Path, settings: Path) -> dict[str, str]:
    """Isolate uv like pip: from its files it gets only how to reach packages, in the file `settings`.

    Return its environment. Raises PreparationError.
    """
    kept: dict[str, Any] = {}
    for path in uv_files(known, home):
        for name, value in _uv_settings(path).items():
            stronger = kept.setdefault(name, value)
            if stronger is not value and isinstance(stronger, list) and isinstance(value, list):
                kept[name] = [*stronger, *value]
    settings.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in kept.items()), encoding="utf-8")
    return {name: value for name, value in known.items() if name not in ("UV_CONFIG_FILE", "UV_NO_CONFIG")}


def uv_files(known: Mapping[str, str], home: Path) -> list[Path]:
    """Return the files in which uv searches for settings, the strongest first, except those of the checkout.

    Source: docs.astral.sh/uv/concepts/configuration-files
    """
    if known.get("UV_NO_CONFIG", "").lower() in TRUE:
        return []
    if known.get("UV_CONFIG_FILE"):
        return [Path(known["UV_CONFIG_FILE"])]
    if os.name == "nt":
        folders = [known.get("APPDATA") or home, known.get("PROGRAMDATA", "C:/ProgramData")]
    else:
        shared = (known.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        folders = [known.get("XDG_CONFIG_HOME") or home / ".config", *shared, "/etc"]
    return [path for path in (Path(folder, "uv", "uv.toml") for folder in folders) if path.exists()]


def _uv_settings(path: Path) -> dict[str, Any]:
    """Read how to reach packages from one of uv's files: its table `pip` wins. Raises PreparationError."""
    try:
        text = path.read_text(encoding="utf-8")
        told = _toml_parser()(text)
    except (OSError, ValueError) as error:
        advice = f"correct it ({path}), or set UV_NO_CONFIG=1"
        raise PreparationError(
            2, f"a file with uv's settings cannot be read, {type(error).__name__}: {advice}."
        ) from error
    pip = told.get("pip")
    every = {**told, **(pip if isinstance(pip, dict) else {})}
    names = re.compile(UV_SETTINGS, re.VERBOSE)
    return {name: _rooted(value, path.parent, name) for name, value in every.items() if names.fullmatch(name)}


def _toml_parser() -> Callable[[str], dict[str, Any]]:
    """Python has had one since 3.11, pip brings its own; without either, uv's files are ignored."""
    for module in ("tomllib", "pip._vendor.tomli"):
        try:
            parser: Callable[[str], dict[str, Any]] = importlib.import_module(module).loads
        except ImportError:
            continue
        return parser
    return lambda _text: {}


def _rooted(value: Any, folder: Path, name: str) -> Any:
    """A setting as it was meant in a file in `folder`."""
    if isinstance(value, dict):
        return {key: _rooted(inner, folder, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rooted(inner, folder, name) for inner in value]
    is_path = isinstance(value, str) and name in UV_PATHS and "://" not in value
    return str(folder / value) if is_path else value


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int]:
    """Run a tool; return its output and its exit code. If the job is cancelled meanwhile, leave no process, and exit.

    Jenkins ends children first, so a tool that was ended by such a signal means the same.
    """
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    with subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        said = None
        while said is None:
            try:
                said = process.communicate(timeout=POLL_INTERVAL)[0]
            except subprocess.TimeoutExpired:
                if seen:
                    _kill(process)
    ended = process.returncode in (-signal.SIGTERM, -signal.SIGINT)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if seen or ended else before)  # the cleanup must not be interrupted
    if seen or ended:
        sys.exit(CANCELLED)
    return said, process.returncode


def _kill(process: subprocess.Popen[str]) -> None:
    """End a tool and its children, where the system has process groups."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
