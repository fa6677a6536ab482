"""Text -> records of fields: separators, quotes and line breaks as in csv; which record names the columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["BLANKS", "Quoted", "Record", "records", "shape_of"]

BLANKS = " \t\xa0"
"""What may stand around a field without being part of it."""

_BREAK = re.compile(r"\r\n|\n|\r")
_WORD = re.compile(r'"((?:[^"]|"")*)"|[^ \t\xa0]+')
_SEARCHED = 200
"""Lines among which the names of the columns are looked for."""


class Quoted(str):
    """A field that stood in quotes: its blanks are its own, and it starts no remark."""

    __slots__ = ()


class Record(NamedTuple):
    """The fields of one row, and the line of the file on which it begins."""

    line: int
    fields: list[str]


def records(text: str, separator: str | None) -> Iterator[Record]:
    r"""Yield the records of a text; blank lines give none.

    A line ends at ``\n``, ``\r\n`` or ``\r`` outside quotes and nowhere else. Blanks around a field are not part of
    it, those inside quotes are; two quotes inside quotes are one.

    Parameters
    ----------
    text : str
    separator : str or None
        None: blanks.

    Examples
    --------
    >>> [record.fields for record in records('ID, "a\nb"\r\n1 ," ""x"" "', ",")]
    [['ID', 'a\nb'], ['1', ' "x" ']]
    """
    if separator is None:
        for line, part in enumerate(_BREAK.split(text), start=1):
            words = [Quoted(m[1].replace('""', '"')) if m[1] is not None else m[0] for m in _WORD.finditer(part)]
            if words:
                yield Record(line, words)
    elif '"' in text:
        yield from _quoted_records(text, separator)
    else:
        spaced = any(blank in text for blank in BLANKS if blank != separator)
        for line, part in enumerate(_BREAK.split(text), start=1):
            fields = [field.strip(BLANKS) for field in part.split(separator)] if spaced else part.split(separator)
            if any(fields):
                yield Record(line, fields)


def _quoted_records(text: str, separator: str) -> Iterator[Record]:
    """Yield the records of a text with quotes."""
    blanks = BLANKS.replace(separator, "")
    field = re.compile(
        rf'[{blanks}]*"((?:[^"]|"")*)"([^{separator}\r\n]*)({separator}|\r\n|\n|\r|\Z)'
        rf"|([^{separator}\r\n]*)({separator}|\r\n|\n|\r|\Z)"
    )
    fields: list[str] = []
    place, line, first = 0, 1, 1
    while place <= len(text):
        match = field.match(text, place)
        assert match is not None
        quoted = match[1] is not None
        fields.append(
            Quoted(match[1].replace('""', '"') + match[2].strip(BLANKS)) if quoted else match[4].strip(BLANKS)
        )
        line += len(_BREAK.findall(match[0]))
        place = match.end()
        if (match[3] if quoted else match[5]) != separator:
            if any(fields):
                yield Record(first, fields)
            fields, first = [], line
            if place == len(text):
                return


@dataclass(frozen=True, slots=True)
class Shape:
    """How a text is laid out: its separator, and the line of the record that names the columns (None: not found)."""

    separator: str | None
    header: int | None


def shape_of(text: str, subjects: Set[str], times: Set[str]) -> Shape:
    """Find the names of the columns: the first record that names a subject and a time, over rows of its length.

    Parameters
    ----------
    text : str
    subjects, times : set of str
        Names of such columns, in upper case.
    """
    ends = [match.end() for match, _ in zip(_BREAK.finditer(text), range(_SEARCHED), strict=False)]
    text = text[: ends[-1]] if len(ends) == _SEARCHED else text
    separator = _separator(text)
    candidates = []
    for each in dict.fromkeys((separator, ",", ";", "\t", None)):
        head = list(records(text, each))
        for k, record in enumerate(head):
            names = {field.lstrip("#").strip().upper() for field in record.fields}
            if names & subjects and names & times:
                follows = len(_trimmed(head[k + 1].fields)) if k + 1 < len(head) else 0
                fits = abs(len(record.fields) - follows) <= 1
                candidates.append((not fits, record.line, -len(record.fields), each))
    if not candidates:
        return Shape(separator, None)
    _, line, _, chosen = min(candidates, key=lambda c: c[:3])
    return Shape(chosen, line)


def _trimmed(fields: Sequence[str]) -> Sequence[str]:
    """Return fields without the empty ones at the end."""
    n = len(fields)
    while n and not fields[n - 1]:
        n -= 1
    return fields[:n]


def _separator(text: str) -> str | None:
    """Return what separates the fields of the first line that is no remark."""
    lines = [line for line in _BREAK.split(text) if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), lines[0] if lines else "")
    return next((mark for mark in (",", ";", "\t") if mark in first), None)
