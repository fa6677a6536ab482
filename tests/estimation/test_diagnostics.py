"""Residuals and prediction distribution errors of fits, where exact answers are known, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from fit_cases import as_array, at_start, bolus, censored, drawn, drug_and_marker, line

from pkpd import checks
from pkpd.dosing.events import read_events
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.checks import fitted as fitted_module
from pkpd.estimation.checks import prediction_errors as npde_module
from pkpd.estimation.checks.fitted import Fitted, row_limits
from pkpd.estimation.checks.prediction_errors import npde, npde_tests
from pkpd.estimation.checks.residuals import diagnostics
from pkpd.estimation.whiten import whiten
from pkpd.model.residual import Additive, Combined, LogNormal, Proportional

TIMES = [0.0, 1.0, 2.0, 5.0, 8.0]


@pytest.fixture(scope="module")
def straight():
    return at_start(line(), drawn(line(), 10, TIMES, amt=1))


@pytest.fixture(scope="module")
def several():
    model = drug_and_marker()
    return at_start(model, drawn(model, 12, [1, 4, 12, 36], WT=np.linspace(50, 95, 12), SEX=np.arange(12) % 2))


@pytest.fixture(scope="module")
def limited():
    model = bolus(Combined(add=0.1, prop=0.15))
    return at_start(model, censored(drawn(model, 30, [0.5, 2, 8, 18, 24]), 1.0))


def exact(straight):
    """Mean and covariance of a subject's data, worked out by hand."""
    Z = np.column_stack([np.ones(5), TIMES])
    return Z @ [5.0, 0.5], Z @ np.diag([4.0, 0.09]) @ Z.T + np.eye(5), as_array(straight_dv(straight)).reshape(10, 5)


def straight_dv(fit):
    return diagnostics(fit, n=0)["DV"]


@pytest.mark.parametrize("root", ["symmetric", "cholesky"])
def test_weighted_residuals_of_a_linear_model_are_its_standardised_residuals(straight, root):
    mean, C, y = exact(straight)
    size, vectors = np.linalg.eigh(C)
    half = vectors / np.sqrt(size) @ vectors.T if root == "symmetric" else np.linalg.inv(np.linalg.cholesky(C))
    found = diagnostics(straight, n=0, root=root)
    for name in ("CWRES", "WRES"):
        np.testing.assert_allclose(as_array(found[name]).reshape(10, 5), (y - mean) @ half.T, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found["CPRED"], np.tile(mean, 10), rtol=1e-10)
    np.testing.assert_allclose(found["PRED"], found["CPRED"], rtol=1e-10)


@pytest.mark.slow
def test_npde_of_a_linear_model_are_its_decorrelated_residuals(straight):
    """Ranks among many simulated data are the distribution function, and that of a linear model is normal."""
    mean, C, y = exact(straight)
    for words, half in (
        ("cholesky", np.linalg.inv(np.linalg.cholesky(C))),
        ("inverse", whiten(C, np.eye(5), "symmetric")),
    ):
        found = npde(straight, n=20_000, decorrelation=words)
        theory = (y - mean) @ half.T
        inner = np.abs(theory) < 2
        assert np.abs(as_array(found["NPDE"]).reshape(10, 5) - theory)[inner].max() < 0.06
    marginal = (y - mean) / np.sqrt(np.diag(C))
    inner = np.abs(marginal) < 2
    assert np.abs(as_array(found["NPD"]).reshape(10, 5) - marginal)[inner].max() < 0.06


