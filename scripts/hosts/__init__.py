"""What is made for each CI system, a module for each: `made` gives its files as they must be.

The modules are found in this folder: for a new host add one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

MODULES: dict[str, ModuleType] = {
    each.name: import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)
}
