"""Options of verbs and methods: what there is not is refused with the nearest name, before anything is computed."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import os
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeGuard, TypeVar, Union, get_args, get_origin

import numpy as np

from pkpd.errors import PkpdError, nearest

__all__ = ["Options", "as_whole", "check_choice", "check_known", "check_level", "checked", "is_number", "whole_number"]

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


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number; truth values and texts are none.

    Examples
    --------
    >>> is_number(3), is_number("3"), is_number(float("inf")), is_number(True)
    (True, False, False, False)
    """
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        return False
    return math.isfinite(value)


def check_level(who: str, level: float) -> float:
    """Return the level of intervals.

    Raises
    ------
    PkpdError
        Unless it lies between 0 and 1.
    """
    if not (is_number(level) and 0 < level < 1):
        raise PkpdError(f"{who}: level must lie between 0 and 1, got {level!r} (0.95 is 95%)")
    return float(level)


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


def check_choice(what: str, value: Any, choices: Iterable[str | None]) -> None:
    """Raise PkpdError if an option is none of a few words.

    Examples
    --------
    >>> check_choice("simulate: on_failure", "stop", ("warn", "raise", "ignore"))
    Traceback (most recent call last):
    pkpd.errors.PkpdError: simulate: on_failure must be 'warn', 'raise' or 'ignore', got 'stop'
    """
    known = list(choices)
    if not any(value is c or (isinstance(value, str) and value == c) for c in known):
        *first, last = map(repr, known)
        hint = nearest(value, [c for c in known if c]) if isinstance(value, str) else ""
        raise PkpdError(f"{what} must be {', '.join(first)} or {last}, got {value!r}{hint}")


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


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of classes whose fields are options: names that there are not and values of another kind are refused.

    Whole numbers, finite numbers, truth values, words and paths are told by the types of the fields.

    Raises
    ------
    PkpdError
        If an option is unknown or no value of its kind.

    Examples
    --------
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Draws(Options):
    ...     n: int = 100
    >>> Draws(n=2.5)
    Traceback (most recent call last):
    pkpd.errors.PkpdError: Draws: n must be a whole number >= 0, got 2.5
    """

    if not TYPE_CHECKING:  # type checkers take the options from the fields

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Refuse options that there are not, with the nearest name."""
            check_known(cls.__name__, options, [f.name for f in fields(cls)])
            return super().__new__(cls)

    def __post_init__(self) -> None:
        faults = []
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = _kinds(type(self), field.name, field.type)
            if value is None and type(None) in kinds:
                continue
            if int in kinds and float not in kinds and (whole := as_whole(value)) is not None and whole >= 0:
                object.__setattr__(self, field.name, whole)
            elif wanted := _wanted(value, kinds):
                faults.append(f"{field.name} must be {wanted}, got {value!r}{_near(value, kinds)}")
        if faults:
            raise PkpdError(f"{type(self).__name__}: {'; '.join(faults)}")


def _kinds(cls: type, name: str, declared: Any) -> tuple[Any, ...]:
    """Return the types that a field may have; none where they are known to type checkers only."""
    if isinstance(declared, str):
        owner = next(c for c in cls.__mro__ if name in vars(c).get("__annotations__", {}))
        try:
            declared = eval(declared, vars(sys.modules[owner.__module__]))
        except (AttributeError, KeyError, NameError):
            return ()
    return get_args(declared) if get_origin(declared) in (Union, types.UnionType) else (declared,)


def _choices(kinds: tuple[Any, ...]) -> list[str]:
    return [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]


def _wanted(value: Any, kinds: tuple[Any, ...]) -> str:
    """Return what a value of these types has to be, empty if it is so or that is not known."""
    if words := _choices(kinds):
        fine = isinstance(value, str) and value in words
        return "" if fine else ", ".join(words) + (" or None" if type(None) in kinds else "")
    if bool in kinds:
        return "" if isinstance(value, (bool, np.bool_)) else "True or False"
    if int in kinds and float not in kinds:
        return "a whole number >= 0"
    if float in kinds:
        return "" if is_number(value) else "a number"
    if any(get_origin(kind) is os.PathLike for kind in kinds):
        return "" if isinstance(value, (str, os.PathLike)) else "a path"
    return ""


def _near(value: Any, kinds: tuple[Any, ...]) -> str:
    words = _choices(kinds)
    return nearest(str(value), words) if words else ""
