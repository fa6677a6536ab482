"""The method Mode: the most probable values of a study, and the normal approximation there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.method import Method
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.modes import find_mode
from pkpd.estimation.methods.normal_approximation import laplace
from pkpd.estimation.study.problem import StudyProblem
from pkpd.estimation.study.result import StudyFit
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
    studies: ClassVar[bool] = True

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
        posterior, begun = problem.posterior(), time.perf_counter()
        how = {"method": self.name, "starts": self.starts}
        store = ChainStore(self.out, problem.study.name, problem.mark, self.seed, how)
        with store.journal(posterior, "search"):
            mode = find_mode(posterior, starts=self.starts, seed=self.seed)
            found = laplace(posterior, mode, draws=self.draws, seed=self.seed)
        if not len(found.draws):
            raise PkpdError(
                f"study '{problem.study.name}': the normal approximation has no draw with a density; use Nuts()"
            )
        about = {
            "mode_logp": found.mode.logp, "gradient_norm": found.mode.gradient_norm,
            "modes_reached": found.mode.reached.tolist(), "curvatures_repaired": ", ".join(found.repaired),
            "draws_lost": found.lost, "pareto_k": found.pareto_k, "importance_ess": found.ess,
            "seconds": time.perf_counter() - begun, "independent": 1,
        }  # fmt: skip
        stats = {"log_weight": found.log_weights[None], "diverging": np.zeros((1, len(found.draws)), bool)}
        return StudyFit.of_draws(
            problem, found.draws[None], self.name, seed=self.seed, stats=stats, about=about,
            settings={"draws": self.draws, "starts": self.starts}, predictive=self.predictive,
        )  # fmt: skip
