"""The events of a block of subjects."""

from __future__ import annotations

import numpy as np

from pkpd.machine.jit import entry
from pkpd.solve.block import Block, Fault
from pkpd.solve.kernel import Kernel
from pkpd.solve.shadows import SS_COLUMNS
from pkpd.solve.timeline import Events, count_events, expand_events, observation_order

__all__ = ["timeline"]


@entry
def _count(column, rec, rec_first, rec_last, rec_column, seg_first, seg_time, seg_column, P, places, n_switch, shadows):
    m = column.size
    sizes = np.zeros((2, m), np.int64)
    for i in range(m):
        events, steady, fault, k = count_events(
            rec, rec_first[i], rec_last[i], column[i], rec_column, seg_first[i], seg_first[i + 1], seg_time, seg_column,
            P, places, n_switch, shadows,
        )  # fmt: skip
        if fault:
            return sizes, fault, i, k
        sizes[0, i], sizes[1, i] = events, steady
    return sizes, 0, -1, -1


@entry
def _expand(
    ev, ss, column, rec, rec_first, rec_last, rec_column, seg_first, seg_time, seg_rank, seg_column, P, places,
    switch_places, shadows, obs_time, obs_first, obs_last, obs_rank, order,
):  # fmt: skip
    m = column.size
    ends = np.zeros(m + 1, np.int64)
    q = 0
    for i in range(m):
        ends[i + 1], q = expand_events(
            ev, ends[i], ss, q, rec, rec_first[i], rec_last[i], column[i], rec_column, seg_first[i], seg_first[i + 1],
            seg_time, seg_rank, seg_column, P, places, switch_places, shadows,
        )  # fmt: skip
        if order.size:
            first, last = obs_first[i], obs_last[i]
            observation_order(ev.time, ev.rank, ends[i], ends[i + 1], obs_time, obs_rank, first, last, order)
    return ends


def timeline(kernel: Kernel, block: Block, P: np.ndarray) -> tuple[np.ndarray, Events, np.ndarray, np.ndarray]:
    """Return the ends of each subject's events, the events, the steady states and the order of observations.

    Raises
    ------
    Fault
        If a dose has an impossible bioavailability, lag, rate or duration.
    """
    b, k = block, kernel
    sizes, fault, subject, record = _count(
        b.column, b.records, b.rec_first, b.rec_last, b.rec_column, b.seg_first, b.seg_time, b.seg_column,
        P, k.dosing_places, k.switch_places.size, k.shadow_places,
    )  # fmt: skip
    if fault:
        raise Fault(fault, subject, record)
    total = int(sizes[0].sum())
    ev = Events(*(np.empty(total, np.int64 if f in ("kind", "state", "row") else np.float64) for f in Events._fields))
    ss = np.empty((int(sizes[1].sum()), SS_COLUMNS + (3 * k.n if k.shadow_places.partials.size else 0)))
    order = np.zeros(b.obs_time.size if b.obs_rank.size else 0, np.int64)
    ends = _expand(
        ev, ss, b.column, b.records, b.rec_first, b.rec_last, b.rec_column, b.seg_first, b.seg_time, b.seg_rank,
        b.seg_column, P, k.dosing_places, k.switch_places, k.shadow_places, b.obs_time, b.obs_first, b.obs_last,
        b.obs_rank, order,
    )  # fmt: skip
    return ends, ev, ss, order
