"""The vocabulary of the dosing shorthand: units of time, frequencies, routes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from pkpd.errors import RegimenError
from pkpd.units.time import HOURS as ALL_HOURS

__all__ = ["EXAMPLES", "HOURS", "PHRASES", "REFUSED", "ROUTES", "SINGLE", "canonical_route"]

HOURS: dict[str, Fraction] = {word: n for word, n in ALL_HOURS.items() if n in (Fraction(1, 60), 1, 24, 168)}
"""Spellings of units of time that an order may hold -> h."""

_TIMES_A_DAY = {
    "once": 1, "one time": 1, "twice": 2, "two times": 2, "2 times": 2, "thrice": 3, "three times": 3, "3 times": 3,
    "four times": 4, "4 times": 4, "six times": 6, "6 times": 6,
}  # fmt: skip
_DAILY = ("daily", "a day", "per day", "each day", "every day")
_WEEKLY = ("weekly", "a week", "per week", "each week", "every week")
_WORDS: dict[str, Fraction] = {
    **{f"{word} {per}": Fraction(24, n) for word, n in _TIMES_A_DAY.items() for per in _DAILY},
    **{f"{word} {per}": Fraction(168, n) for word, n in _TIMES_A_DAY.items() for per in _WEEKLY},
    **dict.fromkeys(("daily", "qd", "od", "every day", "each day", "nightly"), Fraction(24)),
    **dict.fromkeys(("bid", "bd"), Fraction(12)),
    **dict.fromkeys(("tid", "tds"), Fraction(8)),
    **dict.fromkeys(("qid", "qds"), Fraction(6)),
    **dict.fromkeys(("qod", "eod", "every other day", "every second day", "on alternate days"), Fraction(48)),
    **dict.fromkeys(("weekly", "qw", "every week", "each week"), Fraction(168)),
    **dict.fromkeys(("fortnightly", "every other week", "every second week"), Fraction(336)),
    **dict.fromkeys(("hourly", "qh", "every hour"), Fraction(1)),
}
PHRASES: dict[tuple[str, ...], Fraction] = {tuple(text.split()): hours for text, hours in _WORDS.items()}
"""Words of a frequency -> interval, h."""

SINGLE = ("once", "single", "stat")
"""Words that say that a dose is given one time."""

ROUTES: dict[str, str] = {
    **dict.fromkeys(("sc", "sq", "subq", "subcut", "subcutaneous", "subcutaneously"), "SC"),
    **dict.fromkeys(("iv", "intravenous", "intravenously"), "IV"),
    **dict.fromkeys(("po", "oral", "orally"), "PO"),
    **dict.fromkeys(("im", "intramuscular", "intramuscularly"), "IM"),
}
"""Spellings of routes -> the route."""

REFUSED: dict[str, str] = {
    **dict.fromkeys(("month", "months", "mo", "monthly"), "a month has no fixed length; write q4w or every 30 days"),
    **dict.fromkeys(("biweekly",), "'biweekly' is twice a week to some, every two weeks to others; write one of them"),
    **dict.fromkeys(("m",), "write min for minutes or 4 w for a month of weeks"),
    **dict.fromkeys(("prn",), "doses as needed have no times; write the times at which they were given"),
}
"""Words that are understood but cannot be dosed from, with the remedy."""

EXAMPLES = (
    "100 mg SC q24h x7",
    "100 mg BID x1d then 100 mg daily x4",
    "loading 200 mg then 100 mg every other day x5",
    "1 mg/kg IV over 2 h every 3 weeks x4",
)
"""Texts that show what is understood."""


def canonical_route(route: Any) -> str | None:
    """Return the one spelling of a route, or None for none; an unknown one stays, in upper case.

    Examples
    --------
    >>> canonical_route("intravenous"), canonical_route("icv")
    ('IV', 'ICV')
    """
    if route is None:
        return None
    if not isinstance(route, str) or not route.strip():
        raise RegimenError(f"route must be a text such as 'IV' or 'SC', got {route!r}")
    text = route.strip().replace(".", "")
    return ROUTES.get(text.lower(), text.upper())
