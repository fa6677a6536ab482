"""Exact solution of models that are linear with constant coefficients between events, see :mod:`.propagate`."""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import entry, leaf
from pkpd.engine.solve.periodic import steady
from pkpd.engine.solve.propagate import KEPT, advance, find
from pkpd.engine.solve.timeline import ROW, SS_ADD, SS_FIRST
from pkpd.engine.solve.walk import change, leave_blank, leave_cycle, read_matrix, record, start

__all__ = ["solve_linear"]


@leaf
def _finite_at(out, first, stride, n):
    """Tell whether all states of one observation are finite; the one that a march starts from always is."""
    finite = True
    for i in range(n):
        finite &= math.isfinite(out[first + i * stride])
    return finite


@leaf
def _march(E, d, h, x, y, t, obs_time, o, last, before, out, base, stride):
    """Go on in steps of one length h while observations are that far apart and lie before an event.

    Return the next observation.

    x moves along; ``x <- E x + d`` at each observation o, whose states go to ``out[base + o + state * stride]``.
    """
    n = x.size
    if n == 2:
        return _march_two(E, d, h, x, t, obs_time, o, last, before, out, base, stride)
    while o < last and obs_time[o] < before and abs(obs_time[o] - t - h) <= 4e-16 * abs(obs_time[o]):
        for i in range(n):
            total = d[i]
            for j in range(n):
                total += E[i, j] * x[j]
            y[i] = total
        for i in range(n):
            x[i] = y[i]
            out[base + o + i * stride] = y[i]
        t = obs_time[o]
        o += 1
    return o


@leaf
def _march_two(E, d, h, x, t, obs_time, o, last, before, out, base, stride):
    """Do as :func:`_march` for two states, kept in registers."""
    a, b, c, e = E[0, 0], E[0, 1], E[1, 0], E[1, 1]
    p, q, u, v = x[0], x[1], d[0], d[1]
    while o < last and obs_time[o] < before and abs(obs_time[o] - t - h) <= 4e-16 * abs(obs_time[o]):
        p, q = u + a * p + b * q, v + c * p + e * q
        out[base + o] = p
        out[base + o + stride] = q
        t = obs_time[o]
        o += 1
    x[0], x[1] = p, q
    return o


@entry
def solve_linear(
    matrix_places, P, initial_places, accumulates, subjects, first_row, origin, ev_start, ev_time, ev_kind, ev_state,
    ev_value, ev_row, ss, obs_first, obs_last, obs_time, obs_order, out, out_first, out_stride, place_of, place_first,
    cycle_stops, marks, status, when, steps,
):  # fmt: skip
    """Solve subjects exactly; arguments as for :func:`pkpd.engine.solve.loop.solve_lanes`.

    matrix_places : int array, (n, n + 1)
        Places of A and, in the last column, of the constant part; -1 where zero.
    """
    n = initial_places.size
    A, M = np.zeros((n, n)), np.zeros((n, n))
    b, d, x, y, r, c, kept, kept_r, base, none = (
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
    )
    fed = np.zeros(n, np.bool_)
    E, G, work = np.zeros((KEPT, n, n)), np.zeros((KEPT, n, n)), np.zeros((3, n, n))
    lengths, used = np.zeros(KEPT), np.zeros(1, np.int64)
    ordered = obs_order.size > 0
    for who in subjects:
        column, t = first_row[who], origin[who]
        code = 0 if read_matrix(P, matrix_places, column, A, b) else 3
        used[0] = 0
        start(P, initial_places, column, x, r)
        e, o = ev_start[who], obs_first[who]
        while code == 0 and o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target = obs_time[o] if observe else e_time
            if target > t:
                for i in range(n):
                    c[i] = b[i] + r[i]
                advance(A, c, target - t, abs(target), x, y, lengths, used, E, G, work)
                t = target
                steps[who] += 1
            if observe:
                j = o - obs_first[who]
                if not record(x, out, out_first[who] + j, out_stride):
                    code = 3
                    break
                if place_of.size:
                    place_of[place_first[who] + j] = column
                o += 1
                if o < obs_last[who] and not place_of.size and t < obs_time[o] < e_time:
                    h = obs_time[o] - t
                    q = find(A, h, abs(obs_time[o]), lengths, used, E, G, work)
                    for i in range(n):
                        d[i] = 0.0
                        for k in range(n):
                            d[i] += G[q, i, k] * (b[k] + r[k])
                    behind = _march(
                        E[q],
                        d,
                        h,
                        x,
                        y,
                        t,
                        obs_time,
                        o,
                        obs_last[who],
                        e_time,
                        out,
                        out_first[who] - obs_first[who],
                        out_stride,
                    )
                    steps[who] += behind - o
                    if behind > o:
                        o, t = behind, obs_time[behind - 1]
                    while not _finite_at(out, out_first[who] + o - 1 - obs_first[who], out_stride, n):
                        code, o, t = 3, o - 1, obs_time[o - 1]
                    if code:
                        break
                continue
            kind, state, value = ev_kind[e], ev_state[e], ev_value[e]
            if kind == ROW:
                column = ev_row[e]
                used[0] = 0
                if not read_matrix(P, matrix_places, column, A, b):
                    code = 3
                    break
            elif kind >= SS_FIRST:
                plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
                for i in range(n):
                    kept[i], kept_r[i], base[i] = x[i], r[i], P[initial_places[i], column]
                if not steady(
                    A,
                    none if additive else b,  # to what is there comes what the doses alone make
                    none if additive else base,
                    ss,
                    ev_row[e],
                    plain,
                    state,
                    value,
                    accumulates,
                    fed,
                    x,
                    c,
                    y,
                    M,
                    lengths,
                    used,
                    E,
                    G,
                    work,
                ):
                    code = 4
                    break
                leave_cycle(plain, additive, state, value, ss, ev_row[e], accumulates, base, kept, kept_r, x, r)
            else:
                change(kind, state, value, column, P, initial_places, x, r)
            e += 1
        status[who], when[who] = code, t
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
