"""Random effects drawn from their conditional distribution: Metropolis-Hastings on all subjects at once.

Proposals are made for every subject, the equations of all are solved together, and each subject accepts on its own.
Random numbers are drawn for all in one place, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.weights import log_t

if TYPE_CHECKING:
    from pkpd.estimation.methods.complete import Complete
    from pkpd.estimation.methods.objective import Objective

__all__ = ["ChainPoint", "Chains", "ConditionalNormal", "approximation", "occasions_of"]

#: degrees of freedom of the independent proposals: tails heavier than the target's
NU = 6.0
#: acceptance that random walks are adapted to, in one dimension and in several
WANTED = {"componentwise": 0.44, "multivariate": 0.3}


@dataclass(frozen=True)
class ChainPoint:
    """Parameters of the population.

    Attributes
    ----------
    x : float array, (q,)
        Thetas on their scale.
    factor : float array, (p, p)
        Lower Cholesky factor of the covariance of all random effects.
    z : float array, (s,)
        Residual parameters on their scale.
    mean : float array, (m, p)
        What is added to the random effects to give psi, see :class:`pkpd.estimation.methods.saem_mean.Means`.
    """

    x: np.ndarray
    factor: np.ndarray
    z: np.ndarray
    mean: np.ndarray

    @cached_property
    def turn(self) -> np.ndarray:
        """Inverse of the factor."""
        return np.linalg.inv(self.factor)


@dataclass(frozen=True)
class ConditionalNormal:
    """Normal approximation of each subject's conditional distribution, for proposals.

    Attributes
    ----------
    centre : float array, (m, p)
        Of psi.
    root : float array, (m, p, p)
        Factor of the covariance.
    """

    centre: np.ndarray
    root: np.ndarray

    @cached_property
    def turn(self) -> np.ndarray:
        """Inverses of the factors."""
        return np.linalg.inv(self.root)


def occasions_of(complete: Complete) -> np.ndarray:
    """Return which random effects a subject has at all, (m, p): those of occasions that it has not stay 0."""
    lay, data = complete.layout, complete.data
    out = np.ones((complete.m, complete.p), bool)
    k, n = len(lay.kappas), len(lay.etas)
    if not k:
        return out
    last = np.array(
        [data.occasion[a:b].max(initial=0) for a, b in zip(data.table.starts[:-1], data.table.starts[1:], strict=True)]
    )
    for o in range(complete.links.occasions):
        out[:, n + o * k : n + (o + 1) * k] = (last >= o)[:, None]
    return out


def approximation(
    objective: Objective, x: np.ndarray, start: np.ndarray | None, copies: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return normal approximations of the conditional distributions of the random effects at a vector.

    Parameters
    ----------
    objective : Objective
        Of FOCEI.
    x : float array, (n,)
        Estimated vector.
    start : float array, (m, p), optional
        Random effects to begin with.
    copies : int
        How often all subjects are repeated.

    Returns
    -------
    mode, root : float array, (m copies, p), (m copies, p, p)
        Most probable random effects, and factors of the inverse of the curvature there. Where no mode is found, mean
        and factor of the population.
    """
    theta, factor, _, _ = objective.unpack(x)
    u = np.zeros((objective.m, objective.p)) if start is None else np.linalg.solve(factor, start.T).T
    found = objective.modes(x, u)
    state, r = found.state, objective.links.n_random
    e = objective.predictor.chain(theta, state.u @ factor.T).e[:r]
    A = np.einsum("kai,ab->ikb", e, factor)
    H = np.eye(objective.p) + np.einsum("ika,ikl,ilb->iab", A, state.M, A)
    good = np.isfinite(state.value) & np.isfinite(H).all(axis=(1, 2))
    H[~good] = np.eye(objective.p)
    mode = np.where(good[:, None], state.u @ factor.T, 0.0)
    # H = K K^T, so the inverse has the factor K^-T
    root = factor @ np.swapaxes(np.linalg.inv(np.linalg.cholesky(H)), 1, 2)
    return np.tile(mode, (copies, 1)), np.tile(root, (copies, 1, 1))


