"""GitLab CI: inputs as PLUGIN_*, secrets by the names of CI/CD variables, outputs in reports of the job.

A later job gets variables from the dotenv report, which takes only simple values; the output file has all of them.
The components in templates/ set the variables that name these files.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

from plugin import inputs
from plugin.errors import InputError
from plugin.files.whole import write_whole
from plugin.hosts.host import OUTPUT_FILE, Env, Host, publish_file
from plugin.hosts.report import Report
from plugin.hosts.spelling import own_variable, text_of, upper
from plugin.hosts.systems import Names, source_of
from plugin.hosts.variables import declared, output_prefix
from plugin.inputs import Field
from plugin.log import Dialect, Log
from plugin.source import Source

DOTENV_FILE, ANNOTATIONS_FILE = "BUILDFERRY_DOTENV_FILE", "BUILDFERRY_ANNOTATIONS_FILE"
# What GitLab accepts in a dotenv report: less than 5 KB in all, and 20 variables where nobody has raised the limit.
LARGEST_REPORT, MOST_VARIABLES = 5 * 1024 - 1, 20  # bytes
NEVER_SIMPLE = ("result", "error")  # outputs that nobody expects there: JSON, a sentence
# A reference in a value is expanded in the later job, maybe to a secret. `%C3%A9` is a part of an address.
_REFERENCE = re.compile(r"\$|%(?![0-9A-Fa-f]{2}%)[A-Za-z_]\w*%", re.ASCII)
_RUBY_ESCAPES = re.compile(r'\\([#e"\\bfnrt/]|u[0-9a-fA-F]{4})')
_RUBY_TOKENS = re.compile(r'"(?:\\.|[^"\\])*"|\bnil\b')  # a string, so that nil is found outside of one
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USUAL_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")  # else it may be a secret that somebody wrote there
NAMES = Names(
    "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA CI_COMMIT_SHA",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME CI_COMMIT_BRANCH",
    "CI_MERGE_REQUEST_IID",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CI_COMMIT_TAG",
    "CI_JOB_URL CI_PIPELINE_URL",
    "CI_PIPELINE_NAME CI_JOB_NAME",
)


def spell(name: str) -> str:
    """An input as the components have it: a secret by the name of a variable, or of several."""
    field = inputs.inputs().get(name)
    return name + _ending(field) if field and field.secret else name


def _ending(field: Field) -> str:
    return "-variables" if field.is_list else "-variable"


def naming_variable(field: Field) -> str:
    """The variable that names the variables with a secret: `PLUGIN_API_TOKEN_VARIABLE`."""
    return own_variable(field.name + _ending(field))


def unset_number(field: Field) -> int:
    """The number that stands for no value, because an input of the type number cannot be empty."""
    return int(inputs.schema()["properties"][field.name]["minimum"]) - 1


def default_text(field: Field) -> str:
    """An input's default as text; for one without a default, what stands for no value."""
    if field.default is None:
        return str(unset_number(field)) if field.kind == "integer" else ""
    return str(field.default).lower() if field.kind == "boolean" else str(field.default)


def read(env: Env) -> dict[str, str]:
    """Read the inputs. A component passes every one, so a default says nothing. Raises InputError."""
    known = inputs.inputs()
    found = {name: _listed(known[name], text) for name, text in declared("PLUGIN_", env).items()}
    found = {name: text for name, text in found.items() if text.strip() and text.strip() != default_text(known[name])}
    for field, names in _named(env):
        if field.is_list:  # each name alone passes that variable on
            found[field.name] = json.dumps(names)
        elif value := _value(names[0], env):
            found[field.name] = value
    return found


def _listed(field: Field, text: str) -> str:
    """A list's items by JSON: GitLab inserts an array into a text the way Ruby shows it."""
    if not field.is_list or not text.lstrip().startswith("["):
        return text
    try:
        as_json = _RUBY_TOKENS.sub(lambda found: "null" if found[0] == "nil" else found[0], text)
        items = json.loads(_RUBY_ESCAPES.sub(_json_escape, as_json))
    except (ValueError, RecursionError):
        return text  # a glob such as [ab].apk
    texts = [item if isinstance(item, str) else json.dumps(item) for item in items if item is not None]
    return json.dumps(texts) if texts else ""


