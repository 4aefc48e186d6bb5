"""Azure Pipelines: inputs as PLUGIN_*, all else by the agent's logging commands, on standard output.

Source: Command.cs, CommandStringConvertor.cs, TaskCommandExtension.cs and Variables.cs of the repository
microsoft/azure-pipelines-agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from plugin import inputs
from plugin.errors import InputError, Problem
from plugin.files.whole import write_whole
from plugin.hosts.host import Env, Host, PullRequest
from plugin.hosts.report import Report
from plugin.hosts.spelling import camel, own_variable, text_of
from plugin.hosts.systems import Names, source_of
from plugin.hosts.variables import LARGEST_VARIABLE, declared, first, number
from plugin.log import Dialect, Log
from plugin.redact import SHORTEST_SECRET
from plugin.source import Source, short

STEP_NAME = "BUILDFERRY_STEP_NAME"  # set by the template: what the outputs' names start with
# A step of this name would set variables that Azure itself uses.
TAKEN = "build"
LARGEST_ON_WINDOWS = 32_000  # characters; with a variable of 32,767 or more Windows cannot start programs
TEMPORARY = "AGENT_TEMPDIRECTORY"  # emptied after the job
NAMES = Names(
    "SYSTEM_PULLREQUEST_SOURCECOMMITID BUILD_SOURCEVERSION",
    "SYSTEM_PULLREQUEST_SOURCEBRANCH BUILD_SOURCEBRANCH",
    "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER SYSTEM_PULLREQUEST_PULLREQUESTID",
    "SYSTEM_PULLREQUEST_TARGETBRANCH",
    workflow="BUILD_DEFINITIONNAME",
)
RUN = ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_BUILDID")
_MACRO = re.compile(r"\$\(([\w.\- ]+)\)")


def _read(env: Env) -> dict[str, str]:
    """Read the inputs. Raises InputError if a variable's name arrived instead of its value."""
    given = declared("PLUGIN_", env)
    unset = {name: found for name, text in given.items() if (found := list(_left(inputs.inputs()[name], text)))}
    problems: list[Problem | str] = [Problem(name, _explain(found)) for name, found in unset.items()]
    if unset and (why := why_no_secrets(env)):
        problems.append(why)
    if env.get(STEP_NAME, "").lower() == TAKEN:
        problems.append(
            f"stepName: the outputs of a step named {TAKEN} would replace Azure's own Build.BuildId and "
            "Build.BuildNumber; choose another name, such as deliver"
        )
    if problems:
        problems += [problem for problem in inputs.check(given)[1] if problem.name not in unset]
        raise InputError(*problems)
    return given


def _left(field: inputs.Field, text: str) -> Iterator[str]:
    """Yield the variables of which only the name arrived: `$(NAME)`, by itself or as what a `KEY=` stands before."""
    try:
        items = inputs.parse(field, text) if field.is_list else [text]
    except ValueError:  # the check says why
        return
    for item in items:
        value = item.partition("=")[2] if field.kind == "variables" and "=" in item else item
        if found := _MACRO.fullmatch(value.strip()):
            yield found[1]


def _explain(found: list[str]) -> str:
    names = list(dict.fromkeys(found))
    return (
        f"this job has not set the variable{'s' if names[1:] else ''} {', '.join(names)}, so Azure passed "
        f"{'their names' if names[1:] else 'its name'} on instead of a value; add it to the pipeline's variables, or "
        "link the variable group that has it"
    )


def publish(outputs: Mapping[str, Any], _all: Mapping[str, Any], env: Env, log: Log, _patience: float) -> None:
    """Set an output variable for each: `$(STEP.buildId)` in this job, `dependencies…outputs` in later ones."""
    for name, value in outputs.items():
        text = _unexpanded(value)
        if _is_too_large(text, env):
            told = f"{camel(name)} is too large for a variable ({len(text.encode())} bytes)"
            try:
                text = str(_kept(name, text, env))
            except OSError as error:
                log.notice(f"{told}, and is not set, as no file can be written: {error}")
                continue
            log.notice(f"{told}: it is the path of a file with the value, which later steps of this job can read")
        log.command(f"##vso[task.setvariable variable={camel(name)};isOutput=true]{_escaped(text)}")


def _unexpanded(value: Any) -> str:
    """An output as one text in which Azure finds no `$(NAME)`.

    It expands those in a variable's value too, before each step: a service's text could name one of the job's secrets.
    """
    text = text_of(value)
    return text.replace("$(", r"\u0024(") if isinstance(value, dict) else text.replace("$(", "$ (")


