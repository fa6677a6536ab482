"""Tables of exposure over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.metrics.register import REGISTER, reason_of
from pkpd.options import checked

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["exposure_summary"]

_SINGLE = ("Cmax", "Tmax", "AUC", "AUCinf", "half_life", "CL_F", "time_above")
_REPEATED = ("tau", "Cmax_tau", "Tmax_tau", "Ctrough", "AUCtau", "AUC24", "Cavg", "fluctuation", "accumulation", "AUC")
_REPEATED += ("half_life", "CL_F", "time_above", "time_above_tau")
_STATISTICS = ("median", "geometric")


@checked
def exposure_summary(
    data: xr.Dataset,
    metrics: str | Sequence[str] | None = None,
    *,
    statistic: str = "median",
    coverage: float = 0.9,
    text: bool = True,
) -> pd.DataFrame:
    """Summarise exposure over subjects: one row per regimen, one column per metric.

    Parameters
    ----------
    data : Dataset
        Result of `exposure`.
    metrics : str or sequence of str, optional
        Variables to show; unless given those of a dosing interval, or of a single dose where no interval is known.
    statistic : {"median", "geometric"}
        Median with the central interval, or geometric mean with its coefficient of variation
        ``sqrt(exp(var(log x)) - 1)`` in percent.
    coverage : float
        Fraction of the subjects within the interval of the median.
    text : bool
        Cells as text such as ``"1.23 [0.81-2.04]"``, and the reason where no subject has a value; otherwise numbers, in
        columns (metric, statistic).

    Returns
    -------
    DataFrame
        Column names carry the units.

    Raises
    ------
    DataError
        If a metric or the statistic is unknown, or the coverage is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from pkpd.metrics import exposure
    >>> t = np.arange(0.0, 25.0)
    >>> c = xr.DataArray(np.exp(-0.1 * t), dims="time", coords={"time": t}, attrs={"units": "mg/L"})
    >>> exposure_summary(exposure(c), ["AUCinf"])["AUCinf [mg*h/L]"].item()
    '10'
    """
    import xarray as xr

    if not isinstance(data, xr.Dataset) or not any(str(name) in REGISTER for name in data.data_vars):
        needs("exposure_summary", data, ("exposure",), "pkpd.exposure makes one of a simulation's curves")
    import pandas as pd

    if statistic not in _STATISTICS:
        raise DataError(
            f"statistic '{statistic}' is unknown; it is median or geometric{nearest(statistic, _STATISTICS)}"
        )
    if not 0 < coverage < 1:
        raise DataError(f"coverage must be between 0 and 1, got {coverage}")
    usual = _REPEATED if "AUCtau" in data and data["AUCtau"].notnull().any() else _SINGLE
    asked = [metrics] if isinstance(metrics, str) else metrics
    names = list(asked) if asked is not None else [n for n in usual if n in data]
    known = [str(n) for n, v in data.data_vars.items() if "flag_values" not in v.attrs]
    for name in names:
        if name not in known:
            raise DataError(f"exposure has no metric '{name}'; it has {', '.join(known)}{nearest(name, known)}")
    columns = {_heading(data, name): _column(data, name, statistic, coverage) for name in names}
    keys = _keys(data)
    if not text:
        table = pd.concat({head: frame for head, (frame, _, _) in columns.items()}, axis=1)
    else:
        table = pd.DataFrame({head: _cells(*column) for head, column in columns.items()})
    table.index = keys
    return table


def _dims(data: xr.Dataset) -> list[str]:
    return [str(d) for d in data.sizes if d != "subject"]


def _keys(data: xr.Dataset) -> pd.Index:
    import pandas as pd

    dims = _dims(data)
    if not dims:
        return pd.Index([str(data.attrs.get("output", ""))])
    levels = [data[d].values for d in dims]
    if len(dims) == 1:
        return pd.Index(levels[0], name=dims[0])
    return pd.MultiIndex.from_product(levels, names=dims)


def _heading(data: xr.Dataset, name: str) -> str:
    unit = data[name].attrs.get("units", "1")
    return name if unit == "1" else f"{name} [{unit}]"


def _rows(data: xr.Dataset, values: xr.DataArray) -> np.ndarray:
    """Values as (row of the table, subject)."""
    dims = _dims(data)
    missing = set(dims) - set(map(str, values.dims))
    full = values.broadcast_like(data[next(iter(data.data_vars))]) if missing else values
    if "subject" in full.dims:
        return full.transpose(*dims, "subject").values.reshape(-1, full.sizes["subject"])
    return full.transpose(*dims).values.reshape(-1, 1)


def _column(data: xr.Dataset, name: str, statistic: str, coverage: float) -> tuple[pd.DataFrame, list[str], int]:
    import pandas as pd

    rows = _rows(data, data[name])
    status = reason_of(name)
    reasons, records = [], []
    for k, row in enumerate(rows):
        seen = row[np.isfinite(row)]
        records.append(_statistics(seen, statistic, coverage))
        reason = "missing values"
        if status in data:
            codes = _rows(data, data[status])[k].astype(int)
            meanings = data[status].attrs["flag_meanings"].split()
            lacking = codes[~np.isfinite(row)] if len(codes) == len(row) else codes
            if len(lacking):
                reason = meanings[int(np.bincount(lacking).argmax())].replace("_", " ")
        reasons.append(reason)
    return pd.DataFrame(records), reasons, rows.shape[1]


def _statistics(values: np.ndarray, statistic: str, coverage: float) -> dict[str, float]:
    n = len(values)
    if statistic == "geometric":
        logs = np.log(values[values > 0])
        mean = float(np.exp(logs.mean())) if len(logs) == n and n else np.nan
        cv = float(100 * np.sqrt(np.expm1(logs.var(ddof=1)))) if len(logs) == n and n > 1 else np.nan
        return {"geometric mean": mean, "CV%": cv, "n": n}
    tail = (1 - coverage) / 2
    middle, low, high = np.quantile(values, [0.5, tail, 1 - tail]) if n else (np.nan, np.nan, np.nan)
    return {"median": float(middle), f"{100 * tail:g}%": float(low), f"{100 * (1 - tail):g}%": float(high), "n": n}


def _cells(frame: pd.DataFrame, reasons: list[str], total: int) -> list[str]:
    cells = []
    for record, reason in zip(frame.itertuples(index=False), reasons, strict=True):
        *values, n = record
        if n == 0:
            cells.append(f"- ({reason})")
            continue
        if np.isnan(values[0]):
            cells.append("- (zero in a subject)")
            continue
        cell = f"{values[0]:.3g}"
        if n > 1:
            cell += f" ({values[1]:.0f}%)" if len(values) == 2 else f" [{values[1]:.3g}-{values[2]:.3g}]"
        cells.append(cell if n == total else f"{cell} n={n:.0f}/{total}")
    return cells
