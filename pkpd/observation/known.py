"""How a datum is known: as a number, or as lying beyond one."""

from __future__ import annotations

import enum
from typing import Any

from pkpd.engine.graph.functions import exp, log, sqrt, where
from pkpd.errors import DataError
from pkpd.model.residual import NormalError, ResidualError, log_phi

__all__ = ["Known", "log_density_of"]


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
    DataError
        If the error has none.
    """
    if known is Known.MEASURED:
        return error.log_density(f, y, at) if isinstance(error, NormalError) else error.log_density(f, y)
    if known in (Known.BELOW, Known.ABOVE):
        upper = known is Known.ABOVE
        return error.log_cdf(f, y, upper, at) if isinstance(error, NormalError) else error.log_cdf(f, y, upper)
    if not isinstance(error, NormalError):
        raise DataError(f"fit: bloq='m4' needs a normal error, got {type(error).__name__}; use bloq='m3'")
    sd = sqrt(error.variance(at))
    if known is Known.POSITIVE:
        return error.log_density(f, y, at) - log_phi(f / sd)
    upper, lower = (y - f) / sd, -f / sd
    # differences of probabilities are taken in the tail where both are small
    flip = lower > 0
    high = log_phi(where(flip, -lower, upper))
    low = log_phi(where(flip, -upper, lower))
    return high + log(1 - exp(low - high)) - log_phi(f / sd)