def _json_escape(escape: re.Match[str]) -> str:
    return {"#": "#", "e": "\\u001b"}.get(escape[1], escape[0])


def _named(env: Env) -> Iterator[tuple[Field, list[str]]]:
    """The secret inputs that are given by the names of variables, and these names. Raises InputError."""
    for field in inputs.inputs().values():
        given = _listed(field, env.get(naming_variable(field), "").strip()) if field.secret else ""
        try:
            names = json.loads(given) if field.is_list and given.startswith("[") else given.split()
        except ValueError:
            names = [given]
        if not all(map(_VARIABLE_NAME.fullmatch, names)) or (len(names) > 1 and not field.is_list):
            raise InputError(f"{spell(field.name)}: write the name of a CI/CD variable, not its value")
        if names:
            yield field, names


def carrier(name: str, env: Env) -> str:
    """Return the variable that holds a secret input, or for a list the one that names them; empty for any other."""
    field = inputs.inputs().get(name)
    if not (field and field.secret):
        return ""
    naming = naming_variable(field)
    named = env.get(naming, "").strip()
    return named if _VARIABLE_NAME.fullmatch(named) else naming if named and field.is_list else ""


def _value(name: str, env: Env) -> str:
    text = env.get(name, "")
    return text if text.strip() else ""


def _unset(env: Env) -> dict[str, str]:
    """The variables that are named but not set, by the input; those of a list are reported where it is read."""
    named = ((field, name) for field, (name, *_) in _named(env) if not field.is_list and not _value(name, env))
    return {
        field.name: f"the variable {name}" if _USUAL_NAME.fullmatch(name) else f"the variable of {spell(field.name)}"
        for field, name in named
    }


def begin(env: Env, log: Log, _patience: float) -> None:
    """Remove the reports of an earlier job, and report an optional secret whose variable is not set."""
    for name in (DOTENV_FILE, ANNOTATIONS_FILE):
        if path := env.get(name):
            Path(path).unlink(missing_ok=True)
    required = inputs.required_by(*inputs.chosen(read(env)))
    for name, what in _unset(env).items():
        if name not in required:
            log.warning(f"§{name}§ has no effect: {what} is not set in this job")


def publish(new: Mapping[str, Any], outputs: Mapping[str, Any], env: Env, log: Log, patience: float) -> None:
    """Write all outputs to the output file, and those that fit to the dotenv report."""
    try:
        if not env.get(DOTENV_FILE):
            return
        prefix = output_prefix(env.get(own_variable("output-prefix"), ""))
        lines, left_out = dotenv(outputs, prefix)
        write_whole(Path(env[DOTENV_FILE]), "".join(f"{line}\n" for line in lines), private=False)
    finally:
        publish_file(new, outputs, env, log, patience)
    if names := [name for name in left_out if name in new and name not in NEVER_SIMPLE]:
        log.notice(
            f"later jobs get {', '.join(names)} from {env.get(OUTPUT_FILE) or 'the output file'} only: a dotenv report "
            "takes no space, line end, $ or %NAME% in a value, and less than 5 KB in all"
        )


def dotenv(outputs: Mapping[str, Any], prefix: str) -> tuple[list[str], list[str]]:
    """Return the lines of the report, and the outputs that do not fit; the status has the first place."""
    lines: list[str] = []
    left_out: list[str] = []
    size = 0
    for name in sorted(outputs, key=lambda name: ("status", *inputs.outputs()).index(name)):
        if not (value := text_of(outputs[name])):
            continue
        line = f"{prefix}_{upper(name)}={value}"
        size_then = size + len(line.encode()) + 1
        is_simple = not re.search(r"\s", value) and not _REFERENCE.search(value)
        if not is_simple or size_then > LARGEST_REPORT or len(lines) == MOST_VARIABLES:
            left_out.append(name)
        else:
            lines.append(line)
            size = size_then
    return lines, left_out


