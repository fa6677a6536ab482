"""The integral of a density from draws of it: bridge sampling with a warped normal proposal.

The proposal is normal with mean m and covariance ``L L'`` of half of the draws. The density is made symmetric about its
mean, ``|L| (p(m + L z) + p(m - L z)) / 2``, which has the same integral (Meng XL, Schilling S. J Comput Graph Stat
2002;11:552-586), and bridged with the standard normal density by the optimal function (Meng XL, Wong WH. Stat Sin
1996;6:831-860). What their iteration ends at is the root of a monotone function, which is found directly (Bennett CH.
J Comput Phys 1976;22:245-268). The error is the relative root mean square error of Frühwirth-Schnatter S (Econom J
2004;7:143-167), with the effective number of draws as Gronau QF et al. (J Math Psychol 2017;81:80-97) take it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import root_scalar
from scipy.special import expit

from pkpd.errors import PkpdError
from pkpd.estimation.convergence import diagnose

__all__ = ["Bridge", "bridged"]

Floats = NDArray[np.float64]
#: draws that the proposal is fitted to, for each dimension
FEWEST = 2
#: share of the draws that may have no density
LOST = 0.01


@dataclass(frozen=True)
class Bridge:
    """The logarithm of an integral.

    Attributes
    ----------
    value, error : float
        It, and its standard error.
    overlap : float
        Of the symmetric density and the proposal, 0 to 1.
    rhat : float
        Largest R-hat of the entries of the vector.
    """

    value: float
    error: float
    overlap: float
    rhat: float


def bridged(log_density: Callable[[Floats], float], q: Floats, seed: int = 0) -> Bridge:
    """Return the logarithm of the integral of a density.

    Parameters
    ----------
    log_density : callable
        From a vector, shape (dim,), to the logarithm of the density; -inf where there is none.
    q : array, shape (chain, draw, dim)
        Draws of it. The proposal is fitted to the first half of each chain, the other is bridged.
    seed : int
        Of the proposal's draws, as many as are bridged.

    Raises
    ------
    PkpdError
        If there are too few draws for the dimensions, or more than 1 % of them have no density.
    """
    dim, half = q.shape[2], q.shape[1] // 2
    fitted = q[:, :half].reshape(-1, dim)
    if len(fitted) < max(FEWEST * dim, 10):
        raise PkpdError(
            f"{2 * len(fitted)} draws are too few for bridge sampling in {dim} dimensions; draw "
            f"{2 * max(FEWEST * dim, 10)} or more"
        )
    centre, root = fitted.mean(axis=0), _root(fitted)
    volume = float(np.log(np.diag(root)).sum()) + 0.5 * dim * math.log(2.0 * math.pi) - math.log(2.0)

    def log_ratio(z: Floats) -> tuple[Floats, Floats]:
        """Return the log ratio of symmetric density and proposal at z, (n, dim), and the log density at m + L z."""
        apart = z @ root.T
        ahead, behind = (np.array([log_density(centre + s * each) for each in apart]) for s in (1.0, -1.0))
        return np.logaddexp(ahead, behind) + volume + 0.5 * (z * z).sum(axis=1), ahead

    drawn = q[:, half:].reshape(-1, dim)
    of_posterior, own = log_ratio(solve_triangular(root, (drawn - centre).T, lower=True).T)
    seen = np.isfinite(own)
    if seen.mean() < 1.0 - LOST:
        raise PkpdError(f"{(~seen).sum()} of {seen.size} draws have no density: they are no draws of it")
    of_proposal, _ = log_ratio(np.random.default_rng([seed, 13]).standard_normal(drawn.shape))
    # without a density only by rounding: as far as any other
    of_posterior[~seen] = of_posterior[seen].min()
    worst = max(d["rhat"] for d in diagnose({str(k): q[:, half:, k] for k in range(dim)}).values())
    return _bridge(of_posterior.reshape(q.shape[0], -1), of_proposal, worst)


def _root(draws: Floats) -> Floats:
    """Return the Cholesky factor of a covariance whose correlations are shrunk by as much as chance makes of them.

    The optimal intensity is that of Schäfer J, Strimmer K (Stat Appl Genet Mol Biol 2005;4:32).
    """
    sd = draws.std(axis=0, ddof=1)
    r = np.atleast_2d(np.corrcoef(draws, rowvar=False))
    off = ~np.eye(len(r), dtype=bool)
    chance, there = ((1.0 - r[off] ** 2) ** 2).sum() / len(draws), (r[off] ** 2).sum()
    r[off] *= 1.0 - min(chance / there, 1.0) if there > 0 else 0.0
    return np.linalg.cholesky(r) * sd[:, None]


def _bridge(of_posterior: Floats, of_proposal: Floats, rhat: float) -> Bridge:
    """Return the estimate from log ratios at draws of the posterior, (chain, draw), and of the proposal, (n,)."""
    n1, n2 = float(of_posterior.size), float(of_proposal.size)
    mu, by_posterior, by_proposal = _root_of(of_posterior, of_proposal, n1 / n2)
    # what correlated draws are worth depends on the estimate, though hardly
    worth = diagnose({"bridge": by_posterior})["bridge"]["ess_bulk"]
    if worth > 0:
        n1 = min(worth, n1)
        mu, by_posterior, by_proposal = _root_of(of_posterior, of_proposal, n1 / n2)
    overlap = float(by_posterior.mean())
    square = by_proposal.var() / by_proposal.mean() ** 2 / n2 + by_posterior.var() / overlap**2 / n1
    return Bridge(mu, math.sqrt(square), overlap, rhat)


def _root_of(of_posterior: Floats, of_proposal: Floats, share: float) -> tuple[float, Floats, Floats]:
    """Return the log integral, and the optimal bridge over each density at the draws of the other.

    Both means of the latter are the overlap ``integral of p g / (s1 p + s2 g)``, of the normalised densities.

    Parameters
    ----------
    share : float
        Draws of the posterior for each of the proposal.
    """
    shift = math.log(share)

    def excess(mu: float) -> float:
        return share * float(expit(mu - shift - of_posterior).mean()) - float(expit(of_proposal - mu + shift).mean())

    every = np.concatenate([of_posterior.ravel(), of_proposal[np.isfinite(of_proposal)]])
    found = root_scalar(excess, bracket=(every.min() - 50.0, every.max() + 50.0), method="brentq", xtol=1e-12)
    mu = float(found.root)
    s1, s2 = share / (1.0 + share), 1.0 / (1.0 + share)
    return mu, expit(mu - shift - of_posterior) / s2, expit(of_proposal - mu + shift) / s1
