"""Intervals of one parameter, patient by patient, over its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pkpd.calibration.result import Calibration

__all__ = ["forest"]

_LEVELS = [0.025, 0.25, 0.5, 0.75, 0.975]


def forest(fit: Calibration, name: str, label: str) -> Figure:
    """Draw the central half and 95% of a parameter for every patient, grouped by cohort.

    Parameters
    ----------
    fit : Calibration
    name : str
        Parameter at level ``patient``.
    label : str
        Of the axis.
    """
    import matplotlib.pyplot as plt

    from pkpd.plot.style import GREY, MM, WIDTHS, colour_of, house_style

    after, before = fit.draws(name), fit.draws(name, group="prior")
    cohorts = list(dict.fromkeys(fit.cohorts.values()))
    shown = [i for i in range(len(fit.patients)) if np.ptp(after[:, i]) > 0]
    with house_style():
        figure, ax = plt.subplots(figsize=(WIDTHS["double"] * 0.72 * MM, (14 + 5.2 * len(shown)) * MM), layout="constrained")
        for y, i in enumerate(shown):
            patient = fit.patients[i]
            colour = colour_of(cohorts.index(fit.cohorts[patient]))
            prior, found = np.quantile(before[:, i], _LEVELS), np.quantile(after[:, i], _LEVELS)
            ax.plot(prior[[0, 4]], [y + 0.28] * 2, color=GREY, lw=0.8, alpha=0.6)
            ax.plot(prior[[1, 3]], [y + 0.28] * 2, color=GREY, lw=2.2, alpha=0.45, solid_capstyle="butt")
            ax.plot(found[[0, 4]], [y] * 2, color=colour, lw=1.1)
            ax.plot(found[[1, 3]], [y] * 2, color=colour, lw=3.2, solid_capstyle="butt")
            ax.plot(found[2], y, "o", color="white", mec=colour, ms=4.2, mew=1.2, zorder=5)
        ax.set_yticks(range(len(shown)), [fit.patients[i].replace("/", " ") for i in shown])
        ax.set_ylim(len(shown) - 0.3, -0.6)
        ax.set_xlabel(label[:1].upper() + label[1:])
        variable = next(v for v in fit.variables if v.name == name)
        if variable.scale == "logit":
            ax.set_xlim(*variable.limits)
            ax.axvline(sum(variable.limits) / 2, color=GREY, lw=0.6, ls=(0, (2, 3)), zorder=0)
        elif variable.scale == "log":
            ax.set_xscale("log")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x", color="#E5E5E5", lw=0.5)
        ax.set_axisbelow(True)
    return figure
