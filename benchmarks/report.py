"""The tables of a run."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from benchmarks.race import Result
from benchmarks.startup import Line
from benchmarks.targets import Target
from benchmarks.workloads import Workload

__all__ = ["show_lines", "show_race", "show_targets"]


def show_race(console: Console, workload: Workload, results: list[Result]) -> None:
    """Print times, ratios and errors of one workload; ratios are to the first row that has a time."""
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left")
    table.add_column("solver")
    for heading in ("us/subject", "best", "subjects", "speed", "largest error"):
        table.add_column(heading, justify="right")
    table.add_column("in")
    yardstick = next((result.median for result in results if result.micros), math.nan)
    for result in results:
        if result.absent:
            table.add_row(result.name, "-", "-", "-", "-", "-", result.absent)
            continue
        error, where = result.worst_error
        table.add_row(
            result.name,
            f"{result.median:.4g}",
            f"{result.best:.4g}",
            f"{result.subjects:,}",
            f"{yardstick / result.median:.3g}x",
            f"{error:.1e}",
            where.removesuffix("_out"),
        )
    console.print(table)


def show_lines(console: Console, title: str, lines: list[Line]) -> None:
    """Print measurements beside what they must stay below."""
    table = Table(title=title, title_justify="left")
    table.add_column("measurement")
    table.add_column("value", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("")
    table.add_column("note")
    for line in lines:
        value = "-" if math.isnan(line.value) else f"{line.value:.3g} {line.unit}"
        limit = "" if line.limit is None else f"{line.limit:g} {line.unit}"
        verdict = "" if line.limit is None else _verdict(line.value <= line.limit, known=not math.isnan(line.value))
        table.add_row(line.what, value, limit, verdict, line.note)
    console.print(table)


def show_targets(console: Console, targets: list[Target]) -> None:
    """Print the targets and whether they are met."""
    table = Table(title="Targets", title_justify="left")
    table.add_column("target")
    table.add_column("measured", justify="right")
    table.add_column("")
    table.add_column("note")
    for target in targets:
        known = not math.isnan(target.measured)
        measured = f"{target.measured:.3g}x" if known else "-"
        table.add_row(target.what, measured, _verdict(target.met, known=known), target.note)
    console.print(table)


def _verdict(met: bool, *, known: bool) -> str:
    if not known:
        return "unknown"
    return "pass" if met else "FAIL"
