"""The result of a calibration: what is known of each patient, and of patients to come."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.estimation.study.study import Study
from pkpd.estimation.study.vector import Variable
from pkpd.simulation.source import History, Source, Subjects
from pkpd.transport import without_computed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["Calibration"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Source):
    """What a study's evidence taught about its model; made by :func:`calibrate` or :func:`load_calibration`.

    Attributes
    ----------
    study : Study
    idata : InferenceData
        ArviZ's groups: ``posterior`` and ``prior`` (variables in the model's units, dims patient and cohort),
        ``sample_stats``, ``posterior_predictive`` and ``log_likelihood`` (by fact, for some of the draws),
        ``observed_data``, ``constant_data``.
    """

    kind: ClassVar[str] = "Calibration"
    advice: ClassVar[str] = (
        "a calibration knows several patients: draw one, population=calibration.population(n, patient=...), and give "
        "it with the model calibration.model"
    )

    study: Study
    idata: Any

    def __getstate__(self) -> dict[str, Any]:
        return without_computed(self)

    @property
    def model(self) -> Model:
        """The model of the study."""
        return self.study.problem.model

    def history(self, patient: str | None = None, cohort: str | None = None) -> History:
        """Return the clock of a patient, or of new patients of a cohort: doses, observations, what a day means."""
        from pkpd.estimation.methods.chain_history import history_of

        return history_of(self.study.problem, patient, cohort)

    def subjects(self, verb: str, n: int, seed: int, patient: str | None = None, cohort: str | None = None) -> Subjects:
        """Return n draws of a patient, or new patients of a cohort on its clock, see `Source`."""
        name = self.study.name
        if (patient is None) == (cohort is None):
            raise PkpdError(
                f"{verb}: a Calibration needs patient=... or cohort=..., got "
                f"{'neither' if cohort is None else 'both'}; "
                f"'{name}' has patients {', '.join(self.patients)} and cohorts "
                f"{', '.join(dict.fromkeys(self.cohorts.values()))}"
            )
        history = self.history(patient, cohort)
        if patient is not None:
            about = f"{n} posterior draws of patient {patient} ({name}): what is not known about one patient"
            return Subjects(self.model, self.population(n, patient=patient, seed=seed), about, history)
        # A new patient also differs in what the study did not estimate patient by patient.
        people = self.population(n, cohort=cohort, variability=True, seed=seed)
        about = f"{n} new patients of cohort {cohort} ({name}): differences between patients and what is not known"
        return Subjects(self.model, people, about, history)

    @property
    def posterior(self) -> xr.Dataset:
        """Draws of the posterior, dims (chain, draw, ...)."""
        return self.idata.posterior

    @property
    def attrs(self) -> dict[str, Any]:
        """Study, method, seed, settings, fingerprint, versions, diagnostics."""
        return dict(self.idata.posterior.attrs)

    @property
    def method(self) -> str:
        """``nuts`` or ``map``."""
        return str(self.attrs["method"])

    @property
    def patients(self) -> tuple[str, ...]:
        """Patients, ``"seed/patient"``."""
        return tuple(str(p) for p in self.idata.constant_data["patient"].values)

    @property
    def cohorts(self) -> dict[str, str]:
        """Cohort by patient."""
        return dict(zip(self.patients, map(str, self.idata.constant_data["patient_cohort"].values), strict=True))

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Named variables of the posterior, with their axes."""
        rows = json.loads(self.attrs["variables"])
        return tuple(Variable(**{**r, "limits": tuple(r["limits"]), "dims": tuple(r["dims"])}) for r in rows)

    def draws(self, name: str, *, group: str = "posterior") -> Floats:
        """Return draws of a variable with chains joined, shape (draw,) or (draw, patient or cohort)."""
        values = getattr(self.idata, group)[name].values
        return np.asarray(values.reshape(-1, *values.shape[2:]), np.float64)

    def summary(self) -> pd.DataFrame:
        """Return mean, sd, quantiles, R-hat and effective sizes of every number that was estimated.

        Returns
        -------
        DataFrame
            Index the name, ``phi[seed/patient]``; columns mean, sd, 2.5%, 50%, 97.5%, rhat, ess_bulk, ess_tail. R-hat
            and effective sizes are of all draws, also where a compact file holds only some. ``attrs`` has the number
            of divergences.
        """
        from pkpd.estimation.study.tables import summary

        return summary(self)

    def facts(self) -> pd.DataFrame:
        """Return what the posterior predicts of every reported fact.

        Returns
        -------
        DataFrame
            Columns fact, patient, marker, kind, text, observed, probability (of the reported region), pit (probability
            of less than was reported), 2.5%, 50%, 97.5% (of the replicate) and inside. A value, peak, nadir or ratio is
            inside if its pit lies in 0.025 to 0.975; a region or grade, which can be missed on one side only, if its
            probability is at least 0.05.
        """
        from pkpd.estimation.study.tables import facts

        return facts(self)

    def contraction(self) -> pd.DataFrame:
        """Return what the evidence taught about each number, most first.

        Returns
        -------
        DataFrame
            Index the name; columns prior_sd, posterior_sd (on the scaled axis), contraction (1 - ratio of variances),
            shift (of the mean, in prior sd), overlap (area shared by prior and posterior density) and verdict.
        """
        from pkpd.estimation.study.tables import contraction

        return contraction(self)

    def trouble(self) -> tuple[str, ...]:
        """Return what speaks against trusting the draws, in sentences; empty if nothing does.

        For the sampler: divergences, R-hat above 1.01, effective sizes below 400. For the normal approximation:
        curvatures that had to be repaired, draws without a density, a Pareto k above 0.7.
        """
        from pkpd.estimation.study.tables import trouble

        return trouble(self)

    def population(
        self,
        n: int,
        *,
        patient: str | None = None,
        cohort: str | None = None,
        like: str | None = None,
        covariates: Mapping[str, Any] | None = None,
        variability: bool = False,
        seed: int = 0,
    ) -> Population:
        """Return subjects drawn from the posterior, for ``simulate(model, regimen, population)``.

        Parameters
        ----------
        n : int
            Subjects, each with parameters of another draw of the posterior (again where there are fewer).
        patient : str, optional
            A patient of the evidence: the subjects are what is known of this one, with the covariates of the report.
        cohort : str, optional
            A new patient of this cohort: pooled parameters are drawn from location and spread. Parameters without
            pooling are those of one of its patients, another in every subject.
        like : str, optional
            The patient whose parameters without pooling a new patient has.
        covariates : mapping, optional
            As for ``Population.draw``.
        variability : bool
            For a new patient, draw also the model's own random effects on parameters that the study does not estimate
            by patient; without, they are 0, as in the calibration.
        seed : int

        Raises
        ------
        PkpdError
            If patient or cohort is unknown, or neither or both are given.
        """
        from pkpd.estimation.study.people import draw_people

        return draw_people(self, n, patient, cohort, like, covariates or {}, variability, seed)

    def save(self, path: str | os.PathLike[str], *, compact: bool = False) -> Path:
        """Write the result to a NetCDF file, in one step.

        Parameters
        ----------
        path : path
        compact : bool
            Keep 400 draws in single precision, and the diagnostics of all; for files that travel with a study.
        """
        from pkpd.estimation.study.files import save

        return save(self, path, compact)

    def __repr__(self) -> str:
        sizes = self.posterior.sizes
        facts = self.idata.constant_data.sizes.get("fact", 0)
        head = (
            f"Calibration of '{self.study.name}' by {self.method} (seed {self.attrs['seed']}): "
            f"{sizes['chain']} x {sizes['draw']} draws, {len(self.patients)} patients, {facts} facts"
        )
        return "\n  ".join([head, *self.trouble()])
