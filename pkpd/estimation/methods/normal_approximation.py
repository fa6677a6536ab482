"""A normal approximation at the mode, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.methods.modes import LogDensity, PosteriorMode
from pkpd.estimation.weights import effective

__all__ = ["NormalApproximation", "curvature_at", "laplace", "pareto_k", "polished"]

Floats = NDArray[np.float64]
_STEP = 3e-3
_FLOOR = 0.1  # the prior alone gives 1 in every direction that is not a spread
_EQUAL = 1e-4  # log densities are known no better: the solver's rtol (1e-6) over small reading errors, of many facts


@dataclass(frozen=True, eq=False)
class NormalApproximation:
    """Draws of the normal approximation at a mode.

    Attributes
    ----------
    mode : PosteriorMode
    covariance : array, shape (dim, dim)
    draws : array, shape (draw, dim)
        Those at which the density can be had.
    log_weights : array, shape (draw,)
        Log of posterior over approximation, normalised to a sum of 1.
    repaired : tuple of str
        For each curvature that was too flat or negative, the entry that it belongs to most.
    lost : float
        Share of the draws at which the density is 0.
    pareto_k : float
        Shape of the tail of the weights: below 0.7 importance weights can be used, above it the approximation is off in
        the tails (Vehtari et al. 2024, JMLR 25:72); 0 where the largest weights are equal.
    ess : float
        Effective size of the weighted draws.
    """

    mode: PosteriorMode
    covariance: Floats
    draws: Floats
    log_weights: Floats
    repaired: tuple[str, ...]
    lost: float
    pareto_k: float
    ess: float


def hessian(posterior: LogDensity, q: Floats, step: float = _STEP) -> Floats:
    """Return the second derivatives of the log density: central differences of the exact gradient, made symmetric."""
    out = np.empty((posterior.dim, posterior.dim))
    for i in range(posterior.dim):
        ahead, behind = q.copy(), q.copy()
        ahead[i] += step
        behind[i] -= step
        (up, gradient_up), (down, gradient_down) = posterior.logp_grad(ahead), posterior.logp_grad(behind)
        if np.isfinite(up) and np.isfinite(down):
            out[i] = (gradient_up - gradient_down) / (2.0 * step)
        else:  # an edge of the density: only the prior's curvature is known
            out[i] = 0.0
            out[i, i] = -1.0
    return 0.5 * (out + out.T)


def laplace(posterior: LogDensity, mode: PosteriorMode, *, draws: int = 1000, seed: int = 0) -> NormalApproximation:
    """Return the normal approximation at a mode, after at most three Newton steps towards it.

    Parameters
    ----------
    posterior : LogDensity
    mode : PosteriorMode
    draws : int
    seed : int
        Of the draws.
    """
    curvature, basis, repaired = curvature_at(posterior, mode.q)
    mode = polished(posterior, mode, curvature, basis)
    rng = np.random.default_rng([seed, 2])
    z = rng.standard_normal((draws, posterior.dim))
    q = mode.q + (z / np.sqrt(curvature)) @ basis.T
    log_normal = -0.5 * (z * z).sum(axis=1) + 0.5 * np.log(curvature).sum() - 0.5 * posterior.dim * np.log(2 * np.pi)
    logp = np.array([posterior.logp(each) for each in q])
    seen = np.isfinite(logp)
    log_weights = logp[seen] - log_normal[seen]
    log_weights -= np.logaddexp.reduce(log_weights) if seen.any() else 0.0
    ess = float(effective(np.exp(log_weights)))
    covariance = (basis / curvature) @ basis.T
    lost = float(1.0 - seen.mean())
    return NormalApproximation(mode, covariance, q[seen], log_weights, repaired, lost, pareto_k(log_weights), ess)


def curvature_at(posterior: LogDensity, q: Floats) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return eigenvalues of the negative Hessian, at least the floor, its vectors, and what had to be raised."""
    values, basis = np.linalg.eigh(-hessian(posterior, q))
    flat = values < _FLOOR
    repaired = tuple(posterior.names[int(np.argmax(np.abs(basis[:, i])))] for i in np.flatnonzero(flat))
    return np.where(flat, _FLOOR, values), basis, repaired


def polished(posterior: LogDensity, mode: PosteriorMode, curvature: Floats, basis: Floats) -> PosteriorMode:
    """Return the mode after Newton steps that go uphill."""
    q, logp = mode.q, mode.logp
    begun = posterior.calls
    _, gradient = posterior.logp_grad(q)
    for _ in range(3):
        ahead = q + basis @ ((basis.T @ gradient) / curvature)
        new, slope = posterior.logp_grad(ahead)
        if not new >= logp - 1e-9 or np.abs(slope).max() >= np.abs(gradient).max():
            break
        q, logp, gradient = ahead, new, slope
    calls = mode.calls + posterior.calls - begun
    return PosteriorMode(q, logp, float(np.abs(gradient).max()), mode.reached, calls)


def pareto_k(log_weights: Floats) -> float:
    """Return the shape of the generalised Pareto distribution of the largest weights; NaN for fewer than 25.

    It is 0 where the logarithms of these weights span less than 1e-4: they are equal, as far as densities are known,
    and their differences say nothing about a tail. Uses the estimator of Zhang and Stephens (2009) on the largest
    ``min(n / 5, 3 sqrt(n))`` weights, with the weak prior of Vehtari et al. (2024, JMLR 25:72).

    Examples
    --------
    >>> pareto_k(np.zeros(100))
    0.0
    """
    n = len(log_weights)
    tail = int(np.ceil(min(0.2 * n, 3.0 * np.sqrt(n))))
    if n < 25:
        return float("nan")
    ordered = np.sort(log_weights)
    if ordered[-1] - ordered[-tail - 1] < _EQUAL:
        return 0.0
    x = np.exp(ordered - ordered[-1])
    excess = x[-tail:] - x[-tail - 1]
    grid = 30 + int(np.sqrt(tail))
    quarter = max(excess[int(tail / 4 + 0.5) - 1], 1e-300)
    theta = (1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3.0 * quarter) + 1.0 / excess[-1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shape = np.log1p(-theta[:, None] * excess).mean(axis=1)
        profile = tail * (np.log(-theta / shape) - shape - 1.0)
        weight = 1.0 / np.exp(profile - profile[:, None]).sum(axis=1)
    weight = np.nan_to_num(weight, nan=0.0)
    if not weight.sum() > 0:
        return float("inf")
    centre = float((theta * weight).sum() / weight.sum())
    k = float(np.log1p(-centre * excess).mean())
    return (tail * k + 5.0) / (tail + 10.0)
