"""Create the Python environment that buildferry runs in: once for each interpreter, lock file and package.

launch.sh starts this file with the Python that it found, as `python -I -X utf8 prepare.py` and the texts that `Order`
lists. It imports nothing but the standard library and packages.py beside it, because no package is installed yet.
It writes the environment and a start file into the cache, messages to stderr, and nothing to stdout or the checkout.
Exit codes are those of every run: 2 fix the workflow, 5 run again later, 143 the CI job was cancelled.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from plugin import packages
else:  # by its path: with the folder on sys.path, a json.py there would come before the standard library's
    _spec = importlib.util.spec_from_file_location("packages", Path(__file__).with_name("packages.py"))
    packages = importlib.util.module_from_spec(_spec)
    _writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _spec.loader.exec_module(packages)
    sys.dont_write_bytecode = _writes

OUTPUT_LINES = 12  # of a tool, to show
LEFTOVER_AGE = 86400  # seconds after which a partial environment counts as abandoned
INSTALL_VENV = "install it (Debian and Ubuntu: apt-get install python3-venv)"


class Order(NamedTuple):  # importing dataclasses would take a tenth of uv's whole time
    """What launch.sh requests."""

    cache: str  # the folder for environments and start files
    start: str  # name of the start file
    lock: str  # requirements with hashes
    package: str  # a requirement to install besides; empty when the program runs in a checkout
    found: str  # the command that led to this Python
    uv: str  # path of uv, or empty
    said: str  # the file for the sentence that explains a failure


class Environment(NamedTuple):
    """An environment to create, and where."""

    final: Path  # where it will be
    made: Path  # where it is created: a partial one is never used
    interpreter: str  # the real file of the Python under it

    @property
    def scratch(self) -> Path:
        """A folder for what is needed only during the installation."""
        return self.made / "scratch"

    @property
    def log(self) -> Path:
        """The log file of pip."""
        return self.scratch / "pip.log"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what launch.sh requests; return the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    order = Order(*arguments)
    try:
        prepare(order, environ)
    except packages.PreparationError as failed:
        report(failed, order)
        return failed.code
    return 0


def _stop(_number: int, _frame: Any) -> NoReturn:
    """End at once, the CI job was cancelled. A partial environment is removed, without interruption."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(packages.CANCELLED)


def report(failed: packages.PreparationError, order: Order) -> None:
    """Show a tool's output, and give the sentence that explains the failure to launch.sh, which knows the CI host."""
    for line in printable(failed.said):
        print("|", line, file=sys.stderr)
    try:
        Path(order.said).write_text(str(failed), encoding="utf-8")
    except OSError:  # the disk may be full
        print("|", failed, file=sys.stderr)


def printable(said: str) -> list[str]:
    """Cut a tool's output to its last lines, without passwords in addresses and without workflow commands."""
    plain = re.sub(r"://[^/\s]+@", "://***@", re.sub(r"\x1b\[[0-9;]*m", "", said)).replace("##", "# #")
    return [line for line in plain.splitlines() if line.strip()][-OUTPUT_LINES:]


def prepare(order: Order, environ: Mapping[str, str]) -> None:
    """Create the environment, unless it exists and is complete, and write the start file that leads to it.

    Raises PreparationError.
    """
    environment = environment_for(order)
    final, made = environment.final, environment.made
    damaged = made.with_name(f"{made.name}-damaged")
    try:
        if not is_whole(final):
            print("buildferry: preparing Python packages (once)...", file=sys.stderr, flush=True)
            _remove_leftovers(final.parent)
            make(environment, order, environ)
            try:
                if final.is_dir() and not is_whole(final):
                    final.rename(damaged)
                made.rename(final)
            except OSError:  # if two starts created it at once, the first one wins
                if not is_whole(final):
                    raise
        write_start(environment, order)
    except OSError as error:
        raise packages.PreparationError(
            2, f"the Python environment cannot be created in {order.cache}: {error}."
        ) from error
    finally:
        for left in (made, damaged):
            shutil.rmtree(left, ignore_errors=True)


def environment_for(order: Order) -> Environment:
    """Name the environment after everything that determines its contents."""
    interpreter: str = getattr(sys, "_base_executable", None) or sys.executable
    if os.name != "nt":
        # The real file, python3.12 rather than python3: after an upgrade there is a new environment, not a broken one.
        interpreter = str(Path(interpreter).resolve())
    digest = hashlib.sha256("\0".join((interpreter, platform.machine(), order.package, "")).encode())
    digest.update(Path(order.lock).read_bytes())
    if source := _local(order.package):  # which may change
        for path in sorted([source, *source.rglob("*")]):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(repr((str(path), path.stat().st_size, path.stat().st_mtime)).encode())
    binary_interface = importlib.machinery.EXTENSION_SUFFIXES[0].split(".")[1]
    final = Path(order.cache, f"{binary_interface}-{digest.hexdigest()[:16]}")
    return Environment(final, final.with_name(f"{final.name}.making-{os.urandom(8).hex()}"), interpreter)


