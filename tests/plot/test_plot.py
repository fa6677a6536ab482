"""Plots: what is drawn where, labels, scales, and that nothing global changes."""

from __future__ import annotations

import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D

import pkpd.plot as plot
from pkpd import Model, Output, Parameter, Regimen, State, hours, simulate
from pkpd.errors import DataError
from pkpd.metrics import exposure

TIME = np.arange(0.0, 49.0)


def simulation(subjects=40):
    """Oral doses into one compartment (Bateman function), volumes that differ between subjects; zero at time 0."""
    volume = np.exp(np.linspace(-0.7, 0.7, subjects))
    doses = {"q24h": np.arange(0, 48, 24.0), "q12h": np.arange(0, 48, 12.0)}
    rows = []
    for at in doses.values():
        since = np.clip(TIME - at[:, None], 0, None)
        rows.append((np.exp(-0.1 * since) - np.exp(-since)).sum(axis=0) * 24 / len(at) / volume[:, None])
    attrs = {
        "units": "mg/L",
        "long_name": "plasma concentration",
        "doses": json.dumps(
            {n: {"time": at.tolist(), "amt": [1.0] * len(at), "cmt": ["depot"] * len(at)} for n, at in doses.items()}
        ),
    }
    coords = {"regimen": list(doses), "subject": np.arange(subjects), "time": TIME}
    values = xr.DataArray(np.stack(rows), coords, ("regimen", "subject", "time"), attrs=attrs)
    values["time"].attrs["units"] = "h"
    return xr.Dataset({"Cc": values, "status": ("subject", np.zeros(subjects, int))})


def lines(ax: Axes, label: str):
    return [line for line in ax.lines if line.get_label() == label]


def heights(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_ydata(), float)


def bands(ax: Axes):
    return [c for c in ax.collections if isinstance(c, PolyCollection) and c.get_label() == "_band"]


def edges(band: PolyCollection, at: float):
    """Lower and upper edge of a band at a time."""
    points = np.asarray(band.get_paths()[0].vertices)
    values = points[np.isclose(points[:, 0], at), 1]
    return values.min(), values.max()


def test_median_and_bands_are_the_quantiles():
    sims = simulation()
    ax = plot.concentration(sims, bands=(0.5, 0.9))
    assert isinstance(ax, Axes)
    for j, name in enumerate(("q24h", "q12h")):
        values = sims["Cc"].sel(regimen=name).values
        np.testing.assert_allclose(heights(lines(ax, "_median")[j]), np.median(values, axis=0), rtol=1e-14)
        wide, narrow = bands(ax)[2 * j : 2 * j + 2]
        np.testing.assert_allclose(edges(wide, 30.0), np.quantile(values[:, 30], [0.05, 0.95]), rtol=1e-12)
        np.testing.assert_allclose(edges(narrow, 30.0), np.quantile(values[:, 30], [0.25, 0.75]), rtol=1e-12)


def test_labels_carry_quantity_and_unit():
    ax = plot.concentration(simulation())
    assert ax.get_xlabel() == "Time [h]"
    assert ax.get_ylabel().replace("\n", " ") == "Plasma concentration [mg/L]"
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["q24h", "q12h"]
    assert legend.get_title().get_text().replace("\n", " ") == "Median with 50% and 90% of subjects; ▲ doses"


def test_failed_subjects_are_left_out():
    sims = simulation()
    whole = sims["Cc"].sel(regimen="q24h").values[1:]
    sims["Cc"][0, 0, 20:] = np.nan
    ax = plot.concentration(sims)
    np.testing.assert_allclose(heights(lines(ax, "_median")[0]), np.median(whole, axis=0), rtol=1e-14)


def test_log_axis_leaves_out_zeros():
    ax = plot.concentration(simulation(), log=True)
    assert ax.get_yscale() == "log"
    drawn = heights(lines(ax, "_median")[0])
    assert np.isnan(drawn[0])
    assert (drawn[1:] > 0).all()
    low, high = ax.get_ylim()
    assert low > 0
    assert high / low < 1.6e4
    ax.figure.canvas.draw()


def test_all_zero_curves_can_be_drawn():
    empty = simulation().isel(regimen=0) * 0
    for log in (False, True):
        plot.concentration(empty, log=log).figure.canvas.draw()


def test_doses_stand_in_rows_below_the_data():
    ax = plot.concentration(simulation())
    marks = lines(ax, "_doses")
    assert [len(np.asarray(mark.get_xdata())) for mark in marks] == [2, 4]
    ax.figure.canvas.draw()
    feet = [mark.get_window_extent().y0 for mark in marks]
    assert ax.get_window_extent().y0 > feet[0] > feet[1]
    gap = (feet[0] - feet[1]) * 72 / ax.figure.dpi
    assert gap > marks[0].get_markersize()
    assert not lines(plot.concentration(simulation(), doses=False), "_doses")


