"""Single files written whole: under a temporary name beside the place, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pkpd.errors import nearest

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["check_suffix", "save_dataset", "save_figure", "write_whole"]


def check_suffix(path: Path, allowed: Sequence[str], option: str = "--out") -> None:
    """Refuse a file whose suffix says nothing that can be written, before any work is done."""
    if path.suffix not in allowed:
        listed = ", ".join(allowed)
        raise typer.BadParameter(
            f"{option} '{path}': the suffix says the format, and must be one of {listed}{nearest(path.suffix, allowed)}"
        )
    if path.is_dir():
        raise typer.BadParameter(f"{option} '{path}' is a folder; give a file")


def write_whole(path: Path, save: Callable[[Path], Any]) -> None:
    """Write a file so that nobody ever finds half of it; what was there before stays if it fails.

    Parameters
    ----------
    path : Path
        Its folder is made if needed.
    save : callable
        Writes to the path that it gets, which has the same suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        save(temporary)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_dataset(data: xr.Dataset, path: Path) -> None:
    """Write a data set as NetCDF (``.nc``), or as a long table (``.csv``)."""

    def save(target: Path) -> None:
        if path.suffix == ".csv":
            data.to_dataframe().reset_index().to_csv(target, index=False, float_format="%.8g")
        else:
            packed: dict[Any, Any] = {
                n: {"zlib": True, "shuffle": True} for n, v in data.items() if v.dtype.kind == "f"
            }
            data.to_netcdf(target, engine="h5netcdf", encoding=packed)

    write_whole(path, save)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the house style and close it."""
    from matplotlib import pyplot as plt

    from pkpd.plot.style import house_style

    with house_style():
        write_whole(path, lambda target: figure.savefig(target, bbox_inches="tight"))
    plt.close(figure)
