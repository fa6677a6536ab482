"""Segments of a dosing shorthand: what one says, and the doses of a chain of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from pkpd.dosing.amounts import factor, shortest
from pkpd.dosing.dose import Dose
from pkpd.dosing.lexer import Token, misread
from pkpd.dosing.record import Compartment
from pkpd.options import is_number

__all__ = ["Segment", "chain"]


@dataclass(slots=True)
class Segment:
    """What one segment says; times in h, exact. ``where`` holds the token of each thing said."""

    first: Token
    amount: Fraction = Fraction(0)
    unit: str | None = None
    per_kg: bool = False
    per_hours: Fraction | None = None
    cmt: Compartment = None
    route: str | None = None
    tinf: Fraction | None = None
    interval: Fraction | None = None
    single: bool = False
    count: int | None = None
    duration: Fraction | None = None
    at: Fraction | None = None
    after: Fraction | None = None
    steady: bool = False
    manner: str | None = None
    where: dict[str, Token] = field(default_factory=dict)

    def doses(self, text: str) -> int:
        """Return the number of doses."""
        if self.interval is None:
            if self.duration is not None or self.count not in (None, 1):
                raise misread(
                    text, "how often? write a frequency, for example q24h or BID", self._token("count", "duration")
                )
            return 1
        if self.single:
            raise misread(text, "a single dose has no frequency; leave one of them out", self.where["single"])
        if self.count is not None:
            return self.count
        if self.duration is None:
            raise misread(text, "how many doses? write a count after the frequency, for example x7 or for 7 days")
        n = self.duration / self.interval
        if n.denominator == 1:
            return int(n)
        every, long = shortest(float(self.interval)), shortest(float(self.duration))
        choices = " or ".join(f"x{k}" for k in (math.floor(n), math.ceil(n)) if k)
        raise misread(
            text, f"{long} h is not a whole number of intervals of {every} h; write {choices}", self.where["duration"]
        )

    def strength(self, text: str, weight: float | None, unit: str | None) -> float:
        """Return the amount (or the rate) in a unit, for a body weight in kg."""
        amount = self.amount
        if unit is not None and self.unit is not None:
            ratio = factor(self.unit, unit)
            if ratio is None:
                raise misread(text, f"an amount in {self.unit} cannot be converted to {unit}", self.first)
            amount *= ratio
        elif unit is not None:
            raise misread(text, f"an amount without a unit; write it in {unit}", self.first)
        if not self.per_kg:
            return float(amount)
        if weight is None:
            raise misread(text, "an amount per kg needs a body weight: give weight=... in kg", self.first)
        if not (is_number(weight) and weight > 0):
            raise misread(text, f"weight must be > 0 kg, got {weight!r}", self.first)
        return float(amount) * float(weight)

    def step(self) -> Fraction | None:
        """Return the time from the last dose to what follows: the interval, or the length of an infusion by rate."""
        return self.interval or (self.tinf if self.per_hours is not None else None)

    def _token(self, *names: str) -> Token:
        return next((self.where[name] for name in names if name in self.where), self.first)


def chain(text: str, segments: Sequence[Segment], strength: Any, clock: Fraction) -> list[Dose]:
    """Return the doses of segments that follow one another.

    Parameters
    ----------
    text : str
        The whole shorthand, for errors.
    segments : sequence of Segment
        In order.
    strength : callable
        Amount or rate of a segment as a float.
    clock : Fraction
        Hours in one unit of the regimen's clock.
    """
    made: list[Dose] = []
    last: Fraction | None = None
    step: Fraction | None = None
    for segment in segments:
        if made and made[-1].amt == math.inf:
            remedy = (
                "the infusion before it goes on; join them with +, or write how long it runs instead of steady state"
            )
            raise misread(text, remedy, segment.first)
        n = segment.doses(text)
        start = _start(text, segment, last, step)
        step = segment.step()
        last = start + (n - 1) * (segment.interval or 0)
        dose = _dose(text, segment, strength(segment), clock)
        made.append(replace(dose, time=float(start / clock), addl=n - 1))
    return made


def _start(text: str, segment: Segment, last: Fraction | None, step: Fraction | None) -> Fraction:
    """Return when a segment starts, given the last dose of the segment before it and the time to what follows that."""
    if segment.at is not None:
        if last is not None and segment.at <= last:
            message = f"starts before the last dose of what it follows, at {shortest(float(last))} h; join them with +"
            raise misread(text, message, segment.where["at"])
        return segment.at
    if segment.after is not None:
        if last is None:
            raise misread(text, "there is nothing before it; write at instead of after", segment.where["after"])
        return last + segment.after
    if last is None:
        return Fraction(0)
    interval = step or segment.interval
    if interval is None:
        raise misread(
            text, "when? neither this dose nor the one before it has an interval; write at 24 h", segment.first
        )
    return last + interval


def _dose(text: str, segment: Segment, strength: float, clock: Fraction) -> Dose:
    """Return the first dose of a segment, at time 0."""
    if strength <= 0:
        raise misread(text, f"amt must be > 0, got {strength!r}", segment.first)
    ii = float((segment.step() or Fraction(0)) / clock)
    ss = int(segment.steady)
    infused = segment.tinf is not None or segment.per_hours is not None
    if segment.manner is not None and infused != (segment.manner == "infusion"):
        remedy = "a bolus has no length" if infused else "how long is the infusion? write over 2 h after it"
        raise misread(text, remedy, segment.where["manner"])
    if segment.per_hours is None:
        if ss and not ii:
            raise misread(text, "steady state needs a frequency, for example q24h", segment.where["steady"])
        tinf = None if segment.tinf is None else float(segment.tinf / clock)
        return Dose(strength, segment.cmt, tinf=tinf, ii=ii, ss=ss, route=segment.route)
    if segment.tinf is None and ss and not ii:
        # The clinician's words say that it runs; NONMEM's record of amount 0 would end at its time.
        rate = strength * float(clock / segment.per_hours)
        return Dose(math.inf, segment.cmt, rate=rate, ss=1, route=segment.route)
    if segment.tinf is None:
        raise misread(text, "how long is the infusion? write for 24 h after its rate", segment.first)
    if segment.interval is None and ss:
        raise misread(
            text, "steady state of an infusion that ends needs a frequency, for example q24h", segment.where["steady"]
        )
    amount = strength * float(segment.tinf / segment.per_hours)
    return Dose(amount, segment.cmt, tinf=float(segment.tinf / clock), ii=ii, ss=ss, route=segment.route)
