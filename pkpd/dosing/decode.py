"""Bytes of a file -> its text, or what the file is if it is none."""

from __future__ import annotations

import io
import zipfile

from pkpd.errors import DataError

__all__ = ["decoded"]

_SHEET = "save the sheet as csv, or give read_events(pandas.read_excel(path)), which needs openpyxl"
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", _SHEET),
    (b"\x1f\x8b", "compressed by gzip", "unpack it first, or give read_events(pandas.read_csv(path))"),
    (b"PAR1", "a parquet file", "give read_events(pandas.read_parquet(path))"),
    (b"ARROW1", "an Arrow (feather) file", "give read_events(pandas.read_feather(path))"),
    (b"HEADER RECORD*******", "a SAS transport file", "give read_events(pandas.read_sas(path, format='xport'))"),
    (b"\x00" * 12 + b"\xc2\xea\x81\x60", "a SAS data set", "give read_events(pandas.read_sas(path))"),
    (b"\x89HDF", "an HDF5 (NetCDF) file", "give a csv, or a data frame made of it"),
    (b"%PDF", "a PDF", "give the data as csv"),
)
_ARCHIVES = (
    ("xl/workbook", "an Excel workbook", _SHEET),
    ("content.xml", "an OpenDocument sheet", "save the sheet as csv"),
    ("", "a zip archive", "unpack it first"),
)


def decoded(name: str, raw: bytes) -> tuple[str, list[str]]:
    """Return the text of a file and notes on how it was read: UTF-8, UTF-16 or UTF-32, else Windows' Latin-1.

    Raises
    ------
    DataError
        If it is no text; the message says what it is and what to do.
    """
    for mark, what, remedy in _MARKS:
        if raw.startswith(mark):
            raise DataError(f"{name}: is {what}, not text; {remedy}")
    if raw.startswith(b"PK\x03\x04"):
        what, remedy = _archive(raw)
        raise DataError(f"{name}: is {what}, not text; {remedy}")
    coding = _unicode(raw)
    if coding is None:
        raise DataError(f"{name}: is not text (it holds zero bytes); give the data as csv, or as a data frame")
    try:
        return _plain(raw.decode(coding)), []
    except UnicodeDecodeError as error:
        if coding != "utf-8-sig":
            raise DataError(
                f"{name}: begins as {coding.upper()}, but byte {error.start} is none; save it as UTF-8"
            ) from None
    notes = ["the text is not UTF-8: it is read as Windows' Latin-1 (cp1252)"]
    try:
        return _plain(raw.decode("cp1252")), notes
    except UnicodeDecodeError:
        return _plain(raw.decode("latin-1")), ["the text is not UTF-8: it is read as Latin-1"]


def _unicode(raw: bytes) -> str | None:
    """Return the encoding that the byte-order mark or the place of zero bytes tells; None if it is no text."""
    if raw.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "utf-32"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if 0 not in raw:
        return "utf-8-sig"
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    if len(raw) % 2 == 0 and max(even, odd) > 0.4 * len(raw) / 2 and min(even, odd) == 0:
        return "utf-16-le" if odd else "utf-16-be"
    return None


def _plain(text: str) -> str:
    """Return the text without byte-order marks before it and without the end mark of DOS."""
    return text.lstrip("\ufeff").rstrip("\x1a")


def _archive(raw: bytes) -> tuple[str, str]:
    """Return what a zip archive is and what to do with it."""
    try:
        names = zipfile.ZipFile(io.BytesIO(raw)).namelist()
    except zipfile.BadZipFile:
        names = []
    return next((what, remedy) for part, what, remedy in _ARCHIVES if not part or any(part in n for n in names))
