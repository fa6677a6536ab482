"""Doses written in the clinician's shorthand, so that they read back as they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from pkpd.dosing.amounts import shortest
from pkpd.dosing.dose import Dose
from pkpd.dosing.ended import amount_given, one_by_one, together
from pkpd.dosing.words import HOURS, ROUTES

__all__ = ["dose_text", "doses_repr", "doses_text", "reads_back"]

_SHOWN = 6


def dose_text(dose: Dose, unit: str | None = None, time_unit: str = "h") -> str:
    """Write a dose record as shorthand.

    Parameters
    ----------
    dose : Dose
    unit : str, optional
        Of its amount.
    time_unit : str
        Of its times.

    Examples
    --------
    >>> dose_text(Dose(100, "depot", ii=24, addl=6), "mg")
    '100 mg into depot q24h x7'
    >>> dose_text(Dose(200, "central", time=24, tinf=2))
    '200 into central over 2 h at 24 h'
    >>> dose_text(Dose(100, time=2, ii=1, addl=6), "mg", "d")
    '100 mg q1d x7 at 2 d'
    >>> dose_text(Dose(80, route="IV"), "mg")
    '80 mg IV'
    >>> dose_text(Dose(0, evid=3, time=36))
    'reset at 36 h'
    """
    parts = {3: ["reset"], 2: ["other event"]}.get(dose.evid) or _given(dose, unit, time_unit)
    if dose.ii:
        parts.append(f"q{shortest(dose.ii)}{time_unit} x{dose.addl + 1}")
    if dose.ss:
        parts.append("at steady state" if dose.ss == 1 else "on top of steady state")
    if dose.time or dose.evid in (2, 3):
        parts.append(f"at {shortest(dose.time)} {time_unit}")
    return " ".join(parts)


def reads_back(dose: Dose, time_unit: str = "h") -> bool:
    """Whether the shorthand has words for this record, and its numbers survive them."""
    if dose.evid != 1 or dose.ss == 2 or dose.rate < 0 or dose.time < 0 or time_unit not in HOURS:
        return False
    if dose.amt == 0 or (dose.amt == math.inf and time_unit not in ("h", "min")):
        return False
    if dose.route is not None and dose.route not in ROUTES.values():
        return False
    return dose.tinf is None or dose.amt / dose.tinf == dose.rate


def _given(dose: Dose, unit: str | None, time_unit: str) -> list[str]:
    """Write what is given, and how."""
    parts = {4: ["reset and"], 8: ["replace by"]}.get(dose.evid, [])
    suffix = f" {unit}" if unit else ""
    if dose.amt in (0, math.inf) and dose.rate > 0:
        parts.append(f"{shortest(dose.rate)}{suffix}/{time_unit}")
    else:
        parts.append(f"{shortest(dose.amt)}{suffix}")
    if dose.route is not None:
        parts.append(dose.route)
    if dose.cmt is not None:
        parts.append(f"into {dose.cmt}")
    if dose.tinf is not None:
        parts.append(f"over {shortest(dose.tinf)} {time_unit}")
    elif dose.rate < 0:
        parts.append("at modelled rate" if dose.rate == -1 else "over modelled duration")
    return parts


def doses_text(doses: Sequence[Dose], unit: str | None, time_unit: str) -> str:
    """Write the records of a regimen as shorthand."""
    return " + ".join(dose_text(dose, unit, time_unit) for dose in doses) or "no doses"


def doses_repr(doses: Sequence[Dose], unit: str | None, time_unit: str, name: str | None) -> str:
    """Write a regimen as the expression that makes it, or in short if it is long."""
    arguments = f", time_unit={time_unit!r}" if time_unit != "h" else ""
    called = f", name={name!r}" if name else ""
    if not doses:
        return f"Regimen(doses=[]{arguments}{called})"
    if len(doses) > _SHOWN:
        times = [dose.time for dose in one_by_one(doses, time_unit)]
        span = f"from {shortest(times[0])} to {shortest(times[-1])} {time_unit}" if times else "nothing given"
        total = f"{amount_given(doses, time_unit):g} {unit or ''}".strip()
        what = f"{len(times)} doses {span}, {total} in all; first {dose_text(doses[0], unit, time_unit)}"
        return f"<Regimen {name!r}: {what}>" if name else f"<Regimen: {what}>"
    in_order = reduce(together, ([dose] for dose in doses), []) == list(doses)
    if in_order and all(reads_back(dose, time_unit) for dose in doses):
        return f"Regimen.parse({doses_text(doses, unit, time_unit)!r}{arguments}{called})"
    of = f", unit={unit!r}" if unit else ""
    return f"Regimen(doses={list(doses)!r}{of}{arguments}{called})"
