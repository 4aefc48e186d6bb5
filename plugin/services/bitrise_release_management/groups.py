"""Groups of testers: list and create them, add testers, and notify them of an artifact, once.

An internal group is notified, an external one gets a link that is mailed. Source: the API's "Build Distributions".
"""

from __future__ import annotations

from collections.abc import Sequence

from plugin.errors import InputError, Problem, RefusedError, UnavailableError
from plugin.rest.exchange import Answer, Request, json_body
from plugin.services.bitrise_release_management import links, records
from plugin.services.bitrise_release_management.api import ARTIFACTS, TESTERS, Record, confirmed, listed, path, record
from plugin.services.bitrise_release_management.apps import app_id
from plugin.services.bitrise_release_management.once import Action, address_of, do_once
from plugin.services.service import Job, created, identifier

KINDS = ("internal", "external")
GROUPS = path(TESTERS, "tester-groups")


def groups_of(job: Job, app: str, artifact: str = "", kinds: Sequence[str] = KINDS) -> list[Record]:
    """Read the groups of an app; with an artifact each shows whether it was notified of that."""
    more = {"installable_artifact_id": artifact} if artifact else {}
    return [group for kind in kinds for group in listed(job, GROUPS, {"app_id": app, "type": kind, **more})]


def chosen(job: Job, app: str) -> list[Record]:
    """Return the groups that `tester-groups` names. Raises InputError for names that the app does not have."""
    named = job.values.tester_groups
    known = groups_of(job, app) if named else []
    if job.rest.connection.dry_run:
        kind = "external" if any("@" in tester for tester in job.values.testers) else "internal"
        return [{"id": "GROUP-ID", "name": name, "type": kind} for name in named]
    missing = [name for name in named if not any(name in (each.get("name"), each.get("id")) for each in known)]
    if missing:
        has = ", ".join(sorted(str(each.get("name")) for each in known)) or "none"
        problems = [Problem("tester-groups", f"the app has no group {name!r}; it has {has}") for name in missing]
        raise InputError(*problems)
    return [each for name in named for each in known if name in (each.get("name"), each.get("id"))]


def check_links(job: Job, groups: Sequence[Record]) -> None:
    """Raise InputError for inputs about links when no group gets one: only external groups do."""
    if job.rest.connection.dry_run or any(group.get("type") == "external" for group in groups):
        return
    text = "applies to access links, but only external groups get one, and §tester-groups§ names none: remove this"
    values = job.values
    about = {"access-link": values.access_link, "access-code": values.access_code}
    about["access-expires"] = values.access_expires
    if problems := [Problem(name, text) for name, given in about.items() if given]:
        raise InputError(*problems)


def action_of(job: Job, app: str, uid: str, group: str, name: str) -> Action:
    """Return the action of notifying a group of an artifact; a notified group has `notification_sent`, or a link."""

    def find(may_be_done: bool) -> Record | None:
        found = next((each for each in groups_of(job, app, uid) if each.get("id") == group), {})
        if found.get("notification_sent") or found.get("custom_access_link"):
            return found
        if may_be_done and "notification_sent" not in found:
            raise UnavailableError(f"the service does not show whether {name} was notified")
        return None

    return Action(
        f"the mail to {name} about artifact {uid}", {"app": app, "artifact": uid, "group": group}, find, "sending"
    )


def notify(job: Job, app: str, uid: str, group: Record, link_name: str = "") -> str | None:
    """Notify a group of an artifact, unless it was; return the link that an external group got.

    The link has `link_name`, by default the name of the group.
    """
    id_, name = identifier(job, group, "the tester group", "id"), str(group.get("name"))
    action = action_of(job, app, uid, id_, name)
    wanted = {}
    if job.rest.connection.dry_run:
        mailed, told = path(ARTIFACTS, uid, links.LINKS), path(GROUPS, id_, "notify")
        job.log.line(f"{name} would be notified: POST {told}, or POST {mailed} if it is an external group")
        return None
    if group.get("type") == "external":
        wanted = links.order(job, link_name or name, id_)
        request = Request("POST", path(ARTIFACTS, uid, links.LINKS), body=json_body(wanted), dry=links.DRY)
    elif group.get("auto_notify") is True:
        job.say(f"{name} is notified of every artifact by the service itself")
        return None
    else:
        body = json_body({"test_build_id": uid})
        request = Request("POST", path(GROUPS, id_, "notify"), body=body, json=False, dry={})

    def parse(answer: Answer) -> Record:
        if request.json:
            created(job, answer.data, action.makes, "id")
        return confirmed(job, answer, action.makes)

    found, is_new = do_once(job, action, request, parse)
    job.say(f"{name} {'is notified of' if is_new else 'was already notified of'} artifact {uid}")
    if not is_new:
        links.renew(job, uid, found, wanted)
    return address_of(found)


