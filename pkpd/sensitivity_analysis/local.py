"""Local sensitivity: exact derivatives of quantities, and elasticities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.errors import PkpdError
from pkpd.metrics.quantities import Quantity
from pkpd.metrics.reading import area_gradient
from pkpd.metrics.register import NUMBERS
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.factors import factor_kind, names_from
from pkpd.sensitivity_analysis.method import Analysis, SensitivityProblem
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import named_from
from pkpd.simulation.doses import records_of
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["Local"]


@dataclass(frozen=True, kw_only=True)
class Local(Analysis):
    """Exact derivatives and elasticities at the model's values, or at each person's."""

    name: ClassVar[str] = "local"

    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Return derivatives and elasticities.

        Raises
        ------
        PkpdError
            If a quantity or an input has no exact derivative.
        """
        if isinstance(problem.parameters, Mapping):
            raise PkpdError(
                "sensitivity: Local takes derivatives at the model's values and has no use for ranges; give names, "
                f"parameters={list(problem.parameters)!r}"
            )
        model, times, quantities, names = problem.whole, problem.times, problem.quantities(), problem.named()
        chosen = [n for n, p in model.parameters.items() if not p.fixed] if names is None else names_from(model, names)
        _check(model, quantities, chosen)
        outputs = list(dict.fromkeys(q.output for q in quantities))
        grid, steady = _with_doses(model, problem.regimen, problem.population, times)
        slopes = simulate(
            model, problem.regimen, problem.population, grid, derivatives=chosen, outputs=outputs,
            on_failure=problem.on_failure, progress=False, **problem.options,
        )  # fmt: skip
        at = _values(model, problem.population, chosen, "subject" in slopes.dims)
        parts, notes = [], []
        for q in quantities:
            value, slope = _of(q, slopes, times, steady)
            with np.errstate(divide="ignore", invalid="ignore"):
                elasticity = (slope * at / value).where(value != 0)
            gone = int((value == 0).sum())
            if gone:
                notes.append(f"'{q.name}' is 0 at {gone} of {value.size} points; its elasticities are NaN there")
            parts.append({"value": value, "derivative": slope, "elasticity": elasticity})
        failed = int((slopes["status"] != 0).sum())
        if failed:
            notes.append(f"{failed} of {slopes['status'].size} subjects could not be solved; they are NaN")
        return SensitivityResult(self.name, _dataset(model, parts, quantities, slopes), tuple(notes))


def _check(model: Model, quantities: Sequence[Quantity], names: Sequence[str]) -> None:
    covariates = [n for n in names if factor_kind(model, n) == "covariate"]
    if covariates:
        raise PkpdError(
            f"sensitivity: Local differentiates by parameters and random effects, not by covariates "
            f"({', '.join(covariates)}); use Sobol or Morris for these"
        )
    refused = [q.name for q in quantities if q.kind in ("call", "tmax", *NUMBERS)]
    if refused:
        raise PkpdError(
            f"sensitivity: Local has no exact derivative of {', '.join(map(repr, refused))}; it knows an "
            "output over time and .auc, .mean, .max, .min, .last, .at(t) of it; for a function use Sobol or Morris"
        )
    if len({q.kind == "course" for q in quantities}) > 1:
        raise PkpdError("sensitivity: ask for numbers and for outputs over time in separate calls")


def _values(model: Model, population: Population | None, names: Sequence[str], people: bool) -> xr.DataArray:
    """Return what a derivative is multiplied by: the parameter's value, or 1 for a random effect."""
    import xarray as xr

    given = {} if population is None else population.parameters
    n = population.n if people and population is not None else 1
    columns = []
    for name in names:
        one = 1.0 if factor_kind(model, name) == "effect" else model.parameters[name].value
        columns.append(np.asarray(given.get(name, np.full(n, one)), float))
    array = np.stack(columns, axis=-1)
    return xr.DataArray(array if people else array[0], dims=("subject", "parameter") if people else ("parameter",))


