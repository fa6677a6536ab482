"""The events of a block of subjects: what their records become, and the times at which conditions on time switch."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.engine.graph.functions import NEVER
from pkpd.engine.machine.jit import compiled, entry, leaf, uncounted_entry
from pkpd.engine.solve.arrange import arrange, copy_event, one_time
from pkpd.engine.solve.arrays import Held, Who
from pkpd.engine.solve.event_codes import (
    ADDITIONAL,
    BOLUS,
    RATE,
    REPLACE,
    RESET,
    ROW,
    SS_ADD,
    SS_CONSTANT,
    SS_FIRST,
    STOP,
)
from pkpd.engine.solve.shadows import SS_AMOUNT, SS_FIRST_STOP, SS_LAST_STOP, SS_ON, SS_PERIOD, SS_TURNS
from pkpd.engine.solve.switches import switch_times
from pkpd.engine.solve.timeline import expand_boluses, expand_events, room_for

__all__ = ["estimate", "expand", "expand_plain", "mark", "merge", "switch"]

#: switch times that all subjects share, and from when to when all of them are known
SharedTimes = namedtuple("SharedTimes", "times start end")


@leaf
def _horizon(i, at):
    """Return the last time of interest of a subject: that of its last observation."""
    return at.obs_time[at.obs_last[i] - 1] if at.obs_last[i] > at.obs_first[i] else -np.inf


@compiled
def _person(i, at):
    """Return the i-th subject of a block."""
    rec, first, last = at.rec, at.rec_first[i], at.rec_last[i]
    horizon = _horizon(i, at)
    ends = False
    for k in range(first, last):
        ends |= rec.evid[k] >= 3 or rec.ss[k] == 1
    return Who(
        rec, first, last, at.rec_column, at.column[i], at.seg_first[i], at.seg_first[i + 1], at.seg_time, at.seg_rank,
        at.seg_column, at.P, at.places, at.shadows, horizon, one_time(at.near, rec, first, last, horizon), at.lag_rank,
        at.add_rank, ends, at.anew,
    )  # fmt: skip


@uncounted_entry
def estimate(at):
    """Return about how many events and steady states there are."""
    inputs = at.shadows.partials.shape[0]
    events, steady = at.seg_time.size, 0
    for i in range(at.column.size):
        more = room_for(at.rec, at.rec_first[i], at.rec_last[i], _horizon(i, at), inputs)
        events += more[0]
        steady += more[1]
    return events, steady


@entry
def expand(ev, ss, at, ends, order):
    """Write the events, as many as there is room for; return how many steady states there are, and a fault."""
    obs_time, obs_first, obs_last = at.obs_time, at.obs_first, at.obs_last
    q = 0
    for i in range(at.column.size):
        end, q, fault, k = expand_events(ev, ends[i], ss, q, _person(i, at))
        if fault:
            return q, fault, i, k
        ends[i + 1] = end
        if end <= ev.time.size:
            close = one_time(at.near, at.rec, at.rec_first[i], at.rec_last[i], _horizon(i, at))
            arrange(ev, ends[i], end, obs_time, obs_first[i], obs_last[i], close, order)
    return q, 0, -1, -1


@uncounted_entry
def expand_plain(ev, at, ends, order):
    """Do as :func:`expand` for boluses and constant columns alone; return False where there is more to it.

    It is what most models need, and compiled in a fraction of the time.
    """
    impersonal = True
    for i in range(at.places.shape[0]):
        for k in range(at.places.shape[1]):
            impersonal &= at.places[i, k] < 0
    for i in range(at.column.size):
        if impersonal and _repeats_last(i, at):
            ends[i + 1] = _copy_all(ev, ends[i - 1], ends[i])
            continue
        horizon = _horizon(i, at)
        close = one_time(at.near, at.rec, at.rec_first[i], at.rec_last[i], horizon)
        ends[i + 1] = expand_boluses(ev, ends[i], at, i, horizon, close)
        if ends[i + 1] < 0:
            return False
        if ends[i + 1] <= ev.time.size:
            arrange(ev, ends[i], ends[i + 1], at.obs_time, at.obs_first[i], at.obs_last[i], close, order)
    return True


@leaf
def _repeats_last(i, at):
    """Tell whether a subject has the records and the observations of the one before."""
    return (
        i > 0
        and at.rec_first[i] == at.rec_first[i - 1]
        and at.rec_last[i] == at.rec_last[i - 1]
        and at.obs_first[i] == at.obs_first[i - 1]
        and at.obs_last[i] == at.obs_last[i - 1]
    )


@leaf
def _copy_all(ev, first, end):
    """Write the events from ``first`` to ``end`` once more behind them, if there is room; return the new end."""
    if 2 * end - first <= ev.time.size:
        for e in range(first, end):
            copy_event(ev, e, ev, end + e - first)
    return 2 * end - first


@compiled
def _append(times, m, more):
    """Write more numbers behind the first m of an array; return it, longer where need be, and the new m."""
    if m + more.size > times.size:
        longer = np.empty(2 * (m + more.size))
        longer[:m] = times[:m]
        times = longer
    times[m : m + more.size] = more
    return times, m + more.size


@compiled
def _between(switches, held, shared, start, end):
    """Return the switch times strictly between start and end, out of those that all subjects share where possible."""
    if shared.start <= start and end <= shared.end:
        first = np.searchsorted(shared.times, start, side="right")
        return shared.times[first : max(first, np.searchsorted(shared.times, end))], -1
    return switch_times(switches, held, start, end)


@entry
def mark(ev, ends, ss, amounts, marks, out):
    """Write the events and, behind each dose, what it sets; return the ends."""
    m = ends.size - 1
    out_ends, n = np.zeros(m + 1, np.int64), 0
    for i in range(m):
        for e in range(ends[i], ends[i + 1]):
            kind, row, time = ev.kind[e], ev.row[e], ev.time[e]
            n = copy_event(ev, e, out, n)
            amount = -1.0
            if kind in (BOLUS, RATE) and row >= 0:
                amount = amounts[row]
            elif _cyclic(kind):
                time += ss[row, SS_ON] - ss[row, SS_PERIOD]
                amount = ss[row, SS_AMOUNT]
            for h in range(marks.shape[0]):
                if amount >= 0.0 and (marks[h, 1] < 0 or marks[h, 1] == ev.state[e]):
                    out.time[n], out.rank[n], out.kind[n], out.row[n] = ev.time[e], ev.rank[e], REPLACE, -1
                    out.state[n], out.value[n] = marks[h, 0], amount if marks[h, 2] else time
                    n += 1
        out_ends[i + 1] = n
    return out_ends


@leaf
def _cyclic(kind):
    """Tell whether an event is a steady state with dosing cycles."""
    return kind >= SS_FIRST and (kind - SS_CONSTANT) % SS_ADD != 0


@leaf
def _forget(marks, doses):
    """Set what doses set to what holds before the first one."""
    for h in range(marks.shape[0]):
        doses[h] = 0.0 if marks[h, 2] else NEVER


@leaf
def _sets(marks, state):
    """Return which of the values that doses set is kept in a state, -1 if none."""
    for h in range(marks.shape[0]):
        if marks[h, 0] == state:
            return h
    return -1


@compiled
def _in_cycle(switches, held, shared, marks, ss, row, state, time):
    """Return the switch times within the cycle of a steady state, of one interval or several, that ends at a time."""
    period, intervals = ss[row, SS_PERIOD], int(ss[row, SS_TURNS])
    doses = np.empty(marks.shape[0])
    if not switches.dosed:
        return _between(switches, held, shared, time - intervals * period, time)
    _forget(marks, doses)
    within = Held(held.P, held.column, doses)
    found, n = np.empty(16), 0
    for half in range(2 * intervals):
        end = time - (intervals - 1 - half // 2) * period
        begin = end - period
        given, after = begin + ss[row, SS_ON], half % 2 == 1
        for h in range(marks.shape[0]):
            if marks[h, 1] < 0 or marks[h, 1] == state:
                doses[h] = ss[row, SS_AMOUNT] if marks[h, 2] else given if after else given - period
        part, fault = _between(switches, within, shared, given if after else begin, end if after else given)
        if fault >= 0:
            return part, fault
        found, n = _append(found, n, part)
    return found[:n], -1


@entry
def switch(switches, at, origin, ends, ev, ss, marks):
    """Return the switch times of all subjects and the ends of each one's, those within the cycles of steady states,
    and the subject and condition at fault.
    """  # noqa: D205
    P, column, obs_first, obs_last, obs_time = at.P, at.column, at.obs_first, at.obs_last, at.obs_time
    m = column.size
    stops, cycles = np.empty(16), np.empty(16)
    stop_ends, q = np.zeros(m + 1, np.int64), 0
    doses = np.empty(marks.shape[0])
    first, final, common = np.inf, -np.inf, np.empty(0)
    if m and not switches.personal:
        first = np.min(origin)
        for i in range(m):
            final = max(final, _horizon(i, at))
        common, fault = switch_times(switches, Held(P, np.int64(0), doses), first, final)
        if fault >= 0:
            return stops, stop_ends, cycles, 0, fault
    shared = SharedTimes(common, first, final)
    for i in range(m):
        n, held, start = stop_ends[i], Held(P, column[i], doses), origin[i]
        last = obs_time[obs_last[i] - 1] if obs_last[i] > obs_first[i] else start
        _forget(marks, doses)
        for e in range(ends[i], ends[i + 1] + 1):
            ending = e == ends[i + 1]
            time = last if ending else min(ev.time[e], last)
            kind = STOP if ending else ev.kind[e]
            mark = _sets(marks, ev.state[e]) if kind == REPLACE else -1
            if ending or kind == ROW or (switches.dosed and (kind == RESET or mark >= 0)):
                found, fault = _between(switches, held, shared, start, time)
                if fault >= 0:
                    return stops, stop_ends, cycles, i, fault
                stops, n = _append(stops, n, found)
                start = max(start, time)
                if kind == ROW:
                    held = Held(P, ev.row[e], doses)
                elif kind == RESET:
                    _forget(marks, doses)
                elif mark >= 0:
                    doses[mark] = ev.value[e]
            elif ss is not None and _cyclic(kind) and ev.time[e] <= last:
                row = ev.row[e]
                found, fault = _in_cycle(switches, held, shared, marks, ss, row, ev.state[e], ev.time[e])
                if fault >= 0:
                    return stops, stop_ends, cycles, i, fault
                ss[row, SS_FIRST_STOP] = q
                cycles, q = _append(cycles, q, found)
                ss[row, SS_LAST_STOP] = q
        stop_ends[i + 1] = n
    return stops[: stop_ends[m]], stop_ends, cycles[:q], -1, -1


@entry
def merge(ev, ends, stops, stop_ends, out):
    """Write events and stops in order of time, without stops at times that have an event; return the ends."""
    m = ends.size - 1
    out_ends, n = np.zeros(m + 1, np.int64), 0
    for i in range(m):
        s = stop_ends[i]
        for e in range(ends[i], ends[i + 1] + 1):
            time = ev.time[e] if e < ends[i + 1] else np.inf
            while s < stop_ends[i + 1] and stops[s] <= time:
                if stops[s] < time:
                    out.time[n], out.rank[n], out.kind[n] = stops[s], ADDITIONAL, STOP
                    out.state[n], out.value[n], out.row[n] = -1, 0.0, -1
                    n += 1
                s += 1
            if e < ends[i + 1]:
                n = copy_event(ev, e, out, n)
        out_ends[i + 1] = n
    return out_ends
