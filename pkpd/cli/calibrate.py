"""``pkpd calibrate``: a study is fitted to its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pkpd.cli import arguments as given
from pkpd.cli.console import Debug, console, guarded, print_table, wrote
from pkpd.cli.files import check_suffix

if TYPE_CHECKING:
    from pkpd.estimation.study.result import StudyFit

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = False

HELP = f"""Calibrate a study to its evidence, and say what was learned.

\b
  pkpd calibrate                                   the studies of the library
  pkpd calibrate {given.first_of("calibration")} --out fit.nc     mode and normal approximation
  pkpd calibrate {given.first_of("calibration")} --engine nuts --keep chains --out fit.nc
  pkpd calibrate my/study.py --quick               one's own study, for a look

With --keep, a sampler that was interrupted goes on where it was.
"""

ENGINES = ("mode", "nuts")


@guarded
def command(
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="A study of the library, or the path of one's own.")
    ] = None,
    *,
    engine: Annotated[str, typer.Option(help="mode or nuts.")] = "mode",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer starts or draws: for a look.")] = False,
    seed: given.Seed = 0,
    chains: Annotated[int | None, typer.Option(min=1, help="Chains of nuts.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Draws, of each chain with nuts.")] = None,
    tune: Annotated[int | None, typer.Option(min=1, help="Draws of each chain to tune nuts.")] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where nuts keeps its chains, to go on when interrupted.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The result: .nc (NetCDF, for ArviZ).")] = None,
    debug: Debug = False,
) -> None:
    """Calibrate; see ``pkpd calibrate --help``."""
    given.one_of(engine, ENGINES, "engine")
    if out:
        check_suffix(out, (".nc",))
    if engine == "mode" and (chains or tune or keep):
        raise typer.BadParameter("--chains, --tune and --keep are for --engine nuts")
    if study is None:
        from pkpd.estimation.study.loading import list_studies

        print_table("Studies of the library", ["name", "title"], ([e.name, e.title] for e in list_studies()))
        return

    from pkpd.estimation.api import fit as run
    from pkpd.estimation.methods.register import study_method
    from pkpd.estimation.study.loading import as_study

    how = study_method(engine, seed=seed, quick=quick, chains=chains, draws=draws, tune=tune, out=keep)
    fit = run(as_study(study), method=how)
    _show(fit)
    if out:
        fit.save(out)
        wrote(out)


def _show(fit: StudyFit) -> None:
    from pkpd.report.words import records

    summary, facts = fit.summary(), fit.facts()
    table = summary.rename_axis("name").reset_index()
    rows = [[row.get(key) for key in ("name", "50%", "2.5%", "97.5%", "rhat", "ess_bulk")] for row in records(table)]
    heads = ["parameter", "middle", "2.5%", "97.5%", "R-hat", "effective draws"]
    print_table(repr(fit), heads, rows)
    predicted = records(facts)
    outside = [row for row in predicted if not row["inside"]]
    for use, what in (("fit", "facts"), ("check", "facts held back")):
        own = [row["inside"] for row in predicted if row["use"] == use]
        if own:
            text = f"{sum(own)} of {len(own)} {what} inside the 95% interval of their prediction"
            console().print(text, markup=False)
    if outside:
        columns = ["patient", "marker", "text", "use", "observed", "2.5%", "97.5%"]
        print_table("Facts outside", columns, ([row[key] for key in columns] for row in outside))
    if fit.method == "mode":
        k = float(fit.attrs.get("pareto_k", float("nan")))
        quality = "good" if k < 0.7 else "rough in the tails; --engine nuts samples the posterior itself"
        console().print(f"Normal approximation: Pareto k {k:.2f}, {quality}", markup=False)
