"""What programs understand in different ways in the records of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pkpd.errors import DataError, nearest

__all__ = ["NAMED", "RecordRules", "rules_from"]

_CHOICES = {"pending": ("dropped", "kept"), "lagged": ("before", "after"), "additional": ("before", "after")}


@dataclass(frozen=True)
class RecordRules:
    """Rules for dose records on which programs differ; the defaults are NONMEM's.

    A record at steady state (SS=1) and a clock that starts again always end additional and lagged doses to come.

    Attributes
    ----------
    pending : {"dropped", "kept"}
        Additional and lagged doses that are still to come at a reset (EVID 3 or 4).
    lagged : {"before", "after"}
        Whether a dose that a lag brings to the very time of a row enters before or after the rows of that time.
    additional : {"before", "after"}
        The same for an additional dose without lag.
    """

    pending: str = "dropped"
    lagged: str = "before"
    additional: str = "before"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise DataError(f"rules: {name} must be {' or '.join(map(repr, allowed))}, got {getattr(self, name)!r}")

    def __str__(self) -> str:
        known = [name for name, rules in NAMED.items() if rules == self]
        return repr(known[0]) if known else repr({f.name: getattr(self, f.name) for f in fields(self)})


#: rules by the program that has them; regimens follow mrgsolve's
NAMED = {"nonmem": RecordRules(), "mrgsolve": RecordRules("kept", "after", "before")}


def rules_from(given: str | Mapping[str, Any] | RecordRules) -> RecordRules:
    """Return the rules of a name, or NONMEM's with some changed.

    Raises
    ------
    DataError
        If there is no such name, rule or choice.

    Examples
    --------
    >>> rules_from("mrgsolve").pending, rules_from({"lagged": "after"}).pending
    ('kept', 'dropped')
    """
    if isinstance(given, RecordRules):
        return given
    if isinstance(given, str):
        if given.lower() not in NAMED:
            raise DataError(
                f"rules must be one of {', '.join(NAMED)}, or a mapping such as {{'pending': 'kept'}}, got {given!r}"
            )
        return NAMED[given.lower()]
    if not isinstance(given, Mapping):
        raise DataError(f"rules must be a name ({', '.join(NAMED)}) or a mapping, got {type(given).__name__}")
    for name in given:
        if name not in _CHOICES:
            raise DataError(
                f"rules: there is no rule {name!r}; there are {', '.join(_CHOICES)}{nearest(str(name), _CHOICES)}"
            )
    return RecordRules(**given)
