"""Event rows made from regimens, times of observation and covariates."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.columns import KEPT, RESERVED
from pkpd.dosing.dose import Dose
from pkpd.dosing.ended import without_ended
from pkpd.dosing.identity import label_texts
from pkpd.dosing.record import NEAR
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
    end = float(observed[-1]) if observed.size else 0.0
    subjects = {label: _written(label, each.in_time("h"), end) for label, each in given.items()}
    parts = [_subject_rows(each, observed) for each in subjects.values()]
    sizes = [len(part["TIME"]) for part in parts]
    labels = np.repeat(_labels(list(subjects)), sizes)
    frame = pd.DataFrame({"ID": labels, **{name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}})
    if any(isinstance(dose.cmt, str) for each in subjects.values() for dose in each):
        frame["CMT"] = [None if cmt == 0 else str(cmt) for cmt in frame["CMT"]]
    else:
        frame["CMT"] = frame["CMT"].astype(np.int64)
    for name, values in _covariates(covariates, _labels(list(subjects))).items():
        frame[name] = np.repeat(values, sizes)
    return frame


def _labels(subjects: Sequence[Any]) -> np.ndarray:
    """Return the identifiers of subjects, no two of one text."""
    texts = label_texts(subjects)
    seen: dict[str, Any] = {}
    for own, text in zip(subjects, texts.tolist(), strict=True):
        if text in seen:
            raise DataError(f"events: subjects {seen[text]!r} and {own!r} are one text, {text!r}; name them apart")
        seen[text] = own
    return texts


def _covariates(given: Mapping[str, Any] | pd.DataFrame | None, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return one value a subject of each covariate; rows that have an ID are matched by it."""
    columns = {str(name): np.asarray(value) for name, value in dict(given if given is not None else {}).items()}
    taken = [name for name in columns if name.upper() in RESERVED - {"ID", *KEPT}]
    if taken:
        raise DataError(f"events: covariate {taken[0]!r} has the name of a column of doses; call it something else")
    order = np.arange(len(labels))
    for name in [name for name in columns if name.upper() == "ID"]:
        own = label_texts(np.atleast_1d(columns.pop(name)).tolist()).tolist()
        lost = [label for label in labels.tolist() if own.count(label) != 1]
        if lost:
            raise DataError(
                f"events: covariates have {own.count(lost[0])} rows with {name} {lost[0]!r} (and {len(lost) - 1} more "
                "subjects without one row); give one row a subject"
            )
        order = np.array([own.index(label) for label in labels.tolist()])
    for name, values in columns.items():
        if values.ndim and len(values) != len(labels):
            raise DataError(f"events: covariate {name!r} has {len(values)} values for {len(labels)} subjects")
        columns[name] = np.broadcast_to(values, len(labels))[order]
    return columns


def amount_units(regimen: Regimen | Sequence[Regimen] | Mapping[Any, Regimen]) -> list[str | None]:
    """Return the different units of one or several regimens, None for one that does not say its unit."""
    return list(dict.fromkeys(r.unit for r in _subjects(regimen).values()))


def _subjects(regimen: Regimen | Sequence[Regimen] | Mapping[Any, Regimen]) -> dict[Any, Regimen]:
    """Return regimens by subject."""
    if isinstance(regimen, Regimen):
        return {1: regimen}
    if isinstance(regimen, str):
        raise DataError(
            f"events: a table has no model that says where {regimen!r} goes; give Regimen.parse(text, cmt=...)"
        )
    subjects = dict(regimen) if isinstance(regimen, Mapping) else dict(enumerate(regimen, start=1))
    odd = [label for label, each in subjects.items() if not isinstance(each, Regimen)]
    if odd or not subjects:
        what = f"subject {odd[0]!r} has {subjects[odd[0]]!r}" if odd else "there are none"
        raise DataError(f"events: one Regimen a subject is needed, but {what}")
    return subjects


def _written(label: Any, regimen: Regimen, end: float) -> Regimen:
    """Return a regimen as rows can say it: each dose with its compartment, constant infusions up to the last time."""
    for k, dose in enumerate(regimen, start=1):
        if dose.route is not None and dose.cmt is None:
            raise DataError(
                f"events: subject {label!r}, dose {k} is given {dose.route}, but a table has no model that says where "
                "that goes; name the compartment ('into ...', cmt=...) or take regimen.into(model.states)"
            )
        if dose.route == "IV" and isinstance(dose.cmt, str) and dose.cmt.rpartition(".")[2] == "depot":
            raise DataError(f"events: subject {label!r}, dose {k} is given IV, but into '{dose.cmt}'; drop one of them")
    if all(dose.amt < np.inf for dose in regimen):
        return regimen
    parts = [(d,) if d.amt < np.inf else d.shift(d.start("h") - d.time).before(end) for d in regimen]
    return Regimen(
        doses=[p for part in parts for p in part], unit=regimen.unit, time_unit=regimen.time_unit, name=regimen.name
    )


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
    kept = without_ended(regimen.doses, regimen.time_unit)
    doses = [part for dose in kept for part in _parts(dose, times)]
    # a dose that a record implied comes before the records of its time
    doses.sort(key=lambda dose: (dose[0].time, not dose[1]))
    own: dict[str, Sequence[Any]] = {name: [getattr(d, name.lower()) for d, _ in doses] for name in _COLUMNS}
    when = np.concatenate([times, np.array(own["TIME"], dtype=float)])
    # Stable: observations stand first, so that they stay before doses at the same time.
    order = np.argsort(when, kind="stable")
    rows = {"TIME": when[order]}
    for name in ("AMT", "RATE", "II", "EVID", "ADDL", "SS"):
        kind = np.float64 if name in ("AMT", "RATE", "II") else np.int64
        rows[name] = np.concatenate([np.zeros(n, kind), np.array(own[name], dtype=kind)])[order]
    cmt = np.empty(n + len(doses), dtype=object)
    cmt[:] = [0] * n + [0 if value is None else value for value in own["CMT"]]
    rows["CMT"] = cmt[order]
    return rows


def _parts(dose: Dose, times: np.ndarray) -> list[tuple[Dose, bool]]:
    """Return a dose record, and a record of its own (True) from each additional dose on that falls on an observation.

    So the order of rows says which comes first.
    """
    if not dose.addl or not times.size:
        return [(dose, False)]
    number = np.rint((times - dose.time) / dose.ii)
    inside = (number >= 1) & (number <= dose.addl)
    hit = inside & (np.abs(dose.time + number * dose.ii - times) <= NEAR)
    at = {int(k): float(t) for k, t in zip(number[hit], times[hit], strict=True)}
    bounds = [0, *sorted(at), dose.addl + 1]
    out = []
    for first, behind in itertools.pairwise(bounds):
        count = behind - first - 1
        if first == 0:
            out.append((replace(dose, addl=count), False))
        else:
            out.append((replace(dose, time=at[first], addl=count, ss=0, evid=1), True))
    return out
