"""Anakinra's three schedules in a virtual population: ``python -m pkpd.schedules --out results``.

100 mg once or twice daily at normal kidney function, and 100 mg every other day at a creatinine clearance of about
20 mL/min, beside daily doses there, for 14 days. Persons are the same in all schedules but for their kidneys.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.exposure.dataset import exposure
from pkpd.exposure.summary import exposure_summary
from pkpd.library import load_model
from pkpd.population.distributions import lognormal, normal
from pkpd.population.people import Population
from pkpd.simulation.api import simulate
from pkpd.timegrid import hours

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["main", "schedules"]

WEIGHT = lognormal(70, 0.2, low=40, high=140)
GROUPS = (
    (normal(100, 15, low=80, high=140), {"daily": "100 mg daily x14", "BID": "100 mg BID x14d"}),
    (
        normal(20, 3, low=10, high=29),
        {"daily, CLcr 20": "100 mg daily x14", "q48h, CLcr 20": "100 mg every other day x7"},
    ),
)
"""Distribution of the creatinine clearance, mL/min, and the doses given with it, by name of the schedule."""

PEOPLE = (
    "adults of 70 kg (log-normal, CV 20%, 40-140 kg); creatinine clearance 100 mL/min (normal, SD 15, 80-140), or "
    "20 mL/min (SD 3, 10-29) where the schedule says CLcr 20"
)
HALF_OCCUPANCY = 1.39 * 0.0173
"""Concentration at which anakinra occupies half of the IL-1 receptor in vivo, mg/L: Kss 1.39 nmol/L of Jung 2023."""

METRICS = ("Cmax_tau", "Ctrough", "AUCtau", "Cavg", "half_life", "accumulation", "time_above_tau")
WINDOW = 96.0
"""Hours from the first dose that the figure shows; the course repeats itself after that."""

DISCLAIMER = "Research software: a simulation of published parameters, not medical advice."


def schedules(n: int = 500, seed: int = 0) -> xr.Dataset:
    """Simulate anakinra's schedules for 14 days.

    Parameters
    ----------
    n : int
        Subjects, the same persons in each schedule.
    seed : int
        Of the population.

    Returns
    -------
    Dataset, dims (regimen, subject, time)
        Concentrations in plasma (``Cc``) and cerebrospinal fluid (``Ccsf``), mg/L, every half hour; weight ``WT``
        (subject) and creatinine clearance ``CRCL`` (regimen, subject).

    Raises
    ------
    PopulationError
        If `n` or `seed` is out of range.
    """
    import xarray as xr

    model = load_model("anakinra")
    parts = []
    for clearance, texts in GROUPS:
        people = Population.draw(model, n, covariates={"WT": WEIGHT, "CRCL": clearance}, seed=seed)
        regimens = {name: Regimen.parse(text, cmt="depot") for name, text in texts.items()}
        part = simulate(model, regimens, people, hours(0, 336, 0.5), outputs=["Cc", "Ccsf"])
        crcl = xr.DataArray(people.covariates["CRCL"], dims="subject").expand_dims(regimen=part["regimen"].values)
        part["CRCL"] = crcl.assign_attrs(units="mL/min", long_name="creatinine clearance")
        part["WT"] = ("subject", people.covariates["WT"], {"units": "kg", "long_name": "body weight"})
        parts.append(part)
    return _joined(parts)


def _joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put the schedules of all groups beside each other, the doses of all in the attributes."""
    import xarray as xr

    sims = xr.concat(parts, "regimen", data_vars="minimal", coords="minimal", compat="equals", join="exact")
    for name in ("Cc", "Ccsf"):
        doses = [json.loads(part[name].attrs["doses"]) for part in parts]
        sims[name].attrs["doses"] = json.dumps({regimen: given for each in doses for regimen, given in each.items()})
    sims["Cc"].attrs["long_name"] = "anakinra in plasma"
    sims["Ccsf"].attrs["long_name"] = "anakinra in cerebrospinal fluid"
    sims.attrs |= {"title": "Anakinra 100 mg SC by schedule", "population": PEOPLE, "note": DISCLAIMER}
    return sims


