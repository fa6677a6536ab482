"""Columns of a source -> the columns of an event table: types, defaults, clock, subjects."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from pkpd.dosing.checks import Problems, check_rows, clock_of
from pkpd.dosing.clock import on_calendar, relative, translate
from pkpd.dosing.columns import CORE, DATES, KEPT, RESERVED, final_names, named_columns, numbers, whole
from pkpd.dosing.dates import duration_hours, looks_like_dates
from pkpd.dosing.identity import identifiers, rounded
from pkpd.dosing.notices import comma_hint, noticed, odd_times, text_note, text_remedy
from pkpd.dosing.other_programs import other_programs
from pkpd.dosing.source import TableSource
from pkpd.dosing.table_doses import switches_off
from pkpd.errors import DataError, UnitError
from pkpd.units.time import time_ratio

__all__ = ["Parts", "assemble", "subject_labels", "subject_starts"]

_MAY_BE_TEXT = ("ID", "CMT", "DVID")
_NO_DATE = "sort each subject's rows by TIME; where the clock passes midnight give a DATE column"


@dataclass
class Parts:
    """What an event table is made of; see `pkpd.dosing.events.EventTable`."""

    columns: dict[str, np.ndarray]
    starts: np.ndarray
    labels: np.ndarray
    covariates: tuple[str, ...]
    clock: np.ndarray
    notes: tuple[str, ...]


def assemble(source: TableSource, rename: Mapping[str, str] | None, time_unit: str, decimal: str = ".") -> Parts:
    """Return typed, complete and checked columns.

    Parameters
    ----------
    source : TableSource
    rename : mapping, optional
        Names to change.
    time_unit : str
        Of numbers in TIME, II, TINF and RATE.
    decimal : {".", ","}
        What stands before the decimals of texts.

    Raises
    ------
    DataError
        With all kinds of rows that are wrong, how many, and the first of each.
    """
    try:
        hours = float(time_ratio(time_unit, "h"))
    except UnitError as error:
        raise DataError(f"{source.name}: {error}") from None
    if decimal not in (".", ","):
        raise DataError(f"{source.name}: decimal must be '.' or ',', got {decimal!r}")
    columns = named_columns(source.name, source.names, source.columns, rename)
    in_hours = {
        new for old, new in zip(source.names, final_names(source.names, rename), strict=True) if old in source.hours
    }
    _elapsed(columns, in_hours, hours)
    problems = Problems(source.name, columns, source.row, source.line)
    notes = list(source.notes)
    _typed_id(columns, problems, source.nonmem)
    starts = subject_starts(columns["ID"])
    timed = _calendar(columns, starts, problems, notes, decimal)
    _typed(columns, problems, notes, decimal)
    problems.raise_if_any()
    other_programs(columns, set((rename or {}).values()), notes)
    _complete(columns, problems, notes)
    if not timed:
        columns["TIME"] = columns["TIME"] * hours
    columns["II"] = columns["II"] * hours
    columns["RATE"] = np.where(columns["RATE"] > 0, columns["RATE"] / hours, columns["RATE"])
    _tinf(columns, hours, problems)
    check_rows(problems, columns)
    clock = clock_of(problems, columns["TIME"], columns["EVID"], starts, _NO_DATE if timed == "clock" else "")
    problems.raise_if_any()
    extras = [name for name in columns if name not in CORE]
    covariates = tuple(
        name
        for name in extras
        if name not in RESERVED and columns[name].dtype != object and not np.isnan(columns[name]).all()
    )
    ordered = {name: columns[name] for name in (*CORE, *extras) if name in columns}
    labels = subject_labels(columns["ID"], starts)
    notes += noticed(ordered, starts, labels, covariates)
    return Parts(ordered, starts, labels, covariates, clock, tuple(notes))


def subject_starts(ids: np.ndarray) -> np.ndarray:
    """Return the row offsets of the subjects, shape (subjects + 1,): a new subject begins where ID changes.

    Examples
    --------
    >>> subject_starts(np.array([1, 1, 2, 1]))
    array([0, 2, 3, 4])
    """
    changes = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    return np.concatenate([[0], changes, [len(ids)]]).astype(np.int64)


def subject_labels(ids: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return one label a subject: its ID; text with ``.1``, ``.2`` ... where an ID comes again later.

    Examples
    --------
    >>> subject_labels(np.array([3, 4, 3]), np.array([0, 1, 2, 3])).tolist()
    ['3', '4', '3.1']
    """
    own = ids[starts[:-1]]
    texts = [str(label) for label in own.tolist()]
    if len(set(texts)) == len(texts):
        return own.astype(np.int64) if own.dtype == np.int64 else np.array(texts, dtype=str)
    taken = set(texts)
    seen: dict[str, int] = {}
    labels: list[str] = []
    for text in texts:
        label = text
        while text in seen and label in taken:
            seen[text] += 1
            label = f"{text}.{seen[text]}"
        seen.setdefault(text, 0)
        taken.add(label)
        labels.append(label)
    return np.array(labels, dtype=str)


