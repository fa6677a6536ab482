"""What would tell: which further measurements would narrow the answer, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pkpd.report.blocks import Table, Text
from pkpd.report.changes import read_response
from pkpd.report.words import percent, records

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.report.job import ReportJob

__all__ = ["telling"]

_COLUMNS = ("width_now", "width", "tells_now", "tells")


def telling(job: ReportJob) -> None:
    """Tabulate and draw how far each further measurement would have narrowed the focus parameter."""
    given = job.words.get("design", [])
    if not given:
        return
    from pkpd.estimation.checks.prospects.api import what_would_tell
    from pkpd.estimation.checks.prospects.design import designs_from
    from pkpd.estimation.checks.prospects.words import prospects_text
    from pkpd.plot.prospects import prospects as draw

    designs = designs_from(given, where="report.toml")
    responder: Any = job.words.get("responder", 0.5)
    if isinstance(responder, dict):
        responder = read_response(responder)

    def compute() -> Sequence[pd.DataFrame]:
        return [what_would_tell(job.fit, designs, job.focus, responder=responder, seed=job.seed).table]

    tables = job.check_tables(("prospects",), compute, f"draws of the posterior, seed {job.seed}")
    if tables is None:
        return
    table = tables[0]
    cohorts = {c: job.names.cohort(c) for c in table["cohort"].dropna().unique()}
    words: dict[str, Any] = {"quantity": job.focus_name, "cohorts": cohorts}
    job.found["tell"] = text = prospects_text(table, **words, responder=str(job.words.get("responder_words", "")))
    job.section("tell").add(
        Text(
            "From what is known of each patient, the measurements below were made up many times and their answer "
            f"worked out each time. {text}"
        ),
        job.picture(
            "prospects",
            draw(table, **words),
            f"How far each further measurement would narrow the {job.focus_name}; the table holds the numbers.",
            f"**What would tell.** Expected width of the 90% interval of the {job.focus_name} with each further "
            "measurement.",
        ),
        Table(
            f"What each further measurement would do to the {job.focus_name}, on average over the patients of a group",
            ["measurement", "patients", "width of the 90% interval now", "expected then", "narrower by",
             "told rightly now", "then"],
            _rows(job, table),
            f"Each patient, and the error of the widths: tables/prospects.csv. {job.made('prospects')}",
        ),
    )  # fmt: skip


def _rows(job: ReportJob, table: pd.DataFrame) -> list[list[str]]:
    """Return a row for each measurement and group, and for each further kind of patient that it speaks of."""
    known = set(job.fit.patients)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in records(table):
        cohort = job.names.cohort(str(row["cohort"]))
        of = cohort if row["patient"] in known else f"{row['patient']}, {cohort}"
        groups.setdefault((str(row["label"]), of), []).append(row)
    found = []
    for (label, of), rows in groups.items():
        now, then, *told = (sum(r[k] for r in rows) / len(rows) for k in _COLUMNS)
        calls = ["" if x != x else percent(x) for x in told]
        found.append([label, of, f"{now:.2f}", f"{then:.2f}", percent(max(1 - then / now, 0.0)), *calls])
    return found