def _table(found: xr.Dataset) -> pd.DataFrame:
    """One row per schedule and metric: median and central 90% of the subjects."""
    import pandas as pd

    numbers = exposure_summary(found, METRICS, text=False)
    doses = {name: text for _, texts in GROUPS for name, text in texts.items()}
    rows = []
    for regimen, values in numbers.iterrows():
        for metric, heading in zip(METRICS, dict.fromkeys(numbers.columns.get_level_values(0)), strict=True):
            units, meaning = found[metric].attrs.get("units", "1"), found[metric].attrs["long_name"]
            median, low, high, count = values[heading]
            rows.append((regimen, doses[str(regimen)], metric, units, median, low, high, int(count), meaning))
    return pd.DataFrame(rows, columns=["regimen", "doses", "metric", "unit", "median", "p5", "p95", "n", "meaning"])


def _concentrations(sims: xr.Dataset) -> Figure:
    from pkpd.plot.concentration import compare

    shown = sims.sel(time=slice(0, WINDOW))
    axes = compare(shown, "Cc", log=True, doses=True, thresholds={"half occupancy": HALF_OCCUPANCY})
    return axes[0].figure


def _exposures(found: xr.Dataset) -> Figure:
    from pkpd.plot.exposure import exposure as draw

    axes = draw(found, ["Cmax_tau", "Ctrough", "Cavg"], log=True, width="double")
    return axes[0].figure


def _write(path: Path, save: Callable[[Path], Any]) -> None:
    """Write a file under a temporary name and rename it, so that no reader finds half of it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        save(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _save(out: Path, sims: xr.Dataset, table: pd.DataFrame, figures: dict[str, Figure]) -> list[Path]:
    """Write all results and return their paths."""
    from matplotlib import pyplot as plt

    from pkpd.plot.style import house_style

    out.mkdir(parents=True, exist_ok=True)
    packed: dict[str, dict[str, Any]] = {str(name): {"zlib": True, "shuffle": True} for name in sims.data_vars}
    for name in ("Cc", "Ccsf"):
        packed[name]["dtype"] = "float32"
    jobs: dict[Path, Callable[[Path], Any]] = {
        out / "anakinra_schedules.nc": lambda p: sims.to_netcdf(p, engine="h5netcdf", encoding=packed),
        out / "anakinra_schedules.csv": lambda p: table.to_csv(p, index=False, float_format="%.5g"),
    }
    with house_style():
        for name, figure in figures.items():
            for suffix in (".png", ".svg"):
                jobs[out / f"{name}{suffix}"] = figure.savefig
        for path, save in jobs.items():
            _write(path, save)
    for figure in figures.values():
        plt.close(figure)
    return list(jobs)


def _report(n: int, found: xr.Dataset, paths: Sequence[Path]) -> None:
    """Print what was simulated, the table and where the files are."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    text = exposure_summary(found, METRICS)
    shown = Table(
        title=f"Anakinra 100 mg SC for 14 days, last interval: median (5-95%) of {n} subjects", title_justify="left"
    )
    shown.add_column("", no_wrap=True)
    for regimen in text.index:
        shown.add_column(str(regimen))
    for heading, row in text.T.iterrows():
        shown.add_row(*(escape(str(cell)) for cell in (heading, *row)))
    console.print(shown)
    console.print(f"Population: {PEOPLE}.")
    console.print(f"time_above_tau: above {HALF_OCCUPANCY:.3f} mg/L, where half of the IL-1 receptor is occupied.")
    console.print(f"{DISCLAIMER}\n", style="bold")
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, write the results and print a summary; return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pkpd.schedules", description="Simulate anakinra's three schedules."
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the results (default: results)")
    parser.add_argument("--n", type=int, default=500, help="subjects (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the population (default: 0)")
    given = parser.parse_args(argv)
    try:
        sims = schedules(given.n, given.seed)
        found = exposure(sims["Cc"], threshold=HALF_OCCUPANCY)
    except PkpdError as error:
        parser.error(str(error))
    figures = {"anakinra_schedules": _concentrations(sims), "anakinra_exposure": _exposures(found)}
    _report(given.n, found, _save(given.out, sims, _table(found), figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
