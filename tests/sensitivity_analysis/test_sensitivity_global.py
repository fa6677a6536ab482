"""Sobol, Morris and shares by source, against closed forms, SALib and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sensitivity_models import (
    ISHIGAMI,
    area_model,
    exploding_model,
    ishigami,
    ishigami_indices,
    sobol_g,
    sobol_g_indices,
)

from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, PopulationError, SolverError
from pkpd.people import Population, lognormal, normal, uniform
from pkpd.sensitivity_analysis import runs as module
from pkpd.sensitivity_analysis.api import sensitivity
from pkpd.sensitivity_analysis.designs import MorrisDesign, SobolDesign
from pkpd.sensitivity_analysis.screening import Morris, Sobol
from pkpd.sensitivity_analysis.variance import Variance, single_shares
from pkpd.simulation.api import simulate
from pkpd.simulation.failures import SolverWarning

DOSE = Regimen.parse("100 mg once", cmt="depot")
LONG = np.array([0.0, 1.0, 4.0, 12.0, 400.0])


def log_variance(cv: float) -> float:
    return np.log1p(cv**2)


def product_shares(*variances: float) -> tuple[np.ndarray, np.ndarray]:
    """S1 and ST of a product of independent log-normal factors, by the variances of their logarithms."""
    v = np.array(variances)
    whole = np.expm1(v.sum())
    return np.expm1(v) / whole, 1 - np.expm1(v.sum() - v) / whole


def test_ishigami():
    found = sensitivity(ishigami, parameters=ISHIGAMI, method=Sobol(n=4096, second_order=True)).data.sel(quantity="y")
    first, total, pair = ishigami_indices()
    np.testing.assert_allclose(found["S1"], first, atol=0.012)
    np.testing.assert_allclose(found["ST"], total, atol=0.012)
    np.testing.assert_allclose(found["S2"].sel(parameter="x1", parameter_2="x3"), pair, atol=0.015)
    np.testing.assert_allclose(found["S2"].sel(parameter="x2", parameter_2="x3"), 0, atol=0.015)
    assert found["S2"].sel(parameter="x3", parameter_2="x1") == found["S2"].sel(parameter="x1", parameter_2="x3")


def test_sobol_g():
    a = np.array([0.0, 1.0, 4.5, 9.0])
    found = sensitivity(
        lambda x: sobol_g(x, a), parameters={f"x{i}": (0, 1) for i in range(4)}, method=Sobol(n=4096)
    ).data
    first, total = sobol_g_indices(a)
    np.testing.assert_allclose(found["S1"].values[0], first, atol=0.015)
    np.testing.assert_allclose(found["ST"].values[0], total, atol=0.015)


def test_same_as_scipy():
    from scipy import stats

    options: dict[str, Any] = {"func": ishigami, "n": 4096, "random_state": 3}
    peer = stats.sobol_indices(dists=[stats.uniform(-np.pi, 2 * np.pi)] * 3, **options)
    found = sensitivity(ishigami, parameters=ISHIGAMI, method=Sobol(n=4096)).data
    np.testing.assert_allclose(found["S1"].values[0], peer.first_order, atol=0.025)
    np.testing.assert_allclose(found["ST"].values[0], peer.total_order, atol=0.025)


def test_same_numbers_as_salib():
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as sample

    problem = {"num_vars": 3, "names": ["a", "b", "c"], "bounds": [[-np.pi, np.pi]] * 3}
    points = sample.sample(problem, 256, calc_second_order=True, seed=5)
    peer = analyze.analyze(problem, ishigami(points.T), calc_second_order=True, seed=1, num_resamples=400)
    design = SobolDesign(((0,), (1,), (2,)), 256, 5, second_order=True, resamples=400)
    unit = design.unit()
    np.testing.assert_allclose(unit[:256] * 2 * np.pi - np.pi, points[::8], rtol=1e-12)
    found = design.analyse(ishigami((unit * 2 * np.pi - np.pi).T), np.ones(256, bool))
    for index in ("S1", "ST"):
        np.testing.assert_allclose(found[index][:, 0], peer[index], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found[f"{index}_conf"][:, 0], peer[f"{index}_conf"], rtol=0.2)
    np.testing.assert_allclose(found["S2"][0, 2, 0], peer["S2"][0, 2], rtol=1e-9)


@pytest.mark.slow
def test_intervals_cover():
    """Bootstrap intervals take the rows as independent, so of a Sobol sequence they cover at least as often."""
    truth = ishigami_indices()[1]
    runs = [sensitivity(ishigami, parameters=ISHIGAMI, method=Sobol(n=256, seed=s)).data for s in range(200)]
    inside = [np.abs(r["ST"].values[0] - truth) <= r["ST_conf"].values[0] for r in runs]
    assert (np.mean(inside, axis=0) >= 0.9).all()


def test_seed_gives_the_same_numbers():
    one, two, other = (sensitivity(ishigami, parameters=ISHIGAMI, method=Sobol(n=64, seed=s)).data for s in (0, 0, 1))
    assert one.equals(two)
    assert not one.equals(other)


def test_known_pk_answer():
    """The area is F dose / CL, whatever the volume."""
    given = {"CL": lognormal(5, 0.3), "F": lognormal(0.4, 0.2, high=1), "V": (10, 30)}
    found = sensitivity(area_model(), DOSE, times=LONG, of={"area": "AUC.last"}, parameters=given, method=Sobol(n=2048))
    data = found.data.sel(quantity="area")
    first, total = product_shares(log_variance(0.3), log_variance(0.2), 0.0)
    np.testing.assert_allclose(data["S1"], first, atol=0.02)
    np.testing.assert_allclose(data["ST"], total, atol=0.02)
    assert float(data["ST"].sel(parameter="V")) < 1e-9
    assert found.data.attrs["runs"] == 2048 * 5
    assert str(found.data["units"].values[0]) == "mg*h/L"
    assert list(found.table("area").index.names) == ["quantity", "parameter"]


def test_effects_and_covariates():
    """CL is CL exp(eta) (WT/70)^0.75: an effect and a log-normal weight act as factors."""
    given = {"eta_CL": normal(0, 0.25), "WT": lognormal(70, 0.3)}
    found = sensitivity(area_model(), DOSE, times=LONG, of="AUC.last", parameters=given, method=Sobol(n=1024)).data
    first, _ = product_shares(0.25**2, 0.75**2 * log_variance(0.3))
    np.testing.assert_allclose(found["S1"].values[0], first, atol=0.03)


def test_several_regimens_persons_and_functions():
    model, twice = area_model(), {"one": DOSE, "two": Regimen.parse("100 mg q12h x2", cmt="depot")}
    people = Population.typical(model, 2, covariates={"WT": [50.0, 90.0]})
    shape = {"early": lambda sims: sims["Cc"].isel(time=1), "late": "Cc.at(12)"}
    found = sensitivity(model, twice, people, LONG, of=shape, parameters=["CL", "V", "ka"], method=Sobol(n=64)).data
    assert found["S1"].dims == ("quantity", "subject", "regimen", "parameter")
    alone = sensitivity(
        model, twice["two"], people[1], LONG, of=shape, parameters=["CL", "V", "ka"], method=Sobol(n=64)
    ).data  # the same person alone
    np.testing.assert_allclose(found["S1"].sel(subject=2, regimen="two").values, alone["S1"].values, rtol=1e-6)


def test_over_time_and_blocks(monkeypatch):
    times = np.arange(0.0, 25.0, 2.0)
    arguments: dict[str, Any] = {"times": times, "of": "Cc", "parameters": ["CL", "ka", "F"], "method": Sobol(n=64)}
    whole = sensitivity(area_model(), DOSE, **arguments)
    monkeypatch.setattr(module, "BYTES", 8 * times.size * 37)
    parts = sensitivity(area_model(), DOSE, **arguments)
    np.testing.assert_array_equal(whole.data["S1"], parts.data["S1"])
    assert whole.data["S1"].dims == ("quantity", "time", "parameter")
    assert np.isnan(whole.data["S1"].sel(time=0)).all()
    assert "'Cc' does not vary at 1 of 13 points" in whole.notes[0]
    assert "weighted by variance" in repr(whole)
    late = whole.data.sel(time=24, quantity="Cc")
    arguments["of"] = "Cc.at(24)"
    lone = sensitivity(area_model(), DOSE, **arguments).data.sel(quantity="Cc.at(24)")
    np.testing.assert_allclose(late["ST"], lone["ST"], rtol=1e-6)


def trapezoids(c, t):
    """Linear where the curve rises, logarithmic where it falls, as `exposure`."""
    parts = [
        (b - a) * ((x - y) / np.log(x / y) if 0 < y < x else (x + y) / 2)
        for a, b, x, y in zip(t[:-1], t[1:], c[:-1], c[1:], strict=True)
    ]
    return sum(parts)


def test_quantities_are_what_they_say():
    times = np.arange(0.0, 25.0, 1.0)
    of = {
        "auc": "Cc.auc(4, 12)", "mean": "Cc.mean", "max": "Cc.max", "min": "Cc.min(2, 20)", "last": "Cc.last",
        "tmax": "Cc.tmax", "at": "Cc.at(6)",
    }  # fmt: skip
    cc = simulate(area_model(), DOSE, times=times)["Cc"].values
    same = {"CL": (5 - 1e-9, 5 + 1e-9), "V": (20 - 1e-9, 20 + 1e-9)}
    found = sensitivity(area_model(), DOSE, times=times, of=of, parameters=same, method=Sobol(n=4)).data["mean"]
    wanted = {
        "auc": trapezoids(cc[4:13], times[4:13]), "mean": trapezoids(cc, times) / 24, "max": cc.max(),
        "min": cc[2:21].min(), "last": cc[-1], "tmax": times[cc.argmax()], "at": cc[6],
    }  # fmt: skip
    np.testing.assert_allclose(found, [wanted[str(q)] for q in found["quantity"].values], rtol=1e-5)


def test_morris_of_a_straight_line():
    given = {"a": (0, 10), "b": uniform(-1, 1), "c": (0, 1), "d": normal(0, 1)}
    found = sensitivity(lambda x: 3 * x[0] - 5 * x[1] + 0 * x[2] + x[3], parameters=given, method=Morris(n=20)).data
    one = found.sel(quantity="y")
    edge = 2 * 1.959963984540054  # a normal input moves across its central 95%
    np.testing.assert_allclose(one["mu_star"][:3], [30, 10, 0], atol=1e-9)
    np.testing.assert_allclose(one["mu"][:3], [30, -10, 0], atol=1e-9)
    np.testing.assert_allclose(one["sigma"][:3], 0, atol=1e-9)
    assert 0.9 * edge < float(one["mu_star"][3]) < 1.1 * edge
    assert MorrisDesign(("a",), 3, 0, ((0, 1),)).unit().shape == (6, 1)


def test_morris_of_a_model_orders_as_the_elasticities_do():
    times = np.array([0.0, 400.0])
    found = sensitivity(
        area_model(), DOSE, times=times, of="AUC.last", parameters=["CL", "V", "F"], method=Morris(n=16)
    ).data.sel(quantity="AUC.last")
    np.testing.assert_allclose(found["mu"].sel(parameter="F"), 4 / 0.98, rtol=0.1)  # 10 mg h/L, -+20%
    assert float(found["mu"].sel(parameter="CL")) < -3
    assert float(found["mu_star"].sel(parameter="V")) < 1e-4


def test_variance_between_subjects_and_uncertainty():
    """Both act on log CL, so the shares are those of a product."""
    found = sensitivity(
        area_model(), DOSE, times=LONG, of="AUC.last", parameters={"CL": lognormal(5, 0.4)}, method=Variance(n=2048)
    )
    data = found.data.sel(quantity="AUC.last")
    first, total = product_shares(log_variance(0.4), log_variance(0.3))
    np.testing.assert_allclose(data["S1"], first, atol=0.03)
    np.testing.assert_allclose(data["ST"], total, atol=0.03)
    np.testing.assert_allclose(data["interaction"], 1 - first.sum(), atol=0.05)
    np.testing.assert_allclose(data["single"], first, atol=0.04)
    assert list(data["source"].values) == ["parameter uncertainty", "between subjects"]
    assert "eta_CL" in repr(found)


def test_correlated_draws_stay_together():
    """Draws in which F goes with CL leave the area as it is; taken apart they would not."""
    rng = np.random.default_rng(1)
    cl = 5 * np.exp(0.3 * rng.standard_normal(500))
    draws = pd.DataFrame({"CL": cl, "F": cl / 50})
    draws = draws.loc[draws["F"] < 1]
    found = sensitivity(area_model(), DOSE, times=LONG, of="AUC.last", method=Variance(draws=draws, n=256))
    data = found.data.sel(quantity="AUC.last")
    np.testing.assert_allclose(data["ST"].sel(source="parameter uncertainty"), 0, atol=1e-6)
    np.testing.assert_allclose(data["ST"].sel(source="between subjects"), 1, atol=0.1)
    assert "draws are correlated (largest: CL with F, 1.00)" in found.notes[0]


def test_persons_of_a_population_and_covariates():
    model = area_model()
    people = Population.draw(model, 300, covariates={"WT": lognormal(70, 0.4)}, seed=2)
    alone = {"CL": lognormal(5, 0.2)}
    found = sensitivity(model, DOSE, people, LONG, of="AUC.last", parameters=alone, method=Variance(n=1024)).data
    between = float(np.var(people.etas[:, 0] + 0.75 * np.log(people.covariates["WT"] / 70)))
    first, _ = product_shares(log_variance(0.2), between)
    np.testing.assert_allclose(found["S1"].values[0], first, atol=0.06)
    apart = sensitivity(
        model, DOSE, times=LONG, of="AUC.last", parameters=alone | {"WT": lognormal(70, 0.4)}, method="variance"
    ).data
    assert list(apart["source"].values) == ["parameter uncertainty", "covariates", "between subjects"]
    first, _ = product_shares(log_variance(0.2), 0.75**2 * log_variance(0.4), log_variance(0.3))
    np.testing.assert_allclose(apart["S1"].values[0], first, atol=0.06)


def test_single_shares_of_correlated_inputs():
    """Of y = a + b the mean given a is (1 + r) a, so a explains (1 + r) / 2."""
    rng = np.random.default_rng(0)
    a, e = rng.standard_normal((2, 20000))
    b = 0.6 * a + 0.8 * e
    share, _ = single_shares(a, (a + b)[:, None], np.full((1, 20000), 1 / 20000))
    np.testing.assert_allclose(share, 0.8, atol=0.02)
    none, _ = single_shares(rng.standard_normal(20000), (a + b)[:, None], np.full((1, 20000), 1 / 20000))
    np.testing.assert_allclose(none, 0, atol=0.01)


def test_failed_runs_are_told():
    arguments: dict[str, Any] = {
        "times": np.array([0.0, 1.0]), "of": "y.last", "parameters": {"k": (0.1, 1.03), "s": (1, 2)},
        "method": Sobol(n=64),
    }  # fmt: skip
    dose = Regimen.parse("1 once", cmt="x")
    with pytest.warns(SolverWarning, match=r"\d+ of 256 runs failed \(first: k=1\.0"):
        found = sensitivity(exploding_model(), dose, **arguments)
    failed = found.data.attrs["failed"]
    assert failed > 0
    assert f"{failed} of 256 runs failed" in found.notes[0]
    assert f"{failed} of 256 runs failed" in repr(found)
    assert np.isfinite(found.data["S1"]).all()
    with pytest.raises(SolverError, match="runs failed"):
        sensitivity(exploding_model(), dose, **arguments, on_failure="raise")
    wide: dict[str, Any] = arguments | {"parameters": {"k": (0.1, 3.0), "s": (1, 2)}}
    with pytest.raises(PkpdError, match=r"left with \d+ of 64 base rows"):
        sensitivity(exploding_model(), dose, **wide, on_failure="ignore")


def test_values_that_are_not_finite_are_told():
    def rough(x):
        return np.stack([np.where(x[0] > 0.97, np.nan, x[0]), x[0] + x[1]])

    found = sensitivity(rough, of=["rough", "plain"], parameters={"a": (0, 1), "b": (0, 1)}, method=Sobol(n=256))
    assert len(found.notes) == 1
    assert "'rough' is not finite in" in found.notes[0]
    np.testing.assert_allclose(found.data["ST"].sel(quantity="rough"), [1, 0], atol=0.06)
    np.testing.assert_allclose(found.data["ST"].sel(quantity="plain"), 0.5, atol=0.06)


def test_values_outside_bounds_are_refused():
    with pytest.raises(PopulationError, match="parameter 'F' must lie from 0 to 1"):
        sensitivity(area_model(), DOSE, times=LONG, of="Cc.max", parameters={"F": (0.5, 1.5)}, method=Sobol(n=4))
