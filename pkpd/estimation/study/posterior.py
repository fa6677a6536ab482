"""The log posterior of a study on an unconstrained axis, with its exact gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.engine.solve.status import Status

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.vector import StudyVector

__all__ = ["StudyPosterior"]

Floats = NDArray[np.float64]


class StudyPosterior:
    """Log prior plus log likelihood of an unconstrained vector ``q``.

    Parameters
    ----------
    layout : StudyVector
    likelihood : Likelihood
        Anything with ``evaluate(values, scales, gradient)``, see ``pkpd.observation``.
    rows : int array, optional
        Patients that the likelihood knows; all by default.

    Attributes
    ----------
    calls : int
        Evaluations so far.
    """

    def __init__(self, layout: StudyVector, likelihood: Any, rows: NDArray[np.int64] | None = None) -> None:
        self.layout = layout
        self.likelihood = likelihood
        self.rows = np.arange(len(layout.patients)) if rows is None else rows
        self.calls = 0

    @classmethod
    def of(cls, problem: StudyProblem) -> StudyPosterior:
        """Return the posterior of a study, with a likelihood of its own: one per thread."""
        return cls(problem.layout, problem.likelihood(), problem.rows)

    @property
    def dim(self) -> int:
        """Length of q."""
        return self.layout.dim

    @property
    def names(self) -> tuple[str, ...]:
        """What each entry of q is."""
        return self.layout.names

    def logp_grad(self, q: Floats) -> tuple[float, Floats]:
        """Return the log density at q and its gradient, shape (dim,); ``-inf`` and zeros where it cannot be had."""
        layout = self.layout
        self.calls += 1
        x = layout.scaled(q)
        values, errors = layout.natural(x), layout.errors(q)
        if not (np.isfinite(values).all() and np.isfinite(errors).all()):
            return -np.inf, np.zeros(self.dim)
        found = self.likelihood.evaluate(values[self.rows], errors, gradient=True)
        logp = float(found.loglik.sum()) + float(layout.log_prior(q))
        if not np.isfinite(logp):
            return -np.inf, np.zeros(self.dim)
        by_value = np.zeros(values.shape)
        by_value[self.rows] = found.gradient
        gradient = layout.pull_back(q, values, by_value, found.gradient_scales.sum(axis=0))
        gradient += layout.prior_gradient(q)
        if not np.isfinite(gradient).all():
            return -np.inf, np.zeros(self.dim)
        return logp, gradient

    def logp(self, q: Floats) -> float:
        """Return the log density at q, ``-inf`` where it cannot be had."""
        self.calls += 1
        values, errors = self.layout.values(q)
        if not (np.isfinite(values).all() and np.isfinite(errors).all()):
            return -np.inf
        found = self.likelihood.evaluate(values[self.rows], errors, gradient=False)
        logp = float(found.loglik.sum()) + float(self.layout.log_prior(q))
        return logp if np.isfinite(logp) else -np.inf

    def impossible(self, q: Floats) -> list[str]:
        """Return of each patient the first term that has no density at q, where the equations can be solved."""
        values, errors = self.layout.values(q)
        found = self.likelihood.evaluate(values[self.rows], errors, gradient=False)
        if not (found.status == Status.IMPOSSIBLE_DATA).any():
            return []
        names: dict[int, str] = {}
        for term, who, value in zip(self.likelihood.terms, self.likelihood.subject_of, found.terms, strict=True):
            if found.status[who] == Status.IMPOSSIBLE_DATA and not np.isfinite(value):
                names.setdefault(int(who), term.name)
        return list(names.values())

    def transform(self, q: Floats) -> dict[str, Floats]:
        """Return every named variable in its natural unit for q of shape (..., dim)."""
        return self.layout.transform(q)

    def prior_draws(self, n: int, seed: int) -> Floats:
        """Return draws of q from the prior, shape (n, dim)."""
        return self.layout.draw(n, np.random.default_rng(seed))
