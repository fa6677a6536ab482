"""What a sensitivity analysis found: labelled arrays, a table, a sentence for everything that is to be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import Kind

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["SensitivityResult", "labelled"]

_ROWS = 40


@dataclass(frozen=True)
class SensitivityResult(Kind):
    """The result of a sensitivity analysis.

    Attributes
    ----------
    method : str
        As it was asked for.
    data : xarray.Dataset
        Indices over quantity, parameter (or source) and whatever the quantities have besides: regimen, subject, time.
    notes : tuple of str
        What must be known to read it: failed runs, constant quantities, correlations.
    """

    kind: ClassVar[str] = "SensitivityResult"

    method: str
    data: xr.Dataset
    notes: tuple[str, ...] = ()

    def table(self, quantity: str | None = None, by: str | None = None) -> pd.DataFrame:
        """Return the indices as a table, one row for each quantity and parameter (and time, regimen, subject).

        Parameters
        ----------
        quantity : str, optional
            All by default.
        by : {"source", "parameter", "direction"}, optional
            What the rows are of, where a result has more than one; the first of these by default.

        Raises
        ------
        DataError
            If there is no such quantity, or nothing of this kind.
        """
        data = self.data
        if quantity is not None:
            data = data.sel(quantity=[self.pick(quantity)])
        rows = self._rows()[0] if by is None else by
        if rows not in self._rows():
            raise DataError(f"the result has no rows by '{by}'; it has {', '.join(self._rows())}")
        kept = [str(n) for n, v in data.data_vars.items() if rows in v.dims and "parameter_2" not in v.dims]
        kept = [n for n in kept if "point" not in data[n].dims and not ({"parameter", "direction"} <= {*data[n].dims})]
        dims = [d for d in ("quantity", "regimen", "subject", "time", rows) if any(d in data[n].dims for n in kept)]
        return data[kept].reset_coords(drop=True).to_dataframe(dim_order=dims)

    def pick(self, quantity: str | None = None) -> str:
        """Return the name of a quantity, the first if none is given.

        Raises
        ------
        DataError
            If there is no such quantity.
        """
        known = [str(q) for q in self.data["quantity"].values] if "quantity" in self.data.dims else []
        if quantity is None and known:
            return known[0]
        if quantity not in known:
            has = ", ".join(known) or "none"
            raise DataError(f"the result has no quantity '{quantity}'; it has {has}{nearest(str(quantity), known)}")
        return str(quantity)

    def _rows(self) -> list[str]:
        return [d for d in ("source", "parameter", "direction") if d in self.data.dims]

    def over_time(self) -> xr.Dataset:
        """Return a result over time summed up for each quantity and parameter.

        Shares of variance are weighted by the variance at each time (Lamboni M, et al. Reliab Eng Syst Saf
        2011;96:450-459); for all else the value of the largest size counts.
        """
        data = self.data
        if "time" not in data.dims:
            return data
        if "variance" in data:
            names = [n for n, v in data.data_vars.items() if "time" in v.dims and n != "variance"]
            return data[names].weighted(data["variance"].fillna(0)).mean("time")
        names = [n for n, v in data.data_vars.items() if "time" in v.dims and np.issubdtype(v.dtype, np.floating)]
        where = abs(data[names]).fillna(-1).argmax("time")
        return data[names].map(lambda v: v.isel(time=where[v.name]).drop_vars("time"))

    def __repr__(self) -> str:
        attrs = self.data.attrs
        head = f"Sensitivity of '{attrs.get('model', '')}', {attrs.get('title', self.method)}"
        short = SensitivityResult(self.method, self.over_time())
        tables = [short.table(by=by) for by in self._rows()]
        lines = [head, *(f"  {note}" for note in self.notes), ""]
        if "time" in self.data.dims:
            how = "weighted by variance" if "variance" in self.data else "largest"
            lines[-1] = f"  over {self.data.sizes['time']} times ({how} shown; .table() has all)"
        for table in tables:
            lines.append(table.head(_ROWS).to_string(float_format=lambda x: f"{x:.4g}", na_rep="-"))
            if len(table) > _ROWS:
                lines.append(f"... {len(table) - _ROWS} more rows in .table()")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(repr(self))}</pre>"


def labelled(
    found: Mapping[str, Mapping[str, np.ndarray]],
    rows: str,
    names: list[str],
    dims: tuple[str, ...],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
) -> xr.Dataset:
    """Return indices of each quantity as one data set.

    Parameters
    ----------
    found : mapping of quantity to mapping of index to array
        Arrays of shape (rows, ...), (rows, rows, ...) for pairs, or (...) for what belongs to the quantity alone.
    rows : {"parameter", "source"}
    names : list of str
        Of the rows.
    dims, coords
        Of what follows.
    attrs : mapping of index to attributes
    about : mapping
        Attributes of the whole.
    """
    import xarray as xr

    quantities = list(found)
    data: dict[str, Any] = {}
    for index in found[quantities[0]]:
        stack = np.stack([found[q][index] for q in quantities])
        pairs = stack.ndim - 1 - len(dims)
        lead = [rows, f"{rows}_2"][:pairs]
        data[index] = (["quantity", *lead, *dims], stack, dict(attrs.get(index, {})))
    labels: dict[str, Any] = {"quantity": quantities, rows: names, **coords}
    if any(f"{rows}_2" in v[0] for v in data.values()):
        labels[f"{rows}_2"] = names
    out = xr.Dataset(data, labels, dict(about))
    return out.transpose("quantity", ..., rows, *([f"{rows}_2"] if f"{rows}_2" in labels else []))
