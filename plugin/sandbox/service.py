"""What a service of the sandbox is: one record, one file per service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from flask import Blueprint, abort, jsonify

from plugin.sandbox.state import State
from plugin.sandbox.storage import Storage


@dataclass(frozen=True)
class Service:
    """One service: the inputs that sign in, its API made for one state and storage, and what it received so far."""

    inputs: Mapping[str, str]
    blueprint: Callable[[State, Storage], Blueprint]
    received: Callable[[State], object]


def refuse(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer this request with an error and a JSON body, from wherever the view is."""
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers or {})
    abort(response)
