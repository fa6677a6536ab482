"""Targets of a treatment: what an output has to be, and when."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pkpd.comparison.course import Course
from pkpd.comparison.measure import DERIVED, Measure
from pkpd.errors import PkpdError, nearest
from pkpd.units import conversion

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Target", "Targets", "read_targets", "target_measure"]

_FORM = re.compile(r"\s*(?P<output>[\w.]+)\s*(?P<op><=|>=|<|>)\s*(?P<value>[-+.\deE]+)\s*(?P<rest>.*)")
_WHEN = re.compile(
    r"(?P<unit>.*?)\s*(?P<when>at trough|at peak|on average|throughout|(?:by|on|from) day\s+[-+.\d]+)\s*$"
)
_ALLOWED = "at trough, at peak, on average, throughout, on day D, by day D, from day D"
_COMPARE: dict[str, Callable[[Any, float], Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A condition on one output.

    Parameters
    ----------
    output : str
        Output of the model, or ``blockade``.
    op : {"<", "<=", ">", ">="}
    value : float
        In the output's unit, unless ``unit`` names another; a grade for an ordinal output.
    when : str
        ``at trough`` (the end of the last dosing interval), ``at peak`` and ``on average`` (of that interval, or of the
        treatment after a lone dose, which has no interval and no trough), ``throughout`` (from right after the first
        dose to the end of the treatment), ``by day 5`` or ``on day 5`` (at that time, on the axis of days that the
        comparison names: of the report, from the onset, from the start, or from time 0), ``from day 5`` (from then to
        the end of the window; from right after the first dose, if that is given then).
    unit : str
        Unit of the value.

    Raises
    ------
    PkpdError
        If one of them cannot be understood.

    Examples
    --------
    >>> Target.parse("CRP < 10 mg/L by day 5")
    Target(output='CRP', op='<', value=10.0, when='by day 5', unit='mg/L')
    >>> str(Target("blockade", ">", 0.9, "at trough"))
    'blockade > 0.9 at trough'
    """

    output: str
    op: str
    value: float
    when: str
    unit: str = ""

    def __post_init__(self) -> None:
        wrong = []
        if self.op not in _COMPARE:
            wrong.append(f"the sign must be {', '.join(_COMPARE)}, got {self.op!r}")
        if not isinstance(self.value, (int, float)) or not np.isfinite(self.value):
            wrong.append(f"the value must be a number, got {self.value!r}")
        found = _WHEN.fullmatch(str(self.when))
        if found is None or found["unit"]:
            wrong.append(f"when must be one of {_ALLOWED}; got {self.when!r}")
        if wrong:
            raise PkpdError(f"target on '{self.output}': {'; '.join(wrong)}")

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target such as ``"blockade > 0.9 at trough"`` or ``"CRP < 10 mg/L by day 5"``.

        Raises
        ------
        PkpdError
            If the text is not of this form.
        """
        form = _FORM.fullmatch(" ".join(text.split()))
        tail = None if form is None else _WHEN.fullmatch(form["rest"])
        value = np.nan
        try:
            value = float(form["value"]) if form else np.nan
        except ValueError:
            tail = None
        if form is None or tail is None:
            raise PkpdError(
                f"target {text!r}: write '<output> < <number> [unit] <when>', when being one of {_ALLOWED}, "
                "e.g. 'Cc > 2 mg/L at trough'"
            )
        return cls(form["output"], form["op"], value, " ".join(tail["when"].split()), tail["unit"].strip())

    @property
    def day(self) -> float | None:
        """Day that the target speaks of."""
        return float(self.when.split()[-1]) if " day " in self.when else None

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.output} {self.op} {self.value:g}{unit} {self.when}"


Targets: TypeAlias = str | Target | Mapping[str, tuple[str, float, str]] | Sequence[str | Target]
"""Conditions as texts, as targets, or as ``{"Cc": (">", 2, "at trough")}``."""


def read_targets(given: Targets | None) -> list[Target]:
    """Return targets from a text, a Target, a mapping ``{"CRP": ("<", 10, "by day 5")}`` or a sequence of these.

    Examples
    --------
    >>> [str(t) for t in read_targets({"CRP": ("<", 10, "by day 5")})]
    ['CRP < 10 by day 5']
    """
    if given is None:
        return []
    if isinstance(given, Target):
        return [given]
    if isinstance(given, str):
        return [Target.parse(part) for part in re.split(r"\s+and\s+", given)]
    if isinstance(given, Mapping):
        found = []
        for output, parts in given.items():
            if isinstance(parts, str) or not isinstance(parts, Sequence) or len(parts) != 3:
                raise PkpdError(f"target on '{output}': give (sign, value, when), such as ('<', 10, 'by day 5')")
            found.append(Target(str(output), *parts))
        return found
    if isinstance(given, Sequence):
        return [target for part in given for target in read_targets(part)]
    raise PkpdError(f"a target is a text, a Target, a mapping or a sequence of these, got {given!r}")


def target_measure(targets: Sequence[Target], model: Model, name: str | None = None) -> Measure:
    """Return whether all of some targets are met, as a measure: 0 or 1, or the probability of a grade.

    Parameters
    ----------
    targets : sequence of Target
    model : Model
    name : str, optional
        What it is called; the targets themselves unless given.

    Raises
    ------
    PkpdError
        If the model lacks an output or a unit does not convert; all faults are named.
    """
    known = [*model.outputs, *(n for n, base in DERIVED.items() if base in model.outputs)]
    wrong = [
        f"model '{model.name}' has no output '{t.output}'{nearest(t.output, known)}"
        for t in targets
        if t.output not in known
    ]
    if wrong:
        raise PkpdError(f"target: {'; '.join(wrong)}")
    levels = [_level(t, model) for t in targets]
    if beyond := list(filter(None, map(_beyond, targets, levels, [model] * len(targets)))):
        raise PkpdError(f"target: {'; '.join(beyond)}")

    def compute(course: Course) -> np.ndarray:
        met = np.ones(course.n)
        for target, level in zip(targets, levels, strict=True):
            met = met * _met(course, target, level)
        return met

    text = name or " and ".join(map(str, targets))
    outputs = tuple(dict.fromkeys(t.output for t in targets))
    dated = any(t.day is not None for t in targets)
    return Measure(text, "1", f"probability that {text}", outputs, compute, "more", chance=True, dated=dated)


def _level(target: Target, model: Model) -> float:
    if not target.unit:
        return float(target.value)
    unit = model.outputs[target.output].unit if target.output in model.outputs else ""
    return float(target.value) * conversion(target.unit, unit)


def _beyond(target: Target, level: float, model: Model) -> str:
    """Return what is wrong with a level that an output cannot have; empty if nothing is."""
    output = model.outputs.get(target.output)
    if output is not None and output.error is not None and output.error.grades:
        most, kind = output.error.grades, "a grade"
    elif target.output in DERIVED and (output is None or not output.unit):
        most, kind = 1, "a part of the signal"
    else:
        return ""
    return "" if 0 <= level <= most else f"'{target}' is about {kind}, which is from 0 to {most}; got {level:g}"


def _met(course: Course, target: Target, level: float) -> np.ndarray:
    """Return how probable it is that each subject meets a target: 0 or 1 unless it is about a grade."""
    if target.output in course.graded:
        return _grade_met(course, target, level)
    compare, name = _COMPARE[target.op], target.output
    # Over a span the worst value decides: the highest where it has to be low.
    worst = course.highest if target.op.startswith("<") else course.lowest
    if target.day is not None:
        at = _time_of(course, target, target.day)
        if target.when.startswith("from"):
            return compare(worst(name, (course.behind(at), course.window[1])), level).astype(float)
        return compare(course.at(name, at), level).astype(float)
    # Without a dosing interval, as after a lone dose, there is no trough; peak and average are those of the treatment.
    interval = course.interval if target.when == "at trough" else course.interval or course.treated
    span = course.treated if target.when == "throughout" else interval
    if span is None:
        return course.nothing()
    value = {
        "at trough": lambda: course.at(name, span[1]),
        "at peak": lambda: course.highest(name, span),
        "on average": lambda: course.mean(name, span),
        "throughout": lambda: worst(name, (span[0], span[1])),
    }[target.when]()
    return compare(value, level).astype(float)


def _time_of(course: Course, target: Target, day: float) -> float:
    """Return the time of the day that a target speaks of.

    Raises
    ------
    PkpdError
        If it is outside the window: nothing is known there.
    """
    at = course.day_zero + course.day * day
    low, high = course.window
    if not low - 1e-9 <= at <= high + 1e-9:
        days = " to ".join(f"{(t - course.day_zero) / course.day:.3g}" for t in (low, high))
        raise PkpdError(f"target '{target}' is about a day outside the window, which is days {days}")
    return at


def _grade_met(course: Course, target: Target, level: float) -> np.ndarray:
    """Return the probability that the grade at a day meets a target."""
    if target.day is None or target.when.startswith("from"):
        raise PkpdError(f"target '{target}': a grade is probable on a day; write 'by day D'")
    k = int(np.ceil(level)) if target.op in ("<", ">=") else int(np.floor(level)) + 1
    error = course.graded[target.output]
    at = _time_of(course, target, target.day)
    latent = course.at(target.output, at)
    possible = 1 <= k <= error.grades
    reached = error.exceedance(latent)[..., k - 1] if possible else np.full(course.n, float(k < 1))
    return reached if target.op.startswith(">") else 1.0 - reached
