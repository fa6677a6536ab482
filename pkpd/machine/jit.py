"""Compile loops with numba and keep them on disk under a hash of everything that they are made of.

numba asks only whether the file of the outermost function has changed; here a change in any file of the solvers counts.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config as numba_config
from numba.extending import intrinsic

from pkpd.machine.target import cache_directory

__all__ = ["compiled", "entry", "inlined", "software", "spliced"]

config: Any = numba_config


@functools.cache
def software() -> str:
    """Return a hash of the files that solve models and write machine code."""
    package = Path(__file__).parent.parent
    files = sorted([*(package / "solve").glob("*.py"), *(package / "machine").glob("*.py")])
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


@functools.cache
def _folder() -> str:
    """Return a writable folder for compiled loops: numba's if the user chose one, else ours, else a temporary one."""
    name = f"loops-{software()[:16]}"
    for base in (
        Path(config.CACHE_DIR) if config.CACHE_DIR else cache_directory(),
        Path(tempfile.gettempdir()) / "pkpd",
    ):
        try:
            (base / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(base / name, os.W_OK):
            return str(base / name)
    return ""


def entry(function: Callable[..., Any]) -> Any:
    """Decorate a loop that Python calls: no interpreter inside, no lock held, kept on disk."""
    chosen, config.CACHE_DIR = config.CACHE_DIR, _folder()
    try:
        return njit(cache=bool(config.CACHE_DIR), nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = chosen


def compiled(function: Callable[..., Any], inline: Any = "never") -> Any:
    """Decorate a part of loops, which Python cannot call; it is kept with the loops that use it."""
    wrappers: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return njit(nogil=True, error_model="numpy", inline=inline, **wrappers)(function)


#: the same for small functions that are to be written into their callers
inlined = functools.partial(compiled, inline="always")


def spliced(function: Callable[..., Any]) -> Any:
    """Decorate a function that writes LLVM code into the loops that call it."""
    return intrinsic(function)
