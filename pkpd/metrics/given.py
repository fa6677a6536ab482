"""What a simulation says about the doses that made a curve: read from its attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pkpd.dosing.amounts import factor
from pkpd.errors import RegimenError, UnitError, nearest
from pkpd.metrics.schedule import Doses
from pkpd.units.time import convert_time

__all__ = ["RegimenDoses", "given_doses"]


@dataclass(frozen=True)
class RegimenDoses:
    """Doses of the persons of one regimen.

    Attributes
    ----------
    each : tuple of Doses or None
        The different ones; None where nothing goes into the compartments that count.
    which : ndarray of int, shape (subjects,), or None
        Of each person; None: the only one holds for all.
    """

    each: tuple[Doses | None, ...]
    which: np.ndarray | None = None

    def of(self, subject: int) -> Doses | None:
        """Return the doses of a person."""
        return self.each[0 if self.which is None else int(self.which[subject])]


def given_doses(
    text: str, regimen: str, labels: Sequence[str] | None, cmt: str | Sequence[str] | None, time_unit: str | None
) -> RegimenDoses | None:
    """Read the doses of one regimen from the `doses` attribute that `simulate` writes.

    Parameters
    ----------
    text : str
        JSON, ``{"q24h": {"time": [...], "amt": [...], "cmt": [...], "ii": [...]}}``; an entry may also hold ``ss``,
        ``evid``, the ``units`` of its amounts, one text or one per dose, and the ``time_unit``. An entry with ``each``
        and ``which`` holds several, of the ``subjects``.
    regimen : str
        Name of the regimen; an empty text takes the only one, if there is one only.
    labels : sequence of str or None
        Subjects of the curve, where they have labels.
    cmt : str or sequence of str or None
        Compartments whose doses count; None for all.
    time_unit : str or None
        Unit of the curve's times.

    Returns
    -------
    RegimenDoses or None
        None where the attribute does not say which doses belong to the curve, or there are none.

    Raises
    ------
    RegimenError
        If `cmt` names a compartment that no dose of any regimen goes into, or a person has no doses of their own.
    """
    known: dict[str, dict[str, Any]] = json.loads(text)
    wanted = None if cmt is None else [cmt] if isinstance(cmt, str) else list(cmt)
    _check_cmt(known, wanted)
    if not regimen and len(known) == 1:
        regimen = next(iter(known))
    entry = known.get(regimen)
    if entry is None:
        return None
    if "each" not in entry:
        doses = _doses(entry, wanted, time_unit)
        return None if doses is None else RegimenDoses((doses,))
    each = tuple(_doses(one, wanted, time_unit) for one in entry["each"])
    which = np.asarray(entry["which"], int)
    if labels is not None and entry["subjects"] is not None:
        place = {label: k for k, label in enumerate(entry["subjects"])}
        absent = [label for label in labels if label not in place]
        if absent:
            raise RegimenError(
                f"regimen '{regimen}': each subject has doses of their own, and there are none for {len(absent)} of "
                f"{len(labels)} subjects (first: {absent[0]}); give dose_times and dose"
            )
        which = which[[place[label] for label in labels]]
    elif labels is None and len(set(which.tolist())) > 1:
        return None
    return RegimenDoses(each, which)


def _check_cmt(known: Mapping[str, Mapping[str, Any]], wanted: list[str] | None) -> None:
    entries = [one for entry in known.values() for one in entry.get("each", [entry])]
    dosed = sorted({str(name) for entry in entries for name in entry.get("cmt", [])})
    for name in wanted or []:
        if name not in dosed:
            raise RegimenError(
                f"cmt: no dose goes into '{name}'; doses go into {', '.join(dosed)}{nearest(name, dosed)}"
            )


def _doses(entry: Mapping[str, Any], wanted: list[str] | None, time_unit: str | None) -> Doses | None:
    """Return the doses of one entry that count, or None where there are none."""
    time = np.asarray(entry["time"], float)
    n = len(time)
    names = np.asarray(entry.get("cmt") or [""] * n, str)
    evid = np.asarray(entry.get("evid", np.ones(n)), int)
    gives, resets = (evid == 1) | (evid == 4), (evid == 3) | (evid == 4)
    keep = gives & np.isin(names, wanted) if wanted is not None else gives
    if not keep.any():
        return None
    ii = np.asarray(entry.get("ii", np.zeros(n)), float)
    if time_unit is not None and entry.get("time_unit", time_unit) != time_unit:
        try:
            time, ii = (convert_time(v, str(entry["time_unit"]), time_unit) for v in (time, ii))
        except UnitError as error:
            raise RegimenError(f"doses: {error}") from None
    amt = np.asarray(entry.get("amt", np.full(n, np.nan)), float)
    amt, unit = _one_unit(amt[keep], entry.get("units", ""), keep)
    ss = np.asarray(entry.get("ss", np.zeros(n)), int)
    return Doses.of(time[keep], amt, ii[keep], ss[keep], time[resets], tuple(sorted(set(names[keep]) - {""})), unit)


def _one_unit(amt: np.ndarray, units: str | list[str], keep: np.ndarray) -> tuple[np.ndarray, str]:
    """Return amounts in one unit, that of the first dose; without a unit where they do not convert."""
    each = [units] * len(amt) if isinstance(units, str) else [u for u, used in zip(units, keep, strict=True) if used]
    if len(set(each)) == 1:
        return amt, each[0]
    ratios = [factor(u, each[0]) for u in each]
    if any(r is None for r in ratios):
        return amt, ""
    return amt * np.array([float(r) for r in ratios if r is not None]), each[0]
