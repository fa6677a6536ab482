"""``pkpd sensitivity``: what drives an answer of a model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkpd.cli import arguments as given
from pkpd.cli.console import Debug, console, guarded, print_table, wrote
from pkpd.cli.files import check_suffix, save_dataset, save_figure
from pkpd.files import write_whole

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.sensitivity_analysis.result import SensitivityResult

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = True

HELP = """Find out what drives an answer: shares of variance (sobol), exact derivatives (local), a screening (morris).

\b
Which parameters decide the trough after a week:
  pkpd sensitivity pk1_oral -d "100 mg q24h x7" --times 0:168:1 --of "Cc.at(168)"

\b
Ranges of one's own, for two answers, with a figure:
  pkpd sensitivity my/own.py -d "100 mg q24h x7" --of Cc.max --of Cc.auc \\
       --vary CL=4:8 --vary V=30:60 --n 2048 --figure drivers.png --out drivers.csv

An answer is OUTPUT (over time), or OUTPUT.auc, .mean, .max, .min, .last, .tmax, .at(24), .auc(24, 48).
"""


@guarded
def command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of the library, or the path of one's own file.")
    ],
    *,
    dose: given.Doses = None,
    cmt: given.Cmt = None,
    times: given.Times = None,
    of: Annotated[
        list[str] | None, typer.Option(metavar="ANSWER", help="What is asked about; may be repeated.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=LOW:HIGH]",
            help="A parameter, a random effect (eta_CL) or a covariate that varies; all parameters by default.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="sobol, local, morris, variance or identifiability.")] = "sobol",
    n: Annotated[
        int | None, typer.Option("--n", min=2, help="Base rows of sobol and variance, paths of morris.")
    ] = None,
    spread: Annotated[float, typer.Option(min=0.001, help="Half width of a range that is not given, as a part.")] = 0.2,
    settings: given.Settings = None,
    covariate: given.Covariates = None,
    seed: given.Seed = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The indices: .csv or .nc.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them: .png, .svg or .pdf.")] = None,
    debug: Debug = False,
) -> None:
    """Analyse sensitivity; the options are explained by ``pkpd sensitivity --help``."""
    if out:
        check_suffix(out, (".csv", ".nc"))
    if figure:
        check_suffix(figure, (".png", ".svg", ".pdf"), "--figure")

    from pkpd.library import load_model
    from pkpd.sensitivity_analysis.api import METHODS, sensitivity

    given.one_of(method, list(METHODS), "method")
    loaded = load_model(model)
    values = given.assignments(settings, "--set", list(loaded.parameters))
    covariates = given.assignments(covariate, "--covariate", list(loaded.covariates))
    regimens = given.regimens_of(dose, loaded, cmt, covariates)
    grid = given.times_of(times) if times else given.usual_times(regimens, loaded)
    people = given.people_of(loaded, 0, seed, values, covariates)
    how = METHODS[method]
    own = {f.name for f in fields(how)}
    options = {"n": n, "spread": spread, "seed": seed}
    how = how(**{name: value for name, value in options.items() if name in own and value is not None})
    ranges = _ranges(vary, loaded, method)
    doses = next(iter(regimens.values())) if len(regimens) == 1 else regimens or None
    found = sensitivity(loaded, doses, people, grid, of=of or None, parameters=ranges, method=how)
    _show(found, f"{loaded.name}: {found.data.attrs.get('title', method)}")
    if out:
        if out.suffix == ".csv":
            write_whole(out, found.table().to_csv(float_format="%.6g"))
        else:
            save_dataset(found.data, out)
        wrote(out)
    if figure:
        from pkpd.plot.sensitivity import tornado
        from pkpd.report.figures import figure_of

        save_figure(figure_of(tornado(found)), figure)
        wrote(figure)


def _ranges(texts: list[str] | None, model: Model, method: str) -> Any:
    """Read what varies: names alone, or all of them with their ranges."""
    if not texts:
        return None
    known = [*model.parameters, *(f"eta_{name}" for name in model.etas), *model.covariates]
    found: dict[str, tuple[float, float] | None] = {}
    for text in texts:
        name, sign, ends = text.partition("=")
        given.one_of(name.strip(), known, f"thing to vary in model '{model.name}' called")
        try:
            low, high = (float(end) for end in ends.split(":")) if sign else (0.0, 1.0)
        except ValueError:
            raise typer.BadParameter(f"--vary '{text}': write NAME=LOW:HIGH") from None
        if name.strip() in found:
            raise typer.BadParameter(f"--vary: '{name.strip()}' is given twice")
        found[name.strip()] = (low, high) if sign else None
    named = [name for name, ends in found.items() if ends is None]
    if len(named) == len(found):
        return list(found)
    if method == "local":
        raise typer.BadParameter("--vary: local takes derivatives at the model's values; give names without a range")
    if named:
        raise typer.BadParameter(
            f"--vary: {', '.join(named)} without a range beside others with one; give LOW:HIGH to all"
        )
    return found


def _show(found: SensitivityResult, title: str) -> None:
    from pkpd.sensitivity_analysis.result import SensitivityResult

    table = SensitivityResult(found.method, found.over_time()).table().reset_index()
    print_table(title, [str(c) for c in table.columns], table.itertuples(index=False, name=None))
    for note in found.notes:
        console().print(f"  {note}", markup=False)
