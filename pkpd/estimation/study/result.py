"""The result of a fit to reports: what is known of each patient, and of patients to come."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.convergence import arviz
from pkpd.estimation.facts import reproduced
from pkpd.estimation.study.draws import check_about, check_draws, share_without_density
from pkpd.estimation.study.groups import attributes, make_groups
from pkpd.estimation.study.held_back import predicted_checks
from pkpd.estimation.study.log_evidence import LogEvidence, log_evidence
from pkpd.estimation.study.people import draw_people
from pkpd.estimation.study.problem import StudyProblem
from pkpd.estimation.study.record import StudyRecord
from pkpd.estimation.study.saved import save_study_fit
from pkpd.estimation.study.study import Study
from pkpd.estimation.study.tables import contraction, facts, fitted_facts, summary, trouble
from pkpd.simulation.source import Subjects

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.facts import FactPredictions
    from pkpd.people.population import Population

__all__ = ["StudyFit"]


@dataclass(frozen=True, eq=False, repr=False)
class StudyFit(StudyRecord):
    """What a study's evidence taught about its model; made by :func:`pkpd.fit` or :func:`pkpd.load_fit`.

    Attributes are those of :class:`pkpd.estimation.study.record.StudyRecord`.
    """

    kind: ClassVar[str] = "StudyFit"
    advice: ClassVar[str] = (
        "a fit of reports knows several patients: draw one, population=fit.population(n, patient=...), and give it "
        "with the model fit.model"
    )

    def subjects(self, verb: str, n: int, seed: int, patient: str | None = None, cohort: str | None = None) -> Subjects:
        """Return n draws of a patient, or new patients of a cohort on its clock, see `Source`."""
        name = self.study.name
        if (patient is None) == (cohort is None):
            raise PkpdError(
                f"{verb}: a fit of reports needs patient=... or cohort=..., got "
                f"{'neither' if cohort is None else 'both'}; "
                f"'{name}' has patients {', '.join(self.patients)} and cohorts "
                f"{', '.join(dict.fromkeys(self.cohorts.values()))}"
            )
        history = self.history(patient, cohort)
        if patient is not None:
            about = f"{n} posterior draws of patient {patient} ({name}): what is not known about one patient"
            return Subjects(self.model, self.population(n, patient=patient, seed=seed), about, history)
        # A new patient also differs in what the study did not estimate patient by patient.
        people = self.population(n, cohort=cohort, seed=seed)
        about = f"{n} new patients of cohort {cohort} ({name}): differences between patients and what is not known"
        return Subjects(self.model, people, about, history)

    @classmethod
    def of_draws(
        cls, problem: StudyProblem, q: np.ndarray, method: str, *, seed: int = 0,
        settings: Mapping[str, Any] | None = None, stats: Mapping[str, np.ndarray] | None = None,
        about: Mapping[str, Any] | None = None, predictive: int = 400,
    ) -> Self:  # fmt: skip
        """Return the fit that draws of the posterior are, whatever method drew them.

        Parameters
        ----------
        problem : StudyProblem
        q : float array, (chains, draws, dim)
            Draws of the vector of ``problem.posterior()``.
        method : str
            What the fit is called after.
        seed : int
            Of replicates of the facts and of the prior, and of the draws where the method had one.
        settings : mapping, optional
            Of the method.
        stats : mapping of name to array (chains, draws), optional
            What is to be kept of each draw, under ArviZ's names.
        about : mapping, optional
            Further attributes: text and numbers. ``independent=1`` says that draws are independent of each other;
            R-hat and effective sizes are computed otherwise.
        predictive : int
            Draws for which every fact is predicted.

        Raises
        ------
        PkpdError
            If the draws are of another shape, not finite, or all without a density.
        """
        q = check_draws(q, problem.vector, stats or {}, predictive, seed)
        attrs = attributes(problem, method, seed, settings or {})
        check_about(about or {}, attrs)
        found = make_groups(problem, q, stats or {}, seed=seed, predictive=predictive)
        dead = share_without_density(found["log_likelihood"]["facts"].values, problem.vector.is_outside(q))
        attrs |= {"independent": 0, "without_density": dead, **(about or {})}
        # an empty list cannot be written to a file
        found["posterior"].attrs.update({k: "" if isinstance(v, list) and not v else v for k, v in attrs.items()})
        return cls(cast(Study, problem.study), arviz().InferenceData(**found))

    def summary(self) -> pd.DataFrame:
        """Return mean, sd, quantiles, R-hat and effective sizes of every number that was estimated.

        Returns
        -------
        DataFrame
            Index the name, ``phi[seed/patient]``; columns mean, sd, 2.5%, 50%, 97.5%, rhat, ess_bulk, ess_tail. R-hat
            and effective sizes are of all draws, also where a compact file holds only some. ``attrs`` has the number
            of divergences.
        """
        return summary(self)

    def facts(self) -> pd.DataFrame:
        """Return what the posterior predicts of every fact that was fitted, and of those held back to check it.

        Returns
        -------
        DataFrame
            Columns fact, patient, marker, kind, text, use (fit or check), observed, probability (of the reported
            region), pit (probability of less than was reported), 2.5%, 50%, 97.5% (of the replicate) and inside. A
            value, peak, nadir or ratio is inside if its pit lies in 0.025 to 0.975; a region or grade, which can be
            missed on one side only, if its probability is at least 0.05. A fact whose use is check taught the posterior
            nothing; one that no likelihood could take is not there.
        """
        return facts(self, self.held_back)

    def reproduced(self) -> pd.DataFrame:
        """Return how many of a patient's qualitative facts new data from the posterior reproduce, and all at once.

        Qualitative facts are those that state a bound, a direction or a grade. Each of them may be probable by itself
        while a course that shows them all is not.

        Returns
        -------
        DataFrame
            Index the patient; columns facts (how many), reproduced (of a replicate, on average), share (of them),
            in_order (how many from the first day on until one is missed, on average), all (share of replicates that
            reproduce all), weakest and weakest_share (the marker of which least is reproduced, among those with three
            facts or more if there are some) and exception (share or weakest_share below 0.6: the model does not tell
            what happened to this patient).
        """
        days = {fact.name: fact.day for fact in self.study.problem.reported}
        return reproduced(fitted_facts(self), days)

    @cached_property
    def held_back(self) -> FactPredictions | None:
        """What is predicted of the facts whose use is check; None if there are none."""
        return predicted_checks(self)

    def contraction(self) -> pd.DataFrame:
        """Return what the evidence taught about each number, most first.

        Returns
        -------
        DataFrame
            Index the name; columns prior_sd, posterior_sd (on the scaled axis), contraction (1 - ratio of variances),
            shift (of the mean, in prior sd), overlap (area shared by prior and posterior density) and verdict.
        """
        return self._taught.copy()

    @cached_property
    def _taught(self) -> pd.DataFrame:
        return contraction(self)

    def trouble(self) -> tuple[str, ...]:
        """Return what speaks against trusting the draws, in sentences; empty if nothing does.

        For a sampler: numbers that never moved, divergences, R-hat above 1.01, effective sizes below 400. For the
        normal approximation: curvatures that had to be repaired, draws that were lost, a Pareto k above 0.7. For all:
        draws without a density.
        """
        return trouble(self)

    def log_evidence(self, *, seed: int = 0) -> LogEvidence:
        """Return how probable the facts were before they were known: ``log p(y) = log of the integral of p(y|q) p(q)``.

        By bridge sampling from the draws (:mod:`pkpd.estimation.methods.bridge`). Differences of two studies with the
        same facts are log Bayes factors.

        Parameters
        ----------
        seed : int
            Of the proposal's draws.

        Returns
        -------
        LogEvidence
            Its ``error`` is that of the Monte Carlo method; ``trouble`` says where it cannot be trusted.

        Raises
        ------
        PkpdError
            If the draws are those of an approximation, as by ``Mode``, or too few.
        """
        return log_evidence(self, seed)

    def population(
        self,
        n: int,
        *,
        patient: str | None = None,
        cohort: str | None = None,
        like: str | None = None,
        covariates: Mapping[str, Any] | None = None,
        variability: bool = True,
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
            pooling are those of one of its patients, another in every subject; so are known values (``fixed``) that the
            study declares neither for the cohort nor for ``"*"``.
        like : str, optional
            The patient whose parameters without pooling a new patient has.
        covariates : mapping, optional
            As for ``Population.draw``.
        variability : bool
            For a new patient, draw also the model's own random effects on parameters that the study does not estimate
            by patient, as every verb with ``cohort=`` does; without, they are 0, as in the fit. They keep the model's
            correlations with pooled parameters; with those that have a prior of their own in every patient the study
            knows none.
        seed : int

        Raises
        ------
        PkpdError
            If patient or cohort is unknown, or neither or both are given.
        """
        return draw_people(self, n, patient, cohort, like, covariates or {}, variability, seed)

    def save(self, path: str | os.PathLike[str], *, compact: bool = False) -> Path:
        """Write the result to a NetCDF file, in one step.

        Parameters
        ----------
        path : path
        compact : bool
            Keep 400 draws in single precision, and the diagnostics of all; for files that travel with a study.
        """
        return save_study_fit(self, path, compact)

    def __repr__(self) -> str:
        sizes, made = self.posterior.sizes, json.loads(self.attrs["settings"]).get("draws", 0)
        thinned = ""
        if made > sizes["draw"]:
            thinned = f" kept of {sizes['chain']} x {made}, of all of which summary() gives R-hat and effective sizes"
        facts = self.idata.constant_data.sizes.get("fact", 0)
        head = (
            f"Fit of reports '{self.study.name}' by {self.method} (seed {self.attrs['seed']}): "
            f"{sizes['chain']} x {sizes['draw']} draws{thinned}, {len(self.patients)} patients, {facts} facts"
        )
        return "\n  ".join([head, *self.trouble()])
