"""Objectives: exact gradients against differences, and the approximations against what they approximate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_data import bolus_model, mean_model, simulated

import pkpd
from pkpd import Additive, Combined, Covariate, LogNormal, Model, Omega, Output, Parameter, Proportional, State
from pkpd.errors import DataError
from pkpd.estimation.methods.objective import Objective
from pkpd.estimation.problem import pose
from pkpd.model.residual import NegativeBinomial, Poisson, TimeToEvent
from pkpd.outcomes import Ordinal


def objective(model: Model, frame: pd.DataFrame, method: str, **more: Any) -> Objective:
    return pose(model, pkpd.read_events(frame), **more).objective(method)


def check_gradient(o: Objective, x: np.ndarray, h: float = 1e-3, tolerance: float = 1e-5) -> None:
    """Compare with differences of fourth order."""
    gradient = o(x).gradient
    differences = np.empty_like(x)
    for k in range(x.size):
        e = np.zeros_like(x)
        e[k] = h
        near, far = o(x + e).ofv - o(x - e).ofv, o(x + 2 * e).ofv - o(x - 2 * e).ofv
        differences[k] = (8 * near - far) / (12 * h)
    scale = np.maximum(np.abs(differences), 0.05 * np.abs(differences).max() + 0.1)
    np.testing.assert_allclose(gradient / scale, differences / scale, atol=tolerance)


def moved(o: Objective) -> np.ndarray:
    """Return a vector off the start, where no derivative vanishes."""
    return o.layout.start + 0.1 * np.cos(1.0 + np.arange(o.layout.size))


def _oral(**more: Any) -> Model:
    return Model(
        "oral",
        states=[State("depot", "mg"), State("central", "mg")],
        outputs=[Output("Cc", "mg/L", error=Combined(0.02, 0.15))],
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


def _oral_parameters(**sd: float) -> list[Parameter]:
    values = {"CL": (2.0, "L/h"), "V": (20.0, "L"), "ka": (1.0, "1/h")}
    return [Parameter(n, v, u, sd=sd.get(n)) for n, (v, u) in values.items()]


@pytest.mark.parametrize("method", ["fo", "foce", "focei", "laplace"])
@pytest.mark.parametrize(
    "error",
    [Additive(0.3), Proportional(0.1), Combined(0.05, 0.1), Combined(0.05, 0.1, "sd"), LogNormal(0.2)],
    ids=lambda e: f"{type(e).__name__}{getattr(e, 'convention', '')}",
)
def test_gradient_is_that_of_the_objective(error: Any, method: str) -> None:
    model = bolus_model(error)
    o = objective(model, simulated(model, 5), method)
    check_gradient(o, moved(o))


@pytest.mark.parametrize("method", ["focei", "fo"])
def test_gradient_with_full_covariance_covariates_and_parameters_without_effects(method: str) -> None:
    parameters = [*_oral_parameters(CL=0.3, V=0.2), Parameter("b", 0.6, "", scale="additive")]
    model = _oral(
        parameters=parameters,
        omega=[Omega(("CL", "V"), [[0.09, 0.03], [0.03, 0.04]])],
        covariates=[Covariate("WT", "kg", 70)],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** p.b, "V": p.V * (cov.WT / 70)},
    )
    weights = np.linspace(50, 100, 5)
    o = objective(model, simulated(model, 5, covariates={"WT": weights}), method)
    assert len(o.links.directions) == 3  # the exponent costs no sensitivity
    check_gradient(o, moved(o))


def test_gradient_where_covariates_change_in_time() -> None:
    parameters = [*_oral_parameters(CL=0.3, V=0.2), Parameter("b", 0.6, "", scale="additive")]
    model = _oral(
        parameters=parameters,
        covariates=[Covariate("WT", "kg", 70, carry="linear")],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** p.b},
    )
    frame = simulated(model, 4, extra={"WT": lambda f: 60.0 + f["TIME"] + f["ID"]})
    o = objective(model, frame, "focei")
    assert o.data.varying == {"WT"}
    check_gradient(o, moved(o))


@pytest.mark.parametrize("together", [False, True], ids=["alone", "block"])
def test_gradient_with_variability_between_occasions(together: bool) -> None:
    model = Model(
        "iov",
        states=[State("central", "mg")],
        parameters=[
            Parameter("CL", 2.0, "L/h", sd=0.3, iov_sd=None if together else 0.2),
            Parameter("V", 20.0, "L", sd=0.2),
        ],
        omega_iov=[Omega(("CL", "V"), [[0.04], [0.015, 0.0225]])] if together else [],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    regimen = pkpd.Regimen(amt=100, ii=24, addl=1)
    extra = {"OCC": lambda f: 1 + (f["TIME"] >= 24)}
    frame = simulated(model, 5, (1.0, 6.0, 20.0, 25.0, 30.0, 44.0), extra=extra, regimen=regimen)
    o = objective(model, frame, "focei")
    assert (o.p, o.layout.w) == ((6, 5) if together else (4, 3))
    check_gradient(o, moved(o))


def test_gradient_where_doses_depend_on_what_is_estimated() -> None:
    parameters = [
        *_oral_parameters(CL=0.3, V=0.2),
        Parameter("tlag", 0.3, "h", sd=0.3),
        Parameter("F", 0.7, "", scale="logit", bounds=(0, 1), sd=0.5),
    ]
    model = _oral(parameters=parameters, dosing=lambda p: {"depot": {"F": p.F, "tlag": p.tlag}})
    frame = simulated(model, 5, (0.4, 1.0, 2.0, 6.0, 12.0, 24.0))
    o = objective(model, frame, "focei")
    assert not o.predictor.exact_second
    check_gradient(o, moved(o), tolerance=3e-5)


def test_gradient_with_bioavailability_of_boluses_is_exact_without_differences() -> None:
    model = _oral(
        parameters=[*_oral_parameters(CL=0.3), Parameter("F", 0.7, "", scale="logit", bounds=(0, 1), sd=0.5)],
        dosing=lambda p: {"depot": {"F": p.F}},
    )
    o = objective(model, simulated(model, 5), "focei")
    assert o.predictor.exact_second
    check_gradient(o, moved(o))


def test_gradient_of_a_model_that_is_not_linear() -> None:
    model = Model(
        "saturable",
        states=[State("central", "mg")],
        parameters=[
            Parameter("Vmax", 8.0, "mg/h", sd=0.3),
            Parameter("Km", 1.5, "mg/L"),
            Parameter("V", 20.0, "L", sd=0.2),
        ],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.Vmax * x.central / (p.Km * p.V + x.central)},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    o = objective(model, simulated(model, 5), "focei")
    check_gradient(o, moved(o))


@pytest.mark.parametrize("bloq", ["m3", "m4"])
def test_gradient_with_censored_data(bloq: str) -> None:
    model = bolus_model(Combined(0.1, 0.1))
    frame = simulated(model, 6)
    low = (frame["EVID"] == 0) & (frame["DV"] < 1.0)
    frame["CENS"] = low.astype(int)
    frame["DV"] = np.where(low, 1.0, frame["DV"])
    o = objective(model, frame, "focei", bloq=bloq)
    assert np.sum(low) > 3
    assert sum(c.rows.size for c in o.data.channels) == np.sum(frame["EVID"] == 0)
    check_gradient(o, moved(o), tolerance=3e-5)


def test_gradient_with_two_outputs() -> None:
    model = Model(
        "two",
        states=[State("central", "mg"), State("effect", "")],
        parameters=[
            *_oral_parameters(CL=0.3, V=0.2)[:2],
            Parameter("kout", 0.2, "1/h", sd=0.2),
            Parameter("slope", 0.5, "L/mg"),
        ],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1)), Output("E", "", error=Additive(0.1))],
        initial=lambda p: {"effect": 1.0},
        dynamics=lambda t, x, p: {
            "central": -p.CL / p.V * x.central,
            "effect": p.kout * (1 + p.slope * x.central / p.V - x.effect),
        },
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "E": x.effect},
    )
    o = objective(model, simulated(model, 5), "focei")
    assert [s.name for s in o.layout.sigmas] == ["sigma_prop_Cc", "sigma_add_E"]
    check_gradient(o, moved(o))


def _latent(error: Any) -> Model:
    def calculate(t: Any, x: Any, p: Any) -> dict[str, Any]:
        if isinstance(error, Ordinal):
            return {"Y": p.base + p.slope * x.central / 20}
        return {"Y": pkpd.math.exp(p.base + p.slope * x.central / 60)}

    return Model(
        "outcome",
        states=[State("central", "mg")],
        parameters=[
            Parameter("base", 0.5, "", sd=0.6, scale="additive"),
            Parameter("slope", 0.8, "L/mg", scale="additive"),
            Parameter("k", 0.1, "1/h", fixed=True),
        ],
        outputs=[Output("Y", "", error=error)],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=calculate,
        check_units=False,
    )


@pytest.mark.parametrize(
    "error", [Ordinal((0.0, 1.5, 3.0)), Poisson(), NegativeBinomial(0.5)], ids=lambda e: type(e).__name__
)
def test_gradient_of_grades_and_counts(error: Any) -> None:
    model = _latent(error)
    o = objective(model, simulated(model, 12, tuple(np.arange(1.0, 25.0, 3.0))), "focei")
    assert o.density.curved
    check_gradient(o, moved(o), tolerance=3e-5)


def test_gradient_of_times_to_events() -> None:
    model = Model(
        "event",
        states=[State("H", "")],
        parameters=[Parameter("h0", 0.05, "1/h", sd=0.5), Parameter("shape", 1.3, "", bounds=(0.1, 10))],
        outputs=[Output("risk", "", error=TimeToEvent("hazard")), Output("hazard", "1/h")],
        dynamics=lambda t, x, p: {"H": p.h0 * p.shape * (p.h0 * (t + 0.01)) ** (p.shape - 1)},
        calculate=lambda t, x, p: {"risk": x.H, "hazard": p.h0 * p.shape * (p.h0 * (t + 0.01)) ** (p.shape - 1)},
        check_units=False,
    )
    rng = np.random.default_rng(0)
    times = np.minimum(rng.exponential(20, 12), 40)
    frame = pd.DataFrame({"ID": np.arange(12), "TIME": times, "DV": (times < 40).astype(float), "EVID": 0})
    frame = pd.concat([frame.assign(TIME=0.0, EVID=2, DV=np.nan), frame]).sort_values(["ID", "TIME"], kind="stable")
    o = objective(model, frame, "laplace")
    check_gradient(o, moved(o), tolerance=3e-5)


TIMES = np.array([0.5, 2.0, 6.0, 12.0, 24.0])


def _one_effect(sd: float) -> Model:
    return Model(
        "one",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 2.0, "L/h", sd=sd), Parameter("V", 20.0, "L")],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.15))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def _penalised(y: np.ndarray, eta: np.ndarray, sd: float) -> np.ndarray:
    """Return minus the log-density of data and random effect, without constants; 100 mg as a bolus into 20 L."""
    log_f = np.log(5.0) - 2.0 * np.exp(eta)[:, None] / 20 * TIMES
    f = np.exp(log_f)
    return np.sum(np.log(0.15) + log_f + 0.5 * ((y - f) / (0.15 * f)) ** 2, axis=1) + 0.5 * (eta / sd) ** 2


def test_laplace_takes_the_second_derivative_by_eta() -> None:
    sd, h = 0.3, 1e-3
    o = objective(_one_effect(sd), simulated(_one_effect(sd), 6), "laplace")
    found = o(o.layout.start)
    for i in range(6):
        y, eta = o.data.y[o.data.starts[i] : o.data.starts[i + 1]], sd * found.u[i, 0]
        near = _penalised(y, eta + h * np.arange(-2.0, 3.0), sd)
        assert near.argmin() == 2
        curvature = (-near[0] + 16 * near[1] - 30 * near[2] + 16 * near[3] - near[4]) / (12 * h * h)
        assert found.ofv_i[i] == pytest.approx(2 * near[2] + np.log(sd**2) + np.log(curvature), abs=1e-6)


def test_nlme_takes_variances_where_it_last_fitted() -> None:
    """The residual sd is 0.15 times the prediction of the typical subject at first, then times that of the last fit."""
    sd, h = 0.3, 1e-4
    o = objective(_one_effect(sd), simulated(_one_effect(sd), 6), "nlme")

    def predicted(eta: Any) -> np.ndarray:
        return 5.0 * np.exp(-2.0 * np.exp(np.asarray(eta))[..., None] / 20 * TIMES)

    held = np.tile(predicted(0.0), (6, 1))
    for _ in range(3):
        eta = sd * o(o.layout.start).u[:, 0]
        for i in range(6):
            y, at = o.data.y[o.data.starts[i] : o.data.starts[i + 1]], eta[i] + h * np.array([-1.0, 0.0, 1.0])
            cost = 0.5 * np.sum(((y - predicted(at)) / (0.15 * held[i])) ** 2, axis=1) + 0.5 * (at / sd) ** 2
            assert (cost[2] - cost[0]) / (2 * h) == pytest.approx(0.0, abs=1e-3)
        held = predicted(eta)


def test_laplace_is_near_the_integral() -> None:
    sd = 0.02
    o = objective(_one_effect(sd), simulated(_one_effect(sd), 6), "laplace")
    found = o(o.layout.start)
    eta = sd * np.linspace(-8, 8, 2001)
    for i in range(6):
        cost = _penalised(o.data.y[o.data.starts[i] : o.data.starts[i + 1]], eta, sd)
        integral = np.trapezoid(np.exp(cost.min() - cost), eta) / np.sqrt(2 * np.pi * sd**2)
        assert found.ofv_i[i] == pytest.approx(2 * cost.min() - 2 * np.log(integral), abs=0.005)


@pytest.mark.parametrize("method", ["fo", "nlme"])
def test_methods_for_normal_data_refuse_others(method: str) -> None:
    model = _latent(Poisson())
    with pytest.raises(DataError, match=f"method '{method}' is for normal data"):
        objective(model, simulated(model, 3), method)


def test_focei_of_a_linear_model_is_the_normal_likelihood() -> None:
    """y = base + eta + error: the marginal likelihood is normal, and FO, FOCE, FOCEI and Laplace are exact."""
    model = mean_model()
    rng = np.random.default_rng(3)
    y = 3.2 + 0.8 * rng.standard_normal((7, 1)) + 0.5 * rng.standard_normal((7, 4))
    frame = pd.DataFrame(
        {"ID": np.repeat(np.arange(7), 4), "TIME": np.tile(np.arange(4.0), 7), "DV": y.ravel(), "EVID": 0}
    )
    V = 0.64 * np.ones((4, 4)) + 0.25 * np.eye(4)
    r = y - 3.0
    exact = 7 * np.linalg.slogdet(V)[1] + np.einsum("ia,ab,ib->", r, np.linalg.inv(V), r)
    for method in ("fo", "foce", "focei", "laplace"):
        o = objective(model, frame, method)
        found = o(o.layout.start)
        np.testing.assert_allclose(found.ofv, exact, rtol=1e-9)
        assert found.converged.all()


def log_linear() -> tuple[Model, pd.DataFrame, np.ndarray]:
    """A log-normal level that never changes, log y = log A + eta + error, data of 12 subjects, and their logarithms."""
    model = Model(
        "level", states=[State("nothing", "")], parameters=[Parameter("A", 100.0, "mg/L", sd=0.3)],
        outputs=[Output("Y", "mg/L", error=LogNormal(0.2))], dynamics=lambda t, x, p: {"nothing": 0.0 * x.nothing},
        calculate=lambda t, x, p: {"Y": p.A * (1 + x.nothing)}, check_units=False,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    logs = np.log(90.0) + 0.35 * rng.standard_normal((12, 1)) + 0.2 * rng.standard_normal((12, 3))
    at = {"ID": np.repeat(np.arange(12), 3), "TIME": np.tile(np.arange(3.0), 12), "DV": np.exp(logs).ravel()}
    return model, pd.DataFrame({**at, "EVID": 0}), logs


@pytest.mark.parametrize("method", ["fo", "foce", "focei", "laplace", "nlme"])
def test_log_normal_data_that_are_linear_on_the_logarithm_have_the_exact_maximum(method: Any) -> None:
    """Balanced one-way variance components: the estimates are ratios of sums of squares (Searle 1971, chapter 11)."""
    model, frame, logs = log_linear()
    m, n = logs.shape
    within = np.sum((logs - logs.mean(axis=1, keepdims=True)) ** 2) / (m * (n - 1))
    between = (n * np.sum((logs.mean(axis=1) - logs.mean()) ** 2) / m - within) / n
    V = between * np.ones((n, n)) + within * np.eye(n)
    r = logs - logs.mean()
    exact = m * np.linalg.slogdet(V)[1] + np.einsum("ia,ab,ib->", r, np.linalg.inv(V), r) + 2.0 * logs.sum()
    found = pkpd.fit(model, frame, method)
    assert found.converged
    assert found.ofv == pytest.approx(exact, abs=1e-5)
    assert found.estimates["A"] == pytest.approx(np.exp(logs.mean()), rel=1e-4)
    assert found.estimates["omega_A"] == pytest.approx(between, rel=2e-3)
    assert found.estimates["sigma"] == pytest.approx(np.sqrt(within), rel=1e-3)


def test_expected_information_is_that_of_the_normal_distribution() -> None:
    """Of data linear in thetas and random effects: 2 Z'V^-1 Z of the mean, and of all that moves V,
    tr(V^-1 V_a V^-1 V_b); residuals have sd a and b f.
    """
    model = Model(
        "line",
        states=[State("nothing", "")],
        parameters=[Parameter("base", 3.0, "", scale="additive"), Parameter("slope", 0.5, "1/h", scale="additive")],
        omega=[Omega(("base", "slope"), [[0.64], [0.1, 0.09]])],
        outputs=[Output("Y", "", error=Combined(0.5, 0.2))],
        dynamics=lambda t, x, p: {"nothing": 0.0 * x.nothing},
        calculate=lambda t, x, p: {"Y": p.base + p.slope * t + x.nothing},
    )
    times = [np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 3.0])]
    at = np.concatenate(times)
    frame = pd.DataFrame({"ID": [1, 1, 1, 1, 2, 2], "TIME": at, "DV": [3.0, 4.0, 4.5, 5.0, 3.0, 5.0], "EVID": 0})
    o = objective(model, frame, "fo")
    x = moved(o)  # base, slope, log L11, L21, log L22, log a, log b
    expected = np.zeros((7, 7))
    (base, slope), (a, b) = x[:2], np.exp(x[5:])
    L = np.array([[np.exp(x[2]), 0.0], [x[3], np.exp(x[4])]])
    moves = [np.array([[L[0, 0], 0], [0, 0]]), np.array([[0, 0], [1, 0]]), np.array([[0, 0], [0, L[1, 1]]])]
    for t in times:
        Z, f = np.column_stack([np.ones(t.size), t]), base + slope * t
        R = a**2 + (b * f) ** 2
        W = np.linalg.inv(Z @ L @ L.T @ Z.T + np.diag(R))
        expected[:2, :2] += 2.0 * Z.T @ W @ Z
        parts = [W @ Z @ (m @ L.T + L @ m.T) @ Z.T for m in moves]
        parts += [W @ np.diag(2.0 * a**2 * np.ones(t.size)), W @ np.diag(2.0 * (b * f) ** 2)]
        expected[2:, 2:] += [[np.trace(p @ q) for q in parts] for p in parts]
    np.testing.assert_allclose(o(x).fisher, expected, rtol=1e-8)
