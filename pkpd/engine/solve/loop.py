"""The solver loop: each lane carries one subject through its events on its own clock and then takes the next one.

Compiled once for every model and every method; the model is the address of its machine code.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import entry, leaf
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.event_codes import BOLUS, RATE, REPLACE, RESET, ROW, SS_CONSTANT, SS_FIRST
from pkpd.engine.solve.lane import (
    CALM,
    DUE,
    EV,
    EVEND,
    HIT,
    LANE_ROWS,
    MODE,
    OB,
    OBEND,
    SSEV,
    STEPS,
    STIFF,
    WHO,
    Moving,
    SteadySearch,
)
from pkpd.engine.solve.sizes import Sizes, finite_slopes, forget_sizes, note_sizes, put_at_once
from pkpd.engine.solve.status import Status
from pkpd.engine.solve.steady import DEPTH, ss_begin, ss_process, ss_stop, tightness

__all__ = ["MethodArguments", "StepCode", "solve_lanes"]

#: addresses of start, step, dense and commit, (4,); rows of K in units of states; degree of dense output; |h lambda|
#: beyond which the method is at its limit of stability; places that its code reads; width of its code
StepCode = namedtuple("StepCode", "addresses stage_rows degree bound n_hot lanes")
#: what the machine code of a method works on, see ``pkpd.engine.solve.explicit.ARGUMENTS``
MethodArguments = namedtuple("MethodArguments", "t h cap y p r K new info tol")
MANY_STIFF = 50  # steps in a row at the limit of stability that hand a subject over to the stiff method
STEP_TOO_SMALL, TOO_MANY_STEPS = int(Status.STEP_TOO_SMALL), int(Status.TOO_MANY_STEPS)
NOT_FINITE, NO_STEADY_STATE, IS_STIFF = int(Status.NOT_FINITE), int(Status.NO_STEADY_STATE), int(Status.STIFF)


@leaf
def _set_places(P, row, PL, w):
    for k in range(PL.shape[0] - 1):
        PL[k, w] = P[k, row]


@leaf
def _reset(constants, moving, w):
    row = moving.ROWS[w]
    for s in range(moving.Y.shape[0]):
        moving.Y[s, w] = constants.P[constants.initial[s], row]
        moving.R[s, w] = 0.0


@leaf
def _load(L, w, who, timeline, observed, constants, moving):
    L[:, w] = 0
    L[WHO, w] = who
    L[EV, w], L[EVEND, w] = timeline.ends[who], timeline.ends[who + 1]
    L[OB, w], L[OBEND, w] = observed.first[who], observed.last[who]
    L[DUE, w] = 1
    moving.T[0, w] = timeline.origin[who]
    moving.ROWS[w] = timeline.column[who]
    _set_places(constants.P, moving.ROWS[w], moving.PL, w)
    _reset(constants, moving, w)


@leaf
def _record(L, w, value, row, results, obs_first):
    """Write the states in value[:, w] as the next observation of the lane; return whether all are finite."""
    who, out, finite = L[WHO, w], results.out, True
    j = L[OB, w] - obs_first[who]
    for s in range(value.shape[0]):
        out[results.first[who] + s * results.stride + j] = value[s, w]
        finite &= math.isfinite(value[s, w])
    if finite:
        if results.place_of.size:
            results.place_of[results.place_first[who] + j] = row
        L[OB, w] += 1
    return finite


@leaf
def _close(L, w, code, now, results, obs_first, n):
    """Free the lane; what was not reached stays not a number."""
    who, out = L[WHO, w], results.out
    if L[MODE, w] and code in (STEP_TOO_SMALL, TOO_MANY_STEPS):
        code = NO_STEADY_STATE
    results.status[who], results.when[who], results.steps[who] = code, now, L[STEPS, w]
    for s in range(n):
        for i in range(L[OB, w], L[OBEND, w]):
            out[results.first[who] + s * results.stride + i - obs_first[who]] = np.nan
    L[WHO, w] = -1


@leaf
def _apply(e, timeline, constants, moving, w):
    """Change a lane's state by one event that takes no time."""
    kind, state, value, Y, R = timeline.kind[e], timeline.state[e], timeline.value[e], moving.Y, moving.R
    if kind == BOLUS:
        Y[state, w] += value
    elif kind == RATE:
        before = R[state, w]
        R[state, w] = before + value
        if abs(R[state, w]) < 1e-12 * abs(value):
            R[state, w] = 0.0
    elif kind == ROW:
        moving.ROWS[w] = timeline.row[e]
        _set_places(constants.P, timeline.row[e], moving.PL, w)
    elif kind == RESET:
        _reset(constants, moving, w)
    elif kind == REPLACE:
        Y[state, w] = value


