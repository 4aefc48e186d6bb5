"""Bitrise's trigger in the sandbox: checks the body, starts what the workflow asks for, and answers as documented.

Workflows that do not start exactly one build: `several` starts two, `approval` none yet (the slug is empty),
`unknown-workflow` is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from plugin.sandbox.bitrise.builds import Build
from plugin.sandbox.bitrise.pipelines import begin
from plugin.sandbox.bitrise.runs import Run
from plugin.sandbox.bitrise.shelf import App, Switches
from plugin.sandbox.service import refuse

REFS = ("tag", "commit_hash", "branch", "workflow_id", "pipeline_id")
REPOSITORIES = ("pull_request_repository_url", "base_repository_url")
TEXTS = (*REFS, "commit_message", "branch_dest", *REPOSITORIES, "stack", "machine_type_id")
NAMES = {"both": ("mapped_to", "key"), "mapped_to": ("mapped_to",), "key": ("key",)}  # of a variable, by the switch
BUILDS = {"several": 2, "approval": 0}  # started by one trigger; usually 1
BUILD_PAGE = "https://app.bitrise.io/build/"
RUN_PAGE = "https://app.bitrise.io/app/{app}/pipelines/{run}"


def trigger(app: App, app_slug: str, body: Mapping[str, Any], now: float, switches: Switches) -> dict[str, object]:
    """Start what the body asks for and return the answer, which has no envelope. A wrong body: 400."""
    params = _checked(body, NAMES[switches.variable_names])
    workflow = params.get("workflow_id") or ""
    if workflow == "unknown-workflow":
        message = f"workflow ({workflow}) did not match any workflows defined in app config"
        refuse(400, {"status": "error", "message": message, "slug": app_slug, "service": "bitrise"})
    triggered_by = body.get("triggered_by")
    if params.get("pipeline_id"):
        results = [_of_a_run(begin(app, params, triggered_by, now), app_slug, switches)]
    else:
        count = BUILDS.get(workflow, 1)
        results = [_result(app.start(params, triggered_by, now)) for _ in range(count)] or [_pending(workflow)]
    first = {name: value for name, value in results[0].items() if name not in ("status", "message")}
    said = {"status": "ok", "message": "webhook processed", "service": "bitrise", "slug": app_slug}
    return said | first | {"results": results}


def odd_answer(kind: str, answer: Mapping[str, object]) -> object:
    """Return the answer to a trigger that took effect, by a name in CHOICES, instead of `answer`."""
    without = {"no-slug": ("build_slug", "results"), "no-status": ("status", "results")}
    if kind in without:
        return {name: value for name, value in answer.items() if name not in without[kind]}
    return {"empty": {}, "null": None, "list": []}[kind]


def _checked(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the build_params once everything that the sandbox reads of them is valid; variables by `names` alone."""
    hook, params = body.get("hook_info"), body.get("build_params")
    if not isinstance(hook, dict) or hook.get("type") != "bitrise":
        _wrong("hook_info.type is not bitrise")
    if not isinstance(params, dict) or not any(params.get(name) for name in REFS):
        _wrong(f"build_params has none of {', '.join(REFS)}")
    for name in TEXTS:
        if params.get(name) is not None and not isinstance(params[name], str):
            _wrong(f"build_params.{name} is not a string")
    if params.get("workflow_id") and params.get("pipeline_id"):
        _wrong("build_params has both workflow_id and pipeline_id")
    if not re.fullmatch("[0-9]*", str(params.get("pull_request_id") or "")):
        _wrong("build_params.pull_request_id is not an integer")
    if params.get("priority", 0) not in (-1, 0, 1) or isinstance(params.get("priority"), bool):
        _wrong("build_params.priority is not -1, 0 or 1")
    if not isinstance(params.get("skip_git_status_report", False), bool):
        _wrong("build_params.skip_git_status_report is not true or false")
    for name in ("stack", "machine_type_id"):
        if str(params.get(name, "")).startswith("unknown-"):
            _wrong(f"{name} ({params[name]}) is not available for this app")
    lists = {"environments": names, "secrets": ("key",)}
    known = {name: _variables(name, params[name], keys) for name, keys in lists.items() if name in params}
    if body.get("triggered_by") is not None and not isinstance(body["triggered_by"], str):
        _wrong("triggered_by is not a string")
    return {**params, **known}


def _variables(kind: str, given: object, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a list of variables with what this back end knows of each."""
    known = {*names, "value", "is_expand"}
    if not isinstance(given, list) or not all(_is_variable(item, names) for item in given):
        _wrong(f"build_params.{kind} is not a list of {', '.join(names)}, value, is_expand")
    return [{name: value for name, value in item.items() if name in known} for item in given]


def _is_variable(item: object, names: Sequence[str]) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("is_expand", True), bool):
        return False
    given = {item[name] for name in names if isinstance(item.get(name), str)}
    return len(given) == 1 and "" not in given and isinstance(item.get("value"), str)


def _result(build: Build) -> dict[str, object]:
    return {
        "status": "ok",
        "message": "webhook processed",
        "build_slug": build.slug,
        "build_number": build.number,
        "build_url": BUILD_PAGE + build.slug,
        "triggered_workflow": build.workflow,
    }


def _of_a_run(run: Run, app_slug: str, switches: Switches) -> dict[str, object]:
    """Return the result for a pipeline; no source proves whose id it has, so a switch decides."""
    if switches.pipeline_answer == "build":
        return {**_result(run.builds["build"]), "triggered_pipeline": run.pipeline}
    return {
        "status": "ok",
        "message": "webhook processed",
        "build_slug": run.id,
        "build_number": run.number,
        "build_url": RUN_PAGE.format(app=app_slug, run=run.id),
        "triggered_workflow": "",
        "triggered_pipeline": run.pipeline,
    }


def _pending(workflow: str) -> dict[str, object]:
    message = "the build waits for approval"
    nothing = {"build_slug": "", "build_number": 0, "build_url": "", "triggered_workflow": workflow}
    return {"status": "ok", "message": message} | nothing


def _wrong(message: str) -> NoReturn:
    refuse(400, {"message": message})
