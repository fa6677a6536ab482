"""Public names: they stand in a stub, for type checkers and readers, and are loaded when they are first used."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pkpd.errors import nearest

__all__ = ["public"]


def public(module: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a module whose stub says where each of its names is made.

    Parameters
    ----------
    module, file : str
        ``__name__`` and ``__file__``; the stub lies beside, and imports each name as ``from .api import fit as fit``,
        or ``from . import plot as plot``.
    """
    homes = _homes(module, Path(file))

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


def _homes(module: str, file: Path) -> dict[str, str]:
    """Return the module that each name of a stub comes from; a module that is public is its own."""
    package = module.split(".") if file.stem == "__init__" else module.split(".")[:-1]
    found = {}
    for node in ast.parse(file.with_suffix(".pyi").read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                own = [node.module] if node.module else [alias.name]
                found[alias.name] = ".".join([*base, *own])
    return {name: home for name, home in found.items() if not name.startswith("_")}


def _hint(module: str, name: str, homes: dict[str, str]) -> str:
    """Return where a name is found instead: in one of the public modules, or under a name like it."""
    for inner in (n for n, home in homes.items() if home == f"{module}.{n}"):
        for file in (Path(__file__).parent / f"{inner}.py", Path(__file__).parent / inner / "__init__.py"):
            if file.with_suffix(".pyi").is_file() and name in _homes(f"{module}.{inner}", file):
                return f"; it is {module}.{inner}.{name}"
    return "" if name.startswith("_") else nearest(name, homes)
