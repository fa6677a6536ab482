"""Thetas that are means of random effects: found by their derivatives, updated in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pkpd.estimation.methods.complete import Complete

__all__ = ["Means"]

#: points at which the derivatives must agree, and how far they may be apart
POINTS, CLOSE = 3, 1e-7


class Means:
    """The linear part of the model: individual parameters ``psi_i = C_i x + eta_i``.

    A theta belongs here where the equations depend on it and on the random effects through psi alone, with constant
    C_i: a typical value beside its random effect (C = 1), or the coefficient of a covariate (C = the covariate).

    Parameters
    ----------
    complete : Complete

    Attributes
    ----------
    thetas, others : int array
        Numbers of the thetas in the vector that belong here, and of those that do not.
    C : float array, (m, n, k)
        For the n etas and k thetas.
    """

    def __init__(self, complete: Complete) -> None:
        n, q = len(complete.layout.etas), complete.q
        found = [self._coefficients(complete, k) for k in range(POINTS)]
        C = found[0][0]
        size = 1.0 + np.abs(C).max(axis=(0, 1), initial=0.0)
        linear = np.ones(q, bool)
        for other, left in found:
            linear &= left < CLOSE
            linear &= np.abs(other - C).max(axis=(0, 1), initial=0.0) < CLOSE * size
        # what shifts the effects of occasions is not one of these means
        linear &= ~(np.abs(C[:, n:]).max(axis=(0, 1), initial=0.0) > CLOSE)
        linear &= C.any(axis=(0, 1))
        self.thetas, self.others = np.flatnonzero(linear), np.flatnonzero(~linear)
        C = C[:, :n][:, :, self.thetas]
        rounded = np.round(C)
        self.C = np.where(np.abs(C - rounded) < 1e-9, rounded, C)
        if self.thetas.size and np.linalg.matrix_rank(self.C.reshape(-1, self.thetas.size)) < self.thetas.size:
            # coefficients that the covariates cannot tell apart: a gradient step leaves them where they are
            self.others, self.thetas = np.arange(q), np.empty(0, np.int64)
            self.C = self.C[:, :, :0]

    @staticmethod
    def _coefficients(complete: Complete, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return C, (m, p, q), at a point near the start, and what it leaves of each theta's derivatives."""
        rng = np.random.default_rng([7, k])
        x = complete.layout.start[: complete.q] + rng.uniform(-0.1, 0.1, complete.q)
        eta = rng.uniform(-0.3, 0.3, (complete.m, complete.p))
        chain = complete.predictor.chain(x, eta)
        e, by_x = np.moveaxis(chain.e, -1, 0), np.moveaxis(chain.x, -1, 0)
        scale = np.abs(by_x).max(axis=(0, 2), initial=0.0) + np.abs(e).max(axis=(0, 2), initial=0.0)
        scale = np.where(scale > 0, scale, 1.0)[None, :, None]
        e, by_x = e / scale, by_x / scale
        C = np.linalg.pinv(e, rcond=1e-10) @ by_x
        return C, np.abs(e @ C - by_x).max(axis=(0, 1), initial=0.0)

    def mean(self, x: np.ndarray) -> np.ndarray:
        """Return ``C_i x``, (m, n)."""
        return self.C @ x[self.thetas]

    def update(self, psi: np.ndarray, omega: np.ndarray) -> np.ndarray:
        """Return the thetas that maximise the likelihood of psi, (m, n), by generalised least squares."""
        W = np.linalg.inv(omega)
        CW = np.einsum("ink,nl->ikl", self.C, W)
        A = np.einsum("ikl,ilj->kj", CW, self.C)
        return np.linalg.solve(A, np.einsum("ikl,il->k", CW, psi))
