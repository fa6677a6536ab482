"""What is measured of a schedule: each measure with its unit, its definition and what would be better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pkpd.comparison.course import Course
from pkpd.errors import LibraryError, PkpdError, shortened
from pkpd.library import content_of
from pkpd.metrics.labels import clearance_scale
from pkpd.metrics.register import REGISTER
from pkpd.units import divide

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["DERIVED", "Judged", "Measure", "built_in", "day_below", "half_blocking", "judged", "main_of"]

DERIVED = {"blockade": "Cc", "blockade_csf": "Ccsf"}
"""Outputs that follow from a concentration and IC50 where a model does not have them: C / (C + IC50)."""

_REGISTERED = (
    "AUCtau", "AUC24", "Cmax", "Cmax_tau", "Tmax_tau", "Ctrough", "Cmin", "Cavg", "fluctuation", "swing",
    "accumulation", "AUCinf", "half_life", "CL_F",
)  # fmt: skip
"""Numbers of the register of exposure that schedules are compared by: not AUC, which hangs on the window."""

_MAIN = ("AUC24", "Cmax", "Ctrough", "time_above_IC50", "blockade_trough")
_OF_MARKERS = ("_area", "_day_below", "_grade_days", "_days_grade3")


@dataclass(frozen=True)
class Judged:
    """What a model's file says about its markers, as ``measures = {"rises": ["albumin"]}``.

    Attributes
    ----------
    shown : sequence of str
        Measures of markers that are shown unless a user asks for others, of people of whom the marker was observed; all
        areas, days below a level and grades by default.
    rises : sequence of str
        Markers that are better if higher.
    below : mapping of marker to number
        Levels, in the marker's unit, below which it shall stay.
    """

    shown: tuple[str, ...] | list[str] = ()
    rises: tuple[str, ...] | list[str] = ()
    below: Mapping[str, float] = field(default_factory=dict)


def judged(model: Model) -> Judged:
    """Return how a model's file wants its markers judged.

    Raises
    ------
    LibraryError
        If the file says something else.
    """
    given = content_of(model, "measures").get("", {})
    try:
        found = Judged(**given)
    except TypeError:
        raise LibraryError(
            f"measures of model '{model.name}': write a mapping with {', '.join(Judged.__dataclass_fields__)}, "
            f"got {given!r}"
        ) from None
    strange = [name for name in (*found.rises, *found.below) if name not in model.outputs]
    if strange:
        raise LibraryError(f"measures of model '{model.name}': it has no output {', '.join(strange)}")
    return found


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
    >>> late = Measure("late", "mg/L", "plasma on day 14", ("Cc",), lambda c: c.at("Cc", 14 * c.day), "less")
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
    said = judged(model)
    if drug in model.outputs:
        found += _concentration(model, drug)
        found += _blockade()
    if "Ccsf" in model.outputs and drug == "Cc":
        found += _csf(model.outputs["Ccsf"].unit)
    for name, output in model.outputs.items():
        error = output.error
        if error is not None and error.grades:
            found += _grades(name, error.grades)
        elif error is not None and not name.startswith("Cc"):
            found += _marker(name, output.unit, error.data == "log", name in said.rises)
    found += [day_below(name, level, model.outputs[name].unit) for name, level in said.below.items()]
    return {measure.name: measure for measure in found}


def main_of(model: Model, known: Mapping[str, Measure]) -> list[Measure]:
    """Return the measures that are shown unless a user asks for others."""
    usual = [name for name in known if any(end in name for end in _OF_MARKERS)]
    shown = (*_MAIN, *(judged(model).shown or usual))
    return [known[name] for name in shown if name in known] or list(known.values())


def half_blocking(IC50: object, n: int) -> np.ndarray:
    """Return the concentration that blocks half of the target, shape (subject,).

    Raises
    ------
    PkpdError
        Unless it is a finite number above 0, or one for each of n subjects.
    """
    try:
        level = np.asarray(IC50, float)
    except (TypeError, ValueError):
        level = np.array(np.nan)
    if level.shape not in ((), (n,)) or not np.all((level > 0) & (level < np.inf)):
        raise PkpdError(
            f"compare: IC50 must be a finite concentration above 0, in the unit of the drug's concentration: a number "
            f"or one per subject ({n}), got {shortened(repr(IC50), 80)}"
        )
    return np.broadcast_to(level, (n,))


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
                "target is blocked; the treatment ends one interval after the last dose", ("blockade",), above,
                "more"),
        Measure("blockade_trough", "1", "part of the target that is blocked at the end of the last dosing "
                "interval, C / (C + IC50)", ("blockade",), _over(lambda c, s: c.at("blockade", s[1])), "more"),
        Measure("blockade_mean", "1", "part of the target that is blocked, average of the last dosing interval",
                ("blockade",), _over(lambda c, s: c.mean("blockade", s)), "more"),
    ]  # fmt: skip


def _csf(unit: str) -> list[Measure]:
    return [
        Measure("Ccsf_max", unit, "highest concentration in cerebrospinal fluid in the last dosing interval",
                ("Ccsf",), _over(lambda c, s: c.highest("Ccsf", s))),
        Measure("Ccsf_mean", unit, "average concentration in cerebrospinal fluid in the last dosing interval",
                ("Ccsf",), _over(lambda c, s: c.mean("Ccsf", s))),
        Measure("blockade_csf_mean", "1", "part of the target that is blocked behind the blood-brain barrier, "
                "average of the last dosing interval", ("blockade_csf",),
                _over(lambda c, s: c.mean("blockade_csf", s)), "more"),
    ]  # fmt: skip


def _marker(name: str, unit: str, positive: bool, more: bool) -> list[Measure]:
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
        expected = np.sum([course.exceedance(name, g) for g in range(from_grade, to_grade + 1)], axis=0)
        return course.curve(expected, course.window).area()[:, -1] / course.day

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
    >>> day_below("albumin", 35, "g/L").name
    'albumin_day_below_35'
    """
    text = f"{level:g} {unit}".strip()
    return Measure(
        f"{output}_day_below_{level:g}", "d",
        f"day from which {output} stays below {text} for the rest of the window; never: inf",
        (output,), lambda c: (c.settled_below(output, level) - c.day_zero) / c.day, "less", dated=True,
    )  # fmt: skip
