"""Simulation-based calibration: whether the computation finds truths that made-up reports were drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pkpd.report.blocks import Table, Text
from pkpd.report.words import number, percent, plural

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.checks.sbc import RankTest
    from pkpd.report.job import ReportJob

__all__ = ["rank_table", "ranks", "ranks_text"]

_SETS = 200
_BINS = 10
_ENOUGH = 200
_FIRST = 10


def ranks(job: ReportJob) -> None:
    """Refit made-up reports of each group and show where the truth ranks among the draws."""
    from pkpd.plot.ranks import rank_histogram

    sets = int(job.words.get("sbc", {}).get("sets", _SETS))
    how = "the normal approximation" if job.engine == "mode" else "short chains"
    tables = job.check_tables(("sbc",), lambda: [_compute(job, sets)], f"{how}, {sets} sets a group, seed {job.seed}")
    if tables is None:
        return
    table = tables[0]
    part = job.subsection("checks", "sbc", "Does the computation find a truth?")
    part.add(
        Text(ranks_text(table)),
        job.picture(
            "sbc",
            rank_histogram(table, labels={c: job.names.cohort(c) for c in table["cohort"].unique()}),
            "Histograms of ranks by group over the band in which flat ones would lie; the table tests each quantity.",
            f"**Ranks of the truth among the draws, all quantities of a group together.** Band: 95% of flat ranks if "
            f"quantities were independent. {job.made('sbc')}",
        ),
    )
    first = table.sort_values("p_ecdf").head(_FIRST)
    rows = [[job.names.quantity(r["number"]), job.names.cohort(r["cohort"]), int(r["sets"]), float(r["p_ecdf"]),
             float(r["p_ecdf_holm"])] for r in first.to_dict("records")]  # fmt: skip
    heads = ["quantity", "group", "sets", "p of flat ranks", "p, for so many tests"]
    part.add(Table("The least flat ranks", heads, rows, "All of them: tables/sbc.csv."))


def ranks_text(table: pd.DataFrame) -> str:
    """Say whether ranks are flat, and what so many sets can see."""
    holm, sets = table["p_ecdf_holm"].to_numpy(float), int(np.min(table["sets"].to_numpy()))
    count, least, below = len(table), float(holm.min()), float(np.mean(table["p_ecdf"].to_numpy(float) < 0.05))
    lost = sum(dict(zip(table["cohort"].tolist(), table["failed"].tolist(), strict=True)).values())
    odd = int((holm < 0.05).sum())
    verdict = (
        f"those of {plural(odd, 'quantity', 'quantities')} do not, and intervals of "
        f"{'this one' if odd == 1 else 'these'} are off"
        if odd
        else "no quantity's ranks depart from that"
    )
    failed = (
        f" {plural(lost, 'set')} could not be fitted and {'has' if lost == 1 else 'have'} no ranks." if lost else ""
    )
    few = "" if sets >= _ENOUGH else f" With {plural(sets, 'set')} only gross faults would show."
    return (
        f"Reports were made up from the priors, at least {plural(sets, 'set')} a group, and fitted again. If "
        "likelihood and sampler fit together, the truth has any rank among the draws with the same probability: "
        f"{verdict} ({plural(count, 'quantity', 'quantities')} tested, {percent(below)} with p below 0.05, the "
        f"smallest p for so many tests {number(least)}).{few}{failed}"
    )


def _compute(job: ReportJob, sets: int) -> pd.DataFrame:
    import pandas as pd

    from pkpd.estimation.checks.sbc import simulation_based_calibration

    found, problem = [], job.study.problem
    out = None if job.chains is None else job.chains / "ranks"
    for cohort in problem.groups:
        own = [p for p, c in zip(problem.patients, problem.cohorts, strict=True) if c == cohort]
        part = job.study if len(problem.groups) == 1 else job.study.with_(patients=own)
        test = simulation_based_calibration(
            part, sets, method="mode" if job.engine == "mode" else "nuts", seed=job.seed, out=out, progress=job.progress
        )
        found.append(rank_table(test, cohort))
    return pd.concat(found, ignore_index=True)


def rank_table(test: RankTest, cohort: str) -> pd.DataFrame:
    """Return ranks in ten bins with their tests, a row per quantity.

    Returns
    -------
    DataFrame
        Columns cohort and failed (made-up reports that could not be fitted), those of `RankTest.table`, bin1 to bin10.
    """
    bins = test.bins(_BINS)
    bins.columns = [f"bin{k + 1}" for k in range(_BINS)]
    table = test.table.merge(bins.rename_axis("number").reset_index(), on="number")
    table.insert(0, "cohort", cohort)
    table.insert(1, "failed", len(test.failed))
    return table
