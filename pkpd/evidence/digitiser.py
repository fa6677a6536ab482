"""Files that digitisers write: one series in two columns, or several over pairs of columns."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from pkpd.evidence.reading import Sink, read_text

__all__ = ["Series", "is_date", "read_export"]

_QUOTED = re.compile(r'"[^"]*"')
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
#: might be thousands as well
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_DATE = re.compile(
    r"\d{1,4}[-/]\d{1,2}([-/]\d{1,4})?([ T].*)?|\d{1,2}\.\d{1,2}\.\d{2,4}.*|\d{1,2}:\d\d.*"
    r"|\d{1,2}[-. ]*(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec).*",
    re.IGNORECASE,
)

_Lines = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Series:
    """One series of a file.

    Attributes
    ----------
    name : str
        As the file has it; its number, from 1, where it has none.
    points : tuple of (int, str, str)
        Line in the file, x and y as texts; decimals have a point, unless it cannot be told what a comma is.
    """

    name: str
    points: tuple[tuple[int, str, str], ...]


def read_export(path: Path, sink: Sink) -> list[Series] | None:
    """Return the series of a file, noting what is wrong with it; None if its cells cannot be told apart.

    Several series stand over pairs of columns: a row of names, a row ``X, Y, X, Y``, then the points, of which some
    series have fewer. Of one series all rows above the first number are a header.

    Parameters
    ----------
    path : Path
        UTF-8, with commas, semicolons or tabs; with semicolons, tabs or quotes decimals may have commas.
    sink : Sink
        Gets what is wrong, with its line.
    """
    text = read_text(path, sink)
    lines = None if text is None else _lines(text, sink)
    if lines is None:
        return None
    names, width, body = _parts(lines)
    if width % 2:
        sink.add(None, "", f"{width} columns named X and Y", None, "export x and y of each series")
        return None
    if not body:
        sink.add(None, "", "there is no point in it", None, "it needs two columns, time and value")
        return None
    body = _pointed(body)
    for line, cells in body:
        if len(cells) > width:
            also = "export several series with their names over X,Y,X,Y, and with semicolons if decimals have commas"
            sink.add(line, "", f"{len(cells)} cells instead of {width}", None, also)
    found: list[Series] = []
    for k in range(0, width, 2):
        whole = [(line, [*cells, *[""] * width]) for line, cells in body if len(cells) <= width]
        pairs = [(line, cells[k], cells[k + 1]) for line, cells in whole]
        name = next((cell for cell in names[k : k + 2] if cell), str(k // 2 + 1))
        found.append(Series(name, tuple(pair for pair in pairs if pair[1] or pair[2])))
    return found


def is_date(cell: str) -> bool:
    """Tell a date, or a time of the day, from a number.

    Examples
    --------
    >>> is_date("2020-03-15"), is_date("15.3.2020"), is_date("8:30"), is_date("-12.5"), is_date("1e-3")
    (True, True, True, False, False)
    """
    return _DATE.fullmatch(cell) is not None


def _lines(text: str, sink: Sink) -> _Lines | None:
    """Return the cells of each line that is not empty, without those that are empty at its end."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    bare = _QUOTED.sub("", text)
    sign = next((sign for sign in (";", "\t") if sign in bare), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, skipinitialspace=True, strict=True)
    out: _Lines = []
    line = 1
    try:
        for row in reader:
            start, line = line, reader.line_num + 1
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                out.append((start, cells))
    except csv.Error as error:
        sink.add(line, "", f"the quotes do not match ({error})", None, "write a quote within quotes twice")
        return None
    return out


def _parts(lines: _Lines) -> tuple[list[str], int, _Lines]:
    """Return the names of the series, the number of columns, and the rows of points."""
    for k, (_, cells) in enumerate(lines[:3]):
        if all(cell.lower() == "xy"[i % 2] for i, cell in enumerate(cells)):
            return lines[k - 1][1] if k else [], len(cells), lines[k + 1 :]
    first = next((k for k, (_, cells) in enumerate(lines) if any(map(_is_data, cells))), len(lines))
    return lines[first - 1][1][1:2] if first else [], 2, lines[first:]


def _is_data(cell: str) -> bool:
    """Tell a number, or what looks like one that went wrong, from a word of a header."""
    return cell[:1].isdigit() or cell[:2].strip("+-.,")[:1].isdigit()


def _pointed(body: _Lines) -> _Lines:
    """Return the rows with decimal points in place of decimal commas; not if it has points, or all may be thousands."""
    every = [cell for _, cells in body for cell in cells]
    commas = list(filter(_COMMA.fullmatch, every))
    if any(map(_POINT.fullmatch, every)) or all(map(_EITHER.fullmatch, commas)):
        return body
    return [(line, [c.replace(",", ".") if _COMMA.fullmatch(c) else c for c in cells]) for line, cells in body]
