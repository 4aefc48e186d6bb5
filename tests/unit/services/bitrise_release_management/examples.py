"""Records of the service with every field that its description names, as its examples have them."""

from __future__ import annotations

from typing import Any

APP = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"
UID = "7d241d87-511a-4538-9a83-2c2dfd6157ca"
UPDATE_ID = "5b1c8f4e-8f0a-4c55-b1a0-6a1f6d1f8f11"
STAGING, PRODUCTION = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-aaaaaaaaaaaa"
PAGE = f"https://app.bitrise.io/installable-artifacts/{UID}/public-install-page/abc"
DOWNLOAD = "https://storage.example.com/app.apk?Signature=abc"
DEVICE = "00008110-001A2B3C4D5E6F78"
PERSON = "someone@example.com"
KEY = "deployment-key"

APP_RECORD: dict[str, Any] = {
    "id": APP,
    "app_name": "Example",
    "created_at": "2026-01-31T12:00:00Z",
    "icon_url": None,
    "latest_version": "1.0",
    "license": "standard",
    "platform": "android",
    "project_id": "88888888-2222-4333-8444-555555555555",
    "store_app_id": "com.example.app",
    "store_connected": False,
    "workspace_slug": "w",
}
ARTIFACT: dict[str, Any] = {
    "app_name": "Example",
    "branch": "main",
    "build_number": "17",
    "build_slug": "b1a2",
    "certificate_expires_at": "2027-01-31T12:00:00Z",
    "connected_app_id": APP,
    "created_at": "2026-01-31T12:00:00Z",
    "device_family_list": ["iPhone"],
    "distribution_ready": True,
    "download_path_or_url": DOWNLOAD,
    "download_url": DOWNLOAD,
    "export_method": "ad-hoc",
    "file_size_bytes": 6,
    "filename": "app.apk",
    "filename_ext": ".apk",
    "formatted_version": "1.0 (1)",
    "id": "another id",
    "is_processed": True,
    "is_test_install_enabled": True,
    "min_os_version": "24",
    "platform": "android",
    "project_id": "88888888-2222-4333-8444-555555555555",
    "public_install_page_url": PAGE,
    "public_page_token": "abc",
    "signature": "unknown",
    "source": "api",
    "store_app_id": "com.example.app",
    "store_signed": False,
    "supported_device_types": ["phone"],
    "test_devices": [{"device_id": DEVICE, "owner": PERSON}],
    "type": "apk",
    "uid": UID,
    "version": "1.0",
    "version_code": "1",
    "workflow": "release",
}
LINK: dict[str, Any] = {
    "id": "b1",
    "name": "beta",
    "created_at": "2026-01-31T12:00:00Z",
    "expires_at": None,
    "url": "https://app.bitrise.io/app-install/TOKEN",
    "creator_email": PERSON,
    "creator_name": "Someone",
    "creator_avatar": "https://avatars.example.com/someone",
    "tester_group_name": None,
}
QA: dict[str, Any] = {
    "id": "g1",
    "name": "QA",
    "type": "internal",
    "auto_notify": False,
    "notification_types": {"email": {"enabled": True}},
    "tester_count": 3,
    "enabled_notification_types": ["email"],
}
FRIENDS: dict[str, Any] = {
    **QA,
    "id": "g2",
    "name": "Friends",
    "type": "external",
    "notification_sent": True,
    "custom_access_link": {name: LINK[name] for name in ("id", "url", "expires_at")} | {"name": "Friends"},
}
DEPLOYMENT: dict[str, Any] = {
    "id": STAGING,
    "name": "Staging",
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "number_of_updates": 13,
    "key": KEY,
}
UPDATE: dict[str, Any] = {
    "app_version": "1.2.3",
    "created_by": {"name": "Someone", "email": PERSON},
    "description": "The door",
    "disabled": False,
    "file_name": "bundle.zip",
    "file_size_bytes": 321,
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "id": UPDATE_ID,
    "label": "v13",
    "mandatory": True,
    "rollout": 25,
    "signed": False,
    "update_version": "v13",
}
