"""A model bound to data, with what is estimated and how it is solved: what every method begins with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pkpd.dosing.checks import Problems
from pkpd.dosing.events import EventTable
from pkpd.engine.solve.block import Settings
from pkpd.errors import DataError
from pkpd.estimation.methods.objective import Objective
from pkpd.estimation.vector import PopulationVector
from pkpd.model.model import Model
from pkpd.observation.data import FitData, bind
from pkpd.observation.links import Links, links_of
from pkpd.observation.predictor import Predictor
from pkpd.observation.reports import Data, Joined, with_reports
from pkpd.simulation.arguments import threads_from
from pkpd.transport import without_computed

__all__ = ["Problem", "pose", "threads_for"]

#: subjects from which on threads are used without being asked for
THREADED = 64


@dataclass(eq=False)
class Problem:
    """What is to be estimated from what.

    Attributes
    ----------
    model : Model
        With the start values.
    data : FitData
    layout : PopulationVector
    settings : dict
        ``rtol``, ``atol``, ``solver``, ``threads``, and how it was posed (``fixed``, ``start``, ``bloq``,
        ``typical``).
    messages : list of str
        What the user should know.
    """

    model: Model
    data: FitData
    layout: PopulationVector
    settings: dict[str, Any]
    messages: list[str] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        return without_computed(self)

    @property
    def table(self) -> EventTable:
        """The data set."""
        return self.data.table

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Outputs that are calculated."""
        return tuple(dict.fromkeys(c.output for c in self.data.channels))

    @cached_property
    def links(self) -> Links:
        """How equations depend on what is estimated."""
        varying = set(self.data.varying)
        own = tuple(self.data.own)
        return links_of(self.model, self.outputs, self.layout.scales, varying, self.data.n_occasions, own)

    def of_data(self, data: FitData, layout: PopulationVector, settings: dict[str, Any]) -> Problem:
        """Return a problem of the same outputs and equations, whose machine code is shared.

        Parameters
        ----------
        data : FitData
            Of the same subjects, or of some of them.
        layout : PopulationVector
            Of the same numbers, with other start values.
        settings : dict
        """
        made = Problem(self.model, data, layout, settings)
        made.outputs, made.links = self.outputs, self.links
        return made

    @property
    def solver(self) -> Settings:
        """How the equations are solved."""
        s = self.settings
        # where little is asked of a step, one of low order costs less
        return Settings(s["solver"], s["rtol"], s["atol"], explicit="tsit5" if s["rtol"] >= 1e-6 else "dop853")

    @cached_property
    def predictor(self) -> Predictor:
        """Predictions and their derivatives."""
        return Predictor(self.links, self.data, self.outputs, self.solver, self.settings["threads"])

    def objective(self, method: str) -> Objective:
        """Return the objective of a method, at the beginning of its inner problem."""
        return Objective(self.layout, self.predictor, method)

    @property
    def mu_referenced(self) -> dict[str, str]:
        """Estimated thetas that are the mean of a random effect on their scale: {theta: parameter of the effect}."""
        return self.links.mu_referenced()

    def check_start(self, objective: Objective) -> None:
        """Raise DataError if data are impossible at the start values, with rows and the reason."""
        theta, _, _, z = objective.unpack(self.layout.start)
        chain = self.predictor.chain(theta, np.zeros((objective.m, objective.p)))
        f = self.predictor.solve(chain.phi, "plain")[0]
        found = objective.density.first(f, f, z)
        wrong = np.asarray(~np.isfinite(found).all(axis=0))
        if not wrong.any():
            return
        self._check_facts(f, wrong)
        frame = {str(c): self.table.frame[c].to_numpy() for c in self.table.frame.columns}
        rows = np.arange(1, len(self.table) + 1) if self.table.rows is None else self.table.rows
        problems = Problems(self.table.name, frame, rows, self.table.lines)
        column = np.full(len(self.table), np.nan)
        column[self.data.row] = f
        problems.columns = {**frame, "prediction": column}
        mask = np.zeros(len(self.table), bool)
        unsolved = wrong & ~np.isfinite(f)
        mask[self.data.row[unsolved]] = True
        problems.add(mask.copy(), "the equations have no solution at the start values", "start nearer", ["DV"])
        mask[:] = False
        mask[self.data.row[wrong & ~unsolved]] = True
        problems.add(
            mask, "the datum is impossible at the start values",
            "where the prediction is 0, proportional and log-normal errors have no density: set MDV=1 before the first "
            "dose, or use Combined error",
            ["DV", "prediction"],
        )  # fmt: skip
        problems.raise_if_any()

    def _check_facts(self, f: np.ndarray, wrong: np.ndarray) -> None:
        """Raise DataError if a reported fact is impossible, with fact and prediction."""
        found = []
        for channel in self.data.channels:
            if (r := channel.reported) is not None:
                bad = np.flatnonzero(wrong[r.rows].any(axis=0))
                found += [(str(r.fact[k]), channel.output, f[r.rows[:, k]].tolist()) for k in bad]
        if not found:
            return
        named = "; ".join(f"'{n}' ({o} is predicted as {', '.join(f'{v:.4g}' for v in p)})" for n, o, p in found[:5])
        many = "1 statement of reports is" if len(found) == 1 else f"{len(found)} statements of reports are"
        raise DataError(
            f"fit: {many} impossible at the start values: {named}. Where the prediction "
            "is 0, proportional and log-normal errors have no density: check days and doses of the report, use "
            "Combined error, or leave the fact out (evidence.without(...)); where it is nan, start nearer"
        )


