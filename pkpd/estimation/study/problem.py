"""A study put together with its model and evidence: subjects, terms, and the layout of what is free."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, RegimenError, nearest
from pkpd.estimation.priors import Priors
from pkpd.estimation.problem import Problem
from pkpd.estimation.spreads import ErrorScale
from pkpd.estimation.study.agreement import check_names, check_values
from pkpd.estimation.study.posterior import StudyPosterior
from pkpd.estimation.study.priors import declared_for
from pkpd.estimation.study.vector import StudyDesign, StudyVector, check_results, design_of
from pkpd.estimation.vector import PopulationVector
from pkpd.evidence.doses import is_of_one_drug
from pkpd.library import load_model
from pkpd.observation.data import bind
from pkpd.observation.reported import Reported, check_terms, fact_terms, idle_factors, matches, superseded_facts
from pkpd.observation.reports import joined_subjects
from pkpd.observation.subject import doses_of, window_faults
from pkpd.simulation.doses import span_on_clock
from pkpd.transport import without_computed
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.estimation.study.declared import DeclaredStudy
    from pkpd.model.model import Model
    from pkpd.observation.api import Likelihood
    from pkpd.observation.subject import Subject

__all__ = ["StudyProblem", "build_problem", "read_evidence"]


@dataclass(frozen=True, eq=False)
class StudyProblem:
    """What a study asks, ready to be computed.

    Attributes
    ----------
    study : DeclaredStudy
    model : Model
    evidence : tuple of Evidence
    patients, cohorts : tuple of str
    subjects : tuple of Subject
        One per patient, also those without facts.
    reported : tuple of Reported
        Facts in the order of the likelihood's terms.
    """

    study: DeclaredStudy
    model: Model
    evidence: tuple[Any, ...]
    patients: tuple[str, ...]
    cohorts: tuple[str, ...]
    subjects: tuple[Subject, ...]
    reported: tuple[Reported, ...]

    def __getstate__(self) -> dict[str, Any]:
        return without_computed(self)

    @cached_property
    def design(self) -> StudyDesign:
        """What the declarations mean for the estimated vector."""
        return design_of(self.model, self.study.free, self.study.errors, self.patients, self.cohorts)

    @cached_property
    def posed(self) -> Problem:
        """The same as a problem of estimation: patients as subjects of a data set, known by their facts.

        Raises
        ------
        DataError
            If patients and facts do not fit the model, with all that is wrong.
        """
        design, study = self.design, self.study
        found = bind(design.model, joined_subjects(design.model, self.subjects, study.name, self.every))
        layout = PopulationVector(design.model, found, design=design.vector)
        names = dict.fromkeys(n for s in self.subjects for n in s.values)
        own = {n: np.array([s.values.get(n, self.model.parameters[n].value) for s in self.subjects]) for n in names}
        data = replace(found, levels=layout.levels, own={**own, **design.own})
        settings = {"rtol": study.rtol, "atol": study.atol, "solver": "auto", "threads": 1}
        posed = Problem(design.model, data, layout, settings)
        if posed.links.is_chain:
            # the fastest where it fits, and it hands what it cannot solve to the explicit method
            settings["solver"] = "chain"
        return posed

    @cached_property
    def vector(self) -> StudyVector:
        """The estimated vector, its axes, and the names of what it means."""
        layout, levels = self.posed.layout, self.posed.data.levels
        assert levels is not None  # a study's problem has them
        priors, people = Priors(layout, self.design.priors), (self.patients, self.cohorts, self.groups)
        return StudyVector(layout, priors, self.design, tuple(self.study.free), levels, *people)

    def posterior(self) -> StudyPosterior:
        """Return the posterior on unconstrained axes, with its gradient; one for each thread."""
        return StudyPosterior(self.posed, self.vector)

    @property
    def groups(self) -> tuple[str, ...]:
        """Cohorts, each once."""
        return tuple(dict.fromkeys(self.cohorts))

    @cached_property
    def rows(self) -> np.ndarray:
        """Numbers of the patients who have facts, shape (subjects of the likelihood,)."""
        return np.array([i for i, s in enumerate(self.subjects) if s.terms], np.int64)

    @cached_property
    def checks(self) -> tuple[Reported, ...]:
        """Facts held back from the fit (``use`` is check) that the model can predict, in the order of the patients."""
        study, place = self.study, {p: i for i, p in enumerate(self.patients)}
        found = [
            r
            for e in self.evidence
            for r in check_terms(e, self.model, study.exclude, study.reinterpret, self.patients, study.include)
        ]
        return tuple(sorted(found, key=lambda r: place[r.patient]))

    @cached_property
    def superseded(self) -> tuple[str, ...]:
        """Facts that are not fitted as a curve shows them, ``"seed/fact"``."""
        return tuple(n for e in self.evidence for n in superseded_facts(e, self.study.exclude, self.patients))

    def likelihood(self) -> Likelihood:
        """Return a new likelihood of the patients who have facts."""
        return self.likelihood_of([self.subjects[i] for i in self.rows])

    def likelihood_of(self, subjects: Sequence[Subject]) -> Likelihood:
        """Return a new likelihood of subjects with terms, as the study solves and scales it."""
        from pkpd.observation.api import Likelihood

        return Likelihood(
            self.model,
            subjects,
            [f.name for f in self.study.free],
            scaled=tuple(self.study.errors),
            rtol=self.study.rtol,
            atol=self.study.atol,
            every=self.every,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that the posterior depends on, the laws of residual errors and kinds of facts among it.

        Raises
        ------
        DataError
            If subjects and facts have no likelihood, with all that is wrong.
        """
        digest = hashlib.sha256()
        model = {n: p.value for n, p in self.model.parameters.items()}
        parts: list[Any] = [self.model.fingerprint, model, self._laws()]
        parts += [{k: v for k, v in f.describe().items() if k not in ("source", "known")} for f in self.study.free]
        parts += [{n: (e.value, e.sd) if isinstance(e, ErrorScale) else e for n, e in self.study.errors.items()}]
        parts += [convert_time(self.every, self.model.time_unit, "h"), self.study.rtol, self.study.atol]
        states = tuple(self.model.states)
        for subject, cohort in zip(self.subjects, self.cohorts, strict=True):
            doses = subject.regimen.records(states).tobytes() if isinstance(subject.regimen, Regimen) else b""
            terms = [repr(t) for t in subject.terms]
            parts.append([subject.name, cohort, dict(subject.covariates), dict(subject.values), terms])
            digest.update(doses)
        digest.update(json.dumps(parts, sort_keys=True, default=repr).encode())
        return digest.hexdigest()

    @property
    def mark(self) -> str:
        """What kept chains belong to: the posterior, and the order of the sampled vector."""
        return f"{self.fingerprint}|{', '.join(self.vector.names)}"

    def _laws(self) -> list[Any]:
        """Return when facts are measured, which measurements their factors speak of, and by which law."""
        from pkpd.observation.packing import lay_out
        from pkpd.observation.rules import Factors, law_of_rule

        layout = lay_out(self.model, [self.subjects[i] for i in self.rows], self.every)
        out: list[Any] = [layout.cells.time.tolist()]
        for group in Factors(layout.terms, layout.first).all:
            error = self.model.outputs[group.output].error
            assert error is not None  # of outputs without, the layout says so
            law = law_of_rule(group.log, group.output, error, len(group.cells))
            numbers = [(p.name, p.value) for p in error.parameters]
            out.append([group.output, law, numbers, group.term.tolist(), group.cells.tolist()])
        return out

    @property
    def every(self) -> float:
        """Time between the measurements of a window, on the model's clock."""
        return span_on_clock(self.model, self.study.every, f"study '{self.study.name}': every")

    def is_of_one_drug(self, drug: str) -> bool:
        """Tell whether the model is of this drug alone, whose compartments carry no name of a drug."""
        return any(_drugs_given(self.study, self.model, e) == ((drug,), False) for e in self.evidence)

    def index_of(self, patient: str) -> int:
        """Return the number of a patient, who may be named without the seed where that is clear.

        Raises
        ------
        PkpdError
            If nobody, or more than one, has this name.
        """
        hits = [i for i, p in enumerate(self.patients) if patient in (p, p.partition("/")[2])]
        if len(hits) == 1:
            return hits[0]
        why = "is the name of several patients" if hits else f"is no patient{nearest(patient, self.patients)}"
        raise PkpdError(f"study '{self.study.name}': '{patient}' {why}; there are {', '.join(self.patients)}")


