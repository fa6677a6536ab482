"""Dose records of a subject as a list of events that take no time.

The meanings are NONMEM's (user's guide VI, chapters III.F and V). Bioavailability scales the amount; a data rate is
kept and the duration becomes F amt / rate. The lag is that of the record, for its dose and each additional one; F, rate
and duration are those of the time at which a dose enters. A record at steady state (SS=1) ends infusions and doses that
are still to come, a reset ends infusions and, where its block says so, doses to come. Times within ``near`` of each
other are one time.
"""

from __future__ import annotations

import numpy as np

from pkpd.engine.machine.jit import compiled, leaf
from pkpd.engine.solve.arrays import DoseColumns, Dosing
from pkpd.engine.solve.event_codes import (
    AFTER_OWN_ROW,
    BAD_DURATION,
    BAD_F,
    BAD_LAG,
    BAD_RATE,
    BAD_SHADOW,
    BOLUS,
    END,
    MANY,
    OFF,
    RATE,
    REPLACE,
    RESET,
    ROW,
    SS_ADD,
    SS_BOLUS,
    SS_CONSTANT,
    SS_INFUSION,
    TOO_MANY,
)
from pkpd.engine.solve.shadows import (
    AT_END,
    AT_START,
    DURING,
    NOT_CONSTANT,
    SS_AMOUNT,
    SS_COLUMNS,
    SS_OFF,
    SS_ON,
    SS_ONGOING,
    SS_PERIOD,
    SS_TURNS,
    shadow_effects,
)

__all__ = ["expand_boluses", "expand_events", "room_for"]

SHORT = 4.0  # infusions of no more than so many times ``near`` are boluses


@compiled
def _column_at(w, when):
    """Return the column of P for a dose that enters at some time: that of the first row there, else that in force."""
    if w.rec_column.size:
        low, high = w.first, w.last
        while low < high:
            middle = (low + high) // 2
            if w.rec.time[middle] < when - w.near:
                low = middle + 1
            else:
                high = middle
        if low < w.last and w.rec.time[low] <= when + w.near:
            return w.rec_column[low]
    for s in range(w.seg_last - 1, w.seg_first - 1, -1):
        if w.seg_time[s] <= when + w.near:
            return w.seg_column[s]
    return w.own


@compiled
def _in_force(w, time, rank):
    """Return the column of P that holds at the given time and rank."""
    for s in range(w.seg_last - 1, w.seg_first - 1, -1):
        if w.seg_time[s] < time - w.near or (w.seg_time[s] <= time + w.near and w.seg_rank[s] <= rank):
            return w.seg_column[s]
    return w.own


@leaf
def _gives(evid):
    """Tell whether a record gives a dose."""
    return evid == 1 or evid == 4


@leaf
def _value(P, place, column, default):
    return P[place, column] if place >= 0 else default


@compiled
def _dosing_of(w, k, column):
    """Return F, lag, rate and duration of dose record k (rate 0: bolus) and a fault code."""
    P, places, amt = w.P, w.places, w.rec.amt[k]
    state = w.rec.cmt[k]
    F = _value(P, places[state, 0], column, 1.0)
    lag = _value(P, places[state, 1], column, 0.0)
    rate, duration = w.rec.rate[k], 0.0
    if not 0.0 <= F < np.inf:
        return Dosing(F, lag, rate, duration), BAD_F
    if not (lag >= 0.0 and lag < np.inf):
        return Dosing(F, lag, rate, duration), BAD_LAG
    if rate == -1.0:
        rate = _value(P, places[state, 2], column, np.nan)
        if not (rate > 0.0 and rate < np.inf):
            return Dosing(F, lag, rate, duration), BAD_RATE
    elif rate == -2.0:
        duration = _value(P, places[state, 3], column, np.nan)
        if not (duration > 0.0 and duration < np.inf):
            return Dosing(F, lag, rate, duration), BAD_DURATION
        rate = F * amt / duration
    if rate > 0.0 and duration == 0.0:
        duration = F * amt / rate
    if w.shadows.dosed[state] and w.rec.rate[k] == 0.0 and _moves_nonlinear(w.shadows, state):
        return Dosing(F, lag, rate, duration), BAD_SHADOW
    return Dosing(F, lag, rate, duration), 0


