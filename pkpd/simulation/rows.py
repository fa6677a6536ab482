"""Simulation of a data set: the state at every row, in the order of the rows, as NONMEM would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pkpd.simulation.columns import ROW_OBSERVATION, Columns, constant_columns
from pkpd.simulation.covariates import match_covariates, problems_of
from pkpd.simulation.doses import table_records
from pkpd.simulation.people import Courses, fill_inputs
from pkpd.solve.block import Block
from pkpd.solve.kernel import Kernel
from pkpd.solve.timeline import Records

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model
    from pkpd.population.people import Population

__all__ = ["table_blocks", "table_courses"]


def table_courses(model: Model, table: EventTable) -> Courses | None:
    """Return the covariates (and occasions, column OCC) of a data set that the model uses, or None if it uses none.

    Raises
    ------
    DataError
        If a covariate holds text, is missing, or has a value that it cannot have, with rows; or a column is named like
        a covariate but for the case.
    """
    problems = problems_of(table)
    found, _ = match_covariates(model, table, problems)
    problems.raise_if_any()
    occasions = "OCC" in table.frame.columns and bool(model.iov_etas)
    if not found and not occasions:
        return None
    names, rows = tuple(found), len(table.frame)
    values = np.column_stack(list(found.values())) if found else np.empty((rows, 0))
    subject = np.repeat(np.arange(table.n_subjects), np.diff(table.starts))
    occasion = np.zeros(rows, np.int64)
    if occasions:
        raw = table.frame["OCC"].to_numpy()
        for a, b in zip(table.starts[:-1], table.starts[1:], strict=True):
            occasion[a:b] = np.unique(raw[a:b], return_inverse=True)[1]
    return Courses(names, np.asarray(table.clock, np.float64), values, occasion, subject)


def table_blocks(
    model: Model, kernel: Kernel, table: EventTable, people: Population, size: int
) -> tuple[np.ndarray, list[tuple[slice, slice, Block, np.ndarray]]]:
    """Return the records of a data set on the model's clock, and (rows, subjects, block, inputs) of some subjects."""
    records = table_records(model, table)
    courses = table_courses(model, table)
    out = []
    for a in range(0, table.n_subjects, size):
        b = min(a + size, table.n_subjects)
        rows = slice(int(table.starts[a]), int(table.starts[b]))
        starts = np.asarray(table.starts[a : b + 1] - table.starts[a], np.int64)
        part = None if courses is None else courses.part(rows)
        columns = constant_columns(b - a) if part is None else part.columns(model, starts, grid=False)
        subject = np.arange(a, b) if part is None else part.subject[columns.source]
        block = _block(records[rows], starts, columns, np.asarray(table.clock[rows], np.float64), part is not None)
        out.append((rows, slice(a, b), block, fill_inputs(kernel.inputs, model, people, subject, part, columns)))
    return records, out


def _block(records: np.ndarray, starts: np.ndarray, columns: Columns, time: np.ndarray, varies: bool) -> Block:
    rec = Records(time, *(np.ascontiguousarray(records[f]) for f in Records._fields[1:]))
    rank = np.arange(time.size) - np.repeat(starts[:-1], np.diff(starts)) + ROW_OBSERVATION
    return Block(
        column=columns.first, origin=time[starts[:-1]], records=rec, rec_first=starts[:-1], rec_last=starts[1:],
        rec_column=columns.own if varies else np.empty(0, np.int64),
        seg_first=columns.seg_first, seg_time=columns.seg_time, seg_rank=columns.seg_rank,
        seg_column=columns.seg_column,
        obs_time=time, obs_first=starts[:-1], obs_last=starts[1:], obs_rank=rank,
        obs_column=columns.own if varies else np.empty(0, np.int64), shared=False,
    )  # fmt: skip
