"""Profiles of a log-likelihood: one parameter is held, all others are fitted again, step by step to both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pkpd.errors import PkpdError

__all__ = ["Better", "ProfileLine", "ProfilePoint", "ProfileProblem", "Side", "Transform"]

Floats = np.ndarray
_STEPS = 60  # most points of one side
_GAIN = 1e-3  # of the log-likelihood: a fit better by more is a new optimum
_FIRST = 0.45  # standard errors, of the root of the threshold: the first step
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


class ProfileProblem(Protocol):
    """A log-likelihood on axes that are moved on.

    Attributes
    ----------
    names : sequence of str
    axes : list of Transform
    evaluations : int
    """

    @property
    def names(self) -> Sequence[str]:
        """Of all quantities."""
        ...

    axes: list[Transform]
    evaluations: int

    def loglik(self, places: Floats) -> float:
        """Return the log-likelihood, -inf where it is not a number."""
        ...

    def fit(self, places: Floats, held: int | None = None) -> tuple[Floats, float]:
        """Return the places of the largest log-likelihood and its value, with one parameter held or none."""
        ...

    def natural(self, held: int, at: float) -> float:
        """Return the natural value of the quantity held at a place on its axis."""
        ...

    def values(self, places: Floats) -> Floats:
        """Return the natural values of all quantities; NaN where there is none."""
        ...

    def whole(self, places: Floats) -> Floats:
        """Return where to begin again from places that are better than the optimum."""
        ...


@dataclass(frozen=True)
class ProfileLine:
    """One quantity whose profile is looked for.

    Attributes
    ----------
    problem : ProfileProblem
    held : int
        Number of the quantity.
    best, top
        Optimum and its log-likelihood.
    error : float
        Standard error on the axis, with all others fitted; NaN where there is none.
    log : bool
        Whether the natural value is shown on a logarithmic axis.
    unit : str
    """

    problem: ProfileProblem
    held: int
    best: Floats
    top: float
    error: float
    log: bool
    unit: str = "1"

    def sides(self, cut: float) -> tuple[Side, Side]:
        """Return the profile to both sides, for a threshold of twice the loss.

        Raises
        ------
        Better
            If a fit is better than the optimum.
        """
        low, high = self.problem.axes[self.held].looked
        first = _FIRST * math.sqrt(cut) * self.error
        if not (math.isfinite(first) and first > 0):
            first = (high - low) / 40
        first = min(first, (high - low) / 8)
        down, up = (_walked(self, cut, sign, first) for sign in (-1, 1))
        return down, up


def _walked(line: ProfileLine, cut: float, sign: int, first: float) -> Side:
    """Return the side of a profile in the direction of a sign, begun with a step of a length."""
    problem, held, best, top = line.problem, line.held, line.best, line.top
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
        raise PkpdError("profile: the crossing of the threshold was not found")
    points[-1:] = [*sorted(found, key=lambda p: abs(p.at - inner.at)), outer]
    return float(at)
