"""Fits against those published and against the truth of simulated data; the data are read from PKPD_SHARED."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fit_data import (
    LOG_2PI,
    acop,
    acop_model,
    phenobarbital,
    phenobarbital_model,
    published,
    theophylline,
    theophylline_model,
)

import pkpd
from pkpd.fit.api import fit
from pkpd.fit.layout import Natural
from pkpd.fit.problem import pose
from pkpd.fit.result import Fit


def close_to(found: Fit, known: dict[str, dict[str, float]], names: dict[str, str], fixed: float = 0.01) -> None:
    """Compare with nlme: log-likelihood within 0.1, fixed effects within 1%, sds of random effects within 3%."""
    assert abs(found.loglik - known["logLik"]["logLik"]) < 0.1
    for ours, theirs in names.items():
        value = found.theta[ours]
        value = np.log(value) if found.model.parameters[ours].scale == "log" else value
        assert value == pytest.approx(known["fixed"][theirs], rel=fixed), ours
    sd = dict(zip(found.etas, np.sqrt(np.diag(found.omega)), strict=True))
    for ours, theirs in names.items():
        if ours in sd and known["omega_sd"][theirs] > 1e-3:
            assert sd[ours] == pytest.approx(known["omega_sd"][theirs], rel=0.03), ours
    assert found.sigma["sigma_add"] == pytest.approx(known["sigma"]["sigma"], rel=0.01)


THEOPHYLLINE = {"Ke": "lKe", "Ka": "lKa", "Cl": "lCl"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("full", "Theoph_full_ML"), ("diag3", "Theoph_diag3_ML"), ("two", "Theoph_diag_lKa_lCl_ML")],
)
def test_theophylline_as_nlme(shared: Path, kind: str, name: str) -> None:
    found = fit(theophylline_model(kind), theophylline(shared), "nlme")
    assert found.converged
    close_to(found, published(shared, name), THEOPHYLLINE)


def test_phenobarbital_as_nlme(shared: Path) -> None:
    found = fit(phenobarbital_model(weight=False), phenobarbital(shared), "nlme")
    close_to(found, published(shared, "Phenobarb_base_ML"), {"CL": "lCl", "V": "lV"})


def _natural(known: dict[str, dict[str, float]], names: dict[str, str], sd: list[str], logs: set[str]) -> Natural:
    theta = {ours: np.exp(known["fixed"][n]) if ours in logs else known["fixed"][n] for ours, n in names.items()}
    factor = np.diag([known["omega_sd"][n] for n in sd])
    return Natural(theta, factor, np.zeros((0, 0)), {"sigma_add": known["sigma"]["sigma"]})


def test_the_objective_of_foce_at_published_estimates_is_the_published_likelihood(shared: Path) -> None:
    """The approximation of nlme is FOCE: the values of the likelihood agree far better than its maxima."""
    cases = [
        (
            theophylline_model("two"), theophylline(shared), published(shared, "Theoph_diag_lKa_lCl_ML"), THEOPHYLLINE,
            ["lKa", "lCl"],
        ),
        (
            phenobarbital_model(weight=True), phenobarbital(shared), published(shared, "Phenobarb_cov_lCl~Wt_lV~Wt_ML"),
            {"CL": "lCl.(Intercept)", "V": "lV.(Intercept)", "WT_CL": "lCl.Wt", "WT_V": "lV.Wt"},
            ["lCl.(Intercept)", "lV.(Intercept)"],
        ),
    ]  # fmt: skip
    for model, table, known, names, sd in cases:
        problem = pose(model, table)
        logs = {n for n in names if model.parameters[n].scale == "log"}
        x = problem.layout.vector(_natural(known, names, sd, logs))
        ofv = problem.objective("foce")(x).ofv
        loglik = -0.5 * (ofv + problem.data.n_continuous * LOG_2PI)
        assert loglik == pytest.approx(known["logLik"]["logLik"], abs=1e-3)


def test_a_random_effect_that_the_data_do_not_need_is_pointed_out(shared: Path) -> None:
    found = fit(theophylline_model("diag3"), theophylline(shared), "focei")
    assert found.converged
    assert np.sqrt(found.omega[0, 0]) < 1e-3
    assert any("omega_Ke has fallen to 0" in m for m in found.messages)
    assert np.isnan(found.se["omega_Ke"])
    assert np.isfinite(found.se["Cl"])
    # it does not matter for the rest
    two = fit(theophylline_model("two"), theophylline(shared), "focei")
    assert found.ofv == pytest.approx(two.ofv, abs=1e-3)
    assert found.theta["Ka"] == pytest.approx(two.theta["Ka"], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "method"),
    [("Oral_1CPT", "focei"), ("Oral_1CPT", "laplace"), ("Bolus_1CPT", "focei")],
)
def test_truth_of_simulated_data_lies_within_intervals(shared: Path, name: str, method: str) -> None:
    """ACoP 2016: CL 4 L/h, V 70 L, KA 1 /h, each with an omega^2 of 0.09, proportional error 0.2."""
    found = fit(acop_model(oral=name.startswith("Oral")), acop(shared, name), method)
    assert found.converged
    truth = {"CL": 4.0, "V": 70.0, "KA": 1.0, "omega_CL": 0.09, "omega_V": 0.09, "omega_KA": 0.09, "sigma_prop": 0.2}
    # eight estimates: one may lie outside its own 95%, none far
    inside, wide = found.ci(0.95), found.ci(0.999)
    outside = [n for n, (low, high) in inside.items() if not low < truth[n] < high]
    assert len(outside) <= 1, {n: inside[n] for n in outside}
    assert all(low < truth[n] < high for n, (low, high) in wide.items())


def test_estimates_do_not_depend_on_the_number_of_threads(shared: Path) -> None:
    table = acop(shared, "Oral_1CPT")
    one = fit(acop_model(), table, threads=1, covariance=None)
    two = fit(acop_model(), table, threads=2, covariance=None)
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.effects, two.effects)
    assert one.ofv == two.ofv


def test_a_poor_start_does_not_change_where_the_search_ends(shared: Path) -> None:
    table = theophylline(shared)
    model = theophylline_model("two")
    good = fit(model, table, covariance=None)
    poor = fit(model, table, start={"Ke": 0.3, "Ka": 0.4, "Cl": 0.2, "sigma_add": 3.0}, covariance=None)
    assert poor.converged
    assert poor.ofv == pytest.approx(good.ofv, abs=1e-3)
    assert isinstance(table, pkpd.EventTable)
