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
from pkpd.solve.linear import KEPT, ORDER, _find, _matrix, _solve_for, _steady
from pkpd.solve.panel import NODES, Layout, gauss_nodes
from pkpd.solve.rows import multiply_add, polynomial
from pkpd.solve.timeline import BOLUS, RATE, REPLACE, RESET, ROW, SS_ADD, SS_BOLUS, SS_CONSTANT, SS_FIRST, STOP

__all__ = ["solve_cascade"]

REACH = 16.0
HALVINGS = 40
#: arrays of ``pkpd.solve.panel.Layout`` with the nodes, and which states are upstream
Pattern = namedtuple("Pattern", "entries products watched reads pairs nodes upstream size timed")
#: Taylor series of exp(A s) and of its integral; both at the nodes; sets and what constants and infusions add, by length
Sets = namedtuple("Sets", "series integral E G X nodes lengths used version stored G_nodes G_end")
#: clock (t, h, atol, rtol), states now and at the panel's end, places, constants and infusions, and the numbers below
Subject = namedtuple("Subject", "clock x new p c info pace count")
TIME, LENGTH, ATOL, RTOL = range(4)
HOPE, SINCE, UP, DOWN, H_MAX, NORM = range(6)  # of pace: length hoped for, last event, fastest rates, bound, norm of A
STEPS, MAX_STEPS, VERSION, DRIVEN = range(4)  # of count


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
    m = at.entries.shape[0]
    sets = Sets(
        np.zeros((m, ORDER + 1)), np.zeros((m, ORDER + 1)), np.zeros((m, NODES)), np.zeros((m, NODES)), np.zeros((m, NODES)),
        np.zeros(NODES), np.zeros(KEPT), np.zeros(1, np.int64), np.zeros(KEPT, np.int64), np.zeros((KEPT, at.size)),
        np.zeros((KEPT, m, NODES)), np.zeros((KEPT, m)),
    )  # fmt: skip
    me = Subject(np.zeros(4), np.zeros(n), np.zeros(n), np.zeros(places), np.zeros(n), np.zeros(2), np.zeros(6), np.zeros(4, np.int64))
    me.clock[ATOL], me.clock[RTOL] = atol, rtol
    me.pace[H_MAX], me.count[MAX_STEPS] = h_max, max_steps
    return sets, me


@njit(cache=True, nogil=True, error_model="numpy")
def _begin_row(at, sets, me, A, b, P, column, matrix_places):
    """Take over another column of P: matrix, Taylor series and the rates that bound the panels; forget all sets."""
    _matrix(P, matrix_places, column, A, b)
    for k in range(me.p.size):
        me.p[k] = P[k, column]
    n, m, pace, series = b.size, at.entries.shape[0], me.pace, sets.series
    pace[UP], pace[DOWN], pace[NORM] = 0.0, 0.0, 0.0
    for i in range(n):
        side = UP if at.upstream[i] else DOWN
        pace[side] = max(pace[side], abs(A[i, i]))
        total = 0.0
        for k in range(n):
            total += abs(A[i, k])
        pace[NORM] = max(pace[NORM], total)
        me.count[DRIVEN] |= b[i] != 0.0
    for e in range(m):
        series[e, 0] = 1.0 if at.entries[e, 0] == at.entries[e, 1] else 0.0
        series[e, 1:] = 0.0
    for k in range(1, ORDER + 1):
        for q in range(at.products.shape[0]):
            a = at.products[q, 1]
            factor = A[at.entries[a, 0], at.entries[a, 1]]
            if factor != 0.0:
                series[at.products[q, 0], k] += factor * series[at.products[q, 2], k - 1] / k
    for e in range(m):
        for k in range(ORDER + 1):
            sets.integral[e, k] = series[e, k] / (k + 1)
    sets.used[0] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def _at_nodes(at, sets, h, norm, driven):
    """Write exp(A c h) at the nodes c to sets.E and, if driven, its integral to sets.G: series at h / 2^k, k doublings."""
    E, G, X, products = sets.E, sets.G, sets.X, at.products
    m, k = E.shape[0], 0
    while math.ldexp(norm * h, -k) > 0.5:
        k += 1
    for j in range(NODES):
        sets.nodes[j] = math.ldexp(at.nodes[j] * h, -k)
    for e in range(m):
        polynomial(E, e, sets.series, ORDER, sets.nodes)
        if driven:
            polynomial(G, e, sets.integral, ORDER, sets.nodes)
            for j in range(NODES):
                G[e, j] *= sets.nodes[j]
    for _ in range(k):
        if driven:
            X[:, :] = G
            for q in range(products.shape[0]):
                multiply_add(X, products[q, 0], E, products[q, 1], G, products[q, 2])
            G[:, :] = X
        X[:, :] = 0.0
        for q in range(products.shape[0]):
            multiply_add(X, products[q, 0], E, products[q, 1], E, products[q, 2])
        E[:, :] = X


