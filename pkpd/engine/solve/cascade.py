"""Solution of cascades ``x' = A x + b + r + g(t, u)``, whose upstream states u obey linear equations by themselves.

Between events A, b and the infusion rates r are constant. With ``E(s) = exp(A s)`` and G its integral, the upstream
states are exact at any time, and the others follow from an integral over the panel from t to t + h:

    u(t + c h) = [E(c h) x(t) + G(c h) (b + r)]_u
    x(t + h)   = E(h) x(t) + G(h) (b + r) + h int_0^1 E((1 - c) h) g(t + c h, u(t + c h)) dc

by the Gauss-Lobatto rule with 8 nodes (order 14). There is nothing to iterate and no stage waits for another one. The
rule has a node at either end: without, what is over before the first node (an effect that saturates soon after a dose)
would be missed.

Error
-----
The integrand of each state has at the nodes Legendre coefficients a_0 ... a_7; the rule errs by those from a_14 on.
With ``low`` the size of (a_4, a_5) and ``high`` that of (a_6, a_7), times h and in units of the error allowed, the
estimate is ``high min(1, high / low)^2``. Coefficients that fall like k^-s, as at a kink or a branch point, fall from
high to a_14 by (14 / 6.5)^-s = ((6.5 / 4.5)^-s)^2.09, so that the square is what can be relied on; those of smooth
integrands fall geometrically, by the power 3.75 of the same ratio, and the estimate is cautious. Pairs are taken
because every other coefficient of an integrand with a symmetry vanishes.

An estimate from eight nodes cannot see what happens between them. No panel is therefore longer than ``REACH`` time
constants of the fastest downstream state, nor than the time since the last event and ``REACH`` time constants of the
fastest upstream state.

Panels
------
Events and observations end panels. What lies between two of them is halved until the estimate allows it, so that the
same few lengths return again and again and the matrices for them are remembered. After a dose into a state, what was
right after the last one into it is tried first.

Steady state
------------
The upstream states have a closed form. With them, a dosing cycle maps the others by ``m -> E m + v``; v is one cycle
from m = 0, and m = (1 - E)^-1 v.
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import compiled, entry, inlined, leaf
from pkpd.engine.solve.call import call_panel, unowned
from pkpd.engine.solve.periodic import fixed_point, leave_alone, spread, steady
from pkpd.engine.solve.propagate import KEPT as LINEAR_KEPT
from pkpd.engine.solve.propagate import find
from pkpd.engine.solve.sets import (
    AFTER,
    ATOL,
    DOWN,
    DRIVEN,
    H_MAX,
    HOPE,
    KEPT,
    LATEST,
    LENGTH,
    LEVEL,
    MAX_STEPS,
    POSITION,
    SHORT,
    SINCE,
    STEPS,
    TIME,
    UP,
    USED,
    VERSION,
    WHICH,
    begin_row,
    borrow,
    make,
    supply,
)
from pkpd.engine.solve.shadows import AT_START, DURING, SS_AMOUNT, SS_FIRST_STOP, SS_LAST_STOP, SS_TURNS, add_shadows
from pkpd.engine.solve.sizes import put_at_once
from pkpd.engine.solve.timeline import (
    BOLUS,
    RATE,
    REPLACE,
    RESET,
    ROW,
    SS_BOLUS,
    SS_CONSTANT,
    SS_FIRST,
    SS_INFUSION,
    STOP,
)
from pkpd.engine.solve.walk import change, leave_blank, leave_cycle, record, set_marks, start, turn

__all__ = ["solve_cascade"]

REACH = 16.0
HALVINGS = 40
NEEDS_SET = -1
MANY_SHORT = 250  # panels between two events, after which a stiff method costs less


@leaf
def _set_constants(at, b, r, c, count):
    """Note that constants or infusion rates are others now; the first ones need sets with integrals."""
    driven, chain = False, at.groups.size > 0
    for i in range(b.size):
        c[i] = b[i] + r[i]
        driven |= c[i] != 0.0 and (at.upstream[i] or not chain)
    count[VERSION] += 1
    if driven and not count[DRIVEN]:
        count[DRIVEN], count[USED] = 1, 0


@inlined
def _begin_stretch(state, clock, pace, usual):
    """Note that an event has changed what the panels will see; begin as after the last one of the same state."""
    pace[HOPE], pace[SINCE], pace[AFTER] = usual[state], clock[TIME], state


@inlined
def _carry(address, start, target, clock, x, new, p, info, pace, usual, count, lengths, version, stored):
    """Move the subject on from start to the target by panels.

    Returns
    -------
    int
        0, a status code above 0 on failure, or NEEDS_SET: then ``supply`` and call again, with the same start.
    """
    level, position = count[LEVEL], count[POSITION]
    h = math.ldexp(target - start, -level)
    clock[LATEST] = np.nextafter(target, -np.inf)
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
            if level > 0 and count[SHORT] >= 0:
                count[SHORT] += 1
                if count[SHORT] == MANY_SHORT:
                    return 5
            for i in range(x.size):
                x[i] = new[i]
            position += 1
            # the estimate grows with the eleventh power of h or faster
            pace[HOPE] = h * (1.0 if square > 1e-6 else 2.0 if square > 1e-14 else 4.0 if square > 1e-28 else 16.0)
            if pace[AFTER] >= 0.0:  # the first one after an event; one cut short by the next stop tells little
                state = int(pace[AFTER])
                if state < x.size:
                    usual[state] = 2.0 * pace[HOPE] if level > 0 else max(usual[state], 2.0 * pace[HOPE])
                pace[AFTER] = -1.0
        else:  # the farther the coefficients are from falling, the more is to be cut
            steep = info[1] / info[0]
            pace[HOPE] = h * (0.0625 if steep > 1.0 else 0.125 if steep > 0.36 else 0.25 if steep > 0.16 else 0.5)
    count[LEVEL], count[POSITION] = 0, 0
    clock[TIME] = target
    return 0


@leaf
def _carry_on(address, at, sets, me, target):
    """Move the subject on to the target; return a status code."""
    start, code = me.clock[TIME], NEEDS_SET
    me.count[LEVEL], me.count[POSITION] = 0, 0
    while start < target and code == NEEDS_SET:
        code = _carry(
            address, start, target, me.clock, me.x, me.new, me.p, me.info, me.pace, me.usual, me.count, sets.lengths,
            sets.version, sets.stored,
        )  # fmt: skip
        if code == NEEDS_SET:
            supply(at, sets, me)
    return max(code, 0)


@leaf
def _note_size(clock, atol, sizes, r, span):
    """Let atol go with the smallest of the amounts that doses and initial values put into states, if it is below 1.

    ``sizes`` holds the largest value so far of each state that they go into, else 0.
    """
    smallest = 1.0
    for i in range(sizes.size):
        sizes[i] = max(sizes[i], abs(r[i]) * span)
        if 0.0 < sizes[i] < smallest:
            smallest = sizes[i]
    clock[ATOL] = atol * smallest


@leaf
def _period(ss, row, kind, pace):
    """Return the length of the dosing cycle; under a constant infusion any will do."""
    if kind != SS_CONSTANT:
        return ss[row, 0]
    return 1.0 / pace[DOWN] if pace[DOWN] > 0.0 else 1.0


@leaf
def _cycle(address, at, sets, me, ss, row, cycle_stops, marks, kind, state, value, b, r):
    """Carry the subject through the dosing cycle that ends at its present time; return a status code."""
    end, code, s = me.clock[TIME], 0, int(ss[row, SS_FIRST_STOP])
    intervals = 1 if kind == SS_CONSTANT else int(ss[row, SS_TURNS])
    for left in range(intervals - 1, -1, -1):
        me.clock[TIME] = end - left * ss[row, 0]
        code, s = _interval(address, at, sets, me, ss, row, cycle_stops, s, marks, kind, state, value, b, r)
        if code:
            break
    me.clock[TIME] = end
    return code


@leaf
def _interval(address, at, sets, me, ss, row, cycle_stops, s, marks, kind, state, value, b, r):
    """Carry the subject through the dosing interval that ends at its present time; return a status code and the next
    of the cycle's stops.
    """  # noqa: D205
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
    if kind != SS_CONSTANT:
        set_marks(marks, me.x, state, begin + on - period, ss[row, SS_AMOUNT])
    code = 0
    for stage in range(3):
        _set_constants(at, b, r, me.c, me.count)
        _begin_stretch(state, me.clock, me.pace, me.usual)
        me.count[SHORT] = min(me.count[SHORT], 0)
        target = begin + min(on, off) if stage == 0 else begin + max(on, off) if stage == 1 else end
        while code == 0 and s < ss[row, SS_LAST_STOP] and cycle_stops[s] < target:
            if cycle_stops[s] > me.clock[TIME]:
                code = _carry_on(address, at, sets, me, cycle_stops[s])
                _begin_stretch(b.size, me.clock, me.pace, me.usual)
                me.count[SHORT] = min(me.count[SHORT], 0)
            s += 1
        if code == 0:
            code = _carry_on(address, at, sets, me, target)
        if code or stage == 2:
            break
        if (kind == SS_INFUSION and (stage == 0) == (on <= off)) or (kind == SS_BOLUS and stage == 0):
            set_marks(marks, me.x, state, begin + on, ss[row, SS_AMOUNT])
        if kind == SS_INFUSION:
            turn(me.x, r, ss, row, state, value, (stage == 0) == (on <= off))
        elif kind == SS_BOLUS and stage == 0:
            me.x[state] += value
            add_shadows(me.x, ss, row, AT_START, 1.0)
    return code, s


@compiled
def _settle(address, at, sets, me, A, b, r, base, ss, row, cycle_stops, marks, kind, state, value, accumulates, lin):
    """Write to me.x the steady state at the end of a dosing cycle; return a status code."""
    n = b.size
    M, y, c, lengths, used, E, G, work, skip, fed, level, rest = lin
    used[0] = 0
    for i in range(n):
        skip[i] = accumulates[i] or not at.upstream[i]
    if not steady(A, b, base, ss, row, kind, state, value, skip, fed, me.x, c, y, M, lengths, used, E, G, work):
        return 4
    for i in range(n):
        level[i] = 0.0 if skip[i] else me.x[i]
    if kind == SS_CONSTANT and at.timed:
        return 4
    period = _period(ss, row, kind, me.pace) * (1.0 if kind == SS_CONSTANT else ss[row, SS_TURNS])
    for i in range(n):
        skip[i] = accumulates[i] or at.upstream[i]
        rest[i] = 0.0
    q = 0
    for repeat in range(2):
        for i in range(n):
            me.x[i] = level[i] + rest[i]
        code = _cycle(address, at, sets, me, ss, row, cycle_stops, marks, kind, state, value, b, r)
        if code:
            return code
        q = find(A, period, period, lengths, used, E, G, work)
        if repeat == 1:
            break
        for i in range(n):
            fed[i] = me.x[i] != 0.0 or at.upstream[i]
        spread(A, fed)
        if not leave_alone(E[q], base, fed, skip, rest, work[0], work[1]):
            return 4
        if not rest.any():
            break
    for i in range(n):
        if not fed[i]:
            me.x[i] = rest[i]
    if not fixed_point(A, E[q], G[q], me.x, fed, skip, M, work):
        return 4
    for i in range(n):
        if at.upstream[i]:
            me.x[i] = level[i]
    return 0


@entry
def solve_cascade(
    address, at, P, initial_places, accumulates, subjects, first_row, origin, ev_start, ev_time, ev_kind,
    ev_state, ev_value, ev_row, ss, obs_first, obs_last, obs_time, obs_order, out, out_first, out_stride, place_of,
    place_first, cycle_stops, marks, rtol, atol, budget, h_max, free, proper, status, when, steps,
):  # fmt: skip
    """Solve subjects of a cascade; arguments as for :func:`pkpd.engine.solve.loop.solve_lanes`.

    address : int
        Of the machine code of a panel, see ``pkpd.engine.solve.panel``.
    at : Pattern
    free : bool
        Whether to leave subjects to a stiff method that need many panels between two events.
    proper : int
        States that are no sensitivities; they come first.
    """
    n = initial_places.size
    own_sets, own_me = make(at, n, P.shape[0], rtol, atol, h_max)
    own = np.zeros((n, n)), np.zeros((6, n))
    at, sets, me = borrow(at, own_sets, own_me)
    A, b, r = unowned(own[0]), unowned(own[1][0]), unowned(own[1][1])
    kept, kept_r, base, sizes = unowned(own[1][2]), unowned(own[1][3]), unowned(own[1][4]), unowned(own[1][5])[:proper]
    P, initial_places, out = unowned(P), unowned(initial_places), unowned(out)
    many, room = (LINEAR_KEPT, n) if ss.shape[0] else (0, 0)
    lin = (
        np.zeros((room, n)), np.zeros(n), np.zeros(n), np.zeros(LINEAR_KEPT), np.zeros(1, np.int64),
        np.zeros((many, n, n)), np.zeros((many, n, n)), np.zeros((3, room, n)), np.zeros(n, np.bool_),
        np.zeros(n, np.bool_), np.zeros(n), np.zeros(n),
    )  # fmt: skip
    clock, x, new, p, c, info, pace, usual, count = me
    lengths, version, stored = sets.lengths, sets.version, sets.stored
    ordered = obs_order.size > 0
    for who in subjects:
        column = first_row[who]
        clock[TIME], count[STEPS], count[DRIVEN], count[LEVEL], count[POSITION] = origin[who], 0, 0, 0, 0
        count[MAX_STEPS], count[SHORT] = budget[who], 0 if free else -1
        code = 0 if begin_row(at, sets, me, A, b, P, column) else 3
        start(P, initial_places, column, x, r)
        for i in range(proper):
            sizes[i] = abs(x[i])
        _note_size(clock, atol, sizes, r, 0.0)
        _set_constants(at, b, r, c, count)
        usual[:] = np.inf
        _begin_stretch(n, clock, pace, usual)
        e, o = ev_start[who], obs_first[who]
        while code == 0 and o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target, since = obs_time[o] if observe else e_time, clock[TIME]
            if target > since:
                code = _carry(
                    address, since, target, clock, x, new, p, info, pace, usual, count, lengths, version, stored,
                )  # fmt: skip
                if code == NEEDS_SET:
                    supply(at, sets, me)
                    clock[TIME], code = since, 0
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
            put = put_at_once(kind, value)
            if kind in (SS_INFUSION, SS_CONSTANT):
                put = abs(value) * _period(ss, ev_row[e], kind, pace)
            if put > 0.0 and state < proper:
                sizes[state] = max(sizes[state], put)
                _note_size(clock, atol, sizes, r, 0.0)
            if kind == ROW:
                column = ev_row[e]
                if not begin_row(at, sets, me, A, b, P, column):
                    code = 3
                    break
            elif kind >= SS_FIRST:
                for i in range(n):
                    base[i] = P[initial_places[i], column]
                row = ev_row[e]
                code = _settle(
                    address, at, sets, me, A, b, r, base, ss, row, cycle_stops, marks, kind, state, value, accumulates,
                    lin,
                )  # fmt: skip
                if code:
                    break
                leave_cycle(kind, False, state, value, ss, ev_row[e], accumulates, base, kept, kept_r, x, r)
            else:
                change(kind, state, value, column, P, initial_places, x, r)
            if kind != BOLUS and kind != REPLACE and kind != STOP:
                _set_constants(at, b, r, c, count)
            if kind == RESET:
                for i in range(proper):
                    sizes[i] = max(sizes[i], abs(x[i]))
            if kind in (BOLUS, RATE, RESET, SS_BOLUS, SS_INFUSION):
                later = ev_time[e + 1] if e + 1 < ev_start[who + 1] else obs_time[obs_last[who] - 1]
                _note_size(clock, atol, sizes, r, max(later - clock[TIME], 0.0))
            begins = kind == BOLUS or (kind == RATE and value > 0.0)
            _begin_stretch(state if begins else n, clock, pace, usual)
            count[SHORT] = min(count[SHORT], 0)
            e += 1
        status[who], when[who], steps[who] = code, clock[TIME], count[STEPS]
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
    return own[0].size + own[1].size + own_sets.lengths.size + own_me.x.size  # which keeps what was borrowed
