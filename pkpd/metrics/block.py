"""Exposure of a block of subjects that share observation times, dose times and corners."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pkpd.metrics.curve import Curve, highest
from pkpd.metrics.schedule import Schedule, Span
from pkpd.metrics.terminal import terminal_slope

__all__ = ["CurveBlock", "Rules", "metrics"]

_STEADY = 0.05
_UNSAMPLED = 0.05
"""Largest part of the curve's time that may lie in dosing intervals without a sample, for an area over all of it."""

Found = dict[str, np.ndarray]


@dataclass(frozen=True)
class Rules:
    """How the curves are read.

    Attributes
    ----------
    method : str
        Rule between the times, one of `curve.METHODS`.
    bolus : bool
        Doses are intravenous boluses: extrapolate the value right after each.
    threshold : float or None
        Concentration for the time above it.
    lloq : float
        Lower limit of quantification.
    terminal_points : int or None
        Points in the terminal fit; None to choose.
    day : float
        24 h in the unit of the times.
    """

    method: str = "linear-up log-down"
    bolus: bool = False
    threshold: float | None = None
    lloq: float = 0.0
    terminal_points: int | None = None
    day: float = 24.0


@dataclass(frozen=True)
class CurveBlock:
    """Curves of subjects that are alike in everything but their values and amounts.

    Attributes
    ----------
    time : ndarray, shape (time,)
        Increasing times.
    conc : ndarray, shape (subject, time)
        Concentrations >= 0.
    plan : Schedule
        Doses and dosing intervals.
    dose, total : ndarray, shape (subject,)
        Amount given in the last interval, and by all doses; NaN where it is not known.
    corner_time : ndarray, shape (corner,)
    before, after : ndarray, shape (subject, corner)
        Values right before and after doses, where they are known.
    exact : ndarray, shape (subject, time), or None
        Cumulative area from the model, in place of the trapezoids.
    jumps : ndarray
        Times of the grid at which the curves jump to a value that is not known, and so is extrapolated.
    """

    time: np.ndarray
    conc: np.ndarray
    plan: Schedule
    dose: np.ndarray
    total: np.ndarray
    corner_time: np.ndarray = field(default_factory=lambda: np.empty(0))
    before: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    after: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    exact: np.ndarray | None = None
    jumps: np.ndarray = field(default_factory=lambda: np.empty(0))


def metrics(block: CurveBlock, rules: Rules) -> Found:
    """Compute all exposure metrics of a block of subjects, one array of shape (subject,) each."""
    plan, time = block.plan, block.time
    times, first, last, lone = _borders(time, plan, rules.day)
    curve = Curve(time, block.conc, rules.method)
    if block.corner_time.size:
        curve = curve.with_corners(block.corner_time, block.before, block.after)
    elif rules.bolus and plan.doses is not None:
        curve = curve.with_boluses(plan.doses.time)
    elif block.jumps.size:
        curve = curve.with_boluses(block.jumps)
    curve = curve.with_times(times)
    area = curve.area(block.exact, time)
    found = _whole(curve, area, rules.lloq, block.exact is not None or _sampled_enough(time, plan))
    found |= _terminal(block, curve, rules, found)
    status = plan.status
    if last is not None and not _inside(time, last):
        last, status = None, 7
    elif status == 0 and first is not None and not _inside(time, first):
        first, status = None, 9
    found |= _interval(curve, area, (first, last), status, plan, rules.day)
    if status == 7 and plan.last is not None:
        found |= _ends_only(curve, area, _snapped(time, plan.last), block.exact is not None, rules.day)
    if lone is not None and _inside(time, lone):
        a, b = _columns(curve.time, lone)
        found["AUC24"], found["AUC24_status"] = area[:, b] - area[:, a], np.zeros(len(block.conc), int)
    if rules.threshold is not None:
        found |= _above(curve, rules.threshold, last)
    found |= _clearance(block, found)
    return found


