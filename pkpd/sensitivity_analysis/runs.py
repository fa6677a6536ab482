"""Runs of a model or a function for many sets of values, all in one vectorised simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.events import EventTable
from pkpd.errors import DataError, PkpdError
from pkpd.metrics.quantities import Quantity
from pkpd.people.columns import check_range
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.factors import Factor
from pkpd.simulation.api import simulate

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["FunctionRuns", "ModelRuns", "Runs"]

BYTES = 1 << 27  # of outputs that are held at a time


@dataclass
class Runs:
    """Quantities of many runs.

    Attributes
    ----------
    values : dict of name to array, shape (runs, ...)
        What follows the runs is the same for all quantities.
    failed : bool array, shape (runs,)
        Where the equations could not be solved.
    dims : tuple of str
        Of what follows the runs, among regimen, subject, time.
    coords : dict
        Their coordinates.
    units, meanings : dict of name to str
    """

    values: dict[str, np.ndarray]
    failed: np.ndarray
    dims: tuple[str, ...] = ()
    coords: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)


class FunctionRuns:
    """A plain function of a vector; ``x[i]`` are then all runs' values of input i, as in ``scipy.stats``."""

    name = "function"

    def __init__(self, function: Callable[[np.ndarray], Any], of: Any) -> None:
        self.function = function
        given = [of] if isinstance(of, str) else of
        if given is not None and not (isinstance(given, Sequence) and all(isinstance(n, str) for n in given)):
            raise PkpdError(f"sensitivity: of must name what the function returns, got {of!r}")
        self.names = None if given is None else list(given)

    def __call__(self, values: np.ndarray, factors: Sequence[Factor]) -> Runs:
        """Return the runs for values, shape (runs, factors)."""
        try:
            found = np.asarray(self.function(np.ascontiguousarray(values.T)))
            if np.iscomplexobj(found):
                raise TypeError("they are complex")
            found = found.astype(float)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"sensitivity: the function does not take an array of shape {values.T.shape} (inputs, runs), or "
                f"returns no numbers: {error}; it is called once for all runs, so use numpy's functions (np.exp, not "
                "math.exp), or wrap a function that takes one vector: lambda x: np.apply_along_axis(f, 0, x)"
            ) from error
        rows = np.atleast_2d(found)
        if rows.ndim != 2 or rows.shape[1] != len(values):
            raise DataError(
                f"sensitivity: the function gets an array of shape {values.T.shape} (inputs, runs) and must return "
                f"({len(values)},) or (quantities, {len(values)}); got shape {found.shape}; wrap a function that takes "
                "one vector: lambda x: np.apply_along_axis(f, 0, x)"
            )
        names = self.names or (["y"] if len(rows) == 1 else [f"y{i}" for i in range(len(rows))])
        if len(names) != len(rows):
            raise DataError(f"sensitivity: of has {len(names)} names, the function returns {len(rows)} quantities")
        values_of = dict(zip(names, rows, strict=True))
        return Runs(values_of, np.zeros(len(values), bool), units=dict.fromkeys(names, "1"), meanings={})


