"""The Bitrise host: outputs through envman, earlier outputs emptied, mistyped inputs asked about."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import HOSTS
from plugin.hosts.publisher import Publisher
from plugin.hosts.variables import LARGEST_VARIABLE
from plugin.log import Log
from plugin.redact import Redactor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are scripts")


class Bitrise:
    """The host with an envman that keeps what it is given, unless it is told to fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stream = io.StringIO()
        self.env = {"PATH": f"{folder}:/usr/bin:/bin"}
        self.program("envman")

    def program(self, name: str, then: str = "pass") -> None:
        text = f"""#!{sys.executable} -I
import json, os, sys
record = {{"arguments": sys.argv[1:], "given": sys.stdin.read(), "known": dict(os.environ)}}
with open({str(self.folder / "calls")!r}, "a") as file:
    file.write(json.dumps(record) + chr(10))
{then}
"""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def publisher(self, **env: str) -> Publisher:
        host = HOSTS["bitrise"]
        return Publisher(host, self.env | env, Log(self.stream, Redactor(), host.dialect))

    @property
    def calls(self) -> list[Any]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def given(self) -> dict[str, str]:
        return {call["arguments"][2]: call["given"] for call in self.calls}


@pytest.fixture
def bitrise(tmp_path: Path) -> Bitrise:
    return Bitrise(tmp_path)


def test_outputs_go_to_envman_on_standard_input(bitrise: Bitrise) -> None:
    bitrise.publisher().publish({"build-url": "$HOME 'x'"})

    (call,) = bitrise.calls
    assert call["arguments"] == ["add", "--key", "BUILDFERRY_BUILD_URL", "--no-expand"]
    assert call["given"] == "$HOME 'x'"


def test_envman_refusing_is_a_warning(bitrise: Bitrise) -> None:
    bitrise.program("envman", "sys.exit('odd')")
    bitrise.publisher().publish({"build-id": "1"})

    assert "envman did not accept BUILDFERRY_BUILD_ID: odd" in bitrise.stream.getvalue()


def test_an_envman_that_hangs_keeps_no_other_output_back(bitrise: Bitrise) -> None:
    bitrise.program("envman", "import time; time.sleep(30 * (sys.argv[3] == 'BUILDFERRY_BUILD_ID'))")
    giver = Publisher(HOSTS["bitrise"], bitrise.env, Log(bitrise.stream, Redactor()), seen=[15])
    giver.publish({"build-id": "1", "status": "x"})

    assert "envman did not accept BUILDFERRY_BUILD_ID" in bitrise.stream.getvalue()
    assert bitrise.given["BUILDFERRY_STATUS"] == "x"


@pytest.mark.parametrize("lines", [120, 131, 300])
def test_a_value_too_large_for_a_variable_goes_to_a_file(bitrise: Bitrise, lines: int) -> None:
    value = ["x" * 999] * lines
    bitrise.publisher().publish({"build-id": "1", "downloaded-files": value})

    path = Path(bitrise.given["BUILDFERRY_DOWNLOADED_FILES"])
    assert path.read_text().splitlines() == value
    path.unlink()
    assert "BUILDFERRY_DOWNLOADED_FILES is too large" in bitrise.stream.getvalue()


def test_a_value_that_no_file_can_hold_is_left_out(bitrise: Bitrise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(bitrise.folder / "none"))
    bitrise.publisher().publish({"build-ids": ["x" * 999] * 131, "status": "failed"})

    assert bitrise.given == {"BUILDFERRY_STATUS": "failed"}
    assert "(130999 bytes), and is not set, as no file can be written: " in bitrise.stream.getvalue()


def test_a_value_that_just_fits_stays_a_variable(bitrise: Bitrise) -> None:
    lines = ["x" * 999] * 119
    lines.append("x" * (LARGEST_VARIABLE - 119_000 - len("BUILDFERRY_BUILD_IDS=")))
    bitrise.publisher().publish({"build-ids": lines})

    assert bitrise.given["BUILDFERRY_BUILD_IDS"].splitlines() == lines


def test_what_envman_has_no_room_for_goes_to_a_file(bitrise: Bitrise) -> None:
    bitrise.program("envman", "sys.exit('too large' if len(record['given']) > 1000 else 0)")
    bitrise.publisher().publish({"result": "x" * 50_000})

    path = Path(bitrise.given["BUILDFERRY_RESULT"])
    assert path.read_text() == "x" * 50_000
    path.unlink()


