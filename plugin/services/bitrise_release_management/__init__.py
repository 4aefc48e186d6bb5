"""Bitrise Release Management, version 2: uploads apps, makes them installable, tells testers; and CodePush.

An artifact is one file under an id that we make. Source: the service's description and guides, which say nothing of
what becomes of a second upload under one id: so one is never made.
"""

from __future__ import annotations

from plugin.services.bitrise_release_management.apps import list_apps, show_app
from plugin.services.bitrise_release_management.artifacts import (
    delete_artifact,
    list_artifacts,
    show_artifact,
    status,
    upload,
    wait_for,
)
from plugin.services.service import Service

SERVICE = Service(
    name="bitrise-release-management",
    authorization=lambda values: values.api_token,  # without a scheme's word
    operations={
        "list-apps": list_apps,
        "show-app": show_app,
        "upload": upload,
        "status": status,
        "wait": wait_for,
        "list-artifacts": list_artifacts,
        "show-artifact": show_artifact,
        "delete-artifact": delete_artifact,
    },
)
