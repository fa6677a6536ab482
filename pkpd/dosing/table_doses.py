"""Which doses the rows of an event table give, and when: additional doses up to the row that ends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pkpd.dosing.checks import Problems
from pkpd.dosing.record import NEAR
from pkpd.dosing.rules import RecordRules
from pkpd.errors import DataError

__all__ = [
    "TableDoses",
    "additional_doses",
    "at_additional",
    "given_doses",
    "kept_additional",
    "notes_on_rules",
    "restarts",
]

MOST = 10_000_000  # doses of a table, one by one


@dataclass(frozen=True)
class TableDoses:
    """Doses of a table, one an entry, in the order of their records; times are those of the clock, without lag.

    Attributes
    ----------
    row : int array, (doses,)
        Row of the table that gives it.
    time : float array, (doses,)
    number : int array, (doses,)
        0 for the record's own dose, 1, 2, ... for its additional ones.
    """

    row: np.ndarray
    time: np.ndarray
    number: np.ndarray


def restarts(time: np.ndarray, starts: np.ndarray, near: float = NEAR) -> np.ndarray:
    """Return for each row whether its subject's TIME starts again there."""
    again = np.zeros(len(time), bool)
    again[1:] = time[1:] < time[:-1] - near
    again[starts[:-1]] = False
    return again


