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


class _Root:
    """A factor that axes are stretched by, (..., n, n); where it is diagonal, numbers take the place of products."""

    def __init__(self, root: np.ndarray) -> None:
        self.root, self.lengths = root, np.diagonal(root, axis1=-2, axis2=-1).copy()
        self.diagonal = bool((root == self.lengths[..., None] * np.eye(root.shape[-1])).all())

    def __call__(self, own: np.ndarray) -> np.ndarray:
        """Return the factor times vectors, (..., n)."""
        return self.lengths * own if self.diagonal else np.einsum("...ab,...b->...a", self.root, own)

    def back(self, by: np.ndarray) -> np.ndarray:
        """Return derivatives by what the factor is applied to, from those by the result, (..., n)."""
        return self.lengths * by if self.diagonal else np.einsum("...ba,...b->...a", self.root, by)


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
        self._x_axes, self._v_axes = _Root(self.x_root), _Root(self.v_root)
        self._all, self._some = bool(self.active.all()), np.flatnonzero(self.active)
        self._bounded = bool(np.isfinite(lay.low).any() or np.isfinite(lay.high).any())
        self._along = self._places_of_factor()

    @cached_property
    def means(self) -> Means:
        """Which thetas are means of random effects; centred effects alone ask for it."""
        return Means(self.complete)

    # -- between q and values

    def split(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the estimated vector and the random effects as they are sampled, (m, p)."""
        n = self.layout.size
        if self._all:
            v = self.v0 + self._v_axes(q[n:].reshape(self.active.shape))
        else:
            own = np.zeros(self.active.shape)
            own.flat[self._some] = q[n:]
            v = np.where(self.active, self.v0 + self._v_axes(own), 0.0)
        return self.x0 + self._x_axes(q[:n]), v

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
        with np.errstate(all="ignore"):
            found = self._logp_grad(q)
        if found is None or not math.isfinite(found[0]) or not np.isfinite(found[1]).all():
            return -np.inf, np.zeros(self.dim)
        return found

    def _logp_grad(self, q: np.ndarray) -> tuple[float, np.ndarray] | None:
        """Return the log-density and its gradient, None where it is known that they cannot be had."""
        lay = self.layout
        x, v = self.split(q)
        if self._is_outside(q, x):
            return None
        eta, u, factor = self.effects(x, v)
        if self._is_forbidden(x, eta):
            return None
        at = lay.q + lay.w
        found = self.complete.gradient(x[: lay.q], eta, x[at:])
        if not math.isfinite(found.l):
            return None
        prior, g = self.priors(x)
        total = found.l + prior - 0.5 * float(np.vdot(u, u))
        g[: lay.q] += found.x
        g[at:] += found.z
        by_factor = found.eta.T @ u
        by_v = found.eta @ factor - u
        if self.centred:
            self._centre(by_v, found.eta, u, factor, by_factor, g)
            total -= self._log_volume(factor)
        if lay.w:
            entry, place, plain = self._along
            scale = factor.take(place)
            scale[plain] = 1.0
            g[lay.q : at] += np.bincount(entry, by_factor.take(place) * scale, lay.w)
        out = np.empty(self.dim)
        out[: lay.size] = self._x_axes.back(g)
        if self._all:
            out[lay.size :] = self._v_axes.back(by_v).reshape(-1)
        else:
            out[lay.size :] = self._v_axes.back(np.where(self.active, by_v, 0.0)).reshape(-1)[self._some]
        return total, out

    def logp(self, q: np.ndarray) -> float:
        """Return the log-density at q; -inf where it cannot be had."""
        self.calls += 1
        lay = self.layout
        x, v = self.split(q)
        if self._is_outside(q, x):
            return -np.inf
        eta, u, factor = self.effects(x, v)
        if self._is_forbidden(x, eta):
            return -np.inf
        complete = self.complete
        with np.errstate(all="ignore"):
            found = complete.loglik(complete.predict(x[: lay.q], eta), x[lay.q + lay.w :])
        total = float(found.sum()) + self.priors(x)[0] - 0.5 * float((u * u).sum())
        if self.centred:
            total -= self._log_volume(factor)
        return float(total) if math.isfinite(total) else -np.inf

    def _is_outside(self, q: np.ndarray, x: np.ndarray) -> bool:
        """Tell whether there is no density at q, whose estimated vector is x, before anything is solved."""
        if not np.isfinite(q).all():
            return True
        return self._bounded and bool((x < self.layout.low).any() or (x > self.layout.high).any())

    def _is_forbidden(self, x: np.ndarray, eta: np.ndarray) -> bool:
        """Tell whether values that follow from an estimated vector and random effects have no density."""
        return False

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

    def _places_of_factor(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return of estimated entries of the factor: number, place, and which are not estimated as logarithms.

        Effects of occasions share theirs.
        """
        lay, found, p = self.layout, [], self.complete.p
        for k, e in enumerate(lay.entries[lay.q : lay.q + lay.w]):
            steps = [0]
            if e.kind == "iov":
                steps = [self.n + o * len(lay.kappas) for o in range(self.problem.links.occasions)]
            found += [(k, (step + e.at[0]) * p + step + e.at[1], e.scale == "log") for step in steps]
        entry, place, logs = np.ascontiguousarray(np.array(found, np.int64).reshape(-1, 3).T)
        return entry, place, np.flatnonzero(logs == 0)
