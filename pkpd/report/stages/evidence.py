"""What was asked and what was reported: the evidence is checked, drawn and counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.evidence.words import SUPERSEDED
from pkpd.report.blocks import Items, Table, Text
from pkpd.report.words import listing, plural

if TYPE_CHECKING:
    from pkpd.evidence.evidence import Evidence
    from pkpd.report.job import ReportJob

__all__ = ["asked", "reported"]


def asked(job: ReportJob) -> None:
    """Write what was asked, in the words of the study."""
    paragraphs = job.words.get("asked") or (job.study.description or job.study.title).strip().split("\n\n")
    job.section("asked").add(*(Text(" ".join(p.split())) for p in paragraphs if p.strip()))


def reported(job: ReportJob) -> None:
    """Check every report, draw it, and say what it holds.

    Raises
    ------
    DataError
        With all faults of all reports.
    """
    from pkpd.evidence import validate_seed

    job.found["evidence"] = evidence = job.study.problem.evidence
    checked = [validate_seed(each.path) for each in evidence]
    if bad := [report for report in checked if not report.ok]:
        raise DataError("\n".join(str(report) for report in bad))
    section = job.section("reported")
    people = sum(len(each.patients) for each in evidence)
    facts = sum(len(each.facts) for each in evidence)
    fitted = Counter(each.name.partition("/")[0] for each in job.study.problem.reported)
    gone = sum(fact.use == "fit" for each in evidence for fact in each.facts) - fitted.total()
    excluded = f" {plural(gone, 'fact')} that could inform it {'is' if gone == 1 else 'are'} left out by the study."
    section.add(
        Text(
            f"{plural(len(evidence), 'report')} with {plural(people, 'patient')} gave {plural(facts, 'fact')}. Of "
            f"these, {fitted.total()} inform the model; the others are used to check it, as far as it can predict "
            f"them, or have no counterpart in it.{excluded if gone else ''} In the figures each patient is a strip: "
            "doses above, what was reported below, on the report's own day axis. What was read is filled; what had "
            "to be derived or assumed is open or dashed."
        ),
        _counts(job, evidence, fitted),
    )
    for each in evidence:
        _one(job, each)


def _drugs(evidence: Any) -> str:
    return listing([evidence.words.label(drug) for drug in evidence.drugs])


def _counts(job: ReportJob, evidence: Any, fitted: Counter[str]) -> Table:
    rows = []
    for each in evidence:
        uses = Counter("no" if fact.use == SUPERSEDED else fact.use for fact in each.facts)
        read = sum(fact.known == "read" and not fact.is_point for fact in each.facts)
        drugs = _drugs(each)
        rows.append(
            [
                job.names.report(each.name),
                len(each.patients),
                drugs,
                len(each.facts),
                read,
                fitted[each.name],
                uses["check"],
                uses["no"],
            ]
        )
    columns = ["report", "patients", "drugs", "facts", "read as printed", "inform the model", "check it", "not used"]
    return Table("The reports and what was taken from them", columns, rows)


def _one(job: ReportJob, evidence: Evidence) -> None:
    from pkpd.plot.evidence import evidence as draw

    source = evidence.source
    part = job.subsection("reported", evidence.name, _short(source.citation))
    label = job.names.report(evidence.name)
    address = f" doi {source.doi}." if source.doi else ""
    part.add(
        Text(f"{source.kind[:1].upper()}{source.kind[1:]}. Day 0: {source.day_zero}."),
        job.picture(
            f"evidence_{evidence.name}",
            draw(evidence, width="double"),
            f"Strips of {plural(len(evidence.patients), 'patient')} of {label}: doses of "
            f"{_drugs(evidence)}, "
            "reported values and events by day. The tables of the appendix hold the same numbers.",
            f"**{label}.** Doses, reported facts and events by day. {source.citation}.{address}",
        ),
    )
    if evidence.curves:
        _curves(job, part, evidence)
    if source.readable:
        part.add(Text("What could be read of it, and what could not:"), Items(list(source.readable)))
    job.keep_table(f"facts_{evidence.name}", evidence.fact_table)
    job.keep_table(f"doses_{evidence.name}", evidence.dose_table)
    job.keep_table(f"patients_{evidence.name}", evidence.patient_table)


def _curves(job: ReportJob, part: Any, evidence: Evidence) -> None:
    """Tabulate the curves that were read off figures, and say how many facts they are in the place of."""
    table = evidence.curve_table
    gone = int(table["supersedes"].to_numpy().sum())
    rows = [
        [f"{row['patient']}, {row['marker']}", row["where"], row["points"],
         f"{row['first_day']:.3g} to {row['last_day']:.3g}", row["reading_sd"], row["use"], row["supersedes"],
         "" if np.isnan(row["printed_from"]) else f"{row['printed_from']:.2g} to {row['printed_to']:.2g}"]
        for row in table.to_dict("records")
    ]  # fmt: skip
    part.add(
        Text(
            f"Read off its figures with a digitiser: {plural(len(rows), 'curve')}, of which each point counts as a "
            f"measurement with a reading error. Superseded: {plural(gone, 'fact')} of the text about values that a "
            "curve shows itself, as each measurement counts once; the last column has their numbers over the curve."
        ),
        Table(
            f"Curves read off figures of {evidence.name}",
            ["curve", "figure", "points", "days", "reading error", "use", "facts superseded", "printed / curve"],
            rows,
        ),
    )
    job.keep_table(f"curves_{evidence.name}", table)


def _short(citation: str) -> str:
    """Return the first authors and the year of a citation."""
    import re

    authors = citation.split(",")[0].strip()
    year = re.search(r"\b(19|20)\d\d\b", citation)
    return f"{authors} and others{f', {year[0]}' if year else ''}"
