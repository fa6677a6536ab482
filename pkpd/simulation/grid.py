"""Simulation of regimens on a common grid of times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.dosing.record import NEAR
from pkpd.engine.solve.arrays import Records
from pkpd.engine.solve.block import Block
from pkpd.simulation.columns import GRID_OBSERVATION, Columns
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["block_size", "grid_block", "pack_records"]

#: bytes of a block of subjects: of states, which should fit into the cache of a core; of outputs, where states are
#: kept nowhere
STATES, OUTPUTS = 1 << 22, 1 << 24
#: subjects of a block between which what Python does for each, one thread at a time, comes to little
MOST = 2048


def block_size(subjects: int, states: int, outputs: int, times: int, threads: int) -> int:
    """Return how many subjects to solve at a time; ``states`` is 0 where outputs are written at once."""
    room, each = (STATES, states) if states else (OUTPUTS, outputs)
    fitting = max(64, min(room // (8 * max(each * times, 1)), MOST))
    rounds = -(-subjects // (fitting * threads))  # as many blocks for each thread
    return max(1, -(-subjects // (rounds * threads)))


def pack_records(regimens: Sequence[np.ndarray]) -> tuple[Records, np.ndarray]:
    """Return the records of several regimens side by side and their offsets."""
    together = regimens[0] if len(regimens) == 1 else np.concatenate(regimens)
    offsets = np.concatenate([[0], np.cumsum([r.size for r in regimens])])
    return Records(*(np.ascontiguousarray(together[f]) for f in Records._fields)), offsets


def grid_block(
    model: Model, every: np.ndarray, columns: Columns, records: Records, offsets: np.ndarray, times: np.ndarray
) -> Block:
    """Return the block of some subjects.

    Parameters
    ----------
    every : int array, shape (m,)
        Their numbers in the population.
    columns : Columns
        Of their inputs.
    records, offsets
        Of one regimen for all (two offsets) or of one per subject of the population.
    times : array, shape (times,)
    """
    m, changing = every.size, columns.seg_time.size > 0 or columns.source.size > every.size
    shared = offsets.size == 2
    first = np.zeros(m, np.int64) if shared else offsets[every]
    last = np.full(m, offsets[1]) if shared else offsets[every + 1]
    earliest = min(0.0, float(times[0])) if times.size else 0.0
    origin = np.full(m, earliest)
    if shared and offsets[1]:
        origin[:] = min(earliest, float(records.time[0]))
    elif not shared:
        for i in range(m):
            if last[i] > first[i]:
                origin[i] = min(earliest, float(records.time[first[i]]))
    zeros, none = np.zeros(m, np.int64), np.empty(0, np.int64)
    rank = np.full(times.size, GRID_OBSERVATION) if changing else np.empty(0)
    obs_time, obs_first, obs_last = times, zeros, zeros + times.size
    if changing:  # the order among events differs between subjects
        obs_time, rank = np.tile(times, m), np.tile(rank, m)
        obs_first = np.arange(m) * times.size
        obs_last = obs_first + times.size
    return Block(
        column=columns.first, origin=origin, records=records, rec_first=first, rec_last=last, rec_column=none,
        seg_first=columns.seg_first, seg_time=columns.seg_time, seg_rank=columns.seg_rank,
        seg_column=columns.seg_column,
        obs_time=obs_time, obs_first=obs_first, obs_last=obs_last, obs_rank=rank, obs_column=none, shared=not changing,
        near=convert_time(NEAR, "h", model.time_unit),
    )  # fmt: skip


def slices(subjects: int, size: int) -> Iterator[slice]:
    """Yield the ranges of subjects that are solved together."""
    for a in range(0, subjects, size):
        yield slice(a, min(a + size, subjects))
