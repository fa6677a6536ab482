"""Patients predicted from the others, against how often patients respond at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.report.blocks import Note, Table, Text
from pkpd.report.changes import read_response
from pkpd.report.stages.refits import how_refitted, refits
from pkpd.report.words import listing, number, percent, plural, records

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.report.job import ReportJob

__all__ = ["held_out", "prediction_text", "what_is_kept"]

_SCORES = {"model": "the model", "base rate": "share among all others", "cohort base rate": "share within the group"}


def what_is_kept(job: ReportJob) -> None:
    """Say where the tables of long checks come from, and that those of another study are left out."""
    if job.full:
        return
    part = job.section("checks")
    if job.shipped is not None and job.shipped.stale:
        part.add(
            Note(
                "The tables of checks beside the study belong to another state of it and are left out; a run with "
                "--full makes them anew.",
                "Checks are missing.",
            )
        )
    elif job.shipped is None or not job.shipped.belongs:
        part.add(Text("Checks that take many refits were not run; a run with --full makes them."))


def held_out(job: ReportJob) -> None:
    """Predict who responded from the other patients alone, where the study says what a response is."""
    from pkpd.estimation.checks.held_out import leave_one_patient_out

    given = job.words.get("response")
    if given is None:
        return
    response = read_response(given)

    def compute() -> Sequence[pd.DataFrame]:
        found = leave_one_patient_out(job.study, response=response, seed=job.seed, method=refits(job), within="cohort")
        return found.patients.rename_axis("patient").reset_index(), found.scores.rename_axis("by").reset_index()

    try:
        tables = job.check_tables(("held_out", "held_out_scores"), compute, how_refitted(job))
    except PkpdError as error:
        if "no event" in str(error):  # the evidence names no responders
            return
        raise
    if tables is None:
        return
    people, scores = (records(table) for table in tables)
    _show(job, people, {str(row["by"]): row for row in scores})


def _show(job: ReportJob, people: list[dict[str, Any]], scores: dict[str, dict[str, Any]]) -> None:
    part = job.subsection("checks", "held-out", "Could it have been known beforehand?")
    counts = {c: sum(row["cohort"] == c for row in people) for c in {row["cohort"] for row in people}}
    alone = [job.names.patient(row["patient"]) for row in people if counts[row["cohort"]] == 1]
    rows = [
        [job.names.patient(row["patient"]), "yes" if row["responded"] else "no"]
        + [percent(row[name]) for name in ("predicted", "base", "cohort_base")]
        for row in people
    ]
    numbers = [[text, *(float(scores[by][k]) for k in ("brier", "log", "concordance"))] for by, text in _SCORES.items()]
    part.add(
        Text(
            "Each patient was left out in turn (but for what was known up to the first dose), and the others of the "
            f"group predicted whether this one responds. {prediction_text(scores, len(people), alone)}"
        ),
        Table("Scores of the predictions", ["by", "Brier score", "log score", "concordance"], numbers,
              "Brier: mean squared error, log: mean of -log of the probability of what happened, both better if "
              "smaller; concordance: share of pairs in which the responder had the higher probability."),
        Table("Response predicted from the other patients",
              ["patient", "responded", "by the model", "share among all others", "share within the group"], rows,
              job.made("held_out")),
    )  # fmt: skip


def prediction_text(scores: dict[str, dict[str, Any]], count: int, alone: Sequence[str]) -> str:
    """Say whether the model predicts better than shares of responders do, and of whom nothing can be learned.

    Parameters
    ----------
    scores : mapping of "model", "base rate" and "cohort base rate" to their scores
    count : int
        Patients.
    alone : sequence of str
        Patients who are alone in their group.
    """
    gain, error = (float(scores["cohort base rate"][name]) for name in ("gain", "gain_se"))
    if gain > 2 * error > 0:
        verdict = "more than chance would give: the other patients do tell something"
    elif gain < -2 * error < 0:
        verdict = "worse than that share alone: the model misleads about new patients"
    else:
        verdict = "no more than chance can give: from these reports a response could not have been foreseen"
    text = (
        f"Its squared error is {number(scores['model']['brier'])}, that of the plain share of responders of the same "
        f"group {number(scores['cohort base rate']['brier'])}; the gain of {number(gain)} (standard error "
        f"{number(error)}, {plural(count, 'patient')}) is {verdict}."
    )
    if alone:
        text += (
            f" Of {listing(list(alone))}, alone in {'a' if len(alone) == 1 else 'their'} "
            f"group{'s' if len(alone) > 1 else ''}, nobody else of the group could tell anything: there the prediction "
            "is what was assumed."
        )
    return text
