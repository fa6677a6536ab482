"""The events of a subject in their order, times that should be one made one."""

from __future__ import annotations

import numpy as np

from pkpd.engine.machine.jit import compiled, entry, leaf

__all__ = ["arrange", "moved_onto", "one_time", "order_observations"]

ROUNDING = 4e-15  # of sums of times, relative to the largest
FEW = 64  # events up to which they are sorted by insertion


@leaf
def one_time(near, rec, first, last, horizon):
    """Return the distance of times that are one, no less than what sums of such times round by."""
    span = abs(horizon) if last == first else max(abs(horizon), abs(rec.time[first]))
    return max(near, ROUNDING * span) if np.isfinite(span) else near


@compiled
def arrange(ev, first, last, obs_time, obs_first, obs_last, near):
    """Sort events by time, then rank, keeping the order of equals.

    The time of an event within ``near`` of an observation becomes that of the observation, else that of an event
    shortly before it: sums of intervals, lags and durations round in other ways than times that are written down.
    """
    _sort(ev, first, last)
    moved, latest = False, -np.inf
    for e in range(first, last):
        time = ev.time[e]
        if time - latest > near:
            latest = _nearest(obs_time, obs_first, obs_last, time, near)
        if latest != time:
            ev.time[e], moved = latest, True
    if moved:
        _sort(ev, first, last)


@leaf
def _first_from(times, first, last, time):
    """Return the first place from which sorted times are not below a time."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if times[middle] < time:
            low = middle + 1
        else:
            high = middle
    return low


@leaf
def _nearest(times, first, last, time, near):
    """Return the nearest of sorted times within ``near`` of a time, else the time itself."""
    k = _first_from(times, first, last, time)
    above = times[k] - time if k < last else np.inf
    below = time - times[k - 1] if k > first else np.inf
    if min(above, below) > near:
        return time
    return times[k] if above <= below else times[k - 1]


@entry
def moved_onto(times, others, near):
    """Return times with those that are one with the nearest of some sorted others put there."""
    out = np.empty(times.size)
    for i in range(times.size):
        out[i] = _nearest(others, 0, others.size, times[i], near)
    return out


@leaf
def _is_before(ev, i, j):
    """Tell whether event i must come before event j, by time and rank."""
    return ev.time[i] < ev.time[j] or (ev.time[i] == ev.time[j] and ev.rank[i] < ev.rank[j])


@compiled
def _sort(ev, first, last):
    """Sort by time, then rank, keeping the order of equals."""
    in_order = first + 1
    while in_order < last and not _is_before(ev, in_order, in_order - 1):
        in_order += 1
    if in_order >= last:
        return
    if last - first <= FEW:
        _insert(ev, first, last)
        return
    order = _merged(ev, first, last)
    _reorder(ev.time, order, first)
    _reorder(ev.rank, order, first)
    _reorder(ev.value, order, first)
    _reorder(ev.kind, order, first)
    _reorder(ev.state, order, first)
    _reorder(ev.row, order, first)


@compiled
def _reorder(column, order, first):
    """Put the entries at ``order`` in the places from ``first`` on."""
    moved = np.empty(order.size, column.dtype)
    for k in range(order.size):
        moved[k] = column[order[k]]
    for k in range(order.size):
        column[first + k] = moved[k]


@leaf
def _insert(ev, first, last):
    for i in range(first + 1, last):
        t, r = ev.time[i], ev.rank[i]
        kind, state, value, row = ev.kind[i], ev.state[i], ev.value[i], ev.row[i]
        j = i - 1
        while j >= first and (ev.time[j] > t or (ev.time[j] == t and ev.rank[j] > r)):
            ev.time[j + 1], ev.rank[j + 1], ev.kind[j + 1] = ev.time[j], ev.rank[j], ev.kind[j]
            ev.state[j + 1], ev.value[j + 1], ev.row[j + 1] = ev.state[j], ev.value[j], ev.row[j]
            j -= 1
        ev.time[j + 1], ev.rank[j + 1], ev.kind[j + 1] = t, r, kind
        ev.state[j + 1], ev.value[j + 1], ev.row[j + 1] = state, value, row


@compiled
def _merged(ev, first, last):
    """Return the numbers of the events in order, by merging sorted parts of 1, 2, 4, ... events."""
    n = last - first
    order, other = np.arange(first, last), np.empty(n, np.int64)
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            middle, end = min(start + width, n), min(start + 2 * width, n)
            i, j = start, middle
            for k in range(start, end):
                if j >= end or (i < middle and not _is_before(ev, order[j], order[i])):
                    other[k] = order[i]
                    i += 1
                else:
                    other[k] = order[j]
                    j += 1
        order, other = other, order
        width *= 2
    return order


@leaf
def _observation_order(ev_time, ev_rank, obs_time, obs_rank, order):
    """Write for each observation of a subject how many of its events come before it."""
    e = 0
    for i in range(obs_time.size):
        time, rank = obs_time[i], obs_rank[i]
        while e < ev_time.size and (ev_time[e] < time or (ev_time[e] == time and ev_rank[e] < rank)):
            e += 1
        order[i] = e


@entry
def order_observations(ev_time, ev_rank, ends, obs_time, obs_rank, obs_first, obs_last, order):
    """Do as :func:`_observation_order` for each subject in turn."""
    for i in range(ends.size - 1):
        e, o = slice(ends[i], ends[i + 1]), slice(obs_first[i], obs_last[i])
        _observation_order(ev_time[e], ev_rank[e], obs_time[o], obs_rank[o], order[o])
