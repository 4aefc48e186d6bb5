"""What packages.py hands to pip and uv, and what it makes of their words."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin import packages

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

LOG = Path("/scratch/pip.log")


def test_a_tool_gets_only_the_settings_that_locate_packages() -> None:
    environ = {"PATH": "/bin", "PIP_INDEX_URL": "https://i.invalid", "https_proxy": "http://p", "PIP_CERT": "/c"}
    others = ("API_TOKEN", "PLUGIN_API_TOKEN", "PYTHONPATH", "PIP_TARGET", "PIP_ROOT", "PIP_DRY_RUN", "PIP_CONSTRAINT")
    known = packages.passed_on(environ | dict.fromkeys(others, "x"))
    assert known.items() >= environ.items()
    assert not set(others) & set(known)
    assert known["UV_INDEX_URL"] == "https://i.invalid"


def test_pip_gets_only_the_package_sources_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://i.invalid\ntimeout = 5\npython = /x\nroot = /x\ndry-run = true\n"
        "[install]\nfind-links =\n    /a\n    /b\ntimeout = 9\nprefix = /x\nconstraint = /x\nrequire-hashes = true\n"
        "[list]\nformat = columns\n",
        encoding="utf-8",
    )
    given = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "XDG_CONFIG_DIRS": str(tmp_path)}
    environment = packages.for_pip({"PIP_RETRIES": "1"} | given, tmp_path)
    assert environment.pop("PIP_FIND_LINKS").split() == ["/a", "/b"]
    expected = {"PIP_INDEX_URL": "https://i.invalid", "PIP_TIMEOUT": "9", "PIP_RETRIES": "1"}
    assert environment.items() >= {**expected, "PIP_CONFIG_FILE": os.devnull}.items()
    unwanted = ("PYTHON", "ROOT", "DRY_RUN", "PREFIX", "CONSTRAINT", "REQUIRE_HASHES", "FORMAT")
    assert not {f"PIP_{name}" for name in unwanted} & set(environment)


def test_a_variable_is_stronger_than_pips_files(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[install]\nindex-url = https://file.invalid\n", encoding="utf-8")
    given = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    environment = packages.for_pip({"PIP_INDEX_URL": "https://variable.invalid"} | given, tmp_path)
    assert environment["PIP_INDEX_URL"] == "https://variable.invalid"


@pytest.mark.skipif(os.name == "nt", reason="pip looks elsewhere on Windows")
def test_pips_files_are_found_where_pip_reads_them(tmp_path: Path) -> None:
    given = {"XDG_CONFIG_DIRS": "/one:/two", "XDG_CONFIG_HOME": "/mine"}
    found = [str(path) for path in packages.config_files(given, Path("/home/me"))]
    shared = ["/one/pip/pip.conf", "/two/pip/pip.conf", "/etc/pip.conf"]
    users = ["/home/me/.pip/pip.conf", "/mine/pip/pip.conf", "/home/me/Library/Application Support/pip/pip.conf"]
    assert found == ["/Library/Application Support/pip/pip.conf", *shared, *users, f"{sys.prefix}/pip.conf"]
    assert packages.config_files({"PIP_CONFIG_FILE": os.devnull}, Path("/home/me")) == []
    (tmp_path / "own.conf").touch()
    own = packages.config_files(given | {"PIP_CONFIG_FILE": str(tmp_path / "own.conf")}, Path("/home/me"))
    assert own[-1] == tmp_path / "own.conf"
    assert not [path for path in own if "/me/" in str(path) or "/mine/" in str(path)]


@pytest.mark.parametrize("content", ["index-url = https://me:s3cret@i.invalid", "[global]\n\xff", "[a]\n[a]\n"])
def test_a_broken_file_of_pip_is_named_and_not_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / "pip.conf").write_bytes(content.encode("latin-1"))
    given = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    with pytest.raises(packages.PreparationError, match=r"pip\.conf") as failed:
        packages.for_pip(given, tmp_path)
    assert failed.value.code == 2
    assert "s3cret" not in str(failed.value)


UNWANTED = 'python = "2.7"\ntarget = "/x"\ndry-run = true\nexclude-newer = "2001-01-01"\nrequire-hashes = false\n'


def uv_settings(known: dict[str, str], home: Path) -> dict[str, Any]:
    """What uv is given to read in place of its own files."""
    environment = packages.for_uv(known, home, home / "given.toml")
    assert not {"UV_CONFIG_FILE", "UV_NO_CONFIG"} & set(environment)
    return tomllib.loads((home / "given.toml").read_text(encoding="utf-8"))


@pytest.mark.skipif(os.name == "nt", reason="uv looks elsewhere on Windows")
def test_uv_gets_only_the_package_sources_from_its_files(tmp_path: Path) -> None:
    mine, shared = tmp_path / "mine" / "uv", tmp_path / "shared" / "uv"
    for folder in (mine, shared):
        folder.mkdir(parents=True)
    index = '[[index]]\nname = "c\\"é"\nurl = "simple"\ndefault = true\n'
    (mine / "uv.toml").write_text(f'no-index = false\n{UNWANTED}{index}[pip]\nprefix = "/x"\nfind-links = ["wheels"]\n')
    (shared / "uv.toml").write_text('no-index = true\noffline = true\nfind-links = ["https://i.invalid", "/a"]\n')
    known = {"XDG_CONFIG_HOME": str(tmp_path / "mine"), "XDG_CONFIG_DIRS": str(tmp_path / "shared")}
    assert uv_settings(known, tmp_path) == {
        "no-index": False,
        "index": [{"name": 'c"é', "url": str(mine / "simple"), "default": True}],
        "find-links": [str(mine / "wheels"), "https://i.invalid", "/a"],
        "offline": True,
    }
    assert uv_settings({**known, "UV_NO_CONFIG": "1"}, tmp_path) == {}
    (tmp_path / "own.toml").write_text('index-url = "https://own.invalid"\n')
    own = {**known, "UV_CONFIG_FILE": str(tmp_path / "own.toml")}
    assert uv_settings(own, tmp_path) == {"index-url": "https://own.invalid"}


@pytest.mark.parametrize("content", ["index-url = [", "index-url = '\xff'", None])
def test_a_broken_file_of_uv_is_named_and_not_quoted(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "uv.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(packages.PreparationError, match=r"uv\.toml") as failed:
        packages.for_uv({"UV_CONFIG_FILE": str(tmp_path / "uv.toml")}, tmp_path, tmp_path / "given.toml")
    assert failed.value.code == 2
    assert "index-url" not in str(failed.value)


@pytest.mark.parametrize(
    ("said", "code", "part"),
    [
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", 2, "its hash differs"),
        ("error: Hash mismatch for `click`", 2, "its hash differs"),
        ("OSError: [Errno 28] No space left on device", 2, "is full or not writable"),
        ("[Errno 13] Permission denied: '/root'", 2, "is full or not writable"),
        ("Could not fetch URL x: connection error: refused", 5, "could not be reached: run again later"),
        ("dns error: failed to lookup", 5, "could not be reached"),
        ("ERROR: No matching distribution found for click==99", 2, "does not have a package for"),
        ("ERROR: Could not find an activated virtualenv (required).", 2, "the lines above say why"),
    ],
)
def test_the_advice_fits_the_installers_message(said: str, code: int, part: str) -> None:
    assert packages.cause(said)[0] == code
    assert part in packages.cause(said)[1]


def test_an_installer_that_installs_nothing_is_followed_by_the_next(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    nothing, works = "pass", f"import pathlib; pathlib.Path({str(site)!r}, 'parcel.py').touch()"
    ways: list[tuple[list[str], dict[str, str]]] = [
        ([sys.executable, "-I", "-c", code], {}) for code in (nothing, works, "raise SystemExit(9)")
    ]
    assert packages.install(site, ["x"], iter([]), LOG) == (False, None)
    assert packages.install(site, ["x"], iter(ways[:1]), LOG) == (False, "")
    assert packages.install(site, ["x"], iter(ways), LOG)[0]


def test_pip_writes_its_slow_log_only_after_a_failure(tmp_path: Path) -> None:
    """And the log's reason, here of an index that could not be reached, comes first in the output."""
    code = """
import os, sys
with open(sys.argv[2], "a") as starts:
    starts.write(os.environ.get("PIP_LOG", "none") + os.environ.get("PIP_RETRIES", "") + ";")
if "PIP_LOG" in os.environ:
    open(os.environ["PIP_LOG"], "w").write("x Could not fetch URL y: connection error: refused")
print(sys.argv[3])
sys.exit(sys.argv[3] != "works")
"""
    log, starts = tmp_path / "pip.log", tmp_path / "starts"
    found = {}
    for word in ("works", "no space left", "no matching distribution"):
        starts.unlink(missing_ok=True)
        way: tuple[list[str], dict[str, str]] = ([sys.executable, "-I", "-c", code], {})
        _, said = packages.install(tmp_path, [str(starts), word], iter([way]), log)
        found[starts.read_text(encoding="utf-8")] = packages.cause(said or "")[0]
    assert found == {"none;": 2, f"none;{log}0;": 5}


def test_a_tool_killed_by_a_signal_means_the_job_was_cancelled() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            packages.run([sys.executable, "-I", "-c", "import os; os.kill(os.getpid(), 15)"], {})
        os.kill(os.getpid(), signal.SIGTERM)  # which Jenkins sends next
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM


def test_a_tool_that_fails_is_distinguished_from_one_that_was_killed() -> None:
    assert packages.run([sys.executable, "-I", "-c", "print('why'); raise SystemExit(3)"], {}) == ("why\n", 3)
