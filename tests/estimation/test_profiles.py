"""Profile likelihood: exact intervals, flags of identifiability, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sensitivity_models import area_model

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.uncertainty.model_objective import ModelObjective
from pkpd.estimation.uncertainty.profiles import profile
from pkpd.model.residual import Additive, Combined, LogNormal, Proportional
from pkpd.people import Population
from pkpd.sensitivity_analysis.api import sensitivity
from pkpd.simulation.api import simulate

DOSE = Regimen.parse("100 mg once", cmt="depot")
TIMES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 12.0])
X = np.linspace(0, 1, 12)
Y = 2 + 3 * X + np.random.default_rng(1).normal(0, 0.5, 12)
DESIGN = np.column_stack([np.ones(12), X])
SOLVED, (RSS,) = np.linalg.lstsq(DESIGN, Y)[:2]
SPREAD = np.sqrt(np.diag(np.linalg.inv(DESIGN.T @ DESIGN)))
Z = stats.norm.ppf(0.975)


def rss(v: dict[str, float]) -> float:
    return float(np.sum((Y - v["a"] - v["b"] * X) ** 2))


@pytest.mark.parametrize("gradient", [False, True])
def test_straight_line_with_known_error(gradient):
    """The interval is estimate -+ z sd."""

    def slope(v):
        left = (Y - v["a"] - v["b"] * X) / 0.25
        return {"b": float(left @ X), "a": float(left.sum())}

    found = profile(lambda v: -0.5 * rss(v) / 0.25, start={"a": 0.0, "b": 0.0}, gradient=slope if gradient else None)
    data = found.data
    np.testing.assert_allclose(data["estimate"], SOLVED, rtol=1e-5)
    np.testing.assert_allclose(data["low"], SOLVED - Z * 0.5 * SPREAD, rtol=1e-4)
    np.testing.assert_allclose(data["high"], SOLVED + Z * 0.5 * SPREAD, rtol=1e-4)
    assert (data["flag"] == "identifiable").all()
    assert found.notes == ()
    parabola = ((data["value"] - data["estimate"]) / (0.5 * SPREAD[:, None])) ** 2
    np.testing.assert_allclose(data["drop"], parabola, atol=1e-4)


def test_straight_line_with_unknown_error():
    """Twice the loss is n log(RSS / RSS_min), so the interval is that of Student's t at another quantile."""
    found = profile(
        lambda v: -12 * np.log(v["s"]) - 0.5 * rss(v) / v["s"] ** 2,
        start={"a": 1.0, "b": 1.0, "s": 1.0}, scale={"s": "log"}, names=["a", "b"],
    ).data  # fmt: skip
    half = SPREAD * np.sqrt(RSS * np.expm1(stats.chi2.ppf(0.95, 1) / 12))
    np.testing.assert_allclose(found["low"], SOLVED - half, rtol=1e-4)
    np.testing.assert_allclose(found["high"], SOLVED + half, rtol=1e-4)
    np.testing.assert_allclose(found["refit"].isel(parameter=0, point=0).sel(free="a"), found["value"][0, 0])


def test_level():
    found = profile(lambda v: -0.5 * v["x"] ** 2, start={"x": 0.3}, level=0.9).data
    np.testing.assert_allclose([found["low"].item(), found["high"].item()], np.array([-1, 1]) * 1.644854, rtol=1e-5)


def test_only_a_product_is_known():
    found = profile(
        lambda v: -0.5 * (np.log(v["a"] * v["b"] / 6) / 0.1) ** 2 - 0.5 * (v["c"] - 1) ** 2,
        start={"a": 2.0, "b": 2.0, "c": 0.0}, scale={"a": "log", "b": "log"}, reach=1000,
    )  # fmt: skip
    flags = dict(zip(found.data["parameter"].values.tolist(), found.data["flag"].values.tolist(), strict=True))
    assert flags == {
        "a": "structurally non-identifiable", "b": "structurally non-identifiable", "c": "identifiable",
    }  # fmt: skip
    assert found.data["low"].isnull().values.tolist() == [True, True, False]
    assert "'a' was looked for from 0.002 to 2000" in found.notes[0]


def test_one_side_open():
    """Data on the plateau say that the rate is at least so and so; the upper side never reaches the threshold."""
    t, y = np.array([2.0, 3.0, 4.0]), np.array([1.02, 0.99, 1.01])
    found = profile(
        lambda v: -0.5 * np.sum((y - v["top"] * (1 - np.exp(-v["k"] * t))) ** 2) / 0.05**2,
        start={"top": 1.0, "k": 2.0}, reach=1000, scale="log",
    ).data  # fmt: skip
    k = found.sel(parameter="k")
    assert str(k["flag"].values) == "practically non-identifiable"
    assert np.isnan(k["high"])
    assert 0.3 < float(k["low"]) < 2
    assert str(found["flag"].sel(parameter="top").values) == "identifiable"


def test_a_better_optimum_is_found_and_told():
    def two(v):
        return float(np.log(np.exp(-0.5 * (v["x"] / 0.5) ** 2) + 4 * np.exp(-0.5 * ((v["x"] - 2.2) / 0.5) ** 2)))

    found = profile(two, start={"x": 0.1})
    np.testing.assert_allclose(found.data["estimate"].item(), 2.2, atol=0.01)
    assert "a better optimum was found on the way" in found.notes[0]


