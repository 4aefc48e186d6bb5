"""Each input: where it came from, what its line shows, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugin.doctor import ci, given
from plugin.doctor.setup import setup_of
from plugin.hosts import HOSTS, inputs_from
from tests.unit.doctor.around import surroundings


def lines(raw: dict[str, Any], environment: dict[str, str] | None = None, host: str = "plain") -> list[str]:
    around = surroundings(Path(), environment, host)
    passed = inputs_from(around.host, around.environment).read(around.environment)
    return [str(each) for each in given.check(setup_of(raw, around, (passed, "")))]


@pytest.mark.parametrize(
    ("host", "environment", "origin"),
    [
        ("plain", {"PLUGIN_APP_ID": "a1"}, "PLUGIN_APP_ID"),
        ("github", {"PLUGIN_HOST": "github", "INPUT_APP_ID": "a1"}, "INPUT_APP_ID"),
        ("github", {"PLUGIN_APP_ID": "a1", "INPUT_APP_ID": "a1"}, "PLUGIN_APP_ID"),
        ("bitrise", {"PLUGIN_HOST": "bitrise", "app_id": "a1"}, "app_id"),
        ("plain", {"PLUGIN_APP_ID": "another"}, "the command line"),
        (
            "buildkite",
            {"PLUGIN_HOST": "buildkite", "BUILDKITE_PLUGIN_CONFIGURATION": '{"app-id": "a1"}'},
            "the configuration of buildkite",
        ),
    ],
)
def test_an_input_says_where_it_came_from(host: str, environment: dict[str, str], origin: str) -> None:
    found = lines({"service": "bitrise", "app-id": "a1"}, environment, host)
    assert f"ok       input: §app-id§: a1, from {origin}" in found


SECRET = "s3cret-token"


@pytest.mark.parametrize(
    ("host", "environment", "name", "origin"),
    [
        ("gitlab", {"PLUGIN_API_TOKEN_VARIABLE": "DIST", "DIST": SECRET}, "api-token", "DIST"),
        (
            "gitlab",
            {"PLUGIN_SECRETS_VARIABLES": '["A", "B"]', "A": "1", "B": "2"},
            "secrets",
            "PLUGIN_SECRETS_VARIABLES",
        ),
        ("gitlab", {"PLUGIN_ARTIFACTS": ' ["a", "b"]'}, "artifacts", "PLUGIN_ARTIFACTS"),
        ("woodpecker", {"PLUGIN_ARTIFACTS": "a,b"}, "artifacts", "PLUGIN_ARTIFACTS"),
        (
            "buildkite",
            {"BUILDKITE_PLUGIN_CONFIGURATION": '{"api-token-env": "DIST"}', "DIST": SECRET},
            "api-token",
            "DIST",
        ),
    ],
)
def test_an_input_by_another_name_says_what_holds_it(
    host: str, environment: dict[str, str], name: str, origin: str
) -> None:
    env = {"PLUGIN_HOST": host, **environment}
    raw = HOSTS[host].read(env)
    (found,) = [each for each in lines({"service": "bitrise", **raw}, env, host) if f"input: §{name}§: " in each]
    assert f", from {origin}" in found
    assert SECRET not in found


def test_a_value_where_a_name_belongs_is_not_shown() -> None:
    env = {"PLUGIN_API_TOKEN_VARIABLE": "s3cret-token"}
    assert HOSTS["gitlab"].carrier("api-token", env) == ""
    assert HOSTS["gitlab"].carrier("api-token", {"PLUGIN_API_TOKEN_VARIABLE": "DIST"}) == "DIST"


def test_lists_and_long_values_are_cut() -> None:
    raw = {"service": "app-distribution", "artifacts": "a\nb\n\nc\nd\n", "name": "x" * 90}
    found = "\n".join(lines(raw))
    assert "§artifacts§: a, b, c and 1 more, from" in found
    assert f"§name§: {'x' * 80}…, from" in found


def test_of_variables_only_the_number_is_shown() -> None:
    raw = {"service": "bitrise", "secrets": '["A=s3cret", "B=m0re"]', "environment": "C=d"}
    found = "\n".join(lines(raw))
    assert "§secrets§: 2 variables, from" in found
    assert "§environment§: 1 variable, from" in found
    assert not [each for each in ("s3cret", "m0re") if each in found]


KEY = f"-----BEGIN PRIVATE KEY-----\n{'MIIEvQIBADAN+g/k' * 4}\nAgEAAoIB{'x7' * 10}==\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("name", ["secrets", "environment"])
def test_of_a_private_key_no_line_is_quoted(name: str) -> None:
    found = "\n".join(lines({"service": "bitrise", name: KEY}))
    assert found.count(f"problem  input: §{name}§: item ") >= 2
    assert not [each for each in ("MII", "AgEA", "PRIVATE") if each in found]


def test_variables_are_judged_as_a_delivery_judges_them() -> None:
    raw = {"service": "bitrise", "operation": "create-build", "secrets": "MY-KEY=abc", "environment": "MY.KEY=abc"}
    found = "\n".join(lines(raw))
    assert "problem  input: §secrets§: item 1: what it begins with is not a variable's name" in found
    assert "problem  input: §environment§: item 1: 'MY.KEY' is not a variable's name" in found
    twice = "\n".join(lines({"service": "bitrise", "secrets": "A=1\nUNSET", "environment": "A=2"}))
    assert "problem  input: §secrets§: A is in §environment§ too, which shows it" in twice
    unset = "\n".join(lines({"service": "bitrise", "secrets": "A=1\nUNSET"}))
    assert "warn     input: §secrets§: item 2 is a name alone, but this job has no variable of that name" in unset
    assert "problem  input: §secrets§" not in unset
    other = "\n".join(lines({"service": "bitrise", "operation": "whoami", "secrets": "MY-KEY=abc"}))
    assert "item 1" not in other


@pytest.mark.parametrize("place", range(60, 90, 7))
def test_a_value_is_redacted_before_it_is_cut(place: int) -> None:
    token = "github_pat_" + "Ab1" * 30
    around = surroundings(Path())
    around.log.mask(token)
    texts = {"repository": f"https://x-access-token:{token}@example.com/a.git", "name": f"{'x' * place}{token}"}
    for name, text in texts.items():
        setup = setup_of({"service": "phonegap-build", name: text}, around)
        assert token[:10] not in "\n".join(map(str, given.check(setup)))
    setup = setup_of({"service": "phonegap-build", "repository": texts["repository"]}, surroundings(Path()))
    assert token[:10] not in "\n".join(map(str, given.check(setup)))


def test_defaults_that_a_manifest_passes_are_in_one_line() -> None:
    found = lines({"service": "app-distribution", "parallel": "4", "timeout": "3600"}, {"PLUGIN_PARALLEL": "4"})
    assert not [each for each in found if "input: §parallel§" in each or "input: §timeout§" in each]
    assert len([each for each in found if each.startswith("ok       defaults: ") and "§parallel§ 4" in each]) == 1


def test_an_input_that_the_operation_does_not_use_is_a_warning() -> None:
    raw = {"service": "bitrise", "operation": "list-apps", "api-token": "t0ken", "workflow": "w", "limit": "3"}
    found = lines(raw)
    assert "warn     input: §workflow§: w, from the command line; bitrise list-apps does not use it" in found
    assert "ok       input: §limit§: 3, from the command line" in found


def test_unknown_inputs_and_services_are_problems() -> None:
    found = "\n".join(lines({"service": "bitrize", "workflo": "w"}))
    assert "problem  input: §service§: bitrize, from the command line" not in found
    assert "problem  input: §service§: 'bitrize' is not one of " in found
    assert "problem  input: §workflo§: this input does not exist; did you mean §workflow§?" in found


def test_operations_are_grouped_by_what_they_lack() -> None:
    found = lines({"service": "app-distribution", "service-url": "https://d.example", "api-token": "t0ken"})
    said = [each for each in found if "operations: " in each]
    assert len(said) == 4
    assert said[0] == ("problem  operations: the inputs are complete for none of them; set what one of them would need")
    assert "ok       operations: create-build: would need §phase-id§" in said
    assert [each for each in said if each.startswith("warn     operations: deliver: would need §phase-id§")]


def test_a_default_operation_that_lacks_something_is_a_warning() -> None:
    raw = {"service": "app-distribution", "service-url": "https://d.example", "api-token": "t0ken", "phase-id": "7"}
    said = [each for each in lines(raw) if "operations: " in each]
    assert said[0] == "ok       operations: the inputs are complete for create-build"
    assert "warn     operations: deliver: would need §artifacts§" in said
    assert not [each for each in lines({**raw, "artifacts": "a.txt"}) if each.startswith("warn     operations")]


@pytest.mark.parametrize("host", HOSTS)
def test_what_each_host_gives_names_its_variable(host: str) -> None:
    sha = "c" * 40
    names = {
        **dict.fromkeys(("GITHUB_SHA", "BITRISE_GIT_COMMIT", "BUILDKITE_COMMIT", "BUILD_SOURCEVERSION"), sha),
        **dict.fromkeys(("CI_COMMIT_SHA", "GIT_COMMIT"), sha),
    }
    setup = setup_of({}, surroundings(Path("/"), {"PLUGIN_HOST": host, **names}, host))
    (source,) = [each.said for each in ci.check(setup) if each.name == "source"]
    if host == "plain":
        assert source.startswith("nothing is known")
    else:
        assert source.startswith(f"commit {sha} (")
        assert source.split("(")[1].split(")")[0] in names


def test_an_input_wins_over_the_host_and_says_so() -> None:
    environment = {"GITHUB_SHA": "d" * 40, "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch"}
    setup = setup_of({"commit": "e" * 40}, surroundings(Path("/"), environment, "github"))
    (source,) = [each.said for each in ci.check(setup) if each.name == "source"]
    assert source == f"commit {'e' * 40} (§commit§), branch main (GITHUB_REF_NAME)"


def test_a_manifest_for_another_host_is_a_warning() -> None:
    environment = {"PLUGIN_HOST": "jenkins", "TF_BUILD": "True"}
    found = list(ci.check(setup_of({}, surroundings(Path("/"), environment, "jenkins"))))
    assert "PLUGIN_HOST says jenkins, but TF_BUILD shows azure" in [each.said for each in found if each.state == "warn"]
