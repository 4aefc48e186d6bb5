"""What prepare.py decides: names, wholeness, what is shown. The whole of it runs in tests/end_to_end/launch."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from plugin import packages, prepare
from plugin.prepare import Environment, Order


@pytest.fixture
def order(tmp_path: Path) -> Order:
    lock = tmp_path / "lock.txt"
    lock.write_text("parcel==1.0 --hash=sha256:00\n", encoding="utf-8")
    return Order(str(tmp_path), "start-1", str(lock), "", sys.executable, "", str(tmp_path / "said"))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The folder of an environment with two files."""
    folder = tmp_path / "environment"
    for name, text in {"bin/python": "", "pyvenv.cfg": "home = /usr", "site/parcel.py": "x = 1"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "bin/python").chmod(0o755)
    (folder / "files.json").write_text(json.dumps({"pyvenv.cfg": 11, "site/parcel.py": 5}), encoding="utf-8")
    return folder


def test_the_same_order_names_the_same_environment(order: Order) -> None:
    first, second = (prepare.environment_for(order) for _ in range(2))
    assert first.final == second.final
    assert first.made != second.made


def test_the_lock_file_and_the_package_decide_the_environment(order: Order, tmp_path: Path) -> None:
    names = {prepare.environment_for(each).final for each in (order, order._replace(package="ferry==1.0"))}
    (tmp_path / "lock.txt").write_text("parcel==2.0 --hash=sha256:00\n", encoding="utf-8")
    assert len(names | {prepare.environment_for(order).final}) == 3


def test_a_changed_local_package_gets_another_environment(order: Order, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    local = order._replace(package=str(tmp_path / "source"))
    before = prepare.environment_for(local).final
    (tmp_path / "source" / "ferry.py").write_text("x = 1", encoding="utf-8")
    assert prepare.environment_for(local).final != before


def test_a_long_package_reference_is_not_treated_as_a_file(order: Order) -> None:
    assert prepare.environment_for(order._replace(package="ferry @ https://e.invalid/" + "x" * 5000)).final


def test_an_environment_with_all_its_files_is_whole(whole: Path) -> None:
    assert prepare.is_whole(whole)


@pytest.mark.parametrize("name", ["pyvenv.cfg", "site/parcel.py", "bin/python", "files.json"])
def test_an_environment_that_lost_a_file_is_not_whole(whole: Path, name: str) -> None:
    (whole / name).unlink()
    assert not prepare.is_whole(whole)


@pytest.mark.parametrize("name", ["pyvenv.cfg", "site/parcel.py", "files.json"])
def test_an_environment_with_a_cut_file_is_not_whole(whole: Path, name: str) -> None:
    (whole / name).write_text("x", encoding="utf-8")
    assert not prepare.is_whole(whole)


def test_the_start_file_names_the_environment(order: Order, tmp_path: Path) -> None:
    real = str(Path(sys.executable).resolve())
    environment = Environment(tmp_path / "cp-1", tmp_path / "cp-1.making-2", real)
    prepare.write_start(environment, order)
    assert (tmp_path / "start-1").read_text(encoding="utf-8").splitlines() == ["cp-1", real, sys.executable]
    prepare.write_start(environment, order._replace(found="/bin/sh"))  # a wrapper: it would not tell of an upgrade
    assert (tmp_path / "start-1").read_text(encoding="utf-8").splitlines() == ["cp-1", real, real]


def test_output_of_a_tool_shows_no_password_and_no_command() -> None:
    said = "".join(f"{number}\n\n" for number in range(20)) + "\x1b[31m##[error]x\nhttps://me:s3cret@index.invalid/a\n"
    assert prepare.printable(said) == [*map(str, range(10, 20)), "# #[error]x", "https://***@index.invalid/a"]


def test_a_failure_is_passed_to_the_launcher(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.report(packages.PreparationError(2, "50% of it", "a tool's\nwords"), order)
    assert capsys.readouterr().err == "| a tool's\n| words\n"
    assert Path(order.said).read_text(encoding="utf-8") == "50% of it"


def test_a_failure_that_cannot_be_passed_on_is_shown(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.report(packages.PreparationError(2, "why"), order._replace(said="/dev/null/said"))
    assert capsys.readouterr().err == "| why\n"


def test_a_cancelled_job_ends_it_immediately_and_leaves_nothing(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a phase without a tool too: here while the empty environment is made."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("venv.EnvBuilder.create", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    arguments = [order.cache, order.start, order.lock, "", order.found, "", order.said]
    try:
        with pytest.raises(SystemExit) as ended:
            prepare.main(arguments, {})
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 143
    assert [path.name for path in Path(order.cache).iterdir()] == ["lock.txt"]
