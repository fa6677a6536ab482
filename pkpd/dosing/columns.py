"""Names and types of the columns of an event table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from pkpd.errors import DataError, nearest

__all__ = ["CORE", "DATES", "KEPT", "RESERVED", "SUBJECTS", "TIMES", "final_names", "named_columns", "numbers", "whole"]

DATES = ("DATE", "DAT1", "DAT2", "DAT3")
CORE = ("ID", "TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS", "DV", "MDV")
KEPT = ("DVID", "OCC", "BLQ", "LLOQ", "CENS", "LIMIT", "L2", "PCMT", "CALL", "CONT")
"""Columns with a meaning of their own that are neither dosing nor covariates."""
RESERVED = frozenset({*CORE, *KEPT, *DATES, "TINF"})

_ALIASES = {
    "ID": ("SUBJECT", "SUBJ", "SUBJID", "USUBJID", "PATIENT", "PAT", "PID", "NMID", "SUBJECTID"),
    "TIME": ("T", "HOUR", "HOURS", "TAFD", "T_H", "TIMEH", "HRS"),
}
SUBJECTS = frozenset({"ID", *_ALIASES["ID"]})
TIMES = frozenset({"TIME", *_ALIASES["TIME"], *DATES})
"""Names, in upper case, by which the row that names the columns is known."""

_NO_DIGIT = re.compile(r"[^0-9+-]")
_NO_NUMBER = re.compile(r"[^0-9+\-.eE]")
_WHOLE = ("EVID", "ADDL", "SS", "MDV", "CMT")


def named_columns(
    who: str, names: Sequence[str], values: Sequence[np.ndarray], rename: Mapping[str, str] | None
) -> dict[str, np.ndarray]:
    """Return the columns by name: renamed as asked, reserved names in upper case, none twice.

    Raises
    ------
    DataError
        If a column to rename is not there, two columns have one name, or ID or TIME is missing.
    """
    for name in rename or {}:
        if name not in names:
            raise DataError(f"{who}: there is no column {name!r}; it has {', '.join(names)}{nearest(name, names)}")
    final = final_names(names, rename)
    seen: dict[str, list[str]] = {}
    for old, new in zip(names, final, strict=True):
        seen.setdefault(new, []).append(old)
    twice = {new: old for new, old in seen.items() if len(old) > 1}
    if twice:
        new, old = next(iter(twice.items()))
        more = f" (and {len(twice) - 1} more)" if len(twice) > 1 else ""
        raise DataError(f"{who}: duplicate columns: {len(old)} are {new} ({', '.join(old)}){more}; keep one of them")
    for needed, aliases in _ALIASES.items():
        if needed not in seen:
            other = next((name for name in names if name.upper() in aliases), None)
            hint = f"columns={{{other or '...'!r}: {needed!r}}}"
            raise DataError(f"{who}: column {needed} is missing; it has {', '.join(names)}; name it with {hint}")
    return dict(zip(final, values, strict=True))


def final_names(names: Sequence[str], rename: Mapping[str, str] | None) -> list[str]:
    """Return the names as they will be: changed as asked, reserved ones in upper case."""
    final = [(rename or {}).get(name, name) for name in names]
    return [name.upper() if name.upper() in RESERVED else name for name in final]


def numbers(name: str, values: np.ndarray, decimal: str = ".") -> tuple[np.ndarray, np.ndarray]:
    """Return a column as int64 (whole and complete) or float64 (NaN where missing), and which values are no numbers.

    Parameters
    ----------
    name : str
    values : ndarray of int64, float64 or str (None where missing)
    decimal : {".", ","}
        What stands before the decimals of texts.

    Examples
    --------
    >>> numbers("WT", np.array(["70", "81.5", None], dtype=object))
    (array([70. , 81.5,  nan]), array([False, False, False]))
    """
    none = np.zeros(len(values), dtype=bool)
    if values.dtype != object:
        return whole(values) if name in _WHOLE else values, none
    pointed = decimal == "," and any(value is not None and "." in value for value in values)
    plain = None if pointed else _plain(values)
    if plain is not None:
        return whole(plain) if name in _WHOLE else plain, none
    result = np.full(len(values), np.nan)
    bad = none.copy()
    for k, value in enumerate(values):
        if value is not None:
            number = _number(value, decimal)
            bad[k] = number is None
            result[k] = np.nan if number is None else number
    return whole(result) if name in _WHOLE else result, bad


def _plain(values: np.ndarray) -> np.ndarray | None:
    """Return texts that are all plain numbers at once: int64 (whole and complete) or float64; None if some are not."""
    present = [value for value in values.tolist() if value is not None]
    written = "".join(present)
    try:
        if len(present) == len(values) > 0 and not _NO_DIGIT.search(written) and max(map(len, present)) <= 18:
            return np.array(list(map(int, present)), dtype=np.int64)
        if _NO_NUMBER.search(written):
            return None
        numbers = np.array(list(map(float, present)), dtype=np.float64)
    except ValueError:
        return None
    result = np.full(len(values), np.nan)
    result[[value is not None for value in values.tolist()]] = numbers
    return result


def _number(text: str, decimal: str) -> float | None:
    """Return a finite or infinite number, or None for other text."""
    if "_" in text or "nan" in text.lower():
        return None
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return None


def whole(values: np.ndarray) -> np.ndarray:
    """Return whole floats as int64, if they fit."""
    if values.dtype == np.int64 or not np.isfinite(values).all() or (values != np.rint(values)).any():
        return values
    return values.astype(np.int64) if (np.abs(values) < 2.0**63).all() else values
