"""The verb: how much narrower a parameter would be with further measurements."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.held_out import Response, responds
from pkpd.estimation.checks.prospects.design import Design, designs_from
from pkpd.estimation.checks.prospects.doses import start_of
from pkpd.estimation.checks.prospects.further import further_patients, new_patient
from pkpd.estimation.checks.prospects.learner import Learnt, learn
from pkpd.estimation.checks.prospects.ranking import MIDDLE, NEW
from pkpd.estimation.checks.prospects.simulated import measured_subject, on_axes, simulate_terms
from pkpd.estimation.study.held_back import values_of_draws
from pkpd.kinds import needs
from pkpd.observation.reported import matches
from pkpd.options import is_number, whole_number
from pkpd.people.population import Population
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.result import StudyFit

__all__ = ["Prospects", "what_would_tell"]

Floats = NDArray[np.float64]

#: draws below which the table warns
_FEW = 300


@dataclass(frozen=True, eq=False)
class Prospects:
    """What designs would tell of a parameter.

    Attributes
    ----------
    parameter : str
    responder : float or Response
        What makes a responder.
    designs : tuple of Design
    draws : int
        Of the posterior, from which truths were taken.
    table : DataFrame
        Columns design (its name), label, patient, cohort, width_now and width (of the 90% interval, in the parameter's
        unit; with the measurements on average), narrower (share of the width that goes), tells_now and tells
        (probability to call rightly whether the patient is a responder) and error (Monte Carlo standard error of
        width). A design with further patients has also rows for a ``new patient`` and, where the parameter is pooled,
        the ``middle of the cohort``.
    """

    parameter: str
    responder: float | Response
    designs: tuple[Design, ...]
    draws: int
    table: pd.DataFrame


def what_would_tell(
    fit: StudyFit,
    designs: Sequence[Design | Mapping[str, Any]],
    parameter: str,
    *,
    responder: float | Response = 0.5,
    patients: Sequence[str] | None = None,
    n: int = 2000,
    seed: int = 0,
) -> Prospects:
    r"""Tabulate how much narrower a parameter would be known, had further measurements been made.

    Truths :math:`\theta_i` are draws of the posterior. Of each the design's measurements are simulated, with residual
    errors, under the patient's doses or those that the design changes, and the expected width is the mean over i of
    that of the posterior given both the evidence and the measurements :math:`y_i`. That posterior is not sampled anew:
    the parameter is regressed on the simulated data over all draws, and predicted for draws left out (see
    `pkpd.estimation.checks.prospects.learner`), so that widths are rather too large than too small where draws are few
    or much is to be learned. Measurements under changed doses come on top of the evidence, as from a second course of
    the same patient; residual errors are independent.

    Parameters
    ----------
    fit : StudyFit
    designs : sequence of Design, or of tables as for `designs_from`
    parameter : str
        One that the study estimates, shared or by patient.
    responder : float or Response
        Who is to be told from the others: a patient whose parameter is above this, or one who responds to the doses
        that were given, in the model.
    patients : sequence of str, optional
        Only these, with wildcards.
    n : int
        Sets of measurements to be simulated for a design and a patient, 200 or more. Draws of the posterior are taken
        as often as needed, or thinned to n.
    seed : int

    Returns
    -------
    Prospects

    Raises
    ------
    PkpdError
        If the parameter is not estimated, a design does not fit the study or is about nobody, or nothing of it can be
        simulated.

    References
    ----------
    Strong M, Oakley JE, Brennan A. Med Decis Making 2014;34:311-326 (expected value of sample information by
    regression); Gneiting T, Raftery AE. J Am Stat Assoc 2007;102:359-378 (interval score).
    """
    import pandas as pd

    needs("what_would_tell", fit, ("StudyFit",), "pkpd.fit(study) and pkpd.load_fit make one")
    chosen = designs_from(list(designs), "what_would_tell")
    task = _Task(fit, parameter, responder, whole_number("what_would_tell: n", n, 200), check_seed(seed))
    task.check()
    rows = [row for k, design in enumerate(chosen) for row in task.rows_of(design, patients, k)]
    if not rows:
        raise PkpdError("what_would_tell: the designs are about none of the patients")
    return Prospects(parameter, responder, chosen, task.rows.size, pd.DataFrame(rows))


@dataclass(frozen=True)
class _Task:
    """What is asked of one fit."""

    fit: StudyFit
    parameter: str
    responder: float | Response
    n: int
    seed: int

    @property
    def problem(self) -> StudyProblem:
        return self.fit.study.problem

    @property
    def rows(self) -> NDArray[np.int64]:
        """Draws that are truths."""
        total = self.fit.posterior.sizes["chain"] * self.fit.posterior.sizes["draw"]
        return np.unique(np.linspace(0, total - 1, min(self.n, total)).round().astype(np.int64))

    def check(self) -> None:
        """Raise PkpdError if the parameter is not estimated or the responder is none; warn of few draws."""
        free = [f.name for f in self.problem.study.free]
        who = f"study '{self.problem.study.name}'"
        if self.parameter not in free:
            raise PkpdError(
                f"{who}: '{self.parameter}' is not free{nearest(self.parameter, free)}; free are {', '.join(free)}"
            )
        if not (is_number(self.responder) or isinstance(self.responder, Response)):
            raise PkpdError(f"what_would_tell: responder must be a number or a Response, got {self.responder!r}")
        if self.rows.size < _FEW:
            warnings.warn(
                f"what_would_tell: {who} has {self.rows.size} draws, so that widths are somewhat too large and "
                f"uncertain; {_FEW} or more are better, 2000 good",
                stacklevel=4,
            )

    def rows_of(self, design: Design, patients: Sequence[str] | None, number: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of one design."""
        problem = self.problem
        for each in (design.patients, patients):
            for pattern in each or ():
                if not any(matches(p, [pattern]) for p in problem.patients):
                    raise PkpdError(
                        f"design '{design.name}': '{pattern}' is no patient of study '{problem.study.name}'"
                        f"{nearest(pattern, problem.patients)}; there are {', '.join(problem.patients)}"
                    )
        about = [
            i
            for i, p in enumerate(problem.patients)
            if all(each is None or matches(p, each) for each in (design.patients, patients))
        ]
        if design.more:
            for cohort in problem.groups:
                if members := [i for i in about if problem.cohorts[i] == cohort]:
                    yield from self._further(design, cohort, members)
            return
        starts = {i: start_of(problem, problem.subjects[i], design) for i in about}
        if about and all(s is None for s in starts.values()):
            raise PkpdError(
                f"design '{design.name}': none of its patients got the drug from whose first dose it counts"
            )
        for i, start in starts.items():
            if start is not None:
                yield self._row(design, i, self._measured(design, i, start, number))

    def _measured(self, design: Design, i: int, start: float, number: int) -> Learnt:
        """Return what a design's measurements would tell of one patient."""
        subject, rows = measured_subject(self.problem, self.problem.subjects[i], design, start), self.rows
        values, errors = values_of_draws(self.fit, rows)
        repeats = -(-self.n // rows.size)
        data = simulate_terms(self.problem, subject, values[:, i], errors, repeats, [self.seed, 12, number, i])
        data = on_axes(self.problem.model, subject.terms, data)
        flat, groups = data.reshape(-1, data.shape[2]), np.repeat(np.arange(rows.size), repeats)
        truth, positive = self._truth(i), self._positive(i)
        solved = np.isfinite(flat).all(axis=1) & np.isfinite(positive)[groups]
        if solved.mean() < 0.5:
            raise PkpdError(
                f"design '{design.name}', patient '{subject.name}': the equations could be solved for only "
                f"{100 * solved.mean():.0f}% of the draws"
            )
        kept, at = np.unique(groups[solved], return_inverse=True)
        told = positive[kept][at] > 0.5
        return learn(truth[kept][at], flat[solved], at, told, self.seed)

    def _truth(self, i: int) -> Floats:
        draws = self.fit.draws(self.parameter)[self.rows]
        return draws if draws.ndim == 1 else draws[:, i]

    def _positive(self, i: int) -> Floats:
        """Return 1 for draws in which a patient is a responder, 0 for others, NaN where that cannot be said."""
        if not isinstance(self.responder, Response):
            return (self._truth(i) > self.responder).astype(float)
        problem, rows = self.problem, self.rows
        own = problem.subjects[i]
        values, _ = values_of_draws(self.fit, rows)
        given: dict[str, Any] = {n: np.full(rows.size, v) for n, v in own.values.items()}
        given |= {f.name: values[:, i, k] for k, f in enumerate(problem.study.free)}
        covariates = {k: v for k, v in own.covariates.items() if k in problem.model.covariates}
        people = Population.draw(problem.model, rows.size, covariates=covariates, parameters=given, seed=self.seed)
        people = replace(people, etas=np.zeros(people.etas.shape))
        return responds(problem, own.name, self.responder, people)

    def _further(self, design: Design, cohort: str, members: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a design with further patients of a cohort."""
        rows = self.rows
        data = further_patients(self.fit, design, self.parameter, cohort, members, rows, self.seed)
        targets = {NEW: new_patient(self.fit, self.parameter, cohort, rows, self.seed)}
        if f"{self.parameter}_location" in self.fit.posterior:
            middle = self.fit.draws(f"{self.parameter}_location")[rows]
            targets[MIDDLE] = middle if middle.ndim == 1 else middle[:, self.problem.groups.index(cohort)]
        targets |= {self.problem.patients[i]: self._truth(i) for i in members}
        for name, values in targets.items():
            told = values > self.responder if not isinstance(self.responder, Response) else None
            found = learn(values, data, np.arange(rows.size), told, self.seed)
            yield self._row(design, name, found, cohort)

    def _row(self, design: Design, who: int | str, found: Learnt, cohort: str = "") -> dict[str, Any]:
        patient = self.problem.patients[who] if isinstance(who, int) else who
        return {
            "design": design.name,
            "label": design.label,
            "patient": patient,
            "cohort": cohort or self.problem.cohorts[self.problem.index_of(patient)],
            "width_now": found.width_now,
            "width": found.width,
            "narrower": 1.0 - found.width / found.width_now,
            "tells_now": found.tells_now,
            "tells": found.tells,
            "error": found.error,
        }
