"""Local identifiability: which parameters, and which combinations of them, the observations cannot tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.errors import DataError, PkpdError
from pkpd.model.residual import ResidualError
from pkpd.sensitivity_analysis.factors import names_from
from pkpd.sensitivity_analysis.method import Analysis, SensitivityProblem
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.simulation.api import simulate

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["Identifiability", "errors_from"]

_TINY = 1e-7  # of the largest singular value: what the solution's own error leaves


@dataclass(frozen=True, kw_only=True)
class Identifiability(Analysis):
    r"""Which parameters the observations of outputs at some times could estimate, before there are any.

    The matrix of sensitivities, in residual standard deviations per relative change of a parameter, is taken apart into
    singular values. A direction whose singular value vanishes changes no observation: the parameters in it cannot be
    told apart. The others give the standard errors that the design allows at best (Fisher information). All regimens
    and persons count as observed; ``of`` are the outputs that are, by default those with a residual error, or else all.

    The result has ``singular`` over direction, ``loading`` over direction and parameter (relative changes),
    ``identifiable`` and ``rse`` (relative standard error, NaN where there is none) over parameter; notes name the
    combinations that cannot be told apart.

    Attributes
    ----------
    error : mapping of output to ResidualError, optional
        How observations scatter; the model's own by default. An output with neither counts with a standard deviation
        of its largest value, which tells identifiability but no standard error.

    Examples
    --------
    >>> import pkpd
    >>> design = {"times": pkpd.hours(1, 24, 1), "of": "Cc", "parameters": ["CL", "V", "F"]}
    >>> found = pkpd.sensitivity(pkpd.models["pk1_oral"], "100 mg PO once", method=Identifiability(), **design)
    >>> found.data["identifiable"].values
    array([False, False, False])
    """

    name: ClassVar[str] = "identifiability"

    error: Mapping[str, ResidualError] | None = None

    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Return singular values, directions and standard errors.

        Raises
        ------
        PkpdError
            If a parameter has the value 0, so that there is no relative change of it.
        """
        names, observed = _names(problem), _observed(problem)
        model, error = problem.whole, dict(self.error or {})
        declared = {n for n in observed if error.get(n) is not None or _error(model, n) is not None}
        slopes = simulate(
            model, problem.regimen, problem.population, problem.times, derivatives=names, outputs=observed,
            on_failure="raise", progress=False, **problem.options,
        )  # fmt: skip
        rows = []
        for name in observed:
            f = slopes[name].values.ravel()
            sd = np.full(f.size, np.abs(f).max() or 1.0)
            if name in declared:
                sd = np.asarray(errors_from(model, [name], error)[name].sd(f))
            kept = sd > 0
            rows.append(slopes[f"d{name}"].values.reshape(-1, len(names))[kept] / sd[kept, None])
        values = np.array([model.parameters[n].value for n in names])
        data, null = _taken_apart(names, np.concatenate(rows) * values, exact=len(declared) == len(observed))
        data.attrs = {"model": model.name, "method": self.name, "title": "local identifiability"}
        notes = [_sentence(names, row) for row in null]
        blind = [n for n in observed if n not in declared]
        if blind:
            notes.append(f"{', '.join(blind)} has no residual error, so there are no standard errors")
        return SensitivityResult(self.name, data, tuple(notes))


def _names(problem: SensitivityProblem) -> list[str]:
    """Return the parameters that are to be estimated."""
    if isinstance(problem.parameters, Mapping):
        raise PkpdError(
            "sensitivity: Identifiability is about the model's values and has no use for ranges; give names, "
            f"parameters={list(problem.parameters)!r}"
        )
    model, given = problem.whole, problem.named()
    names = names_from(model, [n for n, p in model.parameters.items() if not p.fixed] if given is None else given)
    wrong = [n for n in names if n not in model.parameters or model.parameters[n].value == 0]
    if wrong:
        raise PkpdError(
            f"sensitivity: {', '.join(wrong)} is no parameter of model '{model.name}' or has the value 0, so there is "
            "no relative change of it; leave it out or give it a value"
        )
    return names


def _observed(problem: SensitivityProblem) -> list[str]:
    """Return the outputs that are observed."""
    model, of = problem.whole, problem.of
    if of is None:
        return [n for n, q in model.outputs.items() if q.error is not None] or list(model.outputs)
    found = [of] if isinstance(of, str) else of
    if callable(found) or isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise PkpdError(f"sensitivity: with Identifiability of= names the outputs that are observed, got {of!r}")
    return list(found)


def _taken_apart(names: list[str], matrix: np.ndarray, exact: bool) -> tuple[xr.Dataset, np.ndarray]:
    """Return singular values and directions of a matrix, shape (observations, names), and the directions that vanish.

    Parameters
    ----------
    exact : bool
        Whether the scatter of all observations is known, so that there are standard errors.
    """
    import xarray as xr

    _, singular, loading = np.linalg.svd(matrix, full_matrices=True)
    singular = np.append(singular, np.zeros(len(names) - singular.size))
    null = singular <= _TINY * max(singular[0], 1e-300)
    loading = np.vstack([loading[~null], _sparse(loading[null])])
    found = ~(np.abs(loading[null]) > 1e-4).any(axis=0)
    with np.errstate(divide="ignore"):
        rse = np.sqrt((loading[~null] ** 2 / singular[~null, None] ** 2).sum(axis=0))
    data = {
        "singular": ("direction", singular, {"long_name": "residual standard deviations per relative change"}),
        "loading": (("direction", "parameter"), loading, {"long_name": "relative change of each parameter"}),
        "identifiable": ("parameter", found),
        "rse": ("parameter", np.where(found & exact, rse, np.nan), {"long_name": "relative standard error at best"}),
    }
    return xr.Dataset(data, {"direction": np.arange(1, len(names) + 1), "parameter": names}), loading[null]


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


def errors_from(model: Model, outputs: list[str], given: Any) -> dict[str, ResidualError]:
    """Return the residual error of each output, the model's own unless others are given.

    Raises
    ------
    DataError
        If an output has none.
    """
    own = {n: q.error for n, q in model.outputs.items() if q.error is not None}
    errors: dict[str, Any] = own | dict(given or {})
    wrong = [n for n in outputs if not isinstance(errors.get(n), ResidualError)]
    if wrong:
        raise DataError(
            f"{', '.join(wrong)} has no residual error in model '{model.name}'; "
            f"give one, as in error={{'{wrong[0]}': pkpd.LogNormal(0.2)}}"
        )
    return {n: errors[n] for n in outputs}