@compiled
def _moves_nonlinear(shadows, state):
    """Tell whether an input moves the lag of a state that does not act on others linearly."""
    for q in range(shadows.partials.shape[0]):
        if shadows.partials[q, state, 1] >= 0 and shadows.columns[state, state] == NOT_CONSTANT:
            return True
    return False


@leaf
def _repeats(addl, ii, start, horizon):
    """Return how many additional doses of a record at ``start`` are given up to the horizon; above MANY: too many."""
    if addl <= 0 or start > horizon:
        return 0
    fit = (horizon - start) / ii if ii > 0.0 else np.inf
    return min(addl, MANY + 1) if fit >= min(addl, MANY + 1) else int(fit)


@leaf
def room_for(rec, first, last, horizon, inputs):
    """Return about how many events and steady states a subject's records make; what needs more is found on the way."""
    events, steady = 0, 0
    for k in range(first, last):
        evid = rec.evid[k]
        if evid >= 3:
            events += 1 + inputs
        if _gives(evid):
            each = (1 if rec.rate[k] == 0.0 else 2) + 4 * inputs
            events += each * (1 + _repeats(rec.addl[k], rec.ii[k], rec.time[k], horizon))
            if rec.ss[k] > 0:
                steady += 1
                events += 1 + 2 * each
    return events, steady


@leaf
def _put(ev, m, time, rank, kind, state, value, row):
    """Write an event if there is room for it; return where the next one goes."""
    if m < ev.time.size:
        ev.time[m], ev.rank[m], ev.kind[m], ev.state[m], ev.value[m], ev.row[m] = time, rank, kind, state, value, row
    return m + 1


@compiled
def _ended_by(w, k, when, rank, until, to_come):
    """Return the first record behind a time and rank that ends infusions of record k, or its doses to come, or -1."""
    if not w.ends:
        return -1
    for j in range(k + 1, w.last):
        time, evid = w.rec.time[j], w.rec.evid[j]
        if time > until + 2.0 * w.near:
            break
        if time > when + w.near or (time >= when - w.near and j - w.first > rank):
            found = _gives(evid) and w.rec.ss[j] == 1
            found |= evid == OFF and w.rec.cmt[j] == w.rec.cmt[k]
            if to_come:
                found |= w.anew.size > 0 and w.anew[j]
            else:
                found |= evid == 3 or evid == 4
            if found:
                return j
    return -1


@compiled
def _is_behind(w, stop, when, rank):
    """Tell whether a dose enters behind a record that ends it (-1: there is none)."""
    if stop < 0:
        return False
    time = w.rec.time[stop]
    return when > time + w.near or (when >= time - w.near and rank > stop - w.first)


@compiled
def _shadow_start(ev, m, start, rank, effects):
    """Add what the start of an administration does to shadow states."""
    for s in range(effects.shape[1]):
        if effects[AT_START, s] != 0.0:
            m = _put(ev, m, start, rank, BOLUS, s, effects[AT_START, s], -1)
        if effects[DURING, s] != 0.0:
            m = _put(ev, m, start, rank, RATE, s, effects[DURING, s], -1)
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
def _dose(ev, m, w, k, start, rank, column, lag_column):
    """Add one administration of record k that enters at start; return the next place and a fault code."""
    state, amt = w.rec.cmt[k], w.rec.amt[k]
    given, fault = _dosing_of(w, k, column)
    if fault:
        return m, fault
    F, _, rate, duration = given
    end, stop = start + duration, -1
    if duration > 0.0:
        stop = _ended_by(w, k, start, rank, end, False)
    ends = stop < 0 and end <= w.horizon + w.near
    if w.shadows.dosed[state]:
        columns, code = DoseColumns(column, lag_column, _in_force(w, start, rank)), w.rec.rate[k]
        effects = shadow_effects(w.shadows, w.P, columns, state, code, amt, given)
        m = _shadow_start(ev, m, start, rank, effects)
        if code != 0.0 and ends:
            m = _shadow_end(ev, m, end, effects)
    if rate == 0.0 or 0.0 < duration <= SHORT * w.near:
        return _put(ev, m, start, rank, BOLUS, state, F * amt, k), 0
    if duration == 0.0:  # nothing of it arrives, but it is the last dose
        return _put(ev, m, start, rank, BOLUS, state, 0.0, k), 0
    m = _put(ev, m, start, rank, RATE, state, rate, k)
    if ends:
        m = _put(ev, m, end, END, RATE, state, -rate, -1)
    elif stop >= 0 and w.rec.evid[stop] == OFF:
        m = _put(ev, m, w.rec.time[stop], float(stop - w.first), RATE, state, -rate, -1)
    return m, 0


