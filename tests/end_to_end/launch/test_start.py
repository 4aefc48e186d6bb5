"""launch.sh and step.sh as real processes, on machines made for the test."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.launch.machine import SHELLS, Machine, script, wheel


@pytest.mark.parametrize("shell", SHELLS)
def test_the_process_that_ci_started_becomes_an_isolated_python(warm: Machine, shell: str) -> None:
    with warm.start("run", "two words", "", "*", shell=shell) as process:
        stdout, stderr = process.communicate(timeout=30)
    report = json.loads(stdout)
    assert report["pid"] == process.pid
    assert report["arguments"] == ["run", "two words", "", "*"]
    assert (report["isolated"], report["utf8"], stderr) == (1, 1, "")
    assert [report["environment"]] == list(map(str, warm.environments))


def test_step_sh_starts_it_for_bitrise_from_any_folder(warm: Machine, tmp_path: Path) -> None:
    command = ["bash", str(warm.checkout / "step.sh")]
    with subprocess.Popen(command, cwd=tmp_path, env=warm.known(), stdout=subprocess.PIPE, text=True) as process:
        report = json.loads(process.communicate(timeout=30)[0])
    assert (report["pid"], report["arguments"]) == (process.pid, ["run"])
    assert report["known"]["PLUGIN_HOST"] == "bitrise"


def test_a_warm_start_starts_no_other_python_and_needs_no_packages(warm: Machine) -> None:
    warm.report()
    (warm.commands / "starts").unlink()
    done = warm.run(PIP_FIND_LINKS="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (warm.commands / "starts").exists()


def test_a_cold_start_goes_through_a_shim_once(cold: Machine) -> None:
    cold.report()
    assert (cold.commands / "starts").read_text() == "start\n"


def test_neither_checkout_nor_user_settings_reach_python_or_pip(cold: Machine, tmp_path: Path) -> None:
    for name in ("json", "pip", "venv", "parcel", "hashlib", "sitecustomize", "usercustomize", "startup"):
        for folder in (cold.checkout, cold.checkout / "plugin"):
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'hijacked')!r}, 'w')", encoding="utf-8")
    (cold.checkout / "plugin" / "neighbour.py").touch()
    program = cold.checkout / "plugin" / "__main__.py"
    program.write_text(
        f"import os, sys\nsys.path.append(os.path.dirname(__file__))\nimport neighbour\n{program.read_text()}"
    )
    elsewhere, here = str(tmp_path / "elsewhere"), str(cold.checkout)
    settings = "[global]\nrequire-virtualenv = true\npython = /nowhere\n[install]\nuser = true\ndry-run = true\n"
    settings += f"root = {elsewhere}\nprefix = {elsewhere}\nconstraint = /nowhere\nrequirement = /nowhere\n"
    for path in (tmp_path / "pip.conf", cold.caches / ".config" / "pip" / "pip.conf"):  # the second is the user's
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(settings, encoding="utf-8")
    before = sorted((path, path.stat().st_mtime_ns) for path in cold.checkout.rglob("*"))
    hostile = {"PYTHONPATH": here, "PYTHONHOME": here, "PYTHONSTARTUP": here + "/startup.py", "PYTHONUSERBASE": here}
    hostile |= {
        "PIP_TARGET": elsewhere,
        "PIP_PREFIX": elsewhere,
        "PIP_USER": "1",
        "PIP_DRY_RUN": "1",
    }
    hostile |= {"UV_PYTHON": "2.7", "UV_SYSTEM_PYTHON": "1", "UV_TARGET": elsewhere, "UV_EXCLUDE_NEWER": "2001-01-01"}
    for _ in ("cold", "warm"):
        assert not {"PYTHONPATH", "PYTHONHOME"} & set(cold.report(**hostile)["known"])
    shutil.rmtree(cold.caches / "buildferry")
    cold.report(**hostile, PIP_CONFIG_FILE=f"{tmp_path}/pip.conf")
    assert not (tmp_path / "hijacked").exists()
    assert not (tmp_path / "elsewhere").exists()
    assert sorted((path, path.stat().st_mtime_ns) for path in cold.checkout.rglob("*")) == before


@pytest.mark.parametrize(
    ("host", "start"),
    [("plain", "buildferry: "), ("github", "::error title=buildferry::"), ("bitrise", "\x1b[31;1mbuildferry: ")],
)
def test_without_a_new_enough_python_one_sentence_says_what_was_found(warm: Machine, host: str, start: str) -> None:
    script(warm.commands / "python3", "printf 3.8.18")
    script(warm.commands / "python", "printf 2.7.18")
    script(warm.commands / "py", "echo 'Python was not found; run without arguments to install it.' >&2; exit 49")
    done = warm.run(PLUGIN_HOST=host)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(start + "Python 3.10 or newer is needed.")
    assert "found python3 is 3.8.18, python is 2.7.18, py -3 does not run." in done.stderr


def test_without_any_python_the_sentence_says_so(warm: Machine) -> None:
    (warm.commands / "python3").unlink()
    done = warm.run()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "found none of them." in done.stderr


def test_a_versioned_python_is_found_behind_an_old_one_and_remembered(warm: Machine) -> None:
    (warm.commands / "python3").rename(warm.commands / "python3.12")
    script(warm.commands / "python3", f"echo start >>{warm.commands}/old; printf 3.9.18")
    for _ in ("cold", "warm"):
        warm.report()
        assert (warm.commands / "old").read_text() == "start\n"


def test_a_standalone_copy_installs_the_configured_package(cold: Machine, tmp_path: Path) -> None:
    alone = cold.stand_alone(tmp_path) | {"PIP_FIND_LINKS": f"{cold.wheels.as_uri()} {tmp_path.as_uri()}"}
    assert "set BUILDFERRY_PACKAGE" in cold.run(**alone).stderr
    for _ in ("cold", "warm"):
        report = cold.report("run", **alone, BUILDFERRY_PACKAGE="ferry==1.0")
        assert report["file"].startswith(report["environment"])
        assert report["arguments"] == ["run"]
    assert cold.run(**alone, BUILDFERRY_PACKAGE="ferry==2.0").returncode == 2


def test_a_local_source_tree_is_built_apart_and_again_when_it_changes(cold: Machine, tmp_path: Path) -> None:
    alone, tree = cold.stand_alone(tmp_path), tmp_path / "source tree"
    tree.mkdir()
    built = "ferry-1.0-py3-none-any.whl"
    (tmp_path / built).rename(tree / built)
    (tree / "pyproject.toml").write_text("build-system={requires=[], build-backend='backend', backend-path=['.']}")
    (tree / "backend.py").write_text(
        "import shutil\n"
        "def build_wheel(folder, *rest):\n"
        f"    open('litter', 'w').close(); shutil.copy({built!r}, folder); return {built!r}\n"
    )
    for _ in ("cold", "warm"):
        cold.report(**alone, BUILDFERRY_PACKAGE="../source tree")
    assert (len(cold.environments), len(list(tree.iterdir()))) == (1, 3)
    wheel(tree, "ferry", {"plugin/__main__.py": "print('changed')", "plugin/__init__.py": ""})
    assert cold.run(**alone, BUILDFERRY_PACKAGE="../source tree").stdout == "changed\n"
