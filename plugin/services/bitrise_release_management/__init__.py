"""Bitrise Release Management, version 2: uploads apps, makes them installable, notifies testers; and CodePush.

An artifact is one file under an id that we make. Source: the service's description and guides. They do not describe a
second upload under one id, so no second one is made.
"""

from __future__ import annotations

from plugin.rest.exchange import Request
from plugin.services.bitrise_release_management.api import APPS, path
from plugin.services.bitrise_release_management.apps import list_apps, show_app
from plugin.services.bitrise_release_management.artifacts import (
    delete_artifact,
    list_artifacts,
    show_artifact,
    status,
    upload,
    wait_for,
)
from plugin.services.bitrise_release_management.deliver import create_access_link, deliver, notify, publish_artifact
from plugin.services.bitrise_release_management.groups import add_testers, create_tester_group, list_tester_groups
from plugin.services.bitrise_release_management.links import delete_access_link, list_access_links
from plugin.services.bitrise_release_management.updates import list_deployments, promote, rollback, upload_update
from plugin.services.bitrise_release_management.what_to_test import set_what_to_test
from plugin.services.service import Reading, Service, facts_of

SERVICE = Service(
    name="bitrise-release-management",
    authorization=lambda values: values.api_token,  # without a scheme
    operations={
        "list-apps": list_apps,
        "show-app": show_app,
        "upload": upload,
        "status": status,
        "wait": wait_for,
        "list-artifacts": list_artifacts,
        "show-artifact": show_artifact,
        "delete-artifact": delete_artifact,
        "deliver": deliver,
        "publish-artifact": publish_artifact,
        "set-what-to-test": set_what_to_test,
        "create-access-link": create_access_link,
        "list-access-links": list_access_links,
        "delete-access-link": delete_access_link,
        "list-tester-groups": list_tester_groups,
        "create-tester-group": create_tester_group,
        "add-testers": add_testers,
        "notify": notify,
        "list-deployments": list_deployments,
        "upload-update": upload_update,
        "promote": promote,
        "rollback": rollback,
    },
    readings=(
        Reading(
            lambda values: Request("GET", f"{APPS}/", query={"workspace_slug": values.workspace, "items_per_page": 1}),
            lambda _answer: "the token may list the apps of §workspace§",
            needs=("workspace",),
        ),
        Reading(
            lambda values: Request("GET", path(APPS, values.app_id)),
            lambda answer: f"the token may read the app {facts_of(answer).get('app_name')}",
            needs=("app-id",),
        ),
    ),
)
