"""Buildkite: the plugin's configuration as JSON, outputs as meta-data of the build, through buildkite-agent.

Meta-data belongs to the whole build, can only be replaced, and is never empty. Names, limits and what the agent's
commands read are from its source: agent/plugin/plugin.go, clicommand/, jobapi/client.go.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin import inputs
from plugin.hosts import children, configuration
from plugin.hosts.host import OUTPUT_FILE, Env, Host, publish_file
from plugin.hosts.spelling import text_of, upper
from plugin.hosts.variables import declared, first, number
from plugin.inputs import Unusable
from plugin.log import Dialect, Log
from plugin.source import Source

if TYPE_CHECKING:
    from plugin.hosts.report import Report

NAME = "buildkite"
AGENT = "buildkite-agent"
PREFIX = "buildferry"
REPOSITORY = "BUILDFERRY"  # as BUILDKITE_PLUGIN_NAME has it, which in a fork may be another
FROM_META_DATA = "from-meta-data"  # in the configuration: a map from inputs to the keys that earlier steps have set
CONFIGURATION = "BUILDKITE_PLUGIN_CONFIGURATION"
NONE = "-"  # meta-data that an earlier use has set, and this one has not
LARGEST_VALUE = 100_000  # bytes of one value; source: buildkite.com/docs, "Using build meta-data"
LONGEST_CONTEXT = 100  # characters; source: the help of `buildkite-agent annotate`
META_DATA_TIMEOUT = 20.0  # seconds, to read one key
ANNOTATION_TIMEOUT, REDACTION_TIMEOUT = 5.0, 5.0  # seconds; a cancelled job has 10 in all
STYLES = {"succeeded": "success", "failed": "error", "aborted": "warning", "unknown": "warning"}
AGENT_NEEDS = r"""
BUILDKITE_(AGENT_(ACCESS_TOKEN|ENDPOINT|JOB_API_(SOCKET|TOKEN))|JOB_ID|NO_HTTP2)
|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)
"""
LONGEST_REASON = 500  # characters of what the agent says
COMMAND = (
    "a step with this plugin does not run its command: move the command to a step of its own, and its files here as "
    "artifacts"
)
NO_CONFIGURATION = (
    "the agent has passed none on, as it does when an input has no value: write a value, or remove the input's line"
)


def read(env: Env) -> dict[str, str]:
    """Read the plugin's configuration."""
    refused: dict[str, str] = {"command": Unusable(COMMAND)} if env.get("BUILDKITE_COMMAND", "").strip() else {}
    try:
        given = dict(_configuration(env))
    except ValueError:
        return refused | {"configuration": Unusable(NO_CONFIGURATION)}
    wanted = given.pop(FROM_META_DATA, {})
    found = refused | configuration.texts(given, env)
    if not isinstance(wanted, dict):
        return found | {FROM_META_DATA: Unusable("takes a map, from inputs' names to keys of meta-data")}
    return found | {name: _from_meta_data(name, key, found, env) for name, key in wanted.items()}


def carrier(name: str, env: Env) -> str:
    """Return the variable that holds a secret input, or the meta-data that holds another one; empty for any other."""
    try:
        given = _configuration(env)
    except ValueError:
        return ""
    wanted, variable = given.get(FROM_META_DATA), given.get(configuration.by_name(name))
    if isinstance(wanted, dict) and name in wanted:
        return f"the meta-data {wanted[name]!r}"
    return variable if configuration.by_name(name) != name and isinstance(variable, str) and variable in env else ""


def _variable(repository: str) -> str:
    """What the agent's variables for one plugin begin with."""
    return f"BUILDKITE_PLUGIN_{repository}_"


def _from_meta_data(name: str, key: Any, found: Mapping[str, str], env: Env) -> str:
    """Return the input that an earlier step has left as meta-data, as this plugin's outputs are."""
    if name not in inputs.inputs():
        return ""
    if inputs.inputs()[name].secret:
        return Unusable("is a secret: meta-data is shown with the build, so name a variable instead")
    if name in found:
        return Unusable(f"is given twice: remove it, or its line below {FROM_META_DATA}")
    try:
        text = _agent(["meta-data", "get", str(key)], env, META_DATA_TIMEOUT).removesuffix("\n")
    except OSError as error:
        return Unusable(f"the meta-data {key!r} cannot be read: {error}; let this step depend on the one that sets it")
    return text if text != NONE else Unusable(f"the step that sets the meta-data {key!r} had no such output")


def _configuration(env: Env) -> Mapping[str, Any]:
    """Return what the pipeline gives: the JSON, whose keys and items are exact, else the agent's single variables.

    Raises ValueError if there is neither.
    """
    found = env.get(CONFIGURATION) or ""
    single = _variable(env.get("BUILDKITE_PLUGIN_NAME") or REPOSITORY)
    return configuration.parse(found) if found else _needed(declared(single, env))


