"""What the schema says of operations and inputs, and what is made of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from plugin import cli, inputs
from plugin.inputs import fields
from scripts import tables
from scripts.hosts import bitrise, github, jenkins

OPERATIONS = [(service, name) for service, names in inputs.services().items() for name in names]
EDGES = cli.Edges(lambda *_: None, lambda *_: {}, lambda *_: None, dict, io.StringIO(), io.StringIO())


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The schema, to be changed for one test."""
    schema = json.loads(json.dumps(inputs.schema()))
    caches = (fields.inputs, fields.services, fields.field_of, fields.for_all, fields.used_by, fields.from_host)
    monkeypatch.setattr(fields, "schema", lambda: schema)
    for each in caches:
        each.cache_clear()
    yield schema
    monkeypatch.undo()
    for each in caches:
        each.cache_clear()


def _help(*arguments: str) -> str:
    """Help as one line, however wide the terminal is."""
    done = CliRunner().invoke(cli.command(EDGES), [*arguments, "--help"])
    assert done.exit_code == 0
    return " ".join(done.output.split())


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_help_of_an_operation_says_what_it_does(service: str, operation: str) -> None:
    sentence = inputs.services()[service][operation]
    assert f"Usage: buildferry {service} {operation} [OPTIONS] {sentence} Options:" in _help(service, operation)
    assert f" {operation} {sentence}" in _help(service).partition("Commands:")[2]


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_an_operation_is_described_in_one_sentence(service: str, operation: str) -> None:
    sentence = inputs.services()[service][operation]
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert len(sentence.split()) <= 25
    for manifest in (github.action(), bitrise.step()):
        assert f"\\n- {service} `{operation}`: {sentence}" in manifest
    assert f"\n- {service} `{operation}`: {sentence}" in jenkins.groovy_help()
    assert f"| `{operation}` | {sentence} |" in tables.part(service, Path())


def test_no_rule_describes_an_operation_that_is_not_there() -> None:
    described = {
        (row["if"]["properties"]["service"]["const"], row["if"]["properties"]["operation"]["const"])
        for row in inputs.schema()["allOf"]
        if {"operation", "service"} <= row["if"]["properties"].keys()
    }
    assert described == set(OPERATIONS)


@pytest.mark.parametrize("service", inputs.services())
def test_an_operation_of_every_service_takes_all_inputs_of_each(service: str) -> None:
    ((operation, sentence),) = inputs.for_every_service().items()
    own = [inputs.used_by(service, each) for each in inputs.services()[service]]
    assert inputs.used_by(service, operation) == frozenset().union(*own)
    refused = [each.text for each in inputs.check({"service": service, "operation": "doctr"})[1]]
    assert len([text for text in refused if text.endswith(f", {operation}; did you mean {operation}?")]) == 1
    for manifest in (github.action(), bitrise.step(), jenkins.groovy_help()):
        assert manifest.count(f"every service `{operation}`: {sentence}") == 1


@pytest.mark.parametrize(
    ("name", "service", "operation", "words"),
    [
        ("app-id", "bitrise", "status", "Slug of the app"),
        ("app-id", "phonegap-build", "status", "Number of the app"),
        ("build-id", "app-distribution", "upload", "Id of the build to attach"),
        ("branch", "bitrise", "list-builds", "List builds of this branch only"),
        ("branch", "bitrise", "create-build", "Branch that was built"),
    ],
)
def test_an_input_is_described_as_its_service_means_it(name: str, service: str, operation: str, words: str) -> None:
    assert inputs.field_of(name, service, operation).description.startswith(words)
    assert f"--{name} " in _help(service, operation)
    assert words in _help(service, operation)
    assert words in tables.part(service, Path())


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_help_offers_the_choices_that_are_accepted(service: str, operation: str) -> None:
    text = _help(service, operation)
    for name in sorted(inputs.used_by(service, operation) - {"service", "operation"}):
        choices = inputs.inputs()[name].choices
        accepted = [each for each in choices if _is_accepted(name, each, service, operation)]
        assert accepted == list(inputs.field_of(name, service, operation).choices)
        assert not choices or f"one of {', '.join(accepted)}" in text.partition(f"--{name} ")[2].partition(" --")[0]


