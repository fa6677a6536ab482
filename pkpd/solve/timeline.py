"""Dose records of a subject as a sorted list of events that take no time.

The rules are NONMEM's as mrgsolve keeps them: bioavailability scales the amount; a data rate is kept and the duration
becomes F amt / rate; lag delays the dose and each additional one; additional doses outlive a reset, running infusions
do not; what a record implies at a later time happens before the rows of that time.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.machine.jit import compiled
from pkpd.solve.shadows import AT_END, AT_START, DURING, NOT_CONSTANT, SS_AMOUNT, SS_COLUMNS, shadow_effects

__all__ = [
    "ADDITIONAL", "BAD_SHADOW", "BOLUS", "MANY_SWITCHES", "RATE", "REPLACE", "RESET", "ROW", "SS_ADD", "SS_BOLUS",
    "SS_CONSTANT", "SS_FIRST", "SS_INFUSION", "STOP", "Events", "Records", "count_events", "expand_events",
    "observation_order",
]  # fmt: skip

#: dose records as columns, and events as columns, for the compiled loops
Records = namedtuple("Records", "time evid cmt amt rate ii addl ss")
Events = namedtuple("Events", "time rank kind state value row")

# kinds of events: add to a state, add to an infusion rate, take another column of P, start anew, set a state, only stop
BOLUS, RATE, ROW, RESET, REPLACE, STOP = range(6)
SS_FIRST = 8
SS_BOLUS, SS_INFUSION, SS_CONSTANT = 8, 9, 10
SS_ADD = 4  # added to an SS kind for SS=2
# faults found on the way
BAD_F, BAD_LAG, BAD_RATE, BAD_DURATION, BAD_SHADOW = 1, 2, 3, 4, 5
MANY_SWITCHES = 100  # no dose's: a condition on time, by its number
# rank of an event among the rows of its time: ends of infusions first, then additional doses, then the rows (0, 1, ...)
# with their own doses after each, at last doses that a lag brings there
END, ADDITIONAL, AFTER_OWN_ROW, LAGGED = -2.0, -1.0, 0.25, 1e18


@compiled
def _column(k, time, own, rec_column, seg_first, seg_last, seg_time, seg_column):
    """Return the column of P that holds for record k."""
    if rec_column.size:
        return rec_column[k]
    for s in range(seg_last - 1, seg_first - 1, -1):
        if seg_time[s] <= time:
            return seg_column[s]
    return own


@compiled
def _in_force(time, rank, own, seg_first, seg_last, seg_time, seg_rank, seg_column):
    """Return the column of P that holds at the given time and rank."""
    for s in range(seg_last - 1, seg_first - 1, -1):
        if seg_time[s] < time or (seg_time[s] == time and seg_rank[s] <= rank):
            return seg_column[s]
    return own


@compiled
def _value(P, place, column, default):
    return P[place, column] if place >= 0 else default


@compiled
def _administration(rec, k, P, places, column):
    """Return F, lag, rate, duration of dose record k (rate 0: bolus) and a fault code."""
    state = rec.cmt[k]
    F = _value(P, places[state, 0], column, 1.0)
    lag = _value(P, places[state, 1], column, 0.0)
    rate, duration = rec.rate[k], 0.0
    if not 0.0 <= F < np.inf:
        return F, lag, rate, duration, BAD_F
    if not (lag >= 0.0 and lag < np.inf):
        return F, lag, rate, duration, BAD_LAG
    if rate == -1.0:
        rate = _value(P, places[state, 2], column, np.nan)
        if not (rate > 0.0 and rate < np.inf):
            return F, lag, rate, duration, BAD_RATE
    elif rate == -2.0:
        duration = _value(P, places[state, 3], column, np.nan)
        if not (duration > 0.0 and duration < np.inf):
            return F, lag, rate, duration, BAD_DURATION
        rate = F * rec.amt[k] / duration
    if rate > 0.0 and duration == 0.0:
        duration = F * rec.amt[k] / rate
    return F, lag, rate, duration, 0


@compiled
def count_events(
    rec, rec_first, rec_last, own, rec_column, seg_first, seg_last, seg_time, seg_column, P, places, shadows,
):  # fmt: skip
    """Return upper bounds of the numbers of events and of steady states, a fault code and the record at fault."""
    events = seg_last - seg_first
    steady = 0
    for k in range(rec_first, rec_last):
        evid = rec.evid[k]
        if evid >= 3:
            events += 1 + shadows.partials.shape[0]
        if evid != 1 and evid != 4:
            continue
        column = _column(k, rec.time[k], own, rec_column, seg_first, seg_last, seg_time, seg_column)
        _, lag, _, duration, fault = _administration(rec, k, P, places, column)
        if fault:
            return events, steady, fault, k
        each, fault = _count_shadows(shadows, rec.cmt[k], rec.rate[k])
        if fault:
            return events, steady, fault, k
        each += 2
        events += each * (rec.addl[k] + 1)
        if rec.ss[k] > 0:
            steady += 1
            events += 1
            if rec.ii[k] > 0.0:
                events += each * (int(min((lag + duration) / rec.ii[k], 1e6)) + 2)
    return events, steady, 0, -1


@compiled
def _count_shadows(shadows, state, code):
    """Return an upper bound of the events that one dose makes on shadow states, and a fault code."""
    count = 0
    if not shadows.dosed[state]:
        return count, 0
    for q in range(shadows.partials.shape[0]):
        count += 4
        if code == 0.0 and shadows.partials[q, state, 1] >= 0:
            if shadows.columns[state, state] == NOT_CONSTANT:
                return count, BAD_SHADOW
            count += shadows.columns.shape[0]
    return count, 0


@compiled
def _put(ev, m, time, rank, kind, state, value, row):
    ev.time[m], ev.rank[m], ev.kind[m], ev.state[m], ev.value[m], ev.row[m] = time, rank, kind, state, value, row
    return m + 1


@compiled
def _cut(rec, rec_first, rec_last, start, rank, end):
    """Tell whether a reset falls between the start and the end of an infusion."""
    for k in range(rec_first, rec_last):
        resets = rec.evid[k] == 3 or rec.evid[k] == 4 or (rec.evid[k] == 1 and rec.ss[k] == 1)
        if resets and rec.time[k] <= end and (rec.time[k] > start or (rec.time[k] == start and k - rec_first > rank)):
            return True
    return False


@compiled
def _shadow_start(ev, m, rec, rec_first, rec_last, k, start, rank, F, rate, duration, column, course, P, shadows):
    """Add what one administration does to shadow states."""
    active = _in_force(start, rank, *course)
    effects = shadow_effects(shadows, P, column, active, rec.cmt[k], rec.rate[k], rec.amt[k], F, rate, duration)
    for s in range(effects.shape[1]):
        if effects[AT_START, s] != 0.0:
            m = _put(ev, m, start, rank, BOLUS, s, effects[AT_START, s], -1)
        if effects[DURING, s] != 0.0:
            m = _put(ev, m, start, rank, RATE, s, effects[DURING, s], -1)
    if rec.rate[k] != 0.0 and not _cut(rec, rec_first, rec_last, start, rank, start + duration):
        m = _shadow_end(ev, m, start + duration, effects)
    return m


@compiled
def _shadow_end(ev, m, time, effects):
    """Add what the end of an infusion does to shadow states."""
    for s in range(effects.shape[1]):
        if effects[DURING, s] != 0.0:
            m = _put(ev, m, time, END, RATE, s, -effects[DURING, s], -1)
        if effects[AT_END, s] != 0.0:
            m = _put(ev, m, time, END, BOLUS, s, effects[AT_END, s], -1)
    return m


@compiled
def _dose(ev, m, rec, rec_first, rec_last, k, start, rank, F, rate, duration, column, course, P, shadows):
    """Add one administration of record k that begins at start."""
    state = rec.cmt[k]
    if shadows.dosed[state]:
        m = _shadow_start(
            ev, m, rec, rec_first, rec_last, k, start, rank, F, rate, duration, column, course, P, shadows
        )
    if rate == 0.0:
        return _put(ev, m, start, rank, BOLUS, state, F * rec.amt[k], k)
    if duration == 0.0:  # nothing of it arrives, but it is the last dose
        return _put(ev, m, start, rank, BOLUS, state, 0.0, k)
    if duration > 0.0:
        m = _put(ev, m, start, rank, RATE, state, rate, k)
        if not _cut(rec, rec_first, rec_last, start, rank, start + duration):
            m = _put(ev, m, start + duration, END, RATE, state, -rate, -1)
    return m


@compiled
def _steady(ev, m, ss, q, rec, rec_first, rec_last, k, F, lag, rate, duration, column, course, P, shadows):
    """Add the steady state of record k, and what of the earlier doses is still to come or to end."""
    time, state, period, rank = rec.time[k], rec.cmt[k], rec.ii[k], float(k - rec_first)
    add = SS_ADD if rec.ss[k] == 2 else 0
    effects = np.zeros((3, 0))
    if shadows.partials.size:
        active = _in_force(time, rank, *course)
        effects = shadow_effects(shadows, P, column, active, state, rec.rate[k], rec.amt[k], F, rate, duration)
        for which in range(3):
            first = SS_COLUMNS + which * effects.shape[1]
            ss[q, first : first + effects.shape[1]] = effects[which]
    if rate > 0.0 and period == 0.0:
        ss[q, 0], ss[q, 1], ss[q, 2], ss[q, 3] = 1.0, 0.0, 0.0, 1.0
        return _put(ev, m, time, rank, SS_CONSTANT + add, state, rate, q)
    ss[q, SS_AMOUNT] = rec.amt[k]
    on = lag - period * np.floor(lag / period)
    j = 1
    while True:  # doses given j intervals before the record
        begin = lag - j * period
        if begin < 0.0 and begin + duration <= 0.0:
            break
        if begin >= 0.0:
            m = _dose(
                ev, m, rec, rec_first, rec_last, k, time + begin, LAGGED, F, rate, duration, column, course, P, shadows
            )
        elif not _cut(rec, rec_first, rec_last, time, rank, time + begin + duration):
            m = _shadow_end(ev, m, time + begin + duration, effects)
            m = _put(ev, m, time + begin + duration, END, RATE, state, -rate, -1)
        j += 1
    base = np.ceil((on + duration) / period) - 1.0 if duration > 0.0 else 0.0
    ss[q, 0], ss[q, 1], ss[q, 2], ss[q, 3] = period, on, on + duration - base * period, base
    if rate == 0.0:
        return _put(ev, m, time, rank, SS_BOLUS + add, state, F * rec.amt[k], q)
    return _put(ev, m, time, rank, SS_INFUSION + add, state, rate, q)


@compiled
def expand_events(
    ev, m0, ss, q, rec, rec_first, rec_last, own, rec_column, seg_first, seg_last, seg_time, seg_rank, seg_column,
    P, places, shadows,
):  # fmt: skip
    """Write the sorted events of one subject from ev[m0] on; return the ends of what was written in ev and ss."""
    m = m0
    course = (own, seg_first, seg_last, seg_time, seg_rank, seg_column)
    for s in range(seg_first, seg_last):
        m = _put(ev, m, seg_time[s], seg_rank[s], ROW, -1, 0.0, seg_column[s])
    for k in range(rec_first, rec_last):
        evid, time, rank = rec.evid[k], rec.time[k], float(k - rec_first)
        if evid == 3 or evid == 4:
            m = _put(ev, m, time, rank, RESET, -1, 0.0, -1)
        if evid == 8:
            m = _put(ev, m, time, rank, REPLACE, rec.cmt[k], rec.amt[k], -1)
            for i in range(shadows.partials.shape[0]):
                if shadows.numbers[i, rec.cmt[k]] >= 0:
                    m = _put(ev, m, time, rank, REPLACE, shadows.numbers[i, rec.cmt[k]], 0.0, -1)
        if evid != 1 and evid != 4:
            continue
        column = _column(k, time, own, rec_column, seg_first, seg_last, seg_time, seg_column)
        F, lag, rate, duration, _ = _administration(rec, k, P, places, column)
        if rec.ss[k] > 0:
            m = _steady(ev, m, ss, q, rec, rec_first, rec_last, k, F, lag, rate, duration, column, course, P, shadows)
            q += 1
        if rec.amt[k] == np.inf:  # has been running and goes on: no lag, no end
            m = _put(ev, m, time, rank + AFTER_OWN_ROW, RATE, rec.cmt[k], rate, -1)
        elif rec.amt[k] > 0.0:
            own_rank = LAGGED if lag > 0.0 else rank + AFTER_OWN_ROW
            fixed = seg_last == seg_first or lag > 0.0
            if rate == 0.0 and fixed and not shadows.dosed[rec.cmt[k]]:  # the plain case, kept short
                for a in range(rec.addl[k] + 1):
                    when_rank = own_rank if a == 0 else LAGGED if lag > 0.0 else ADDITIONAL
                    m = _put(ev, m, time + lag + a * rec.ii[k], when_rank, BOLUS, rec.cmt[k], F * rec.amt[k], k)
                continue
            m = _dose(
                ev, m, rec, rec_first, rec_last, k, time + lag, own_rank, F, rate, duration, column, course, P, shadows
            )
            for a in range(1, rec.addl[k] + 1):
                when = time + lag + a * rec.ii[k]
                if lag == 0.0 and seg_last > seg_first:  # what is fixed at the record is the lag alone
                    column = _in_force(when, ADDITIONAL, own, seg_first, seg_last, seg_time, seg_rank, seg_column)
                    F, _, rate, duration, _ = _administration(rec, k, P, places, column)
                when_rank = LAGGED if lag > 0.0 else ADDITIONAL
                m = _dose(
                    ev, m, rec, rec_first, rec_last, k, when, when_rank, F, rate, duration, column, course, P, shadows
                )
    _sort(ev, m0, m)
    return m, q


@compiled
def _sort(ev, first, last):
    """Sort by time, then rank, keeping the order of equals; doses come nearly sorted, so by insertion."""
    for i in range(first + 1, last):
        t, r = ev.time[i], ev.rank[i]
        kind, state, value, row = ev.kind[i], ev.state[i], ev.value[i], ev.row[i]
        j = i - 1
        while j >= first and (ev.time[j] > t or (ev.time[j] == t and ev.rank[j] > r)):
            _put(ev, j + 1, ev.time[j], ev.rank[j], ev.kind[j], ev.state[j], ev.value[j], ev.row[j])
            j -= 1
        _put(ev, j + 1, t, r, kind, state, value, row)


@compiled
def observation_order(ev_time, ev_rank, first, last, obs_time, obs_rank, obs_first, obs_last, order):
    """Write for each observation how many events of its subject come before it."""
    e = first
    for i in range(obs_first, obs_last):
        while e < last and (ev_time[e] < obs_time[i] or (ev_time[e] == obs_time[i] and ev_rank[e] < obs_rank[i])):
            e += 1
        order[i] = e - first
