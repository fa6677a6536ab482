"""Exact solution of models that are linear with constant coefficients between events.

``x' = A x + c`` gives ``x(t + h) = E x + G c`` with ``E = exp(A h)`` and ``G = int_0^h exp(A s) ds``. Both come from
their Taylor series at h / 2^k and k doublings; for compartmental A (no negative entry off the diagonal) the doublings
add non-negative numbers only, so that every entry keeps its relative accuracy, small ones included.
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.machine.jit import compiled, entry
from pkpd.solve.shadows import AT_START, DURING, add_shadows
from pkpd.solve.timeline import ROW, SS_ADD, SS_BOLUS, SS_CONSTANT, SS_FIRST
from pkpd.solve.walk import change, leave_blank, leave_cycle, read_matrix, record, start, turn

__all__ = ["KEPT", "ORDER", "find", "propagator", "solve_for", "solve_linear", "steady"]

KEPT = 12  # step lengths whose propagators are remembered
ORDER = 14
SMALL = 6  # states up to which matrices are multiplied entry by entry


@compiled
def _multiply(A, B, C):
    n = A.shape[0]
    if n > SMALL:  # row by row, which leaves out the many zeros of chains and of sensitivities
        for i in range(n):
            for j in range(n):
                C[i, j] = 0.0
            for k in range(n):
                factor = A[i, k]
                if factor != 0.0:
                    for j in range(n):
                        C[i, j] += factor * B[k, j]
        return
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += A[i, k] * B[k, j]
            C[i, j] = total


@compiled
def propagator(A, h, E, G, work):
    """Write exp(A h) to E and its integral to G; work is (3, n, n)."""
    n = A.shape[0]
    norm = 0.0
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += abs(A[i, j])
        norm = max(norm, row)
    k = max(0, math.ceil(math.log2(max(norm * h, 1e-300))) + 1)
    s = h * 0.5**k
    Z, X, Q = work[0], work[1], work[2]
    for i in range(n):
        for j in range(n):
            Z[i, j] = A[i, j] * s
            Q[i, j] = 1.0 / ORDER if i == j else 0.0
    # Q = sum_m Z^m / (m+1)! by Horner: Q <- (1 + Z Q) / m, at last Q with m = 1
    for m in range(ORDER - 1, 0, -1):
        _multiply(Z, Q, X)
        for i in range(n):
            for j in range(n):
                Q[i, j] = (X[i, j] + (1.0 if i == j else 0.0)) / m
    _multiply(Z, Q, X)
    for i in range(n):
        for j in range(n):
            E[i, j] = X[i, j] + (1.0 if i == j else 0.0)
            G[i, j] = Q[i, j] * s
    for _ in range(k):
        _multiply(E, G, X)
        for i in range(n):
            for j in range(n):
                G[i, j] += X[i, j]
        _multiply(E, E, X)
        for i in range(n):
            for j in range(n):
                E[i, j] = X[i, j]


@compiled
def find(A, h, clock, lengths, used, E, G, work):
    """Return the number of the remembered propagator for a step of length h, computed if need be."""
    for q in range(min(used[0], KEPT)):
        if abs(lengths[q] - h) <= 4e-16 * clock:
            return q
    q = used[0] % KEPT
    used[0] += 1
    lengths[q] = h
    propagator(A, h, E[q], G[q], work)
    return q


@compiled
def _advance(A, c, h, clock, x, y, lengths, used, E, G, work):
    """Move x on by h; y is room for n numbers."""
    if h <= 0.0:
        return
    n = x.size
    q = find(A, h, clock, lengths, used, E, G, work)
    driven = False
    for i in range(n):
        driven |= c[i] != 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += E[q, i, j] * x[j]
        if driven:
            for j in range(n):
                total += G[q, i, j] * c[j]
        y[i] = total
    for i in range(n):
        x[i] = y[i]


@compiled
def _finite_at(out, first, stride, n):
    """Tell whether all states of one observation are finite; the one that a march starts from always is."""
    finite = True
    for i in range(n):
        finite &= math.isfinite(out[first + i * stride])
    return finite


@compiled
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


@compiled
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


@compiled
def solve_for(M, v, skip):
    """Solve M x = v in place of v by Gaussian elimination over the rows not skipped; return False if singular."""
    n = v.size
    for k in range(n):
        if skip[k]:
            continue
        best = k
        for i in range(k + 1, n):
            if not skip[i] and abs(M[i, k]) > abs(M[best, k]):
                best = i
        if abs(M[best, k]) < 1e-14:
            return False
        if best != k:
            for j in range(n):
                M[k, j], M[best, j] = M[best, j], M[k, j]
            v[k], v[best] = v[best], v[k]
        for i in range(k + 1, n):
            if not skip[i] and M[i, k] != 0.0:
                factor = M[i, k] / M[k, k]
                for j in range(k, n):
                    M[i, j] -= factor * M[k, j]
                v[i] -= factor * v[k]
    for k in range(n - 1, -1, -1):
        if not skip[k]:
            for j in range(k + 1, n):
                if not skip[j]:
                    v[k] -= M[k, j] * v[j]
            v[k] /= M[k, k]
    return True


@compiled
def steady(A, b, ss, row, kind, state, value, skip, x, c, y, M, lengths, used, E, G, work):
    """Write to x the steady state at the end of a dosing cycle; return False if there is none."""
    n = x.size
    if kind == SS_CONSTANT:
        scale = 0.0
        for i in range(n):
            x[i] = -b[i] - (value if i == state else 0.0)
            for j in range(n):
                M[i, j] = A[i, j]
                scale = max(scale, abs(A[i, j]))
        add_shadows(x, ss, row, DURING, -1.0)
        for i in range(n):
            x[i] /= max(scale, 1e-300)
            for j in range(n):
                M[i, j] /= max(scale, 1e-300)
        return solve_for(M, x, skip)
    period, on, off, ongoing = ss[row, 0], ss[row, 1], ss[row, 2], ss[row, 3]
    for i in range(n):
        x[i], c[i] = 0.0, b[i]
    if kind == SS_BOLUS:
        _advance(A, c, on, period, x, y, lengths, used, E, G, work)
        x[state] += value
        add_shadows(x, ss, row, AT_START, 1.0)
        _advance(A, c, period - on, period, x, y, lengths, used, E, G, work)
    else:
        c[state] += ongoing * value
        add_shadows(c, ss, row, DURING, ongoing)
        first, second = min(on, off), max(on, off)
        _advance(A, c, first, period, x, y, lengths, used, E, G, work)
        turn(x, c, ss, row, state, value, on <= off)
        _advance(A, c, second - first, period, x, y, lengths, used, E, G, work)
        turn(x, c, ss, row, state, value, on > off)
        _advance(A, c, period - second, period, x, y, lengths, used, E, G, work)
    q = find(A, period, period, lengths, used, E, G, work)
    for i in range(n):
        for j in range(n):
            M[i, j] = (1.0 if i == j else 0.0) - E[q, i, j]
    return solve_for(M, x, skip)


@entry
def solve_linear(
    matrix_places, P, initial_places, accumulates, subjects, first_row, origin, ev_start, ev_time, ev_kind, ev_state,
    ev_value, ev_row, ss, obs_first, obs_last, obs_time, obs_order, out, out_first, out_stride, place_of, place_first,
    status, when, steps,
):  # fmt: skip
    """Solve subjects exactly; arguments as for :func:`pkpd.solve.loop.solve_lanes`.

    matrix_places : int array, (n, n + 1)
        Places of A and, in the last column, of the constant part; -1 where zero.
    """
    n = initial_places.size
    A, M, b = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    d, x, y, r, c, kept, kept_r, base = (
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
    )
    E, G, work = np.zeros((KEPT, n, n)), np.zeros((KEPT, n, n)), np.zeros((3, n, n))
    lengths, used = np.zeros(KEPT), np.zeros(1, np.int64)
    ordered = obs_order.size > 0
    for who in subjects:
        column, t, code = first_row[who], origin[who], 0
        read_matrix(P, matrix_places, column, A, b)
        used[0] = 0
        start(P, initial_places, column, x, r)
        e, o = ev_start[who], obs_first[who]
        while o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target = obs_time[o] if observe else e_time
            if target > t:
                for i in range(n):
                    c[i] = b[i] + r[i]
                _advance(A, c, target - t, abs(target), x, y, lengths, used, E, G, work)
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
                read_matrix(P, matrix_places, column, A, b)
                used[0] = 0
            elif kind >= SS_FIRST:
                plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
                for i in range(n):
                    kept[i], kept_r[i], base[i] = x[i], r[i], P[initial_places[i], column]
                if not steady(
                    A, b, ss, ev_row[e], plain, state, value, accumulates, x, c, y, M, lengths, used, E, G, work
                ):
                    code = 4
                    break
                leave_cycle(plain, additive, state, value, ss, ev_row[e], accumulates, base, kept, kept_r, x, r)
            else:
                change(kind, state, value, column, P, initial_places, x, r)
            e += 1
        status[who], when[who] = code, t
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