def test_without_envman_the_outputs_stand_in_the_log(bitrise: Bitrise) -> None:
    (bitrise.folder / "envman").unlink()
    bitrise.publisher().publish({"build-id": "1"})

    assert bitrise.stream.getvalue() == "BUILDFERRY_BUILD_ID=1\n"


def test_outputs_of_an_earlier_use_are_emptied_and_nothing_else(bitrise: Bitrise) -> None:
    earlier = {"BUILDFERRY_BUILD_ID": "7", "BUILDFERRY_ERROR": "x", "BUILDFERRY_RECEIPT": "", "IOS_BUILD_ID": "8"}
    bitrise.publisher(**earlier, BUILDFERRY_PACKAGE="buildferry==1.0.0").begin()

    assert bitrise.given == {"BUILDFERRY_BUILD_ID": "", "BUILDFERRY_ERROR": ""}
    assert bitrise.calls[0]["arguments"][3:] == ["--no-expand", "--value", ""]


@pytest.mark.parametrize("given", [{"PLUGIN_HOST": "bitrise", "output_prefix": "IOS"}, {"PLUGIN_OUTPUT_PREFIX": "IOS"}])
def test_a_prefix_names_the_outputs_of_two_uses_apart(bitrise: Bitrise, given: dict[str, str]) -> None:
    publisher = bitrise.publisher(**given, BUILDFERRY_BUILD_ID="7", IOS_STATUS="failed")
    publisher.begin()
    publisher.publish({"build-id": "8"})

    assert bitrise.given == {"IOS_STATUS": "", "IOS_BUILD_ID": "8"}


@pytest.mark.parametrize("prefix", ["1ST", "my app", "A-B"])
def test_outputs_stay_reachable_under_a_wrong_prefix(bitrise: Bitrise, prefix: str) -> None:
    bitrise.publisher(PLUGIN_HOST="bitrise", output_prefix=prefix).publish({"error": "x"})

    assert bitrise.given == {"BUILDFERRY_ERROR": "x"}


@pytest.mark.parametrize(
    ("variable", "meant"), [("projct", "project"), ("api_tokens", "api_token"), ("work_flow", "workflow")]
)
def test_a_mistyped_input_is_asked_about(bitrise: Bitrise, variable: str, meant: str) -> None:
    for host in ("", "bitrise"):  # a script's own variables are not inputs
        bitrise.publisher(**{variable: "x", "project": "y", "PLUGIN_HOST": host}).begin()

    assert bitrise.stream.getvalue() == f"note: {variable} is not an input of this step; did you mean {meant}?\n"


@pytest.mark.parametrize("variable", ["http_proxy", "no_proxy", "PROJCT", "branch_name", "is_debug", "_"])
def test_unrelated_variables_are_not_reported(bitrise: Bitrise, variable: str) -> None:
    bitrise.publisher(**{variable: "x", "PLUGIN_HOST": "bitrise"}).begin()

    assert not bitrise.stream.getvalue()


def test_all_errors_are_one_red_block() -> None:
    stream = io.StringIO()
    Log(stream, Redactor(), HOSTS["bitrise"].dialect).error("service: is required\nphase_id: is required")

    (block,) = re.findall(r"\x1b\[31;1m(.*?)\x1b\[0m", stream.getvalue(), re.DOTALL)
    assert block == "service: is required\nphase_id: is required"


def test_envman_and_the_plugin_know_no_secret_of_the_job(bitrise: Bitrise) -> None:
    bitrise.program("bitrise")
    usual = ["api_token", "password", "DIST_TOKEN", "GITHUB_TOKEN", "ENVMAN_TOKEN", "HTTP_PASSWORD"]
    secrets = [*usual, "BITRISE_BUILD_API_TOKEN", "BITRISE_APP_TOKEN", "BITRISEIO_ANDROID_KEYSTORE_PASSWORD"]
    needed = {"ENVMAN_ENVSTORE_PATH": "/store", "BITRISE_BUILD_SLUG": "slug", "HOME": "/home"}
    needed |= {"BITRISEIO_BITRISE_SERVICES_ACCESS_TOKEN": "the plugin's"}
    publisher = bitrise.publisher(**dict.fromkeys(secrets, "s3cret"), **needed)
    publisher.publish({"build-id": "1"})
    publisher.summarize()

    envman, plugin = bitrise.calls
    assert "s3cret" not in json.dumps([envman["known"], plugin["known"]])
    assert plugin["arguments"][:2] == [":annotations", "annotate"]
    assert needed.items() <= plugin["known"].items()
    assert "BITRISE_BUILD_SLUG" not in envman["known"]
    assert "BITRISEIO_BITRISE_SERVICES_ACCESS_TOKEN" not in envman["known"]
