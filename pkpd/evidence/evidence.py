"""A report as a value: its patients, what they were given, and what was said about them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, nearest
from pkpd.evidence.curves import CurveReader, row_of_arguments
from pkpd.evidence.doses import regimen_of
from pkpd.evidence.facts import Scope
from pkpd.evidence.faults import SeedFault, fault_text
from pkpd.evidence.kinds import fact_kinds
from pkpd.evidence.superseded import printed_over_curve, supersede
from pkpd.evidence.values import Fact, PatientFact, ReportedCurve, ReportedDose, ReportSource
from pkpd.evidence.vocabulary import Vocabulary, vocabulary_of
from pkpd.evidence.words import COLUMNS, COVARIATES, CURVES, SUPERSEDED, USES
from pkpd.kinds import Kind, needs
from pkpd.people.population import Population
from pkpd.timegrid import TimeGrid
from pkpd.units import conversion
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.model.model import Model

__all__ = ["Evidence"]


@dataclass(frozen=True, repr=False)
class Evidence(Kind):
    """What one report says; made by `load_seed`, and equal to another with the same rows.

    Days are those of the report; time in h counts from ``start_day``.

    Attributes
    ----------
    source : ReportSource
    quantities : tuple of PatientFact
        Rows of ``patients.csv``.
    doses : tuple of ReportedDose
        Rows of ``doses.csv``.
    facts : tuple of Fact
        Rows of ``facts.csv``, and points of curves.
    path : Path
        The folder.
    curves : tuple of ReportedCurve
        Rows of ``curves/curves.csv``, and those of `with_curve`.

    Examples
    --------
    >>> from pkpd.evidence.seeds import load_seed
    >>> report = load_seed("strati2020")
    >>> report.patients[:2], report.hours(report.start_day + 1)
    (('p1', 'p2'), 24.0)
    >>> report.regimen(report.patients[0]).total
    700.0
    """

    kind: ClassVar[str] = "Evidence"

    source: ReportSource
    quantities: tuple[PatientFact, ...]
    doses: tuple[ReportedDose, ...]
    facts: tuple[Fact, ...]
    path: Path
    curves: tuple[ReportedCurve, ...] = ()

    # -- who, when

    @property
    def name(self) -> str:
        """Name of the report."""
        return self.source.name

    @property
    def patients(self) -> tuple[str, ...]:
        """Patients in the order of the report."""
        return tuple(dict.fromkeys(row.patient for row in self.quantities))

    @property
    def cohorts(self) -> dict[str, str]:
        """Cohort by patient."""
        return {row.patient: row.cohort for row in self.quantities}

    @property
    def drugs(self) -> tuple[str, ...]:
        """Drugs that any patient got."""
        return tuple(dict.fromkeys(row.drug for row in self.doses))

    @property
    def markers(self) -> dict[str, str]:
        """Markers that models have outputs for, and their units: a fact's own where nothing else says."""
        known = {name: word.unit for name, word in self.words.markers.items()} | dict(self.source.markers)
        fitted = [f for f in self.facts if f.use == "fit" and fact_kinds()[f.kind].fitted and f.marker not in known]
        return known | {f.marker: f.unit for f in reversed(fitted)}

    @cached_property
    def words(self) -> Vocabulary:
        """How the drugs and markers are written, and in which order they stand."""
        return vocabulary_of(self.path)

    @property
    def studied(self) -> str:
        """Drug that the report is about: the source card's, or the first of ``doses.csv``; empty without doses."""
        return self.source.studied or next(iter(self.drugs), "")

    @property
    def start_day(self) -> float:
        """Day of the report that is time 0 h."""
        return self.source.start_day

    def hours(self, day: Any) -> Any:
        """Return the time of a day of the report, h; numbers, or arrays as a `TimeGrid`."""
        hours = convert_time(day - self.start_day, "d", "h")
        return TimeGrid(hours, "h") if np.ndim(hours) else hours

    def day(self, hours: Any) -> Any:
        """Return the day of the report at a time in h; numbers or arrays."""
        return convert_time(hours, "h", "d") + self.start_day

    # -- as tables

    @property
    def patient_table(self) -> pd.DataFrame:
        """The rows of ``patients.csv``."""
        return _table(self.quantities, COLUMNS["patients.csv"])

    @property
    def dose_table(self) -> pd.DataFrame:
        """The rows of ``doses.csv``."""
        return _table(self.doses, COLUMNS["doses.csv"])

    @property
    def fact_table(self) -> pd.DataFrame:
        """The facts, in the columns of ``facts.csv`` and ``curve``: of which a point is, or which supersedes the fact.

        A text stands in ``value``.
        """
        table = _table(self.facts, [*COLUMNS["facts.csv"], "curve"])
        words = [fact.text for fact in self.facts]
        if any(words):
            table["value"] = [word or value for word, value in zip(words, table["value"].tolist(), strict=True)]
        return table

    @property
    def curve_table(self) -> pd.DataFrame:
        """The curves: points, days, superseded facts, and the columns of ``curves.csv``.

        ``printed_from`` and ``printed_to`` are the extreme ratios of superseded numbers to the curve on their days.
        """
        table = _table(self.curves, ["name", *COLUMNS[CURVES]])
        table["reading_sd"] = [f"{curve.reading_sd:g} {curve.reading_unit}".strip() for curve in self.curves]
        own = [[f for f in self.facts if f.curve == curve.name] for curve in self.curves]
        days = [[f.time for f in facts if f.is_point and f.time is not None] for facts in own]
        table.insert(1, "points", [len(each) for each in days])
        table.insert(2, "first_day", [min(each, default=None) for each in days])
        table.insert(3, "last_day", [max(each, default=None) for each in days])
        table.insert(4, "supersedes", [sum(f.use == SUPERSEDED for f in facts) for facts in own])
        ratios = [printed_over_curve(curve, self.facts) for curve in self.curves]
        for k, name in enumerate(("printed_from", "printed_to")):
            table.insert(5 + k, name, [ratio[k] for ratio in ratios])
        return table

    # -- for simulations

    @property
    def regimens(self) -> dict[str, Regimen]:
        """All doses of each patient on one clock, mg and h, into ``<drug>.depot`` or ``<drug>.central``."""
        return {patient: self.regimen(patient, self.drugs, prefix=True) for patient in self.patients}

    def regimen(self, patient: str, drugs: Sequence[str] | None = None, *, prefix: bool = False) -> Regimen:
        """Return one patient's doses of some drugs, mg, on the clock of hours since ``start_day``.

        Parameters
        ----------
        patient : str
        drugs : sequence of str, optional
            Drugs to include; the one that the report is about by default.
        prefix : bool
            Whether compartments carry the drug's name, as in a composed model: ``anakinra.depot``, not ``depot``.

        Raises
        ------
        DataError
            If a name is unknown, or several drugs would go into the same compartments.
        """
        self._check("patient", patient, self.patients)
        drugs = [self.studied] if drugs is None and self.doses else drugs or ()
        known = dict.fromkeys([*self.drugs, *self.source.drugs, *self.words.drugs])
        for drug in drugs:
            self._check("drug", drug, tuple(known))
        if len(drugs) > 1 and not prefix:
            raise DataError(
                f"evidence '{self.name}': {', '.join(drugs)} would all go into depot and central; use prefix=True"
            )
        own = [row for row in self.doses if row.patient == patient and row.drug in drugs]
        return regimen_of(own, self.start_day, prefix, patient)

    def covariates(self, patient: str) -> dict[str, float]:
        """Return the covariates that are known of a patient: WT in kg, CRCL in mL/min, and other numbers as given."""
        self._check("patient", patient, self.patients)
        found: dict[str, float] = {}
        for row in self.quantities:
            if row.patient == patient and isinstance(row.value, float):
                unit = COVARIATES.get(row.quantity)
                found[row.quantity] = row.value * (conversion(row.unit, unit) if unit else 1.0)
        return found

    def population(self, model: Model) -> Population:
        """Return the patients as typical subjects of a model, in the order of the report.

        Covariates of the model that the report gives are the patient's own; the others are the model's reference.

        Parameters
        ----------
        model : Model

        Examples
        --------
        >>> from pkpd.evidence.seeds import load_seed
        >>> from pkpd.library import load_model
        >>> load_seed("strati2020").population(load_model("anakinra")).n
        8
        """
        needs(
            "Evidence.population",
            model,
            ("Model",),
            "load one, pkpd.models[name]; a fit's and a calibration's is its .model",
        )
        known = {patient: self.covariates(patient) for patient in self.patients}
        columns: dict[str, list[Any]] = {"ID": list(self.patients)}
        for name, covariate in model.covariates.items():
            columns[name] = [own.get(name, covariate.reference) for own in known.values()]
        return Population.from_table(model, columns)

    # -- more of it, and less

    def without(self, *names: str) -> Evidence:
        """Return the evidence without some patients or facts.

        Parameters
        ----------
        *names : str
            Patients, with all that is said of them, and facts; with ``*`` and ``?`` as wildcards.

        Raises
        ------
        DataError
            If a name fits neither a patient nor a fact, or no patient is left.

        Examples
        --------
        >>> from pkpd.evidence.seeds import load_seed
        >>> report = load_seed("strati2020")
        >>> "p1" in report.without("p1", "*_ldh_*").patients
        False
        """
        facts = tuple(fact.fact for fact in self.facts)
        for name in names:
            if not any(fnmatchcase(known, name) for known in (*self.patients, *facts)):
                has = f"{', '.join(self.patients)}; facts {', '.join(facts)}"
                raise DataError(
                    f"evidence '{self.name}' has no patient or fact '{name}'; it has patients {has}"
                    f"{nearest(name, (*self.patients, *facts))}"
                )
        gone = {p for p in self.patients if any(fnmatchcase(p, name) for name in names)}
        if len(gone) == len(self.patients):
            raise DataError(f"evidence '{self.name}': no patient is left without {', '.join(names)}")
        facts = [
            fact
            for fact in self.facts
            if fact.patient not in gone and not any(fnmatchcase(fact.fact, name) for name in names)
        ]
        curves = tuple(curve for curve in self.curves if any(f.is_point and f.curve == curve.name for f in facts))
        return replace(
            self,
            quantities=tuple(row for row in self.quantities if row.patient not in gone),
            doses=tuple(row for row in self.doses if row.patient not in gone),
            facts=supersede(facts, curves),
            curves=curves,
        )

    def with_curve(
        self,
        path: str | os.PathLike[str],
        *,
        patient: str,
        marker: str,
        unit: str,
        reading_sd: float | str | None,
        series: str = "",
        time_unit: str = "day",
        zero: float = 0.0,
        below: float | None = None,
        use: str = "fit",
        where: str = "",
        reason: str = "",
    ) -> Evidence:
        """Return the evidence with a digitised curve, as by a row of ``curves/curves.csv`` (``seeds/README.md``).

        Its points are facts. A fact to fit whose days it shows is ``superseded`` (`pkpd.extend.FactKind.days`).

        Parameters
        ----------
        path : str or path
            As WebPlotDigitizer writes it: two columns, or the names of several series over ``X,Y,X,Y``; commas,
            semicolons or tabs; decimal points or commas. A file name alone is also looked for in ``curves/``.
        patient, marker : str
        unit : str
            As the axis has it: of the values; ``log10 ng/mL`` if it has their logarithms; ``grade``.
        reading_sd : float, str or None
            Standard deviation of reading, how far a second reading would be off: relative, 0 < sd <= 1, as on a
            logarithmic axis, or a text with a unit, ``"0.2 degC"``, as on a linear one. None of grades.
        series : str
            Which one, of a file with several.
        time_unit : {'day', 'h', 'min', 'week'}
            Of the time axis.
        zero : float
            Day of the report at which the time axis has its 0.
        below : float, optional
            Limit of quantification (never its logarithm); points at or under it become facts of kind ``below``.
        use, where, reason : str
            As in the table; ``where`` is the figure.

        Raises
        ------
        DataError
            With all that is wrong with the arguments and the file.
        """
        file = Path(path)
        if not file.is_file() and (self.path / "curves" / file).is_file():
            file = self.path / "curves" / file
        faults: list[SeedFault] = []
        given = {"patient": patient, "marker": marker, "unit": unit, "reading_sd": reading_sd, "series": series}
        given |= {"time_unit": time_unit, "zero": zero, "below": below, "use": use, "where": where, "reason": reason}
        scope = Scope(self.patients, self.markers, self.start_day)
        points = [fact for fact in self.facts if fact.is_point]
        reader = CurveReader(scope, faults, list(self.curves), list(points), {fact.fact for fact in self.facts})
        reader.read(row_of_arguments({"file": file.name, **given}, faults), file, file.name)
        if faults:
            raise DataError(fault_text(f"curve '{path}'", faults))
        facts = [*self.facts, *reader.points[len(points) :]]
        return replace(self, facts=supersede(facts, reader.curves), curves=tuple(reader.curves))

    def __repr__(self) -> str:
        uses = {use: sum(fact.use == use for fact in self.facts) for use in (*USES, SUPERSEDED)}
        said = ", ".join(f"{count} {use}" for use, count in uses.items() if count or use in USES)
        days = [day for fact in self.facts for day in (fact.time, fact.time_to) if day is not None]
        days += [day for row in self.doses for day in row.days]
        span = f", days {min(days):g} to {max(days):g}" if days else ""
        return "\n".join(
            [
                f"Evidence '{self.name}': {len(self.patients)} patients{span}",
                f"  {self.source.citation}",
                f"  doses of {', '.join(self.drugs) or 'nothing'}",
                f"  {len(self.facts)} facts: {said}",
                *([f"  read off figures: {self._points()}"] if self.curves else []),
            ]
        )

    def _points(self) -> str:
        """Return the curves with their numbers of points."""
        counts = Counter(fact.curve for fact in self.facts if fact.is_point)
        return ", ".join(f"{curve.name} ({counts[curve.name]} points, {curve.use})" for curve in self.curves)

    def _check(self, noun: str, name: str, known: Sequence[str]) -> None:
        if name not in known:
            has = ", ".join(known) or "none"
            raise DataError(f"evidence '{self.name}' has no {noun} '{name}'; it has {has}{nearest(name, known)}")


def _table(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([[getattr(row, name) for name in columns] for row in rows], columns=list(columns))
