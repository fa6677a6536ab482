"""Early or late, and one covariate from value to value: thin uses of `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pkpd.comparison.arms import Arm
from pkpd.comparison.compare import compare
from pkpd.comparison.result import Comparison
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, RegimenError, nearest
from pkpd.simulation.source import model_from
from pkpd.units.time import convert_time

__all__ = ["by_covariate", "starts"]


def starts(regimen: Regimen | str, days: Sequence[float], *, day_zero: float = 0.0) -> dict[str, Regimen]:
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
    >>> found = starts(Regimen(amt=100, cmt="depot", ii=24, addl=1), [0, 7])
    >>> {name: regimen.times.tolist() for name, regimen in found.items()}
    {'start day 0': [0.0, 24.0], 'start day 7': [168.0, 192.0]}
    """
    if isinstance(regimen, str):
        regimen = Regimen.parse(regimen)
    if not isinstance(regimen, Regimen) or not len(regimen.times):
        raise RegimenError(f"starts: give a regimen with doses, got {regimen!r}")
    if not len(days):
        raise RegimenError("starts: give at least one day")
    first = float(regimen.times[0])
    return {
        f"start day {day:g}": regimen.shift(convert_time(day - day_zero, "d", regimen.time_unit) - first)
        for day in days
    }


def by_covariate(
    source: Any,
    regimen: Regimen | str | Mapping[str, Regimen | str],
    covariate: str,
    values: Sequence[float],
    **settings: Any,
) -> Comparison:
    """Compare one or several regimens at several values of a covariate, all else equal.

    Parameters
    ----------
    source : Model, calibration or Individual
    regimen : Regimen, str, or mapping of name to these
    covariate : str
        Such as ``"CRCL"``.
    values : sequence of float
        In the covariate's unit.
    **settings
        As for `compare`.

    Raises
    ------
    PkpdError
        If the model lacks the covariate, or there are no values.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> found = by_covariate(load_model("anakinra"), "100 mg daily x7", "CRCL", [120, 30], n=10)
    >>> found.regimens
    ('CRCL 120', 'CRCL 30')
    """
    known = model_from("by_covariate", source).covariates
    if covariate not in known:
        raise PkpdError(
            f"by_covariate: the model has no covariate '{covariate}'{nearest(covariate, known)}; "
            f"it has {', '.join(known) or 'none'}"
        )
    if not len(values):
        raise PkpdError(f"by_covariate: give at least one value of {covariate}")
    named = regimen if isinstance(regimen, Mapping) else {"": regimen}
    arms = {
        f"{name}, {covariate} {value:g}".removeprefix(", "): Arm(given, {covariate: float(value)})
        for name, given in named.items()
        for value in values
    }
    return compare(source, arms, **settings)
