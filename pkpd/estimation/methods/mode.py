"""The method Mode: the most probable values of a study, and the normal approximation there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from pkpd.errors import PkpdError
from pkpd.estimation.method import Method
from pkpd.estimation.study.problem import StudyProblem
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.study.sampling import fit_mode
from pkpd.options import whole_number
from pkpd.randomness import check_seed

__all__ = ["Mode"]


@dataclass(frozen=True, kw_only=True)
class Mode(Method):
    """The mode of a study's posterior, and draws of the normal approximation there: seconds, a look, not the record.

    ``attrs`` of the fit say how far to trust it (``pareto_k``); :class:`~pkpd.Nuts` draws from the posterior itself.

    Parameters
    ----------
    draws : int
        Of the normal approximation.
    starts : int
        Points from which the mode is sought.
    seed : int
    predictive : int
        Draws for which every fact is predicted.
    out : path, optional
        Folder in which the search is kept, so that a killed one goes on.
    """

    name: ClassVar[str] = "mode"

    draws: int = 1000
    starts: int = 4
    seed: int = 0
    predictive: int = 400
    out: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seed(self.seed)
        for name in ("draws", "starts", "predictive"):
            whole_number(f"Mode: {name}", getattr(self, name), 1)

    def run(self, problem: Any, progress: Any = None) -> StudyFit:
        """Find the mode.

        Raises
        ------
        PkpdError
            If the problem is not a study's, or no draw of the approximation has a density.
        """
        if not isinstance(problem, StudyProblem):
            raise PkpdError("Mode is for studies; of a data set Map() is the mode with priors")
        return fit_mode(problem, self.seed, self.draws, self.starts, self.predictive, out=self.out)