def _borders(time: np.ndarray, plan: Schedule, day: float) -> tuple[list[float], Span | None, Span | None, Span | None]:
    """Return the times that the curve must hold, the first and last interval, and the 24 h after a lone dose."""
    first, last = (None if span is None else _snapped(time, span) for span in (plan.first, plan.last))
    lone = None
    if plan.lone is not None and last is None:
        lone = _snapped(time, (plan.lone, plan.lone + day))
        if lone[0] < time[0] or lone[1] > time[-1]:
            lone = None
    return [at for span in (first, last, lone) if span is not None for at in span], first, last, lone


def _snapped(time: np.ndarray, span: Span) -> Span:
    """Return a span whose ends are observation times where they differ from one by rounding only."""

    def snap(at: float) -> float:
        nearest = float(time[np.argmin(np.abs(time - at))])
        return nearest if abs(nearest - at) <= 1e-9 * max(1.0, abs(at), float(np.abs(time[-1]))) else at

    return snap(span[0]), snap(span[1])


def _inside(time: np.ndarray, span: Span) -> bool:
    """Return whether there is an observation strictly within a span."""
    slack = 1e-9 * max(1.0, float(np.abs(time[-1])))
    return bool(((time > span[0] + slack) & (time < span[1] - slack)).any())


def _sampled_enough(time: np.ndarray, plan: Schedule) -> bool:
    """Return whether dosing intervals without an observation inside make up a small part of the curve only."""
    blind = sum(b - a for a, b in plan.spans if not _inside(time, (a, b)))
    return blind <= _UNSAMPLED * (time[-1] - time[0])


def _columns(time: np.ndarray, span: Span) -> tuple[int, int]:
    """Columns where an interval starts, behind a bolus there, and ends, before a bolus there."""
    return int(np.searchsorted(time, span[0], side="right")) - 1, int(np.searchsorted(time, span[1]))


def _whole(curve: Curve, area: np.ndarray, lloq: float, sampled: bool) -> Found:
    rows = np.arange(len(curve.conc))
    peak = highest(curve.conc)
    seen = (curve.conc >= lloq) & (curve.conc > 0)
    last = curve.conc.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    known = seen[rows, last]
    total = np.where(known, area[rows, last], 0.0)
    return {
        "Cmax": curve.conc.max(axis=1),
        "Tmax": np.where(curve.conc[rows, peak] > 0, curve.time[peak], np.nan),
        "Clast": np.where(known, curve.conc[rows, last], np.nan),
        "Tlast": np.where(known, curve.time[last], np.nan),
        "AUC": total if sampled else np.full(len(rows), np.nan),
        "AUC_status": np.full(len(rows), 0 if sampled else 2),
    }


def _terminal(block: CurveBlock, curve: Curve, rules: Rules, found: Found) -> Found:
    time, plan, start, jump = block.time, block.plan, 0, rules.bolus
    if plan.doses is not None:
        earlier = plan.doses.time[plan.doses.time < time[-1]]
        if len(earlier):
            start = int(np.searchsorted(time, earlier[-1], side="right"))
            jump = jump or _falls_from_jump(curve, float(earlier[-1]), block.conc[:, start:])
    rate, r2_adj, count, status = terminal_slope(
        time[start:], block.conc[:, start:], rules.terminal_points, jump, rules.lloq
    )
    beyond = found["Clast"] / rate
    total = found["AUC"] + beyond
    why = np.select([found["AUC_status"] > 0, np.full(len(rate), plan.late), np.isnan(rate)], [2, 3, 4], 0)
    total = np.where(why == 0, total, np.nan)
    return {
        "AUCinf": total,
        "AUC_extrapolated": beyond / total,
        "AUCinf_status": why,
        "half_life": np.log(2) / rate,
        "lambda_z": rate,
        "r2_adj": r2_adj,
        "n_points": count,
        "half_life_status": status,
    }


def _falls_from_jump(curve: Curve, at: float, later: np.ndarray) -> bool:
    """Return whether the curves jump to their peak at the last dose, so that all later samples are behind the peak."""
    j = int(np.searchsorted(curve.time, at, side="right")) - 1
    jumps = j > 0 and curve.time[j] == curve.time[j - 1]
    return jumps and later.size > 0 and bool((curve.conc[:, j] >= later.max(axis=1)).all())


