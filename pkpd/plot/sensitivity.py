"""Figures of what drives an answer: tornado, indices over time, screening."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.kinds import needs
from pkpd.plot.frame import FigureFrame, new_frame, place_legend
from pkpd.plot.style import COLOURS, GREY, axis_label, colour_of, house_style, time_scale, time_ticks

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from pkpd.sensitivity_analysis.result import SensitivityResult

__all__ = ["indices", "screening", "tornado"]

_UP, _DOWN = COLOURS[1], COLOURS[0]
_LIGHT = "#C9C9C9"


def tornado(
    result: SensitivityResult,
    quantity: str | None = None,
    *,
    most: int = 15,
    labels: Mapping[str, str] | None = None,
    width: str | float = "single",
    ax: Axes | None = None,
    **where: Any,
) -> Axes:
    """Draw the inputs as bars, the most important at the top.

    Elasticities to both sides of zero; first-order indices within total ones; the mean size of Morris' effects.
    Results over time are summed up as by ``result.over_time()``.

    Parameters
    ----------
    result : SensitivityResult
        By ``local``, ``sobol``, ``morris`` or ``variance``.
    quantity : str, optional
        The first by default.
    most : int
        Most bars.
    labels : mapping of name to str, optional
        What inputs are called.
    width : {"single", "double"} or float
        Width of the figure: one journal column, two, or a number in mm.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    **where
        Entry of a further dim, ``regimen="q12h"`` or ``subject=3``.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the result has no bars, no such quantity, or a dim is left.
    """
    needs("plot.tornado", result, ("SensitivityResult",), "pkpd.sensitivity makes one")
    rows, first, last = _bars(result)
    data = _one(result.over_time(), result.pick(quantity), where, {rows})
    size = np.abs(np.nan_to_num(data[last].values))
    order = np.argsort(size)[::-1][: max(int(most), 1)][::-1]
    data = data.isel({rows: order})
    called = labels or {}
    names = [textwrap.fill(called.get(str(n), _shown(n)), 38) for n in data[rows].values]
    with house_style():
        frame = _rows_frame(len(names), width, ax)
        panel, at = frame.axes[0], np.arange(len(names))
        value = data[last].values
        if first == last:
            signed = last == "elasticity"
            colours = [_UP if v > 0 else _DOWN for v in value] if signed else COLOURS[0]
            panel.barh(at, value, height=0.66, color=colours, label="_bar")
            _whiskers(panel, at, data, last, "#222222")
            keys = (["increases", "decreases"], [_UP, _DOWN]) if signed and (value < 0).any() else ([], [])
        else:
            panel.barh(at, value, height=0.72, color=_LIGHT, label="_total")
            panel.barh(at, data[first].values, height=0.36, color=COLOURS[0], label="_first")
            _whiskers(panel, at + 0.27, data, last, GREY)
            _whiskers(panel, at, data, first, "#222222")
            keys = (["alone (S1)", "with interactions (ST)"], [COLOURS[0], _LIGHT])
        panel.axvline(0, color="#222222", linewidth=0.6, zorder=3)
        panel.set_yticks(at, names)
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.set_ylim(-0.6, len(names) - 0.4)
        panel.set_xlabel(_axis(result, data, last))
        place_legend(frame, *keys, [])
    return frame.axes[0]


def indices(
    result: SensitivityResult,
    quantity: str | None = None,
    *,
    most: int = 6,
    time_unit: str = "h",
    width: str | float = "double",
    **where: Any,
) -> np.ndarray:
    """Draw indices over time.

    Shares of variance: those of single inputs as areas on top of each other, what interactions make above them, and
    beside it the total indices with their intervals. Elasticities or elementary effects: a line for each input.

    Parameters
    ----------
    result : SensitivityResult
        Of an output over time.
    quantity, width, **where
        As of `tornado`.
    most : int
        Most inputs that are told apart, the most important over time; the others are one area, and no lines.
    time_unit : {"h", "d"}

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If the result is not over time.
    """
    needs("plot.indices", result, ("SensitivityResult",), "pkpd.sensitivity makes one")
    rows, first, last = _bars(result)
    name = result.pick(quantity)
    if "time" not in result.data.dims:
        raise DataError(f"'{name}' is not over time; draw it as a tornado, or ask for an output, of='Cc'")
    data = _one(result.data, name, where, {rows, "time"})
    weight = np.abs(np.nan_to_num(_one(result.over_time(), name, where, {rows})[last].values))
    order = np.argsort(weight)[::-1]
    top = order[: max(int(most), 1)]
    time = np.asarray(data["time"].values, float) * time_scale(str(data["time"].attrs.get("units", "h")), time_unit)
    names = [_shown(data[rows].values[i]) for i in top]
    with house_style():
        frame = new_frame(1 if first == last else 2, width, None, 0, share_x=False)
        if first != last:
            rest = len(order) > len(top)
            _areas(frame.axes[0], time, data[first].transpose(rows, "time").values, top, order[len(top) :])
            frame.axes[0].set_ylabel("Share of variance, one input alone")
            names_shown = [*names, *(["other inputs"] if rest else []), "interactions"]
            colours = [*(colour_of(j) for j in range(len(names))), *([GREY] if rest else []), _LIGHT]
        else:
            names_shown, colours = names, [colour_of(j) for j in range(len(names))]
        panel = frame.axes[-1]
        for j, i in enumerate(top):
            _line(panel, time, data.isel({rows: i}), last, colour_of(j))
        label = "Total index (with interactions)" if last == "ST" else _axis(result, data, last)
        panel.set_ylabel(textwrap.fill(label, 34))
        if last == "ST":
            panel.set_ylim(0, 1.02)
        else:
            panel.axhline(0, color=GREY, linewidth=0.6, zorder=1)
        for each in frame.axes:
            each.set_xlim(time[0], time[-1])
            time_ticks(each, float(time[-1]), time_unit, frame.width)
            each.set_xlabel(f"Time [{time_unit}]")
        level = 100 * float(result.data.attrs.get("level", 0))
        key = [f"bands: {level:g}% intervals"] if f"{last}_conf" in data else []
        place_legend(frame, names_shown, colours, key)
    return np.array(frame.axes, object)


def screening(
    result: SensitivityResult,
    quantity: str | None = None,
    *,
    width: str | float = "single",
    ax: Axes | None = None,
    **where: Any,
) -> Axes:
    """Draw Morris' mean size of the effects against their spread, one point per input.

    Below the dashed line (spread equal to size) an input acts nearly in a straight line; above it, it acts in a curved
    way or together with others.

    Parameters
    ----------
    result : SensitivityResult
        By ``morris``.
    quantity, width, ax, **where
        As of `tornado`.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the result is not one of Morris.
    """
    needs("plot.screening", result, ("SensitivityResult",), "pkpd.sensitivity makes one")
    if "mu_star" not in result.data:
        raise DataError(f"a screening figure is of method='morris', this result is of '{result.method}'")
    data = _one(result.over_time(), result.pick(quantity), where, {"parameter"})
    x, y = data["mu_star"].values, data["sigma"].values
    unit = str(data["units"].values) if "units" in data.coords else "1"
    with house_style():
        frame = new_frame(1, width, ax, 0)
        panel = frame.axes[0]
        wide = 1.08 * max(float(np.nanmax(x + np.nan_to_num(data["mu_star_conf"].values))), 1e-300)
        high = max(1.25 * float(np.nanmax(y)), 0.05 * wide)
        panel.plot([0, wide], [0, wide], color=GREY, linewidth=0.7, linestyle=(0, (4, 2.5)), label="_equal", zorder=1)
        panel.errorbar(
            x, y, xerr=data["mu_star_conf"].values, fmt="o", markersize=3.5, color=COLOURS[0], ecolor=COLOURS[0],
            elinewidth=0.7, label="_points",
        )  # fmt: skip
        panel.set_xlim(0, wide)
        panel.set_ylim(-0.03 * high, high)
        panel.set_xlabel(axis_label({"units": unit, "long_name": "mean size of the effects, μ*"}, "", None))
        panel.set_ylabel(axis_label({"units": unit, "long_name": "spread of the effects, σ"}, "", frame.height))
        _names_above(panel, x, y, [_shown(n) for n in data["parameter"].values], frame)
        place_legend(frame, [], [], ["dashed: spread equal to size"])
    return panel


def _bars(result: SensitivityResult) -> tuple[str, str, str]:
    """Return the dim of the inputs, and the first and the last index of the method."""
    kinds = {
        "sobol": ("parameter", "S1", "ST"),
        "variance": ("source", "S1", "ST"),
        "morris": ("parameter", "mu_star", "mu_star"),
        "local": ("parameter", "elasticity", "elasticity"),
    }
    if result.method not in kinds:
        raise DataError(f"a result of '{result.method}' has no indices to draw; there is {', '.join(kinds)}")
    return kinds[result.method]


def _one(data: xr.Dataset, quantity: str, where: dict[str, Any], kept: set[str]) -> xr.Dataset:
    """Return one quantity, with nothing but the dims that are drawn."""
    own = {"parameter", "source", "parameter_2", *kept}
    strange = [d for d in where if d not in data.dims or d in own]
    left = [str(d) for d in data.dims if d not in own and d not in where and d != "quantity"]
    if strange:
        raise DataError(f"the result has no dim '{strange[0]}' to choose from; it has {', '.join(left) or 'none'}")
    if left:
        values = ", ".join(str(v) for v in data[left[0]].values[:5])
        raise DataError(f"the result also has dim {left[0]}; choose one of {values}: {left[0]}=...")
    try:
        return data.sel(quantity=quantity, **where)
    except KeyError:
        asked = ", ".join(f"{d}={v!r}" for d, v in where.items())
        known = "; ".join(f"{d}: {', '.join(str(v) for v in data[d].values[:5])}" for d in where)
        raise DataError(f"the result has no entry {asked}; it has {known}") from None


def _axis(result: SensitivityResult, data: xr.Dataset, last: str) -> str:
    name = str(data["quantity"].values)
    if last == "elasticity":
        return f"Elasticity of {name}"
    if last == "mu_star":
        unit = str(data["units"].values) if "units" in data.coords else "1"
        return axis_label({"units": unit, "long_name": f"Mean size of the effects on {name}"}, "")
    over = ", over time" if "time" in result.data.dims else ""
    return f"Share of the variance of {name}{over}"


def _shown(name: Any) -> str:
    """Write a random effect as η of its parameter."""
    text = str(name)
    return f"η {text[4:]}" if text.startswith("eta_") else text


def _rows_frame(count: int, width: str | float, ax: Axes | None) -> FigureFrame:
    """Return a frame that is as tall as its bars need."""
    frame = new_frame(1, width, ax, 0)
    figure = frame.axes[0].get_figure(root=True)
    if not frame.given and figure is not None:
        figure.set_figheight((4.6 * count + 20) / 25.4)
    return frame


def _whiskers(panel: Axes, at: np.ndarray, data: xr.Dataset, index: str, colour: str) -> None:
    if f"{index}_conf" in data:
        panel.errorbar(
            data[index].values, at, xerr=data[f"{index}_conf"].values, fmt="none", ecolor=colour, elinewidth=0.8,
            capsize=1.5, capthick=0.8, label="_conf", zorder=4,
        )  # fmt: skip


def _areas(panel: Axes, time: np.ndarray, shares: np.ndarray, top: np.ndarray, rest: np.ndarray) -> None:
    """Draw shares on top of each other; estimates below zero are zero, and a sum above one is one."""
    shares = np.clip(shares, 0, None)
    shares = shares / np.maximum(shares.sum(axis=0), 1.0)
    floor = np.zeros(time.size)
    parts = [(shares[i], colour_of(j)) for j, i in enumerate(top)]
    if len(rest):
        parts.append((shares[rest].sum(axis=0), GREY))
    for part, colour in parts:
        panel.fill_between(time, floor, floor + part, color=colour, alpha=0.75, linewidth=0, label="_area")
        floor = floor + part
    panel.fill_between(
        time, floor, 1, where=np.isfinite(floor).tolist(), color=_LIGHT, linewidth=0, label="_interactions"
    )
    panel.set_ylim(0, 1)


def _line(panel: Axes, time: np.ndarray, data: xr.Dataset, index: str, colour: str) -> None:
    value = data[index].values
    panel.plot(time, value, color=colour, label="_line", zorder=3)
    if f"{index}_conf" in data:
        half = data[f"{index}_conf"].values
        panel.fill_between(time, value - half, value + half, color=colour, alpha=0.22, linewidth=0, label="_band")


def _names_above(panel: Axes, x: np.ndarray, y: np.ndarray, names: list[str], frame: FigureFrame) -> None:
    """Write names above points, moved up where they would lie on each other or on another point."""
    (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
    line, letter = 3.0 / frame.height * (high - low), 1.45 / frame.width * (right - left)
    taken = [(float(a), float(b), letter) for a, b in zip(x, y, strict=True)]
    for i in np.argsort(y):
        if not (np.isfinite(x[i]) and np.isfinite(y[i])):
            continue
        half, up = letter * len(names[i]) / 2, float(y[i]) + 0.75 * line
        while any(abs(up - b) < 0.7 * line and abs(x[i] - a) < half + w for a, b, w in taken):
            up += line / 4
        taken.append((float(x[i]), up, half))
        panel.annotate(names[i], (float(x[i]), up), ha="center", va="center", fontsize=7)
