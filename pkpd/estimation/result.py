"""The result of an estimation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.estimation.checks.predictive import with_predictions
from pkpd.estimation.facts import facts_of_population
from pkpd.estimation.record import FitRecord
from pkpd.estimation.saved import save_fit
from pkpd.estimation.simulation import population_of
from pkpd.estimation.tables import EVALUATION, estimates_table, report, shrinkage
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.options import checked
from pkpd.simulation.source import Subjects

if TYPE_CHECKING:
    import os

    import pandas as pd

    from pkpd.people.population import Population

__all__ = ["Fit"]


@dataclass(eq=False)
class Fit(FitRecord):
    """Estimates, how well they are known, and all that is needed to go on with them.

    What is done with a fit are functions of it: :mod:`pkpd.estimation.checks`, :mod:`pkpd.estimation.uncertainty` and
    :mod:`pkpd.estimation.search`; its attributes are those of :class:`pkpd.estimation.record.FitRecord`.
    """

    kind: ClassVar[str] = "Fit"
    advice: ClassVar[str] = "give its model, fit.model, which has the estimates"

    def subjects(self, verb: str, n: int, seed: int, patient: str | None = None, cohort: str | None = None) -> Subjects:
        """Return n new subjects, each with a draw of the estimates, see `Source`."""
        self.refuse(verb, patient=patient, cohort=cohort)
        about = (
            f"{n} new subjects of '{self.model.name}' fitted to {self.events.name}: variability, and what is not known"
        )
        return Subjects(self.model, population_of(self, n, seed, verb=verb), about, self.history())

    @cached_property
    def shrinkage(self) -> dict[str, float]:
        """Shrinkage of each eta and, as ``eps_<output>``, of residuals: 1 - SD of the estimates / SD of the model."""
        return shrinkage(self)

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Return a row for each parameter: estimate, standard error, interval, variability and shrinkage."""
        return estimates_table(self, level)

    def facts(self, seed: int = 0) -> pd.DataFrame:
        """Return what is predicted of every fact of the reports in the data.

        Returns
        -------
        DataFrame
            Columns as of :meth:`pkpd.estimation.study.result.StudyFit.facts`, at the estimates, over 400 draws of each
            patient's random effects from the normal approximation of what is known of them.
        """
        return facts_of_population(self, seed)

    @cached_property
    def idata(self) -> Any:
        """Draws of the posterior as ArviZ's InferenceData, where the method has any; else None.

        Groups ``log_likelihood`` and ``posterior_predictive`` are computed when it is first asked for.
        """
        return with_predictions(self)

    @checked
    def population(
        self,
        n: int,
        seed: int = 0,
        uncertainty: bool | Sampled | np.ndarray = True,
        *,
        covariates: Mapping[str, Any] | None = None,
        n_occasions: int = 1,
    ) -> Population:
        """Draw persons, with uncertain estimates by default, see :func:`pkpd.estimation.simulation.population_of`."""
        return population_of(self, n, seed, uncertainty, covariates=covariates, n_occasions=n_occasions)

    def __str__(self) -> str:
        return report(self)

    def __repr__(self) -> str:
        state = "" if self.converged else ", not converged"
        if self.method == EVALUATION:
            state = ", evaluated at the start values"
        return (
            f"Fit of '{self.layout.model.name}' to {self.events.name!r} by {self.method}: OFV {self.ofv:.3f}, "
            f"{self.n_parameters} parameters{state}"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit as JSON; :func:`pkpd.estimation.store.load_fit` reads it."""
        save_fit(self, path)
