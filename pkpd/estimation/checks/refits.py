"""Refits of a study by its checks: of all of it or of one cohort alone, each of them once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.convergence import arviz
from pkpd.estimation.method import Method
from pkpd.estimation.study.groups import attributes, variables_dataset
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.study.study import Study
from pkpd.options import check_choice

__all__ = ["WHOLE", "Refits", "Within", "before_the_data", "check_within", "parts_of", "refuse_base"]

#: what a check refits: the whole study, or the cohort that is looked at
Within: TypeAlias = Literal["study", "cohort"]
#: draws of the prior where no fact is left
PRIOR = 4000
WHOLE = ""


def check_within(verb: str, within: str) -> None:
    """Raise PkpdError unless it is said what is refitted."""
    check_choice(f"{verb}: within", within, ("study", "cohort"))


def parts_of(study: Study, within: str) -> Mapping[str, Study]:
    """Return what is refitted apart: ``{"": study}``, or the study of the patients of each cohort alone, by cohort.

    Parameters that cohorts have in common are then those of the cohort, with the whole of their prior.
    """
    if within == "study":
        return {WHOLE: study}
    problem = study.problem
    if len(problem.groups) == 1:
        return {problem.groups[0]: study}
    pairs = list(zip(problem.patients, problem.cohorts, strict=True))
    return {g: study.with_(patients=[p for p, cohort in pairs if cohort == g]) for g in problem.groups}


def before_the_data(study: Study, draws: int = PRIOR, seed: int = 0) -> StudyFit:
    """Return what is known of a study's patients without any fact: draws of the prior in the place of a posterior."""
    vector = study.problem.vector
    q = vector.draw(draws, np.random.default_rng([seed, 10]))[None]
    known = variables_dataset(vector, q)
    known.attrs = attributes(study.problem, "prior", seed, {"draws": draws}) | {"independent": 1}
    return StudyFit(study, arviz().InferenceData(posterior=known))


def refuse_base(verb: str, study: Study, base: StudyFit, within: str) -> None:
    """Raise PkpdError for a fit that is not of what a check compares with."""
    if within == "cohort" and base.attrs["fingerprint"] == study.fingerprint:
        raise PkpdError(
            f"{verb}: base is of all cohorts, and within='cohort' compares each cohort with itself alone; leave base "
            "out, or take within='study'"
        )
    raise PkpdError(
        f"{verb}: base is a fit of another state of study '{study.name}' (fingerprint "
        f"{base.attrs['fingerprint'][:12]}, now {study.fingerprint[:12]}); fit again, or leave base out"
    )


class Refits:
    """Fits of studies by one method, each of them once.

    Parameters
    ----------
    method : Method
        One with ``out=`` keeps what is finished there, each refit in a folder of its own, named after what it depends
        on: a check that was interrupted, or another one that wants the same refit, goes on with it.
    seed : int
        Of draws of the prior where no fact is left.
    """

    def __init__(self, method: Method, seed: int = 0) -> None:
        self.method, self.seed = method, seed
        self._known: dict[str, StudyFit] = {}

    def __call__(self, study: Study) -> StudyFit:
        """Return the fit of a study."""
        mark = study.problem.mark
        if mark not in self._known:
            found = fit(study, method=self.method, progress=False)
            if not isinstance(found, StudyFit):
                raise PkpdError(f"{type(self.method).__name__} does not fit studies; give Mode(...) or Nuts(...)")
            self._known[mark] = found
        return self._known[mark]

    def know(self, found: StudyFit) -> None:
        """Take a fit that was made before."""
        self._known[found.study.problem.mark] = found

    def without(self, study: Study, gone: Sequence[str]) -> StudyFit:
        """Return the fit of a study without some of its facts; of the prior, if none is left."""
        if not gone:
            return self(study)
        if {r.name for r in study.problem.reported} <= set(gone):
            return before_the_data(study, seed=self.seed)
        return self(study.with_(exclude=gone))
