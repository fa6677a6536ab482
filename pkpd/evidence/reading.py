"""Tables and source cards as they stand in their files, with the line of every row."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from pkpd.errors import UnitError, nearest
from pkpd.evidence.faults import SeedFault
from pkpd.evidence.words import KNOWN
from pkpd.units import conversion, parse

__all__ = ["Row", "Sink", "read_rows", "read_text", "read_toml", "to_number"]

# What UTF-8 looks like after it was read as Latin-1 or Windows-1252, and the sign put in place of a lost character.
_BROKEN = re.compile("\ufffd|[ÃÂ][\u0080-\u00bf]|â€|Âµ")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass
class Sink:
    """Collects the faults of one file."""

    file: str
    faults: list[SeedFault]

    def add(self, line: int | None, column: str, problem: str, got: str | None = None, remedy: str = "") -> None:
        """Note a fault."""
        self.faults.append(SeedFault(self.file, line, column, problem, got, remedy))


@dataclass
class Row:
    """Cells of one line, read one by one; a cell that cannot be understood is noted and read as absent.

    Line 0 is that of a row that stands in no file.
    """

    line: int
    cells: dict[str, str]
    sink: Sink

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def fault(self, column: str, problem: str, remedy: str = "", *, show: bool = True) -> None:
        """Note that a cell is wrong; ``show`` quotes it."""
        got = self.cells.get(column) if show and column else None
        self.sink.add(self.line or None, column, problem, got, remedy)

    def text(self, column: str, why: str) -> str:
        """Return a cell that must not be empty."""
        if not self.cells[column]:
            self.fault(column, f"{column} is empty", why, show=False)
        return self.cells[column]

    def word(self, column: str, allowed: Collection[str], *, optional: bool = False, more: str = "") -> str | None:
        """Return a cell that must be one of some words, or None; ``more`` is what to do about an unknown one."""
        word = self.cells[column]
        if word in allowed or (optional and not word):
            return word
        listed = ", ".join(allowed) or "none"
        if word:
            self.fault(column, f"unknown {column}", f"allowed: {listed}{nearest(word, allowed)}{more}")
        else:
            self.fault(column, f"{column} is empty", f"allowed: {listed}", show=False)
        return None

    def number(self, column: str, rule: str = "", holds: Callable[[float], bool] | None = None) -> float | None:
        """Return a cell as a number, or None if it is empty or no number; ``holds`` is what ``rule`` says."""
        text = self.cells[column]
        if not text:
            return None
        value = to_number(text)
        if value is None:
            self.fault(column, "no number", "write digits with a point for decimals, without separators of thousands")
        elif holds is not None and not holds(value):
            self.fault(column, f"{column} must be {rule}")
            return None
        return value

    def converts(self, column: str, unit: str, what: str) -> None:
        """Note a cell with a unit that does not convert to another."""
        try:
            conversion(self.cells[column], unit)
        except UnitError as error:
            self.fault(column, f"the unit of {what} must convert to {unit or 'a number without a unit'}", str(error))

    def reads(self, column: str) -> None:
        """Note a cell that is not a unit at all."""
        try:
            parse(self.cells[column])
        except UnitError as error:
            self.fault(column, "no unit", str(error))

    def origin(self, *, refused: str = "") -> tuple[str, str, str]:
        """Return ``known``, ``where`` and ``reason``; ``refused`` says why a reason is needed in any case."""
        known = self.word("known", KNOWN) or ""
        where = self.text("where", "say where in the report it stands: a row of a table, a paragraph, a legend")
        reason = self.cells["reason"]
        if not reason and known in ("derived", "assumed"):
            self.fault("reason", f"reason is empty but the row is {known}", "say how, or why", show=False)
        elif not reason and refused:
            self.fault("reason", f"reason is empty but {refused}", "say why it is not fitted", show=False)
        return known, where, reason


def to_number(text: str) -> float | None:
    """Return a finite number, None for anything else.

    Examples
    --------
    >>> to_number("-1.5e3"), to_number("10,829"), to_number("nan")
    (-1500.0, None, None)
    """
    value = float(text) if _NUMBER.fullmatch(text) else float("nan")
    return value if isfinite(value) else None


def read_text(path: Path, sink: Sink) -> str | None:
    """Return the text of a file, or None if it is missing or not UTF-8."""
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.iterdir() if other.is_file())
        sink.add(None, "", "the file is missing", None, _beside(path.name, beside))
        return None
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02X}"
        sink.add(line, "", "the file is not UTF-8", byte, "save it as UTF-8 (in a spreadsheet: CSV UTF-8)")
        return None


def read_rows(path: Path, columns: Sequence[str], sink: Sink) -> list[Row] | None:
    """Return the rows of a table whose cells can be told apart, or None if its header does not do.

    Parameters
    ----------
    path : Path
        Text with commas and a header line, UTF-8.
    columns : sequence of str
        Columns that there must be, in any order; no other is allowed.
    sink : Sink
        Gets what is wrong.
    """
    text = read_text(path, sink)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if header is None:
                header = cells
                if not _header_fits(header, columns, sink, start):
                    return None
            elif len(cells) != len(header):
                remedy = f"the header has {len(header)}; put a cell with a comma in double quotes"
                sink.add(start, "", f"{len(cells)} cells", None, remedy)
            else:
                row = Row(start, dict(zip(header, cells, strict=True)), sink)
                _look_for_broken_text(row)
                rows.append(row)
    except csv.Error as error:
        sink.add(line, "", f"the quotes do not match ({error})", None, "write a quote within quotes twice")
    if header is None:
        sink.add(None, "", "the file is empty", None, f"its first line names the columns: {', '.join(columns)}")
        return None
    return rows


def read_toml(path: Path, sink: Sink) -> dict[str, Any] | None:
    """Return what a TOML file holds, or None if it cannot be read."""
    text = read_text(path, sink)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        sink.add(int(found[1]) if found else None, "", f"no TOML: {error}")
        return None


def _header_fits(header: list[str], columns: Sequence[str], sink: Sink, line: int) -> bool:
    """Tell whether all columns are there; note those that are missing, unknown or twice."""
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        sink.add(line, "", "the columns are separated by semicolons or tabs", None, "save the file with commas")
        return False
    for name in [name for name, times in Counter(header).items() if times > 1 and name]:
        sink.add(line, name, "the column is there twice", None, "keep one")
    strange = [name for name in header if name not in columns]
    missing = [name for name in columns if name not in header]
    for name in strange:
        if name:
            hint = nearest(name, missing or columns)
            sink.add(line, name, "unknown column", None, f"columns are {', '.join(columns)}{hint}")
        else:
            sink.add(line, "", "a column has no name", None, "name it, or delete it")
    for name in missing:
        sink.add(line, name, "the column is missing", None, "add it, with empty cells where nothing is known")
    return not missing and len(set(header)) == len(header)


def _look_for_broken_text(row: Row) -> None:
    for column, cell in row.cells.items():
        if _BROKEN.search(cell):
            row.fault(column, "the text was decoded wrongly", "restore the characters and save as UTF-8")


def _beside(name: str, files: Sequence[str]) -> str:
    listed = ", ".join(files) or "nothing"
    return f"the folder holds {listed}{nearest(name, files)}"
