"""What the strip of one patient shows: doses, facts and events as marks on lanes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pkpd.errors import UnitError
from pkpd.evidence.kinds import Glyph, fact_kinds
from pkpd.plot.glyphs import (
    INK,
    SIZE,
    draw_bound,
    draw_change,
    draw_course,
    draw_curve,
    draw_event,
    draw_grade,
    draw_nothing,
    draw_span,
    draw_symbol,
    draw_ticks,
    glyph_of,
    ink_of,
    window,
)
from pkpd.plot.lanes import Lane, Mark, label_width
from pkpd.plot.style import COLOURS

if TYPE_CHECKING:
    from pkpd.evidence.evidence import Evidence
    from pkpd.evidence.values import Fact, ReportedDose

__all__ = [
    "Scale",
    "day_of_death",
    "drug_colour",
    "is_course",
    "is_span",
    "lanes_of",
]

_COLOURS = COLOURS[:6]  # black is for what was reported
_MANY = 8
_CURVE = 6.0
_TICK = 0.5


@dataclass(frozen=True)
class Scale:
    """The day axis: its first and last day, and its length in mm."""

    first: float
    last: float
    width: float

    def mm(self, day: float) -> float:
        """Return a day's distance from the left end."""
        return (day - self.first) / (self.last - self.first) * self.width

    def days(self, mm: float) -> float:
        """Return how many days a length is."""
        return mm * (self.last - self.first) / self.width


def drug_colour(drug: str, evidence: Evidence) -> str:
    """Return the colour of a drug, the same in every report with the same words."""
    known = list(dict.fromkeys([*evidence.words.drugs, *evidence.drugs]))
    return _COLOURS[known.index(drug) % len(_COLOURS)]


def is_course(fact: Fact, drug: str) -> bool:
    """Tell a statement on daily doses whose single days are not printed."""
    return fact.marker == f"{drug}_daily" and fact.known == "read" and None not in (fact.time, fact.time_to)


def day_of_death(evidence: Evidence, patient: str) -> float | None:
    """Return the day on which a patient died, if one is told."""
    days = [f.time for f in evidence.facts if f.patient == patient and f.marker == "death" and _happened(f)]
    return next((day for day in days if day is not None), None)


def lanes_of(evidence: Evidence, patient: str, scale: Scale) -> list[Lane]:
    """Return the lanes of one patient: drugs, grades, markers, events.

    A statement without a day is not on them, nor a text, but for ``<drug>_daily`` over a window.
    """
    facts = [_understood(fact, evidence) for fact in evidence.facts if fact.patient == patient]
    dated = [fact for fact in facts if fact.time is not None]
    lanes = [_drug_lane(evidence, patient, drug, dated, scale) for drug in evidence.words.order(evidence.drugs)]
    shown = [fact for fact in dated if glyph_of(fact) != "none"]
    graded = {fact.marker for fact in evidence.facts if glyph_of(fact) == "grade"}
    order = {name: (name not in graded, k) for k, name in enumerate(evidence.markers)}
    markers = sorted({fact.marker for fact in shown}, key=lambda name: (order.get(name, (True, 99)), name))
    lanes += [_marker_lane(name, [fact for fact in shown if fact.marker == name], evidence, scale) for name in markers]
    lanes.append(_event_lane([fact for fact in dated if fact.kind == "event" and _happened(fact)], scale))
    return [lane for lane in lanes if lane.marks or lane.behind]


# -- drugs


def _drug_lane(evidence: Evidence, patient: str, drug: str, facts: Sequence[Fact], scale: Scale) -> Lane:
    colour = drug_colour(drug, evidence)
    units = {row.unit for row in evidence.doses if row.drug == drug}
    lane = Lane(f"{evidence.words.label(drug)}, {'/'.join(sorted(units))}", colour)
    top = max((_daily(row) for row in evidence.doses if row.drug == drug and is_span(row)), default=1.0)
    for row in sorted((row for row in evidence.doses if (row.patient, row.drug) == (patient, drug)), key=_start):
        left, right = scale.mm(row.start), scale.mm(row.end)
        if is_span(row):
            height = 0.5 + 1.6 * _daily(row) / top
            draw = partial(draw_span, row=row, colour=colour, height=height)
            lane.marks.append(Mark(left, right, draw, _amount(row), loose=True))
        else:
            draw = partial(draw_ticks, row=row, colour=colour, wide=scale.days(_TICK))
            lane.marks.append(Mark(left, right + _TICK, draw, _amount(row), loose=True))
    for fact in facts:
        if is_course(fact, drug):
            draw = partial(draw_course, fact=fact, colour=colour)
            first, last = window(fact)
            lane.marks.append(Mark(scale.mm(first), scale.mm(last), draw, fact.printed, inside=True))
    return lane


def _start(row: ReportedDose) -> float:
    return row.start


def is_span(row: ReportedDose) -> bool:
    """Tell an infusion long enough to be seen as a span of days."""
    return row.duration is not None and row.number == 1 and row.duration >= 12


def _daily(row: ReportedDose) -> float:
    return row.amt / (row.duration or 24.0) * 24.0


def _amount(row: ReportedDose) -> str:
    """Write ``100 q24h ×7``, or the total of a long infusion."""
    if row.number == 1:
        return _number(row.amt)
    every = f"q{row.interval:g}h " if row.interval else ""
    return f"{_number(row.amt)} {every}×{row.number}"


