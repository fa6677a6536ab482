"""What the answer rests on: which facts carry it, and other assumptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest
from pkpd.report.blocks import Table, Text
from pkpd.report.changes import read_variant
from pkpd.report.stages.refits import how_refitted, refits
from pkpd.report.words import listing, number, plural, records, span

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.checks.study_facts import Group
    from pkpd.report.job import ReportJob

__all__ = ["ledger", "other_assumptions", "resting"]

_MOVED = 0.5


# -- which facts carry the answer


def ledger(job: ReportJob) -> None:
    """Refit without each group of facts, and show what is then known of each patient."""
    from pkpd.estimation.checks.ledger import evidence_ledger
    from pkpd.plot.ledger import ledger as draw

    groups = _groups(job)

    def compute() -> Sequence[pd.DataFrame]:
        return [evidence_ledger(job.study, job.focus, groups, base=None, method=refits(job), within="cohort")]

    tables = job.check_tables(("ledger",), compute, how_refitted(job))
    if tables is None:
        return
    table = tables[0].fillna({"patient": "", "cohort": ""})
    job.found["ledger"] = table
    part = job.subsection("sensitivity", "ledger", "Which facts carry the answer")
    part.add(Text(f"{_ledger_text(job, table)} {job.made('ledger')}".strip()))
    if len(set(table["without"])) < 2:
        return
    bounds = (0.0, 1.0) if job.focus_axis == "share" else None
    part.add(
        job.picture(
            "ledger",
            draw(table, title=job.focus_name, labels=_labels(job, table), limits=bounds),
            "One panel for each group of facts that was left out, one row for each patient: interval with all facts in "
            "grey, without the group in colour. The table holds the same numbers.",
            f"**The {job.focus_name} without each group of facts.** Grey: 95% with all facts of the group of patients; "
            "colour: middle and 95% without. Filled: moved by half a standard deviation or more.",
        ),
        _ledger_table(job, table),
    )


def _groups(job: ReportJob) -> Mapping[str, Group] | None:
    """Return the groups of facts that ``report.toml`` names: lists of facts, or true for one of the usual ones."""
    from pkpd.estimation.checks.study_facts import DEFAULT

    given = job.words.get("groups")
    if given is None:
        return None
    if strange := [label for label, group in given.items() if group is True and label not in DEFAULT]:
        raise PkpdError(
            f"groups of report.toml: '{strange[0]}' is none of the usual ones{nearest(strange[0], DEFAULT)}; these are "
            f"{', '.join(DEFAULT)}"
        )
    return {label: DEFAULT[label] if group is True else group for label, group in given.items()}


def _labels(job: ReportJob, table: pd.DataFrame) -> dict[str, str]:
    return {p: job.names.patient(p) if p else "all patients" for p in table["patient"].unique()}


def _ledger_text(job: ReportJob, table: pd.DataFrame) -> str:
    rows = _moving(table)
    intro = (
        "Each group of facts was left out in turn and the patients' own group fitted again, so that a reader sees "
        "which sentence carries which number."
    )
    if not rows:
        return f"{intro} No group of facts alone moves the {job.focus_name} of anybody by half a standard deviation."
    heavy = list(dict.fromkeys(r["without"] for r in sorted(rows, key=lambda r: -abs(r["shift"]))))
    moved = {label: [job.names.patient(r["patient"]) for r in rows if r["without"] == label] for label in heavy[:3]}
    told = [f"without {label}, that of {listing(who[:3])}{' and others' if len(who) > 3 else ''}"
            for label, who in moved.items()]  # fmt: skip
    return f"{intro} What moves the {job.focus_name} most: {'; '.join(told)}."


def _ledger_table(job: ReportJob, table: pd.DataFrame) -> Table:
    whole = table.pivot_table(index="patient", columns="without", values="50%", sort=False)
    groups = list(dict.fromkeys(table["without"]))
    rows = [[job.names.patient(str(p)) or "all patients", *(float(whole.loc[p, g]) for g in groups)]
            for p in dict.fromkeys(table["patient"])]  # fmt: skip
    return Table(f"Middle of the {job.focus_name} without ...", ["patient", *groups], rows,
                 "Empty where a patient has no such fact. Intervals: tables/ledger.csv.")  # fmt: skip


def _moving(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows whose group of facts moves the answer, all facts under treatment aside: any answer needs them."""
    from pkpd.estimation.checks.study_facts import DEFAULT

    treated = [*DEFAULT][-1]
    rows = [row for row in records(table) if row["facts"] > 0 and row["without"] != treated]
    return [row for row in rows if abs(row["shift"]) >= _MOVED]


def resting(table: pd.DataFrame | None, patients: Sequence[str], label: Mapping[str, str]) -> str:
    """Return on which group of facts the answer of some patients rests, as the end of a sentence; empty if on none.

    Parameters
    ----------
    table : DataFrame or None
        The ledger.
    patients : sequence of str
    label : mapping of patient to str
    """
    if table is None:
        return ""
    rows = [row for row in _moving(table) if row["patient"] in patients]
    if not rows:
        return ""
    most = max(rows, key=lambda r: abs(r["shift"]))
    whose = f"that of {label[most['patient']]}" if len(patients) > 1 else "it"
    return f"without {most['without']} {whose} would be {span(most['50%'], most['2.5%'], most['97.5%'])}"


# -- other assumptions


def other_assumptions(job: ReportJob) -> None:
    """Refit under the study's other assumptions and tabulate what becomes of the focus parameter."""
    from pkpd.estimation.checks.changed_assumptions import BASE, assumptions

    given = job.words.get("variants", {})
    if not given:
        return
    variants = {label: read_variant(job.study, label, changes) for label, changes in given.items()}

    def compute() -> Sequence[pd.DataFrame]:
        return [assumptions(job.study, variants, job.focus, method=refits(job), within="cohort")]

    tables = job.check_tables(("assumptions",), compute, how_refitted(job))
    if tables is None:
        return
    found = tables[0].fillna({"patient": "", "cohort": ""})
    wide = found.pivot(index="patient", columns="variant", values="50%").loc[list(dict.fromkeys(found["patient"]))]
    columns = [BASE, *(v for v in dict.fromkeys(found["variant"]) if v != BASE)]
    rows = [[job.names.patient(str(p)) or "all patients", *(float(v) for v in row)]
            for p, row in zip(wide.index, wide[columns].to_numpy(), strict=True)]  # fmt: skip
    changed = [r for r in records(found) if r["variant"] != BASE and r["shift"] == r["shift"]]
    most = max(changed, key=lambda r: abs(r["shift"]), default=None)
    text = "The study was calibrated again with other assumptions; the table shows the middle under each."
    if most is not None:
        who = f" of {job.names.patient(most['patient'])}" if most["patient"] else ""
        text += (
            f" The largest change is that{who} with '{most['variant']}': by {number(abs(float(most['shift'])))} "
            f"standard deviations of what is known of it, to {span(most['50%'], most['2.5%'], most['97.5%'])}."
        )
    count = plural(len(columns) - 1, "other assumption")
    job.subsection("sensitivity", "assumptions", "Other assumptions").add(
        Text(text),
        Table(f"Middle of the {job.focus_name} under {count}", ["patient", *columns], rows, job.made("assumptions")),
    )
