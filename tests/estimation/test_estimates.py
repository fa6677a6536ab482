"""The search, its report, standard errors, and what is kept of a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import pytest
from fit_data import bolus_model, mean_model, simulated, simulated_table

import pkpd
from pkpd import Additive, Model, Omega, Output, Parameter, Proportional, State
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.methods.optimise import minimise
from pkpd.estimation.problem import pose
from pkpd.estimation.result import Fit
from pkpd.estimation.store import load_fit
from pkpd.estimation.uncertainty.covariance import covariance_of


@pytest.fixture(scope="module")
def found() -> Fit:
    return fit(bolus_model(), simulated_table(24))


def test_the_gradient_vanishes_at_the_estimates(found: Fit) -> None:
    assert found.converged
    objective = found.objective()
    outcome = objective(found.x)
    assert outcome.ofv == pytest.approx(found.ofv, abs=1e-8)
    promised = outcome.gradient @ np.linalg.solve(outcome.fisher, outcome.gradient)
    assert promised < 1e-4


def test_no_other_point_nearby_is_better(found: Fit) -> None:
    objective = found.objective()
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert objective(found.x + 0.02 * rng.standard_normal(found.x.size)).ofv > found.ofv


def test_truth_lies_within_intervals(found: Fit) -> None:
    truth = {"CL": 2.0, "V": 20.0, "omega_CL": 0.09, "omega_V": 0.04, "sigma_prop": 0.1}
    assert set(found.estimates) == set(truth)
    for name, (low, high) in found.ci(0.999).items():
        assert low < truth[name] < high, name


@pytest.mark.parametrize("kind", ["R", "S", "RS"])
def test_standard_errors_of_a_mean_are_those_of_theory(kind: str) -> None:
    """y = base + eta + eps: the variance of the estimated mean is (omega + sigma^2 / k) / n."""
    model = mean_model()
    n, k = 400, 3
    rng = np.random.default_rng(5)
    y = 3.0 + 0.8 * rng.standard_normal((n, 1)) + 0.5 * rng.standard_normal((n, k))
    times = np.tile(np.arange(float(k)), n)
    frame = {"ID": np.repeat(np.arange(n), k), "TIME": times, "DV": y.ravel(), "EVID": np.zeros(n * k)}
    f = fit(model, pkpd.read_events(pd.DataFrame(frame)), Focei(covariance=cast(Any, kind)))
    expected = math.sqrt((f.omega[0, 0] + f.sigma["sigma_add"] ** 2 / k) / n)
    # R is exact; S and the sandwich agree as far as 400 subjects let them
    assert f.se["base"] == pytest.approx(expected, rel=1e-4 if kind == "R" else 0.1)
    # balanced one-way layout: var(omega) = 2 / k^2 (lambda^2 / n + sigma^4 / (n (k - 1))), lambda = k omega + sigma^2
    s2, lam = f.sigma["sigma_add"] ** 2, k * f.omega[0, 0] + f.sigma["sigma_add"] ** 2
    variance = 2 / k**2 * (lam**2 / n + s2**2 / (n * (k - 1)))
    assert f.se["omega_base"] == pytest.approx(math.sqrt(variance), rel=1e-3 if kind == "R" else 0.15)
    assert f.se["sigma_add"] == pytest.approx(math.sqrt(s2 / (2 * n * (k - 1))), rel=1e-3 if kind == "R" else 0.15)


def test_a_parameter_that_data_do_not_tell_is_reported_as_singular() -> None:
    model = Model(
        "twice",
        states=[State("central", "mg")],
        parameters=[Parameter("a", 1.0, "L/h", sd=0.3), Parameter("b", 2.0, "L/h"), Parameter("V", 20.0, "L", sd=0.2)],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -(p.a + p.b - p.a) / p.V * x.central - (p.a * 0.0) * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        check_units=False,
    )
    problem = pose(model, simulated_table(8))
    assert problem.layout.unused == ()
    objective = problem.objective("focei")
    search = minimise(
        objective, problem.layout.start, problem.layout.low, problem.layout.high, np.ones(6, bool), limit=5
    )
    known, message = covariance_of(objective, problem.layout, search.x)
    assert known is not None
    assert known.held == ("a", "omega_a")
    assert message == "no standard error for a, omega_a: at a bound, or the data do not tell it"


def test_fixed_values_stay_and_are_marked(found: Fit) -> None:
    f = fit(bolus_model(), simulated_table(24), fixed=["V", "omega_CL"], start={"V": 19.0})
    assert f.theta["V"] == 19.0
    assert f.omega[0, 0] == pytest.approx(0.09)
    assert "V" not in f.estimates
    assert f.n_parameters == 3
    assert f.ofv > found.ofv
    assert bool(f.summary().loc["V", "fixed"])


def test_fixed_values_are_kept_where_they_are_given(found: Fit) -> None:
    given = fit(bolus_model(), found.events, fixed={"CL": 4.0, "omega_V": 0.02})
    listed = fit(bolus_model(), found.events, fixed=["CL", "omega_V"], start={"CL": 4.0, "omega_V": 0.02})
    assert given.theta["CL"] == 4.0
    assert given.omega[1, 1] == pytest.approx(0.02)
    assert given.ofv == pytest.approx(listed.ofv, abs=1e-9)
    assert "CL" not in given.estimates
    with pytest.raises(DataError, match="CL has a fixed value and a start; give one of them"):
        fit(bolus_model(), found.events, fixed={"CL": 4.0}, start={"CL": 5.0})
    with pytest.raises(DataError, match="the fixed value of CL must be a number, got '4'"):
        fit(bolus_model(), found.events, fixed=cast(Any, {"CL": "4"}))
    with pytest.raises(DataError, match=r"fixed names 'Cl'"):
        fit(bolus_model(), found.events, fixed={"Cl": 4.0})


def test_blocks_are_estimated_in_full() -> None:
    model = Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 2.0, "L/h"), Parameter("V", 20.0, "L")],
        omega=[Omega(("CL", "V"), [[0.09, 0.05], [0.05, 0.06]])],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    f = fit(model, pkpd.read_events(simulated(model, 40)))
    low, high = f.ci(0.999)["omega_V,CL"]
    assert low < 0.05 < high
    assert f.omega[0, 1] > 0.02
    assert "correlation of random effects: V,CL" in str(f)


def test_restarts_are_seeded_and_keep_the_best(found: Fit) -> None:
    again = [fit(bolus_model(), simulated_table(24), Focei(restarts=2, seed=3, covariance=None)) for _ in range(2)]
    assert np.array_equal(again[0].x, again[1].x)
    assert again[0].ofv <= found.ofv + 1e-4
    assert any("3 searches" in m for m in again[0].messages)


def test_interruption_returns_the_best_so_far(found: Fit) -> None:
    def stop(step: Any) -> None:
        if step.iteration == 2:
            raise KeyboardInterrupt

    f = fit(bolus_model(), simulated_table(24), start={"CL": 4.0, "V": 40.0}, progress=stop)
    assert not f.converged
    assert any("interrupted" in m for m in f.messages)
    assert found.ofv < f.ofv < f.trace[0]["ofv"]
    assert f.covariance is None
    assert "has not converged" in f.covariance_message


def test_checkpoints_let_a_search_go_on(found: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    poor = {"CL": 4.0, "V": 40.0}
    first = fit(bolus_model(), simulated_table(24), Focei(max_iterations=2, checkpoint=path), start=poor)
    assert not first.converged
    then = fit(bolus_model(), simulated_table(24), Focei(checkpoint=path), start=poor)
    assert then.converged
    assert then.ofv == pytest.approx(found.ofv, abs=1e-4)
    assert then.trace[0]["ofv"] <= first.ofv + 1e-9
    assert any("went on from checkpoint" in m for m in then.messages)
    with pytest.raises(PkpdError, match=r"checkpoint .* is of other work: estimates, held values differ"):
        fit(bolus_model(), simulated_table(24), Focei(checkpoint=path), fixed=["V"])


def test_a_bound_is_pointed_out() -> None:
    model = Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 2.0, "L/h", sd=0.3), Parameter("V", 24.0, "L", sd=0.2, bounds=(23.0, 60.0))],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    f = fit(model, simulated_table(24))
    assert f.theta["V"] == pytest.approx(23.0)
    assert any("V is at its bound (23)" in m for m in f.messages)
    assert math.isnan(f.se["V"])


def test_the_report_has_all_that_is_wanted(found: Fit) -> None:
    text = str(found)
    for word in ("FOCEI", "OFV", "AIC", "BIC", "RSE", "95% CI", "% CV", "condition number", "shrinkage", "log 2pi"):
        assert word in text, word
    assert "OFV" in repr(found)
    table = found.summary()
    assert list(table.index) == ["CL", "V", "omega_CL", "omega_V", "sigma_prop"]
    assert table.loc["omega_CL", "cv"] == pytest.approx(100 * math.sqrt(math.expm1(found.omega[0, 0])))
    k, n = found.n_parameters, found.n_observations
    assert found.loglik == pytest.approx(-0.5 * (found.ofv + n * math.log(2 * math.pi)))
    assert found.aic == pytest.approx(-2 * found.loglik + 2 * k)
    assert found.bic == pytest.approx(-2 * found.loglik + k * math.log(n))
    assert found.shrinkage["CL"] < 0.3
    assert set(found.shrinkage) == {"CL", "V", "eps_Cc"}
    correlation = found.correlation
    assert correlation is not None
    np.testing.assert_allclose(np.diag(correlation), 1.0)


def test_the_model_of_a_fit_has_the_estimates(found: Fit) -> None:
    assert found.model.parameters["CL"].value == found.theta["CL"]
    np.testing.assert_allclose(found.model.omega, found.omega)
    assert found.model.outputs["Cc"].error == Proportional(found.sigma["sigma_prop"])
    assert found.ebe.dims == ("subject", "parameter")
    assert found.ebe.shape == (24, 2)


@dataclass(frozen=True)
class Spread(Additive):
    """Additive error whose number is called like a parameter."""

    prefix: ClassVar[str] = ""


@pytest.mark.parametrize(
    ("volume", "error", "text"),
    [
        (
            "add",
            Spread(0.1),
            r"'add' is the name of parameter 'add' and of a number of the residual error of output 'Cc'",
        ),
        ("sigma_prop", Proportional(0.1), r"'sigma_prop' is the name of parameter 'sigma_prop' and of a number"),
        ("omega_CL", Proportional(0.1), r"'omega_CL' is the name of parameter 'omega_CL' and of the variance of eta"),
    ],
)
def test_one_name_for_two_quantities_is_refused(volume: str, error: Any, text: str) -> None:
    model = Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 2.0, "L/h", sd=0.3), Parameter(volume, 20.0, "L")],
        outputs=[Output("Cc", "mg/L", error=error)],
        dynamics=lambda t, x, p: {"central": -p.CL / getattr(p, volume) * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / getattr(p, volume)},
    )
    with pytest.raises(DataError, match=text):
        fit(model, simulated_table(8))


def another(self: Proportional, f: Any) -> Any:
    """Return twice the variance of the class whose method it takes the place of."""
    return 2.0 * (self.prop * f) ** 2


def test_a_fit_by_another_law_of_its_error_is_not_read(
    found: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found.save(tmp_path / "fit.json")
    fit(bolus_model(), simulated_table(24), Focei(max_iterations=1, checkpoint=tmp_path / "search"))
    monkeypatch.setattr(Proportional, "variance", another)
    with pytest.raises(PkpdError, match=r"was fitted with another law of Cc: a residual error, or a kind of reported"):
        load_fit(tmp_path / "fit.json", bolus_model(), simulated_table(24))
    with pytest.raises(PkpdError, match=r"checkpoint .* is of other work: laws differs"):
        fit(bolus_model(), simulated_table(24), Focei(checkpoint=tmp_path / "search"))


def test_a_fit_is_kept_on_disk(found: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    found.save(path)
    back = load_fit(path, bolus_model(), simulated_table(24))
    assert back.estimator == found.estimator  # a bootstrap of the loaded fit has its options
    assert str(back) == str(found)
    assert back.se == found.se
    assert back.objective()(back.x).ofv == pytest.approx(found.ofv, abs=1e-8)
    with pytest.raises(PkpdError, match="other subjects"):
        load_fit(path, bolus_model(), simulated_table(8))
    (tmp_path / "no.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PkpdError, match="is no fit"):
        load_fit(tmp_path / "no.json", bolus_model(), simulated_table(8))


def test_the_same_fit_twice_gives_the_same(found: Fit) -> None:
    again = fit(bolus_model(), simulated_table(24))
    assert np.array_equal(again.x, found.x)


def test_the_covariance_step_is_a_verb_of_its_own() -> None:
    f = fit(bolus_model(), simulated_table(24), Focei(covariance=None))
    assert f.covariance is None
    assert math.isnan(f.se["CL"])
    f.covariance_step("RS")
    assert f.uncertainty is not None
    assert f.uncertainty.kind == "RS"
    assert f.se["CL"] > 0
    with pytest.raises(PkpdError, match="kind must be R, S, RS"):
        f.covariance_step("Q")
