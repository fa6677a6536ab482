"""Weighted draws: weights from logarithms, how many draws they are worth, and the densities of proposals."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["effective", "log_normal", "log_t", "normalised", "standard_t", "weighted_quantiles", "weighted_variance"]


def normalised(log_weights: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1 from their logarithms, along the first axis; zeros where all are -inf.

    Examples
    --------
    >>> normalised(np.log([1.0, 3.0]))
    array([0.25, 0.75])
    """
    top = log_weights.max(axis=0, keepdims=True)
    weights = np.exp(log_weights - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(axis=0, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def effective(weights: np.ndarray) -> np.ndarray:
    """Return the effective number of draws, ``(sum w)^2 / sum w^2`` along the first axis; 0 where all weights are 0.

    Examples
    --------
    >>> float(effective(np.array([0.5, 0.5, 0.0])))
    2.0
    """
    squares = np.sum(weights**2, axis=0)
    return weights.sum(axis=0) ** 2 / np.where(squares > 0, squares, 1.0)


def weighted_variance(x: np.ndarray, weights: np.ndarray) -> float:
    """Return the variance of weighted values."""
    return float(weights @ (x - weights @ x) ** 2)


def weighted_quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return median, 5% and 95% of weighted values."""
    order = np.argsort(values)
    mass = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp([0.5, 0.05, 0.95], mass, values[order])


def standard_t(normal: np.ndarray, chi2: np.ndarray, nu: float) -> np.ndarray:
    """Return standard t vectors, (..., p), from standard normal ones and numbers of chi squared with nu degrees."""
    return normal * np.sqrt(nu / chi2)[..., None]


def log_t(square: np.ndarray, d: np.ndarray | int, nu: float) -> np.ndarray:
    """Return the log-density of standard t vectors of d entries, by the sum of their squares."""
    from scipy.special import gammaln

    constant = gammaln(0.5 * (nu + d)) - math.lgamma(0.5 * nu) - 0.5 * d * math.log(nu * math.pi)
    return constant - 0.5 * (nu + d) * np.log1p(square / nu)


def log_normal(square: np.ndarray, d: np.ndarray | int) -> np.ndarray:
    """Return the log-density of standard normal vectors of d entries, by the sum of their squares."""
    return -0.5 * square - 0.5 * d * math.log(2.0 * math.pi)
