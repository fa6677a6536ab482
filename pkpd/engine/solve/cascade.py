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
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, entry, inlined, leaf
from pkpd.engine.solve.arrays import Constants, SteadyDose
from pkpd.engine.solve.call import call_code, unowned
from pkpd.engine.solve.one_subject import change, leave_blank, leave_cycle, record, set_marks, start, turn
from pkpd.engine.solve.panel_sets import (
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
from pkpd.engine.solve.periodic import SteadyRoom, fixed_point, leave_alone, spread, steady
from pkpd.engine.solve.propagate import KEPT as LINEAR_KEPT
from pkpd.engine.solve.propagate import Propagators, find
from pkpd.engine.solve.shadows import (
    AT_START,
    DURING,
    SS_AMOUNT,
    SS_FIRST_STOP,
    SS_LAST_STOP,
    SS_OFF,
    SS_ON,
    SS_ONGOING,
    SS_PERIOD,
    SS_TURNS,
    add_shadows,
)
from pkpd.engine.solve.sizes import put_at_once
from pkpd.engine.solve.status import Status
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

__all__ = ["solve_cascade"]

REACH = 16.0
HALVINGS = 40
NEEDS_SET = -1
STEP_TOO_SMALL, TOO_MANY_STEPS = int(Status.STEP_TOO_SMALL), int(Status.TOO_MANY_STEPS)
NOT_FINITE, NO_STEADY_STATE, IS_STIFF = int(Status.NOT_FINITE), int(Status.NO_STEADY_STATE), int(Status.STIFF)
#: of the subject at hand: A, b and infusion rates, initial values, states that never reach a steady state
System = namedtuple("System", "A b r base accumulates")
#: room for a steady state downstream: as upstream, what to leave out, upstream part, the rest
DownstreamRoom = namedtuple("DownstreamRoom", "upstream skip level rest")
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
def _begin_stretch(state, me):
    """Note that an event has changed what the panels will see; begin as after the last one of the same state."""
    me.pace[HOPE], me.pace[SINCE], me.pace[AFTER] = me.usual[state], me.clock[TIME], state


@inlined
def _carry(address, start, target, me, sets):
    """Move the subject on from start to the target by panels.

    Returns
    -------
    int
        0, a status code above 0 on failure, or NEEDS_SET: then ``supply`` and call again, with the same start.
    """
    clock, x, new, p, _, info, pace, usual, count = me
    lengths, version, stored = sets.lengths, sets.version, sets.stored
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
            return STEP_TOO_SMALL if math.isfinite(info[0]) else NOT_FINITE
        if count[STEPS] >= count[MAX_STEPS]:
            return TOO_MANY_STEPS
        clock[TIME], clock[LENGTH] = now, h
        which = -1
        for q in range(min(count[USED], KEPT)):
            if abs(lengths[q] - h) <= 4e-16 * abs(now):
                which = q
        if which < 0 or version[which] != count[VERSION]:
            count[LEVEL], count[POSITION], count[WHICH] = level, position, which
            return NEEDS_SET
        call_code(address, (clock, x, p, stored, which, new, info))
        count[STEPS] += 1
        shrinking = min(1.0, info[1] / info[0]) if info[0] > 0.0 else 1.0
        square = info[1] * shrinking * shrinking
        if square <= 1.0:
            if level > 0 and count[SHORT] >= 0:
                count[SHORT] += 1
                if count[SHORT] == MANY_SHORT:
                    return IS_STIFF
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
        code = _carry(address, start, target, me, sets)
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
        return ss[row, SS_PERIOD]
    return 1.0 / pace[DOWN] if pace[DOWN] > 0.0 else 1.0


@leaf
def _cycle(address, at, sets, me, dose, timeline, system):
    """Carry the subject through the dosing cycle that ends at its present time; return a status code."""
    ss, row = dose.ss, dose.row
    end, code, s = me.clock[TIME], 0, int(ss[row, SS_FIRST_STOP])
    intervals = 1 if dose.kind == SS_CONSTANT else int(ss[row, SS_TURNS])
    for left in range(intervals - 1, -1, -1):
        me.clock[TIME] = end - left * ss[row, SS_PERIOD]
        code, s = _interval(address, at, sets, me, dose, timeline, system, s)
        if code:
            break
    me.clock[TIME] = end
    return code


@leaf
def _interval(address, at, sets, me, dose, timeline, system, s):
    """Carry the subject through the dosing interval that ends at its present time; return a status code and the next
    of the cycle's stops.
    """  # noqa: D205
    (kind, state, value, ss, row), b, r = dose, system.b, system.r
    cycle_stops, marks = timeline.cycle_stops, timeline.marks
    period, on, off, ongoing = ss[row, SS_PERIOD], ss[row, SS_ON], ss[row, SS_OFF], ss[row, SS_ONGOING]
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
    add_shadows(r, dose, DURING, ongoing)
    if kind != SS_CONSTANT:
        set_marks(marks, me.x, state, begin + on - period, ss[row, SS_AMOUNT])
    code = 0
    for stage in range(3):
        _set_constants(at, b, r, me.c, me.count)
        _begin_stretch(state, me)
        me.count[SHORT] = min(me.count[SHORT], 0)
        target = begin + min(on, off) if stage == 0 else begin + max(on, off) if stage == 1 else end
        while code == 0 and s < ss[row, SS_LAST_STOP] and cycle_stops[s] < target:
            if cycle_stops[s] > me.clock[TIME]:
                code = _carry_on(address, at, sets, me, cycle_stops[s])
                _begin_stretch(b.size, me)
                me.count[SHORT] = min(me.count[SHORT], 0)
            s += 1
        if code == 0:
            code = _carry_on(address, at, sets, me, target)
        if code or stage == 2:
            break
        if (kind == SS_INFUSION and (stage == 0) == (on <= off)) or (kind == SS_BOLUS and stage == 0):
            set_marks(marks, me.x, state, begin + on, ss[row, SS_AMOUNT])
        if kind == SS_INFUSION:
            turn(me.x, r, dose, (stage == 0) == (on <= off))
        elif kind == SS_BOLUS and stage == 0:
            me.x[state] += value
            add_shadows(me.x, dose, AT_START, 1.0)
    return code, s


@compiled
def _settle(address, at, sets, me, dose, timeline, system, room):
    """Write to me.x the steady state at the end of a dosing cycle; return a status code."""
    (A, b, _, base, accumulates), (upstream, skip, level, rest) = system, room
    fed, M, known, n = upstream.fed, upstream.M, upstream.known, b.size
    known.used[0] = 0
    for i in range(n):
        skip[i] = accumulates[i] or not at.upstream[i]
    if not steady(A, b, base, dose, skip, me.x, upstream):
        return NO_STEADY_STATE
    for i in range(n):
        level[i] = 0.0 if skip[i] else me.x[i]
    if dose.kind == SS_CONSTANT and at.timed:
        return NO_STEADY_STATE
    intervals = 1.0 if dose.kind == SS_CONSTANT else dose.ss[dose.row, SS_TURNS]
    period = _period(dose.ss, dose.row, dose.kind, me.pace) * intervals
    for i in range(n):
        skip[i] = accumulates[i] or at.upstream[i]
        rest[i] = 0.0
    q = 0
    for repeat in range(2):
        for i in range(n):
            me.x[i] = level[i] + rest[i]
        code = _cycle(address, at, sets, me, dose, timeline, system)
        if code:
            return code
        q = find(A, period, period, known)
        if repeat == 1:
            break
        for i in range(n):
            fed[i] = me.x[i] != 0.0 or at.upstream[i]
        spread(A, fed)
        if not leave_alone(known.E[q], base, fed, skip, rest, known.work[0], known.work[1]):
            return NO_STEADY_STATE
        if not rest.any():
            break
    for i in range(n):
        if not fed[i]:
            me.x[i] = rest[i]
    if not fixed_point(A, known.E[q], known.G[q], me.x, fed, skip, M, known.work):
        return NO_STEADY_STATE
    for i in range(n):
        if at.upstream[i]:
            me.x[i] = level[i]
    return 0


@entry
def solve_cascade(address, at, constants, subjects, timeline, observed, control, results):
    """Solve subjects of a cascade; arguments as for :func:`pkpd.engine.solve.loop.solve_lanes`.

    address : int
        Of the machine code of a panel, see ``pkpd.engine.solve.panel``.
    at : Pattern
    control : Control
        ``free`` leaves subjects to a stiff method that need many panels between two events.
    """
    rtol, atol, budget, h_max, free, proper = control
    first_row, origin, ev_start, ev_time, ev_kind, ev_state, ev_value, ev_row, ss, _, _ = timeline
    obs_first, obs_last, obs_time, obs_order = observed
    out, out_first, out_stride, place_of, place_first, status, when, steps = results
    n = constants.initial.size
    own_sets, own_me = make(at, n, constants.P.shape[0], rtol, atol, h_max)
    own = np.zeros((n, n)), np.zeros((6, n))
    at, sets, me = borrow(at, own_sets, own_me)
    A, b, r = unowned(own[0]), unowned(own[1][0]), unowned(own[1][1])
    kept, kept_r, base, sizes = unowned(own[1][2]), unowned(own[1][3]), unowned(own[1][4]), unowned(own[1][5])[:proper]
    P, accumulates, out = unowned(constants.P), unowned(constants.accumulates), unowned(out)
    fixed = Constants(P, unowned(constants.initial), accumulates)
    many, space = (LINEAR_KEPT, n) if ss.shape[0] else (0, 0)
    known = Propagators(
        np.zeros(LINEAR_KEPT), np.zeros(1, np.int64), np.zeros((many, n, n)), np.zeros((many, n, n)),
        np.zeros((3, space, n)),
    )  # fmt: skip
    upstream = SteadyRoom(np.zeros(n, np.bool_), np.zeros(n), np.zeros(n), np.zeros((space, n)), known)
    room = DownstreamRoom(upstream, np.zeros(n, np.bool_), np.zeros(n), np.zeros(n))
    system = System(A, b, r, base, accumulates)
    clock, x, count = me.clock, me.x, me.count
    ordered = obs_order.size > 0
    for who in subjects:
        column = first_row[who]
        clock[TIME], count[STEPS], count[DRIVEN], count[LEVEL], count[POSITION] = origin[who], 0, 0, 0, 0
        count[MAX_STEPS], count[SHORT] = budget[who], 0 if free else -1
        code = 0 if begin_row(at, sets, me, A, b, P, column) else NOT_FINITE
        start(fixed, column, x, r)
        for i in range(proper):
            sizes[i] = abs(x[i])
        _note_size(clock, atol, sizes, r, 0.0)
        _set_constants(at, b, r, me.c, count)
        me.usual[:] = np.inf
        _begin_stretch(n, me)
        e, o = ev_start[who], obs_first[who]
        while code == 0 and o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target, since = obs_time[o] if observe else e_time, clock[TIME]
            if target > since:
                code = _carry(address, since, target, me, sets)
                if code == NEEDS_SET:
                    supply(at, sets, me)
                    clock[TIME], code = since, 0
                    continue
                if code:
                    break
            if observe:
                j = o - obs_first[who]
                if not record(x, out, out_first[who] + j, out_stride):
                    code = NOT_FINITE
                    break
                if place_of.size:
                    place_of[place_first[who] + j] = column
                o += 1
                continue
            kind, state, value = ev_kind[e], ev_state[e], ev_value[e]
            put = put_at_once(kind, value)
            if kind in (SS_INFUSION, SS_CONSTANT):
                put = abs(value) * _period(ss, ev_row[e], kind, me.pace)
            if put > 0.0 and state < proper:
                sizes[state] = max(sizes[state], put)
                _note_size(clock, atol, sizes, r, 0.0)
            if kind == ROW:
                column = ev_row[e]
                if not begin_row(at, sets, me, A, b, P, column):
                    code = NOT_FINITE
                    break
            elif kind >= SS_FIRST:
                for i in range(n):
                    base[i] = P[fixed.initial[i], column]
                dose = SteadyDose(kind, state, value, ss, ev_row[e])
                code = _settle(address, at, sets, me, dose, timeline, system, room)
                if code:
                    break
                leave_cycle(dose, False, accumulates, base, kept, kept_r, x, r)
            else:
                change(kind, state, value, column, fixed, x, r)
            if kind != BOLUS and kind != REPLACE and kind != STOP:
                _set_constants(at, b, r, me.c, count)
            if kind == RESET:
                for i in range(proper):
                    sizes[i] = max(sizes[i], abs(x[i]))
            if kind in (BOLUS, RATE, RESET, SS_BOLUS, SS_INFUSION):
                later = ev_time[e + 1] if e + 1 < ev_start[who + 1] else obs_time[obs_last[who] - 1]
                _note_size(clock, atol, sizes, r, max(later - clock[TIME], 0.0))
            begins = kind == BOLUS or (kind == RATE and value > 0.0)
            _begin_stretch(state if begins else n, me)
            count[SHORT] = min(count[SHORT], 0)
            e += 1
        status[who], when[who], steps[who] = code, clock[TIME], count[STEPS]
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
    return own[0].size + own[1].size + own_sets.lengths.size + own_me.x.size  # which keeps what was borrowed
