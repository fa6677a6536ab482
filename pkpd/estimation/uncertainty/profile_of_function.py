"""Profiles of a log-likelihood that is a function of values by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.uncertainty.walk import ProfileLine, Transform

__all__ = ["FunctionProfiles"]

Floats = np.ndarray
_NULL = 1e-5  # of the curvature, scaled to a diagonal of ones


class FunctionProfiles:
    """The profiles of a function, ready to be walked; arguments as for :func:`pkpd.uncertainty.profile`.

    Attributes
    ----------
    names : tuple of str
    model : str
        Whose profiles they are.
    what : str
        What they are profiles of.
    notes : tuple of str
    """

    model, what = "objective", "likelihood"
    notes: tuple[str, ...] = ()

    def __init__(
        self, objective: Callable[[dict[str, float]], float], start: Mapping[str, float],
        gradient: Callable[[dict[str, float]], Any] | None, scale: str | Mapping[str, str],
        bounds: Mapping[str, tuple[float, float]], reach: float, units: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.names, self._units = tuple(map(str, start)), units or {}
        self._problem = FunctionProblem(list(self.names), objective, gradient, _axes(start, scale, bounds, reach))
        places = np.array([a.to(float(v)) for a, v in zip(self._problem.axes, start.values(), strict=True)])
        if not math.isfinite(here := self._problem.loglik(places)):
            raise PkpdError(
                f"profile: the log-likelihood at the start is {here}; start elsewhere "
                f"({', '.join(f'{n}={v:g}' for n, v in start.items())})"
            )
        self.begin(places)

    def begin(self, places: Floats) -> None:
        """Look for the optimum from some places."""
        self._best, self._top = self._problem.fit(places)
        self._errors = _scaled(self._problem, self._best)

    @property
    def advice(self) -> str:
        """What to do where better optima turn up again and again."""
        return f"start nearer to the best fit, e.g. from {self._problem.named(self._best)}"

    def line(self, name: str) -> ProfileLine:
        """Return the profile of a parameter."""
        i = self.names.index(name)
        error, log = float(self._errors[i]), self._problem.axes[i].log
        return ProfileLine(self._problem, i, self._best, self._top, error, log, self._units.get(name, "1"))


@dataclass
class FunctionProblem:
    """A log-likelihood of values by name on transformed axes, each in units of what the data tell about it.

    Attributes
    ----------
    names : list of str
    objective : callable
        Values by name to log-likelihood.
    gradient : callable or None
        Values by name to derivatives by name, or a sequence in the order of the names.
    axes : list of Transform
    units : array, shape (names,)
        Sizes of a step on each axis.
    evaluations : int
    """

    names: list[str]
    objective: Callable[[dict[str, float]], float]
    gradient: Callable[[dict[str, float]], Any] | None
    axes: list[Transform]
    units: Floats = field(default_factory=lambda: np.empty(0))
    evaluations: int = 0

    def __post_init__(self) -> None:
        self.units = np.ones(len(self.names))

    def natural(self, held: int, at: float) -> float:
        """Return the value of a parameter at a place on its axis."""
        return self.axes[held].back(at)

    def values(self, places: Floats) -> Floats:
        """Return the values of all parameters."""
        return np.array([a.back(float(x)) for a, x in zip(self.axes, places, strict=True)])

    def whole(self, places: Floats) -> Floats:
        """Return where to begin again: these places."""
        return places

    def named(self, places: Floats) -> dict[str, float]:
        """Return values by name."""
        return dict(zip(self.names, self.values(places).tolist(), strict=True))

    def loglik(self, places: Floats) -> float:
        """Return the log-likelihood, -inf where it is not a number."""
        self.evaluations += 1
        given = self.objective(self.named(places))
        try:
            found = float(given)
        except (TypeError, ValueError):
            raise PkpdError(f"profile: the objective must return a number, the log-likelihood, got {given!r}") from None
        return found if not math.isnan(found) else -math.inf

    def slope(self, places: Floats) -> Floats:
        """Return the derivatives of the log-likelihood on the axes, by differences of order 4 unless they are given."""
        if self.gradient is None:
            out = np.empty(places.size)
            for i in range(places.size):
                step = np.zeros(places.size)
                step[i] = 1e-3 * self.units[i]
                near, far = (self.loglik(places + k * step) - self.loglik(places - k * step) for k in (1, 2))
                out[i] = (8 * near - far) / (12 * step[i])
            return out
        values = self.named(places)
        found = self.gradient(values)
        given = [found[n] for n in self.names] if isinstance(found, Mapping) else list(found)
        chain = [values[n] if a.log else 1.0 for n, a in zip(self.names, self.axes, strict=True)]
        return np.array(given, float) * chain

    def fit(self, places: Floats, held: int | None = None) -> tuple[Floats, float]:
        """Return the places of the largest log-likelihood and its value, with one parameter held or none."""
        from scipy.optimize import Bounds, minimize

        free = np.array([i for i in range(places.size) if i != held], int)
        base = places.copy()
        worst = abs(self.loglik(places)) if math.isfinite(self.loglik(places)) else 1e6
        if not free.size:
            return base, self.loglik(base)

        def full(z: Floats) -> Floats:
            base[free] = z * self.units[free]
            return base

        def minus(z: Floats) -> tuple[float, Floats]:
            here = full(z)
            found = self.loglik(here)
            if not math.isfinite(found):
                return worst + 1e6, np.zeros(free.size)
            return -found, -self.slope(here)[free] * self.units[free]

        low, high = np.array([a.limits for a in self.axes])[free].T / self.units[free]
        z, best = np.clip(places[free] / self.units[free], low, high), math.inf
        for _ in range(8):  # a fresh start forgets a curvature that no longer holds
            options = {"maxcor": 30, "ftol": 1e-13, "gtol": 1e-7, "maxiter": 400}
            found: Any = minimize(minus, z, jac=True, method="L-BFGS-B", bounds=Bounds(low, high), options=options)
            gained, z, best = best - found.fun, found.x, float(found.fun)
            if gained < 1e-7 * max(1.0, abs(best)):
                break
        return full(z).copy(), -best

    def curvature(self, places: Floats) -> Floats:
        """Return minus the second derivatives of the log-likelihood in the units of the axes, (names, names)."""
        k = places.size
        out = np.empty((k, k))
        limits = np.array([a.limits for a in self.axes])
        for i in range(k):
            step = 1e-3 * self.units[i]
            a, b = places.copy(), places.copy()
            a[i], b[i] = min(places[i] + step, limits[i, 1]), max(places[i] - step, limits[i, 0])
            out[i] = -(self.slope(a) - self.slope(b)) / (a[i] - b[i]) * self.units * self.units[i]
        return (out + out.T) / 2


def _axes(
    start: Mapping[str, float], scale: str | Mapping[str, str], bounds: Mapping[str, tuple[float, float]], reach: float
) -> list[Transform]:
    """Return the axis of each parameter."""
    if not start:
        raise PkpdError("profile: start is empty; give a value for each parameter")
    if not reach > 1:
        raise PkpdError(f"profile: reach must be > 1, got {reach!r}")
    named = dict.fromkeys(start, scale) if isinstance(scale, str) else dict.fromkeys(start, "identity") | dict(scale)
    strange = [n for n in (*named, *bounds) if n not in start]
    wrong = [f"{n}: {s!r}" for n, s in named.items() if s not in ("identity", "log")]
    if strange or wrong:
        raise PkpdError(
            f"profile: scale and bounds are for the parameters in start ({', '.join(start)}), the scale "
            f"'identity' or 'log'; got {', '.join([*strange, *wrong])}"
        )
    out, off = [], []
    for name, value in start.items():
        log, size = named[name] == "log", max(abs(value), 1.0)
        # what moves along with the parameter held needs more room than that
        near, far = ((value / r, value * r) if log else (value - r * size, value + r * size) for r in (reach, reach**2))
        low, high = bounds.get(name, (-math.inf, math.inf))
        low, high = max(low, far[0]), min(high, far[1])
        if not low <= value <= high or not low < high or (log and value <= 0):
            off.append(f"{name}={value:g} in ({low:g}, {high:g}){' on the log scale' if log else ''}")
        ends = (max(low, near[0]), min(high, near[1]))
        out.append(Transform(log, float(low), float(high), (float(ends[0]), float(ends[1]))))
    if off:
        raise PkpdError(f"profile: {len(off)} starts do not lie within rising bounds: {'; '.join(off)}")
    return out


def _scaled(problem: FunctionProblem, best: np.ndarray) -> np.ndarray:
    """Set the units of the axes by the curvature at the optimum.

    Returns
    -------
    array, shape (names,)
        Standard errors with all others fitted, NaN where a parameter has a part in a direction without curvature.
    """
    seen = np.ones(best.size, bool)
    for _ in range(2):
        diagonal = np.diag(problem.curvature(best)).copy()
        seen = diagonal > 1e-10
        problem.units = np.where(seen, problem.units / np.sqrt(np.where(seen, diagonal, 1.0)), problem.units)
    shape = problem.curvature(best)
    root = np.sqrt(np.where(seen, np.clip(np.diag(shape), 1e-300, None), 1.0))
    values, vectors = np.linalg.eigh(shape / root / root[:, None])
    zero = values < _NULL
    null = (np.abs(vectors[:, zero]) > 0.01).any(axis=1) | ~seen
    inverse = (vectors[:, ~zero] ** 2 / values[~zero]).sum(axis=1)
    return np.where(null, np.nan, np.sqrt(inverse) / root * problem.units)
