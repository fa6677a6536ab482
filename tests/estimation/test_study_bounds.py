"""A study and the bounds of its model: priors that reach beyond, values that are cut off there, people to come."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from calibration_toy import evidence, fact
from scipy import stats
from scipy.integrate import quad

import pkpd
from pkpd import Free, Model, Output, Parameter, State
from pkpd.errors import PkpdError
from pkpd.estimation.spreads import HalfNormal
from pkpd.estimation.study.study import Study
from pkpd.model.residual import LogNormal
from pkpd.results import StudyFit


def study(free, bounds=(50.0, 150.0), y=120.0, error=0.2, fixed=None, **more):
    """Three patients in each of whom a constant is measured once."""
    model = Model(
        "bounded",
        states=[State("central", "mg")],
        parameters=[Parameter("A", 100.0, "mg/L", bounds=bounds, **more), Parameter("W", 10.0, "mg/L")],
        outputs=[Output("Cc", "mg/L", error=LogNormal(error))],
        dynamics=lambda t, x, p: {"central": -x.central},
        calculate=lambda t, x, p: {"Cc": p.A * p.W / 10.0},
        check_units=False,
    )
    facts = tuple(fact(f"{p}_v", p, "value", 1.0, y) for p in ("p1", "p2", "p3"))
    return Study("bounded", model, [replace(evidence(), facts=facts, doses=())], free, fixed=fixed or {})


POOLED: Any = {"level": "patient", "pooling": "all"}


@pytest.mark.parametrize(
    ("prior", "share"),
    [
        ({}, stats.norm.cdf(np.log(0.5) / 0.5) + stats.norm.sf(np.log(1.5) / 0.5)),
        ({"scale": "identity", "location": (100.0, 30.0)}, 2 * stats.norm.sf(50 / 30)),
        (POOLED | {"spread": 1.2}, stats.norm.cdf(np.log(0.5) / 1.3) + stats.norm.sf(np.log(1.5) / 1.3)),
        (
            POOLED | {"spread": HalfNormal(0.3), "location": (100.0, 0.0)},
            quad(
                lambda s: (
                    (stats.norm.cdf(np.log(0.5) / s) + stats.norm.sf(np.log(1.5) / s)) * stats.halfnorm.pdf(s, 0, 0.3)
                ),
                0, 4,
            )[0],
        ),
    ],
)  # fmt: skip
def test_a_prior_that_reaches_beyond_the_bounds_is_refused_with_its_share(prior, share):
    given = {"location": (100.0, 0.5), **prior}
    text = f"free 'A': {share:.2g} of the prior lies outside the model's bounds (50, 150); take scale='logit'"
    with pytest.raises(PkpdError, match=re.escape(text)):
        _ = study([Free("A", **given)]).problem


@pytest.mark.parametrize(
    ("prior", "bounds"),
    [
        ({}, (0.0, np.inf)), ({}, (-1.0, np.inf)), ({}, (1.0, 1e4)),
        ({"scale": "logit", "bounds": (50.0, 150.0)}, (50.0, 150.0)),
        ({"scale": "identity", "location": (100.0, 10.0)}, (0.0, np.inf)),
    ],
)  # fmt: skip
def test_a_prior_within_the_bounds_is_taken_whole(prior, bounds):
    given = {"location": (100.0, 0.5), **prior}
    vector = study([Free("A", **given)], bounds).problem.vector
    assert not vector.is_outside(np.array([[-3.0], [0.0], [3.0]])).any()


@pytest.mark.parametrize(
    ("fixed", "text"),
    [
        ({"A": 200.0}, "fixed 'A': 200 lies outside the model's bounds (50, 150)"),
        ({"A": {"toy/p1": 70.0, "A": 40.0}}, "fixed 'A' of A: 40 lies outside"),
    ],
)
def test_a_known_value_outside_the_bounds_is_refused(fixed, text):
    with pytest.raises(PkpdError, match=re.escape(text)):
        _ = study([Free("W", (10.0, 0.3))], fixed=fixed).problem


def test_a_known_value_at_which_a_parameter_cannot_vary_is_refused():
    with pytest.raises(PkpdError, match=re.escape("fixed 'A': 0 lies outside the model's bounds (0, inf)")):
        _ = study([Free("W", (10.0, 0.3))], None, fixed={"A": 0.0}, cv=0.4).problem


@pytest.mark.parametrize("prior", [{"level": "patient"}, POOLED | {"spread": 0.05}])
def test_beyond_the_bounds_there_is_no_density_and_nobody_lives(prior):
    problem = study([Free("A", (100.0, 0.1), **prior)], y=200.0, error=0.05).problem
    posterior, q = problem.posterior(), np.zeros(problem.vector.dim)
    assert np.isfinite(posterior.logp(q))
    q[-1] = 50.0  # the last patient's own number: far beyond 150
    assert posterior.logp(q) == -np.inf
    assert posterior.logp_grad(q)[0] == -np.inf
    drawn = problem.vector.transform(posterior.draw(20_000, np.random.default_rng(1)))["A"]
    assert 140 < drawn.max() <= 150
    fit = pkpd.fit(study([Free("A", (100.0, 0.1), **prior)], y=200.0, error=0.05))
    for people in (fit.population(300, seed=3, patient="toy/p3"), fit.population(300, seed=3, cohort="A")):
        assert people.parameters["A"].max() <= 150
    assert any("have no density" in each for each in fit.trouble())


def test_draws_beyond_the_bounds_are_no_draws_of_the_posterior():
    problem = study([Free("A", (100.0, 0.1))]).problem
    q = np.random.default_rng(4).normal(0.0, 0.5, (1, 1000, 1))
    q[0, ::10] = 5.0  # exp(0.5) * 100 = 165
    assert StudyFit.of_draws(problem, q, "own").trouble()[-1].startswith("10% of the draws have no density")
    with pytest.raises(PkpdError, match="no draw has a density"):
        StudyFit.of_draws(problem, np.full((1, 9, 1), 5.0), "own")
