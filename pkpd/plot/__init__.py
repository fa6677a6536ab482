"""Figures of simulations and exposure that go into a paper as they are; every function returns Axes."""

from pkpd.plot.concentration import compare, concentration
from pkpd.plot.etas import etas
from pkpd.plot.evidence import evidence
from pkpd.plot.exposure import exposure
from pkpd.plot.fit import convergence, goodness_of_fit
from pkpd.plot.individuals import individuals
from pkpd.plot.profile import profiles
from pkpd.plot.prospects import prospects
from pkpd.plot.schedule import answer, comparison
from pkpd.plot.sensitivity import indices, screening, tornado
from pkpd.plot.style import COLOURS, WIDTHS, house_style
from pkpd.plot.validation import effect_curves, published_ratios
from pkpd.plot.vpc import vpc

__all__ = [
    "COLOURS",
    "WIDTHS",
    "answer",
    "compare",
    "comparison",
    "concentration",
    "convergence",
    "effect_curves",
    "etas",
    "evidence",
    "exposure",
    "goodness_of_fit",
    "house_style",
    "indices",
    "individuals",
    "profiles",
    "prospects",
    "published_ratios",
    "screening",
    "tornado",
    "vpc",
]