def _is_accepted(name: str, value: str, service: str, operation: str) -> bool:
    _, problems, _ = inputs.check({"service": service, "operation": operation, name: value})
    return not any("is not one of" in each.text for each in problems)


def test_a_value_that_no_rule_accepts_is_one_problem() -> None:
    given = {"service": "bitrise-release-management", "operation": "list-apps", "api-token": "t", "workspace": "w"}
    _, problems, _ = inputs.check({**given, "platform": "blackbery"})
    assert [each.text for each in problems] == ["'blackbery' is not one of ios, android"]


@pytest.mark.parametrize("name", ["platform", "app-id", "artifact-id", "description", "app-version", "public-page"])
def test_an_input_of_several_services_is_described_for_all(name: str) -> None:
    said = inputs.inputs()[name].description
    assert not [word for word in ("Bitrise", "slug", "about the build", "List ", "of the signing key") if word in said]


@pytest.mark.parametrize("operation", ["upload", "deliver", "publish-artifact"])
def test_a_public_page_is_never_called_final(operation: str) -> None:
    said = inputs.field_of("public-page", "bitrise-release-management", operation).description
    assert "taken back" not in said


def test_documents_offer_the_choices_of_their_service() -> None:
    assert "blackberry" not in tables.part("bitrise-release-management", Path())
    assert "One of `ios`, `android`, `blackberry`." in tables.part("phonegap-build", Path())


def test_a_missing_input_is_explained_as_its_service_means_it() -> None:
    _, problems, _ = inputs.check({"service": "bitrise", "operation": "status", "api-token": "t", "build-id": "b"})
    assert [each.text for each in problems] == [
        "is required for bitrise status: Slug of the app: the last part of the address of its page."
    ]


def test_an_input_may_be_required_unless_the_ci_system_has_it(changed: Any) -> None:
    row = next(row for row in changed["allOf"] if row["then"].get("required") == ["phase-id"])
    row["then"]["properties"]["tag"] = True
    row["then"]["requiredUnlessFromHost"] = ["tag"]
    values, problems, _ = inputs.check(
        {"service": "app-distribution", "operation": "create-build", "api-token": "t", "phase-id": "7"}
        | {"service-url": "https://dist.example.com"}
    )

    assert problems == []
    assert inputs.missing(values, {"tag": "v1"}) == []
    (problem,) = inputs.missing(values, {"tag": None})
    assert (problem.name, "is required for app-distribution create-build" in problem.text) == ("tag", True)
    assert "Default: from the CI system. [required unless the CI system provides it]" in _help(
        "app-distribution", "create-build"
    )
    assert "; `tag` unless the CI system provides it | " in tables.part("app-distribution", Path())


def test_the_schema_marks_inputs_that_only_change_the_manner() -> None:
    manner = {name for name, field in inputs.inputs().items() if field.is_manner}
    assert manner == {
        *("parallel", "receipt", "on-doubt", "timeout", "poll-interval", "output-directory", "overwrite", "username"),
        *("reattach", "wait", "fail-fast", "abort-on-cancel", "log", "log-file", "app-check", "priority"),
    }


def test_values_are_frozen_and_never_show_a_secret() -> None:
    values, _, _ = inputs.check({"service": "bitrise", "api-token": "s3cret", "password": "s3cret"})
    assert "s3cret" not in repr(values)
    assert "s3cret" not in str(values.as_dict())
    with pytest.raises(AttributeError):
        values.service = "bitrise"  # type: ignore[misc] # frozen


def test_an_input_not_given_is_empty_and_not_in_the_record() -> None:
    values, _, _ = inputs.check({"service": "bitrise", "limit": "", "match": " ", "pull-request-id": "1"})
    assert (values.limit, values.match, values.branch, values.public_page) == (None, (), "", None)
    given = values.as_dict()
    assert given["pull-request-id"] == 1
    assert given["wait"] is False
    assert not {"limit", "match", "branch", "public-page"} & set(given)


def test_click_knows_each_list_as_an_option_that_may_repeat() -> None:
    group = cli.command(EDGES)
    assert isinstance(group, click.Group)
    run = group.get_command(click.Context(group), "run")
    assert run is not None
    repeated = {option.name for option in run.params if isinstance(option, click.Option) and option.multiple}
    assert repeated == {field.attribute for field in inputs.inputs().values() if field.is_list}