# -- facts


def _marker_lane(marker: str, facts: list[Fact], evidence: Evidence, scale: Scale) -> Lane:
    units = sorted({_unit(fact.unit) for fact in facts if fact.unit and fact_kinds()[fact.kind].has_unit})
    unit = f", {'/'.join(units)}" if units else ""
    lane = Lane(f"{evidence.words.label(marker)}{unit}", INK)
    facts = sorted(facts, key=lambda fact: fact.time or 0.0)
    read = [fact for fact in facts if fact.is_point and fact.kind in ("value", "below")]
    printed = [fact for fact in facts if fact.kind == "value" and not fact.is_point]
    curve = read or (printed if len(printed) >= _MANY else [])
    if curve:
        facts = [fact for fact in facts if fact not in curve]
        lane.below = _CURVE
        lane.behind.append(partial(draw_curve, facts=curve))
        top = max(curve, key=lambda fact: fact.value or 0.0)
        at = scale.mm(top.time or 0.0)
        lane.marks.append(Mark(at - 0.5, at + 0.5, draw_nothing, _value(top)))
    lane.marks += [_MAKERS[glyph_of(fact)](fact, scale) for fact in facts]
    return lane


def _point(fact: Fact, scale: Scale) -> Mark:
    day = fact.time or 0.0
    return _symbol(fact, scale, day, "o", 3.0)


def _extreme(fact: Fact, scale: Scale) -> Mark:
    day = fact.at if fact.at is not None else fact.time or 0.0
    return _symbol(fact, scale, day, "^" if glyph_of(fact) == "peak" else "v", 3.8)


def _symbol(fact: Fact, scale: Scale, day: float, sign: str, size: float) -> Mark:
    return Mark(
        scale.mm(day) - 0.8,
        scale.mm(day) + 0.8,
        partial(draw_symbol, fact=fact, day=day, sign=sign, size=size),
        _value(fact),
        colour=ink_of(fact),
    )


def _bound(fact: Fact, scale: Scale) -> Mark:
    first = fact.time or 0.0
    last = fact.time_to if fact.time_to is not None else first
    left, right = min(scale.mm(first), scale.mm(last)), max(scale.mm(first), scale.mm(last))
    sign = "<" if glyph_of(fact) == "ceiling" else ">"
    return Mark(
        left - 0.8,
        right + 0.8,
        partial(draw_bound, fact=fact, half=scale.days(0.8)),
        f"{sign} {_value(fact)}",
        inside=True,
    )


def _change(fact: Fact, scale: Scale) -> Mark:
    first = fact.time or 0.0
    last = fact.time_to if fact.time_to is not None else first + scale.days(2.0)
    value = "" if fact.value is None else _number(fact.value)
    op = "" if fact.op == "=" else f"{fact.op} "
    return Mark(
        scale.mm(first),
        scale.mm(last),
        partial(draw_change, fact=fact, last=last),
        f"{op}{value}×".strip(),
        colour=ink_of(fact),
    )


def _grade(fact: Fact, scale: Scale) -> Mark:
    low = fact.value or 0.0
    text = f"{low:g}" if fact.value_to in (None, low) else f"{low:g}–{fact.value_to:g}"
    half = max(label_width(text, SIZE) / 2 + 0.6, 1.25)
    at = scale.mm(fact.time or 0.0)
    draw = partial(draw_grade, fact=fact, text=text, half=scale.days(half))
    return Mark(at - half, at + half, draw)


_MAKERS: dict[Glyph, Callable[[Fact, Scale], Mark]] = {
    "point": _point, "peak": _extreme, "nadir": _extreme, "ceiling": _bound, "floor": _bound, "slope": _change,
    "grade": _grade,
}  # fmt: skip


# -- events


def _event_lane(facts: list[Fact], scale: Scale) -> Lane:
    lane = Lane("events", INK)
    for day in sorted({fact.time or 0.0 for fact in facts}):
        on_day = [fact for fact in facts if fact.time == day]
        dies = next((fact for fact in on_day if fact.marker == "death"), None)
        words = [_event_name(fact) for fact in on_day if fact is not dies]
        if dies is not None:
            cause = re.search(r"\(([^)]*)\)", dies.printed)
            words.insert(0, f"death: {cause[1]}" if cause else "death")
        at = scale.mm(day)
        draw = partial(draw_event, day=day, dies=dies is not None, read=all(f.known == "read" for f in on_day))
        lane.marks.append(Mark(at - 0.8, at + 0.8, draw, "; ".join(words)))
    return lane


def _event_name(fact: Fact) -> str:
    return (fact.text or fact.marker).replace("_", " ")


# -- words


def _happened(fact: Fact) -> bool:
    """Tell an event from the statement that there was none."""
    return fact.value != 0


def _understood(fact: Fact, evidence: Evidence) -> Fact:
    """Return the fact in the unit of the marker's output, where it converts."""
    unit = evidence.markers.get(fact.marker)
    if not unit or glyph_of(fact) in ("none", "grade"):
        return fact
    try:
        return fact.to(unit)
    except UnitError:
        return fact


def _unit(unit: str) -> str:
    return unit.replace("degC", "°C").replace("10^9", "10⁹").replace("*", "·")


def _value(fact: Fact) -> str:
    if fact.value is None:
        return fact.printed
    return _number(fact.value) + (f"–{_number(fact.value_to)}" if fact.value_to is not None else "")


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
