"""Options of verbs: what a verb does not know is refused with the nearest name, before anything is computed."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from pkpd.errors import PkpdError, nearest

__all__ = ["as_whole", "check_known", "checked", "whole_number"]

P = ParamSpec("P")
R = TypeVar("R")


def as_whole(value: Any) -> int | None:
    """Return a whole number as int; None for what is none, truth values among it.

    Examples
    --------
    >>> as_whole(3), as_whole(3.0), as_whole(True)
    (3, None, None)
    """
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def whole_number(what: str, value: Any, least: int) -> int:
    """Return a whole number as int.

    Parameters
    ----------
    what : str
        What it is, for the error, such as ``"vpc: n"``.
    least : int
        The smallest that is allowed.

    Raises
    ------
    PkpdError
        If it is none, or too small.
    """
    number = as_whole(value)
    if number is None or number < least:
        raise PkpdError(f"{what} must be a whole number of at least {least}, got {value!r}")
    return number


def check_known(verb: str, given: Iterable[str], known: Iterable[str], noun: str = "option") -> None:
    """Raise PkpdError if names are not known; all of them are named, each with the nearest that is.

    Examples
    --------
    >>> check_known("fit", ["restart"], ["restarts", "seed"])
    Traceback (most recent call last):
    pkpd.errors.PkpdError: fit has no option 'restart' (did you mean 'restarts'?); it has restarts, seed
    """
    names = list(known)
    if strange := [n for n in given if n not in names]:
        hints = ", ".join(f"'{n}'{nearest(n, names)}" for n in strange)
        raise PkpdError(f"{verb} has no {noun} {hints}; it has {', '.join(names)}")


def checked(verb: Callable[P, R]) -> Callable[P, R]:
    """Return a verb that refuses options it does not have in words, where Python's own error names no other.

    Examples
    --------
    >>> @checked
    ... def draw(n: int, *, seed: int = 0) -> int:
    ...     return n
    >>> draw(3, sead=1)
    Traceback (most recent call last):
    pkpd.errors.PkpdError: draw has no option 'sead' (did you mean 'seed'?); it has n, seed
    """
    parameters = inspect.signature(verb).parameters.values()
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(f"{verb.__name__} hands further options on; they are checked where they go")

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        check_known(verb.__name__, kwargs, known)
        return verb(*args, **kwargs)

    return call
