"""``pkpd simulate``: doses and people in, a table or a NetCDF file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkpd.cli import arguments as given
from pkpd.cli.console import Debug, guarded, noted, print_table, wrote
from pkpd.cli.files import check_suffix, save_dataset, save_figure

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = True

HELP = """Simulate a model for doses, or for a NONMEM data set.

\b
Seven days of doses in a typical person, as a table:
  pkpd simulate pk1_oral --dose "100 mg q24h x7" --out week.csv

\b
Two schedules in 500 persons who clear slowly, as NetCDF and as a figure:
  pkpd simulate pk1_oral --set CL=2 --n 500 --seed 1 \\
       -d "daily=100 mg q24h x14" -d "q48h=100 mg q48h x7" \\
       --out slow.nc --figure slow.png

\b
A model and a data set of one's own:
  pkpd simulate my/own.py --events trial.csv --residual --out simulated.csv
"""


@guarded
def command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of the library, or the path of one's own file.")
    ],
    *,
    dose: given.Doses = None,
    cmt: given.Cmt = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A data set with NONMEM's columns, instead of doses and times.")
    ] = None,
    time_unit: Annotated[
        str | None, typer.Option("--time-unit", metavar="UNIT", help="Of --events: min, h (the default), d or w.")
    ] = None,
    times: given.Times = None,
    n: Annotated[int, typer.Option("--n", min=0, help="Random persons; 0 is the typical one.")] = 0,
    settings: given.Settings = None,
    covariate: given.Covariates = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Keep only this output; may be repeated. All by default.")
    ] = None,
    residual: Annotated[bool, typer.Option("--residual", help="Add observations with residual error.")] = False,
    seed: given.Seed = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write: .csv or .nc (NetCDF).")] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A figure of the first output: .png, .svg or .pdf.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Simulate; the options are explained by ``pkpd simulate --help``."""
    if out:
        check_suffix(out, (".csv", ".nc"))
    if figure:
        check_suffix(figure, (".png", ".svg", ".pdf"), "--figure")
    if events and (dose or times or cmt):
        raise typer.BadParameter("--events brings its own doses and times; leave out --dose, --cmt and --times")
    if time_unit and not events:
        raise typer.BadParameter("--time-unit is that of --events; doses say their own units, --times are the model's")
    if events and figure:
        raise typer.BadParameter("--figure draws regimens; with --events there are rows. Leave one of them out")

    from pkpd.library import load_model
    from pkpd.simulation.api import simulate

    loaded = load_model(model)
    values = given.assignments(settings, "--set", list(loaded.parameters))
    covariates = given.assignments(covariate, "--covariate", list(loaded.covariates))
    kept: dict[str, Any] = {"outputs": output, "residual": residual, "seed": seed, "around_doses": True}
    if events:
        from pkpd.dosing.events import read_events

        table = read_events(given.existing(events), time_unit=time_unit or "h")
        m, labels = table.n_subjects, table.labels.tolist()
        chosen = n or values or covariates
        people = given.people_of(loaded, m if n else 0, seed, values, covariates, labels) if chosen else None
        sims = simulate(loaded, table, people, **kept)
        noted(*table.notes, *(line for line in str(sims.attrs.get("notes", "")).split("\n") if line))
    else:
        regimens = given.regimens_of(dose, loaded, cmt, covariates)
        grid = given.times_of(times) if times else given.usual_times(regimens, loaded)
        people = given.people_of(loaded, n, seed, values, covariates)
        sims = simulate(loaded, regimens or None, people, grid, **kept)
    _show(sims, loaded)
    if out:
        save_dataset(sims, out)
        wrote(out)
    if figure:
        from pkpd.plot.concentration import compare, concentration
        from pkpd.report.figures import figure_of

        draw = compare if sims.sizes.get("regimen", 1) > 1 else concentration
        save_figure(figure_of(draw(sims, next(str(n) for n in sims.data_vars if n != "status"))), figure)
        wrote(figure)


def _ends(values: xr.DataArray, along: str, regimen: str | None) -> tuple[float, float]:
    """Return smallest and largest value of an output, medians over subjects.

    On a grid the values right before and after doses count as well, which the grid does not show.
    """
    import numpy as np

    from pkpd.simulation.corner_text import read_corners

    each = values.transpose(..., along).values.reshape(-1, values.sizes[along])
    text = values.attrs.get("at_doses")
    if along == "time" and text is not None:
        known = read_corners(text)[1]
        when, before, after = known.get(str(regimen), next(iter(known.values())))[:3]
        grid = values["time"].values
        inside = (when >= grid[0]) & (when < grid[-1])
        around = [np.where(inside, side, np.nan) for side in (before, after)]
        each = np.concatenate([each, *(np.broadcast_to(a, (len(each), a.shape[1])) for a in around)], axis=1)
    # The median leaves out who could not be solved.
    ends = (np.fmin.reduce(each, axis=1), np.fmax.reduce(each, axis=1))
    low, high = (float(np.median(v[~np.isnan(v)])) if not np.isnan(v).all() else np.nan for v in ends)
    return low, high


def _show(sims: xr.Dataset, model: Model) -> None:
    """Print smallest, largest and last value of each output, medians over subjects."""
    along = "time" if "time" in sims.dims else "row"
    rows = []
    for name in sims.data_vars:
        if name == "status" or along not in sims[name].dims:
            continue
        values = sims[name]
        unit = str(values.attrs.get("units", ""))
        regimens = list(values["regimen"].values) if "regimen" in values.dims else [None]
        for regimen in regimens:
            one = values if regimen is None else values.sel(regimen=regimen)
            low, high = _ends(one, along, regimen)
            last = float(one.isel({along: -1}).median())
            rows.append([name, unit, "" if regimen is None else regimen, low, high, last])
    people = sims.sizes.get("subject", 1)
    title = f"{model.name}: {people} person{'s' if people > 1 else ''}{', medians' if people > 1 else ''}"
    print_table(title, ["output", "unit", "regimen", "smallest", "largest", "last"], rows)