def observed(seed: int = 3) -> np.ndarray:
    cc = simulate(area_model(), DOSE, times=TIMES)["Cc"].values
    return cc * np.exp(0.1 * np.random.default_rng(seed).standard_normal(TIMES.size))


def of_model(**more: Any) -> Any:
    given: dict[str, Any] = {"times": TIMES, "data": {"Cc": observed()}, "names": ["CL", "V", "ka"]}
    return profile(area_model(), regimen=DOSE, **(given | more))


def test_of_a_model_and_data():
    """For small errors the intervals are those of the Fisher information on the log scale."""
    small = observed()
    cc = simulate(area_model(), DOSE, times=TIMES)["Cc"].values
    near = cc * (small / cc) ** 0.1
    found = of_model(data={"Cc": near}, error={"Cc": LogNormal(0.01)}, names=["CL", "V"]).data
    assert (found["flag"] == "identifiable").all()
    at = area_model().with_values(**dict(zip(("CL", "V"), found["estimate"].values.tolist(), strict=True)))
    slopes = sensitivity(at, DOSE, times=TIMES, of="Cc", parameters=["CL", "V"], method="local")
    j = slopes.data["elasticity"].values[0] / 0.01
    se = np.sqrt(np.diag(np.linalg.inv(j.T @ j)))
    np.testing.assert_allclose(np.log(found["high"] / found["low"]), 2 * Z * se, rtol=0.01)
    assert list(found["units"].values) == ["L/h", "L"]


def test_structural_of_a_model():
    """F, V and CL: only their ratios show in the concentration; F ends at 1, so the others have an upper bound."""
    found = of_model(names=["CL", "V", "F"], reach=1000).data
    assert (found["flag"] == "structurally non-identifiable").all()
    assert found["low"].isnull().all()


@pytest.mark.parametrize("error", [Additive(0.2), Proportional(0.15), Combined(0.1, 0.1), LogNormal(0.2)])
def test_gradient_of_the_likelihood(error):
    data = {"Cc": np.where(np.arange(6) == 2, np.nan, observed())}
    people = Population.typical(area_model(), 2, covariates={"WT": [60.0, 80.0]})
    options = {"rtol": 1e-10, "atol": 1e-12}
    one = ModelObjective(area_model(), DOSE, people, TIMES, data, {"Cc": error}, ["CL", "V", "ka"], options)
    at = {"CL": 4.0, "V": 22.0, "ka": 0.8}
    for i, name in enumerate(at):
        up, down = (one.loglik(at | {name: at[name] * f}) for f in (1 + 1e-5, 1 - 1e-5))
        np.testing.assert_allclose(one.gradient(at)[i], (up - down) / (2e-5 * at[name]), rtol=1e-5)
    cc = simulate(area_model().with_values(**at), DOSE, people, times=TIMES)["Cc"].values
    y = np.broadcast_to(data["Cc"], cc.shape)
    law: Any = stats.lognorm(error.sigma, scale=cc) if isinstance(error, LogNormal) else stats.norm(cc, error.sd(cc))
    np.testing.assert_allclose(one.loglik(at), np.nansum(np.log(law.pdf(y))), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"data": None}, "needs data, a mapping of output to values"),
        ({"data": {"Cx": observed()}}, "no output 'Cx'; there is Cc, AUC"),
        ({"data": {"Cc": [1.0, 2.0]}}, r"data must have 6 values, one per time; got Cc: \(2,\)"),
        ({"data": {"Cc": np.full(6, np.nan)}}, "Cc has no value that is finite"),
        ({"data": {"AUC": observed()}}, "AUC has no residual error in model 'area'; give one"),
        ({"data": {"Cc": -observed()}}, "data under a log-normal error must be > 0"),
        ({"data": {"Cc": np.ones((3, 6))}}, r"data of 'Cc' has shape \(3, 6\), the simulation \(6,\)"),
        ({"names": ["CL", "WT"]}, "of parameters; WT is none"),
        (
            {"population": Population.from_table(area_model(), {"CL": [4.0]})},
            "CL is set by the population; leave it out",
        ),
    ],
)  # fmt: skip
def test_texts_of_a_model(given, text):
    with pytest.raises((PkpdError, DataError), match=text):
        of_model(**given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"start": {}}, "start is empty"),
        ({"names": ["y"]}, "no estimate 'y'.*there is x"),
        ({"scale": "ln"}, "the scale 'identity' or 'log'; got x: 'ln'"),
        ({"bounds": {"z": (0, 1)}}, "scale and bounds are for the parameters in start.*got z"),
        ({"bounds": {"x": (3, 4)}}, r"1 starts do not lie within rising bounds: x=1 in \(3, 4\)"),
        ({"start": {"x": -1.0}, "scale": "log"}, "on the log scale"),
        ({"reach": 1}, "reach must be > 1"),
        ({"level": 2}, "level must lie between 0 and 1"),
        ({"source": lambda v: float("nan")}, "the log-likelihood at the start is -inf; start elsewhere"),
    ],
)  # fmt: skip
def test_texts_of_an_objective(given, text):
    usual: dict[str, Any] = {"source": lambda v: -(v["x"] ** 2), "start": {"x": 1.0}}
    with pytest.raises(PkpdError, match=text):
        profile(**(usual | given))