class ModelRuns:
    """A model with doses and times; each run is one more subject of a simulation."""

    def __init__(
        self, model: Model, regimen: Any, population: Population | None, times: np.ndarray,
        quantities: Sequence[Quantity], options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        if isinstance(regimen, EventTable):
            raise PkpdError("sensitivity: a data set cannot be varied; give its regimens with times: table.regimens()")
        self.model, self.regimen, self.times = model, regimen, times
        self.people = Population.typical(model) if population is None else population
        self.quantities, self.options = list(quantities), dict(options)
        self.name = model.name
        asked = list(dict.fromkeys(q.output for q in quantities if q.output))
        self.outputs = None if any(q.function for q in quantities) else asked
        if self.outputs is None and not set(asked) <= set(model.outputs):
            self.outputs = [*model.outputs, *(n for n in asked if n not in model.outputs)]

    def __call__(self, values: np.ndarray, factors: Sequence[Factor]) -> Runs:
        """Return the runs for values, shape (runs, factors), in blocks that bound the memory.

        Raises
        ------
        PopulationError
            If a value lies where the model does not allow it.
        """
        self._check(values, factors)
        regimens = len(self.regimen) if isinstance(self.regimen, Mapping) else 1
        outputs = len(self.model.outputs if self.outputs is None else self.outputs)
        step = max(BYTES // (8 * max(outputs, 1) * self.times.size * regimens * self.people.n), 1)
        parts = [self._block(values[a : a + step], factors) for a in range(0, len(values), step)]
        out = parts[0]
        if len(parts) > 1:
            out.values = {n: np.concatenate([p.values[n] for p in parts]) for n in out.values}
            out.failed = np.concatenate([p.failed for p in parts])
        return out

    def _check(self, values: np.ndarray, factors: Sequence[Factor]) -> None:
        who = f"sensitivity of '{self.model.name}'"
        runs = [f"run {i + 1}" for i in range(len(values))] if len(values) < 10_000 else range(1, len(values) + 1)
        for factor, column in zip(factors, values.T, strict=True):
            if factor.kind == "parameter":
                check_range(who, self.model, factor.name, column, list(runs))
            elif factor.name in self.people.varying:
                raise PkpdError(
                    f"{who}: covariate '{factor.name}' changes in time in the population; leave it out of parameters"
                )

    def population(self, values: np.ndarray, factors: Sequence[Factor]) -> Population:
        """Return one subject per run and person, run by run."""
        people, runs = self.people, len(values)
        index = np.tile(np.arange(people.n), runs)
        etas = people.etas[index]
        parameters = {n: v[index] for n, v in people.parameters.items()}
        covariates = {n: v[index] for n, v in people.covariates.items()}
        for factor, column in zip(factors, values.T, strict=True):
            spread = np.repeat(column, people.n)
            if factor.kind == "effect":
                etas[:, self.model.etas.index(factor.name[4:])] = spread
            else:
                (parameters if factor.kind == "parameter" else covariates)[factor.name] = spread
        kappas = people.given_kappas
        return replace(
            people,
            labels=np.arange(1, index.size + 1),
            index=people.index[index],
            etas=etas,
            parameters=parameters,
            covariates=covariates,
            varying={n: tuple(v[i] for i in index) for n, v in people.varying.items()},
            given_kappas=None if kappas is None else kappas[index],
        )

    def _block(self, values: np.ndarray, factors: Sequence[Factor]) -> Runs:
        people, runs = self.people.n, len(values)
        sims = simulate(
            self.model, _repeated(self.regimen, runs), self.population(values, factors), self.times,
            outputs=self.outputs, around_doses=True, on_failure="ignore", progress=False, **self.options,
        )  # fmt: skip
        status = sims["status"].transpose("subject", ...).values.reshape(runs, -1)
        out = Runs({}, np.asarray(status.any(axis=1)))
        for q in self.quantities:
            found = q.of(sims).transpose("subject", ...)
            dims = [str(d) for d in found.dims[1:]]
            array = found.values.reshape(runs, people, *found.shape[1:])
            coords: dict[str, Any] = {d: found[d].variable for d in dims if d in found.coords}
            if people == 1:
                array = array[:, 0]
            else:
                dims, coords["subject"] = ["subject", *dims], ("subject", self.people.labels)
            if out.values and (tuple(dims) != out.dims or array.shape != next(iter(out.values.values())).shape):
                first = next(iter(out.values))
                raise PkpdError(
                    f"sensitivity: quantities '{first}' (dims {out.dims or 'none'}) and '{q.name}' (dims "
                    f"{tuple(dims) or 'none'}) have no shape in common; "
                    "ask for numbers and for courses in separate calls"
                )
            out.dims, out.coords = tuple(dims), coords
            out.values[q.name] = np.asarray(array, float)
            out.units[q.name] = str(found.attrs.get("units", q.unit))
            out.meanings[q.name] = q.meaning
        return out


def _repeated(regimen: Any, runs: int) -> Any:
    """Return a regimen, or several by name, with lists of one per person repeated for every run."""
    if isinstance(regimen, Mapping):
        return {n: _repeated(r, runs) for n, r in regimen.items()}
    return list(regimen) * runs if isinstance(regimen, (list, tuple)) else regimen