def _elapsed(columns: dict[str, np.ndarray], in_hours: Set[str], unit: float) -> None:
    """Turn durations (of pandas, or texts such as ``1 days 06:00:00``) into numbers of the table's unit of time."""
    for name in in_hours & columns.keys():
        columns[name] = columns[name] / unit
    for name in ("TIME", "II", "TINF"):
        if name in columns and columns[name].dtype == object:
            hours = duration_hours(columns[name].tolist())
            if hours is not None:
                columns[name] = np.array(hours) / unit


def _typed_id(columns: dict[str, np.ndarray], problems: Problems, nonmem: bool) -> None:
    """Turn ID into whole numbers where every one reads back as the same text; 007 and 3.10 stay text."""
    ids = columns["ID"]
    absent = np.array([value is None for value in ids]) if ids.dtype == object else np.isnan(ids)
    problems.add(absent, "ID is missing")
    problems.raise_if_any()
    columns["ID"] = identifiers(ids, exponents=nonmem)
    if nonmem and columns["ID"].dtype != object:
        problems.add(
            rounded(ids, columns["ID"]),
            "ID has more digits than NONMEM wrote",
            "different people may have become one: write the table with FORMAT=s1PE15.8",
        )
        problems.raise_if_any()


def _calendar(
    columns: dict[str, np.ndarray], starts: np.ndarray, problems: Problems, notes: list[str], decimal: str
) -> str:
    """Turn dates and times of day into hours since each subject's first record.

    Returns
    -------
    str
        ``"date"``, ``"clock"`` (times of day without dates), or an empty text if TIME is a number already.
    """
    dates = [name for name in DATES if name in columns]
    if len(dates) > 1:
        raise DataError(f"{problems.name}: {' and '.join(dates)} are both given; keep one date column")
    time = columns["TIME"]
    if not dates and not on_calendar(time):
        return ""
    if decimal == "," and time.dtype == object:
        time = np.array([None if text is None else text.replace(",", ".") for text in time], dtype=object)
    kind = dates[0] if dates else "DAT2"
    found = translate(columns.get(kind) if dates else None, kind, time)
    missing = np.array([value is None for value in time]) if time.dtype == object else np.isnan(time)
    problems.add(missing, "TIME is missing", "give the time of every row")
    order = {"DATE": "month-day-year", "DAT1": "day-month-year", "DAT2": "year-month-day", "DAT3": "year-day-month"}
    problems.add(
        found.bad_date,
        f"{kind} is not understood",
        f"{kind} is {order[kind]}, or a day number throughout; a date with a time of day goes into TIME",
        [kind],
    )
    problems.add(found.bad_time & ~missing, "TIME is not understood", found.remedy)
    problems.raise_if_any()
    notes += found.notes
    columns["TIME"] = relative(found.hours, starts)
    if dates:
        del columns[kind]
    if found.stamp is not None:
        columns["WHEN"] = found.stamp
    made = f"{kind} and TIME" if dates else "the times of day" if found.stamp is None else "the dates in TIME"
    notes.append(f"TIME is hours since each subject's first record, from {made}")
    return "date" if dates or found.stamp is not None else "clock"


