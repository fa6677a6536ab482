"""Early or late, and one covariate from value to value: arms to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pkpd.comparison.arms import Arm
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, RegimenError
from pkpd.units.time import convert_time

__all__ = ["by_covariate", "by_start"]


def by_start(regimen: Regimen | str, days: Sequence[float], *, day_zero: float = 0.0) -> dict[str, Regimen]:
    """Return the same regimen begun on several days, to be compared.

    Parameters
    ----------
    regimen : Regimen or str
    days : sequence of float
        Days of the first dose.
    day_zero : float
        Day that is time 0.

    Returns
    -------
    dict of str to Regimen
        By ``"start day 7"``.

    Raises
    ------
    RegimenError
        If the regimen has no dose, or no day is given.

    Examples
    --------
    >>> found = by_start(Regimen(amt=100, cmt="depot", ii=24, addl=1), [0, 7])
    >>> {name: regimen.times.tolist() for name, regimen in found.items()}
    {'start day 0': [0.0, 24.0], 'start day 7': [168.0, 192.0]}
    """
    if isinstance(regimen, str):
        regimen = Regimen.parse(regimen)
    if not isinstance(regimen, Regimen) or not len(regimen.times):
        raise RegimenError(f"by_start: give a regimen with doses, got {regimen!r}")
    if not len(days):
        raise RegimenError("by_start: give at least one day")
    first = float(regimen.times[0])
    return {
        f"start day {day:g}": regimen.shift(convert_time(day - day_zero, "d", regimen.time_unit) - first)
        for day in days
    }


def by_covariate(
    regimens: Regimen | str | Mapping[str, Regimen | str], covariate: str, values: Sequence[float]
) -> dict[str, Arm]:
    """Return one or several regimens at several values of a covariate, to be compared.

    Parameters
    ----------
    regimens : Regimen, str, or mapping of name to these
    covariate : str
        Such as ``"CRCL"``.
    values : sequence of float
        In the covariate's unit.

    Returns
    -------
    dict of str to Arm
        By ``"CRCL 30"``, or ``"daily, CRCL 30"`` for regimens with names.

    Raises
    ------
    PkpdError
        If there are no values.

    Examples
    --------
    >>> list(by_covariate({"daily": "100 mg daily x7", "BID": "100 mg BID x7d"}, "CRCL", [120, 30]))
    ['daily, CRCL 120', 'daily, CRCL 30', 'BID, CRCL 120', 'BID, CRCL 30']
    """
    if not len(values):
        raise PkpdError(f"by_covariate: give at least one value of {covariate}")
    named = regimens if isinstance(regimens, Mapping) else {"": regimens}
    return {
        f"{name}, {covariate} {value:g}".removeprefix(", "): Arm(given, {covariate: float(value)})
        for name, given in named.items()
        for value in values
    }
