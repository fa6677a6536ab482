"""Steady state of linear equations under doses that are repeated for ever.

A cycle maps the states x to ``E x + v``, so that what repeats is ``x = (I - E)^-1 v``. States that neither a dose nor a
constant reaches are left out of that system: they need no loss to have a steady state.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from pkpd.engine.machine.jit import compiled
from pkpd.engine.solve.event_codes import SS_BOLUS, SS_CONSTANT
from pkpd.engine.solve.one_subject import turn
from pkpd.engine.solve.propagate import KEPT, Propagators, advance, find, multiply
from pkpd.engine.solve.shadows import AT_START, DURING, SS_COLUMNS, SS_OFF, SS_ON, SS_ONGOING, SS_PERIOD, add_shadows

__all__ = ["SteadyRoom", "fixed_point", "leave_alone", "make_steady_room", "solve_for", "spread", "steady"]

#: room for a steady state: marks of what is fed, bool (n,); two vectors and a matrix; propagators
SteadyRoom = namedtuple("SteadyRoom", "fed c y M known")


def make_steady_room(n: int) -> Any:
    """Return room for a steady state of n states."""
    known = Propagators(
        np.zeros(KEPT), np.zeros(1, np.int64), np.zeros((KEPT, n, n)), np.zeros((KEPT, n, n)), np.zeros((3, n, n))
    )
    return SteadyRoom(np.zeros(n, np.bool_), np.zeros(n), np.zeros(n), np.zeros((n, n)), known)


SQUARES = 60  # of a propagator, after which 1e18 cycles have passed


@compiled
def solve_for(M, v, skip):
    """Solve M x = v in place of v by Gaussian elimination over the rows not skipped; return False if singular.

    Rows are scaled first: a system is singular if a pivot vanishes beside its own row, however small the row is.
    """
    n = v.size
    for k in range(n):
        if skip[k]:
            continue
        largest = 0.0
        for j in range(n):
            if not skip[j]:
                largest = max(largest, abs(M[k, j]))
        if not 0.0 < largest < np.inf:
            return False
        for j in range(n):
            M[k, j] /= largest
        v[k] /= largest
    for k in range(n):
        if skip[k]:
            continue
        best = k
        for i in range(k + 1, n):
            if not skip[i] and abs(M[i, k]) > abs(M[best, k]):
                best = i
        if not abs(M[best, k]) > 1e-14:
            return False
        if best != k:
            for j in range(n):
                M[k, j], M[best, j] = M[best, j], M[k, j]
            v[k], v[best] = v[best], v[k]
        for i in range(k + 1, n):
            if not skip[i] and M[i, k] != 0.0:
                factor = M[i, k] / M[k, k]
                for j in range(k, n):
                    M[i, j] -= factor * M[k, j]
                v[i] -= factor * v[k]
    for k in range(n - 1, -1, -1):
        if not skip[k]:
            for j in range(k + 1, n):
                if not skip[j]:
                    v[k] -= M[k, j] * v[j]
            v[k] /= M[k, k]
    return True


@compiled
def spread(A, fed):
    """Mark all states that those marked already reach."""
    n, more = fed.size, True
    while more:
        more = False
        for i in range(n):
            for j in range(n):
                if not fed[i] and fed[j] and A[i, j] != 0.0:
                    fed[i] = more = True


@compiled
def leave_alone(E, base, fed, skip, x, X, Z):
    """Write to x what states that nothing feeds become when left alone: the limit of E^k base; 0 for all others.

    Return False if they grow without limit. X and Z are room for matrices.
    """
    n, moved = x.size, False
    for i in range(n):
        x[i] = 0.0 if fed[i] or skip[i] else base[i]
        moved |= x[i] != 0.0
    if not moved:
        return True
    for i in range(n):
        for j in range(n):
            X[i, j] = 0.0 if fed[i] or fed[j] or skip[i] or skip[j] else E[i, j]
    for k in range(SQUARES):
        multiply(X, X, Z)
        change = largest = 0.0
        for i in range(n):
            for j in range(n):
                change, largest = max(change, abs(Z[i, j] - X[i, j])), max(largest, abs(Z[i, j]))
                X[i, j] = Z[i, j]
        if change <= 1e-15 * n * 2.0**k * largest:  # what rounding alone does to an eigenvalue of 1
            break
    finite = True
    for i in range(n):
        if not (fed[i] or skip[i]):
            x[i] = 0.0
            for j in range(n):
                if X[i, j] != 0.0:  # what grows from nothing stays nothing
                    x[i] += X[i, j] * base[j] if base[j] != 0.0 else 0.0
            finite &= math.isfinite(x[i])
    return finite


@compiled
def _shrinks(E, out, X, Z):
    """Tell whether E^k vanishes for large k, rows and columns of ``out`` left out."""
    n = out.size
    for i in range(n):
        for j in range(n):
            X[i, j] = 0.0 if out[i] or out[j] else E[i, j]
    for _ in range(SQUARES):
        norm = 0.0
        for i in range(n):
            row = 0.0
            for j in range(n):
                row += abs(X[i, j])
            norm = max(norm, row)
        if norm < 1.0:
            return True
        if not norm < 1e100:
            return False
        multiply(X, X, Z)
        for i in range(n):
            for j in range(n):
                X[i, j] = Z[i, j]
    return False


@compiled
def fixed_point(A, E, G, x, fed, skip, M, work):
    """Solve x = E x + v for the states that are fed, v being given in x; return False without a steady state.

    ``I - E = -A G`` keeps slow decay to full accuracy. A solution of a system that grows would be one that nothing
    reaches. Where no off-diagonal entry of A is negative and v is not, that shows as a negative solution.
    """
    n = x.size
    out, positive, grows = np.zeros(n, np.bool_), True, False
    for i in range(n):
        out[i] = skip[i] or not fed[i]
    for i in range(n):
        if out[i]:
            continue
        positive &= x[i] >= 0.0
        grows |= A[i, i] > 0.0
        for j in range(n):
            M[i, j] = 0.0
            positive &= i == j or out[j] or A[i, j] >= 0.0
        for k in range(n):
            if A[i, k] != 0.0:
                for j in range(n):
                    M[i, j] -= A[i, k] * G[k, j]
    if not solve_for(M, x, out):
        return False
    largest = 0.0
    for i in range(n):
        largest = max(largest, 0.0 if out[i] else abs(x[i]))
    for i in range(n):
        grows |= positive and not out[i] and x[i] < -1e-9 * largest
    return math.isfinite(largest) and (not grows or _shrinks(E, out, work[0], work[1]))


@compiled
def fed_by(A, b, dose, fed):
    """Mark the states that constants or the doses of a steady state feed, directly or by others."""
    n = b.size
    for i in range(n):
        fed[i] = b[i] != 0.0 or (i == dose.state and dose.value != 0.0)
    for which in range(3):
        first = SS_COLUMNS + which * n
        if dose.ss.shape[1] > first:
            for i in range(n):
                fed[i] |= dose.ss[dose.row, first + i] != 0.0
    spread(A, fed)


@compiled
def steady(A, b, base, dose, skip, x, room):
    """Write to x the steady state at the end of a dosing cycle; return False if there is none.

    Parameters
    ----------
    base : float array, (n,)
        Where the states begin: those that nothing feeds go on from there by themselves, and stay if nothing moves them.
    skip : bool array, (n,)
        States to leave out.
    dose : SteadyDose
    room : SteadyRoom
    """
    n, (fed, c, y, M, known) = x.size, room
    fed_by(A, b, dose, fed)
    ss, row = dose.ss, dose.row
    period, on, off, ongoing = ss[row, SS_PERIOD], ss[row, SS_ON], ss[row, SS_OFF], ss[row, SS_ONGOING]
    if dose.kind == SS_CONSTANT:  # any length will do
        fastest = 0.0
        for i in range(n):
            fastest = max(fastest, abs(A[i, i]))
        period, on, off, ongoing = 1.0 / fastest if fastest > 0.0 else 1.0, 0.0, 0.0, 1.0
    q = find(A, period, period, known)
    if not leave_alone(known.E[q], base, fed, skip, x, known.work[0], known.work[1]):
        return False
    for i in range(n):
        c[i] = b[i]
    if dose.kind == SS_BOLUS:
        advance(A, c, on, period, x, y, known)
        x[dose.state] += dose.value
        add_shadows(x, dose, AT_START, 1.0)
        advance(A, c, period - on, period, x, y, known)
    else:
        c[dose.state] += ongoing * dose.value
        add_shadows(c, dose, DURING, ongoing)
        if dose.kind == SS_CONSTANT:
            advance(A, c, period, period, x, y, known)
        else:
            first, second = min(on, off), max(on, off)
            advance(A, c, first, period, x, y, known)
            turn(x, c, dose, on <= off)
            advance(A, c, second - first, period, x, y, known)
            turn(x, c, dose, on > off)
            advance(A, c, period - second, period, x, y, known)
    q = find(A, period, period, known)
    return fixed_point(A, known.E[q], known.G[q], x, fed, skip, M, known.work)