def test_the_seed_and_nothing_else_decides(straight):
    first, again, other = (npde(straight, n=300, seed=s)["NPDE"].values for s in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    few, many = (np.concatenate(list(Fitted(straight).simulate(n, 3))) for n in (10, 40))
    np.testing.assert_array_equal(few, many[:10])


def test_data_are_simulated_in_portions_with_the_same_result(straight, monkeypatch):
    whole, found = np.concatenate(list(Fitted(straight).simulate(40, 3))), npde(straight, n=200)
    monkeypatch.setattr(fitted_module, "MOST", 350)
    parts = list(Fitted(straight).simulate(40, 3))
    assert len(parts) == 6
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    monkeypatch.setattr(npde_module, "MOST", 200 * 12)
    np.testing.assert_array_equal(npde(straight, n=200)["NPDE"], found["NPDE"])


def test_residuals_are_what_their_names_say():
    model = bolus(Combined(add=0.1, prop=0.15))
    fit = at_start(model, drawn(model, 8, [0.5, 2, 8, 18]))
    d = diagnostics(fit, n=0)
    k, v = (fit.ebe.sel(parameter=n).values for n in ("k", "V"))
    at = as_array(d["ID"]).astype(int) - 1
    f = 100 / (10 * np.exp(v[at])) * np.exp(-0.15 * np.exp(k[at]) * d["TIME"].values)
    np.testing.assert_allclose(d["IPRED"], f, rtol=1e-9)
    np.testing.assert_allclose(d["PRED"], 10 * np.exp(-0.15 * d["TIME"].values), rtol=1e-9)
    np.testing.assert_allclose(d["IWRES"], (d["DV"] - f) / np.hypot(0.1, 0.15 * f), rtol=1e-8)
    np.testing.assert_allclose(d["RES"], d["DV"] - d["PRED"])
    np.testing.assert_allclose(d["IRES"], d["DV"] - d["IPRED"])
    by_k, by_v = -0.15 * np.exp(k[at]) * d["TIME"].values * f, -f
    np.testing.assert_allclose(d["CPRED"], f - by_k * k[at] - by_v * v[at], rtol=1e-8)
    assert float(d["eps_shrinkage"][0]) == pytest.approx(1 - float(d["IWRES"].std(ddof=1)))
    assert float(d["shrinkage"].sel(parameter="V")) == pytest.approx(1 - v.std(ddof=1) / 0.25)


def test_residual_variance_is_taken_where_the_method_takes_it():
    model = bolus(Proportional(0.15))
    table = drawn(model, 6, [0.5, 2, 8])
    for method, name in (("foce", "PRED"), ("focei", "IPRED")):
        fit = at_start(model, table, method=method)
        d, fitted = diagnostics(fit, n=0), Fitted(fit)
        _, G = fitted.slopes(fitted.effects)
        C = G[:3] @ fit.omega @ G[:3].T + np.diag((0.15 * d[name].values[:3]) ** 2)
        np.testing.assert_allclose(d["CWRES"][:3], whiten(C, (d["DV"] - d["CPRED"]).values[:3], "symmetric"), rtol=1e-8)


def test_log_normal_data_are_compared_as_logarithms():
    model = bolus(LogNormal(0.2))
    d = diagnostics(at_start(model, drawn(model, 6, [0.5, 2, 8])), n=0)
    np.testing.assert_allclose(d["IWRES"], np.log(d["DV"] / d["IPRED"]) / 0.2, rtol=1e-9)
    # log f is not linear in eta_k, so CPRED differs from PRED, but only there
    assert np.abs(np.log(d["CPRED"] / d["PRED"])).max() > 1e-3
    assert abs(float(d["CWRES"].std()) - 1) < 0.35


def test_several_outputs_stand_on_rows_with_their_units(several):
    d = diagnostics(several, n=200)
    assert d.sizes["row"] == 12 * 4 * 3
    assert d["PRED"].attrs == {"long_name": "population prediction", "units": "see coordinate unit"}
    assert d["CWRES"].attrs["units"] == "1"
    assert d["TIME"].attrs["units"] == "h"
    units = dict(zip(d["output"].values.tolist(), d["unit"].values.tolist(), strict=True))
    assert units == {"Cc": "mg/L", "M": "mg/L", "G": "1"}
    assert d["EBE"].shape == (12, 3)
    assert d["WT"].attrs == {"units": "kg", "long_name": "body weight", "covariate": 1}
    assert d["SEX"].attrs["covariate"] == 1
    grade = (d["output"] == "G").values
    for name in ("CWRES", "WRES", "IWRES", "RES", "IRES", "CPRED", "NPDE"):
        assert np.isnan(d[name].values[grade]).all()
        assert np.isfinite(d[name].values[~grade]).all()
    assert np.isfinite(d["NPD"].values).all()
    assert d["row"].values.tolist() == (np.flatnonzero(several.events.frame["EVID"] == 0) + 1).tolist()


def test_censored_data_have_scores_but_no_residuals(limited):
    d = diagnostics(limited, n=400)
    below = (d["CENS"] == 1).values
    assert 20 < below.sum() < 80
    assert np.isnan(d["CWRES"].values[below]).all()
    assert np.isnan(d["IWRES"].values[below]).all()
    assert np.isfinite(d["CWRES"].values[~below]).all()
    assert np.isfinite(d["NPDE"].values).all()
    assert d.attrs["notes"] == ""
    omitted = diagnostics(limited, n=400, bloq="omit")
    assert np.isnan(omitted["NPDE"].values[below]).all()
    assert np.isnan(omitted["NPD"].values[below]).all()
    assert omitted.attrs["notes"] == f"{below.sum()} censored data are left out"
    # a rank below the limit lies within the fraction that is below
    sims = np.concatenate(list(Fitted(limited).simulate(400, 0)))
    share = (sims < 1.0).mean(axis=0)
    from scipy.special import ndtr

    assert (ndtr(d["NPD"].values[below]) <= share[below] + 0.01).all()
    assert (ndtr(d["NPD"].values[~below]) >= share[~below] - 0.01).all()


def test_limits_of_quantification_of_rows(limited):
    low, high, notes = row_limits(Fitted(limited))
    assert (low == 1.0).all()
    assert np.isinf(high).all()
    assert notes == ()
    low, _, _ = row_limits(Fitted(limited), lloq={"Cc": 2.0})
    assert (low == 2.0).all()
    with pytest.raises(DataError, match=r"lloq names 'cc'; observed outputs are Cc \(did you mean 'Cc'\?\)"):
        row_limits(Fitted(limited), lloq={"cc": 2.0})
    with pytest.raises(DataError, match="lloq of 'Cc' must be a finite number, got nan"):
        row_limits(Fitted(limited), lloq=np.nan)


def test_unknown_limits_are_told_and_a_column_gives_them(limited):
    frame = limited.events.frame.drop(columns="MDV").copy()
    first = int(np.flatnonzero(frame["CENS"] == 1)[0])
    frame.loc[first, "DV"] = 1.5
    mixed = at_start(limited.model, read_events(frame))
    low, _, notes = row_limits(Fitted(mixed))
    measured = mixed.data.censored == 0
    assert np.isinf(low[measured]).all()
    assert np.isfinite(low[~measured]).all()
    assert notes == (
        f"the limit of quantification of {measured.sum()} rows of Cc is not known (censored rows have 2 "
        "different ones): add a column LLOQ, or give lloq",
    )
    assert notes[0] in diagnostics(mixed, n=100).attrs["notes"]
    frame["LLOQ"] = np.where(frame.index == first, 1.5, 1.0)
    low, _, notes = row_limits(Fitted(at_start(limited.model, read_events(frame))))
    assert np.isfinite(low).all()
    assert notes == ()


def test_data_above_a_limit_are_imputed_too():
    model = bolus(Additive(0.5))
    frame = drawn(model, 30, [0.5, 2, 8]).frame.drop(columns="MDV").copy()
    above = (frame["EVID"] == 0) & (frame["DV"] > 9)
    frame["CENS"] = -above.astype(int)
    frame.loc[above, "DV"] = 9.0
    found = npde(at_start(model, read_events(frame)), n=400)
    assert np.isfinite(found["NPDE"].values).all()
    assert abs(float(found["NPD"].mean())) < 0.5


def test_effects_between_occasions():
    model = bolus(Proportional(0.1), iov=0.2)
    frame = drawn(bolus(Proportional(0.1)), 6, [0.5, 2, 8, 12]).frame.drop(columns="MDV")
    frame["OCC"] = (frame["TIME"] > 4).astype(int) + 1
    fit = at_start(model, read_events(frame))
    d = diagnostics(fit, n=100)
    assert d["EBE_iov"].dims == ("subject", "occasion", "parameter_iov")
    assert d["EBE_iov"].shape == (6, 2, 1)
    assert np.isfinite(d["CWRES"].values).all()
    assert np.isfinite(d["NPDE"].values).all()


def test_naive_pooled_has_no_variability_between_subjects():
    model = bolus(Proportional(0.3))
    from pkpd.estimation.api import fit

    found = fit(model, drawn(model, 6, [0.5, 2, 8]), method="naive_pooled")
    d = diagnostics(found, n=100)
    np.testing.assert_allclose(d["CWRES"], d["IWRES"], rtol=1e-9)
    np.testing.assert_allclose(d["PRED"], d["IPRED"])


def test_words_that_are_not_known(straight):
    with pytest.raises(
        PkpdError, match=r"root must be symmetric or cholesky, got 'choleski' \(did you mean 'cholesky'\?\)"
    ):
        diagnostics(straight, n=0, root="choleski")
    with pytest.raises(PkpdError, match="npde: decorrelation must be cholesky, inverse, none, got 'polar'"):
        npde(straight, decorrelation="polar")
    with pytest.raises(PkpdError, match=r"npde: bloq must be impute, omit, got 'omitt' \(did you mean 'omit'\?\)"):
        npde(straight, bloq="omitt")
    with pytest.raises(PkpdError, match="simulated data sets, must be a whole number of at least 100, got 20"):
        npde(straight, n=20)
    with pytest.raises(PkpdError, match="npde_tests: at least 3 numbers are needed, got 1"):
        npde_tests([1.0, np.nan])


def test_a_singular_covariance_gives_no_numbers():
    for root in ("symmetric", "cholesky"):
        assert np.isnan(whiten(np.ones((2, 2)), np.ones(2), root)).all()
        assert np.isnan(whiten(np.diag([0.0, 1.0]), np.ones(2), root)).all()


def test_scores_that_are_not_normal_are_found():
    rng = np.random.default_rng(0)
    z = rng.standard_normal(400)
    assert npde_tests(z)["global"] > 0.05
    assert npde_tests(z + 0.3)["mean"] < 0.001
    assert npde_tests(1.3 * z)["variance"] < 0.001
    assert npde_tests(np.sign(z) * z**2 / 1.7)["normality"] < 0.001


def test_the_fit_has_these_as_methods(straight):
    d = checks.diagnostics(straight, n=100, seed=2)
    np.testing.assert_array_equal(d["NPDE"], diagnostics(straight, n=100, seed=2)["NPDE"])
    assert checks.npde(straight, n=100)["NPDE"].dims == ("row",)
    assert checks.vpc(straight, n=20).attrs["n"] == 20
    assert checks.curves(straight, 10)["IPRED"].shape[:2] == (1, 10)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 1.5])
