"""``pkpd seeds``: the clinical reports, as tables and as figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pkpd.cli.arguments import first_of
from pkpd.cli.console import Debug, console, guarded, print_table, wrote
from pkpd.cli.files import check_suffix, save_figure

if TYPE_CHECKING:
    from pkpd.evidence.evidence import Evidence

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = False

HELP = f"""List the clinical reports, show one, or draw it.

\b
  pkpd seeds                                   names, and what patients
  pkpd seeds {first_of("seeds")}                      patients, doses, facts, what could be read
  pkpd seeds {first_of("seeds")} --figure report.png  every patient a strip: doses, facts, events by day
  pkpd seeds my/report                         a folder of one's own
  pkpd seeds my/report --curves                begin the table of what was read off its figures
"""


@guarded
def command(
    name: Annotated[str | None, typer.Argument(metavar="[SEED]", help="A report of the library, or a folder.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw an overview: .png, .svg or .pdf.")] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Write curves/curves.csv: a row for each file of a digitiser in curves/.")
    ] = False,
    debug: Debug = False,
) -> None:
    """List, show or draw reports; see ``pkpd seeds --help``."""
    from pkpd.evidence import list_seeds, load_seed

    if name is None:
        if figure or curves:
            wanted = "--figure FILE" if figure else "--curves"
            raise typer.BadParameter(f"{wanted.partition(' ')[0]} needs a report: pkpd seeds NAME {wanted}")
        print_table("Clinical reports of the library", ["name", "patients"], ([e.name, e.title] for e in list_seeds()))
        console().print("pkpd seeds NAME shows one of them", style="dim")
        return
    if figure:
        check_suffix(figure, (".png", ".svg", ".pdf"), "--figure")
    if curves:
        _begin_curves(name)
        return
    evidence = load_seed(name)
    _show(evidence, name)
    if figure:
        from pkpd.plot.evidence import evidence as draw
        from pkpd.report.figures import figure_of

        save_figure(figure_of(draw(evidence, width="double")), figure)
        wrote(figure)


def _begin_curves(name: str) -> None:
    from pkpd.evidence.template import begin_curves

    path, rows = begin_curves(name)
    wrote(path)
    todo = "fill in unit, reading_sd, where and what else is empty" if rows else "export figures into its folder, again"
    console().print(f"rows begun: {rows}; {todo}; then: pkpd validate {name}", markup=False, soft_wrap=True)


def _show(evidence: Evidence, given: str) -> None:
    from pkpd.evidence.template import absent_figures

    source = evidence.source
    out = console()
    out.print(f"{evidence.name}: {source.citation}", markup=False, style="bold")
    for line in (source.kind, f"Day 0: {source.day_zero}", *source.readable):
        out.print(f"  {line}", markup=False)
    doses = [
        [row.patient, row.drug, row.printed, f"{row.amt:g} {row.unit} {row.route}", row.start, row.interval, row.number]
        for row in evidence.doses
    ]
    columns = ["patient", "drug", "printed", "understood", "start day", "every h", "number"]
    print_table("Doses", columns, doses)
    facts = [
        [
            f.patient or "all",
            f.marker,
            f.kind,
            f.time,
            f.time_to,
            f.text or f"{f.printed} {f.printed_unit}".strip(),
            f"{f.use} by {f.curve}" if f.curve else f.use,
        ]
        for f in evidence.facts
        if not f.is_point
    ]
    print_table("Facts", ["patient", "marker", "kind", "day", "to day", "reported", "use"], facts)
    if evidence.curves:
        _show_curves(evidence)
    elif absent_figures(source.readable):
        out.print(f"figures that are absent can be added: pkpd seeds {given} --curves", markup=False, style="dim")


def _show_curves(evidence: Evidence) -> None:
    table = evidence.curve_table
    ends = zip(table["printed_from"].tolist(), table["printed_to"].tolist(), strict=True)
    table["printed / curve"] = ["" if low != low else f"{low:.2g} to {high:.2g}" for low, high in ends]
    columns = ["patient", "marker", "unit", "reading_sd", "points", "first_day", "last_day", "supersedes"]
    columns += ["printed / curve", "use", "where"]
    print_table("Curves read off figures", columns, table[columns].to_numpy().tolist())
