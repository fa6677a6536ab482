"""The input array of a kernel: typical values, random effects and covariates of each subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.engine.graph.nodes import Node
from pkpd.simulation.columns import Columns, varying_columns
from pkpd.simulation.kernels import is_switch

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["Courses", "fill_inputs", "population_courses"]


@dataclass(frozen=True)
class Courses:
    """Covariates and occasions that change in time, on rows.

    Attributes
    ----------
    names : tuple of str
        Covariates, columns of ``values``.
    time : float array, (rows,)
    values : float array, (rows, names)
    occasion : int array, (rows,)
    subject : int array, (rows,)
    """

    names: tuple[str, ...]
    time: np.ndarray
    values: np.ndarray
    occasion: np.ndarray
    subject: np.ndarray

    def part(self, rows: slice) -> Courses:
        """Return the courses on some rows."""
        return Courses(self.names, self.time[rows], self.values[rows], self.occasion[rows], self.subject[rows])

    def columns(self, model: Model, starts: np.ndarray, *, grid: bool, begins: np.ndarray | None = None) -> Columns:
        """Return the columns of subjects whose rows begin at ``starts``, see :func:`varying_columns`."""
        behind, slopes = self.behind(model)
        occasion = self.occasion[:, None].astype(np.float64)
        origin = np.where(slopes != 0.0, self.time[:, None], 0.0)
        flat = np.zeros_like(slopes)
        at, after = [self.values, occasion, flat, flat], [behind, occasion, slopes, origin]
        return varying_columns(starts, self.time, np.hstack(at), np.hstack(after), grid=grid, begins=begins)

    def behind(self, model: Model) -> tuple[np.ndarray, np.ndarray]:
        """Return what holds between each row and the next one of its subject: values and slopes, (rows, names)."""
        last = np.append(self.subject[1:] != self.subject[:-1], True)
        follow = np.where(last[:, None], self.values, np.roll(self.values, -1, axis=0))
        span = np.where(last, np.inf, np.roll(self.time, -1) - self.time)
        values, slopes = self.values.copy(), np.zeros_like(self.values)
        for k, name in enumerate(self.names):
            carry = model.covariates[name].carry if name in model.covariates else "forward"  # else a switch of a state
            if carry == "backward":
                values[:, k] = follow[:, k]
            elif carry == "linear":
                with np.errstate(divide="ignore", invalid="ignore"):
                    slope = (follow[:, k] - self.values[:, k]) / span
                slopes[:, k] = np.where(span > 0.0, slope, 0.0)
        return values, slopes


def population_courses(model: Model, people: Population, occasions: np.ndarray | None) -> Courses | None:
    """Return the covariates of a population that change in time and its occasions, or None if nothing changes.

    Parameters
    ----------
    occasions : float array or None
        Times at which the second, third, ... occasion begins.
    """
    names = tuple(people.varying)
    if not names and (occasions is None or not occasions.size):
        return None
    starts = np.empty(0) if occasions is None else occasions
    time, values, occasion, subject = [], [], [], []
    for i in range(people.n):
        series = [people.varying[n][i] for n in names]
        knots = np.unique(np.concatenate([*(s[0] for s in series), starts]))
        if starts.size:  # the first occasion needs a row of its own
            knots = np.append(knots[0] - 1.0, knots)
        time.append(knots)
        values.append(
            np.column_stack(
                [_at(knots, *s, model.covariates[n].carry) for n, s in zip(names, series, strict=True)]
                or [np.empty((knots.size, 0))]
            )
        )
        occasion.append(np.searchsorted(starts, knots, side="right"))
        subject.append(np.full(knots.size, i))
    return Courses(
        names, np.concatenate(time), np.concatenate(values), np.concatenate(occasion), np.concatenate(subject)
    )


def _at(knots: np.ndarray, times: np.ndarray, values: np.ndarray, carry: str) -> np.ndarray:
    """Return a covariate's values at more knots than it was measured at."""
    if carry == "linear":
        return np.interp(knots, times, values)
    side = (
        np.searchsorted(times, knots, side="left")
        if carry == "backward"
        else np.searchsorted(times, knots, side="right") - 1
    )
    return values[np.clip(side, 0, times.size - 1)]


def fill_inputs(
    inputs: tuple[Node, ...],
    model: Model,
    people: Population,
    subject: np.ndarray,
    courses: Courses | None,
    columns: Columns,
) -> np.ndarray:
    """Return the array of inputs, (inputs, columns).

    Parameters
    ----------
    inputs : tuple of Node
        ``kernel.inputs``.
    subject : int array, (columns,)
        Number in the population of each column's subject.
    """
    out = np.empty((len(inputs), subject.size))
    etas = {n: k for k, n in enumerate(model.trace.etas)}
    kappas = {n: k for k, n in enumerate(model.trace.kappas)}
    course = _course_values(model, courses, columns) if courses is not None else {}
    occasion = courses.occasion[columns.source] if courses is not None else np.zeros(subject.size, np.int64)
    for row, node in enumerate(inputs):
        if node.kind == "theta":
            given = people.parameters.get(node.name)
            out[row] = model.parameters[node.name].value if given is None else given[subject]
        elif node.kind == "eta":
            out[row] = people.etas[subject, etas[node.name]]
        elif node.kind == "kappa":
            out[row] = people.kappas[subject, occasion, kappas[node.name]]
        elif node.name in course:
            out[row] = course[node.name]
        elif ":" in node.name:
            out[row] = 1.0 if is_switch(node) else 0.0
        else:
            out[row] = _covariate(node.name, model, people.covariates, subject)
    return out


def _covariate(name: str, model: Model, given: Mapping[str, np.ndarray], subject: np.ndarray) -> np.ndarray | float:
    return given[name][subject] if name in given else model.covariates[name].reference


def _course_values(model: Model, courses: Courses, columns: Columns) -> dict[str, np.ndarray]:
    """Return for each varying covariate, its slope and its origin the value in each column."""
    behind, slopes = courses.behind(model)
    row, after = columns.source, columns.after
    out: dict[str, np.ndarray] = {}
    for k, name in enumerate(courses.names):
        out[name] = np.where(after, behind[row, k], courses.values[row, k])
        out[f"{name}:slope"] = np.where(after, slopes[row, k], 0.0)
        out[f"{name}:origin"] = courses.time[row]
    return out
