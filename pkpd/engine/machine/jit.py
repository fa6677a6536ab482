"""Compile loops with numba and keep them on disk under a hash of everything that they are made of.

numba asks only whether the file of the outermost function has changed; here a change in any file that a loop is made of
counts.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numba
from numba import njit, types
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps
from numba.extending import intrinsic

from pkpd import cache
from pkpd.engine.machine.sources import digest
from pkpd.engine.machine.whole import EntryCompiler, PartCompiler

__all__ = ["compiled", "entry", "inlined", "leaf", "spliced", "uncounted_entry", "watchers"]

#: called with a loop's name when its compilation begins, as opposed to being read from disk, and when it ends
watchers: list[tuple[Callable[[str], None], Callable[[str], None]]] = []


class _Kept(NullCache):
    """The machine code of one loop on disk, one file a signature."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.turn: cache.Turn | None = None

    def _name(self, signature: Any, codegen: Any) -> str:
        where = f"{self.function.__module__}.{self.function.__qualname__}"
        parts = (digest(self.function.__module__), where, signature, codegen.magic_tuple(), numba.__version__)
        text = "\n".join(map(str, (*parts, sys.version_info[:2])))
        return f"{self.function.__qualname__}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.loop"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the loop for a signature, or None; then no other process makes it until it is saved."""
        rtsys.initialize(target_context)  # what loaded loops call; all else that numba knows only its compiler needs
        name = self._name(sig, target_context.codegen())
        found = self._read(name, target_context)
        if found is None:
            turn = cache.Turn(name)
            found = self._read(name, target_context)  # which another process may have made meanwhile
            if found is None:
                self.turn = turn
                for begins, _ in watchers:
                    begins(self.function.__qualname__)
            else:
                turn.end()
        return found

    def _read(self, name: str, target_context: Any) -> Any:
        data = cache.kept(name)
        if data is not None:
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(data))
            except Exception:  # noqa: BLE001  # whole, yet unreadable here: whatever the reason, it is made anew
                cache.drop(name)
        return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep the loop for a signature; one that holds an address of this process cannot be kept."""
        for _, ends in watchers:
            ends(self.function.__qualname__)
        if not cres.library.has_dynamic_globals:
            cache.keep(self._name(sig, cres.codegen), dumps(cres._reduce()))
        if self.turn is not None:
            self.turn.end()
            self.turn = None


def entry(function: Callable[..., Any], counted: bool = True) -> Any:
    """Decorate a loop that Python calls: no interpreter inside, no lock held, kept on disk."""
    wrappers: dict[str, Any] = {"no_cfunc_wrapper": True, "pipeline_class": EntryCompiler, "_nrt": counted}
    dispatcher: Any = njit(nogil=True, error_model="numpy", **wrappers)(function)
    dispatcher._cache = _Kept(function)
    return dispatcher


def uncounted_entry(function: Callable[..., Any]) -> Any:
    """Decorate a loop as :func:`entry` does that makes no arrays and returns none; its parts are leaves."""
    return entry(function, counted=False)


def compiled(function: Callable[..., Any], inline: Any = "never", counted: bool = True) -> Any:
    """Decorate a part of loops, which Python cannot call; it is kept with the loops that use it."""
    wrappers: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": PartCompiler}
    wrappers["_nrt"] = counted  # else that of the loop which calls it
    dispatcher: Any = njit(nogil=True, error_model="numpy", inline=inline, **wrappers)(function)
    by_type = dispatcher.get_call_template

    def once_for_all_constants(args: Any, kws: Any) -> Any:
        """Do not compile anew for each constant that a caller hands over, which numba takes for a type of its own."""
        return by_type(tuple(map(types.unliteral, args)), {k: types.unliteral(v) for k, v in kws.items()})

    dispatcher.get_call_template = once_for_all_constants
    return dispatcher


def leaf(function: Callable[..., Any]) -> Any:
    """Decorate a part of loops that makes no arrays and returns none, however often it is called.

    numba counts the references to every array that is handed over, by atomic additions which cost more than a short
    function; where nothing is made or returned, there is nothing to count.
    """
    return compiled(function, counted=False)


#: parts that numba writes into their callers, before it looks at types
inlined = functools.partial(compiled, inline="always")


def spliced(function: Callable[..., Any]) -> Any:
    """Decorate a function that writes LLVM code into the loops that call it."""
    return intrinsic(function)
