"""Residual errors: how an observation scatters about the model's output ``f``, one class each.

All ``sigma``-like numbers are standard deviations, not variances.
"""

from __future__ import annotations

from pkpd.model.residual.counts import NegativeBinomial, Poisson
from pkpd.model.residual.error import ErrorParameter, ResidualError
from pkpd.model.residual.events import Event, Survival, TimeToEvent
from pkpd.model.residual.normal import Additive, Combined, Exact, LogNormal, NormalError, Proportional
from pkpd.model.residual.ordinal import Ordinal
from pkpd.model.residual.tails import log_phi

__all__ = [
    "Additive",
    "Combined",
    "ErrorParameter",
    "Event",
    "Exact",
    "LogNormal",
    "NegativeBinomial",
    "NormalError",
    "Ordinal",
    "Poisson",
    "Proportional",
    "ResidualError",
    "Survival",
    "TimeToEvent",
    "log_phi",
]
