"""Simulation of a data set: the state at every row, in the order of the rows, as NONMEM would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.record import NEAR, OFF, ON
from pkpd.engine.graph.derivative import depends_on
from pkpd.engine.solve.arrays import Records
from pkpd.engine.solve.block import Block
from pkpd.engine.solve.block_events import timeline
from pkpd.engine.solve.event_codes import ADDITIONAL, ADDITIONAL_AFTER, LAGGED, LAGGED_AFTER
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.places import prepare
from pkpd.model.trace import TIME
from pkpd.simulation.columns import ROW_OBSERVATION, Columns, constant_columns
from pkpd.simulation.covariates import match_covariates, occasions_of, problems_of
from pkpd.simulation.doses import table_records
from pkpd.simulation.kernels import switch_of
from pkpd.simulation.people import Courses, fill_inputs
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["begins_anew", "lagged_on_rows", "ordering", "switched_states", "table_blocks", "table_courses", "ties_note"]


def ordering(model: Model, table: EventTable) -> dict[str, Any]:
    """Return what a block must know of a table's rules.

    Which times are one, where implied doses enter among the rows of their time, which rows end doses to come.
    """
    return {
        "anew": table.ends_doses(),
        "near": convert_time(NEAR, "h", model.time_unit),
        "lag_rank": LAGGED if table.rules.lagged == "before" else LAGGED_AFTER,
        "add_rank": ADDITIONAL if table.rules.additional == "before" else ADDITIONAL_AFTER,
    }


def begins_anew(records: np.ndarray) -> np.ndarray:
    """Return which records reset the system or bring it to steady state, with the values of their own rows."""
    return np.isin(records["evid"], (3, 4)) | (records["ss"] > 0)


def switched_states(model: Model, records: np.ndarray) -> tuple[str, ...]:
    """Return the states that some record switches off."""
    states = list(model.states)
    return tuple(states[k] for k in np.unique(records["cmt"][records["evid"] == OFF]))


def _switches(model: Model, records: np.ndarray, starts: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each state that is switched off whether it is on, 1 or 0, from each row on.

    A reset, a dose into it and a row of EVID 2 with its number switch it on again.
    """
    states, evid, cmt = list(model.states), records["evid"], records["cmt"]
    number = np.arange(len(records))
    begin = np.repeat(starts[:-1], np.diff(starts))
    out = {}
    for name in switched_states(model, records):
        own = cmt == states.index(name)
        off = own & (evid == OFF)
        on = np.isin(evid, (3, 4)) | (own & np.isin(evid, (1, 8, ON)))
        latest = np.maximum.accumulate(np.where(off | on, number, -1))
        out[name] = np.where((latest >= begin) & off[np.maximum(latest, 0)], 0.0, 1.0)
    return out


def lagged_on_rows(kernel: Kernel, tasks: list[tuple[slice, slice, Block, np.ndarray]]) -> np.ndarray:
    """Return for each subject how many doses a lag brings to the very time of a row, (subjects,)."""
    counts = []
    for _, _, block, inputs in tasks:
        found = np.zeros(block.column.size, np.int64)
        if (kernel.dosing_places[:, 1] >= 0).any():
            ends, ev, *_ = timeline(kernel, block, prepare(kernel, inputs))
            for i in range(found.size):
                mine = slice(ends[i], ends[i + 1])
                lagged = ev.time[mine][np.isin(ev.rank[mine], (LAGGED, LAGGED_AFTER))]
                found[i] = np.isin(lagged, block.obs_time[block.obs_first[i] : block.obs_last[i]]).sum()
        counts.append(found)
    return np.concatenate(counts)


def clock_notes(model: Model, table: EventTable) -> list[str]:
    """Return the note on a TIME that starts again, if the model's equations read the time that runs on."""
    time = table.frame["TIME"].to_numpy(np.float64)
    again = np.flatnonzero(np.abs(table.clock - time) > table.near)
    if not again.size or not any(depends_on([e], lambda s: s is TIME)[e] for _, e in model.trace.named()):
        return []
    subject = np.searchsorted(table.starts, again, side="right") - 1
    return [
        f"TIME starts again in {np.unique(subject).size} subjects (first: ID {table.labels[subject[0]]}); t in the "
        "equations runs on (CLOCK), where NONMEM's T is TIME: give TIME without restarts if that is not meant"
    ]


