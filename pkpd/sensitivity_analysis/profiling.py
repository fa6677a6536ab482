"""Profile likelihood of observations of a model, as a method of sensitivity analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pkpd.errors import PkpdError
from pkpd.model.residual import ResidualError
from pkpd.sensitivity_analysis.method import Analysis, SensitivityProblem
from pkpd.sensitivity_analysis.objective import ModelObjective
from pkpd.sensitivity_analysis.profile import profile_model
from pkpd.sensitivity_analysis.result import SensitivityResult

__all__ = ["Profile"]


@dataclass(frozen=True, kw_only=True)
class Profile(Analysis):
    """Profile likelihood of observations with independent residual error, see `profile_likelihood`.

    Attributes
    ----------
    data : mapping of output to array
        Observations at ``times``, missing where NaN.
    error : mapping of output to ResidualError, optional
        How they scatter; the model's own errors by default.
    level : float
        Of the intervals.
    """

    name: ClassVar[str] = "profile"

    data: Mapping[str, np.ndarray | Sequence[float]]
    error: Mapping[str, ResidualError] | None = None
    level: float = 0.95

    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Return the profile of each parameter."""
        if problem.of is not None:
            raise PkpdError("sensitivity: Profile has no use for of; what was observed is in its data")
        objective = ModelObjective(
            problem.whole, problem.regimen, problem.population, problem.times, self.data, self.error,
            problem.parameters, problem.options,
        )  # fmt: skip
        return profile_model(objective, self.level)
