"""Stochastic approximation expectation maximisation: maximum likelihood without approximating the likelihood.

Every iteration draws the random effects from their conditional distribution, averages what the parameters depend on,
and maximises the likelihood of the complete data:

    S_k = S_{k-1} + gamma_k (S(psi_k) - S_{k-1}),    theta_k = argmax L(theta; S_k).

Where there is no closed form, the maximum is followed by steps ``gamma_k J^-1 g`` with the exact gradient g of the
complete likelihood and its averaged expected information J.

Sources: Delyon B, Lavielle M, Moulines E. Ann Stat 1999;27:94-128 (algorithm, convergence); Kuhn E, Lavielle M. Comput
Stat Data Anal 2005;49:1020-1038 (chains, mixed effects); Lavielle M. Mixed Effects Models for the Population Approach,
2014, chapter 9 (annealing); Karimi B, Lavielle M, Moulines E. Comput Stat Data Anal 2020;141:123-138 (proposals from
the approximation at the mode).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.saem_chains import ChainPoint, Chains, ConditionalNormal, approximation
from pkpd.estimation.methods.saem_mean import Means
from pkpd.estimation.methods.saem_settings import ENOUGH, SaemSettings
from pkpd.estimation.methods.saem_updates import OmegaUpdate, assemble, residuals_of

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem

__all__ = ["SaemRun"]

#: uses of the kernel of the population after which it is left out where less than this share is accepted
TRIED, SELDOM = 20, 0.02


class SaemRun:
    """A run of the algorithm.

    Parameters
    ----------
    problem : Problem
    settings : SaemSettings

    Attributes
    ----------
    history : list of float array
        Estimated vector after each iteration.
    fit_of_data : list of float
        ``-2 log p(y | psi)`` of each iteration, a mean over chains: whether the chains still wander.
    message : str
    """

    def __init__(self, problem: Problem, settings: SaemSettings) -> None:
        lay = problem.layout
        if not problem.links.effects:
            raise DataError(
                f"fit: method saem needs random effects, and model '{problem.model.name}' has none; use method "
                "'naive_pooled', which is maximum likelihood then"
            )
        self.problem, self.settings, self.layout = problem, settings, lay
        self.copies = settings.chains or max(1, math.ceil(ENOUGH / max(problem.data.n_subjects, 1)))
        self.complete = Complete(problem, self.copies)
        self.objective = problem.objective("focei")
        problem.check_start(self.objective)
        self.means = Means(self.complete)
        self.residuals = residuals_of(self.complete)
        closed = {r.at for r in self.residuals}
        self.other_z = np.array([k for k in range(lay.s) if k not in closed], np.int64)
        self.n, self.k = len(lay.etas), len(lay.kappas)
        self._omega, self._iov = OmegaUpdate(lay, "omega"), OmegaUpdate(lay, "iov")
        scale = {n: q.scale for n, q in problem.model.parameters.items()}
        self.omega = self._omega.start([scale[n] for n in lay.etas])
        self.iov = self._iov.start([scale[n] for n in lay.kappas])
        self.x, self.z = lay.start[: lay.q].copy(), lay.start[lay.q + lay.w :].copy()
        self.chains = Chains(self.complete, self._point(), np.random.default_rng([settings.seed, 1]))
        self.near: ConditionalNormal | None = None
        self.S1 = self.S2 = self.S3 = np.zeros(0)
        self.Sz = np.zeros(lay.s)
        self.J = np.zeros((0, 0))
        self.history: list[np.ndarray] = []
        self.fit_of_data: list[float] = []
        self.message = ""

    # -- the run

    @property
    def total(self) -> int:
        """Number of iterations."""
        return self.settings.burn_in + self.settings.smoothing

    def run(self, watch: Callable[[int, SaemRun], Any] | None = None) -> np.ndarray:
        """Return the estimated vector; KeyboardInterrupt ends the run with what there is so far."""
        try:
            for k in range(len(self.history), self.total):
                self._iterate(k)
                if watch is not None:
                    watch(k, self)
        except KeyboardInterrupt:
            self.message = (
                f"interrupted after {len(self.history)} of {self.total} iterations; the values are the best so far"
            )
            if not self.history:
                self._record()
        return self.estimate()

    def estimate(self) -> np.ndarray:
        """Return the average of the last half of the smoothing, or the last iteration during the burn-in."""
        smooth = len(self.history) - self.settings.burn_in
        if smooth < 2:
            return self.history[-1].copy()
        return np.mean(self.history[-(smooth + 1) // 2 :], axis=0)

    def _iterate(self, k: int) -> None:
        s = self.settings
        burning = k < s.burn_in
        gamma = 1.0 if burning else (k - s.burn_in + 1.0) ** -s.power
        least = s.annealing if k < s.burn_in // 2 else 0.0
        if k % s.refresh == 0:
            self._refresh()
        for kernel, uses in s.kernels.items():
            for _ in range(uses if kernel != "prior" or (burning and self._wanders()) else 0):
                self.chains.step(kernel, self.near)
        self._statistics(gamma)
        self._maximise(gamma, least)
        self._record()

    def _wanders(self) -> bool:
        """Tell whether draws from the population are still accepted now and then: with rich data soon none is."""
        seen = self.chains.accepted.get("prior", [])
        return len(seen) < TRIED or float(np.mean(seen[-TRIED:])) > SELDOM

    def _record(self) -> None:
        self.history.append(self.vector())
        self.fit_of_data.append(-2.0 * float(self.chains.l.sum()) / self.copies)

    def vector(self) -> np.ndarray:
        """Return the estimated vector as it is now."""
        return assemble(self.layout, self.x, self.omega, self.iov, self.z)

    def _point(self) -> ChainPoint:
        mean = np.zeros((self.complete.m, self.complete.p))
        mean[:, : self.n] = self.means.mean(self.x)
        factor = self.layout.effects_factor(self.vector(), self.problem.links.occasions)
        return ChainPoint(self.x.copy(), factor, self.z.copy(), mean)

    def _refresh(self) -> None:
        """Approximate the conditional distributions at the parameters as they are now."""
        m = self.problem.data.n_subjects
        mode, root = approximation(self.objective, self.vector(), self.chains.eta[:m], self.copies)
        self.near = ConditionalNormal(mode + self.chains.point.mean, root)

    # -- statistics and their maximum

    def _statistics(self, gamma: float) -> None:
        n, chains = self.n, self.chains
        psi, m = chains.psi[:, :n], self.complete.m
        new: list[np.ndarray] = [psi, psi.T @ psi / m, self._between(chains)]
        y = self.complete.data.y
        z = self.Sz.copy()
        for r in self.residuals:
            z[r.at] = r.statistic(y, chains.f)
        if not self.S1.size:
            self.S1, self.S2, self.S3, self.Sz = new[0].copy(), new[1], new[2], z
            return
        self.S1 = self.S1 + gamma * (new[0] - self.S1)
        self.S2 = self.S2 + gamma * (new[1] - self.S2)
        self.S3 = self.S3 + gamma * (new[2] - self.S3)
        self.Sz = self.Sz + gamma * (z - self.Sz)

    def _between(self, chains: Chains) -> np.ndarray:
        """Return the second moment of the effects of occasions."""
        if not self.k:
            return np.zeros((0, 0))
        there = chains.active[:, self.n :: self.k]
        kappa = chains.psi[:, self.n :].reshape(self.complete.m, -1, self.k)[there]
        return kappa.T @ kappa / len(kappa)

    def _maximise(self, gamma: float, least: float) -> None:
        lay, solve = self.layout, False
        if self.means.thetas.size:
            x = self.means.update(self.S1, self.omega)
            t = self.means.thetas
            self.x[t] = np.clip(x, lay.low[t], lay.high[t])
        mean = self.means.mean(self.x)
        cross = self.S1.T @ mean / self.complete.m
        second = self.S2 - cross - cross.T + mean.T @ mean / self.complete.m
        self.omega = self._omega.update(second, self.omega, least)
        if self.k:
            self.iov = self._iov.update(self.S3, self.iov, least)
        for r in self.residuals:
            sd = math.sqrt(max(self.Sz[r.at], 1e-300))
            lowest = self.z[r.at] + 0.5 * math.log(least) if least else -math.inf
            self.z[r.at] = max(math.log(sd), lowest)
        if self.means.others.size or self.other_z.size:
            solve = self._climb(gamma, least)
        at = lay.q + lay.w
        self.z = np.clip(self.z, lay.low[at:], lay.high[at:])
        self.chains.move(self._point(), solve)

    def _climb(self, gamma: float, least: float) -> bool:
        """Move the parameters without a closed form up the gradient; return whether thetas are among them."""
        lay, others = self.layout, self.means.others
        q = lay.q
        chains = self.chains
        if others.size:
            found = self.complete.slopes(chains.point.x, chains.eta, chains.point.z)
            g = np.concatenate([found.x.sum(axis=0), found.z.sum(axis=0)])
            J = found.curvature
        else:
            g, J = self.complete.residual_slopes(chains.f, chains.point.z)
        which = np.concatenate([others, q + self.other_z])
        g, J = g[which], J[np.ix_(which, which)]
        if not np.isfinite(g).all():
            return False
        self.J = J if not self.J.size else self.J + gamma * (J - self.J)
        ridge = 1e-8 * np.trace(self.J) / max(len(g), 1) + 1e-12
        step = gamma * np.linalg.solve(self.J + ridge * np.eye(len(g)), g)
        now = np.concatenate([self.x, self.z])[which]
        scales = [e.scale for e in (*lay.entries[:q], *lay.entries[q + lay.w :])]
        reach = np.array(
            [0.3 if scales[k] != "additive" else 0.3 * (1.0 + abs(v)) for k, v in zip(which, now, strict=True)]
        )
        step *= min(1.0, 1.0 / max(float(np.max(np.abs(step) / reach)), 1e-300))
        if least:
            falls = np.array([k >= q and scales[k] == "log" for k in which])
            step = np.where(falls, np.maximum(step, 0.5 * math.log(least)), step)
        self.x[others] = np.clip(self.x[others] + step[: others.size], lay.low[others], lay.high[others])
        self.z[self.other_z] += step[others.size :]
        return bool(others.size)
