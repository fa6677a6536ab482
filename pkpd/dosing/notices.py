"""What a reader of a table is told: texts among numbers, codes for missing values, people who come again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["CODES", "comma_hint", "noticed", "odd_times", "text_note", "text_remedy"]

CODES = (-9.0, -99.0, -99.9, -999.0, -999.9, -9999.0)
"""Numbers that often stand for a missing value."""

_COMMAS = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")
_CENSORED = re.compile(r"[<>]=?\s*[\d.,]*|(<\s*)?(BLO?Q|BQL|BLD|LLOQ|ALQ|ULOQ|ND|N\.D\.|LOD)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d*)?([eE][+-]?\d{1,2})?")
_SHOWN = 4


def comma_hint(texts: Sequence[str], decimal: str) -> str:
    """Return the remedy for numbers with commas, after a semicolon; empty where the texts are others.

    Examples
    --------
    >>> comma_hint(["70,5"], "."), comma_hint(["heavy"], ".")
    ("; if the comma stands before decimals, give decimal=','", '')
    """
    if decimal == "." and any(_COMMAS.fullmatch(text) for text in texts):
        return "; if the comma stands before decimals, give decimal=','"
    if decimal == "," and any("." in text and any(c.isdigit() for c in text) for text in texts):
        return "; with decimal=',' a point is no decimal mark"
    return ""


def text_remedy(name: str, texts: Sequence[str], decimal: str) -> str:
    """Return what to do about texts in a column that must hold numbers."""
    if hint := comma_hint(texts, decimal):
        return hint.removeprefix("; ")
    if name == "DV" and any(_CENSORED.fullmatch(text) for text in texts):
        return (
            "a datum below the limit of quantification is written as CENS=1 with the limit as DV (or missing DV and a "
            "column LLOQ), one above as CENS=-1; MDV=1 leaves it out"
        )
    if name == "TIME":
        return "write hours, 10:30 or 2023-01-05 10:30; missing values are marked with missing=..."
    return "numbers are needed; missing values are marked with missing=..."


def text_note(name: str, texts: Sequence[str], decimal: str) -> str:
    """Return the note on a column of texts: no covariate until it holds numbers."""
    kinds = sorted(set(texts))
    shown = ", ".join(kinds[:_SHOWN]) + (", ..." if len(kinds) > _SHOWN else "")
    if hint := comma_hint(texts, decimal):
        return f"{name} is text ({shown}): no covariate{hint}"
    code = ", ".join(f"{text!r}: {k}" for k, text in enumerate(kinds[:_SHOWN]))
    remedy = (
        f"; to make it one, code it in numbers: frame[{name!r}].map({{{code}}})" if 1 < len(kinds) <= _SHOWN else ""
    )
    return f"{name} is text ({shown}): no covariate{remedy}"


def odd_times(time: np.ndarray) -> list[str]:
    """Return a note on numbers in TIME that are likely dates counted in days or seconds."""
    known = time[np.isfinite(time)]
    if not known.size:
        return []
    low, high = float(known.min()), float(known.max())
    if low >= 36_526 and high < 55_000:
        return [f"TIME runs from {low:g} to {high:g}: if these are dates of Excel (days), read with time_unit='d'"]
    if low > 1e8:
        return [f"TIME begins at {low:g}: if it counts seconds, divide it by 3600 and read it as hours"]
    return []


def noticed(
    columns: Mapping[str, np.ndarray], starts: np.ndarray, labels: np.ndarray, covariates: Sequence[str]
) -> list[str]:
    """Return notes on what is likely not meant: people who come again, no doses, codes, covariates that change.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Complete columns of the table.
    starts : ndarray of int, shape (subjects + 1,)
    labels : ndarray, shape (subjects,)
    covariates : sequence of str
    """
    notes = [*_again(columns["ID"][starts[:-1]], labels), *_alike(labels), *_undosed(columns), *_idle(columns)]
    coded = [name for name in ("DV", *covariates) if name in columns and (code := _code(columns[name])) is not None]
    for name in coded:
        code, values = _code(columns[name]), columns[name]
        n = int((values == code).sum())
        notes.append(
            f"{name} is {code:g} in {n} row{'s' if n > 1 else ''}: if that stands for a missing value, read with "
            f"missing=['.', 'NA', '{code:g}']"
        )
    owner = np.repeat(starts[:-1], np.diff(starts))
    moving = [n for n in covariates if not _same(columns[n], columns[n][owner])]
    if moving:
        verb = "changes" if len(moving) == 1 else "change"
        notes.append(
            f"{', '.join(moving)} {verb} within a person: a value is carried forward, from its row to the next, unless "
            "the model says Covariate(..., carry='backward') (NONMEM's rule: a row's value holds for the time that "
            "ends at it) or 'linear'"
        )
    return notes


def _again(ids: np.ndarray, labels: np.ndarray) -> list[str]:
    """Return the note on IDs that come again after another one."""
    new = [str(label) for label, own in zip(labels.tolist(), ids.tolist(), strict=True) if str(label) != str(own)]
    if not new:
        return []
    seen: dict[str, int] = {}
    for own in ids.tolist():
        seen[str(own)] = seen.get(str(own), 0) + 1
    n = sum(k > 1 for k in seen.values())
    shown = ", ".join(new[:_SHOWN]) + (", ..." if len(new) > _SHOWN else "")
    come = "IDs come" if n > 1 else "ID comes"
    return [
        f"{n} {come} again: new subjects {shown}, as NONMEM takes them; if they are the same people, sort the rows by "
        "ID and TIME (frame.sort_values(['ID', 'TIME'], kind='stable'))"
    ]


def _alike(labels: np.ndarray) -> list[str]:
    """Return the note on IDs that are one number in different spellings."""
    spellings: dict[float, list[str]] = {}
    for text in dict.fromkeys(str(label) for label in labels.tolist()):
        if _NUMBER.fullmatch(text):
            spellings.setdefault(float(text), []).append(text)
    several = [texts for texts in spellings.values() if len(texts) > 1]
    if not several:
        return []
    shown = "; ".join(" and ".join(texts) for texts in several[:_SHOWN]) + ("; ..." if len(several) > _SHOWN else "")
    return [f"IDs are texts, so {shown} are different subjects; write each ID in one way if they are the same"]


def _idle(columns: Mapping[str, np.ndarray]) -> list[str]:
    """Return the note on doses with an interval that nothing uses."""
    gives = np.isin(columns["EVID"], (1, 4)) & (columns["II"] > 0)
    n = int((gives & (columns["ADDL"] == 0) & (columns["SS"] == 0)).sum())
    if not n:
        return []
    rows = f"{n} dose row{'s' if n > 1 else ''}"
    return [f"II on {rows} without ADDL and SS repeats nothing: each is one dose"]


def _undosed(columns: Mapping[str, np.ndarray]) -> list[str]:
    """Return the note on a table without doses."""
    if np.isin(columns["EVID"], (1, 4, 8)).any():
        return []
    return ["there is no dose in the table"]


def _code(values: np.ndarray) -> float | None:
    """Return the code for missing values that a column seems to hold: its only negative value."""
    negative = np.unique(values[values < 0])
    return float(negative[0]) if negative.size == 1 and negative[0] in CODES and (values >= 0).any() else None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two columns are equal, missing values included."""
    return bool(np.all((a == b) | ((a != a) & (b != b))))
