"""Small dense matrices inside compiled loops."""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import leaf

__all__ = ["cholesky", "curvature", "inverse", "slopes", "solve"]


@leaf
def cholesky(H, L):
    """Write the lower factor of H; return the logarithm of the determinant, NaN if H is not positive definite."""
    n = H.shape[0]
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            s = H[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            if i == j:
                if not s > 0.0:
                    return np.nan
                L[i, i] = math.sqrt(s)
                total += 2.0 * math.log(L[i, i])
            else:
                L[i, j] = s / L[j, j]
    return total


@leaf
def solve(L, B, row):
    """Solve L L^T x = b in place, where b is a row of B."""
    n = L.shape[0]
    for i in range(n):
        for k in range(i):
            B[row, i] -= L[i, k] * B[row, k]
        B[row, i] /= L[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            B[row, i] -= L[k, i] * B[row, k]
        B[row, i] /= L[i, i]


@leaf
def slopes(e, factor, i, A):
    """Write A = dphi/deta L of subject i."""
    d, p = e.shape[0], e.shape[1]
    for k in range(d):
        for b in range(p):
            s = 0.0
            for a in range(b, p):
                s += e[k, a, i] * factor[a, b]
            A[k, b] = s


@leaf
def curvature(A, M, H):
    """Write H = I + A^T M A."""
    d, p = A.shape
    for a in range(p):
        for b in range(a + 1):
            s = 1.0 if a == b else 0.0
            for k in range(d):
                t = 0.0
                for c in range(d):
                    t += M[k, c] * A[c, b]
                s += A[k, a] * t
            H[a, b] = s
            H[b, a] = s


@leaf
def inverse(C, Q):
    """Write the inverse of L L^T, L in C."""
    for a in range(Q.shape[0]):
        for b in range(Q.shape[0]):
            Q[a, b] = 1.0 if a == b else 0.0
        solve(C, Q, a)
