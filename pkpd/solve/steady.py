"""Steady state of a lane by repeating the dosing cycle, with extrapolation of the slowest mode."""

from __future__ import annotations

import numpy as np

from pkpd.machine.jit import compiled
from pkpd.solve.shadows import AT_END, AT_START, DURING, add_shadows
from pkpd.solve.timeline import SS_ADD, SS_BOLUS, SS_CONSTANT, SS_FIRST

__all__ = ["ss_begin", "ss_process"]

MAX_CYCLES = 20000
MAX_DOUBLINGS = 60
# rows of the lane table used here, as in pkpd.solve.loop
MODE, STAGE, CYCLE, SINCE, SSEV, DUE = 8, 9, 10, 11, 12, 13
PERIOD, ON, OFF, ONGOING = range(4)


@compiled
def _cycle(L, w, ss, row, kind, ev_time_e, T, SST, SSV, value):
    """Set the lane's clock to the beginning of a cycle that ends at the record's time."""
    period = ss[row, PERIOD]
    if kind == SS_CONSTANT:
        period *= 2.0 ** min(L[CYCLE, w], MAX_DOUBLINGS)
    begin = ev_time_e - period
    T[0, w] = begin
    L[STAGE, w] = 0
    SST[0, w], SST[1, w], SST[2, w] = ev_time_e, ev_time_e, ev_time_e
    SSV[0, w], SSV[1, w] = 0.0, 0.0
    if kind == SS_CONSTANT:
        return
    on, off = begin + ss[row, ON], begin + ss[row, OFF]
    if kind == SS_BOLUS:
        SST[0, w], SSV[0, w] = on, value
    elif on <= off:
        SST[0, w], SSV[0, w], SST[1, w], SSV[1, w] = on, value, min(off, ev_time_e), -value
    else:
        SST[0, w], SSV[0, w], SST[1, w], SSV[1, w] = min(off, ev_time_e), -value, on, value


@compiled
def _change(L, w, kind, state, Y, R, T, SST, SSV, ss, row):
    """Apply what falls on the present time of the cycle."""
    while L[STAGE, w] < 2 and SST[L[STAGE, w], w] <= T[0, w]:
        value = SSV[L[STAGE, w], w]
        if kind == SS_BOLUS:
            Y[state, w] += value
            if L[STAGE, w] == 0:
                add_shadows(Y[:, w], ss, row, AT_START, 1.0)
        else:
            R[state, w] += value
            if value != 0.0:
                add_shadows(Y[:, w], ss, row, AT_START if value > 0.0 else AT_END, 1.0)
                add_shadows(R[:, w], ss, row, DURING, 1.0 if value > 0.0 else -1.0)
            if abs(R[state, w]) < 1e-12 * abs(value):
                R[state, w] = 0.0
        L[STAGE, w] += 1


@compiled
def ss_begin(
    L, w, ss, ev_kind, ev_state, ev_value, ev_row, ev_time, T, Y, R, YP, YS, SST, SSV, P, ROWS, initial_places
):
    """Leave the main clock: keep the present state, reset the system and begin the first cycle."""
    e = L[SSEV, w]
    n = Y.shape[0]
    for s in range(n):
        YS[s, w], YS[n + s, w] = Y[s, w], R[s, w]
        Y[s, w], R[s, w] = P[initial_places[s], ROWS[w]], 0.0
        YP[s, w] = Y[s, w]
        YS[2 * n + s, w] = Y[s, w]
    kind = SS_FIRST + (ev_kind[e] - SS_FIRST) % SS_ADD
    L[MODE, w], L[CYCLE, w], L[SINCE, w], L[DUE, w] = 1, 0, 0, 0
    row = ev_row[e]
    if kind != SS_BOLUS:
        R[ev_state[e], w] = ss[row, ONGOING] * ev_value[e]
        add_shadows(R[:, w], ss, row, DURING, ss[row, ONGOING])
    _cycle(L, w, ss, row, kind, ev_time[e], T, SST, SSV, ev_value[e])
    _change(L, w, kind, ev_state[e], Y, R, T, SST, SSV, ss, row)


@compiled
def _leave(L, w, kind, additive, state, value, Y, R, YS, accumulates, ss, row):
    """Return to the main clock with the steady state, added to what was there for SS=2."""
    n = Y.shape[0]
    for s in range(n):
        initial = YS[2 * n + s, w]
        gain = 0.0 if accumulates[s] else Y[s, w] - initial
        Y[s, w] = (YS[s, w] if additive else initial) + gain
        if s == state and kind == SS_CONSTANT:
            R[s, w] -= value
        if additive:
            R[s, w] += YS[n + s, w]
    if kind == SS_CONSTANT:
        add_shadows(R[:, w], ss, row, DURING, -1.0)
    L[MODE, w], L[DUE, w] = 0, 1


@compiled
def ss_process(
    L, w, ss, ev_kind, ev_state, ev_value, ev_row, ev_time, T, Y, R, YP, YS, SST, SSV, DIST, accumulates, rtol, atol
):
    """Go on at a stop within a dosing cycle; return a status code above 0 on failure.

    The distance d between the ends of consecutive cycles shrinks by a factor rho; what is still missing is estimated as
    d rho / (1 - rho) and must fall below the tolerance. Where rho is steady, that much is added at once (Aitken).
    """
    e = L[SSEV, w]
    kind = SS_FIRST + (ev_kind[e] - SS_FIRST) % SS_ADD
    additive = ev_kind[e] >= SS_FIRST + SS_ADD
    _change(L, w, kind, ev_state[e], Y, R, T, SST, SSV, ss, ev_row[e])
    L[DUE, w] = 0
    if T[0, w] < ev_time[e]:
        return 0
    L[CYCLE, w] += 1
    L[SINCE, w] += 1
    n = Y.shape[0]
    distance = 0.0
    for s in range(n):
        if not accumulates[s]:
            distance = max(distance, abs(Y[s, w] - YP[s, w]) / (atol + rtol * abs(Y[s, w])))
    before = DIST[0, w] if L[SINCE, w] > 1 else np.inf
    rho = distance / before if before > 0.0 else 0.0
    steady = L[SINCE, w] > 2 and abs(rho - DIST[1, w]) < 0.02 * rho
    DIST[0, w], DIST[1, w] = distance, rho
    if kind == SS_CONSTANT:
        close = distance <= 1.0 and L[CYCLE, w] > 3
        failed = L[CYCLE, w] > MAX_DOUBLINGS
    else:
        close = L[SINCE, w] > 1 and rho < 1.0 and distance * rho <= 1.0 - rho
        failed = L[CYCLE, w] > MAX_CYCLES
    if close or distance == 0.0:
        _leave(L, w, kind, additive, ev_state[e], ev_value[e], Y, R, YS, accumulates, ss, ev_row[e])
        return 0
    if failed or not np.isfinite(distance):
        return 4
    jump = steady and rho < 0.9999 and kind != SS_CONSTANT
    for s in range(n):
        if jump and not accumulates[s]:
            guess = Y[s, w] + (Y[s, w] - YP[s, w]) * rho / (1.0 - rho)
            if guess * Y[s, w] > 0.0:
                Y[s, w] = guess
        YP[s, w] = Y[s, w]
    if jump:
        L[SINCE, w] = 0
    _cycle(L, w, ss, ev_row[e], kind, ev_time[e], T, SST, SSV, ev_value[e])
    _change(L, w, kind, ev_state[e], Y, R, T, SST, SSV, ss, ev_row[e])
    return 0
