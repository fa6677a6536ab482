"""The command and its verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from pkpd.cli import calibrate, compare, models, run, seeds, sensitivity, simulate, validate
from pkpd.cli.arguments import first_of

__all__ = ["app"]

HELP = f"""Pharmacokinetic and pharmacodynamic models as plain equations: simulate, calibrate, compare schedules.

The main job, from three clinical reports to an HTML report in results/:

\b
  pkpd run {first_of("calibration")}

First steps:

\b
  pkpd models                   what the library holds
  pkpd models pk1_oral          one model: parameters, sources, equations
  pkpd simulate pk1_oral --dose "100 mg q24h x7" --out sims.csv
  pkpd seeds                    the clinical reports
  pkpd validate my/report       check files of your own

A name is something of the library; your own files are given by their path. Research software, not medical advice.
"""

EPILOG = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 faults found by a validation, 130 interrupted."

app = typer.Typer(
    name="pkpd",
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from pkpd.version import __version__

        typer.echo(f"pkpd {__version__}")
        raise typer.Exit


@app.callback(help=HELP, epilog=EPILOG)
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


for _module in (run, simulate, calibrate, compare, sensitivity, validate, models, seeds):
    app.command(_module.__name__.rpartition(".")[2], help=_module.HELP, no_args_is_help=_module.NEEDS_ARGUMENTS)(
        _module.command
    )
