"""What the reports taught about quantities that patients share, and what they left as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkpd.report.blocks import Table, Text
from pkpd.report.words import learned, percent, records

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["taught"]


def taught(job: ReportJob) -> None:
    """Say in words what the reports narrowed, and what they left as it was."""
    from pkpd.plot.calibration import densities

    table = job.fit.contraction().rename_axis("name").reset_index()
    job.keep_table("contraction", table)
    shared = [row for row in records(table) if "/" not in str(row["name"])]
    if not shared:
        return
    part = job.subsection("share", "taught", "What the reports taught about quantities in common")
    rows = [
        [job.names.quantity(str(row["name"])), percent(max(row["contraction"], 0.0)), f"{row['shift']:.1f}",
         learned(row["verdict"])]
        for row in shared
    ]  # fmt: skip
    part.add(
        Text(
            "A belief that stays as wide as it was before the reports has learned nothing from them. Where nothing was "
            "learned, the answers of this report rest on what was assumed."
        ),
        Table(
            "Quantities that all patients, or all patients of a group, share",
            ["quantity", "variance removed", "shift", "in words"],
            rows,
            "Variance removed: how much of the prior's variance is gone (on the scale of the prior). Shift: of the "
            "middle, in standard deviations of the prior. Patients' own values: tables/contraction.csv.",
        ),
    )
    wanted = [v.name for v in job.fit.variables if v.kind != "patient"]
    if wanted:
        part.add(
            job.picture(
                "taught",
                densities(job.fit, wanted, titles={name: job.names.quantity(name) for name in wanted}),
                "One panel for each quantity: the density before the reports in grey, after them as a line.",
                "**Before and after.** Grey: what was believed before the reports; lines: after them.",
            )
        )