def _is_too_large(text: str, env: Env) -> bool:
    """Whether later steps could not start, as each variable of the job is in their environment."""
    if env.get("AGENT_OS") == "Windows_NT":
        return len(text) > LARGEST_ON_WINDOWS
    return len(text.encode()) > LARGEST_VARIABLE


def _kept(name: str, text: str, env: Env) -> Path:
    """Write a file that lasts as long as the job. Raises OSError, also outside of a job."""
    if not env.get(TEMPORARY):
        raise FileNotFoundError(f"{TEMPORARY} is not set")
    path = Path(env[TEMPORARY], f"buildferry-{uuid4().hex}", name)
    write_whole(path, text)
    return path


def summarize(markdown: str, _report: Report, env: Env) -> str | None:
    """Write the summary to a file, and return the command that has the agent upload it after this step."""
    if not env.get(TEMPORARY):
        return None
    return f"##vso[task.uploadsummary]{_escaped(str(_kept('buildferry.md', markdown, env)))}"


def from_azure(env: Env, _folder: Path) -> Source:
    """Read Azure's variables; BUILD_SOURCEVERSION is the merge commit on a pull request."""
    found = short(source_of(NAMES, env))  # one variable has refs/heads/…, refs/tags/… or refs/pull/…
    request = found.pull_request_id
    has_heads = env.get("BUILD_REPOSITORY_PROVIDER", "").startswith("GitHub")  # Azure Repos keeps merges alone
    return replace(
        found,
        pull_request_head=f"pull/{request}/head" if request and has_heads else None,
        pull_request_merge=f"pull/{request}/merge" if request else None,
        repository_url=first(env, ("BUILD_REPOSITORY_URI",)),
        run_url=_run_url(env),
    )


def _run_url(env: Env) -> str | None:
    collection, project, build = (env.get(name, "").strip() for name in RUN)
    if not (collection and project and build):
        return None
    return f"{collection.rstrip('/')}/{quote(project, safe='')}/_build/results?buildId={quote(build, safe='')}"


def pull_request(env: Env) -> PullRequest | None:
    """Return the pull request that this job is run for, if the repository is at GitHub or GitHub Enterprise."""
    found, repository = number(first(env, NAMES.pull_request.split())), env.get("BUILD_REPOSITORY_NAME", "")
    own = urlsplit(env.get("BUILD_REPOSITORY_URI", ""))
    apis = {"GitHub": "https://api.github.com", "GitHubEnterprise": f"{own.scheme}://{own.netloc}/api/v3"}
    api = apis.get(env.get("BUILD_REPOSITORY_PROVIDER", ""))
    return PullRequest(api, repository, found, _comes_from_fork(env)) if found and repository and api else None


def why_no_secrets(env: Env) -> str | None:
    """Explain that the pull request comes from a fork, if it does."""
    if not _comes_from_fork(env):
        return None
    return (
        "this is a pull request from a fork: Azure gives it no secrets, so skip this step for forks with "
        "condition: and(succeeded(), ne(variables['System.PullRequest.IsFork'], 'True'))"
    )


def _comes_from_fork(env: Env) -> bool:
    return env.get("SYSTEM_PULLREQUEST_ISFORK", "").lower() == "true"


def _escaped(text: str) -> str:
    """Text as a logging command carries it after its bracket."""
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _masked(secret: str) -> str:
    """Have the agent mask a secret, and each line of it: it masks line by line."""
    parts = dict.fromkeys([secret, *(line for line in secret.splitlines() if len(line.strip()) >= SHORTEST_SECRET)])
    return "\n".join(f"##vso[task.setsecret]{_escaped(part)}" for part in parts)


HOST = Host(
    name="azure",
    spell=camel,
    variable=own_variable,
    read=_read,
    publish=publish,
    summarize=summarize,
    find_source=from_azure,
    dialect=Dialect(
        warning=lambda text: f"##vso[task.logissue type=warning]{_escaped(text)}",
        error=lambda text: f"##vso[task.logissue type=error]{_escaped(text)}",
        group=lambda title: f"##[group]{' '.join(title.splitlines())}",
        end_group="##[endgroup]",
        mask=_masked,
    ),
    why_no_secrets=why_no_secrets,
    job=("BUILD_BUILDID", "SYSTEM_JOBID", "SYSTEM_JOBATTEMPT"),
    rerun=("SYSTEM_STAGENAME", "SYSTEM_PHASENAME", "SYSTEM_JOBNAME", "SYSTEM_JOBPOSITIONINPHASE", STEP_NAME),
    scratch=("$AGENT_TEMPDIRECTORY",),
    pull_request=pull_request,
    step=("SYSTEM_DEFINITIONID", "SYSTEM_STAGENAME", "SYSTEM_PHASENAME", STEP_NAME),
    logs_to_stdout=True,
)
