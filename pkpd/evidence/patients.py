"""Rows of ``patients.csv``: what is known about each patient."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pkpd.evidence.reading import Row, to_number
from pkpd.evidence.values import PatientFact
from pkpd.evidence.words import COVARIATES

__all__ = ["quantities"]

# Other names of the covariates, which would be read as texts without an effect.
_ALIASES = {
    "wt": "WT",
    "weight": "WT",
    "bodyweight": "WT",
    "crcl": "CRCL",
    "clcr": "CRCL",
    "creatinineclearance": "CRCL",
}


def quantities(rows: Sequence[Row], cohorts: Collection[str] | None) -> list[PatientFact]:
    """Return the rows as values, noting all that is wrong.

    Parameters
    ----------
    rows : sequence of Row
    cohorts : collection of str or None
        Cohorts of the source card; None if it could not be read.
    """
    made: list[PatientFact] = []
    lines: dict[tuple[str, str], int] = {}
    cohort_of: dict[str, tuple[str, int]] = {}
    for row in rows:
        patient = row.text("patient", "name the patient as in the report")
        _check_cohort(row, patient, cohorts, cohort_of)
        name = row.text("quantity", "say what is known: age, sex, disease, WT, CRCL ...")
        first = lines.setdefault((patient, name), row.line)
        if first != row.line and patient and name:
            row.fault("quantity", f"patient '{patient}' has this quantity in line {first}", "keep one row")
        made.append(_quantity(row, patient, name))
    return made


def _quantity(row: Row, patient: str, name: str) -> PatientFact:
    value: float | str | None = row["value"] or None
    unit = COVARIATES.get(name)
    if unit is not None:
        value = row.number("value", "> 0", lambda number: number > 0)
        if value is not None:
            row.converts("unit", unit, name)
    elif value is not None:
        number = to_number(str(value))
        value = value if number is None else number
    meant = _ALIASES.get(name.lower().replace("_", "").replace(" ", ""))
    if unit is None and meant is not None:
        row.fault("quantity", f"this covariate is called '{meant}'", f"write {meant}, in {COVARIATES[meant]}")
    if not row["value"] and not row["printed"]:
        row.fault("value", "neither printed nor value is given", "quote the print, or leave the row out", show=False)
    known, where, reason = row.origin()
    return PatientFact(
        patient=patient,
        cohort=row["cohort"],
        quantity=name,
        printed=row["printed"],
        printed_unit=row["printed_unit"],
        value=value,
        unit=row["unit"],
        known=known,
        where=where,
        reason=reason,
    )


def _check_cohort(row: Row, patient: str, cohorts: Collection[str] | None, seen: dict[str, tuple[str, int]]) -> None:
    """Note a cohort that is unknown, or another one than in the patient's first row."""
    cohort = row["cohort"]
    if cohorts is not None:
        row.word("cohort", list(cohorts))
    first, line = seen.setdefault(patient, (cohort, row.line))
    if cohort != first:
        row.fault("cohort", f"patient '{patient}' is of cohort '{first}' in line {line}", "a patient is of one cohort")
