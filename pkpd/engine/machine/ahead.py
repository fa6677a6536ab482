"""Compile loops in a second process while this one is busy with those that it needs first.

Types and instructions are worked out by Python, one thread at a time, so that only another process is of help. It puts
loops into the folder of what is kept on disk, where this one finds them or waits for them. It only ever saves time:
where there is no second core, no such folder or no interpreter to start, loops are compiled when they are needed.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
from pathlib import Path

from pkpd.cache import cache_directory
from pkpd.cores import cores
from pkpd.engine.machine.jit import watchers

__all__ = ["command", "wanted_soon"]

#: modules whose ``compile_loops`` is of use as soon as some other loop has to be compiled, with their loops
_wanted: dict[str, tuple[str, ...]] = {}
_running: list[subprocess.Popen[bytes]] = []


def wanted_soon(module: str, loops: tuple[str, ...]) -> None:
    """Have the loops of a module compiled by a second process if this one has to compile another loop before them.

    Parameters
    ----------
    module : str
        Has a function ``compile_loops``, which takes nothing and calls the loops.
    loops : tuple of str
        Their names.
    """
    _wanted[module] = loops


def command(module: str) -> list[str]:
    """Return the command that compiles the loops of a module, with this process's way to find modules."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import compile_loops; compile_loops()"
    return [sys.executable, "-c", code]


def _begin(loop: str) -> None:
    """Start what is wanted, now that a loop has to be compiled."""
    while _wanted:
        module, loops = _wanted.popitem()
        if loop not in loops and _is_possible():
            none = subprocess.DEVNULL
            try:
                _running.append(subprocess.Popen(command(module), stdin=none, stdout=none, stderr=none))
            except OSError:  # the loops are compiled when they are needed
                return


def _is_possible() -> bool:
    ordinary = Path(sys.executable or "").name.startswith("python") and not getattr(sys, "frozen", False)
    return cores() > 1 and ordinary and cache_directory() is not None


@atexit.register
def _stop() -> None:
    for process in _running:
        process.kill()
        process.wait()


watchers.append((_begin, lambda loop: None))
