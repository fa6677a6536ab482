"""Figures of a calibration: what is drawn where, and that nothing global changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from calibration_toy import drug_model, evidence, fact, other_facts, small_study

from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.checks.sbc import RankTest
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.nuts import Nuts
from pkpd.plot.calibration import densities, forest
from pkpd.plot.courses import course
from pkpd.plot.diagnosis import predicted, ranks, traces


@pytest.fixture(scope="module")
def fitted():
    report = other_facts(evidence(), fact("p1_late", "p1", "below", 0.04, 2.0))
    return fit(small_study(evidence=[report]), method=Mode(draws=200, predictive=100))


@pytest.fixture(scope="module")
def sampled():
    how = Nuts(seed=0, predictive=20, chains=2, tune=100, draws=80, target_accept=0.85, maxdepth=7)
    return fit(small_study(), method=how, progress=False)


def lines(ax, label):
    return [line for line in ax.lines if line.get_label() == label]


def test_densities_have_prior_and_posterior_of_each_number(fitted):
    axes = densities(fitted)
    assert [ax.get_title(loc="left") for ax in axes] == ["location of CL", "V", "error factor of Cc"]
    assert [len(lines(ax, "_posterior")) for ax in axes] == [2, 1, 1]
    x, y = lines(axes[1], "_posterior")[0].get_data()
    # the density is per unit of log V
    assert np.trapezoid(y, np.log(x)) == pytest.approx(1.0, abs=0.02)
    assert x[np.argmax(y)] == pytest.approx(np.median(fitted.draws("V")), rel=0.05)
    assert axes[1].get_xlabel() == "[L]"


def test_densities_of_a_parameter_by_patient(fitted):
    (ax,) = densities(fitted, ["CL"], width="single")
    assert len(lines(ax, "_posterior")) == 3
    assert len({line.get_color() for line in lines(ax, "_posterior")}) == 2


def test_forest_shows_quantiles_by_cohort(fitted):
    ax = forest(fitted, "CL", outcomes={"toy/p1": True, "toy/p2": False})
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A", "p1", "p2", "B", "p3"]
    draws = fitted.draws("CL")[:, 1]
    np.testing.assert_allclose(lines(ax, "_95")[2].get_xdata(), np.quantile(draws, [0.025, 0.975]))
    np.testing.assert_allclose(lines(ax, "_50")[2].get_xdata(), np.quantile(draws, [0.25, 0.75]))
    medians = lines(ax, "_median")
    assert medians[1].get_markerfacecolor() != "white"
    assert medians[2].get_markerfacecolor() == "white"
    with pytest.raises(DataError, match="the calibration has no variable 'V'; it has CL"):
        forest(fitted, "V")


def test_predicted_facts_are_sorted_and_those_outside_named(fitted):
    left, right = predicted(fitted)
    points = left.collections[1].get_offsets()
    table = fitted.facts()
    np.testing.assert_allclose(points[:, 1], np.sort(table["pit"].dropna()))
    texts = [t.get_text() for t in right.texts]
    assert texts == ["toy p1 Cc"]  # the peak of 11 mg/L is on the same day
    assert not table.set_index("fact").loc["toy/p1_late", "inside"]


def test_a_course_has_a_panel_for_each_output_with_its_facts(fitted):
    axes = course(fitted, "p1", draws=40)
    assert [ax.get_ylabel().splitlines()[0] for ax in axes] == ["Cc [mg/L]", "tox"]
    facts = lines(axes[0], "_fact")
    assert {line.get_marker() for line in facts} == {"o", "^"}
    at = [float(line.get_xdata()[0]) for line in facts]
    assert sorted(at) == pytest.approx([0.04, 0.25])
    assert len(lines(axes[0], "_ratio")) == 1
    assert {line.get_color() for line in lines(axes[0], "_bound")} == {"#222222", "#D55E00"}
    assert next(t.get_text() for t in axes[1].texts) == "0-1"
    low = course(fitted, "p1", ["activity"], days=(0.0, 1.0), draws=10, width="single")[0]
    assert low.get_xlim() == (0.0, 1.0)


@pytest.mark.parametrize("unit", ["min", "h", "d", "w"])
def test_facts_stand_on_the_days_of_the_report_whatever_the_models_clock(unit):
    report = evidence(people=("p1",))
    report = replace(report, source=replace(report.source, start_day=-2.0))
    asked = small_study(model=drug_model(unit), evidence=[report])
    axes = course(fit(asked, method=Mode(draws=20, predictive=1)), "p1", draws=5)
    days = {
        label: {float(x) for line in lines(axes[0], label) for x in line.get_xdata()} for label in ("_fact", "_ratio")
    }
    assert days == {"_fact": {0.25, 0.04}, "_ratio": {0.1, 0.6}}
    (window,) = lines(axes[0], "_window")
    assert list(window.get_xdata()) == [0.0, 0.5]
    assert {x for line in lines(axes[0], "_bound") for x in line.get_xdata()} == {0.1, 1.0, 2.0}
    assert next(t.xy[0] for t in axes[1].texts if hasattr(t, "xy")) == 0.1  # the grade


def test_grades_of_a_course_are_mean_probabilities(fitted):
    (ax,) = course(fitted, "p1", ["tox"], draws=60, width="single")
    vertices = ax.collections[0].get_paths()[0].vertices
    people = fitted.population(60, patient="p1")
    from pkpd.simulation.api import simulate

    problem = fitted.study.problem
    sims = simulate(problem.model, problem.subjects[0].regimen, people, [24.0], outputs=["tox"], rtol=1e-6, atol=1e-9)
    none = 1 - problem.model.outputs["tox"].error.exceedance(sims["tox"].values)[..., 0].mean()
    top = vertices[np.isclose(vertices[:, 0], 1.0, atol=0.006), 1].max()
    assert top == pytest.approx(none, abs=0.03)


def test_courses_that_cannot_be_drawn_are_refused(fitted):
    with pytest.raises(DataError, match=r"model 'bolus' has no output 'cc' \(did you mean 'Cc'\?\)"):
        course(fitted, "p1", ["cc"])
    with pytest.raises(PkpdError, match="'p7' is no patient"):
        course(fitted, "p7")
    silent = fit(small_study(exclude=["*/p1_*"]), method=Mode(draws=20, predictive=1))
    with pytest.raises(DataError, match="nothing is reported of 'toy/p1'; name the outputs to draw"):
        course(silent, "p1")


def test_rank_histograms_count_all_reports():
    values = np.random.default_rng(0).integers(0, 100, (200, 2))
    axes = ranks(RankTest(pd.DataFrame(values, columns=["CL", "V"]), 99, 0))
    assert sum(bar.get_height() for bar in axes[0].patches if bar.get_label() != "_band") >= 200
    assert len(axes) == 2
    with pytest.raises(DataError, match="has no variable 'k'"):
        ranks(RankTest(pd.DataFrame(values, columns=["CL", "V"]), 99, 0), ["k"])


def test_traces_show_every_chain(sampled):
    grid = traces(sampled, ["CL[toy/p2]", "V"])
    assert grid.shape == (2, 2)
    chain = lines(grid[0, 0], "_chain")[1].get_ydata()
    np.testing.assert_array_equal(chain, sampled.posterior["CL"].sel(patient="toy/p2").values[1])
    assert "R-hat" in grid[1, 0].get_title(loc="left")
    assert traces(sampled).shape == (6, 2)
    with pytest.raises(DataError, match="names is empty"):
        traces(sampled, [])
