"""Where curves come from: simulations on a grid of times, and rows of a data set."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, RegimenError, nearest
from pkpd.metrics.cases import Around, Case, around_doses, around_of_rows, at_doses
from pkpd.metrics.checks import area_values, curve_values, in_window, is_number, without_noise
from pkpd.metrics.given import RegimenDoses, given_doses
from pkpd.metrics.schedule import Doses

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Asked", "check_asked", "grid_cases", "row_cases"]


@dataclass(frozen=True)
class Asked:
    """Options of `exposure` about doses and times."""

    tau: float | Mapping[str, float] | None = None
    dose_times: Sequence[float] | Mapping[str, Sequence[float]] | None = None
    dose: float | None = None
    cmt: str | Sequence[str] | None = None
    window: tuple[float, float] | None = None


def check_asked(asked: Asked) -> None:
    """Raise RegimenError if the dose or an interval is no positive number."""
    if asked.dose is not None and not (is_number(asked.dose) and asked.dose > 0):
        raise RegimenError(f"dose must be finite and > 0, got {asked.dose!r}")
    each = asked.tau if isinstance(asked.tau, Mapping) else {"": asked.tau}
    for name, tau in each.items():
        if tau is not None and not (is_number(tau) and tau > 0):
            where = f"regimen '{name}': " if name else ""
            raise RegimenError(f"{where}tau must be finite and > 0, in the unit of the times, got {tau!r}")


def grid_cases(
    concentration: xr.DataArray, asked: Asked, auc: xr.DataArray | None, negative: bool = False
) -> list[Case]:
    """Return the curves of each regimen; values below zero are refused unless ``negative``."""
    names, time, conc = curve_values(concentration, negative)
    exact = area_values(auc, concentration)
    labels = _labels(concentration)
    kept = in_window(time, asked.window)
    _check_tau(asked.tau, names)
    cases, text = [], at_doses(concentration)
    noisy = str(concentration.name or "").endswith("_observed")
    for k, name in enumerate(names):
        around = around_doses(text, name, labels, time, conc[k], noisy)
        given = _given(concentration, name, labels, asked)
        own = asked.tau.get(name) if isinstance(asked.tau, Mapping) else asked.tau
        area = None if exact is None else exact[k][:, kept]
        cases.append(Case(name, time[kept], conc[k][:, kept], given, around, own, area, None if negative else 0.0))
    return cases


def _labels(concentration: xr.DataArray) -> list[str] | None:
    """Return the labels of the subjects, in the order of the values; None where they have none."""
    if "subject" not in concentration.coords:
        return None
    others = [d for d in concentration.dims if d not in ("regimen", "time")]
    if not others:
        return [str(concentration["subject"].values)]
    if "subject" not in others:
        return None
    shape = [concentration.sizes[d] for d in others]
    index = np.indices(shape)[others.index("subject")].ravel()
    texts = [str(label) for label in concentration["subject"].values]
    return [texts[i] for i in index]


def _check_tau(tau: float | Mapping[str, float] | None, names: list[str]) -> None:
    if isinstance(tau, Mapping):
        for name in tau:
            if name not in names:
                raise RegimenError(f"tau: no regimen '{name}'; there is {', '.join(names)}{nearest(name, names)}")


def _given(concentration: xr.DataArray, name: str, labels: list[str] | None, asked: Asked) -> RegimenDoses | None:
    """Return the doses of a regimen, from the arguments or from the attribute `doses`."""
    times = asked.dose_times
    if isinstance(times, Mapping):
        if name not in times:
            known = ", ".join(map(str, times))
            raise RegimenError(f"dose_times has no regimen '{name}'; it has {known}{nearest(name, times)}")
        times = times[name]
    if times is not None:
        at = np.asarray(times, float)
        if at.ndim != 1 or not len(at) or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
            raise RegimenError(f"dose_times must be finite and increasing, at least one, got {at.tolist()}")
        amt = np.full(len(at), np.nan if asked.dose is None else float(asked.dose))
        zeros = np.zeros(len(at))
        return RegimenDoses((Doses.of(at, amt, zeros, zeros, np.empty(0)),))
    text = concentration.attrs.get("doses")
    unit = concentration["time"].attrs.get("units") if "time" in concentration.coords else None
    unit = concentration["TIME"].attrs.get("units") if unit is None and "TIME" in concentration.coords else unit
    found = None if text is None else given_doses(text, name, labels, asked.cmt, unit)
    if found is None or asked.dose is None:
        return found
    return RegimenDoses(tuple(None if d is None else d.with_amount(float(asked.dose)) for d in found.each), found.which)


def row_cases(concentration: xr.DataArray, asked: Asked, auc: xr.DataArray | None) -> list[Case]:
    """Return the curves of the subjects of a data set.

    Raises
    ------
    DataError
        If there is no ID, or a subject has fewer than two times of observation.
    """
    label = str(concentration.name or "concentration")
    if auc is not None:
        raise DataError(f"{label}: auc goes with a simulation on a grid of times, not with the rows of a data set")
    if isinstance(asked.tau, Mapping) or isinstance(asked.dose_times, Mapping):
        raise RegimenError("tau and dose_times by regimen do not go with the rows of a data set; give one for all")
    if "ID" not in concentration.coords:
        raise DataError(f"{label}: rows need a coordinate ID, which says whose they are")
    ids = np.array([str(v) for v in concentration["ID"].values])
    starts = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1, [len(ids)]])
    clock = "CLOCK" if "CLOCK" in concentration.coords else "TIME"
    time = np.asarray(concentration[clock].values, float)
    values = np.asarray(concentration.values, float)
    evid = concentration["EVID"].values if "EVID" in concentration.coords else np.zeros(len(ids))
    seen = (evid == 0) | np.isfinite(values)
    names: list[str] = []
    for a in starts[:-1].tolist():
        names.append(_label(str(ids[a]), names))
    given = _given(concentration, "", names, asked)
    noisy = str(concentration.name or "").endswith("_observed")
    around = around_of_rows(at_doses(concentration), names, noisy)
    cases = []
    for k, (a, b) in enumerate(itertools.pairwise(starts)):
        at, conc = _curve(time[a:b], values[a:b], seen[a:b], around[k])
        if len(at) < 2:
            raise DataError(f"{label}: ID {names[k]} has {len(at)} times of observation; exposure needs at least 2")
        kept = in_window(at, asked.window)
        conc = without_noise(concentration[a:b], conc, f"{label}, ID {names[k]}")
        own = None if given is None else RegimenDoses((given.of(k),))
        cases.append(Case(f"ID {names[k]}", at[kept], conc[:, kept], own, around[k], asked.tau))
    return cases


def _label(name: str, known: Sequence[str]) -> str:
    """Return the label of a subject: its ID, with a number where the ID was there before."""
    if name not in known:
        return name
    return next(f"{name}.{k}" for k in range(1, len(known) + 1) if f"{name}.{k}" not in known)


def _curve(
    time: np.ndarray, values: np.ndarray, seen: np.ndarray, around: Around | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of one subject's observations, and the curve there, shape (1, time).

    All rows with a value count, those of doses too. A row at the time of a dose may stand behind it; the curve has the
    value before the dose there, as on a grid.
    """
    at, place = np.unique(time[seen], return_index=True)
    conc = values[seen][place]
    if around is not None and len(at):
        shown = np.isfinite(around.time[0])
        turn, before = around.time[0][shown], around.before[0][shown]
        near = np.abs(at[:, None] - turn[None]) <= 1e-9 * np.maximum(1.0, np.abs(turn))
        for i, k in zip(*np.nonzero(near), strict=True):
            conc[i] = before[k]
    return at, conc[None]
