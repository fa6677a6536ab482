"""Visual predictive checks and curves: bins, percentiles, corrections, limits; coverage if the model is true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fit_cases import as_array, at_start, bolus, censored, drawn, drug_and_marker
from hypothesis import given
from hypothesis import strategies as st

from pkpd.dosing.events import read_events
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.checks import fitted as fitted_module
from pkpd.estimation.checks.binning import bin_edges, bins_of, percentiles, time_after_dose
from pkpd.estimation.checks.residuals import diagnostics
from pkpd.estimation.checks.subject_curves import curves
from pkpd.estimation.checks.visual import vpc
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Combined, Proportional

TIMES = [0.5, 1, 2, 4, 8, 12, 18, 24]


@pytest.fixture(scope="module")
def plain():
    model = bolus(Combined(add=0.1, prop=0.15))
    return at_start(model, drawn(model, 40, TIMES, SEX=np.arange(40) % 2, WT=np.linspace(50, 95, 40)))


@pytest.fixture(scope="module")
def limited():
    model = bolus(Combined(add=0.1, prop=0.15))
    return at_start(model, censored(drawn(model, 40, TIMES), 1.5))


@pytest.fixture(scope="module")
def several():
    model = drug_and_marker()
    return at_start(model, drawn(model, 16, [1, 4, 12, 36], WT=np.linspace(50, 95, 16)))


@pytest.fixture(scope="module")
def repeated():
    """Doses given by ADDL, weight that changes, and rows at the time of doses."""
    rows = []
    for i in (1, 2):
        rows.append({"ID": i, "TIME": 0.0, "AMT": 100, "II": 12, "ADDL": 3, "EVID": 1, "DV": np.nan, "WT": 60.0})
        rows += [
            {"ID": i, "TIME": t, "AMT": 0, "II": 0, "ADDL": 0, "EVID": 0, "DV": 5.0, "WT": 60.0 + 10 * (t > 20)}
            for t in (1.0, 6.0, 11.0, 18.0, 30.0, 47.0)
        ]
        rows.append({"ID": i, "TIME": 48.0, "AMT": 50, "II": 0, "ADDL": 0, "EVID": 1, "DV": np.nan, "WT": 80.0})
        rows.append({"ID": i, "TIME": 60.0, "AMT": 0, "II": 0, "ADDL": 0, "EVID": 0, "DV": 2.0, "WT": 80.0})
    return read_events(pd.DataFrame(rows))


def weighted(carry: str) -> Model:
    return Model(
        "weighted",
        states=[State("central", "mg")],
        covariates=[Covariate("WT", "kg", 70, carry=carry)],  # type: ignore[arg-type]
        parameters=[Parameter("CL", 1.0, "L/h", sd=0.3), Parameter("V", 10.0, "L", sd=0.2)],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.2))],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)},
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


# -- bins and percentiles


def test_bins_hold_equal_numbers_and_keep_ties_together():
    x = np.repeat([0.0, 1.0, 2.0, 5.0, 9.0, 20.0], [5, 1, 1, 5, 6, 6])
    edges = bin_edges(x, 4)
    np.testing.assert_allclose(edges, [0, 1.5, 7, 14.5, 20])
    assert np.bincount(bins_of(x, edges)).tolist() == [6, 6, 6, 6]
    np.testing.assert_allclose(bin_edges(x, 1), [0, 20])
    np.testing.assert_allclose(bin_edges(np.ones(4), 3), [1, 1])
    assert bins_of(np.ones(4), np.array([1.0, 1.0])).tolist() == [0] * 4
    assert bins_of(np.array([-1.0, 0.0, 5.0, 10.0, 11.0, np.nan]), np.array([0.0, 5.0, 10.0])).tolist() == [
        -1, 0, 1, 1, -1, -1,
    ]  # fmt: skip


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.sampled_from([0.05, 0.3, 0.5, 0.95]))
def test_percentiles_are_those_of_numpy(values, level):
    x = np.array(values)
    assert percentiles(x, [level])[0] == pytest.approx(np.quantile(x, level), abs=1e-9)
    assert percentiles(np.append(x, [np.nan] * 3), [level])[0] == pytest.approx(np.quantile(x, level), abs=1e-9)


def test_percentiles_below_a_limit_stay_there():
    x = np.array([-np.inf, -np.inf, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(percentiles(x, [0.05, 0.3, 0.5, 0.75]), [-np.inf, -np.inf, 3.0, 4.0])
    assert np.isnan(percentiles(np.full((2, 3), np.nan), [0.5])).all()


def test_observed_percentiles_and_bins(plain):
    check = vpc(plain, n=50)
    y = plain.data.y.reshape(40, 8)
    np.testing.assert_allclose(check["observed"].values[0, 0], np.quantile(y, [0.05, 0.5, 0.95], axis=0))
    np.testing.assert_allclose(check["bin_middle"].values[0, 0], TIMES)
    assert (check["count"].values == 40).all()
    assert check["simulated"].attrs["units"] == check["DV"].attrs["units"] == "mg/L"
    assert check["bin_middle"].attrs == {"long_name": "time", "units": "h"}
    assert "observed_below" not in check
    assert (np.diff(check["simulated"].values, axis=-1) >= 0).all()
    given = vpc(plain, n=20, bins=[0, 3, 10])
    assert given.sizes["bin"] == 2
    assert given.attrs["notes"] == "120 observations lie outside the bins"
    np.testing.assert_allclose(given["observed"].values[0, 0, 1], [np.median(y[:, :3]), np.median(y[:, 3:5])])


def test_a_seed_gives_the_same_check_in_any_portions(plain, monkeypatch):
    first = vpc(plain, n=60, seed=3)
    monkeypatch.setattr(fitted_module, "MOST", 320 * 7)
    assert vpc(plain, n=60, seed=3).equals(first)
    assert not vpc(plain, n=60, seed=4).equals(first)


def test_strata(plain):
    check = vpc(plain, n=20, by="SEX")
    assert check["stratum"].values.tolist() == ["SEX 0", "SEX 1"]
    y = plain.data.y.reshape(40, 8)
    np.testing.assert_allclose(check["observed"].values[0, 1, 1], np.median(y[1::2], axis=0))
    cut = vpc(plain, n=20, by={"WT": [60, 80]})
    assert cut["stratum"].values.tolist() == ["WT < 60", "WT 60 to 80", "WT ≥ 80"]
    assert cut["count"].values.sum() == 320


def test_prediction_correction_takes_doses_out():
    """Half of the subjects get ten times the dose; with proportional error all corrected data are of one size."""
    model = bolus(Proportional(0.15))
    low, high = (drawn(model, 15, [1, 4, 8], amt=a).frame for a in (100, 1000))
    high = high.assign(ID=high["ID"] + 15)
    fit = at_start(model, read_events(pd.concat([low, high]).drop(columns="MDV")))
    check = vpc(fit, n=100, prediction_corrected=True)
    rows = as_array(check["DV"]).reshape(30, 3)
    np.testing.assert_allclose(rows[15:], rows[:15] * (rows[15] / rows[0]), rtol=1e-9)
    middle = np.median(fit.problem.predictor.solve(fit.problem.predictor.chain(
        fit.x[: fit.layout.q], np.zeros((30, 2))).phi, "plain")[0].reshape(30, 3), axis=0)  # fmt: skip
    pred = diagnostics(fit, n=0)["PRED"].values.reshape(30, 3)
    np.testing.assert_allclose(rows, fit.data.y.reshape(30, 3) * middle / pred, rtol=1e-9)
    spread = check["simulated"].values[0, 0, 2, :, 1] / check["simulated"].values[0, 0, 0, :, 1]
    plain = vpc(fit, n=100)
    assert (spread < 0.5 * plain["simulated"].values[0, 0, 2, :, 1] / plain["simulated"].values[0, 0, 0, :, 1]).all()


def test_rows_without_prediction_cannot_be_corrected(repeated):
    frame = repeated.frame.drop(columns="MDV").copy()
    frame.loc[frame["TIME"] == 0, "TIME"] = 3.0
    frame = frame.sort_values(["ID", "TIME"], kind="stable")
    frame.loc[frame["TIME"] == 1, "DV"] = 0.1
    model = bolus(Combined(add=0.1, prop=0.1))
    check = vpc(at_start(model, read_events(frame)), n=20, bins=[0, 20, 60], prediction_corrected=True)
    assert "2 observations have no population prediction to correct by and are left out" in check.attrs["notes"]
    assert np.isfinite(check["observed"].values).all()


def test_data_below_the_limit_count_as_less_than_any_number(limited):
    check = vpc(limited, n=100)
    below = (limited.data.censored == 1).reshape(40, 8)
    np.testing.assert_allclose(check["observed_below"].values[0, 0], below.mean(axis=0))
    median = check["observed"].sel(percentile=0.5).values[0, 0]
    assert np.isneginf(median[below.mean(axis=0) > 0.52]).all()
    assert np.isfinite(median[below.mean(axis=0) < 0.48]).all()
    band = check["simulated_below"].values[0, 0]
    assert ((band[:, 0] <= below.mean(axis=0)) & (below.mean(axis=0) <= band[:, 2])).all()
    finite = check["simulated"].values[np.isfinite(check["simulated"].values)]
    assert finite.min() >= 1.5
    omitted = vpc(limited, n=20, bloq="omit")
    np.testing.assert_allclose(
        omitted["observed"].sel(percentile=0.5).values[0, 0, 0], np.median(limited.data.y.reshape(40, 8)[:, 0])
    )
    assert omitted["observed"].values.min() >= 1.5


def test_a_limit_that_is_given(plain):
    check = vpc(plain, n=20, lloq=2.0)
    np.testing.assert_allclose(check["observed_below"].values[0, 0], (plain.data.y.reshape(40, 8) < 2).mean(axis=0))


def test_several_outputs_and_grades(several):
    check = vpc(several, n=60)
    assert check["output"].values.tolist() == ["Cc", "M", "G"]
    assert check["observed"].attrs["units"] == "see coordinate unit"
    assert np.isnan(check["observed"].sel(output="G").values).all()
    share = check["observed_share"].sel(output="G").values[0]
    np.testing.assert_allclose(share.sum(axis=0), 1.0)
    grades = several.data.y[several.data.output == "G"].reshape(16, 4)
    np.testing.assert_allclose(share, [(grades == k).mean(axis=0) for k in range(3)])
    assert check["simulated_share"].dims == ("output", "stratum", "grade", "bin", "edge")
    assert vpc(several, n=20, output="M")["output"].values.tolist() == ["M"]


def test_what_a_check_cannot_take(plain, several):
    with pytest.raises(DataError, match=r"vpc: output 'CC' has no such data; there is Cc \(did you mean 'Cc'\?\)"):
        vpc(plain, output="CC")
    with pytest.raises(PkpdError, match="vpc: bloq must be below or omit, got 'm3'"):
        vpc(plain, bloq="m3")
    with pytest.raises(PkpdError, match="simulated data sets, must be a whole number of at least 20, got 3"):
        vpc(plain, n=3)
    with pytest.raises(PkpdError, match="vpc: level must lie between 0 and 1, got 95"):
        vpc(plain, level=95)
    with pytest.raises(PkpdError, match=r"vpc: percentile must be numbers between 0 and 1, such as .*, got \(5, 50\)"):
        vpc(plain, percentile=(5, 50))
    with pytest.raises(DataError, match="bins must be 1 or more, or edges, got 0"):
        vpc(plain, bins=0)
    with pytest.raises(DataError, match=r"bins: edges must be two or more rising numbers, got \[3, 1\]"):
        vpc(plain, bins=[3, 1])
    with pytest.raises(DataError, match="vpc: no observation lies in any bin"):
        vpc(plain, bins=[100, 200])
    with pytest.raises(
        DataError, match=r"x: the data set has no column 'Time'; it has ID, .* \(did you mean 'TIME'\?\)"
    ):
        vpc(plain, x="Time")
    with pytest.raises(DataError, match=r"column 'WT' has 40 different values, 8 at most .*by=\{'WT': \[72.5\]\}"):
        vpc(plain, by="WT")
    with pytest.raises(DataError, match=r"by: cuts of 'WT' must be rising numbers, got \[80, 60\]"):
        vpc(plain, by={"WT": [80, 60]})
    with pytest.raises(DataError, match="by: give one column and its cuts, got 2"):
        vpc(plain, by={"WT": [60], "SEX": [1]})


@pytest.mark.slow
def test_bands_cover_the_data_if_the_model_is_true():
    """Of 95% intervals over 40 trials, about 95% hold the percentile of the data."""
    model = bolus(Combined(add=0.1, prop=0.15))
    inside = []
    for seed in range(40):
        check = vpc(at_start(model, drawn(model, 30, TIMES, seed=seed)), n=200, seed=seed + 1000)
        low, high = check["simulated"].values[..., 0], check["simulated"].values[..., 2]
        inside.append((low <= check["observed"].values) & (check["observed"].values <= high))
    assert 0.92 < np.mean(inside) < 0.98


# -- time after dose and curves


def test_time_after_dose_counts_additional_doses(repeated):
    own = time_after_dose(repeated)[:9]
    np.testing.assert_allclose(own, [0, 1, 6, 11, 6, 30 - 24, 47 - 36, 0, 12])
    check = vpc(at_start(weighted("forward"), repeated), n=20, x="TAD", bins=2)
    assert check["bin_middle"].attrs["long_name"] == "time after dose"
    assert check["x"].values.max() == 12.0


def test_a_trough_belongs_to_the_dose_before():
    table = read_events(pd.DataFrame({
        "ID": 1, "TIME": [0, 12, 12, 12], "AMT": [100, 0, 100, 0], "EVID": [1, 0, 1, 0], "DV": [np.nan, 1, np.nan, 9],
    }))  # fmt: skip
    np.testing.assert_allclose(time_after_dose(table), [0, 12, 0, 0])


@pytest.mark.parametrize("carry", ["forward", "backward", "linear"])
def test_curves_go_through_the_predictions(repeated, carry):
    fit = at_start(weighted(carry), repeated)
    found, d = curves(fit, 241), diagnostics(fit, n=0)
    for i in range(2):
        own = (d["ID"] == i + 1).values
        time, at = found["time"].values[i], d["TIME"].values[own]
        ok = np.isfinite(time)
        for name in ("PRED", "IPRED"):
            lines = found[name].values[0, i][ok]
            # the grid has these times; a tolerance for the chord between its points beside
            np.testing.assert_allclose(np.interp(at, time[ok], lines), d[name].values[own], rtol=2e-3)
    # both sides of each dose: the curve jumps by amt / V
    at48 = np.flatnonzero(found["time"].values[0] == 48.0)
    assert np.diff(found["PRED"].values[0, 0, at48]) == pytest.approx([5.0])
    near = np.abs(found["time"].values[0] - 24.0) < 1e-3
    assert np.ptp(found["PRED"].values[0, 0, near]) == pytest.approx(10.0, rel=1e-3)


def test_curves_of_several_outputs(several):
    found = curves(several, 30, ["M", "Cc"], end=60.0)
    assert found["output"].values.tolist() == ["M", "Cc"]
    assert float(found["time"].max()) == 60.0
    assert found["IPRED"].sel(output="M").values.min() > 1.0
    with pytest.raises(
        DataError, match=r"curves: 'm' \(did you mean 'M'\?\) is not observed; observed outputs are Cc, M, G"
    ):
        curves(several, 30, ["m"])
    with pytest.raises(DataError, match="curves: points must be 2 or more, a whole number, got 1"):
        curves(several, 1)
