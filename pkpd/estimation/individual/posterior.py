"""One patient's random effects given observations: the density, its modes, and proposals for importance sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.individual.likelihood import RowsLikelihood, TermsLikelihood, Weighed
from pkpd.estimation.methods.modes import PosteriorMode, climbed
from pkpd.estimation.methods.normal_approximation import curvature_at, polished
from pkpd.estimation.vector import PopulationVector
from pkpd.estimation.weights import log_normal, log_t, standard_t

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem
    from pkpd.model.model import Model
    from pkpd.observation.subject import Subject

__all__ = ["EffectsPosterior", "Proposals", "log_population", "modes_of"]

#: degrees of freedom of the proposals around a mode, and share of draws that comes from the population
NU, SHARE = 5.0, 0.2
#: distance of standardised effects within which two modes are one; log density below the best that does not matter
NEAR, FAR = 0.1, 10.0
#: where the search begins beside the typical patient, in standard deviations of each effect, and starts at most
APART, STARTS = 1.5, 9
#: largest entry of the gradient at a mode
FLAT = 1e-2


class EffectsPosterior:
    """Log density of one patient's standardised random effects, up to a constant, for each of some models.

    Parameters
    ----------
    models : sequence of Model
        The model with its estimates, or with them as they could have been. Modes are those of the first.
    problem : Problem, optional
        The patient's table, bound to the first model.
    patient : Subject
        With terms, if there are some.
    every : float
        As for `Likelihood`.

    Attributes
    ----------
    dim : int
        Random effects: eta, then kappa of each occasion.
    occasions : int
        Of the table; 0 without variability between them.
    factors : list of float array, (p, p)
        Of the covariance of all random effects, for each model.
    active : bool array, (p,)
        Random effects that the patient has.
    first : int array, (observations + 1,)
        Ranges of the cells of each observation, those of the table before those of terms.
    observed : bool
        Whether there is one at all.
    """

    def __init__(self, models: Sequence[Model], problem: Problem | None, patient: Subject, every: float) -> None:
        self.models, self.calls = models, 0
        effects = [f"eta_{n}" for n in models[0].etas]
        self._terms = [TermsLikelihood(m, patient, effects, every) for m in models] if patient.terms else []
        self._rows, self.occasions = None, 0
        self.first = self._terms[0].first if self._terms else np.zeros(1, np.int64)
        self.factors = [np.linalg.cholesky(m.omega) for m in models]
        self.active = np.ones(len(effects), bool)
        if problem is not None:
            layouts = [problem.layout, *(PopulationVector(m, problem.data) for m in models[1:])]
            self._rows, self.occasions = RowsLikelihood(problem), problem.links.occasions
            self._x = [lay.start for lay in layouts]
            self.factors = [lay.effects_factor(lay.start, self.occasions) for lay in layouts]
            self.active = self._rows.active
            n = problem.data.y.size
            self.first = np.concatenate([np.arange(n), n + self.first])
        self.dim, self.observed = len(self.active), self.first.size > 1
        self.names = (*effects, *(f"kappa {i + 1}" for i in range(self.dim - len(effects))))

    def evaluate(self, k: int, effects: np.ndarray) -> Weighed:
        """Return what the observations say about random effects, (n, p), under model k."""
        parts = []
        if self._rows is not None:
            parts.append(self._rows.evaluate(self._x[k], effects))
        if self._terms:
            parts.append(self._terms[k].evaluate(effects[:, : len(self.models[0].etas)]))
        none = np.zeros((len(effects), 0))
        return Weighed.together(parts, 1) if parts else Weighed(none, none)

    def effects(self, u: np.ndarray, k: int = 0) -> np.ndarray:
        """Return random effects from standardised ones, (..., p)."""
        return np.where(self.active, u @ self.factors[k].T, 0.0)

    def logp(self, q: np.ndarray) -> float:
        """Return the log density at standardised random effects, (p,)."""
        return self.logp_grad(q)[0]

    def logp_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density and its gradient; ``-inf`` and zeros where it cannot be had."""
        self.calls += 1
        effects, etas = self.effects(q), len(self.models[0].etas)
        value, slope = -0.5 * float(q @ q), np.zeros(self.dim)
        if self._rows is not None:
            l, by = self._rows.slope(self._x[0], effects)
            value, slope = value + l, slope + by
        if self._terms:
            l, by = self._terms[0].slope(effects[:etas])
            value += l
            slope[:etas] += by
        gradient = np.where(self.active, slope, 0.0) @ self.factors[0] - q
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return -math.inf, np.zeros(self.dim)
        return value, gradient

    def starts(self) -> list[np.ndarray]:
        """Return where to look for modes: the typical patient, and the best of those to each side of it."""
        p = self.dim
        u = np.vstack([np.zeros((1, p)), APART * np.eye(p), -APART * np.eye(p)])
        value = self.evaluate(0, self.effects(u)).loglik.sum(axis=1) - 0.5 * (u * u).sum(axis=1)
        order = np.argsort(-value, kind="stable")[:STARTS]
        return [u[k] for k in order if np.isfinite(value[k])]


