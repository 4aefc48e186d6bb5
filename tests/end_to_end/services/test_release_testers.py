"""Testers of Bitrise Release Management: deliveries to them, links, pages and groups, by the real program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import SandboxProcess, start, wait_for
from tests.end_to_end.services.release_management import (
    ANDROID,
    IOS,
    ROOT,
    Run,
    asked,
    folder,
    rm,
    sent,
    state_of,
    switch,
    uploaded,
)

__all__ = ["folder", "rm"]
CODE = "s3cretcode"
NOTIFY = "/release-management/v2/build-distributions/v1/tester-groups/*/notify"
LINKS = f"{ROOT}/*/custom-access-links"
ALL = {
    "app_id": ANDROID,
    "what_to_test": "the new door",
    "public_page": True,
    "access_link": "beta",
    "access_code": CODE,
    "access_expires": "2100-01-31T12:00:00+01:00",
    "tester_groups": "QA\nFriends",
}


def mails(sandbox: SandboxProcess) -> list[tuple[str, str]]:
    return sorted((mail["group"], mail["file"]) for mail in state_of(sandbox)["mails"])


def test_a_delivery_publishes_links_and_notifies(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", artifacts="app.apk", **ALL)

    assert done.code == 0, done.log
    (artifact,) = state_of(sandbox)["artifacts"]
    assert (artifact["what_to_test"], artifact["is_public"]) == ("the new door", True)
    link, mailed = artifact["links"]
    assert (link["name"], link["has_code"], link["expires_at"]) == ("beta", True, "2100-01-31T11:00:00Z")
    assert (mailed["tester_group_name"], mailed["has_code"]) == ("Friends", True)
    assert mails(sandbox) == [("Friends", "app.apk"), ("QA", "app.apk")]
    assert done.result["access-url"] == link["url"]
    assert f"/installable-artifacts/{artifact['id']}/public-install-page/" in done.result["install-url"]
    assert CODE not in done.log


def test_a_rerun_does_not_notify_again(sandbox: SandboxProcess, rm: Run) -> None:
    for _ in range(2):
        assert rm("deliver", artifacts=["app.apk", "other.apk"], **ALL).code == 0
    assert len(mails(sandbox)) == 4
    assert [len(each["links"]) for each in state_of(sandbox)["artifacts"]] == [2, 2]
    assert [each["times_stored"] for each in state_of(sandbox)["artifacts"]] == [1, 1]


def test_testers_are_notified_once_all_files_can_be_used(sandbox: SandboxProcess, rm: Run, folder: Path) -> None:
    (folder / "invalid.apk").write_bytes(b"not signed")
    done = rm("deliver", artifacts=["app.apk", "invalid.apk"], **ALL)
    assert done.code == 6, done.log
    assert mails(sandbox) == []
    assert [each["what_to_test"] for each in state_of(sandbox)["artifacts"]] == [None, None]


def test_testers_are_not_notified_of_what_they_cannot_install(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", artifacts=["app.apk", "bundle.aab"], **ALL)
    assert done.code == 4, done.log
    assert "testers cannot install bundle.aab" in done.log
    assert mails(sandbox) == []
    plain = {name: ALL[name] for name in ("app_id", "what_to_test")}
    assert rm("deliver", artifacts="bundle.aab", **plain).code == 0


def test_an_unknown_group_is_refused_before_anything_is_sent(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", artifacts="app.apk", app_id=ANDROID, tester_groups="QA\nEverybody")
    assert done.code == 2, done.log
    assert "PLUGIN_TESTER_GROUPS: the app has no group 'Everybody'; it has Friends, Nightly, QA" in done.log
    assert state_of(sandbox)["artifacts"] == []


def test_the_service_itself_notifies_a_group_with_auto_notify(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", artifacts="app.apk", app_id=ANDROID, tester_groups="Nightly")
    assert (done.code, mails(sandbox)) == (0, [])
    assert "Nightly is notified of every artifact by the service itself" in done.log


@pytest.mark.parametrize("where", [NOTIFY, LINKS], ids=["notify", "link"])
@pytest.mark.parametrize("fault", ["reset-after", "after:502", "stall-after", "untold"])
@pytest.mark.parametrize("lag", [0, 200], ids=["", "lag"])
def test_a_lost_answer_is_looked_up(fault: str, where: str, lag: int, sandbox: SandboxProcess, rm: Run) -> None:
    group = "QA" if where == NOTIFY else "Friends"
    switch(sandbox, list_lag=lag)
    sandbox.faults(f"POST {where} {fault}")
    done = rm("deliver", artifacts="app.apk", app_id=ANDROID, tester_groups=group, stall_timeout=2)
    assert done.code == 0, done.log
    assert mails(sandbox) == [(group, "app.apk")]
    assert "the answer was lost, but the service shows the mail to" in done.log or (fault, where) == ("untold", NOTIFY)


@pytest.mark.parametrize("where", ["PUT /storage/*", f"POST {LINKS}", f"POST {NOTIFY}", f"PATCH {ROOT}/*"])
@pytest.mark.parametrize("lag", [0, 200], ids=["", "lag"])
def test_a_rerun_after_kill_9_does_nothing_twice(
    where: str, lag: int, sandbox: SandboxProcess, rm: Run, folder: Path
) -> None:
    switch(sandbox, list_lag=lag)
    sandbox.faults(f"{where} stall-after")
    inputs = {"artifacts": "app.apk", "receipt": "receipt.json", **ALL}
    process = start(asked(sandbox, "deliver", **inputs), folder)
    wait_for(lambda: any(each["fault"] for each in sandbox.state()["requests"]), 60)
    wait_for(lambda: where.startswith("PATCH") or (folder / "receipt.json").exists(), 60)
    process.kill()
    process.communicate()
    done = rm("deliver", **inputs)
    assert done.code == 0, done.log
    (artifact,) = state_of(sandbox)["artifacts"]
    assert (artifact["times_stored"], len(artifact["links"])) == (1, 2)
    assert mails(sandbox) == [("Friends", "app.apk"), ("QA", "app.apk")]


@pytest.mark.parametrize("where", [NOTIFY, LINKS], ids=["notify", "link"])
def test_a_mail_that_may_have_gone_out_is_not_repeated(where: str, sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, shows_sent=False)
    sandbox.faults(f"POST {where} reset-after")
    group = "QA" if where == NOTIFY else "Friends"
    more = {"artifacts": "app.apk", "app_id": ANDROID, "tester_groups": group, "receipt": "receipt.json"}
    done = rm("deliver", **more)
    assert done.code == 5, done.log
    assert "may have gone through" in done.log
    again = rm("deliver", **more)
    assert again.code == 5, again.log
    assert f"sending the mail to {group}" in again.log
    assert len(mails(sandbox)) == 1
    assert rm("deliver", on_doubt="repeat", **more).code == 0
    assert len(mails(sandbox)) == 2


def test_a_role_that_may_not_publish_exits_with_3(sandbox: SandboxProcess, rm: Run) -> None:
    switch(sandbox, role="developer")
    done = rm("deliver", artifacts="app.apk", **ALL)
    assert (done.code, "your role does not allow public install pages" in done.log) == (3, True), done.log
    assert mails(sandbox) == []


def test_pages_and_links_of_an_artifact_come_and_go(sandbox: SandboxProcess, rm: Run) -> None:
    (id_,) = uploaded(rm, "app.apk")
    page = rm("publish-artifact", artifact_id=id_, public_page=True)
    assert page.result["install-url"].startswith("https://app.bitrise.io/"), page.log
    assert rm("publish-artifact", artifact_id=id_, public_page=False).code == 0
    assert not state_of(sandbox)["artifacts"][0]["is_public"]

    made = rm("create-access-link", artifact_id=id_, access_link="beta", access_expires="30d", access_code=CODE)
    again = rm("create-access-link", artifact_id=id_, access_link="beta")
    other = rm("create-access-link", artifact_id=id_, access_link="gamma")
    assert made.result["access-url"] == again.result["access-url"] != other.result["access-url"]
    listed = rm("list-access-links", artifact_id=id_)
    assert [link["name"] for link in listed.result["result"]["access-links"]] == ["beta", "gamma"]
    link_id = listed.result["result"]["access-links"][1]["id"]
    assert rm("delete-access-link", artifact_id=id_, access_link="beta").code == 0
    assert rm("delete-access-link", artifact_id=id_, access_link=link_id).code == 0
    assert state_of(sandbox)["artifacts"][0]["links"] == []
    gone = rm("delete-access-link", artifact_id=id_, access_link="beta")
    says = "'beta' is not the name or the id of exactly one link of artifact"
    assert (gone.code, says in gone.log) == (2, True), gone.log


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ({"access_expires": "tomorrow"}, 2, "PLUGIN_ACCESS_EXPIRES: 'tomorrow' has the wrong form, unlike 30d"),
        ({"access_expires": "2026-02-30"}, 2, "PLUGIN_ACCESS_EXPIRES: '2026-02-30' is not a time"),
        ({"access_code": "short"}, 2, "PLUGIN_ACCESS_CODE: this value is not valid"),
    ],
)
def test_an_invalid_link_is_refused(more: dict[str, Any], code: int, says: str, rm: Run) -> None:
    done = rm("create-access-link", artifact_id="a", access_link="beta", **more)
    assert (done.code, says in done.log) == (code, True), done.log


def test_a_link_to_a_bundle_is_refused_by_the_service(rm: Run) -> None:
    (id_,) = uploaded(rm, "bundle.aab")
    done = rm("create-access-link", artifact_id=id_, access_link="beta")
    assert (done.code, "installable_artifact: is not distribution ready" in done.log) == (4, True), done.log
    page = rm("publish-artifact", artifact_id=id_, public_page=True)
    assert (page.code, "no install methods are allowed" in page.log) == (4, True), page.log


def test_groups_are_made_filled_and_listed(sandbox: SandboxProcess, rm: Run) -> None:
    new = {"app_id": IOS, "name": "Fans", "tester_type": "external", "testers": "a@example.com", "auto_notify": "false"}
    assert rm("create-tester-group", **new).code == 0
    again = rm("create-tester-group", **new)
    assert (again.code, "already exists" in again.log) == (0, True), again.log
    other = rm("create-tester-group", app_id=IOS, name="Fans")
    assert (other.code, "already exists, but is external" in other.log) == (4, True), other.log
    added = rm("add-testers", app_id=IOS, tester_groups="Fans", testers=["b@example.com", "c@example.com"])
    assert added.code == 0, added.log
    (fans,) = [group for group in state_of(sandbox)["groups"] if group["name"] == "Fans"]
    assert fans["testers"] == ["a@example.com", "b@example.com", "c@example.com"]
    assert rm("create-tester-group", app_id=IOS, name="Team", auto_notify="true").code == 0
    assert rm("add-testers", app_id=IOS, tester_groups="Team", testers="someone").code == 0
    listed = rm("list-tester-groups", app_id=IOS, tester_type="external")
    assert [group["name"] for group in listed.result["result"]["tester-groups"]] == ["Friends", "Fans"]


def test_each_tester_that_is_refused_is_named(rm: Run) -> None:
    testers = ["b@example.com", "refused@example.com", "refused2@example.com"]
    done = rm("add-testers", app_id=IOS, tester_groups="Friends", testers=testers)
    assert done.code == 4, done.log
    assert "2 of 3 testers were not added to Friends: " in done.log
    for name in testers[1:]:
        assert f"{name}: is not allowed to join" in done.log
    assert done.result["result"]["testers"] == ["b@example.com"]


def test_invalid_addresses_are_named(rm: Run) -> None:
    new = {"app_id": IOS, "name": "Fans", "tester_type": "external", "testers": "nobody\na@example.com"}
    done = rm("create-tester-group", **new)
    assert (done.code, "emails are wrong (invalid_emails: nobody)" in done.log) == (4, True), done.log
    done = rm("create-tester-group", app_id=IOS, name="Team", testers="someone")
    assert (done.code, "PLUGIN_TESTERS: an internal group is created" in done.log) == (2, True), done.log


def test_groups_are_notified_of_an_artifact_once(sandbox: SandboxProcess, rm: Run) -> None:
    (id_,) = uploaded(rm, "app.apk")
    for said in ("QA is notified of", "QA was already notified of"):
        done = rm("notify", artifact_id=id_, tester_groups="QA\nFriends")
        assert (done.code, said in done.log) == (0, True), done.log
        assert done.result["access-url"].startswith("https://app.bitrise.io/app-install/")
    assert mails(sandbox) == [("Friends", "app.apk"), ("QA", "app.apk")]
    listed = rm("list-tester-groups", app_id=ANDROID, artifact_id=id_)
    notified = {each["name"]: each["notification_sent"] for each in listed.result["result"]["tester-groups"]}
    assert notified == {"QA": True, "Nightly": False, "Friends": True}
    assert rm("notify", artifact_id=ANDROID, tester_groups="QA").code == 4


def test_a_dry_run_of_a_delivery_sends_nothing(sandbox: SandboxProcess, rm: Run) -> None:
    done = rm("deliver", artifacts="app.apk", dry_run=True, **ALL)
    assert done.code == 0, done.log
    assert "/custom-access-links" in done.log
    assert sandbox.state()["requests"] == sent(sandbox, "NONE") == []
    assert CODE not in done.log
