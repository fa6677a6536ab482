"""Calendar dates and times of day -> hours, as NONMEM's DATE, DAT1, DAT2 and DAT3 with TIME.

Source: NONMEM user's guide V, chapter 6, 10.1. DATE is month-day-year, DAT1 day-month-year, DAT2 year-month-day,
DAT3 year-day-month; a year of two digits is 19xx above 50 and 20xx otherwise (LAST20=50); a date without separators is
a day number, which is kept to up to four digits here: eight are a date.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pkpd.dosing.dates import ORDER, Stamp, ambiguous, day_of, order_of, stamp_day, stamp_of

__all__ = ["Calendar", "hour_of", "on_calendar", "relative", "translate"]

_TIME = re.compile(r"(\d{1,3}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([AaPp][Mm])?")
_CLOCK = "write 10:30, 10:30:15 or hours"
_WORDS = {"mdy": "month-day-year", "dmy": "day-month-year"}


@dataclass
class Calendar:
    """Times of the rows of a table that has dates or times of day.

    Attributes
    ----------
    hours : ndarray, shape (rows,)
        Since a common origin.
    bad_date, bad_time : ndarray of bool, shape (rows,)
        What is not understood.
    stamp : ndarray of str, shape (rows,), or None
        ISO date-times, where the dates have a year.
    remedy : str
        For times that are not understood.
    notes : list of str
        How dates were read.
    """

    hours: np.ndarray
    bad_date: np.ndarray
    bad_time: np.ndarray
    stamp: np.ndarray | None = None
    remedy: str = _CLOCK
    notes: tuple[str, ...] = ()


def hour_of(text: str) -> float | None:
    """Return a time of day, or elapsed hours, in h; None if it is neither.

    Examples
    --------
    >>> hour_of("10:30"), hour_of("1:15 PM"), hour_of("8.25"), hour_of("10:75")
    (10.5, 13.25, 8.25, None)
    """
    match = _TIME.fullmatch(text)
    if match is None:
        try:
            hours = float(text)
        except ValueError:
            return None
        return hours if "_" not in text and math.isfinite(hours) else None
    hour, minute, second = int(match[1]), int(match[2]), float(match[3] or 0)
    if minute >= 60 or second >= 60:
        return None
    if match[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    return hour + (minute + second / 60) / 60


def on_calendar(time: np.ndarray) -> bool:
    """Whether a TIME column holds times of day (with a colon) or date-times."""
    if time.dtype != object:
        return False
    return any(":" in text or _stamp(text) is not None for text in set(time.tolist()) if text is not None)


def _stamp(text: str) -> Stamp | None:
    """Return a date-time in parts; eight digits alone are a number."""
    return None if text.isdecimal() else stamp_of(text)


def translate(date: np.ndarray | None, kind: str, time: np.ndarray) -> Calendar:
    """Return the hours of dates and times since a common origin.

    Parameters
    ----------
    date : ndarray of str, shape (rows,), optional
        Dates; without them TIME may hold date-times (``2024-02-28 10:30``, ``05JAN2023:08:00``).
    kind : str
        ``DATE DAT1 DAT2 DAT3``: the order of month, day and year.
    time : ndarray of str or float, shape (rows,)
        Times of day, or hours.
    """
    times = _as_text(time)
    none = np.zeros(len(times), bool)
    if date is None:
        stamps = [None if text is None else _stamp(text) for text in times]
        if any(stamps):
            return _stamped(stamps)
        hour = _each(times, hour_of)
        return Calendar(hour, none, np.isnan(hour))
    hour, day = _each(times, hour_of), _each(_as_text(date), lambda text: day_of(text, kind))
    bad_time = np.isnan(hour)
    # A number of days and a date have no common origin.
    full = day > 100_000
    bad_date = np.isnan(day) | (full != full[0])
    outside = ~bad_time & ((hour > 24) | (hour < 0))
    remedy, notes = _CLOCK, []
    if any(text is not None and _stamp(text) is not None for text in times[bad_time]):
        remedy = f"TIME holds dates itself: leave {kind} out"
    parted = [text for text in _as_text(date) if text is not None and ambiguous(text)]
    if ORDER[kind] in _WORDS and parted and order_of(parted) != ORDER[kind]:
        other = "DAT1 is day-month-year" if kind == "DATE" else "DATE is month-day-year"
        notes.append(f"{kind} is read as {_WORDS[ORDER[kind]]}, as NONMEM does ({parted[0]}); {other}")
    stamp = _iso(day, hour) if full.all() and not (bad_date | bad_time).any() else None
    return Calendar(_hours(day, hour), bad_date, bad_time | outside, stamp, remedy, tuple(notes))


def _stamped(stamps: list[Stamp | None]) -> Calendar:
    """Return the hours of date-times; those with a zone are compared in UTC."""
    known = [stamp for stamp in stamps if stamp is not None]
    order = order_of(stamp[0] for stamp in known)
    day = np.array([np.nan if s is None else _number(stamp_day(s[0], order)) for s in stamps])
    hour = np.array([np.nan if s is None else _number(hour_of(s[1])) for s in stamps])
    zoned = np.array([s is not None and s[2] is not None for s in stamps])
    ahead = np.array([0.0 if s is None or s[2] is None else s[2] for s in stamps])
    bad = np.isnan(day) | np.isnan(hour) | (hour > 24) | (zoned != zoned[0])
    remedy, notes = f"{_CLOCK}, in every row a date before it, or in none", []
    if (zoned != zoned[0]).any():
        remedy = "give the time zone in every row, or in none"
    elif order is None and bad.any():
        remedy = (
            "is the day or the month first? Give the dates in a column DATE (month-day-year) or DAT1 (day-month-year) "
            "and the time of day in TIME, or write 2023-01-05 08:00"
        )
    if order is not None:
        notes.append(f"dates in TIME are read as {_WORDS[order]}")
    if zoned.any():
        notes.append("times with a zone are compared in UTC, in which WHEN is written")
    hour = hour - ahead
    stamp = None if bad.any() else _iso(day, hour)
    return Calendar(_hours(day, hour), np.zeros(len(bad), bool), bad, stamp, remedy, tuple(notes))


def _hours(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Return hours since the first day, so that large day numbers cost no digits."""
    known = day[~np.isnan(day)]
    return (day - (known.min() if known.size else 0.0)) * 24 + hour


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def relative(hours: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return hours since the first record of each subject.

    Examples
    --------
    >>> relative(np.array([10.0, 12, 30, 31.5]), np.array([0, 2, 4]))
    array([0. , 2. , 0. , 1.5])
    """
    return hours - np.repeat(hours[starts[:-1]], np.diff(starts))


def _as_text(values: np.ndarray) -> np.ndarray:
    """Return numbers as text, so that a column may hold both."""
    if values.dtype == object:
        return values
    result = np.empty(len(values), dtype=object)
    result[:] = [None if np.isnan(value) else repr(value.item()).removesuffix(".0") for value in values]
    return result


def _each(texts: np.ndarray, read: Callable[[str], float | None]) -> np.ndarray:
    """Read each different text once; NaN where missing or not understood."""
    known = {text: read(text) for text in {text for text in texts if text is not None}}
    values = (None if text is None else known[text] for text in texts)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _iso(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Write ISO date-times to the second."""
    result = np.empty(len(day), dtype=object)
    for k, (d, h) in enumerate(zip(day, hour, strict=True)):
        origin = datetime.datetime.fromordinal(int(d)) + datetime.timedelta(seconds=round(h * 3600))
        result[k] = origin.isoformat()
    return result
