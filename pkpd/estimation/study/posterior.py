"""The posterior of a study: that of a population, on the axes of its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.methods.posterior import PopulationPosterior

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem
    from pkpd.estimation.study.vector import StudyVector

__all__ = ["StudyPosterior"]

Floats = NDArray[np.float64]


class StudyPosterior(PopulationPosterior):
    """Log prior plus log likelihood of the sampled vector ``q`` of a study.

    Parameters
    ----------
    problem : Problem
        The study as a problem of estimation.
    vector : StudyVector

    Attributes
    ----------
    names : tuple of str
        What each entry of q is.
    """

    def __init__(self, problem: Problem, vector: StudyVector) -> None:
        self.vector = vector
        super().__init__(problem, vector.priors, False, vector.frame())
        self.names = vector.names

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Return draws of q from the prior, shape (n, dim)."""
        return self.vector.draw(n, rng)

    def _is_forbidden(self, x: Floats, eta: Floats) -> bool:
        """Tell whether the model forbids a value, typical or a patient's."""
        return bool(self.vector.forbids(x, eta))

    def transform(self, q: Floats) -> dict[str, Floats]:
        """Return every named variable in its natural unit for q of shape (..., dim)."""
        return self.vector.transform(q)

    def impossible(self, q: Floats) -> list[str]:
        """Return of each patient the first fact that has no density at q, where the equations can be solved."""
        x, v = self.split(q)
        eta, lay, data = self.effects(x, v)[0], self.layout, self.complete.data
        f = self.complete.predict(x[: lay.q], eta)
        rows = self.complete.rows(f, x[lay.q + lay.w :])
        found: dict[int, tuple[int, str]] = {}
        for channel in data.channels:
            if (reported := channel.reported) is None:
                continue
            solved = np.isfinite(f[reported.rows]).all(axis=0)
            for k in np.flatnonzero(solved & ~np.isfinite(rows[channel.rows])):
                row = int(channel.rows[k])
                who = int(data.subject[row])
                first = (row, str(reported.fact[k]))
                found[who] = min(found.get(who, first), first)
        return [found[who][1] for who in sorted(found)]
