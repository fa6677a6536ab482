"""Exact solution of models that are linear with constant coefficients between events, see :mod:`.propagate`."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import entry, leaf
from pkpd.engine.solve.arrays import SteadyDose
from pkpd.engine.solve.event_codes import ROW, SS_ADD, SS_FIRST
from pkpd.engine.solve.one_subject import change, leave_blank, leave_cycle, read_matrix, record, start
from pkpd.engine.solve.periodic import SteadyRoom, steady
from pkpd.engine.solve.propagate import KEPT, Propagators, advance, find
from pkpd.engine.solve.status import Status

__all__ = ["solve_linear"]

NOT_FINITE, NO_STEADY_STATE = int(Status.NOT_FINITE), int(Status.NO_STEADY_STATE)
#: a step of one length h: ``x <- E x + d``
FixedStep = namedtuple("FixedStep", "E d h")


@leaf
def _finite_at(out, first, stride, n):
    """Tell whether all states of one observation are finite; the one that a march starts from always is."""
    finite = True
    for i in range(n):
        finite &= math.isfinite(out[first + i * stride])
    return finite


@leaf
def _march(step, x, y, t, times, before, out, stride):
    """Go on in steps of one length while observations are that far apart and lie before an event.

    Return how many observations were reached.

    x moves along; the states at ``times[o]`` go to ``out[o + state * stride]``.
    """
    (E, d, h), n, o = step, x.size, 0
    if n == 2:
        return _march_two(step, x, t, times, before, out, stride)
    while o < times.size and times[o] < before and abs(times[o] - t - h) <= 4e-16 * abs(times[o]):
        for i in range(n):
            total = d[i]
            for j in range(n):
                total += E[i, j] * x[j]
            y[i] = total
        for i in range(n):
            x[i] = y[i]
            out[o + i * stride] = y[i]
        t = times[o]
        o += 1
    return o


@leaf
def _march_two(step, x, t, times, before, out, stride):
    """Do as :func:`_march` for two states, kept in registers."""
    (E, d, h), o = step, 0
    a, b, c, e = E[0, 0], E[0, 1], E[1, 0], E[1, 1]
    p, q, u, v = x[0], x[1], d[0], d[1]
    while o < times.size and times[o] < before and abs(times[o] - t - h) <= 4e-16 * abs(times[o]):
        p, q = u + a * p + b * q, v + c * p + e * q
        out[o] = p
        out[o + stride] = q
        t = times[o]
        o += 1
    x[0], x[1] = p, q
    return o


@entry
def solve_linear(matrix_places, constants, subjects, timeline, observed, results):
    """Solve subjects exactly; arguments as for :func:`pkpd.engine.solve.loop.solve_lanes`.

    matrix_places : int array, (n, n + 1)
        Places of A and, in the last column, of the constant part; -1 where zero.
    """
    P, initial_places, accumulates = constants
    first_row, origin, ev_start, ev_time, ev_kind, ev_state, ev_value, ev_row, ss, _, _ = timeline
    obs_first, obs_last, obs_time, obs_order = observed
    out, out_first, out_stride, place_of, place_first, status, when, steps = results
    n = initial_places.size
    A, rows = np.zeros((n, n)), np.zeros((8, n))
    b, d, x, y, r, c, kept, kept_r = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]
    base, none = np.zeros(n), np.zeros(n)
    known = Propagators(
        np.zeros(KEPT), np.zeros(1, np.int64), np.zeros((KEPT, n, n)), np.zeros((KEPT, n, n)), np.zeros((3, n, n))
    )
    E, G, used = known.E, known.G, known.used
    room = SteadyRoom(np.zeros(n, np.bool_), c, y, np.zeros((n, n)), known)
    ordered = obs_order.size > 0
    for who in subjects:
        column, t = first_row[who], origin[who]
        code = 0 if read_matrix(P, matrix_places, column, A, b) else NOT_FINITE
        used[0] = 0
        start(constants, column, x, r)
        e, o = ev_start[who], obs_first[who]
        while code == 0 and o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target = obs_time[o] if observe else e_time
            if target > t:
                for i in range(n):
                    c[i] = b[i] + r[i]
                advance(A, c, target - t, abs(target), x, y, known)
                t = target
                steps[who] += 1
            if observe:
                j = o - obs_first[who]
                if not record(x, out, out_first[who] + j, out_stride):
                    code = NOT_FINITE
                    break
                if place_of.size:
                    place_of[place_first[who] + j] = column
                o += 1
                if o < obs_last[who] and not place_of.size and t < obs_time[o] < e_time:
                    h = obs_time[o] - t
                    q = find(A, h, abs(obs_time[o]), known)
                    for i in range(n):
                        d[i] = 0.0
                        for k in range(n):
                            d[i] += G[q, i, k] * (b[k] + r[k])
                    times, there = obs_time[o : obs_last[who]], out[out_first[who] + o - obs_first[who] :]
                    behind = o + _march(FixedStep(E[q], d, h), x, y, t, times, e_time, there, out_stride)
                    steps[who] += behind - o
                    if behind > o:
                        o, t = behind, obs_time[behind - 1]
                    while not _finite_at(out, out_first[who] + o - 1 - obs_first[who], out_stride, n):
                        code, o, t = NOT_FINITE, o - 1, obs_time[o - 1]
                    if code:
                        break
                continue
            kind, state, value = ev_kind[e], ev_state[e], ev_value[e]
            if kind == ROW:
                column = ev_row[e]
                used[0] = 0
                if not read_matrix(P, matrix_places, column, A, b):
                    code = NOT_FINITE
                    break
            elif kind >= SS_FIRST:
                plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
                for i in range(n):
                    kept[i], kept_r[i], base[i] = x[i], r[i], P[initial_places[i], column]
                dose = SteadyDose(plain, state, value, ss, ev_row[e])
                # to what is there comes what the doses alone make
                if not steady(A, none if additive else b, none if additive else base, dose, accumulates, x, room):
                    code = NO_STEADY_STATE
                    break
                leave_cycle(dose, additive, accumulates, base, kept, kept_r, x, r)
            else:
                change(kind, state, value, column, constants, x, r)
            e += 1
        status[who], when[who] = code, t
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
