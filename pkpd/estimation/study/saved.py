"""Fits of reports as NetCDF files, written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.study.record import StudyRecord
from pkpd.estimation.study.tables import diagnostics
from pkpd.files import netcdf_bytes, write_whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["save_study_fit"]

_KEPT = 400


def save_study_fit(calibration: StudyRecord, path: str | os.PathLike[str], compact: bool) -> Path:
    """Write a result, see ``StudyFit.save``."""
    target = Path(path)
    groups = {name: getattr(calibration.idata, name).copy() for name in calibration.idata.groups()}
    stats = groups.get("sample_stats")
    kept = {"diagnostics": json.dumps(diagnostics(calibration))}
    if "divergences" not in calibration.attrs and stats is not None and "diverging" in stats:
        groups["posterior"].attrs["divergences"] = int(stats["diverging"].sum())
    groups["posterior"].attrs.update(kept)
    if compact:
        groups = {name: _thin(data) for name, data in groups.items()}
    packed = {"zlib": True, "complevel": 6}
    write_whole(target, netcdf_bytes(groups, lambda v: packed if v.dtype.kind in "fiub" and v.size > 1 else None))
    return target


def _thin(data: xr.Dataset) -> xr.Dataset:
    """Return at most so many draws, evenly taken from each chain, in single precision."""
    if "draw" in data.dims:
        each = max(_KEPT // data.sizes["chain"], 1)
        n = data.sizes["draw"]
        if n > each:
            data = data.isel(draw=np.linspace(0, n - 1, each).round().astype(int))
    small = {n: v.astype(np.float32) for n, v in data.data_vars.items() if v.dtype == np.float64 and "draw" in v.dims}
    return data.assign(small)
