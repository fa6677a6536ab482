"""Exact derivatives of outputs by parameters and random effects, for any regimen or data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.kernel_cache import kernel_of
from pkpd.engine.solve.tangent import tangent
from pkpd.errors import ModelError, nearest
from pkpd.simulation.kernels import OutputQuantity, equations_for, equations_key

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

    Solve = Callable[[Sequence[OutputQuantity], Kernel], xr.Dataset]

__all__ = ["derivatives_of"]

STATES = 64  # most states, shadows included, that are solved together


def derivatives_of(
    model: Model, chosen: Sequence[OutputQuantity], wrt: Iterable[str] | str, solve: Solve
) -> xr.Dataset:
    """Solve a model together with the derivatives of its outputs.

    The derivatives come from the model's own equations, differentiated symbolically and solved beside them; no finite
    differences are taken. Bioavailability, lag, modelled rates and durations, steady states and initial values count.
    The error per step of a sensitivity dx/dq is that of ``q dx/dq``, with the declared value of the parameter for q (1
    for a random effect and for a value of 0), so that both are in the state's unit.

    Parameters
    ----------
    model : Model
    chosen : sequence of OutputQuantity
    wrt : iterable of str, or str
        By what: ``"CL"`` for the typical value of a parameter, ``"eta_CL"`` for its random effect.
    solve : function of (outputs, kernel)
        Solves for whom and what is meant.

    Returns
    -------
    xarray.Dataset
        The outputs, and for each a variable ``d<output>`` with one more dimension, ``parameter``.

    Raises
    ------
    ModelError
        If ``wrt`` names nothing of the model, or something that moves the time of a discontinuity of the equations.
    RegimenError
        For a bolus with a lag that depends on ``wrt``, into a state that acts on others in a non-linear way.
    """
    names = _names(model, wrt)
    asked = {q.name for q in chosen}
    if clash := [q.name for q in chosen if f"d{q.name}" in asked]:
        raise ModelError(
            f"simulate: 'd{clash[0]}' is both an output and the derivative of '{clash[0]}'; ask for one of "
            "them in outputs"
        )
    size = max(1, STATES // len(model.states) - 1)
    parts = []
    for first in range(0, len(names), size):
        group = names[first : first + size]
        columns = [*chosen, *(OutputQuantity(_label(q.name, n), const(0), "", "") for n in group for q in chosen)]
        parts.append(solve(columns, _kernel(model, chosen, group)))
    return _gather(model, chosen, names, parts)


def _names(model: Model, wrt: Iterable[str] | str) -> list[str]:
    """Return what to differentiate by, checked."""
    names = [wrt] if isinstance(wrt, str) else list(wrt)
    known = [*model.parameters, *(f"eta_{n}" for n in model.etas)]
    for name in names:
        if name not in known:
            raise ModelError(
                f"simulate: model '{model.name}' has no parameter or random effect '{name}' in derivatives"
                f"{nearest(name, known)}; give parameter names, or eta_<parameter> for those that vary between subjects"
            )
    if not names:
        raise ModelError(
            f"simulate: derivatives is empty; name parameters of model '{model.name}', e.g. derivatives={known[:1]}"
        )
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
    """Return the machine code of outputs and their derivatives, made once for parameters of about these sizes."""
    inputs = [_input(model, n) for n in names]
    wrt, sizes = [node for node, _, _ in inputs], [_magnitude(size) for _, size, _ in inputs]
    key = ("derivatives", *equations_key(model, chosen), *wrt, *sizes)
    return kernel_of(key, lambda: tangent(equations_for(model, chosen), wrt, sizes))


def _magnitude(size: float) -> float:
    """Return the nearest power of 16: a size matters where tolerances do, and few sizes are few kernels."""
    return 16.0 ** round(math.log2(abs(size)) / 4.0) if size else 1.0


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
