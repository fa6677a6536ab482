"""Rival explanations compared as models, and by patient: that the focus is as good as nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.checks.changed_assumptions import BASE
from pkpd.options import is_number
from pkpd.report.blocks import Table, Text
from pkpd.report.changes import read_variant
from pkpd.report.stages.refits import how_refitted, refits
from pkpd.report.words import number, percent, plural, records

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.report.job import ReportJob

__all__ = ["as_good_as_nothing", "favoured", "rival_models"]

_STRONG = float(np.log(3.0))


def rival_models(job: ReportJob) -> None:
    """Compare the study with rival explanations as models, by how probable each makes the facts."""
    given = job.words.get("rivals", {})
    if not given:
        return
    studies = {label: read_variant(job.study, label, changes) for label, changes in given.items()}

    def compute() -> Sequence[pd.DataFrame]:
        from pkpd.estimation.checks.rival_models import rivals

        # an approximation at the mode has no evidence; then the check's own short chains are taken
        method = None if job.engine == "mode" else refits(job)
        return [rivals(job.study, studies, method=method, within="cohort", seed=job.seed)]

    how = f"NUTS, short chains, seed {job.seed}" if job.engine == "mode" else how_refitted(job)
    tables = job.check_tables(("rivals",), compute, f"{how}; evidence by bridge sampling")
    if tables is None:
        return
    rows = records(tables[0])
    job.found["rivals"] = rows
    unsure = sum(isinstance(r.get("trouble"), str) and bool(r["trouble"]) for r in rows)
    doubt = f" {plural(unsure, 'estimate')} did not converge well (tables/rivals.csv)." if unsure else ""
    shown = [
        [str(r["rival"]), job.names.cohort(str(r["cohort"])), f"{r['log_bayes_factor']:.1f} (± {r['bf_error']:.1f})",
         percent(r["weight"])]
        for r in sorted(rows, key=lambda r: (str(r["cohort"]), -r["log_bayes_factor"]))
        if r["rival"] != BASE
    ]  # fmt: skip
    found = [
        favoured(rows, cohort, job.names.cohort(cohort)) for cohort in dict.fromkeys(str(r["cohort"]) for r in rows)
    ]
    part = job.subsection("sensitivity", "rivals", "Rival explanations")
    part.add(
        Text(
            "Each rival is a model of its own, fitted to the facts of each group of patients; the Bayes factor says "
            "how much more probable it makes them than the study as it is. A model pays for what it leaves free, so "
            "that a factor near one says that the facts cannot tell. "
            f"{' '.join(filter(None, found)) or 'No rival is favoured.'}"
        ),
        Table(
            "Rivals of the study as it is",
            ["explanation", "patients", "log Bayes factor (± error)", "probability if all were equally likely before"],
            shown,
            "A log Bayes factor of 1.1 is a factor of 3, of 2.3 a factor of 10; the error is that of the computation."
            f"{doubt} {job.made('rivals')}",
        ),
    )


def favoured(rows: Sequence[Mapping[str, Any]], cohort: str, label: str) -> str:
    """Return which rival the facts of a cohort favour over the study as it is, beyond its error; empty if none.

    Favoured is a Bayes factor above 3 by two of its Monte Carlo errors.
    """
    own = [r for r in rows if str(r["cohort"]) == cohort]
    best = max(own, key=lambda r: r["log_bayes_factor"])
    if not best["log_bayes_factor"] - 2 * best["bf_error"] > _STRONG:
        return ""
    factor = float(np.exp(min(best["log_bayes_factor"], 30.0)))
    return (
        f"Of {label} the facts favour '{best['rival']}' over the study as it is (Bayes factor {number(factor)}, its "
        f"logarithm known to ± {best['bf_error']:.1f})."
    )


def as_good_as_nothing(job: ReportJob) -> None:
    """Tabulate how much the facts speak for a focus below the number that counts as nothing, patient by patient.

    Raises
    ------
    PkpdError
        If ``little`` of ``report.toml`` is no number.
    """
    from pkpd.estimation.checks.region import region_odds

    little = job.words.get("little")
    if little is None:
        return
    if not is_number(little):
        raise PkpdError(f"report.toml: little must be a number, below which the focus is as good as 0, got {little!r}")
    found = region_odds(job.fit, job.focus, float(little), seed=job.seed)
    job.keep_table("as_good_as_nothing", found)
    rows = [
        [job.names.patient(r["patient"]) or "all patients", percent(r["prior"]), percent(r["posterior"]),
         f"{number(r['bayes_factor'])} (± {number(r['error'])})"]
        for r in records(found)
    ]  # fmt: skip
    job.subsection("sensitivity", "rivals", "Rival explanations").add(
        Text(
            f"That the {job.focus_name} is as good as nothing, below {little:g}, needs no other fit: the table "
            "compares how probable that was before and is after the facts. A Bayes factor above one speaks for it, "
            "below one against it; between a third and three it is not worth more than a bare mention."
        ),
        Table(
            f"{job.focus_name[:1].upper()}{job.focus_name[1:]} below {little:g}",
            ["patient", "probability before", "after", "Bayes factor (± error)"],
            rows,
        ),
    )
