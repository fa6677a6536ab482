"""``pkpd validate``: a seed folder or a model is checked, and every fault is named at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pkpd.cli.arguments import first_of
from pkpd.cli.console import FAULTS, Debug, console, guarded, print_table
from pkpd.errors import LibraryError, nearest, shortened

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = True

_FOLDERS = {"seed": "seeds", "model": "models", "study": "calibration"}

HELP = f"""Check reports, models and studies, and name all their faults.

A report is a folder with source.toml, patients.csv, doses.csv and facts.csv, and with curves/ if figures were read off.
A model is a file: its names and units are checked, it is compiled and solved, and a dose must reach what the file says
it reaches. Models of the library that have published figures are compared with these. A study is a folder with
study.py, or that file: its names must be those of its model and reports. Studies come first, then models and reports,
so that kinds of facts of one's own are known.

\b
  pkpd validate {first_of("seeds")}                 reports of the library
  pkpd validate my/report                    a folder of one's own
  pkpd validate pk1_oral my/own.py           models
  pkpd validate my/study.py                  a study of one's own

Exit status 3 if there is any fault.
"""


@guarded
def command(
    targets: Annotated[
        list[str], typer.Argument(metavar="SEED_MODEL_OR_STUDY...", help="Names of the library, folders or files.")
    ],
    debug: Debug = False,
) -> None:
    """Check reports and models; see ``pkpd validate --help``."""
    checked = [(target, _kind(target)) for target in targets]
    check = {"seed": _check_seed, "model": _check_model, "study": _check_study}
    # a study, or a model's file, may define the kinds of facts that a report needs
    order = sorted(checked, key=lambda each: list(_FOLDERS)[::-1].index(each[1]))
    good = [check[kind](target) for target, kind in order]
    if not all(good):
        raise typer.Exit(FAULTS)


def _kind(target: str) -> str:
    """Tell whether a target is a seed, a model or a study, or refuse it; names and paths are those of `load_seed`."""
    from pkpd.catalogue import content_names

    path = Path(target)
    names = {kind: content_names(folder) for kind, folder in _FOLDERS.items()}
    if path.name == "study.py":
        return "study"
    if target.endswith(".py"):
        return "model"
    if _is_path(target):
        return "study" if (path / "study.py").is_file() else "seed"
    for kind, known in names.items():
        if target in known:
            return kind
    known = [name for each in names.values() for name in each]
    here = f"; the folder '{target}' here is checked by its path: './{target}'" if path.is_dir() else ""
    raise LibraryError(
        f"there is no report, model or study '{shortened(target)}'{nearest(target, known)}{here}; see pkpd seeds and "
        "pkpd models"
    )


def _is_path(target: str) -> bool:
    return "/" in target or os.sep in target or target in (".", "..")


def _check_seed(target: str) -> bool:
    from pkpd.evidence import validate_seed

    report = validate_seed(Path(target) if _is_path(target) else target)
    console().print(str(report), markup=False, soft_wrap=True)
    return report.ok


def _check_study(target: str) -> bool:
    """Load a study and put it together with its model and reports; say what is wrong with it."""
    from pkpd.errors import PkpdError
    from pkpd.estimation.study.loading import load_study

    try:
        study = load_study(Path(target) if _is_path(target) or target.endswith(".py") else target)
        problem = study.problem
    except LibraryError:
        raise
    except PkpdError as error:
        console().print(f"study '{target}': {error}", markup=False, soft_wrap=True)
        return False
    head = f"study '{study.name}': no faults in {len(problem.patients)} patients, {len(problem.reported)} facts, "
    n = len(problem.superseded)
    gone = f", {n} fact{'s' if n > 1 else ''} superseded by curves" if n else ""
    console().print(f"{head}{len(study.free)} free parameters{gone}", markup=False, soft_wrap=True)
    return True


def _check_model(target: str) -> bool:
    """Load, solve and, where something is published, compare a model; say what is wrong with it."""
    from pkpd.errors import PkpdError
    from pkpd.library import load_model

    try:
        model = load_model(target)
    except LibraryError:
        raise
    except PkpdError as error:
        console().print(f"model '{target}': {error}", markup=False, soft_wrap=True)
        return False
    faults = _unsolved(model)
    head = f"model '{model.name}': {'no faults' if not faults else f'{len(faults)} faults'} in "
    head += f"{len(model.states)} states, {len(model.parameters)} parameters, {len(model.outputs)} outputs"
    console().print(head, markup=False, soft_wrap=True)
    for fault in faults:
        console().print(f"  {fault}", markup=False, soft_wrap=True)
    return _compare_published(model) and not faults


def _unsolved(model: Model) -> list[str]:
    """Return for which doses the typical person cannot be solved, or has values that are not finite."""
    import numpy as np

    from pkpd.dosing.regimen import Regimen
    from pkpd.simulation.api import simulate
    from pkpd.units import conversion

    times = np.linspace(0.0, 2 * conversion("d", model.time_unit), 49)
    faults = []
    for state in (None, *model.states):
        doses = None if state is None else Regimen(amt=1.0, cmt=state)
        sims = simulate(model, doses, times=times, rtol=1e-6, on_failure="ignore", progress=False)
        given = "without a dose" if state is None else f"with 1 {model.states[state].unit} into '{state}'"
        if int(sims["status"].max()) != 0:
            faults.append(f"cannot be solved {given} at its own values; simulate it to see why")
            continue
        odd = [str(name) for name in sims.data_vars if not np.isfinite(sims[name].values).all()]
        if odd:
            faults.append(f"{', '.join(odd)} not finite {given} at its own values")
    return faults


def _compare_published(model: Model) -> bool:
    """Print published against simulated; a disagreement that nobody explains is a fault."""
    from pkpd.errors import DataError
    from pkpd.validation.api import validate_model

    try:
        found = validate_model(model, n=200)
    except DataError:
        console().print("  nothing published is stored to compare it with", style="dim")
        return True
    rows = [[row[0], row[1], row[2], row[3], row[7], row[9]] for row in found.lines()]
    if rows:
        print_table(
            "Published against simulated", ["what", "in whom", "unit", "published", "simulated", "result"], rows
        )
    for row in found.unexplained:
        console().print(f"  no explanation for {row.row.what}: {row.verdict}", markup=False, soft_wrap=True)
    return not found.unexplained
