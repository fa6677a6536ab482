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
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.flipflop import flip_flop
from pkpd.estimation.methods.limits import limits_of
from pkpd.estimation.methods.objective import factor_of
from pkpd.estimation.methods.optimise import Step
from pkpd.estimation.methods.saem_chains import Approximation, ChainPoint, Chains, approximation
from pkpd.estimation.methods.saem_checkpoint import EVERY, Checkpoint
from pkpd.estimation.methods.saem_mean import Means
from pkpd.estimation.methods.saem_settings import ENOUGH, SaemSettings
from pkpd.estimation.methods.saem_updates import OmegaUpdate, assemble, residuals_of
from pkpd.estimation.result import Fit

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.problem import Problem

__all__ = ["Saem", "estimate", "trace_dataset"]

#: uses of the kernel of the population after which it is left out where less than this share is accepted
TRIED, SELDOM = 20, 0.02


class Saem:
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
        self.near: Approximation | None = None
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

    def run(self, watch: Callable[[int, Saem], Any] | None = None) -> np.ndarray:
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
        natural = self.layout.natural(self.vector())
        mean = np.zeros((self.complete.m, self.complete.p))
        mean[:, : self.n] = self.means.mean(self.x)
        return ChainPoint(self.x.copy(), factor_of(natural, self.problem.links.occasions), self.z.copy(), mean)

    def _refresh(self) -> None:
        """Approximate the conditional distributions at the parameters as they are now."""
        m = self.problem.data.n_subjects
        mode, root = approximation(self.objective, self.vector(), self.chains.eta[:m], self.copies)
        self.near = Approximation(mode + self.chains.point.mean, root)

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


def estimate(
    problem: Problem, method: str = "saem", *, points: int = 512, burn_in: int = 150, smoothing: int = 250,
    chains: int | None = None, annealing: float = 0.95, power: float = 0.7, kernels: Mapping[str, int] | None = None,
    refresh: int = 25, seed: int = 0, checkpoint: str | os.PathLike[str] | None = None,
    progress: Callable[[Step], Any] | None = None,
) -> Fit:  # fmt: skip
    """Estimate by stochastic approximation EM, with the objective by importance sampling at the end.

    Whether the averages of the smoothing are at the maximum is told by the gradient of the likelihood there; Newton's
    steps go on where they are not, see :mod:`pkpd.estimation.methods.saem_ascent`. ``converged`` means that the
    objective is not expected to fall by more than 0.5.

    Parameters
    ----------
    problem : Problem
    method : {"saem"}
    points : int
        Of importance sampling, per subject; 0 for none: the objective is FOCEI's at the estimates then.
    burn_in, smoothing, chains, annealing, power, kernels, refresh, seed
        See :class:`pkpd.estimation.methods.saem_settings.SaemSettings`.
    checkpoint : path, optional
        File that the state is written to every 10 iterations, and read from if it is there.
    progress : callable, optional
        Called with each iteration; its ``ofv`` is -2 log-likelihood given the random effects of the chains, and in
        Newton's steps after them the objective.

    Returns
    -------
    Fit
        ``trace`` holds every iteration; ``extra["importance"]`` what the objective is based on, ``extra["promised"]``
        what it is expected to fall by.
    """
    from pkpd.estimation.methods.importance import importance
    from pkpd.estimation.methods.saem_ascent import ascend

    begun = time.perf_counter()
    more = {} if kernels is None else {"kernels": kernels}
    settings = SaemSettings(burn_in, smoothing, chains, annealing, power, refresh=refresh, seed=seed, **more)
    run = Saem(problem, settings)
    messages = list(problem.messages)
    kept = None if checkpoint is None else Checkpoint(checkpoint, run)
    if kept is not None and kept.read():
        messages.append(f"went on from checkpoint {kept.path} (iteration {len(run.history)})")

    def watch(k: int, run: Saem) -> None:
        if kept is not None and (k + 1) % EVERY == 0:
            kept.write()
        if progress is not None:
            progress(Step(k, run.fit_of_data[-1], run.history[-1], math.nan))

    def on(k: int, ofv: float, x: np.ndarray) -> None:
        if progress is not None:
            progress(Step(run.total + k - 1, ofv, x, math.nan))

    x = run.run(watch)
    extra: dict[str, Any] = {
        "copies": run.copies, "burn_in": run.settings.burn_in, "solutions": run.complete.solutions,
        "accepted": {k: float(np.mean(v[-100:])) for k, v in run.chains.accepted.items()},
        "mu_referenced": [problem.layout.entries[t].name for t in run.means.thetas],
    }  # fmt: skip
    if run.message:
        outcome, converged = run.objective(x), False
        messages.append(run.message)
    else:
        end = ascend(problem, run.objective, run.means, x, seed, on)
        x, outcome, converged = end.x, end.outcome, end.converged
        extra |= {"promised": end.promised, "newton_steps": end.steps}
        messages += [end.message] if end.message else []
    limits = limits_of(run.objective, problem.layout, x, outcome)
    messages += limits.messages
    effects = outcome.u @ run.objective.unpack(x)[1].T
    if converged and not limits.flat:
        messages += flip_flop(problem.layout, problem.outputs, run.objective, x, effects)
    extra |= {"focei": outcome.ofv, "flat": list(limits.flat)}
    ofv = outcome.ofv
    if points:
        found = importance(problem, x, points=points, seed=seed, eta=effects)
        ofv = found.ofv
        extra |= {"importance": str(found), "ofv_se": found.se, "ess": found.ess.tolist()}
        messages.append(str(found))
    else:
        messages.append("the objective is that of FOCEI at the estimates")
    return Fit(
        problem, x, effects, ofv, method, converged and not limits.flat, messages, _trace(run),
        time.perf_counter() - begun, extra=extra,
    )  # fmt: skip


def _trace(run: Saem) -> list[dict[str, Any]]:
    labels = run.layout.labels
    return [
        {"iteration": k, "ofv": v, **dict(zip(labels, run.layout.quantities(x).tolist(), strict=True))}
        for k, (x, v) in enumerate(zip(run.history, run.fit_of_data, strict=True))
    ]


def trace_dataset(fit: Fit) -> xr.Dataset:
    """Return the history of a fit: ``value`` by iteration and parameter, and ``ofv`` by iteration.

    For SAEM ``ofv`` is -2 log-likelihood given the random effects of the chains, and the smoothing begins at
    iteration ``attrs["burn_in"]``.

    Parameters
    ----------
    fit : Fit
    """
    import xarray as xr

    labels = list(fit.layout.labels)
    values = np.array([[step[n] for n in labels] for step in fit.trace]).reshape(len(fit.trace), len(labels))
    iteration = [step["iteration"] for step in fit.trace]
    return xr.Dataset(
        {"value": (("iteration", "parameter"), values), "ofv": ("iteration", [step["ofv"] for step in fit.trace])},
        {"iteration": iteration, "parameter": labels},
        {"method": fit.method, **({"burn_in": fit.extra["burn_in"]} if "burn_in" in fit.extra else {})},
    )
