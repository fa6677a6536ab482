"""How a datum is known: as a number, or as lying beyond one."""

from __future__ import annotations

import enum
from typing import Any

from pkpd.engine.graph.functions import log1mexp, sqrt, where
from pkpd.engine.graph.nodes import const
from pkpd.model.residual import NormalError, ResidualError, log_phi

__all__ = ["Known", "log_density_of"]

ZERO = const(0)


class Known(enum.Enum):
    """How a datum is known."""

    MEASURED = "its value"
    BELOW = "to be less (M3 of Beal SL. J Pharmacokinet Pharmacodyn 2001;28:481-504)"
    ABOVE = "to be more"
    POSITIVE = "its value, given that it is above 0 (M4 of Beal 2001)"
    BETWEEN = "to lie between 0 and it, given that it is above 0 (M4)"
    REPORTED = "as a report has it, see pkpd.observation.reports"

    @property
    def is_value(self) -> bool:
        """Whether the datum is a measured value."""
        return self in (Known.MEASURED, Known.POSITIVE)


def log_density_of(known: Known, error: ResidualError, f: Any, y: Any, at: Any) -> Any:
    """Return the log-density, or log-probability, of a datum.

    Parameters
    ----------
    f : Node
        Prediction.
    y : Node
        Datum, or limit.
    at : Node
        Prediction that a residual variance is taken at: f itself with interaction.

    Raises
    ------
    ModelError
        If the error has no density, or no distribution function where that is needed.
    """

    def tail(limit: Any, upper: bool) -> Any:
        if isinstance(error, NormalError):
            return error.log_cdf(f, limit, upper, at)
        return error.log_cdf(f, limit, upper)

    if known in (Known.BELOW, Known.ABOVE):
        return tail(y, known is Known.ABOVE)
    if known.is_value:
        density = error.log_density(f, y, at) if isinstance(error, NormalError) else error.log_density(f, y)
        return density if known is Known.MEASURED else density - tail(ZERO, True)
    return _log_within(error, f, y, at) - tail(ZERO, True)


def _log_within(error: ResidualError, f: Any, y: Any, at: Any) -> Any:
    """Return log P(0 < Y < y), a difference of probabilities in the tail where both are small."""
    if isinstance(error, NormalError):
        # the tail is chosen before its probability is written, which halves what is compiled
        sd = sqrt(error.variance(at))
        upper, lower = (y - f) / sd, -f / sd
        flip = lower > 0
        high = log_phi(where(flip, -lower, upper))
        low = log_phi(where(flip, -upper, lower))
    else:
        negative, positive = error.log_cdf(f, ZERO), error.log_cdf(f, ZERO, True)
        flip = negative > positive
        high = where(flip, positive, error.log_cdf(f, y))
        low = where(flip, error.log_cdf(f, y, True), negative)
    return high + log1mexp(low - high)
