"""Counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import lgamma, log, sqrt
from pkpd.errors import ModelError
from pkpd.model.residual.error import ResidualError, number_or_node

__all__ = ["NegativeBinomial", "Poisson"]


@dataclass(frozen=True, slots=True)
class Poisson(ResidualError):
    """Counts with the output as their mean.

    Examples
    --------
    >>> Poisson().sd([4.0])
    array([2.])
    """

    data = "count"

    def log_density(self, f: Any, y: Any) -> Any:
        """Return ``y log f - f - log y!``."""
        return y * log(f) - f - lgamma(y + 1)

    def information(self, f: Any) -> Any:
        """Return ``1 / f``."""
        return 1 / f

    def sd(self, f: Any) -> Any:
        """Return the square root of f."""
        return sqrt(number_or_node(f))

    def draw(self, f: Any, normal: Any) -> Any:
        """Return counts by inversion: the probability integral of ``normal`` decides."""
        from scipy.special import ndtr
        from scipy.stats import poisson

        return poisson.ppf(ndtr(np.asarray(normal, float)), np.asarray(f, float))


@dataclass(frozen=True, slots=True)
class NegativeBinomial(ResidualError):
    """Counts with the output f as their mean and the variance ``f + overdispersion f^2``.

    Parameters
    ----------
    overdispersion : float
        Above 0.

    Examples
    --------
    >>> NegativeBinomial(0.5).sd([4.0]) ** 2
    array([12.])
    """

    data = "count"

    overdispersion: float

    def __post_init__(self) -> None:
        if not 0 < self.overdispersion < np.inf:
            raise ModelError(f"NegativeBinomial: overdispersion must be > 0 and finite, got {self.overdispersion}")

    def log_density(self, f: Any, y: Any) -> Any:
        """Return the log-probability of a count."""
        a, size = self.overdispersion, 1 / self.overdispersion
        choose = lgamma(y + size) - lgamma(size) - lgamma(y + 1)
        return choose - size * log(1 + a * f) + y * (log(a * f) - log(1 + a * f))

    def information(self, f: Any) -> Any:
        """Return one over the variance."""
        return 1 / (f + self.overdispersion * f * f)

    def sd(self, f: Any) -> Any:
        """Return the standard deviation of a count for each f."""
        f = number_or_node(f)
        return sqrt(f + self.overdispersion * f * f)

    def draw(self, f: Any, normal: Any) -> Any:
        """Return counts by inversion: the probability integral of ``normal`` decides."""
        from scipy.special import ndtr
        from scipy.stats import nbinom

        size = 1.0 / self.overdispersion
        f = np.asarray(f, float)
        return nbinom.ppf(ndtr(np.asarray(normal, float)), size, size / (size + f))
