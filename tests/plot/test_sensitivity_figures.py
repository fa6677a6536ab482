"""Figures of sensitivity: what is drawn where, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.container import BarContainer
from sensitivity_models import area_model

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError
from pkpd.estimation.uncertainty.profiles import profile
from pkpd.people import Population
from pkpd.plot import indices, profiles, screening, tornado
from pkpd.sensitivity_analysis.api import METHODS, sensitivity

DOSE = Regimen.parse("100 mg once", cmt="depot")
TIMES = np.arange(0.0, 25.0, 1.0)
NAMES = ["CL", "V", "ka", "F"]


def study(of: Any, method: str = "sobol") -> Any:
    how = METHODS[method](**({} if method == "local" else {"n": 32}))
    return sensitivity(area_model(), DOSE, times=TIMES, of=of, parameters=NAMES, method=how)


def bars(ax):
    return [c for c in ax.containers if isinstance(c, BarContainer)]


def labels(ax):
    return [t.get_text() for t in ax.get_yticklabels()]


def test_tornado_of_elasticities_is_sorted_and_signed():
    found = study("Cc.max", "local")
    ax = tornado(found)
    widths = np.array([b.get_width() for b in bars(ax)[0]])
    assert (np.diff(np.abs(widths)) >= 0).all()
    elasticity = found.data["elasticity"].sel(quantity="Cc.max")
    np.testing.assert_allclose(widths, [elasticity.sel(parameter=n).item() for n in labels(ax)])
    colours = {b.get_facecolor() for b in bars(ax)[0]}
    assert len(colours) == 2
    assert ax.get_xlabel() == "Elasticity of Cc.max"
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["increases", "decreases"]


def test_tornado_of_shares():
    found = study(["Cc.max", "Cc.last"])
    ax = tornado(found, "Cc.last", most=2)
    assert len(labels(ax)) == 2
    total, first = bars(ax)[0], bars(ax)[1]
    data = found.data.sel(quantity="Cc.last")
    assert total[-1].get_width() == pytest.approx(float(data["ST"].max()))
    assert first[-1].get_width() == pytest.approx(data["S1"].sel(parameter=labels(ax)[-1]).item())
    assert ax.get_xlabel() == "Share of the variance of Cc.last"
    ax = tornado(study("Cc", "variance"))
    assert sorted(labels(ax)) == ["between subjects", "parameter uncertainty"]
    assert ax.get_xlabel().endswith("over time")


def test_areas_fill_the_variance():
    found = study("Cc")
    axes = indices(found, most=2, time_unit="d")
    assert len(axes) == 2
    areas = [c for c in axes[0].collections if c.get_label() in ("_area", "_interactions")]
    assert len(areas) == 4
    assert max(v[1] for v in areas[-1].get_paths()[0].vertices) == pytest.approx(1, rel=1e-12)
    drawn = [line for line in axes[1].lines if line.get_label() == "_line"]
    assert len(drawn) == 2
    best = found.over_time()["ST"].sel(quantity="Cc").idxmax("parameter").item()
    np.testing.assert_allclose(drawn[0].get_ydata(), found.data["ST"].sel(quantity="Cc", parameter=best))
    assert axes[0].get_xlabel() == "Time [d]"
    assert axes[0].get_xlim() == (0, 1)


def test_elasticities_over_time():
    found = study("Cc", "local")
    axes = indices(found)
    assert len(axes) == 1
    assert len([line for line in axes[0].lines if line.get_label() == "_line"]) == 4
    assert axes[0].get_ylabel() == "Elasticity of Cc"


def test_screening_points_and_names():
    found = study("Cc.max", "morris")
    ax = screening(found)
    points = ax.containers[0][0]
    np.testing.assert_allclose(points.get_xdata(), found.data["mu_star"].sel(quantity="Cc.max"))
    np.testing.assert_allclose(points.get_ydata(), found.data["sigma"].sel(quantity="Cc.max"))
    assert sorted(t.get_text() for t in ax.texts) == sorted(NAMES)


def test_profiles_show_threshold_and_interval():
    found = profile(lambda v: -0.5 * (v["x"] - 3) ** 2 + 0 * v["y"], start={"x": 1.0, "y": 1.0})
    axes = profiles(found)
    assert len(axes) == 2
    level = next(line for line in axes[0].lines if line.get_label() == "_threshold")
    np.testing.assert_allclose(level.get_ydata(), 3.8415, rtol=1e-4)
    curve = next(line for line in axes[0].lines if line.get_label() == "_profile")
    x, y = np.asarray(curve.get_xdata(), float), np.asarray(curve.get_ydata(), float)
    np.testing.assert_allclose(y, (x - 3) ** 2, atol=0.03)
    shown = [t.get_text() for t in axes[0].get_figure().legends[0].get_texts()]
    assert shown == ["identifiable", "structurally non-identifiable"]


def test_several_persons_need_a_choice():
    people = Population.typical(area_model(), 2, covariates={"WT": [50.0, 90.0]})
    found = sensitivity(area_model(), DOSE, people, TIMES, of="Cc", parameters=NAMES, method="local")
    with pytest.raises(DataError, match="also has dim subject; choose one of 1, 2: subject="):
        tornado(found)
    with pytest.raises(DataError, match="no dim 'regimen' to choose from; it has subject"):
        tornado(found, regimen="a")
    with pytest.raises(DataError, match="no entry subject=7; it has subject: 1, 2"):
        tornado(found, subject=7)
    assert labels(tornado(found, subject=2))


def test_wrong_results_are_refused():
    local, lines = study("Cc.max", "local"), profile(lambda v: -(v["x"] ** 2), start={"x": 1.0})
    with pytest.raises(DataError, match=r"'Cc.max' is not over time; draw it as a tornado"):
        indices(local)
    with pytest.raises(DataError, match="a screening figure is of method='morris', this result is of 'local'"):
        screening(local)
    with pytest.raises(DataError, match=r"a profile figure is of pkpd.uncertainty.profile, this result is of 'local'"):
        profiles(local)
    with pytest.raises(DataError, match="a result of 'profile' has no indices to draw"):
        tornado(lines)
    with pytest.raises(DataError, match="no quantity 'Cc'"):
        tornado(local, "Cc")
