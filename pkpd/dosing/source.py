"""Data files as found in the wild: remarks, comment rows, trailing commas, row numbers, marks for missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.columns import SUBJECTS, TIMES
from pkpd.dosing.decode import decoded
from pkpd.dosing.fields import BLANKS, Quoted, Record, records, shape_of
from pkpd.dosing.identity import label_texts, plain_text
from pkpd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableSource", "from_file", "from_frame", "needs_quotes"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMENT = re.compile(r"[Cc](\s|\d|$)")
_TABLE = re.compile(r"TABLE\s+NO\.?\s*(\d+)", re.IGNORECASE)
_COUNTED = re.compile(r"Unnamed: \d+")
"""What pandas calls a column without a name."""


@dataclass
class TableSource:
    """Columns as they were read: texts (None where missing), or numbers if a data frame held numbers.

    ``row`` numbers the rows from 1 as they stand in the source, comment rows included; ``line`` is the line in the
    file. ``hours`` names columns that are in h already (durations of a data frame); ``nonmem`` tells of a table that
    NONMEM wrote.
    """

    name: str
    names: list[str]
    columns: list[np.ndarray]
    row: np.ndarray
    line: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    hours: set[str] = field(default_factory=set)
    nonmem: bool = False


def from_file(
    path: str | Path,
    missing: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> TableSource:
    """Read a text table; the separator is a comma, semicolon, tab or blanks.

    Parameters
    ----------
    path : path
    missing : sequence of str
        What marks a missing value.
    names : sequence of str, optional
        Names of the columns of a file that does not name them.
    rename : mapping, optional
        Names that will be changed: with them the header is found too.

    Raises
    ------
    DataError
        If there is no such file, it is no text, it has no header or no row, or rows have another number of fields.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    text, notes = decoded(path.name, raw)
    targets = {old.upper(): new.upper() for old, new in (rename or {}).items()}
    shape = shape_of(
        text,
        SUBJECTS | {old for old, new in targets.items() if new == "ID"},
        TIMES | {old for old, new in targets.items() if new in TIMES},
    )
    found = list(records(text, shape.separator))
    tables = {number for record in found if (number := _table_number(record.fields)) is not None}
    if len(tables) > 1:
        raise DataError(f"{path.name}: holds {len(tables)} tables (lines TABLE NO.); give each table a file of its own")
    header, rows = _head(path.name, found, shape.header, names, notes)
    rows = _body(header, rows, notes)
    if not rows:
        raise DataError(f"{path.name}: {'there are no rows under the header' if header else 'the file is empty'}")
    first = [record.fields[0] for record in rows]
    comment = _comments(first, missing)
    kept = [record for record, out in zip(rows, comment, strict=True) if not out]
    row, line = np.arange(1, len(rows) + 1)[~comment], np.array([record.line for record in kept], dtype=np.int64)
    header = _row_names(header, [record.fields for record in kept])
    cells = _rectangle(path.name, header, [record.fields for record in kept], row, line)
    identity = [(rename or {}).get(title, title).upper() == "ID" for title in header]
    columns = (
        [
            _texts(column, set(missing), identity=own)
            for own, column in zip(identity, zip(*cells, strict=True), strict=True)
        ]
        if cells
        else [np.empty(0, object) for _ in header]
    )
    source = TableSource(path.name, header, columns, row, line, notes, nonmem=bool(tables))
    return _tidy(source, [text for text, out in zip(first, comment, strict=True) if out])


def from_frame(
    frame: pd.DataFrame, missing: Sequence[str], *, rename: Mapping[str, str] | None = None, comments: bool = True
) -> TableSource:
    """Take the columns of a data frame; its index is not used.

    Parameters
    ----------
    frame : pandas.DataFrame
    missing : sequence of str
        What marks a missing value.
    rename : mapping, optional
        Names that will be changed: which column holds the subjects.
    comments : bool
        Whether a first column of texts may mark comment rows.
    """
    marks = set(missing)
    names = [str(name).strip() for name in frame.columns]
    if not names or not len(frame):
        raise DataError("events: the data frame has no rows")
    index = [str(name) for name in frame.index.names if name is not None and str(name) not in names]
    if any(name.upper() in SUBJECTS for name in index) and not any(name.upper() == "ID" for name in names):
        raise DataError(f"events: {index[0]} is in the index of the data frame; give frame.reset_index()")
    new = [(rename or {}).get(name, name).upper() for name in names]
    hours: set[str] = set()
    columns = []
    for k, name in enumerate(names):
        series = frame.iloc[:, k]
        if series.dtype.kind == "m":
            hours.add(name)
        columns.append(_identity(series, marks) if new[k] == "ID" else _column(series, marks))
    row = np.arange(1, len(frame) + 1)
    comment, first = np.zeros(len(frame), bool), [""] * len(frame)
    if comments and columns[0].dtype == object:
        first = ["" if value is None else value for value in columns[0]]
        # A person of a data frame may be called C1; a row that is commented out so stands in files only.
        comment = _comments(["" if text[1:2].isdigit() else text for text in first], missing)
    source = TableSource("events", names, [column[~comment] for column in columns], row[~comment], hours=hours)
    return _tidy(source, [text for text, out in zip(first, comment, strict=True) if out])


