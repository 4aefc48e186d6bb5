"""A shell, or any other CI system: inputs as PLUGIN_*, the result as JSON on standard output."""

from __future__ import annotations

from pathlib import Path

from plugin import hosts
from plugin.hosts.host import OUTPUT_FILE, Env, Host, no_summary, publish_file
from plugin.hosts.spelling import own_variable
from plugin.hosts.systems import SYSTEMS, source_of
from plugin.hosts.variables import prefixed
from plugin.source import Source

# What distinguishes the jobs of one run on CircleCI, Travis, Bitbucket and Xcode Cloud.
RERUN = (
    *("CIRCLE_NODE_INDEX", "TRAVIS_JOB_NUMBER", "BITBUCKET_PARALLEL_STEP"),
    *("CI_XCODEBUILD_ACTION", "CI_PRODUCT_PLATFORM"),
)


def from_any(env: Env, folder: Path) -> Source:
    """Read the variables of the CI system that is detected; none on a developer's machine."""
    name = hosts.name_of(env)
    if name != hosts.PLAIN:
        return hosts.HOSTS[name].find_source(env, folder)
    names = next((names for variable, names in SYSTEMS.items() if env.get(variable)), None)
    return source_of(names, env) if names else Source()


HOST = Host(
    name=hosts.PLAIN,
    spell=own_variable,
    variable=own_variable,
    read=lambda env: prefixed("PLUGIN_", env),
    publish=publish_file,
    output_file=OUTPUT_FILE,
    summarize=no_summary,
    find_source=from_any,
    rerun=RERUN,
)
