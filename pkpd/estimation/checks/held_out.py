"""Response of patients predicted from the others, against how often patients respond at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.first_dose import first_dose, last_time, studied_drug
from pkpd.estimation.checks.refits import WHOLE, Refits, Within, check_within, parts_of
from pkpd.estimation.method import Method
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.loading import as_study
from pkpd.options import is_number
from pkpd.simulation.api import simulate
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.result import StudyFit
    from pkpd.estimation.study.study import Study
    from pkpd.people.population import Population

__all__ = ["HeldOut", "Response", "leave_one_patient_out", "responds"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """What counts as a response in the model, and which facts say who responded.

    Parameters
    ----------
    output : str
        Output that falls in a response.
    days : (float, float)
        Days after the first dose over which it is averaged.
    factor : float
        It must fall below this part of what it was before the first dose.
    marker : str
        Marker of the event, whose value is 1 for a response and 0 for none.
    drug : str
        Drug whose first dose begins the course; the one that the patient's report is about by default.

    Raises
    ------
    PkpdError
        Unless the days are two times from 0 on, the earlier first, and the factor is above 0.

    Examples
    --------
    >>> Response("CRP", days=(5, 7)).factor
    0.5
    """

    output: str
    days: tuple[float, float]
    factor: float = 0.5
    marker: str = "response"
    drug: str = ""

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be a text, got {value!r}"
            for name, value in (("output", self.output), ("marker", self.marker), ("drug", self.drug))
            if not isinstance(value, str)
        ]
        days: Any = self.days
        if not (isinstance(days, Sequence) and len(days) == 2 and all(is_number(d) for d in days)):
            faults.append(f"days must be two days after the first dose, such as (5, 7), got {days!r}")
        elif not 0 <= days[0] < days[1]:
            faults.append(f"days must be from 0 on and the earlier first, got {days!r}")
        if not (is_number(self.factor) and self.factor > 0):
            faults.append(f"factor must be a number > 0, got {self.factor!r}")
        if faults:
            raise PkpdError(f"Response: {'; '.join(faults)}")
        object.__setattr__(self, "days", tuple(days))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of patients that were left out.

    Attributes
    ----------
    patients : DataFrame
        Index patient; cohort, responded, predicted (probability of a response from the others), base (share of
        responders among all others), cohort_base (among those of the cohort), kept (facts of the patient that were
        kept) and mates (other patients of the cohort: with 0 nobody but the prior teaches the prediction). Shares are
        ``(k + 1) / (n + 2)``, so a cohort of one has 0.5.
    scores : DataFrame
        Index model, base rate, cohort base rate; brier (mean squared error) and log (mean of -log of the probability
        of what happened), both better if smaller; concordance (share of pairs in which the responder had the higher
        probability); gain and log_gain (by how much the model's score is less, patient by patient); and of all four
        but the concordance the standard error over patients, ``_se``. Patients of a cohort share what predicts them,
        so these errors are rather too small.
    """

    patients: pd.DataFrame
    scores: pd.DataFrame


