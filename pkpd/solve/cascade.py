"""Solution of cascades ``x' = A x + b + r + g(t, u)``, whose upstream states u obey linear equations by themselves.

Between events A, b and the infusion rates r are constant. With ``E(s) = exp(A s)`` and G its integral, the upstream states
are exact at any time, and the others follow from an integral over the panel from t to t + h:

    u(t + c h) = [E(c h) x(t) + G(c h) (b + r)]_u
    x(t + h)   = E(h) x(t) + G(h) (b + r) + h int_0^1 E((1 - c) h) g(t + c h, u(t + c h)) dc

by the Gauss-Legendre rule with 8 nodes (order 16). There is nothing to iterate and no stage waits for another one.

Error
-----
The integrand f of each state has at the nodes a Legendre series with coefficients a_0 ... a_7; the rule errs by the
coefficients from a_16 on. With ``low`` the size of (a_4, a_5) and ``high`` that of (a_6, a_7), in units of the error that
is allowed, the estimate is ``h high min(1, high / low)^2``. Coefficients that fall like k^-s, as at a kink or a branch point,
fall from high to a_16 by (16 / 6.5)^-s = ((6.5 / 4.5)^-s)^2.45, so that the square is just what can be relied on; those of
smooth integrands fall geometrically, by the power 4.75 of the same ratio, and the estimate is cautious. Pairs are taken
because every other coefficient of an integrand with a symmetry vanishes.

An estimate from eight nodes cannot see what happens between them. No panel is therefore longer than ``REACH`` time constants
of the fastest downstream state, nor than the time since the last event and ``REACH`` time constants of the fastest upstream
state: what decays that fast is seen by the first nodes (c_1 = 0.02).

Panels
------
Events and observations end panels. What lies between two of them is halved until the estimate allows it, so that the same
few lengths return again and again and the matrices for them are remembered.

Steady state
------------
The upstream states have a closed form. With them, a dosing cycle maps the others by ``m -> E m + v``; v is one cycle from
m = 0, and m = (1 - E)^-1 v.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

from pkpd.solve.call import call_panel
from pkpd.solve.linear import KEPT, ORDER, find, solve_for, steady
from pkpd.solve.panel import NODES, Layout, gauss_nodes
from pkpd.solve.rows import copy_row, multiply_add, polynomial
from pkpd.solve.shadows import AT_START, DURING, add_shadows
from pkpd.solve.timeline import BOLUS, REPLACE, ROW, SS_ADD, SS_BOLUS, SS_CONSTANT, SS_FIRST, SS_INFUSION, STOP
from pkpd.solve.walk import change, leave_blank, leave_cycle, read_matrix, record, start, turn

__all__ = ["solve_cascade"]

REACH = 16.0
HALVINGS = 40
#: arrays of ``pkpd.solve.panel.Layout`` with the nodes, and which states are upstream
Pattern = namedtuple("Pattern", "entries products watched reads pairs nodes upstream size timed")
#: Taylor series of exp(A s) and of its integral; both at the nodes; what is remembered for each length of a panel
Sets = namedtuple("Sets", "series integral E G X nodes lengths version stored G_nodes G_end terms factors")
#: clock (t, h, atol, rtol), states now and at the panel's end, places, constants and infusions, and the numbers below
Subject = namedtuple("Subject", "clock x new p c info pace count")
TIME, LENGTH, ATOL, RTOL = range(4)
HOPE, SINCE, UP, DOWN, H_MAX, NORM = range(6)  # of pace: length hoped for, last event, fastest rates, bound, norm of A
STEPS, MAX_STEPS, VERSION, DRIVEN, USED, LEVEL, POSITION, WHICH = range(8)  # of count
NEEDS_SET = -1


def pattern_of(layout: Layout, n: int) -> Pattern:
    """Return what the compiled loop needs to know of a layout."""
    upstream = np.ones(n, bool)
    upstream[layout.affected] = False
    return Pattern(
        layout.entries, layout.products, layout.watched, layout.reads, layout.pairs, gauss_nodes()[0], upstream, layout.size, layout.timed
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _make(at, n, places, rtol, atol, max_steps, h_max):
    """Return room for the sets and for a subject."""
    m, q = at.entries.shape[0], at.products.shape[0]
    sets = Sets(
        np.zeros((m, ORDER + 1)), np.zeros((m, ORDER + 1)), np.zeros((m, NODES)), np.zeros((m, NODES)), np.zeros((m, NODES)),
        np.zeros(NODES), np.zeros(KEPT), np.zeros(KEPT, np.int64), np.zeros((KEPT, at.size)),
        np.zeros((KEPT, m, NODES)), np.zeros((KEPT, m)), np.zeros((q, 2), np.int64), np.zeros(q),
    )  # fmt: skip
    me = Subject(np.zeros(4), np.zeros(n), np.zeros(n), np.zeros(places), np.zeros(n), np.zeros(2), np.zeros(6), np.zeros(8, np.int64))
    me.clock[ATOL], me.clock[RTOL] = atol, rtol
    me.pace[H_MAX], me.count[MAX_STEPS] = h_max, max_steps
    return sets, me


@njit(cache=True, nogil=True, error_model="numpy")
def _begin_row(at, sets, me, A, b, P, column, matrix_places):
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


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def _supply(at, sets, me):
    """Make the set for the panel at hand, or bring up to date what constants and infusions add to it."""
    q, driven = me.count[WHICH], me.count[DRIVEN] != 0
    if q < 0:
        q = me.count[USED] % KEPT
        me.count[USED] += 1
        sets.lengths[q] = me.clock[LENGTH]
        E, G = sets.E, sets.G
        _at_nodes(at.products, sets.series, sets.integral, at.nodes, me.clock[LENGTH], me.pace[NORM], driven, sets.nodes, E, G, sets.X)
        _store(at.products, at.reads, at.pairs, at.watched.size, E, sets.stored, q)
        if driven:
            for e in range(G.shape[0]):
                for j in range(NODES):
                    sets.G_nodes[q, e, j] = G[e, j]
                sets.G_end[q, e] = G[e, 0]
            for i in range(at.products.shape[0]):
                sets.G_end[q, at.products[i, 0]] += E[at.products[i, 1], 0] * G[at.products[i, 2], NODES - 1]
    sets.version[q] = me.count[VERSION]
    if driven:
        _drive(at.entries, at.reads, at.watched, at.pairs.size, sets.G_nodes, sets.G_end, me.c, sets.stored, q)


@njit(cache=True, nogil=True, error_model="numpy")
def _store(products, reads, pairs, watched, E, stored, q):
    """Write to set q what depends on A and h alone; the first and last node add up to h: E(h) = E(c_1 h) E(c_8 h)."""
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
    for i in range(products.shape[0]):
        stored[q, first + products[i, 0]] += E[products[i, 1], 0] * E[products[i, 2], NODES - 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _drive(entries, reads, watched, pairs, G_nodes, G_end, c, stored, q):
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
        stored[q, first + entries[e, 0]] += G_end[q, e] * c[entries[e, 1]]


@njit(cache=True, nogil=True, error_model="numpy")
def _set_constants(b, r, c, count):
    """Note that constants or infusion rates are others now; the first ones need sets with integrals."""
    driven = False
    for i in range(b.size):
        c[i] = b[i] + r[i]
        driven |= c[i] != 0.0
    count[VERSION] += 1
    if driven and not count[DRIVEN]:
        count[DRIVEN], count[USED] = 1, 0


@njit(cache=True, nogil=True, error_model="numpy")
def _begin_stretch(clock, pace):
    """Note that an event has changed what the panels will see."""
    pace[HOPE], pace[SINCE] = np.inf, clock[TIME]


@njit(cache=True, nogil=True, error_model="numpy")
def _carry(address, start, target, clock, x, new, p, info, pace, count, lengths, version, stored):
    """Move the subject on from start to the target by panels.

    Returns
    -------
    int
        0, a status code above 0 on failure, or NEEDS_SET: then ``_supply`` and call again, with the same start.
    """
    level, position = count[LEVEL], count[POSITION]
    h = math.ldexp(target - start, -level)
    while position < 1 << level:
        now = start + position * h
        bound = min(REACH / pace[DOWN], REACH / pace[UP] + now - pace[SINCE], pace[HOPE], pace[H_MAX]) * (1.0 + 1e-9)
        while h > bound and level <= HALVINGS:
            level, position, h = level + 1, 2 * position, 0.5 * h
        while level > 0 and position % 2 == 0 and 2.0 * h <= bound:
            level, position, h = level - 1, position // 2, 2.0 * h
        if level > HALVINGS:
            return 1 if math.isfinite(info[0]) else 3
        if count[STEPS] >= count[MAX_STEPS]:
            return 2
        clock[TIME], clock[LENGTH] = now, h
        which = -1
        for q in range(min(count[USED], KEPT)):
            if abs(lengths[q] - h) <= 4e-16 * abs(now):
                which = q
        if which < 0 or version[which] != count[VERSION]:
            count[LEVEL], count[POSITION], count[WHICH] = level, position, which
            return NEEDS_SET
        call_panel(address, clock, x, p, stored, which, new, info)
        count[STEPS] += 1
        shrinking = min(1.0, info[1] / info[0]) if info[0] > 0.0 else 1.0
        square = info[1] * shrinking * shrinking
        if square <= 1.0:
            for i in range(x.size):
                x[i] = new[i]
            position += 1
            # the estimate grows with the eleventh power of h or faster
            pace[HOPE] = h * (1.0 if square > 1e-6 else 2.0 if square > 1e-14 else 4.0 if square > 1e-28 else 16.0)
        else:
            pace[HOPE] = 0.5 * h
    count[LEVEL], count[POSITION] = 0, 0
    clock[TIME] = target
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _carry_on(address, at, sets, me, target):
    """Move the subject on to the target; return a status code."""
    start, code = me.clock[TIME], NEEDS_SET
    me.count[LEVEL], me.count[POSITION] = 0, 0
    while start < target and code == NEEDS_SET:
        code = _carry(address, start, target, me.clock, me.x, me.new, me.p, me.info, me.pace, me.count, sets.lengths, sets.version, sets.stored)
        if code == NEEDS_SET:
            _supply(at, sets, me)
    return max(code, 0)


@njit(cache=True, nogil=True, error_model="numpy")
def _period(ss, row, kind, pace):
    """Return the length of the dosing cycle; under a constant infusion any will do."""
    if kind != SS_CONSTANT:
        return ss[row, 0]
    return 1.0 / pace[DOWN] if pace[DOWN] > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _cycle(address, at, sets, me, ss, row, kind, state, value, b, r):
    """Carry the subject through the dosing cycle that ends at its present time; return a status code."""
    period, on, off, ongoing = ss[row, 0], ss[row, 1], ss[row, 2], ss[row, 3]
    end = me.clock[TIME]
    if kind == SS_CONSTANT:
        period, on, off, ongoing = _period(ss, row, kind, me.pace), 0.0, 0.0, 1.0
    elif kind == SS_BOLUS:
        off, ongoing = on, 0.0
    begin = end - period
    me.clock[TIME] = begin
    for i in range(r.size):
        r[i] = 0.0
    r[state] = ongoing * value
    add_shadows(r, ss, row, DURING, ongoing)
    for stage in range(3):
        _set_constants(b, r, me.c, me.count)
        _begin_stretch(me.clock, me.pace)
        code = _carry_on(address, at, sets, me, begin + min(on, off) if stage == 0 else begin + max(on, off) if stage == 1 else end)
        if code or stage == 2:
            break
        if kind == SS_INFUSION:
            turn(me.x, r, ss, row, state, value, (stage == 0) == (on <= off))
        elif kind == SS_BOLUS and stage == 0:
            me.x[state] += value
            add_shadows(me.x, ss, row, AT_START, 1.0)
    me.clock[TIME] = end
    return code


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(address, at, sets, me, A, b, r, ss, row, kind, state, value, accumulates, lin):
    """Write to me.x the steady state at the end of a dosing cycle; return a status code."""
    n = b.size
    M, y, c, lengths, used, E, G, work, skip, level = lin
    used[0] = 0
    for i in range(n):
        skip[i] = accumulates[i] or not at.upstream[i]
    if not steady(A, b, ss, row, kind, state, value, skip, me.x, c, y, M, lengths, used, E, G, work):
        return 4
    for i in range(n):
        level[i] = 0.0 if skip[i] else me.x[i]
        me.x[i] = level[i]
    if kind == SS_CONSTANT and at.timed:
        return 4
    code = _cycle(address, at, sets, me, ss, row, kind, state, value, b, r)
    if code:
        return code
    period = _period(ss, row, kind, me.pace)
    q = find(A, period, period, lengths, used, E, G, work)
    for i in range(n):
        skip[i] = accumulates[i] or at.upstream[i]
        if at.upstream[i]:
            me.x[i] = level[i]
        for k in range(n):
            M[i, k] = (1.0 if i == k else 0.0) - E[q, i, k]
    return 0 if solve_for(M, me.x, skip) else 4


@njit(cache=True, nogil=True, error_model="numpy")
def solve_cascade(
    address, at, matrix_places, P, initial_places, accumulates, subjects, first_row, origin, ev_start, ev_time, ev_kind, ev_state,
    ev_value, ev_row, ss, obs_first, obs_last, obs_time, obs_order, out, out_first, out_stride, place_of, place_first,
    rtol, atol, max_steps, h_max, status, when, steps,
):  # fmt: skip
    """Solve subjects of a cascade; arguments as for :func:`pkpd.solve.loop.solve_lanes`.

    address : int
        Of the machine code of a panel, see ``pkpd.solve.panel``.
    at : Pattern
    matrix_places : int array, (n, n + 1)
        Places of A and, in the last column, of the constant part; -1 where zero.
    """
    n = initial_places.size
    sets, me = _make(at, n, P.shape[0], rtol, atol, max_steps, h_max)
    A, b, r, kept, kept_r, base = np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    many = 2 if ss.shape[0] else 0
    lin = (
        np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(KEPT), np.zeros(1, np.int64), np.zeros((KEPT if many else 0, n, n)),
        np.zeros((KEPT if many else 0, n, n)), np.zeros((3, n, n)), np.zeros(n, np.bool_), np.zeros(n),
    )  # fmt: skip
    clock, x, new, p, c, info, pace, count = me
    lengths, version, stored = sets.lengths, sets.version, sets.stored
    ordered = obs_order.size > 0
    for who in subjects:
        column, code = first_row[who], 0
        clock[TIME], count[STEPS], count[DRIVEN], count[LEVEL], count[POSITION] = origin[who], 0, 0, 0, 0
        _begin_row(at, sets, me, A, b, P, column, matrix_places)
        start(P, initial_places, column, x, r)
        _set_constants(b, r, c, count)
        _begin_stretch(clock, pace)
        e, o = ev_start[who], obs_first[who]
        while o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target, since = obs_time[o] if observe else e_time, clock[TIME]
            if target > since:
                code = _carry(address, since, target, clock, x, new, p, info, pace, count, lengths, version, stored)
                if code == NEEDS_SET:
                    _supply(at, sets, me)
                    clock[TIME] = since
                    continue
                if code:
                    break
            if observe:
                j = o - obs_first[who]
                if not record(x, out, out_first[who] + j, out_stride):
                    code = 3
                    break
                if place_of.size:
                    place_of[place_first[who] + j] = column
                o += 1
                continue
            kind, state, value = ev_kind[e], ev_state[e], ev_value[e]
            if kind == ROW:
                column = ev_row[e]
                _begin_row(at, sets, me, A, b, P, column, matrix_places)
            elif kind >= SS_FIRST:
                plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
                for i in range(n):
                    kept[i], kept_r[i], base[i] = x[i], r[i], P[initial_places[i], column]
                code = _settle(address, at, sets, me, A, b, r, ss, ev_row[e], plain, state, value, accumulates, lin)
                if code:
                    break
                leave_cycle(plain, additive, state, value, ss, ev_row[e], accumulates, base, kept, kept_r, x, r)
            else:
                change(kind, state, value, column, P, initial_places, x, r)
            if kind != BOLUS and kind != REPLACE and kind != STOP:
                _set_constants(b, r, c, count)
            _begin_stretch(clock, pace)
            e += 1
        status[who], when[who], steps[who] = code, clock[TIME], count[STEPS]
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
