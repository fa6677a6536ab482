"""What was published, in which setting, and what one model makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["EQUIVALENCE", "Effect", "Published", "Setting"]

EQUIVALENCE = (0.8, 1.25)
"""Ratio of simulated to published that counts as agreement where no spread was published (as in bioequivalence)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Who was dosed with what.

    Attributes
    ----------
    text : str
        In words, without the dose.
    amt : float
        Amount of each dose, mg, or mg/kg where ``per_kg``.
    per_kg : bool
    cmt : str
        State that is dosed.
    tinf, ii : float
        Duration of an infusion and interval between doses, h; 0 for a bolus and for one dose.
    addl : int
        Doses after the first.
    rate : float
        Amount per h of a further infusion from time 0 to the end, in the unit of ``amt``.
    weight, crcl : float
        Of the typical person, kg and mL/min.
    crcl_range : (float, float)
        Creatinine clearance of the virtual population, uniform, mL/min.
    end, step : float
        Last time and distance of the times, h.
    assumed : str
        What about the setting was not published.
    """

    text: str
    amt: float
    per_kg: bool = False
    cmt: str = "depot"
    tinf: float = 0.0
    ii: float = 0.0
    addl: int = 0
    rate: float = 0.0
    weight: float = 70.0
    crcl: float = 100.0
    crcl_range: tuple[float, float] = (80.0, 120.0)
    end: float = 48.0
    step: float = 0.1
    assumed: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A published number, beside which a simulated one can stand.

    Attributes
    ----------
    key : str
        Unique name of the row.
    model : str
        Model of the library that should reproduce it.
    what : str
        Quantity, in words.
    measure : str
        How it is measured on the simulated course, a key of `measures.MEASURES`.
    setting : str
        Key of `published.SETTINGS`.
    value : float or None
        In ``unit``; None where only bounds were published.
    low, high : float or None
        Ends of the spread.
    spread : str
        What the spread is: ``SD`` (value - SD to value + SD), ``range``, ``IQR``; empty where none was published.
    unit, source : str
    known : {"read", "derived", "assumed"}
        Whether the number was read in the source, derived from it, or stands there unverified.
    used : str
        Parameters of the model that were chosen with this number; empty for an external check.
    against : str
        Setting whose measure divides that of ``setting``.
    variants : tuple of str
        Other models of the library to set beside it.
    why : str
        Explanation of a simulated value outside the spread.
    """

    key: str
    model: str
    what: str
    measure: str
    setting: str
    value: float | None
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    spread: str = ""
    known: str = "read"
    used: str = ""
    against: str = ""
    variants: tuple[str, ...] = ()
    why: str = ""

    @property
    def use(self) -> str:
        """``"used"`` where the row is a matter of consistency, ``"external"`` where it tests the model."""
        return "used" if self.used else "external"

    @property
    def limits(self) -> tuple[float, float]:
        """Range within which a simulated value agrees; by `EQUIVALENCE` where no spread was published."""
        if self.low is None and self.high is None and self.value is not None:
            return EQUIVALENCE[0] * self.value, EQUIVALENCE[1] * self.value
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    @property
    def centre(self) -> float:
        """The value, or the middle of the spread, or its one end."""
        if self.value is not None:
            return self.value
        ends = [end for end in (self.low, self.high) if end is not None]
        return sum(ends) / len(ends)


@dataclass(frozen=True, slots=True)
class Effect:
    """A published effect on CRP, beside which the composed model can stand.

    Attributes
    ----------
    key, what : str
        Unique name of the row; trial and quantity in words.
    measure : {"area ratio", "ratio", "level"}
        Area under CRP with the drug over that without; CRP at the end of the window over that without; or CRP itself,
        somewhere in the window. The first two depend on phi, the last is of tocilizumab and does not.
    window : (float, float)
        Start and end, h after the first dose.
    doses : dict of name to (amt, cmt, ii, addl, tinf)
        Regimens in mg and h; several where a trial pooled them.
    untreated : float
        CRP without the drug, mg/L: its mean over the window, or that before treatment for the other measures.
    value, low, high : float or None
        Published effect and its interval; a ratio, or mg/L for a level.
    source, spread, known : str
        ``spread`` says what the interval is.
    weight, crcl : float
        kg and mL/min.
    drive : dict of name to float
        Parameters of the drive that differ from a plateau; times in h after the first dose.
    acute : bool
        The disease begins about when treatment does, so that a drive from the first dose is a second reading.
    note : str
        What stands against the reading, and what of the setting was assumed.
    """

    key: str
    what: str
    measure: str
    window: tuple[float, float]
    doses: dict[str, tuple[float, str, float, int, float]]
    untreated: float
    value: float
    source: str
    low: float | None = None
    high: float | None = None
    spread: str = ""
    known: str = "read"
    weight: float = 70.0
    crcl: float = 100.0
    drive: dict[str, float] = field(default_factory=dict)
    acute: bool = False
    note: str = ""

    @property
    def of_phi(self) -> bool:
        """Whether the effect depends on the share phi."""
        return self.measure != "level"

    @property
    def title(self) -> str:
        """Trial and quantity with a capital letter."""
        return self.what[:1].upper() + self.what[1:]
