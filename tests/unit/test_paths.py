"""Paths as people write them: `~` is the home folder, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin import inputs
from plugin.paths import from_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path"),
    [("~", "{home}"), ("~/dl", "{home}/dl"), ("~root/x", "~root/x"), ("~build.apk", "~build.apk"), ("a/~/b", "a/~/b")],
)
def test_only_a_tilde_alone_or_before_a_slash_is_home(home: Path, text: str, path: str) -> None:
    assert from_home(text) == path.format(home=home)


@pytest.mark.parametrize("name", [name for name, field in inputs.inputs().items() if field.kind in ("path", "file")])
def test_every_input_that_is_a_path_follows_the_rule(home: Path, name: str) -> None:
    (home / "file.png").touch()
    raw = {"service": "bitrise", "operation": "ping", name: "~/file.png"}
    values, problems, _ = inputs.check(raw)
    assert problems == []
    assert getattr(values, inputs.inputs()[name].attribute) == str(home / "file.png")


def test_an_unknown_home_folder_is_an_error_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    with pytest.raises(ValueError, match="~ is the home folder, but HOME is not set"):
        from_home("~/dl")
