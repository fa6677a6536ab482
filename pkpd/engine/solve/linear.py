"""Exact solution of models that are linear with constant coefficients between events, eight subjects side by side.

Subjects who meet observations and events in one order are taken together, each on its own clock. What becomes of one
does not depend on the others: each has its own entry in every row of eight numbers.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, entry, leaf
from pkpd.engine.solve.arrays import SteadyDose
from pkpd.engine.solve.event_codes import BOLUS, RATE, REPLACE, RESET, SS_ADD, SS_FIRST
from pkpd.engine.solve.event_codes import ROW as NEW_COLUMN
from pkpd.engine.solve.linear_sets import drive, find_sets, make_sets, move
from pkpd.engine.solve.one_subject import leave_blank, leave_cycle
from pkpd.engine.solve.periodic import SteadyRoom, steady
from pkpd.engine.solve.propagate import KEPT, Propagators
from pkpd.engine.solve.rows import ROW, copy_row, multiply_add, put_row, turn_rows
from pkpd.engine.solve.status import Status

__all__ = ["solve_linear"]

NOT_FINITE, NO_STEADY_STATE = int(Status.NOT_FINITE), int(Status.NO_STEADY_STATE)
#: eight subjects: their numbers, columns of P, times and lengths of the last step; status, observations reached and
#: time of those that failed, all (8,); A at the entries of the pattern, (m, 8), its norm, (8,); states, constants,
#: infusions, and room, (n, 8)
Group = namedtuple("Group", "who column t h code reached when A norm x b r c d y")
#: one subject: matrix, vectors, and what a steady state needs
Single = namedtuple("Single", "A b x r base none kept kept_r room")


@compiled
def _make_group(n, m):
    return Group(
        np.zeros(ROW, np.int64), np.zeros(ROW, np.int64), np.zeros(ROW), np.zeros(ROW),
        np.zeros(ROW, np.int64), np.zeros(ROW, np.int64), np.zeros(ROW), np.zeros((m, ROW)), np.zeros(ROW),
        np.zeros((n, ROW)), np.zeros((n, ROW)), np.zeros((n, ROW)), np.zeros((n, ROW)), np.zeros((n, ROW)),
        np.zeros((n, ROW)),
    )  # fmt: skip


@compiled
def _make_single(n):
    known = Propagators(
        np.zeros(KEPT), np.zeros(1, np.int64), np.zeros((KEPT, n, n)), np.zeros((KEPT, n, n)), np.zeros((3, n, n))
    )
    room = SteadyRoom(np.zeros(n, np.bool_), np.zeros(n), np.zeros(n), np.zeros((n, n)), known)
    rows = np.zeros((7, n))
    return Single(np.zeros((n, n)), rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], room)


@leaf
def _observes(i, o, e, timeline, observed):
    """Tell whether the o-th observation of a subject comes before its e-th event."""
    first = timeline.ends[i]
    if first + e >= timeline.ends[i + 1]:
        return True
    if observed.order.size:
        return observed.order[observed.first[i] + o] <= e
    return observed.time[observed.first[i] + o] <= timeline.time[first + e]


@leaf
def _in_step(i, k, timeline, observed):
    """Tell whether two subjects meet observations and events in the same order."""
    events, count = timeline.ends[i + 1] - timeline.ends[i], observed.last[i] - observed.first[i]
    if timeline.ends[k + 1] - timeline.ends[k] != events or observed.last[k] - observed.first[k] != count:
        return False
    if observed.first[i] == observed.first[k] and not observed.order.size:
        same = True
        for e in range(events):
            same &= timeline.time[timeline.ends[i] + e] == timeline.time[timeline.ends[k] + e]
        if same:
            return True
    e = 0
    for o in range(count):
        while not _observes(i, o, e, timeline, observed):
            if _observes(k, o, e, timeline, observed):
                return False
            e += 1
        if not _observes(k, o, e, timeline, observed):
            return False
    return True


@leaf
def _fail(group, w, code, o):
    """Note that a subject cannot go on, and leave it at rest."""
    if group.code[w] == 0:
        group.code[w], group.reached[w], group.when[w] = code, o, group.t[w]
    group.A[:, w] = 0.0
    group.norm[w] = 0.0
    for i in range(group.x.shape[0]):
        group.x[i, w] = group.b[i, w] = group.r[i, w] = 0.0


@leaf
def _read(at, P, group, w, o):
    """Take over the matrix and the constants of a subject's column."""
    column, row, size, norm, finite = group.column[w], -1, 0.0, 0.0, True
    for e in range(at.entries.shape[0]):
        value = P[at.places[e], column] if at.places[e] >= 0 else 0.0
        group.A[e, w] = value
        finite &= math.isfinite(value)
        size = abs(value) + (size if at.entries[e, 0] == row else 0.0)
        row = at.entries[e, 0]
        norm = max(norm, size)
    for i in range(group.b.shape[0]):
        group.b[i, w] = P[at.constants[i], column] if at.constants[i] >= 0 else 0.0
        finite &= math.isfinite(group.b[i, w])
    group.norm[w] = norm
    if not finite:
        _fail(group, w, NOT_FINITE, o)


