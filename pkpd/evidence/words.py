"""The words of a seed folder: its files and columns, which are the same in every report."""

from __future__ import annotations

from pkpd.transport import frozen

__all__ = [
    "CARD",
    "CARD_OPTIONAL",
    "COLUMNS",
    "COVARIATES",
    "CURVES",
    "GRADE",
    "INTO",
    "KNOWN",
    "MEANS",
    "OPERATORS",
    "SUPERSEDED",
    "TIME_UNITS",
    "USES",
]

_TAIL = ("known", "where", "reason")

CURVES = "curves/curves.csv"
"""Table of the curves that were read off figures; a report may do without, the other tables it must have."""

COLUMNS = frozen(
    {
        "patients.csv": ("patient", "cohort", "quantity", "printed", "printed_unit", "value", "unit", *_TAIL),
        "doses.csv": (
            *("patient", "drug", "printed", "amt", "unit", "route"),
            *("start", "interval", "number", "duration", *_TAIL),
        ),
        "facts.csv": (
            *("fact", "patient", "marker", "kind", "time", "time_to", "at", "op", "printed", "printed_unit"),
            *("value", "value_to", "unit", "reading_sd", "use", *_TAIL),
        ),
        CURVES: (
            *("file", "series", "patient", "marker", "time_unit", "zero", "unit", "reading_sd", "below", "use", *_TAIL),
        ),
    }
)
"""Columns of each table, in any order; all of them must be there."""

CARD = ("name", "citation", "doi", "kind", "readable", "day_zero", "start_day", "cohorts")
"""Keys of ``source.toml``."""

CARD_OPTIONAL = ("studied", "drugs", "markers")
"""Keys that a report may add: the drug that it is about, further drugs, and further markers with their units."""

KNOWN = ("read", "derived", "assumed")
USES = ("fit", "check", "no")
SUPERSEDED = "superseded"
"""Use of a fact to fit in whose place a curve is fitted that shows the same."""

GRADE = "grade"
"""Unit of grades."""

TIME_UNITS = frozen({"day": 1.0, "h": 1 / 24, "min": 1 / 1440, "week": 7.0})
"""Units of the time axis of a figure, in days."""

OPERATORS = ("=", "<", ">")

INTO = frozen({"SC": "depot", "IM": "depot", "PO": "depot", "IV": "central"})
"""Compartment by route."""

COVARIATES = frozen({"WT": "kg", "CRCL": "mL/min"})
"""Quantities of ``patients.csv`` that are covariates of models, and their units."""

MEANS = frozen({"time_to": "the end of a window", "op": "of a change", "value_to": "the end of a range of grades"})
"""Columns that facts of some kinds only have a use for, and what they are."""
