"""The services, by name.

Each is a module or folder here that is named as schema.json names the service, and holds its record SERVICE. A new
service is a file here and its rows in schema.json: nothing lists the services a second time.
"""

from __future__ import annotations

from importlib import import_module

from plugin.services.service import Service


def named(name: str) -> Service:
    """Return the service that schema.json calls `name`; only that one is loaded."""
    service: Service = import_module(f"{__name__}.{name.replace('-', '_')}").SERVICE
    return service
