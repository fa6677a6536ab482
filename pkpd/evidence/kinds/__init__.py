"""Kinds of facts, one class each; all that the library knows of a kind stands in its class.

``facts.csv`` names them in its column ``kind``, terms of a likelihood in ``Term.kind``.
"""

from __future__ import annotations

from pkpd.evidence.kinds.kind import (
    Cell,
    CellRule,
    FactKind,
    Glyph,
    Redrawn,
    Stated,
    fact_kinds,
    kind_named,
    kind_of_fact,
    term_kinds,
)

from pkpd.evidence.kinds.measured import Value  # isort: skip
from pkpd.evidence.kinds.extremes import Nadir, Peak  # isort: skip
from pkpd.evidence.kinds.bounds import Above, Below  # isort: skip
from pkpd.evidence.kinds.ratio import Ratio, RatioAbove, RatioBelow  # isort: skip
from pkpd.evidence.kinds.grade import Grade  # isort: skip
from pkpd.evidence.kinds.wordless import Anything, Happening, Order  # isort: skip

__all__ = [
    "Above",
    "Anything",
    "Below",
    "Cell",
    "CellRule",
    "FactKind",
    "Glyph",
    "Grade",
    "Happening",
    "Nadir",
    "Order",
    "Peak",
    "Ratio",
    "RatioAbove",
    "RatioBelow",
    "Redrawn",
    "Stated",
    "Value",
    "fact_kinds",
    "kind_named",
    "kind_of_fact",
    "term_kinds",
]
