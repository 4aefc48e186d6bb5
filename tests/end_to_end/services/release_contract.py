"""The calls of Release Management's contract, over a socket, and the fields of what they answer.

Source: the service's OpenAPI files and guides, version 2. They have examples and no schemas: a type is that of the
examples, and of the table of each guide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from plugin.sandbox.bitrise_release_management.shelf import APPS, made_id
from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.release_management import TOKEN

ROOT = "/release-management/v2"
APP = APPS[2].id  # takes any file
APP_LIST, PUSH, DIST = f"{ROOT}/apps/v1/", f"{ROOT}/code-push/v1", f"{ROOT}/build-distributions/v1"
ARTIFACTS, GROUPS, UPDATES = f"{APP_LIST}installable-artifacts", f"{DIST}/tester-groups", f"{PUSH}/updates"
ASSETS, DEPLOYMENTS = f"{APP_LIST}public-assets", f"{PUSH}/deployments"
QA, FRIENDS, STAGING, PRODUCTION = (made_id(f"{APP} {name}") for name in ("QA", "Friends", "Staging", "Production"))
SIZE = 6
DATA = b"an app"

PERSON = {"id": str, "email": str, "username": str, "avatar_url": str | None}
UPLOAD = {"headers": dict, "method": str, "url": str}
PAGING = {"total_count": int, "current_page": int, "items_per_page": int}
APP_RECORD = {
    **dict.fromkeys(("id", "created_at", "platform", "project_id", "workspace_slug", "app_name", "license"), str),
    **dict.fromkeys(("icon_id", "icon_url", "framework", "latest_version", "latest_version_date"), str | None),
    **dict.fromkeys(("latest_build_version", "latest_build_version_code", "store_credential_id"), str | None),
    "current_user_release_management_admin": bool,
    "store_app_id": str,
    "store_connected": bool,
}
ARTIFACT_ITEM = {
    **dict.fromkeys(("app_name", "created_at", "download_url", "filename_ext", "filename", "id", "platform"), str),
    **dict.fromkeys(("signature", "source", "storage_provider", "type", "build_number"), str),
    **dict.fromkeys(("branch", "workflow", "build_slug", "public_install_page_url"), str | None),
    **dict.fromkeys(("store_app_id", "formatted_version", "version", "version_code"), str | None),
}
ARTIFACT = {
    **{name: kind for name, kind in ARTIFACT_ITEM.items() if name != "storage_provider"},
    **dict.fromkeys(("uid", "connected_app_id", "project_id", "download_path_or_url"), str),
    **dict.fromkeys(("public_page_token", "min_os_version", "export_method", "certificate_expires_at"), str | None),
    **dict.fromkeys(("device_family_list", "test_devices"), list | None),
    **dict.fromkeys(("store_signed", "is_test_install_enabled"), bool | None),
    **dict.fromkeys(("distribution_ready", "is_processed"), bool),
    "supported_device_types": list,
    "file_size_bytes": int,
}
LINK = {
    **dict.fromkeys(("id", "name", "created_at", "url", "creator_email", "creator_name"), str),
    **dict.fromkeys(("expires_at", "creator_avatar"), str | None),
}
GROUP = {
    **dict.fromkeys(("id", "name", "type"), str),
    "auto_notify": bool,
    "notification_types": {"email": {"enabled": bool}},
    "tester_count": int,
    "enabled_notification_types": list,
}
TESTER = {"slug": str, "username": str | None, "email": str}
DEPLOYMENT = {
    **dict.fromkeys(("id", "name", "created_at", "updated_at", "key"), str),
    "number_of_updates": int,
}
UPDATE = {
    **dict.fromkeys(("app_version", "created_at", "deployment_id", "description", "file_name", "hash", "id"), str),
    **dict.fromkeys(("label", "update_version", "updated_at"), str),
    **dict.fromkeys(("disabled", "mandatory", "signed"), bool),
    **dict.fromkeys(("file_size_bytes", "rollout"), int),
    **dict.fromkeys(("created_by", "updated_by"), PERSON),
}


@dataclass
class Contract:
    """A sandbox, and the ids of what is there: an artifact, a link, an update, named in braces by paths and bodies."""

    sandbox: SandboxProcess
    ids: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, query: str = "", token: str = TOKEN) -> requests.Response:
        """Make one call."""
        url = f"{self.sandbox.url}{self.named(path)}?{self.named(query)}"
        headers = {"Authorization": token}
        return requests.request(method, url, json=self.named(body), headers=headers, timeout=60)

    def named(self, part: Any) -> Any:
        """Return a part of a call with ids for their names."""
        if isinstance(part, dict):
            return {name: self.named(value) for name, value in part.items()}
        return part.format(**self.ids) if isinstance(part, str) else part

    def upload(self, path: str, query: str) -> None:
        """Request an address and send the bytes there."""
        answer = self.call("GET", f"{path}/upload-url", query=f"{query}&file_size_bytes={SIZE}").json()
        assert requests.put(answer["url"], DATA, headers=answer["headers"], timeout=60).status_code == 200
        self.sandbox.control("PUT", "clock", {"advance": 60})


@pytest.fixture
def contract(sandbox: SandboxProcess) -> Contract:
    """A sandbox with an artifact, a bundle, a link, an icon and an update."""
    made = Contract(sandbox)
    made.ids = {name: made_id(f"{name} of the contract") for name in ("apk", "aab", "icon", "update", "new", "none")}
    made.upload(f"{ARTIFACTS}/{{apk}}", f"app_id={APP}&file_name=app.apk&branch=main&workflow=release")
    made.upload(f"{ARTIFACTS}/{{aab}}", f"app_id={APP}&file_name=app.aab")
    made.upload(f"{ASSETS}/{{icon}}", f"app_id={APP}&file_name=icon.png&asset_type=app_icon")
    made.upload(f"{UPDATES}/{{update}}", f"deployment_id={STAGING}&file_name=www.zip&app_version=1.2.3")
    wanted = {"name": "beta", "tester_group_id": FRIENDS}
    made.ids["link"] = made.call("POST", f"{ARTIFACTS}/{{apk}}/custom-access-links", wanted).json()["id"]
    return made


def check(value: Any, wanted: Any, where: str = "the answer") -> None:
    """Check that a value has exactly the wanted fields, each of its type; a list has at least one item."""
    if isinstance(wanted, dict):
        assert isinstance(value, dict), where
        assert set(value) == set(wanted), f"{where}: {set(value) ^ set(wanted)}"
        for name, kind in wanted.items():
            check(value[name], kind, f"{where}: {name}")
    elif isinstance(wanted, list):
        assert value, where
        for item in value:
            check(item, wanted[0], f"{where}: an item")
    else:
        is_flag = isinstance(value, bool)
        assert isinstance(value, wanted), f"{where}: {value!r}"
        assert not is_flag or wanted in (bool, bool | None), f"{where}: {value!r}"
