"""The exact step of ``x' = A x + c``: ``x(t + h) = E x + G c`` with ``E = exp(A h)`` and ``G = int_0^h exp(A s) ds``.

Both come from their Taylor series at h / 2^k and k doublings; for compartmental A (no negative entry off the diagonal)
the doublings add non-negative numbers only, so that every entry keeps its relative accuracy, small ones included.

A doubling also doubles what E has lost by rounding, and where one rate is far above the others, E of the slow ones is
hardly less than 1 for many doublings. All but the last ``LAST`` are therefore taken by D = E - 1, which loses nothing:

    D(2 s) = 2 D + D D,    G(2 s) = 2 G + D G

What decays so fast that D loses it, by more than exp(-1) in h / 2^LAST, is below the smallest number at h.
"""

from __future__ import annotations

import math
from collections import namedtuple

from pkpd.engine.machine.jit import leaf

__all__ = ["KEPT", "LAST", "ORDER", "Propagators", "advance", "find", "multiply"]

KEPT = 12  # step lengths whose propagators are remembered
ORDER = 14
LAST = 10
#: step lengths and how many were met, (1,); E and G of each, (KEPT, n, n); room, (3, n, n)
Propagators = namedtuple("Propagators", "lengths used E G work")
SMALL = 6  # states up to which matrices are multiplied entry by entry


@leaf
def multiply(A, B, C):
    """Write A B to C."""
    n = A.shape[0]
    if n > SMALL:  # row by row, which leaves out the many zeros of chains and of sensitivities
        for i in range(n):
            for j in range(n):
                C[i, j] = 0.0
            for k in range(n):
                factor = A[i, k]
                if factor != 0.0:
                    for j in range(n):
                        C[i, j] += factor * B[k, j]
        return
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += A[i, k] * B[k, j]
            C[i, j] = total


@leaf
def _propagator(A, h, E, G, work):
    """Write exp(A h) to E and its integral to G; work is (3, n, n)."""
    n = A.shape[0]
    norm = 0.0
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += abs(A[i, j])
        norm = max(norm, row)
    k = max(0, math.ceil(math.log2(max(norm * h, 1e-300))) + 1)
    s = h * 0.5**k
    Z, X, Q = work[0], work[1], work[2]
    for i in range(n):
        for j in range(n):
            Z[i, j] = A[i, j] * s
            Q[i, j] = 1.0 / ORDER if i == j else 0.0
    # Q = sum_m Z^m / (m+1)! by Horner: Q <- (1 + Z Q) / m, at last Q with m = 1
    for m in range(ORDER - 1, 0, -1):
        multiply(Z, Q, X)
        for i in range(n):
            for j in range(n):
                Q[i, j] = (X[i, j] + (1.0 if i == j else 0.0)) / m
    multiply(Z, Q, X)
    for i in range(n):
        for j in range(n):
            E[i, j] = X[i, j]
            G[i, j] = Q[i, j] * s
    for left in range(k, -1, -1):
        less = 1.0 if left > LAST else 0.0  # whether E holds D
        if left == min(k, LAST):
            for i in range(n):
                E[i, i] += 1.0
        if left == 0:
            break
        multiply(E, G, X)
        for i in range(n):
            for j in range(n):
                G[i, j] = X[i, j] + (1.0 + less) * G[i, j]
        multiply(E, E, X)
        for i in range(n):
            for j in range(n):
                E[i, j] = X[i, j] + 2.0 * less * E[i, j]


@leaf
def find(A, h, clock, known):
    """Return the number of the remembered propagator for a step of length h, computed if need be."""
    for q in range(min(known.used[0], KEPT)):
        if abs(known.lengths[q] - h) <= 4e-16 * clock:
            return q
    q = known.used[0] % KEPT
    known.used[0] += 1
    known.lengths[q] = h
    _propagator(A, h, known.E[q], known.G[q], known.work)
    return q


@leaf
def advance(A, c, h, clock, x, y, known):
    """Move x on by h; y is room for n numbers."""
    if h <= 0.0:
        return
    n = x.size
    q = find(A, h, clock, known)
    E, G = known.E, known.G
    driven = False
    for i in range(n):
        driven |= c[i] != 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += E[q, i, j] * x[j]
        if driven:
            for j in range(n):
                total += G[q, i, j] * c[j]
        y[i] = total
    for i in range(n):
        x[i] = y[i]
