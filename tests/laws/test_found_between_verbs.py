"""What was found where verbs meet: one schedule said in several ways has one curve, and one set of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import checks, uncertainty
from pkpd.errors import DataError, PkpdError, RegimenError

# pk1_iv: 5 L/h and 50 L at 70 kg, so that 100 mg into a vein are 2 exp(-0.1 t) mg/L, every 12 h at steady state
# from 2 / (1 - exp(-1.2)) down to that times exp(-1.2).
PEAK = 2 / (1 - np.exp(-1.2))
TROUGH = PEAK * np.exp(-1.2)


@pytest.fixture(scope="module")
def model():
    return pkpd.models["pk1_iv"]


@pytest.fixture(scope="module")
def pair():
    """Two drugs that know nothing of each other: 0.1 and 0.2 per h, 10 L."""
    return pkpd.Model(
        "pair",
        states=[pkpd.State("A", "mg"), pkpd.State("B", "mg")],
        parameters=[pkpd.Parameter("ka", 0.1, "1/h"), pkpd.Parameter("kb", 0.2, "1/h"), pkpd.Parameter("V", 10.0, "L")],
        outputs=[pkpd.Output("Ca", "mg/L"), pkpd.Output("Cc", "mg/L")],
        dynamics=lambda t, x, p: {"A": -p.ka * x.A, "B": -p.kb * x.B},
        calculate=lambda t, x, p: {"Ca": x.A / p.V, "Cc": x.B / p.V},
    )


def rows(first: dict, second: dict | None = None, at: float = 36.0, end: int = 48) -> pd.DataFrame:
    """Return one person's doses, and an observation at every full hour up to the end."""
    nothing = {"ID": 1, "AMT": 0.0, "EVID": 0, "II": 0.0, "ADDL": 0, "SS": 0}
    found = [nothing | {"TIME": 0.0, "AMT": 100.0, "EVID": 1} | first]
    found += [nothing | {"TIME": float(hour)} for hour in range(1, end + 1) if second is None or hour != at]
    found += [] if second is None else [nothing | {"TIME": at, "AMT": 100.0, "EVID": 1} | second]
    return pd.DataFrame(found).sort_values("TIME", kind="stable")


def numbers(sims, *names):
    found = pkpd.exposure(sims["Cc"])
    return [float(found[name].values.ravel()[0]) for name in names]


@pytest.mark.parametrize("addl", [2, 5])
def test_a_row_at_the_time_of_the_last_additional_dose_is_no_trough(model, addl):
    # NONMEM counts the row at 24 h as after the dose, a peak; the interval ends with the trough before it.
    table = pkpd.read_events(rows({"II": 12.0, "ADDL": addl, "SS": 1}, end=24))
    found = numbers(pkpd.simulate(model, table), "Ctrough", "Cmax_tau", "AUCtau", "CL_F", "CL_F_status")
    np.testing.assert_allclose(found, [TROUGH, PEAK, 20.0, 5.0, 1], rtol=1e-9)


TWICE = pkpd.Regimen(100, "central", [0, 36], ii=12, addl=[5, 2], ss=1, unit="mg")


def test_a_dose_at_steady_state_ends_additional_doses_for_all_readers(model):
    assert TWICE.times.tolist() == TWICE.expand().times.tolist() == [0, 12, 24, 36, 48, 60]
    assert TWICE.total == 600
    times = pkpd.hours(0, 72, 1)
    sims = pkpd.simulate(model, TWICE, times=times)
    table = pkpd.EventTable.from_regimen(TWICE, times)
    seen = table.frame["EVID"].to_numpy() == 0
    for again in (
        pkpd.simulate(model, TWICE.expand(), times=times)["Cc"].values,
        pkpd.simulate(model, table)["Cc"].values[seen],
        pkpd.simulate(model, table.regimens()[1], times=times)["Cc"].values,
    ):
        np.testing.assert_allclose(again, sims["Cc"].values, atol=1e-12)
    np.testing.assert_allclose(sims["Cc"].values[66], PEAK * np.exp(-0.6), rtol=1e-9)
    np.testing.assert_allclose(numbers(sims, "AUCtau", "CL_F"), [20.0, 5.0], rtol=1e-9)


def test_compare_counts_the_doses_that_are_given(model):
    found = pkpd.compare(
        model, {"x": TWICE}, population=pkpd.Population.typical(model), measures=["CL_F", "Cmax"]
    ).dataset
    np.testing.assert_allclose(found["CL_F"].values.item(), 5.0, rtol=1e-6)
    # six doses in the 72 h from the first one to one interval after the last
    np.testing.assert_allclose([found["mg_per_day"].item(), found["doses_per_day"].item()], [200.0, 2.0])


