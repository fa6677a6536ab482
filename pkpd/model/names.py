"""Names of declared things: which are allowed, and how they are listed in messages."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from pkpd.errors import ModelError, nearest

__all__ = ["TAKEN", "below", "check_name", "duplicates", "listed", "quoted", "unknown"]

T = TypeVar("T")

TAKEN = frozenset({"time", "subject", "regimen", "row", "status", "TIME", "ID"})
"""Names of dimensions and variables that results have beside a model's own quantities."""


def check_name(name: object, what: str) -> None:
    """Raise ModelError unless the name can be written after a dot, as in ``p.CL``.

    Parameters
    ----------
    name : object
        Name as given; parts of a composed model are separated by dots (``tcz.CL``).
    what : str
        What is named: ``state``, ``parameter``, ...
    """
    if not isinstance(name, str) or not name:
        raise ModelError(f"{what}: the name comes first and is text, got {name!r}")
    for piece in name.split("."):
        if not piece.isidentifier() or keyword.iskeyword(piece) or piece.startswith("_") or piece == "t":
            reason = {"t": "t is time", "lambda": "it is a word of Python; write lambda_ or lam"}.get(
                piece, "a name starts with a letter, goes on with letters, digits and _, and is no word of Python"
            )
            raise ModelError(f"{what} {name!r}: the name cannot be used: {reason}")


def quoted(names: Iterable[str]) -> str:
    """Return names in quotes, separated by commas."""
    return ", ".join(f"'{n}'" for n in names)


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Return what is there, cut after ``limit`` names with the count.

    Examples
    --------
    >>> listed(["CL", "V", "ka"]), listed([]), listed(["a", "b", "c"], limit=2)
    ('it has CL, V, ka', 'it has none', 'it has a, b, ... (3 in all)')
    """
    if not names:
        return "it has none"
    shown = ", ".join(names[:limit])
    return f"it has {shown}, ... ({len(names)} in all)" if len(names) > limit else f"it has {shown}"


def unknown(names: Iterable[str], known: Sequence[str]) -> str:
    """Return the unknown names, each with its nearest known one."""
    return ", ".join(f"'{n}'{nearest(n, known)}" for n in names)


def duplicates(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, in order of first use."""
    count: dict[str, int] = {}
    for n in names:
        count[n] = count.get(n, 0) + 1
    return [n for n, k in count.items() if k > 1]


def below(values: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return the entries under a prefix, by their names without it."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in values.items() if name.startswith(start)}
