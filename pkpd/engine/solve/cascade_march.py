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
Events and observations end panels. What lies between two of them is halved until the estimate allows it, and the last
panel takes what is left, so that the same few lengths return again and again and the matrices for them are remembered.

How long the next one may be follows from where the integrand ceases to be smooth. With its singularity a lengths before
a panel, as an effect's that saturates soon after a dose, coefficients fall by rho each, rho + 1 / rho = 2 (1 + 2 a)
(Trefethen LN. Approximation Theory and Approximation Practice, 2013, theorem 8.1), and the square of the estimate is
as ``h^2 rho^-21``. The ratio of the coefficients tells rho and thereby a; from farther away a panel may be longer by as
much. Coefficients that do not fall, at a kink or where rounding is all that is left of them, tell their size alone,
times h. The first panel after a dose into a state is as long as the last one there might have been.
"""

from __future__ import annotations

import math
from collections import namedtuple

from pkpd.engine.machine.jit import inlined, leaf
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.panel_sets import (
    AFTER,
    DONE,
    DOWN,
    H_MAX,
    HOPE,
    KEPT,
    LATEST,
    LENGTH,
    MAX_STEPS,
    RATIO,
    SHORT,
    SINCE,
    SQUARE,
    STEPS,
    TIME,
    UP,
    USED,
    VERSION,
    WHICH,
    supply,
)
from pkpd.engine.solve.status import Status

__all__ = ["NEEDS_SET", "PanelAddresses", "begin_stretch", "carry", "carry_on", "set_constants"]

#: addresses of the machine code of panels and of their sets
PanelAddresses = namedtuple("PanelAddresses", "panel sets")

REACH = 16.0
LEAST = 0.5**40  # of the way to the next stop
LONGEST, SHORTEST = 32.0, 0.0625  # factors from one panel to the next
UNRESOLVED = 0.9  # coefficients that fall no faster tell their size alone
HOPEFUL = 0.1  # estimate that is tried
LEAST_RATIO = 1e-48  # which the power 21/4 leaves finite
NEEDS_SET = -1
EPS, TINY = 2.0**-53, 1e-300
STEP_TOO_SMALL, TOO_MANY_STEPS = int(Status.STEP_TOO_SMALL), int(Status.TOO_MANY_STEPS)
NOT_FINITE, IS_STIFF = int(Status.NOT_FINITE), int(Status.STIFF)
MANY_SHORT = 250  # panels between two events, after which a stiff method costs less


@leaf
def set_constants(b, r, c, count):
    """Note that constants or infusion rates are others now."""
    for i in range(b.size):
        c[i] = b[i] + r[i]
    count[VERSION] += 1


@leaf
def _scaled(square, ratio, behind, wanted):
    """Return by how much to multiply the length of a panel for the next one, see above.

    Parameters
    ----------
    square : float
        Square of the estimate, in units of the error allowed.
    ratio : float
        ``(high / low)^2``.
    behind : float
        How far behind the panel's start the next one begins, in lengths: 1 at its end, 0 where it is tried again.
    wanted : float
        Above 1: the longest is looked for that may be tried, doubling until it is as long as this; 1 or less: the
        longest of shorter ones.
    """
    growing = wanted > 1.0
    if not 0.0 < ratio < UNRESOLVED:
        if not growing:
            return SHORTEST
        return LONGEST if ratio == 0.0 else min(max(math.sqrt(HOPEFUL / square), 1.0), LONGEST)
    root = math.sqrt(math.sqrt(max(ratio, LEAST_RATIO)))
    rho = 1.0 / root
    away = 0.5 * (rho + root) - 1.0 + 2.0 * behind  # twice
    size, factor, enough = square * _power_21(rho), 1.0, min(wanted, LONGEST)
    while True:
        tried, near = (2.0 * factor, 0.5 * away) if growing else (0.5 * factor, 2.0 * away)
        at = 1.0 + near
        fits = size * tried * tried <= HOPEFUL * _power_21(at + math.sqrt(at * at - 1.0))
        if growing and not fits:
            return factor
        factor, away = tried, near
        if (growing and factor >= enough) or (not growing and (fits or factor <= SHORTEST)):
            return factor


@inlined
def _power_21(x):
    second = x * x
    fourth = second * second
    sixteenth = (fourth * fourth) * (fourth * fourth)
    return sixteenth * fourth * x


@inlined
def begin_stretch(state, me):
    """Note that an event has changed what the panels will see; begin as after the last one of the same state."""
    me.pace[HOPE], me.pace[SINCE], me.pace[AFTER], me.pace[RATIO] = me.usual[state], me.clock[TIME], state, -1.0


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
    span = target - start
    clock[LATEST] = target - (1.5 * EPS * abs(target) + TINY)  # one or two numbers below
    while pace[DONE] < 1.0:
        left, now = 1.0 - pace[DONE], start + pace[DONE] * span
        if pace[RATIO] >= 0.0 and left * span > pace[HOPE]:  # what the last one tells, once it is asked for
            pace[HOPE] *= _scaled(pace[SQUARE], pace[RATIO], 1.0, left * span / pace[HOPE])
            pace[RATIO] = -1.0
        bound = min(REACH / pace[DOWN], REACH / pace[UP] + now - pace[SINCE], pace[HOPE], pace[H_MAX]) * (1.0 + 1e-9)
        part = left if left * span <= bound else math.ldexp(0.5, math.frexp(bound / span)[1])
        if not part >= LEAST:
            return STEP_TOO_SMALL if math.isfinite(info[0]) else NOT_FINITE
        if count[STEPS] >= count[MAX_STEPS]:
            return TOO_MANY_STEPS
        h = part * span
        clock[TIME], clock[LENGTH] = now, h
        which = -1
        for q in range(min(count[USED], KEPT)):
            if abs(lengths[q] - h) <= 4e-16 * abs(now):
                which = q
                break
        if which < 0 or version[which] != count[VERSION]:
            count[WHICH] = which
            return NEEDS_SET
        call_code(address.panel, (clock, x, p, stored, which, new, info))
        count[STEPS] += 1
        square, ratio = info[0], info[1]
        if square <= 1.0:
            if part < 1.0 and count[SHORT] >= 0:
                count[SHORT] += 1
                if count[SHORT] == MANY_SHORT:
                    return IS_STIFF
            pace[DONE] += part
            pace[HOPE], pace[SQUARE], pace[RATIO] = h, square, ratio
            if pace[AFTER] >= 0.0:  # the first one after an event; one that the next stop ends was long enough
                state = int(pace[AFTER])
                if state < x.size and part < 1.0:
                    usual[state] = h * _scaled(square, ratio, 0.0, LONGEST)
                pace[AFTER] = -1.0
        else:
            pace[HOPE], pace[RATIO] = h * _scaled(square, ratio, 0.0, 0.0), -1.0
    pace[DONE] = 0.0
    clock[TIME] = target
    return 0


@leaf
def carry_on(address, at, sets, me, target):
    """Move the subject on to the target; return a status code."""
    start, code = me.clock[TIME], NEEDS_SET
    me.pace[DONE] = 0.0
    while start < target and code == NEEDS_SET:
        code = carry(address, start, target, me, sets)
        if code == NEEDS_SET:
            supply(address.sets, at, sets, me)
    return max(code, 0)
