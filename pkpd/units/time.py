"""Units of time and the exact factors between them: the one place where a clock is turned into another."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

from pkpd.errors import UnitError, nearest

__all__ = ["HOURS", "canonical_time", "convert_time", "time_ratio"]

HOURS: dict[str, Fraction] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Fraction(1, 3600)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), Fraction(1, 60)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Fraction(1)),
    **dict.fromkeys(("d", "day", "days"), Fraction(24)),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), Fraction(168)),
    **dict.fromkeys(("month", "months"), Fraction(2629800, 3600)),
    **dict.fromkeys(("y", "year", "years"), Fraction(31557600, 3600)),
}
"""Spellings of units of time -> h. A month and a year are those of `pkpd.units`: twelve months of 365.25 days."""

_SHORT = {HOURS[name]: name for name in ("s", "min", "h", "d", "w", "month", "year")}
_SPELLED = {spelling: _SHORT[hours] for spelling, hours in HOURS.items()}


def canonical_time(unit: str, who: str = "time_unit") -> str:
    """Return the one spelling used here for a unit of time.

    Parameters
    ----------
    unit : str
    who : str
        What is wrong if it is none.

    Raises
    ------
    UnitError
        If it is no unit of time.

    Examples
    --------
    >>> canonical_time("hours"), canonical_time("day")
    ('h', 'd')
    """
    found = _SPELLED.get(unit) or _SPELLED.get(unit.strip()) if isinstance(unit, str) else None
    if found is None:
        hint = nearest(unit, HOURS) if isinstance(unit, str) else ""
        raise UnitError(f"{who} must be a unit of time (s, min, h, d, w, month or year), got {unit!r}{hint}")
    return found


@functools.lru_cache(maxsize=256)
def time_ratio(unit: str, to: str) -> Fraction:
    """Return what a time in one unit is multiplied by to be in another, exactly.

    Raises
    ------
    UnitError
        If one of them is no unit of time.

    Examples
    --------
    >>> time_ratio("d", "h"), time_ratio("min", "h")
    (Fraction(24, 1), Fraction(1, 60))
    """
    return HOURS[canonical_time(unit)] / HOURS[canonical_time(to)]


def convert_time(values: Any, unit: str, to: str) -> Any:
    """Return a time, or an array of times, in another unit; numbers in the unit already come back as they are.

    The ratio of the usual units or its inverse is a whole number, so that each value is rounded once.

    Examples
    --------
    >>> convert_time(1.5, "d", "h"), convert_time(90.0, "min", "h")
    (36.0, 1.5)
    """
    ratio = time_ratio(unit, to)
    if ratio == 1:
        return values
    return values * float(ratio.numerator) / float(ratio.denominator)
