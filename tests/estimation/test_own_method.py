"""Methods of one's own: the page's, what a fit of a vector holds, and what is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from calibration_toy import measured_study
from fit_data import bolus_model, simulated_table
from scipy import optimize

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.problem import pose
from pkpd.estimation.study.priors import Free
from pkpd.extend import Method
from pkpd.results import Fit, StudyFit

FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Start(Method):
    """The start values themselves."""

    name: ClassVar[str] = "start"

    objective: str = "focei"

    def run(self, problem: Any, progress: Any = None) -> Fit:
        return Fit.at(problem, problem.layout.start, self.name, self.objective, messages=["nothing was sought"])


def modes(found: Fit) -> np.ndarray:
    """Return the most probable random effects of the bolus model at the estimates of a fit, by scipy."""
    theta, omega, prop, frame = found.theta, found.omega, found.sigma["sigma_prop"], found.events.frame
    out = []
    for subject in found.data.labels:
        own = frame[(frame["EVID"] == 0) & (frame["ID"] == subject)]
        t, y = np.asarray(own["TIME"], float), np.asarray(own["DV"], float)

        def minus_log(eta: np.ndarray, t: np.ndarray = t, y: np.ndarray = y) -> float:
            CL, V = theta["CL"] * np.exp(eta[0]), theta["V"] * np.exp(eta[1])
            f = 100 / V * np.exp(-CL / V * t)
            sd = prop * f
            return float(np.sum(0.5 * ((y - f) / sd) ** 2 + np.log(sd)) + 0.5 * eta @ np.linalg.solve(omega, eta))

        tight = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
        out.append(optimize.minimize(minus_log, np.zeros(2), method="Nelder-Mead", options=tight).x)
    return np.array(out)


def test_the_method_of_the_page_has_the_effects_of_its_own_estimates(checkout: Path) -> None:
    files = dict(FILE.findall((checkout / "docs" / "estimation.md").read_text(encoding="utf-8")))
    scope: dict[str, Any] = {"__name__": "middle"}
    exec(compile(files["middle.py"], "middle.py", "exec", dont_inherit=True), scope)
    data = simulated_table(12)
    found = fit(bolus_model(), data, scope["Middle"](share=0.0))
    assert found.x == pytest.approx(fit(bolus_model(), data, pkpd.methods.Fo(covariance=None)).x)
    np.testing.assert_allclose(found.effects, modes(found), atol=1e-5)
    sd = found.effects.std(axis=0, ddof=1) / np.sqrt(np.diag(found.omega))
    assert [found.shrinkage[n] for n in found.etas] == pytest.approx((1 - sd).tolist())
    assert not found.converged
    assert found.seconds > 0
    assert "by MIDDLE: NOT CONVERGED (" in str(found)
    assert "iterations" not in str(found).splitlines()[0]
    with pytest.raises(PkpdError, match="share must be a number, got 'a'"):
        scope["Middle"](share="a")


def test_the_method_of_the_page_for_studies_finds_a_posterior_known_on_paper(checkout: Path) -> None:
    files = dict(FILE.findall((checkout / "docs" / "estimation.md").read_text(encoding="utf-8")))
    scope: dict[str, Any] = {"__name__": "walk"}
    exec(compile(files["walk.py"], "walk.py", "exec", dont_inherit=True), scope)
    study = measured_study([Free("V", (10.0, 0.4))], np.array([[2.5], [2.2], [2.4]]), 0.25, dict.fromkeys("abc", "A"))
    found = fit(study, method=scope["Walk"](steps=6000, size=1.0, seed=1))
    precision = 1 / 0.4**2 + 3 / 0.25**2
    mean = (np.log(10.0) / 0.4**2 + (2.5 + 2.2 + 2.4) / 0.25**2) / precision
    log_v = np.log(found.draws("V"))
    assert log_v.mean() == pytest.approx(mean, abs=0.25 * precision**-0.5)
    assert log_v.std() == pytest.approx(precision**-0.5, rel=0.2)
    assert found.method == "walk"
    assert found.facts()["fact"].tolist() == ["s/a_0", "s/b_0", "s/c_0"]
    assert found.summary().loc["V", "50%"] == pytest.approx(np.exp(mean), rel=0.05)
    with pytest.raises(PkpdError, match=r"q must be of shape \(chains, draws, 1\), draws of problem"):
        StudyFit.of_draws(study.problem, np.zeros((10, 1)), "own")


def test_a_study_is_not_fitted_by_a_method_that_knows_no_studies() -> None:
    study = measured_study([Free("V", (10.0, 0.4))], np.array([[2.5]]), 0.25, {"a": "A"})
    with pytest.raises(PkpdError, match=r"a study is fitted by Mode\(\) or Nuts\(\), or by a method of your own with"):
        fit(study, method=Start())

    class Five(Start):
        name: ClassVar[str] = "five"
        studies: ClassVar[bool] = True

        def run(self, problem: Any, progress: Any = None) -> Any:
            return 5

    with pytest.raises(PkpdError, match=r"Five.run must return a StudyFit for a study, such as .*of_draws.*, got int"):
        fit(study, method=Five())


@pytest.mark.parametrize("objective", ["focei", "laplace", "foce"])
def test_a_fit_of_a_vector_is_that_of_the_objective_there(objective: str) -> None:
    found = fit(bolus_model(), simulated_table(8), Start(objective=objective))
    assert found.ofv == pytest.approx(found.problem.objective(objective)(found.x).ofv)
    assert found.messages[-1] == "nothing was sought"
    if objective != "foce":  # whose variances are those of the typical prediction
        np.testing.assert_allclose(found.effects, modes(found), atol=1e-5)


def test_fo_is_given_the_effects_of_its_own_fit() -> None:
    own = fit(bolus_model(), simulated_table(8), pkpd.methods.Fo(covariance=None))
    np.testing.assert_allclose(Fit.at(own.problem, own.x, "own", "fo").effects, own.effects, atol=1e-9)


def test_what_a_vector_cannot_be_is_said() -> None:
    problem = pose(bolus_model(), simulated_table(8))
    x = problem.layout.start
    wrong: list[tuple[dict[str, Any], str]] = [
        (
            {"x": x[:2]},
            r"x must be the estimated vector, 5 numbers \(CL, V, omega_CL, .*, got shape",
        ),
        ({"x": np.full(5, np.nan)}, r"the objective of focei cannot be computed at x = \[nan"),
        ({"x": x, "objective": "saem"}, "objective must be focei, laplace, foce or fo, got 'saem'"),
        ({"x": x, "effects": np.zeros((8, 2)), "ofv": 0.0}, "effects and ofv are computed at x; leave them out"),
    ]
    for given, text in wrong:
        with pytest.raises(PkpdError, match=text):
            Fit.at(problem, **{"method": "own", **given})


def test_standard_errors_are_asked_for_by_the_class() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Stepped(Start):
        step: ClassVar[str | None] = "S"

    @dataclass(frozen=True, kw_only=True)
    class Optional(Stepped):
        covariance: str | None = "auto"

    model, data = bolus_model(), simulated_table(8)
    kinds = []
    for how in (Start(), Stepped(), Optional(), Optional(covariance="R"), Optional(covariance=None)):
        known = fit(model, data, how).uncertainty
        kinds.append(None if known is None else known.kind)
    assert kinds == [None, "S", "S", "R", None]


def test_a_class_that_is_no_method_is_refused_where_it_is_defined() -> None:
    with pytest.raises(PkpdError, match=r"method Nameless has no name, .*: name: ClassVar\[str\] = \"nameless\""):

        class Nameless(Method):
            def run(self, problem: Any, progress: Any = None) -> Any: ...

    own = {"name": "short", "run": lambda self, problem: None}
    with pytest.raises(PkpdError, match=r"method Short: run\(self, problem\) must take .*progress=None\)"):
        type("Short", (Method,), own)


def test_a_method_that_returns_no_fit_is_refused() -> None:
    class Five(Method):
        name: ClassVar[str] = "five"

        def run(self, problem: Any, progress: Any = None) -> Any:
            return 5

    with pytest.raises(PkpdError, match=r"fit: Five.run must return a Fit, such as pkpd.results.Fit.at\(.*, got int"):
        fit(bolus_model(), simulated_table(8), Five())


def two_numbers() -> Any:
    """A problem of two independent numbers, whose posterior is its prior but for one measurement of each."""
    free = [Free("V", (10.0, 0.4)), Free("k", (2.0, 0.4))]
    return measured_study(free, np.array([[2.5, 0.7]]), 0.25, {"a": "A"}).problem


def walked(n: int, keep: float) -> np.ndarray:
    """Two chains of a normal random walk whose neighbours are so correlated: n (1 - keep) / (1 + keep) in effect."""
    rng, q = np.random.default_rng(8), np.zeros((2, n, 2))
    q[:, 0] = rng.standard_normal((2, 2))
    for k in range(1, n):
        q[:, k] = keep * q[:, k - 1] + np.sqrt(1 - keep**2) * rng.standard_normal((2, 2))
    return q


def test_effective_sizes_of_ones_own_draws_are_those_of_their_chains() -> None:
    problem, q = two_numbers(), walked(3000, 0.9)
    found = StudyFit.of_draws(problem, q, "own")
    exact = 6000 * 0.1 / 1.9
    assert found.summary()["ess_bulk"].to_numpy() == pytest.approx(exact, rel=0.35)
    assert any("effective sizes are below 400" in each for each in found.trouble())
    assert StudyFit.of_draws(problem, q, "own", about={"independent": 1}).summary()["ess_bulk"].tolist() == [6000, 6000]


@pytest.mark.parametrize(
    ("q", "text"),
    [
        (np.full((1, 5, 2), np.nan), r"5 of 5 draws, .*, are not finite \(first: draw 0 of chain 0\)"),
        (
            np.where(np.arange(10).reshape(1, 5, 2) == 7, np.inf, 0.1),
            r"1 of 5 draws, .*, are not finite \(first: draw 3 of",
        ),
        (np.full((1, 5, 2), 2000.0), r"5 of 5 draws, or the values that they stand for, are not finite"),
    ],
)
def test_what_no_posterior_can_have_drawn_is_refused(q: np.ndarray, text: str) -> None:
    with pytest.raises(PkpdError, match=text):
        StudyFit.of_draws(two_numbers(), q, "own")


@pytest.mark.parametrize(
    ("q", "text"),
    [
        (np.zeros((2, 500, 2)), r"2 numbers have one value in all draws \(first: V\)"),
        (walked(3, 0.0), "R-hat is not known, or above 1.01, for 2 of 2"),
        (walked(3, 0.0)[:1], "effective sizes are below 400 for 2 of 2"),
    ],
)
def test_what_speaks_against_ones_own_draws_is_said(q: np.ndarray, text: str) -> None:
    found = StudyFit.of_draws(two_numbers(), q, "own")
    assert any(re.search(text, each) for each in found.trouble())
    assert found.summary().index.tolist() == ["V", "k"]
    assert len(found.contraction()) == 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"predictive": 0}, "predictive must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"stats": {"lp": np.zeros(3)}}, r"stats 'lp' must be of shape \(2, 50\), got \(3,\)"),
        ({"about": {"method": "other"}}, "about must not hold method, which the fit itself says"),
        ({"about": {"cute": object()}}, "about 'cute' must be text, a number or numbers"),
    ],
)
def test_what_is_kept_beside_the_draws_is_checked(given: dict[str, Any], text: str) -> None:
    with pytest.raises(PkpdError, match=text):
        StudyFit.of_draws(two_numbers(), walked(50, 0.0), "own", **given)
