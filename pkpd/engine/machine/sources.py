"""Which files of the package a compiled loop is made of."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

__all__ = ["digest", "made_of"]

_PACKAGE = Path(__file__).parents[2]
_IMPORT = re.compile(r"^(?:from (pkpd[\w.]*) import (\([^)]*\)|[^\n]*)|import (pkpd[\w.]*))", re.MULTILINE)


def _file(module: str) -> Path | None:
    base = _PACKAGE.joinpath(*module.split(".")[1:])
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    """Return the modules of the package that a module imports when it is loaded."""
    path = _file(module)
    text = "" if path is None else path.read_text(encoding="utf-8")
    found: set[str] = set()
    for source, names, plain in _IMPORT.findall(text):
        base = source or plain
        below = [f"{base}.{name}" for name in re.findall(r"\w+", names)]
        found |= {base, *(name for name in below if _file(name) is not None)}
    return tuple(sorted(found))


@functools.cache
def made_of(module: str) -> tuple[str, ...]:
    """Return a module and all modules of the package that it imports, directly or not, sorted.

    numba writes the functions and the constants that a loop uses into its machine code, so a change in any of them
    changes the loop. Imports inside functions and those for type checkers alone do not count: compiled code has none.

    Examples
    --------
    >>> "pkpd.engine.machine.jit" in made_of("pkpd.engine.solve.panel_sets")
    True
    """
    found, waiting = {module}, [module]
    while waiting:
        for name in _imports(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return tuple(sorted(found))


@functools.cache
def digest(module: str) -> str:
    """Return a hash of the text of a module and of all that it is made of."""
    total = hashlib.sha256()
    for name in made_of(module):
        path = _file(name)
        content = b"" if path is None else path.read_bytes()
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()