@leaf
def _begin(at, constants, timeline, subjects, first, used, group):
    """Take subjects from a place in their list on; those beyond ``used`` are at rest."""
    for w in range(ROW):
        who = subjects[first + (w if w < used else 0)]
        group.who[w], group.column[w], group.t[w] = who, timeline.column[who], timeline.origin[who]
        group.code[w] = 0
        if w >= used:
            _fail(group, w, NOT_FINITE, 0)
            continue
        for i in range(group.x.shape[0]):
            group.x[i, w], group.r[i, w] = constants.P[constants.initial[i], group.column[w]], 0.0
        _read(at, constants.P, group, w, 0)


@leaf
def _load(at, group, w, constants, one):
    """Copy one subject out of a group."""
    n = one.x.size
    for i in range(n):
        for k in range(n):
            one.A[i, k] = 0.0
        one.b[i], one.x[i], one.r[i] = group.b[i, w], group.x[i, w], group.r[i, w]
        one.base[i] = constants.P[constants.initial[i], group.column[w]]
    for e in range(at.entries.shape[0]):
        one.A[at.entries[e, 0], at.entries[e, 1]] = group.A[e, w]


@leaf
def _keep(group, w, one):
    """Copy one subject's states and infusions back."""
    for i in range(one.x.size):
        group.x[i, w], group.r[i, w] = one.x[i], one.r[i]


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


@leaf
def _change(kind, state, value, w, constants, group):
    """Apply to one subject an event that concerns states and infusion rates alone."""
    x, r = group.x, group.r
    if kind == BOLUS:
        x[state, w] += value
    elif kind == RATE:
        r[state, w] += value
        if abs(r[state, w]) < 1e-12 * abs(value):
            r[state, w] = 0.0
    elif kind == RESET:
        for i in range(x.shape[0]):
            x[i, w], r[i, w] = constants.P[constants.initial[i], group.column[w]], 0.0
    elif kind == REPLACE:
        x[state, w] = value


@leaf
def _apply(e, used, at, constants, timeline, o, group, sets):
    """Apply the e-th event of each subject, but steady states; return whether there are any."""
    steady_states = False
    for w in range(used):
        k = timeline.ends[group.who[w]] + e
        kind = timeline.kind[k]
        if group.code[w]:
            continue
        if kind >= SS_FIRST:
            steady_states = True
        elif kind == NEW_COLUMN:
            group.column[w] = timeline.row[k]
            sets.used[0] = 0
            _read(at, constants.P, group, w, o)
        else:
            _change(kind, timeline.state[k], timeline.value[k], w, constants, group)
    return steady_states


@compiled
def _apply_steady(e, used, at, constants, timeline, o, group, one, sets):
    """Put those subjects into a steady state whose e-th event is one."""
    for w in range(used):
        k = timeline.ends[group.who[w]] + e
        kind = timeline.kind[k]
        if group.code[w] or kind < SS_FIRST:
            continue
        _load(at, group, w, constants, one)
        plain, additive = SS_FIRST + (kind - SS_FIRST) % SS_ADD, kind >= SS_FIRST + SS_ADD
        dose = SteadyDose(plain, timeline.state[k], timeline.value[k], timeline.ss, timeline.row[k])
        if _go_steady(dose, additive, constants.accumulates, one):
            _keep(group, w, one)
        else:
            _fail(group, w, NO_STEADY_STATE, o)
            sets.used[0] = 0


