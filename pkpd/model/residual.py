"""Residual errors: how an observation scatters about the model's output ``f``.

All ``sigma``-like numbers are standard deviations, not variances.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pkpd.errors import ModelError

__all__ = ["Additive", "Combined", "Exact", "LogNormal", "Ordinal", "Proportional", "ResidualError"]

Floats = NDArray[np.float64]


def _check(kind: str, **numbers: object) -> None:
    """Raise ModelError unless every number is finite and not negative, and one is above 0."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise ModelError(f"{kind}: {name} must be a number, got {value!r}")
        if not math.isfinite(value) or value < 0:
            raise ModelError(f"{kind}: {name} is a standard deviation and must be finite and >= 0, got {value:g}")
    if not any(numbers.values()):
        names = " and ".join(numbers)
        raise ModelError(f"{kind}: {names} must be > 0; for an output measured without error write Exact()")


class ResidualError(ABC):
    """Distribution of an observation around the model's output."""

    @abstractmethod
    def sd(self, f: ArrayLike) -> Floats:
        """Return the standard deviation of an observation.

        Parameters
        ----------
        f : array, any shape
            Model output, in the output's unit.

        Returns
        -------
        array, shape of f
            Standard deviation, in the output's unit.
        """

    def draw(self, f: ArrayLike, normal: ArrayLike) -> Floats:
        """Return observed values ``f + sd(f) * normal``.

        Parameters
        ----------
        f : array, any shape
            Model output, in the output's unit.
        normal : array that broadcasts with f
            Standard normal draws.

        Returns
        -------
        array
            Observations, in the output's unit; they may fall below 0.
        """
        return np.asarray(f, float) + self.sd(f) * np.asarray(normal, float)


@dataclass(frozen=True, slots=True)
class Additive(ResidualError):
    """Additive error: ``y = f + add * eps``.

    Parameters
    ----------
    add : float
        Standard deviation, in the output's unit.

    Examples
    --------
    >>> Additive(0.5).sd([1.0, 2.0])
    array([0.5, 0.5])
    """

    add: float

    def __post_init__(self) -> None:
        _check("Additive", add=self.add)

    def sd(self, f: ArrayLike) -> Floats:
        """Return ``add`` for each f."""
        return np.full(np.shape(f), float(self.add))


@dataclass(frozen=True, slots=True)
class Proportional(ResidualError):
    """Proportional error: ``y = f * (1 + prop * eps)``.

    Parameters
    ----------
    prop : float
        Standard deviation as a fraction of f.

    Examples
    --------
    >>> Proportional(0.2).draw([10.0], [1.0])
    array([12.])
    """

    prop: float

    def __post_init__(self) -> None:
        _check("Proportional", prop=self.prop)

    def sd(self, f: ArrayLike) -> Floats:
        """Return ``prop * |f|``."""
        return self.prop * np.abs(np.asarray(f, float))


@dataclass(frozen=True, slots=True)
class Combined(ResidualError):
    """Additive and proportional error together.

    Parameters
    ----------
    add : float
        Standard deviation of the additive part, in the output's unit.
    prop : float
        Standard deviation of the proportional part, as a fraction of f.
    convention : {"variance", "sd"}
        ``variance``: two independent errors, ``sd^2 = add^2 + (prop f)^2`` (NONMEM's ``F + F*EPS(1) + EPS(2)``,
        Monolix "combined2"); ``sd``: one error, ``sd = add + prop |f|`` (Monolix "combined1").

    Examples
    --------
    >>> float(Combined(add=3.0, prop=0.4).sd(10.0)), float(Combined(add=3.0, prop=0.4, convention="sd").sd(10.0))
    (5.0, 7.0)
    """

    add: float
    prop: float
    convention: Literal["variance", "sd"] = "variance"

    def __post_init__(self) -> None:
        _check("Combined", add=self.add, prop=self.prop)
        if self.convention not in ("variance", "sd"):
            raise ModelError(
                "Combined: convention must be 'variance' (sd^2 = add^2 + (prop f)^2) or 'sd' (sd = add + prop f), "
                f"got {self.convention!r}"
            )

    def sd(self, f: ArrayLike) -> Floats:
        """Return the standard deviation in the chosen convention."""
        scaled = self.prop * np.abs(np.asarray(f, float))
        return np.asarray(np.hypot(self.add, scaled) if self.convention == "variance" else self.add + scaled)


