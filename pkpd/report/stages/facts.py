"""The reported facts against what the calibrated model predicts of them: one by one, together, and held back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.evidence.kinds import kind_named
from pkpd.report.blocks import Items, Table, Text
from pkpd.report.words import number, percent, plural, records, span

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.report.blocks import Section
    from pkpd.report.job import ReportJob

__all__ = ["predicted_facts"]

_FEW = 5


def predicted_facts(job: ReportJob) -> None:
    """Compare every fact with what the calibrated model predicts, and name those outside."""
    from pkpd.plot.diagnosis import predicted as draw

    facts = job.fit.facts()
    job.found["facts"] = facts
    job.keep_table("facts_predicted", facts)
    table, held = ([row for row in records(facts) if row["use"] == use] for use in ("fit", "check"))
    missed = [row for row in table if not row["inside"]]
    job.found["outside"] = [_outside(job, row) for row in missed]
    part = job.subsection("checks", "facts", "The facts that were fitted")
    numbers = len(job.fit.summary())
    worth = (
        f"With {numbers} numbers for {len(table)} facts that says that the model can bend to them, not that it is true."
        if numbers >= len(table)
        else "They were fitted, so that this says that the model can describe them, not that it is true."
    )
    part.add(
        Text(
            f"Each for itself, {plural(len(missed), 'fact')} of {len(table)} {'lies' if len(missed) == 1 else 'lie'} "
            f"outside of what the calibrated model predicts (95% of a value, a probability of 5% of a bound). {worth}"
        )
    )
    if missed:
        part.add(Items(job.found["outside"]))
    _together(job, part)
    if held:
        _held_back(job, held)
    if len(table) > _FEW:
        part.add(
            job.picture(
                "facts_predicted",
                draw(job.fit, labels={name: job.names.marker(name) for name in facts["marker"].unique()}),
                "Left: sorted probabilities of less than was reported, along a diagonal. Right: probabilities of "
                "reported bounds and grades. The table of Appendix A holds the numbers.",
                "**How probable the reported facts are in the calibrated model.** Left: values; right: bounds and "
                f"grades.{_flat(table)}",
            )
        )
    _appendix(job, facts)


def _flat(table: list[dict[str, Any]]) -> str:
    """Say how far probabilities of values spread: 0.29 if they were as predicted and had not been fitted."""
    pit = np.array([row["pit"] for row in table if row["pit"] == row["pit"]])
    if len(pit) < _FEW:
        return ""
    return (
        f" The probabilities of values spread by {pit.std():.2f}; by 0.29 if the model were right and had not seen "
        "them, by less the more it bends to them."
    )


def _together(job: ReportJob, part: Section) -> None:
    """Say how many of each patient's qualitative facts are reproduced together."""
    found = job.fit.reproduced()
    if found.empty:
        job.found["together"] = []
        return
    job.keep_table("facts_together", found.reset_index())
    together = records(found.reset_index())
    for row in together:
        row |= {"label": job.names.patient(row["patient"]), "marker": job.names.marker(row["weakest"])}
    job.found["together"] = together
    share = sum(row["reproduced"] for row in together) / sum(row["facts"] for row in together)
    rows = [
        [row["label"], int(row["facts"]), number(row["reproduced"]), number(row["in_order"]), percent(row["all"]),
         f"{row['marker']}: {percent(row['weakest_share'])}", "exception" if row["exception"] else ""]
        for row in together
    ]  # fmt: skip
    heads = ["patient", "qualitative facts", "reproduced", "in order", "all at once", "least of", ""]
    part.add(
        Text(
            "A bound, a direction or a grade is easily met alone. New data drawn from the calibrated model show "
            f"{percent(share)} of a patient's qualitative facts on average. A patient of whom they show less than 60%, "
            "of all or of those about one marker, is an exception: the model does not tell what happened."
        ),
        Table(
            "Qualitative facts that new data reproduce", heads, rows,
            "Reproduced: how many on average. In order: how many before the first that is missed.",
        ),
    )  # fmt: skip


def _held_back(job: ReportJob, held: list[dict[str, Any]]) -> None:
    """Say what became of the facts that had no part in the calibration."""
    part = job.subsection("checks", "held-back", "Facts that were held back")
    wrong = [row for row in held if not row["inside"]]
    sure = [row for row in held if kind_named(row["kind"]).counts]
    average = sum(row["probability"] for row in sure) / len(sure) if sure else float("nan")
    had = f"{plural(len(held), 'fact')} had no part in the calibration and {'was' if len(held) == 1 else 'were'} kept"
    expected = (
        f" The model gave what was reported a probability of {percent(average)} on average: close to 50% says that it "
        "could not tell."
        if sure
        else ""
    )
    part.add(Text(f"{had} to check it; {len(wrong) or 'none'} of them {_lie(len(wrong))} outside.{expected}"))
    if wrong:
        part.add(Items([_outside(job, row) for row in wrong]))


def _lie(count: int) -> str:
    return "lie" if count > 1 else "lies"


def _outside(job: ReportJob, row: dict[str, Any]) -> str:
    """Return a fact that lies outside, and what is predicted of it."""
    if kind_named(row["kind"]).counts:
        against = f"its probability is {percent(row['probability'])}"
    else:
        against = f"reported {number(row['observed'])}, predicted {_between(row)}"
    return f"{job.names.patient(row['patient'])}, {job.names.marker(row['marker'])}: {row['text']}; {against}."


def _between(row: dict[str, Any]) -> str:
    return span(row["50%"], row["2.5%"], row["97.5%"])


def _appendix(job: ReportJob, facts: pd.DataFrame) -> None:
    rows = [
        [
            job.names.patient(row["patient"]),
            job.names.marker(row["marker"]),
            row["text"],
            "informs" if row["use"] == "fit" else "checks",
            "" if kind_named(row["kind"]).counts else _between(row),
            percent(row["probability"]) if row["probability"] == row["probability"] else "",
            "" if row["inside"] else "outside",
        ]
        for row in records(facts)
    ]
    job.section("facts").add(
        Text(
            "Facts that inform the model, and those that had no part in its calibration and check it. For a bound, a "
            "direction or a grade, the probability is the one that the calibrated model gives to what was reported."
        ),
        Table(
            "Reported facts and their prediction",
            ["patient", "marker", "reported", "use", "predicted: middle (95%)", "probability", ""],
            rows,
        ),
    )
