"""Event rows made from regimens, times of observation and covariates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError
from pkpd.timegrid import TimeGrid
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["amount_units", "event_rows"]

_COLUMNS = ("TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS")


def event_rows(
    regimen: Regimen | Sequence[Regimen] | Mapping[Any, Regimen],
    times: Iterable[float],
    covariates: Mapping[str, Any] | pd.DataFrame | None,
) -> pd.DataFrame:
    """Return event rows in h sorted by subject and time, observations before doses at the same time.

    Parameters
    ----------
    regimen, times, covariates
        As for `pkpd.dosing.events.EventTable.from_regimen`.
    """
    import pandas as pd

    given = _subjects(regimen)
    observed = _ascending(_in_hours(times, list(given.values())))
    subjects = {label: each.in_time("h") for label, each in given.items()}
    parts = [_subject_rows(each, observed) for each in subjects.values()]
    sizes = [len(part["TIME"]) for part in parts]
    labels = [label for label, size in zip(subjects, sizes, strict=True) for _ in range(size)]
    frame = pd.DataFrame({"ID": labels, **{name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}})
    if any(isinstance(dose.cmt, str) for each in subjects.values() for dose in each):
        frame["CMT"] = [None if cmt == 0 else str(cmt) for cmt in frame["CMT"]]
    else:
        frame["CMT"] = frame["CMT"].astype(np.int64)
    for name, value in dict(covariates if covariates is not None else {}).items():
        values = np.asarray(value)
        if values.ndim and len(values) != len(subjects):
            raise DataError(f"events: covariate {name!r} has {len(values)} values for {len(subjects)} subjects")
        frame[str(name)] = np.repeat(np.broadcast_to(values, len(subjects)), sizes)
    return frame


def amount_units(regimen: Regimen | Sequence[Regimen] | Mapping[Any, Regimen]) -> list[str | None]:
    """Return the different units of one or several regimens, None for one that does not say its unit."""
    return list(dict.fromkeys(r.unit for r in _subjects(regimen).values()))


def _subjects(regimen: Regimen | Sequence[Regimen] | Mapping[Any, Regimen]) -> dict[Any, Regimen]:
    """Return regimens by subject."""
    if isinstance(regimen, Regimen):
        return {1: regimen}
    subjects = dict(regimen) if isinstance(regimen, Mapping) else dict(enumerate(regimen, start=1))
    odd = [label for label, each in subjects.items() if not isinstance(each, Regimen)]
    if odd or not subjects:
        what = f"subject {odd[0]!r} has {subjects[odd[0]]!r}" if odd else "there are none"
        raise DataError(f"events: one Regimen a subject is needed, but {what}")
    return subjects


def _in_hours(times: Iterable[float], regimens: Sequence[Regimen]) -> np.ndarray:
    """Return times of observation as an array, h; bare numbers are on the clock of the regimens."""
    values = np.atleast_1d(np.asarray(times if isinstance(times, np.ndarray) else list(times), dtype=float))
    if isinstance(times, TimeGrid):
        return convert_time(values, times.unit, "h")
    clocks = dict.fromkeys(each.time_unit for each in regimens)
    if len(clocks) > 1:
        raise DataError(
            f"events: the regimens are in {' and '.join(clocks)}, so it is not clear what unit the times are in; "
            "put the regimens on one clock with in_time, or give times as of pkpd.hours(...)"
        )
    return convert_time(values, next(iter(clocks)), "h")


def _ascending(values: np.ndarray) -> np.ndarray:
    """Return times of observation, checked."""
    wrong = ~np.isfinite(values)
    wrong[1:] |= np.diff(values) < 0
    if wrong.any():
        k = int(np.argmax(wrong))
        count = int(wrong.sum())
        raise DataError(
            f"events: times must be finite and ascending; {count} {'is' if count == 1 else 'are'} not "
            f"(first: number {k + 1}, {values[k]})"
        )
    return values


def _subject_rows(regimen: Regimen, times: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of one subject."""
    n = len(times)
    own: dict[str, Sequence[Any]] = {name: [getattr(d, name.lower()) for d in regimen] for name in _COLUMNS}
    when = np.concatenate([times, np.array(own["TIME"], dtype=float)])
    # Stable: observations stand first, so that they stay before doses at the same time.
    order = np.argsort(when, kind="stable")
    rows = {"TIME": when[order]}
    for name in ("AMT", "RATE", "II", "EVID", "ADDL", "SS"):
        kind = np.float64 if name in ("AMT", "RATE", "II") else np.int64
        rows[name] = np.concatenate([np.zeros(n, kind), np.array(own[name], dtype=kind)])[order]
    cmt = np.empty(n + len(regimen), dtype=object)
    cmt[:] = [0] * n + [0 if value is None else value for value in own["CMT"]]
    rows["CMT"] = cmt[order]
    return rows