@dataclass
class Chains:
    """States of the chains.

    Parameters
    ----------
    complete : Complete
    point : ChainPoint
    rng : numpy.random.Generator

    Attributes
    ----------
    psi : float array, (m, p)
        Random effects plus the mean of each.
    f : float array, (N,)
    l : float array, (m,)
        ``log p(y_i | psi_i)``.
    accepted : dict of str to list of float
        Share accepted of each use of a kernel.
    """

    complete: Complete
    point: ChainPoint
    rng: np.random.Generator
    psi: np.ndarray = field(init=False)
    f: np.ndarray = field(init=False)
    l: np.ndarray = field(init=False)
    accepted: dict[str, list[float]] = field(default_factory=dict)
    _kept: tuple[np.ndarray, ChainPoint, np.ndarray] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.active = occasions_of(self.complete)
        self.dims = self.active.sum(axis=1)
        p = self.complete.p
        self._walk = {"componentwise": np.full(max(p, 1), 0.7), "multivariate": np.ones(1)}
        self._turn = 0
        self._uses = 0
        self.psi = self.point.mean.copy()
        self._evaluate()

    # -- where the chains stand

    @property
    def eta(self) -> np.ndarray:
        """Random effects, (m, p)."""
        return self.psi - self.point.mean

    def _evaluate(self) -> None:
        self.f = self.complete.predict(self.point.x, self.eta)
        self.l = self.complete.loglik(self.f, self.point.z)

    def move(self, point: ChainPoint, solve: bool) -> None:
        """Take other parameters; psi stays.

        Parameters
        ----------
        solve : bool
            Whether the equations have to be solved again: a theta moved that is no mean of a random effect.
        """
        self.point = point
        if solve:
            self._evaluate()
        else:
            self.l = self.complete.loglik(self.f, point.z)

    def log_prior(self, psi: np.ndarray) -> np.ndarray:
        """Return the log-density of psi without its constant, (m,)."""
        u = (psi - self.point.mean) @ self.point.turn.T
        return -0.5 * np.einsum("ik,ik,ik->i", u, u, self.active)

    def _own_prior(self) -> np.ndarray:
        """Return the log-density of where the chains stand, (m,), which is worked out once."""
        if self._kept is None or self._kept[0] is not self.psi or self._kept[1] is not self.point:
            self._kept = self.psi, self.point, self.log_prior(self.psi)
        return self._kept[2]

    # -- kernels

    def step(self, kernel: str, near: ConditionalNormal | None = None) -> None:
        """Draw a proposal for every subject and accept or refuse it.

        Parameters
        ----------
        kernel : {"prior", "componentwise", "multivariate", "independent"}
        near : ConditionalNormal, optional
            For the last two.
        """
        m, p = self.psi.shape
        if not p:
            return
        normal, uniform = self.rng.standard_normal((m, p)), self.rng.random(m)
        ratio, walk = None, None
        if kernel == "prior":
            trial = self.point.mean + normal @ self.point.factor.T
        elif kernel == "componentwise":
            a = self._turn = (self._turn + 1) % p
            walk = self._walk[kernel][a : a + 1]
            trial = self.psi.copy()
            trial[:, a] += walk * np.linalg.norm(self.point.factor[a]) * normal[:, a]
        elif near is None:
            raise ValueError(f"kernel {kernel} needs an approximation")
        elif kernel == "multivariate":
            walk = self._walk[kernel]
            size = walk * 2.38 / np.sqrt(np.maximum(self.dims, 1))
            trial = self.psi + size[:, None] * np.einsum("iab,ib->ia", near.root, normal)
        else:
            heavy = np.sqrt(NU / self.rng.chisquare(NU, m))
            trial = near.centre + heavy[:, None] * np.einsum("iab,ib->ia", near.root, normal)
            trial = np.where(self.active, trial, self.point.mean)
            ratio = self._log_t(near, self.psi) - self._log_t(near, trial)
        trial = np.where(self.active, trial, self.point.mean)
        share = self._accept(trial, ratio, np.log(uniform), kernel == "prior")
        self.accepted.setdefault(kernel, []).append(share)
        if walk is not None:
            self._uses += 1
            # Robbins-Monro: ever smaller corrections, so that the kernel settles
            walk *= np.exp((share - WANTED[kernel]) / np.sqrt(1.0 + self._uses / 10.0))
            np.clip(walk, 1e-3, 20.0, out=walk)

    def _log_t(self, near: ConditionalNormal, psi: np.ndarray) -> np.ndarray:
        """Return the log-density of the independent proposals, without what they all share."""
        t = np.einsum("iab,ib->ia", near.turn, psi - near.centre)
        square = np.where(self.active, t * t, 0.0).sum(axis=1)
        return log_t(square, self.dims, NU)

    def _accept(self, trial: np.ndarray, ratio: np.ndarray | None, log_uniform: np.ndarray, from_prior: bool) -> float:
        """Let each chain take its proposal or stay.

        Parameters
        ----------
        ratio : float array, (m,), optional
            By how much the log-density of the proposal is larger where the chain stands than at the trial.
        from_prior : bool
            Whether trials are drawn from the population, whose density then cancels.
        """
        f = self.complete.predict(self.point.x, trial - self.point.mean)
        l = self.complete.loglik(f, self.point.z)
        densities = None if from_prior else (self.log_prior(trial), self._own_prior())
        with np.errstate(invalid="ignore"):
            gain = l - self.l
            if densities is not None:
                gain += densities[0] - densities[1]
            if ratio is not None:
                gain += ratio
        # a chain that stands where nothing can be computed leaves for any place that can
        took = (log_uniform < gain) | (~np.isfinite(self.l) & np.isfinite(l))
        self.psi = np.where(took[:, None], trial, self.psi)
        if densities is not None:
            self._kept = self.psi, self.point, np.where(took, *densities)
        self.l = np.where(took, l, self.l)
        self.f = np.where(took[self.complete.data.subject], f, self.f)
        return float(took.mean())
