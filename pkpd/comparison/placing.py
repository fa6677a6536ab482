"""Where a comparison stands on its people's clock: when schedules begin, what else is given, over which time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.comparison.arms import Plan
from pkpd.comparison.statistics import number
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.simulation.doses import on_clock
from pkpd.simulation.source import History, Subjects, drugs_of, first_dose, other_drugs
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.comparison.target import Target
    from pkpd.model.model import Model

__all__ = ["Place", "placed", "window_of"]


@dataclass(frozen=True)
class Place:
    """A comparison's clock. Times as of the model.

    Attributes
    ----------
    plans : list of Plan
        What is compared, schedules given as text moved to their start.
    background : Regimen or None
        What everybody gets besides.
    start : float
        Where schedules begin that have no clock of their own.
    zero : float
        From where times count that a user gives: the onset of new patients, else 0.
    day_zero : float
        Time of day 0.
    day : float
        Length of a day.
    axis : str
        What a day is.
    seen : tuple of (float, float)
        From when to when people are observed, whatever is compared.
    notes : tuple of str
        What a reader of the numbers must know of all this.
    """

    plans: list[Plan]
    background: Regimen | None
    start: float
    zero: float
    day_zero: float
    day: float
    axis: str
    seen: tuple[float, float]
    notes: tuple[str, ...]

    def dated(self, *times: float) -> str:
        """Return a time, or two with all between, as in ``"day 3 of strati2020"``."""
        days = " to ".join(number((time - self.day_zero) / self.day) for time in times)
        return f"day{'s' if len(times) > 1 else ''} {days} {self.axis.removeprefix('day ')}"


def placed(who: Subjects, plans: Sequence[Plan], start: float | None, background: Regimen | bool | None) -> Place:
    """Return where a comparison stands.

    Parameters
    ----------
    who : Subjects
    plans : sequence of Plan
        Those given as text begin at 0.
    start : float, optional
        Where these are to begin; by default at the patient's own first dose of the compared drugs, at the onset of new
        patients, or at time 0 of a model.
    background : Regimen, bool or None
        None and True: the patient's own other drugs; False: nothing.

    Raises
    ------
    PkpdError
        If an option asks for what the source does not have.
    """
    model, history = who.model, who.history
    drugs = tuple(dict.fromkeys(d for plan in plans for d in drugs_of(plan.regimens[0], model)))
    # New patients have no other clock than that which begins with their illness.
    zero = history.onset or 0.0
    begin, why = _start(history, model, drugs) if start is None else (zero + _number(start), "")
    besides, others = _besides(history, model, drugs, background)
    if zero and besides is not None:
        besides = besides.in_time(model.time_unit).shift(zero)
    day = float(convert_time(1.0, "d", model.time_unit))
    day_zero = history.day_zero
    if day_zero is None or (start is not None and not history.ill and history.given is None):
        day_zero = begin
    moved = [_moved(plan, begin if plan.relative else zero, model.time_unit) for plan in plans]
    first = min(begin, history.now if history.onset is None else zero)
    seen = history.seen or (first, begin + history.followed)
    axis = history.axis if day_zero == history.day_zero else _from_start(history)
    place = Place(moved, besides, begin, zero, day_zero, day, axis, seen, ())
    return replace(place, notes=tuple(_notes(place, history, why, drugs, others, background)))


def _from_start(history: History) -> str:
    return history.axis if history.day_zero is None else History().axis


def _number(start: float) -> float:
    if isinstance(start, bool) or not isinstance(start, (int, float, np.number)) or not np.isfinite(start):
        raise PkpdError(f"compare: start must be a time on the patient's clock, got {start!r}")
    return float(start)


def _start(history: History, model: Model, drugs: Sequence[str]) -> tuple[float, str]:
    """Return where schedules begin that have no clock of their own, and why there."""
    if history.onset is not None:
        return history.onset, "the onset of the illness" if history.axis.endswith("onset") else "time 0"
    own = first_dose(history.given, model, drugs)
    if own is not None:
        return own, f"the patient's own first dose of {' and '.join(drugs)}"
    if history.ill and history.seen is not None:
        return history.seen[0], f"the first observation, as the patient had no {' or '.join(drugs) or 'such drug'}"
    return history.now, "the last observation" if history.now else ""


def _besides(
    history: History, model: Model, drugs: Sequence[str], background: Regimen | bool | None
) -> tuple[Regimen | None, tuple[str, ...]]:
    if isinstance(background, Regimen):
        return background, tuple(dict.fromkeys(drugs_of(background, model)))
    if background not in (None, True, False):
        raise PkpdError(
            f"compare: background must be a Regimen, False for none, or left out for the patient's own other drugs, "
            f"got {background!r}"
        )
    if background is not None and history.given is None:
        raise PkpdError("compare: background=True and False are about a patient's own other drugs, and there is none")
    return (None, ()) if background is False else other_drugs(history.given, model, drugs)


def _moved(plan: Plan, by: float, unit: str) -> Plan:
    """Return a plan some time later, in the model's unit, which is that of its doses."""
    if not by:
        return plan
    regimens = tuple(r.in_time(unit).shift(by) for r in plan.regimens)
    return replace(plan, regimens=regimens, doses=plan.doses + by, ends=plan.ends + by)


def _notes(
    place: Place, history: History, why: str, drugs: Sequence[str], others: Sequence[str], background: object
) -> list[str]:
    """Say when schedules begin, and what is given besides or left out."""
    found = list(history.notes)
    if history.ill or history.given is not None:
        own = f", {why}" if why else ""
        found.append(f"schedules given as text begin on {place.dated(place.start)}{own}")
        elsewhere = [
            f"'{p.name}' on {place.dated(float(p.doses[0]))}"
            for p in place.plans
            if not p.relative and len(p.doses) and abs(float(p.doses[0]) - place.start) > 1e-9
        ]
        if elsewhere:
            found.append(f"regimens begin on their own days: {', '.join(elsewhere)}")
    if others:
        found.append(f"besides: {', '.join(others)} as given" if background in (None, True) else
                     f"besides: {', '.join(others)}")  # fmt: skip
    elif background is False:
        found.append("the patient's other drugs are left out")
    return found


def window_of(
    given: tuple[float, float] | None, place: Place, targets: Sequence[Target], model: Model
) -> tuple[float, float]:
    """Return the window common to all arms; it also holds every day that a target speaks of.

    Raises
    ------
    PkpdError
        If there is none, or a target is about a day outside.
    """
    days = {t: place.day_zero + place.day * t.day for t in targets if t.day is not None}
    if given is not None:
        ends = np.ravel(on_clock(model, given, "compare: window")).tolist()
        low, high = (place.zero + end for end in ends) if len(ends) == 2 else (np.nan, np.nan)
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise PkpdError(f"compare: window must be (start, end) with start < end, {model.time_unit}, got {given!r}")
    else:
        low = min([place.start, place.seen[0], *(float(p.doses[0]) for p in place.plans if len(p.doses))])
        high = max([p.stop for p in place.plans] + [place.seen[1], *days.values()])
        if high <= low:
            raise PkpdError(f"compare: no regimen gives a dose, so give window=(start, end) in {model.time_unit}")
    late = [(t, time) for t, time in days.items() if not low - 1e-9 <= time <= high + 1e-9]
    if late:
        target, time = late[0]
        after = f"; day {target.day:g} after the start is {place.dated(time + place.start - place.day_zero)}"
        raise PkpdError(
            f"compare: target '{target}' is about a day outside the window, which is {place.dated(low, high)}"
            f"{after if place.start != place.day_zero else ''}"
        )
    return low, high