def read_evidence(given: Sequence[Any], folder: str | os.PathLike[str] | None = None) -> tuple[Any, ...]:
    """Return evidence as it is, or loaded by name or path; paths are meant from a folder."""
    from pkpd.evidence.seeds import load_seed

    return tuple(load_seed(_from(folder, e)) if isinstance(e, (str, os.PathLike)) else e for e in given)


def _from(folder: str | os.PathLike[str] | None, given: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return a name as it is, and a path from a folder."""
    text = os.fspath(given)
    named = isinstance(given, str) and not text.endswith(".py") and os.sep not in text and "/" not in text
    if folder is None or named:
        return given
    return Path(folder) / Path(text).expanduser()


def build_problem(study: DeclaredStudy) -> StudyProblem:
    """Return a study put together with its model and evidence.

    Raises
    ------
    PkpdError
        If they do not fit; all faults are named at once.
    """
    model = load_model(_from(study.folder, study.model)) if isinstance(study.model, (str, os.PathLike)) else study.model
    evidence = read_evidence(study.evidence, study.folder)
    own = {f"{e.name}/{p}": e.cohorts[p] for e in evidence for p in e.patients}
    everyone = {p: study.cohorts.get(p, cohort) for p, cohort in own.items()}
    span_on_clock(model, study.every, f"study '{study.name}': every")
    patients = tuple(p for p in everyone if study.patients is None or matches(p, study.patients))
    cohorts = tuple(everyone[p] for p in patients)
    faults = [*check_names(study, model, evidence, tuple(everyone)), *check_values(study, model, everyone, patients)]
    reported: list[Reported] = []
    for e in evidence:
        if study.drugs is None and len(e.drugs) > 1 and is_of_one_drug(model.states, e.drugs):
            faults.append(
                f"evidence '{e.name}' has doses of {', '.join(e.drugs)}, and model '{model.name}' is of one drug "
                f"alone; say of which: drugs=['{e.studied}']"
            )
        found, wrong = fact_terms(e, model, study.exclude, study.reinterpret, patients, study.include)
        reported += found
        faults += [*wrong, *idle_factors(e, study.reinterpret)]
    if not reported and not faults:
        faults.append("no fact is left to fit")
    faults += check_results(study.free, study.errors)
    if not any(isinstance(e, ErrorScale) for e in study.errors.values()) and all(f.is_known for f in study.free):
        faults.append(f"nothing is estimated: every sd of {', '.join(f.name for f in study.free)} is 0; give an sd > 0")
    study.fail_for(faults)
    subjects = _subjects(study, model, evidence, patients, cohorts, reported)
    study.fail_for([*_misfit_doses(model, subjects)])
    place = {p: i for i, p in enumerate(patients)}
    ordered = tuple(sorted(reported, key=lambda r: place[r.patient]))
    problem = StudyProblem(study, model, evidence, patients, cohorts, subjects, ordered)
    longest = sorted((*ordered, *problem.checks), key=lambda r: r.term.time - (r.term.time_to or r.term.time))
    said = [f"fact '{r.term.name}': {fault}" for r in longest for fault in window_faults(r.term, problem.every)]
    more = f" (as of {len(said) - 1} more facts)" if len(said) > 1 else ""
    study.fail_for([each + more for each in said[:1]])
    return problem


def _subjects(
    study: DeclaredStudy,
    model: Model,
    evidence: Sequence[Any],
    patients: Sequence[str],
    cohorts: Sequence[str],
    reported: Sequence[Reported],
) -> tuple[Subject, ...]:
    from pkpd.observation.subject import Subject

    terms: dict[str, list[Any]] = {p: [] for p in patients}
    for r in reported:
        terms[r.patient].append(r.term)
    cohort_of = dict(zip(patients, cohorts, strict=True))
    out = []
    for e in evidence:
        people = e.population(model)
        labels = [str(x) for x in people.labels]
        for p in e.patients:
            name = f"{e.name}/{p}"
            if name not in cohort_of:
                continue
            at = labels.index(p)
            covariates = {c: float(v[at]) for c, v in people.covariates.items()} | dict(study.covariates.get(name, {}))
            drugs, prefix = _drugs_given(study, model, e)
            regimen = e.regimen(p, drugs, prefix=prefix)
            values = _fixed_values(study.fixed, name, cohort_of[name])
            out.append(Subject(name, regimen, covariates, tuple(terms[name]), values))
    return tuple(out)


def _misfit_doses(model: Model, subjects: Sequence[Subject]) -> Iterator[str]:
    """Yield whose doses do not go into the model, or would end before their time.

    An infusion at a given rate into a compartment with a bioavailability stops when that part of it is in.
    """
    scaled = {model.trace.states[i] for i, entry in model.trace.dosing.items() if "F" in entry}
    for subject in subjects:
        try:
            given = doses_of(model, subject)[0].doses
        except RegimenError as error:
            yield (
                f"patient '{subject.name}': {error}. Give a model of this route, or name the drugs whose doses count: "
                "drugs=[...], [] for none"
            )
            continue
        long = next((d for d in given if d.tinf is not None and d.cmt in scaled), None)
        if long is not None:
            yield (
                f"patient '{subject.name}': a dose into {long.cmt} lasts {long.tinf:g} {model.time_unit}, which the "
                f"bioavailability of model '{model.name}' would shorten; give single doses, or a model in which F acts "
                "on what is absorbed"
            )


def _drugs_given(study: DeclaredStudy, model: Model, evidence: Any) -> tuple[tuple[str, ...], bool]:
    """Return the drugs of a report that its patients get, and whether compartments carry the drugs' names."""
    if study.drugs is not None:
        return tuple(study.drugs), len(study.drugs) > 1
    return evidence.drugs, not (len(evidence.drugs) == 1 and is_of_one_drug(model.states, evidence.drugs))


def _fixed_values(fixed: Mapping[str, float | Mapping[str, float]], patient: str, cohort: str) -> dict[str, float]:
    out = {}
    for name, value in fixed.items():
        found = declared_for(value, patient, cohort) if isinstance(value, Mapping) else value
        if found is not None:
            out[name] = float(found)
    return out
