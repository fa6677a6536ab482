"""Dates and date-times as they are written: with numbers, with names of months, compact, with a time zone."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Sequence

__all__ = [
    "ORDER",
    "Stamp",
    "ambiguous",
    "day_of",
    "duration_hours",
    "looks_like_dates",
    "order_of",
    "stamp_day",
    "stamp_of",
]

ORDER = {"DATE": "mdy", "DAT1": "dmy", "DAT2": "ymd", "DAT3": "ydm"}
"""Order of month, day and year in NONMEM's date columns."""

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NAMED = (
    r"\d{1,4}(?:st|nd|rd|th)?[-/. ]*[A-Za-z]{3,9}\.?[-/., ]*\d{2,4}"
    r"|[A-Za-z]{3,9}\.?[-/. ]*\d{1,2}(?:st|nd|rd|th)?[-/., ]+\d{2,4}"
)
_DATE = rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}|\d{{8}}(?=T|$)|{_NAMED}"
_STAMP = re.compile(
    rf"({_DATE})(?:[T: ,]+(\d{{1,2}}(?::\d{{2}}){{1,2}}(?:\.\d+)?(?:\s*[AaPp][Mm])?|\d{{4}}(?:\d{{2}})?"
    r"|\d{1,2}(?:\.\d+)?)"
    r"\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_DURATION = re.compile(r"(?:(-?\d+) days?,? *(?:\+ *)?)?(?:(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?)?")
_PARTED = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2\d{2,4}")


class Stamp(tuple[str, str, float | None]):
    """A date-time in parts: the date, the time of day (``0`` if none), and hours from UTC (None: not said)."""

    __slots__ = ()


def stamp_of(text: str) -> Stamp | None:
    """Return a date, or a date and a time of day, in parts; None if it is neither.

    Examples
    --------
    >>> stamp_of("2024-02-28T10:30:00+01:00"), stamp_of("05JAN2023"), stamp_of("12.5")
    (('2024-02-28', '10:30:00', 1.0), ('05JAN2023', '0', None), None)
    """
    match = _STAMP.fullmatch(text)
    if match is None or (_PARTED.fullmatch(match[1]) is None and stamp_day(match[1], None) is None):
        return None
    clock = match[2] or "0"
    if clock.isdecimal() and len(clock) > 2:
        clock = ":".join(clock[k : k + 2] for k in range(0, len(clock), 2))
    return Stamp((match[1], clock, _offset(match[3])))


def _offset(zone: str | None) -> float | None:
    """Return the hours that a zone is before UTC."""
    if zone is None:
        return None
    if zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "")
    hours = int(digits[:2]) + int(digits[2:] or 0) / 60
    return -hours if zone[0] == "-" else hours


def ambiguous(text: str) -> bool:
    """Whether a date is written in numbers with the year last, so that day and month are told by their order only."""
    return _PARTED.fullmatch(text) is not None


def order_of(dates: Iterable[str]) -> str | None:
    """Return how numbers before the year are ordered, ``mdy`` or ``dmy``; None if the dates do not tell or disagree.

    Points stand in dates that begin with the day; else a number above 12 must be a day.

    Examples
    --------
    >>> order_of(["1/5/2023", "1/25/2023"]), order_of(["1.5.2023"]), order_of(["1/5/2023"])
    ('mdy', 'dmy', None)
    """
    orders = set()
    for text in dates:
        match = _PARTED.fullmatch(text)
        if match and (match[2] == "." or int(match[1]) > 12):
            orders.add("dmy")
        if match and match[2] != "." and int(match[3]) > 12:
            orders.add("mdy")
    return orders.pop() if len(orders) == 1 else None


def stamp_day(date: str, order: str | None) -> int | None:
    """Return the date of a date-time as a number of days, or None if it is none or its order is not known.

    Examples
    --------
    >>> stamp_day("1/5/2023", None), stamp_day("1/5/2023", "dmy") == stamp_day("2023-05-01", None)
    (None, True)
    """
    if ambiguous(date):
        return None if order is None else day_of(date, order)
    compact = date.isdecimal() and not 1900 <= int(date[:4]) < 2100
    return None if compact else day_of(date, "dmy")


def day_of(text: str, kind: str) -> int | None:
    """Return a date as a number of days, or None if it is not a date of this kind.

    Parameters
    ----------
    text : str
        Numbers in the order of the kind; the year first where it has four digits; a month by its English name; eight
        digits; or up to four digits, a day number.
    kind : str
        ``DATE DAT1 DAT2 DAT3``, or the order itself, for example ``dmy``.

    Examples
    --------
    >>> day_of("3/2/24", "DATE") - day_of("2/28/24", "DATE"), day_of("5", "DATE"), day_of("31/2/2024", "DAT1")
    (3, 5, None)
    >>> day_of("05JAN2023", "DATE") == day_of("20230105", "DATE") == day_of("Jan 5, 2023", "DAT2")
    True
    """
    order = ORDER.get(kind, kind)
    text = re.sub(r"[T ]+0{1,2}:00(:00)?$", "", text)
    if re.fullmatch(r"\d{1,4}", text):
        return int(text)
    if re.fullmatch(r"\d{8}", text):
        return _compact(text, order)
    if any(letter.isalpha() for letter in text):
        return _named(text, order)
    parts = re.split(r"[-/. ]", text)
    if len(parts[0]) == 4 and order != "ydm":
        order = "ymd"
    if len(parts) == 2:
        order = order.replace("y", "")
    if len(parts) != len(order) or not all(part.isdecimal() for part in parts):
        return None
    return _day(dict(zip(order, parts, strict=True)))


def _compact(text: str, order: str) -> int | None:
    """Return a date of eight digits: the year first where that is a year of these two centuries."""
    if not 1900 <= int(text[:4]) < 2100:
        at, given = 0, {}
        for letter in order:
            size = 4 if letter == "y" else 2
            given[letter], at = text[at : at + size], at + size
        return _day(given)
    month, day = (text[6:], text[4:6]) if order == "ydm" else (text[4:6], text[6:])
    return _day({"y": text[:4], "m": month, "d": day})


def _named(text: str, order: str) -> int | None:
    """Return a date whose month is a name."""
    words = re.findall(r"[A-Za-z]+|\d+", re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text))
    names = [word.lower() for word in words if word.isalpha()]
    numbers = [word for word in words if word.isdigit()]
    if len(names) != 1 or len(numbers) not in (1, 2) or not re.fullmatch(rf"(?:{_NAMED}|\d+[-/. ]*[A-Za-z]+)", text):
        return None
    month = next((k for k, name in enumerate(_MONTHS, start=1) if names[0] in (name, name[:3], name[:4])), None)
    if month is None:
        return None
    if len(numbers) == 1:
        return _day({"m": str(month), "d": numbers[0]})
    first, second = numbers
    year_first = len(first) == 4 or (len(second) != 4 and order.index("y") < order.index("d"))
    year, day = (first, second) if year_first else (second, first)
    return _day({"y": year, "m": str(month), "d": day})