def summarize(_markdown: str, report: Report, env: Env) -> None:
    """Write the annotations report: GitLab shows its links on the job's page. Of Markdown it shows none there."""
    links = [
        {"external_link": {"label": link.text, "url": link.url}} for link in report.links if link.name != "run-url"
    ]
    if links and (path := env.get(ANNOTATIONS_FILE)):
        write_whole(Path(path), json.dumps({"buildferry": links}, indent=2) + "\n", private=False)


def from_gitlab(env: Env, _folder: Path) -> Source:
    """Read GitLab's variables; CI_COMMIT_SHA is a merge that GitLab made, in a pipeline for merged results."""
    found = source_of(NAMES, env)
    merge_request = f"merge-requests/{found.pull_request_id}" if found.pull_request_id else ""
    is_timed = found.commit == env.get("CI_COMMIT_SHA")
    return replace(
        found,
        commit_timestamp=env.get("CI_COMMIT_TIMESTAMP") or None if is_timed else None,
        repository_url=_git_url(env, "CI_MERGE_REQUEST_PROJECT_URL") or _git_url(env, "CI_PROJECT_URL"),
        head_repository_url=_git_url(env, "CI_MERGE_REQUEST_SOURCE_PROJECT_URL"),
        pull_request_head=f"{merge_request}/head" if merge_request else None,
        pull_request_merge=f"{merge_request}/merge" if merge_request else None,
    )


def _git_url(env: Env, name: str) -> str | None:
    return f"{env[name]}.git" if env.get(name) else None


def why_no_secrets(env: Env) -> str | None:
    """Explain why a variable is empty: a fork's pipeline, or a branch or tag that is not protected."""
    missing = ", ".join(_unset(env).values())
    what = f"{missing} is not set in this job" if missing else "no variable has the secret"
    target, own = env.get("CI_MERGE_REQUEST_PROJECT_ID"), env.get("CI_PROJECT_ID")
    if target and own and target != own:
        return (
            f"{what}: this pipeline runs in a fork, which has no variables of the project, so skip this job for forks"
        )
    if env.get("CI_COMMIT_REF_PROTECTED") == "false":
        ref = env.get("CI_COMMIT_REF_NAME", "")
        return (
            f"{what}: {ref or 'this branch or tag'} is not protected, and a protected variable is empty there. Protect "
            "the branch or tag, run this job for protected ones only, or set the variable's flag off"
        )
    return f"{what}: add it to the project's CI/CD settings, and check its environment scope" if missing else None


def _section(title: str) -> str:
    """The name of a section, which nobody sees: a title may hold a service's words."""
    return f"buildferry_{crc32(title.encode('utf-8', 'replace')):08x}"


HOST = Host(
    name="gitlab",
    spell=spell,
    variable=own_variable,
    read=read,
    carrier=carrier,
    begin=begin,
    publish=publish,
    output_file=OUTPUT_FILE,
    summarize=summarize,
    find_source=from_gitlab,
    dialect=Dialect(
        warning=lambda text: f"\x1b[33;1mwarning: {text}\x1b[0m",
        error=lambda text: f"\x1b[31;1merror: {text}\x1b[0m",
        group=lambda title: f"\x1b[0Ksection_start:{time.time():.0f}:{_section(title)}\r\x1b[0K{title}",
        end_group=lambda title: f"\x1b[0Ksection_end:{time.time():.0f}:{_section(title)}\r\x1b[0K",
    ),
    why_no_secrets=why_no_secrets,
    job=("CI_JOB_ID",),
    rerun=("CI_JOB_NAME",),
    run="CI_PIPELINE_URL",
    scratch=("${CI_PROJECT_DIR}.tmp",),
    logs_to_stdout=True,  # GitLab shows one log, in the order of the lines
)
