"""The posterior of population and subjects on unconstrained axes, with its exact gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.saem_chains import occasions_of
from pkpd.estimation.methods.saem_mean import Means

if TYPE_CHECKING:
    from pkpd.estimation.priors import Priors
    from pkpd.estimation.problem import Problem

__all__ = ["Axes", "PopulationPosterior"]


@dataclass(frozen=True)
class Axes:
    """Where the sampler's axes begin and how long they are, so that the posterior is nearly standard normal on them.

    Attributes
    ----------
    x : float array, (n,)
        Estimated vector.
    x_root : float array, (n, n)
        Factor of its covariance.
    eta : float array, (m, p)
    eta_root : float array, (m, p, p)
        Of the random effects of each subject.
    """

    x: np.ndarray
    x_root: np.ndarray
    eta: np.ndarray
    eta_root: np.ndarray


class PopulationPosterior:
    """Log-density of an unconstrained vector q: the estimated vector, then the random effects of each subject.

    Parameters
    ----------
    problem : Problem
    priors : Priors
    centred : bool
        Whether random effects are sampled as ``psi = C x + eta``, which suits rich data, or as standard normal u with
        ``eta = L u``, which suits sparse ones. Effects of occasions are always standard normal.
    frame : Axes

    Attributes
    ----------
    dim : int
    names : tuple of str
    calls : int
        Evaluations so far.
    """

    def __init__(self, problem: Problem, priors: Priors, centred: bool, frame: Axes) -> None:
        self.problem, self.layout, self.priors, self.centred = problem, problem.layout, priors, centred
        self.complete = Complete(problem)
        self.n, lay = len(self.layout.etas), self.layout
        self.active = occasions_of(self.complete)
        self.dim = lay.size + int(self.active.sum())
        self.names = (*lay.labels, *(f"axis {k}" for k in range(self.dim - lay.size)))
        self.calls = 0
        self.x0, self.x_root = frame.x, frame.x_root
        factor = lay.effects_factor(frame.x, problem.links.occasions)
        turn, shift = np.linalg.inv(factor), np.zeros(frame.eta.shape)
        if centred:
            turn[: self.n, : self.n] = np.eye(self.n)
            shift[:, : self.n] = self.means.mean(frame.x[: lay.q])
        self.v0, self.v_root = frame.eta @ turn.T + shift, turn @ frame.eta_root

    @cached_property
    def means(self) -> Means:
        """Which thetas are means of random effects; centred effects alone ask for it."""
        return Means(self.complete)

    # -- between q and values

    def split(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the estimated vector and the random effects as they are sampled, (m, p)."""
        n, own = self.layout.size, np.zeros(self.active.shape)
        own[self.active] = q[n:]
        v = self.v0 + np.einsum("iab,ib->ia", self.v_root, own)
        return self.x0 + self.x_root @ q[:n], np.where(self.active, v, 0.0)

    def effects(self, x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return random effects, standard ones, and their factor."""
        factor = self.layout.effects_factor(x, self.problem.links.occasions)
        if not self.centred:
            return v @ factor.T, v, factor
        n = self.n
        eta = v.copy()
        eta[:, :n] -= self.means.mean(x[: self.layout.q])
        eta[:, n:] = v[:, n:] @ factor[n:, n:].T
        u = v.copy()
        u[:, :n] = np.linalg.solve(factor[:n, :n], eta[:, :n].T).T
        return eta, u, factor

    # -- density

    def logp_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log-density at q and its gradient, (dim,); -inf and zeros where it cannot be had."""
        self.calls += 1
        lay, nowhere = self.layout, (-np.inf, np.zeros(self.dim))
        x, v = self.split(q)
        if self._is_outside(q, x):
            return nowhere
        eta, u, factor = self.effects(x, v)
        at = lay.q + lay.w
        with np.errstate(all="ignore"):
            found = self.complete.slopes(x[: lay.q], eta, x[at:], information=False)
        if not (np.isfinite(found.l).all() and np.isfinite(found.eta).all() and np.isfinite(found.x).all()):
            return nowhere
        prior, g = self.priors(x)
        total = float(found.l.sum()) + prior - 0.5 * float((u * u).sum())
        g[: lay.q] += found.x.sum(axis=0)
        g[at:] += found.z.sum(axis=0)
        by_factor = found.eta.T @ u
        by_v = found.eta @ factor - u
        if self.centred:
            self._centre(by_v, found.eta, u, factor, by_factor, g)
            total -= self._log_volume(factor)
        for k in range(lay.w):
            g[lay.q + k] += self._along(k, by_factor, factor)
        own = np.einsum("iba,ib->ia", self.v_root, np.where(self.active, by_v, 0.0))
        gradient = np.concatenate([self.x_root.T @ g, own[self.active]])
        if not math.isfinite(total) or not np.isfinite(gradient).all():
            return nowhere
        return float(total), gradient

    def logp(self, q: np.ndarray) -> float:
        """Return the log-density at q; -inf where it cannot be had."""
        self.calls += 1
        lay = self.layout
        x, v = self.split(q)
        if self._is_outside(q, x):
            return -np.inf
        eta, u, factor = self.effects(x, v)
        complete = self.complete
        with np.errstate(all="ignore"):
            found = complete.loglik(complete.predict(x[: lay.q], eta), x[lay.q + lay.w :])
        total = float(found.sum()) + self.priors(x)[0] - 0.5 * float((u * u).sum())
        if self.centred:
            total -= self._log_volume(factor)
        return float(total) if math.isfinite(total) else -np.inf

    def _is_outside(self, q: np.ndarray, x: np.ndarray) -> bool:
        """Tell whether there is no density at q, whose estimated vector is x, before anything is solved."""
        return not np.isfinite(q).all() or bool((x < self.layout.low).any() or (x > self.layout.high).any())

    def _log_volume(self, factor: np.ndarray) -> float:
        """Return what the density of centred effects lacks of that of standard ones, of all subjects."""
        return len(self.active) * float(np.log(np.diag(factor[: self.n, : self.n])).sum())

    def _centre(
        self, by_v: np.ndarray, by_eta: np.ndarray, u: np.ndarray, factor: np.ndarray, by_factor: np.ndarray,
        g: np.ndarray,
    ) -> None:  # fmt: skip
        """Write the gradient by centred effects to ``by_v``, and add what depends on the factor and x."""
        n, m = self.n, len(u)
        L = factor[:n, :n]
        # Omega^-1 eta = L^-T u
        pull = np.linalg.solve(L.T, u[:, :n].T).T
        by_v[:, :n] = by_eta[:, :n] - pull
        g[self.means.thetas] -= np.einsum("ink,in->k", self.means.C, by_v[:, :n])
        by_factor[:n, :n] = pull.T @ u[:, :n] - m * np.diag(1.0 / np.diag(L))

    def _along(self, k: int, by_factor: np.ndarray, factor: np.ndarray) -> float:
        """Return the derivative by an entry of a factor, which effects of occasions share."""
        lay, e = self.layout, self.layout.entries[self.layout.q + k]
        i, j = e.at
        places = [(i, j)]
        if e.kind == "iov":
            steps = range(self.problem.links.occasions)
            places = [(self.n + o * len(lay.kappas) + i, self.n + o * len(lay.kappas) + j) for o in steps]
        return sum(float(by_factor[p]) * (float(factor[p]) if e.scale == "log" else 1.0) for p in places)
