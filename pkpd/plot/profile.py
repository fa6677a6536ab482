"""Figure of profiles of a likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError
from pkpd.kinds import needs
from pkpd.plot.frame import new_frame, place_legend
from pkpd.plot.style import COLOURS, GREY, axis_label, house_style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from pkpd.sensitivity_analysis.result import SensitivityResult

__all__ = ["profiles"]


def profiles(result: SensitivityResult, *, width: str | float = "double") -> np.ndarray:
    """Draw the profile of the likelihood along each parameter, with the threshold and the interval.

    Parameters
    ----------
    result : SensitivityResult
        By ``profile``.
    width : {"single", "double"} or float
        Width of the figure.

    Returns
    -------
    ndarray of Axes, shape (parameter,)

    Raises
    ------
    DataError
        If the result has no profiles.
    """
    needs("plot.profiles", result, ("SensitivityResult",), "pkpd.uncertainty.profile makes one")
    data = result.data
    if "drop" not in data:
        raise DataError(f"a profile figure is of pkpd.uncertainty.profile, this result is of '{result.method}'")
    cut = float(data.attrs["threshold"])
    flags = list(dict.fromkeys(str(f) for f in data["flag"].values))
    kinds: tuple[str, ...] = ("identifiable", "practically non-identifiable", "structurally non-identifiable")
    colours: dict[str, str] = dict(zip(kinds, (COLOURS[0], COLOURS[5], COLOURS[1]), strict=True))
    with house_style():
        frame = new_frame(data.sizes["parameter"], width, None, 0, share_x=False)
        for i, panel in enumerate(frame.axes):
            one = data.isel(parameter=i)
            _profile(panel, one, cut, colours[str(one["flag"].values)])
            name = str(one["parameter"].values)
            unit = str(one["units"].values) if "units" in one.coords else "1"
            panel.set_xlabel(axis_label({"units": unit, "long_name": "X"}, "").replace("X", name, 1))
            if frame.first_column(i):
                panel.set_ylabel("2 × loss of\nlog-likelihood")
        shown = [k for k in kinds if k in flags]
        level = 100 * float(data.attrs.get("level", 0.95))
        place_legend(
            frame, shown, [colours[k] for k in shown], [f"dashed: threshold of the {level:g}% interval (shaded)"]
        )
    return np.array(frame.axes, object)


def _profile(panel: Axes, one: xr.Dataset, cut: float, colour: str) -> None:
    x, y = one["value"].values, one["drop"].values
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    low, high = (float(one[n].values) for n in ("low", "high"))
    left, right = (low if np.isfinite(low) else x[0]), (high if np.isfinite(high) else x[-1])
    panel.axvspan(left, right, color=colour, alpha=0.13, linewidth=0, label="_interval")
    panel.axhline(cut, color=GREY, linewidth=0.7, linestyle=(0, (4, 2.5)), label="_threshold")
    panel.plot(*_smooth(x, y, log=bool(one["log"].values)), color=colour, label="_profile", zorder=3)
    panel.plot(x, y, "o", color=colour, markersize=1.8, label="_points", zorder=3)
    panel.plot([float(one["estimate"].values)], [0], "o", color=colour, markersize=4, clip_on=False, zorder=4)
    panel.set_ylim(0, 1.6 * cut)
    if bool(one["log"].values) and x[0] > 0 and x[-1] / x[0] > 20:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(numticks=5))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    else:
        from matplotlib.ticker import MaxNLocator

        panel.xaxis.set_major_locator(MaxNLocator(4))


def _smooth(x: np.ndarray, y: np.ndarray, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve through the points of a profile, joined on its signed root, which is nearly straight."""
    from scipy.interpolate import PchipInterpolator

    if x.size < 3:
        return x, y
    axis = np.log(x) if log else x
    root = np.sqrt(y) * np.sign(np.arange(x.size) - int(np.argmin(y)))
    fine = np.unique(np.concatenate([axis, np.linspace(axis[0], axis[-1], 400)]))
    found = PchipInterpolator(axis, root)(fine) ** 2
    return (np.exp(fine) if log else fine), found