@njit(cache=True, nogil=True, error_model="numpy")
def _find_set(at, sets, me, h):
    """Return the number of the remembered set for a panel of length h, computed if need be."""
    for q in range(min(sets.used[0], KEPT)):
        if abs(sets.lengths[q] - h) <= 4e-16 * abs(me.clock[TIME]):
            return q
    q = sets.used[0] % KEPT
    sets.used[0] += 1
    sets.lengths[q] = h
    sets.version[q] = -1
    driven = me.count[DRIVEN] != 0
    _at_nodes(at, sets, h, me.pace[NORM], driven)
    E, G, kept = sets.E, sets.G, sets.stored[q]
    kept[:] = 0.0
    for i in range(at.reads.size):
        for j in range(NODES):
            kept[i * NODES + j] = E[at.reads[i], j]
    first = (at.reads.size + at.watched.size) * NODES
    for i in range(at.pairs.size):
        for j in range(NODES):
            kept[first + i * NODES + j] = E[at.pairs[i], NODES - 1 - j]
    first += at.pairs.size * NODES
    # the first and the last node add up to the panel: E(h) = E(c_1 h) E(c_8 h)
    for i in range(at.products.shape[0]):
        kept[first + at.products[i, 0]] += E[at.products[i, 1], 0] * E[at.products[i, 2], NODES - 1]
    if driven:
        sets.G_nodes[q] = G
        for e in range(G.shape[0]):
            sets.G_end[q, e] = G[e, 0]
        for i in range(at.products.shape[0]):
            sets.G_end[q, at.products[i, 0]] += E[at.products[i, 1], 0] * G[at.products[i, 2], NODES - 1]
    return q


@njit(cache=True, nogil=True, error_model="numpy")
def _drive(at, sets, me, q):
    """Bring up to date what constants and infusions add in a set."""
    sets.version[q] = me.count[VERSION]
    if not me.count[DRIVEN]:
        return
    kept, c = sets.stored[q], me.c
    first = at.reads.size * NODES
    kept[first : first + at.watched.size * NODES] = 0.0
    for w in range(at.watched.size):
        for i in range(at.reads.size):
            e = at.reads[i]
            if at.entries[e, 0] == at.watched[w]:
                for j in range(NODES):
                    kept[first + w * NODES + j] += sets.G_nodes[q, e, j] * c[at.entries[e, 1]]
    first += (at.watched.size + at.pairs.size) * NODES + at.entries.shape[0]
    kept[first:] = 0.0
    for e in range(at.entries.shape[0]):
        kept[first + at.entries[e, 0]] += sets.G_end[q, e] * c[at.entries[e, 1]]


@njit(cache=True, nogil=True, error_model="numpy")
def _set_constants(sets, me, b, r):
    """Note that constants or infusion rates are others now; the first ones need sets with integrals."""
    driven = False
    for i in range(b.size):
        me.c[i] = b[i] + r[i]
        driven |= me.c[i] != 0.0
    me.count[VERSION] += 1
    if driven and not me.count[DRIVEN]:
        me.count[DRIVEN] = 1
        sets.used[0] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def _begin_stretch(me):
    """Note that an event has changed what the panels will see."""
    me.pace[HOPE], me.pace[SINCE] = np.inf, me.clock[TIME]