def test_close_doses_become_strokes():
    sims = simulation()
    at = np.arange(0, 48, 0.25).tolist()
    sims["Cc"].attrs["doses"] = json.dumps({"q24h": {"time": at, "cmt": ["depot"] * len(at)}})
    (mark,) = lines(plot.concentration(sims), "_doses")
    assert mark.get_marker() == "|"


def test_doses_of_the_named_compartment_only():
    sims = simulation()
    entry = {"time": [0.0, 6.0, 24.0], "cmt": ["depot", "other", "depot"]}
    sims["Cc"].attrs["doses"] = json.dumps({"q24h": entry, "q12h": entry})
    ax = plot.concentration(sims, doses="other")
    assert [np.asarray(mark.get_xdata()).tolist() for mark in lines(ax, "_doses")] == [[6.0], [6.0]]


def test_days_scale_time_doses_and_ticks():
    ax = plot.concentration(simulation(), time_unit="d")
    assert ax.get_xlabel() == "Time [d]"
    assert ax.get_xlim() == (0.0, 2.0)
    assert np.asarray(lines(ax, "_doses")[1].get_xdata()).tolist() == [0.0, 0.5, 1.0, 1.5]
    hours = plot.concentration(simulation())
    steps = np.diff(hours.get_xticks())
    assert set(steps) <= {6.0, 12.0, 24.0}


def test_panels_share_scales_and_hold_their_own_regimen():
    sims = simulation()
    axes = plot.concentration(sims, facet="regimen")
    assert axes.shape == (2,)
    assert [ax.get_title(loc="left") for ax in axes] == ["q24h", "q12h"]
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert axes[0].get_xlim() == axes[1].get_xlim()
    for ax, name, count in zip(axes, ("q24h", "q12h"), (2, 4), strict=True):
        (median,) = lines(ax, "_median")
        np.testing.assert_allclose(heights(median), sims["Cc"].sel(regimen=name).median("subject"), rtol=1e-14)
        (mark,) = lines(ax, "_doses")
        assert len(np.asarray(mark.get_xdata())) == count


def test_compare_shows_the_others_in_grey():
    sims = simulation()
    axes = plot.compare(sims)
    assert len(axes) == 2
    (other,) = lines(axes[0], "_other")
    np.testing.assert_allclose(heights(other), sims["Cc"].sel(regimen="q12h").median("subject"), rtol=1e-14)
    assert axes[0].get_ylim() == axes[1].get_ylim()


def test_observations_go_to_their_group():
    rows = pd.DataFrame(
        {
            "ID": 1,
            "TIME": [1.0, 2, 3, 4],
            "DV": [1.0, 2, 0, 9],
            "MDV": [0, 0, 0, 1],
            "regimen": ["q24h", "q12h", "q24h", "q24h"],
        }
    )
    axes = plot.concentration(simulation(), facet="regimen", observed=rows)
    assert np.asarray(lines(axes[0], "_observed")[0].get_xdata()).tolist() == [1.0, 3.0]
    assert heights(lines(axes[1], "_observed")[0]).tolist() == [2.0]
    log = plot.concentration(simulation(), log=True, observed=rows.drop(columns="regimen"), time_unit="d")
    (points,) = lines(log, "_observed")
    np.testing.assert_allclose(np.asarray(points.get_xdata(), float), [1 / 24, 2 / 24])


def test_thresholds_are_drawn_named_and_inside():
    ax = plot.concentration(simulation(), thresholds={"EC90": 200.0})
    (line,) = lines(ax, "_threshold")
    assert heights(line).tolist() == [200.0, 200.0]
    assert "EC90" in [text.get_text() for text in ax.texts]
    assert ax.get_ylim()[1] > 200.0


def test_single_subjects_are_counted():
    assert len(lines(plot.concentration(simulation(), individual=7), "_subject")) == 14
    assert len(lines(plot.concentration(simulation(), individual=True), "_subject")) == 80
    alone = plot.concentration(simulation()["Cc"].sel(regimen="q12h").isel(subject=0))
    assert len(lines(alone, "_median")) == 1
    assert not bands(alone)


def test_own_axes_are_drawn_on():
    _, own = plt.subplots()
    assert plot.concentration(simulation(), ax=own) is own


@pytest.mark.parametrize(("width", "mm"), [("single", 85), ("double", 180), (120, 120)])
def test_width_of_the_figure(width, mm):
    figure = plot.concentration(simulation(), width=width).figure
    assert figure.get_figwidth() * 25.4 == pytest.approx(mm)


@pytest.mark.parametrize("width", ["single", "double"])
def test_nothing_leaves_the_figure(width):
    ax = plot.concentration(simulation(), width=width, individual=True, thresholds={"EC50": 3.0})
    figure = ax.figure
    figure.canvas.draw()
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 >= figure.bbox.x0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1


def test_global_style_is_unchanged():
    before = dict(mpl.rcParams)
    sims = simulation()
    plot.concentration(sims, log=True)
    plot.compare(sims)
    plot.exposure(exposure(sims["Cc"], tau=12))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("kind", ["interval", "box", "strip"])
