"""The gradient of the likelihood by importance sampling: how far from its maximum an estimate is.

By Fisher's identity the derivative of ``log p(y_i)`` is the mean of that of ``log p(y_i, eta)`` over the random effects
given the data. It is taken in two ways, which agree on average: with the individual parameters held while a parameter
moves, whose sampling error is small where data are rich, and with the standardised random effects held, whose error is
small for effects that the data hardly know. Of each number the one with the smaller error is taken.

Source: Louis TA. J R Stat Soc B 1982;44:226-233 (derivatives of incomplete data).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.methods.importance import REPLICATES, Sampler
from pkpd.observation.density import SECOND

if TYPE_CHECKING:
    from pkpd.estimation.methods.saem_mean import Means
    from pkpd.estimation.problem import Problem

__all__ = ["Score", "score_of"]


@dataclass(frozen=True)
class Score:
    """-2 log-likelihood and its gradient by importance sampling.

    Attributes
    ----------
    ofv, se : float
        Objective and its standard error by the sampling.
    gradient : float array, (n,)
        Of the objective by the estimated vector.
    noise : float array, (n, n)
        Covariance of the gradient by the sampling.
    """

    ofv: float
    se: float
    gradient: np.ndarray
    noise: np.ndarray


def score_of(
    problem: Problem, x: np.ndarray, means: Means, *, points: int = 256, seed: int = 0, eta: np.ndarray | None = None,
    full: bool = True,
) -> Score:  # fmt: skip
    """Return objective and gradient at an estimated vector.

    Parameters
    ----------
    problem : Problem
    x : float array, (n,)
        Estimated vector.
    means : Means
        Thetas that are means of random effects; of one or several copies of the subjects.
    points : int
        Of each subject.
    seed : int
    eta : float array, (m, p), optional
        Random effects to begin the search of the most probable ones with.
    full : bool
        Whether the equations are differentiated: needed where a theta is no mean of a random effect.
    """
    sampler = Sampler(problem, x, points=points, seed=seed, eta=eta)
    slopes = _Slopes(problem, x, means, sampler, full)
    n, m = problem.layout.size, sampler.m
    forms = 2 if full else 1
    weight, weighted = np.zeros((REPLICATES, m)), np.zeros((REPLICATES, forms, m, n))
    top = np.full(m, -np.inf)
    for r in range(REPLICATES):
        values, log_h = sampler.draws(r)
        for a in range(0, len(values), sampler.copies):
            part = values[a : a + sampler.copies]
            log_w, d = slopes(part)
            log_w -= log_h[a : a + sampler.copies]
            higher = np.maximum(top, log_w.max(axis=0))
            fall = np.exp(np.where(np.isfinite(top), top - higher, -np.inf))
            weight, weighted, top = weight * fall, weighted * fall[:, None], higher
            w = np.exp(log_w - top)
            weight[r] += w.sum(axis=0)
            weighted[r] += np.einsum("ki,fkin->fin", w, d)
    each = sampler.each
    ofv_i = -2.0 * (np.log(weight.sum(axis=0) / (REPLICATES * each)) + top)
    se_i = 2.0 * weight.std(axis=0, ddof=1) / math.sqrt(REPLICATES) / weight.mean(axis=0)
    score = (weighted.sum(axis=0) / weight.sum(axis=0)[None, :, None]).sum(axis=1)
    own = (weighted / np.maximum(weight, 1e-300)[:, None, :, None]).sum(axis=2)
    apart = own - own.mean(axis=0)
    best = np.argmin((apart**2).sum(axis=0), axis=0)
    pick = np.arange(n)
    apart = apart[:, best, pick]
    noise = 4.0 * apart.T @ apart / (REPLICATES * (REPLICATES - 1))
    return Score(float(ofv_i.sum()), float(np.sqrt((se_i**2).sum())), -2.0 * score[best, pick], noise)


class _Slopes:
    """``log p(y_i, eta)`` of points and its derivatives by the estimated vector."""

    def __init__(self, problem: Problem, x: np.ndarray, means: Means, sampler: Sampler, full: bool) -> None:
        self.lay, self.means, self.sampler, self.full = problem.layout, means, sampler, full
        lay = self.lay
        self.theta, self.z = x[: lay.q], x[lay.q + lay.w :]
        self.inverse = np.linalg.inv(sampler.factor)
        e, k = len(lay.etas), len(lay.kappas)
        self.n_etas = e
        self.places: list[list[tuple[int, int]]] = []
        for entry in lay.entries[lay.q : lay.q + lay.w]:
            i, j = entry.at
            occasions = range(problem.links.occasions if entry.kind == "iov" else 1)
            shift = e if entry.kind == "iov" else 0
            self.places.append([(shift + o * k + i, shift + o * k + j) for o in occasions])

    def __call__(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``log p(y_i, eta)`` of points (k, m, p), (k, m), and derivatives in 1 or 2 ways, (ways, k, m, n)."""
        k, m, p = eta.shape
        lay, s = self.lay, self.sampler
        short = s.copies - k
        flat = np.concatenate([eta.reshape(k * m, p), np.zeros((short * m, p))])
        by_eta, by_x, l, by_z = self._data(flat)
        u = eta @ self.inverse.T
        out = np.zeros((2 if self.full else 1, k, m, lay.size))
        pull = u @ self.inverse
        at = lay.q + lay.w
        for form in range(len(out)):
            held = out[form]
            held[..., at:] = by_z[: k * m].reshape(k, m, lay.s)
            if self.full:
                held[..., : lay.q] = by_x[: k * m].reshape(k, m, lay.q)
            if form == 0:
                moved = np.einsum("min,kmi->kmn", self.means.C[:m], pull[..., : self.n_etas])
                held[..., self.means.thetas] = moved
            force = pull if form == 0 else by_eta[: k * m].reshape(k, m, p)
            for c, places in enumerate(self.places):
                log = lay.entries[lay.q + c].scale == "log"
                for i, j in places:
                    size = s.factor[i, j] if log else 1.0
                    there = force[..., i] * u[..., j]
                    if form == 0 and i == j:
                        there = there - 1.0 / s.factor[i, i]
                    held[..., lay.q + c] += np.where(s.active[:, i], there * size, 0.0)
        log_prior = -0.5 * (u * u).sum(axis=-1) - 0.5 * math.log(2.0 * math.pi) * s.active.sum(axis=1)
        log_prior -= (np.log(np.diag(s.factor)) * s.active).sum(axis=1)
        density = l[: k * m].reshape(k, m) + log_prior
        lost = ~(np.isfinite(density) & np.isfinite(out).all(axis=(0, 3)))
        out[:, lost] = 0.0
        return np.where(lost, -np.inf, density), out

    def _data(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return derivatives by random effects and thetas, ``log p(y | eta)``, and those by residual parameters."""
        complete = self.sampler.complete
        if self.full:
            found = complete.slopes(self.theta, eta, self.z, information=False)
            return found.eta, found.x, found.l, found.z
        f = complete.predict(self.theta, eta)
        with np.errstate(all="ignore"):
            rows = complete.density.second(f, f, self.z)
        l = complete.sum(rows.values[SECOND.index("l")])
        by_z = np.array([complete.sum(v) for v in rows.sigma[0]]).reshape(complete.s, complete.m).T
        none = np.empty((0, 0))
        return none, none, np.where(np.isfinite(l), l, -np.inf), by_z
