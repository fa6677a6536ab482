"""Profiles, comparison of fits and covariate search."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_after_tools import block_fit, occasion_model, plain_fit, weight_fit, weight_table
from fit_data import bolus_model, simulated, simulated_table

import pkpd
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Fo, Focei
from pkpd.estimation.result import Fit
from pkpd.estimation.search import stepwise as search_module
from pkpd.estimation.search.criteria import chi2_tail, compare_fits, likelihood_ratio
from pkpd.estimation.search.relations import Relation, relations_for, with_relations
from pkpd.estimation.search.stepwise import covariate_search
from pkpd.estimation.uncertainty.profile_of_fit import Held
from pkpd.estimation.uncertainty.profiles import profile

# -- profiles


@pytest.fixture(scope="module")
def profiled() -> Any:
    return profile(block_fit())


def test_ends_of_intervals_cost_what_the_level_says(profiled: Any) -> None:
    """At each end a search with the quantity fixed there finds the objective that much higher."""
    found = block_fit()
    for name in ("CL", "sigma_prop"):
        for end in ("low", "high"):
            value = profiled.data[end].sel(parameter=name).item()
            held = fit(found.layout.model, found.events, Focei(covariance=None), start={name: value}, fixed=[name])
            assert held.ofv - found.ofv == pytest.approx(3.8415, abs=2e-3), (name, end)


def test_all_quantities_have_intervals_that_hold_the_estimate(profiled: Any) -> None:
    found = block_fit()
    assert list(profiled.data["parameter"].values) == list(found.estimates)
    for name, value in found.estimates.items():
        low, high = (profiled.data[e].sel(parameter=name).item() for e in ("low", "high"))
        assert low < value < high
        # the same order of size as intervals by standard errors, and wider above for variances
        a, b = found.ci()[name]
        assert 0.7 < (high - low) / (b - a) < 1.6, name
    assert set(profiled.data["flag"].values) == {"identifiable"}
    assert "profile likelihood with 95% intervals" in repr(profiled)


def test_a_variance_of_correlated_effects_does_not_depend_on_their_order(profiled: Any) -> None:
    """V stands second in the block, where its variance is a sum of squares; first, it is a number of the vector."""
    model = pkpd.Model(
        "turned", states=[pkpd.State("central", "mg")],
        parameters=[pkpd.Parameter("V", 20.0, "L"), pkpd.Parameter("CL", 2.0, "L/h")],
        omega=[pkpd.Omega(("V", "CL"), [[0.04], [0.02, 0.09]])],
        outputs=[pkpd.Output("Cc", "mg/L", error=pkpd.Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip
    found = profile(fit(model, block_fit().events, Focei(covariance=None)), ["omega_V", "omega_CL,V"])
    for mine, other in (("omega_V", "omega_V"), ("omega_CL,V", "omega_V,CL")):
        for end in ("low", "high"):
            one, two = found.data[end].sel(parameter=mine).item(), profiled.data[end].sel(parameter=other).item()
            assert one == pytest.approx(two, rel=2e-3), (mine, end)


def test_the_held_quantity_keeps_its_value(profiled: Any) -> None:
    names = list(block_fit().estimates)
    for i, name in enumerate(names):
        values, refit = profiled.data["value"].values[i], profiled.data["refit"].values[i, :, i]
        kept = np.isfinite(values)
        np.testing.assert_allclose(values[kept], refit[kept], rtol=1e-9, err_msg=name)


def test_gradients_with_a_quantity_held_are_exact() -> None:
    found = block_fit()
    held = Held(found.objective(), found.x, list(found.estimates).index("omega_V"), 100.0)
    places = found.x.copy()
    places[held.k] = held.axis(found.x) + 0.3
    moved, loglik = held.fit(places)
    again = held.loglik(moved)
    assert again == pytest.approx(loglik, abs=1e-8)
    for k in range(places.size):
        if k != held.k:
            step = np.zeros(places.size)
            step[k] = 1e-3
            assert (held.loglik(moved + step) - held.loglik(moved - step)) / 2e-3 == pytest.approx(0.0, abs=0.02)


@pytest.fixture(scope="module")
def entangled() -> Fit:
    """A fit of one observation each: variances and error cannot be told apart, and one of them falls to 0."""
    frame = simulated(bolus_model(), 12, times=(2.0,))
    return fit(bolus_model(), pkpd.read_events(frame), Focei(covariance=None), fixed=["omega_CL", "CL"])


def test_open_profiles_are_said_to_be_open(entangled: Fit) -> None:
    assert any("omega_V has fallen to 0" in m for m in entangled.messages)
    assert entangled.estimates["omega_V"] < 1e-6
    result = profile(entangled, ["sigma_prop"], reach=30.0)
    assert np.isnan(result.data["low"].item())
    assert np.isfinite(result.data["high"].item())
    assert result.data["flag"].item() == "practically non-identifiable"


@pytest.mark.slow
def test_a_limit_where_the_error_falls_to_nothing_is_that_of_refits(entangled: Fit) -> None:
    """Sigma falls to 0 along the profile, where searches end within some hundredths of the optimum: 1% of the limit."""
    result = profile(entangled, ["omega_V"], reach=30.0)
    assert np.isnan(result.data["low"].item())
    assert result.data["flag"].item() == "practically non-identifiable"
    assert result.notes[0].startswith("'omega_V' was looked for from 1e-08 to ")
    high = result.data["high"].item()

    def beyond(value: float) -> float:
        """Return how far the objective with this variance lies above the threshold, refitted from the start values."""
        options = {"start": {"omega_V": value}, "fixed": ["omega_CL", "CL", "omega_V"]}
        refit = fit(bolus_model(), entangled.events, Focei(covariance=None), **options)
        return refit.ofv - entangled.ofv - 3.8415

    assert beyond(0.99 * high) < 0.0 < beyond(1.01 * high)


def test_profiles_of_other_methods_begin_at_their_own_optimum() -> None:
    saem = replace(plain_fit(), method="saem", x=plain_fit().x + 0.02)
    result = profile(saem, "CL")
    assert result.notes == ("of the objective of FOCEI, not of saem",)
    assert result.data["estimate"].item() == pytest.approx(plain_fit().theta["CL"], rel=1e-3)


def test_a_better_optimum_is_taken_up() -> None:
    worse = replace(plain_fit(), x=plain_fit().x + np.array([0.0, 0.15, 0.0, 0.0, 0.0]))
    result = profile(worse, "CL")
    assert any("a better optimum was found on the way" in n for n in result.notes)
    assert result.data["low"].item() == pytest.approx(profile(plain_fit(), "CL").data["low"].item(), rel=1e-3)


def test_profiles_know_their_names() -> None:
    with pytest.raises(PkpdError, match=r"no estimate 'omega_Cl' \(did you mean 'omega_CL'\?\) \(and 1 more\);"):
        profile(plain_fit(), ["omega_Cl", "x"])
    with pytest.raises(PkpdError, match="no estimates are named"):
        profile(plain_fit(), [])
    with pytest.raises(PkpdError, match=r"reach must be > 1, got 0\.5"):
        profile(plain_fit(), "CL", reach=0.5)
    with pytest.raises(PkpdError, match="profile: level must lie between 0 and 1, got 2"):
        profile(plain_fit(), "CL", level=2)


def test_profiles_can_be_drawn() -> None:
    from pkpd.plot.profile import profiles

    axes = profiles(profile(plain_fit(), ["CL", "omega_V"]))
    assert [a.get_xlabel().split()[0] for a in axes] == ["CL", "omega_V"]


# -- comparison


@pytest.mark.parametrize(
    ("statistic", "df", "boundary", "p"),
    [(3.8415, 1, 0, 0.05), (2.7055, 1, 1, 0.05), (5.1385, 2, 1, 0.05), (4.2306, 2, 2, 0.05), (-1.0, 1, 0, 1.0)],
)
def test_tails_are_those_of_tables(statistic: float, df: int, boundary: int, p: float) -> None:
    """2.71 and 5.14: Stram DO, Lee JW. Biometrics 1994;50:1171-1177; 4.23 solves 0.5 P1 + 0.25 P2 = 0.05."""
    assert chi2_tail(statistic, df, boundary) == pytest.approx(p, abs=1e-4)


def test_likelihood_ratio_of_nested_models() -> None:
    test = likelihood_ratio(plain_fit(), block_fit())
    assert test.df == 1
    assert test.statistic == pytest.approx(plain_fit().ofv - block_fit().ofv)
    assert test.statistic >= 0
    assert test.p == pytest.approx(math.erfc(math.sqrt(test.statistic / 2)))
    assert not test.messages
    assert "with 1 degrees of freedom: p =" in str(test)


def test_likelihood_ratio_says_what_is_strange() -> None:
    worse = replace(block_fit(), ofv=plain_fit().ofv + 5, converged=False)
    test = likelihood_ratio(plain_fit(), worse)
    assert test.p == 1.0
    assert test.messages[0] == "the larger model has not converged"
    assert "the larger model fits worse" in test.messages[1]
    fixed = fit(bolus_model(), block_fit().events, Focei(covariance=None), fixed=["V", "omega_V"])
    other = fit(bolus_model(), block_fit().events, Focei(covariance=None), fixed=["CL"])
    assert "the larger model does not estimate CL: are the models nested?" in likelihood_ratio(fixed, other).messages
    with pytest.raises(PkpdError, match="larger model has 5 estimates, the smaller one 6; give the smaller one first"):
        likelihood_ratio(block_fit(), plain_fit())
    with pytest.raises(PkpdError, match="boundary must be from 0 to 1, the further estimates, got 2"):
        likelihood_ratio(plain_fit(), block_fit(), boundary=2)


def test_only_what_can_be_compared_is_compared() -> None:
    other = fit(bolus_model(), simulated_table(8), Focei(covariance=None))
    with pytest.raises(PkpdError, match=r"between 1 of 2 fits: 'b' is of 40 observations of 'events', 'a' of 80"):
        compare_fits(a=plain_fit(), b=other)
    by_fo = replace(plain_fit(), method="fo")
    with pytest.raises(PkpdError, match="'larger' is by fo, 'smaller' by focei; fit the same rows by the same method"):
        likelihood_ratio(plain_fit(), by_fo)


def test_table_of_fits() -> None:
    table: Any = compare_fits(full=block_fit(), diagonal=plain_fit())
    assert table["aic"].is_monotonic_increasing
    assert table["daic"].min() == 0.0
    assert table["weight"].sum() == pytest.approx(1.0)
    assert table.loc["full", "parameters"] == 6
    ratio = table.loc["full", "weight"] / table.loc["diagonal", "weight"]
    assert ratio == pytest.approx(math.exp(0.5 * (plain_fit().aic - block_fit().aic)))
    assert table.loc["full", "dbic"] == pytest.approx(block_fit().bic - min(block_fit().bic, plain_fit().bic))
    assert set(compare_fits(plain_fit(), block_fit()).index) == {"bolus", "bolus (2)"}
    with pytest.raises(PkpdError, match="give two fits or more, got 1"):
        compare_fits(plain_fit())
    with pytest.raises(PkpdError, match="bolus is named twice"):
        compare_fits(plain_fit(), bolus=block_fit())


# -- relations


def person(model: pkpd.Model, name: str, **covariates: float) -> float:
    return model.evaluate({}, {}, covariates)[name]


@pytest.mark.parametrize(
    ("shape", "value"),
    [("linear", 2 * (1 + 0.01 * 20)), ("power", 2 * (90 / 70) ** 0.01), ("exponential", 2 * math.exp(0.01 * 20))],
)
def test_relations_are_what_they_say(shape: str, value: float) -> None:
    relation = Relation("CL", "WT", shape, 70.0, low=40.0, high=120.0)
    model = with_relations(bolus_model(), [relation]).with_values(WT_on_CL=0.01)
    assert person(model, "CL", WT=90.0) == pytest.approx(value)
    assert person(model, "CL", WT=70.0) == pytest.approx(2.0)
    assert person(model, "V", WT=90.0) == 20.0


def test_categorical_relation_has_a_theta_a_level() -> None:
    relation = Relation("V", "ARM", "categorical", 0.0, (1.0, 2.5))
    assert relation.thetas == ("ARM_on_V_1", "ARM_on_V_2p5")
    model = with_relations(bolus_model(), [relation]).with_values(ARM_on_V_1=0.1, ARM_on_V_2p5=-0.2)
    values = [person(model, "V", ARM=a) for a in (0.0, 1.0, 2.5)]
    np.testing.assert_allclose(values, [20.0, 20 * math.exp(0.1), 20 * math.exp(-0.2)])


def test_other_scales_are_moved_on_themselves() -> None:
    model = pkpd.Model(
        "scales", states=[pkpd.State("a", "mg")],
        parameters=[
            pkpd.Parameter("k", 0.1, "1/h", sd=0.1), pkpd.Parameter("b", -1.0, "mg", scale="additive", sd=1.0),
            pkpd.Parameter("F", 0.7, "", scale="logit", bounds=(0.0, 1.0), sd=0.3),
        ],
        outputs=[pkpd.Output("y", "mg", error=pkpd.Additive(1.0))],
        dynamics=lambda t, x, p: {"a": -p.k * x.a}, calculate=lambda t, x, p: {"y": p.F * x.a + p.b},
    )  # fmt: skip
    relations = [Relation(n, "AGE", "linear", 50.0) for n in ("b", "F")]
    new = with_relations(model, relations).with_values(AGE_on_b=0.2, AGE_on_F=0.05)
    assert person(new, "b", AGE=60.0) == pytest.approx(-1.0 + 2.0)
    assert person(new, "F", AGE=60.0) == pytest.approx(1 / (1 + math.exp(-(math.log(0.7 / 0.3) + 0.5))))


def test_effects_come_after_those_of_the_model_and_keep_all_else() -> None:
    base = bolus_model(
        covariates=[pkpd.Covariate("WT", "kg", 70.0)], individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)}
    )
    base = base.replace(values={"CL": 3.0}, omega=np.array([[0.09, 0.02], [0.02, 0.04]]))
    new = with_relations(base, [Relation("CL", "AGE", "power", 50.0), Relation("V", "WT", "exponential", 70.0)])
    assert person(new.with_values(AGE_on_CL=1.0), "CL", AGE=100.0, WT=140.0) == pytest.approx(12.0)
    np.testing.assert_array_equal(new.omega, base.omega)
    assert new.etas == base.etas
    assert new.covariates["AGE"].reference == 50.0
    assert new.parameters["WT_on_V"].unit == "1/(kg)"
    between = occasion_model()
    added = with_relations(between, [Relation("CL", "AGE", "power", 50.0)])
    np.testing.assert_array_equal(added.omega_iov, between.omega_iov)
    assert added.iov_etas == ("CL",)


def test_relations_in_a_part_of_a_model() -> None:
    whole = pkpd.Model("whole", parts={"drug": bolus_model()})
    new = with_relations(whole.with_values(**{"drug.V": 30.0}), [Relation("drug.CL", "AGE", "power", 50.0)])
    moved = new.replace(values={"AGE_on_drug_CL": 1.0})
    assert person(moved, "drug.CL", AGE=100.0) == pytest.approx(4.0)
    assert person(moved, "drug.V", AGE=100.0) == pytest.approx(30.0)
    np.testing.assert_array_equal(new.omega, whole.omega)


def test_linear_effects_stay_positive_in_the_data() -> None:
    (relation,) = relations_for(weight_fit(), {"CL": {"WT": "linear"}})
    (parameter,) = relation.parameters("kg", multiplies=True)
    assert parameter.bounds is not None
    for theta in parameter.bounds:
        for x in (relation.low, relation.high):
            assert 1 + theta * (x - relation.centre) > 0


def test_relations_have_usual_shapes() -> None:
    found = relations_for(weight_fit(), {"CL": ["WT", "SEX"], "V": {"WT": ["linear", "power"]}})
    assert [r.shape for r in found] == ["power", "categorical", "linear", "power"]
    weights = weight_table().frame["WT"].to_numpy()[weight_table().starts[:-1]]
    assert found[0].centre == pytest.approx(np.median(weights))


def test_relations_that_cannot_be_are_told_all_at_once() -> None:
    with pytest.raises(PkpdError) as told:
        relations_for(
            weight_fit(),
            {"Cl": ["WT"], "CL": {"HT": "power", "WT": "cubic", "SEX": "power", "AGE": "categorical"}},
        )
    text = str(told.value)
    assert text.startswith("covariate search: 5 relations cannot be tried: model 'bolus' has no parameter 'Cl'")
    assert "the data have no covariate 'HT'; they have" in text
    assert "relation must be linear, power, exponential, categorical, got 'cubic'" in text
    assert "power of SEX on CL: the covariate must be > 0, its least is 0" in text
    assert "categorical of AGE on CL: it has 30 values, 10 at most" in text
    with pytest.raises(PkpdError, match="no relations are named"):
        relations_for(weight_fit(), {})


def test_covariates_must_differ_and_be_there() -> None:
    frame = simulated(bolus_model(), 6)
    frame["WT"], frame["AGE"] = 70.0, np.where(frame["ID"] == 2, np.nan, frame["ID"])
    found = fit(bolus_model(), pkpd.read_events(frame), Fo(covariance=None))
    with pytest.raises(PkpdError, match=r"'WT' is 70 in all subjects; covariate 'AGE' is missing in 1 subjects"):
        relations_for(found, {"CL": ["WT", "AGE"]})


# -- search


@pytest.fixture(scope="module")
def wanted() -> dict[str, Any]:
    return {"CL": {"WT": "power", "SEX": None}, "V": ["AGE"]}


def test_the_search_finds_what_is_there(wanted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "scm.jsonl"
    found = covariate_search(weight_fit(), wanted, forward=0.02, checkpoint=path)
    assert [str(r) for r in found.relations] == ["WT on CL, power"]
    assert found.fit.theta["WT_on_CL"] == pytest.approx(1.0, abs=0.35)
    assert found.fit.omega[0, 0] < 0.75 * weight_fit().omega[0, 0]
    log = found.log
    assert log["direction"].tolist() == ["forward"] * 5 + ["backward"]
    assert log["chosen"].tolist()[:3] == [True, False, False]
    test = likelihood_ratio(weight_fit(), found.fit)
    assert log["p"].iloc[0] == pytest.approx(test.p, rel=1e-3)
    assert log["drop"].iloc[-1] == pytest.approx(log["drop"].iloc[0])
    assert "1. added: WT on CL, power, dOFV" in repr(found)
    # nothing is fitted twice when it goes on
    again = covariate_search(weight_fit(), wanted, forward=0.02, checkpoint=path)
    pd.testing.assert_frame_equal(log, again.log)
    assert again.messages[0] == f"5 models were read from {path}"
    with pytest.raises(PkpdError, match=r"covariate search: checkpoint .* is of other work"):
        covariate_search(plain_with_weight(), wanted, checkpoint=path)


def plain_with_weight() -> Fit:
    return replace(weight_fit(), x=weight_fit().x + 0.01)


def test_what_does_not_count_is_taken_away_again(wanted: dict[str, Any]) -> None:
    found = covariate_search(weight_fit(), wanted, forward=0.999999, backward=0.001)
    assert [str(r) for r in found.relations] == ["WT on CL, power"]
    assert len(found.log[(found.log["direction"] == "backward") & found.log["chosen"]]) == 2
    assert "taken away: AGE on V, power" in repr(found)


def test_nothing_may_be_found() -> None:
    found = covariate_search(weight_fit(), {"V": ["SEX"]}, forward=1e-4)
    assert found.relations == ()
    assert found.fit is weight_fit()
    assert "final model: no relation" in repr(found)


def test_failed_models_are_told(wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    work = search_module._refit

    def sometimes(found: Fit, relations: Any, how: Any) -> Fit:
        if any(r.covariate == "SEX" for r in relations):
            raise DataError("it went wrong")
        return work(found, relations, how)

    monkeypatch.setattr(search_module, "_refit", sometimes)
    found = covariate_search(weight_fit(), wanted, forward=0.02)
    assert [str(r) for r in found.relations] == ["WT on CL, power"]
    assert found.messages == (
        "2 of 6 models failed (first: step 1, SEX on CL, categorical: DataError: it went wrong)",
    )  # fmt: skip
    assert np.isnan(found.log["p"].to_numpy(float)).sum() == 2


def test_searches_say_what_they_need(wanted: dict[str, Any]) -> None:
    with pytest.raises(PkpdError, match="forward must lie between 0 and 1, got 5"):
        covariate_search(weight_fit(), wanted, forward=5)
    with pytest.raises(PkpdError, match="a fit by nuts has no likelihood ratio; fit by focei first"):
        covariate_search(replace(weight_fit(), method="nuts"), wanted)
