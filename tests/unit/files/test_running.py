"""The file of what a run has running: when it exists, where, who believes it, and that it fails no run."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import Cancelled, UnavailableError
from plugin.files.lock import OLD, held
from plugin.files.running import FOLDER, Running, folders
from plugin.hosts import HOSTS, ci_of
from plugin.log import Log
from plugin.redact import Redactor

ABOUT = {"service": "bitrise", "service-url": "https://api.bitrise.io", "job": "7"}
FACTS = {"app": "app1"}


class Run:
    """A run, and what it logged."""

    def __init__(self, *places: Path, job: str = "7", secret: str = "", is_dry: bool = False) -> None:
        self._stream = io.StringIO()
        log = Log(self._stream, Redactor(), verbose=True)
        log.mask(secret)
        self.running = Running(places, {**ABOUT, "job": job}, log, lambda: OLD * 9, is_dry)

    @property
    def log(self) -> str:
        return self._stream.getvalue()

    def left(self) -> list[Any]:
        return [left.facts for left in self.running.left()]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def killed(folder: Path, job: str = "7", facts: Any = FACTS) -> Path:
    """The file of a run that was killed."""
    run = Run(folder, job=job)
    before = files(folder)
    run.running.note(facts)
    (file,) = set(files(folder)) - set(before)
    run.running._stack.close()  # as the end of its process does
    return file


@pytest.mark.parametrize("error", [None, UnavailableError("gone"), KeyError("a bug")])
def test_the_file_exists_until_the_run_ends_by_itself(error: Exception | None, tmp_path: Path) -> None:
    run = Run(tmp_path)
    try:
        with run.running.kept():
            run.running.note(FACTS)
            (file,) = files(tmp_path)
            assert json.loads(file.read_text(encoding="utf-8"))["facts"] == FACTS
            if error:
                raise error
    except (UnavailableError, KeyError):
        pass

    assert list(tmp_path.iterdir()) == []


def test_after_a_cancel_the_file_says_what_is_left(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(Cancelled), run.running.kept():
        run.running.note(FACTS)
        run.running.note({"app": "app2"})
        raise Cancelled(15)

    assert Run(tmp_path).left() == [{"app": "app2"}]


def test_a_cancel_that_left_nothing_removes_the_file(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(Cancelled), run.running.kept():
        run.running.note(FACTS)
        run.running.note(None)
        raise Cancelled(15)

    assert list(tmp_path.iterdir()) == []


def test_a_run_that_starts_nothing_and_a_dry_run_write_nothing(tmp_path: Path) -> None:
    with Run(tmp_path / "a").running.kept():
        pass
    dry = Run(tmp_path / "b", is_dry=True)
    with dry.running.kept():
        dry.running.note(FACTS)

    assert list(tmp_path.iterdir()) == []


def test_the_second_folder_serves_when_the_first_cannot(tmp_path: Path) -> None:
    (tmp_path / "afile").touch()
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    run = Run(tmp_path / "afile" / "x", open_to_all, tmp_path / "own")

    with run.running.kept():
        run.running.note(FACTS)
        assert len(files(tmp_path / "own")) == 1

    assert "note: " not in run.log


def test_a_file_that_cannot_be_written_is_one_notice(tmp_path: Path) -> None:
    (tmp_path / "afile").touch()
    run = Run(tmp_path / "afile")

    with run.running.kept():
        run.running.note(FACTS)
        run.running.note({"app": "app2"})

    assert run.log.count("note: what this run starts is not recorded for the operation cleanup: ") == 1


def test_a_file_that_became_stale_is_removed_at_the_end(tmp_path: Path) -> None:
    run = Run(tmp_path, secret="hunter2!")

    with run.running.kept():
        run.running.note(FACTS)
        run.running.note({"app": "hunter2!"})
        assert len(files(tmp_path)) == 1

    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_not_written(tmp_path: Path) -> None:
    run = Run(tmp_path, secret="hunter2!")

    with run.running.kept():
        run.running.note({"app": "hunter2!"})
        assert files(tmp_path) == []

    assert "it would contain a secret" in run.log


def test_the_file_of_a_living_run_is_passed_over(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with run.running.kept():
        run.running.note(FACTS)
        other = Run(tmp_path)
        assert other.left() == []
        assert f"still in progress (process {os.getpid()})" in other.log
        assert not other.running.is_complete


def test_a_file_is_locked_while_it_is_cleaned_up(tmp_path: Path) -> None:
    killed(tmp_path)
    first = Run(tmp_path)
    for _left in first.running.left():
        assert Run(tmp_path).left() == []

    assert first.left() == [FACTS]


def test_files_of_other_jobs_stay_until_they_are_old(tmp_path: Path) -> None:
    file = killed(tmp_path, job="8")
    held_one = killed(tmp_path, job="9")
    os.utime(file, (OLD * 8 + 5, OLD * 8 + 5))
    run = Run(tmp_path)
    assert run.left() == []
    assert file.exists()
    assert "files of other CI jobs, which are left alone: 2" in run.log

    for each in (file, held_one):
        os.utime(each, (OLD * 8 - 5, OLD * 8 - 5))
    with held(held_one.with_suffix(".lock"), "a run"):
        assert Run(tmp_path).left() == []
    assert files(tmp_path) == [held_one]


@pytest.mark.parametrize("name", ["a.lock", ".a.json-01234567"])
def test_what_a_run_killed_in_its_first_write_left_is_removed(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.touch(mode=0o600)
    os.utime(file, (OLD * 8 + 5, OLD * 8 + 5))
    assert Run(tmp_path).left() == []
    assert file.exists()

    os.utime(file, (OLD * 8 - 5, OLD * 8 - 5))
    with held(tmp_path / "a.lock", "a run"):
        os.utime(file, (OLD * 8 - 5, OLD * 8 - 5))
        assert Run(tmp_path).left() == []
        assert file.exists()
    file.touch(mode=0o600)
    os.utime(file, (OLD * 8 - 5, OLD * 8 - 5))
    assert Run(tmp_path).left() == []
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    file = killed(tmp_path / "a")
    (tmp_path / "b").mkdir(mode=0o700)
    (tmp_path / "b" / "x.json").symlink_to(file)
    (tmp_path / "c").symlink_to(tmp_path / "a")

    run = Run(tmp_path / "b", tmp_path / "c")
    assert run.left() == []
    assert not run.running.is_complete


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_belongs_to_another_user_is_not_believed(which: str, tmp_path: Path) -> None:
    file = killed(tmp_path / "a")
    os.chown(file if which == "file" else file.parent, 12345, -1)

    run = Run(tmp_path / "a")
    assert run.left() == []
    assert "belongs to another user" in run.log


@pytest.mark.parametrize(
    ("host", "env", "folder", "job"),
    [
        ("github", {"RUNNER_TEMP": "/w/_temp", "GITHUB_RUN_ID": "7", "GITHUB_JOB": "b"}, "/w/_temp", "7\n\nb\n"),
        ("bitrise", {"BITRISE_DEPLOY_DIR": "/b/deploy", "BITRISE_BUILD_SLUG": "s"}, "/b", "s"),
        ("jenkins", {"WORKSPACE": "/j/w", "BUILD_NUMBER": "7"}, "/j/w@tmp", "\n\n7"),
        ("jenkins", {"WORKSPACE": "/j/w", "WORKSPACE_TMP": "/j/tmp", "JOB_NAME": "a"}, "/j/tmp", "\na\n"),
        ("plain", {}, None, "/here"),
        ("github", {"RUNNER_TEMP": ""}, None, "/here"),
    ],
)
def test_each_host_names_its_folder_and_its_job(host: str, env: dict[str, str], folder: str | None, job: str) -> None:
    here = Path("/here")
    assert HOSTS[host].scratch_of(env, here) == (Path(folder) if folder else None)
    assert HOSTS[host].job_of(env, here) == job


def test_two_jobs_with_the_same_build_tag_of_jenkins_are_two() -> None:
    jobs = [
        {"JENKINS_URL": f"https://{server}/", "JOB_NAME": name, "BUILD_NUMBER": "1", "BUILD_TAG": "jenkins-a-b-1"}
        for server in ("one.example.com", "two.example.com")
        for name in ("a/b", "a-b")
    ]
    assert len({HOSTS["jenkins"].job_of(job, Path("/here")) for job in jobs}) == len(jobs)


@pytest.mark.parametrize("variable", ["DRONE_WORKSPACE", "HARNESS_WORKSPACE"])
def test_a_folder_of_git_is_used_but_never_created(variable: str, tmp_path: Path) -> None:
    def keep() -> Path:
        """A killed run's folder."""
        env = {variable: str(tmp_path), "CI_WORKSPACE": "/other"}
        return killed(folders(HOSTS["woodpecker"].scratch_of(env, Path("/here")), {})[0]).parent

    assert keep() == tmp_path / FOLDER
    (tmp_path / ".git").touch()  # a worktree's, which names the folder
    assert keep() == tmp_path / FOLDER
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").mkdir()
    assert keep() == tmp_path / ".git" / FOLDER


def test_a_shell_in_a_ci_job_shares_the_jobs_folder() -> None:
    inside = {"GITHUB_ACTIONS": "true"}
    assert ci_of(HOSTS["plain"], inside).name == "github"
    assert ci_of(HOSTS["plain"], {}).name == "plain"
    assert ci_of(HOSTS["jenkins"], inside).name == "jenkins"


def test_the_last_folder_is_this_users_own() -> None:
    own = folders(None, {"TMPDIR": "/t"})
    assert own[0].parent == Path("/t")
    assert own[0].name.startswith(FOLDER)
    assert folders(Path("/s"), {"TMPDIR": "/t"}) == [Path("/s") / FOLDER, *own]