@njit(cache=True, nogil=True, error_model="numpy")
def _carry(address, at, sets, me, target):
    """Move the subject on to the target by panels; return a status code above 0 on failure."""
    clock, pace, count, info, x, new = me.clock, me.pace, me.count, me.info, me.x, me.new
    start = clock[TIME]
    whole = target - start
    if whole <= 0.0:
        return 0
    level, position, h = 0, 0, whole
    while position < 1 << level:
        now = start + position * h
        bound = min(REACH / pace[DOWN], REACH / pace[UP] + now - pace[SINCE])
        bound = min(min(bound, pace[HOPE]), pace[H_MAX]) * (1.0 + 1e-9)
        while h > bound and level <= HALVINGS:
            level, position, h = level + 1, 2 * position, 0.5 * h
        while level > 0 and position % 2 == 0 and 2.0 * h <= bound:
            level, position, h = level - 1, position // 2, 2.0 * h
        if level > HALVINGS:
            return 1 if math.isfinite(info[0]) else 3
        if count[STEPS] >= count[MAX_STEPS]:
            return 2
        clock[TIME], clock[LENGTH] = now, h
        q = _find_set(at, sets, me, h)
        if sets.version[q] != count[VERSION]:
            _drive(at, sets, me, q)
        call_panel(address, clock, x, me.p, sets.stored[q], new, info)
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
    clock[TIME] = target
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _cycle(address, at, sets, me, ss, row, kind, state, value, b, r, end):
    """Carry the subject through one dosing cycle that ends at the given time; return a status code."""
    period, on, off = ss[row, 0], ss[row, 1], ss[row, 2]
    begin = end - period
    me.clock[TIME] = begin
    first, second = (on, off) if on <= off or kind == SS_BOLUS else (off, on)
    if kind == SS_BOLUS:
        second = first
    for i in range(r.size):
        r[i] = 0.0
    if kind != SS_BOLUS:
        r[state] = ss[row, 3] * value
    for stage in range(3):
        _set_constants(sets, me, b, r)
        _begin_stretch(me)
        code = _carry(address, at, sets, me, begin + first if stage == 0 else begin + second if stage == 1 else end)
        if code or stage == 2:
            return code
        if kind != SS_BOLUS:
            r[state] += value if (stage == 0) == (on <= off) else -value
        elif stage == 0:
            me.x[state] += value
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(address, at, sets, me, A, b, r, ss, row, kind, state, value, accumulates, lin):
    """Write to me.x the steady state at the end of a dosing cycle; return a status code."""
    n, end = b.size, me.clock[TIME]
    M, y, c, lengths, used, E, G, work, skip, level = lin
    used[0] = 0
    for i in range(n):
        skip[i] = accumulates[i] or not at.upstream[i]
    if not _steady(A, b, ss, row, kind, state, value, skip, me.x, c, y, M, lengths, used, E, G, work):
        return 4
    for i in range(n):
        if skip[i]:
            me.x[i] = 0.0
        level[i] = me.x[i]
    if kind == SS_CONSTANT:
        if at.timed:
            return 4
        for i in range(n):
            r[i] = value if i == state else 0.0
        period = 1.0 / me.pace[DOWN]
        me.clock[TIME] = end - period
        _set_constants(sets, me, b, r)
        _begin_stretch(me)
        code = _carry(address, at, sets, me, end)
    else:
        period = ss[row, 0]
        code = _cycle(address, at, sets, me, ss, row, kind, state, value, b, r, end)
    me.clock[TIME] = end
    if code:
        return code
    q = _find(A, period, period, lengths, used, E, G, work)
    for i in range(n):
        skip[i] = accumulates[i] or at.upstream[i]
        if at.upstream[i]:
            me.x[i] = level[i]
        for k in range(n):
            M[i, k] = (1.0 if i == k else 0.0) - E[q, i, k]
    return 0 if _solve_for(M, me.x, skip) else 4


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
    x, clock, count = me.x, me.clock, me.count
    ordered = obs_order.size > 0
    for who in subjects:
        column, code = first_row[who], 0
        clock[TIME], count[STEPS], count[DRIVEN] = origin[who], 0, 0
        _begin_row(at, sets, me, A, b, P, column, matrix_places)
        for i in range(n):
            x[i], r[i] = P[initial_places[i], column], 0.0
        _set_constants(sets, me, b, r)
        _begin_stretch(me)
        e, o = ev_start[who], obs_first[who]
        while o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            code = _carry(address, at, sets, me, obs_time[o] if observe else e_time)
            if code:
                break
            if observe:
                j = o - obs_first[who]
                finite = True
                for i in range(n):
                    out[out_first[who] + i * out_stride + j] = x[i]
                    finite &= math.isfinite(x[i])
                if not finite:
                    code = 3
                    break
                if place_of.size:
                    place_of[place_first[who] + j] = column
                o += 1
                continue
            kind, state, value = ev_kind[e], ev_state[e], ev_value[e]
            if kind == BOLUS:
                x[state] += value
            elif kind == RATE:
                r[state] += value
                if abs(r[state]) < 1e-12 * abs(value):
                    r[state] = 0.0
            elif kind == ROW:
                column = ev_row[e]
                _begin_row(at, sets, me, A, b, P, column, matrix_places)
            elif kind == RESET:
                for i in range(n):
                    x[i], r[i] = P[initial_places[i], column], 0.0
            elif kind == REPLACE:
                x[state] = value
            elif kind >= SS_FIRST:
                plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
                for i in range(n):
                    kept[i], kept_r[i], base[i] = x[i], r[i], P[initial_places[i], column]
                code = _settle(address, at, sets, me, A, b, r, ss, ev_row[e], plain, state, value, accumulates, lin)
                if code:
                    break
                for i in range(n):
                    gain = 0.0 if accumulates[i] else x[i] - base[i]
                    x[i] = (kept[i] if additive else base[i]) + gain
                    r[i] = kept_r[i] if additive else 0.0
                if plain != SS_BOLUS and plain != SS_CONSTANT:
                    r[state] += ss[ev_row[e], 3] * value
            if kind != BOLUS and kind != REPLACE and kind != STOP:
                _set_constants(sets, me, b, r)
            _begin_stretch(me)
            e += 1
        status[who], when[who], steps[who] = code, clock[TIME], count[STEPS]
        for i in range(n):
            for k in range(o, obs_last[who]):
                out[out_first[who] + i * out_stride + k - obs_first[who]] = np.nan