@leaf
def _aim(group, times, starts, k):
    """Set each subject's step to its k-th stop; return whether some have to move at all."""
    moves = False
    for w in range(ROW):
        target = times[starts[group.who[w]] + k]
        group.h[w] = target - group.t[w] if target > group.t[w] else 0.0
        group.t[w] = max(target, group.t[w])
        moves |= group.h[w] > 0.0
    return moves


@leaf
def _until(o, e, count, who, ends, event_time, first, obs_time, order):
    """Return the first observation behind the o-th one that a subject's e-th event comes before."""
    if ends[who] + e >= ends[who + 1]:
        return count
    start, time = first[who], event_time[ends[who] + e]
    o += 1
    if order.size:
        while o < count and order[start + o] <= e:
            o += 1
    else:
        while o < count and obs_time[start + o] <= time:
            o += 1
    return o


@leaf
def _evenly(o, end, start, obs_time, t, h):
    """Return up to which observation, at most ``end``, one subject's steps are as long as that to the o-th was."""
    o += 1
    while o < end and abs(obs_time[start + o] - t - h) <= 4e-16 * abs(obs_time[start + o]):
        t = obs_time[start + o]
        o += 1
    return o


@leaf
def _march(entries, E, first, d, S, o, end):
    """Write the states at observations o to end - 1 to their rows of S, from those at the one before."""
    n, m = d.shape[0], entries.shape[0]
    for k in range(o * n, end * n, n):
        for i in range(n):
            copy_row(S, k + i, d, i)
        for e in range(m):
            multiply_add(S, k + entries[e, 0], E, first + e, S, k - n + entries[e, 1])


@leaf
def _to_event(at, e, timeline, group, sets):
    """Go on to the e-th event; return whether that took a step."""
    if not _aim(group, timeline.time, timeline.ends, e):
        return False
    first = find_sets(at, group.A, group.norm, group.h, group.t, sets)
    drive(at, first, group.b, group.r, group.c, group.d, sets)
    move(at.entries, sets.E, first, group.d, group.x, 0, group.y, 0)
    for i in range(group.x.shape[0]):
        copy_row(group.x, i, group.y, i)
    return True


@leaf
def _observe(at, o, e, count, width, timeline, observed, group, sets, S):
    """Go on to the o-th observation and to those behind it while steps are as long; return how many were reached.

    The states at the o-th observation go to rows ``o n`` and following of S. ``width`` is 1 where all subjects have the
    same times.
    """
    n, x = group.x.shape[0], group.x
    if not _aim(group, observed.time, observed.first, o):
        for i in range(n):
            copy_row(S, o * n + i, x, i)
        return o + 1
    first = find_sets(at, group.A, group.norm, group.h, group.t, sets)
    drive(at, first, group.b, group.r, group.c, group.d, sets)
    move(at.entries, sets.E, first, group.d, x, 0, S, o * n)
    end = _until(o, e, count, group.who[0], timeline.ends, timeline.time, observed.first, observed.time, observed.order)
    for w in range(width):
        end = _evenly(o, end, observed.first[group.who[w]], observed.time, group.t[w], group.h[w])
    _march(at.entries, sets.E, first, group.d, S, o + 1, end)
    for w in range(ROW):
        group.t[w] = observed.time[observed.first[group.who[w]] + end - 1]
    for i in range(n):
        copy_row(x, i, S, (end - 1) * n + i)
    return end


@leaf
def _note_columns(group, used, before, o, observed, results):
    """Write the column of P in force at the observations from ``before`` to o."""
    if results.place_of.size:
        for w in range(used):
            place = results.place_first[group.who[w]]
            results.place_of[place + before : place + o] = group.column[w]