@compiled
def _steady(ev, m, ss, q, w, k, column, given):
    """Add the steady state of record k, and what of the earlier doses is still to come or to end."""
    F, lag, rate, duration = given
    time, state, period, rank = w.rec.time[k], w.rec.cmt[k], w.rec.ii[k], float(k - w.first)
    add = SS_ADD if w.rec.ss[k] == 2 else 0
    effects = np.zeros((3, 0))
    if w.shadows.partials.size:
        columns, code = DoseColumns(column, column, _in_force(w, time, rank)), w.rec.rate[k]
        effects = shadow_effects(w.shadows, w.P, columns, state, code, w.rec.amt[k], given)
    if period == 0.0 and (w.rec.amt[k] == 0.0 or w.rec.amt[k] == np.inf):
        _put_cycle(ss, q, effects, 1.0, 0.0, 0.0, 1.0, 0.0)
        return _put(ev, m, time, rank, SS_CONSTANT + add, state, rate, q), 0
    if rate == 0.0 or duration <= SHORT * w.near:
        rate, duration = 0.0, 0.0
    near = w.near + 4e-15 * (lag + duration)
    waiting = np.floor((lag + near) / period)  # doses given before the record that are still on their way
    on = max(lag - waiting * period, 0.0)
    on = 0.0 if on <= near else on
    running = max(np.ceil((on + duration - near) / period) - 1.0, 0.0) if duration > 0.0 else 0.0
    off = min(on + duration - running * period, period) if duration > 0.0 else on
    _put_cycle(ss, q, effects, period, on, off, running, w.rec.amt[k])
    kind, value = (SS_BOLUS, F * w.rec.amt[k]) if rate == 0.0 else (SS_INFUSION, rate)
    m = _put(ev, m, time, rank, kind + add, state, value, q)
    left = (w.horizon + w.near - time) / period  # intervals up to the last time of interest
    if min(waiting, left) > MANY or min(running, left) > MANY:
        return m, TOO_MANY
    stop = _ended_by(w, k, time, rank, time + lag, True)
    for i in range(int(min(waiting, max(left - on / period, -1.0) + 1.0))):
        begin = on + i * period
        own = rank + AFTER_OWN_ROW if begin <= w.near else w.lag_rank
        if _is_behind(w, stop, time + begin, own):
            break
        m, _ = _dose(ev, m, w, k, time + begin, own, column, column)
    count = int(min(running, max(left - off / period, -1.0) + 1.0))
    stop = _ended_by(w, k, time, rank, time + off + (running - 1.0) * period, False)
    for i in range(count):
        end = time + off + i * period
        if stop >= 0 and w.rec.time[stop] <= end + 2.0 * w.near:
            if w.rec.evid[stop] == OFF:
                m = _put(ev, m, w.rec.time[stop], float(stop - w.first), RATE, state, -rate * (running - i), -1)
            break
        m = _shadow_end(ev, m, end, effects)
        m = _put(ev, m, end, END, RATE, state, -rate, -1)
    return m, 0


@compiled
def _put_cycle(ss, q, effects, period, on, off, running, amount):
    """Write the dosing cycle of a steady state if there is room for it."""
    if q < ss.shape[0]:
        ss[q, SS_PERIOD], ss[q, SS_ON], ss[q, SS_OFF], ss[q, SS_ONGOING] = period, on, off, running
        ss[q, SS_AMOUNT] = amount
        ss[q, SS_TURNS] = 1.0
        for which in range(3):
            first = SS_COLUMNS + which * effects.shape[1]
            for s in range(effects.shape[1]):
                ss[q, first + s] = effects[which, s]


