"""Visual predictive checks: percentiles of the data among those of data simulated from the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, PkpdError, nearest
from pkpd.estimation.checks.binning import bin_edges, bins_of, column_of, percentiles, strata_of
from pkpd.estimation.checks.fitted import Fitted, row_limits
from pkpd.kinds import needs
from pkpd.options import check_level, checked, whole_number
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.result import Fit

__all__ = ["BLOQ", "vpc"]

BLOQ = ("below", "omit")
EDGES = ("low", "median", "high")


@dataclass(frozen=True)
class _Group:
    """Rows of one output, stratum and bin, and where their numbers go."""

    at: tuple[int, int, int]
    rows: np.ndarray


@checked
def vpc(
    fit: Fit, n: int = 500, bins: int | Sequence[float] = 8, *, prediction_corrected: bool = False,
    by: str | Mapping[str, Sequence[float]] | None = None, output: str | None = None, x: str = "TIME",
    bloq: str = "below", lloq: float | dict[str, float] | None = None,
    percentile: Sequence[float] = (0.05, 0.5, 0.95), level: float = 0.95, seed: int = 0,
) -> xr.Dataset:  # fmt: skip
    """Compare percentiles of the data with those of data sets simulated from the fit, bin by bin.

    Each simulated data set has new random effects and new residual errors, and the design and the covariates of the
    data. Of each percentile of the simulated data sets the median and the central interval of ``level`` are given.

    With ``prediction_corrected`` data and simulated data are multiplied by the median population prediction of the bin
    over that of the row, which takes doses and covariates out of the picture (Bergstrand 2011, lower bound 0). Rows
    whose population prediction is 0 while that of the bin is not are left out.

    Data below the limit of quantification count as less than any number; a percentile among them is ``-inf``. So do
    simulated data below the limit of their row. Their share is given beside. With ``bloq="omit"`` both are left out.

    Parameters
    ----------
    fit : Fit
    n : int
        Simulated data sets.
    bins : int or sequence of float
        Number of bins with about as many rows each, made for each output and stratum, or edges.
    prediction_corrected : bool
    by : str or mapping, optional
        Column of few values, or cuts of one: ``{"WT": [60, 80]}``.
    output : str, optional
        All observed outputs by default.
    x : str
        Column of the horizontal axis; ``TAD`` is derived if it is missing.
    bloq : {"below", "omit"}
    lloq : float or dict of output to float, optional
        Limit of rows without one; see :func:`pkpd.estimation.checks.fitted.row_limits`.
    percentile : sequence of float
    level : float
        Of the intervals.
    seed : int

    Returns
    -------
    xarray.Dataset
        ``observed`` (output, stratum, percentile, bin), ``simulated`` with ``edge`` low, median, high beside;
        ``observed_below``, ``simulated_below`` where there is a limit; for grades ``observed_share``,
        ``simulated_share`` over ``grade``; bins as ``bin_left``, ``bin_right``, ``bin_middle`` (median x), ``count``;
        and the data over ``row``: DV (corrected where asked for), x, stratum, below.

    Raises
    ------
    DataError, PkpdError
        If the output or a column is unknown, or an argument out of its range.

    Notes
    -----
    Sources: Karlsson MO, Holford N. PAGE 17 (2008) Abstr 1434; Bergstrand M, Hooker AC, Wallin JE, Karlsson MO. AAPS J
    2011;13:143-151 (prediction correction); Bergstrand M, Karlsson MO. AAPS J 2009;11:371-380 (limits).

    Examples
    --------
    >>> import pkpd
    >>> from pkpd.estimation.api import fit
    >>> model = pkpd.models["pk1_iv"]
    >>> table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * 8, [1, 4, 12, 24])
    >>> people = pkpd.Population.draw(model, 8, seed=1)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> check = vpc(fit(model, pkpd.read_events(table.frame.drop(columns="MDV"))), n=100)
    >>> dict(check["simulated"].sizes)
    {'output': 1, 'stratum': 1, 'percentile': 3, 'bin': 4, 'edge': 3}
    """
    needs("vpc", fit, ("Fit",), "pkpd.fit makes one")
    check_seed(seed)
    n = _check(n, bloq, percentile, level)
    if not isinstance(prediction_corrected, (bool, np.bool_)):
        raise PkpdError(f"vpc: prediction_corrected must be True or False, got {prediction_corrected!r}")
    fitted = Fitted(fit)
    outputs = _outputs(fitted, output)
    work = _Work(fitted, outputs, n, tuple(percentile), level, bloq)
    work.axis(x, bins, by)
    work.limits(lloq)
    if prediction_corrected:
        work.correct()
    work.run(seed)
    return work.dataset({"n": n, "seed": seed, "level": level, "bloq": bloq, "x": x,
                            "prediction_corrected": int(prediction_corrected)})  # fmt: skip


def _check(n: int, bloq: str, percentile: Sequence[float], level: float) -> int:
    if bloq not in BLOQ:
        raise PkpdError(f"vpc: bloq must be {' or '.join(BLOQ)}, got {bloq!r}{nearest(str(bloq), BLOQ)}")
    check_level("vpc", level)
    if not len(percentile) or not all(0 < p < 1 for p in percentile):
        raise PkpdError(
            f"vpc: percentile must be numbers between 0 and 1, such as (0.05, 0.5, 0.95), got {percentile!r}"
        )
    return whole_number("vpc: n, the simulated data sets,", n, 20)


def _outputs(fitted: Fitted, output: str | None) -> list[str]:
    known = [o for o in fitted.data.outputs if fitted.kind[fitted.output == o][0] != "event"]
    if output is None:
        if not known:
            raise DataError("vpc: all observed outputs are events in time, which have no percentiles")
        return known
    if output not in known:
        raise DataError(f"vpc: output '{output}' has no such data; there is {', '.join(known)}{nearest(output, known)}")
    return [output]


class _Work:
    """Collects what goes into the dataset."""

    def __init__(
        self, fitted: Fitted, outputs: list[str], n: int, levels: tuple[float, ...], level: float, bloq: str
    ) -> None:
        self.fitted, self.outputs, self.n, self.levels, self.bloq = fitted, outputs, n, levels, bloq
        self.band = (0.5 - 0.5 * level, 0.5, 0.5 + 0.5 * level)
        self.y = fitted.data.y.astype(np.float64)
        self.factor = np.ones(fitted.n)
        errors = {o: fitted.error(o) for o in outputs}
        self.grades = {o: e.grades + 1 for o, e in errors.items() if e.grades}
        self.notes: list[str] = []

    # -- groups

    def axis(self, x: str, bins: int | Sequence[float], by: Any) -> None:
        """Put the rows in bins."""
        fitted = self.fitted
        values = column_of(fitted, x, "x")
        if values.dtype.kind not in "biuf":
            raise DataError(f"x: column '{x}' holds text; name one of numbers")
        self.x, self.x_attributes = values.astype(np.float64), self._x_attributes(x)
        self.strata, self.stratum = strata_of(fitted, by)
        self.groups: list[_Group] = []
        self.edges: dict[tuple[int, int], np.ndarray] = {}
        outside = 0
        for o, name in enumerate(self.outputs):
            for s in range(len(self.strata)):
                rows = np.flatnonzero((fitted.output == name) & (self.stratum == s) & np.isfinite(self.x))
                if not rows.size:
                    continue
                edges = bin_edges(self.x[rows], bins)
                at = bins_of(self.x[rows], edges)
                outside += int((at < 0).sum())
                self.edges[o, s] = edges
                self.groups += [_Group((o, s, k), rows[at == k]) for k in range(edges.size - 1) if (at == k).any()]
        if not self.groups:
            raise DataError("vpc: no observation lies in any bin")
        if outside:
            self.notes.append(f"{outside} observations lie outside the bins")
        self.shape = (len(self.outputs), len(self.strata), max(e.size - 1 for e in self.edges.values()))

    # -- limits and correction

    def limits(self, lloq: Any) -> None:
        """Mark what is below the limit of its row."""
        fitted = self.fitted
        self.low, _, notes = row_limits(fitted, lloq)
        self.low = np.where(np.isin(fitted.kind, ("normal", "log")), self.low, -np.inf)
        self.notes += notes
        self.below = (fitted.data.censored == 1) | (self.y < self.low)
        above = fitted.data.censored == -1
        if above.any():
            self.notes.append(f"{int(above.sum())} data above a limit are taken as that limit")

    def correct(self) -> None:
        """Prepare the factor that takes each row to the median prediction of its bin."""
        pred = self.fitted.predict()
        lost = 0
        for g in self.groups:
            if self.outputs[g.at[0]] in self.grades:
                continue
            own, middle = pred[g.rows], float(np.median(pred[g.rows]))
            with np.errstate(divide="ignore", invalid="ignore"):
                factor = np.where(own == middle, 1.0, middle / own)
            factor[~(np.isfinite(factor) & (factor > 0))] = np.nan
            lost += int(np.isnan(factor).sum())
            self.factor[g.rows] = factor
        if lost:
            self.notes.append(f"{lost} observations have no population prediction to correct by and are left out")

    # -- percentiles

    def _prepared(self, values: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.where(below, np.nan if self.bloq == "omit" else -np.inf, values) * np.abs(self.factor)

    def run(self, seed: int) -> None:
        """Simulate and take percentiles."""
        shape, q = self.shape, len(self.levels)
        self.observed = np.full((*shape, q), np.nan)
        self.share = np.full(shape, np.nan)
        self.count = np.zeros(shape, np.int64)
        own = self._prepared(self.y, self.below)
        most = max(self.grades.values(), default=0)
        self.graded = np.full((*shape, most), np.nan)
        found = np.full((self.n, *shape, q), np.nan)
        share, graded = np.full((self.n, *shape), np.nan), np.full((self.n, *shape, most), np.nan)
        for g in self.groups:
            self.count[g.at] = g.rows.size
            if self.outputs[g.at[0]] in self.grades:
                self.graded[g.at] = _shares(self.y[g.rows], self.grades[self.outputs[g.at[0]]], most)
            else:
                self.observed[g.at] = percentiles(own[g.rows], self.levels)
                self.share[g.at] = self.below[g.rows].mean()
        first = 0
        for part in self.fitted.simulate(self.n, seed):
            with np.errstate(invalid="ignore"):
                below = part < self.low
            ready, some = self._prepared(part, below), slice(first, first + len(part))
            for g in self.groups:
                at = (some, *g.at)
                if self.outputs[g.at[0]] in self.grades:
                    graded[at] = _shares(part[:, g.rows], self.grades[self.outputs[g.at[0]]], most)
                else:
                    found[at] = percentiles(ready[:, g.rows], self.levels)
                    share[at] = below[:, g.rows].mean(axis=1)
            first += len(part)
        self.simulated = percentiles(np.moveaxis(found, 0, -1), self.band)
        self.simulated_share = percentiles(np.moveaxis(share, 0, -1), self.band)
        self.simulated_graded = percentiles(np.moveaxis(graded, 0, -1), self.band)

    # -- out

    def dataset(self, attrs: dict[str, Any]) -> xr.Dataset:
        """Return all of it with names and units."""
        import xarray as xr

        model = self.fitted.model
        units = {model.outputs[o].unit or "1" for o in self.outputs}
        unit: dict[str, str] = {"units": units.pop() if len(units) == 1 else "see coordinate unit"}
        names = ("output", "stratum", "bin")
        data: dict[str, Any] = {}
        if set(self.outputs) - set(self.grades):
            data["observed"] = ((*names, "percentile"), self.observed, {"long_name": "percentile of the data"} | unit)
            what = {"long_name": "percentile of simulated data sets"} | unit
            data["simulated"] = ((*names, "percentile", "edge"), self.simulated, what)
        if np.isfinite(self.low).any() or self.below.any():
            data["observed_below"] = (names, self.share, {"long_name": "fraction below the limit", "units": "1"})
            data["simulated_below"] = ((*names, "edge"), self.simulated_share, {"units": "1"})
        if self.grades:
            data["observed_share"] = (
                (*names, "grade"),
                self.graded,
                {"long_name": "share of the grade", "units": "1"},
            )
            data["simulated_share"] = ((*names, "grade", "edge"), self.simulated_graded, {"units": "1"})
        data = {k: (v[0], v[1], v[2]) for k, v in data.items()} | self._bins() | self._rows(unit)
        coords: dict[str, Any] = {
            "output": self.outputs, "stratum": self.strata, "percentile": list(self.levels), "edge": list(EDGES),
            "unit": ("output", [model.outputs[o].unit or "1" for o in self.outputs]),
            "meaning": ("output", [model.outputs[o].meaning or o for o in self.outputs]),
        }  # fmt: skip
        kept = {k for v in data.values() for k in ((v[0],) if isinstance(v[0], str) else v[0])}
        if self.grades:
            coords["grade"] = np.arange(max(self.grades.values()))
        coords = {k: v for k, v in coords.items() if k in kept or k in ("unit", "meaning")}
        out = xr.Dataset(data, coords, {"model": model.name, **attrs, "notes": "\n".join(self.notes)})
        order = [d for d in ("output", "stratum", "percentile", "grade", "bin", "edge") if d in out.dims]
        return out.transpose(*order, ...)

    def _x_attributes(self, x: str) -> dict[str, str]:
        names = {"TIME": "time", "TAD": "time after dose"}
        covariate = self.fitted.model.covariates.get(x)
        unit = self.fitted.model.time_unit if x in names else "1" if covariate is None else covariate.unit or "1"
        return {"long_name": names.get(x, x), "units": unit}

    def _bins(self) -> dict[str, Any]:
        left, right, middle = (np.full(self.shape, np.nan) for _ in range(3))
        for (o, s), edges in self.edges.items():
            left[o, s, : edges.size - 1], right[o, s, : edges.size - 1] = edges[:-1], edges[1:]
        for g in self.groups:
            middle[g.at] = np.median(self.x[g.rows])
        dims, attrs = ("output", "stratum", "bin"), self.x_attributes
        return {
            "bin_left": (dims, left, attrs), "bin_right": (dims, right, attrs), "bin_middle": (dims, middle, attrs),
            "count": (dims, self.count, {"long_name": "observations", "units": "1"}),
        }  # fmt: skip

    def _rows(self, unit: dict[str, str]) -> dict[str, Any]:
        rows = np.sort(np.concatenate([g.rows for g in self.groups]))
        strata = np.array(self.strata)[self.stratum[rows]]
        limit = np.where(np.isfinite(self.low), self.low, np.nan)[rows]
        return {
            "DV": ("row", self.y[rows] * self.factor[rows], unit),
            "x": ("row", self.x[rows], self.x_attributes),
            "below": ("row", self.below[rows]), "row_output": ("row", self.fitted.output[rows]),
            "row_stratum": ("row", strata), "LLOQ": ("row", limit, unit),
        }  # fmt: skip


def _shares(values: np.ndarray, grades: int, most: int) -> np.ndarray:
    """Return the share of each grade along the last axis, NaN for those that the output has not."""
    out = np.full((*values.shape[:-1], most), np.nan)
    for k in range(grades):
        out[..., k] = (values == k).mean(axis=-1)
    return out
