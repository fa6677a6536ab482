"""Which facts a curve takes the place of: those whose values it shows itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from pkpd.evidence.kinds import fact_kinds
from pkpd.evidence.values import Fact, ReportedCurve
from pkpd.evidence.words import SUPERSEDED

__all__ = ["days_of_curves", "printed_over_curve", "supersede"]


def days_of_curves(facts: Iterable[Fact]) -> dict[str, tuple[float, float]]:
    """Return the first and last day of each curve that is fitted, by its name."""
    days: dict[str, list[float]] = {}
    for fact in facts:
        if fact.is_point and fact.use == "fit" and fact.time is not None:
            days.setdefault(fact.curve, []).append(fact.time)
    return {name: (min(own), max(own)) for name, own in days.items()}


def supersede(facts: Sequence[Fact], curves: Sequence[ReportedCurve]) -> tuple[Fact, ...]:
    """Return the facts with those superseded that a fitted curve of the same patient and marker shows itself.

    A number of the text and the same number in the figure are one measurement, and count once: the curve, which shows
    the others too. A fact to fit is superseded if all days whose values it states (`FactKind.days`) lie within the days
    of the curve, with half of the axis's unit at both ends as days are printed whole. A statement of which any day
    lies outside stays: of a change the curve gives one end only. Facts that were superseded by a curve that is gone are
    to be fitted again.

    Parameters
    ----------
    facts : sequence of Fact
        With the points of the curves.
    curves : sequence of ReportedCurve
    """
    days, kinds = days_of_curves(facts), fact_kinds()
    shown = [(curve, *days[curve.name]) for curve in curves if curve.name in days]
    out: list[Fact] = []
    for fact in facts:
        kind = kinds.get(fact.kind)
        if fact.is_point or fact.use not in ("fit", SUPERSEDED) or kind is None:
            out.append(fact)
            continue
        by = _shown_by(fact, kind.days(fact.time, fact.time_to, fact.at), shown)
        use = SUPERSEDED if by else "fit"
        out.append(fact if (fact.use, fact.curve) == (use, by) else replace(fact, use=use, curve=by))
    return tuple(out)


def _shown_by(fact: Fact, stated: Sequence[float], shown: Sequence[tuple[ReportedCurve, float, float]]) -> str:
    """Return the name of the first curve that shows all days that a fact states; empty without any."""
    for curve, first, last in shown:
        same = (curve.patient, curve.marker) == (fact.patient, fact.marker)
        if same and stated and all(first - curve.margin <= day <= last + curve.margin for day in stated):
            return curve.name
    return ""


def printed_over_curve(curve: ReportedCurve, facts: Iterable[Fact]) -> tuple[float, float]:
    """Return the least and the greatest ratio of a superseded number to the curve on its day; NaN without any.

    Far from 1, an axis was read in another unit or from another day than was said. Between its points the curve is
    straight.
    """
    own = [fact for fact in facts if fact.curve == curve.name]
    points = [fact for fact in own if fact.is_point and fact.kind == "value"]
    days, values = ([getattr(fact, name) for fact in points] for name in ("time", "value"))
    ratios = []
    for fact in own:
        kind = fact_kinds()[fact.kind]
        stated = kind.days(fact.time, fact.time_to, fact.at)
        if points and fact.use == SUPERSEDED and kind.has_unit and not kind.region and len(stated) == 1:
            ratios.append(float((fact.to(points[0].unit).value or np.nan) / np.interp(stated[0], days, values)))
    return (min(ratios), max(ratios)) if ratios else (np.nan, np.nan)