def _check_names(fixed: Any, start: Any) -> None:
    """Raise DataError if names of parameters, or their values, are given as something else."""
    if isinstance(fixed, str):
        raise DataError(
            f"fit: fixed must be a list of names, or values by name, got {fixed!r}; write fixed=[{fixed!r}]"
        )
    if start is not None and not isinstance(start, Mapping):
        raise DataError(f"fit: start must be a mapping of name to number, such as {{'CL': 5.0}}, got {start!r}")
    held = fixed if isinstance(fixed, Mapping) else {}
    for what, given in (("start", start or {}), ("the fixed value", held)):
        for name, value in given.items():
            if isinstance(value, (bool, str)) or not np.isscalar(value):
                raise DataError(f"fit: {what} of {name} must be a number, got {value!r}")
    if twice := [n for n in held if n in (start or {})]:
        raise DataError(f"fit: {', '.join(twice)} {'has' if len(twice) == 1 else 'have'} a fixed value and a start; "
                        "give one of them")  # fmt: skip


def _check_errors(data: FitData) -> None:
    """Raise DataError if a residual error is of such numbers that nothing can be observed with it."""
    faults = {c.observed: c.error.no_spread(data.y[c.rows]) for c in data.channels if c.reported is None}
    if wrong := [f"output '{name}': {fault}" for name, fault in faults.items() if fault]:
        raise DataError(f"fit: {'; '.join(wrong)}")


def pose(
    model: Model, data: Data | FitData, *, fixed: Collection[str] = (), start: Mapping[str, float] | None = None,
    bloq: str = "m3", rtol: float = 1e-9, atol: float = 1e-12, solver: str = "auto", threads: int = 1,
    declared: Mapping[str, float] | None = None, typical: bool = False,
) -> Problem:  # fmt: skip
    """Bind a model to data; arguments as for :func:`pkpd.fit`, or data that are bound already to a model like it.

    ``declared`` are the values that the model had before it was fitted, see
    :class:`~pkpd.estimation.vector.PopulationVector`; with ``typical`` the model of the problem has no variability.

    Raises
    ------
    DataError
        With all that is wrong with data, names and start values.
    """
    _check_names(fixed, start)
    if isinstance(fixed, Mapping):
        start = {**(start or {}), **fixed}
    model = model.without_variability() if typical else model
    if isinstance(data, FitData):
        joined = data.joined or Joined(data.table, data.reported)
    else:
        joined = with_reports(model, data)
    found = bind(model, joined, bloq)
    _check_errors(found)
    given = {n: float(v) for n, v in (start or {}).items() if n in model.parameters}
    layout = PopulationVector(model, found, fixed, start, declared)
    layout.model = model = model.replace(values=given) if given else model
    if not layout.size:
        raise DataError(f"fit: nothing is estimated: all parameters of model '{model.name}' are fixed")
    messages = [*joined.messages, *found.messages]
    if joined.reported and bloq != "m3":
        messages.append(f"bloq={bloq!r} is for rows of a data set: bounds of reports are probabilities of less (more)")
    if layout.unused:
        messages.append(f"parameters that the equations do not use keep their values: {', '.join(layout.unused)}")
    settings = {
        "fixed": sorted(fixed), "start": dict(start or {}), "bloq": bloq, "rtol": rtol, "atol": atol, "solver": solver,
        "threads": threads, "typical": typical,
    }  # fmt: skip
    return Problem(model, found, layout, settings, messages)


def threads_for(threads: int | None, data: Any) -> int:
    """Return how many threads are used: those asked for, else one for small data sets and all cores for others."""
    several = data if isinstance(data, list | tuple) else [data]
    if threads is None and sum(getattr(each, "n_subjects", 0) for each in several) < THREADED:
        return 1
    return threads_from(threads)
