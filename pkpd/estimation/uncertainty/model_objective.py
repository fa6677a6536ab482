"""Log-likelihood of observations of a model with independent residual error, with its exact gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, PkpdError, nearest
from pkpd.model.residual import ResidualError
from pkpd.observation.rules import log_densities
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.factors import names_from
from pkpd.sensitivity_analysis.identify import errors_from
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import times_from

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["ModelObjective"]


class ModelObjective:
    """Log-likelihood of observations, by the values of some parameters.

    Attributes
    ----------
    start : dict of name to float
        The model's values.
    """

    def __init__(
        self, model: Model, regimen: Any, population: Population | None, times: Any, data: Any, error: Any,
        parameters: Any, options: dict[str, Any],
    ) -> None:  # fmt: skip
        chosen = [n for n, p in model.parameters.items() if not p.fixed] if parameters is None else parameters
        names = names_from(model, [chosen] if isinstance(chosen, str) else chosen)
        wrong = [n for n in names if n not in model.parameters]
        if wrong:
            raise PkpdError(f"profile: of a model there are profiles of parameters; {', '.join(wrong)} is none")
        self.model, self.regimen, self.population, self.times = model, regimen, population, times_from(model, times)
        taken = [] if population is None else [n for n in names if n in population.parameters]
        if taken:
            raise PkpdError(f"profile: {', '.join(taken)} is set by the population; leave it out of parameters")
        self.start = {n: model.parameters[n].value for n in names}
        self.data = self._observed(data)
        self.errors = errors_from(model, list(self.data), error)
        self.options = options
        self._known: tuple[tuple[float, ...], float, np.ndarray] | None = None

    def _observed(self, data: Any) -> dict[str, np.ndarray]:
        if not isinstance(data, Mapping) or not data:
            raise DataError(
                "profile: of a model it needs data, a mapping of output to values at the times, "
                f"as in data={{'Cc': [...]}}, got {type(data).__name__}"
            )
        out = {str(n): np.asarray(v, float) for n, v in data.items()}
        strange = [n for n in out if n not in self.model.outputs]
        if strange:
            has = ", ".join(self.model.outputs)
            raise DataError(
                f"profile: data: no output '{strange[0]}'{nearest(strange[0], self.model.outputs)}; there is {has}"
            )
        odd = [f"{n}: {v.shape}" for n, v in out.items() if v.ndim == 0 or v.shape[-1] != self.times.size]
        if odd:
            raise DataError(f"profile: data must have {self.times.size} values, one per time; got {'; '.join(odd)}")
        if endless := [n for n, v in out.items() if np.isinf(v).any()]:
            raise DataError(f"profile: data: {', '.join(endless)} has values that are infinite; NaN is missing")
        empty = [n for n, v in out.items() if not np.isfinite(v).any()]
        if empty:
            raise DataError(f"profile: data: {', '.join(empty)} has no value that is finite")
        return out

    def scales(self) -> tuple[dict[str, str], dict[str, tuple[float, float]]]:
        """Return the axis of each parameter, and the bounds of those that declare them."""
        scale, bounds = {}, {}
        for name, value in self.start.items():
            declared = self.model.parameters[name]
            low, high = declared.bounds or (-math.inf, math.inf)
            positive = value > 0 and (low >= 0 or (declared.scale == "log" and declared.bounds is None))
            scale[name] = "log" if positive else "identity"
            if declared.bounds is not None:
                bounds[name] = (low, high)
        return scale, bounds

    def units(self) -> dict[str, str]:
        """Return the unit of each parameter."""
        return {n: self.model.parameters[n].unit or "1" for n in self.start}

    def loglik(self, values: Mapping[str, float]) -> float:
        """Return the log-likelihood, -inf where the model cannot be solved."""
        return self._both(values)[0]

    def gradient(self, values: Mapping[str, float]) -> np.ndarray:
        """Return its derivatives, in the order of ``start``."""
        return self._both(values)[1]

    def _both(self, values: Mapping[str, float]) -> tuple[float, np.ndarray]:
        key = tuple(values[n] for n in self.start)
        if self._known is None or self._known[0] != key:
            self._known = (key, *self._computed(dict(zip(self.start, key, strict=True))))
        return self._known[1], self._known[2]

    def _computed(self, values: dict[str, float]) -> tuple[float, np.ndarray]:
        slopes = simulate(
            self.model.with_values(**values), self.regimen, self.population, self.times, derivatives=list(values),
            outputs=list(self.data), on_failure="ignore", progress=False, **self.options,
        )  # fmt: skip
        total, gradient = 0.0, np.zeros(len(values))
        for name, observed in self.data.items():
            f, slope = slopes[name].values, slopes[f"d{name}"].values
            if f.shape != observed.shape and f.shape[-observed.ndim :] != observed.shape:
                raise DataError(f"profile: data of '{name}' has shape {observed.shape}, the simulation {f.shape}")
            y = np.broadcast_to(observed, f.shape)
            kept = np.isfinite(y)
            found = _terms(self.errors[name], y[kept], f[kept])
            if found is None:
                return -math.inf, gradient
            total += found[0]
            gradient += found[1] @ slope[kept]
        return (total, gradient) if np.isfinite(total) else (-math.inf, np.zeros(len(values)))


def _terms(error: ResidualError, y: np.ndarray, f: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Return the log-likelihood of observations and its derivatives by the predictions, None where there is none."""
    logarithm = error.data == "log"
    if not np.isfinite(f).all() or (logarithm and (f <= 0).any()):
        return None
    if logarithm and (y <= 0).any():
        raise DataError(f"profile: data under a log-normal error must be > 0, got {y.min():g}")
    found, slope = log_densities(error, y, f)
    return float(np.sum(found)), slope