@dataclass(frozen=True)
class Proposals:
    """What random effects are drawn from: t distributions around modes, and the population.

    Attributes
    ----------
    modes, roots : float array, (k, p), (k, p, p)
        Most probable random effects, best first, and factors of the inverse curvature there; none if none was found.
    prior : float array, (p, p)
        Factor of the covariance of the population.
    active : bool array, (p,)
    """

    modes: np.ndarray
    roots: np.ndarray
    prior: np.ndarray
    active: np.ndarray

    @property
    def share(self) -> float:
        """Share of the draws that comes from the population, so that no weight can exceed its inverse."""
        return SHARE if len(self.modes) else 1.0

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return random effects, (n, p)."""
        p = len(self.active)
        found = rng.standard_normal((n, p)) @ self.prior.T
        around = rng.random(n) >= self.share
        if around.any():
            at = rng.integers(len(self.modes), size=n)
            t = standard_t(rng.standard_normal((n, p)), rng.chisquare(NU, n), NU)
            found = np.where(around[:, None], self.modes[at] + np.einsum("iab,ib->ia", self.roots[at], t), found)
        return np.where(self.active, found, 0.0)

    def log_density(self, effects: np.ndarray) -> np.ndarray:
        """Return the log-density at random effects, (n,)."""
        own = log_population(effects, self.prior, self.active)
        if not len(self.modes):
            return own
        d, each = int(self.active.sum()), []
        for mode, root in zip(self.modes, self.roots, strict=True):
            z = np.linalg.solve(root, (effects - mode).T)[self.active]
            size = np.linalg.slogdet(root[np.ix_(self.active, self.active)])[1]
            each.append(log_t((z * z).sum(axis=0), d, NU) - size)
        around = np.logaddexp.reduce(each, axis=0) - math.log(len(each))
        return np.logaddexp(math.log(SHARE) + own, math.log1p(-SHARE) + around)


def log_population(effects: np.ndarray, factor: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the log-density of random effects, (n, p), in the population."""
    z = np.linalg.solve(factor, effects.T)[active]
    return log_normal((z * z).sum(axis=0), int(active.sum())) - np.log(np.diag(factor))[active].sum()


def modes_of(posterior: EffectsPosterior) -> tuple[Proposals, list[str]]:
    """Return proposals around the different modes of a posterior, and what the user should know of them."""
    p, factor = posterior.dim, posterior.factors[0]
    sought = p > 0 and posterior.observed
    found: list[tuple[np.ndarray, np.ndarray]] = []

    def known(q: np.ndarray) -> bool:
        return any(np.abs(q - other).max() < NEAR for other, _ in found)

    ends = sorted((climbed(posterior, q) for q in posterior.starts()), key=lambda end: -end[1]) if sought else []
    for q, logp in ends:
        if known(q) or logp < ends[0][1] - FAR:
            continue
        curvature, basis, _ = curvature_at(posterior, q)
        mode = polished(posterior, PosteriorMode(q, logp, math.nan, np.empty(0), 0), curvature, basis)
        if mode.gradient_norm < FLAT and not known(mode.q):
            found.append((mode.q, factor @ (basis / np.sqrt(curvature))))
    messages = []
    if sought and not found:
        messages = ["the most probable random effects were not found; draws are of the population"]
    if len(found) > 1:
        messages = [f"the posterior has {len(found)} modes; the most probable one is told"]
    modes = posterior.effects(np.array([q for q, _ in found]).reshape(-1, p))
    roots = np.array([root for _, root in found]).reshape(-1, p, p)
    return Proposals(modes, roots, factor, posterior.active), messages