@compiled
def _doses(ev, m, ss, q, w, k):
    """Add all that dose record k gives; return the next places in ev and ss and a fault code."""
    rec, time, ii, state = w.rec, w.rec.time[k], w.rec.ii[k], w.rec.cmt[k]
    own = w.rec_column[k] if w.rec_column.size else _column_at(w, time)
    given, fault = _dosing_of(w, k, own)
    if fault:
        return m, q, fault
    F, lag, rate, duration = given
    lag = 0.0 if lag <= w.near else lag
    if rec.ss[k] > 0:
        m, fault = _steady(ev, m, ss, q, w, k, own, Dosing(F, lag, rate, duration))
        q += 1
    if fault or not rec.amt[k] > 0.0:
        return m, q, fault
    if rec.amt[k] == np.inf:  # has been running and goes on: no lag, no end
        return _put(ev, m, time, k - w.first + AFTER_OWN_ROW, RATE, state, rate, -1), q, 0
    count = _repeats(rec.addl[k], ii, time + lag, w.horizon + w.near)
    if count > MANY:
        return m, q, TOO_MANY
    implied = w.lag_rank if lag > 0.0 else w.add_rank
    stop = _ended_by(w, k, time, float(k - w.first), time + lag + count * ii, True)
    fixed = w.seg_last == w.seg_first
    for a in range(count + 1):
        when = time + lag + a * ii
        rank = k - w.first + AFTER_OWN_ROW if a == 0 and lag == 0.0 else implied
        if stop >= 0 and _is_behind(w, stop, when, rank):
            break
        at_record = fixed or (a == 0 and (lag == 0.0 or rec.ss[k] > 0))
        m, fault = _dose(ev, m, w, k, when, rank, own if at_record else _column_at(w, when), own)
        if fault:
            break
    return m, q, fault


@leaf
def expand_boluses(ev, m, block, i, horizon, near):
    """Do as :func:`expand_events` for subject i with boluses and constant columns alone, the plain case, kept short.

    Return -1 where there is more to it.
    """
    rec, P, places, column, first = block.rec, block.P, block.places, block.column[i], block.rec_first[i]
    for k in range(first, block.rec_last[i]):
        evid = rec.evid[k]
        if evid == 0 or evid == 2:
            continue
        if evid != 1 or rec.rate[k] != 0.0 or rec.ss[k] != 0:
            return -1
        time, state, ii = rec.time[k], rec.cmt[k], rec.ii[k]
        F, lag = _value(P, places[state, 0], column, 1.0), _value(P, places[state, 1], column, 0.0)
        count = _repeats(rec.addl[k], ii, time + lag, horizon + near)
        if not (0.0 <= F < np.inf and 0.0 <= lag < np.inf and rec.amt[k] < np.inf and count <= MANY):
            return -1
        lag = 0.0 if lag <= near else lag
        implied = block.lag_rank if lag > 0.0 else block.add_rank
        for a in range(count + 1 if rec.amt[k] > 0.0 else 0):
            rank = k - first + AFTER_OWN_ROW if a == 0 and lag == 0.0 else implied
            m = _put(ev, m, time + lag + a * ii, rank, BOLUS, state, F * rec.amt[k], k)
    return m


@compiled
def expand_events(ev, m0, ss, q, w):
    """Write the events of one subject from ev[m0] on, as many as there is room for.

    Return the ends of what was to be written in ev and ss, a fault code and the record at fault.
    """
    rec, m = w.rec, m0
    for s in range(w.seg_first, w.seg_last):
        m = _put(ev, m, w.seg_time[s], w.seg_rank[s], ROW, -1, 0.0, w.seg_column[s])
    for k in range(w.first, w.last):
        evid, time, rank = rec.evid[k], rec.time[k], float(k - w.first)
        if evid == 3 or evid == 4:
            m = _put(ev, m, time, rank, RESET, -1, 0.0, -1)
        if evid == 8 or evid == OFF:
            m = _put(ev, m, time, rank, REPLACE, rec.cmt[k], rec.amt[k], -1)
            for i in range(w.shadows.partials.shape[0]):
                if w.shadows.numbers[i, rec.cmt[k]] >= 0:
                    m = _put(ev, m, time, rank, REPLACE, w.shadows.numbers[i, rec.cmt[k]], 0.0, -1)
        if _gives(evid):
            m, q, fault = _doses(ev, m, ss, q, w, k)
            if fault:
                return m, q, fault, k
    return m, q, 0, -1