@leaf
def _next_stop(L, w, now, timeline, obs_time, SST):
    """Return the next time at which the lane must stop."""
    if L[MODE, w]:
        return ss_stop(L, w, timeline, now, SST)
    stop = obs_time[L[OBEND, w] - 1]
    if L[EV, w] < L[EVEND, w]:
        stop = min(stop, timeline.time[L[EV, w]])
    return stop


@entry
def solve_lanes(method, steady, constants, subjects, timeline, observed, control, results):
    """Integrate subjects and write their states at the observations.

    Parameters
    ----------
    method : StepCode
    steady : int or None
        None where there are no steady states, which compiles in less time.
    constants : Constants
    subjects : int array
        Those to be solved; all other per-subject arrays are indexed by it.
    timeline : Timeline
    observed : Observed
    control : Control
        ``free`` ends subjects at the limit of stability.
    results : Results
        Is written.
    """
    addresses, stage_rows, degree, bound, n_hot, W = method
    rtol, atol, budget, h_max, leave_stiff, proper = control
    ev_time, ev_kind, ev_state, ev_value = timeline.time, timeline.kind, timeline.state, timeline.value
    obs_first, obs_time, obs_order = observed.first, observed.time, observed.order
    out, out_first, out_stride = results.out, results.first, results.stride
    place_of, place_first = results.place_of, results.place_first
    n, ss_rows = constants.initial.size, timeline.ss.shape[0]
    start, step, dense, commit = addresses[0], addresses[1], addresses[2], addresses[3]
    K = np.zeros((stage_rows * n, W))
    Y, YN, R = np.zeros((n, W)), np.zeros((n, W)), np.zeros((n, W))
    F = np.zeros((degree * n, W))
    PL = np.ones((n_hot + 1, W))  # and the time at which conditions on time are judged
    T, H, HS, CAP = np.zeros((1, W)), np.zeros((1, W)), np.zeros((1, W)), np.zeros((1, W))
    INFO, TOL = np.zeros((4, W)), np.empty((1 + n, W))
    TOL[0], TOL[1:] = rtol, atol
    sizes = Sizes(np.zeros((n, W)), np.zeros((n, W), np.bool_), TOL)
    L = np.zeros((LANE_ROWS, W), np.int64)
    L[WHO] = -1
    ROWS = np.zeros(W, np.int64)
    STOP, DIST = np.zeros(W), np.zeros((2, W))
    SST, SSV = np.zeros((3, W)), np.zeros((3, W))
    room = 1 if ss_rows else 0
    past = np.zeros((2, DEPTH * room, n, W))
    search = SteadySearch(SST, SSV, np.zeros((3 * room, n, W)), past, DIST)
    moving = Moving(T, Y, R, PL, ROWS)
    to_start = MethodArguments(T, H, CAP, Y, PL, R, K, YN, INFO, TOL)
    to_step = MethodArguments(T, HS, CAP, Y, PL, R, K, YN, INFO, TOL)
    to_dense = MethodArguments(T, HS, CAP, Y, PL, R, K, F, INFO, TOL)
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
                    _load(L, w, who, timeline, observed, constants, moving)
                    forget_sizes(w, Y, sizes)
                    INFO[3, w] = 1.0
                who = L[WHO, w]
                if steady is not None:  # noqa: SIM102  (see `solve_cascade`)
                    if L[MODE, w] and L[DUE, w]:
                        code = ss_process(L, w, timeline, moving, search, constants.accumulates, TOL)
                        INFO[3, w] = 1.0
                        if code > 0:
                            _close(L, w, code, T[0, w], results, obs_first, n)
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
                        and (not ordered or obs_order[L[OB, w]] <= L[EV, w] - timeline.ends[who])
                    ):
                        if not _record(L, w, Y, ROWS[w], results, obs_first):
                            code = NOT_FINITE
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
                        sizes.source[ev_state[e], w] = True
                        sizes.largest[ev_state[e], w] = max(sizes.largest[ev_state[e], w], put)
                    if steady is not None:  # noqa: SIM102  (see `solve_cascade`)
                        if ev_kind[e] >= SS_FIRST:
                            L[SSEV, w] = e
                            ss_begin(L, w, timeline, moving, search, constants)
                            break
                    _apply(e, timeline, constants, moving, w)
                    if ev_kind[e] == RESET:
                        for s in range(n):
                            sizes.source[s, w] |= Y[s, w] != 0.0
                if finished:
                    _close(L, w, code, T[0, w], results, obs_first, n)
                    continue
                if not L[MODE, w]:
                    break
            if L[WHO, w] >= 0:
                busy = True
                L[DUE, w] = 0
                if INFO[3, w] > 0.0:
                    fresh = True
                    H[0, w] = h_max
                    span = _next_stop(L, w, T[0, w], timeline, obs_time, SST) - T[0, w]
                    PL[n_hot, w] = T[0, w] + 0.5 * span
                    if L[MODE, w] and ev_kind[L[SSEV, w]] == SS_CONSTANT:  # what holds at the record
                        PL[n_hot, w] = ev_time[L[SSEV, w]]
                    tight = tightness(rtol) if L[MODE, w] else 1.0
                    note_sizes(w, span, proper, Y, R, sizes, rtol * tight, atol * tight)
        if not busy:
            break
        if fresh:
            call_code(start, to_start)
            for w in range(W):
                who = L[WHO, w]
                if who >= 0 and INFO[3, w] > 0.0 and not finite_slopes(K, Y, w):
                    code = NOT_FINITE
                    _close(L, w, code, T[0, w], results, obs_first, n)
        # --- one step of all lanes
        for w in range(W):
            if L[WHO, w] < 0:
                HS[0, w] = 0.0
                continue
            STOP[w] = _next_stop(L, w, T[0, w], timeline, obs_time, SST)
            rest = STOP[w] - T[0, w]
            h = H[0, w]
            L[HIT, w] = 1 if h >= rest * 0.999999 else 0
            HS[0, w] = rest if L[HIT, w] else 0.5 * rest if h > 0.5 * rest else h
            CAP[0, w] = np.nextafter(STOP[w], -np.inf)
        call_code(step, to_step)
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
                    code = STEP_TOO_SMALL if math.isfinite(INFO[0, w]) else NOT_FINITE
                    _close(L, w, code, T[0, w], results, obs_first, n)
                    continue
            if L[STEPS, w] >= budget[who] or (leave_stiff and L[STIFF, w] >= MANY_STIFF):
                code = IS_STIFF if L[STIFF, w] >= MANY_STIFF else TOO_MANY_STEPS
                INFO[3, w] = 0.0
                _close(L, w, code, T[0, w], results, obs_first, n)
        if inside:
            call_code(dense, to_dense)
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
                    code = NOT_FINITE
                    _close(L, w, code, T[0, w], results, obs_first, n)
                    continue
            T[0, w] = tn
            L[DUE, w] = L[HIT, w]
        call_code(commit, to_step)
