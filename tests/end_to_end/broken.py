"""Set-ups that are broken in one way each, of real parts: servers, proxies, certificates, files, disks."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

import pytest
import trustme

from plugin.sandbox.bitrise_release_management.shelf import FORBIDDEN
from tests.end_to_end.delivery import TOKENS
from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.rest.gateways import proxy, tls_before
from tests.end_to_end.services.test_outages import free_port
from tests.unit.files.apps.made import ad_hoc, ipa

HOUR = 3600
BITRISE_TOKEN = "sandbox-token-bitrise"
PROXY_PASSWORD = "pr0xy-s3cret"
PRIVATE_KEY = f"-----BEGIN PRIVATE KEY-----\n{'t0ken+g/' * 8}\nt0kenAAAA{'x7' * 10}==\n-----END PRIVATE KEY-----"


@dataclass
class Ground:
    """What a set-up is built on: a folder to work in, the sandbox, and what ends with the test."""

    folder: Path
    sandbox: SandboxProcess
    ending: ExitStack
    authority: trustme.CA = field(default_factory=trustme.CA)

    def bitrise(self, **more: Any) -> dict[str, Any]:
        """Inputs for Bitrise with a good token, and `more`."""
        inputs = {"service": "bitrise", "service-url": self.sandbox.url, "api-token": BITRISE_TOKEN}
        return inputs | {name.replace("_", "-"): value for name, value in more.items()}

    def distribution(self, **more: Any) -> dict[str, Any]:
        """Inputs for App Distribution with a good token, and `more`."""
        token = TOKENS["app-distribution"]
        inputs = {"service": "app-distribution", "service-url": self.sandbox.url, "api-token": token, "phase-id": "7"}
        return inputs | {name.replace("_", "-"): value for name, value in more.items()}

    def tls(self, *names: str, **about: Any) -> str:
        """Put a TLS server before the sandbox; return its address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("127.0.0.1",)), **about).configure_cert(context)
        return f"https://127.0.0.1:{self.ending.enter_context(tls_before(self.sandbox.url, context)).port}"

    def bundle(self) -> str:
        """The file with the authority's certificate."""
        path = self.folder / "company.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return path.name


@dataclass(frozen=True)
class Broken:
    """One set-up, and what the doctor must say about it."""

    inputs: Mapping[str, Any]
    line: str  # a pattern that one line of the log matches
    names: tuple[str, ...]  # of the checks that are a problem
    code: int = 2
    state: str = "problem"  # of the line
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = "plain"


SetUp = Callable[[Ground], Broken]


def wrong_token(ground: Ground) -> Broken:
    return Broken(
        ground.bitrise(api_token="t0ken-of-nobody"),
        "credentials: GET /v0.1/me: 401 .*check the token.*; set PLUGIN_API_TOKEN to a valid one",
        ("credentials",),
    )


def app_of_others(ground: Ground) -> Broken:
    service = "bitrise-release-management"
    inputs = ground.bitrise(service=service, api_token=f"sandbox-token-{service}", app_id=FORBIDDEN)
    said = f"credentials: GET /release-management/v2/apps/v1/{FORBIDDEN}: 403 .*lack permission.*; set PLUGIN_API_TOKEN"
    return Broken(inputs, said, ("credentials",))


def quotes_in_the_token(ground: Ground) -> Broken:
    inputs = ground.distribution(api_token='"sandbox-t0ken"')
    said = "input: PLUGIN_API_TOKEN: 15 characters, from PLUGIN_API_TOKEN: it has quotes around it.*; leave them out"
    return Broken(inputs, said, ("input",))


def unevaluated_token(ground: Ground) -> Broken:
    said = "input: PLUGIN_API_TOKEN: 25 characters, .*: it holds `.{3} }}`, an expression that was not evaluated"
    return Broken(ground.distribution(api_token="${{ secrets.DIST_TOKEN }}"), said, ("input",))


def closed_port(ground: Ground) -> Broken:
    inputs = ground.bitrise(service_url=f"http://127.0.0.1:{free_port()}")
    said = "connection: no connection to 127.0.0.1:[0-9]+: Connection refused; check PLUGIN_SERVICE_URL"
    return Broken(inputs, said, ("connection",), code=5)


