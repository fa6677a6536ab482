"""Published fits that the tests of the core leave out, and the numbers that the document on estimation tells."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fit_data import (
    LOG_2PI,
    acop,
    acop_model,
    oral,
    phenobarbital,
    theophylline,
    theophylline_by_volume,
    theophylline_model,
)
from reference_data import published

import pkpd
from pkpd import Additive, Covariate, Model, Omega, Output, Parameter, State
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Foce, Nlme
from pkpd.estimation.methods.register import method_of
from pkpd.estimation.problem import pose
from pkpd.estimation.vector import Natural

TRUTH = {"CL": 4.0, "V": 70.0, "KA": 1.0, "omega_CL": 0.09, "omega_V": 0.09, "omega_KA": 0.09, "sigma_prop": 0.2}


def with_weight() -> Model:
    return Model(
        "phenobarbital",
        states=[State("central", "mg")],
        covariates=[Covariate("WT", "kg", 1.5)],
        parameters=[
            Parameter("CL", 0.0025, "L/h", sd=0.4),
            Parameter("V", 0.6, "L", sd=0.4),
            Parameter("WT_CL", 0.5, "1/kg", scale="additive"),
            Parameter("WT_V", 0.5, "1/kg", scale="additive"),
        ],
        individual=lambda p, cov: {
            "CL": p.CL * pkpd.math.exp(p.WT_CL * cov.WT),
            "V": p.V * pkpd.math.exp(p.WT_V * cov.WT),
        },
        outputs=[Output("Cc", "mg/L", error=Additive(3.0))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def test_theophylline_by_volume_as_nlme(shared: Path) -> None:
    known = published("Theoph_lKa_lCl_lV_diag3_ML")
    found = fit(theophylline_by_volume(), theophylline(shared), Nlme(covariance=None))
    assert found.converged
    assert abs(found.loglik - known["logLik"]["logLik"]) < 0.1
    sd = dict(zip(found.etas, np.sqrt(np.diag(found.omega)), strict=True))
    for name in ("Ka", "Cl", "V"):
        assert math.log(found.theta[name]) == pytest.approx(known["fixed"][f"l{name}"], rel=0.01), name
        assert sd[name] == pytest.approx(known["omega_sd"][f"l{name}"], rel=0.03), name
    assert found.sigma["sigma_add"] == pytest.approx(known["sigma"]["sigma"], rel=0.01)


def test_a_linear_change_of_log_parameters_leaves_the_likelihood() -> None:
    """With a full covariance log V = log Cl - log Ke is another name of the same model, whatever the approximation."""
    table, start = oral(), {"Cl": 3.0, "Ka": 1.2, "sigma_add": 0.2}
    block = Omega(("Ka", "Cl", "V"), [[0.4], [0.001, 0.05], [0.001, 0.001, 0.02]])
    for method in ("fo", "foce", "laplace"):
        options = method_of(method, covariance=None)
        by_rate = fit(theophylline_model("full"), table, options, start=start | {"Ke": 0.1})
        by_v = fit(theophylline_by_volume(block), table, options, start=start | {"V": 30.0})
        assert by_v.ofv == pytest.approx(by_rate.ofv, abs=1e-4), method
        assert by_v.theta["Cl"] / by_v.theta["V"] == pytest.approx(by_rate.theta["Ke"], rel=1e-3), method


def test_phenobarbital_with_weight_as_nlme(shared: Path) -> None:
    """The likelihood is nlme's; nlme ended its alternation where FOCE is less likely, so estimates are not compared."""
    known = published("Phenobarb_cov_lCl~Wt_lV~Wt_ML")
    model, table = with_weight(), phenobarbital(shared)
    found = fit(model, table, Nlme(covariance=None))
    assert abs(found.loglik - known["logLik"]["logLik"]) < 0.1
    again = fit(
        model, table, Nlme(covariance=None), start={"CL": 0.004, "WT_CL": 0.3, "omega_CL": 0.05, "sigma_add": 2.0}
    )
    assert again.theta["WT_CL"] == pytest.approx(found.theta["WT_CL"], rel=2e-3)
    fixed, sd = known["fixed"], known["omega_sd"]
    theta = {
        "CL": math.exp(fixed["lCl.(Intercept)"]), "V": math.exp(fixed["lV.(Intercept)"]), "WT_CL": fixed["lCl.Wt"],
        "WT_V": fixed["lV.Wt"],
    }  # fmt: skip
    factor = np.diag([sd["lCl.(Intercept)"], sd["lV.(Intercept)"]])
    problem = pose(model, table)
    theirs = problem.layout.vector(Natural(theta, factor, np.zeros((0, 0)), {"sigma_add": known["sigma"]["sigma"]}))
    objective = problem.objective("foce")
    assert objective(found.x).ofv < objective(theirs).ofv
    best = fit(model, table, Foce(covariance=None))
    assert best.loglik > -0.5 * (objective(theirs).ofv + problem.data.n_continuous * LOG_2PI)


@pytest.mark.slow
def test_saem_finds_the_truth_of_simulated_data_and_agrees_with_focei(shared: Path) -> None:
    """ACoP 2016: CL 4 L/h, V 70 L, KA 1 /h, each with an omega^2 of 0.09, proportional error 0.2; rich data."""
    table = acop(shared, "Oral_1CPT")
    found = fit(acop_model(), table, "saem")
    assert found.converged
    outside = [n for n, (low, high) in found.ci(0.95).items() if not low < TRUTH[n] < high]
    assert len(outside) <= 1, outside
    assert all(low < TRUTH[n] < high for n, (low, high) in found.ci(0.999).items())
    focei = fit(acop_model(), table, "focei")
    for name, value in found.estimates.items():
        assert abs(value - focei.estimates[name]) < 0.35 * focei.se[name], name
    drawn = pd.read_csv(shared / "reference" / "estimation" / "Oral_1CPT.csv").drop_duplicates("ID")
    for name in ("CL", "V", "KA"):  # variances: those of the subjects that were drawn
        low, high = found.ci(0.95)[f"omega_{name}"]
        assert low < float(np.var(np.log(drawn[name].to_numpy(float)), ddof=1)) < high, name


def test_document_tells_the_stored_coverage(checkout: Path) -> None:
    from benchmarks.coverage import STORED, TRUTH, summary

    text = (checkout / "docs" / "estimation.md").read_text(encoding="utf-8")
    files = sorted(STORED.glob("coverage_*.csv"))
    assert files
    for path in files:
        frame = pd.read_csv(path)
        _, method, design = path.stem.split("_")
        assert len(set(frame["trial"])) >= 100
        own = summary(frame)
        own = own[own["kind"] == "R"].set_index("quantity")["coverage"]
        cells = " | ".join(f"{100 * own[name]:.1f}" for name in TRUTH)
        row = rf"\| `{method}`, {design} \| {frame['trial'].nunique()} \| {re.escape(cells)} \|"
        assert re.search(row, text), (path.name, cells)
