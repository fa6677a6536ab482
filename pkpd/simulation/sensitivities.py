"""Exact derivatives of outputs by parameters and random effects, for any regimen or data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.kernel_cache import kernel_of
from pkpd.engine.solve.tangent import tangent
from pkpd.errors import ModelError, PkpdError, nearest
from pkpd.options import checked
from pkpd.simulation.api import Job, run_job
from pkpd.simulation.arguments import Regimens, check_method, settings_from, threads_from
from pkpd.simulation.kernels import OutputQuantity, equations_for, equations_key, quantities
from pkpd.simulation.source import Source, one_person

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["sensitivities"]

STATES = 64  # most states, shadows included, that are solved together


@checked
def sensitivities(
    model: Model | Source,
    regimen: Regimens = None,
    population: Population | None = None,
    times: Any = None,
    *,
    wrt: Sequence[str] | str | None = None,
    outputs: Sequence[str] | None = None,
    occasions: Any = None,
    method: str = "auto",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    h_max: float = np.inf,
    max_steps: int | None = None,
    threads: int | None = None,
    on_failure: str = "warn",
    progress: bool | None = None,
) -> xr.Dataset:
    """Solve a model together with the derivatives of its outputs.

    The derivatives come from the model's own equations, differentiated symbolically and solved beside them; no finite
    differences are taken. Bioavailability, lag, modelled rates and durations, steady states and initial values count.

    Parameters
    ----------
    model : Model or Fit
        With ``population``, which says who is meant, also a StudyFit or an Individual.
    regimen, population, times, outputs, occasions, method, h_max, max_steps, threads, on_failure, progress
        As for :func:`pkpd.simulate`; the typical person without a population.
    wrt : sequence of str, optional
        By what: ``"CL"`` for the typical value of a parameter, ``"eta_CL"`` for its random effect; all parameters by
        default.
    rtol, atol : float
        Bounds of the error per step of each state and of each sensitivity. A sensitivity dx/dq is measured as
        ``q dx/dq``, with the declared value of the parameter for q (1 for a random effect and for a value of 0), so
        that both are in the state's unit.

    Returns
    -------
    xarray.Dataset
        The outputs as from :func:`pkpd.simulate`, and for each a variable ``d<output>`` with one more dimension,
        ``parameter``: ``result["dCc"].sel(parameter="CL")``. Coordinate ``parameter_units`` holds the units that the
        unit of the output is to be divided by.

    Raises
    ------
    ModelError
        If ``wrt`` names nothing of the model, or something that moves the time of a discontinuity of the equations.
    RegimenError
        For a bolus with a lag that depends on ``wrt``, into a state that acts on others in a non-linear way.

    Examples
    --------
    >>> import pkpd
    >>> model = pkpd.models["pk1_oral"]
    >>> q24h = pkpd.Regimen.parse("100 mg q24h x3", cmt="depot")
    >>> slopes = pkpd.sensitivities(model, q24h, times=pkpd.hours(0, 72, 1), wrt=["CL", "eta_V"])
    >>> slopes["dCc"].dims
    ('time', 'parameter')
    """
    model = one_person("sensitivities", model, population)
    settings = settings_from(method, rtol, atol, h_max, max_steps, "sensitivities")
    if on_failure not in ("warn", "raise", "ignore"):
        raise PkpdError(f"sensitivities: on_failure must be 'warn', 'raise' or 'ignore', got {on_failure!r}")
    chosen, names = quantities(model, outputs), _names(model, wrt)
    asked = {q.name for q in chosen}
    if clash := [q.name for q in chosen if f"d{q.name}" in asked]:
        raise ModelError(
            f"sensitivities: 'd{clash[0]}' is both an output and the derivative of '{clash[0]}'; ask for one of them "
            "in outputs"
        )
    size = max(1, STATES // len(model.states) - 1)
    parts = []
    for first in range(0, len(names), size):
        group = names[first : first + size]
        kernel = _kernel(model, chosen, group)
        check_method("sensitivities", model, kernel, method)
        columns = [*chosen, *(OutputQuantity(_label(q.name, n), const(0), "", "") for n in group for q in chosen)]
        job = Job(model, columns, kernel, settings, threads_from(threads), on_failure, around_doses=False)
        parts.append(run_job(job, regimen, population, times, occasions, progress=progress))
    return _gather(model, chosen, names, parts)


def _names(model: Model, wrt: Sequence[str] | str | None) -> list[str]:
    """Return what to differentiate by, checked."""
    names = list(model.parameters) if wrt is None else [wrt] if isinstance(wrt, str) else list(wrt)
    known = [*model.parameters, *(f"eta_{n}" for n in model.etas)]
    for name in names:
        if name not in known:
            raise ModelError(
                f"sensitivities: model '{model.name}' has no parameter or random effect '{name}' in wrt"
                f"{nearest(name, known)}; give parameter names, or eta_<parameter> for those that vary between subjects"
            )
    if not names:
        raise ModelError(f"sensitivities: wrt is empty; name parameters of model '{model.name}', e.g. wrt={known[:1]}")
    return list(dict.fromkeys(names))


def _input(model: Model, name: str) -> tuple[Node, float, str]:
    """Return the symbol, the typical size and the unit of a name in ``wrt``."""
    if name in model.parameters:
        parameter = model.parameters[name]
        return symbol(name, "theta"), parameter.value, parameter.unit or "1"
    varied = name.removeprefix("eta_")
    parameter = model.parameters[varied]
    return symbol(varied, "eta"), 1.0, (parameter.unit or "1") if parameter.scale == "additive" else "1"


def _label(output: str, name: str) -> str:
    return f"{output}|{name}"


def _kernel(model: Model, chosen: Sequence[OutputQuantity], names: Sequence[str]) -> Kernel:
    """Return the machine code of outputs and their derivatives, made once for parameters of these sizes."""
    inputs = [_input(model, n) for n in names]
    wrt, sizes = [node for node, _, _ in inputs], [size for _, size, _ in inputs]
    key = ("sensitivities", *equations_key(model, chosen), *wrt, *sizes)
    return kernel_of(key, lambda: tangent(equations_for(model, chosen), wrt, sizes))


def _gather(
    model: Model, chosen: Sequence[OutputQuantity], names: list[str], parts: Sequence[xr.Dataset]
) -> xr.Dataset:
    """Return the outputs of the first part with the derivatives of all."""
    import xarray as xr

    out = parts[0][[*(q.name for q in chosen), "status"]].copy()
    units = [_input(model, n)[2] for n in names]
    out["status"].values = np.max([p["status"].values for p in parts], axis=0)
    for q in chosen:
        columns = [next(p[_label(q.name, n)] for p in parts if _label(q.name, n) in p) for n in names]
        unit = q.unit or "1"
        out[f"d{q.name}"] = xr.Variable(
            (*out[q.name].dims, "parameter"),
            np.stack([c.values for c in columns], axis=-1),
            {
                "units": f"({unit})/({units[0]})" if len(set(units)) == 1 else f"({unit})/parameter_units",
                "long_name": f"derivative of {q.meaning or q.name}",
            },
        )
    return out.assign_coords(parameter=("parameter", names), parameter_units=("parameter", units))
