"""Dosing intervals of one regimen that the observation times cover."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkpd.errors import RegimenError, nearest

__all__ = ["INTERVAL_STATUS", "Doses", "Schedule", "doses_from_attribute", "plan"]

INTERVAL_STATUS = (
    "ok",
    "missing_values",
    "no_dosing_interval_known",
    "times_do_not_cover_a_dosing_interval",
    "only_one_dosing_interval",
    "first_dosing_interval_not_observed",
    "first_and_last_interval_differ",
)
"""Meaning of each `interval_status`; from 4 on AUCtau is known and the accumulation is not."""


@dataclass(frozen=True)
class Doses:
    """Doses of one regimen, one entry per distinct time.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Increasing dose times, in the unit of the observation times.
    amt : ndarray, shape (n,)
        Total amount given at each time; NaN where it is not known.
    ii : float
        Interval that follows the last dose; 0 where it is not known.
    cmt : tuple of str
        Compartments that are dosed.
    unit : str
        Unit of the amounts; empty where it is not known or differs between doses.
    """

    time: np.ndarray
    amt: np.ndarray
    ii: float = 0.0
    cmt: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Schedule:
    """First and last dosing interval that are observed in full.

    Attributes
    ----------
    first, last : tuple of (float, float) or None
        Start and end of the interval, in the unit of the observation times.
    dose : float
        Amount given in the last interval, or the single dose; NaN where it is not known.
    single : bool
        True if the regimen has one dose.
    status : int
        Index into `INTERVAL_STATUS`.
    doses : Doses or None
        What is given.
    """

    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None
    dose: float = np.nan
    single: bool = False
    status: int = 2
    doses: Doses | None = field(default=None, repr=False)


def doses_from_attribute(text: str, regimen: str, cmt: str | Sequence[str] | None) -> Doses | None:
    """Read the doses of one regimen from the `doses` attribute that `simulate` writes.

    Parameters
    ----------
    text : str
        JSON, ``{"q24h": {"time": [...], "amt": [...], "cmt": [...], "ii": [...]}}``; an entry may
        hold the ``units`` of its amounts, one text or one per dose.
    regimen : str
        Name of the regimen; an empty text takes the only one, if there is one only.
    cmt : str or sequence of str or None
        Compartments whose doses count; None for all.

    Returns
    -------
    Doses or None
        None where the attribute does not say which doses belong to the curve, or there are none.

    Raises
    ------
    RegimenError
        If `cmt` names a compartment that no dose of any regimen goes into.
    """
    known: dict[str, dict[str, Any]] = json.loads(text)
    wanted = None if cmt is None else [cmt] if isinstance(cmt, str) else list(cmt)
    dosed = sorted({str(name) for entry in known.values() for name in entry.get("cmt", [])})
    for name in wanted or []:
        if name not in dosed:
            raise RegimenError(
                f"cmt: no dose goes into '{name}'; doses go into {', '.join(dosed)}{nearest(name, dosed)}"
            )
    if not regimen and len(known) == 1:
        regimen = next(iter(known))
    entry = known.get(regimen)
    if entry is None:
        return None
    time = np.asarray(entry["time"], float)
    names = np.asarray(entry.get("cmt") or [""] * len(time), str)
    keep = np.isin(names, wanted) if wanted is not None else np.ones(len(time), bool)
    if not keep.any():
        return None
    amt = np.asarray(entry.get("amt", np.full(len(time), np.nan)), float)[keep]
    ii = np.asarray(entry.get("ii", np.zeros(len(time))), float)[keep]
    time, names = time[keep], names[keep]
    distinct, which = np.unique(time, return_inverse=True)
    return Doses(
        distinct,
        np.bincount(which, weights=amt, minlength=len(distinct)),
        float(ii[which == len(distinct) - 1].max()),
        tuple(sorted(set(names) - {""})),
        _common_unit(entry.get("units", []), keep),
    )


def _common_unit(units: str | list[str], keep: np.ndarray) -> str:
    """Return the unit that all kept doses share, or an empty text."""
    each = [units] if isinstance(units, str) else [u for u, used in zip(units, keep, strict=False) if used]
    return each[0] if len(set(each)) == 1 else ""


def plan(name: str, observed: np.ndarray, doses: Doses | None, tau: float | None) -> Schedule:
    """Find the first and the last dosing interval that the observation times cover.

    An interval runs from a dose to the next one, and after the last dose for as long as its `ii`, else as long as the
    interval before it. With `tau`, each runs from a dose for `tau`; without doses they start at the first observation.

    Parameters
    ----------
    name : str
        Regimen, for error texts.
    observed : ndarray, shape (n,)
        Increasing observation times.
    doses : Doses or None
        What is given.
    tau : float or None
        Length of an interval, in the unit of `observed`.

    Raises
    ------
    RegimenError
        If `tau` is not a positive finite number.
    """
    if tau is not None and not (np.isfinite(tau) and tau > 0):
        raise RegimenError(f"regimen '{name}': tau must be finite and > 0, got {tau}")
    slack = 1e-9 * max(1.0, float(np.abs(observed[[0, -1]]).max()))
    if doses is None:
        if tau is None:
            return Schedule()
        count = max(int((observed[-1] - observed[0] + slack) // tau), 1)
        doses = Doses(observed[0] + tau * np.arange(count), np.full(count, np.nan))
    single = len(doses.time) == 1
    lengths = _lengths(doses, tau)
    if lengths is None:
        return Schedule(dose=float(doses.amt[0]), single=single, doses=doses)
    ends = doses.time + lengths
    covered = np.flatnonzero((doses.time >= observed[0] - slack) & (ends <= observed[-1] + slack))
    if not len(covered):
        return Schedule(dose=float(doses.amt[0]) if single else np.nan, single=single, status=3, doses=doses)
    spans = [(float(doses.time[i]), float(ends[i])) for i in (0, int(covered[-1]))]
    given = [float(doses.amt[(doses.time >= a - slack) & (doses.time < b - slack)].sum()) for a, b in spans]
    same_amount = np.isnan(given).any() or np.isclose(given[0], given[1], rtol=1e-9)
    if covered[0] != 0:
        status = 5
    elif covered[-1] == 0:
        status = 4
    else:
        status = 0 if same_amount and np.isclose(lengths[0], lengths[covered[-1]], rtol=1e-9) else 6
    return Schedule(spans[0] if status == 0 else None, spans[1], given[1], single, status, doses)


def _lengths(doses: Doses, tau: float | None) -> np.ndarray | None:
    """Length of the interval behind each dose, or None for a single dose without one."""
    if tau is not None:
        return np.full(len(doses.time), float(tau))
    gaps = np.diff(doses.time)
    if doses.ii > 0:
        return np.append(gaps, doses.ii)
    return np.append(gaps, gaps[-1]) if len(gaps) else None
