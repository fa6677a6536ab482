"""A subject of a cascade moves on by panels: how long they are, and what is remembered between them.

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
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import inlined, leaf
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.panel_sets import (
    AFTER,
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
    supply,
)
from pkpd.engine.solve.status import Status

__all__ = ["NEEDS_SET", "begin_stretch", "carry", "carry_on", "set_constants"]

REACH = 16.0
HALVINGS = 40
NEEDS_SET = -1
STEP_TOO_SMALL, TOO_MANY_STEPS = int(Status.STEP_TOO_SMALL), int(Status.TOO_MANY_STEPS)
NOT_FINITE, IS_STIFF = int(Status.NOT_FINITE), int(Status.STIFF)
MANY_SHORT = 250  # panels between two events, after which a stiff method costs less


@leaf
def set_constants(at, b, r, c, count):
    """Note that constants or infusion rates are others now; the first ones need sets with integrals."""
    driven, chain = False, at.groups.size > 0
    for i in range(b.size):
        c[i] = b[i] + r[i]
        driven |= c[i] != 0.0 and (at.upstream[i] or not chain)
    count[VERSION] += 1
    if driven and not count[DRIVEN]:
        count[DRIVEN], count[USED] = 1, 0


@inlined
def begin_stretch(state, me):
    """Note that an event has changed what the panels will see; begin as after the last one of the same state."""
    me.pace[HOPE], me.pace[SINCE], me.pace[AFTER] = me.usual[state], me.clock[TIME], state


@inlined
def carry(address, start, target, me, sets):
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
def carry_on(address, at, sets, me, target):
    """Move the subject on to the target; return a status code."""
    start, code = me.clock[TIME], NEEDS_SET
    me.count[LEVEL], me.count[POSITION] = 0, 0
    while start < target and code == NEEDS_SET:
        code = carry(address, start, target, me, sets)
        if code == NEEDS_SET:
            supply(at, sets, me)
    return max(code, 0)
