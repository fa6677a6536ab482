"""Inputs that change in time (covariates, occasions) as columns of constants and the times at which they switch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Columns", "constant_columns", "varying_columns"]

#: ranks on a common grid: the value at a knot, then the observation there, then what follows it, then doses
AT_KNOT, GRID_OBSERVATION, AFTER_KNOT = -4.0, -3.5, -3.0
#: ranks on a data row: what holds from it on, its observation, what holds behind it
FROM_ROW, ROW_OBSERVATION, AFTER_ROW = -0.3, 0.4, 0.5


@dataclass(frozen=True)
class Columns:
    """Which values hold when.

    Attributes
    ----------
    source : int array, (columns,)
        Row of the table whose values a column takes; ``after`` tells whether the column holds behind that row.
    after : bool array, (columns,)
    first : int array, (subjects,)
        Column at the start.
    own : int array, (rows,)
        Column of a row's own values.
    seg_first : int array, (subjects + 1,)
    seg_time, seg_rank, seg_column : arrays, (segments,)
    """

    source: np.ndarray
    after: np.ndarray
    first: np.ndarray
    own: np.ndarray
    seg_first: np.ndarray
    seg_time: np.ndarray
    seg_rank: np.ndarray
    seg_column: np.ndarray


def constant_columns(subjects: int) -> Columns:
    """Return one column per subject and no switches."""
    every, none = np.arange(subjects), np.empty(0)
    return Columns(
        every,
        np.zeros(subjects, bool),
        every,
        every,
        np.zeros(subjects + 1, np.int64),
        none,
        none,
        none.astype(np.int64),
    )


def varying_columns(
    starts: np.ndarray, time: np.ndarray, at: np.ndarray, behind: np.ndarray, *, grid: bool,
    begins: np.ndarray | None = None,
) -> Columns:  # fmt: skip
    """Return the columns of subjects whose values stand on rows.

    The values of a row hold from the row itself where they go on behind it, so that whatever the row does (a steady
    state, a reset) is done with them; where other values follow, those begin behind the row.

    Parameters
    ----------
    starts : int array, (subjects + 1,)
        Offsets of each subject's rows.
    time : float array, (rows,)
    at, behind : float array, (rows, values)
        What holds on the row itself, and between it and the next one.
    grid : bool
        Whether rows are knots of a covariate course (a value at a knot counts for an observation there) or rows of a
        data set.
    begins : bool array, (rows,), optional
        Rows that reset the system or bring it to steady state: they need their own values even where others follow.
    """
    m, rows = starts.size - 1, time.size
    is_first = np.zeros(rows, bool)
    is_first[starts[:-1]] = True
    before = np.vstack([at[:1], behind[:-1]])
    before[is_first] = at[is_first]
    same_as_before = np.all(at == before, axis=1) & ~is_first
    same_behind = np.all(behind == at, axis=1)
    moves = ~np.all(behind == before, axis=1)
    # number the columns in the order first row, then row by row: own values if new, then what holds behind
    new_at = is_first | ~(same_as_before | (same_behind & moves))
    new_behind = moves & ~(same_behind & new_at)
    count = new_at.astype(np.int64) + new_behind
    base = np.concatenate([[0], np.cumsum(count)[:-1]])
    at_id = np.where(new_at, base, -1)
    behind_id = np.where(new_behind, base + new_at, -1)
    behind_id = np.where(moves & ~new_behind, at_id, behind_id)
    in_force = _fill(np.where(moves | is_first, np.where(behind_id >= 0, behind_id, at_id), -1))
    previous = np.concatenate([[0], in_force[:-1]])
    own = np.where(at_id >= 0, at_id, np.where(same_as_before, previous, behind_id))
    total = int(count.sum())
    source, after = np.zeros(total, np.int64), np.zeros(total, bool)
    source[at_id[new_at]] = np.flatnonzero(new_at)
    source[behind_id[new_behind]] = np.flatnonzero(new_behind)
    after[behind_id[new_behind]] = True
    if grid:
        steps = _grid_steps(time, own, in_force, previous, is_first)
    else:
        alone = np.zeros(rows, bool) if begins is None else begins
        steps = _row_steps(starts, time, own, in_force, previous, is_first, alone)
    row, seg_time, seg_rank, seg_column = steps
    seg_first = np.searchsorted(row, starts)
    return (
        Columns(source, after, own[starts[:-1]], own, seg_first, seg_time, seg_rank, seg_column)
        if m
        else constant_columns(0)
    )


def _fill(values: np.ndarray) -> np.ndarray:
    """Carry entries >= 0 forward over -1."""
    index = np.where(values >= 0, np.arange(values.size), 0)
    return values[np.maximum.accumulate(index)]


def _row_steps(
    starts: np.ndarray, time: np.ndarray, own: np.ndarray, in_force: np.ndarray, previous: np.ndarray,
    is_first: np.ndarray, begins: np.ndarray,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    reach = (own != previous) & ~is_first & (begins | (own == in_force))
    leave = in_force != np.where(reach | is_first, own, previous)
    row = np.concatenate([np.flatnonzero(reach), np.flatnonzero(leave)])
    within = row - starts[np.searchsorted(starts, row, side="right") - 1]
    rank = within + np.concatenate([np.full(reach.sum(), FROM_ROW), np.full(leave.sum(), AFTER_ROW)])
    column = np.concatenate([own[reach], in_force[leave]])
    order = np.lexsort((rank, row))
    return row[order], time[row[order]], rank[order], column[order]


def _grid_steps(
    time: np.ndarray, own: np.ndarray, in_force: np.ndarray, previous: np.ndarray, is_first: np.ndarray
) -> tuple[np.ndarray, ...]:
    reach = (own != previous) & ~is_first
    leave = in_force != own
    row = np.concatenate([np.flatnonzero(reach), np.flatnonzero(leave)])
    rank = np.concatenate([np.full(reach.sum(), AT_KNOT), np.full(leave.sum(), AFTER_KNOT)])
    column = np.concatenate([own[reach], in_force[leave]])
    order = np.lexsort((rank, row))
    return row[order], time[row[order]], rank[order], column[order]
