"""Distributions of covariates, given by their quantile functions so that they truncate and correlate exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PopulationError

__all__ = ["Distribution", "categorical", "lognormal", "normal", "uniform"]

Floats = NDArray[np.float64]


class Distribution:
    """What a covariate or a parameter is drawn from."""

    def quantile(self, u: Floats) -> Floats:
        """Return the values below which the shares u of the distribution lie; 0 < u < 1, any shape."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Normal(Distribution):
    """Normal on the scale itself or of the logarithm, truncated to (low, high)."""

    noun: str
    centre: float
    spread: float
    low: float
    high: float
    logarithmic: bool

    def quantile(self, u: Floats) -> Floats:
        a, b = ((self._scale(x) - self.centre) / self.spread for x in (self.low, self.high))
        z = self.centre + self.spread * _truncated(np.asarray(u, dtype=float), a, b)
        # bounds are met to rounding already; this removes the rounding
        return np.clip(np.exp(z) if self.logarithmic else z, self.low, self.high)

    def _scale(self, x: float) -> float:
        if not self.logarithmic:
            return x
        return math.log(x) if x > 0 else -math.inf

    def __repr__(self) -> str:
        return self.noun


@dataclass(frozen=True)
class _Uniform(Distribution):
    low: float
    high: float

    def quantile(self, u: Floats) -> Floats:
        return self.low + (self.high - self.low) * np.asarray(u, dtype=float)

    def __repr__(self) -> str:
        return f"uniform({self.low:g}, {self.high:g})"


@dataclass(frozen=True)
class _Categorical(Distribution):
    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    def quantile(self, u: Floats) -> Floats:
        # the last limit is left out: rounding of the sum must not lead beyond the last value
        limits = np.cumsum(self.probabilities)[:-1]
        return np.asarray(self.values)[np.searchsorted(limits, u, side="right")]

    def __repr__(self) -> str:
        return f"categorical({dict(zip(self.values, self.probabilities, strict=True))})"


def lognormal(median: float, cv: float, low: float | None = None, high: float | None = None) -> Distribution:
    """Return a log-normal distribution.

    Parameters
    ----------
    median : float
        Median before truncation, > 0.
    cv : float
        Coefficient of variation before truncation, 0.2 for 20%; the logarithm has the standard deviation
        ``sqrt(log(1 + cv^2))``.
    low, high : float, optional
        Truncation; the tails beyond are left out (by the inverse distribution function), not moved to the bounds.

    Raises
    ------
    PopulationError
        If a number is out of range.

    Examples
    --------
    >>> lognormal(70, 0.2).quantile(np.array([0.5])).round(9)
    array([70.])
    """
    noun = _noun("lognormal", median, cv, low, high)
    _finite(noun, median=median, cv=cv)
    if median <= 0:
        raise PopulationError(f"{noun}: median must be > 0, got {median:g}")
    if cv <= 0:
        raise PopulationError(f"{noun}: cv must be > 0 (0.2 for 20%), got {cv:g}; for no spread give the number itself")
    return _limited(noun, math.log(median), math.sqrt(math.log1p(cv * cv)), low, high, logarithmic=True)


def normal(mean: float, sd: float, low: float | None = None, high: float | None = None) -> Distribution:
    """Return a normal distribution.

    Parameters
    ----------
    mean, sd : float
        Mean and standard deviation before truncation, sd > 0.
    low, high : float, optional
        Truncation, as in :func:`lognormal`.

    Raises
    ------
    PopulationError
        If a number is out of range.

    Examples
    --------
    >>> normal(100, 15, low=70).quantile(np.array([1e-9])).round(3)
    array([70.])
    """
    noun = _noun("normal", mean, sd, low, high)
    _finite(noun, mean=mean, sd=sd)
    if sd <= 0:
        raise PopulationError(f"{noun}: sd must be > 0, got {sd:g}; for no spread give the number itself")
    return _limited(noun, mean, sd, low, high, logarithmic=False)


def uniform(low: float, high: float) -> Distribution:
    """Return a uniform distribution between low and high.

    Raises
    ------
    PopulationError
        Unless low < high.

    Examples
    --------
    >>> uniform(20, 30).quantile(np.array([0.25]))
    array([22.5])
    """
    noun = _noun("uniform", low, high, None, None)
    _finite(noun, low=low, high=high)
    if not low < high:
        raise PopulationError(f"{noun}: low must be < high")
    return _Uniform(float(low), float(high))


def categorical(probabilities: Mapping[float, float]) -> Distribution:
    """Return a distribution over a few numbers.

    Parameters
    ----------
    probabilities : mapping of value to probability
        Probabilities sum to 1; a correlation orders the values as they are given.

    Raises
    ------
    PopulationError
        If a probability is negative or the sum is not 1.

    Examples
    --------
    >>> categorical({0: 0.4, 1: 0.6}).quantile(np.array([0.39, 0.41]))
    array([0., 1.])
    """
    values, shares = tuple(float(v) for v in probabilities), tuple(float(p) for p in probabilities.values())
    noun = f"categorical({dict(probabilities)})"
    if not values:
        raise PopulationError("categorical: give at least one value, as in categorical({0: 0.4, 1: 0.6})")
    if not all(math.isfinite(x) for x in values + shares) or min(shares) < 0:
        raise PopulationError(f"{noun}: values must be finite and probabilities >= 0")
    if abs(math.fsum(shares) - 1) > 1e-9:
        raise PopulationError(f"{noun}: probabilities must sum to 1, got {math.fsum(shares):g}")
    return _Categorical(values, shares)


def _noun(name: str, a: float, b: float, low: float | None, high: float | None) -> str:
    limits = "".join(f", {n}={_shown(x)}" for n, x in (("low", low), ("high", high)) if x is not None)
    return f"{name}({_shown(a)}, {_shown(b)}{limits})"


def _shown(x: object) -> str:
    return f"{x:g}" if isinstance(x, (int, float)) else repr(x)


def _finite(noun: str, **numbers: object) -> None:
    for name, x in numbers.items():
        if not isinstance(x, (int, float, np.number)) or not math.isfinite(x):
            raise PopulationError(f"{noun}: {name} must be a finite number, got {x!r}")


def _limited(
    noun: str, centre: float, spread: float, low: float | None, high: float | None, *, logarithmic: bool
) -> Distribution:
    for name, x in (("low", low), ("high", high)):
        if x is not None and not math.isinf(x):
            _finite(noun, **{name: x})
    floor, ceiling = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    if logarithmic and low is None:
        floor = 0.0
    if not floor < ceiling:
        raise PopulationError(f"{noun}: low must be < high")
    out = _Normal(noun, centre, spread, floor, ceiling, logarithmic)
    if not np.all(np.isfinite(out.quantile(np.array([1e-15, 0.5, 1 - 1e-15])))):
        raise PopulationError(f"{noun}: nothing of the distribution lies between low and high; move or widen them")
    return out


def _truncated(u: Floats, a: float, b: float) -> Floats:
    """Return quantiles of the standard normal distribution truncated to (a, b)."""
    from scipy.special import ndtr, ndtri

    if a > 0:
        # in the upper tail the distribution function is 1 to rounding; its mirror image is not
        return -_truncated(1 - u, -b, -a)
    if a == -math.inf and b == math.inf:
        return ndtri(u)
    below, share = ndtr(a), ndtr(b) - ndtr(a)
    return ndtri(below + u * share) if share > 0 else np.full(u.shape, np.nan)