def leave_one_patient_out(
    study: Study | str | os.PathLike[str],
    *,
    keep: str = "before",
    response: Response | None = None,
    outcomes: Mapping[str, bool] | None = None,
    patients: Sequence[str] | None = None,
    draws: int = 400,
    method: Method | None = None,
    seed: int = 0,
    within: Within = "study",
) -> HeldOut:
    """Refit the study without each patient in turn, and predict whether this one responded.

    The patient stays in the study with doses, covariates and priors, so what is predicted is a patient of the cohort as
    the others teach it.

    Parameters
    ----------
    study : Study, str or path
    keep : {"before", "nothing"}
        Whether facts up to the first dose of the drug are kept, which tell of the course of the disease by then.
    response : Response
        What counts as a response: ``Response("CRP", days=(5, 7))`` if the mean CRP of days 5 to 7 is below half of what
        it was. It must be given; only a study knows what a response is.
    outcomes : mapping of patient to bool, optional
        Who responded; from the events of the evidence by default.
    patients : sequence of str, optional
        Whom to leave out; all with an outcome by default.
    draws : int
        Subjects simulated for a prediction.
    method : Method, optional
        Of the refits: ``Mode(predictive=1)`` by default, or ``Nuts(...)``; with ``out=`` finished refits are kept, and
        an interrupted call goes on.
    seed : int
        Of the simulated subjects.
    within : {"study", "cohort"}
        Whether the whole study is refitted without the patient, or the patient's cohort alone, which takes a fraction
        of the time and knows of other cohorts no more than the prior of what they share. Shares of responders are
        those of the study in both cases.

    Raises
    ------
    PkpdError
        If it is not said what a response is, the model lacks its output, nobody has an outcome, or a patient with one
        got no dose of the drug.
    """
    import pandas as pd

    if keep not in ("before", "nothing"):
        raise PkpdError(f"leave_one_patient_out: keep must be 'before' or 'nothing', got {keep!r}")
    check_within("leave_one_patient_out", within)
    whole = as_study(study)
    how = Mode(seed=seed, predictive=1) if method is None else method
    problem = whole.problem
    what = _checked(problem, response)
    known = dict(outcomes) if outcomes is not None else _outcomes(problem, what.marker)
    if not known:
        raise PkpdError(f"study '{whole.name}': no event '{what.marker}' tells who responded; give outcomes")
    known = {problem.patients[problem.index_of(p)]: bool(v) for p, v in known.items()}
    chosen = list(known) if patients is None else [problem.patients[problem.index_of(p)] for p in patients]
    starts = {p: _start(problem, p, what.drug) for p in chosen}
    refits, parts, rows = Refits(how, seed), parts_of(whole, within), {}
    for p in chosen:
        own = [r for r in problem.reported if r.patient == p]
        gone = [r.name for r in own if keep == "nothing" or last_time(r.term) > starts[p]]
        cohort = _cohort(problem, p)
        fitted = refits.without(parts[cohort if within == "cohort" else WHOLE], gone)
        others = [o for o in known if o != p]
        mates = [o for o in others if _cohort(problem, o) == cohort]
        rows[p] = {
            "cohort": cohort,
            "responded": known[p],
            "predicted": response_probability(fitted, p, what, draws=draws, seed=seed),
            "base": _share([known[o] for o in others]),
            "cohort_base": _share([known[o] for o in mates]),
            "kept": len(own) - len(gone),
            "mates": problem.cohorts.count(cohort) - 1,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return HeldOut(table, _scores(table, draws))


def response_probability(
    calibration: StudyFit, patient: str, response: Response, *, draws: int = 400, seed: int = 0
) -> float:
    """Return the probability that a patient responds, by simulating what is known of this one."""
    people = calibration.population(draws, patient=patient, seed=seed)
    found = responds(calibration.study.problem, patient, response, people)
    return float(found[np.isfinite(found)].mean())


def responds(problem: StudyProblem, patient: str, response: Response, people: Population) -> Floats:
    """Return 1 for subjects who respond to a patient's doses, 0 for others, NaN where equations cannot be solved."""
    what = _checked(problem, response)
    start = _start(problem, patient, what.drug)
    low, high = what.days
    day = convert_time(1.0, "d", problem.model.time_unit)
    times = np.concatenate([[start], start + day * np.linspace(low, high, 5)])
    regimen = problem.subjects[problem.index_of(patient)].regimen
    sims = simulate(problem.model, regimen, people, times, outputs=[what.output], progress=False, rtol=1e-6, atol=1e-9)
    course = sims[what.output].values.reshape(people.n, times.size)
    solved = np.isfinite(course).all(axis=1)
    return np.where(solved, course[:, 1:].mean(axis=1) < what.factor * course[:, 0], np.nan)


def _checked(problem: StudyProblem, response: Any) -> Response:
    """Return what counts as a response, which the model must be able to say."""
    outputs = problem.model.outputs
    if not isinstance(response, Response):
        shown = next((n for n, o in outputs.items() if o.error is not None), next(iter(outputs)))
        got = f"response must be a Response, got {response!r}" if response else "nothing says what a response is"
        raise PkpdError(
            f"study '{problem.study.name}': {got}; give response=pkpd.checks.Response('{shown}', days=(5, 7)), which "
            f"is met if the mean {shown} of days 5 to 7 after the first dose is below half of that before; outputs are "
            f"{', '.join(outputs)}"
        )
    if response.output not in outputs:
        raise PkpdError(
            f"study '{problem.study.name}': model '{problem.model.name}' has no output '{response.output}' that "
            f"response= names{nearest(response.output, outputs)}; it has {', '.join(outputs)}"
        )
    return response


def _outcomes(problem: StudyProblem, marker: str) -> dict[str, bool]:
    return {
        f"{e.name}/{f.patient}": bool(f.value)
        for e in problem.evidence
        for f in e.facts
        if f.kind == "event" and f.marker == marker and f.patient and f.value is not None
    }


def _cohort(problem: StudyProblem, patient: str) -> str:
    return problem.cohorts[problem.index_of(patient)]


def _start(problem: StudyProblem, patient: str, drug: str) -> float:
    """Return the time of a patient's first dose of a drug, on the model's clock."""
    drug = drug or studied_drug(problem, problem.patients[problem.index_of(patient)])
    start = first_dose(problem, problem.patients[problem.index_of(patient)], drug)
    if start is None:
        raise PkpdError(
            f"study '{problem.study.name}': patient '{patient}' got no {drug}, so there is no response to it"
        )
    return start


def _share(responded: Sequence[bool]) -> float:
    return (sum(responded) + 1.0) / (len(responded) + 2.0)


def _scores(table: pd.DataFrame, draws: int) -> pd.DataFrame:
    import pandas as pd

    y = table["responded"].to_numpy(float)
    errors, logs, rows = {}, {}, {}
    for name, column in (("model", "predicted"), ("base rate", "base"), ("cohort base rate", "cohort_base")):
        given = table[column].to_numpy(float)
        # a share of draws is known to about one part in their number, so it is never quite 0 or 1
        p = np.clip(given, 0.5 / draws, 1 - 0.5 / draws)
        errors[name], logs[name] = (given - y) ** 2, -(y * np.log(p) + (1 - y) * np.log(1 - p))
        gap = p[y == 1][:, None] - p[y == 0][None, :]
        pairs = float(((gap > 0) + 0.5 * (gap == 0)).mean()) if gap.size else float("nan")
        measured = {
            "brier": errors[name], "log": logs[name], "gain": errors[name] - errors["model"],
            "log_gain": logs[name] - logs["model"],
        }  # fmt: skip
        rows[name] = {n: float(each.mean()) for n, each in measured.items()} | {"concordance": pairs}
        rows[name] |= {f"{n}_se": _standard_error(each) for n, each in measured.items()}
    order = ("brier", "brier_se", "log", "log_se", "concordance", "gain", "gain_se", "log_gain", "log_gain_se")
    return pd.DataFrame([{n: row[n] for n in order} for row in rows.values()], index=list(rows))


def _standard_error(each: Floats) -> float:
    """Return the standard error of a mean over patients; NaN for one alone."""
    return float(each.std(ddof=1) / np.sqrt(each.size)) if each.size > 1 else float("nan")
