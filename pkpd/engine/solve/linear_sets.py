"""The exact step of ``x' = A x + c`` for eight subjects side by side, each with its own A and its own step length.

As in :mod:`pkpd.engine.solve.propagate`, ``E = exp(A h)`` and ``G = int_0^h exp(A s) ds`` come from their Taylor series
at h / 2^k and k doublings, k that of each subject, the first ones by E - 1; only entries that can differ from zero are
computed.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import leaf
from pkpd.engine.solve.panel import PanelLayout
from pkpd.engine.solve.propagate import LAST, ORDER
from pkpd.engine.solve.rows import ROW, choose_row, copy_row, multiply_add, multiply_row, scale_row

__all__ = ["LinearPattern", "StepSets", "drive", "find_sets", "linear_pattern", "make_sets", "move"]

#: entries of exp(A h) that can differ from zero, (m, 2); products (q, 3) of two such matrices, see
#: ``pkpd.engine.solve.panel.PanelLayout``; places of A at the entries, (m,), and of the constant part, (n,), -1: zero
LinearPattern = namedtuple("LinearPattern", "entries products places constants")
#: step lengths, (KEPT, 8), and how many were met, (1,); E and G of each, (KEPT m, 8); rows that are one on the
#: diagonal, (m, 8); room (3 m, 8); h / 2^k, (1, 8); doublings that are left, (1, 8); zeros, (1, 8); what a doubling
#: adds of G and of E itself, (2, 8)
StepSets = namedtuple("StepSets", "lengths used E G unit work s left zero own")
KEPT = 12  # step lengths whose sets are remembered


def linear_pattern(layout: PanelLayout, places: np.ndarray) -> LinearPattern:
    """Return what the compiled loop needs to know of a layout; places of A and b as in ``Kernel.matrix_places``."""
    rows, columns = layout.entries.T
    return LinearPattern(
        layout.entries, layout.products, np.ascontiguousarray(places[rows, columns]),
        np.ascontiguousarray(places[:, -1]),
    )  # fmt: skip


def make_sets(at: LinearPattern) -> StepSets:
    """Return room for the sets."""
    m = len(at.entries)
    unit = np.zeros((m, ROW))
    unit[at.entries[:, 0] == at.entries[:, 1]] = 1.0
    return StepSets(
        np.zeros((KEPT, ROW)), np.zeros(1, np.int64), np.zeros((KEPT * m, ROW)), np.zeros((KEPT * m, ROW)), unit,
        np.zeros((3 * m, ROW)), np.zeros((1, ROW)), np.zeros((1, ROW)), np.zeros((1, ROW)), np.zeros((2, ROW)),
    )  # fmt: skip


@leaf
def _add_products(products, c, ic, a, ia, b, ib):
    """Add the product of matrices a and b to c; each begins at a row of its array."""
    for q in range(products.shape[0]):
        multiply_add(c, ic + products[q, 0], a, ia + products[q, 1], b, ib + products[q, 2])


@leaf
def _doublings(clock, norm, h, s, left):
    """Write h / 2^k to ``s`` and k, by the norm of each A, to ``left``; return the largest k."""
    most = 0
    for w in range(ROW):
        size = clock[norm, w] * clock[h, w]
        k = max(0, math.ceil(math.log2(max(size, 1e-300))) + 1) if size < np.inf else 0
        s[0, w] = math.ldexp(clock[h, w], -k)
        left[0, w] = k
        most = max(most, k)
    return most


@leaf
def _add_unit(first, sets):
    """Let E hold exp(A s) itself in the lanes that have few doublings left, where it holds that less 1."""
    for w in range(ROW):
        if sets.own[1, w] != 0.0 and sets.left[0, w] <= LAST:
            sets.own[0, w], sets.own[1, w] = 1.0, 0.0
            for e in range(sets.unit.shape[0]):
                sets.E[first + e, w] += sets.unit[e, w]


@leaf
def _make(products, A, clock, norm, h, first, sets):
    """Write exp(A h) and its integral to the sets that begin at row ``first``."""
    m, E, G, unit, work = sets.unit.shape[0], sets.E, sets.G, sets.unit, sets.work
    most = _doublings(clock, norm, h, sets.s, sets.left)
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
        copy_row(E, first + e, sets.zero, 0)
        multiply_row(G, first + e, work, Q + e, sets.s, 0)
    _add_products(products, E, first, work, Z, work, Q)
    sets.own[:] = 2.0
    _add_unit(first, sets)
    for _ in range(most):
        for e in range(m):
            multiply_row(work, X + e, G, first + e, sets.own, 0)
        _add_products(products, work, X, E, first, G, first)
        for e in range(m):
            choose_row(G, first + e, work, X + e, sets.left, 0)
            multiply_row(work, X + e, E, first + e, sets.own, 1)
        _add_products(products, work, X, E, first, E, first)
        for e in range(m):
            choose_row(E, first + e, work, X + e, sets.left, 0)
        for w in range(ROW):
            sets.left[0, w] -= 1.0
        _add_unit(first, sets)


@leaf
def find_sets(at, A, clock, norm, h, now, sets):
    """Return the row at which the sets for a step begin, made if need be.

    Parameters
    ----------
    A : float array, (m, 8)
    clock : float array, (rows, 8)
    norm, h, now : int
        Rows of the norm of each A, of the length of its step, and of the time by whose rounding lengths may differ.
    """
    m, lengths = at.entries.shape[0], sets.lengths
    for q in range(min(sets.used[0], KEPT)):
        known = True
        for w in range(ROW):
            known &= abs(lengths[q, w] - clock[h, w]) <= 4e-16 * abs(clock[now, w])
        if known:
            return q * m
    q = sets.used[0] % KEPT
    sets.used[0] += 1
    copy_row(lengths, q, clock, h)
    _make(at.products, A, clock, norm, h, q * m, sets)
    return q * m


@leaf
def drive(at, first, v, b, r, c, d, sets):
    """Write what constants and infusions add in a step.

    Parameters
    ----------
    first : int
        Where the sets of the step begin.
    v : float array, (rows, 8)
    b, r, c, d : int
        Rows of v from which on constants and infusions stand, their sum goes, and what they add.
    """
    driven, entries = False, at.entries
    for i in range(at.constants.size):
        copy_row(v, d + i, sets.zero, 0)
        for w in range(ROW):
            v[c + i, w] = v[b + i, w] + v[r + i, w]
            driven |= v[c + i, w] != 0.0
    if driven:
        for e in range(entries.shape[0]):
            multiply_add(v, d + entries[e, 0], sets.G, first + e, v, c + entries[e, 1])


@leaf
def move(entries, E, first, v, d, y, after, n):
    """Write ``E x + d`` to n rows of y from ``after`` on; in v stand x in the first n rows, and d from row d on."""
    for i in range(n):
        copy_row(y, after + i, v, d + i)
    for e in range(entries.shape[0]):
        multiply_add(y, after + entries[e, 0], E, first + e, v, entries[e, 1])
