"""Exact solution of models that are linear with constant coefficients between events, eight subjects side by side.

Subjects who meet observations and events in one order are taken together, each on its own clock. What becomes of one
does not depend on the others: each has its own entry in every row of eight numbers. Outputs are computed where the
states of the eight have just been written, so that states go nowhere else.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf, uncounted_entry
from pkpd.engine.solve.arrays import SteadyDose
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.event_codes import SS_ADD, SS_FIRST
from pkpd.engine.solve.linear_group import (
    ADDED,
    CODE,
    COLUMN,
    CONSTANTS,
    FORCE,
    INFUSIONS,
    NEXT,
    NORM,
    NOT_FINITE,
    NOW,
    REACHED,
    STEP,
    WHEN,
    WHO,
    apply,
    begin,
    changes_column,
    evenly,
    fail,
    gather,
    make_group,
    observes,
    until,
)  # fmt: skip
from pkpd.engine.solve.linear_sets import drive, find_sets, make_sets, move
from pkpd.engine.solve.one_subject import leave_cycle
from pkpd.engine.solve.periodic import make_steady_room, steady
from pkpd.engine.solve.rows import ROW, copy_row
from pkpd.engine.solve.status import Status

__all__ = ["LinearResults", "LinearWork", "make_room", "make_single", "solve_linear"]

NO_STEADY_STATE = int(Status.NO_STEADY_STATE)
#: output o of a subject's j-th observation goes to ``out[first[i] + o * stride + j]``; the column of P of each row of
#: observations, or empty: the one in force; status code, time reached and steps taken of each subject; of how many
#: subjects some output is not finite, (1,)
LinearResults = namedtuple("LinearResults", "out first stride columns status when steps bad")
#: room of a group for its states and outputs: states at all observations, their times in rows of eight, rows of what
#: outputs read of P, where each subject's stand, sums that are zero where all is finite, and a few outputs
Seen = namedtuple("Seen", "S T p where sums few")
#: room of `solve_linear`
LinearRoom = namedtuple("LinearRoom", "sets group seen")
#: LinearCode; constants and timeline as for ``pkpd.engine.solve.loop.solve_lanes``; Stops; LinearResults
LinearWork = namedtuple("LinearWork", "code constants timeline stops results")
#: one subject: matrix, vectors, and what a steady state needs
Single = namedtuple("Single", "A b x r base none kept kept_r room")


def make_room(code: Any, most: int) -> LinearRoom:
    """Return room for groups of subjects who have at most so many observations."""
    at, n = code.pattern, code.states
    seen = Seen(
        np.zeros((most * n, ROW)), np.zeros((most if code.timed else 1, ROW)), np.zeros((code.places.size, ROW)),
        np.zeros(ROW, np.int64), np.zeros((2, ROW)), np.zeros(code.outputs * ROW * ROW),
    )  # fmt: skip
    return LinearRoom(make_sets(at), make_group(n, len(at.entries)), seen)


def make_single(n: int) -> Any:
    """Return room for one subject's steady states, of n states."""
    room = make_steady_room(n)
    rows = np.zeros((7, n))
    return Single(np.zeros((n, n)), rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], room)


@leaf
def _load(entries, group, w, constants, one):
    """Copy one subject out of a group."""
    n, vectors = one.x.size, group.vectors
    for i in range(n):
        for k in range(n):
            one.A[i, k] = 0.0
        one.x[i], one.b[i], one.r[i] = vectors[i, w], vectors[CONSTANTS * n + i, w], vectors[INFUSIONS * n + i, w]
        one.base[i] = constants.P[constants.initial[i], group.ids[COLUMN, w]]
    for e in range(entries.shape[0]):
        one.A[entries[e, 0], entries[e, 1]] = group.A[e, w]


