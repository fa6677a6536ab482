"""Local identifiability: which parameters, and which combinations of them, the observations cannot tell apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.options import checked
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.factors import names_from
from pkpd.sensitivity_analysis.objective import errors_from
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import times_from
from pkpd.simulation.source import Source, one_person

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["identifiability"]

_TINY = 1e-7  # of the largest singular value: what the solution's own error leaves


@checked
def identifiability(
    model: Model | Source,
    regimen: Any = None,
    population: Population | None = None,
    times: Any = None,
    *,
    outputs: Any = None,
    parameters: Any = None,
    error: Any = None,
    threads: int | None = None,
) -> SensitivityResult:
    r"""Tell which parameters the observations of outputs at some times could estimate, before there are any.

    The matrix of sensitivities, in residual standard deviations per relative change of a parameter, is taken apart into
    singular values. A direction whose singular value vanishes changes no observation: the parameters in it cannot be
    told apart. The others give the standard errors that the design allows at best (Fisher information).

    Parameters
    ----------
    model : Model or Fit
        With ``population``, which says who is meant, also a StudyFit or an Individual.
    regimen, population, times, threads
        As for :func:`pkpd.simulate`; all regimens and persons count as observed.
    outputs : sequence of str, optional
        Which are observed; those with a residual error by default, or else all.
    parameters : sequence of str, optional
        Which are to be estimated; all that are not fixed by default.
    error : mapping of output to ResidualError, optional
        How observations scatter; the model's own by default. An output with neither counts with a standard deviation
        of its largest value, which tells identifiability but no standard error.

    Returns
    -------
    SensitivityResult
        ``singular`` over direction, ``loading`` over direction and parameter (relative changes), ``identifiable`` and
        ``rse`` (relative standard error, NaN where there is none) over parameter. Notes name the combinations that
        cannot be told apart.

    Raises
    ------
    PkpdError
        If a parameter has the value 0, so that there is no relative change of it.

    Examples
    --------
    >>> import pkpd
    >>> model, dose = pkpd.models["pk1_oral"], pkpd.Regimen.parse("100 mg once", cmt="depot")
    >>> found = identifiability(model, dose, times=pkpd.hours(1, 24, 1), outputs=["Cc"], parameters=["CL", "V", "F"])
    >>> found.data["identifiable"].values
    array([False, False, False])
    """
    import xarray as xr

    model = one_person("identifiability", model, population)
    grid = times_from(model, times)
    chosen = [n for n, p in model.parameters.items() if not p.fixed] if parameters is None else parameters
    names = names_from(model, [chosen] if isinstance(chosen, str) else chosen)
    wrong = [n for n in names if n not in model.parameters or model.parameters[n].value == 0]
    if wrong:
        raise PkpdError(
            f"identifiability: {', '.join(wrong)} is no parameter of model '{model.name}' or has the value 0, so there "
            "is no relative change of it; leave it out or give it a value"
        )
    observed = [outputs] if isinstance(outputs, str) else outputs
    if observed is None:
        observed = [n for n, q in model.outputs.items() if q.error is not None] or list(model.outputs)
    declared = {n for n in observed if (error or {}).get(n) is not None or _error(model, n) is not None}
    slopes = simulate(
        model,
        regimen,
        population,
        grid,
        derivatives=names,
        outputs=observed,
        on_failure="raise",
        threads=threads,
        progress=False,
    )
    rows = []
    for name in observed:
        f = slopes[name].values.ravel()
        sd = np.full(f.size, np.abs(f).max() or 1.0)
        if name in declared:
            sd = np.asarray(errors_from(model, [name], error)[name].sd(f))
        kept = sd > 0
        rows.append(slopes[f"d{name}"].values.reshape(-1, len(names))[kept] / sd[kept, None])
    values = np.array([model.parameters[n].value for n in names])
    matrix = np.concatenate(rows) * values
    _, singular, loading = np.linalg.svd(matrix, full_matrices=True)
    singular = np.append(singular, np.zeros(len(names) - singular.size))
    null = singular <= _TINY * max(singular[0], 1e-300)
    loading = np.vstack([loading[~null], _sparse(loading[null])])
    found = ~(np.abs(loading[null]) > 1e-4).any(axis=0)
    exact = len(declared) == len(observed)
    with np.errstate(divide="ignore"):
        rse = np.sqrt((loading[~null] ** 2 / singular[~null, None] ** 2).sum(axis=0))
    data = xr.Dataset(
        {
            "singular": ("direction", singular, {"long_name": "residual standard deviations per relative change"}),
            "loading": (("direction", "parameter"), loading, {"long_name": "relative change of each parameter"}),
            "identifiable": ("parameter", found),
            "rse": (
                "parameter",
                np.where(found & exact, rse, np.nan),
                {"long_name": "relative standard error at best"},
            ),
        },
        {"direction": np.arange(1, len(names) + 1), "parameter": names},
        {"model": model.name, "method": "identifiability", "title": "local identifiability"},
    )
    notes = [_sentence(names, row) for row in loading[null]]
    blind = [n for n in observed if n not in declared]
    if blind:
        notes.append(f"{', '.join(blind)} has no residual error, so there are no standard errors")
    return SensitivityResult("identifiability", data, tuple(notes))


def _error(model: Model, name: str) -> Any:
    return model.outputs[name].error if name in model.outputs else None


def _sparse(null: np.ndarray) -> np.ndarray:
    """Return directions of the same space with as many zeros as row operations make, the largest entry 1."""
    out = null.copy()
    for row in range(len(out)):
        left = out[row:].copy()
        left[:, [int(np.argmax(np.abs(r))) for r in out[:row]]] = 0
        i, j = np.unravel_index(int(np.argmax(np.abs(left))), left.shape)
        out[[row, row + i]] = out[[row + i, row]]
        out[row] /= out[row, j]
        for other in range(len(out)):
            if other != row:
                out[other] -= out[other, j] * out[row]
    out[np.abs(out) < 1e-4] = 0
    largest = np.abs(out).max(axis=1, keepdims=True, initial=1e-300)
    return out / largest


def _sentence(names: list[str], direction: np.ndarray) -> str:
    """Say which parameters move together without a trace."""
    part = [(n, float(x)) for n, x in zip(names, direction, strict=True) if x != 0]
    if len(part) == 1:
        return f"'{part[0][0]}' changes no observation"
    sign = math.copysign(1.0, part[0][1])
    moves = " ".join(f"{n} {100 * 0.01 * sign * x:+.2g}%" for n, x in part)
    kept = _kept([n for n, _ in part], [sign * x for _, x in part])
    return f"{', '.join(n for n, _ in part)} cannot be told apart: {moves} together change no observation{kept}"


def _kept(names: list[str], moves: list[float]) -> str:
    """Name the ratios that stay where all move alike."""
    if not all(abs(m - moves[0]) < 1e-3 for m in moves):
        return ""
    return f"; only {', '.join(f'{n}/{names[0]}' for n in names[1:])} can be told"
