"""Fits against those of other programs and against the truth of simulated data.

Data sets of others are read from PKPD_SHARED; a set drawn here and its fits by another program lie beside this file.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_data import (
    LOG_2PI,
    acop,
    acop_model,
    oral,
    phenobarbital,
    phenobarbital_model,
    theophylline,
    theophylline_by_volume,
    theophylline_model,
)
from reference_data import published

import pkpd
from pkpd import Combined, Model, Omega, Output, Parameter, Proportional, State
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Fo, Focei
from pkpd.estimation.methods.register import MethodName
from pkpd.estimation.problem import pose
from pkpd.estimation.result import Fit
from pkpd.estimation.vector import Natural


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


PHENOBARBITAL = {"CL": "lCl", "V": "lV"}
THEOPHYLLINE = {"Ke": "lKe", "Ka": "lKa", "Cl": "lCl"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("full", "Theoph_full_ML"), ("diag3", "Theoph_diag3_ML"), ("two", "Theoph_diag_lKa_lCl_ML")],
)
def test_theophylline_as_nlme(shared: Path, kind: str, name: str) -> None:
    found = fit(theophylline_model(kind), theophylline(shared), "nlme")
    assert found.converged
    close_to(found, published(name), THEOPHYLLINE)


ORAL = {"Ka": 1.2, "Cl": 3.0, "V": 30.0, "sigma_add": 0.2}


@pytest.mark.parametrize("kind", ["diag3", "full"])
def test_an_oral_set_as_pynlme(kind: str) -> None:
    """Log-likelihood within 0.005, effects within 1e-3, their standard errors within 4%, covariances within 1e-4."""
    known = published(f"Oral_{kind}_ML", "oral_fits.csv")
    errors = published(f"Oral_{kind}_ML", "oral_fits.csv", "se")["fixed"]
    block = Omega(("Ka", "Cl", "V"), [[0.25], [0.01, 0.09], [0.01, 0.01, 0.04]]) if kind == "full" else None
    found = fit(theophylline_by_volume(block), oral(), "nlme", start=ORAL)
    assert found.converged
    assert found.loglik == pytest.approx(known["logLik"]["logLik"], abs=0.005)
    assert found.sigma["sigma_add"] == pytest.approx(known["sigma"]["sigma"], rel=1e-3)
    for name in ("Ka", "Cl", "V"):
        assert math.log(found.theta[name]) == pytest.approx(known["fixed"][f"l{name}"], rel=1e-3), name
        assert found.rse[name] == pytest.approx(errors[f"l{name}"], rel=0.04), name
    assert len(known["omega"]) == (6 if kind == "full" else 3)
    for pair, value in known["omega"].items():
        row, column = (found.etas.index(name[1:]) for name in pair.split(","))
        assert found.omega[row, column] == pytest.approx(value, abs=1e-4), pair


def test_foce_ends_above_the_likelihood_that_pynlme_ends_at() -> None:
    found = fit(theophylline_by_volume(), oral(), "foce", start=ORAL)
    assert 0.0 < found.loglik - published("Oral_diag3_ML", "oral_fits.csv")["logLik"]["logLik"] < 0.2


def test_phenobarbital_as_nlme(shared: Path) -> None:
    table = phenobarbital(shared)
    base = fit(phenobarbital_model(effects=False), table, "nlme")
    close_to(base, published("Phenobarb_base_ML"), PHENOBARBITAL)
    known = published("Phenobarb_cov_lCl~Wt_lV~Wt+ApgarInd_ML")
    names = {"CL": "lCl.(Intercept)", "V": "lV.(Intercept)", "WT_CL": "lCl.Wt", "WT_V": "lV.Wt"}
    found = fit(phenobarbital_model(effects=True), table, "nlme")
    close_to(found, known, {**names, "APGAR_V": "lV.ApgarInd>= 5"})


def test_the_objective_of_foce_at_published_estimates_is_the_published_likelihood(shared: Path) -> None:
    """The approximation of nlme is FOCE: values of the likelihood agree far better than its maxima."""
    cases = [
        (theophylline_model("two"), theophylline(shared), "Theoph_diag_lKa_lCl_ML", THEOPHYLLINE, 1e-5),
        # nlme ended its search here with some thousandths to go
        (
            phenobarbital_model(effects=False),
            phenobarbital(shared),
            "Phenobarb_base_ML",
            {"CL": "lCl", "V": "lV"},
            0.01,
        ),
    ]
    for model, table, name, names, tolerance in cases:
        known, problem = published(name), pose(model, table)
        theta = {ours: math.exp(known["fixed"][theirs]) for ours, theirs in names.items()}
        sd = [known["omega_sd"][names[n]] for n in model.etas]
        natural = Natural(theta, np.diag(sd), np.zeros((0, 0)), {"sigma_add": known["sigma"]["sigma"]})
        ofv = problem.objective("foce")(problem.layout.vector(natural)).ofv
        loglik = -0.5 * (ofv + problem.data.n_continuous * LOG_2PI)
        assert loglik == pytest.approx(known["logLik"]["logLik"], abs=tolerance)


def test_foce_ends_above_the_likelihood_that_nlme_ends_at(shared: Path) -> None:
    """Lindstrom and Bates hold the linearisation while they maximise, so they miss the maximum of FOCE by a little."""
    for model, table, name in (
        (theophylline_model("full"), theophylline(shared), "Theoph_full_ML"),
        (phenobarbital_model(effects=False), phenobarbital(shared), "Phenobarb_base_ML"),
    ):
        found = fit(model, table, "foce")
        assert 0.0 < found.loglik - published(name)["logLik"]["logLik"] < 0.2
        assert found.ofv == pytest.approx(fit(model, table, "focei").ofv, abs=1e-6)  # additive error: no interaction


def _as_nonmem(error: Combined, **more: Any) -> Model:
    return Model(
        "nonmem",
        states=[State("depot", "mg"), State("central", "mg")],
        parameters=[Parameter("KA", 2.0, "1/h"), Parameter("V", 50.0, "L"), Parameter("K", 0.1, "1/h")],
        omega=[Omega(("KA", "V", "K"), [[0.2], [0.1, 0.2], [0.1, 0.1, 0.2]])],
        outputs=[Output("Cc", "mg/L", error=error)],
        dynamics=lambda t, x, p: {"depot": -p.KA * x.depot, "central": p.KA * x.depot - p.K * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


def test_fo_as_nonmem_on_theophylline(shared: Path) -> None:
    """Objective at the start and at the minimum, estimates and sandwich errors.

    Source: Kim MG, Yim DS, Bae KS. Transl Clin Pharmacol 2015;23:1-7, whose R package nmw reproduces NONMEM; the
    numbers stand in its vignette (nmw-vignette.Rout.txt). Doses are 320 mg for everyone there.
    """
    frame = theophylline(shared).frame.copy()
    frame.loc[frame["EVID"] == 1, "AMT"] = 320.0
    table = pkpd.read_events(frame)
    model = _as_nonmem(Combined(math.sqrt(0.1), math.sqrt(0.1)))
    problem = pose(model, table)
    assert problem.objective("fo")(problem.layout.start).ofv == pytest.approx(141.3076, abs=1e-4)
    found = fit(model, table, Fo(covariance="RS"))
    assert found.ofv == pytest.approx(57.32106, abs=1e-4)
    known = {
        "KA": (3.16946754, 0.641076544), "V": (38.25213460, 1.685217844), "K": (0.10501808, 0.023072024),
        "omega_KA": (1.19823325, 0.420617306), "omega_V,KA": (0.13747849, 0.082197497),
        "omega_V": (0.03134899, 0.019812976), "omega_K,KA": (0.37015671, 0.340273208),
        "omega_K,V": (0.04340042, 0.023052142), "omega_K": (0.25068582, 0.289524327),
    }  # fmt: skip
    for name, (value, error) in known.items():
        assert found.estimates[name] == pytest.approx(value, rel=1e-3), name
        assert found.se[name] == pytest.approx(error, rel=2e-3), name
    assert found.sigma["sigma_prop"] ** 2 == pytest.approx(0.01207782, rel=1e-3)
    assert found.sigma["sigma_add"] ** 2 == pytest.approx(0.05427434, rel=1e-3)


@pytest.mark.parametrize(
    ("single", "n", "start", "ofv", "at"),
    [
        (1, 2276, 20666.5493, 20058.5041, (1.3662, 4.2075, 0.19752, 0.072567, 0.091407)),
        (0, 4675, 46074.8457, 45032.2645, (1.3606, 4.1981, 0.20483, 0.073538, 0.096921)),
    ],
    ids=["single dose", "multiple doses and steady state"],
)
def test_focei_as_nonmem_on_acop(
    shared: Path, single: int, n: int, start: float, ofv: float, at: tuple[float, ...]
) -> None:
    """Objective at the start and at NONMEM's estimates, and the minimum, which NONMEM ended near.

    Source: NONMEM 7.4.3 outputs runODE001 and runODE002 of github.com/nlmixr2/nlmixr2test (ADVAN13 TOL=6, NSIG=2).
    """
    raw = pd.read_csv(shared / "reference" / "estimation" / "Bolus_1CPT.csv")
    part = raw.loc[raw["SD"] == single].rename(columns={"SS": "SSX", "II": "IIX", "CL": "CLI", "V": "VI"})
    table = pkpd.read_events(part)
    sd = math.sqrt(0.15)
    model = Model(
        "nonmem",
        states=[State("central", "ug")],
        parameters=[Parameter("CL", math.exp(1.6), "L/h", sd=sd), Parameter("V", math.exp(4.5), "L", sd=sd)],
        outputs=[Output("Cc", "ug/L", error=Proportional(0.3))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    problem = pose(model, table)
    assert problem.data.n_continuous == n
    objective = problem.objective("focei")
    assert objective(problem.layout.start).ofv == pytest.approx(start, abs=0.01)
    theta = {"CL": math.exp(at[0]), "V": math.exp(at[1])}
    natural = Natural(theta, np.diag(np.sqrt(at[3:])), np.zeros((0, 0)), {"sigma_prop": at[2]})
    assert objective(problem.layout.vector(natural)).ofv == pytest.approx(ofv, abs=0.01)
    found = fit(model, table, Focei(covariance="RS"))
    assert ofv - 0.1 < found.ofv < ofv
    if not single:  # sandwich errors, printed with three figures; those of log CL and log V
        errors = [found.rse["CL"], found.rse["V"], *(found.se[k] for k in ("sigma_prop", "omega_CL", "omega_V"))]
        np.testing.assert_allclose(errors, [2.50e-2, 2.89e-2, 2.31e-3, 9.49e-3, 1.26e-2], rtol=5e-3)


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
    [("Oral_1CPT", "focei"), pytest.param("Oral_1CPT", "laplace", marks=pytest.mark.slow), ("Bolus_1CPT", "focei")],
)
def test_truth_of_simulated_data_lies_within_intervals(shared: Path, name: str, method: MethodName) -> None:
    """ACoP 2016: CL 4 L/h, V 70 L, KA 1 /h, each with an omega^2 of 0.09, proportional error 0.2."""
    found = fit(acop_model(oral=name.startswith("Oral")), acop(shared, name), method)
    assert found.converged
    truth = {"CL": 4.0, "V": 70.0, "KA": 1.0, "omega_CL": 0.09, "omega_V": 0.09, "omega_KA": 0.09, "sigma_prop": 0.2}
    # eight estimates: one may lie outside its own 95%, none far
    inside, wide = found.ci(0.95), found.ci(0.999)
    outside = [n for n, (low, high) in inside.items() if not low < truth[n] < high]
    assert len(outside) <= 1, {n: inside[n] for n in outside}
    assert all(low < truth[n] < high for n, (low, high) in wide.items())


def test_estimates_do_not_depend_on_the_number_of_threads() -> None:
    model, table = theophylline_by_volume(), oral()
    one, two = (fit(model, table, Focei(covariance=None), start=ORAL, threads=n) for n in (1, 2))
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.effects, two.effects)
    assert one.ofv == two.ofv


def test_a_poor_start_does_not_change_where_the_search_ends() -> None:
    model, table = theophylline_by_volume(), oral()
    good = fit(model, table, Focei(covariance=None), start=ORAL)
    poor = fit(model, table, Focei(covariance=None), start={"Ka": 0.3, "Cl": 15.0, "V": 120.0, "sigma_add": 3.0})
    assert poor.converged
    assert poor.ofv == pytest.approx(good.ofv, abs=1e-3)