@pytest.mark.parametrize("evid", [1, 4])
def test_a_dose_that_a_steady_state_takes_back_at_once_is_not_counted(model, evid):
    table = pkpd.read_events(
        rows({"II": 12.0, "ADDL": 5, "SS": 1}, {"EVID": evid, "II": 12.0, "ADDL": 2, "SS": 1}, end=48)
    )
    found = numbers(pkpd.simulate(model, table), "AUCtau", "CL_F", "interval_start")
    np.testing.assert_allclose(found, [20.0, 5.0, 36.0], rtol=1e-9)


def test_a_reset_leaves_no_clearance_from_the_whole_course(model):
    # What was left of the first dose at 24 h, 9 % of it, is in no area.
    table = pkpd.read_events(rows({}, {"EVID": 4}, at=24.0, end=96))
    value, status = numbers(pkpd.simulate(model, table), "CL_F", "CL_F_status")
    assert np.isnan(value)
    assert status == 5
    regimen = pkpd.Regimen(100, "central", [0, 24], evid=[1, 4], unit="mg")
    assert np.isnan(numbers(pkpd.simulate(model, regimen, times=pkpd.hours(0, 96)), "CL_F")[0])


def both(pair, regimen):
    return pkpd.simulate(pair, regimen, times=[1.0, 13.0])


A = pkpd.Regimen(100, "A", ii=24, addl=3, unit="mg")
B = pkpd.Regimen(50, "B", ii=12, addl=5, ss=1, unit="mg")
STEADY = 5 * np.exp(-0.2) / (1 - np.exp(-2.4))


@pytest.mark.parametrize(
    "regimen",
    [A + B, B + A, "100 mg into A q24h x4 + 50 mg into B q12h x6 at steady state",
     "50 mg into B q12h x6 at steady state + 100 mg into A q24h x4"],
    ids=["a + b", "b + a", "text", "text, other order"],
)  # fmt: skip
def test_a_sum_gives_both_in_any_order(pair, regimen):
    sims = both(pair, regimen)
    np.testing.assert_allclose(sims["Ca"], 10 * np.exp([-0.1, -1.3]), rtol=1e-9)
    np.testing.assert_allclose(sims["Cc"], [STEADY, STEADY], rtol=1e-9)
    assert "notes" not in sims.attrs


@pytest.mark.parametrize("other", [A.shift(-24), pkpd.Regimen(100, "A", ii=24, addl=3, ss=1, unit="mg")])
def test_what_a_steady_state_ends_is_told(pair, other):
    sims = both(pair, other + B)
    np.testing.assert_array_equal(sims["Ca"], 0)
    assert "ends the doses that are given from" in sims.attrs["notes"]
    added = pkpd.Regimen(50, "B", ii=12, addl=5, ss=2, unit="mg")
    assert (both(pair, other + added)["Ca"] > 2).all()


def test_compare_does_not_end_what_is_given_besides(pair):
    people = pkpd.Population.typical(pair)
    settings = {"population": people, "measures": ["Cmax"]}
    with pytest.raises(RegimenError, match=r"'x' beside what else is given .* begins all compartments anew"):
        pkpd.compare(pair, {"x": B}, background=A.shift(-24), **settings)
    numbered = pkpd.Regimen(20, 2, [-24, -12], unit="mg")  # the same compartment, and all of it before
    pkpd.compare(pair, {"x": B}, background=numbered, **settings)
    level = pkpd.comparison.Measure("level", "mg/L", "other drug", ("Ca",), lambda c: c.at("Ca", 1.0))
    found = pkpd.compare(pair, {"x": B}, population=people, measures=[level], background=A)
    np.testing.assert_allclose(found.dataset["level"].values.item(), 10 * np.exp(-0.1), rtol=1e-5)


def levels(**columns) -> pd.DataFrame:
    """Return one dose, two levels and one below the limit of 0.1 mg/L."""
    frame = pd.DataFrame(
        {"ID": 1, "TIME": [0.0, 1, 5, 30], "AMT": [100.0, 0, 0, 0], "EVID": [1, 0, 0, 0], "DV": [0.0, 1.8, 1.2, 0.0]}
    )
    return frame.assign(**columns)


@pytest.mark.parametrize("column", ["CENS", "BLQ"])
@pytest.mark.parametrize("bloq", ["m3", "m4"])
def test_a_limit_of_zero_is_none(model, column, bloq):
    # With a proportional error the probability of less than 0 is the same at every prediction.
    data = pkpd.read_events(levels(**{column: [0, 0, 0, 1]}))
    with pytest.raises(DataError, match=r"censored below a limit that is not above 0 in 1 row .*; give the limit of"):
        pkpd.fit(model, data, "naive_pooled", bloq=bloq)
    known = pkpd.read_events(levels(**{column: [0, 0, 0, 1], "LLOQ": 0.1}))
    assert pkpd.fit(model, known, pkpd.methods.NaivePooled(), bloq=bloq, fixed=["V"]).n_observations == 3


