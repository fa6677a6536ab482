"""The solver loop: each lane carries one subject through its events on its own clock and then takes the next one.

Compiled once for every model and every method; the model is the address of its machine code.
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import entry, leaf
from pkpd.engine.solve.call import call_method
from pkpd.engine.solve.sizes import finite_slopes, forget_sizes, note_sizes, put_at_once
from pkpd.engine.solve.steady import DEPTH, ss_begin, ss_process, ss_stop, tightness
from pkpd.engine.solve.timeline import BOLUS, RATE, REPLACE, RESET, ROW, SS_CONSTANT, SS_FIRST

__all__ = ["solve_lanes"]

# rows of the integer table of lanes
(
    WHO, EV, EVEND, OB, OBEND, STEPS, STIFF, CALM, MODE, STAGE, CYCLE, SINCE, SSEV, DUE, HIT, KNOWN, STALLED, SWITCH,
    TURN,
) = range(19)  # fmt: skip
LANE_ROWS = 19
MANY_STIFF = 50  # steps in a row at the limit of stability that hand a subject over to the stiff method
INT_STATUS_STEP, INT_STATUS_STEPS, INT_STATUS_FINITE, INT_STATUS_SS, INT_STATUS_STIFF = 1, 2, 3, 4, 5


@leaf
def _set_places(P, row, n_hot, PL, w):
    for k in range(n_hot):
        PL[k, w] = P[k, row]


@leaf
def _reset(P, row, initial_places, Y, R, w):
    for s in range(Y.shape[0]):
        Y[s, w] = P[initial_places[s], row]
        R[s, w] = 0.0


@leaf
def _load(L, w, who, first_row, origin, ev_start, obs_first, obs_last, P, initial_places, n_hot, Y, R, PL, T, ROWS):
    L[:, w] = 0
    L[WHO, w] = who
    L[EV, w], L[EVEND, w] = ev_start[who], ev_start[who + 1]
    L[OB, w], L[OBEND, w] = obs_first[who], obs_last[who]
    L[DUE, w] = 1
    T[0, w] = origin[who]
    ROWS[w] = first_row[who]
    _set_places(P, ROWS[w], n_hot, PL, w)
    _reset(P, ROWS[w], initial_places, Y, R, w)


@leaf
def _record(L, w, value, who, out, out_first, out_stride, obs_first, place_of, place_first, ROWS):
    """Write the states in value[:, w] as the next observation of the lane; return whether all are finite."""
    j, finite = L[OB, w] - obs_first[who], True
    for s in range(value.shape[0]):
        out[out_first[who] + s * out_stride + j] = value[s, w]
        finite &= math.isfinite(value[s, w])
    if finite:
        if place_of.size:
            place_of[place_first[who] + j] = ROWS[w]
        L[OB, w] += 1
    return finite


@leaf
def _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n):
    """Free the lane; what was not reached stays not a number."""
    if L[MODE, w] and code in (INT_STATUS_STEP, INT_STATUS_STEPS):
        code = INT_STATUS_SS
    status[who], when[who], steps[who] = code, T[0, w], L[STEPS, w]
    for s in range(n):
        for i in range(L[OB, w], L[OBEND, w]):
            out[out_first[who] + s * out_stride + i - obs_first[who]] = np.nan
    L[WHO, w] = -1


@leaf
def _apply(kind, state, value, row, Y, R, PL, P, n_hot, initial_places, ROWS, w):
    """Change a lane's state by one event that takes no time."""
    if kind == BOLUS:
        Y[state, w] += value
    elif kind == RATE:
        before = R[state, w]
        R[state, w] = before + value
        if abs(R[state, w]) < 1e-12 * abs(value):
            R[state, w] = 0.0
    elif kind == ROW:
        ROWS[w] = row
        _set_places(P, row, n_hot, PL, w)
    elif kind == RESET:
        _reset(P, ROWS[w], initial_places, Y, R, w)
    elif kind == REPLACE:
        Y[state, w] = value


