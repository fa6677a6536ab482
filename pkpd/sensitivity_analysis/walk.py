"""Profiles of a log-likelihood: one parameter is held, all others are fitted again, step by step to both sides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkpd.errors import PkpdError

__all__ = ["ProfilePoint", "ProfileProblem", "Side", "Transform", "walked"]

Floats = np.ndarray
_STEPS = 60  # most points of one side
_GAIN = 1e-3  # of the log-likelihood: a fit better by more is a new optimum
_FLAT = 0.01  # of the threshold: a profile that rises less is flat


@dataclass(frozen=True)
class Transform:
    """The axis on which a parameter is moved, and how far.

    Attributes
    ----------
    log : bool
    low, high : float
        Limits of the fit, on the parameter's own axis.
    ends : (float, float)
        How far its profile is looked for, within the limits: others that move along with it have more room.
    """

    log: bool
    low: float
    high: float
    ends: tuple[float, float]

    def to(self, value: float) -> float:
        """Return a value on the axis."""
        if not self.log:
            return value
        return math.log(value) if value > 0 else -math.inf

    def back(self, x: float) -> float:
        """Return the value at a place on the axis."""
        return float(min(max(math.exp(x) if self.log else x, self.low), self.high))

    @property
    def limits(self) -> tuple[float, float]:
        """Limits of the fit on the axis."""
        return self.to(self.low), self.to(self.high)

    @property
    def looked(self) -> tuple[float, float]:
        """Ends of the profile on the axis."""
        return self.to(self.ends[0]), self.to(self.ends[1])


@dataclass(frozen=True)
class ProfilePoint:
    """A fit with one parameter held: its place, twice the loss of log-likelihood, and all places."""

    at: float
    drop: float
    places: Floats


@dataclass
class Side:
    """One side of a profile.

    Attributes
    ----------
    points : list of ProfilePoint
        From the optimum outwards.
    bound : float or None
        Where the loss reaches the threshold, on the axis.
    flat : bool
        Whether there is no loss to speak of over half the way to the limit.
    cornered : bool
        Whether the loss begins where another parameter is at its limit, so that the limit and not the data makes it.
    """

    points: list[ProfilePoint]
    bound: float | None = None
    flat: bool = False
    cornered: bool = False


class Better(Exception):
    """A fit on the way is better than the optimum."""

    def __init__(self, places: Floats) -> None:
        super().__init__()
        self.places = places


@dataclass
class ProfileProblem:
    """A log-likelihood on transformed axes, each in units of what the data tell about it.

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

    def values(self, places: Floats) -> dict[str, float]:
        """Return values by name."""
        return {n: a.back(float(x)) for n, a, x in zip(self.names, self.axes, places, strict=True)}

    def loglik(self, places: Floats) -> float:
        """Return the log-likelihood, -inf where it is not a number."""
        self.evaluations += 1
        given = self.objective(self.values(places))
        try:
            found = float(given)
        except (TypeError, ValueError):
            raise PkpdError(
                f"profile likelihood: the objective must return a number, the log-likelihood, got {given!r}"
            ) from None
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
        values = self.values(places)
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


def walked(problem: ProfileProblem, held: int, best: Floats, top: float, cut: float, sign: int, first: float) -> Side:
    """Return one side of a profile.

    Parameters
    ----------
    held : int
        Number of the parameter.
    best, top
        Optimum and its log-likelihood.
    cut : float
        Threshold of twice the loss.
    sign : {-1, 1}
    first : float
        Length of the first step.

    Raises
    ------
    Better
        If a fit is better than the optimum.
    """
    limit = problem.axes[held].looked[0 if sign < 0 else 1]
    span, step = max((limit - best[held]) * sign, 0.0), first
    side = Side([ProfilePoint(float(best[held]), 0.0, best)])
    while len(side.points) < _STEPS and span > 0:
        last = side.points[-1]
        left = abs(limit - last.at)
        if left <= 1e-12 * max(1.0, abs(limit)):
            break
        at = limit if left <= 1.000001 * step else last.at + sign * step
        point = _fitted(problem, held, at, side.points, top)
        climbed = math.sqrt(max(point.drop, 0.0)) - math.sqrt(max(last.drop, 0.0))
        if climbed > 0.5 * math.sqrt(cut) and step > 1e-7 * max(span, 1e-9):
            step /= 3 if math.isfinite(climbed) else 8
            continue
        side.points.append(point)
        if point.drop > cut:
            side.bound = _crossing(problem, held, side.points, top, cut)
            break
        step = min(step * (1.5 if climbed < 0.15 * math.sqrt(cut) else 1.0), span / 8)
    level = next((p for p in side.points if p.drop >= _FLAT * cut), None)
    side.flat = level is None or abs(level.at - best[held]) > 0.5 * span
    if level is not None:
        edges = np.array([a.limits for a in problem.axes])
        near = np.abs(level.places[:, None] - edges) < 1e-6 * (edges[:, 1:] - edges[:, :1])
        side.cornered = bool(np.delete(near.any(axis=1), held).any())
    return side


def _fitted(problem: ProfileProblem, held: int, at: float, points: Sequence[ProfilePoint], top: float) -> ProfilePoint:
    """Return the fit with one parameter held, started from where the fits before lead."""
    last = points[-1]
    guess = last.places.copy()
    if len(points) > 1 and last.at != points[-2].at:
        guess = guess + (last.places - points[-2].places) * (at - last.at) / (last.at - points[-2].at)
    guess[held] = at
    low, high = np.array([a.limits for a in problem.axes]).T
    places, found = problem.fit(np.clip(guess, low, high), held)
    if len(points) > 1:  # the straight line may lead astray
        plain = last.places.copy()
        plain[held] = at
        if problem.loglik(plain) > found:
            places, found = problem.fit(plain, held)
    if found > top + _GAIN:
        raise Better(places)
    return ProfilePoint(at, 2 * (top - found), places)


def _crossing(problem: ProfileProblem, held: int, points: list[ProfilePoint], top: float, cut: float) -> float:
    """Return where the last step passes the threshold; fits on the way join the points."""
    from scipy.optimize import brentq

    inner, outer = points[-2], points[-1]
    found: list[ProfilePoint] = []

    def excess(at: float) -> float:
        """Signed roots of the loss are nearly straight, so few steps suffice."""
        known = next((p for p in (inner, outer) if p.at == at), None)
        point = known or _fitted(problem, held, at, [min((inner, outer), key=lambda p: abs(p.at - at))], top)
        if known is None:
            found.append(point)
        return min(math.sqrt(max(point.drop, 0.0)), 1e3) - math.sqrt(cut)

    at = brentq(
        excess, inner.at, outer.at, xtol=1e-7 * max(abs(inner.at), abs(outer.at - inner.at)), rtol=np.float64(1e-9)
    )
    if isinstance(at, tuple):
        raise PkpdError("profile likelihood: the crossing of the threshold was not found")
    points[-1:] = [*sorted(found, key=lambda p: abs(p.at - inner.at)), outer]
    return float(at)
