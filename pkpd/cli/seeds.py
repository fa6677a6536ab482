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
"""


@guarded
def command(
    name: Annotated[str | None, typer.Argument(metavar="[SEED]", help="A report of the library, or a folder.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw an overview: .png, .svg or .pdf.")] = None,
    debug: Debug = False,
) -> None:
    """List, show or draw reports; see ``pkpd seeds --help``."""
    from pkpd.evidence import list_seeds, load_seed

    if name is None:
        if figure:
            raise typer.BadParameter("--figure needs a report: pkpd seeds NAME --figure FILE")
        print_table("Clinical reports of the library", ["name", "patients"], ([e.name, e.title] for e in list_seeds()))
        console().print("pkpd seeds NAME shows one of them", style="dim")
        return
    if figure:
        check_suffix(figure, (".png", ".svg", ".pdf"), "--figure")
    evidence = load_seed(name)
    _show(evidence)
    if figure:
        from pkpd.plot.evidence import evidence as draw
        from pkpd.report.figures import figure_of

        save_figure(figure_of(draw(evidence, width="double")), figure)
        wrote(figure)


def _show(evidence: Evidence) -> None:
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
            f.use,
        ]
        for f in evidence.facts
    ]
    print_table("Facts", ["patient", "marker", "kind", "day", "to day", "reported", "use"], facts)