@leaf
def _start_stop(L, w, T, ev_time, ev_row, obs_time, ss, cycle_stops, SST):
    """Return the next time at which the lane must stop."""
    if L[MODE, w]:
        return ss_stop(L, w, ss, ev_row[L[SSEV, w]], cycle_stops, T, SST)
    stop = obs_time[L[OBEND, w] - 1]
    if L[EV, w] < L[EVEND, w]:
        stop = min(stop, ev_time[L[EV, w]])
    return stop


@entry
def solve_lanes(
    addresses, stage_rows, degree, bound, leave_stiff, n_hot, lanes, proper, P, initial_places, accumulates,
    subjects, first_row, origin, ev_start, ev_time, ev_kind, ev_state, ev_value, ev_row, ss,
    obs_first, obs_last, obs_time, obs_order, out, out_first, out_stride, place_of, place_first,
    cycle_stops, marks, rtol, atol, budget, h_max, status, when, steps,
):  # fmt: skip
    """Integrate subjects and write their states at the observations.

    Parameters
    ----------
    addresses : int64 array, (4,)
        Of start, step, dense and commit.
    stage_rows, degree : int
        Rows of K in units of states; degree of the dense output.
    bound : float
        |h lambda| beyond which the method is at its limit of stability; ``leave_stiff`` ends such subjects.
    proper : int
        States that are no sensitivities; they come first.
    P : float array, (places, columns)
        Constants between events; column ``first_row[i]`` belongs to subject i at its start.
    subjects : int array
        Those to be solved; all other per-subject arrays are indexed by it.
    ev_*, ss : the events, see ``pkpd.engine.solve.timeline``
    obs_first, obs_last : int array
        Half-open range of a subject's observations in obs_time.
    obs_order : int array, (0,) or as obs_time
        How many of the subject's events come before the observation; empty: observations precede events of their time.
    out : float array, flat
        State s of a subject's j-th observation goes to ``out_first[i] + s * out_stride + j``.
    place_of : int array, (0,) or flat from place_first
        Column of P in force at each observation.
    cycle_stops : float array
        Times at which conditions on time switch within the cycles of steady states; ``ss`` has each one's range.
    marks : int array, (marks, 3)
        States that doses set, see ``pkpd.engine.solve.kernel.Kernel``.
    budget : int array, (subjects,)
        Most steps.
    status, when, steps : arrays, (subjects,)
        Result: status code, time reached, steps taken.
    """
    n, W = initial_places.size, lanes
    start, step, dense, commit = addresses[0], addresses[1], addresses[2], addresses[3]
    K = np.zeros((stage_rows * n, W))
    Y, YN, R = np.zeros((n, W)), np.zeros((n, W)), np.zeros((n, W))
    F = np.zeros((degree * n, W))
    PL = np.ones((n_hot + 1, W))  # and the time at which conditions on time are judged
    T, H, HS, CAP = np.zeros((1, W)), np.zeros((1, W)), np.zeros((1, W)), np.zeros((1, W))
    INFO, TOL = np.zeros((4, W)), np.empty((1 + n, W))
    TOL[0], TOL[1:] = rtol, atol
    OWN, SOURCE = np.zeros((n, W)), np.zeros((n, W), np.bool_)
    L = np.zeros((LANE_ROWS, W), np.int64)
    L[WHO] = -1
    ROWS = np.zeros(W, np.int64)
    STOP, DIST = np.zeros(W), np.zeros((2, W))
    SST, SSV = np.zeros((3, W)), np.zeros((3, W))
    room = 1 if ss.shape[0] else 0
    search, past = np.zeros((3 * room, n, W)), np.zeros((2, DEPTH * room, n, W))
    # An explicit method that ran into its limit of stability starts the subject again, with steps that stay below it:
    # near the limit its error hides from the estimate, and that of the dense output even more.
    STABLE, AGAIN = np.full(W, np.inf), np.full(W, -1)
    ordered = obs_order.size > 0
    queue = 0
    while True:
        # --- lanes at a stop: events, observations at this very time, the next subject
        fresh, busy = False, False
        for w in range(W):
            INFO[3, w] = 0.0
            while True:
                if L[WHO, w] < 0:
                    who = AGAIN[w]
                    if who < 0:
                        if queue >= subjects.size:
                            break
                        who = subjects[queue]
                        queue += 1
                        STABLE[w] = np.inf
                    AGAIN[w] = -1
                    _load(
                        L, w, who, first_row, origin, ev_start, obs_first, obs_last, P, initial_places, n_hot, Y, R,
                        PL, T, ROWS,
                    )  # fmt: skip
                    forget_sizes(w, Y, OWN, SOURCE)
                    INFO[3, w] = 1.0
                who = L[WHO, w]
                if L[MODE, w] and L[DUE, w]:
                    code = ss_process(
                        L, w, ss, ev_kind, ev_state, ev_value, ev_row, ev_time, T, Y, R, search, past, SST, SSV, DIST,
                        accumulates, TOL, marks,
                    )  # fmt: skip
                    INFO[3, w] = 1.0
                    if code > 0:
                        _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n)
                        continue
                    if L[MODE, w]:
                        break
                if not L[DUE, w]:
                    break
                finished, code = False, 0
                while True:
                    while (
                        L[OB, w] < L[OBEND, w]
                        and obs_time[L[OB, w]] <= T[0, w]
                        and (not ordered or obs_order[L[OB, w]] <= L[EV, w] - ev_start[who])
                    ):
                        if not _record(
                            L, w, Y, who, out, out_first, out_stride, obs_first, place_of, place_first, ROWS
                        ):
                            code = INT_STATUS_FINITE
                            break
                    if code or L[OB, w] >= L[OBEND, w]:
                        finished = True
                        break
                    if L[EV, w] >= L[EVEND, w] or ev_time[L[EV, w]] > T[0, w]:
                        break
                    e = L[EV, w]
                    L[EV, w] += 1
                    INFO[3, w] = 1.0
                    put = put_at_once(ev_kind[e], ev_value[e])
                    if put > 0.0:
                        SOURCE[ev_state[e], w] = True
                        OWN[ev_state[e], w] = max(OWN[ev_state[e], w], put)
                    if ev_kind[e] >= SS_FIRST:
                        L[SSEV, w] = e
                        ss_begin(
                            L, w, ss, ev_kind, ev_state, ev_value, ev_row, ev_time, T, Y, R, search, SST, SSV, P,
                            ROWS, initial_places, marks,
                        )  # fmt: skip
                        break
                    _apply(ev_kind[e], ev_state[e], ev_value[e], ev_row[e], Y, R, PL, P, n_hot, initial_places, ROWS, w)
                    if ev_kind[e] == RESET:
                        for s in range(n):
                            SOURCE[s, w] |= Y[s, w] != 0.0
                if finished:
                    _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n)
                    continue
                if not L[MODE, w]:
                    break
            if L[WHO, w] >= 0:
                busy = True
                L[DUE, w] = 0
                if INFO[3, w] > 0.0:
                    fresh = True
                    H[0, w] = h_max
                    span = _start_stop(L, w, T, ev_time, ev_row, obs_time, ss, cycle_stops, SST) - T[0, w]
                    PL[n_hot, w] = T[0, w] + 0.5 * span
                    if L[MODE, w] and ev_kind[L[SSEV, w]] == SS_CONSTANT:  # what holds at the record
                        PL[n_hot, w] = ev_time[L[SSEV, w]]
                    tight = tightness(rtol) if L[MODE, w] else 1.0
                    note_sizes(w, span, proper, Y, R, OWN, SOURCE, TOL, rtol * tight, atol * tight)
        if not busy:
            break
        if fresh:
            call_method(start, T, H, CAP, Y, PL, R, K, YN, INFO, TOL)
            for w in range(W):
                who = L[WHO, w]
                if who >= 0 and INFO[3, w] > 0.0 and not finite_slopes(K, Y, w):
                    code = INT_STATUS_FINITE
                    _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n)
        # --- one step of all lanes
        for w in range(W):
            if L[WHO, w] < 0:
                HS[0, w] = 0.0
                continue
            STOP[w] = _start_stop(L, w, T, ev_time, ev_row, obs_time, ss, cycle_stops, SST)
            rest = STOP[w] - T[0, w]
            h = H[0, w]
            L[HIT, w] = 1 if h >= rest * 0.999999 else 0
            HS[0, w] = rest if L[HIT, w] else 0.5 * rest if h > 0.5 * rest else h
            CAP[0, w] = np.nextafter(STOP[w], -np.inf)
        call_method(step, T, HS, CAP, Y, PL, R, K, YN, INFO, TOL)
        # --- accept or reject, lane by lane
        inside = False
        for w in range(W):
            INFO[3, w] = 0.0
            who = L[WHO, w]
            if who < 0:
                continue
            L[STEPS, w] += 1
            factor = INFO[1, w]
            if INFO[0, w] <= 1.0:
                INFO[3, w] = 1.0
                growth = min(6.0, factor)
                limited = growth >= 1.0 and HS[0, w] > 0.9 * STABLE[w]
                if limited:
                    STABLE[w] *= 1.001
                H[0, w] = min(
                    h_max,
                    STABLE[w],
                    HS[0, w] * growth if (HS[0, w] >= H[0, w] or growth < 1.0) else max(H[0, w], HS[0, w] * growth),
                )
                tn = STOP[w] if L[HIT, w] else T[0, w] + HS[0, w]
                if not L[MODE, w] and obs_time[L[OB, w]] < tn:
                    inside = True
                if limited or INFO[2, w] > bound * bound:
                    L[STIFF, w] += 1
                    L[CALM, w] = 0
                elif L[STIFF, w] > 0:
                    L[CALM, w] += 1
                    if L[CALM, w] >= 6:
                        L[STIFF, w] = 0
            else:
                if not factor > 0.2:
                    factor = 0.2
                if bound * bound < INFO[2, w] < np.inf:
                    first = STABLE[w] == np.inf
                    STABLE[w] = HS[0, w] * max(0.7 * bound / math.sqrt(INFO[2, w]), 0.25)
                    if first:
                        AGAIN[w], L[WHO, w] = who, -1
                        continue
                elif HS[0, w] > 0.9 * STABLE[w]:
                    STABLE[w] = 0.8 * HS[0, w]
                H[0, w] = min(HS[0, w] * min(factor, 0.9), STABLE[w])
                if H[0, w] <= 4e-16 * abs(T[0, w]) or H[0, w] < 1e-290:
                    code = INT_STATUS_STEP if math.isfinite(INFO[0, w]) else INT_STATUS_FINITE
                    _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n)
                    continue
            if L[STEPS, w] >= budget[who] or (leave_stiff and L[STIFF, w] >= MANY_STIFF):
                code = INT_STATUS_STIFF if L[STIFF, w] >= MANY_STIFF else INT_STATUS_STEPS
                INFO[3, w] = 0.0
                _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n)
        if inside:
            call_method(dense, T, HS, CAP, Y, PL, R, K, F, INFO, TOL)
        for w in range(W):
            if INFO[3, w] == 0.0:
                continue
            tn = STOP[w] if L[HIT, w] else T[0, w] + HS[0, w]
            if not L[MODE, w]:
                who = L[WHO, w]
                while L[OB, w] < L[OBEND, w] and obs_time[L[OB, w]] < tn:
                    theta = (obs_time[L[OB, w]] - T[0, w]) / HS[0, w]
                    j = out_first[who] + L[OB, w] - obs_first[who]
                    finite = True
                    for s in range(n):
                        acc = F[(degree - 1) * n + s, w]
                        for d in range(degree - 2, -1, -1):
                            acc = acc * theta + F[d * n + s, w]
                        out[j + s * out_stride] = Y[s, w] + theta * acc
                        finite &= math.isfinite(acc)
                    if not finite:  # a stage of the interpolation left the domain of the equations
                        INFO[3, w] = 0.0
                        break
                    if place_of.size:
                        place_of[place_first[who] + L[OB, w] - obs_first[who]] = ROWS[w]
                    L[OB, w] += 1
                if INFO[3, w] == 0.0:
                    code = INT_STATUS_FINITE
                    _close(L, w, code, who, T, status, when, steps, out, out_first, out_stride, obs_first, n)
                    continue
            T[0, w] = tn
            L[DUE, w] = L[HIT, w]
        call_method(commit, T, HS, CAP, Y, PL, R, K, YN, INFO, TOL)
