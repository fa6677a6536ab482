"""New patients of a cohort keep the correlations that the model declares with what the study pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from calibration_toy import evidence, fact

import pkpd
from pkpd import Free, Model, Omega, Output, Parameter, State
from pkpd.estimation.spreads import HalfNormal
from pkpd.estimation.study.study import Study
from pkpd.model.residual import LogNormal

OMEGA = np.array([[0.09, 0.108, 0.02], [0.108, 0.16, 0.0], [0.02, 0.0, 0.04]])


def study(*free: Free) -> Study:
    """Three patients in each of whom A is measured; W and k vary with A in the model, and are not measured."""
    model = Model(
        "correlated",
        states=[State("central", "mg")],
        parameters=[Parameter(n, v, "mg/L") for n, v in (("A", 100.0), ("W", 10.0), ("k", 1.0))],
        omega=[Omega(("A", "W", "k"), OMEGA)],
        outputs=[Output("Cc", "mg/L", error=LogNormal(0.2)), Output("Wc", "mg/L"), Output("kc", "mg/L")],
        dynamics=lambda t, x, p: {"central": -x.central},
        calculate=lambda t, x, p: {"Cc": p.A, "Wc": p.W, "kc": p.k},
        check_units=False,
    )
    facts = tuple(fact(f"{p}_v", p, "value", 1.0, y) for p, y in (("p1", 80.0), ("p2", 120.0), ("p3", 150.0)))
    return Study("correlated", model, [replace(evidence(), facts=facts, doses=())], free)


POOLED: Any = {"level": "patient", "pooling": "all"}


@pytest.mark.parametrize("spread", [0.5, HalfNormal(0.5)])
def test_effects_of_new_patients_are_conditional_on_what_is_pooled(spread):
    n = 40_000
    fit = pkpd.fit(study(Free("A", (100.0, 0.0), spread=spread, **POOLED)))
    people = fit.population(n, cohort="A", seed=3)
    assert people.eta_names == ("A", "W", "k")
    assert not people.etas[:, 0].any()
    deviation = np.log(people.parameters["A"] / 100.0)
    if isinstance(spread, HalfNormal):
        rng = np.random.default_rng([3, 6])
        total = fit.draws("A_spread").size
        rows = np.concatenate([rng.permutation(total) for _ in range(-(-n // total))])[:n]
        deviation = deviation / fit.draws("A_spread")[rows]
    else:
        deviation = deviation / spread
    joint = np.column_stack([deviation * 0.3, people.etas[:, 1:]])
    np.testing.assert_allclose(np.cov(joint.T), OMEGA, atol=0.16 * 5 * np.sqrt(2 / n) + 1e-3)


def test_with_priors_of_their_own_in_every_patient_nothing_is_known_of_correlations():
    people = pkpd.fit(study(Free("A", (100.0, 0.5), level="patient"))).population(20_000, cohort="A", seed=3)
    np.testing.assert_allclose(np.cov(people.etas[:, 1:].T), OMEGA[1:, 1:], atol=0.01)
    assert abs(np.corrcoef(np.log(people.parameters["A"]), people.etas[:, 1])[0, 1]) < 0.03


def test_a_patient_of_the_reports_has_no_effects_beside():
    fit = pkpd.fit(study(Free("A", (100.0, 0.3), spread=0.3, **POOLED)))
    assert not fit.population(50, patient="toy/p1").etas.any()
    assert not fit.population(50, cohort="A", variability=False).etas.any()
