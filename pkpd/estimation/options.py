"""Options of the methods of estimation, checked before anything is computed."""

from __future__ import annotations

import inspect
import operator
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pkpd.errors import PkpdError, nearest

__all__ = ["checked_options", "options_of"]

Runners = Mapping[str, Callable[..., Any]]


def options_of(runner: Callable[..., Any]) -> dict[str, str] | None:
    """Return the options of a method with their types, as its function declares them; None where it takes any."""
    parameters = inspect.signature(runner).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {
        p.name: p.annotation if isinstance(p.annotation, str) else getattr(p.annotation, "__name__", "")
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.name != "progress"
    }


def checked_options(method: str, options: Mapping[str, Any], runners: Runners, verb: str = "fit") -> dict[str, Any]:
    """Return the options of a method, whole numbers as int.

    Parameters
    ----------
    method : str
    options : mapping
        As given.
    runners : mapping of method to function
        Of all methods: an option of another one is told as such.
    verb : str
        For messages.

    Raises
    ------
    PkpdError
        With all options that the method does not have, or whose values are of another kind.
    """
    known = options_of(runners[method])
    if known is None:
        return dict(options)
    wrong = [n for n in options if n not in known]
    if wrong:
        has = f"it has {', '.join(known)}" if known else "it has none"
        names = "; ".join(f"no option '{n}'{_hint(n, known, runners)}" for n in wrong)
        raise PkpdError(f"{verb}, method {method}: {names}; {has}")
    faults = []
    out = dict(options)
    for name, value in options.items():
        kind = known[name]
        if value is None and "None" in kind:
            continue
        if kind.startswith("int"):
            out[name] = _whole(value)
            if out[name] is None:
                faults.append(f"{name} must be a whole number >= 0, got {value!r}")
        elif kind.startswith("float") and not _is_number(value):
            faults.append(f"{name} must be a number, got {value!r}")
        elif kind.startswith("str | os.PathLike") and not isinstance(value, (str, os.PathLike)):
            faults.append(f"{name} must be a path, got {value!r}")
    if faults:
        raise PkpdError(f"{verb}, method {method}: {'; '.join(faults)}")
    return out


def _hint(name: str, known: Mapping[str, str], runners: Runners) -> str:
    """Return the nearest option, else the methods that have one of this name."""
    near = nearest(name, known)
    others = [m for m, r in runners.items() if name in (options_of(r) or {})]
    return f" (an option of {', '.join(others)})" if others else near


def _whole(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        number = operator.index(value)
    except TypeError:
        return None
    return number if number >= 0 else None


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, str)):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False
