"""What can be wrong with the rows of an event table; all of it is said at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pkpd.dosing.record import COUNTABLE, NEAR
from pkpd.errors import DataError

__all__ = ["Problems", "check_rows", "clock_of"]


class Problems:
    """Collects what is wrong with the rows of a table.

    Parameters
    ----------
    name : str
        What the table is called.
    columns : mapping of str to ndarray
        Columns to quote.
    row, line : ndarray of int, shape (rows,)
        Row number in the source, and line number in its file.
    """

    def __init__(
        self, name: str, columns: Mapping[str, np.ndarray], row: np.ndarray, line: np.ndarray | None = None
    ) -> None:
        self.name = name
        self.columns = columns
        self.row = row
        self.line = line
        self.found: list[str] = []

    def add(self, wrong: np.ndarray, what: str, remedy: str = "", show: Sequence[str] = ()) -> None:
        """Note rows that are wrong, if there are any; ``what`` follows the table's name."""
        n = int(np.count_nonzero(wrong))
        if n:
            rows = f"{n} row{'s' if n > 1 else ''}"
            first = self.where(int(np.argmax(wrong)), show)
            self.found.append(f"{what} in {rows} (first: {first}){'; ' if remedy else ''}{remedy}")

    def where(self, k: int, show: Sequence[str] = ()) -> str:
        """Return where a row stands and what it holds."""
        parts = [f"row {self.row[k]}"]
        if self.line is not None:
            parts.append(f"line {self.line[k]}")
        for name in dict.fromkeys(("ID", "TIME", *show)):
            if name in self.columns:
                value = self.columns[name][k]
                parts.append(f"{name} {value.item() if isinstance(value, np.generic) else value}")
        return ", ".join(parts)

    def raise_if_any(self) -> None:
        """Raise `DataError` with all that was noted."""
        if len(self.found) == 1:
            raise DataError(f"{self.name}: {self.found[0]}")
        if self.found:
            lines = "".join(f"\n  - {text}" for text in self.found)
            raise DataError(f"{self.name}: {len(self.found)} kinds of rows are wrong{lines}")


def check_rows(problems: Problems, c: Mapping[str, np.ndarray]) -> None:
    """Note rows whose dosing columns cannot be given as written.

    Parameters
    ----------
    problems : Problems
        Where to note them.
    c : mapping of str to ndarray
        ``EVID AMT RATE II ADDL SS MDV`` as numbers without missing values, each of shape (rows,).
    """
    evid, amt, rate, ii, addl, ss = (c[name] for name in ("EVID", "AMT", "RATE", "II", "ADDL", "SS"))
    dose = np.isin(evid, (1, 4))
    steady = np.isin(ss, (1, 2, 3))
    constant = dose & steady & ((rate >= 0) | (rate == -1)) & (ii == 0) & (amt == 0)
    known = np.isin(evid, (0, 1, 2, 3, 4, 8))
    problems.add(~known, "EVID is not 0, 1, 2, 3, 4 or 8", show=["EVID"])
    for name in ("ADDL", "SS", "MDV"):
        problems.add(c[name] != np.rint(c[name]), f"{name} is not a whole number", show=[name])
    problems.add(~np.isin(c["MDV"], (0, 1)), "MDV is not 0 or 1", show=["MDV"])
    problems.add(amt < 0, "AMT is negative", "amounts must be >= 0", ["AMT"])
    problems.add(
        known & ~dose & (evid != 8) & (amt > 0),
        "AMT is given with an EVID that gives nothing",
        "set EVID=1 to give it, or AMT=0",
        ["EVID", "AMT"],
    )
    problems.add(
        dose & (amt == 0) & ~constant,
        "AMT of a dose is 0",
        "set EVID=2 where nothing is given (0 is for a constant infusion: SS=1, RATE > 0, II=0)",
        ["EVID", "AMT"],
    )
    problems.add(
        dose & (rate < 0) & ~np.isin(rate, (-1, -2)),
        "RATE is negative",
        "it must be >= 0, -1 (modelled rate) or -2 (modelled duration)",
        ["RATE"],
    )
    problems.add(dose & (ii < 0), "II is negative", "intervals must be >= 0 h", ["II"])
    problems.add(
        dose & (addl < 0) & ((ss != 0) | (ii <= 0)),
        "ADDL is negative",
        "it counts additional doses (less than 0 asks for doses until steady state, with II > 0 and without SS)",
        ["ADDL", "SS", "II"],
    )
    problems.add(dose & (np.abs(addl) >= COUNTABLE), "ADDL is too large to count", "give fewer doses", ["ADDL"])
    problems.add(dose & (addl > 0) & (ii == 0), "ADDL > 0 without an interval", "give II > 0", ["ADDL", "II"])
    problems.add(
        dose & ~np.isin(ss, (0, 1, 2, 3)), "SS is not 0, 1, 2 or 3", "set it to 0 if not at steady state", ["SS"]
    )
    problems.add(
        dose & steady & (ii == 0) & ~constant,
        "SS without an interval",
        "give II > 0 (0 is for a constant infusion: SS=1, AMT=0, RATE > 0)",
        ["SS", "II"],
    )


def clock_of(
    problems: Problems, time: np.ndarray, evid: np.ndarray, starts: np.ndarray, remedy: str = ""
) -> np.ndarray:
    """Return a clock that never goes back within a subject, in h; note rows where TIME goes back.

    TIME may restart at a reset (EVID 3 or 4): from there the clock runs on from the row before. Rows whose times differ
    by rounding alone have one time on the clock.
    """
    back = np.zeros(len(time), dtype=bool)
    back[1:] = time[1:] < time[:-1] - NEAR
    back[starts[:-1]] = False
    reset = np.isin(evid, (3, 4))
    remedy = remedy or "sort each subject's rows by TIME (it may restart only at a reset, EVID 3 or 4)"
    problems.add(back & ~reset, "TIME goes back", remedy, ["TIME"])
    clock = time.astype(float)
    for k in np.flatnonzero(back & reset):
        end = starts[np.searchsorted(starts, k, side="right")]
        # The sum rounds; the clock must not go back by that.
        clock[k:end] = np.maximum(time[k:end] + (clock[k - 1] - time[k]), clock[k - 1])
    return _merged(clock, starts)


def _merged(clock: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return a clock in which rows of a subject closer than ``NEAR`` to the one before have its time."""
    close = np.zeros(len(clock), dtype=bool)
    close[1:] = np.abs(np.diff(clock)) <= NEAR
    close[starts[:-1]] = False
    return clock[np.maximum.accumulate(np.where(close, 0, np.arange(len(clock))))]