def _typed(columns: dict[str, np.ndarray], problems: Problems, notes: list[str], decimal: str) -> None:
    """Turn columns into numbers; text is refused where a number is needed, and kept aside elsewhere."""
    for name in [name for name in columns if name != "ID"]:
        texts = columns[name]
        values, bad = numbers(name, texts, decimal)
        wrong = [text for text, is_bad in zip(texts, bad, strict=True) if is_bad] if bad.any() else []
        if name in RESERVED and name not in _MAY_BE_TEXT:
            problems.add(bad, f"{name} holds text", text_remedy(name, wrong, decimal), [name])
            infinite = ~bad & np.isinf(values)
            problems.add(infinite, f"{name} is not finite", show=[name])
        elif wrong and name not in RESERVED and len(wrong) < sum(value is not None for value in texts):
            where = problems.where(int(np.argmax(bad)), [name])
            present = sum(value is not None for value in texts)
            hint = comma_hint(wrong, decimal)
            notes.append(f"{name} is text: {len(wrong)} of {present} values are no numbers (first: {where}){hint}")
        elif wrong and name not in (*_MAY_BE_TEXT, "WHEN"):
            notes.append(text_note(name, wrong, decimal))
        if not wrong:
            columns[name] = values
    if columns["TIME"].dtype != object:
        dates = np.full(len(columns["TIME"]), looks_like_dates(columns["TIME"]))
        remedy = "give them as DAT2 (20230105) and the time of day (8:30) in TIME, or write 2023-01-05 08:30 in TIME"
        problems.add(dates, "TIME holds dates", remedy)
        notes += odd_times(columns["TIME"])


def _complete(columns: dict[str, np.ndarray], problems: Problems, notes: list[str]) -> None:
    """Fill what NONMEM fills: missing dose items are 0; EVID, MDV and CMT follow from the rest."""
    n = len(columns["ID"])
    problems.add(np.isnan(columns["TIME"]), "TIME is missing", "give the time of every row")
    columns["TIME"] = columns["TIME"].astype(float)
    for name, kind in (("AMT", float), ("RATE", float), ("II", float), ("ADDL", int), ("SS", int)):
        values = np.nan_to_num(columns.get(name, np.zeros(n)), nan=0.0)
        columns[name] = whole(values) if kind is int else values.astype(np.float64)
    dv = columns.get("DV")
    given = columns.get("MDV", np.full(n, np.nan)).astype(float)
    if "EVID" in columns:
        evid = np.nan_to_num(columns["EVID"], nan=0.0)
        gives = np.isin(evid, (1, 4))
    else:
        # A row without an amount is a dose only as a constant infusion at steady state.
        gives = (columns["AMT"] != 0) | (columns["SS"] > 0)
        evid = np.where(gives, 1, np.where(given == 1, 2, 0))
        notes.append("EVID is derived: 1 where AMT is not 0, 2 where MDV is 1, 0 elsewhere")
    if dv is not None and (lost := int((gives & (given != 1) & ~np.isnan(dv) & (dv != 0)).sum())):
        notes.append(f"DV on {lost} dose row{'s' if lost > 1 else ''} is not an observation")
    columns["EVID"] = whole(evid)
    derived = (evid != 0) | (np.isnan(dv) if dv is not None else False)
    mdv = np.where(np.isnan(given), derived, given)
    columns["MDV"] = whole(mdv.astype(float))
    if dv is not None:
        columns["DV"] = dv.astype(float)
    _compartments(columns, problems, evid)
    for name in KEPT:
        if name in columns and columns[name].dtype != object and name not in ("LLOQ", "LIMIT"):
            columns[name] = whole(columns[name])


def _compartments(columns: dict[str, np.ndarray], problems: Problems, evid: np.ndarray) -> None:
    """Let doses without CMT go into compartment 1; names stay as they are."""
    default = np.where(np.isin(evid, (1, 4, 8)), 1, 0)
    cmt = columns.get("CMT", default)
    if cmt.dtype == object:
        return
    filled = np.where(np.isnan(cmt), default, cmt)
    negative = (filled < 0) & ~switches_off({"EVID": evid, "CMT": filled})
    wrong = (filled != np.rint(filled)) | negative | (np.abs(filled) > 2**31)
    problems.add(wrong, "CMT is not a number from 0", "number the model's states from 1, or name them", ["CMT"])
    columns["CMT"] = filled if wrong.any() else filled.astype(np.int64)


def _tinf(columns: dict[str, np.ndarray], unit: float, problems: Problems) -> None:
    """Turn durations of infusions into rates."""
    if "TINF" not in columns:
        return
    tinf = columns.pop("TINF").astype(float) * unit
    dose = np.isin(columns["EVID"], (1, 4))
    both = dose & (tinf > 0) & (columns["RATE"] != 0)
    problems.columns = {**columns, "TINF": tinf}
    problems.add(both, "RATE and TINF are both given", "give one of them", ["RATE", "TINF"])
    problems.add(dose & (tinf < 0), "TINF of a dose is negative", "it must be >= 0 h (0 or missing: a bolus)", ["TINF"])
    infused = dose & (tinf > 0) & ~both
    columns["RATE"][infused] = columns["AMT"][infused] / tinf[infused]
