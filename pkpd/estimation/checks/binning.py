"""Bins and strata of observations, and percentiles of data of which some are only known to lie below a limit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.estimation.checks.fitted import Fitted

__all__ = ["bin_edges", "column_of", "percentiles", "strata_of", "time_after_dose"]

#: different values up to which a column makes strata without edges
STRATA = 8


def bin_edges(x: np.ndarray, bins: int | Sequence[float]) -> np.ndarray:
    """Return edges of bins: those given, or such that about the same number of rows lies in each.

    Equal values stay together; with no more different values than bins, each has its own.

    Examples
    --------
    >>> bin_edges(np.array([1.0, 1.0, 2.0, 8.0]), 8)
    array([1. , 1.5, 5. , 8. ])
    """
    if not isinstance(bins, int | np.integer):
        edges = np.asarray(bins, np.float64)
        if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) > 0).all():
            raise DataError(f"bins: edges must be two or more rising numbers, got {bins!r}")
        return edges
    if bins < 1:
        raise DataError(f"bins must be 1 or more, or edges, got {bins}")
    values, counts = np.unique(x, return_counts=True)
    if values.size == 1:
        return np.array([values[0], values[0]])
    middle = 0.5 * (values[1:] + values[:-1])
    if values.size > bins:
        share = np.cumsum(counts)[:-1] / x.size
        middle = (
            middle[np.unique([np.argmin(np.abs(share - k / bins)) for k in range(1, bins)])] if bins > 1 else middle[:0]
        )
    return np.concatenate([values[:1], middle, values[-1:]])


def bins_of(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin of each number, -1 outside; a bin has its left edge, the last one both."""
    at = np.searchsorted(edges, x, side="right") - 1
    at = np.where(x == edges[-1], edges.size - 2, at)
    return np.where((x < edges[0]) | (x > edges[-1]) | ~np.isfinite(x), -1, at)


def percentiles(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Return percentiles along the last axis, shape (..., levels); NaN are left out, -inf stays where it is reached.

    Linear between order statistics, as numpy's. -inf stands for a number below a limit.

    Examples
    --------
    >>> percentiles(np.array([-np.inf, 1.0, 2.0, np.nan]), [0.1, 0.5])
    array([-inf,   1.])
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1)
    out = np.empty((*ordered.shape[:-1], len(levels)))
    for k, level in enumerate(levels):
        place = np.maximum(count - 1, 0) * level
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(count - 1, 0))
        a = np.take_along_axis(ordered, below[..., None], -1)[..., 0]
        b = np.take_along_axis(ordered, above[..., None], -1)[..., 0]
        with np.errstate(invalid="ignore"):
            between = np.where(np.isfinite(a), a + (b - a) * (place - below), np.where(place > below, a, a))
        out[..., k] = np.where(count > 0, between, np.nan)
    return out


def column_of(fitted: Fitted, name: str, role: str) -> np.ndarray:
    """Return a column of the data set on the rows of the data; TAD, the time after dose, is derived if it is missing.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    frame = fitted.data.table.frame
    if name in frame.columns:
        return frame[name].to_numpy()[fitted.data.row]
    if name == "TAD":
        return time_after_dose(fitted.data.table)[fitted.data.row]
    known = [str(c) for c in frame.columns]
    raise DataError(f"{role}: the data set has no column '{name}'; it has {', '.join(known)}{nearest(name, known)}")


def time_after_dose(table: EventTable) -> np.ndarray:
    """Return the time since the last dose of each row; since the first row of the subject before any dose.

    A row at the very time of a dose counts as before it or after it as in a simulation: by the order of the rows for a
    record's own dose, by the table's rules for an additional one. A lag does not count.
    """
    clock, doses = np.asarray(table.clock, np.float64), table.given()
    implied_first = table.rules.additional == "before"
    # place of a dose among the rows of its time: its own row, before all or behind all
    place = np.where(doses.number == 0, doses.row, -1 if implied_first else len(table))
    out = np.empty(len(table))
    for a, b in itertools.pairwise(np.asarray(table.starts).tolist()):
        mine = slice(*np.searchsorted(doses.row, [a, b]))
        order = np.lexsort((place[mine], doses.time[mine]))
        at, rank = doses.time[mine][order], place[mine][order]
        for r in range(a, b):
            behind = int(np.searchsorted(at, clock[r] + table.near, side="right"))
            while behind and abs(at[behind - 1] - clock[r]) <= table.near and rank[behind - 1] > r:
                behind -= 1
            out[r] = clock[r] - (min(at[behind - 1], clock[r]) if behind else clock[a])
    return out


def strata_of(fitted: Fitted, by: str | Mapping[str, Sequence[float]] | None) -> tuple[list[str], np.ndarray]:
    """Return names of strata and the stratum of each datum.

    Parameters
    ----------
    fitted : Fitted
    by : str or mapping, optional
        A column of few values, or ``{column: edges}`` that cut it, ``{"WT": [60, 80]}``.

    Raises
    ------
    DataError
        If the column is missing, has too many values, or the edges do not rise.
    """
    if by is None:
        return ["all"], np.zeros(fitted.n, np.int64)
    if isinstance(by, str):
        values = column_of(fitted, by, "by")
        levels = sorted(set(values.tolist()), key=lambda v: (str(type(v)), v))
        if len(levels) > STRATA:
            raise DataError(
                f"by: column '{by}' has {len(levels)} different values, {STRATA} at most make strata; "
                f"cut it, as in by={{'{by}': [{np.median(np.asarray(levels, np.float64)):g}]}}"
            )
        number = {v: k for k, v in enumerate(levels)}
        return [f"{by} {_short(v)}" for v in levels], np.array([number[v] for v in values.tolist()])
    if len(by) != 1:
        raise DataError(f"by: give one column and its cuts, got {len(by)}")
    ((name, given),) = by.items()
    cuts = np.asarray(given, np.float64).ravel()
    if not cuts.size or not (np.diff(cuts) > 0).all():
        raise DataError(f"by: cuts of '{name}' must be rising numbers, got {given!r}")
    values = np.asarray(column_of(fitted, name, "by"), np.float64)
    texts = [f"{name} < {cuts[0]:g}", *(f"{name} {a:g} to {b:g}" for a, b in itertools.pairwise(cuts))]
    texts.append(f"{name} ≥ {cuts[-1]:g}")
    return texts, np.searchsorted(cuts, values, side="right")


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
