"""Eight subjects of a linear model side by side: who goes together, where each begins, what events do to each.

See :mod:`pkpd.engine.solve.linear`.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import leaf
from pkpd.engine.solve.event_codes import BOLUS, RATE, REPLACE, RESET, SS_FIRST
from pkpd.engine.solve.event_codes import ROW as NEW_COLUMN
from pkpd.engine.solve.rows import ROW
from pkpd.engine.solve.status import Status

__all__ = [
    "ADDED", "CODE", "COLUMN", "CONSTANTS", "FORCE", "INFUSIONS", "NEXT", "NORM", "NOT_FINITE", "NOW", "REACHED",
    "STEP", "WHEN", "WHO", "Group", "Stops", "apply", "begin", "changes_column", "evenly", "fail", "gather",
    "make_group", "observes", "until",
]  # fmt: skip

NOT_FINITE = int(Status.NOT_FINITE)
#: eight subjects: what is listed below, ``ids`` (4, 8) and ``clock`` (4, 8); A at the entries of the pattern, (m, 8);
#: states, constants, infusions and room for three more such, (6 n, 8). Few arrays, since each one more makes every
#: function that takes them slower to compile.
Group = namedtuple("Group", "ids clock A vectors")
#: when subjects stop: ends and times of their events, ranges, times and order of their observations
Stops = namedtuple("Stops", "ends event_time first last time order")
WHO, COLUMN, CODE, REACHED = range(4)  # of ids: subject, column of P; status, observations reached of those that failed
NOW, STEP, WHEN, NORM = range(4)  # of clock: time, length of the last step, time of failure, norm of A
_, CONSTANTS, INFUSIONS, FORCE, ADDED, NEXT = range(6)  # of vectors, each of n rows


def make_group(n: int, m: int) -> Group:
    """Return room for eight subjects of n states and m entries."""
    return Group(np.zeros((4, ROW), np.int64), np.zeros((4, ROW)), np.zeros((m, ROW)), np.zeros((6 * n, ROW)))


# -- who goes together


@leaf
def observes(o, e, stops, i):
    """Tell whether the o-th observation of subject i comes before its e-th event."""
    ends, time, first, _, obs_time, order = stops
    if ends[i] + e >= ends[i + 1]:
        return True
    if order.size:
        return order[first[i] + o] <= e
    return obs_time[first[i] + o] <= time[ends[i] + e]


@leaf
def _same_times(i, k, ends, time):
    same = True
    for e in range(ends[i + 1] - ends[i]):
        same &= time[ends[i] + e] == time[ends[k] + e]
    return same


@leaf
def _in_step(i, k, count, stops):
    """Tell whether two subjects, of as many observations and events, meet them in the same order."""
    alike = stops.first[i] == stops.first[k] and not stops.order.size
    if alike and _same_times(i, k, stops.ends, stops.event_time):
        return True
    e = 0
    for o in range(count):
        while not observes(o, e, stops, i):
            if observes(o, e, stops, k):
                return False
            e += 1
        if not observes(o, e, stops, k):
            return False
    return True


@leaf
def gather(m, i, origin, stops):
    """Return how many of m subjects, from the i-th on, can be taken together, and whether on one clock."""
    ends, time, first, last, _, _ = stops
    used, uniform = 1, True
    count, events = last[i] - first[i], ends[i + 1] - ends[i]
    while used < ROW and i + used < m:
        k = i + used
        if last[k] - first[k] != count or ends[k + 1] - ends[k] != events:
            break
        if not _in_step(i, k, count, stops):
            break
        uniform &= first[i] == first[k] and origin[i] == origin[k] and _same_times(i, k, ends, time)
        used += 1
    return used, uniform


# -- begin


@leaf
def fail(group, w, code, o):
    """Note that a subject cannot go on, and leave it at rest."""
    ids, vectors = group.ids, group.vectors
    if ids[CODE, w] == 0:
        ids[CODE, w], ids[REACHED, w], group.clock[WHEN, w] = code, o, group.clock[NOW, w]
    for e in range(group.A.shape[0]):
        group.A[e, w] = 0.0
    group.clock[NORM, w] = 0.0
    for i in range(vectors.shape[0]):
        vectors[i, w] = 0.0


@leaf
def _read(at, P, group, w, o):
    """Take over the matrix and the constants of a subject's column."""
    column, row, size, norm, finite = group.ids[COLUMN, w], -1, 0.0, 0.0, True
    entries, places, constants = at.entries, at.places, at.constants
    for e in range(places.size):
        value = P[places[e], column] if places[e] >= 0 else 0.0
        group.A[e, w] = value
        finite &= math.isfinite(value)
        size = abs(value) + (size if entries[e, 0] == row else 0.0)
        row = entries[e, 0]
        norm = max(norm, size)
    n = constants.size
    for i in range(n):
        value = P[constants[i], column] if constants[i] >= 0 else 0.0
        group.vectors[CONSTANTS * n + i, w] = value
        finite &= math.isfinite(value)
    group.clock[NORM, w] = norm
    if not finite:
        fail(group, w, NOT_FINITE, o)


