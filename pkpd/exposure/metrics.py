"""Exposure of a block of subjects that share observation times and doses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pkpd.exposure.curve import Curve
from pkpd.exposure.schedule import Schedule
from pkpd.exposure.terminal import terminal_slope

__all__ = ["CLEARANCE_STATUS", "Rules", "metrics"]

CLEARANCE_STATUS = (
    "single_dose_over_AUCinf",
    "dose_over_AUCtau_at_steady_state",
    "dose_over_AUCtau_trough_still_changes_by_more_than_5_percent",
    "dose_or_area_not_known",
)
"""Meaning of each `CL_F_status`."""

_STEADY = 0.05


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
    """

    method: str = "linear-up log-down"
    bolus: bool = False
    threshold: float | None = None
    lloq: float = 0.0
    terminal_points: int | None = None


def metrics(
    time: np.ndarray, conc: np.ndarray, plan: Schedule, rules: Rules, exact: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Compute all exposure metrics of a block of subjects.

    Parameters
    ----------
    time : ndarray, shape (time,)
        Increasing times.
    conc : ndarray, shape (subject, time)
        Concentrations >= 0; rows with a value that is not finite give NaN and the status ``missing_values``.
    plan : Schedule
        Doses and dosing intervals.
    rules : Rules
        How the curves are read.
    exact : ndarray, shape (subject, time), optional
        Cumulative area from the model, in place of the trapezoids.

    Returns
    -------
    dict of str to ndarray, shape (subject,)
        One entry per metric.
    """
    failed = np.logical_not(np.isfinite(conc).all(axis=1))
    if exact is not None:
        failed = failed | np.logical_not(np.isfinite(exact).all(axis=1))
    if failed.any():
        conc = np.where(failed[:, None], 0.0, conc)
    times, spans = _on_grid(time, plan)
    curve = Curve(time, conc, rules.method)
    if rules.bolus and plan.doses is not None:
        curve = curve.with_boluses(plan.doses.time)
    curve = curve.with_times(times)
    area = curve.area(exact, time)
    found = _whole(curve, area, rules.lloq)
    found |= _terminal(time, conc, plan, rules, found)
    found |= _interval(curve, area, spans, plan.status)
    if rules.threshold is not None:
        above = curve.time_above(rules.threshold)
        found["time_above"] = above.sum(axis=1)
        found["time_above_tau"] = np.full(len(conc), np.nan)
        if spans[1] is not None:
            a, b = _columns(curve.time, spans[1])
            found["time_above_tau"] = above[:, a:b].sum(axis=1) / (spans[1][1] - spans[1][0])
    found |= _clearance(plan, found)
    for name, values in found.items():
        if values.dtype.kind == "f":
            values[failed] = np.nan
        else:
            values[failed] = {"half_life_status": 1, "interval_status": 1, "CL_F_status": 3}.get(name, 0)
    return found


def _on_grid(time: np.ndarray, plan: Schedule) -> tuple[list[float], list[tuple[float, float] | None]]:
    """Snap the ends of the intervals to observation times that differ by rounding only."""

    def snap(at: float) -> float:
        nearest = float(time[np.argmin(np.abs(time - at))])
        return nearest if abs(nearest - at) <= 1e-9 * max(1.0, abs(at), float(np.abs(time[-1]))) else at

    spans = [None if span is None else (snap(span[0]), snap(span[1])) for span in (plan.first, plan.last)]
    return [at for span in spans if span is not None for at in span], spans


def _columns(time: np.ndarray, span: tuple[float, float]) -> tuple[int, int]:
    """Columns where an interval starts, behind a bolus there, and ends, before a bolus there."""
    return int(np.searchsorted(time, span[0], side="right")) - 1, int(np.searchsorted(time, span[1]))


def _whole(curve: Curve, area: np.ndarray, lloq: float) -> dict[str, np.ndarray]:
    rows = np.arange(len(curve.conc))
    peak = curve.conc.argmax(axis=1)
    seen = (curve.conc >= lloq) & (curve.conc > 0)
    last = curve.conc.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    known = seen[rows, last]
    return {
        "Cmax": curve.conc[rows, peak],
        "Tmax": np.where(curve.conc[rows, peak] > 0, curve.time[peak], np.nan),
        "Clast": np.where(known, curve.conc[rows, last], np.nan),
        "Tlast": np.where(known, curve.time[last], np.nan),
        "AUC": np.where(known, area[rows, last], 0.0),
    }


def _terminal(
    time: np.ndarray, conc: np.ndarray, plan: Schedule, rules: Rules, found: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    start = 0
    if plan.doses is not None:
        earlier = plan.doses.time[plan.doses.time < time[-1]]
        start = int(np.searchsorted(time, earlier[-1], side="right")) if len(earlier) else 0
    rate, r2_adj, count, status = terminal_slope(
        time[start:], conc[:, start:], rules.terminal_points, rules.bolus, rules.lloq
    )
    beyond = found["Clast"] / rate
    total = found["AUC"] + beyond
    return {
        "AUCinf": total,
        "AUC_extrapolated": beyond / total,
        "half_life": np.log(2) / rate,
        "lambda_z": rate,
        "r2_adj": r2_adj,
        "n_points": count,
        "half_life_status": status,
    }


def _interval(
    curve: Curve, area: np.ndarray, spans: list[tuple[float, float] | None], status: int
) -> dict[str, np.ndarray]:
    rows = len(curve.conc)
    names = ("AUCtau", "Cavg", "Ctrough", "Cmin", "Cmax_tau", "Tmax_tau", "fluctuation", "swing", "C_start")
    found = {name: np.full(rows, np.nan) for name in (*names, "accumulation", "accumulation_Cmax")}
    found["interval_status"] = np.full(rows, status)
    first, last = spans
    if last is None:
        return found
    a, b = _columns(curve.time, last)
    inside = curve.conc[:, a : b + 1]
    high, low = inside.max(axis=1), inside.min(axis=1)
    mean = (area[:, b] - area[:, a]) / (last[1] - last[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (
            area[:, b] - area[:, a],
            mean,
            curve.conc[:, b],
            low,
            high,
            curve.time[a + inside.argmax(axis=1)] - last[0],
            (high - low) / mean,
            (high - low) / low,
            curve.conc[:, int(np.searchsorted(curve.time, last[0]))],
        )
        found |= {name: np.array(value) for name, value in zip(names, values, strict=True)}
        if first is not None:
            c, d = _columns(curve.time, first)
            found["accumulation"] = found["AUCtau"] / (area[:, d] - area[:, c])
            found["accumulation_Cmax"] = high / curve.conc[:, c : d + 1].max(axis=1)
    return found


def _clearance(plan: Schedule, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    start = found.pop("C_start")
    with np.errstate(divide="ignore", invalid="ignore"):
        if plan.single:
            value = plan.dose / found["AUCinf"]
            status = np.zeros(len(value), int)
        else:
            value = plan.dose / found["AUCtau"]
            change = np.abs(found["Ctrough"] - start)
            status = np.where(change <= _STEADY * np.maximum(found["Ctrough"], start), 1, 2)
    known = np.isfinite(value)
    return {"CL_F": np.where(known, value, np.nan), "CL_F_status": np.where(known, status, 3)}
