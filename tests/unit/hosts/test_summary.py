"""The summary, rendered as GitHub renders it: what it says, and what others' words cannot do in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.hosts.report import LONGEST_ERROR, LONGEST_TEXT, MOST_FILES, report
from plugin.hosts.summary import markdown
from plugin.redact import Redactor
from tests.rendered import Rendered, rendered

LARGEST_COMMENT = 65_536  # characters that GitHub takes
SHA = "0123456789abcdef" * 4
HOSTILE = "a|b`](<http://evil.example.com>) ![x](http://evil.example.com/x) <img src=x> @all #1 www.evil.example.com \\"
SPECIAL = st.text(alphabet=st.sampled_from("|`\\<>[]()!*_~#@&:;/.w \n\x00\u202eaé"), max_size=40)


def outputs(*names: str, **more: Any) -> dict[str, Any]:
    """What a run of bitrise has put out, with artifacts of these names."""
    artifacts = [{"name": name, "size": 5_000_000, "sha256": SHA, "id": "9"} for name in names]
    result = {"service": "bitrise", "operation": "create-build", "artifacts": artifacts}
    return {name.replace("_", "-"): value for name, value in more.items()} | {"result": result}


def shown(outputs: dict[str, Any], asked: dict[str, Any] | None = None, redact: Any = str) -> Rendered:
    return rendered(markdown(report(outputs, asked or {}, redact)))


def test_what_matters_most_comes_first() -> None:
    found = outputs(
        "app.ipa",
        status="succeeded",
        build_number="41",
        build_url="https://app.bitrise.io/build/Ue1_DEOD",
        install_url="https://app.bitrise.io/artifact/1/p/2",
    )
    text = markdown(report(found, {"workflow": ("primary",)}, str))
    page = rendered(text)

    assert page.headings == ["✅ Bitrise: build 41 succeeded"]
    assert page.links == [
        ("Install the app", "https://app.bitrise.io/artifact/1/p/2"),
        ("Build", "https://app.bitrise.io/build/Ue1_DEOD"),
    ]
    assert page.rows == [["Artifact", "Size", "SHA-256"], ["app.ipa", "5.0 MB", f"{SHA[:12]}…"]]
    assert text.index("Install the app") < text.index("app.ipa") < text.index("primary")


@pytest.mark.parametrize(
    ("app", "heading", "details"),
    [
        (
            {"app_label": "Exämple", "app_package": "a.b", "app_version": "5.2.8", "app_version_code": "1234"},
            "✅ Exämple 5.2.8 (1234): create-build succeeded",
            "Bitrise · a.b",
        ),
        ({"app_label": "Ex_1", "app_version_code": "9"}, "✅ Ex_1 (9): create-build succeeded", "Bitrise"),
        ({"app_package": "a.b", "app_version": "1"}, "✅ a.b 1: create-build succeeded", "Bitrise"),
        ({"app_version": "5.2.8"}, "✅ Bitrise: create-build succeeded", "5.2.8"),
        ({}, "✅ Bitrise: create-build succeeded", ""),
    ],
)
def test_the_app_is_in_the_first_line(app: dict[str, str], heading: str, details: str) -> None:
    page = shown(outputs(status="succeeded", **app))
    assert page.headings == [heading]
    assert page.plain.strip() == details


def test_a_long_label_leaves_room_for_the_state() -> None:
    page = shown(outputs(status="failed", app_label="x" * 500))
    assert page.headings[0].endswith("x…: create-build failed")
    assert len(page.headings[0]) < 130


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example.com/a_b*c?d=1&e=<>\"'`|\\{}^ é&lt;f&copy;#g",
        "https://x.example.com/)](http://evil.example.com)",
        "https://x.example.com/?a=1&amp;b=2",
    ],
)
def test_a_links_address_stays_one_address(url: str) -> None:
    ((text, href),) = shown(outputs(build_url=url)).links
    assert text == "Build"
    assert href.startswith("https://x.example.com/")
    assert not set(href) & set('<>"`|\\{}^ é')


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil", "https://u:p@x", "ftp://x", "x"])
def test_an_unsafe_address_is_not_a_link(url: str) -> None:
    assert shown(outputs(build_url=url)).links == []


def test_a_link_that_holds_a_secret_is_left_out() -> None:
    redact = Redactor()
    redact.add("s3cr3t")
    assert shown(outputs(build_url="https://x.example.com/s3cr3t"), redact=redact.declared).links == []


@settings(deadline=None)  # a busy machine is not a failure
@given(text=SPECIAL)
def test_text_of_others_is_code_wherever_it_stands(text: str) -> None:
    found = outputs(
        text, error=text, service_status=text, build_id=text, build_number=text, app_package=text, app_label=text
    )
    page = shown(found, {"workflow": (text, "b"), "branch": text})

    assert page.links == []
    assert page.tags <= {"h3", "p", "code", "table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert not set(page.plain) & set("|`\\<>[]!*_~#@&\x00\u202e")
    assert [len(row) for row in page.rows] == [3, 3]


def test_an_attack_is_shown_as_it_was_written() -> None:
    page = shown(outputs(HOSTILE, error=HOSTILE))
    assert page.links == []
    assert page.codes[:2] == [HOSTILE.replace("|", "│")] * 2


def test_many_artifacts_are_counted_and_the_first_ones_shown() -> None:
    page = shown(outputs(*(f"artifact-{number}.apk" for number in range(1300))))
    assert len(page.rows) == 1 + MOST_FILES + 1
    assert page.rows[-1][:2] == ["and 1,250 more", "6.5 GB in all"]


@pytest.mark.parametrize("letter", ["`", "|", "\\", "é", "🐛"])
def test_the_largest_summary_fits_a_comment(letter: str) -> None:
    long = letter * 100_000
    found = outputs(*[long] * 1300, error=long, build_id=long, build_url="https://x.example.com/" + "y" * 1900)
    text = markdown(report(found, {"workflow": [long] * 3, "branch": long}, str))
    assert LONGEST_ERROR + MOST_FILES * LONGEST_TEXT < len(text) < LARGEST_COMMENT


def test_a_failed_run_says_why() -> None:
    page = shown(outputs(status="failed", error="§ 401; is the token right?"))
    assert page.headings == ["❌ Bitrise: create-build failed"]
    assert page.codes == ["§ 401; is the token right?"]


def test_a_run_that_never_began_has_a_summary_too() -> None:
    page = rendered(markdown(report({"status": "failed", "error": "api-token: is required"}, {}, str)))
    assert page.headings == ["❌ buildferry: run failed"]


def test_an_input_that_an_output_repeats_is_shown_once() -> None:
    app = {"app_label": "Example", "app_package": "a.b"}
    assert shown(outputs(**app), {"app-package": "a.b"}).plain.count("a.b") == 1
    assert shown(outputs(), {"app-package": "a.b"}).plain.count("a.b") == 1


def test_every_group_of_testers_is_named() -> None:
    assert "Tester groups QA, Beta testers" in shown(outputs(), {"tester-groups": ("QA", "Beta testers")}).plain
