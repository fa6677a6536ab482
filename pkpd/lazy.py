"""Public names: they stand in a stub, for type checkers and readers, and are loaded when they are first used.

What is imported here is loaded at ``import pkpd``: nothing but what Python itself has loaded already. To load
``pathlib`` and ``ast`` takes three times as long as all of this.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["public"]


def public(module: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a module whose stub says where each of its names is made.

    Parameters
    ----------
    module, file : str
        ``__name__`` and ``__file__``; the stub lies beside, and imports each name in a line of its own, as
        ``from .api import fit as fit`` or ``from . import plot as plot``.
    """
    homes = _homes(module, file)

    def load(name: str) -> Any:
        """Return a public name."""
        if name not in homes:
            raise AttributeError(f"module '{module}' has no attribute '{name}'{_hint(module, name, homes)}")
        home = homes[name]
        value = importlib.import_module(home)
        if home != f"{module}.{name}":
            value = getattr(value, name)
        setattr(sys.modules[module], name, value)
        return value

    def listed() -> list[str]:
        """Return the public names."""
        return sorted(homes)

    return load, listed, listed()


def _homes(module: str, file: str) -> dict[str, str]:
    """Return the module that each name of a stub comes from; a module that is public is its own."""
    stem = os.path.splitext(file)[0]
    package = module.split(".") if os.path.basename(stem) == "__init__" else module.split(".")[:-1]
    with open(f"{stem}.pyi", encoding="utf-8") as stub:
        lines = stub.read().splitlines()
    found = {}
    for line in lines:
        if not line.startswith("from ."):
            continue
        where, _, name = line.removeprefix("from ").partition(" import ")
        name = name.partition(" as ")[0]
        below = where.lstrip(".")
        base = package[: len(package) - (len(where) - len(below)) + 1]
        found[name] = ".".join([*base, below or name])
    return {name: home for name, home in found.items() if not name.startswith("_")}


def _hint(module: str, name: str, homes: dict[str, str]) -> str:
    """Return where a name is found instead: in one of the public modules, or under a name like it."""
    from pkpd.errors import nearest

    here = os.path.dirname(__file__)
    for inner in (n for n, home in homes.items() if home == f"{module}.{n}"):
        for file in (os.path.join(here, f"{inner}.py"), os.path.join(here, inner, "__init__.py")):
            if os.path.isfile(f"{file}i") and name in _homes(f"{module}.{inner}", file):
                return f"; it is {module}.{inner}.{name}"
    return "" if name.startswith("_") else nearest(name, homes)
