"""Limitations, how to reproduce, and the page itself."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pkpd.report.blocks import Items, Table, Text
from pkpd.report.writing import to_html

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["limits", "reproduce", "write"]

_ALWAYS = (
    "This is research software. It is not a medical device, it has not been approved for anything, and nothing here is "
    "advice on the care of a patient.",
)


def limits(job: ReportJob) -> None:
    """Write what the report cannot claim."""
    job.section("limits").add(Items([*job.words.get("limitations", []), *_ALWAYS]))


def reproduce(job: ReportJob) -> None:
    """Write the command, versions, seeds and fingerprints."""
    from importlib.metadata import version

    from pkpd.version import __version__

    problem = job.study.problem
    rows = [
        ["command", job.found["command"]],
        ["pkpd", __version__],
        ["Python", f"{platform.python_version()} on {sys.platform} {platform.machine()}"],
        *([name, version(name)] for name in ("numpy", "numba", "scipy", "xarray", "arviz", "nutpie")),
        ["study", f"{job.study.name}, fingerprint {problem.fingerprint}"],
        ["model", f"{problem.model.name}, fingerprint {problem.model.fingerprint}"],
        ["reports", ", ".join(job.names.report(each.name) for each in problem.evidence)],
        ["seed", str(job.seed)],
        [
            "engine",
            f"{job.engine}, {'setting of record' if job.full else 'quick setting'}; {job.fit.attrs['settings']}",
        ],
    ]
    job.section("reproduce").add(
        Text(
            "The same command with the same versions gives the same numbers. All tables are in tables/, all figures "
            "in figures/ (PNG and SVG), the calibration with its draws in calibration.nc (NetCDF, readable with "
            "xarray and ArviZ); run.json holds a fingerprint of each file. Tables of checks that take many refits "
            "stand in tables/checks.toml with how they were made."
        ),
        Table("What this report was made with", ["what", "which"], rows),
    )
    job.found["about"] |= {
        "fingerprint": problem.fingerprint,
        "model_fingerprint": problem.model.fingerprint,
        "versions": dict(rows[1:9]),
    }


def write(job: ReportJob) -> None:
    """Write ``report.html``."""
    job.page.title = str(job.words.get("title", job.study.title or f"Study {job.study.name}"))
    job.page.subtitle = str(job.words.get("subtitle", job.study.title))
    job.page.sections = job.sections()
    job.page.made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    (job.folder / "report.html").write_text(to_html(job.page), encoding="utf-8")
