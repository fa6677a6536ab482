"""The events of a subject in their order, times that should be one made one."""

from __future__ import annotations

import numpy as np

from pkpd.engine.machine.jit import entry, leaf, uncounted_entry

__all__ = ["arrange", "copy_event", "moved_onto", "one_time", "order_observations"]

ROUNDING = 4e-15  # of sums of times, relative to the largest


@leaf
def one_time(near, rec, first, last, horizon):
    """Return the distance of times that are one, no less than what sums of such times round by."""
    span = abs(horizon) if last == first else max(abs(horizon), abs(rec.time[first]))
    return max(near, ROUNDING * span) if np.isfinite(span) else near


@leaf
def arrange(ev, first, last, obs_time, obs_first, obs_last, near, room):
    """Sort events by time, then rank, keeping the order of equals.

    The time of an event within ``near`` of an observation becomes that of the observation, else that of an event
    shortly before it: sums of intervals, lags and durations round in other ways than times that are written down.
    ``room`` is for so many whole numbers, (2, events).
    """
    _sort(ev, first, last, room)
    moved, latest = False, -np.inf
    for e in range(first, last):
        time = ev.time[e]
        if time - latest > near:
            latest = _nearest(obs_time, obs_first, obs_last, time, near)
        if latest != time:
            ev.time[e], moved = latest, True
    if moved:
        _sort(ev, first, last, room)


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


@leaf
def copy_event(ev, e, out, n):
    """Copy event e to the n-th place of others; return the next place."""
    out.time[n], out.rank[n], out.kind[n] = ev.time[e], ev.rank[e], ev.kind[e]
    out.state[n], out.value[n], out.row[n] = ev.state[e], ev.value[e], ev.row[e]
    return n + 1


@leaf
def _sort(ev, first, last, room):
    """Sort by time, then rank, keeping the order of equals."""
    in_order = first + 1
    while in_order < last and not _is_before(ev, in_order, in_order - 1):
        in_order += 1
    if in_order < last:
        _reorder(ev, first, last, room, _merged(ev, first, last, room))


@leaf
def _reorder(ev, first, last, room, which):
    """Put the events that a row of ``room`` lists in the places from ``first`` on, cycle by cycle."""
    for start in range(first, last):
        if room[which, start - first] == start:
            continue
        t, r, kind = ev.time[start], ev.rank[start], ev.kind[start]
        state, value, row, to = ev.state[start], ev.value[start], ev.row[start], start
        while room[which, to - first] != start:
            source = room[which, to - first]
            copy_event(ev, source, ev, to)
            room[which, to - first] = to
            to = source
        room[which, to - first] = to
        ev.time[to], ev.rank[to], ev.kind[to], ev.state[to], ev.value[to], ev.row[to] = t, r, kind, state, value, row


@leaf
def _merged(ev, first, last, room):
    """List the events in order, by merging sorted parts of 1, 2, 4, ... of them; return the row of the list."""
    n, old, new, width = last - first, 0, 1, 1
    for k in range(n):
        room[0, k] = first + k
    while width < n:
        for start in range(0, n, 2 * width):
            middle, end = min(start + width, n), min(start + 2 * width, n)
            i, j = start, middle
            for k in range(start, end):
                if j >= end or (i < middle and not _is_before(ev, room[old, j], room[old, i])):
                    room[new, k] = room[old, i]
                    i += 1
                else:
                    room[new, k] = room[old, j]
                    j += 1
        old, new = new, old
        width *= 2
    return old


@uncounted_entry
def order_observations(ev_time, ev_rank, ends, obs_time, obs_rank, obs_first, obs_last, order):
    """Write for each observation of each subject how many of the subject's events come before it."""
    for i in range(ends.size - 1):
        e, end = ends[i], ends[i + 1]
        for o in range(obs_first[i], obs_last[i]):
            time, rank = obs_time[o], obs_rank[o]
            while e < end and (ev_time[e] < time or (ev_time[e] == time and ev_rank[e] < rank)):
                e += 1
            order[o] = e - ends[i]