def _with_doses(
    model: Model, regimen: Any, population: Population | None, times: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Return the times with those of doses and right after them, and whether the first one begins a steady state.

    The derivative of a value right after a dose is taken 1e-7 h after it, where the solver has one.
    """
    after = convert_time(1e-7, "h", model.time_unit)
    found, steady = [times], False
    named, _ = named_from(model, regimen, population)
    for rec in [records_of(model, r) for each in named.values() for r in each]:
        for k in range(len(rec)):
            start = rec["time"][k] + np.arange(rec["addl"][k] + 1) * rec["ii"][k]
            length = rec["amt"][k] / rec["rate"][k] if rec["rate"][k] > 0 else 0.0
            inside = (start >= times[0]) & (start < times[-1])
            found += [start[inside], start[inside] + after]
            found += [(start + length)[(start + length < times[-1]) & (start + length > times[0])]]
            steady = steady or bool(rec["ss"][k] > 0 and rec["time"][k] == times[0])
    every = np.unique(np.concatenate(found))
    keep = np.append(True, np.diff(every) > 0.5 * after) | np.isin(every, times)
    return every[keep], steady


def _of(q: Quantity, slopes: xr.Dataset, times: np.ndarray, steady: bool) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a quantity and its derivatives."""
    import xarray as xr

    grid = np.asarray(slopes["time"].values, float)
    if q.kind in ("course", "last", "at"):
        asked = np.searchsorted(grid, times[q.kept])
        value, slope = slopes[q.output].isel(time=asked), slopes[f"d{q.output}"].isel(time=asked)
        return (value, slope) if q.kind == "course" else (value.isel(time=-1), slope.isel(time=-1))
    start, end = q.window or (times[0], times[-1])
    inside = np.flatnonzero((grid >= start) & (grid <= end))
    inside = inside[1:] if steady and start == times[0] else inside
    value, slope = slopes[q.output].isel(time=inside), slopes[f"d{q.output}"].isel(time=inside)
    time = grid[inside]
    if q.kind in ("auc", "mean"):
        own = value.transpose(..., "time")
        area, weights = area_gradient(time, np.asarray(own.values, float).reshape(-1, time.size))
        span = 1.0 if q.kind == "auc" else time[-1] - time[0]
        number = xr.DataArray(area.reshape(own.shape[:-1]) / span, dims=own.dims[:-1])
        by_value = own.copy(data=weights.reshape(own.shape) / span)
        return own.isel(time=0, drop=True) * 0.0 + number, (slope * by_value).sum("time", skipna=False)
    extreme = value.max("time", skipna=False) if q.kind == "max" else value.min("time", skipna=False)
    first, last = (value == extreme).argmax("time"), (value == extreme).isel(time=slice(None, None, -1)).argmax("time")
    last = time.size - 1 - last
    # At an extreme the time of it has no influence (envelope theorem), unless several times share it.
    apart = abs(slope.isel(time=first) - slope.isel(time=last)) > 1e-9 * abs(slope).max("time")
    tied = (apart.any("parameter") & extreme.notnull()).values
    if tied.any():
        a, b = (float(time[int(np.ravel(x.values)[np.flatnonzero(np.ravel(tied))[0]])]) for x in (first, last))
        raise PkpdError(
            f"sensitivity: quantity '{q.name}' is reached at several times ({a:g} and {b:g}), so it has no derivative; "
            f"ask for the value at one of them, '{q.output}.at({a:g})'"
        )
    return extreme, slope.isel(time=first)


def _dataset(
    model: Model, parts: Sequence[dict[str, xr.DataArray]], quantities: Sequence[Quantity], slopes: xr.Dataset
) -> xr.Dataset:
    import xarray as xr

    names = [q.name for q in quantities]
    data: dict[str, Any] = {}
    for key in ("value", "derivative", "elasticity"):
        arrays = [p[key].reset_coords(drop=True).drop_attrs() for p in parts]
        if any(a.sizes != arrays[0].sizes for a in arrays):
            raise PkpdError("sensitivity: the quantities have no times in common; ask for them in separate calls")
        data[key] = xr.concat(arrays, "quantity", join="exact", coords="minimal", compat="override")
    out = xr.Dataset(data).assign_coords(quantity=names, parameter=slopes["parameter"].values)
    out["elasticity"].attrs = {"long_name": "relative change of the quantity per relative change of the parameter"}
    out["derivative"].attrs = {"long_name": "derivative of the quantity by the parameter"}
    effects = any(str(n).startswith("eta_") for n in out["parameter"].values)
    title = "local elasticities" + (" (for random effects: relative change per unit of eta)" if effects else "")
    out.attrs = {"model": model.name, "method": "local", "title": title}
    return out.assign_coords(
        units=("quantity", [q.unit for q in quantities]),
        meaning=("quantity", [q.meaning for q in quantities]),
        parameter_units=("parameter", slopes["parameter_units"].values),
    ).transpose("quantity", ..., "parameter")
