"""A service's words, wherever they reach: no CI system's parser finds a command in them, on any host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from plugin import inputs
from plugin.hosts import HOSTS
from plugin.hosts.report import LINKS
from plugin.sandbox.apps import apk
from tests.end_to_end import arrived
from tests.end_to_end.attacked import NOBODYS, SERVER, attack_with, files, lay_out, read
from tests.end_to_end.hostile import Answer, Asked, answered
from tests.obeyed import MARK, SPELLED, acting, planted
from tests.rendered import rendered

# One command for each parser, short enough for what is cut at 500 characters; what nobody asked for shows that all of
# it arrived.
FEW = "\n".join([*(several[0] for several in SPELLED.values()), "\x00[a](https://a.example.com)<b>$(a)$b%c%", NOBODYS])
ALL = "\n".join([FEW, "a\r::set-output name=a::b\u2028##vso[a.b]c\u202e", *sum(SPELLED.values(), ()), NOBODYS])
ON_ONE_LINE = FEW.replace("\n", " ").replace("\r", " ")
IN_A_PATH = ON_ONE_LINE.translate(dict.fromkeys(map(ord, "#?")))
# The pull request 7 of octo/app, for hosts that are told in GitHub's way.
EVENT = {"pull_request": {"number": 7, "head": {"sha": "f" * 40, "repo": {"full_name": "octo/app"}}}}


class Place(NamedTuple):
    """One place that a service's words reach."""

    service: str
    operation: str
    answer: Answer
    inputs: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it


def always(data: Any, status: str = "200 OK", **headers: str) -> Answer:
    return lambda _: answered(data, status, **headers)


def log_in_pieces(asked: Asked) -> bytes:
    pieces = [{"position": at, "chunk": ALL[at : at + 7]} for at in range(0, len(ALL), 7)]
    return answered({"log_chunks": pieces} if asked.path.endswith("/log") else {"data": {"slug": "b", "status": 1}})


def archived_log(asked: Asked) -> bytes:
    if asked.path == "/storage":
        return answered(ALL.encode())
    archived = {"is_archived": True, "expiring_raw_log_url": f"http://{asked.headers['host']}/storage"}
    return answered(archived if asked.path.endswith("/log") else {"data": {"slug": "b", "status": 1}})


def artifact(asked: Asked) -> bytes:
    if asked.path == "/storage":
        return answered(b"x")
    one = {"slug": "s", "title": FEW, "file_size_bytes": 1, "artifact_type": FEW}
    one |= {"expiring_download_url": f"http://{asked.headers['host']}/storage"}
    return answered({"data": [one] if "/artifacts?" in asked.path else one})


def ours_or(refused: Answer) -> Answer:
    """Bitrise's own calls are answered as they should be, all others are refused."""
    fine = always({"data": {"slug": "b", "status": 2, "status_text": "x", "abort_reason": FEW}})
    return lambda asked: fine(asked) if asked.path.startswith("/v0.1/") else refused(asked)


ENDED = {"slug": "b", "status": 2, "build_number": 1}
LISTED = dict.fromkeys(("slug", "title", "status_text", "triggered_workflow", "branch", "commit_message"), FEW)
ACCOUNT = {"username": FEW, "email": FEW}
STATES = {f"p{number}_status": text for number, text in enumerate(FEW.split("\n"))}
APP = {"id": 1, "title": FEW, "android_status": "complete", **STATES, "version": FEW, FEW: FEW}
CONNECTED = dict.fromkeys(("id", "app_name", "platform", "store_app_id", "project_id"), FEW)
GROUP = {"id": FEW, "name": FEW, "auto_notify": False}
APP_ID = {"app-id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"}
REFUSED = always({"message": FEW}, "400 Bad Request")
SOON = {"poll-interval": "0.01"}
FORGE = "a forge's refusal"
MANY = "more builds than an output takes"
LIMITED = ("azure", "buildkite", "woodpecker")  # hosts where a large output is a file, or is left out
OUR_MARKUP = {"h3", "p", "strong", "code", "a", "table", "thead", "tbody", "tr", "th", "td"}
BUILDS = "https://app.bitrise.io/build/"
PLACES = {
    "a log in pieces": Place("bitrise", "log", log_in_pieces, SOON),
    "an archived log": Place("bitrise", "log", archived_log, SOON),
    "an error": Place("bitrise", "status", REFUSED),
    "a verbose error": Place("app-distribution", "create-build", REFUSED, {"verbose": "true", "receipt": "r.json"}),
    "a page's title": Place("bitrise", "status", always(f"<title>{FEW}</title>".encode(), "418 x")),
    "a status line": Place("bitrise", "status", always({}, f"400 {ON_ONE_LINE}")),
    "a header": Place("bitrise", "status", always({}, "302 x", Location=f"https://e.example/{IN_A_PATH}")),
    "a status": Place("bitrise", "wait", always({"data": {**ENDED, "status_text": FEW}}), SOON),
    "a reason": Place("bitrise", "wait", always({"data": {**ENDED, "abort_reason": FEW, "commit_message": FEW}}), SOON),
    "builds": Place("bitrise", "list-builds", always({"data": [{**LISTED, "status": 1}]})),
    MANY: Place("bitrise", "list-builds", always({"data": [{**LISTED, "status": 1}] * 50})),
    "apps": Place("bitrise", "list-apps", always({"data": [{**LISTED, "owner": {"name": FEW}}]})),
    "artifacts": Place("bitrise", "list-artifacts", artifact),
    "file names": Place("bitrise", "download", artifact, {"output-directory": "out"}),
    "an account": Place("phonegap-build", "whoami", always(ACCOUNT)),
    "fields": Place("phonegap-build", "show-app", always(APP)),
    "a platform's state": Place("phonegap-build", "status", always(APP)),
    "titles": Place("phonegap-build", "list-apps", always([APP])),
    "connected apps": Place(
        "bitrise-release-management", "list-apps", always({"items": [CONNECTED]}), {"workspace": "w"}
    ),
    "tester groups": Place("bitrise-release-management", "list-tester-groups", always({"items": [GROUP]}), APP_ID),
    "an upload's refusal": Place("product-science", "deliver", REFUSED),
    "an app's label": Place("app-distribution", "deliver", REFUSED, {"receipt": "r.json"}),
    "a chat's refusal": Place("bitrise", "wait", ours_or(REFUSED), {**SOON, "notify-url": f"{SERVER}/chat"}),
    FORGE: Place("bitrise", "wait", ours_or(REFUSED), {**SOON, "comment-token": "any-token"}),
}


