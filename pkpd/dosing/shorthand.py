"""The clinician's shorthand for doses.

Grammar; the parts of a segment come in any order, case and full stops do not matter::

    regimen   : chain ("+" chain)*                         chains share one clock, which starts at 0
    chain     : segment (("then" | "followed by" | ",") segment)*
    segment   : ["loading"] amount [route] ["into" compartment] ["bolus" | ["infusion"] "over" time]
                [frequency] [count] [start] ["at steady state"]
    amount    : number [unit] ["/kg"]   or a rate:   number unit ["/kg"] "/h"  with  "for" time or "at steady state"
    route     : SC IV PO IM, subcutaneous, oral, ...
    frequency : q24h q7d q2w q30min | daily BID TID QID QOD weekly | every other day | every 3 weeks |
                twice daily | once
    count     : x7 | x14d | x 2 weeks | for 2 weeks | for 7 doses | 7 doses
    start     : at 24 h | from day 3 | on day 3 | after 12 h | 12 h later

Day 1 starts at time 0. ``at``, ``from`` and ``on`` are times on the regimen's clock; ``after`` counts from the last
dose of the segment before. A segment with neither a frequency nor a count is a single dose. The count of a duration is
duration / interval, which must be whole.

What follows ``then`` begins one interval after the last dose of the segment before. A single (loading) dose has none,
so that what follows it begins one of *its own* intervals later: ``200 mg then 100 mg q24h x6``: 0, 24, 48 h ...
An infusion by rate is followed when it ends. ``8 mg/h at steady state`` has been running and goes on.

A route is kept: of ``routes`` it chooses the compartment at once, else that of the model that is dosed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from pkpd.dosing.amounts import UNITS, canonical_unit
from pkpd.dosing.cursor import Cursor
from pkpd.dosing.dose import Dose
from pkpd.dosing.ended import together
from pkpd.dosing.lexer import Token, misread
from pkpd.dosing.record import Compartment
from pkpd.dosing.segments import Segment, chain
from pkpd.dosing.words import HOURS, PHRASES, REFUSED, ROUTES, SINGLE
from pkpd.errors import RegimenError, UnitError
from pkpd.units.time import time_ratio

__all__ = ["parse"]

_NOISE = frozenset({"loading", "load", "dose", "doses", "of", "given"})
_SAID = {
    "interval": "the frequency",
    "single": "the frequency",
    "count": "the number of doses",
    "duration": "the number of doses",
    "at": "the start",
    "after": "the start",
    "steady": "steady state",
    "tinf": "the length of the infusion",
    "manner": "bolus or infusion",
    "route": "the route",
    "into": "the compartment",
}
_MANNERS = {"bolus": "bolus", "push": "bolus", "infusion": "infusion", "infused": "infusion"}
_TIMES_SIGNS = ("x", "×", "*")
_FOLLOWED = ("then", ",", ";", "followed")


def parse(
    text: str,
    cmt: Compartment = None,
    *,
    routes: Mapping[str, Compartment] | None = None,
    weight: float | None = None,
    unit: str | None = None,
    time_unit: str = "h",
) -> tuple[list[Dose], str | None]:
    """Read a shorthand into dose records.

    Parameters
    ----------
    text, cmt, routes, weight, unit, time_unit
        As for `pkpd.dosing.regimen.Regimen.parse`.

    Returns
    -------
    doses : list of Dose
        One record a segment, in order of the text.
    unit : str or None
        Unit of all amounts.

    Raises
    ------
    RegimenError
        With the place in the text that is not understood, and what is.

    Examples
    --------
    >>> parse("loading 200 mg then 100 mg q24h x6", cmt="depot")
    ([Dose(200, 'depot'), Dose(100, 'depot', time=24, ii=24, addl=5)], 'mg')
    """
    if not isinstance(text, str):
        raise RegimenError(f"regimen: the shorthand must be a text, got {text!r}")
    try:
        clock = time_ratio(time_unit, "h")
    except UnitError as error:
        raise RegimenError(f"regimen {text!r}: {error}") from None
    chains = _Parser(text, cmt, dict(routes or {})).chains()
    unit = canonical_unit(unit) if unit is not None else next((s.unit for c in chains for s in c if s.unit), None)

    def strength(segment: Segment) -> float:
        return segment.strength(text, weight, unit)

    parts = [chain(text, segments, strength, clock) for segments in chains]
    return functools.reduce(together, parts) if len(parts) > 1 else parts[0], unit


class _Parser(Cursor):
    """Reads segments from left to right."""

    def __init__(self, text: str, cmt: Compartment, routes: Mapping[str, Compartment]) -> None:
        super().__init__(text)
        self.cmt = cmt
        self.routes = {ROUTES.get(name.lower(), name.upper()): into for name, into in routes.items()}
        self.spellings = ROUTES | {name.lower(): name for name in self.routes if name.lower() not in ROUTES}

    def chains(self) -> list[list[Segment]]:
        """Return the segments of each chain."""
        if not self.tokens:
            raise misread(self.text, "nothing is given; write an amount")
        chains = [[self.segment()]]
        while (token := self.peek()) is not None:
            if token.value in ("+", "plus"):
                self.place += 1
                chains.append([self.segment()])
            elif self.followed():
                chains[-1].append(self.segment())
        return chains

    def followed(self) -> bool:
        """Step over what joins a segment to the one before."""
        begun = self.place
        while (token := self.peek()) is not None:
            if token.value not in _FOLLOWED and not (token.value == "by" and self.place > begun):
                break
            self.place += 1
        return self.place > begun

    def segment(self) -> Segment:
        """Read one segment."""
        while (token := self.peek()) is not None and token.value in _NOISE:
            self.place += 1
        if token is None:
            raise misread(self.text, "an amount is missing, for example 100 mg")
        segment = Segment(token)
        # The start may come first: "then at 24 h 100 mg once".
        while not (token.kind == "number" and not self.counts()) and self.item(segment):
            if (token := self.peek()) is None or token.value in _FOLLOWED:
                raise misread(self.text, "an amount is missing, for example 100 mg", token)
        self.amount(segment)
        while (token := self.peek()) is not None and not self.joins(token):
            if token.value in (",", ";") or token.value in _NOISE:
                self.place += 1
            elif not self.item(segment):
                raise self.unknown(token)
        if segment.cmt is None:
            segment.cmt = self.cmt
        return segment

    def joins(self, token: Token) -> bool:
        """Whether a token ends the segment: a comma does so only before an amount or ``then``."""
        if token.value in ("+", "plus", "then", "followed"):
            return True
        if token.value not in (",", ";"):
            return False
        self.place += 1
        after = self.peek()
        ends = after is not None and (
            after.value in ("then", "followed", "loading", "load") or (after.kind == "number" and not self.counts())
        )
        self.place -= 1
        return ends

    # -- parts of a segment: each returns whether it has read one

    def item(self, segment: Segment) -> bool:
        """Read one part of a segment, if the next token starts one."""
        readers = (self.frequency, self.count, self.start, self.infusion, self.route, self.into)
        return any(reader(segment) for reader in readers)

    def amount(self, segment: Segment) -> None:
        """Read ``100 mg``, ``1 mg/kg`` or ``10 mg/h``."""
        token = self.peek()
        if token is not None and token.value == "-" and (after := self.peek(1)) is not None and after.kind == "number":
            raise misread(self.text, f"amt must be > 0, got -{after.value}", token)
        if token is None or token.kind != "number":
            raise self.unknown(token, "an amount, for example 100 mg, is expected here")
        segment.first, segment.amount = token, self.number()
        unit = self.peek()
        if unit is not None and unit.kind == "word" and unit.value in UNITS:
            segment.unit = UNITS[unit.value]
            self.place += 1
        while (slash := self.peek()) is not None and slash.value == "/":
            self.place += 1
            self.per(segment)

    def per(self, segment: Segment) -> None:
        """Read what follows the slash of ``mg/kg`` and ``mg/h``."""
        token = self.peek()
        word = token.value if token is not None else ""
        if word == "kg" and not segment.per_kg:
            segment.per_kg = True
        elif word in HOURS and HOURS[word] <= 1 and segment.per_hours is None:
            segment.per_hours = HOURS[word]
        elif word in HOURS:
            raise misread(
                self.text, "is it a dose a day or an infusion? write 100 mg daily, or the rate in mg/h", token
            )
        else:
            raise misread(self.text, "amounts are per kg, rates per h or per min", token)
        self.place += 1

    def frequency(self, segment: Segment) -> bool:
        """Read ``q24h``, ``BID``, ``every 3 weeks``, ``8 hourly`` or ``once``."""
        token = self.tokens[self.place]
        for length in range(4, 0, -1):
            words = tuple(t.value for t in self.tokens[self.place : self.place + length])
            if len(words) == length and words in PHRASES:
                self.place += length
                return self.say(segment, "interval", PHRASES[words], token)
        if token.value in ("q", "every"):
            self.place += 1
            return self.say(segment, "interval", self.positive_time("interval"), token)
        if token.kind == "number" and self.hourly():
            hours = self.number()
            self.place += 2 if self.tokens[self.place].value == "-" else 1
            return self.say(segment, "interval", hours, token)
        if token.value in SINGLE:
            self.place += 1
            return self.say(segment, "single", True, token)
        return False

    def count(self, segment: Segment) -> bool:
        """Read ``x7``, ``x14d``, ``for 2 weeks`` or ``7 doses``; ``for`` is the length of an infusion by rate."""
        token = self.tokens[self.place]
        after = self.peek(1)
        if token.kind == "number" and after is not None and after.value in ("dose", "doses"):
            return self.say(segment, "count", self.whole("the number of doses"), token)
        if token.value not in (*_TIMES_SIGNS, "for"):
            return False
        self.place += 1
        number, after = self.peek(), self.peek(1)
        word = after.value if after is not None else ""
        if word in REFUSED:
            raise self.unknown(after)
        if number is not None and number.kind == "number" and word in HOURS:
            length = self.positive_time("duration")
            if token.value == "for" and segment.per_hours is not None and segment.tinf is None:
                return self.say(segment, "tinf", length, token)
            return self.say(segment, "duration", length, token)
        bare = token.value == "for" and word not in ("dose", "doses", "times")
        if number is None or number.kind != "number" or bare:
            needs = f"{token.value!r} needs a number of doses or a time: x7, x14d, for 2 weeks"
            raise misread(self.text, needs, number)
        count = self.whole("the number of doses")
        if (unit := self.peek()) is not None and unit.value in ("dose", "doses", "times"):
            self.place += 1
        return self.say(segment, "count", count, token)

    def start(self, segment: Segment) -> bool:
        """Read ``at 24 h``, ``from day 3``, ``after 12 h``, ``12 h later`` or ``at steady state``."""
        token = self.tokens[self.place]
        later = self.peek(2)
        if token.kind == "number" and later is not None and later.value == "later":
            hours = self.positive_time("time")
            self.place += 1
            return self.say(segment, "after", hours, token)
        if token.value == "after":
            self.place += 1
            return self.say(segment, "after", self.positive_time("time"), token)
        if token.value not in ("at", "from", "on", "starting", "day"):
            return False
        if token.value != "day":
            self.place += 1
        words = [t.value for t in self.tokens[self.place : self.place + 2]]
        if words == ["steady", "state"]:
            self.place += 2
            return self.say(segment, "steady", True, token)
        if words and token.value == "starting" and words[0] in ("at", "from", "on"):
            self.place += 1
        if (day := self.peek()) is not None and day.value == "day":
            self.place += 1
            return self.say(segment, "at", (self.whole("day") - 1) * HOURS["day"], token)
        return self.say(segment, "at", self.time(), token)

    def infusion(self, segment: Segment) -> bool:
        """Read ``over 2 h``, ``bolus`` or ``infusion``."""
        token = self.tokens[self.place]
        if token.value in _MANNERS:
            self.place += 1
            return self.say(segment, "manner", _MANNERS[token.value], token)
        if token.value != "over":
            return False
        self.place += 1
        return self.say(segment, "tinf", self.positive_time("infusion"), token)

    def route(self, segment: Segment) -> bool:
        """Read a route; it decides the compartment where ``routes`` says so."""
        token = self.tokens[self.place]
        name = self.spellings.get(token.value)
        if name is None:
            return False
        self.place += 1
        if self.routes and name not in self.routes and self.cmt is None:
            raise misread(self.text, f"routes has no compartment for {name}; it has {', '.join(self.routes)}", token)
        if "into" not in segment.where and name in self.routes:
            segment.cmt = self.routes[name]
        return self.say(segment, "route", name, token)

    def into(self, segment: Segment) -> bool:
        """Read ``into depot``."""
        token = self.tokens[self.place]
        if token.kind != "into":
            return False
        self.place += 1
        segment.cmt = int(token.value) if token.value.isdecimal() else token.value
        return self.say(segment, "into", token.value, token)

    # -- looking ahead

    def hourly(self) -> bool:
        """Whether the next tokens are ``8 hourly`` or ``8-hourly``."""
        words = [t.value for t in self.tokens[self.place + 1 : self.place + 3]]
        return words[:1] == ["hourly"] or words == ["-", "hourly"]

    def counts(self) -> bool:
        """Whether the next number is no amount: ``8 hourly``, ``2 times daily``, ``7 doses``, ``12 h later``."""
        words = [t.value for t in self.tokens[self.place + 1 : self.place + 3]]
        return self.hourly() or words[:1] in (["times"], ["dose"], ["doses"]) or words[1:] == ["later"]

    def say(self, segment: Segment, name: str, value: object, token: Token) -> bool:
        """Note what a segment says, which it may say once."""
        rival = {"duration": "count", "count": "duration", "at": "after", "after": "at"}.get(name, name)
        if name in segment.where or rival in segment.where:
            raise misread(self.text, f"{_SAID[name]} is said twice", token)
        if name != "into":
            setattr(segment, name, value)
        segment.where[name] = token
        return True
