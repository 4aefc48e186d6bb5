"""launch.sh and step.sh as real processes, on machines made for the test."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.machine import ROOT, SHELLS, Machine, machine, script, wait_for, wheel

UNKNOWN = "parcel==1.0 --hash=sha256:" + "0" * 64
CLOSED_PORT = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    (folder / "lock.txt").write_text(wheel(folder, "parcel", {"parcel.py": ""}), encoding="utf-8")
    return folder


@pytest.fixture
def cold(tmp_path: Path, wheels: Path) -> Machine:
    """A machine that has no environment yet."""
    return machine(tmp_path, tmp_path / "caches", wheels, imports="parcel", lock=(wheels / "lock.txt").read_text())


@pytest.fixture(scope="session")
def warm_caches(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    folder, lock = tmp_path_factory.mktemp("first"), (wheels / "lock.txt").read_text()
    machine(folder, folder / "caches", wheels, imports="parcel", lock=lock).report()
    return folder / "caches"


@pytest.fixture
def warm(tmp_path: Path, warm_caches: Path, wheels: Path) -> Machine:
    """A machine on which another job has made the environment."""
    return machine(tmp_path, warm_caches, wheels, imports="parcel", lock=(wheels / "lock.txt").read_text())


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


def test_nothing_of_the_checkout_or_the_users_settings_reaches_python_or_pip(cold: Machine, tmp_path: Path) -> None:
    for name in ("json", "pip", "venv", "parcel", "hashlib", "sitecustomize", "usercustomize", "startup"):
        for folder in (cold.checkout, cold.checkout / "plugin"):
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'hijacked')!r}, 'w')", encoding="utf-8")
    (cold.checkout / "plugin" / "neighbour.py").touch()
    program = cold.checkout / "plugin" / "__main__.py"
    program.write_text(
        f"import os, sys\nsys.path.append(os.path.dirname(__file__))\nimport neighbour\n{program.read_text()}"
    )
    (tmp_path / "pip.conf").write_text(
        "[global]\nrequire-virtualenv = true\n[install]\nuser = true\n", encoding="utf-8"
    )
    before = sorted((path, path.stat().st_mtime_ns) for path in cold.checkout.rglob("*"))
    elsewhere, here = str(tmp_path / "elsewhere"), str(cold.checkout)
    hostile = {"PYTHONPATH": here, "PYTHONHOME": here, "PYTHONSTARTUP": here + "/startup.py", "PYTHONUSERBASE": here}
    hostile |= {
        "PIP_TARGET": elsewhere,
        "PIP_PREFIX": elsewhere,
        "PIP_USER": "1",
        "PIP_CONFIG_FILE": f"{tmp_path}/pip.conf",
    }
    hostile |= {"UV_PYTHON": "2.7", "UV_SYSTEM_PYTHON": "1", "UV_TARGET": elsewhere, "UV_EXCLUDE_NEWER": "2001-01-01"}
    for _ in ("cold", "warm"):
        assert not {"PYTHONPATH", "PYTHONHOME"} & set(cold.report(**hostile)["known"])
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


def test_a_python_named_by_its_version_is_found_behind_an_old_one_and_remembered(warm: Machine) -> None:
    (warm.commands / "python3").rename(warm.commands / "python3.12")
    script(warm.commands / "python3", f"echo start >>{warm.commands}/old; printf 3.9.18")
    for _ in ("cold", "warm"):
        warm.report()
        assert (warm.commands / "old").read_text() == "start\n"


def test_jobs_that_start_at_once_share_one_environment(cold: Machine) -> None:
    processes = [cold.start() for _ in range(4)]
    reports = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert {report["environment"] for report in reports} == {str(path) for path in cold.environments}
    assert len(cold.environments) == 1


def test_an_environment_that_was_killed_half_way_is_never_used(cold: Machine) -> None:
    script(cold.commands / "uv", f"echo $$ >{cold.commands}/installing; exec sleep 60")
    with cold.start() as process:
        wait_for(cold.commands / "installing")
        os.killpg(process.pid, signal.SIGKILL)
    (left,) = cold.environments
    (cold.commands / "uv").unlink()
    os.utime(left, (0, 0))
    assert cold.report()["environment"] == str(cold.environments[0])
    assert not left.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_cancelling_while_the_environment_is_made_leaves_nothing_behind(cold: Machine, number: int, code: int) -> None:
    script(cold.commands / "uv", f"echo $$ >{cold.commands}/installing; exec sleep 60")
    with cold.start() as process:
        installer = int(wait_for(cold.commands / "installing"))
        process.send_signal(number)
        process.communicate(timeout=10)
    assert (process.returncode, cold.environments) == (code, [])
    with pytest.raises(ProcessLookupError):
        os.kill(installer, 0)


def test_an_installer_learns_where_packages_are_and_no_secret(cold: Machine) -> None:
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


@pytest.mark.parametrize(
    ("lock", "environment", "code", "said"),
    [
        (UNKNOWN, {}, 2, "its hash differs"),
        (UNKNOWN.replace("1.0", "9.9"), {}, 2, "has no package that fits"),
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


def test_what_an_installer_prints_is_no_command_and_shows_no_password(cold: Machine) -> None:
    cold.hide("ensurepip")
    script(cold.commands / "uv", r"printf '\033[31m::error::x\n##[error]y\nhttps://me:s3cret@index.invalid\n'; exit 1")
    lines = cold.run(PLUGIN_HOST="github").stderr.splitlines()
    assert lines[1:4] == ["| ::error::x", "| # #[error]y", "| https://***@index.invalid"]
    assert lines[4].startswith("::error title=buildferry::")


def test_another_interpreter_behind_the_same_name_gets_its_own_environment(cold: Machine, tmp_path: Path) -> None:
    python3, base, real = cold.commands / "python3", tmp_path / "base", Path(sys.executable).resolve()
    (base / "bin").mkdir(parents=True)
    (base / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    python3.unlink()
    python3.symlink_to(shutil.copy(real, base / "bin"))
    assert cold.report()["base"] == str(base)
    python3.unlink()
    python3.symlink_to(real)
    assert cold.report()["base"] == sys.base_prefix


def test_an_environment_whose_interpreter_is_gone_is_made_anew(cold: Machine) -> None:
    lost = Path(cold.report()["environment"]) / "bin" / "python"
    lost.unlink()
    lost.symlink_to("/nowhere/python")
    assert cold.report()["environment"] == str(lost.parents[1])
    assert len(cold.environments) == 1


def test_the_tool_cache_comes_first_and_a_private_temporary_folder_last(cold: Machine, tmp_path: Path) -> None:
    nowhere = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    assert cold.report(RUNNER_TOOL_CACHE=str(tmp_path / "tools"))["environment"].startswith(str(tmp_path / "tools"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert cold.report(TMPDIR=str(temporary), **nowhere)["environment"].startswith(str(temporary))
    (private,) = temporary.glob("buildferry-*")
    assert private.stat().st_mode & 0o777 == 0o700
    private.rename(tmp_path / "of-another")
    private.symlink_to(tmp_path / "of-another")
    done = cold.run(TMPDIR=str(temporary), **nowhere)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_copy_that_stands_alone_installs_the_package_that_it_is_told(cold: Machine, tmp_path: Path) -> None:
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
