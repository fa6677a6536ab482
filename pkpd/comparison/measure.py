"""What is measured of a schedule: each measure with its unit, its definition and what would be better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.comparison.course import Course
from pkpd.errors import PkpdError
from pkpd.metrics.labels import clearance_scale
from pkpd.metrics.register import REGISTER
from pkpd.model.residual import LogNormal, Ordinal
from pkpd.units import divide

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["DERIVED", "Measure", "built_in", "day_below", "main_of"]

DERIVED = {"blockade": "Cc", "blockade_csf": "Ccsf"}
"""Outputs that follow from a concentration and IC50 where a model does not have them: C / (C + IC50)."""

_REGISTERED = (
    "AUCtau", "AUC24", "Cmax", "Cmax_tau", "Tmax_tau", "Ctrough", "Cmin", "Cavg", "fluctuation", "swing",
    "accumulation", "AUCinf", "half_life", "CL_F",
)  # fmt: skip
"""Numbers of the register of exposure that schedules are compared by: not AUC, which hangs on the window."""

_HIGHER_IS_BETTER = ("lymphocytes",)
_MAIN = (
    "AUC24", "Cmax", "Ctrough", "time_above_IC50", "blockade_trough", "CRP_area", "CRP_day_below_10",
    "ferritin_peak", "ICANS_grade_days", "ICANS_days_grade3",
)  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """A number per subject that a schedule is judged by.

    Parameters
    ----------
    name : str
    unit : str
        ``"1"`` for a number without one.
    meaning : str
        Its definition.
    outputs : tuple of str
        Outputs of the model that it is computed from.
    compute : function of Course
        Returns an array, shape (subject,); NaN where the arm has no such thing. Times of the course are on the model's
        clock, ``course.day`` is the length of a day on it.
    better : {"", "more", "less"}
        Which way is better for the patient; empty where that is not for the number to say.
    chance : bool
        Whether it is a probability per subject, to be averaged over them.
    dated : bool
        Whether it is a day, or about one, on the comparison's own axis of days.

    Examples
    --------
    >>> late = Measure("late", "mg/L", "CRP on day 14", ("CRP",), lambda c: c.at("CRP", 14 * c.day), "less")
    >>> late.unit
    'mg/L'
    """

    name: str
    unit: str
    meaning: str
    outputs: tuple[str, ...]
    compute: Callable[[Course], np.ndarray]
    better: str = ""
    chance: bool = False
    dated: bool = False

    def __post_init__(self) -> None:
        if self.better not in ("", "more", "less"):
            raise PkpdError(f"measure '{self.name}': better must be 'more', 'less' or '', got {self.better!r}")


def built_in(model: Model, drug: str = "Cc") -> dict[str, Measure]:
    """Return all measures that a model has outputs for, by name.

    Parameters
    ----------
    model : Model
    drug : str
        Output that is the concentration of the drug whose schedules are compared.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> list(built_in(load_model("pk1_oral")))[:3]
    ['AUCtau', 'AUC24', 'Cmax']
    """
    found: list[Measure] = []
    if drug in model.outputs:
        found += _concentration(model, drug)
        found += _blockade()
    if "Ccsf" in model.outputs and drug == "Cc":
        found += _csf(model.outputs["Ccsf"].unit)
    for name, output in model.outputs.items():
        if isinstance(output.error, Ordinal):
            found += _grades(name, len(output.error.cuts))
        elif output.error is not None and not name.startswith("Cc"):
            found += _marker(name, output.unit, isinstance(output.error, LogNormal))
    if "CRP" in model.outputs and model.outputs["CRP"].unit == "mg/L":
        found.append(day_below("CRP", 10.0, "mg/L"))
    return {measure.name: measure for measure in found}


def main_of(known: Mapping[str, Measure]) -> list[Measure]:
    """Return the measures that are shown unless a user asks for others."""
    return [known[name] for name in _MAIN if name in known] or list(known.values())


def _over(function: Callable[[Course, tuple[float, float]], np.ndarray]) -> Callable[[Course], np.ndarray]:
    """Return a measure over the last dosing interval, NaN where there is none."""

    def compute(course: Course) -> np.ndarray:
        return course.nothing() if course.interval is None else function(course, course.interval)

    return compute


def _concentration(model: Model, drug: str) -> list[Measure]:
    """Return the numbers of the register of exposure, as `pkpd.metrics` reads them off the same curve."""
    unit = model.outputs[drug].unit
    area = f"{unit}*h" if unit else "h"
    dosed = next(iter(model.states.values())).unit
    units = {"concentration": unit, "area": area, "time": "h", "rate": "1/h", "1": "1",
             "clearance": clearance_scale(dosed, area)[0] if dosed else divide("1", area)}  # fmt: skip
    return [
        Measure(name, units[entry.kind], f"{entry.meaning}; over {entry.interval}", (drug,),
                lambda c, name=name, unit=units[entry.kind]: c.number(drug, name, unit))
        for name, entry in ((name, REGISTER[name]) for name in _REGISTERED)
    ]  # fmt: skip


def _blockade() -> list[Measure]:
    def above(course: Course) -> np.ndarray:
        return course.nothing() if course.treated is None else course.above("blockade", 0.5, course.treated)

    return [
        Measure("time_above_IC50", "1", "fraction of the treatment with a concentration above IC50, where half of the "
                "IL-1 signal is blocked; the treatment ends one interval after the last dose", ("blockade",), above,
                "more"),
        Measure("blockade_trough", "1", "part of the IL-1 signal that is blocked at the end of the last dosing "
                "interval, C / (C + IC50)", ("blockade",), _over(lambda c, s: c.at("blockade", s[1])), "more"),
        Measure("blockade_mean", "1", "part of the IL-1 signal that is blocked, average of the last dosing interval",
                ("blockade",), _over(lambda c, s: c.mean("blockade", s)), "more"),
    ]  # fmt: skip


def _csf(unit: str) -> list[Measure]:
    return [
        Measure("Ccsf_max", unit, "highest concentration in cerebrospinal fluid in the last dosing interval",
                ("Ccsf",), _over(lambda c, s: c.highest("Ccsf", s))),
        Measure("Ccsf_mean", unit, "average concentration in cerebrospinal fluid in the last dosing interval",
                ("Ccsf",), _over(lambda c, s: c.mean("Ccsf", s))),
        Measure("blockade_csf_mean", "1", "part of the IL-1 signal that is blocked behind the blood-brain barrier, "
                "average of the last dosing interval", ("blockade_csf",),
                _over(lambda c, s: c.mean("blockade_csf", s)), "more"),
    ]  # fmt: skip


def _marker(name: str, unit: str, positive: bool) -> list[Measure]:
    more = name in _HIGHER_IS_BETTER
    extreme = "nadir" if more else "peak"
    better = "more" if more else "less"
    label = unit or "1"
    found = [
        Measure(f"{name}_{extreme}", label, f"{'lowest' if more else 'highest'} {name} in the window", (name,),
                lambda c: (c.lowest if more else c.highest)(name, c.window), better)
    ]  # fmt: skip
    if positive and not more:
        area = "d" if label == "1" else f"{label}*d"
        found.append(
            Measure(f"{name}_area", area, f"area under {name} over the window", (name,),
                    lambda c: c.area(name, c.window) / c.day, better)
        )  # fmt: skip
    return found


def _grades(name: str, grades: int) -> list[Measure]:
    def days(course: Course, from_grade: int, to_grade: int) -> np.ndarray:
        at = course.columns(course.window)
        expected = sum(course.exceedance(name, g)[:, at] for g in range(from_grade, to_grade + 1))
        return np.trapezoid(np.asarray(expected), course.time[at], axis=1) / course.day

    found = [
        Measure(f"{name}_grade_days", "grade*d", f"expected grade of {name}, summed over the days of the window",
                (name,), lambda c: days(c, 1, grades), "less")
    ]  # fmt: skip
    if grades >= 3:
        found.append(
            Measure(f"{name}_days_grade3", "d", f"expected days of the window with {name} of grade 3 or more",
                    (name,), lambda c: days(c, 3, 3), "less")
        )  # fmt: skip
    return found


def day_below(output: str, level: float, unit: str = "") -> Measure:
    """Return the measure of the day from which an output stays below a level, on the comparison's axis of days.

    Parameters
    ----------
    output : str
    level : float
        In the output's unit.
    unit : str
        That unit, for the definition.

    Returns
    -------
    Measure
        Infinite where the output is not below the level at the end of the window.

    Examples
    --------
    >>> day_below("CRP", 10, "mg/L").name
    'CRP_day_below_10'
    """
    text = f"{level:g} {unit}".strip()
    return Measure(
        f"{output}_day_below_{level:g}", "d",
        f"day from which {output} stays below {text} for the rest of the window; never: inf",
        (output,), lambda c: (c.settled_below(output, level) - c.day_zero) / c.day, "less", dated=True,
    )  # fmt: skip
