"""The figure of what further measurements would tell: a bar for today, one for what would be left."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pkpd.errors import DataError
from pkpd.estimation.checks.prospects.ranking import MIDDLE, NEW
from pkpd.plot.prospects import prospects

COLUMNS = ["design", "label", "patient", "cohort", "width_now", "width", "tells_now", "tells", "error"]
ROWS = [
    ("one ferritin", "ferritin", "s/p1", "A", 0.8, 0.79, 0.6, 0.6, 0.01),
    ("one ferritin", "ferritin", "s/p2", "B", 0.6, 0.6, 0.7, 0.7, 0.01),
    ("a daily CRP", "daily CRP", "s/p1", "A", 0.8, 0.4, 0.6, 0.8, 0.01),
    ("a daily CRP", "daily CRP", "s/p3", "A", 0.6, 0.5, 0.6, 0.8, 0.01),
    ("20 more patients", "20 more", NEW, "A", 0.9, 0.7, 0.6, 0.6, 0.01),
    ("20 more patients", "20 more", MIDDLE, "A", 0.5, 0.45, 0.6, 0.6, 0.01),
]


def table_of(rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def texts(ax):
    return [t.get_text().strip() for t in ax.texts]


def test_a_row_has_todays_width_and_what_is_left_and_what_tells_most_is_on_top():
    axes = prospects(table_of(ROWS), quantity="share of IL-1", cohorts={"A": "The first report (2020)"})
    assert [t.get_text() for t in axes[0].get_yticklabels()] == [
        "daily CRP", "ferritin", "20 more:\nmiddle of such patients", "20 more:\na new patient",
    ]  # fmt: skip
    widths = [bar.get_width() for bar in axes[0].patches]
    assert np.allclose(widths, [0.7, 0.45, 0.8, 0.79, 0.5, 0.45, 0.9, 0.7])
    assert texts(axes[0]) == ["−36%", "no gain", "−10%", "−22%"]
    assert texts(axes[1]) == ["not tried", "no gain", "not tried", "not tried"]
    dots = next(line for line in axes[0].lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == [0.4, 0.5]
    assert axes[0].get_title(loc="left") == "The first report (2020)"
    assert axes[1].get_title(loc="left") == "B"
    figure = axes[0].figure
    assert figure.get_supxlabel() == "Share of IL-1, width of the 90% interval (shorter is better)"
    figure.draw_without_rendering()
    plt.close(figure)


def test_no_text_lies_on_a_bar_or_leaves_the_figure():
    axes = prospects(table_of(ROWS), quantity="share", width="double")
    figure = axes[0].figure
    figure.draw_without_rendering()
    page = figure.bbox
    for ax in axes:
        bars = max(bar.get_window_extent().x1 for bar in ax.patches)
        for text in ax.texts:
            box = text.get_window_extent()
            assert box.x1 <= page.x1
            assert text.get_text() == " not tried" or box.x0 > bars
    plt.close(figure)


def test_a_single_report_has_one_panel_and_an_empty_table_is_refused():
    axes = prospects(table_of(ROWS[:1]), quantity="share", width="single")
    assert len(axes) == 1
    plt.close(axes[0].figure)
    with pytest.raises(DataError, match=r"plot.prospects: the table has no row; there is nothing to draw"):
        prospects(table_of([]), quantity="share")