@leaf
def _restart(constants, group, w):
    """Set states to their initial values and infusions to zero."""
    n, column = constants.initial.size, group.ids[COLUMN, w]
    for i in range(n):
        group.vectors[i, w] = constants.P[constants.initial[i], column]
        group.vectors[INFUSIONS * n + i, w] = 0.0


@leaf
def begin(at, constants, timeline, place, used, group):
    """Take so many subjects from one on; those beyond ``used`` are at rest."""
    column, origin = timeline.column, timeline.origin
    ids, clock = group.ids, group.clock
    for w in range(ROW):
        who = place + (w if w < used else 0)
        ids[WHO, w], ids[COLUMN, w], ids[CODE, w], clock[NOW, w] = who, column[who], 0, origin[who]
        if w < used:
            _restart(constants, group, w)
            _read(at, constants.P, group, w, 0)
        else:
            fail(group, w, NOT_FINITE, 0)


# -- events


@leaf
def _change(kind, state, value, w, constants, group):
    """Apply to one subject an event that concerns states and infusion rates alone."""
    vectors, n = group.vectors, constants.initial.size
    if kind == BOLUS:
        vectors[state, w] += value
    elif kind == RATE:
        rate = vectors[INFUSIONS * n + state, w] + value
        vectors[INFUSIONS * n + state, w] = 0.0 if abs(rate) < 1e-12 * abs(value) else rate
    elif kind == RESET:
        _restart(constants, group, w)
    elif kind == REPLACE:
        vectors[state, w] = value


@leaf
def changes_column(e, used, timeline, ids):
    """Tell whether the e-th event of a subject brings another column of P into force."""
    changes = False
    for w in range(used):
        changes |= timeline.kind[timeline.ends[ids[WHO, w]] + e] == NEW_COLUMN
    return changes


@leaf
def apply(e, used, at, constants, timeline, o, group, forget):
    """Apply the e-th event of each subject, but steady states; return whether there are any.

    ``forget`` is the number of step lengths that are known: none for another matrix.
    """
    steady_states, ids = False, group.ids
    for w in range(used):
        k = timeline.ends[ids[WHO, w]] + e
        kind = timeline.kind[k]
        if ids[CODE, w]:
            continue
        if kind >= SS_FIRST:
            steady_states = True
        elif kind == NEW_COLUMN:
            ids[COLUMN, w] = timeline.row[k]
            forget[0] = 0
            _read(at, constants.P, group, w, o)
        else:
            _change(kind, timeline.state[k], timeline.value[k], w, constants, group)
    return steady_states


# -- how far to go


@leaf
def until(o, e, count, stops, i):
    """Return the first observation behind the o-th one that the e-th event of subject i comes before."""
    ends, time, first, _, obs_time, order = stops
    if ends[i] + e >= ends[i + 1]:
        return count
    start, stop = first[i], time[ends[i] + e]
    o += 1
    if order.size:
        while o < count and order[start + o] <= e:
            o += 1
    else:
        while o < count and obs_time[start + o] <= stop:
            o += 1
    return o


@leaf
def evenly(o, end, start, obs_time, h):
    """Return up to which observation, at most ``end``, one subject's steps are as long as that to the o-th was."""
    o += 1
    while o < end and abs(obs_time[start + o] - obs_time[start + o - 1] - h) <= 4e-16 * abs(obs_time[start + o]):
        o += 1
    return o
