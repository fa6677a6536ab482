"""The solver loop: each lane carries one subject through its events on its own clock and then takes the next one.

Compiled once for every model and every method; the model is the address of its machine code.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, entry, leaf
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.event_codes import BOLUS, RATE, REPLACE, RESET, ROW, SS_CONSTANT, SS_FIRST
from pkpd.engine.solve.lane import (
    AGAIN,
    BUSY,
    CALM,
    DUE,
    END,
    EV,
    EVEND,
    FURTHER,
    HIT,
    INSIDE,
    LANE_ROWS,
    LAST,
    LEAVE,
    LEFT,
    LONGEST,
    MODE,
    MOST,
    NEXT,
    OB,
    OBEND,
    OUTCOME,
    PACE_ROWS,
    SSEV,
    STABLE,
    STEPS,
    STIFF,
    STOP,
    STOPPED,
    TINY,
    WHO,
    WISH,
    Moving,
    SteadySearch,
)
from pkpd.engine.solve.pace import ERROR, MASK
from pkpd.engine.solve.sizes import Sizes, finite_slopes, forget_sizes, note_sizes, put_at_once
from pkpd.engine.solve.status import Status
from pkpd.engine.solve.steady import DEPTH, ss_begin, ss_process, ss_stop, tightness

__all__ = ["MethodArguments", "StepCode", "solve_lanes"]

#: addresses of start, step, dense, read and commit, (5,); rows of K in units of states; places that its code reads;
#: width of its code
StepCode = namedtuple("StepCode", "addresses stage_rows n_hot lanes")
#: what the machine code of a method works on, see ``pkpd.engine.solve.pace.ARGUMENTS``
MethodArguments = namedtuple("MethodArguments", "t h cap y p r K new info tol pace seen")
MANY_STIFF = 50  # steps in a row at the limit of stability that hand a subject over to the stiff method
STEP_TOO_SMALL, TOO_MANY_STEPS = int(Status.STEP_TOO_SMALL), int(Status.TOO_MANY_STEPS)
NOT_FINITE, NO_STEADY_STATE, IS_STIFF = int(Status.NOT_FINITE), int(Status.NO_STEADY_STATE), int(Status.STIFF)


@compiled
def _room(flat, rows, W):
    """Return the next rows of W numbers of a flat array that keeps in ``flat[0]`` how much of it is taken."""
    first = int(flat[0])
    flat[0] = first + rows * W
    return flat[first : first + rows * W].reshape(rows, W)


@compiled
def _aligned(size):
    """Return zeros for ``_room``, whose rows of 8 numbers do not cross the lines of the cache."""
    flat = np.zeros(size + 16)
    flat[0] = 1 + ((7 - (np.int64(flat.ctypes.data) >> 3)) & 7)
    return flat


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
def _load(L, w, who, timeline, observed, constants, moving, pace):
    for k in range(L.shape[0]):
        L[k, w] = 0
    L[WHO, w] = who
    L[EV, w], L[EVEND, w] = timeline.ends[who], timeline.ends[who + 1]
    L[OB, w], L[OBEND, w] = observed.first[who], observed.last[who]
    L[DUE, w] = 1
    pace[BUSY, w], pace[STIFF, w], pace[CALM, w], pace[STEPS, w] = 1.0, 0.0, 0.0, 0.0
    pace[LAST, w] = observed.time[observed.last[who] - 1] if observed.last[who] > observed.first[who] else np.inf
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
def _close(L, w, code, now, results, obs_first, n, pace):
    """Free the lane; what was not reached stays not a number."""
    who, out = L[WHO, w], results.out
    if L[MODE, w] and code in (STEP_TOO_SMALL, TOO_MANY_STEPS):
        code = NO_STEADY_STATE
    results.status[who], results.when[who], results.steps[who] = code, now, int(pace[STEPS, w])
    for s in range(n):
        for i in range(L[OB, w], L[OBEND, w]):
            out[results.first[who] + s * results.stride + i - obs_first[who]] = np.nan
    L[WHO, w], L[DUE, w], pace[BUSY, w] = -1, 1, 0.0


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


@leaf
def _reschedule(L, w, timeline, obs_time, SST, T, cap, pace):
    """Note the lane's next stop, and its next observation if one may come before."""
    stop = _next_stop(L, w, T[0, w], timeline, obs_time, SST)
    pace[STOP, w], cap[0, w] = stop, np.nextafter(stop, -np.inf)
    pace[NEXT, w] = np.inf if L[MODE, w] else obs_time[L[OB, w]]


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
    addresses, stage_rows, n_hot, W = method
    rtol, atol, budget, h_max, leave_stiff, proper = control
    ev_time, ev_kind, ev_state, ev_value = timeline.time, timeline.kind, timeline.state, timeline.value
    obs_first, obs_time, obs_order = observed.first, observed.time, observed.order
    n, ss_rows = constants.initial.size, timeline.ss.shape[0]
    start, step, dense, read, commit = addresses[0], addresses[1], addresses[2], addresses[3], addresses[4]
    flat = _aligned((n * (stage_rows + 5) + n_hot + PACE_ROWS + 10) * W)
    K, YO = _room(flat, stage_rows * n, W), _room(flat, n, W)
    Y, YN, R = _room(flat, n, W), _room(flat, n, W), _room(flat, n, W)
    PL = _room(flat, n_hot + 1, W)  # and the time at which conditions on time are judged
    PL[:] = 1.0
    T, HS, CAP = _room(flat, 1, W), _room(flat, 1, W), _room(flat, 1, W)
    INFO, TOL, PACE = _room(flat, 4, W), _room(flat, 1 + n, W), _room(flat, PACE_ROWS, W)
    TOL[0], TOL[1:] = rtol, atol
    PACE[STABLE], PACE[LONGEST], PACE[LEAVE] = np.inf, h_max, MANY_STIFF if leave_stiff else np.inf
    sizes = Sizes(np.zeros((n, W)), np.zeros((n, W), np.bool_), TOL)
    L = np.zeros((LANE_ROWS, W), np.int64)
    L[WHO], L[DUE] = -1, 1
    ROWS, SEEN = np.zeros(W, np.int64), np.zeros(2, np.int64)
    DIST = np.zeros((2, W))
    SST, SSV = np.zeros((3, W)), np.zeros((3, W))
    room = 1 if ss_rows else 0
    past = np.zeros((2, DEPTH * room, n, W))
    search = SteadySearch(SST, SSV, np.zeros((3 * room, n, W)), past, DIST)
    moving = Moving(T, Y, R, PL, ROWS)
    to_step = MethodArguments(T, HS, CAP, Y, PL, R, K, YN, INFO, TOL, PACE, SEEN)
    to_read = MethodArguments(T, HS, CAP, Y, PL, R, K, YO, INFO, TOL, PACE, SEEN)
    again = np.full(W, -1)  # subjects to be started anew
    ordered = obs_order.size > 0
    queue, waiting = 0, True
    while True:
        # --- lanes at a stop: events, observations at this very time, the next subject
        if waiting:
            fresh, busy, waiting = False, False, False
            for w in range(W):
                INFO[MASK, w] = 0.0
                if not L[DUE, w]:
                    busy = True
                    continue
                while True:
                    if L[WHO, w] < 0:
                        who = again[w]
                        if who < 0:
                            if queue >= subjects.size:
                                break
                            who = subjects[queue]
                            queue += 1
                            PACE[STABLE, w] = np.inf
                        again[w] = -1
                        _load(L, w, who, timeline, observed, constants, moving, PACE)
                        PACE[MOST, w] = budget[who]
                        forget_sizes(w, Y, sizes)
                        INFO[MASK, w] = 1.0
                    who = L[WHO, w]
                    if steady is not None:  # noqa: SIM102  (see `solve_cascade`)
                        if L[MODE, w] and L[DUE, w]:
                            code = ss_process(L, w, timeline, moving, search, constants.accumulates, TOL)
                            INFO[MASK, w] = 1.0
                            if code > 0:
                                _close(L, w, code, T[0, w], results, obs_first, n, PACE)
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
                        INFO[MASK, w] = 1.0
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
                        _close(L, w, code, T[0, w], results, obs_first, n, PACE)
                        continue
                    if not L[MODE, w]:
                        break
                if L[WHO, w] >= 0:
                    busy = True
                    L[DUE, w] = 0
                    _reschedule(L, w, timeline, obs_time, SST, T, CAP, PACE)
                    if INFO[MASK, w] > 0.0:
                        fresh = True
                        PACE[WISH, w] = h_max
                        span = PACE[STOP, w] - T[0, w]
                        PL[n_hot, w] = T[0, w] + 0.5 * span
                        if L[MODE, w] and ev_kind[L[SSEV, w]] == SS_CONSTANT:  # what holds at the record
                            PL[n_hot, w] = ev_time[L[SSEV, w]]
                        tight = tightness(rtol) if L[MODE, w] else 1.0
                        note_sizes(w, span, proper, Y, R, sizes, rtol * tight, atol * tight)
            if not busy:
                break
            if fresh:
                call_code(start, to_step)
                for w in range(W):
                    if INFO[MASK, w] > 0.0 and L[WHO, w] >= 0 and not finite_slopes(K, Y, w):
                        _close(L, w, NOT_FINITE, T[0, w], results, obs_first, n, PACE)
                        waiting = True
        # --- one step of all lanes, then what of it needs care
        call_code(step, to_step)
        inside, stopped = SEEN[INSIDE], SEEN[STOPPED]
        if inside:
            call_code(dense, to_step)
        while inside:
            call_code(read, to_read)
            for w in range(W):
                if not (inside >> w) & 1:
                    continue
                finite = _record(L, w, YO, ROWS[w], results, obs_first)
                PACE[NEXT, w] = obs_time[L[OB, w]] if L[OB, w] < L[OBEND, w] else np.inf
                if not finite:  # a stage of the interpolation left the domain of the equations
                    INFO[MASK, w], PACE[OUTCOME, w], waiting = 0.0, FURTHER, True
                    _close(L, w, NOT_FINITE, T[0, w], results, obs_first, n, PACE)
                if not (finite and PACE[NEXT, w] < PACE[END, w]):
                    inside ^= 1 << w
        if stopped:
            waiting = True
            for w in range(W):
                outcome = PACE[OUTCOME, w]
                if not (stopped >> w) & 1 or outcome == FURTHER:
                    continue
                L[DUE, w] = 1
                if outcome == AGAIN:
                    again[w], L[WHO, w], PACE[BUSY, w] = L[WHO, w], -1, 0.0
                elif outcome != HIT:
                    code = IS_STIFF if outcome == LEFT or PACE[STIFF, w] >= MANY_STIFF else TOO_MANY_STEPS
                    if outcome == TINY:
                        code = STEP_TOO_SMALL if math.isfinite(INFO[ERROR, w]) else NOT_FINITE
                    _close(L, w, code, T[0, w], results, obs_first, n, PACE)
        call_code(commit, to_step)