def test_exposure_draws_each_regimen(kind):
    data = exposure(simulation()["Cc"], tau=12)
    ax = plot.exposure(data, "Ctrough", kind=kind, log=True, thresholds={"target": 1.0})
    assert ax.get_ylabel() == "Ctrough [mg/L]"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["q24h", "q12h"]
    if kind != "box":
        middles = [float(np.mean(heights(line))) for line in lines(ax, "_median")]
        np.testing.assert_allclose(middles, data["Ctrough"].median("subject"), rtol=1e-12)


def test_exposure_of_several_metrics_and_of_one_subject():
    data = exposure(simulation()["Cc"], tau=12)
    axes = plot.exposure(data, ["AUCtau", "half_life"])
    assert [ax.get_ylabel() for ax in axes] == ["AUCtau [mg·h/L]", "Half-life [h]"]
    one = plot.exposure(data.isel(subject=0), "Cmax")
    assert [float(heights(v)[0]) for v in lines(one, "_value")] == data["Cmax"][:, 0].values.tolist()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s: plot.concentration(s, "cc"), r"no output 'cc'; it has Cc \(did you mean 'Cc'\?\)"),
        (lambda s: plot.concentration(s, facet="Regimen"), r"facet='Regimen': .*did you mean 'regimen'"),
        (lambda s: plot.concentration(s, by="dose"), "by='dose': the output has no such dim; it has regimen"),
        (lambda s: plot.concentration(s, by=None), r"dim regimen is neither in by nor in facet; .*\.sel\(regimen="),
        (lambda s: plot.concentration(s, bands=(90,)), "bands must be fractions between 0 and 1, got 90"),
        (lambda s: plot.concentration(s, individual=-1), "individual must be True, False or a number >= 0, got -1"),
        (lambda s: plot.concentration(s, doses="Depot"), r"no dose goes into 'Depot'; .*did you mean 'depot'"),
        (lambda s: plot.concentration(s, time_unit="days"), "time_unit 'days' is unknown; there is h, d"),
        (lambda s: plot.concentration(s, width="doubel"), r"width 'doubel' is unknown; .*did you mean 'double'"),
        (lambda s: plot.concentration(s, width=5), "width must be from 30 to 500 mm, got 5"),
        (
            lambda s: plot.concentration(s, thresholds={"x": 0.0}, log=True),
            "'x' must be finite and > 0 on a log axis, got 0",
        ),
        (
            lambda s: plot.concentration(s, observed=pd.DataFrame({"time": [1], "DV": [1]})),
            r"no column TIME; it has time, DV",
        ),
        (
            lambda s: plot.concentration(s, observed=pd.DataFrame({"TIME": [1], "DV": ["a"]})),
            "column DV is not numeric",
        ),
        (lambda s: plot.concentration(s, facet="regimen", ax=plt.gca()), "2 panels do not fit one Axes"),
        (lambda s: plot.concentration(s["status"]), "a plot needs a dim 'time'"),
        (lambda s: plot.compare(s.sel(regimen="q12h")), "dim='regimen': the output has no such dim.*name regimens"),
        (lambda s: plot.exposure(exposure(s["Cc"], tau=12), "Cmx"), r"no metric 'Cmx'; .*did you mean 'Cmax'"),
        (
            lambda s: plot.exposure(exposure(s["Cc"], tau=12), kind="bar"),
            "kind 'bar' is unknown; there is interval, box, strip",
        ),
        (lambda s: plot.exposure(exposure(s["Cc"], tau=99)), "'AUCtau' has no value to draw; see interval_status"),
        (lambda s: plot.exposure(exposure(s["Cc"]), "Cmax", by="dose"), "by='dose': the exposure has no such dim"),
    ],
)
def test_bad_input_names_the_culprit(call, text):
    with pytest.raises(DataError, match=text):
        call(simulation())


def test_a_bolus_is_drawn_as_the_jump_that_it_is():
    """100 mg into 10 L every 12 h, k 0.2 1/h: the peaks lie between the times that were asked for."""
    model = Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.2, "1/h", "loss"), Parameter("V", 10.0, "L", "volume")],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        outputs=[Output("Cc", "mg/L")],
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    doses = {"single": Regimen(amt=100, ii=12, addl=2), "steady": Regimen(amt=100, ii=12, ss=1, addl=2)}
    sims = simulate(model, doses, times=hours(0, 36, 12))
    left = np.exp(-2.4)
    for axes, first in zip(plot.compare(sims, "Cc"), (10.0, 10 / (1 - left)), strict=True):
        line = max(axes.lines, key=lambda one: (one.get_color() != "#B8B8B8", len(np.asarray(one.get_xdata()))))
        time, shown = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert time.tolist()[0] == 0
        np.testing.assert_allclose(shown[0], first, rtol=1e-8)
        np.testing.assert_allclose(shown[time == 12][-1], first * left + 10, rtol=1e-8)
        np.testing.assert_allclose(shown[time == 12][0], first * left, rtol=1e-8)
