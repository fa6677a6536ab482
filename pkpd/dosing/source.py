"""Data files as found in the wild: separators, byte-order marks, comment rows, trailing commas, marks for missing."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Source", "from_file", "from_frame"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMENT = re.compile(r"[Cc](\s|\d|$)")


@dataclass
class Source:
    """Columns as they were read: texts (None where missing), or numbers if a data frame held numbers.

    ``row`` numbers the rows from 1 as they stand in the source, comment rows included; ``line`` is the line in the
    file.
    """

    name: str
    names: list[str]
    columns: list[np.ndarray]
    row: np.ndarray
    line: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


def from_file(path: str | Path, missing: Sequence[str]) -> Source:
    """Read a text table with a header line; the separator is a comma, semicolon, tab or blanks.

    Raises
    ------
    DataError
        If there is no such file, no header or no row, or rows have another number of fields than the header.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    split = _fields(text)
    header, rows, lines = [], [], []
    for line, fields in split:
        if not any(fields) or (not header and _is_remark(fields)):
            continue
        if header:
            rows.append(fields)
            lines.append(line)
        else:
            header = [fields[0].lstrip("#").strip(), *fields[1:]]
    if not rows:
        raise DataError(f"{path.name}: {'there are no rows under the header' if header else 'the file is empty'}")
    if _NUMBER.fullmatch(header[0]):
        raise DataError(
            f"{path.name}: the first line must name the columns (ID, TIME, AMT, ...), got {header[0]!r} ..."
        )
    comment = _comments([fields[0] for fields in rows], missing)
    row, line = np.arange(1, len(rows) + 1)[~comment], np.array(lines)[~comment]
    rows = [fields for fields, out in zip(rows, comment, strict=True) if not out]
    rows = _rectangle(path.name, header, rows, row, line)
    marks = set(missing)
    columns = [_texts(column, marks) for column in zip(*rows, strict=True)] or [np.empty(0, object) for _ in header]
    source = Source(path.name, header, columns, row, line)
    return _tidy(source, int(comment.sum()))


def from_frame(frame: pd.DataFrame, missing: Sequence[str]) -> Source:
    """Take the columns of a data frame; its index is not used."""
    marks = set(missing)
    names = [str(name).strip() for name in frame.columns]
    columns = [_column(frame.iloc[:, k], marks) for k in range(len(names))]
    if not names or not len(frame):
        raise DataError("events: the data frame has no rows")
    row = np.arange(1, len(frame) + 1)
    first = columns[0]
    comment = np.zeros(len(frame), bool)
    if first.dtype == object:
        comment = _comments(["" if value is None else value for value in first], missing)
    source = Source("events", names, [column[~comment] for column in columns], row[~comment])
    return _tidy(source, int(comment.sum()))


def _fields(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the stripped fields of each line."""
    lines = text.splitlines()
    head = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    head = head or next((line for line in lines if line.strip()), "")
    separator = next((mark for mark in (",", ";", "\t") if mark in head), None)
    if separator is None:
        for number, line in enumerate(lines, start=1):
            yield number, [part.strip('"') for part in line.split()] or [""]
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for fields in reader:
        yield reader.line_num, [part.strip() for part in fields] or [""]


def _is_remark(fields: Sequence[str]) -> bool:
    """Whether a line before the header is a remark: it starts with # and is not ``#ID ...``."""
    return fields[0].startswith("#") and fields[0].lstrip("# ").upper() not in ("ID", "C")


def _comments(first: Sequence[str], missing: Sequence[str]) -> np.ndarray:
    """Mark the comment rows by their first field.

    ``#`` and ``@`` always start one. ``C`` does where all other rows start with a number: subjects may be called C12.
    """
    signed = np.array([text.startswith(("#", "@")) for text in first], dtype=bool)
    lettered = np.array([_COMMENT.match(text) is not None for text in first], dtype=bool)
    others = [text for text, a, b in zip(first, signed, lettered, strict=True) if not (a or b)]
    if lettered.any() and others and all(text in missing or _NUMBER.fullmatch(text) for text in others):
        return signed | lettered
    return signed


def _rectangle(
    name: str, header: Sequence[str], rows: list[list[str]], row: np.ndarray, line: np.ndarray
) -> list[list[str]]:
    """Cut trailing empty fields; refuse rows that are then not as long as the header."""
    n = len(header)
    rows = [fields[:n] if len(fields) > n and not any(fields[n:]) else fields for fields in rows]
    ragged = [k for k, fields in enumerate(rows) if len(fields) != n]
    if ragged:
        k = ragged[0]
        have = "rows have" if len(ragged) > 1 else "row has"
        raise DataError(
            f"{name}: {len(ragged)} {have} another number of fields than the header "
            f"(first: row {row[k]}, line {line[k]}, {len(rows[k])} fields instead of {n})"
        )
    return rows


def _texts(values: Sequence[str], marks: set[str]) -> np.ndarray:
    """Return texts as an object array, None where missing."""
    column = np.empty(len(values), dtype=object)
    column[:] = [None if value in marks else value for value in values]
    return column


def _column(series: Any, marks: set[str]) -> np.ndarray:
    """Return a data frame's column as numbers (int64 or float64) or as texts."""
    kind = series.dtype.kind if hasattr(series.dtype, "kind") else "O"
    if kind in "iub" and not series.isna().any():
        return series.to_numpy().astype(np.int64)
    if kind in "iubf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    absent = series.isna().to_numpy()
    values = ["" if out else str(value).strip() for value, out in zip(series, absent, strict=True)]
    return _texts(values, marks | {""})


def _tidy(source: Source, comments: int) -> Source:
    """Drop columns without a name and values, and the column of comment marks; note what was left out."""
    if comments:
        source.notes.append(f"{comments} comment row{'s' if comments > 1 else ''} left out")
    kept: list[int] = []
    for k, (name, column) in enumerate(zip(source.names, source.columns, strict=True)):
        empty = all(value is None for value in column) if column.dtype == object else bool(np.isnan(column).all())
        if not name and not empty:
            raise DataError(f"{source.name}: column {k + 1} has no name; name it in the header, or remove it")
        if name and not (k == 0 and name.upper() == "C" and empty):
            kept.append(k)
    source.names = [source.names[k] for k in kept]
    source.columns = [source.columns[k] for k in kept]
    if not len(source.row):
        raise DataError(f"{source.name}: all rows are comments")
    return source