def test_a_limit_of_zero_of_an_additive_error_is_told():
    own = pkpd.Model(
        "change",
        states=[pkpd.State("A", "mg")],
        parameters=[pkpd.Parameter("k", 0.1, "1/h"), pkpd.Parameter("V", 50.0, "L")],
        outputs=[pkpd.Output("Cc", "mg/L", error=pkpd.Additive(0.1))],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
        calculate=lambda t, x, p: {"Cc": x.A / p.V},
    )
    found = pkpd.fit(own, pkpd.read_events(levels(CENS=[0, 0, 0, 1])), pkpd.methods.NaivePooled(), fixed=["V"])
    assert any("censored below a limit that is not above 0" in text for text in found.messages)


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (levels(LOQ=0.1), "there is no column LLOQ; if LOQ is meant, name it"),
        (levels(BQL=[0, 0, 0, 1]), "there is no column BLQ; if BQL is meant, name it"),
        (levels(DV=[3.0, 1.8, 1.2, 0.1], MDV=0), "DV on 1 dose row is not an observation"),
        (levels(DV=[3.0, 1.8, 1.2, 0.1]), "DV on 1 dose row is not an observation"),
    ],
)
def test_columns_that_are_not_used_as_they_may_be_meant(frame, note):
    assert any(note in text for text in pkpd.read_events(frame).notes)


def test_a_flag_for_limits_needs_no_second_one():
    data = levels(CENS=[0, 0, 0, 1], BLOQ=[0, 0, 0, 1], MDV=[1, 0, 0, 0], DV=[3.0, 1.8, 1.2, 0.1])
    assert not any("BLOQ is meant" in text or "dose row" in text for text in pkpd.read_events(data).notes)


@pytest.fixture(scope="module")
def fitted(model):
    table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * 6, [1, 4, 12, 24])
    people = pkpd.Population.draw(model, 6, seed=1)
    table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    return pkpd.fit(model, pkpd.read_events(table.frame.drop(columns="MDV")), pkpd.methods.Fo(covariance=None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "rk4"}, "fit: solver must be one of auto, linear, cascade, .*, got 'rk4'"),
        ({"start": 5}, "fit: start must be a mapping of name to number, .*, got 5"),
        ({"start": {"CL": "5"}}, "fit: start of CL must be a number, got '5'"),
        ({"fixed": "CL"}, r"fit: fixed must be a list of names, or values by name, got 'CL'; write fixed=\['CL'\]"),
        ({"rtol": 1e3}, "fit: rtol must be < 1, got 1000"),
        ({"decrease": -1.0}, "decrease must be > 0, got -1"),
        ({"checkpoint": 5}, "checkpoint must be a path, got 5"),
        ({"progress": "yes"}, "progress must be True, False, None or a function of each step, got 'yes'"),
    ],
)
def test_options_of_a_fit_are_checked_in_words(fitted, options, message):
    own = {"decrease", "checkpoint"}.intersection(options)
    with pytest.raises(PkpdError, match=message):
        pkpd.fit(fitted.model, fitted.events, pkpd.methods.Fo(**options) if own else "fo", **({} if own else options))


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("vpc", {"n": 50.5}, "vpc: n, the simulated data sets, must be a whole number of at least 20, got 50.5"),
        ("vpc", {"n": 50, "prediction_corrected": "yes"}, "prediction_corrected must be True or False, got 'yes'"),
        ("vpc", {"n": 50, "lloq": "0.1"}, "lloq of 'Cc' must be a finite number, got '0.1'"),
        ("npde", {"n": 200.5}, "npde: n, the simulated data sets, must be a whole number of at least 100, got 200.5"),
        ("npde", {"n": 200, "lloq": "0.1"}, "lloq of 'Cc' must be a finite number, got '0.1'"),
        ("bootstrap", {"n": 2.5}, "bootstrap: n must be a whole number of at least 2, got 2.5"),
        ("population", {"n": 2.5}, "population: n must be a whole number of at least 1, got 2.5"),
    ],
)
def test_options_of_what_follows_a_fit_are_checked_in_words(fitted, verb, options, message):
    home = {"bootstrap": uncertainty, "population": type(fitted)}.get(verb, checks)
    with pytest.raises(PkpdError, match=message):
        getattr(home, verb)(fitted, **options)


def test_a_covariate_that_comes_back_is_quoted_with_its_range(model):
    frame = levels(WT=[70.0, 80, 75, 70], DV=[np.nan, 1.8, 1.2, 0.1])
    with pytest.raises(DataError, match=r"covariates change in the patient's table: WT \(70 to 80\)"):
        pkpd.individual(model, [("Cc", 2.0, 1.5)], regimen=frame, draws=200)