@compiled
def _go_steady(dose, additive, accumulates, one):
    """Put one subject into a steady state; return False if there is none."""
    for i in range(one.x.size):
        one.kept[i], one.kept_r[i] = one.x[i], one.r[i]
    one.room.known.used[0] = 0
    b, base = (one.none, one.none) if additive else (one.b, one.base)  # to what is there comes what doses alone make
    if not steady(one.A, b, base, dose, accumulates, one.x, one.room):
        return False
    leave_cycle(dose, additive, accumulates, one.base, one.kept, one.kept_r, one.x, one.r)
    return True


@compiled
def _apply_steady(e, used, at, constants, timeline, o, group, one):
    """Put those subjects into a steady state whose e-th event is one."""
    ids, vectors, n = group.ids, group.vectors, one.x.size
    for w in range(used):
        k = timeline.ends[ids[WHO, w]] + e
        kind = timeline.kind[k]
        if ids[CODE, w] or kind < SS_FIRST:
            continue
        _load(at.entries, group, w, constants, one)
        plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
        dose = SteadyDose(plain, timeline.state[k], timeline.value[k], timeline.ss, timeline.row[k])
        if not _go_steady(dose, additive, constants.accumulates, one):
            fail(group, w, NO_STEADY_STATE, o)
            continue
        for i in range(n):
            vectors[i, w], vectors[INFUSIONS * n + i, w] = one.x[i], one.r[i]


# -- from stop to stop


@leaf
def _aim(ids, clock, times, starts, k):
    """Set each subject's step to its k-th stop; return whether some have to move at all."""
    moves = False
    for w in range(ROW):
        target, now = times[starts[ids[WHO, w]] + k], clock[NOW, w]
        clock[STEP, w] = target - now if target > now else 0.0
        clock[NOW, w] = max(target, now)
        moves |= clock[STEP, w] > 0.0
    return moves


@leaf
def _step(at, group, sets, S, row):
    """Write the states after a step to rows of S; return where the sets of that step begin."""
    n = at.constants.size
    first = find_sets(at, group.A, group.clock, NORM, STEP, NOW, sets)
    drive(at, first, group.vectors, CONSTANTS * n, INFUSIONS * n, FORCE * n, ADDED * n, sets)
    move(at.entries, sets.E, first, group.vectors, ADDED * n, S, row, n)
    return first


@leaf
def _observe(code, o, end, width, stops, group, sets, S):
    """Go on to the o-th observation and to those before ``end`` while steps are as long; return how many are reached.

    The states at the o-th observation go to rows ``o n`` and following of S. ``width`` is 1 where all subjects have the
    same times.
    """
    at, n, ids, clock, vectors = code.pattern, code.states, group.ids, group.clock, group.vectors
    first_obs, obs_time = stops.first, stops.time
    if not _aim(ids, clock, obs_time, first_obs, o):
        for i in range(n):
            copy_row(S, o * n + i, vectors, i)
        return o + 1
    first = _step(at, group, sets, S, o * n)
    for w in range(width):
        end = evenly(o, end, first_obs[ids[WHO, w]], obs_time, clock[STEP, w])
    call_code(code.march, (end - o - 1, first, sets.E, vectors, ADDED * n, S, (o + 1) * n))
    for w in range(ROW):
        clock[NOW, w] = max(clock[NOW, w], obs_time[first_obs[ids[WHO, w]] + end - 1])
    for i in range(n):
        copy_row(vectors, i, S, (end - 1) * n + i)
    return end


# -- outputs


@leaf
def _look(code, P, ids, a, b, stops, columns, seen):
    """Gather what the outputs of the observations from a on read; return up to which one, at most b, it holds."""
    end, first, time = b, stops.first, stops.time
    for w in range(ROW):
        start = first[ids[WHO, w]]
        column = columns[start + a] if columns.size else ids[COLUMN, w]
        for k in range(code.places.size):
            seen.p[k, w] = P[code.places[k], column]
        if code.timed:
            for o in range(a, b):
                seen.T[o - a, w] = time[start + o]
        if columns.size:
            o = a + 1
            while o < end and columns[start + o] == column:
                o += 1
            end = o
    return end


