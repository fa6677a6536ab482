"""Curves, the doses that made them and the values around these doses, in blocks of persons who are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError
from pkpd.metrics.block import CurveBlock
from pkpd.metrics.given import RegimenDoses
from pkpd.metrics.schedule import Schedule, plan
from pkpd.simulation.corner_text import LEFT_OUT, read_corners

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Around", "Case", "around_doses", "around_of_rows", "at_doses", "blocks_of"]

_LIKE = 1e-6


@dataclass(frozen=True)
class Around:
    """Values of the curves of one regimen right before and after doses.

    Attributes
    ----------
    time, before, after : ndarray, shape (subjects, corners)
        NaN where a subject has fewer.
    known : bool
        Whether the values are those of the curves. Otherwise they only say at which times the curves jump.
    """

    time: np.ndarray
    before: np.ndarray
    after: np.ndarray
    known: bool = True

    def jumps(self, subject: int) -> np.ndarray:
        """Return the times at which a person's curve rises at once."""
        rises = self.after[subject] > self.before[subject] * (1.0 + 1e-9)
        return self.time[subject][rises & np.isfinite(self.time[subject])]


def at_doses(concentration: xr.DataArray) -> str | None:
    """Return the attribute `at_doses` that `simulate` writes.

    Raises
    ------
    DataError
        If doses make the output jump, but nothing was kept of that.
    """
    text = concentration.attrs.get("at_doses")
    if text == LEFT_OUT:
        name = concentration.name
        raise DataError(
            f"{name}: doses make it jump, and the values right before and after them are not kept of amounts beside "
            f"other outputs; simulate(..., around_doses=True) keeps them, and so does outputs=['{name}']"
        )
    return text


def around_doses(
    text: str | None, regimen: str, labels: Sequence[str] | None, time: np.ndarray, conc: np.ndarray, noisy: bool
) -> Around | None:
    """Return the values around doses that belong to some curves, or None where nothing is known of them.

    Parameters
    ----------
    text : str or None
        The attribute `at_doses` that `simulate` writes.
    regimen : str
        Name of the regimen; an empty text takes the only one.
    labels : sequence of str or None
        Subjects of the curves.
    time, conc : ndarray, shape (time,) and (subjects, time)
        The curves. Where they were multiplied by a number since the simulation, so are the values; where they were
        changed otherwise the values are not theirs.
    noisy : bool
        Whether the curves have residual error.
    """
    if text is None:
        return None
    subjects, known = read_corners(text)
    if not regimen and len(known) == 1:
        regimen = next(iter(known))
    if regimen not in known:
        return None
    parts = known[regimen]
    place = {label: k for k, label in enumerate(subjects or [])}
    if labels is not None and all(label in place for label in labels):
        parts = tuple(p[[place[label] for label in labels]] for p in parts)
    at, before, after, witness_time, witness = parts
    if len(at) != len(conc):  # of other persons, or a mean of them: where all had their doses at the same times
        if not np.array_equal(at, np.broadcast_to(at[:1], at.shape), equal_nan=True):
            return None
        shape = (len(conc), at.shape[1])
        return Around(*(np.broadcast_to(v[:1], shape) for v in (at, before, after)), known=False)
    if noisy:
        return Around(at, before, after, known=False)
    factor = _factor(witness_time[:, 0], witness[:, 0], time, conc)
    if factor is None or not _fits(at, factor * before, time, conc):
        return Around(at, before, after, known=False)
    return Around(at, before * factor, after * factor)


def around_of_rows(text: str | None, labels: Sequence[str], noisy: bool) -> list[Around | None]:
    """Return the values around the doses of each subject of a data set, None where there are none.

    They are not known of rows with residual error.
    """
    if text is None:
        return [None] * len(labels)
    subjects, known = read_corners(text)
    place = {label: k for k, label in enumerate(subjects or [])}
    at, before, after, _, _ = next(iter(known.values()))
    rows = [place.get(label) for label in labels]
    return [None if k is None else Around(at[k : k + 1], before[k : k + 1], after[k : k + 1], not noisy) for k in rows]


def _factor(at: np.ndarray, witness: np.ndarray, time: np.ndarray, conc: np.ndarray) -> float | None:
    """Return what the curves were multiplied by since the simulation; None where that is not the same for all."""
    place = np.minimum(np.searchsorted(time, at), len(time) - 1)
    seen = conc[np.arange(len(conc)), place]
    known = (time[place] == at) & np.isfinite(seen) & (witness > 0)
    if not known.any():
        return 1.0
    ratio = seen[known] / witness[known]
    return float(ratio[0]) if (np.abs(ratio - ratio[0]) <= _LIKE * abs(ratio[0])).all() else None