def github(folder: Path) -> dict[str, str]:
    """The variables of a job of a pull request."""
    (folder.parent / "event.json").write_text(json.dumps(EVENT))
    event = {"GITHUB_EVENT_PATH": str(folder.parent / "event.json"), "GITHUB_REF": "refs/pull/7/merge"}
    return {"GITHUB_API_URL": SERVER, "GITHUB_REPOSITORY": "octo/app", **event}


# The hosts on which a run comments, with what tells them of the pull request beside GitHub's variables.
COMMENTING: dict[str, dict[str, str]] = {
    "gitea": {},
    "github": {},
    "azure": {
        "BUILD_REPOSITORY_NAME": "octo/app",
        "BUILD_REPOSITORY_PROVIDER": "GitHubEnterprise",
        "BUILD_REPOSITORY_URI": f"{SERVER}/octo/app",
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "7",
    },
    "woodpecker": {
        "CI": "woodpecker",
        "CI_COMMIT_PULL_REQUEST": "7",
        "CI_FORGE_TYPE": "gitea",
        "CI_FORGE_URL": SERVER,
        "CI_REPO": "octo/app",
    },
}


def test_the_hosts_that_comment_are_known() -> None:
    nowhere = HOSTS["plain"].pull_request
    assert set(COMMENTING) == {name for name, host in HOSTS.items() if host.pull_request is not nowhere}


@pytest.mark.parametrize(
    ("name", "host"),
    [(name, host) for name in PLACES for host in {FORGE: COMMENTING, MANY: LIMITED}.get(name, HOSTS)],
)
def test_a_services_text_never_acts_on_any_ci_system(name: str, host: str, tmp_path: Path) -> None:
    place, folder = PLACES[name], lay_out(tmp_path)
    (folder / "app.apk").write_bytes(apk(FEW))
    env = github(folder) | COMMENTING.get(host, {})
    before = set(folder.parent.rglob("*"))
    given = {"operation": place.operation, **place.inputs}
    done = attack_with(place.answer, folder, place.service, host, given, env)

    assert done.code in (0, 4, 6), done.log
    assert "Traceback" not in done.log
    made = {path: read(path) for path in files(done) if path not in before}
    shown = {"stdout": done.stdout, "stderr": done.stderr, **{str(path): text for path, text in made.items()}}
    assert NOBODYS in "".join(shown.values())
    assert ("the comment was not written: GET" in done.stdout + done.stderr) == (name == FORGE)
    assert {source: found for source, text in shown.items() if (found := planted(text))} == {}
    outputs = arrived.outputs(done, host)
    assert set(outputs) <= {arrived.SPELLED[host](name) for name in inputs.outputs()}
    assert arrived.SPELLED[host]("status") in outputs
    assert [value for value in outputs.values() if arrived.acts(value, host)] == []
    summaries = arrived.summaries(done, host)
    assert len(summaries) == (host in arrived.SUMMARIES)
    for summary in map(rendered, summaries):
        assert summary.tags <= OUR_MARKUP
        assert not [to for _, to in summary.links if not to.startswith(BUILDS)]
    for label, url in arrived.links(done):
        assert label in LINKS.values()
        assert url.startswith(BUILDS)


def test_the_places_are_given_every_parsers_command() -> None:
    assert {by for by, about in acting(FEW) if about} == set(SPELLED)
    assert len(FEW) < 500
    assert FEW.count(MARK) >= len(SPELLED)