def ties_note(table: EventTable, ties: np.ndarray) -> str:
    """Say that lagged doses enter at the very time of rows, and on which side of them.

    Parameters
    ----------
    ties : int array, (subjects,)
        How many do.
    """
    side = "before" if table.rules.lagged == "before" else "after"
    other = "after" if side == "before" else "before"
    first = table.labels[int(np.argmax(ties > 0))]
    return (
        f"{int(ties.sum())} lagged doses (first: ID {first}) enter at the very time of a row; they count as {side} it, "
        f"read_events(..., rules={{'lagged': '{other}'}}) puts them {other} it"
    )


def table_courses(model: Model, table: EventTable, records: np.ndarray) -> Courses | None:
    """Return what changes from row to row of a data set, or None if nothing does.

    The model's covariates, its occasions (column OCC) and the states that are switched on and off.

    Raises
    ------
    DataError
        If a covariate holds text, is missing, or has a value that it cannot have, with rows; or a column is named like
        a covariate but for the case.
    """
    problems = problems_of(table)
    found, _ = match_covariates(model, table, problems)
    occasions = "OCC" in table.frame.columns and bool(model.iov_etas)
    occasion = occasions_of(table, problems) if occasions else np.zeros(len(table.frame), np.int64)
    problems.raise_if_any()
    switches = _switches(model, records, table.starts)
    if not found and not occasions and not switches:
        return None
    names, rows = tuple(found), len(table.frame)
    values = np.column_stack(list(found.values())) if found else np.empty((rows, 0))
    subject = np.repeat(np.arange(table.n_subjects), np.diff(table.starts))
    if switches:
        names = (*names, *(switch_of(n).name for n in switches))
        values = np.column_stack([values, *switches.values()])
    return Courses(names, np.asarray(table.clock, np.float64), values, occasion, subject)


def table_blocks(
    model: Model, kernel: Kernel, table: EventTable, people: Population, size: int
) -> tuple[np.ndarray, list[tuple[slice, slice, Block, np.ndarray]]]:
    """Return the records of a data set on the model's clock, and (rows, subjects, block, inputs) of some subjects."""
    records = table_records(model, table)
    courses = table_courses(model, table, records)
    order = ordering(model, table)
    out = []
    for a in range(0, table.n_subjects, size):
        b = min(a + size, table.n_subjects)
        rows = slice(int(table.starts[a]), int(table.starts[b]))
        starts = np.asarray(table.starts[a : b + 1] - table.starts[a], np.int64)
        part = None if courses is None else courses.part(rows)
        columns = constant_columns(b - a)
        if part is not None:
            columns = part.columns(model, starts, grid=False, begins=begins_anew(records[rows]))
        subject = np.arange(a, b) if part is None else part.subject[columns.source]
        time = np.asarray(table.clock[rows], np.float64)
        block = _block(records[rows], starts, columns, time, part is not None, order | {"anew": order["anew"][rows]})
        out.append((rows, slice(a, b), block, fill_inputs(kernel.inputs, model, people, subject, part, columns)))
    return records, out


def _block(
    records: np.ndarray, starts: np.ndarray, columns: Columns, time: np.ndarray, varies: bool, order: dict[str, Any]
) -> Block:
    rec = Records(time, *(np.ascontiguousarray(records[f]) for f in Records._fields[1:]))
    rank = np.arange(time.size) - np.repeat(starts[:-1], np.diff(starts)) + ROW_OBSERVATION
    return Block(
        column=columns.first, origin=time[starts[:-1]], records=rec, rec_first=starts[:-1], rec_last=starts[1:],
        rec_column=columns.own if varies else np.empty(0, np.int64),
        seg_first=columns.seg_first, seg_time=columns.seg_time, seg_rank=columns.seg_rank,
        seg_column=columns.seg_column,
        obs_time=time, obs_first=starts[:-1], obs_last=starts[1:], obs_rank=rank,
        obs_column=columns.own if varies else np.empty(0, np.int64), shared=False, **order,
    )  # fmt: skip