def _fits(at: np.ndarray, before: np.ndarray, time: np.ndarray, conc: np.ndarray) -> bool:
    """Return whether the values right before doses are those of the curves, where these have the times."""
    place = np.minimum(np.searchsorted(time, at), len(time) - 1)
    seen = np.take_along_axis(conc, place, axis=1)
    known = (time[place] == at) & np.isfinite(seen) & np.isfinite(before)
    height = np.where(np.isfinite(conc), conc, 0.0).max(axis=1, keepdims=True)
    away = np.abs(np.where(known, seen, 0.0) - np.where(known, before, 0.0))
    return not (known & (away > _LIKE * height)).any()


@dataclass(frozen=True)
class Case:
    """Curves of the persons of one regimen on one grid.

    Attributes
    ----------
    name : str
        Regimen, for errors.
    time, conc : ndarray, shape (time,) and (subjects, time)
    given : RegimenDoses or None
        Doses.
    around : Around or None
    tau : float or None
    exact : ndarray, shape (subjects, time), or None
    floor : float or None
        Least value that there can be.
    """

    name: str
    time: np.ndarray
    conc: np.ndarray
    given: RegimenDoses | None
    around: Around | None
    tau: float | None
    exact: np.ndarray | None = None
    floor: float | None = 0.0


def blocks_of(case: Case, size: int, whole: bool = False) -> Iterator[tuple[np.ndarray, CurveBlock]]:
    """Yield (subjects, block) of persons with the same times of doses and of values that are there.

    A value that is missing between others is left out, unless curves have to be ``whole``; a person whose first or last
    one is missing has no block.
    """
    finite = np.isfinite(case.conc)
    if case.exact is not None:
        finite &= np.isfinite(case.exact)
    lively: np.ndarray = np.all(finite, axis=1)
    usable = np.flatnonzero(lively if whole else finite[:, 0] & finite[:, -1])
    if not usable.size:
        return
    plans, dosed = _plans(case, usable)
    alike = _numbered([plan.shape for plan in plans])[dosed]
    if case.around is not None:
        alike = _pairs(alike, _row_kinds(case.around.time[usable]))
    if not lively[usable].all():
        alike = _pairs(alike, _row_kinds(finite[usable]))
    for places in _groups(alike):
        for start in range(0, places.size, size):
            some = places[start : start + size]
            rows = usable[some]
            yield rows, _block(case, rows, plans, dosed[some], finite[rows[0]])


def _plans(case: Case, usable: np.ndarray) -> tuple[list[Schedule], np.ndarray]:
    """Return the schedules of different doses, and the number of that of each person."""
    if case.given is None:
        return [plan(case.name, case.time, None, case.tau)], np.zeros(usable.size, np.int64)
    which = np.zeros(usable.size, np.int64) if case.given.which is None else np.asarray(case.given.which)[usable]
    different, dosed = np.unique(which, return_inverse=True)
    return [plan(case.name, case.time, case.given.each[k], case.tau) for k in different], dosed


def _numbered(keys: Sequence[object]) -> np.ndarray:
    """Return the number of each key among the different ones."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys])


def _row_kinds(rows: np.ndarray) -> np.ndarray:
    """Return numbers that are equal for equal rows."""
    if np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape), equal_nan=rows.dtype.kind == "f"):
        return np.zeros(len(rows), np.int64)
    return _numbered([row.tobytes() for row in rows])


def _pairs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return numbers that are equal where both are."""
    return one * (int(other.max()) + 1) + other


def _groups(alike: np.ndarray) -> list[np.ndarray]:
    """Return the places of equal numbers, those together that come first."""
    _, first, kind = np.unique(alike, return_index=True, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(kind[order])) + 1)
    return [parts[k] for k in np.argsort(first)]


def _block(case: Case, rows: np.ndarray, plans: Sequence[Schedule], dosed: np.ndarray, kept: np.ndarray) -> CurveBlock:
    time = case.time[kept]
    extra = {}
    if case.around is not None and not case.around.known:
        jumps = case.around.jumps(int(rows[0]))
        extra = {"jumps": jumps[np.isin(jumps, time)]}
    elif case.around is not None:
        at = case.around.time[rows[0]]
        shown = np.isfinite(at)
        inside = shown & (np.where(shown, at, 0.0) >= time[0]) & (np.where(shown, at, 0.0) <= time[-1])
        before, after = (np.asarray(v[rows][:, inside], float) for v in (case.around.before, case.around.after))
        if case.floor is not None:
            before, after = np.maximum(before, case.floor), np.maximum(after, case.floor)
        if np.isfinite(before).all() and np.isfinite(after).all():
            extra = {"corner_time": at[inside], "before": before, "after": after}
    return CurveBlock(
        time,
        np.ascontiguousarray(case.conc[rows][:, kept], float),
        plans[dosed[0]],
        np.array([p.dose for p in plans])[dosed],
        np.array([p.total for p in plans])[dosed],
        exact=None if case.exact is None else np.asarray(case.exact[rows][:, kept], float),
        **extra,
    )
