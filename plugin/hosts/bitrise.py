"""The Bitrise CLI: inputs as variables of their own names, outputs through envman.

Variables belong to the whole workflow: the outputs of one use of the step are in the environment of the next.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugin import inputs
from plugin.hosts import children
from plugin.hosts.host import Env, Host
from plugin.hosts.spelling import own_variable, text_of, upper
from plugin.hosts.variables import LARGEST_VARIABLE, first, number, output_prefix
from plugin.log import Dialect, Log
from plugin.source import Source

if TYPE_CHECKING:
    from plugin.hosts.report import Report

UNSET = "unset"  # what step.yml gives an input with a list of values and no default: the StepLib refuses an empty one
SMALL = 4096  # bytes; if envman refuses less than this, size is not the reason
ANNOTATION_TIMEOUT = 20.0  # seconds
STYLES = {"failed": "error", "aborted": "warning", "unknown": "warning"}  # of an annotation, by the state
LIKENESS = 0.8  # of a variable's name to an input's, to suggest the input
ENVMAN_NEEDS = "ENVMAN_ENVSTORE_PATH"
# Source: service/ of bitrise-io/bitrise-plugins-annotations; with these prefixes there are secrets of the job too.
PLUGIN_NEEDS = r"""
CI|BITRISE_(BUILD|APP)_SLUG|BITRISEIO_(BUILD_ANNOTATIONS_SERVICE_URL|BITRISE_SERVICES_ACCESS_TOKEN)
|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)
"""


def begin(env: Env, log: Log, patience: float) -> None:
    """Empty the outputs of an earlier use of this step, and report variables that look like mistyped inputs."""
    prefix = _prefix(env)
    for name in inputs.outputs():
        if env.get(f"{prefix}_{upper(name)}") and _program("envman", env):
            _add(f"{prefix}_{upper(name)}", "", env, log, patience)
    for variable, meant in _mistyped(env) if env.get("PLUGIN_HOST") else ():
        log.notice(f"{variable} is not an input of this step; did you mean {meant}?")


def _mistyped(env: Env) -> Iterator[tuple[str, str]]:
    """Variables in lower case, as only inputs are, whose name is almost an input's."""
    import difflib  # here: no other host needs it

    names = [field.attribute for field in inputs.inputs().values()]
    for variable, value in env.items():
        is_like_one = value.strip() and variable not in names and re.fullmatch("[a-z_]{4,}", variable)
        if is_like_one and (near := difflib.get_close_matches(variable, names, n=1, cutoff=LIKENESS)):
            yield variable, near[0]


def _read(env: Env) -> dict[str, str]:
    given = {name: env.get(inputs.attribute(name), "") for name in inputs.inputs()}
    return {name: text for name, text in given.items() if text.strip() and not _is_unset(name, text)}


def _is_unset(name: str, text: str) -> bool:
    return text.strip().lower() == UNSET and may_be_unset(inputs.inputs()[name])


def may_be_unset(field: inputs.Field) -> bool:
    """Return whether UNSET means that no value was given: the input has a list of values, and no default among them."""
    return field.default is None and (field.kind == "boolean" or bool(field.choices))


def _prefix(env: Env) -> str:
    return output_prefix(env.get("output_prefix" if env.get("PLUGIN_HOST") else own_variable("output-prefix"), ""))


def publish(outputs: Mapping[str, Any], _all: Mapping[str, Any], env: Env, log: Log, patience: float) -> None:
    """Pass each output to envman; without envman (outside of Bitrise) write them to the log."""
    for name, value in outputs.items():
        key, text = f"{_prefix(env)}_{upper(name)}", text_of(value)
        if not _program("envman", env):
            log.line(f"{key}={text}")
        elif len(f"{key}={text}".encode()) > LARGEST_VARIABLE:
            _add_file(key, text, env, log, patience)
        elif text and not _add(key, text, env, log, patience) and len(text.encode()) > SMALL:
            _add_file(key, text, env, log, patience)  # envman stores 256 KB in all


def _add_file(key: str, text: str, env: Env, log: Log, patience: float) -> None:
    """Pass the path of a file with the value."""
    told = f"{key} is too large for a variable ({len(text.encode())} bytes)"
    try:
        with tempfile.NamedTemporaryFile("w", prefix=f"{key}-", delete=False, encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        log.notice(f"{told}, and is not set, as no file can be written: {error}")
        return
    log.notice(f"{told}: it is the path of a file with the value")
    _add(key, file.name, env, log, patience)


def _add(key: str, text: str, env: Env, log: Log, patience: float) -> bool:
    """Pass one variable to envman, its value on standard input; return whether it was accepted."""
    command = [_program("envman", env) or "envman", "add", "--key", key, "--no-expand"]
    command += [] if text else ["--value", ""]
    try:
        done = children.run(command, env, ENVMAN_NEEDS, patience, text.encode())
    except OSError as error:
        log.warning(f"envman did not accept {key}: {error}")
        return False
    if done.returncode:
        log.warning(f"envman did not accept {key}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return not done.returncode


def _program(name: str, env: Env) -> str | None:
    return shutil.which(name, path=env.get("PATH", ""))


def summarize(markdown: str, report: Report, env: Env) -> None:
    """Annotate the build, if this is one and the annotations plugin is installed.

    The plugin reads standard input unless that is a terminal or a device; it replaces what has the same context.
    """
    if env.get("BITRISE_BUILD_SLUG") and (bitrise := _program("bitrise", env)):
        context = f"{_prefix(env)}-{report.operation}".lower()
        style = STYLES.get(report.state, "default")
        command = [bitrise, ":annotations", "annotate", "--style", style, "--context", context]
        children.run(command, env, f"{ENVMAN_NEEDS}|{PLUGIN_NEEDS}", ANNOTATION_TIMEOUT, markdown.encode())


def from_bitrise(env: Env, _folder: Path) -> Source:
    """Read the Bitrise CLI's variables; the trigger's commit is the author's, the cloned one may be a local merge."""
    return Source(
        commit=first(env, ("BITRISE_GIT_COMMIT", "GIT_CLONE_COMMIT_HASH")),
        branch=first(env, ("BITRISE_GIT_BRANCH",)),
        tag=first(env, ("BITRISE_GIT_TAG",)),
        pull_request_id=number(env.get("BITRISE_PULL_REQUEST")),
        target_branch=first(env, ("BITRISEIO_GIT_BRANCH_DEST",)),
        head_repository_url=first(env, ("BITRISEIO_PULL_REQUEST_REPOSITORY_URL",)),
        pull_request_head=first(env, ("BITRISEIO_PULL_REQUEST_HEAD_BRANCH",)),
        pull_request_merge=first(env, ("BITRISEIO_PULL_REQUEST_MERGE_BRANCH",)),
        repository_url=first(env, ("GIT_REPOSITORY_URL",)),
        run_url=first(env, ("BITRISE_BUILD_URL",)),
        ci_workflow=first(env, ("BITRISE_TRIGGERED_WORKFLOW_ID",)),
    )


HOST = Host(
    name="bitrise",
    spell=inputs.attribute,
    variable=inputs.attribute,
    read=_read,
    begin=begin,
    publish=publish,
    summarize=summarize,
    find_source=from_bitrise,
    prefilled=frozenset({"artifacts"}),
    dialect=Dialect(error=lambda text: f"\x1b[31;1m{text}\x1b[0m"),  # one block: the CLI keeps the last one only
    job=("BITRISE_BUILD_SLUG",),
    rerun=("BITRISE_STEP_EXECUTION_ID",),
    scratch=("$BITRISE_DEPLOY_DIR/..",),
    logs_to_stdout=True,
)