@pytest.mark.parametrize("error", [Combined(add=0.1, prop=0.2), LogNormal(0.25)], ids=["combined", "log"])
def test_scores_are_standard_normal_if_the_model_is_true(limit, error):
    """Data of 250 subjects from the model itself, with and without a limit that hides a third of them."""
    from scipy.stats import kstest

    model = bolus(error)
    table = drawn(model, 250, [0.5, 2, 6, 12, 18], seed=7)
    fit = at_start(model, table if limit is None else censored(table, limit))
    found = npde(fit, n=1000)
    z = as_array(found["NPDE"])
    assert kstest(z, "norm").pvalue > 0.01
    assert kstest(as_array(found["NPD"]), "norm").pvalue > 0.001
    assert npde_tests(z)["global"] > 0.01
    # independent within subjects, which NPD are not
    rows = z.reshape(250, 5)
    assert np.abs(np.corrcoef(rows.T)[np.triu_indices(5, 1)]).max() < 0.2
    wrong = npde(at_start(model.replace(values={"k": 0.2}), fit.events), n=1000)
    assert npde_tests(wrong["NPDE"])["global"] < 1e-6


@pytest.mark.slow
def test_rich_subjects_do_not_seem_to_vary_more():
    """60 rows a subject and 500 simulated data sets: the covariance is noisy, the scores are standard normal still."""
    model = bolus(Additive(0.4))
    fit = at_start(model, drawn(model, 40, np.linspace(0.2, 20, 60), seed=3))
    z = as_array(npde(fit, n=500)["NPDE"])
    assert z.std() == pytest.approx(1.0, abs=0.035)
