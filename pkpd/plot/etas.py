"""Figure of the random effects of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.plot.fit import diagnosed, smooth, spaced
from pkpd.plot.frame import figure_width
from pkpd.plot.style import COLOURS, GREY, MM, axis_label, house_style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from pkpd.estimation.result import Fit

__all__ = ["etas"]

_BAR = "#9CC4DE"
#: different values up to which a covariate is taken as one of groups
_GROUPS = 4


def etas(
    fit: Fit | xr.Dataset, names: Sequence[str] | None = None, covariates: Sequence[str] | None = None, *,
    width: str | float = "double",
) -> np.ndarray:  # fmt: skip
    """Draw the empirical Bayes estimates of the random effects.

    On the diagonal their histogram with the normal density of the model (line) and their shrinkage; below it pairs,
    above it their correlation; to the right against covariates, with a local mean, or boxes for one of a few values.

    Parameters
    ----------
    fit : Fit or xarray.Dataset
        A fit, or what ``pkpd.checks.diagnostics`` returned of it.
    names : sequence of str, optional
        Parameters whose effects to draw; all by default.
    covariates : sequence of str, optional
        Columns of the data set, also those that the model does not use; all that differ between subjects, at most 4, by
        default.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes, shape (effects, effects + covariates)

    Raises
    ------
    DataError
        If the fit has no random effects, or a name is unknown.
    """
    import matplotlib.pyplot as plt

    table = diagnosed(fit, {"n": 0})
    known = [str(n) for n in table["parameter"].values]
    if not known:
        raise DataError("etas: the fit has no random effects between subjects")
    chosen = _chosen("random effect", names, known, known)
    columns = [str(c) for c in table.coords if table[c].attrs.get("covariate")]
    shown = _chosen("covariate", covariates, columns, columns[:4])
    seen = table["n_observations"].values > 0
    values = table["EBE"].sel(parameter=chosen).values[seen]
    p, c = len(chosen), len(shown)
    total = figure_width(width)
    with house_style():
        side = (total - 12) / (p + c)
        figure, axes = plt.subplots(
            p, p + c, figsize=(total * MM, (p * float(np.clip(0.95 * side, 24, 60)) + 12) * MM), squeeze=False,
            layout="constrained",
        )  # fmt: skip
        spaced(figure, 2)
        for i, name in enumerate(chosen):
            sd = float(np.sqrt(table["omega"].sel(parameter=name)))
            shrinkage = float(table["shrinkage"].sel(parameter=name))
            for j in range(p):
                if i == j:
                    _histogram(axes[i, j], values[:, i], sd, f"{name}, shrinkage {100 * shrinkage:.0f}%")
                elif j < i:
                    _pair(axes[i, j], values[:, j], values[:, i])
                else:
                    _correlation(axes[i, j], values[:, j], values[:, i])
            for k, covariate in enumerate(shown):
                _against(axes[i, p + k], table[covariate].values[seen], values[:, i])
        _labels(axes, table, chosen, shown)
        if side < 30:
            _fewer_ticks(axes)
    return axes


def _chosen(what: str, names: Sequence[str] | None, known: Sequence[str], default: Sequence[str]) -> list[str]:
    chosen = list(default if names is None else names)
    if strange := [n for n in chosen if n not in known]:
        hints = ", ".join(f"'{n}'{nearest(n, known)}" for n in strange)
        raise DataError(f"etas: there is no {what} {hints}; there is {', '.join(known) or 'none'}")
    return chosen


def _histogram(ax: Axes, eta: np.ndarray, sd: float, title: str) -> None:
    bins = int(np.clip(np.ceil(1.5 * np.sqrt(eta.size)), 5, 25))
    ax.hist(eta, bins=bins, density=True, color=_BAR, edgecolor="white", linewidth=0.4, label="_eta")
    most = max(3.2 * sd, 1.05 * float(np.abs(eta).max(initial=0)))
    at = np.linspace(-most, most, 161)
    ax.plot(
        at, np.exp(-0.5 * (at / sd) ** 2) / (sd * np.sqrt(2 * np.pi)), color=COLOURS[1], linewidth=1.0, label="_model"
    )
    ax.axvline(float(eta.mean()), color=GREY, linewidth=0.6, linestyle=(0, (4, 2)))
    ax.set(xlim=(-most, most), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.set_title(title, fontsize=6.5, pad=2)


def _pair(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    ax.axhline(0, color=GREY, linewidth=0.5, zorder=1)
    ax.axvline(0, color=GREY, linewidth=0.5, zorder=1)
    _dots(ax, x, y)


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    alpha = float(np.clip(9 / np.sqrt(max(x.size, 1)), 0.3, 0.8))
    ax.plot(x, y, linestyle="none", marker="o", markersize=2.4, markeredgewidth=0, color=COLOURS[0], alpha=alpha,
            label="_eta", zorder=2)  # fmt: skip


def _correlation(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    varies = x.size > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
    r = float(np.corrcoef(x, y)[0, 1]) if varies else np.nan
    ax.set_axis_off()
    text = f"r = {r:.2f}" if np.isfinite(r) else ""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=7.5,
            color="#222222" if abs(r) > 0.3 else GREY)  # fmt: skip


def _against(ax: Axes, x: np.ndarray, eta: np.ndarray) -> None:
    """Draw effects against a covariate."""
    ax.axhline(0, color=GREY, linewidth=0.5, zorder=1)
    ok = np.isfinite(x)
    groups = np.unique(x[ok])
    if groups.size <= _GROUPS:
        look: dict[str, Any] = {"color": GREY, "linewidth": 0.7}
        boxes = [eta[x == g] for g in groups]
        looks: dict[str, Any] = {"boxprops": look, "whiskerprops": look, "capprops": look, "showfliers": False}
        looks["medianprops"] = {"color": COLOURS[1], "linewidth": 1.1}
        ax.boxplot(boxes, positions=range(groups.size), widths=0.5, **looks)
        place = np.searchsorted(groups, x[ok])
        _dots(ax, place + 0.16 * np.sin(2.4 * np.arange(place.size)), eta[ok])
        texts = [f"{g:g}" for g in groups]
        ax.set_xticks(range(groups.size), texts, rotation=45 if sum(map(len, texts)) > 12 else 0)
        return
    _dots(ax, x[ok], eta[ok])
    ax.plot(
        *smooth(x[ok], eta[ok], 0.9 if x.size < 40 else 0.7), color=COLOURS[1], linewidth=1.0, label="_trend", zorder=3
    )


def _fewer_ticks(axes: np.ndarray) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    for ax in axes.ravel():
        if not isinstance(ax.xaxis.get_major_locator(), FixedLocator):
            ax.xaxis.set_major_locator(MaxNLocator(2))


def _labels(axes: np.ndarray, table: Any, names: Sequence[str], covariates: Sequence[str]) -> None:
    p = len(names)
    for i, name in enumerate(names):
        if i:
            axes[i, 0].set_ylabel(f"η {name}")
        for j in range(1, p + len(covariates)):
            if j != i:
                axes[i, j].tick_params(labelleft=j == p and j > i)
        if covariates:
            axes[i, p].set_ylabel(f"η {name}", labelpad=1)
    for j, name in enumerate(names):
        axes[-1, j].set_xlabel(f"η {name}")
    for k, name in enumerate(covariates):
        axes[-1, p + k].set_xlabel(axis_label({"units": table[name].attrs.get("units", "1")}, name))
        for i in range(p - 1):
            axes[i, p + k].tick_params(labelbottom=False)
