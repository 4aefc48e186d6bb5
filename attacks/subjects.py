"""What is attacked: each operation that makes something, its inputs, its requests, and what is then held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attacks.judge import Thing
from plugin.inputs.fields import used_by

FILES = {
    "a.apk": b"PK\x03\x04" + b"a" * 400_000,
    "b.apk": b"PK\x03\x04" + b"b" * 100_000,
    "www.zip": b"PK\x03\x04" + b"w" * 200_000,
    "a.key": b"a key",
}
CROWD = "crowd"  # the branch of builds that others started


@dataclass(frozen=True)
class Subject:
    """One operation of one service."""

    name: str
    service: str
    inputs: Mapping[str, Any]
    makes: Sequence[str]  # the requests that make something, as fault rules name them
    held: Callable[[Any], list[Thing]]  # from the service's part of the sandbox's state
    wanted: Sequence[str]  # the names of the things that are to be there, each once

    @property
    def takes_receipt(self) -> bool:
        """Whether the operation can keep a receipt."""
        return "receipt" in used_by(self.service, self.inputs.get("operation", "deliver"))


def lay_out(folder: Path) -> None:
    """Write the files that subjects deliver."""
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


def _file(name: str, sha256: str = "") -> str:
    return f"{name} {(sha256 or hashlib.sha256(FILES[name]).hexdigest())[:16]}"


def app_distribution(part: Any) -> list[Thing]:
    """Return builds, and files in them."""
    builds = [Thing(str(build["id"]), "the build") for build in part["builds"]]
    return builds + [Thing(str(file["build_id"]), _file(file["name"], file["sha256"])) for file in part["files"]]


def product_science(part: Any) -> list[Thing]:
    """Return contexts, builds in them, and the builds' files."""
    things = [Thing(str(context["id"]), "the context") for context in part["contexts"]]
    for build in part["builds"]:
        context, name = str(build["contextId"]), build["buildFileName"]
        things.append(Thing(context, f"the build of {name}"))
        if build["file"]:
            things.append(Thing(context, _file(name, build["file"]["sha256"])))
    return things


def phonegap_build(part: Any) -> list[Thing]:
    """Return apps, what they are made of, and keys."""
    things = [Thing("", "the key") for _ in part["keys"]]
    for app in part["apps"]:
        things.append(Thing(str(app["id"]), "the app"))
        if app["file"]:
            things.append(Thing(str(app["id"]), _file(app["file"]["name"], app["file"]["sha256"])))
    return things


def bitrise(part: Any) -> list[Thing]:
    """Return the builds that were not aborted, without those of others."""
    ours = [build for build in part["builds"] if build["branch"] != CROWD and build["aborted"] is None]
    return [Thing(build["slug"], f"a build of {build['workflow']}") for build in ours]


APP_DISTRIBUTION = {"api-token": "sandbox-token-app-distribution", "phase-id": 7}
PRODUCT_SCIENCE = {"api-token": "sandbox-token-product-science", "project": "p"}
PHONEGAP_BUILD = {"username": "user@example.com", "password": "sandbox-password-phonegap-build", "title": "t"}
PACKAGES = {"platforms": "android", "poll-interval": 0.05, "output-directory": "out"}
BITRISE = {"operation": "create-build", "api-token": "sandbox-token-bitrise", "app-id": "app1", "branch": "main"}
KEY = {"operation": "add-key", "platform": "android", "keystore-file": "a.key", "key-alias": "a"}
PASSWORDS = {"key-password": "a password", "keystore-password": "another password"}
TWO_FILES = {"artifacts": ["a.apk", "b.apk"]}
BUILDS, FILES_OF_BUILDS = "POST /api/v2/builds", "POST /api/v2/resource_files"
CONTEXTS, PS_BUILDS, STORAGE = (
    "POST /api/v1/projects/p/build-uploads",
    "POST /api/v1/projects/p/builds",
    "PUT /storage/*",
)
APPS, KEYS, TRIGGER = "POST /api/v0/apps", "POST /api/v0/keys/android", "POST /v0.1/apps/app1/builds"

SUBJECTS = (
    Subject(
        "app-distribution deliver",
        "app-distribution",
        {**APP_DISTRIBUTION, **TWO_FILES},
        (BUILDS, FILES_OF_BUILDS),
        app_distribution,
        ("the build", _file("a.apk"), _file("b.apk")),
    ),
    Subject(
        "product-science deliver",
        "product-science",
        {**PRODUCT_SCIENCE, **TWO_FILES},
        (CONTEXTS, PS_BUILDS, STORAGE),
        product_science,
        ("the context", "the build of a.apk", "the build of b.apk", _file("a.apk"), _file("b.apk")),
    ),
    Subject(
        "phonegap-build deliver of a file",
        "phonegap-build",
        {**PHONEGAP_BUILD, **PACKAGES, "artifacts": "www.zip"},
        (APPS,),
        phonegap_build,
        ("the app", _file("www.zip")),
    ),
    Subject(
        "phonegap-build deliver of a repository",
        "phonegap-build",
        {**PHONEGAP_BUILD, **PACKAGES, "repository": "http://git.example.com/app.git"},
        (APPS,),
        phonegap_build,
        ("the app",),
    ),
    Subject(
        "bitrise create-build",
        "bitrise",
        {**BITRISE, "workflow": ["primary", "secondary"]},
        (TRIGGER,),
        bitrise,
        ("a build of primary", "a build of secondary"),
    ),
    Subject(
        "app-distribution create-build",
        "app-distribution",
        {**APP_DISTRIBUTION, "operation": "create-build"},
        (BUILDS,),
        app_distribution,
        ("the build",),
    ),
    Subject(
        "product-science open-upload",
        "product-science",
        {**PRODUCT_SCIENCE, "operation": "open-upload"},
        (CONTEXTS,),
        product_science,
        ("the context",),
    ),
    Subject(
        "phonegap-build add-key",
        "phonegap-build",
        {**PHONEGAP_BUILD, **KEY, **PASSWORDS},
        (KEYS,),
        phonegap_build,
        ("the key",),
    ),
)
