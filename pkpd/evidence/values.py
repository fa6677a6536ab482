"""What a report says, row by row: its source, its patients, what they were given, and the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pkpd.evidence.kinds import fact_kinds
from pkpd.evidence.words import SUPERSEDED, TIME_UNITS
from pkpd.units import conversion

__all__ = ["Fact", "PatientFact", "ReportSource", "ReportedCurve", "ReportedDose"]


@dataclass(frozen=True)
class ReportSource:
    """The report that a seed folder was transcribed from.

    Attributes
    ----------
    name : str
        Name of the folder.
    citation, doi : str
    kind : str
        What kind of patients it is about.
    readable : tuple of str
        What of it could be read, and what could not.
    day_zero : str
        What day 0 of the report is.
    start_day : float
        Day at which simulations begin, which is time 0 h; no dose or fact is earlier.
    cohorts : mapping of str to str
        Names of the cohorts and what they are (empty where the source card only lists them).
    drugs : tuple of str
        Drugs beyond those of ``words.toml``.
    markers : mapping of str to str
        Markers beyond those of ``words.toml``, and the units of their outputs.
    studied : str
        Drug that the report is about; empty where the source card does not say.
    """

    name: str
    citation: str
    doi: str
    kind: str
    readable: tuple[str, ...]
    day_zero: str
    start_day: float
    cohorts: Mapping[str, str]
    drugs: tuple[str, ...] = ()
    markers: Mapping[str, str] = field(default_factory=dict)
    studied: str = ""


@dataclass(frozen=True, slots=True)
class PatientFact:
    """One row of ``patients.csv``: something known about a patient.

    Attributes
    ----------
    patient, cohort, quantity : str
    printed, printed_unit : str
        As they stand in the report.
    value : float, str or None
        As understood: a number in ``unit``, a word, or None where it is not known.
    unit : str
    known : {'read', 'derived', 'assumed'}
    where, reason : str
        Place in the report; why it is understood so.
    """

    patient: str
    cohort: str
    quantity: str
    printed: str
    printed_unit: str
    value: float | str | None
    unit: str
    known: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReportedDose:
    """One row of ``doses.csv``: the same dose once, or several times at an interval.

    Attributes
    ----------
    patient, drug, printed : str
    amt : float
        Amount of one dose in ``unit``.
    unit : str
    route : {'SC', 'IM', 'PO', 'IV'}
    start : float
        Day of the first dose.
    interval : float or None
        Hours between doses; None for one dose.
    number : int
        Doses.
    duration : float or None
        Duration of an infusion, h; None for a bolus.
    known, where, reason : str
        As in `PatientFact`.
    """

    patient: str
    drug: str
    printed: str
    amt: float
    unit: str
    route: str
    start: float
    interval: float | None
    number: int
    duration: float | None
    known: str
    where: str
    reason: str

    @property
    def days(self) -> tuple[float, ...]:
        """Day of each dose."""
        return tuple(self.start + k * (self.interval or 0.0) / 24 for k in range(self.number))

    @property
    def end(self) -> float:
        """Day at which the last dose is in, d."""
        return self.days[-1] + (self.duration or 0.0) / 24


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of ``facts.csv``: something reported about a patient, or about a cohort.

    Attributes
    ----------
    fact : str
        Its name, of which there is one in a report.
    patient : str
        Empty for a statement on a cohort.
    marker, kind : str
        Of what; ``value peak nadir below above change grade order event text``.
    time, time_to : float or None
        Day, or first and last day of the window.
    at : float or None
        Day of a peak or nadir.
    op : str
        ``=``, ``<`` or ``>`` of a change.
    printed, printed_unit : str
        As they stand in the report.
    value, value_to : float or None
        As understood, in ``unit``; a change is a ratio, a grade a range of grades.
    text : str
        The value of an event, an order or a text where it is no number.
    unit : str
    reading_sd : float
        Relative standard deviation of reading and rounding, added to the residual error; of a ratio that of the ratio.
    use : {'fit', 'check', 'no', 'superseded'}
        ``superseded``: it was to be fitted, and ``curve`` is in its place.
    known, where, reason : str
        As in `PatientFact`.
    curve : str
        The curve that it is a point of, or that supersedes it; else empty.
    """

    fact: str
    patient: str
    marker: str
    kind: str
    time: float | None
    time_to: float | None
    at: float | None
    op: str
    printed: str
    printed_unit: str
    value: float | None
    value_to: float | None
    unit: str
    reading_sd: float
    use: str
    known: str
    where: str
    reason: str
    text: str = ""
    curve: str = ""

    @property
    def is_point(self) -> bool:
        """Whether it is a point of a curve that was read off a figure."""
        return bool(self.curve) and self.use != SUPERSEDED

    def to(self, unit: str) -> Fact:
        """Return the fact with its value in another unit; a ratio of two values has none to convert.

        Raises
        ------
        UnitError
            If the units measure different things.

        Examples
        --------
        >>> fact = Fact("p1_Ddimer_peak", "p1", "Ddimer", "peak", 0.0, 9.0, 3.0, "", "", "", 4.2, None, "mg/L", 0.0,
        ...             "fit", "read", "Table 1", "")
        >>> fact.to("ng/mL").value, fact.to("ng/mL").unit
        (4200.0, 'ng/mL')
        """
        if not _has_unit(self.kind) or (self.value is None and self.value_to is None):
            return self
        factor = conversion(self.unit, unit)
        value, value_to = (None if v is None else v * factor for v in (self.value, self.value_to))
        return replace(self, value=value, value_to=value_to, unit=unit)


@dataclass(frozen=True, slots=True)
class ReportedCurve:
    """One row of ``curves/curves.csv``: a curve that was read off a figure; its points are facts.

    Attributes
    ----------
    name : str
        Of which there is one in a report: patient, marker, file, and what else the series is called.
    file, series : str
        Where its points stand; ``series`` may be empty for a file with one.
    patient, marker : str
    time_unit : {'day', 'h', 'min', 'week'}
        Of the time axis.
    zero : float
        Day of the report at which the axis has its 0.
    unit : str
        As the axis has it: a unit, ``log10`` and a unit, or ``grade``.
    reading_sd : float
        Standard deviation of reading: relative, or in ``reading_unit``; 0 of grades.
    reading_unit : str
        Empty if relative.
    below : float or None
        Limit of quantification in ``unit``.
    use, known, where, reason : str
        As in `Fact`.
    """

    name: str
    file: str
    series: str
    patient: str
    marker: str
    time_unit: str
    zero: float
    unit: str
    reading_sd: float
    reading_unit: str
    below: float | None
    use: str
    known: str
    where: str
    reason: str

    @property
    def margin(self) -> float:
        """How far beyond its ends it still shows a day, d: half of the axis's unit, and half a day at most."""
        return 0.5 * min(1.0, TIME_UNITS[self.time_unit])


def _has_unit(word: str) -> bool:
    kind = fact_kinds().get(word)
    return kind is None or kind.has_unit
