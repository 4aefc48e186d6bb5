"""Reading the CI job's variables: inputs under a prefix, and the first of several names with a usable value."""

from __future__ import annotations

import re
from collections.abc import Iterable

from plugin import inputs
from plugin.hosts.host import Env
from plugin.hosts.spelling import upper

OUTPUT_PREFIX = "BUILDFERRY"  # of the outputs' variables, where these belong to more than one step
# Variables that are not inputs: of ours, and what Harness sets for its own plugins.
OWN = frozenset({"PLUGIN_HOST", "PLUGIN_OUTPUT_FILE", "PLUGIN_ARTIFACT_FILE", "PLUGIN_METADATA_FILE"}) | {
    f"PLUGIN_{name}_FILE" for name in ("BUILD_TOOL", "CACHE_METRICS", "CACHE_INTEL_METRICS")
}
# Bytes of KEY=VALUE. With a variable of 128 KiB or more Linux cannot start programs: the next step fails.
LARGEST_VARIABLE = 120_000


def prefixed(prefix: str, env: Env) -> dict[str, str]:
    """The inputs in variables such as PLUGIN_API_TOKEN; INPUT_API-TOKEN counts too."""
    names = {upper(name): name for name in inputs.inputs()}
    found: dict[str, str] = {}
    for variable, value in env.items():
        if variable.startswith(prefix) and variable not in OWN and value.strip():
            key = variable.removeprefix(prefix)
            found[names.get(key.replace("-", "_"), key.replace("_", "-").lower())] = value
    return found


def declared(prefix: str, env: Env) -> dict[str, str]:
    """Only the inputs among these: another variable with the prefix is the job's own."""
    return {name: value for name, value in prefixed(prefix, env).items() if name in inputs.inputs()}


def output_prefix(given: str) -> str:
    """The prefix of the outputs' names; an invalid one is reported under the default one."""
    pattern = inputs.schema()["properties"]["output-prefix"]["pattern"]
    return given.strip() if re.fullmatch(pattern, given.strip()) else OUTPUT_PREFIX


def first(env: Env, names: Iterable[str]) -> str | None:
    """The first variable with a usable value; "false" and "HEAD" do not count (Travis, Buildkite)."""
    values = (env.get(name, "").strip() for name in names)
    return next((value for value in values if value not in ("", "false", "HEAD")), None)


def number(text: object) -> int | None:
    """The number at the end: some systems give the pull request's link."""
    found = re.search(r"(?:^|/)(\d{1,18})$", str(text or ""))
    return int(found[1]) if found else None
