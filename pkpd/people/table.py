"""People read from a table: covariates, individual parameters and random effects by column."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pkpd.dosing.columns import SUBJECTS
from pkpd.errors import DataWarning, PopulationError, nearest
from pkpd.people.columns import check_finite, check_range, label_array, numbers, warn_of_near
from pkpd.people.resampling import columns_of

__all__ = ["TableContent", "read_table"]

Floats = NDArray[np.float64]
Series = tuple[tuple[Floats, Floats], ...]


@dataclass(frozen=True)
class TableContent:
    """What a table says of n subjects.

    Attributes
    ----------
    labels : array, shape (n,)
    covariates, parameters : dict of name to array, shape (n,)
        In the model's units; the first value of a covariate that varies.
    etas : array, shape (n, n_eta)
    varying : dict of name to one (times, values) per subject
    """

    labels: NDArray[Any]
    covariates: dict[str, Floats]
    parameters: dict[str, Floats]
    etas: Floats
    varying: dict[str, Series]


def read_table(model: Any, table: Any, id: str, ignore: bool) -> TableContent:
    """Return what the columns of a table say of the subjects of a model."""
    who = f"population table of '{model.name}'"
    columns = columns_of(table)
    given = list(columns)
    rows = len(next(iter(columns.values())))
    ids = columns.pop(id) if id in columns else np.arange(1, rows + 1)
    raw_times = columns.pop("TIME", None)
    _check_ids(who, ids, id)
    ids = label_array(who, ids)
    _check_names(who, model, columns, id, ignore, [n for n in (id, "TIME") if n in given])
    starts = _starts(who, ids, id, long=raw_times is not None)
    values = {n: _column(who, n, c, ids, id) for n, c in columns.items() if _target(model, n) is not None}
    times = None if raw_times is None else _times(who, raw_times, ids, id, starts)
    first = starts[:-1]
    content = TableContent(ids[first], {}, {}, np.zeros((len(first), len(model.etas))), {})
    for name, column in values.items():
        kind, own = _target(model, name) or ("", "")
        constant = np.array_equal(column, np.repeat(column[first], np.diff(starts)))
        if kind == "covariate":
            content.covariates[own] = column[first]
            if not constant and times is not None:
                content.varying[own] = tuple((times[a:b], column[a:b]) for a, b in pairwise(starts.tolist()))
        elif not constant:
            raise PopulationError(f"{who}: column '{name}' changes within a subject; only covariates may")
        elif kind == "parameter":
            check_range(who, model, own, column[first], ids[first])
            content.parameters[own] = column[first]
        else:
            content.etas[:, model.etas.index(own)] = column[first]
    return content


def _target(model: Any, column: str) -> tuple[str, str] | None:
    """Return what a column gives and its name in the model, None if it is unknown."""
    if column in model.covariates:
        return "covariate", column
    if column in model.parameters:
        return "parameter", column
    if column[:4] in ("ETA_", "eta_") and column[4:] in model.etas:
        return "eta", column[4:]
    return None


def _check_ids(who: str, ids: NDArray[Any], id: str) -> None:
    for row, label in enumerate(() if ids.dtype.kind in "iu" else ids.tolist()):
        if label is None or label == "" or (isinstance(label, float) and not np.isfinite(label)):
            raise PopulationError(f"{who}: {id} is missing in row {row + 1} ({label!r}); give every row its subject")


def _check_names(who: str, model: Any, columns: dict[str, Any], id: str, ignore: bool, taken: Sequence[str]) -> None:
    """Refuse columns that are not known, or with ``ignore`` those that differ from a missing one in case only."""
    strange = [c for c in columns if _target(model, c) is None]
    known = [*model.covariates, *model.parameters, *(f"ETA_{e}" for e in model.etas), id, "TIME"]
    if ignore:
        folded = {k.casefold() for k in known if k not in columns and k not in taken}
        strange = [c for c in strange if c.casefold() in folded]
    if not strange:
        warn_of_near(who, model, list(columns))
        other = next((c for c in columns if c.upper() in SUBJECTS), None)
        if id not in taken and other is not None:
            text = f"{who}: there is no column {id}, so subjects are numbered; is {other!r} meant? Give id={other!r}"
            warnings.warn(DataWarning(text), stacklevel=4)
        return
    hints = ", ".join(f"'{c}'{nearest(c, known)}" for c in strange)
    raise PopulationError(
        f"{who}: unknown columns {hints}; known are {', '.join(known)}; ignore=True leaves the others aside"
    )


def _starts(who: str, ids: NDArray[Any], id: str, *, long: bool) -> NDArray[np.int64]:
    """Return row offsets of the subjects, shape (n + 1,), after refusing ids that come twice."""
    new = np.ones(len(ids), dtype=bool)
    if long:
        new[1:] = ids[1:] != ids[:-1]
    first = np.flatnonzero(new)
    if ids.dtype.kind in "iu" and np.unique(ids[first]).size == first.size:  # without a million objects for as many
        return np.append(first, len(ids)).astype(np.int64)
    seen: dict[Any, int] = {}
    twice: list[tuple[int, Any]] = []
    for row, label in zip(first.tolist(), ids[first].tolist(), strict=True):
        if seen.setdefault(label, row) != row:
            twice.append((row, label))
    if twice:
        row, label = twice[0]
        remedy = "keep the rows of a subject together" if long else "give one row per subject, or a TIME column"
        raise PopulationError(
            f"{who}: {id} comes again in {len(twice)} rows (first: {id} {label} in row {row + 1}, before in row "
            f"{seen[label] + 1}); {remedy}"
        )
    return np.append(first, len(ids)).astype(np.int64)


def _column(who: str, name: str, raw: Any, ids: NDArray[Any], id: str) -> Floats:
    what = f"{who}: column '{name}'"
    out = numbers(what, raw)
    check_finite(what, out, [f"row {i + 1}, {id} {ids[i]}" for i in np.flatnonzero(~np.isfinite(out))[:1]])
    return out


def _times(who: str, raw: Any, ids: NDArray[Any], id: str, starts: NDArray[np.int64]) -> Floats:
    """Return TIME after checking that it rises within each subject."""
    times = _column(who, "TIME", raw, ids, id)
    falls = np.diff(times) <= 0
    falls[starts[1:-1] - 1] = False
    bad = np.flatnonzero(falls)
    if len(bad):
        i = int(bad[0]) + 1
        raise PopulationError(
            f"{who}: TIME does not rise in {len(bad)} rows (first: row {i + 1}, {id} {ids[i]}, {times[i]:g} after "
            f"{times[i - 1]:g}); sort the rows and keep one per time"
        )
    return times
