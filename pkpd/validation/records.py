"""What was published, in which setting, and what one model makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EQUIVALENCE", "Effect", "EffectReading", "Published", "Setting"]

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
    what : str
        Quantity, in words.
    measure : str
        What of the simulated course it is: ``Cc.Cmax``, ``Cc.mean(1, 24)``, ``Cc.time_above(5)`` and the like, as
        `sensitivity` is asked; an individual parameter, ``V``; or one over another, ``Ccsf.last / Cc.last``.
    setting : Setting
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
    against : Setting or None
        Setting whose measure divides that of ``setting``.
    variants : mapping of str to str
        Other models of the library to set beside it, and their short names.
    why : str
        Explanation of a simulated value outside the spread.
    """

    key: str
    what: str
    measure: str
    setting: Setting
    value: float | None
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    spread: str = ""
    known: str = "read"
    used: str = ""
    against: Setting | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
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
    """A published effect on a marker, beside which a model can stand.

    Attributes
    ----------
    key, what : str
        Unique name of the row; trial and quantity in words.
    measure : {"area ratio", "ratio", "level"}
        Area under the marker with the drug over that without; the marker at the end of the window over that without;
        or the marker itself, somewhere in the window. The first two depend on the share that the drug can block, the
        last does not.
    window : (float, float)
        Start and end, h after the first dose.
    doses : dict of name to (amt, cmt, ii, addl, tinf)
        Regimens in mg and h; several where a trial pooled them.
    untreated : float
        Marker without the drug, in its unit: the mean over the window, or that before treatment for the other measures.
    value, low, high : float or None
        Published effect and its interval; a ratio, or a level in the marker's unit.
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
    def of_share(self) -> bool:
        """Whether the effect depends on the share that the drug can block."""
        return self.measure != "level"

    @property
    def title(self) -> str:
        """Trial and quantity with a capital letter."""
        return self.what[:1].upper() + self.what[1:]


@dataclass(frozen=True, slots=True)
class EffectReading:
    """How published effects on a marker are read as the share of a disease that a drug can block.

    The marker is ``baseline`` in health, and ``slope`` times what the disease drives above it.

    Attributes
    ----------
    trials : tuple of Effect
        In the order of reports.
    output : str
        Marker.
    share : str
        Parameter from 0 to 1 that is sought.
    share_text : str
        It in words.
    baseline, slope, loss : str
        Parameters of the marker; ``loss`` is its rate constant.
    plateau : mapping of parameter to float
        A disease that is level before and during treatment; times on the model's clock.
    onset : mapping of parameter to float
        What differs if the disease begins with the first dose; times of ``clocked`` count from that dose.
    clocked : tuple of str
        Parameters that are times.
    title : str
        Heading of a table of the readings.
    run_in : float
        Hours of untreated disease before the first dose, for the marker to be level.
    """

    trials: tuple[Effect, ...]
    output: str
    share: str
    share_text: str
    baseline: str
    slope: str
    loss: str
    plateau: Mapping[str, float]
    onset: Mapping[str, float]
    clocked: tuple[str, ...]
    title: str
    run_in: float = 480.0

    @property
    def symbol(self) -> str:
        """Name of the share without its part."""
        return self.share.rpartition(".")[2]

    @property
    def assumptions(self) -> dict[str, str]:
        """Assumptions under which an effect is read as a share, by name."""
        health = f"{self.baseline.rpartition('.')[2]} 0"
        return {
            "plateau": "the disease is level before and during treatment",
            f"all of {self.output}": f"the same, and none of {self.output} belongs to health ({health})",
            "onset": "the disease begins with the first dose",
        }
