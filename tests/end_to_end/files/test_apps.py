"""Apps in a delivery: rejected before anything is sent, or described in the outputs, the log and the receipt."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plugin.hosts import HOSTS
from tests.end_to_end.delivery import asked
from tests.end_to_end.program import Done, SandboxProcess, run
from tests.unit.files.apps.made import ad_hoc, bundle, ipa

EXPIRED = ipa(ad_hoc(datetime(2020, 1, 31, 12, 0)))
Deliver = Callable[..., Done]


@pytest.fixture
def deliver(sandbox: SandboxProcess, tmp_path: Path) -> Deliver:
    """Deliver files, by their contents."""

    def deliver(service: str, files: dict[str, bytes], host: str = "plain", **more: Any) -> Done:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        return run(asked(service, sandbox, artifacts=list(files), **more), tmp_path, host)

    return deliver


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("service", ["app-distribution", "product-science"])
def test_an_expired_profile_is_refused_before_anything_is_sent(
    service: str, host: str, deliver: Deliver, sandbox: SandboxProcess
) -> None:
    done = deliver(service, {"App.ipa": EXPIRED}, host)

    assert done.code == 2, done.log
    assert "its provisioning profile expired on 2020-01-31 at 12:00 UTC" in done.log
    assert f"or set {HOSTS[host].spell('app-check')} to off to send it anyway" in done.log
    assert sandbox.state()["requests"] == []


@pytest.mark.parametrize("kind", ["APK", "INSTRUMENTED_APK"])
def test_a_bundle_is_refused_where_an_apk_is_wanted(kind: str, deliver: Deliver, sandbox: SandboxProcess) -> None:
    done = deliver("product-science", {"renamed.apk": bundle()}, build_type=kind)

    assert done.code == 2, done.log
    assert f"is {kind}, and a device cannot install a bundle" in done.log
    assert sandbox.state()["requests"] == []
    assert deliver("app-distribution", {"app.aab": bundle()}).code == 0


@pytest.mark.parametrize(("name", "data"), [("app.aab", bundle()), ("App.IPA", EXPIRED)])
def test_without_the_check_files_are_sent_unread(name: str, data: bytes, deliver: Deliver) -> None:
    done = deliver("product-science", {name: data}, app_check="off")

    assert done.code == 0, done.log
    assert "app-package" not in done.result
    assert "com.example.app" not in done.log


def test_log_outputs_and_receipt_describe_the_app(deliver: Deliver, tmp_path: Path) -> None:
    files = {"notes.txt": b"x", "App.ipa": ipa(ad_hoc()), "app.aab": bundle("com.example.other")}
    done = deliver("app-distribution", files, receipt="receipt.json")

    assert done.code == 0, done.log
    assert "App.ipa: com.example.app 5.2.8 (1234), signed ad-hoc, profile expires 2030-01-31\n" in done.log
    assert "app.aab: com.example.other 5.2.8 (1234), unsigned\n" in done.log
    shown = {name: value for name, value in done.result.items() if name.startswith("app-")}
    assert shown == {
        "app-label": "Exämple",
        "app-package": "com.example.app",
        "app-version": "5.2.8",
        "app-version-code": "1234",
    }
    kept = json.loads((tmp_path / "receipt.json").read_text(encoding="utf-8"))["artifacts"]
    assert [entry.get("app", {}).get("package") for entry in kept] == [None, "com.example.app", "com.example.other"]
    assert kept[1]["app"]["signing"] == ["ad-hoc"]

    again = deliver("app-distribution", files, receipt="receipt.json")
    assert again.code == 0, again.log
    assert json.loads((tmp_path / "receipt.json").read_text(encoding="utf-8"))["artifacts"] == kept


def test_an_unreadable_app_is_one_notice_and_is_delivered(deliver: Deliver) -> None:
    names = ["a.apk", "b.aab", "c.ipa", "d.apk"]
    done = deliver("app-distribution", dict.fromkeys(names, b"an app"))

    assert done.code == 0, done.log
    why = "is not a ZIP file, or was cut off"
    assert f"not read, and sent as it is: a.apk {why}; b.aab {why}; c.ipa {why}; and 1 more" in done.log
    assert "app-package" not in done.result


@pytest.mark.parametrize(("given", "sent"), [(None, "Exämple 5.2.8 (1234)"), ("mine", "mine")])
def test_a_build_without_a_name_gets_the_apps(
    given: str | None, sent: str, deliver: Deliver, sandbox: SandboxProcess
) -> None:
    done = deliver("product-science", {"App.ipa": ipa()}, name=given)

    assert done.code == 0, done.log
    assert [build["name"] for build in sandbox.state()["product-science"]["builds"]] == [sent]