def unknown_name(ground: Ground) -> Broken:
    inputs = ground.bitrise(service_url="https://nowhere.invalid")
    return Broken(inputs, "dns: the name nowhere.invalid cannot be resolved: ", ("dns",), code=5)


def failing_service(ground: Ground) -> Broken:
    ground.sandbox.faults("GET / 503x9")
    return Broken(ground.distribution(), "http: GET / answers 503 ", ("http",), code=5)


def failing_read(ground: Ground) -> Broken:
    ground.sandbox.faults("GET / 503x9", "GET /v0.1/me 503x9")
    said = "credentials: GET /v0.1/me: 503 .*; try again later"
    return Broken(ground.bitrise(), said, ("credentials",), code=5)


def proxy_with_password(ground: Ground) -> Broken:
    return _behind(ground, "somebody:else", "", "requires a user name and a password: set HTTPS_PROXY")


def proxy_with_another_password(ground: Ground) -> Broken:
    return _behind(ground, "somebody:else", f"builder:{PROXY_PASSWORD}@", "requires a user name and a password")


def proxy_that_blocks(ground: Ground) -> Broken:
    return _behind(ground, None, "", "blocks dist.example.com: ask its administrator", refuses=403)


def _behind(ground: Ground, wants: str | None, gives: str, said: str, refuses: int | None = None) -> Broken:
    gateway = ground.ending.enter_context(proxy(credentials=wants, refuses=refuses))
    variables = {"HTTPS_PROXY": f"http://{gives}127.0.0.1:{gateway.port}", "NO_PROXY": ""}
    inputs = ground.distribution(service_url="https://dist.example.com")
    return Broken(inputs, f"proxy: [0-9]+ from the proxy; the proxy {said}", ("proxy",), environment=variables)


def own_authority(ground: Ground) -> Broken:
    said = "tls: TLS: 127.0.0.1 is not trusted: .*own CA, set PLUGIN_CA_BUNDLE"
    return Broken(ground.distribution(service_url=ground.tls()), said, ("tls",))


def expired_certificate(ground: Ground) -> Broken:
    url = ground.tls(not_after=datetime(2001, 1, 1, tzinfo=timezone.utc))
    inputs = ground.distribution(service_url=url, ca_bundle=ground.bundle())
    return Broken(inputs, "tls: TLS: 127.0.0.1 is not trusted: certificate has expired", ("tls",))


def certificate_that_ends_soon(ground: Ground) -> Broken:
    url = ground.tls(not_after=datetime.now(timezone.utc) + timedelta(days=5, hours=1), common_name="dist")
    inputs = ground.distribution(service_url=url, ca_bundle=ground.bundle())
    said = "tls: TLSv1.3, certificate for dist by trustme .*, valid for 5 more days; have the service renew it"
    return Broken(inputs, said, (), code=0, state="warn")


def missing_bundle(ground: Ground) -> Broken:
    inputs = ground.distribution(service_url=ground.tls())
    said = "certificates: SSL_CERT_FILE: missing.pem is not a PEM file with certificates: No such file"
    return Broken(inputs, said, ("certificates",), environment={"SSL_CERT_FILE": "missing.pem"})


def clock_off_by_an_hour(ground: Ground) -> Broken:
    said = (
        "clock: this machine's clock is (1 h( [0-9]+ s)?|59 min 5[0-9] s) (ahead of|behind) the server's; set the clock"
    )
    return Broken(ground.distribution(service_url=_late(ground, HOUR)), said, ("clock",))


def clock_off_by_two_minutes(ground: Ground) -> Broken:
    said = "clock: this machine's clock is (2 min|1 min 5[0-9] s|2 min [0-9] s) behind the server's"
    return Broken(ground.distribution(service_url=_late(ground, -120)), said, (), code=0, state="warn")


