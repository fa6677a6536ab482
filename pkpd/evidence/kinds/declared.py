"""What a class of a kind of fact must say of itself, checked when it is defined."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal, get_args

from pkpd.errors import nearest

__all__ = ["Glyph", "Shape", "Takes", "declaration_faults"]

Glyph = Literal["point", "peak", "nadir", "ceiling", "floor", "slope", "grade", "none"]
Shape = Literal["time", "window", "extreme", "pair"]
Takes = Literal["number", "grade"]

_COLUMNS = ("time", "time_to", "at", "op", "value", "value_to", "reading_sd")
_NEEDED: dict[str, tuple[str, ...]] = {"pair": ("time", "time_to"), "extreme": ("time", "time_to", "at")}
_TAKERS = {"time_to": ("window", "extreme", "pair"), "at": ("extreme",)}


def declaration_faults(kind: Any, base: type) -> list[str]:
    """Return what is wrong with the attributes of a kind of fact, and what it lacks.

    Parameters
    ----------
    kind : subclass of FactKind
    base : type
        FactKind itself, whose own methods are those that a kind lacks.
    """
    words = [*_unknown(kind), *_of_needs(kind)]
    return words or [*_of_shape(kind), *_of_glyph(kind), *_lacking(kind, base)]


def _unknown(kind: Any) -> Iterator[str]:
    for name, known in (("shape", get_args(Shape)), ("takes", get_args(Takes)), ("glyph", get_args(Glyph))):
        given = getattr(kind, name)
        if given not in known:
            yield f"{name} must be one of {', '.join(known)}, got {given!r}{nearest(str(given), known)}"


def _of_needs(kind: Any) -> Iterator[str]:
    for name in ("needs", "also"):
        given = getattr(kind, name)
        if isinstance(given, str) or not isinstance(given, Collection):
            yield f"{name} must be a tuple of columns, got {given!r}"
            continue
        for column in given:
            if column not in _COLUMNS:
                listed = ", ".join(_COLUMNS)
                yield f"{name} must hold columns out of {listed}, got {column!r}{nearest(str(column), _COLUMNS)}"


def _of_shape(kind: Any) -> Iterator[str]:
    if not kind.fitted:
        return
    needed = _NEEDED.get(kind.shape, ("time",))
    if lacking := [column for column in needed if column not in kind.needs]:
        yield f"a kind of shape '{kind.shape}' needs {', '.join(lacking)} as well, got needs={kind.needs!r}"
    for column, shapes in _TAKERS.items():
        if column in (*kind.needs, *kind.also) and kind.shape not in shapes:
            yield f"{column} is for shape {' or '.join(shapes)}, got shape '{kind.shape}'"
    if not kind.region and "value" not in kind.needs:
        yield f"what states a number needs value, got needs={kind.needs!r}; or let region be True"


def _of_glyph(kind: Any) -> Iterator[str]:
    if kind.glyph == "slope" and (kind.shape != "pair" or kind.has_unit or "value" not in kind.needs):
        yield "glyph 'slope' draws a ratio of two times: it is for shape 'pair', has_unit False and a value"
    if kind.glyph == "grade" and kind.takes != "grade":
        yield "glyph 'grade' is for takes 'grade'"


def _lacking(kind: Any, base: Any) -> Iterator[str]:
    if not kind.fitted:
        return
    if kind.log_probability is base.log_probability and kind.rules is base.rules:
        yield "log_probability(cells, said) is missing, or rules(n)"
    if kind.statistic is base.statistic:
        yield "statistic(y, term, noise) is missing"
