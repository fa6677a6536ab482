"""The exact step of ``x' = A x + c`` for eight subjects side by side, each with its own A and its own step length.

As in :mod:`pkpd.engine.solve.propagate`, ``E = exp(A h)`` and ``G = int_0^h exp(A s) ds`` come from their Taylor series
at h / 2^k and k doublings, k that of each subject; only entries that can differ from zero are computed.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf
from pkpd.engine.solve.panel import PanelLayout
from pkpd.engine.solve.propagate import ORDER
from pkpd.engine.solve.rows import ROW, choose_row, copy_row, multiply_add, multiply_row, scale_row

__all__ = ["LinearPattern", "StepSets", "drive", "find_sets", "linear_pattern", "make_sets", "move"]

#: entries of exp(A h) that can differ from zero, (m, 2); products (q, 3) of two such matrices, see
#: ``pkpd.engine.solve.panel.PanelLayout``; places of A at the entries, (m,), and of the constant part, (n,), -1: zero
LinearPattern = namedtuple("LinearPattern", "entries products places constants")
#: step lengths, (KEPT, 8), and how many were met, (1,); E and G of each, (KEPT m, 8); rows that are one on the
#: diagonal, (m, 8); room (3 m, 8); h / 2^k, (1, 8); which subjects still double, (MOST, 8); zeros, (1, 8)
StepSets = namedtuple("StepSets", "lengths used E G unit work s doubling zero")
KEPT = 12  # step lengths whose sets are remembered
MOST = 1100  # doublings, beyond the range of doubles


def linear_pattern(layout: PanelLayout, places: np.ndarray) -> LinearPattern:
    """Return what the compiled loop needs to know of a layout; places of A and b as in ``Kernel.matrix_places``."""
    rows, columns = layout.entries.T
    return LinearPattern(
        layout.entries, layout.products, np.ascontiguousarray(places[rows, columns]),
        np.ascontiguousarray(places[:, -1]),
    )  # fmt: skip


@compiled
def make_sets(at):
    """Return room for the sets."""
    m = at.entries.shape[0]
    unit = np.zeros((m, ROW))
    for e in range(m):
        if at.entries[e, 0] == at.entries[e, 1]:
            unit[e] = 1.0
    return StepSets(
        np.zeros((KEPT, ROW)), np.zeros(1, np.int64), np.zeros((KEPT * m, ROW)), np.zeros((KEPT * m, ROW)), unit,
        np.zeros((3 * m, ROW)), np.zeros((1, ROW)), np.zeros((MOST, ROW)), np.zeros((1, ROW)),
    )  # fmt: skip


@leaf
def _add_products(products, c, ic, a, ia, b, ib):
    """Add the product of matrices a and b to c; each begins at a row of its array."""
    for q in range(products.shape[0]):
        multiply_add(c, ic + products[q, 0], a, ia + products[q, 1], b, ib + products[q, 2])


@leaf
def _doublings(norm, h, sets):
    """Write h / 2^k to ``s`` and who doubles to ``doubling``, k by the norm of each A; return the largest k."""
    most = 0
    for w in range(ROW):
        size = norm[w] * h[w]
        k = max(0, math.ceil(math.log2(max(size, 1e-300))) + 1) if size < np.inf else 0
        sets.s[0, w] = math.ldexp(h[w], -k)
        for step in range(most, k):
            sets.doubling[step] = 0.0
        most = max(most, k)
        for step in range(k):
            sets.doubling[step, w] = 1.0
    return most


@leaf
def _make(at, A, norm, h, first, sets):
    """Write exp(A h) and its integral to the sets that begin at row ``first``."""
    m, E, G, unit, work, products = at.entries.shape[0], sets.E, sets.G, sets.unit, sets.work, at.products
    most = _doublings(norm, h, sets)
    Z, X, Q = 0, m, 2 * m
    for e in range(m):
        multiply_row(work, Z + e, A, e, sets.s, 0)
        scale_row(work, Q + e, unit, e, 1.0 / ORDER)
    # Q = sum_m Z^m / (m+1)! by Horner: Q <- (1 + Z Q) / m, at last Q with m = 1
    for power in range(ORDER - 1, 0, -1):
        for e in range(m):
            copy_row(work, X + e, unit, e)
        _add_products(products, work, X, work, Z, work, Q)
        for e in range(m):
            scale_row(work, Q + e, work, X + e, 1.0 / power)
    for e in range(m):
        copy_row(E, first + e, unit, e)
        multiply_row(G, first + e, work, Q + e, sets.s, 0)
    _add_products(products, E, first, work, Z, work, Q)
    for step in range(most):
        for e in range(m):
            copy_row(work, X + e, G, first + e)
        _add_products(products, work, X, E, first, G, first)
        for e in range(m):
            choose_row(G, first + e, work, X + e, sets.doubling, step)
            copy_row(work, X + e, sets.zero, 0)
        _add_products(products, work, X, E, first, E, first)
        for e in range(m):
            choose_row(E, first + e, work, X + e, sets.doubling, step)


@leaf
def find_sets(at, A, norm, h, clock, sets):
    """Return the row at which the sets for steps of lengths h begin, made if need be.

    Parameters
    ----------
    A : float array, (m, 8)
    norm, h, clock : float array, (8,)
        Norm of each A, step length, and the time by whose rounding lengths may differ.
    """
    m = at.entries.shape[0]
    for q in range(min(sets.used[0], KEPT)):
        known = True
        for w in range(ROW):
            known &= abs(sets.lengths[q, w] - h[w]) <= 4e-16 * abs(clock[w])
        if known:
            return q * m
    q = sets.used[0] % KEPT
    sets.used[0] += 1
    for w in range(ROW):
        sets.lengths[q, w] = h[w]
    _make(at, A, norm, h, q * m, sets)
    return q * m


@leaf
def drive(at, first, b, r, c, d, sets):
    """Write to d, (n, 8), what constants b and infusions r add in a step; c is room."""
    driven, zero = False, sets.zero
    for i in range(d.shape[0]):
        copy_row(d, i, zero, 0)
        for w in range(ROW):
            c[i, w] = b[i, w] + r[i, w]
            driven |= c[i, w] != 0.0
    if driven:
        for e in range(at.entries.shape[0]):
            multiply_add(d, at.entries[e, 0], sets.G, first + e, c, at.entries[e, 1])


@leaf
def move(entries, E, first, d, x, before, y, after):
    """Write ``E x + d`` to the rows of y from ``after`` on; x has the states in rows from ``before`` on."""
    for i in range(d.shape[0]):
        copy_row(y, after + i, d, i)
    for e in range(entries.shape[0]):
        multiply_add(y, after + entries[e, 0], E, first + e, x, before + entries[e, 1])
