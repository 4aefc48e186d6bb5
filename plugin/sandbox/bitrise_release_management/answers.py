"""How the sandbox's Release Management answers: errors with a code, and lists in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from flask import request

from plugin.sandbox.bitrise_release_management.shelf import FORBIDDEN, App, Shelf, Switches
from plugin.sandbox.service import refuse
from plugin.sandbox.state import State

MOST_ITEMS = 50


def error(status: int, code: str, message: str, **details: Any) -> NoReturn:
    """Answer with an error as the service writes it."""
    refuse(status, {"code": code, "message": message, **({"details": details} if details else {})})


def missing(what: str) -> NoReturn:
    """Answer with 404."""
    error(404, "ERR_NOT_FOUND", f"{what} not found")


def uuid_of(text: str) -> str:
    """Return a UUID as it came; another text is answered with 400."""
    try:
        return text if str(UUID(text)) == text.lower() else error(400, "ERR_INVALID_UUID", "invalid UUID")
    except ValueError:
        error(400, "ERR_INVALID_UUID", "invalid UUID")


def given(*names: str) -> list[str]:
    """Return query parameters that must be there."""
    absent = [name for name in names if not request.args.get(name)]
    if absent:
        error(400, "ERR_PARAMETER_MISSING", f"missing parameter: {', '.join(absent)}")
    return [request.args[name] for name in names]


def of_body(wanted: dict[str, Any], *names: str) -> list[str]:
    """Return texts of a body that must be there."""
    absent = [name for name in names if not isinstance(wanted.get(name), str) or not wanted[name]]
    if absent:
        error(400, "ERR_PARAMETER_MISSING", f"missing parameter: {', '.join(absent)}")
    return [wanted[name] for name in names]


def app_of(state: State, id_: str) -> App:
    """Return an app by its id."""
    if id_ == FORBIDDEN:
        error(403, "ERR_PERMISSION_DENIED", "you do not have permission to access this app")
    return next((app for app in state.part(Shelf).apps if app.id == uuid_of(id_)), None) or missing("app")


def body() -> dict[str, Any]:
    """Return the request's JSON object."""
    found = request.get_json(silent=True)
    return found if isinstance(found, dict) else error(400, "ERR_VALIDATION", "the body is not a JSON object")


def may(state: State, what: str) -> None:
    """Answer with 403 when the token's role is too low for `what`."""
    with state.lock:
        if state.part(Shelf).switches.role != "admin":
            error(403, "ERR_PERMISSION_DENIED", f"your role does not allow {what}")


def paged(items: Sequence[Any], style: str = "pagination", usual: int = 10, most: int = MOST_ITEMS) -> dict[str, Any]:
    """Return the requested page, in the style of its list; `usual` is the size of a page, `most` the largest."""
    texts = (request.args.get("page", "1"), request.args.get("items_per_page", str(usual)))
    page, size = (int(text) if text.isdecimal() else 0 for text in texts)
    if page < 1 or not 1 <= size <= most:
        error(400, "ERR_VALIDATION", f"items_per_page is 1 to {most}, page is from 1")
    here = list(items[(page - 1) * size : page * size])
    if style == "filters":
        return {"items": here, "count": len(items), "has_next_page": page * size < len(items)}
    if style in ("count", "total_count"):
        return {"items": here, style: len(items)}
    paging = {"total_count": len(items), "current_page": page, "items_per_page": size}
    return {"items": here, "pagination": paging}


def upload_answer(switches: Switches, url: str, headers: dict[str, str]) -> dict[str, Any]:
    """Return an address for an upload, its headers in the form that the switch says."""
    listed: Any = headers
    if switches.headers != "object":
        listed = [{switches.headers: name, "value": value} for name, value in headers.items()]
    return {"headers": listed, "method": "PUT", "url": url}
