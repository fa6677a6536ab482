"""What the panels of a cascade need of exp(A h): computed once for each length h and remembered.

For the nodes c of a panel, exp(A c h) and its integral come from their Taylor series at c h / 2^k and k doublings, as
in ``pkpd.engine.solve.propagate``, for all nodes side by side and only at entries that can differ from zero.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf
from pkpd.engine.solve.call import unowned
from pkpd.engine.solve.panel import NODES, PanelLayout, lobatto
from pkpd.engine.solve.propagate import ORDER
from pkpd.engine.solve.rows import copy_row, multiply_add, polynomial
from pkpd.engine.solve.weights import add_weights, weight_table

__all__ = [
    "AFTER", "ATOL", "DOWN", "DRIVEN", "HOPE", "H_MAX", "KEPT", "LATEST", "LENGTH", "LEVEL", "MAX_STEPS", "POSITION",
    "RTOL", "SHORT", "SINCE", "STEPS", "TIME", "UP", "USED", "VERSION", "WHICH", "Pattern", "Sets", "Subject",
    "begin_row", "borrow", "make", "pattern_of", "supply",
]  # fmt: skip

#: arrays of ``pkpd.engine.solve.panel.PanelLayout`` with the nodes, which states are upstream, places of what is not
#: zero in A and b (row, column or n, place), and what chains need, see ``pkpd.engine.solve.chain``
Pattern = namedtuple("Pattern", "entries products watched reads pairs nodes upstream size timed matrix groups table")
#: Taylor series of exp(A s) and of its integral; both at the nodes; what is remembered for each length of a panel
Sets = namedtuple("Sets", "series integral E G X nodes lengths version stored G_nodes terms factors")
#: states now and at the panel's end, places, constants and infusions, arrays of the numbers that are listed below, and
#: the length hoped for after an event of each state (or of none, at last)
Subject = namedtuple("Subject", "clock x new p c info pace usual count")
KEPT = 24  # lengths of panels whose sets are remembered
TIME, LENGTH, ATOL, RTOL, LATEST = range(5)  # of clock: panel's start and length, tolerances, end of its last piece
#: of pace: length hoped for, last event, fastest rates, bound, norm of A, state of an event without panel so far or -1
HOPE, SINCE, UP, DOWN, H_MAX, NORM, AFTER = range(7)
STEPS, MAX_STEPS, VERSION, DRIVEN, USED, LEVEL, POSITION, WHICH, SHORT = range(9)  # of count


def pattern_of(layout: PanelLayout, places: np.ndarray) -> Pattern:
    """Return what the compiled loop needs to know of a layout; places of A and b as in ``Kernel.matrix_places``."""
    upstream = np.ones(len(places), bool)
    upstream[layout.affected] = False
    rows, columns = np.nonzero(places >= 0)
    matrix = np.column_stack([rows, columns, places[rows, columns]]).astype(np.int64)
    return Pattern(
        layout.entries, layout.products, layout.watched, layout.reads, layout.pairs, lobatto()[0], upstream,
        layout.size, layout.timed, matrix, layout.groups, weight_table(),
    )  # fmt: skip


@compiled
def make(at, n, places, rtol, atol, h_max):
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
        np.zeros(7),
        np.full(n + 1, np.inf),
        np.zeros(9, np.int64),
    )
    me.clock[ATOL], me.clock[RTOL] = atol, rtol
    me.pace[H_MAX] = h_max
    return sets, me


@compiled
def borrow(at, sets, me):
    """Return the same without counts of references, see :func:`pkpd.engine.solve.call.unowned`."""
    return (
        Pattern(
            unowned(at.entries), unowned(at.products), unowned(at.watched), unowned(at.reads), unowned(at.pairs),
            unowned(at.nodes), unowned(at.upstream), at.size, at.timed, unowned(at.matrix), unowned(at.groups),
            unowned(at.table),
        ),
        Sets(
            unowned(sets.series), unowned(sets.integral), unowned(sets.E), unowned(sets.G), unowned(sets.X),
            unowned(sets.nodes), unowned(sets.lengths), unowned(sets.version), unowned(sets.stored),
            unowned(sets.G_nodes), unowned(sets.terms), unowned(sets.factors),
        ),
        Subject(
            unowned(me.clock), unowned(me.x), unowned(me.new), unowned(me.p), unowned(me.c), unowned(me.info),
            unowned(me.pace), unowned(me.usual), unowned(me.count),
        ),
    )  # fmt: skip


@leaf
def begin_row(at, sets, me, A, b, P, column):
    """Take over another column of P: matrix, Taylor series and the rates that bound the panels; forget all sets.

    Returns
    -------
    bool
        Whether this can be solved: all must be finite, and states of chains must not grow by themselves.
    """
    for k in range(me.p.size):
        me.p[k] = P[k, column]
    pace, row, total, finite = me.pace, -1, 0.0, True
    pace[UP], pace[DOWN], pace[NORM] = 0.0, 0.0, 0.0
    for k in range(at.matrix.shape[0]):
        i, j, value = at.matrix[k, 0], at.matrix[k, 1], me.p[at.matrix[k, 2]]
        finite &= math.isfinite(value)
        if j == b.size:
            b[i] = value
            continue
        A[i, j] = value
        if i == j:
            side = UP if at.upstream[i] else DOWN
            pace[side] = max(pace[side], abs(value))
        total = abs(value) + (total if i == row else 0.0)
        row = i
        if at.upstream[i] or not at.groups.size:  # of chains, exp(A h) is taken upstream only
            pace[NORM] = max(pace[NORM], total)
    if not finite:
        return False
    _expand(at.entries, at.products, A, sets.series, sets.integral, sets.terms, sets.factors)
    me.count[USED] = 0
    if at.groups.size:  # exact weights and no matrix of the whole: panels may be twice as long
        pace[UP], pace[DOWN] = 0.5 * pace[UP], 0.5 * pace[DOWN]
    growing = False
    for k in range(at.groups.shape[0]):
        growing |= at.groups[k, 0] >= 0 and not me.p[at.groups[k, 0]] <= 0.0
    return not growing


@leaf
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


@leaf
def _at_nodes(at, sets, h, norm, driven):
    """Write exp(A c h) at the nodes c to E and, if driven, its integral to G: series at c h / 2^k and k doublings."""
    products, nodes, series, integral, s = at.products, at.nodes, sets.series, sets.integral, sets.nodes
    E, G, X = sets.E, sets.G, sets.X
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


@leaf
def supply(at, sets, me):
    """Make the set for the panel at hand, or bring up to date what constants and infusions add to it."""
    q, driven = me.count[WHICH], me.count[DRIVEN] != 0
    if q < 0:
        q = me.count[USED] % KEPT
        me.count[USED] += 1
        sets.lengths[q] = me.clock[LENGTH]
        E, G = sets.E, sets.G
        _at_nodes(at, sets, me.clock[LENGTH], me.pace[NORM], driven)
        _store(at.reads, at.pairs, at.watched.size, E, sets.stored, q)
        if at.groups.size:
            add_weights(at.groups, at.table, me.p, me.clock[LENGTH], sets.stored, q)
        if driven:
            for e in range(G.shape[0]):
                for j in range(NODES):
                    sets.G_nodes[q, e, j] = G[e, j]
    sets.version[q] = me.count[VERSION]
    if driven:
        _drive(at.entries, at.reads, at.watched, at.pairs.size, sets.G_nodes, me.c, sets.stored, q)
    if at.groups.size:  # downstream states of chains take what is added to their forcing
        first = (at.reads.size + at.watched.size) * NODES + at.entries.shape[0]
        for i in range(me.c.size):
            if not at.upstream[i]:
                sets.stored[q, first + i] = me.c[i]


@leaf
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


@leaf
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
