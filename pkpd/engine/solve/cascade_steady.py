"""Steady states of cascades.

The upstream states have a closed form. With them, a dosing cycle maps the others by ``m -> E m + v``; v is one cycle
from m = 0, and m = (1 - E)^-1 v.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf
from pkpd.engine.solve.cascade_march import begin_stretch, carry_on, set_constants
from pkpd.engine.solve.event_codes import SS_BOLUS, SS_CONSTANT, SS_INFUSION
from pkpd.engine.solve.one_subject import set_marks, turn
from pkpd.engine.solve.panel_sets import DOWN, SHORT, TIME
from pkpd.engine.solve.periodic import fixed_point, leave_alone, make_steady_room, spread, steady
from pkpd.engine.solve.propagate import find
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
from pkpd.engine.solve.status import Status

__all__ = ["DownstreamRoom", "System", "make_room", "period_of", "settle"]

NO_STEADY_STATE = int(Status.NO_STEADY_STATE)
#: of the subject at hand: A, b and infusion rates, initial values, states that never reach a steady state
System = namedtuple("System", "A b r base accumulates")
#: room for a steady state downstream: as upstream, what to leave out, upstream part, the rest
DownstreamRoom = namedtuple("DownstreamRoom", "upstream skip level rest")


def make_room(n: int) -> Any:
    """Return room for steady states of n states."""
    return DownstreamRoom(make_steady_room(n), np.zeros(n, np.bool_), np.zeros(n), np.zeros(n))


@leaf
def period_of(ss, row, kind, pace):
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
        period, on, off, ongoing = period_of(ss, row, kind, me.pace), 0.0, 0.0, 1.0
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
        set_constants(b, r, me.c, me.count)
        begin_stretch(state, me)
        me.count[SHORT] = min(me.count[SHORT], 0)
        target = begin + min(on, off) if stage == 0 else begin + max(on, off) if stage == 1 else end
        while code == 0 and s < ss[row, SS_LAST_STOP] and cycle_stops[s] < target:
            if cycle_stops[s] > me.clock[TIME]:
                code = carry_on(address, at, sets, me, cycle_stops[s])
                begin_stretch(b.size, me)
                me.count[SHORT] = min(me.count[SHORT], 0)
            s += 1
        if code == 0:
            code = carry_on(address, at, sets, me, target)
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
def settle(address, at, sets, me, dose, timeline, system, room):
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
    period = period_of(dose.ss, dose.row, dose.kind, me.pace) * intervals
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
