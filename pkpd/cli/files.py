"""Files that commands write."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pkpd.errors import nearest
from pkpd.files import netcdf_bytes, write_whole

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["check_suffix", "save_dataset", "save_figure"]


def check_suffix(path: Path, allowed: Sequence[str], option: str = "--out") -> None:
    """Refuse a file whose suffix says nothing that can be written, before any work is done."""
    if path.suffix not in allowed:
        listed = ", ".join(allowed)
        raise typer.BadParameter(
            f"{option} '{path}': the suffix says the format, and must be one of {listed}{nearest(path.suffix, allowed)}"
        )
    if path.is_dir():
        raise typer.BadParameter(f"{option} '{path}' is a folder; give a file")


def save_dataset(data: xr.Dataset, path: Path) -> None:
    """Write a data set as NetCDF (``.nc``), or as a long table (``.csv``): rows of a data set stay rows."""
    if path.suffix == ".csv":
        long = _rows(data) if "row" in data.dims else data.to_dataframe().reset_index()
        write_whole(path, long.to_csv(index=False, float_format="%.8g"))
    else:
        packed = {"zlib": True, "shuffle": True}
        write_whole(path, netcdf_bytes({None: data}, lambda v: packed if v.dtype.kind == "f" else None))


def _rows(data: xr.Dataset) -> pd.DataFrame:
    """Return one line a row of the data set, with the fate of its subject."""
    import numpy as np

    from pkpd.dosing.assemble import subject_starts

    long = data.drop_dims("subject").to_dataframe()
    sizes = np.diff(subject_starts(long["ID"].to_numpy()))
    return long.assign(status=np.repeat(data["status"].values, sizes))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the house style and close it."""
    from matplotlib import pyplot as plt

    from pkpd.plot.style import house_style

    with house_style():
        drawn = io.BytesIO()
        figure.savefig(drawn, format=path.suffix.lstrip("."), bbox_inches="tight")
        write_whole(path, drawn.getvalue())
    plt.close(figure)
