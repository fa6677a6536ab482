"""Clinical reports as data: patients, doses and what was said about them, each with its place in the source."""

from __future__ import annotations

from pkpd.evidence.evidence import Evidence
from pkpd.evidence.faults import Fault, Report
from pkpd.evidence.seeds import list_seeds, load_seed, validate_seed
from pkpd.evidence.values import Fact, Given, Quantity, Source

__all__ = [
    "Evidence",
    "Fact",
    "Fault",
    "Given",
    "Quantity",
    "Report",
    "Source",
    "list_seeds",
    "load_seed",
    "validate_seed",
]
