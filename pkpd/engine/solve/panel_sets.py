"""What the panels of a cascade need of exp(A h): computed once for each length h and remembered.

The numbers come from machine code (``pkpd.engine.solve.panel_exponential``) and, for chains, from
``pkpd.engine.solve.weights``. Weights depend on the length and the rates alone, and are kept for the next subject too.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf
from pkpd.engine.solve.call import call_code, unowned
from pkpd.engine.solve.panel import NODES, PanelLayout, lobatto
from pkpd.engine.solve.panel_exponential import PART
from pkpd.engine.solve.rows import copy_numbers
from pkpd.engine.solve.weights import add_weights, weight_table

__all__ = [
    "AFTER", "ATOL", "DONE", "DOWN", "HOPE", "H_MAX", "KEPT", "LATEST", "LENGTH", "LONGER_KEPT", "MAX_STEPS", "RATIO",
    "RTOL", "SHORT", "SINCE", "SQUARE", "STEPS", "TIME", "UP", "USED", "VERSION", "WEIGHED", "WHICH",
    "Pattern", "Sets", "Subject", "begin_row", "borrow", "make", "pattern_of", "supply",
]  # fmt: skip

#: nodes of a panel, which states are upstream, doubles in a set, whether the forcing depends on time, places of what is
#: not zero in A and b (row, column or n, place), and what chains need, see ``pkpd.engine.solve.chain``; ``added`` is
#: where sets hold what is added to the states
Pattern = namedtuple("Pattern", "nodes upstream size timed matrix groups table added")
#: sets by the length of a panel, and of which constants they are; of chains, weights by length, and of which rates
Sets = namedtuple("Sets", "lengths version stored spans rates weights")
#: states and room for those at a panel's end, places, constants and infusions, arrays of the numbers that are listed
#: below, and the length hoped for after an event of each state (or of none, at last)
Subject = namedtuple("Subject", "clock x new p c info pace usual count")
KEPT = 24  # lengths of panels whose sets are remembered
LONGER_KEPT = 64  # lengths whose weights are
TIME, LENGTH, ATOL, RTOL, LATEST = range(5)  # of clock: panel's start and length, tolerances, end of its last piece
#: of pace: length hoped for, last event, fastest rates, bound, norm of A, state of an event without panel so far or -1,
#: how much of the way to the next stop is done, estimate of the last panel and how its coefficients fall (-1: used)
HOPE, SINCE, UP, DOWN, H_MAX, NORM, AFTER, DONE, SQUARE, RATIO = range(10)
STEPS, MAX_STEPS, VERSION, USED, WEIGHED, WHICH, SHORT = range(7)  # of count


def pattern_of(layout: PanelLayout, places: np.ndarray) -> Pattern:
    """Return what the compiled loop needs to know of a layout; places of A and b as in ``Kernel.matrix_places``."""
    upstream = np.ones(len(places), bool)
    upstream[layout.affected] = False
    rows, columns = np.nonzero(places >= 0)
    matrix = np.column_stack([rows, columns, places[rows, columns]]).astype(np.int64)
    added = NODES * (layout.reads.size + layout.watched.size + layout.pairs.size) + len(layout.entries)
    return Pattern(
        lobatto()[0], upstream, layout.size, layout.timed, matrix, layout.groups, weight_table(), added
    )  # fmt: skip


@compiled
def make(at, stored, weights, n, places, rtol, atol, h_max):
    """Return what is known of sets, whose room is ``stored`` (KEPT, size) and ``weights`` (LONGER_KEPT or 0, size), and
    room for a subject.
    """  # noqa: D205
    rates = np.full(at.groups.shape[0], np.nan)
    sets = Sets(np.zeros(KEPT), np.zeros(KEPT, np.int64), stored, np.zeros(LONGER_KEPT), rates, weights)
    me = Subject(
        np.zeros(6),
        np.zeros(n),
        np.zeros(n),
        np.zeros(places),
        np.zeros(n),
        np.zeros(2),
        np.zeros(10),
        np.full(n + 1, np.inf),
        np.zeros(7, np.int64),
    )
    me.clock[ATOL], me.clock[RTOL] = atol, rtol
    me.pace[H_MAX] = h_max
    return sets, me


@compiled
def borrow(at, sets, me):
    """Return the same without counts of references, see :func:`pkpd.engine.solve.call.unowned`."""
    return (
        Pattern(
            unowned(at.nodes), unowned(at.upstream), at.size, at.timed, unowned(at.matrix), unowned(at.groups),
            unowned(at.table), at.added,
        ),
        Sets(
            unowned(sets.lengths), unowned(sets.version), unowned(sets.stored), unowned(sets.spans),
            unowned(sets.rates), unowned(sets.weights),
        ),
        Subject(
            unowned(me.clock), unowned(me.x), unowned(me.new), unowned(me.p), unowned(me.c), unowned(me.info),
            unowned(me.pace), unowned(me.usual), unowned(me.count),
        ),
    )  # fmt: skip


@leaf
def begin_row(at, sets, me, A, b, P, column):
    """Take over another column of P: matrix and the rates that bound the panels; forget all sets.

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
    me.count[USED] = 0
    if at.groups.size:  # exact weights and no matrix of the whole: panels may be twice as long
        pace[UP], pace[DOWN] = 0.5 * pace[UP], 0.5 * pace[DOWN]
    growing = False
    for k in range(at.groups.shape[0]):
        rate = me.p[at.groups[k, 0]] if at.groups[k, 0] >= 0 else 0.0
        growing |= not rate <= 0.0
        if rate != sets.rates[k]:
            sets.rates[k], me.count[WEIGHED] = rate, 0
    return not growing


@leaf
def supply(code, at, sets, me):
    """Make the set for the panel at hand, or bring up to date what constants and infusions add to it.

    code : int
        Address of the machine code.
    """
    q, h, doublings = me.count[WHICH], me.clock[LENGTH], 0
    if q < 0:
        q = me.count[USED] % KEPT
        me.count[USED] += 1
        sets.lengths[q] = h
        if at.groups.size:
            _weigh(at, sets, me, h, q)
    sets.version[q] = me.count[VERSION]
    while math.ldexp(me.pace[NORM] * h, -doublings) > 0.5:
        doublings += 1
    me.clock[PART] = math.ldexp(h, -doublings)
    call_code(code, (me.clock, me.p, me.c, at.nodes, sets.stored, q, doublings))
    if at.groups.size:  # downstream states of chains take what is added to their forcing
        for i in range(me.c.size):
            if not at.upstream[i]:
                sets.stored[q, at.added + i] = me.c[i]


@leaf
def _weigh(at, sets, me, h, q):
    """Write to set q the weights for length h, which another subject with these rates may have needed before."""
    known = -1
    for k in range(min(me.count[WEIGHED], LONGER_KEPT)):
        if sets.spans[k] == h:
            known = k
    if known < 0:
        known = me.count[WEIGHED] % LONGER_KEPT
        me.count[WEIGHED] += 1
        sets.spans[known] = h
        add_weights(at.groups, at.table, me.p, h, sets.weights, known)
    first = at.groups[0, 1]
    copy_numbers(sets.stored, q * at.size + first, sets.weights, known * at.size + first, at.size - first)
