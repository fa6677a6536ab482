"""Clinical reports as data: patients, doses and what was said about them, each with its place in the source."""

from __future__ import annotations

from pkpd.evidence.evidence import Evidence
from pkpd.evidence.faults import Report, SeedFault
from pkpd.evidence.seeds import list_seeds, load_seed, validate_seed
from pkpd.evidence.values import Fact, PatientFact, ReportedCurve, ReportedDose, ReportSource

__all__ = [
    "Evidence",
    "Fact",
    "PatientFact",
    "Report",
    "ReportSource",
    "ReportedCurve",
    "ReportedDose",
    "SeedFault",
    "list_seeds",
    "load_seed",
    "validate_seed",
]
