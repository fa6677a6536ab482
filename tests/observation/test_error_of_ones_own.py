"""Residual errors from outside of the package, from the files of docs/residual_error.md alone."""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import pkpd
from pkpd import Model, Regimen
from pkpd.engine.graph.nodes import as_node, symbol
from pkpd.errors import DataError, ModelError
from pkpd.estimation.uncertainty.model_objective import ModelObjective
from pkpd.extend import Likelihood, ResidualError, Subject, Term
from pkpd.math import log
from pkpd.model.tables import error_text
from pkpd.observation.known import Known, log_density_of
from pkpd.observation.tape import tape
from pkpd.report.model_document import document

FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMES = ("power", "student")
TIMES = np.array([1.0, 4.0, 9.0, 16.0, 24.0])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Model]:
    folder = tmp_path_factory.mktemp("own")
    page = (checkout / "docs" / "residual_error.md").read_text(encoding="utf-8")
    names = [name.removesuffix(".py") for name, _ in FILE.findall(page)]
    for name, text in FILE.findall(page):
        (folder / name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield importlib.import_module("vessel").model
    sys.path.remove(str(folder))
    for name in names:
        sys.modules.pop(name, None)


def law(name: str, f: Any, factor: float = 1.0, reading: float = 0.0) -> Any:
    """Return the distribution of data about predictions, from SciPy."""
    f = np.asarray(f, float)
    if name == "power":
        return stats.norm(f, np.hypot(factor * 0.2 * f**0.8, reading * f))
    return stats.t(4, loc=f, scale=np.hypot(factor * 0.5, reading * f))


def curve(times: np.ndarray = TIMES) -> np.ndarray:
    return 10.0 * np.exp(-0.1 * times)


def table(name: str, rows: dict[int, list[float]], **more: list[float]) -> pkpd.EventTable:
    frame = pd.concat([
        pd.DataFrame({"ID": i, "TIME": [0.0, *TIMES], "AMT": [100.0, *[0.0] * 5], "DV": [np.nan, *dv], "DVID": name})
        for i, dv in rows.items()
    ])  # fmt: skip
    for column, values in more.items():
        frame[column] = [0.0, *values] * len(rows)
    return pkpd.read_events(frame)


@pytest.mark.parametrize("name", NAMES)
def test_density_tails_and_draws_are_those_of_scipy(model: Model, name: str):
    error, f, y = model.outputs[name].error, np.array([1.0, 5.0, 9.0]), np.array([-4.0, 5.5, 30.0])
    assert error is not None
    np.testing.assert_allclose(error.log_density(f, y), law(name, f).logpdf(y), rtol=1e-12)
    np.testing.assert_allclose(error.log_cdf(f, y), law(name, f).logcdf(y), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(error.log_cdf(f, y, True), law(name, f).logsf(y), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(error.sd(f), law(name, f).std())
    z = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(error.draw(np.full(7, 5.0), z), law(name, 5.0).ppf(stats.norm.cdf(z)), rtol=1e-9)


def test_tables_show_the_error(model: Model):
    assert error_text(model.outputs["student"].error) == "Student4(scale=0.5)"
    assert "Power(scale=0.2, power=0.8)" in str(document(model))


@pytest.mark.parametrize("name", NAMES)
def test_simulated_data_follow_it(model: Model, name: str):
    dose, n = Regimen(amt=100, cmt="A"), 2000
    people = pkpd.Population.draw(model, n, seed=1)
    found = pkpd.simulate(model, dose, people, [4.0], residual=True, seed=2)
    u = law(name, found[name].values).cdf(found[f"{name}_observed"].values).ravel()
    assert stats.kstest(u, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_the_likelihood_of_a_fit_is_that_of_scipy_also_of_censored_data(model: Model, name: str):
    y = np.array([9.5, 6.0, 4.5, 1.0, 2.0])
    events = table(name, {1: y.tolist()}, CENS=[0, 0, 0, 1, -1])
    found = pkpd.fit(model, events, pkpd.methods.NaivePooled(max_iterations=0))
    expected = law(name, curve()).logpdf(y)
    expected[3], expected[4] = law(name, curve()).logcdf(y)[3], law(name, curve()).logsf(y)[4]
    assert found.loglik == pytest.approx(expected.sum(), abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_m4_conditions_on_data_above_zero(model: Model, name: str):
    """The second measured level is so high, and the last prediction so low, that every part of M4 counts."""
    y = np.array([9.5, 6.0, 4.5, 0.7, 0.7])
    found = pkpd.fit(
        model, table(name, {1: y.tolist()}, CENS=[0, 0, 0, 1, 1]), pkpd.methods.NaivePooled(max_iterations=0),
        start={"V": 60.0}, bloq="m4",
    )  # fmt: skip
    own = law(name, curve() / 6.0)
    expected = own.logpdf(y)
    expected[3:] = np.log(own.cdf(y) - own.cdf(0.0))[3:]
    assert own.cdf(0.0).max() > (1e-4 if name == "power" else 0.01)
    assert found.loglik == pytest.approx((expected - own.logsf(0.0)).sum(), abs=1e-7)


def test_m4_of_small_probabilities_keeps_its_digits(model: Model):
    """A prediction far below 0: both probabilities round to 1, their difference to 0."""
    error: Any = model.outputs["student"].error
    f, y = symbol("f", "covariate"), symbol("y", "covariate")
    root = as_node(log_density_of(Known.BETWEEN, error, f, y, f))
    found = tape([f, y], [root])(np.array([[-40.0, -5000.0], [0.5, 0.5]]))[0]
    tails = [[stats.t(4, loc=at, scale=0.5).sf(limit) for limit in (0.0, 0.5)] for at in (-40.0, -5000.0)]
    np.testing.assert_allclose(found, [np.log(1 - high / low) for low, high in tails], rtol=1e-8)


@pytest.mark.parametrize(("name", "parameter"), [("power", "sigma_scale"), ("student", "scale")])
def test_it_is_estimated_saved_and_loaded(model: Model, name: str, parameter: str, tmp_path: Path):
    events = table(name, {i: np.ones(5).tolist() for i in range(1, 31)})
    drawn = pkpd.simulate(model, events, pkpd.Population.draw(model, 30, seed=3), residual=True, seed=4)
    own = replace(events, frame=events.frame.assign(DV=drawn[f"{name}_observed"].values.ravel()))
    fixed = ["sigma_power"] if name == "power" else []
    found = pkpd.fit(model, own, pkpd.Focei(covariance=None), fixed=fixed)
    assert found.converged
    truth = {"power": 0.2, "student": 0.5}[name]
    assert found.estimates[parameter] == pytest.approx(truth, rel=0.25)
    error: Any = found.model.outputs[name].error
    assert error.scale == found.estimates[parameter]
    other = pkpd.fit(model, own, pkpd.Saem(seed=1, burn_in=60, smoothing=60, covariance=None), fixed=fixed)
    assert other.estimates[parameter] == pytest.approx(found.estimates[parameter], rel=0.1)
    found.save(tmp_path / "fit.json")
    assert pkpd.load_fit(tmp_path / "fit.json", model, own).estimates == pytest.approx(found.estimates)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_of_the_likelihood_uses_it(model: Model, name: str):
    y = np.array([9.5, 6.0, 4.5, 1.5, 2.0])
    given: Any = (model, Regimen(amt=100, cmt="A"), None, TIMES, {name: y}, None, ["k"], {"rtol": 1e-10, "atol": 1e-13})
    objective = ModelObjective(*given)
    assert objective.loglik({"k": 0.1}) == pytest.approx(law(name, curve()).logpdf(y).sum(), abs=1e-7)
    slope = (objective.loglik({"k": 0.10001}) - objective.loglik({"k": 0.09999})) / 2e-5
    assert objective.gradient({"k": 0.1})[0] == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_reports_use_it(model: Model, name: str):
    terms = (
        Term("value", "density", name, 4.0, 6.0, reading_sd=0.1), Term("below", "below", name, 9.0, 4.5),
        Term("peak", "peak", name, 1.0, 9.0, time_to=3.0, at=2.0),
    )  # fmt: skip
    ann = Subject("Ann", Regimen(amt=100, cmt="A"), terms=terms)
    like = Likelihood(model, [ann], ["k", "V"], scaled=[name], every=1.0, rtol=1e-10, atol=1e-13)
    x, factor = np.array([[0.1, 10.0]]), np.array([[1.3]])
    found = like.evaluate(x, factor)
    expected = [
        law(name, curve(np.array(4.0)), 1.3, 0.1).logpdf(6.0), law(name, curve(np.array(9.0)), 1.3).logcdf(4.5),
        law(name, curve(np.array(2.0)), 1.3).logpdf(9.0)
        + law(name, curve(np.array([1.0, 3.0])), 1.3).logcdf(9.0).sum(),
    ]  # fmt: skip
    np.testing.assert_allclose(found.terms, expected, atol=1e-7)
    for k in range(2):
        h = 1e-5 * x[0, k] * np.eye(2)[k]
        slope = (like.evaluate(x + h, factor).loglik - like.evaluate(x - h, factor).loglik) / (2 * h[k])
        np.testing.assert_allclose(found.gradient[0, k], slope[0], rtol=1e-5)
    drawn = like.replicate(x, factor, seed=1, n=4000).statistic
    assert stats.kstest(law(name, curve(np.array(4.0)), 1.3, 0.1).cdf(drawn[:, 0]), "uniform").pvalue > 1e-3
    assert like.cdf(x, factor).probability[1] == pytest.approx(np.exp(expected[1]), rel=1e-6)
    one = pkpd.individual(model, [(name, 4.0, 6.0), (name, 9.0, "<4.5")], regimen=Regimen(amt=100, cmt="A"))
    eta = one.population(500, seed=1).etas[:, 0]
    assert 0.0 < eta.mean() < 0.3  # faster than the population, whose level at 9 h is near the bound


def with_error(model: Model, error: Any) -> Model:
    """Return the model of the page with another error of its second output."""
    return model.replace(errors={"student": error})


def test_numbers_that_make_no_error_are_refused(model: Model):
    student: Any = type(model.outputs["student"].error)
    power: Any = type(model.outputs["power"].error)
    for given, got in (("0.5", "'0.5'"), (math.nan, "nan"), (True, "True")):
        with pytest.raises(ModelError, match=f"Student4: scale must be a finite number, got {got}"):
            student(given)
    with pytest.raises(ModelError, match=r"Power: scale must be a finite number, got None; power must be .* got inf"):
        power(None, math.inf)
    for scale, sd in ((0.0, "0"), (-0.5, "-0.707107")):
        events = table("student", {1: [9.5, 6.0, 4.5, 1.5, 2.0]})
        text = rf"output 'student': Student4\(scale={scale}\) has a standard deviation of {sd} at 9.5, which must"
        with pytest.raises(DataError, match=text):
            pkpd.fit(with_error(model, student(scale)), events, pkpd.methods.NaivePooled(max_iterations=0))
        for term in (Term("a", "density", "student", 1.0, 9.5), Term("a", "above", "student", 1.0, 9.5)):
            with pytest.raises(DataError, match=rf"standard deviation of {sd} at 9.5, which must be > 0"):
                Likelihood(with_error(model, student(scale)), [Subject("p", None, terms=(term,))])


def test_what_an_error_knows_of_itself_may_be_a_plain_number(model: Model):
    """A class without numbers of its own has a constant information."""

    @dataclass(frozen=True)
    class Cauchy(ResidualError):
        def log_density(self, f: Any, y: Any) -> Any:
            return -math.log(math.pi) - log(1 + (y - f) ** 2)

        def information(self, f: Any) -> Any:
            return 0.5

        def sd(self, f: Any) -> Any:
            return 1.0 + 0 * f

        def draw(self, f: Any, normal: Any) -> Any:
            return f + stats.cauchy.ppf(stats.norm.cdf(normal))

    y = np.array([9.5, 6.0, 4.5, 1.5, 2.0])
    events = table("student", {1: y.tolist()})
    found = pkpd.fit(with_error(model, Cauchy()), events, pkpd.methods.NaivePooled(max_iterations=0))
    assert found.loglik == pytest.approx(stats.cauchy.logpdf(y, curve()).sum(), abs=1e-7)
    assert pkpd.fit(with_error(model, Cauchy()), events, pkpd.Focei(covariance=None, max_iterations=1)).ofv < 40