def _interval(
    curve: Curve, area: np.ndarray, spans: tuple[Span | None, Span | None], status: int, plan: Schedule, day: float
) -> Found:
    rows = len(curve.conc)
    names = ("AUCtau", "AUC24", "Cavg", "Ctrough", "Cmin", "Cmax_tau", "Tmax_tau", "fluctuation", "swing", "C_start")
    found = {name: np.full(rows, np.nan) for name in (*names, "accumulation", "accumulation_Cmax")}
    found["interval_status"] = np.full(rows, status)
    found["AUC24_status"] = np.full(rows, 2 if plan.lone is None or plan.last is not None else 3)
    first, last = spans
    if last is None:
        return found
    found["AUC24_status"][:] = 0
    a, b = _columns(curve.time, last)
    inside = curve.conc[:, a : b + 1]
    high, low = inside.max(axis=1), inside.min(axis=1)
    whole, length = area[:, b] - area[:, a], last[1] - last[0]
    mean = whole / length
    end = curve.conc[:, b]
    start = end if plan.steady else curve.conc[:, int(np.searchsorted(curve.time, last[0]))]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (
            whole, whole * (day / length), mean, end, low, high, curve.time[a + highest(inside)] - last[0],
            (high - low) / mean, (high - low) / low, start,
        )  # fmt: skip
        found |= {name: np.array(value) for name, value in zip(names, values, strict=True)}
        if first is not None:
            c, d = _columns(curve.time, first)
            found["accumulation"] = found["AUCtau"] / (area[:, d] - area[:, c])
            found["accumulation_Cmax"] = high / curve.conc[:, c : d + 1].max(axis=1)
    return found


def _ends_only(curve: Curve, area: np.ndarray, last: Span, exact: bool, day: float) -> Found:
    """Return what is known of an interval without samples inside: its end, and the area where a model integrated it."""
    a, b = _columns(curve.time, last)
    found = {"Ctrough": curve.conc[:, b].copy()}
    if exact:
        whole, length = area[:, b] - area[:, a], last[1] - last[0]
        found |= {"AUCtau": whole, "AUC24": whole * (day / length), "Cavg": whole / length}
        found |= {"AUC24_status": np.zeros(len(whole), int), "C_start": curve.conc[:, a].copy()}
    return found


def _above(curve: Curve, threshold: float, last: Span | None) -> Found:
    above = curve.time_above(threshold)
    found = {"time_above": above.sum(axis=1), "time_above_tau": np.full(len(above), np.nan)}
    if last is not None:
        a, b = _columns(curve.time, last)
        found["time_above_tau"] = above[:, a:b].sum(axis=1) / (last[1] - last[0])
    return found


def _clearance(block: CurveBlock, found: Found) -> Found:
    """Return dose over AUCtau where the interval is at steady state, else all doses over AUCinf."""
    start, end, plan = found.pop("C_start"), found["Ctrough"], block.plan
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.maximum(_STEADY * np.maximum(end, start), 0.01 * found["Cavg"])
        steady = (np.abs(end - start) <= small) & np.isfinite(found["AUCtau"]) & (plan.lone is None)
        by_interval, by_course = block.dose / found["AUCtau"], block.total / found["AUCinf"]
    ever = plan.doses is not None and bool(plan.doses.steady.any())
    anew = plan.begins_anew
    course = np.isfinite(by_course) & (not ever) & (not anew)
    value = np.where(steady, by_interval, np.where(course, by_course, np.nan))
    unsteady = np.isfinite(found["AUCtau"]) & np.isfinite(block.dose) & (plan.lone is None)
    late, emptied = np.full(len(value), plan.late), np.full(len(value), anew)
    status = np.select([steady, course, late, emptied, unsteady], [1, 0, 4, 5, 2], 3)
    known = np.isfinite(value)
    return {"CL_F": np.where(known, value, np.nan), "CL_F_status": np.where(known | (status > 1), status, 3)}
