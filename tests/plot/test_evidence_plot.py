"""Overview figures: what is on them, and that no text of any report lies on another or outside the figure."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from evidence_sample import write_sample
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

import pkpd.plot as plot
from pkpd.errors import DataError
from pkpd.evidence import Evidence, list_seeds, load_seed
from pkpd.plot.glyphs import UNUSED
from pkpd.plot.lanes import GAP, Mark, label_width, place
from pkpd.plot.style import COLOURS, house_style


@pytest.fixture
def sample(tmp_path: Path) -> Evidence:
    return load_seed(write_sample(tmp_path))


def words(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def drawn(ax: Any, label: str) -> list[Any]:
    return [line for line in ax.lines if line.get_label() == label]


# -- content


def test_each_patient_is_a_strip_that_says_who_and_what_was_given(sample: Evidence):
    first, second = plot.evidence(sample)
    assert {"Patient 1", "40 y; 80 kg; CLcr 20 mL/min (assumed)", "100 q24h ×3", "0.64", "10 q12h ×2"} <= set(
        words(first)
    )
    assert {"anakinra, mg", "tocilizumab, g", "steroid, mg", "CRP, mg/L", "ICANS"} <= set(words(first))
    assert {"Patient 2", "female", "100", "†", "death: sepsis"} <= set(words(second))
    assert "tocilizumab, g" not in words(second)
    assert second.get_xlabel() == "Day"


def test_facts_stand_at_their_days_in_the_unit_of_the_output(sample: Evidence):
    ax = plot.evidence(sample)[0]
    (peak,) = drawn(ax, "_peak")
    assert peak.get_xdata().tolist() == [2.0]
    assert {"280", "900", "< 250", "< 1×", "1–2", "3"} <= set(words(ax))
    assert [line.get_xdata().tolist() for line in drawn(ax, "_bound")] == [[0.0, 4.0]]


def test_what_is_not_read_is_open_or_dashed(sample: Evidence):
    ax = plot.evidence(sample)[0]
    (peak,) = drawn(ax, "_peak")
    assert peak.get_markerfacecolor() != "white"
    (bound,) = drawn(ax, "_bound")
    assert bound.get_linestyle() != "-"
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    faces = {to_hex(box.get_facecolor(), keep_alpha=True) for box in boxes}
    assert COLOURS[0].lower() + "ff" in faces
    assert COLOURS[1].lower() + "38" in faces
    assert COLOURS[1].lower() + "ff" not in faces


def test_doses_are_bars_at_their_days(sample: Evidence):
    ax = plot.evidence(sample)[0]
    blue = [p.get_x() for p in ax.patches if to_hex(p.get_facecolor(), keep_alpha=True) == COLOURS[0].lower() + "ff"]
    assert blue == [1.0, 2.0, 3.0]


def test_many_points_of_a_curve_are_a_line_with_its_largest_value(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("\n".join(f"{day},{value}" for day, value in enumerate((5, 40, 77, 60, 30, 20, 9, 4, 2))))
    more = sample.with_curve(path, patient="p2", marker="CRP", unit="mg/L", reading_sd=0.05)
    ax = plot.evidence(more)[1]
    (line,) = drawn(ax, "_curve")
    assert line.get_xdata().tolist() == list(range(9))
    assert np.argmin(line.get_ydata()) == 2  # the axis runs downwards
    assert "77" in words(ax)


def test_strips_of_some_patients_in_the_order_asked_for(sample: Evidence):
    axes = plot.evidence(sample, patients=["p2", "p1"], width="double", columns=2)
    assert ["Patient 2" in words(axes[0]), "Patient 1" in words(axes[1])] == [True, True]
    assert axes[0].get_position().x0 < axes[1].get_position().x0


def test_columns_are_cut_where_the_tallest_is_shortest():
    report = load_seed("strati2020")
    axes = plot.evidence(report, width="double")
    left = [ax for ax in axes if ax.get_position().x0 < 0.5]
    assert 0 < len(left) < len(axes) == 8
    assert axes[0].figure.get_figwidth() * 25.4 == pytest.approx(180)
    assert (
        axes[0].figure.get_figheight()
        < 0.65 * plot.evidence(report, width="double", columns=1)[0].figure.get_figheight()
    )


def test_clinician_finds_the_outcomes_of_the_report():
    axes = plot.evidence(load_seed("strati2020"))
    deaths = [text for ax in axes for text in words(ax) if text.startswith("death: ")]
    assert [text.partition(";")[0] for text in deaths] == [
        f"death: {cause}" for cause in ("pneumonia", "HLH", "PD", "ICH", "ICANS", "PD", "HLH")
    ]
    assert "100 q48h ×5" in words(axes[4])
    assert "200" in words(axes[7])


# -- errors


def test_unknown_patient_width_and_columns(sample: Evidence):
    with pytest.raises(DataError, match=r"evidence 'mine' has no patient 'P1'; it has p1, p2 \(did you mean 'p1'\?\)"):
        plot.evidence(sample, patients=["P1"])
    with pytest.raises(DataError, match="patients is empty; leave it out to draw all"):
        plot.evidence(sample, patients=[])
    with pytest.raises(DataError, match="columns must be from 1 to 2, the number of patients, got 3"):
        plot.evidence(sample, columns=3)
    with pytest.raises(DataError, match="width 'sinlge' is unknown"):
        plot.evidence(sample, width="sinlge")


def test_nothing_global_changes(sample: Evidence):
    before = dict(mpl.rcParams)
    plot.evidence(sample)
    assert dict(mpl.rcParams) == before


# -- nothing lies on anything else


@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("name", list_seeds().names)
def test_no_text_lies_on_another_or_outside_the_figure(name: str, width: str):
    axes = plot.evidence(load_seed(name), width=width)
    figure = axes[0].figure
    with house_style():
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        texts = [text for ax in figure.axes for text in (*ax.texts, ax.xaxis.label) if text.get_text().strip()]
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in (*texts, *figure.texts)]
    page = figure.bbox
    outside = [
        t for t, b in boxes if b.x0 < page.x0 - 1 or b.x1 > page.x1 + 1 or b.y0 < page.y0 - 1 or b.y1 > page.y1 + 1
    ]
    assert not outside
    pixel = figure.dpi / 25.4
    on_another = [
        (a, b)
        for (a, one), (b, other) in combinations(boxes, 2)
        if "†" not in (a, b)
        and min(one.x1, other.x1) - max(one.x0, other.x0) > 0.25 * pixel
        # Boxes of text are taller than its letters.
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.6 * pixel
    ]
    assert not on_another


def test_labels_give_way_to_marks_and_to_each_other():
    def nothing(ax: Any, y: float) -> None:
        return None

    marks = [Mark(x, x + 1.0, nothing, "1,234", loose=x > 20) for x in (10.0, 11.0, 25.0, 26.0, 49.5)]
    placed, rows = place(marks, 50.0, 6.0)
    taken: dict[int, list[tuple[float, float]]] = {}
    for one in placed:
        taken.setdefault(one.label_row, []).append((one.label_at, one.label_at + label_width("1,234", 6.0)))
        assert one.label_at >= 0
        assert one.label_at + label_width("1,234", 6.0) <= 50.0
        for other in placed:
            if other.row == one.label_row and not (one is other and one.mark.inside):
                covers = one.label_at < other.mark.right and other.mark.left < taken[one.label_row][-1][1]
                assert not covers, (one, other)
    for row in taken.values():
        assert all(b[0] - a[1] >= GAP - 1e-9 or a[0] - b[1] >= GAP - 1e-9 for a, b in combinations(row, 2))
    assert [one.row for one in placed[2:4]] == [0, 0]
    assert rows >= 2


@pytest.mark.parametrize("loose", [True, False])
def test_a_label_that_fits_on_neither_side_stands_below_and_not_outside(loose: bool):
    mark = Mark(0.5, 49.0, lambda ax, y: None, "a rather long label", loose=loose)
    (one,), rows = place([mark], 50.0, 6.0)
    assert (one.row, one.label_row, rows) == (0, 1, 2)
    assert one.label_at == 0.5


def test_points_of_a_figure_have_reading_errors_and_superseded_facts_are_grey(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("1,300\n3,200\n6,4\n")
    more = sample.with_curve(path, patient="p1", marker="CRP", unit="mg/L", reading_sd=0.1, below=5)
    ax = plot.evidence(more)[0]
    (line,) = drawn(ax, "_curve")
    assert line.get_xdata().tolist() == [1.0, 3.0, 6.0]
    (limit,) = drawn(ax, "_limit")
    assert limit.get_xdata().tolist() == [6.0]
    bars = [collection for collection in ax.collections if len(collection.get_segments()) == 3]
    lengths = [np.ptp(segment[:, 1]) for segment in bars[0].get_segments()]
    np.testing.assert_allclose(lengths[0] / lengths[1], 1.5)
    assert lengths[2] == 0
    np.testing.assert_allclose(lengths[0] / 2 / abs(line.get_ydata()[0] - line.get_ydata()[1]), 1.96 * 30 / 100)
    (peak,) = drawn(ax, "_peak")
    assert (peak.get_markeredgecolor(), more.facts[0].use) == (UNUSED, "superseded")
    key = words(ax.figure.axes[-1])
    assert {"read off a figure, with reading error", "grey: superseded by a curve"} <= set(key)