@leaf
def _last_finite(S, n, count, w):
    """Return up to which observation the states of a subject are finite."""
    for row in range(count * n):
        if not math.isfinite(S[row, w]):
            return row // n
    return count


@leaf
def _are_finite(S, rows, zero, sums):
    """Tell whether all rows of S are finite."""
    for k in range(4):
        copy_row(sums, k, zero, 0)
    for row in range(rows):
        multiply_add(sums, row & 3, S, row, zero, 0)  # infinity times zero is no number
    finite = True
    for k in range(4):
        for w in range(ROW):
            finite &= sums[k, w] == 0.0
    return finite


@leaf
def _write(S, n, count, used, group, turned, results):
    """Write the states of a group to where each subject's go."""
    out, stride = results.out, results.stride
    for i in range(n):
        o = 0
        while o < count:
            begin = min(o, max(count - ROW, 0))
            if begin + ROW <= count:
                turn_rows(turned, S, begin * n + i, n)
                for w in range(used):
                    put_row(out, results.first[group.who[w]] + i * stride + begin, turned, w)
            else:  # fewer than eight at all
                for w in range(used):
                    place = results.first[group.who[w]] + i * stride
                    for k in range(count):
                        out[place + k] = S[k * n + i, w]
            o += ROW


@leaf
def _end(group, used, count, S, turned, sets, observed, results):
    """Write what became of a group."""
    n = group.x.shape[0]
    _write(S, n, count, used, group, turned, results)
    finite = _are_finite(S, count * n, sets.zero, turned)
    for w in range(used):
        who = group.who[w]
        code, reached, when = group.code[w], group.reached[w], group.when[w]
        good = count if finite else _last_finite(S, n, count, w)
        if good < (reached if code else count):
            code, reached, when = NOT_FINITE, good, observed.time[observed.first[who] + good]
        if not code:
            reached, when = count, group.t[w]
        results.status[who], results.when[who] = code, when
        leave_blank(n, results.out, results.first[who] + reached, count - reached, results.stride)


@leaf
def _gather(subjects, first, timeline, observed):
    """Return how many subjects from a place in their list on can be taken together, and whether on one clock."""
    used, uniform, one = 1, True, subjects[first]
    while used < ROW and first + used < subjects.size:
        who = subjects[first + used]
        if not _in_step(one, who, timeline, observed):
            break
        uniform &= observed.first[one] == observed.first[who] and timeline.origin[one] == timeline.origin[who]
        for e in range(timeline.ends[one + 1] - timeline.ends[one]):
            uniform &= timeline.time[timeline.ends[one] + e] == timeline.time[timeline.ends[who] + e]
        used += 1
    return used, uniform


@entry
def solve_linear(at, constants, subjects, timeline, observed, results):
    """Solve subjects exactly; arguments as for :func:`pkpd.engine.solve.loop.solve_lanes`.

    at : LinearPattern
    """
    n, most = constants.initial.size, 0
    for who in subjects:
        most = max(most, observed.last[who] - observed.first[who])
    sets, group, one = make_sets(at), _make_group(n, at.entries.shape[0]), _make_single(n)
    S, turned = np.zeros((max(most, 1) * n, ROW)), np.zeros((ROW, ROW))
    place = 0
    while place < subjects.size:
        used, uniform = _gather(subjects, place, timeline, observed)
        _begin(at, constants, timeline, subjects, place, used, group)
        place += used
        sets.used[0] = 0
        o, e, steps, width = 0, 0, 0, 1 if uniform else ROW
        count = observed.last[group.who[0]] - observed.first[group.who[0]]
        while o < count:
            if _observes(group.who[0], o, e, timeline, observed):
                before = o
                o = _observe(at, o, e, count, width, timeline, observed, group, sets, S)
                _note_columns(group, used, before, o, observed, results)
                steps += o - before
            else:
                steps += _to_event(at, e, timeline, group, sets)
                if _apply(e, used, at, constants, timeline, o, group, sets):
                    _apply_steady(e, used, at, constants, timeline, o, group, one, sets)
                e += 1
        for w in range(used):
            results.steps[group.who[w]] += steps
        _end(group, used, count, S, turned, sets, observed, results)