def additional_doses(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the number of additional doses of each row; a negative ADDL asks for as many (empirical steady state)."""
    dose = np.isin(columns["EVID"], (1, 4)) & (columns["II"] > 0)
    return np.where(dose, np.abs(columns["ADDL"]), 0)


def kept_additional(
    columns: Mapping[str, np.ndarray], clock: np.ndarray, starts: np.ndarray, rules: RecordRules, near: float = NEAR
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many additional doses each row really gives, and the row that ends the others, -1 for none.

    Parameters
    ----------
    columns : mapping of str to array, (rows,)
        ``TIME EVID CMT II ADDL SS``.
    near : float
        Times no further apart are one time.
    """
    count, evid = additional_doses(columns), columns["EVID"]
    ended = np.full(len(evid), -1)
    reset = np.isin(evid, (3, 4))
    for_all = (np.isin(evid, (1, 4)) & np.isin(columns["SS"], (1, 3))) | (
        reset & restarts(columns["TIME"], starts, near)
    )
    if rules.pending == "dropped":
        for_all |= reset
    last_row = np.repeat(starts[1:], np.diff(starts))
    enders = np.flatnonzero(for_all)
    off = {int(k): columns["CMT"][k] for k in np.flatnonzero(switches_off(columns))}
    for k in np.flatnonzero(count):
        later = enders[np.searchsorted(enders, k, side="right") :][:1]
        candidates = [int(j) for j in later if j < last_row[k]]
        candidates += [
            j for j, cmt in off.items() if k < j < last_row[k] and _positive(cmt) == _positive(columns["CMT"][k])
        ]
        if not candidates:
            continue
        j = min(candidates)
        gap, ii = clock[j] - clock[k], columns["II"][k]
        # a dose at the very time of the row still enters if it comes before the rows of its time
        fit = (gap + near) / ii if rules.additional == "before" else np.ceil((gap - near) / ii) - 1
        if fit < count[k]:
            count[k], ended[k] = max(int(fit), 0), j
    return count, ended


def switches_off(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which rows switch a compartment off: EVID 2 with a minus before CMT."""
    cmt = columns["CMT"]
    if cmt.dtype != object:
        return (columns["EVID"] == 2) & (cmt < 0)
    return (columns["EVID"] == 2) & np.array([str(value).startswith("-") for value in cmt.tolist()], bool)


def _positive(cmt: object) -> str:
    text = str(cmt).lstrip("-")
    return "1" if text in ("0", "None", "nan") else text


def given_doses(
    columns: Mapping[str, np.ndarray], clock: np.ndarray, starts: np.ndarray, rules: RecordRules, near: float = NEAR
) -> TableDoses:
    """Return the doses that a table gives, additional ones up to the last row of their subject.

    Raises
    ------
    DataError
        If they are more than anyone could give.
    """
    count, _ = kept_additional(columns, clock, starts, rules, near)
    rows = np.flatnonzero(np.isin(columns["EVID"], (1, 4)))
    end = np.repeat(clock[starts[1:] - 1], np.diff(starts))[rows]
    ii = np.where(columns["II"][rows] > 0, columns["II"][rows], np.inf)
    many = 1 + np.minimum(count[rows], np.floor(np.minimum((end - clock[rows] + near) / ii, 1e15))).astype(np.int64)
    if many.sum() > MOST:
        k = rows[int(np.argmax(many))]
        raise DataError(
            f"row {k + 1} gives {many.max():,} doses up to the last row of its subject; ADDL or II is off by a factor"
        )
    row = np.repeat(rows, many)
    number = np.arange(row.size) - np.repeat(np.cumsum(many) - many, many)
    return TableDoses(row, clock[row] + number * np.where(number, columns["II"][row], 0.0), number)


def notes_on_rules(
    problems: Problems, columns: Mapping[str, np.ndarray], clock: np.ndarray, starts: np.ndarray, rules: RecordRules
) -> list[str]:
    """Say where the rules matter: at resets with doses to come, at observations at the time of an additional dose."""
    notes = []
    negative = np.isin(columns["EVID"], (1, 4)) & (columns["ADDL"] < 0)
    if negative.any():
        notes.append(
            f"ADDL is negative in {_first(problems, negative, ['ADDL'])}: doses until nothing changes, |ADDL| more at "
            "most (NONMEM 7.5); all of them are given, and TIME stays as it is"
        )
    full, by_reset = additional_doses(columns), np.zeros(len(clock), bool)
    _, ended = kept_additional(columns, clock, starts, RecordRules())
    by_reset[ended[ended >= 0]] = True
    again = restarts(columns["TIME"], starts)
    choice = by_reset & np.isin(columns["EVID"], (3, 4)) & ~again
    if choice.any():
        done = "are dropped, as in NONMEM (rules={'pending': 'kept'} keeps them)"
        done = done if rules.pending == "dropped" else "are kept (NONMEM drops them: rules={'pending': 'dropped'})"
        notes.append(
            f"additional doses are still to come at {_first(problems, choice, ['EVID'], 'reset')}: they {done}"
        )
    for rows, what in (
        (by_reset & np.isin(columns["EVID"], (3, 4)) & again, "clock that starts again"),
        (by_reset & ~np.isin(columns["EVID"], (3, 4)) & (columns["EVID"] == 1), "dose at steady state"),
    ):
        if rows.any():
            notes.append(
                f"additional doses are still to come at {_first(problems, rows, ['EVID'], what)}, which ends them"
            )
    if full.any():
        seen = at_additional(columns, clock, starts, rules)
        if seen.any():
            first = rules.additional == "before"
            side, other, seen_as = ("after", "before", "a peak") if first else ("before", "after", "a trough")
            notes.append(
                f"an additional dose falls on {_first(problems, seen, [], 'observation')}, which counts as {side} it "
                f"({seen_as}{', as in NONMEM' if first else ''}); rules={{'additional': '{side}'}}, or a dose row of "
                f"its own, puts the observation {other} it"
            )
    return notes


def at_additional(
    columns: Mapping[str, np.ndarray], clock: np.ndarray, starts: np.ndarray, rules: RecordRules, near: float = NEAR
) -> np.ndarray:
    """Return which observations have the time of an additional dose of their subject."""
    count, _ = kept_additional(columns, clock, starts, rules, near)
    observed, seen = columns["EVID"] == 0, np.zeros(len(clock), bool)
    end = np.repeat(starts[1:], np.diff(starts))
    for k in np.flatnonzero(count):
        rows = slice(k + 1, end[k])
        since, ii = clock[rows] - clock[k], columns["II"][k]
        number = np.clip(np.rint(since / ii), 1, count[k])
        seen[rows] |= observed[rows] & (np.abs(since - number * ii) <= near)
    return seen


def _first(problems: Problems, wrong: np.ndarray, show: list[str], what: str = "row") -> str:
    """Return ``3 resets (first: row 5, ID 1, TIME 24)``."""
    n = int(np.count_nonzero(wrong))
    first = problems.where(int(np.argmax(wrong)), show)
    plural = "" if n == 1 else "s"
    words = what.split(" ", 1)
    return f"{n} {words[0]}{plural}{' ' + words[1] if len(words) > 1 else ''} (first: {first})"
