"""How the sandbox's Release Management answers: errors with a code, and lists in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from flask import request

from plugin.sandbox.bitrise_release_management.shelf import APPS, FORBIDDEN, App, Shelf, Switches
from plugin.sandbox.service import refuse

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


def app_of(id_: str) -> App:
    """Return an app by its id."""
    if id_ == FORBIDDEN:
        error(403, "ERR_PERMISSION_DENIED", "you do not have permission to access this app")
    return next((app for app in APPS if app.id == uuid_of(id_)), None) or missing("app")


def body() -> dict[str, Any]:
    """Return the request's JSON object."""
    found = request.get_json(silent=True)
    return found if isinstance(found, dict) else error(400, "ERR_VALIDATION", "the body is not a JSON object")


def may(shelf: Shelf, wanted: bool) -> None:
    """Answer with 403 when the token's role is too low for the request."""
    if wanted and shelf.switches.role != "admin":
        error(403, "ERR_PERMISSION_DENIED", "your role does not allow public install pages")


def paged(items: Sequence[Any], style: str = "pagination") -> dict[str, Any]:
    """Return the requested page, in the style of its list."""
    page, size = (int(request.args.get(name, usual)) for name, usual in (("page", "1"), ("items_per_page", "10")))
    if page < 1 or not 1 <= size <= MOST_ITEMS:
        error(400, "ERR_VALIDATION", f"items_per_page is 1 to {MOST_ITEMS}, page is from 1")
    here = list(items[(page - 1) * size : page * size])
    if style == "filters":
        return {"items": here, "count": len(items), "has_next_page": page * size < len(items), "filters": {}}
    if style == "count":
        return {"items": here, "count": len(items)}
    paging = {"total_count": len(items), "current_page": page, "items_per_page": size}
    return {"items": here, "pagination": paging}


def upload_answer(switches: Switches, url: str, headers: dict[str, str]) -> dict[str, Any]:
    """Return an address for an upload, its headers in the form that the switch says."""
    listed: Any = headers
    if switches.headers != "object":
        listed = [{switches.headers: name, "value": value} for name, value in headers.items()]
    return {"headers": listed, "method": "PUT", "url": url}
