"""Each input: where it came from, what its line shows, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugin.doctor import ci, given
from plugin.doctor.setup import setup_of
from plugin.hosts import HOSTS
from tests.unit.doctor.around import surroundings


def lines(raw: dict[str, Any], environment: dict[str, str] | None = None, host: str = "plain") -> list[str]:
    return [str(each) for each in given.check(setup_of(raw, surroundings(Path(), environment, host)))]


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
    said = [each.partition(": ")[2] for each in found if "operations: " in each]
    assert (len(said), said[0]) == (4, "the inputs are complete for none of them")
    assert set(said) > {"create-build: would need §phase-id§"}


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