def _late(ground: Ground, seconds: float) -> str:
    """Start a server whose clock is that late; return its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", formatdate(time() - seconds, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ground.ending.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ground.ending.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


def glob_with_a_typo(ground: Ground) -> Broken:
    (ground.folder / "out").mkdir()
    (ground.folder / "out" / "app-release.apk").write_bytes(b"an app")
    inputs = ground.distribution(artifacts=["*.txt", "out/*.apkk"])
    said = r"artifacts: 'out/\*.apkk' matches no file in .*; the nearest files there: out/app-release.apk"
    return Broken(inputs, said, ("artifacts",))


def expired_profile(ground: Ground) -> Broken:
    (ground.folder / "App.ipa").write_bytes(ipa(ad_hoc(datetime(2020, 1, 31, 12, 0))))
    said = r"app: App.ipa: Exämple com.example.app 5.2.8 \(1234\), .*expires 2020-01-31: its provisioning profile has"
    return Broken(ground.distribution(artifacts="*.ipa"), said, ("app",))


def fork_pull_request(ground: Ground) -> Broken:
    head = {"sha": "a" * 40, "repo": {"full_name": "somebody/app"}}
    event = ground.folder.parent / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5, "head": head}}))
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "owner/app",
        "GITHUB_API_URL": "https://api.github.example",
        "GITHUB_REF": "refs/pull/5/merge",
    }
    return Broken(
        ground.bitrise(api_token=""),
        "secrets: this is a pull request from a fork: GitHub gives it no secrets, so skip this step for forks",
        ("input", "secrets"),
        environment=variables,
        host="github",
    )


def full_disk(ground: Ground) -> Broken:
    disk = ground.folder.parent / "disk"
    disk.mkdir()
    if sys.platform != "linux":
        pytest.skip("only Linux has disks in memory")
    root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    mount = [*root, "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        assert not os.environ.get("CI"), "in CI a disk can be mounted"
        pytest.skip("this user may not mount a disk")
    ground.ending.callback(lambda: subprocess.run([*root, "umount", "--lazy", disk], check=True))
    inputs = ground.distribution(receipt=f"{disk}/receipt.json")
    said = "place: PLUGIN_RECEIPT: cannot write .*: (the disk is full|No space left on device).*; name another place"
    return Broken(inputs, said, ("place", "disk"))


def place_below_a_file(ground: Ground) -> Broken:
    inputs = ground.bitrise(log_file="notes.txt/build.log")
    return Broken(inputs, "place: PLUGIN_LOG_FILE: cannot write .*notes.txt is not a folder", ("place",))


def unset_secret(ground: Ground) -> Broken:
    said = "secrets: this job has no value for INPUT_API_TOKEN; check the secret's name"
    inputs = ground.bitrise(api_token="")
    return Broken(inputs, said, ("input", "secrets"), host="github", environment={"GITHUB_ACTIONS": "true"})


def unset_secret_of_azure(ground: Ground) -> Broken:
    said = r"input: apiToken: 13 characters, from PLUGIN_API_TOKEN: it is `\$\(NAME\)`, which was not replaced"
    inputs = ground.bitrise(api_token="$(DIST_TOKEN)")
    return Broken(inputs, said, ("inputs", "input", "credentials"), host="azure", environment={"TF_BUILD": "True"})


def unset_variable_to_pass_on(ground: Ground) -> Broken:
    said = "input: PLUGIN_SECRETS: item 1 is a name alone, but this job has no variable of that name"
    return Broken(ground.bitrise(secrets="KEYSTORE_PASSWORD"), said, (), code=0, state="warn")


def private_key_as_a_secret(ground: Ground) -> Broken:
    said = "input: PLUGIN_SECRETS: item 1: what it begins with is not a variable's name; write KEY=VALUE"
    return Broken(ground.bitrise(secrets=PRIVATE_KEY), said, ("input",))


# The set-ups of which each has its line; after each the others of its kind.
BROKEN: tuple[SetUp, ...] = (
    *(wrong_token, app_of_others),
    *(quotes_in_the_token, unevaluated_token),
    *(closed_port, unknown_name, failing_service, failing_read),
    *(proxy_with_password, proxy_with_another_password, proxy_that_blocks),
    *(own_authority, expired_certificate, certificate_that_ends_soon, missing_bundle),
    *(clock_off_by_an_hour, clock_off_by_two_minutes),
    *(glob_with_a_typo, expired_profile),
    fork_pull_request,
    *(full_disk, place_below_a_file),
    *(unset_secret, unset_secret_of_azure, unset_variable_to_pass_on, private_key_as_a_secret),
)
