"""Rows of an event table as the engine reads them, and as doses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pkpd.dosing.checks import Problems
from pkpd.dosing.dose import Dose
from pkpd.dosing.record import OFF, ON, RECORD, compartment_index, missing_compartment
from pkpd.dosing.table_doses import additional_doses, switches_off
from pkpd.errors import DataError

__all__ = ["doses_by_subject", "engine_records"]

_DOSED = ("EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS")


def engine_records(
    problems: Problems, columns: Mapping[str, np.ndarray], clock: np.ndarray, states: Sequence[str]
) -> np.ndarray:
    """Return all rows as RECORD, shape (rows,); arguments as for `pkpd.dosing.events.EventTable.records`.

    Parameters
    ----------
    problems : Problems
        What quotes rows, for errors.
    columns : mapping of str to array, (rows,)
        ``EVID CMT AMT RATE II ADDL SS``.
    """
    records = np.zeros(len(clock), dtype=RECORD)
    records["time"] = clock
    records["evid"] = columns["EVID"]
    dose = np.isin(columns["EVID"], (1, 4))
    gives = dose | (columns["EVID"] == 8)
    off = switches_off(columns)
    if off.any():
        named = np.array([value not in (None, 0) and value == value for value in columns["CMT"].tolist()], bool)
        records["evid"][(columns["EVID"] == 2) & named] = ON
        records["evid"][off] = OFF
    records["amt"][gives] = columns["AMT"][gives]
    for name in ("RATE", "II", "SS"):
        records[name.lower()][dose] = columns[name][dose]
    records["ss"][records["ss"] == 3] = 1  # SS=3 differs by where the search for the steady state begins
    records["addl"] = additional_doses(columns)
    records["cmt"] = _compartments(problems, columns["CMT"], gives | (records["evid"] >= OFF), states)
    return records


def _compartments(problems: Problems, cmt: np.ndarray, needed: np.ndarray, states: Sequence[str]) -> np.ndarray:
    """Return the 0-based index of each row's compartment; 0 for an observation of something else."""
    plain = [None if value is None or value != value else value for value in cmt.tolist()]
    known = {value: compartment_index(_unsigned(value), states) for value in set(plain)}
    wrong = needed & np.array([known[value] is None for value in plain], dtype=bool)
    if wrong.any():
        remedy = missing_compartment(plain[int(np.argmax(wrong))], states)
        problems.add(wrong, "CMT of a dose is not in the model", remedy, ["CMT"])
        problems.raise_if_any()
    return np.array([known[value] or 0 for value in plain], dtype=np.int64)


def _unsigned(cmt: Any) -> Any:
    """Return a compartment without the minus that switches it off."""
    if isinstance(cmt, str):
        return cmt.removeprefix("-")
    return None if cmt is None else abs(int(cmt))


def doses_by_subject(
    name: str, columns: Mapping[str, np.ndarray], clock: np.ndarray, starts: np.ndarray
) -> list[list[Dose]]:
    """Return the rows of each subject that give something, or reset, as doses.

    Raises
    ------
    DataError
        If a compartment is switched off, which no dose can say.
    """
    off = switches_off(columns)
    if off.any():
        many = f"{int(off.sum())} row{'s' if off.sum() > 1 else ''}"
        raise DataError(
            f"{name}: {many} switch a compartment off (EVID 2 with CMT < 0), which a regimen cannot say; simulate the "
            "table"
        )
    kept = np.flatnonzero(np.isin(columns["EVID"], (1, 3, 4, 8)))
    subject = np.searchsorted(starts, kept, side="right") - 1
    values = [columns[n][kept].tolist() for n in _DOSED]
    doses: list[list[Dose]] = [[] for _ in range(len(starts) - 1)]
    for k, time, row in zip(subject, clock[kept].tolist(), zip(*values, strict=True), strict=True):
        doses[k].append(_dose(time, dict(zip(_DOSED, row, strict=True))))
    return doses


def _dose(time: float, row: Mapping[str, Any]) -> Dose:
    """Return a row that gives something, or resets, as a dose."""
    evid, cmt = row["EVID"], row["CMT"]
    if evid == 3:
        return Dose(0.0, time=time, evid=3)
    if not isinstance(cmt, str):
        cmt = int(cmt) if cmt == cmt and cmt else None
    if evid == 8:
        return Dose(row["AMT"], cmt, time, evid=8)
    ss = 1 if row["SS"] == 3 else row["SS"]
    return Dose(row["AMT"], cmt, time, rate=row["RATE"], ii=row["II"], addl=row["ADDL"], ss=ss, evid=evid)
