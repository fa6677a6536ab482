"""Doses written in the clinician's shorthand, so that they read back as they were."""

from __future__ import annotations

from pkpd.dosing.amounts import shortest
from pkpd.dosing.dose import Dose

__all__ = ["dose_text", "reads_back"]


def dose_text(dose: Dose, unit: str | None = None) -> str:
    """Write a dose record as shorthand.

    Examples
    --------
    >>> dose_text(Dose(100, "depot", ii=24, addl=6), "mg")
    '100 mg into depot q24h x7'
    >>> dose_text(Dose(200, "central", time=24, tinf=2))
    '200 into central over 2 h at 24 h'
    >>> dose_text(Dose(0, evid=3, time=36))
    'reset at 36 h'
    """
    parts = {3: ["reset"], 2: ["other event"]}.get(dose.evid) or _given(dose, unit)
    if dose.ii:
        parts.append(f"q{shortest(dose.ii)}h x{dose.addl + 1}")
    if dose.ss:
        parts.append("at steady state" if dose.ss == 1 else "on top of steady state")
    if dose.time or dose.evid in (2, 3):
        parts.append(f"at {shortest(dose.time)} h")
    return " ".join(parts)


def reads_back(dose: Dose) -> bool:
    """Whether the shorthand has words for this record, and its numbers survive them."""
    if dose.evid != 1 or dose.ss == 2 or dose.rate < 0 or dose.time < 0:
        return False
    return dose.tinf is None or dose.amt / dose.tinf == dose.rate


def _given(dose: Dose, unit: str | None) -> list[str]:
    """Write what is given, and how."""
    parts = {4: ["reset and"], 8: ["replace by"]}.get(dose.evid, [])
    suffix = f" {unit}" if unit else ""
    if dose.amt == 0 and dose.rate > 0:
        parts.append(f"{shortest(dose.rate)}{suffix}/h")
    else:
        parts.append(f"{shortest(dose.amt)}{suffix}")
    if dose.cmt is not None:
        parts.append(f"into {dose.cmt}")
    if dose.tinf is not None:
        parts.append(f"over {shortest(dose.tinf)} h")
    elif dose.rate < 0:
        parts.append("at modelled rate" if dose.rate == -1 else "over modelled duration")
    return parts