def _day(given: dict[str, str]) -> int | None:
    """Return year (two digits: 1951 to 2050), month and day as a number of days."""
    year = int(given.get("y", "2001"))
    if len(given.get("y", "2001")) < 3:
        year += 1900 if year > 50 else 2000
    try:
        return datetime.date(year, int(given["m"]), int(given["d"])).toordinal()
    except ValueError:
        return None


def duration_hours(texts: Sequence[str | None]) -> list[float] | None:
    """Return durations, as Python and pandas write them, in h (NaN where missing); None if some are others.

    Examples
    --------
    >>> duration_hours(["0 days 01:30:00", None, "1 day, 6:00:00"]), duration_hours(["10:30", "11:00"])
    ([1.5, nan, 30.0], None)
    """
    found = [None if text is None else _DURATION.fullmatch(text) for text in texts]
    if not any(match is not None and match[1] for match in found):
        return None
    if any(match is None and text is not None for match, text in zip(found, texts, strict=True)):
        return None
    return [
        math.nan
        if m is None
        else 24.0 * int(m[1] or 0) + int(m[2] or 0) + (int(m[3] or 0) + float(m[4] or 0) / 60) / 60
        for m in found
    ]


def looks_like_dates(numbers: Iterable[float]) -> bool:
    """Whether all numbers are dates without separators, such as 20230105, perhaps with a time: 202301050830.

    Examples
    --------
    >>> looks_like_dates([20230105.0, 20230106.0]), looks_like_dates([0.0, 24.0])
    (True, False)
    """
    texts = [f"{number:.0f}" if float(number).is_integer() else "" for number in numbers]
    return bool(texts) and all(
        len(text) in (8, 10, 12, 14) and 1900 <= int(text[:4]) < 2100 and day_of(text[:8], "DAT2") is not None
        for text in texts
    )
