"""Comparisons of schedules: laws of dosing, definitions of the measures, paired contrasts, targets."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pkpd.comparison import Arm, Measure, Target, by_covariate, by_start, day_below, schedules
from pkpd.comparison.compare import compare
from pkpd.comparison.statistics import contrast, summary
from pkpd.dosing.regimen import Regimen
from pkpd.library import load_model
from pkpd.metrics import exposure
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import LogNormal, Ordinal
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.timegrid import hours

IC50 = 0.027


@pytest.fixture(scope="module")
def model():
    return load_model("anakinra")


@pytest.fixture(scope="module")
def built_in(model):
    return compare(model, n=40, measures="all", IC50=IC50, seed=3)


@pytest.fixture(scope="module")
def marker():
    """A drug that holds back a marker, and a grade that follows the marker: every curve in closed form."""
    return Model(
        "marker",
        states=[State("central", "mg")],
        parameters=[
            Parameter("k", 0.1, "1/h", cv=0.3),
            Parameter("V", 10.0, "L"),
            Parameter("R0", 100.0, "mg/L"),
            Parameter("C50", 1.0, "mg/L"),
        ],
        covariates=[Covariate("WT", "kg", 70)],
        outputs=[
            Output("Cc", "mg/L", error=LogNormal(0.2)),
            Output("CRP", "mg/L", error=LogNormal(0.3)),
            Output("grade", "", error=Ordinal((0.0, 1.0, 2.0))),
        ],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {
            "Cc": x.central / p.V,
            "CRP": p.R0 / (1 + x.central / p.V / p.C50),
            "grade": 3 - x.central / p.V / p.C50,
        },
    )


def values(found, measure, regimen):
    return found.dataset[measure].sel(regimen=regimen).values


def test_twice_the_dose_is_twice_the_exposure(built_in):
    for measure in ("AUCtau", "AUC24", "Cmax", "Ctrough", "Cavg", "Ccsf_max", "Ccsf_mean"):
        ratio = values(built_in, measure, "200 mg daily") / values(built_in, measure, "100 mg daily")
        np.testing.assert_allclose(ratio, 2.0, rtol=1e-8)


@pytest.mark.parametrize(("regimen", "part"), [("100 mg every other day", 0.5), ("100 mg BID", 2.0)])
def test_exposure_per_day_is_the_dose_per_day(built_in, regimen, part):
    ratio = values(built_in, "AUC24", regimen) / values(built_in, "AUC24", "100 mg daily")
    np.testing.assert_allclose(ratio, part, rtol=5e-4)


def test_area_at_steady_state_is_dose_over_clearance(model, built_in):
    people = Population.draw(model, 40, seed=3)
    clearance = 9.61 * np.exp(people.etas[:, model.etas.index("CL")])
    np.testing.assert_allclose(values(built_in, "AUC24", "100 mg daily"), 0.86 * 100 / clearance, rtol=1e-3)
    np.testing.assert_allclose(values(built_in, "AUC24", "100 mg IV daily"), 100 / clearance, rtol=1e-3)


def test_blockade_is_the_formula(built_in):
    for regimen in schedules(load_model("anakinra")):
        trough = values(built_in, "Ctrough", regimen)
        np.testing.assert_allclose(values(built_in, "blockade_trough", regimen), trough / (trough + IC50), rtol=1e-9)


def test_time_above_agrees_with_a_fine_grid(model, built_in):
    people = Population.draw(model, 40, seed=3)
    sims = simulate(
        model, Regimen.parse("100 mg every other day x7", cmt="depot"), people, hours(0, 336, 0.02), outputs=["Cc"]
    )
    direct = (sims["Cc"].values > IC50).mean(axis=1)
    np.testing.assert_allclose(values(built_in, "time_above_IC50", "100 mg every other day"), direct, atol=2e-3)


def test_infusion_by_weight_follows_each_subject(model):
    people = Population.draw(model, 3, covariates={"WT": np.array([50.0, 70.0, 100.0])}, seed=1)
    found = compare(model, ["2 mg/kg/h IV for 72 h"], population=people, measures=["Cmax"])
    cl = 9.61 * np.exp(people.etas[:, 0]) * (people.covariates["WT"] / 70) ** 0.47
    np.testing.assert_allclose(found.dataset["Cmax"].values[0], 2 * people.covariates["WT"] / cl, rtol=1e-3)


def test_every_built_in_schedule_has_a_source_and_a_dose(model, built_in):
    assert tuple(schedules(model)) == built_in.regimens
    assert all(known.source.endswith(("read", "assumed")) for known in schedules(model).values())
    burden = dict(zip(built_in.regimens, built_in.dataset["mg_per_day"].values, strict=True))
    assert burden["100 mg BID"] == 200.0
    assert burden["100 mg every other day"] == 50.0
    assert dict(zip(built_in.regimens, built_in.dataset["doses_per_day"].values, strict=True))["100 mg BID"] == 2.0


def test_grades_and_marker_against_direct_computation(marker):
    dose = Regimen(amt=50, cmt="central", ii=24, addl=2)
    people = Population.draw(marker, 5, seed=2)
    found = compare(marker, {"a": dose}, population=people, measures="all", window=(0, 120), times=hours(0, 120, 0.1))
    k = 0.1 * np.exp(people.etas[:, 0])[:, None]
    time = np.arange(0, 120.0005, 0.001)
    parts = [np.where(time > t, 5.0 * np.exp(-k * np.clip(time - t, 0, None)), 0.0) for t in (0, 24, 48)]
    conc = np.sum(parts, axis=0)
    above = np.stack([1 / (1 + np.exp(-(3 - conc - cut))) for cut in (0.0, 1.0, 2.0)])
    expect = {
        "grade_grade_days": np.trapezoid(above.sum(axis=0), time) / 24,
        "grade_days_grade3": np.trapezoid(above[2], time) / 24,
        "CRP_area": np.trapezoid(100 / (1 + conc), time) / 24,
    }
    for name, direct in expect.items():
        np.testing.assert_allclose(values(found, name, "a"), direct, rtol=2e-4)
    assert found.dataset["grade_grade_days"].attrs["units"] == "grade*d"
    np.testing.assert_allclose(values(found, "Cmax", "a"), conc[:, time > 48].max(axis=1), rtol=1e-3)


def test_window_is_common_to_all_arms(marker):
    late = by_start(Regimen(amt=50, cmt="central", ii=24, addl=1), [0, 3])
    found = compare(marker, late, n=4, measures=["CRP_area"])
    assert found.dataset.attrs["window"] == [0.0, 120.0]
    nothing = compare(
        marker, {"none": Regimen(doses=[]), **late}, n=4, measures=["CRP_area", "Ctrough"], window=(0, 120)
    )
    np.testing.assert_allclose(values(nothing, "CRP_area", "none"), 500.0)
    assert np.isnan(values(nothing, "Ctrough", "none")).all()


def test_day_of_settling(marker):
    found = compare(
        marker, {"a": Arm(Regimen(amt=50, cmt="central"), parameters={"k": 0.1})}, window=(0, 48),
        population=Population.typical(marker), measures=[day_below("CRP", 90.0), day_below("CRP", 101.0)],
    )  # fmt: skip
    # The marker rises with the loss of the drug: it ends above 90, and is below 101 all along.
    assert np.isinf(values(found, "CRP_day_below_90", "a")[0])
    assert values(found, "CRP_day_below_101", "a")[0] == 0.0
    rising = compare(
        marker, {"a": Regimen(amt=50, cmt="central", time=24)}, population=Population.typical(marker), window=(0, 30),
        measures=[day_below("CRP", 50.0)],
    )  # fmt: skip
    assert values(rising, "CRP_day_below_50", "a")[0] == pytest.approx(1.0, abs=1e-4)
    assert "never" in found.table().to_string()


def test_subjects_are_the_same_in_every_arm(model):
    texts = {"a": "100 mg daily x3", "b": "100 mg daily x3", "c": "200 mg daily x3"}
    found = compare(model, texts, n=30, measures=["AUC24", "Ctrough"])
    table = found.ratios(to="a")
    row = table.loc[("b", "AUC24")]
    assert (row["ratio"], row["difference"], row["P(higher)"], row["n"]) == (1.0, 0.0, 0.5, 30)
    row = table.loc[("c", "AUC24")]
    np.testing.assert_allclose([row["ratio_low"], row["ratio_high"]], 2.0, rtol=1e-8)
    assert row["P(higher)"] == 1.0
    assert np.isnan(row["P(better)"])  # more exposure is not better in itself
    assert table.attrs["to"] == "a"


def test_better_is_lower_for_a_marker(marker):
    dose = Regimen(amt=50, cmt="central", ii=24, addl=1)
    found = compare(marker, {"one": dose, "two": 2 * dose}, n=10, measures=["CRP_area", "grade_grade_days"])
    table = found.ratios()
    for measure in ("CRP_area", "grade_grade_days"):
        assert table.loc[("two", measure), "P(better)"] == 1.0
        assert table.loc[("two", measure), "P(higher)"] == 0.0


def test_blocks_of_subjects_give_the_same_numbers(model, monkeypatch):
    import sys

    module = sys.modules[compare.__module__]
    asked = {"n": 7, "IC50": np.linspace(0.01, 0.04, 7), "measures": ["AUC24", "blockade_trough"]}
    whole = compare(
        model, ["100 mg daily", "2 mg/kg/h IV for 72 h"], covariates={"WT": np.linspace(50, 90, 7)}, **asked
    )
    monkeypatch.setattr(module, "_CELLS", 1500)
    parts = compare(
        model, ["100 mg daily", "2 mg/kg/h IV for 72 h"], covariates={"WT": np.linspace(50, 90, 7)}, **asked
    )
    np.testing.assert_allclose(parts.dataset["AUC24"], whole.dataset["AUC24"], rtol=1e-12)
    np.testing.assert_allclose(parts.dataset["blockade_trough"], whole.dataset["blockade_trough"], rtol=1e-12)


def test_covariate_by_covariate(model):
    found = compare(model, by_covariate("100 mg daily x7", "CRCL", [120, 60, 10]), n=5, measures=["AUC24"])
    areas = found.dataset["AUC24"].values
    np.testing.assert_allclose(areas[1] / areas[0], 10 ** (0.62 * 0.6), rtol=2e-3)
    np.testing.assert_allclose(areas[2] / areas[0], 10 ** (0.62 * 1.1), rtol=1e-2)
    pair = compare(model, by_covariate({"q24h": "100 mg daily x2", "q48h": "100 mg q48h x1"}, "WT", [50, 90]), n=2)
    assert pair.regimens == ("q24h, WT 50", "q24h, WT 90", "q48h, WT 50", "q48h, WT 90")


def test_early_and_late_starts():
    course = Regimen(amt=100, cmt="depot", time=5, ii=24, addl=1)
    found = by_start(course, [0, 7], day_zero=-6)
    assert found["start day 0"].times.tolist() == [144.0, 168.0]
    assert found["start day 7"].times.tolist() == [312.0, 336.0]


def test_background_is_given_to_all_and_counts_as_no_dose(model):
    other = Regimen(amt=50, cmt="central", ii=12, addl=10)
    plain = compare(model, {"a": "100 mg daily x3"}, n=3, measures=["AUC24"])
    both = compare(model, {"a": "100 mg daily x3"}, n=3, measures=["AUC24"], background=other)
    assert (both.dataset["AUC24"] > 1.5 * plain.dataset["AUC24"]).all()
    np.testing.assert_array_equal(both.dataset["doses_per_day"], plain.dataset["doses_per_day"])


def test_lone_dose_counts_for_a_day(model):
    """It has no dosing interval; the area per day is that of the day after it."""
    found = compare(model, {"once": "200 mg x1"}, n=2, measures=["AUCtau", "AUC24", "Cmax"])
    assert np.isnan(found.dataset["AUCtau"]).all()
    sims = simulate(model, Regimen.parse("200 mg", cmt="depot"), Population.draw(model, 2, seed=0), hours(0, 24, 0.05))
    area = exposure(sims["Cc"])
    np.testing.assert_allclose(found.dataset["AUC24"].values[0], area["AUC"], rtol=1e-3)
    np.testing.assert_allclose(found.dataset["Cmax"].values[0], area["Cmax"], rtol=1e-3)
    assert found.dataset["mg_per_day"].values[0] == 200.0


def test_a_measure_of_ones_own(model):
    early = Measure("at_4h", "mg/L", "concentration at 4 h", ("Cc",), lambda c: c.at("Cc", 4.0), "less")
    found = compare(model, {"a": "100 mg daily x2"}, n=3, measures=["Cmax", early])
    sims = simulate(
        model, Regimen.parse("100 mg", cmt="depot"), Population.draw(model, 3, seed=0), [4.0], outputs=["Cc"]
    )
    np.testing.assert_allclose(values(found, "at_4h", "a"), sims["Cc"].values[:, 0], rtol=1e-5)
    assert found.definitions().loc["at_4h", "definition"] == "concentration at 4 h"


def test_targets_are_shares_of_the_subjects(model):
    sought = ["blockade > 0.6 at trough", "Cc < 500 ng/mL at trough", "Cc > 0.2 on average"]
    found = compare(model, {"a": "100 mg daily x7"}, n=60, measures=["Ctrough", "Cavg"], targets=sought, IC50=IC50)
    trough, mean = values(found, "Ctrough", "a"), values(found, "Cavg", "a")
    met = [trough / (trough + IC50) > 0.6, trough < 0.5, mean > 0.2]
    for text, truth in zip(sought, met, strict=True):
        np.testing.assert_array_equal(values(found, text, "a"), truth)
    np.testing.assert_array_equal(values(found, "all targets", "a"), np.all(met, axis=0))
    assert found.table(text=False).loc["a", (sought[0], "probability")] == met[0].mean()


def test_targets_on_days_and_grades(marker):
    people = Population.typical(marker)
    dose = {"a": Regimen(amt=50, cmt="central")}
    sought = ["CRP < 50 by day 0.5", "CRP < 50 from day 0.5", "grade < 2 by day 0.5", "grade >= 2 by day 0.5"]
    found = compare(marker, dose, population=people, targets=sought, window=(0, 24))
    assert [float(values(found, t, "a")[0]) for t in sought[:2]] == [1.0, 0.0]
    latent = 3 - 5 * np.exp(-1.2)
    assert values(found, sought[2], "a")[0] == pytest.approx(1 / (1 + np.exp(latent - 1.0)), rel=1e-4)
    assert values(found, sought[3], "a")[0] == pytest.approx(1 - values(found, sought[2], "a")[0])
    through = compare(marker, dose, population=people, targets=["Cc < 6 throughout", "Cc > 6 at peak"])
    assert [float(through.dataset[t].values[0, 0]) for t in ("Cc < 6 throughout", "Cc > 6 at peak")] == [1.0, 0.0]
    assert str(Target.parse("CRP<10 mg/L   by  day 5")) == "CRP < 10 mg/L by day 5"


def test_a_target_stretches_the_window(marker):
    found = compare(marker, {"a": Regimen(amt=50, cmt="central")}, n=2, targets={"CRP": ("<", 50, "by day 9")})
    assert found.dataset.attrs["window"] == [0.0, 216.0]


def test_subjects_that_cannot_be_solved_are_counted(marker):
    people = Population.draw(marker, 4, parameters={"V": np.array([10.0, 10.0, 1e-310, 10.0])}, seed=0)
    found = compare(marker, {"a": "50 mg into central x2 q24h"}, population=people, measures=["AUC24"])
    assert np.isnan(values(found, "AUC24", "a")).tolist() == [False, False, True, False]
    assert "n=3/4" in found.table().loc["a"].item()


def test_result_is_labelled_and_prints(built_in):
    data = built_in.dataset
    assert data["AUC24"].dims == ("regimen", "subject")
    assert data["AUC24"].attrs["units"] == "mg/L*h"
    assert data["blockade_trough"].attrs["better"] == "more"
    text = repr(built_in)
    assert "40 virtual subjects of 'anakinra'" in text
    assert "not medical advice" in text
    assert "100 mg BID" in built_in._repr_html_()
    json.dumps(dict(data.attrs))
    numbers = built_in.table(["AUC24"], coverage=0.5, text=False)
    low, high = np.quantile(values(built_in, "AUC24", "100 mg BID"), [0.25, 0.75])
    assert numbers.loc["100 mg BID", ("AUC24 [mg/L*h]", "25%")] == pytest.approx(low)
    assert numbers.loc["100 mg BID", ("AUC24 [mg/L*h]", "75%")] == pytest.approx(high)


def test_statistics_of_days_that_never_come():
    never = np.array([np.inf, np.inf, 3.0, np.nan])
    found = contrast(never, np.array([np.inf, 2.0, 3.0, 1.0]), 0.9)
    assert found["n"] == 3
    assert found["P(higher)"] == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert found["difference"] == 0.0
    assert str(summary(never, 0.9, False, "never")).startswith("never")
    assert str(summary(np.ones(300), 0.9, True)) == ">99%"
    assert str(summary(np.ones(60), 0.9, True)) == ">95%"  # rule of three: up to 3 / 60
    assert str(summary(np.full(3, np.nan), 0.9, False)) == "-"


def test_a_list_names_schedules_shorthand_and_regimens():
    """Twice the dose of a linear model, twice the exposure, however it is written."""
    model = load_model("pk1_oral")
    twice = Regimen.parse("200 mg q24h x7", name="double")
    found = compare(model, ["100 mg q24h x7", twice, Regimen.parse("200 mg q24h x7")], n=3)
    assert list(found.dataset["regimen"].values) == ["100 mg q24h x7", "double", "200 mg q24h x7"]
    area = found.dataset["AUC24"].values
    np.testing.assert_allclose(area[1], 2 * area[0], rtol=1e-6)
    np.testing.assert_allclose(area[2], area[1], rtol=1e-12)
    alone = compare(model, "100 mg q24h x7", n=3)
    np.testing.assert_array_equal(alone.dataset["AUC24"].values[0], area[0])


def test_the_name_of_a_schedule_is_one_wherever_a_regimen_may_stand():
    anakinra = load_model("anakinra")
    by_list = compare(anakinra, ["100 mg every other day"], n=3)
    for given in ("100 mg every other day", Arm("100 mg every other day")):
        by_name = compare(anakinra, {"mine": given}, n=3)
        assert by_name.dataset["regimen"].values.tolist() == ["mine"]
        np.testing.assert_array_equal(by_name.dataset["AUC24"].values, by_list.dataset["AUC24"].values)
