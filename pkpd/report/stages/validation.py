"""What was published about the drugs against what the model simulates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pkpd.report.blocks import Table, Text
from pkpd.report.words import plural

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["published"]


def published(job: ReportJob) -> None:
    """Compare the model's drugs with published numbers, where some are stored for it."""
    from pkpd.errors import DataError
    from pkpd.validation.api import validate_model

    try:
        found = validate_model(job.study.problem.model, n=500 if job.full else 200, seed=job.seed)
    except DataError:  # nothing published is stored for this model
        return
    job.found["validation"] = found
    job.keep_table("validation", found.table())
    effects = found.effect_table()
    section = job.subsection("checks", "published", "Published numbers of the drugs")
    good = sum(row.within for row in found.rows)
    odd = " The others stand below with the reason, as far as one is known." if found.outside else ""
    section.add(
        Text(
            f"{good} of {plural(len(found.rows), 'published number')} on how the body handles the drugs "
            f"(peaks, half-lives, clearances by kidney function) are reproduced within their reported spread.{odd}"
        ),
        Table(
            "Published against simulated",
            ["what", "in whom", "unit", "published", "spread", "simulated", "result"],
            [_line(row) for row in found.lines()],
        ),
    )
    if len(effects):
        job.keep_table("validation_effects", effects)
        section.add(_effects(job, effects, found.reading))


def _line(row: tuple[str, ...]) -> list[str]:
    what, setting, unit, value, spread, _, _, simulated, between, verdict = row
    return [what, setting, unit, value, spread, f"{simulated} ({between})", verdict]


def _effects(job: ReportJob, table: Any, reading: Any) -> Table:
    known = job.study.problem.model.parameters
    inner = {name.rpartition(".")[2]: job.names.quantity(name) for name in known}
    inner |= {reading.symbol: str(job.words.get("focus_name", reading.share_text))}

    def in_words(text: str) -> str:
        parts = re.split(r"([A-Za-z_]\w*)", text)
        return "".join(inner.get(w, w) if "_" in w or w == reading.symbol else w for w in parts)

    rows = [
        [r["effect"], r["regimen"], reading.assumptions.get(r["assumption"], r["assumption"]), r["published"],
         in_words(r["reading"])]
        for r in table.to_dict("records")
    ]  # fmt: skip
    return Table(
        reading.title,
        ["effect", "schedule", "if the disease is", "published", "what it means in this model"],
        rows,
        "These were not used for the calibration.",
    )