def _local(package: str) -> Path | None:
    """A package that is a file or a folder here."""
    try:
        return Path(package) if package and Path(package).exists() else None
    except OSError:  # too long for a file name
        return None


def _remove_leftovers(cache: Path) -> None:
    for entry in cache.iterdir():
        if ".making-" in entry.name and entry.stat().st_mtime < time.time() - LEFTOVER_AGE:
            shutil.rmtree(entry, ignore_errors=True)


def write_start(environment: Environment, order: Order) -> None:
    """Write the start file, last of all: to launch.sh a newer folder has lost files."""
    interpreter = environment.interpreter
    found = order.found if Path(order.found).samefile(interpreter) else interpreter
    text = "".join(f"{line}\n".replace(os.sep, "/") for line in (environment.final.name, interpreter, found))
    written = environment.made.with_name(f"{environment.made.name}.start")
    written.write_text(text, encoding="utf-8", newline="\n")
    written.replace(Path(order.cache, order.start))


def is_whole(folder: Path) -> bool:
    """Whether every file of an environment is unchanged. Cleaners of temporary folders remove single files."""
    try:
        sizes: dict[str, int] = json.loads((folder / "files.json").read_text(encoding="utf-8"))
        return os.access(python_of(folder), os.X_OK) and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError):
        return False


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder.joinpath(*(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def make(environment: Environment, order: Order, environ: Mapping[str, str]) -> None:
    """Create the environment with all packages, and load them once. Raises PreparationError."""
    made, scratch = environment.made, environment.scratch
    scratch.mkdir(parents=True)
    site = _make_empty(made, environment.interpreter)
    known = packages.passed_on(environ)

    def install(*arguments: str) -> None:
        ways = _installers(environment, site, order, known)
        installed, said = packages.install(site, arguments, ways, environment.log)
        if installed:
            return
        if said is None:
            raise packages.PreparationError(2, f"{_this_python()} has no pip: {INSTALL_VENV}, or uv.")
        code, sentence = packages.cause(said)
        raise packages.PreparationError(code, sentence.format(version=_this_python(), cache=order.cache), said)

    install("--only-binary", ":all:", "--require-hashes", "-r", order.lock)
    package = order.package
    if (source := _local(package)) and source.is_dir():  # a copy, because the build writes into its source tree
        package = str(scratch / "source")
        shutil.copytree(source, package, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    if package:
        install("--", package)
    shutil.rmtree(scratch, ignore_errors=True)
    loader = Path(__file__).with_name("load.py")
    command = list(map(str, (python_of(made), "-I", loader, site, made, environment.final)))
    said, code = packages.run(command, known)
    if code != 0:
        raise packages.PreparationError(2, f"the packages that buildferry needs do not load in {_this_python()}.", said)
    files = [made / "pyvenv.cfg", *(path for path in site.rglob("*") if path.is_file())]
    sizes = {path.relative_to(made).as_posix(): path.stat().st_size for path in files}
    (made / "files.json").write_text(json.dumps(sizes), encoding="utf-8")


def _this_python() -> str:
    return f"{sys.executable} (Python {platform.python_version()})"


def _installers(
    environment: Environment, site: Path, order: Order, known: Mapping[str, str]
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Each installer that may work here, the best first: the beginning of a command, and its variables."""
    if order.uv:
        settings = environment.scratch / "uv.toml"
        alone = packages.for_uv(known, Path.home(), settings)
        yield packages.uv_command(order.uv, python_of(environment.made), settings, known), alone
    isolated = packages.for_pip(known, Path.home())
    python = sys.executable
    if not importlib.util.find_spec("pip"):
        if not importlib.util.find_spec("ensurepip"):
            return
        python = str(python_of(environment.scratch / "pip"))
        _make_empty(environment.scratch / "pip", environment.interpreter)
        packages.run([python, "-I", "-m", "ensurepip"], isolated)
    yield packages.pip_command(python, site), isolated


def _make_empty(folder: Path, interpreter: str) -> Path:
    """Create an environment without packages; return its folder of packages. Raises PreparationError."""
    try:
        import venv
    except ImportError:
        raise packages.PreparationError(2, f"{_this_python()} has no venv module: {INSTALL_VENV}.") from None
    if os.name != "nt":
        sys._base_executable = interpreter  # type: ignore[attr-defined] # what venv links to
    venv.EnvBuilder(symlinks=os.name != "nt").create(folder)
    return min(folder.rglob("site-packages"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
