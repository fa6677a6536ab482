"""``pkpd validate``: a seed folder or a model is checked, and every fault is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pkpd.cli.console import FAULTS, Debug, console, guarded
from pkpd.errors import LibraryError, nearest

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = True

HELP = """Check reports and models, and name all their faults.

A report is a folder with source.toml, patients.csv, doses.csv and facts.csv. A model is a file: its names and units are
checked, it is compiled and solved, and a dose must reach what the file says it reaches. Models of the library that have
published figures are compared with these.

\b
  pkpd validate strati2020 villegas2020      reports of the library
  pkpd validate my/report                    a folder of one's own
  pkpd validate anakinra my/own.py           models

Exit status 3 if there is any fault.
"""


@guarded
def command(
    targets: Annotated[
        list[str], typer.Argument(metavar="SEED_OR_MODEL...", help="Names of the library, folders or model files.")
    ],
    debug: Debug = False,
) -> None:
    """Check reports and models; see ``pkpd validate --help``."""
    checked = [(target, _kind(target)) for target in targets]
    good = [_check_seed(target) if kind == "seed" else _check_model(target) for target, kind in checked]
    if not all(good):
        raise typer.Exit(FAULTS)


def _kind(target: str) -> str:
    """Tell whether a target is a seed or a model, or refuse it."""
    from pkpd.library import content_names

    path = Path(target)
    if target.endswith(".py"):
        return "model"
    if path.is_dir() and ("/" in target or target in (".", "..") or target not in content_names("seeds")):
        return "seed"
    names = {kind: content_names(folder) for kind, folder in (("seed", "seeds"), ("model", "models"))}
    for kind, known in names.items():
        if target in known:
            return kind
    if "/" in target:
        return "seed"
    hint = nearest(target, [*names["seed"], *names["model"]])
    raise LibraryError(f"there is no report or model '{target}'{hint}; see pkpd seeds and pkpd models")


def _check_seed(target: str) -> bool:
    from pkpd.evidence import validate_seed

    report = validate_seed(target if "/" in target or not Path(target).is_dir() else f"./{target}")
    console().print(str(report), markup=False, soft_wrap=True)
    return report.ok


def _check_model(target: str) -> bool:
    from pkpd.errors import PkpdError
    from pkpd.library import load_model

    try:
        model = load_model(target)
    except PkpdError as error:
        console().print(f"model '{target}': {error}", markup=False, soft_wrap=True)
        return False
    console().print(f"model '{model.name}': no faults", markup=False)
    return True