def _head(
    name: str, found: Sequence[Record], header: int | None, names: Sequence[str] | None, notes: list[str]
) -> tuple[list[str], list[Record]]:
    """Return the names of the columns and the records under them; note what stands above."""
    if names is not None:
        return _given_names(name, found, header, [str(n) for n in names])
    at = next((k for k, record in enumerate(found) if record.line == header), None)
    if at is None:
        at = next((k for k, record in enumerate(found) if not _is_remark(record.fields)), len(found))
    if at == len(found):
        return [], []
    if at:
        notes.append(f"{at} line{'s' if at > 1 else ''} above the header left out")
    fields = found[at].fields
    numeric = next((text for text in fields if _NUMBER.fullmatch(text)), None)
    if numeric is not None:
        raise DataError(
            f"{name}: the first line must name the columns (ID, TIME, AMT, ...), got {fields[0]!r} ...; for a file "
            "without a header give names=['ID', 'TIME', ...]"
        )
    return [fields[0].lstrip("#").strip(), *(text.strip() for text in fields[1:])], list(found[at + 1 :])


def _given_names(
    name: str, found: Sequence[Record], header: int | None, names: list[str]
) -> tuple[list[str], list[Record]]:
    """Return the given names and all records but the remarks before the first row."""
    line = next((record for record in found if record.line == header), None)
    if line is not None:
        raise DataError(
            f"{name}: names are given, but line {line.line} names the columns ({', '.join(line.fields)}); leave names "
            "out, or change names with columns={...}"
        )
    rows = [record for record in found if not _is_remark(record.fields)]
    if rows and len(rows[0].fields) != len(names) and any(rows[0].fields[len(names) :]):
        raise DataError(f"{name}: {len(names)} names are given for {len(rows[0].fields)} columns ({', '.join(names)})")
    return names, rows


def _body(header: Sequence[str], rows: list[Record], notes: list[str]) -> list[Record]:
    """Leave out lines ``TABLE NO.`` and headers that come again, as in NONMEM's tables of many rows."""
    kept = [record for record in rows if _table_number(record.fields) is None]
    titles = list(header)
    again = sum(record.fields == titles for record in kept)
    if again:
        notes.append(f"the header comes again {again} time{'s' if again > 1 else ''}: left out")
    return [record for record in kept if record.fields != titles] if again else kept


def _table_number(fields: Sequence[str]) -> int | None:
    """Return the number of a line ``TABLE NO.`` of NONMEM, None of another."""
    if not fields[0].upper().startswith("TABLE"):
        return None
    match = _TABLE.fullmatch(" ".join(fields))
    return None if match is None else int(match[1])


def _is_remark(fields: Sequence[str]) -> bool:
    """Whether a line before the header is a remark: it starts with # and is not ``#ID ...``."""
    return fields[0].startswith("#") and fields[0].lstrip("# ").upper() not in ("ID", "C")


def needs_quotes(label: str, missing: Sequence[str]) -> bool:
    """Whether an identifier would be read as something else if it stood in a file without quotes."""
    return (
        label != label.strip(BLANKS) or label in missing or label[:1] in ("#", "@", '"') or bool(_COMMENT.match(label))
    )


def _comments(first: Sequence[str], missing: Sequence[str]) -> np.ndarray:
    """Mark the comment rows by their first field.

    ``#`` and ``@`` start one, but not in quotes. ``C`` does where all other rows start with a number: subjects may be
    called C12.
    """
    plain = ["" if isinstance(text, Quoted) else text for text in first]
    signed = np.array([text.startswith(("#", "@")) for text in plain], dtype=bool)
    lettered = np.array([_COMMENT.match(text) is not None for text in plain], dtype=bool)
    others = [text for text, a, b in zip(first, signed, lettered, strict=True) if not (a or b)]
    if lettered.any() and others and all(text in missing or _NUMBER.fullmatch(text) for text in others):
        return signed | lettered
    return signed


