"""Events in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import exp, log, sqrt
from pkpd.errors import DataError
from pkpd.model.residual.error import DatumRows, ResidualError, number_or_node

__all__ = ["Event", "Survival", "TimeToEvent"]


@dataclass(frozen=True, slots=True)
class Survival(ResidualError):
    """No event until now: the output is the cumulative hazard."""

    data = "event"

    def log_density(self, f: Any, y: Any) -> Any:
        """Return minus the cumulative hazard."""
        return -f

    def information(self, f: Any) -> Any:
        """Return ``1 / f``."""
        return 1 / f

    def sd(self, f: Any) -> Any:
        """Return the standard deviation of whether there was an event until then."""
        survival = exp(-number_or_node(f))
        return sqrt(survival * (1.0 - survival))

    def draw(self, f: Any, normal: Any) -> Any:
        """Return 1 where an event happened until then, 0 elsewhere."""
        from scipy.special import log_ndtr

        return (-log_ndtr(-np.asarray(normal, float)) <= np.asarray(f, float)).astype(float)


@dataclass(frozen=True, slots=True)
class Event(Survival):
    """An event now: the output is the hazard."""

    def log_density(self, f: Any, y: Any) -> Any:
        """Return the logarithm of the hazard."""
        return log(f)

    def information(self, f: Any) -> Any:
        """Return ``1 / f^2``."""
        return 1 / (f * f)


@dataclass(frozen=True, slots=True)
class TimeToEvent(Survival):
    """Events in time; the output is the cumulative hazard, and another output the hazard.

    A row with DV 1 is an event at its time; one with DV 0 ends the follow-up without. Events may repeat.

    Parameters
    ----------
    hazard : str
        Output of the model that is the hazard, per time.

    Examples
    --------
    >>> TimeToEvent("hazard").hazard
    'hazard'
    """

    hazard: str

    def split(self, dv: np.ndarray, last: np.ndarray) -> list[DatumRows]:
        """Return survival to the last row of each subject, and the hazard at each event."""
        if not np.isin(dv, (0, 1)).all():
            raise DataError("time to event: DV must be 1 (event) or 0 (end of follow-up)")
        return [DatumRows(last, None, Survival()), DatumRows(dv == 1, self.hazard, Event())]
