"""What of the service's records is kept in the result and the receipt: the fields named here, and no others.

Left out are personal data (`test_devices`, `created_by`, the creator of a link), keys and tokens, and signed addresses,
as is any field that the service adds later. Source: the examples in the service's description.
"""

from __future__ import annotations

from collections.abc import Iterable

from plugin.services.bitrise_release_management.api import Record
from plugin.services.service import Job

_LINK = ("id", "name", "url", "created_at", "expires_at", "tester_group_name")
FIELDS: dict[str, tuple[str, ...]] = {
    "apps": (
        *("id", "app_name", "platform", "store_app_id", "latest_version", "workspace_slug", "project_id"),
        *("created_at", "icon_url", "license", "store_connected"),
    ),
    "installable-artifacts": (
        *("uid", "id", "filename", "filename_ext", "file_size_bytes", "type", "platform", "source", "created_at"),
        *("app_name", "store_app_id", "connected_app_id", "project_id", "version", "version_code", "formatted_version"),
        *("branch", "workflow", "build_number", "build_slug", "is_processed", "distribution_ready", "signature"),
        *("store_signed", "export_method", "certificate_expires_at", "min_os_version", "device_family_list"),
        *("supported_device_types", "is_test_install_enabled", "public_install_page_url"),
    ),
    "access-links": _LINK,
    "tester-groups": (
        *("id", "name", "type", "auto_notify", "tester_count", "notification_types", "enabled_notification_types"),
        *("notification_sent", "custom_access_link"),
    ),
    "deployments": ("id", "name", "number_of_updates", "created_at", "updated_at"),
    "updates": (
        *("id", "label", "update_version", "app_version", "description", "disabled", "mandatory", "rollout"),
        *("file_name", "file_size_bytes", "hash", "signed"),
    ),
}
NESTED = {"custom_access_link": _LINK}  # records in a field of another one


def add(job: Job, kind: str, records: Iterable[Record]) -> None:
    """Keep records of a kind in the result and the receipt."""
    job.receipt.add(kind, [kept(kind, each) for each in records])


def kept(kind: str, record: Record) -> Record:
    """Return a record with the fields that are kept of its kind."""
    found = {name: record[name] for name in FIELDS[kind] if name in record}
    for name in NESTED.keys() & found.keys():
        inner = found[name]
        found[name] = {key: inner[key] for key in NESTED[name] if key in inner} if isinstance(inner, dict) else None
    return found
