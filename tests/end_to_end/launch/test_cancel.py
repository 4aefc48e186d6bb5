"""Jobs that are stopped while the environment is made."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.launch.machine import Machine, end_tree, script, wait_for


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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the tree of processes is read from /proc")
@pytest.mark.parametrize("phase", ["installing", "loading"])
def test_an_abort_children_first_is_quick_and_delivers_nothing(cold: Machine, phase: str) -> None:
    began = cold.commands / phase
    if phase == "installing":  # pip would work, and comes next when uv fails
        script(cold.commands / "uv", f"echo $$ >{began}; exec sleep 60")
    else:
        text = f"import os, time\nopen({str(began)!r}, 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)"
        cold = cold.with_package({"parcel.py": text})
    with cold.start() as process:
        tool = int(wait_for(began))
        took = end_tree(process)
        stdout, _ = process.communicate(timeout=10)
    assert (process.returncode, stdout, cold.environments) == (143, "", [])
    assert took < 2.5
    with pytest.raises(ProcessLookupError):
        os.kill(tool, 0)
