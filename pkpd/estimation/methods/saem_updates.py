"""The maximisation step: covariances, means and residual parameters from averaged statistics of the chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.entries import smallest_sds
from pkpd.estimation.vector import Natural
from pkpd.model.residual import ResidualError
from pkpd.observation.known import Known

if TYPE_CHECKING:
    from pkpd.estimation.methods.complete import Complete
    from pkpd.estimation.vector import PopulationVector

__all__ = ["OmegaUpdate", "SigmaUpdate", "assemble", "residuals_of"]


@dataclass(frozen=True)
class SigmaUpdate:
    """A residual parameter that the data alone give in closed form.

    Attributes
    ----------
    at : int
        Its number among the estimated ones.
    rows : int array
    unit : ResidualError
        With 1 in the place of the parameter, which is the root mean square of what is left then.
    """

    at: int
    rows: np.ndarray
    unit: ResidualError

    def statistic(self, y: np.ndarray, f: np.ndarray) -> float:
        """Return the mean square of the standardised residuals."""
        e = self.unit.residual(f[self.rows], y[self.rows])
        return float(np.mean(e * e))


def residuals_of(complete: Complete) -> list[SigmaUpdate]:
    """Return the estimated residual parameters with a closed form: those of outputs without censored data."""
    out = []
    for k, s in enumerate(complete.layout.sigmas):
        channels = [c for c in complete.data.channels if c.observed == s.output]
        error = channels[0].error
        if len(channels) != 1 or channels[0].known is not Known.MEASURED:
            continue
        if (unit := error.unit()) is not None:
            out.append(SigmaUpdate(k, channels[0].rows, unit))
    return out


class OmegaUpdate:
    """The update of a covariance with blocks and fixed entries.

    Parameters
    ----------
    layout : PopulationVector
    kind : {"omega", "iov"}
    """

    def __init__(self, layout: PopulationVector, kind: str) -> None:
        factor = layout.factor0 if kind == "omega" else layout.factor_iov0
        self.fixed = factor @ factor.T
        self.least = smallest_sds(layout.model, kind) ** 2
        self.free = np.zeros(self.fixed.shape, bool)
        for e in layout.entries:
            if e.kind == kind:
                self.free[e.at] = self.free[e.at[::-1]] = True

    def start(self, scales: list[str]) -> np.ndarray:
        """Return the covariance to begin with: a standard deviation of at least 0.5 on log and logit scales.

        Variances that begin too small grow slowly; annealing takes back what is too large.
        """
        sd = np.sqrt(np.diag(self.fixed))
        least = np.array([0.5 if s in ("log", "logit") else 0.0 for s in scales])
        ratio = np.where(np.diag(self.free), np.maximum(sd, least) / sd, 1.0)
        return self.fixed * np.outer(ratio, ratio)

    def update(self, second: np.ndarray, now: np.ndarray, least: float) -> np.ndarray:
        """Return the covariance of second moments about the mean.

        Parameters
        ----------
        second : float array, (n, n)
        now : float array, (n, n)
        least : float
            A variance falls to this share of its value now at most: simulated annealing; 0 for none.
        """
        out = np.where(self.free, second, self.fixed)
        lowest = np.maximum(least * np.diag(now), self.least)
        have = np.maximum(np.diag(out), 1e-300)
        ratio = np.where(np.diag(self.free), np.sqrt(np.maximum(lowest / have, 1.0)), 1.0)
        out = out * np.outer(ratio, ratio)
        # with few chains a block can be singular
        size = np.sqrt(np.diag(out))
        values, vectors = np.linalg.eigh(out / np.outer(size, size)) if size.size else (size, out)
        if size.size and values[0] < 1e-6:
            out = (vectors * np.maximum(values, 1e-6)) @ vectors.T * np.outer(size, size)
        return out


def assemble(layout: PopulationVector, x: np.ndarray, omega: np.ndarray, iov: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the estimated vector of thetas on their scale, covariances and residual parameters on their scale."""
    natural = Natural(layout.theta0, np.linalg.cholesky(omega), np.linalg.cholesky(iov), layout.sigma0)
    out = layout.vector(natural)
    out[: layout.q], out[layout.q + layout.w :] = x, z
    return np.clip(out, layout.low, layout.high)