def list_tester_groups(job: Job) -> None:
    """List the groups of testers of an app; with `artifact-id` also whether each was notified of it."""
    kinds = (job.values.tester_type,) if job.values.tester_type else KINDS
    found = groups_of(job, app_id(job), job.values.artifact_id, kinds)
    records.add(job, "tester-groups", found)
    for group in found:
        sent = group.get("notification_sent")
        was_notified = "" if sent is None else ", notified" if sent else ", not notified"
        facts = f"{group.get('type')}, {group.get('tester_count')} testers{was_notified}"
        job.log.line(f"{group.get('id')}  {group.get('name')}  ({facts})")
    job.say(f"{len(found)} tester groups")


def create_tester_group(job: Job) -> None:
    """Create a group of testers, or return the one of that name: names are unique in an app."""
    values, app = job.values, app_id(job)
    kind = values.tester_type or "internal"
    if kind == "internal" and values.testers:
        raise InputError(Problem("testers", "an internal group is created without testers: add them with add-testers"))
    wanted = {"app_id": app, "name": values.name, "auto_notify": values.auto_notify, "emails": list(values.testers)}
    body = json_body({name: value for name, value in wanted.items() if value not in (None, [])})

    def find(_may_be_done: bool) -> Record | None:
        return next((each for each in groups_of(job, app) if each.get("name") == values.name), None)

    def parse(answer: Answer) -> Record:
        created(job, answer.data, action.makes, "id")
        return dict(answer.data)

    action = Action(f"the tester group {values.name!r}", {"app": app, "name": values.name}, find)
    group, is_new = do_once(
        job, action, Request("POST", GROUPS, {"type": kind}, body=body, dry={"id": "GROUP-ID"}), parse
    )
    records.add(job, "tester-groups", [group])
    if not is_new:
        _check_existing(job, app, group, kind)
    job.say(f"{'created ' if is_new else ''}{action.makes}{'' if is_new else ' already exists'}: {group.get('id')}")


def _check_existing(job: Job, app: str, group: Record, kind: str) -> None:
    """Raise RefusedError when a group that exists is not the one that is wanted: it is not changed."""
    values, what = job.values, f"the tester group {job.values.name!r} already exists"
    if group.get("type") != kind:
        raise RefusedError(f"{what}, but is {group.get('type')}")
    if values.auto_notify not in (None, group.get("auto_notify")):
        now = "on" if group.get("auto_notify") else "off"
        raise RefusedError(f"{what}, but its §auto-notify§ is {now}: change it on the website of the service")
    if values.testers:
        query = {"app_id": app, "tester_group_id": identifier(job, group, "the tester group", "id"), "type": kind}
        joined = {str(text).lower() for each in listed(job, path(TESTERS, "testers"), query) for text in each.values()}
        if absent := [each for each in values.testers if each.lower() not in joined]:
            raise RefusedError(f"{what}, without {', '.join(absent)}: add them with add-testers")


def add_testers(job: Job) -> None:
    """Add testers to a group. Raises RefusedError naming each that was refused, although the others have joined."""
    (group,) = chosen(job, app_id(job))
    kind, testers = str(group.get("type")), list(job.values.testers)
    name = "emails" if kind == "external" else "user_slugs"
    address = path(GROUPS, identifier(job, group, "the tester group", "id"), "add-testers")
    request = Request("POST", address, {"type": kind}, body=json_body({name: testers}), dry={})
    errors = record(job, request).get("errors") or {}
    if not isinstance(errors, dict):
        errors = {"testers": errors}
    joined = [each for each in testers if each not in errors]
    job.receipt.add("testers", joined)
    job.say(f"added {len(joined)} of {len(testers)} testers to {group.get('name')}")
    if errors:
        reasons = "; ".join(f"{each}: {job.log.redact.brief(str(why), 200)}" for each, why in errors.items())
        raise RefusedError(f"{len(errors)} of {len(testers)} testers were not added to {group.get('name')}: {reasons}")
