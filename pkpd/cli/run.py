"""``pkpd run``: the main job, from reports to a folder of results."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pkpd.cli import arguments as given
from pkpd.cli.console import Debug, console, guarded, messages, wrote

if TYPE_CHECKING:
    from pkpd.report.run import Listener

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = True

HELP = f"""Run a study to the end: check the evidence, calibrate, compare schedules, analyse, write a report.

\b
The main job, a few minutes on two cores:
  pkpd run {given.first_of("calibration")}

\b
The setting of record, with all checks (it goes on where it was if it is
interrupted and called again):
  pkpd run {given.first_of("calibration")} --full --out record

\b
A study of one's own, a folder with study.py or the file:
  pkpd run my/study.py --out mine

The results hold report.html (open it in a browser), calibration.nc, tables/ and figures/. A folder that an earlier run
made is replaced when everything is done, and not before.
"""


@guarded
def command(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study of the library, or the path of one's own.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the results go.")] = Path("results"),
    full: Annotated[bool, typer.Option("--full", help="The setting of record, with all checks; takes long.")] = False,
    seed: given.Seed = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="nuts (sampler; short chains without --full), mode (and its normal approximation), or shipped "
            "(the fit beside the study)."
        ),
    ] = "nuts",
    debug: Debug = False,
) -> None:
    """Run a study; see ``pkpd run --help``."""
    from pkpd.report.run import ENGINES, run_study

    given.one_of(engine, ENGINES, "engine")
    said = ["pkpd", "run", study, *(["--full"] if full else []), *(["--engine", engine] if engine != "nuts" else [])]
    text = shlex.join([*said, "--seed", str(seed)])
    with _ended_as_interrupted():
        run_study(study, out, full=full, seed=seed, engine=engine, command=text, listener=_listener())
    wrote(*(out / name for name in ("report.html", "calibration.nc", "tables/", "figures/")))
    console().print("Research software, not medical advice.", style="bold")


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Let a run that is told to end clean up behind it, as one that its user interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _listener() -> Listener:
    """Return a listener that shows each stage with its time."""
    import time

    screen = messages()
    begin = time.perf_counter()

    def listen(title: str, seconds: float | None) -> None:
        if seconds is None:
            if sys.stderr.isatty():
                screen.print(f"  {title} ...", end="\r", markup=False)
            return
        total = time.perf_counter() - begin
        screen.print(f"[green]✓[/green] {title:<40} {seconds:6.1f} s   [dim]{total:6.1f} s[/dim]")

    return listen