@leaf
def _project(code, P, ids, a, b, stops, seen, results):
    """Write the outputs of a group's observations a to b - 1."""
    out, first, stride, S, where = results.out, results.first, results.stride, seen.S, seen.where
    while a < b:
        end = _look(code, P, ids, a, b, stops, results.columns, seen)
        count = end - a
        if count >= ROW:
            for w in range(ROW):
                where[w] = first[ids[WHO, w]] + a
            call_code(code.project, (count, seen.T, S, a * code.states, seen.p, out, stride, where, seen.sums))
        else:
            for w in range(ROW):
                where[w] = w * ROW
            few = (count, seen.T, S, a * code.states, seen.p, seen.few, ROW * ROW, where, seen.sums)
            call_code(code.project, few)
            for w in range(ROW - 1, -1, -1):
                for q in range(code.outputs):
                    for k in range(count):
                        out[first[ids[WHO, w]] + a + q * stride + k] = seen.few[(q * ROW + w) * ROW + k]
        a = end


@leaf
def _last_finite(S, n, count, w):
    """Return up to which observation the states of a subject are finite."""
    for row in range(count * n):
        if not math.isfinite(S[row, w]):
            return row // n
    return count


@leaf
def _judge(code, S, count, used, group, stops, sums, results):
    """Note how far each subject of a group came; what was not reached is not a number."""
    ids, clock, n = group.ids, group.clock, code.states
    for w in range(used):
        who, code_of, reached, when = ids[WHO, w], ids[CODE, w], ids[REACHED, w], clock[WHEN, w]
        good = count if sums[0, w] == 0.0 else _last_finite(S, n, count, w)
        if good < (reached if code_of else count):
            code_of, reached, when = NOT_FINITE, good, stops.time[stops.first[who] + good]
        if not code_of:
            reached, when = count, clock[NOW, w]
        results.status[who], results.when[who] = code_of, when
        if code_of or sums[1, w] != 0.0:
            results.bad[0] += 1
        for q in range(code.outputs):
            for k in range(reached, count):
                results.out[results.first[who] + q * results.stride + k] = np.nan


@uncounted_entry
def solve_linear(work, room, one):
    """Solve all subjects exactly.

    work : LinearWork, bound to memory
    room : LinearRoom, bound to memory
    one : Single or None
        Room for steady states; None where there are none, which compiles in a third of the time.
    """
    code, constants, timeline, stops, results = work
    at, n = code.pattern, code.states
    first, last, m = stops.first, stops.last, stops.first.size
    sets, group, seen = room
    S, P = seen.S, constants.P
    place, ids = 0, group.ids
    while place < m:
        used, uniform = gather(m, place, timeline.origin, stops)
        begin(at, constants, timeline, place, used, group)
        place += used
        sets.used[0] = 0
        for w in range(ROW):
            seen.sums[0, w] = seen.sums[1, w] = 0.0
        o, e, steps, shown, width, who = 0, 0, 0, 0, 1 if uniform else ROW, ids[WHO, 0]
        count = last[who] - first[who]
        while o < count:
            if observes(o, e, stops, who):
                before, end = o, until(o, e, count, stops, who)
                o = _observe(code, o, end, width, stops, group, sets, S)
                steps += o - before
                continue
            if _aim(ids, group.clock, timeline.time, timeline.ends, e):
                _step(at, group, sets, group.vectors, NEXT * n)
                for i in range(n):
                    copy_row(group.vectors, i, group.vectors, NEXT * n + i)
                steps += 1
            if not results.columns.size and changes_column(e, used, timeline, ids):
                _project(code, P, ids, shown, o, stops, seen, results)
                shown = o
            if apply(e, used, at, constants, timeline, o, group, sets.used) and one is not None:
                _apply_steady(e, used, at, constants, timeline, o, group, one)
                sets.used[0] = 0
            e += 1
        for w in range(used):
            results.steps[ids[WHO, w]] += steps
        _project(code, P, ids, shown, count, stops, seen, results)
        _judge(code, S, count, used, group, stops, seen.sums, results)