@dataclass(frozen=True, slots=True)
class LogNormal(ResidualError):
    """Additive error on the logarithm: ``y = f * exp(sigma * eps)``, f being the median.

    Parameters
    ----------
    sigma : float
        Standard deviation of ``log y``; about the coefficient of variation where small.

    Examples
    --------
    >>> LogNormal(0.3).draw([1.0, 2.0], [0.0, 0.0])
    array([1., 2.])
    """

    sigma: float

    def __post_init__(self) -> None:
        _check("LogNormal", sigma=self.sigma)

    def sd(self, f: ArrayLike) -> Floats:
        """Return ``|f| * sqrt((exp(sigma^2) - 1) exp(sigma^2))``, the standard deviation of y itself."""
        s2 = self.sigma**2
        return math.sqrt(math.expm1(s2) * math.exp(s2)) * np.abs(np.asarray(f, float))

    def draw(self, f: ArrayLike, normal: ArrayLike) -> Floats:
        """Return ``f * exp(sigma * normal)``."""
        return np.asarray(f, float) * np.exp(self.sigma * np.asarray(normal, float))


@dataclass(frozen=True, slots=True)
class Exact(ResidualError):
    """No error: ``y = f``.

    Examples
    --------
    >>> Exact().draw([1.0], [2.5])
    array([1.])
    """

    def sd(self, f: ArrayLike) -> Floats:
        """Return 0 for each f."""
        return np.zeros(np.shape(f))


@dataclass(frozen=True, slots=True)
class Ordinal(ResidualError):
    """Grades 0 to n by a cumulative logit: ``P(G >= k) = expit(f - cut_k)``, k = 1 ... n.

    The output is latent, on the logit scale: what is observed of it is a grade, a whole number.

    Parameters
    ----------
    cuts : sequence of float, (n,)
        Where each grade from 1 on begins, rising; at ``f = cut_k`` grade k or more is as likely as less.

    Notes
    -----
    Source: McCullagh P. J R Stat Soc B 1980;42:109-142, proportional odds.

    Examples
    --------
    >>> Ordinal((1.0, 2.0)).draw([0.0, 1.5, 9.0], [0.0, 0.0, 0.0])
    array([0., 1., 2.])
    """

    cuts: tuple[float, ...]

    def __init__(self, cuts: Sequence[float]) -> None:
        try:
            given = tuple(float(c) for c in cuts)
        except (TypeError, ValueError):
            raise ModelError(f"Ordinal: cuts must be numbers, one for each grade from 1 on, got {cuts!r}") from None
        if not given or not all(math.isfinite(c) for c in given):
            raise ModelError(f"Ordinal: cuts must be finite numbers, at least one, got {given}")
        if any(low >= high for low, high in itertools.pairwise(given)):
            raise ModelError(f"Ordinal: cuts must rise from grade to grade, got {given}")
        object.__setattr__(self, "cuts", given)

    def exceedance(self, f: ArrayLike) -> Floats:
        """Return the probabilities of at least grade 1, 2, ..., n for each f, shape of f + (n,)."""
        odds = np.asarray(f, float)[..., None] - np.array(self.cuts)
        return 0.5 * (1.0 + np.tanh(0.5 * odds))

    def sd(self, f: ArrayLike) -> Floats:
        """Return the standard deviation of the grade for each f."""
        above, weights = self.exceedance(f), 2.0 * np.arange(len(self.cuts)) + 1.0
        return np.sqrt(np.maximum(np.asarray(above @ weights - above.sum(-1) ** 2), 0.0))

    def draw(self, f: ArrayLike, normal: ArrayLike) -> Floats:
        """Return grades, drawn by inversion: the probability integral of ``normal`` decides."""
        from scipy.special import log_ndtr

        z = np.asarray(normal, float)
        latent = np.asarray(f, float) + log_ndtr(z) - log_ndtr(-z)
        return np.sum(latent[..., None] >= np.array(self.cuts), axis=-1).astype(float)