def _needed(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if not given:
        raise ValueError("no configuration")
    return given


def begin(env: Env, log: Log, patience: float) -> None:
    """Report secrets that the pipeline shows, and replace the outputs of an earlier use in this build."""
    for name in _shown_secrets(env):
        log.warning(f"{name} is written out in the pipeline, where everyone can read it: use {name}-env instead")
    if not _program(env):
        log.notice(f"{AGENT} is not on PATH: later steps get no outputs; they are written to this log")
        return
    known = _agent(["meta-data", "keys"], env, patience).splitlines()
    stale = [key for key in (f"{_prefix(env)}-{name}" for name in inputs.outputs()) if key in known]
    if stale and env.get("BUILDKITE_RETRY_COUNT", "0") in ("", "0"):
        log.notice(f"{stale[0]} and other outputs of an earlier step are replaced: set §output-prefix§ to keep both")
    for key in stale:
        _agent(["meta-data", "set", key], env, patience, NONE)


def _shown_secrets(env: Env) -> list[str]:
    try:
        return list(configuration.written_out(_configuration(env)) if env.get("PLUGIN_HOST") == NAME else ())
    except ValueError:
        return []


def _prefix(env: Env) -> str:
    """The prefix of the outputs' names; an invalid one is reported under the default one."""
    try:
        settings = _configuration(env) if env.get("PLUGIN_HOST") == NAME else declared("PLUGIN_", env)
    except ValueError:
        settings = {}
    given = str(settings.get("output-prefix", "")).strip()
    return given if re.fullmatch(inputs.schema()["properties"]["output-prefix"]["pattern"], given) else PREFIX


def publish(outputs: Mapping[str, Any], all_: Mapping[str, Any], env: Env, log: Log, patience: float) -> None:
    """Set each output as meta-data of the build; without the agent write it to the log. Raises TimeoutError."""
    try:
        publish_file(outputs, all_, env, log, patience)
    finally:
        _set_each(outputs, env, log, patience)


def _set_each(outputs: Mapping[str, Any], env: Env, log: Log, patience: float) -> None:
    for name, value in outputs.items():
        key, text = f"{_prefix(env)}-{name}", text_of(value)
        size = len(text.encode())
        if not _program(env):
            log.line(f"{key}={text}")
        elif size > LARGEST_VALUE:
            log.notice(f"{key} is not set: it has {size:,} bytes, and meta-data takes {LARGEST_VALUE:,}")
        elif text.strip():
            _set(key, text, env, log, patience)


def _set(key: str, text: str, env: Env, log: Log, patience: float) -> None:
    try:
        _agent(["meta-data", "set", key], env, patience, text)
    except TimeoutError:  # the next would take as long
        raise
    except OSError as error:
        log.warning(f"{AGENT} did not accept {key}: {error}")


def summarize(markdown: str, report: Report, env: Env) -> None:
    """Annotate the build; a retry of the step replaces its annotation. Raises OSError."""
    if _program(env):
        step = (env.get(name, "") for name in ("BUILDKITE_STEP_ID", "BUILDKITE_PARALLEL_JOB"))
        context = "-".join(filter(None, (_prefix(env), report.operation, *step)))[-LONGEST_CONTEXT:]
        style = STYLES.get(report.state, "info")
        _agent(["annotate", "--style", style, "--context", context], env, ANNOTATION_TIMEOUT, markdown)


def hide(secret: str, env: Env) -> None:
    """Have the agent hide a secret in all that this job prints. Raises OSError."""
    if _program(env):
        _agent(["redactor", "add"], env, REDACTION_TIMEOUT, secret)


def _agent(arguments: list[str], env: Env, timeout: float, given: str = "") -> str:
    """Run the agent's program, `given` on its standard input; return what it prints. Raises OSError."""
    command = [_program(env) or AGENT, *arguments]
    done = children.run(command, env, AGENT_NEEDS, timeout, given.encode("utf-8", "replace"))
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise OSError(f"{AGENT} {' '.join(arguments[:2])}: {said[:LONGEST_REASON]}")
    return done.stdout.decode("utf-8", "replace")


def _program(env: Env) -> str | None:
    return shutil.which(AGENT, path=env.get("PATH", ""))


def from_buildkite(env: Env, _folder: Path) -> Source:
    """Read Buildkite's variables. Its commit may be the word HEAD; a fork's branch may stand after its owner.

    The link is the build's and not the job's, which has another one in each attempt: a rerun is recognized by it.
    """
    tag = first(env, ("BUILDKITE_TAG",))
    branch = first(env, ("BUILDKITE_BRANCH",)) or ""
    return Source(
        commit=first(env, ("BUILDKITE_COMMIT",)),
        branch=None if tag else branch.rpartition(":")[2] or None,
        tag=tag,
        pull_request_id=number(first(env, ("BUILDKITE_PULL_REQUEST",))),
        target_branch=first(env, ("BUILDKITE_PULL_REQUEST_BASE_BRANCH",)),
        head_repository_url=first(env, ("BUILDKITE_PULL_REQUEST_REPO",)),
        repository_url=first(env, ("BUILDKITE_REPO",)),
        run_url=first(env, ("BUILDKITE_BUILD_URL",)),
        ci_workflow=first(env, ("BUILDKITE_PIPELINE_SLUG",)),
    )


HOST = Host(
    name=NAME,
    spell=configuration.by_name,
    variable=lambda name: f"{_variable(REPOSITORY)}{upper(name)}",
    read=read,
    begin=begin,
    publish=publish,
    output_file=OUTPUT_FILE,
    summarize=summarize,
    find_source=from_buildkite,
    hide=hide,
    carrier=carrier,
    dialect=Dialect(error=lambda text: f"^^^ +++\n\x1b[31merror: {text}\x1b[0m", is_live=False),
    job=("BUILDKITE_JOB_ID",),
    rerun=("BUILDKITE_STEP_ID", "BUILDKITE_PARALLEL_JOB"),
    scratch=("${BUILDKITE_BUILD_CHECKOUT_PATH}.tmp",),
    step=("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_STEP_KEY", "BUILDKITE_LABEL", "BUILDKITE_PARALLEL_JOB"),
)
