"""Steady state of a lane: the state that a dosing cycle leads back to, found by cycles and extrapolation.

A cycle maps the state y at its start to F(y) at its end. After a few cycles one after the other, each next start is the
combination ``sum a_i F(y_i)``, ``sum a_i = 1``, of the last cycles whose ``sum a_i (F(y_i) - y_i)`` is smallest, in
tolerances (Anderson DG. J ACM 1965;12:547-560; Walker HF, Ni P. SIAM J Numer Anal 2011;49:1715-1735). What cycles
conserve is conserved by it: an amount of target that neither grows nor decays keeps its total. The move
``sum a_i F(y_i) - y`` is the error of y.

Cycles are integrated more tightly than the rest (``TIGHT``). What remains of F(y) - y is then the integrator's noise:
some tolerances that no longer shrink count as none.

A constant infusion has no cycle; it runs for times that double.
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf
from pkpd.engine.solve.arrays import SteadyDose
from pkpd.engine.solve.event_codes import SS_BOLUS, SS_CONSTANT
from pkpd.engine.solve.lane import CYCLE, DUE, KNOWN, MODE, SINCE, SSEV, STAGE, STALLED, SWITCH, TURN
from pkpd.engine.solve.one_subject import set_marks
from pkpd.engine.solve.shadows import (
    AT_END,
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

__all__ = ["DEPTH", "ss_begin", "ss_process", "ss_stop", "tightness"]

TIGHT = 0.1  # tolerance of cycles
NOISE = 10.0  # tolerances that may remain where they no longer shrink
WORST = 1e4  # of an error that such a remainder can stand for
PLAIN = 4  # cycles one after the other before the first combination
DEPTH = 8  # cycles that are combined with the last one
DEPENDENT = 1e-7  # part of a cycle's change that others do not explain, below which it is left out
MAX_CYCLES = 400
MAX_DOUBLINGS = 44
REACH = 1e5  # cycles' worth of the present change that the steady state may be away
# of the room for the search: y at the start of the cycle, the farthest that y may go, initial values
FROM, FARTHEST, INITIAL = range(3)
# of what is kept of past cycles
END, CHANGE = range(2)
WENT_ON, FOUND, FAILED = range(3)
NO_STEADY_STATE = int(Status.NO_STEADY_STATE)


@leaf
def tightness(rtol):
    """Return the factor of the tolerances within cycles; rounding sets a limit."""
    return max(TIGHT, min(1.0, 1e-14 / rtol))


@leaf
def _dose(timeline, e):
    """Return the dose of a steady state that an event asks for."""
    return SteadyDose(timeline.kind[e], timeline.state[e], timeline.value[e], timeline.ss, timeline.row[e])


@leaf
def _cycle(L, w, timeline, moving, search):
    """Set the lane's clock to the beginning of an interval of a cycle that ends at the record's time."""
    SST, SSV, ss = search.SST, search.SSV, timeline.ss
    time, (kind, state, value, _, row) = timeline.time[L[SSEV, w]], _dose(timeline, L[SSEV, w])
    period = ss[row, SS_PERIOD]
    end = time - (ss[row, SS_TURNS] - 1.0 - L[TURN, w]) * period
    if kind == SS_CONSTANT:
        period *= 2.0 ** min(L[CYCLE, w], MAX_DOUBLINGS)
        end = time
    begin = end - period
    moving.T[0, w] = begin
    L[STAGE, w] = 0
    if L[TURN, w] == 0:
        L[SWITCH, w] = int(ss[row, SS_FIRST_STOP])
    SST[0, w], SST[1, w], SST[2, w] = end, end, end
    SSV[0, w], SSV[1, w] = 0.0, 0.0
    if kind == SS_CONSTANT:
        return
    on, off = begin + ss[row, SS_ON], begin + ss[row, SS_OFF]
    set_marks(timeline.marks, moving.Y[:, w], state, on - period, ss[row, SS_AMOUNT])
    if kind == SS_BOLUS:
        SST[0, w], SSV[0, w] = on, value
    elif on <= off:
        SST[0, w], SSV[0, w], SST[1, w], SSV[1, w] = on, value, min(off, end), -value
    else:
        SST[0, w], SSV[0, w], SST[1, w], SSV[1, w] = min(off, end), -value, on, value


@leaf
def _change(L, w, timeline, moving, search):
    """Apply what falls on the present time of the cycle."""
    T, Y, R, SST = moving.T, moving.Y, moving.R, search.SST
    dose = _dose(timeline, L[SSEV, w])
    kind, state = dose.kind, dose.state
    while L[STAGE, w] < 2 and SST[L[STAGE, w], w] <= T[0, w]:
        value = search.SSV[L[STAGE, w], w]
        if value > 0.0 or (kind == SS_BOLUS and L[STAGE, w] == 0):
            set_marks(timeline.marks, Y[:, w], state, T[0, w], dose.ss[dose.row, SS_AMOUNT])
        if kind == SS_BOLUS:
            Y[state, w] += value
            if L[STAGE, w] == 0:
                add_shadows(Y[:, w], dose, AT_START, 1.0)
        else:
            R[state, w] += value
            if value != 0.0:
                add_shadows(Y[:, w], dose, AT_START if value > 0.0 else AT_END, 1.0)
                add_shadows(R[:, w], dose, DURING, 1.0 if value > 0.0 else -1.0)
            if abs(R[state, w]) < 1e-12 * abs(value):
                R[state, w] = 0.0
        L[STAGE, w] += 1


@leaf
def ss_stop(L, w, timeline, now, SST):
    """Return the next time in the cycle at which a dose begins or ends, the equations change, or the cycle ends."""
    row, cycle_stops = timeline.row[L[SSEV, w]], timeline.cycle_stops
    stop, last = SST[L[STAGE, w], w], int(timeline.ss[row, SS_LAST_STOP])
    while L[SWITCH, w] < last and cycle_stops[L[SWITCH, w]] <= now:
        L[SWITCH, w] += 1
    return min(stop, cycle_stops[L[SWITCH, w]]) if L[SWITCH, w] < last else stop


@leaf
def ss_begin(L, w, timeline, moving, search, constants):
    """Leave the main clock: reset the system and begin the first cycle."""
    Y, R, states = moving.Y, moving.R, search.states
    dose = _dose(timeline, L[SSEV, w])
    for s in range(Y.shape[0]):
        Y[s, w], R[s, w] = constants.P[constants.initial[s], moving.ROWS[w]], 0.0
        states[FROM, s, w] = states[INITIAL, s, w] = Y[s, w]
    L[MODE, w], L[CYCLE, w], L[SINCE, w], L[DUE, w], L[KNOWN, w], L[STALLED, w] = 1, 0, 0, 0, 0, 0
    L[TURN, w] = 0
    if dose.kind != SS_BOLUS:
        ongoing = dose.ss[dose.row, SS_ONGOING]
        R[dose.state, w] = ongoing * dose.value
        add_shadows(R[:, w], dose, DURING, ongoing)
    _cycle(L, w, timeline, moving, search)
    _change(L, w, timeline, moving, search)


@leaf
def _leave(L, w, timeline, moving, search, accumulates):
    """Return to the main clock with the steady state."""
    Y, R = moving.Y, moving.R
    for s in range(Y.shape[0]):
        if accumulates[s]:
            Y[s, w] = search.states[INITIAL, s, w]
    dose = _dose(timeline, L[SSEV, w])
    if dose.kind == SS_CONSTANT:
        R[dose.state, w] = 0.0
        add_shadows(R[:, w], dose, DURING, -1.0)
    L[MODE, w], L[DUE, w] = 0, 1


@leaf
def _unit(s, w, Y, TOL):
    """Return what counts as one tolerance of a state."""
    return (TOL[1 + s, w] + TOL[0, w] * abs(Y[s, w])) / TIGHT


@leaf
def _change_of_cycle(w, Y, search, TOL, accumulates):
    """Return the largest difference between end and start of the cycle, in tolerances."""
    distance = 0.0
    for s in range(Y.shape[0]):
        if not accumulates[s]:
            part = abs(Y[s, w] - search[FROM, s, w]) / _unit(s, w, Y, TOL)
            distance = part if not part <= distance else distance
    return distance


@compiled
def _repeat(L, w, Y, search, past, TOL, DIST, accumulates):
    """Judge a cycle and choose the start of the next one."""
    n = Y.shape[0]
    L[SINCE, w] += 1
    distance = _change_of_cycle(w, Y, search, TOL, accumulates)
    before = DIST[0, w] if L[SINCE, w] > 1 else np.inf
    rho = distance / before if before > 0.0 else 0.0
    DIST[0, w] = distance
    if not math.isfinite(distance) or L[CYCLE, w] > MAX_CYCLES:
        return FAILED
    plain = L[SINCE, w] <= PLAIN
    if distance == 0.0 or (plain and L[SINCE, w] > 1 and rho < 0.9 and distance * rho <= 1.0 - rho):
        return FOUND
    if plain and L[SINCE, w] == PLAIN:
        reach = min(REACH, 0.05 * TIGHT / TOL[0, w])
        for s in range(n):
            change = abs(Y[s, w] - search[FROM, s, w])
            search[FARTHEST, s, w] = max(abs(Y[s, w]), abs(search[FROM, s, w])) + reach * change
    if not plain and distance > 100.0 * before:  # begin anew from what the cycle has led to
        L[SINCE, w], L[KNOWN, w], L[STALLED, w] = 0, 0, 0
    if L[SINCE, w] < PLAIN:
        _keep(L, w, Y, search, past)
        for s in range(n):
            search[FROM, s, w] = Y[s, w]
        return WENT_ON
    y, size = _combine(L, w, Y, search, past, TOL, accumulates)
    _keep(L, w, Y, search, past)
    if size <= 1.0 and distance <= NOISE:
        _accept(w, y, Y, accumulates)
        return FOUND
    L[STALLED, w] = L[STALLED, w] + 1 if L[SINCE, w] > PLAIN and size > 0.5 * DIST[1, w] else 0
    DIST[1, w] = size
    if L[STALLED, w] >= 2 and distance <= NOISE and size <= WORST:
        _accept(w, y, Y, accumulates)
        return FOUND
    _go(w, y, Y, search, accumulates)
    return WENT_ON


@leaf
def _keep(L, w, Y, search, past):
    """Remember the cycle in place of the oldest one."""
    q = L[KNOWN, w] % DEPTH
    for s in range(Y.shape[0]):
        past[END, q, s, w], past[CHANGE, q, s, w] = Y[s, w], Y[s, w] - search[FROM, s, w]
    L[KNOWN, w] += 1


@compiled
def _combine(L, w, Y, search, past, TOL, accumulates):
    """Return the best combination of the cycle with the ones before, and its distance from the cycle's start.

    By Gram-Schmidt, the latest cycle first: each difference of changes is freed of those before, and the difference of
    ends with it, so that what is taken from the change tells what to take from the end.
    """
    n, known = Y.shape[0], min(L[KNOWN, w], DEPTH)
    changes, ends, weight = np.zeros((known, n)), np.zeros((known, n)), np.zeros(n)
    y, rest, used = Y[:, w].copy(), np.zeros(n), 0
    for s in range(n):
        weight[s] = 0.0 if accumulates[s] else 1.0 / _unit(s, w, Y, TOL)
        rest[s] = (Y[s, w] - search[FROM, s, w]) * weight[s]
    for k in range(known):
        q = (L[KNOWN, w] - 1 - k) % DEPTH
        d, f = changes[used], ends[used]
        for s in range(n):
            d[s] = (Y[s, w] - search[FROM, s, w] - past[CHANGE, q, s, w]) * weight[s]
            f[s] = Y[s, w] - past[END, q, s, w]
        whole = math.sqrt(np.sum(d * d))
        for i in range(used):
            part = np.sum(changes[i] * d)
            for s in range(n):
                d[s] -= part * changes[i, s]
                f[s] -= part * ends[i, s]
        own = math.sqrt(np.sum(d * d))
        if not own > DEPENDENT * whole:
            continue
        for s in range(n):
            d[s] /= own
            f[s] /= own
        part = np.sum(d * rest)
        for s in range(n):
            rest[s] -= part * d[s]
            y[s] -= part * f[s]
        used += 1
    size = 0.0
    for s in range(n):
        part = abs(y[s] - search[FROM, s, w]) * weight[s]
        size = part if not part <= size else size
    return y, size


@leaf
def _accept(w, y, Y, accumulates):
    """End with a combination, but for states that it would move below zero."""
    for s in range(Y.shape[0]):
        if not accumulates[s] and (y[s] >= 0.0 or Y[s, w] < 0.0):
            Y[s, w] = y[s]


@leaf
def _go(w, y, Y, search, accumulates):
    """Take a combination for the next start: not from above zero to below, nor farther than cycles could ever lead."""
    for s in range(Y.shape[0]):
        start, end, value = search[FROM, s, w], Y[s, w], y[s]
        if not math.isfinite(value) or accumulates[s]:
            value = end
        elif start >= 0.0 and end >= 0.0:
            value = max(value, 0.1 * min(start, end))
        search[FROM, s, w] = max(-search[FARTHEST, s, w], min(search[FARTHEST, s, w], value))


@compiled
def _double(L, w, Y, search, TOL, DIST, accumulates):
    """Judge a constant infusion that has run for twice as long."""
    distance = _change_of_cycle(w, Y, search, TOL, accumulates)
    stalled = distance <= NOISE and distance > 0.5 * DIST[0, w]
    DIST[0, w] = distance
    for s in range(Y.shape[0]):
        search[FROM, s, w] = Y[s, w]
    if L[CYCLE, w] > 3 and (distance <= 1.0 or stalled):
        return FOUND
    return WENT_ON if math.isfinite(distance) and L[CYCLE, w] < MAX_DOUBLINGS else FAILED


@compiled
def ss_process(L, w, timeline, moving, search, accumulates, TOL):
    """Go on at a stop within a dosing cycle; return a status code above 0 on failure.

    Parameters
    ----------
    timeline : Timeline
    moving : Moving
    search : SteadySearch
        Rows of its states are FROM, FARTHEST and INITIAL, of its past cycles END and CHANGE.
    """
    e, Y = L[SSEV, w], moving.Y
    kind, n = timeline.kind[e], Y.shape[0]
    _change(L, w, timeline, moving, search)
    L[DUE, w] = 0
    if moving.T[0, w] < search.SST[2, w]:
        return 0
    if kind != SS_CONSTANT and L[TURN, w] + 1 < timeline.ss[timeline.row[e], SS_TURNS]:
        L[TURN, w] += 1
        _cycle(L, w, timeline, moving, search)
        _change(L, w, timeline, moving, search)
        return 0
    L[TURN, w] = 0
    L[CYCLE, w] += 1
    if kind == SS_CONSTANT:
        outcome = _double(L, w, Y, search.states, TOL, search.DIST, accumulates)
    else:
        outcome = _repeat(L, w, Y, search.states, search.past, TOL, search.DIST, accumulates)
    if outcome == FAILED:
        return NO_STEADY_STATE
    if outcome == FOUND:
        _leave(L, w, timeline, moving, search, accumulates)
        return 0
    for s in range(n):
        Y[s, w] = search.states[FROM, s, w]
    _cycle(L, w, timeline, moving, search)
    _change(L, w, timeline, moving, search)
    return 0
