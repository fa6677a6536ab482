"""Figures of simulations and exposure that go into a paper as they are; every function returns Axes."""

from pkpd.plot.concentration import compare, concentration
from pkpd.plot.evidence import evidence
from pkpd.plot.exposure import exposure
from pkpd.plot.profile import profiles
from pkpd.plot.schedule import comparison
from pkpd.plot.sensitivity import indices, screening, tornado
from pkpd.plot.style import COLOURS, WIDTHS, house_style
from pkpd.plot.validation import effect_curves, published_ratios

__all__ = [
    "COLOURS",
    "WIDTHS",
    "compare",
    "comparison",
    "concentration",
    "effect_curves",
    "evidence",
    "exposure",
    "house_style",
    "indices",
    "profiles",
    "published_ratios",
    "screening",
    "tornado",
]
