"""What the panels of a cascade need of exp(A h): computed once for each length h and remembered.

For the nodes c of a panel, exp(A c h) and its integral come from their Taylor series at c h / 2^k and k doublings, as
in ``pkpd.solve.linear``, for all nodes side by side and only at entries that can differ from zero.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.machine.jit import compiled
from pkpd.solve.linear import KEPT, ORDER
from pkpd.solve.panel import NODES, Layout, lobatto
from pkpd.solve.rows import copy_row, multiply_add, polynomial
from pkpd.solve.walk import read_matrix

__all__ = [
    "ATOL", "DOWN", "DRIVEN", "HOPE", "H_MAX", "LATEST", "LENGTH", "LEVEL", "MAX_STEPS", "POSITION", "RTOL", "SINCE",
    "STEPS", "TIME", "UP", "USED", "VERSION", "WHICH", "Pattern", "Sets", "Subject", "begin_row", "make", "pattern_of",
    "supply",
]  # fmt: skip

#: arrays of ``pkpd.solve.panel.Layout`` with the nodes, and which states are upstream
Pattern = namedtuple("Pattern", "entries products watched reads pairs nodes upstream size timed")
#: Taylor series of exp(A s) and of its integral; both at the nodes; what is remembered for each length of a panel
Sets = namedtuple("Sets", "series integral E G X nodes lengths version stored G_nodes terms factors")
#: states now and at the panel's end, places, constants and infusions, and arrays of the numbers that are listed below
Subject = namedtuple("Subject", "clock x new p c info pace count")
TIME, LENGTH, ATOL, RTOL, LATEST = range(5)  # of clock: panel's start and length, tolerances, end of its last piece
HOPE, SINCE, UP, DOWN, H_MAX, NORM = range(6)  # of pace: length hoped for, last event, fastest rates, bound, norm of A
STEPS, MAX_STEPS, VERSION, DRIVEN, USED, LEVEL, POSITION, WHICH = range(8)  # of count


def pattern_of(layout: Layout, n: int) -> Pattern:
    """Return what the compiled loop needs to know of a layout."""
    upstream = np.ones(n, bool)
    upstream[layout.affected] = False
    return Pattern(
        layout.entries, layout.products, layout.watched, layout.reads, layout.pairs, lobatto()[0], upstream,
        layout.size, layout.timed,
    )  # fmt: skip


@compiled
def make(at, n, places, rtol, atol, max_steps, h_max):
    """Return room for the sets and for a subject."""
    m, q = at.entries.shape[0], at.products.shape[0]
    sets = Sets(
        np.zeros((m, ORDER + 1)), np.zeros((m, ORDER + 1)), np.zeros((m, NODES)), np.zeros((m, NODES)),
        np.zeros((m, NODES)), np.zeros(NODES), np.zeros(KEPT), np.zeros(KEPT, np.int64), np.zeros((KEPT, at.size)),
        np.zeros((KEPT, m, NODES)), np.zeros((q, 2), np.int64), np.zeros(q),
    )  # fmt: skip
    me = Subject(
        np.zeros(5),
        np.zeros(n),
        np.zeros(n),
        np.zeros(places),
        np.zeros(n),
        np.zeros(2),
        np.zeros(6),
        np.zeros(8, np.int64),
    )
    me.clock[ATOL], me.clock[RTOL] = atol, rtol
    me.pace[H_MAX], me.count[MAX_STEPS] = h_max, max_steps
    return sets, me


@compiled
def begin_row(at, sets, me, A, b, P, column, matrix_places):
    """Take over another column of P: matrix, Taylor series and the rates that bound the panels; forget all sets."""
    read_matrix(P, matrix_places, column, A, b)
    for k in range(me.p.size):
        me.p[k] = P[k, column]
    pace = me.pace
    pace[UP], pace[DOWN], pace[NORM] = 0.0, 0.0, 0.0
    for i in range(b.size):
        side = UP if at.upstream[i] else DOWN
        pace[side] = max(pace[side], abs(A[i, i]))
        total = 0.0
        for k in range(b.size):
            total += abs(A[i, k])
        pace[NORM] = max(pace[NORM], total)
    _expand(at.entries, at.products, A, sets.series, sets.integral, sets.terms, sets.factors)
    me.count[USED] = 0


@compiled
def _expand(entries, products, A, series, integral, terms, factors):
    """Write the Taylor coefficients of exp(A s) and of its integral over s, entry by entry."""
    used = 0
    for q in range(products.shape[0]):
        a = products[q, 1]
        factor = A[entries[a, 0], entries[a, 1]]
        if factor != 0.0:
            terms[used, 0], terms[used, 1], factors[used] = products[q, 0], products[q, 2], factor
            used += 1
    for e in range(entries.shape[0]):
        series[e, 0] = 1.0 if entries[e, 0] == entries[e, 1] else 0.0
        integral[e, 0] = series[e, 0]
    for k in range(1, ORDER + 1):
        for e in range(entries.shape[0]):
            series[e, k] = 0.0
        for q in range(used):
            series[terms[q, 0], k] += factors[q] * series[terms[q, 1], k - 1]
        for e in range(entries.shape[0]):
            series[e, k] *= 1.0 / k
            integral[e, k] = series[e, k] * (1.0 / (k + 1))


@compiled
def _at_nodes(products, series, integral, nodes, h, norm, driven, s, E, G, X):
    """Write exp(A c h) at the nodes c to E and, if driven, its integral to G: series at c h / 2^k and k doublings."""
    m, k = E.shape[0], 0
    while math.ldexp(norm * h, -k) > 0.5:
        k += 1
    for j in range(NODES):
        s[j] = math.ldexp(nodes[j] * h, -k)
    for e in range(m):
        polynomial(E, e, series, ORDER, s)
        if driven:
            polynomial(G, e, integral, ORDER, s)
            for j in range(NODES):
                G[e, j] *= s[j]
    for _ in range(k):
        if driven:
            for e in range(m):
                copy_row(X, e, G, e)
            for q in range(products.shape[0]):
                multiply_add(X, products[q, 0], E, products[q, 1], G, products[q, 2])
            for e in range(m):
                copy_row(G, e, X, e)
        for e in range(m):
            for j in range(NODES):
                X[e, j] = 0.0
        for q in range(products.shape[0]):
            multiply_add(X, products[q, 0], E, products[q, 1], E, products[q, 2])
        for e in range(m):
            copy_row(E, e, X, e)


@compiled
def supply(at, sets, me):
    """Make the set for the panel at hand, or bring up to date what constants and infusions add to it."""
    q, driven = me.count[WHICH], me.count[DRIVEN] != 0
    if q < 0:
        q = me.count[USED] % KEPT
        me.count[USED] += 1
        sets.lengths[q] = me.clock[LENGTH]
        E, G = sets.E, sets.G
        _at_nodes(
            at.products,
            sets.series,
            sets.integral,
            at.nodes,
            me.clock[LENGTH],
            me.pace[NORM],
            driven,
            sets.nodes,
            E,
            G,
            sets.X,
        )
        _store(at.reads, at.pairs, at.watched.size, E, sets.stored, q)
        if driven:
            for e in range(G.shape[0]):
                for j in range(NODES):
                    sets.G_nodes[q, e, j] = G[e, j]
    sets.version[q] = me.count[VERSION]
    if driven:
        _drive(at.entries, at.reads, at.watched, at.pairs.size, sets.G_nodes, me.c, sets.stored, q)


@compiled
def _store(reads, pairs, watched, E, stored, q):
    """Write to set q what depends on A and h alone."""
    for i in range(stored.shape[1]):
        stored[q, i] = 0.0
    for i in range(reads.size):
        for j in range(NODES):
            stored[q, i * NODES + j] = E[reads[i], j]
    first = (reads.size + watched) * NODES
    for i in range(pairs.size):
        for j in range(NODES):
            stored[q, first + i * NODES + j] = E[pairs[i], NODES - 1 - j]
    first += pairs.size * NODES
    for e in range(E.shape[0]):
        stored[q, first + e] = E[e, NODES - 1]


@compiled
def _drive(entries, reads, watched, pairs, G_nodes, c, stored, q):
    """Write to set q what the constants and infusions c add, at the nodes and at the end."""
    first = reads.size * NODES
    for w in range(watched.size):
        for j in range(NODES):
            total = 0.0
            for i in range(reads.size):
                e = reads[i]
                if entries[e, 0] == watched[w]:
                    total += G_nodes[q, e, j] * c[entries[e, 1]]
            stored[q, first + w * NODES + j] = total
    first += (watched.size + pairs) * NODES + entries.shape[0]
    for i in range(c.size):
        stored[q, first + i] = 0.0
    for e in range(entries.shape[0]):
        stored[q, first + entries[e, 0]] += G_nodes[q, e, NODES - 1] * c[entries[e, 1]]
