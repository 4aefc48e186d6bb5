"""How the packages get into the environment, and what is said when they do not."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.end_to_end.launch.machine import ROOT, Machine, machine, script

UNKNOWN = "parcel==1.0 --hash=sha256:" + "0" * 64
CLOSED_PORT = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def test_an_installer_gets_the_package_sources_and_no_secret(cold: Machine) -> None:
    script(cold.commands / "uv", f'echo " $* " >{cold.commands}/arguments; export -p >{cold.commands}/known; exit 1')
    secrets = ("INPUT_API_TOKEN", "PLUGIN_API_TOKEN", "api_token", "GITHUB_TOKEN", "PIP_TARGET", "UV_PYTHON")
    report = cold.report(
        **dict.fromkeys(secrets, "s3cret"), JENKINS_SERVER_COOKIE="c00kie", https_proxy="http://p.test"
    )
    known = (cold.commands / "known").read_text()
    assert "s3cret" not in known
    assert not [kept for kept in ("c00kie", "http://p.test", cold.wheels.as_uri()) if kept not in known]
    assert " --no-index " in (cold.commands / "arguments").read_text()
    assert report["known"]["api_token"] == "s3cret"


def hostile_to_uv(machine: Machine, find_links: str) -> dict[str, str]:
    """Settings of the user and of the checkout that lead uv astray, and the user's way to packages."""
    astray = '[pip]\ntarget = "/nowhere"\ndry-run = true\nno-deps = false\nexclude-newer = "2001-01-01"\n'
    (machine.caches / ".config" / "uv").mkdir(parents=True)
    (machine.caches / ".config" / "uv" / "uv.toml").write_text(
        f'no-index = true\nfind-links = ["{find_links}"]\n{astray}'
    )
    (machine.checkout / "uv.toml").write_text("broken = [")
    (machine.checkout / "pyproject.toml").write_text("[tool.uv.pip]\ndry-run = true\n")
    return {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "UV_PYTHON": "2.7", "UV_TARGET": "/nowhere", "UV_DRY_RUN": "1"}


def test_uv_reads_only_the_settings_that_locate_packages(cold: Machine) -> None:
    script(cold.commands / "uv", f'test "$1" = --config-file && cat "$2" >{cold.commands}/settings; exit 1')
    cold.run(**hostile_to_uv(cold, "../wheels"), PIP_CONFIG_FILE=os.devnull)
    folder = cold.caches / ".config" / "uv"
    settings = (cold.commands / "settings").read_text(encoding="utf-8")
    assert settings == f'no-index = true\nfind-links = ["{folder}/../wheels"]\n'


def test_the_real_uv_installs_whatever_its_settings_say(cold: Machine) -> None:
    (cold.commands / "uv").symlink_to(find_uv_bin())
    cold.hide("ensurepip")  # no pip comes to its help
    cold.report(**hostile_to_uv(cold, str(cold.wheels)))


@pytest.mark.parametrize(
    ("lock", "environment", "code", "said"),
    [
        (UNKNOWN, {}, 2, "its hash differs"),
        (UNKNOWN.replace("1.0", "9.9"), {}, 2, "does not have a package for"),
        (UNKNOWN, CLOSED_PORT, 5, "the Python package index could not be reached: run again later."),
    ],
)
def test_when_packages_cannot_be_installed_the_last_line_says_why(
    cold: Machine, lock: str, environment: dict[str, str], code: int, said: str
) -> None:
    (cold.checkout / "plugin" / "requirements.txt").write_text(lock, encoding="utf-8")
    done = cold.run(PIP_CONFIG_FILE=os.devnull, **environment)
    first, *details, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout, first) == (code, "", "buildferry: preparing Python packages (once)...")
    assert said in last
    assert details
    assert all(line.startswith("| ") for line in details)
    assert not cold.environments


@pytest.mark.parametrize(("missing", "said"), [("ensurepip", "has no pip: "), ("venv", "has no venv module: ")])
def test_a_python_without_pip_or_venv_says_what_to_install(cold: Machine, missing: str, said: str) -> None:
    cold.hide(missing)
    done = cold.run()
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "apt-get install python3-venv" in done.stderr.splitlines()[-1]


def test_a_python_that_can_make_its_own_pip_does(cold: Machine) -> None:
    cold.hide()
    cold.report()


def test_commands_and_passwords_in_an_installers_output_are_defused(cold: Machine) -> None:
    cold.hide("ensurepip")
    script(cold.commands / "uv", r"printf '\033[31m::error::x\n##[error]y\nhttps://me:s3cret@index.invalid\n'; exit 1")
    lines = cold.run(PLUGIN_HOST="github").stderr.splitlines()
    assert lines[1:4] == ["| ::error::x", "| # #[error]y", "| https://***@index.invalid"]
    assert lines[4].startswith("::error title=buildferry::")


def test_the_real_lock_file_works_in_a_closed_network(tmp_path: Path) -> None:
    lock, wheels = ROOT / "plugin" / "requirements.txt", tmp_path / "wheels"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*download, "--require-hashes", "--requirement", lock, "--dest", wheels], check=True, timeout=120)
    closed = machine(
        tmp_path, tmp_path / "caches", wheels, imports="click, jsonschema, requests", lock=lock.read_text()
    )
    assert closed.report(PIP_CONFIG_FILE=os.devnull)["environment"] == str(closed.environments[0])


def test_the_lock_file_pins_what_setup_cfg_asks_for_and_names_no_index() -> None:
    setup, lock = configparser.ConfigParser(), (ROOT / "plugin" / "requirements.txt").read_text()
    setup.read(ROOT / "setup.cfg")
    for wanted, oldest in re.findall(r"^([\w-]+)>=([\d.]+)$", setup["options"]["install_requires"], re.MULTILINE):
        (pinned,) = re.findall(rf"^{wanted}==([\d.]+)", lock, re.MULTILINE)
        assert [int(part) for part in pinned.split(".")] >= [int(part) for part in oldest.split(".")]
    assert "://" not in lock
