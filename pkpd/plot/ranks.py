"""Ranks of known truths among draws: histograms that should be flat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.plot.frame import figure_width
from pkpd.plot.style import GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank_histogram"]

_HEIGHT = 42.0


def rank_histogram(
    table: pd.DataFrame, *, labels: Mapping[str, str] | None = None, width: str | float = "double"
) -> Any:
    """Draw the ranks of all quantities of each cohort together, over the band of flat ones.

    Parameters
    ----------
    table : DataFrame
        A row per quantity: cohort, sets, draws, and bin1, bin2, ... with the number of ranks in equal parts.
    labels : mapping of cohort to str, optional
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes, one a cohort

    Raises
    ------
    DataError
        If a column is missing.
    """
    import textwrap

    import matplotlib.pyplot as plt
    from scipy.stats import binom

    names = sorted((c for c in table.columns if str(c).startswith("bin")), key=lambda c: int(str(c)[3:]))
    if missing := [c for c in ("cohort", "sets", "draws") if c not in table.columns] + ([] if names else ["bin1"]):
        raise DataError(f"ranks: the table has no column {', '.join(missing)}")
    cohorts = list(dict.fromkeys(table["cohort"]))
    with house_style():
        size = (figure_width(width) * MM, _HEIGHT * MM)
        _, grid = plt.subplots(1, len(cohorts), figsize=size, layout="constrained", squeeze=False)
        for k, (ax, cohort) in enumerate(zip(grid[0], cohorts, strict=True)):
            own = table.loc[table["cohort"] == cohort]
            counts = own[names].to_numpy(float).sum(axis=0)
            draws, total = int(own["draws"].iloc[0]), float(counts.sum())
            # a bin holds whole ranks of 0..draws, so bins need not be of the same size
            share = np.diff(np.ceil(np.linspace(0, draws + 1, len(names) + 1))) / (draws + 1)
            low, high = (binom.ppf(q, total, share) / total for q in (0.025, 0.975))
            middle = (np.arange(len(names)) + 0.5) / len(names)
            ax.bar(middle, counts / total, width=0.9 / len(names), color=colour_of(k), linewidth=0)
            edges = np.linspace(0, 1, len(names) + 1)
            ax.fill_between(edges, [*low, low[-1]], [*high, high[-1]], step="post", color=GREY, alpha=0.3, linewidth=0)
            ax.set(xlim=(0, 1), ylim=(0, 1.15 * max(high.max(), counts.max() / total)), xlabel="Rank, as a part")
            called = (labels or {}).get(cohort, str(cohort))
            ax.set_title("\n".join(textwrap.wrap(f"{called}: {int(own['sets'].iloc[0])} sets", 34)), fontsize=7)
            if k == 0:
                ax.set_ylabel("Part of the ranks")
    return np.array(grid[0], object)
