"""The events of a block of subjects, found anew only where they can have changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pkpd.engine.solve.arrange import order_observations
from pkpd.engine.solve.arrays import Events, SubjectArrays
from pkpd.engine.solve.block import Block, DoseFault
from pkpd.engine.solve.event_codes import MANY_SWITCHES, SS_ADD, SS_CONSTANT, SS_FIRST
from pkpd.engine.solve.expand import estimate, expand, expand_plain, mark, merge, switch
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.rhythm import turns
from pkpd.engine.solve.shadows import SS_COLUMNS, SS_PERIOD, SS_TURNS

__all__ = ["Expanded", "timeline"]


def _room(size: int) -> Events:
    return Events(*(np.empty(size, np.int64 if f in ("kind", "state", "row") else np.float64) for f in Events._fields))


def _arrays(kernel: Kernel, block: Block, P: np.ndarray) -> SubjectArrays:
    b, k = block, kernel
    return SubjectArrays(
        b.column, b.records, b.rec_first, b.rec_last, b.rec_column, b.seg_first, b.seg_time, b.seg_rank, b.seg_column,
        P, k.dosing_places, k.shadow_places, b.obs_time, b.obs_first, b.obs_last, b.anew, b.near, b.lag_rank,
        b.add_rank,
    )  # fmt: skip


def _made(kernel: Kernel, at: SubjectArrays) -> tuple[np.ndarray, Events, np.ndarray]:
    """Return the ends of each subject's events, the events and the steady states, conditions on time left aside."""
    total, steady = estimate(at)
    width = SS_COLUMNS + (3 * kernel.n if at.shadows.partials.size else 0)
    ends = np.zeros(at.column.size + 1, np.int64)
    rec, plain = at.rec, not (at.seg_time.size or at.shadows.dosed.any() or steady)
    plain = plain and not (rec.rate.any() or (rec.evid > 2).any() or rec.ss.any())
    while True:
        ev, ss, order = _room(total), np.zeros((steady, width)), np.empty((2, total), np.int64)
        if plain and expand_plain(ev, at, ends, order):
            if ends[-1] <= total:
                return ends, ev, ss
            total = int(ends[-1])
            continue
        q, fault, subject, record = expand(ev, ss, at, ends, order)
        if fault:
            raise DoseFault(fault, subject, record)
        if ends[-1] <= total and q <= steady:
            return ends, ev, ss[:q]
        total, steady = int(ends[-1]), max(int(q), steady)


def _set_turns(kernel: Kernel, block: Block, P: np.ndarray, ends: np.ndarray, ev: Events, ss: np.ndarray) -> None:
    """Write to steady states after how many of their intervals the equations repeat, found for one subject of each."""
    known: dict[float, int] = {}
    for e in np.flatnonzero(ev.kind[: ends[-1]] >= SS_FIRST).tolist():
        row = int(ev.row[e])
        period = float(ss[row, SS_PERIOD])
        if (ev.kind[e] - SS_CONSTANT) % SS_ADD == 0:  # has no cycle
            continue
        if period not in known:
            subject = int(np.searchsorted(ends, e, side="right")) - 1
            known[period] = turns(kernel, P, int(block.column[subject]), period, float(ev.time[e]))
        ss[row, SS_TURNS] = known[period]


class Expanded(NamedTuple):
    """What happens to the subjects of a block.

    Attributes
    ----------
    ends : int array, (m + 1,)
        Ranges of each subject's events.
    events : Events
    steady : float array, (steady states, columns)
    stops : float array
        Times at which conditions on time switch within the cycles of steady states.
    order : int array
        As in ``pkpd.engine.solve.arrays.Observed``.
    """

    ends: np.ndarray
    events: Events
    steady: np.ndarray
    stops: np.ndarray
    order: np.ndarray


def timeline(kernel: Kernel, block: Block, P: np.ndarray) -> Expanded:
    """Return the events of a block; those of the last time, the same object, where they depend on the same numbers.

    Raises
    ------
    DoseFault
        If a dose has an impossible bioavailability, lag, rate or duration, or is repeated too often, or a condition on
        time switches too often.
    """
    numbers = P[kernel.dose_rows].tobytes()
    held = block.made.get(("events", kernel))
    made, steady, last = held[1:] if held is not None and held[0] == numbers else (None, None, None)
    if made is not None:
        made[2][:] = steady  # which the last solution has written to
    if last is not None:
        return last
    at = _arrays(kernel, block, P)
    made = _made(kernel, at) if made is None else made
    steady = made[2].copy()
    found = _completed(kernel, block, at, made)
    lasts = not (kernel.marks.size or kernel.kinks or (kernel.periods and steady.size))  # nothing else enters
    block.keep(("events", kernel), (numbers, made, steady, found if lasts else None))
    return found


def _completed(
    kernel: Kernel, block: Block, at: SubjectArrays, made: tuple[np.ndarray, Events, np.ndarray]
) -> Expanded:
    """Return what `_made` has found with what doses set, conditions on time, and the order of observations."""
    b, k, P = block, kernel, at.P
    ends, ev, ss = made
    if k.periods and ss.size:
        _set_turns(k, b, P, ends, ev, ss)
    cycle_stops = np.empty(0)
    if k.marks.size:
        marked = _room(int(ends[-1]) * (1 + len(k.marks)))
        ev, ends = marked, mark(ev, ends, ss, b.records.amt, k.marks, marked)
    if k.kinks:
        stops, stop_ends, cycle_stops, subject, kink = switch(
            k.switches, at, b.origin, ends, ev, ss if ss.size else None, k.marks
        )
        if subject >= 0:
            raise DoseFault(MANY_SWITCHES, subject, kink)
        merged = _room(int(ends[-1]) + stops.size)
        ev, ends = merged, merge(ev, ends, stops, stop_ends, merged)
    order = np.zeros(b.obs_time.size if b.obs_rank.size else 0, np.int64)
    if order.size:
        order_observations(ev.time, ev.rank, ends, b.obs_time, b.obs_rank, b.obs_first, b.obs_last, order)
    return Expanded(ends, ev, ss, cycle_stops, order)
