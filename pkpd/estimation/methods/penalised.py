"""The objective of a method with what is believed of the estimated vector added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.methods.objective import Objective, Outcome

if TYPE_CHECKING:
    from pkpd.estimation.priors import Priors
    from pkpd.estimation.vector import PopulationVector

__all__ = ["Penalised"]


class Penalised:
    """-2 log-likelihood of a data set by one of the approximations, with -2 log prior added.

    Objectives and gradients of subjects are those of the data alone.

    Parameters
    ----------
    objective : Objective
    priors : Priors
    """

    def __init__(self, objective: Objective, priors: Priors) -> None:
        self.objective, self.priors = objective, priors

    @property
    def layout(self) -> PopulationVector:
        """Layout of the estimated vector."""
        return self.objective.layout

    def __call__(self, x: np.ndarray) -> Outcome:
        """Return the objective at a vector; of its expected second derivative, the part of priors is exact."""
        found = self.objective(x)
        log_prior, slope = self.priors(x)
        return replace(
            found, ofv=found.ofv - 2.0 * log_prior, gradient=found.gradient - 2.0 * slope,
            fisher=found.fisher + 2.0 * self.priors.information(x),
        )  # fmt: skip
