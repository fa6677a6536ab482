"""Concentration-time plots of a population, by regimen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from pkpd.dosing.events import EventTable
from pkpd.errors import DataError
from pkpd.plot.data import curves_of, observations, pick_dim, pick_output, regimen_doses
from pkpd.plot.frame import FigureFrame, new_frame, place_legend, value_limits
from pkpd.plot.layers import (
    draw_bands,
    draw_doses,
    draw_observed,
    draw_spaghetti,
    draw_thresholds,
    log_axis,
    quantiles,
)
from pkpd.plot.style import GREY, axis_label, colour_of, house_style, time_scale, time_ticks

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["compare", "concentration"]


class _Style(NamedTuple):
    """How curves are shown."""

    bands: Sequence[float]
    log: bool
    thresholds: Mapping[str, float] | None
    time_unit: str
    individual: bool | int = False
    others: bool = False

    def check(self) -> None:
        """Raise DataError for an option that is out of range."""
        wrong = [band for band in self.bands if not 0 < band < 1]
        if wrong:
            raise DataError(f"bands must be fractions between 0 and 1, got {wrong[0]}")
        if self.individual < 0:
            raise DataError(f"individual must be True, False or a number >= 0, got {self.individual}")
        for name, value in (self.thresholds or {}).items():
            if not np.isfinite(value) or (self.log and value <= 0):
                raise DataError(
                    f"thresholds: '{name}' must be finite{' and > 0 on a log axis' if self.log else ''}, got {value}"
                )


@dataclass(frozen=True)
class _Plan:
    """What the figure shows."""

    values: xr.DataArray
    by: str | None
    facet: str | None
    bands: tuple[float, ...]
    individual: int
    log: bool
    doses: dict[str, np.ndarray]
    observed: pd.DataFrame | None
    thresholds: Mapping[str, float]
    time_unit: str
    others: bool = False

    @property
    def scale(self) -> float:
        return time_scale(str(self.values["time"].attrs.get("units", "h")), self.time_unit)

    @property
    def panels(self) -> list[Any]:
        return [None] if self.facet is None else list(self.values[self.facet].values)

    @property
    def groups(self) -> list[Any]:
        return [None] if self.by is None or self.by == self.facet else list(self.values[self.by].values)

    def colour(self, panel: int, group: int) -> str:
        return colour_of(panel if self.by is not None and self.by == self.facet else group)


def concentration(
    sims: xr.Dataset | xr.DataArray,
    output: str = "Cc",
    *,
    by: str | None = "regimen",
    facet: str | None = None,
    bands: Sequence[float] = (0.5, 0.9),
    individual: bool | int = False,
    log: bool = False,
    doses: bool | str | Sequence[str] = True,
    observed: pd.DataFrame | EventTable | None = None,
    thresholds: Mapping[str, float] | None = None,
    time_unit: str = "h",
    width: str | float = "single",
    ax: Axes | None = None,
) -> Any:
    """Draw an output over time: median and bands of the population, doses at the foot.

    Parameters
    ----------
    sims : Dataset or DataArray, dims among (regimen, subject, time) and others
        Result of `simulate`; subjects with missing values are left out.
    output : str
        Name of the output.
    by : str or None
        Dim that is told apart by colour; skipped where it is ``"regimen"`` and there is only one.
    facet : str, optional
        Dim that is told apart by panels of the same scales.
    bands : sequence of float
        Fraction of the subjects within each band around the median.
    individual : bool or int
        Also draw single subjects: True for 50, or their number.
    log : bool
        Logarithmic concentration axis, at most four decades below the largest value; values that are not positive are
        not drawn.
    doses : bool, str or sequence of str
        Mark dose times, all or those into the named compartments.
    observed : DataFrame or EventTable, optional
        Observations: columns TIME (of a data frame in the time unit of the simulation) and DV (in the unit of the
        output); rows with MDV or EVID other than 0 are left out; a column named as `by` or `facet` puts them with their
        group.
    thresholds : mapping of str to float, optional
        Concentrations to mark, by their label.
    time_unit : {"h", "d"}
        Unit of the time axis.
    width : {"single", "double"} or float
        Width of the figure: one journal column, two, or a number in mm.
    ax : Axes, optional
        Where to draw; a new figure unless given. Not together with `facet`.

    Returns
    -------
    Axes, or ndarray of Axes with `facet`
        For further changes; ``ax.figure.savefig(...)`` writes the file.

    Raises
    ------
    DataError
        If the output, a dim, a compartment or a column is missing, or an option is out of range.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> t = np.arange(0.0, 25.0)
    >>> c = xr.DataArray(np.exp(-0.1 * t), dims="time", coords={"time": t}, attrs={"units": "mg/L"}, name="Cc")
    >>> ax = concentration(c, log=True)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('Time [h]', 'Cc [mg/L]')
    """
    style = _Style(bands, log, thresholds, time_unit, individual)
    plan = _plan(sims, output, (by, facet), style, doses, observed)
    with house_style():
        axes = _draw(plan, width, ax)
    return axes[0] if plan.facet is None else np.array(axes, object)


def compare(
    sims: xr.Dataset | xr.DataArray,
    output: str = "Cc",
    *,
    dim: str = "regimen",
    bands: Sequence[float] = (0.5, 0.9),
    log: bool = False,
    doses: bool | str | Sequence[str] = True,
    thresholds: Mapping[str, float] | None = None,
    time_unit: str = "h",
    width: str | float = "double",
) -> np.ndarray:
    """Draw regimens side by side on the same scales, with the medians of the others in grey behind each.

    Parameters
    ----------
    sims, output, bands, log, doses, thresholds, time_unit, width
        As of `concentration`.
    dim : str
        Dim that is compared.

    Returns
    -------
    ndarray of Axes, shape (panel,)
        One for each entry of `dim`.

    Raises
    ------
    DataError
        As by `concentration`; also if `dim` is missing.
    """
    plan = _plan(sims, output, (dim, dim), _Style(bands, log, thresholds, time_unit, others=True), doses, None)
    with house_style():
        return np.array(_draw(plan, width, None), object)


def _plan(
    sims: xr.Dataset | xr.DataArray,
    output: str,
    dims: tuple[str | None, str | None],
    style: _Style,
    doses: bool | str | Sequence[str],
    observed: pd.DataFrame | EventTable | None,
) -> _Plan:
    """Check what is asked for; ``dims`` are told apart by colour and by panel."""
    values = pick_output(sims, output)
    by, facet = dims
    facet = pick_dim(values, facet, "dim" if style.others else "facet", "")
    by = pick_dim(values, by, "by", "regimen")
    style.check()
    count = 50 if style.individual is True else int(style.individual)
    shown = regimen_doses(values, doses)
    if isinstance(observed, EventTable):
        observed = observed.in_time(str(values["time"].attrs.get("units", "h"))).frame
    seen = observations(observed, (by, facet))
    bands, log, thresholds, time_unit, _, others = style
    plan = _Plan(values, by, facet, tuple(bands), count, log, shown, seen, thresholds or {}, time_unit, others)
    if not np.isfinite(plan.scale * values["time"].values).all():
        raise DataError(f"output '{values.name}': time is not finite")
    return plan


def _draw(plan: _Plan, width: str | float, ax: Axes | None) -> list[Axes]:
    """Draw all panels, then what depends on their limits."""
    feet = [_dose_rows(plan, i) for i in range(len(plan.panels))]
    frame = new_frame(len(plan.panels), width, ax, max(map(len, feet)))
    drawn: list[np.ndarray] = []
    for i, panel in enumerate(frame.axes):
        drawn += _draw_panel(plan, panel, i)
        draw_thresholds(panel, plan.thresholds, named=frame.last_column(i))
    low, high = value_limits(drawn, list(plan.thresholds.values()), plan.log)
    dense = False
    for i, panel in enumerate(frame.axes):
        _finish(plan, frame, i, low, high)
        dense = draw_doses(panel, feet[i], frame.width) or dense
    names = [] if plan.groups == [None] else [str(group) for group in plan.groups]
    place_legend(frame, names, [colour_of(j) for j in range(len(names))], _key(plan, any(feet), dense))
    return frame.axes


def _draw_panel(plan: _Plan, panel: Axes, i: int) -> list[np.ndarray]:
    """Draw the curves and observations of one panel and return what was drawn."""
    key = plan.panels[i]
    part = plan.values if plan.facet is None else plan.values.sel({plan.facet: key})
    drawn: list[np.ndarray] = []
    if plan.others and plan.facet is not None:
        for other in plan.panels:
            if other != key:
                time, curves = curves_of(plan.values.sel({plan.facet: other}))
                median, _ = quantiles(curves, ())
                shown = np.where(median > 0, median, np.nan) if plan.log else median
                panel.plot(time * plan.scale, shown, color="#B8B8B8", linewidth=0.7, label="_other", zorder=1.5)
    for j, group in enumerate(plan.groups):
        colour = plan.colour(i, j)
        time, one = curves_of(part if group is None else part.sel({plan.by: group}))
        time = time * plan.scale
        bands = plan.bands if len(one) > 1 else ()
        drawn += draw_bands(panel, time, one, bands, colour, plan.log)
        if plan.individual and len(one) > 1:
            drawn += draw_spaghetti(panel, time, one, plan.individual, colour, plan.log)
        rows = _observed(plan, key, group, first=j == 0)
        if rows is not None and len(rows):
            edge = colour if plan.by is not None and plan.by in rows else "#222222"
            at = rows["TIME"].to_numpy(float) * plan.scale
            drawn += draw_observed(panel, at, rows["DV"].to_numpy(float), edge, plan.log)
    return drawn


def _observed(plan: _Plan, key: Any, group: Any, first: bool) -> pd.DataFrame | None:
    """Take the observations of one group; those that belong to no group are drawn once in each panel."""
    rows = plan.observed
    if rows is None:
        return None
    if plan.facet is not None and plan.facet in rows:
        rows = cast("pd.DataFrame", rows[rows[plan.facet] == key])
    if group is not None and plan.by in rows:
        return cast("pd.DataFrame", rows[rows[plan.by] == group])
    return rows if first else None


def _dose_rows(plan: _Plan, i: int) -> list[tuple[np.ndarray, str]]:
    """Dose times and colour of each row at the foot of a panel."""
    given = {name: times * plan.scale for name, times in plan.doses.items() if len(times)}
    if plan.facet == "regimen":
        times = given.get(str(plan.panels[i]))
        return [] if times is None else [(times, plan.colour(i, 0) if len(plan.groups) == 1 else GREY)]
    if plan.by == "regimen":
        named = [(given.get(str(name)), colour_of(j)) for j, name in enumerate(plan.groups)]
        return [(times, colour) for times, colour in named if times is not None]
    own = str(plan.values["regimen"].values) if "regimen" in plan.values.coords else ""
    times = given.get(own, next(iter(given.values())) if len(given) == 1 else None)
    return [] if times is None else [(times, plan.colour(i, 0) if len(plan.groups) == 1 else GREY)]


def _finish(plan: _Plan, frame: FigureFrame, i: int, low: float, high: float) -> None:
    """Set limits, ticks and labels of one panel."""
    panel = frame.axes[i]
    time = np.asarray(plan.values["time"].values, float)[[0, -1]] * plan.scale
    end = float(time[1]) if time[1] > time[0] else float(time[0]) + 1.0
    if plan.observed is not None and len(plan.observed):
        end = max(end, float(plan.observed["TIME"].to_numpy(float).max()) * plan.scale)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_xlim(float(time[0]), end)
    time_ticks(panel, end, plan.time_unit, frame.width)
    if plan.log:
        log_axis(panel, low, high)
    else:
        panel.set_ylim(low, high)
    if frame.last_row(i):
        panel.set_xlabel(f"Time [{plan.time_unit}]")
    if frame.first_column(i):
        panel.set_ylabel(axis_label(plan.values.attrs, str(plan.values.name or ""), frame.height))
    if plan.facet is not None:
        panel.set_title(str(plan.panels[i]))


def _key(plan: _Plan, doses: bool, dense: bool) -> list[str]:
    """Say in words what lines, bands and marks are."""
    key = []
    if plan.values.sizes.get("subject", 1) > 1:
        percent = [f"{100 * band:g}%" for band in sorted(plan.bands)]
        key.append(f"Median with {' and '.join(percent)} of subjects" if percent else "Median of subjects")
        if plan.individual:
            key.append("thin lines: single subjects")
    if plan.others:
        key.append("grey: other medians")
    if plan.observed is not None:
        key.append("○ observed")
    if doses:
        key.append("| doses" if dense else "▲ doses")
    return key
