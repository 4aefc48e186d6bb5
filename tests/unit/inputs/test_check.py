"""Inputs: from a host's text to checked values, and every problem in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin import inputs
from plugin.errors import spelled

GOOD = {
    "service": "app-distribution",
    "service-url": "https://dist.example.com",
    "api-token": "a-token",
    "phase-id": "7",
    "artifacts": "app.ipa",
}


def check(changes: dict[str, Any]) -> tuple[inputs.Values, list[str], list[str]]:
    raw = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    values, problems, ignored = inputs.check(raw)
    return values, [spelled(str(problem), str) for problem in problems], ignored


def test_good_inputs_become_values_and_the_rest_takes_its_defaults() -> None:
    values, problems, ignored = check({})

    assert (problems, ignored) == ([], [])
    assert (values.phase_id, values.artifacts, values.operation) == (7, ("app.ipa",), "deliver")
    assert (values.parallel, values.stall_timeout, values.on_outage) == (4, 120, "fail")
    assert (values.receipt, values.limit, values.match) == ("", None, ())


@pytest.mark.parametrize("operation", sorted({name for can in inputs.services().values() for name in can}))
def test_an_operation_of_one_service_names_that_too(operation: str) -> None:
    able = [service for service, can in inputs.services().items() if operation in can]
    values, problems, _ = check({"service": None, "operation": operation})

    assert values.service == (able[0] if len(able) == 1 else "")
    assert any(problem.startswith("service: is required") for problem in problems) == (len(able) > 1)
    assert check({"service": "product-science", "operation": operation})[0].service == "product-science"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("verbose", "Yes", True),
        ("verbose", "on", True),
        ("verbose", "1", True),
        ("verbose", " TRUE ", True),
        ("verbose", "Off", False),
        ("verbose", "no", False),
        ("verbose", "0", False),
        ("stall-timeout", "90", 90),
        ("stall-timeout", "90s", 90),
        ("stall-timeout", "15m", 900),
        ("stall-timeout", "1.5h", 5400),
        ("stall-timeout", "2 m", 120),
        ("artifacts", "a.ipa\n\n  b c.txt \r\n", ("a.ipa", "b c.txt")),
        ("artifacts", "a.apk|b.apk||c.apk", ("a.apk", "b.apk", "c.apk")),
        ("artifacts", ("a.ipa", "b.ipa"), ("a.ipa", "b.ipa")),
        ("phase-id", " 12 ", 12),
        ("api-token", "a-token\n", "a-token"),
    ],
)
def test_text_is_read_the_same_way_on_every_host(name: str, text: Any, value: Any) -> None:
    values, problems, _ = check({name: text})

    assert problems == []
    assert getattr(values, name.replace("-", "_")) == value


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"service": "app-distributon"}, "service: 'app-distributon' is not one of app-distribution"),
        ({"service": None}, "service: is required: one of app-distribution, bitrise, "),
        ({"service": " ", "operation": "list-keys "}, "username: is required for phonegap-build list-keys"),
        ({"service": None, "operation": "rebuild"}, "service: is required for rebuild: one of bitrise, phonegap-build"),
        ({"service": None, "operation": "clean"}, "service: is required: one of app-distribution, bitrise, "),
        ({"operation": "abort"}, "operation: app-distribution cannot abort; it can create-build, upload, deliver"),
        ({"phase-id": None}, "phase-id: is required for app-distribution deliver: Phase that"),
        ({"phase-id": "seven"}, "phase-id: 'seven' is not a whole number"),
        ({"phase-id": "0"}, "phase-id: 0 is less than 1"),
        ({"parallel": "21"}, "parallel: 21 is more than 20"),
        ({"verbose": "maybe"}, "verbose: 'maybe' is not one of true, false, yes, no, on, off, 1, 0"),
        (
            {"stall-timeout": "5 days"},
            "stall-timeout: '5 days' is not a time: write seconds, or a number with s, m or h",
        ),
        ({"stall-timeout": "9999h"}, "stall-timeout: 35996400.0 is more than 31536000"),
        ({"on-outage": "warm"}, "on-outage: 'warm' is not one of fail, warn; did you mean warn?"),
        ({"artefacts": "x"}, "artefacts: this input does not exist; did you mean artifacts?"),
        ({"service-url": "dist.example.com"}, "service-url: must be a URL that starts with https://"),
        ({"service-url": "http://dist.example.com"}, "service-url: is plain http"),
        ({"service-url": "https://user:word@dist.example.com"}, "service-url: must not contain a user name"),
        (
            {"service-url": "https://dist.example.com/#/projects/1"},
            "service-url: write only the address of the service",
        ),
        ({"service-url": "https://dist.example.com/api/v2/"}, "service-url: leave the API's own path out"),
        ({"service-url": "https://e.example.com/release-management/v2"}, "service-url: leave the API's own path out"),
        ({"service-url": "https://[dist"}, "service-url: is not a URL"),
        ({"ca-bundle": "missing.pem"}, "ca-bundle: cannot read 'missing.pem': No such file or directory"),
        ({"operation": "upload", "build-id": "x"}, "build-id: 'x' has the wrong form"),
        ({"password": "caf\udce9"}, "password: is not valid UTF-8"),
        ({"operation": "upload", "build-id": "1\n2"}, "build-id: accepts 1 value here, not 2"),
    ],
)
def test_a_wrong_input_is_named_with_what_is_wrong_and_what_is_allowed(changes: dict[str, Any], problem: str) -> None:
    _, problems, _ = check(changes)

    assert [said for said in problems if said.startswith(problem)], problems


@pytest.mark.parametrize(
    ("service", "operation", "given", "problem"),
    [
        ("bitrise", "create-build", "workflow pipeline", "workflow: cannot be combined with pipeline: remove one"),
        (
            "bitrise",
            "list-builds",
            "pull-request-id trigger-event-type",
            "trigger-event-type: must be pull-request together with pull-request-id",
        ),
        ("phonegap-build", "create-build", "title", "artifacts: this or repository is required for phonegap-build"),
        (
            "phonegap-build",
            "create-build",
            "title artifacts repository",
            "repository: cannot be combined with artifacts: remove one of the two",
        ),
        (
            "phonegap-build",
            "update-app",
            "app-id",
            "title: this or data is required for phonegap-build update-app",
        ),
        ("phonegap-build", "deliver", "", "title: is required for phonegap-build deliver without app-id: Title of"),
        (
            "phonegap-build",
            "deliver",
            "",
            "artifacts: this or repository is required for phonegap-build deliver",
        ),
        (
            "phonegap-build",
            "add-key",
            "title platform",
            "profile-file: is required for phonegap-build add-key with platform ios: iOS: the .mobileprovision file.",
        ),
    ],
)
def test_inputs_that_exclude_or_need_each_other_are_both_named(
    service: str, operation: str, given: str, problem: str
) -> None:
    texts = {"platform": "ios", "trigger-event-type": "tag"}
    raw = {"service": service, "operation": operation, "username": "u", "password": "p"}
    if service == "bitrise":
        raw |= {"api-token": "t", "app-id": "a"}
    raw |= {name: texts.get(name, "1") for name in given.split()}

    said = [spelled(str(each), str) for each in inputs.check(raw)[1]]

    assert [text for text in said if text.startswith(problem)], said
    assert "does not fit" not in "".join(said)


def test_one_of_two_that_is_wrong_is_not_missing_too() -> None:
    raw = {"service": "phonegap-build", "operation": "update-app", "username": "u", "password": "p", "app-id": "1"}
    _, problems, _ = inputs.check({**raw, "data": "caf\udce9"})
    assert [(each.name, each.text) for each in problems] == [("data", "is not valid UTF-8")]


def test_all_problems_are_reported_together() -> None:
    _, problems, _ = check(
        {"phase-id": "x", "parallel": "99", "api-token": None, "typo": "1", "service-url": "ftp://x"}
    )

    assert {said.partition(":")[0] for said in problems} == {"phase-id", "parallel", "api-token", "typo", "service-url"}


def test_plain_http_is_fine_on_this_machine_and_where_it_is_allowed() -> None:
    for url in ("http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"):
        assert check({"service-url": url})[1] == []
    assert check({"service-url": "http://dist.example.com", "allow-http": "true"})[1] == []


def test_an_input_that_the_operation_does_not_use_is_reported_ignored() -> None:
    values, problems, ignored = check({"project": "demo", "operation": "create-build", "artifacts": None})

    assert (problems, ignored) == ([], ["project"])
    assert values.project == "demo"


def test_a_default_that_a_manifest_passes_gets_no_notice() -> None:
    _, problems, ignored = check(
        {"reattach": "auto", "timeout": "3600", "wait": "false", "build-type": "INSTRUMENTED_APK"}
    )

    assert (problems, ignored) == ([], ["build-type"])


AFTERWARDS = {"service": "bitrise", "operation": "cleanup", "api-token": "t"}


@pytest.mark.parametrize(
    "of_another_run",
    [
        {"workflow": "release", "wait": "true", "environment": "A=b", "output-directory": "apks"},
        {"timeout": "soon", "priority": "9", "reattach": "sometimes", "environment": "no value"},
        {"workflow": "a", "pipeline": "b", "csk-file": "/nowhere"},
    ],
)
def test_cleanup_passes_over_the_inputs_of_the_run_before(of_another_run: dict[str, str]) -> None:
    values, problems, ignored = inputs.check({**AFTERWARDS, **of_another_run})

    assert (problems, ignored) == ([], [])
    assert values.api_token == "t"


@pytest.mark.parametrize("wrong", [{"ap-id": "a"}, {"app_id": "a"}, {"ca-bundle": "/nowhere"}, {"verbose": "perhaps"}])
def test_cleanup_refuses_what_is_wrong_with_its_own_inputs(wrong: dict[str, str]) -> None:
    _, problems, _ = inputs.check({**AFTERWARDS, "timeout": "soon", **wrong})

    assert [problem.name for problem in problems] == [*wrong]


def test_secrets_of_the_run_before_are_still_known_as_secrets() -> None:
    values, _, _ = inputs.check({**AFTERWARDS, "secrets": "KEY=hidden"})

    assert values.secrets == ("KEY=hidden",)


def test_a_service_with_one_address_needs_no_service_url() -> None:
    values, problems, _ = inputs.check(
        {"service": "product-science", "api-token": "t", "project": "p", "artifacts": "a"}
    )

    assert problems == []
    assert values.service_url == "https://productscience.app"


def test_problems_are_reported_in_the_hosts_spelling() -> None:
    _, problems, _ = inputs.check({"phase-id": "x"})

    said = [spelled(str(each), lambda name: f"PLUGIN_{name.upper().replace('-', '_')}") for each in problems]
    assert "PLUGIN_PHASE_ID: 'x' is not a whole number" in said


@pytest.mark.parametrize("secret", [name for name, field in inputs.inputs().items() if field.secret])
def test_a_bad_secret_is_reported_without_its_value(secret: str) -> None:
    for value in ("hidden word", "hidden\nword", "hidd\u00e9n"):
        problems = check({secret: value})[1]
        assert "hidd" not in " ".join(problems)


@given(st.dictionaries(st.sampled_from(list(inputs.inputs())), st.text(max_size=30)))
def test_any_text_is_checked_without_a_crash(raw: dict[str, str]) -> None:
    _, problems, _ = inputs.check(raw)

    assert all(problem.name and problem.text for problem in problems)


def test_each_operation_lists_only_inputs_that_exist() -> None:
    for service, operations in inputs.services().items():
        for operation in operations:
            assert inputs.used_by(service, operation) <= set(inputs.inputs())
            assert inputs.required_by(service, operation) <= inputs.used_by(service, operation) | {"service-url"}


def test_files_named_by_inputs_must_be_readable(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")

    assert check({"ca-bundle": str(tmp_path / "ca.pem")})[1] == []
    assert check({"ca-bundle": str(tmp_path)})[1] == [f"ca-bundle: cannot read {str(tmp_path)!r}: Is a directory"]
