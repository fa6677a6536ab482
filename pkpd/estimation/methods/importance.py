"""The likelihood of a data set by importance sampling, without an approximation of the model.

For each subject ``p(y_i) = E[p(y_i | eta) p(eta) / h(eta)]`` with eta drawn from h, a t distribution at the most
probable random effects with the curvature there. Points are a Sobol sequence, moved at random for each subject and
replicate: the error falls nearly with the number of points, not its root, and the replicates tell how large it is.

Sources: Kuhn E, Lavielle M. Comput Stat Data Anal 2005;49:1020-1038 (importance sampling of the likelihood); Cranley R,
Patterson TNL. SIAM J Numer Anal 1976;13:904-914 (random shifts).
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.method import Method
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.saem_chains import approximation, occasions_of
from pkpd.estimation.result import Fit
from pkpd.estimation.weights import effective, log_normal, log_t, normalised, standard_t
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem

__all__ = ["Importance", "SampledLikelihood", "Sampler", "importance"]

#: random shifts of the sequence, from which the standard error is told
REPLICATES = 8
#: data sets that are solved side by side, in data
SIDE_BY_SIDE = 20_000


@dataclass(frozen=True)
class SampledLikelihood:
    """-2 log-likelihood by importance sampling.

    Attributes
    ----------
    ofv : float
        Without the constant ``N log(2 pi)`` of continuous data, as everywhere.
    se : float
        Standard error of ``ofv`` by the sampling.
    ofv_i, se_i : float array, (m,)
        Of each subject.
    ess : float array, (m,)
        Effective number of points of each subject; close to ``points`` if the proposals are good.
    points : int
        Of each subject.
    mean, covariance : float array, (m, p), (m, p, p)
        Of the random effects given the data.
    """

    ofv: float
    se: float
    ofv_i: np.ndarray
    se_i: np.ndarray
    ess: np.ndarray
    points: int
    mean: np.ndarray
    covariance: np.ndarray

    def __str__(self) -> str:
        worst = float(self.ess.min(initial=self.points)) / self.points
        return (
            f"OFV {self.ofv:.3f} (standard error {self.se:.3f}) by importance sampling with {self.points} points per "
            f"subject; effective share {float(np.mean(self.ess)) / self.points:.0%}, least {worst:.0%}"
        )


def importance(
    problem: Problem,
    x: np.ndarray,
    *,
    points: int = 1024,
    seed: int = 0,
    nu: float = 5.0,
    eta: np.ndarray | None = None,
) -> SampledLikelihood:
    """Return the likelihood at an estimated vector by importance sampling.

    Parameters
    ----------
    problem : Problem
    x : float array, (n,)
        Estimated vector.
    points : int
        For each subject, rounded up to 8 times a power of 2.
    seed : int
    nu : float
        Degrees of freedom of the proposals.
    eta : float array, (m, p), optional
        Random effects to begin the search of the most probable ones with.

    Raises
    ------
    DataError
        If a subject has no point with a likelihood above 0.
    """
    sampler = Sampler(problem, x, points=points, seed=seed, nu=nu, eta=eta)
    theta, z = x[: problem.layout.q], x[problem.layout.q + problem.layout.w :]
    log_w = np.empty((REPLICATES, sampler.each, sampler.m))
    draws = np.empty((REPLICATES, sampler.each, sampler.m, sampler.p))
    for r in range(REPLICATES):
        draws[r], log_h = sampler.draws(r)
        log_w[r] = sampler.log_joint(theta, z, draws[r]) - log_h
    return _summary(problem, log_w, draws)


class Sampler:
    """Points of importance sampling and what they are weighted by.

    Parameters
    ----------
    problem, x, points, seed, nu, eta
        As for :func:`importance`.

    Attributes
    ----------
    m, p : int
        Subjects and random effects.
    each, copies : int
        Points of each subject and replicate; those that are solved side by side.
    factor : float array, (p, p)
        Of the covariance of all random effects.
    active : bool array, (m, p)
        Random effects that a subject has.
    complete : Complete
        Of ``copies`` data sets.
    """

    def __init__(
        self, problem: Problem, x: np.ndarray, *, points: int, seed: int, nu: float = 5.0, eta: np.ndarray | None = None
    ) -> None:
        check_seed(seed)
        if points < 2 * REPLICATES or not nu > 0:
            raise DataError(
                f"fit: importance sampling needs points >= {2 * REPLICATES} and nu > 0, got {points} and {nu:g}"
            )
        self.seed, self.nu = seed, nu
        self.each = 2 ** math.ceil(math.log2(points / REPLICATES))
        self.m, self.p = problem.data.n_subjects, len(problem.links.effects)
        copies = min(self.each, max(1, SIDE_BY_SIDE // max(problem.data.y.size, 1)))
        self.copies = 2 ** int(math.log2(copies))
        self.mode, self.root = approximation(problem.objective("focei"), x, eta)
        self.complete = Complete(problem, self.copies)
        self.factor = problem.layout.effects_factor(x, problem.links.occasions)
        self.active = occasions_of(self.complete)[: self.m]
        self._base = _sobol(self.p + 1, self.each)
        # of the proposals: t is scaled by the factor, restricted to the effects that a subject has
        own = self.active[:, :, None] & self.active[:, None, :]
        self._size = np.linalg.slogdet(np.where(own, self.root, np.eye(self.p)))[1]

    def draws(self, r: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the random effects of a replicate, (each, m, p), and the log-density of the proposals there."""
        shift = np.random.default_rng([self.seed, 5, r]).random((self.m, self.p + 1))
        u = (self._base[:, None, :] + shift) % 1.0
        t, log_h = _proposals(np.clip(u, 1e-12, 1.0 - 1e-12), self.nu, self.active)
        values = self.mode + np.einsum("iab,kib->kia", self.root, t)
        return np.where(self.active, values, 0.0), log_h - self._size

    def log_joint(self, theta: np.ndarray, z: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return ``log p(y_i, eta)`` of points, (k, m)."""
        return _weights(self.complete, theta, z, self.factor, eta, self.active, self.copies)


def _sobol(dim: int, n: int) -> np.ndarray:
    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return qmc.Sobol(dim, scramble=False).random(n)


def _proposals(u: np.ndarray, nu: float, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return standard t vectors, (k, m, p), from uniform numbers, (k, m, p + 1), and their log-density."""
    from scipy.special import gammaincinv, ndtri

    normal = np.where(active, ndtri(u[..., :-1]), 0.0)
    t = standard_t(normal, 2.0 * gammaincinv(0.5 * nu, u[..., -1]), nu)
    return t, log_t((t * t).sum(axis=-1), active.sum(axis=1), nu)


def _weights(
    complete: Complete, theta: np.ndarray, z: np.ndarray, factor: np.ndarray, eta: np.ndarray, active: np.ndarray,
    copies: int,
) -> np.ndarray:  # fmt: skip
    """Return ``log p(y_i, eta)`` of points, (k, m)."""
    k, m, p = eta.shape
    l = np.empty((k, m))
    for a in range(0, k, copies):
        f = complete.predict(theta, eta[a : a + copies].reshape(copies * m, p))
        l[a : a + copies] = complete.loglik(f, z).reshape(copies, m)
    u = np.linalg.solve(factor, eta.reshape(-1, p).T).T.reshape(k, m, p)
    return l + log_normal((u * u).sum(axis=-1), active.sum(axis=1)) - (np.log(np.diag(factor)) * active).sum(axis=1)


def _summary(problem: Problem, log_w: np.ndarray, draws: np.ndarray) -> SampledLikelihood:
    replicates, each, m = log_w.shape
    flat = log_w.reshape(-1, m)
    top = flat.max(axis=0)
    if not np.isfinite(top).all():
        lost = [str(v) for v in problem.data.labels[~np.isfinite(top)][:5]]
        raise DataError(
            f"fit: importance sampling found no random effects with a likelihood above 0 for subject {', '.join(lost)}"
        )
    w = np.exp(log_w - top)
    of_each = w.mean(axis=1)
    mean = of_each.mean(axis=0)
    ofv_i = -2.0 * (np.log(mean) + top)
    se_i = 2.0 * of_each.std(axis=0, ddof=1) / math.sqrt(replicates) / mean
    share = normalised(flat)
    ess = effective(share)
    eta = draws.reshape(-1, m, draws.shape[-1])
    centre = np.einsum("ki,kia->ia", share, eta)
    apart = eta - centre
    covariance = np.einsum("ki,kia,kib->iab", share, apart, apart)
    return SampledLikelihood(
        float(ofv_i.sum()), float(np.sqrt((se_i**2).sum())), ofv_i, se_i, ess, replicates * each, centre, covariance
    )


@dataclass(frozen=True, kw_only=True)
class Importance(Method):
    """The likelihood at the start values by importance sampling; nothing is moved.

    To have it at the estimates of another method, give its fit: ``fit(found, data, Importance())``.

    Parameters
    ----------
    points : int
        For each subject, rounded up to 8 times a power of 2.
    seed : int
    nu : float
        Degrees of freedom of the proposals.
    """

    name: ClassVar[str] = "importance"

    points: int = 2048
    seed: int = 0
    nu: float = 5.0

    def run(self, problem: Problem, progress: Any = None) -> Fit:
        """Compute the likelihood.

        Raises
        ------
        DataError
            If a subject has no point with a likelihood above 0.
        """
        begun = time.perf_counter()
        objective = problem.objective("focei")
        problem.check_start(objective)
        x = problem.layout.start
        found = importance(problem, x, points=self.points, seed=self.seed, nu=self.nu)
        said = "evaluated at the start values, nothing is estimated"
        messages = [*problem.messages, str(found), f"method importance: {said}"]
        extra = {"importance": str(found), "ofv_se": found.se, "ess": found.ess.tolist()}
        return Fit(
            problem, x, found.mean, found.ofv, self.name, True, messages, [], time.perf_counter() - begun,
            covariance_message=said, extra=extra,
        )  # fmt: skip
