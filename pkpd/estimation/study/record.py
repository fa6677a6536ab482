"""What a fit of reports holds: its study and its draws, as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.methods.chain_history import history_of
from pkpd.estimation.study.study import Study
from pkpd.estimation.study.vector import Variable
from pkpd.simulation.source import History, Source
from pkpd.transport import without_computed

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["StudyRecord"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class StudyRecord(Source):
    """What a study's evidence taught about its model; the base of `StudyFit`.

    Attributes
    ----------
    study : Study
    idata : InferenceData
        ArviZ's groups: ``posterior`` and ``prior`` (variables in the model's units, dims patient and cohort),
        ``sample_stats``, ``posterior_predictive`` and ``log_likelihood`` (by fact, for some of the draws),
        ``observed_data``, ``constant_data``.
    """

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
        return history_of(self.study.problem, patient, cohort)

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
        """``nuts`` or ``mode``."""
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
