"""Calendar dates and times of day -> hours, as NONMEM's DATE, DAT1, DAT2 and DAT3 with TIME.

Source: NONMEM user's guide V, chapter 6, 10.1. DATE is month-day-year, DAT1 day-month-year, DAT2 year-month-day,
DAT3 year-day-month; a year of two digits is 19xx above 50 and 20xx otherwise (LAST20=50); a date without separators is
a day number.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

import numpy as np

__all__ = ["day_of", "hour_of", "on_calendar", "relative", "translate"]

_ORDER = {"DATE": "mdy", "DAT1": "dmy", "DAT2": "ymd", "DAT3": "ydm"}
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_STAMP = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:[T ]+(\d.*))?")
_TIME = re.compile(r"(\d{1,3}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([AaPp][Mm])?")


def day_of(text: str, kind: str) -> int | None:
    """Return a date as a number of days, or None if it is not a date of this kind.

    Examples
    --------
    >>> day_of("3/2/24", "DATE") - day_of("2/28/24", "DATE"), day_of("5", "DATE"), day_of("31/2/2024", "DAT1")
    (3, 5, None)
    """
    text = re.sub(r"[T ]+0{1,2}:00(:00)?$", "", text)
    if re.fullmatch(r"\d{1,4}", text):
        return int(text)
    iso = _ISO.fullmatch(text)
    order = "ymd" if iso and kind == "DATE" else _ORDER[kind]
    parts = re.split(r"[-/. ]", text)
    if len(parts) == 2:
        order = order.replace("y", "")
    if len(parts) != len(order) or not all(part.isdecimal() for part in parts):
        return None
    given = dict(zip(order, (int(part) for part in parts), strict=True))
    year = given.get("y", 2001)
    if year < 100:
        year += 1900 if year > 50 else 2000
    try:
        return datetime.date(year, given["m"], given["d"]).toordinal()
    except ValueError:
        return None


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
            return None if "_" in text else float(text)
        except ValueError:
            return None
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
    return time.dtype == object and any(text is not None and (":" in text or _STAMP.fullmatch(text)) for text in time)


def translate(
    date: np.ndarray | None, kind: str, time: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return hours since a common origin, and which dates and which times are not understood.

    Parameters
    ----------
    date : ndarray of str, shape (rows,), optional
        Dates; without them TIME may hold date-times (``2024-02-28 10:30``).
    kind : str
        ``DATE DAT1 DAT2 DAT3``: the order of month, day and year.
    time : ndarray of str or float, shape (rows,)
        Times of day, or hours.

    Returns
    -------
    hours : ndarray, shape (rows,)
    bad_date, bad_time : ndarray of bool, shape (rows,)
    stamp : ndarray of str, shape (rows,), or None
        ISO date-times, where the dates have a year.
    """
    times = _as_text(time)
    dates = None if date is None else _as_text(date)
    stamps = [None if text is None else _STAMP.fullmatch(text) for text in times]
    if dates is None and any(stamps):
        dates = np.array([match[1] if match else None for match in stamps], dtype=object)
        times = np.array([(match[2] or "0") if match else None for match in stamps], dtype=object)
        kind = "DAT2"
    hour = _each(times, hour_of)
    bad_time = np.isnan(hour)
    if dates is None:
        return hour, np.zeros(len(times), bool), bad_time, None
    day = _each(dates, lambda text: day_of(text, kind))
    # A number of days and a date have no common origin.
    full = day > 100_000
    bad_date = np.isnan(day) | (full != full[0])
    hours = day * 24 + hour
    stamp = _stamps(day, hour) if full.all() and not (bad_date | bad_time).any() else None
    return hours, bad_date, bad_time | (~bad_time & ((hour > 24) | (hour < 0))), stamp


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


def _stamps(day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Write ISO date-times to the second."""
    result = np.empty(len(day), dtype=object)
    for k, (d, h) in enumerate(zip(day, hour, strict=True)):
        origin = datetime.datetime.fromordinal(int(d)) + datetime.timedelta(seconds=round(h * 3600))
        result[k] = origin.isoformat()
    return result
