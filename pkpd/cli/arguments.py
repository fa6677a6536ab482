"""Texts of the command line understood: times, doses, assignments; and the options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkpd.catalogue import content_names
from pkpd.errors import nearest

if TYPE_CHECKING:
    from pkpd.dosing.regimen import Regimen
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = [
    "Cmt", "Covariates", "Doses", "Seed", "Settings", "Times", "assignments", "existing", "first_of", "looks_like_path",
    "one_of", "people_of", "regimens_of", "times_of", "usual_times",
]  # fmt: skip

Doses = Annotated[
    list[str] | None,
    typer.Option(
        "--dose",
        "-d",
        metavar="[NAME=]TEXT",
        help="Doses as a clinician writes them, e.g. '100 mg SC q24h x7'; several options are several regimens.",
    ),
]
Cmt = Annotated[
    str | None,
    typer.Option(
        metavar="STATE",
        help="Compartment of the doses. By default SC, IM and PO go to 'depot' and IV to 'central' where the model has "
        "these, anything else to the first state.",
    ),
]
Times = Annotated[
    str | None,
    typer.Option(
        metavar="TIMES",
        help="In the model's time unit: START:STOP:STEP, or numbers between commas, or both. "
        "By default every hour until one day after the last dose.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Another value of a parameter, in the model's unit; may be repeated."
    ),
]
Covariates = Annotated[
    list[str] | None,
    typer.Option("--covariate", metavar="NAME=VALUE", help="A covariate, e.g. WT=82 or CRCL=20; may be repeated."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


def first_of(kind: str) -> str:
    """Return the name of something that the library holds, for examples.

    Parameters
    ----------
    kind : {'models', 'seeds', 'calibration'}
    """
    return next(iter(content_names(kind)), "my_own")


def looks_like_path(text: str) -> bool:
    """Tell whether a text is a path: it ends in a suffix of ours or holds a folder separator."""
    return text.endswith((".py", ".nc")) or os.sep in text or "/" in text or text in (".", "..")


def one_of(value: str, known: Sequence[str], what: str) -> str:
    """Return the value, or refuse it with the nearest of those known."""
    if value not in known:
        raise typer.BadParameter(f"there is no {what} '{value}'{nearest(value, known)}; there is {', '.join(known)}")
    return value


def assignments(texts: Sequence[str] | None, option: str, known: Sequence[str]) -> dict[str, float]:
    """Read ``NAME=VALUE`` texts; names must be among those known."""
    found: dict[str, float] = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign:
            raise typer.BadParameter(f"{option} '{text}': write NAME=VALUE")
        if name not in known:
            listed = ", ".join(known) or "none"
            raise typer.BadParameter(f"{option}: there is no '{name}'{nearest(name, known)}; there is {listed}")
        if name in found:
            raise typer.BadParameter(f"{option}: '{name}' is given twice")
        try:
            found[name] = float(value)
        except ValueError:
            raise typer.BadParameter(f"{option} '{text}': '{value}' is no number") from None
    return found


def times_of(text: str) -> Any:
    """Read ``0:168:1``, ``0,1,2`` or ``0:24:0.5,48,72``; the same time twice counts once.

    Returns
    -------
    array, shape (times,)
    """
    import numpy as np

    from pkpd.timegrid import hours

    parts: list[Any] = []
    for part in text.split(","):
        try:
            numbers = [float(number) for number in part.split(":")]
        except ValueError:
            raise typer.BadParameter(f"--times: '{part}' is neither a number nor START:STOP:STEP") from None
        if len(numbers) > 3:
            raise typer.BadParameter(f"--times: '{part}' has {len(numbers)} numbers; write START:STOP:STEP")
        if len(numbers) == 1:
            parts.append(numbers)
            continue
        start, stop, step = (*numbers, 1.0)[:3]
        if not (start < stop and step > 0):
            raise typer.BadParameter(f"--times: '{part}' must have START < STOP and STEP > 0")
        parts.append(np.asarray(hours(start, stop, step)))  # numbers in the model's unit, whatever it is
    return np.unique(np.concatenate(parts))


def regimens_of(
    texts: Sequence[str] | None, model: Model, cmt: str | None, covariates: Mapping[str, float] | None = None
) -> dict[str, Regimen]:
    """Read the doses of all ``--dose`` options, named by themselves where no name is given.

    Parameters
    ----------
    texts : sequence of str
        ``[NAME=]TEXT`` each.
    model : Model
        Knows the compartments and the unit of time.
    cmt : str or None
        Compartment of all doses.
    covariates : mapping
        Holds WT for amounts per kg.
    """
    from pkpd.dosing.regimen import Regimen
    from pkpd.simulation.doses import from_text

    if cmt is not None:
        one_of(cmt, list(model.states), f"compartment in model '{model.name}' named")
    weight = (covariates or {}).get("WT", model.covariates["WT"].reference if "WT" in model.covariates else None)
    found: dict[str, Regimen] = {}
    for text in texts or ():
        name, sign, words = text.partition("=")
        name, words = (name.strip(), words.strip()) if sign else (text.strip(), text.strip())
        if name in found:
            raise typer.BadParameter(
                f"--dose: two regimens are called '{name}'; give them names: --dose 'NAME={words}'"
            )
        if cmt is None:
            (found[name],) = from_text(words, model, covariates, name)
        else:
            found[name] = Regimen.parse(words, cmt=cmt, weight=weight, name=name)
    return found


def usual_times(regimens: Mapping[str, Regimen], model: Model) -> Any:
    """Return every hour until one day after the last dose of all regimens, in the model's time unit."""
    from pkpd.timegrid import TimeGrid, hours

    last = max((float(r.in_time("h").times[-1]) for r in regimens.values() if len(r.times)), default=0.0)
    grid = hours(min([0.0, last]), last + 24.0)
    return TimeGrid(grid, "h").in_time(model.time_unit)


def people_of(
    model: Model,
    n: int,
    seed: int,
    settings: Mapping[str, float],
    given: Mapping[str, float],
    labels: Sequence[Any] = ("typical",),
) -> Population:
    """Return n persons, or typical ones of the given labels for n = 0, with the parameters and covariates given."""
    from pkpd.people.population import Population

    if n == 0:
        columns = {k: [v] * len(labels) for k, v in {**settings, **given}.items()}
        return Population.from_table(model, {"ID": list(labels), **columns})
    return Population.draw(model, n, covariates=dict(given), parameters=dict(settings), seed=seed)


def existing(path: Path) -> Path:
    """Return a path that exists, or refuse it with the nearest name beside it."""
    if path.exists():
        return path
    beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
    raise typer.BadParameter(f"'{path}' does not exist{nearest(path.name, beside)}")
