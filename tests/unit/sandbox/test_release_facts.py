"""What the sandbox's Release Management shows of an app: what its file says, or the same for each unreadable one."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.sandbox import Sandbox
from plugin.sandbox.apps import apk
from plugin.sandbox.bitrise_release_management import TOKEN
from plugin.sandbox.bitrise_release_management.shelf import APPS, made_id
from tests.unit.files.apps.made import INFO, ad_hoc, bundle, ipa
from tests.unit.sandbox.calls import ask, follow, steer

pytestmark = pytest.mark.real_sockets
AT = f"/release-management/v2/apps/v1/installable-artifacts/{made_id('an artifact of a test')}"
NAMES = ("store_app_id", "formatted_version", "type", "signature", "distribution_ready", "min_os_version")
APP_STORE = {name: value for name, value in ad_hoc().items() if name != "ProvisionedDevices"}
OTHER = ipa(ad_hoc(), INFO | {"CFBundleIdentifier": "com.example.other"})
ANYTHING = "com.example.anything"


def shown(sandbox: Sandbox, name: str, data: bytes) -> Any:
    """Upload a file and return its artifact."""
    headers = {"Authorization": TOKEN}
    query = f"app_id={APPS[2].id}&file_name={name}&file_size_bytes={len(data)}"
    spec = ask(sandbox.url, "GET", f"{AT}/upload-url?{query}", None, headers).json
    assert follow(spec["url"], "PUT", data, spec["headers"]).status == 200
    return ask(sandbox.url, "GET", AT, None, headers).json


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("a.apk", apk(version="3.1", code=7), ("com.example.app", "3.1 (7)", "apk", "unknown", True, "24")),
        ("a.ipa", ipa(ad_hoc()), ("com.example.app", "5.2.8 (1234)", "ipa", "ad-hoc", True, "13.0")),
        ("a.ipa", OTHER, ("com.example.other", "5.2.8 (1234)", "ipa", "ad-hoc", True, "13.0")),
        ("a.ipa", ipa(APP_STORE), ("com.example.app", "5.2.8 (1234)", "ipa", "app-store", False, "13.0")),
        ("a.ipa", ipa(), ("com.example.app", "5.2.8 (1234)", "ipa", "unknown", False, "13.0")),
        ("renamed.apk", bundle(), ("com.example.app", "5.2.8 (1234)", "aab", "unknown", False, None)),
        ("a.apk", b"an app", (ANYTHING, "1.0 (1)", "apk", "unknown", True, None)),
        ("a.ipa", b"an app", (ANYTHING, "1.0 (1)", "ipa", "ad-hoc", True, None)),
        ("app-store.ipa", b"an app", (ANYTHING, "1.0 (1)", "ipa", "app-store", False, None)),
        ("a.aab", b"PK\x05\x06", (ANYTHING, "1.0 (1)", "aab", "unknown", False, None)),
    ],
)
def test_an_artifact_shows_what_its_file_says(
    name: str, data: bytes, wanted: tuple[Any, ...], sandbox: Sandbox
) -> None:
    artifact = shown(sandbox, name, data)
    assert tuple(artifact[each] for each in NAMES) == wanted
    assert artifact["store_signed"] == (artifact["signature"] == "app-store")


def test_the_end_of_a_profile_is_shown(sandbox: Sandbox) -> None:
    assert shown(sandbox, "a.ipa", ipa(ad_hoc()))["certificate_expires_at"] == "2030-01-31T12:00:00.000Z"


@pytest.mark.parametrize(("facts", "wanted"), [("other", ("1.0", "1")), ("none", (None, None))])
def test_a_switch_decides_what_is_shown_of_an_app(facts: str, wanted: tuple[Any, Any], sandbox: Sandbox) -> None:
    steer(sandbox, "PUT", "bitrise-release-management", {"app_facts": facts})
    artifact = shown(sandbox, "a.ipa", ipa(ad_hoc()))
    assert (artifact["version"], artifact["version_code"]) == wanted
