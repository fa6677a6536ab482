"""Grades."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import exp, log1mexp, maximum, where
from pkpd.errors import ModelError
from pkpd.model.residual.error import ErrorParameter, ResidualError
from pkpd.model.residual.tails import softplus

__all__ = ["Ordinal"]


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
    Source: McCullagh P. J R Stat Soc B 1980;42:109-142, proportional odds. A fit holds the first cut and estimates the
    gaps between cuts.

    Examples
    --------
    >>> Ordinal((1.0, 2.0)).draw([0.0, 1.5, 9.0], [0.0, 0.0, 0.0])
    array([0., 1., 2.])
    """

    data = "grade"

    cuts: tuple[float, ...]
    #: of the latent logistic variable
    width: Any = field(default=1.0, init=False, repr=False)

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
        object.__setattr__(self, "width", 1.0)

    @property
    def grades(self) -> int:
        """The highest grade."""
        return len(self.cuts)

    @property
    def highest(self) -> float:
        """The highest grade."""
        return self.grades

    @property
    def parameters(self) -> tuple[ErrorParameter, ...]:
        """The first cut and the gaps between cuts."""
        gaps = [ErrorParameter(f"gap_{k + 1}", self.cuts[k] - self.cuts[k - 1]) for k in range(1, len(self.cuts))]
        return (ErrorParameter("cut_1", self.cuts[0], "additive", fixed=True), *gaps)

    def with_parameters(self, values: Sequence[Any]) -> Ordinal:
        """Return the error with another first cut and other gaps."""
        cuts = tuple(itertools.accumulate(values))
        return Ordinal(cuts) if all(isinstance(c, (int, float)) for c in cuts) else Ordinal.of(cuts=cuts)

    def log_between(self, f: Any, low: Any, high: Any) -> Any:
        """Return log P(low <= G <= high)."""
        n, width = len(self.cuts), self.width
        below = above = self.cuts[0]
        for k in range(1, n):
            below = where(low > k + 0.5, self.cuts[k], below)
            above = where(high > k - 0.5, self.cuts[k], above)
        bounded, limited = low > 0.5, high < n - 0.5
        gap = where(bounded & limited, below - above, -1.0)
        return (
            where(bounded & limited, log1mexp(gap / width), 0.0)
            - where(bounded, softplus((below - f) / width), 0.0)
            - where(limited, softplus((f - above) / width), 0.0)
        )

    def log_density(self, f: Any, y: Any) -> Any:
        """Return the log-probability of grade y."""
        return self.log_between(f, y, y)

    def information(self, f: Any) -> Any:
        """Return the sum over grades of the squared slope of each probability by the probability."""
        above = [1, *(1 / (1 + exp(c - f)) for c in self.cuts), 0]
        slope = [p * (1 - p) for p in above]
        total: Any = 0
        for k in range(len(self.cuts) + 1):
            d = slope[k] - slope[k + 1]
            total = total + d * d / maximum(above[k] - above[k + 1], 1e-300)
        return total

    def widened(self, f: Any, factor: Any, reading: Any) -> Ordinal:
        """Return the error with a wider logistic variable; a grade has no reading error."""
        return self.replaced(width=self.width * factor)

    def exceedance(self, f: Any) -> Any:
        """Return the probabilities of at least grade 1, 2, ..., n for each f, shape of f + (n,)."""
        odds = (np.asarray(f, float)[..., None] - np.array(self.cuts)) / self.width
        return 0.5 * (1.0 + np.tanh(0.5 * odds))

    def sd(self, f: Any) -> Any:
        """Return the standard deviation of the grade for each f."""
        above, weights = self.exceedance(f), 2.0 * np.arange(len(self.cuts)) + 1.0
        return np.sqrt(np.maximum(np.asarray(above @ weights - above.sum(-1) ** 2), 0.0))

    def draw(self, f: Any, normal: Any) -> Any:
        """Return grades, drawn by inversion: the probability integral of ``normal`` decides."""
        from scipy.special import log_ndtr

        z = np.asarray(normal, float)
        latent = np.asarray(f, float) + self.width * (log_ndtr(z) - log_ndtr(-z))
        return np.sum(latent[..., None] >= np.array(self.cuts), axis=-1).astype(float)
