"""The messages: each in the form that its chat takes, with no untrusted text where a chat reads markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from plugin.announce.messages import MESSAGES
from plugin.announce.notify import format_for
from plugin.hosts.report import Report, report

APP = {
    "app-label": "<!channel> *Ex*",
    "app-package": "com.example.app",
    "app-version": "5.2.8",
    "app-version-code": "1234",
}
HOSTILE = "<!channel> <https://evil.example.com|x> *b* [x](https://evil.example.com) & `c`"


def told(**more: Any) -> Report:
    artifacts = [{"name": f"{HOSTILE} {number}", "size": 5, "sha256": "0" * 64, "id": "1"} for number in range(1300)]
    result = {"service": "bitrise", "operation": "wait", "artifacts": artifacts, "branch": HOSTILE}
    outputs = {"status": "failed", "error": HOSTILE, "build-number": "41", "app-version": HOSTILE, "result": result}
    return report({**outputs, "build-url": "https://x.example.com/a|b>c?d=1&e=2", **more}, {"name": HOSTILE}, str)


def nodes(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from nodes(each)


def test_slack_gets_no_markup_from_untrusted_text() -> None:
    message = MESSAGES["slack"](told())

    marked = [message["text"], *(each["text"] for each in nodes(message) if each.get("type") == "mrkdwn")]
    assert marked == ["❌ Bitrise: build 41 failed", "<https://x.example.com/a%7Cb%3Ec?d=1&amp;e=2|Build>"]
    assert message["blocks"][0]["text"]["text"] == "❌ Bitrise: build 41 failed"
    for each in nodes(message):
        assert each.get("type") in (None, "header", "section", "context", "mrkdwn", "plain_text")
        limit = {"header": 150, "plain_text": 3000, "mrkdwn": 3000}.get(each.get("type", ""), 10_000)
        assert len(each["text"] if isinstance(each.get("text"), str) else "") <= limit
        assert len(each.get("elements", ())) <= 10
    assert len(message["blocks"]) <= 50


@pytest.mark.parametrize("form", ["slack", "teams"])
def test_a_chat_gets_the_app_in_the_first_line(form: str) -> None:
    message = MESSAGES[form](told(**APP))

    first, second, *_ = (each["text"] for each in nodes(message) if each.get("type") in ("plain_text", "TextRun"))
    assert (first, second) == ("❌ <!channel> *Ex* 5.2.8 (1234): build 41 failed", "Bitrise · com.example.app")


def test_slack_shows_an_apps_label_without_markup() -> None:
    message = MESSAGES["slack"](told(**APP))
    assert message["text"] == "❌ &lt;!channel&gt; *Ex* 5.2.8 (1234): build 41 failed"
    assert message["mrkdwn"] is False


def test_teams_gets_a_card_without_markup() -> None:
    message = MESSAGES["teams"](told())

    (attachment,) = message["attachments"]
    card = attachment["content"]
    assert (message["type"], card["type"], card["version"]) == ("message", "AdaptiveCard", "1.4")
    assert {each["type"] for each in card["body"]} == {"RichTextBlock"}
    texts = [run["text"] for block in card["body"] for run in block["inlines"]]
    assert texts[:3] == ["❌ Bitrise: build 41 failed", HOSTILE, HOSTILE]
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "Build", "url": "https://x.example.com/a%7Cb%3Ec?d=1&e=2"}
    ]
    assert len(json.dumps(message)) < 28_000  # bytes that Teams takes


def test_other_addresses_get_the_facts_named_as_the_outputs() -> None:
    message = MESSAGES["json"](told(**{"install-url": "https://x.example.com/i"}))

    assert (message["service"], message["operation"], message["status"]) == ("bitrise", "wait", "failed")
    assert message["install-url"] == "https://x.example.com/i"
    assert (len(message["artifacts"]), message["artifact-count"]) == (50, 1300)
    assert message["error"] == HOSTILE
    message = MESSAGES["json"](told(**APP))
    assert message["title"] == "<!channel> *Ex* 5.2.8 (1234): build 41 failed"
    assert {name: message[name] for name in APP} == APP


@pytest.mark.parametrize("form", MESSAGES)
def test_a_run_of_which_little_is_known_has_a_message(form: str) -> None:
    message = MESSAGES[form](report({"status": "failed", "error": "x"}, {}, str))
    assert "buildferry: run failed" in json.dumps(message)
    assert not [each for each in nodes(message) if each.get("text") == ""]


@pytest.mark.parametrize(
    ("host", "form"),
    [
        ("hooks.slack.com", "slack"),
        ("HOOKS.slack-gov.com", "slack"),
        ("prod-12.westeurope.logic.azure.com", "teams"),
        ("acme.webhook.office.com", "teams"),
        ("default0123.05.environment.api.powerplatform.com", "teams"),
        ("hooks.slack.com.evil.example.com", "json"),
        ("evilpowerautomate.com", "json"),
        ("chat.example.com", "json"),
    ],
)
def test_the_form_of_a_message_follows_from_the_address(host: str, form: str) -> None:
    assert format_for(host) == form