def _row_names(header: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Name the first column where the header has one field less than all rows, as R writes its row names."""
    if rows and all(len(fields) == len(header) + 1 for fields in rows) and _counts([fields[0] for fields in rows]):
        return ["", *header]
    return header


def _counts(values: Sequence[Any]) -> bool:
    """Whether values are whole numbers from 0 on that rise: a column that counts rows."""
    texts = [str(value) for value in values]
    if not texts or not all(text.isascii() and text.isdecimal() for text in texts):
        return False
    numbers = [int(text) for text in texts]
    return all(a < b for a, b in pairwise(numbers))


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


def _texts(values: Sequence[str], marks: set[str], *, identity: bool = False) -> np.ndarray:
    """Return texts without the blanks around them as an object array, None where missing.

    Of identifiers the blanks are kept that stand in quotes or in a data frame, and marks of missing values in quotes.
    """
    column = np.empty(len(values), dtype=object)
    if identity:
        kept = [isinstance(value, Quoted) and value.strip(BLANKS) != "" for value in values]
        column[:] = [
            None if value.strip(BLANKS) in marks and not own else value for value, own in zip(values, kept, strict=True)
        ]
    elif any(type(value) is Quoted for value in values):
        column[:] = [None if (bare := value.strip(BLANKS)) in marks else bare for value in values]
    else:
        column[:] = [None if value in marks else value for value in values]
    return column


def _column(series: Any, marks: set[str]) -> np.ndarray:
    """Return a data frame's column as numbers (int64 or float64; durations in h) or as texts."""
    import pandas as pd

    kind = series.dtype.kind if hasattr(series.dtype, "kind") else "O"
    if kind in "iub" and not series.isna().any():
        if kind == "u" and int(series.max()) >= 2**63:
            return series.to_numpy(dtype=np.float64)
        return series.to_numpy().astype(np.int64)
    if kind in "iubf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if kind == "m":
        return (pd.to_timedelta(series) / pd.Timedelta(hours=1)).to_numpy(dtype=np.float64)
    absent = series.isna().to_numpy()
    values = ["" if out else plain_text(value).strip(BLANKS) for value, out in zip(series, absent, strict=True)]
    return _texts(values, marks | {""})


def _identity(series: Any, marks: set[str]) -> np.ndarray:
    """Return a data frame's identifiers as texts, or as int64 where they are whole numbers of that size."""
    absent = series.isna().to_numpy()
    if series.dtype.kind == "i" and not absent.any():
        return series.to_numpy().astype(np.int64)
    # Iterating over a series of short floats gives long ones, with other digits.
    values = series.to_numpy(dtype=f"f{series.dtype.itemsize}", na_value=np.nan) if series.dtype.kind == "f" else series
    texts = label_texts("" if out else value for value, out in zip(values, absent, strict=True))
    return _texts(texts.tolist(), marks | {""}, identity=True)


def _tidy(source: TableSource, comments: Sequence[str]) -> TableSource:
    """Drop columns without a name that are empty or count rows, and that of comment marks; note what was left out."""
    if comments:
        note = f"{len(comments)} comment row{'s' if len(comments) > 1 else ''} left out"
        called = next((text for text in comments if text[1:2].isdigit()), None)
        source.notes.append(note if called is None else f"{note} ({called} ...; an ID of that text stands in quotes)")
    kept: list[int] = []
    for k, (name, column) in enumerate(zip(source.names, source.columns, strict=True)):
        empty = all(value is None for value in column) if column.dtype == object else bool(np.isnan(column).all())
        nameless = not name or _COUNTED.fullmatch(name) is not None
        if k == 0 and nameless and not empty and _counts(column.tolist()):
            source.notes.append("the first column has no name and counts rows: left out")
            continue
        if not name and not empty:
            raise DataError(f"{source.name}: column {k + 1} has no name; name it in the header, or remove it")
        if name and not (k == 0 and name.upper() == "C" and empty):
            kept.append(k)
    source.names = [source.names[k] for k in kept]
    source.columns = [source.columns[k] for k in kept]
    if not len(source.row):
        raise DataError(f"{source.name}: all rows are comments")
    return source
