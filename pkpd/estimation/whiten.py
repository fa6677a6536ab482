"""Roots of covariances, to make numbers uncorrelated."""

from __future__ import annotations

import numpy as np

__all__ = ["whiten"]


def whiten(C: np.ndarray, values: np.ndarray, root: str) -> np.ndarray:
    """Return C^(-1/2) values, NaN where C is singular.

    Parameters
    ----------
    C : float array, (k, k)
        Covariance.
    values : float array, (k,) or (k, n)
    root : {"symmetric", "cholesky"}
        The symmetric root, or the lower triangular one.

    Examples
    --------
    >>> whiten(np.diag([4.0, 9.0]), np.array([2.0, 6.0]), "symmetric")
    array([1., 2.])
    """
    variance = np.diag(C)
    if not (variance > 0).all():
        return np.full(values.shape, np.nan)
    if root == "cholesky":
        scale = np.sqrt(variance)
        try:
            L = np.linalg.cholesky(C / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            return np.full(values.shape, np.nan)
        return np.linalg.solve(L, (values.T / scale).T)
    size, vectors = np.linalg.eigh(C)
    if size[0] <= 1e-14 * size[-1]:
        return np.full(values.shape, np.nan)
    return vectors @ ((vectors.T @ values).T / np.sqrt(size)).T
