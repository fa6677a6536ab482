"""What the data do not tell is named, and a fit at a flat ridge has not converged."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_data import bolus_model

import pkpd
from pkpd import EventTable, Model, Output, Parameter, Population, Proportional, Regimen, State
from pkpd.errors import PkpdError
from pkpd.estimation.methods.register import method_of

QUICK: dict[str, dict[str, Any]] = {
    "saem": {"burn_in": 60, "smoothing": 60, "points": 128, "chains": 2},
    "nlme": {"max_iterations": 40},
    "foce": {"max_iterations": 40},
}


@functools.cache
def two(sd_q: float | None = None) -> Model:
    """Return a model of two compartments."""
    return Model(
        "two",
        states=[State("central", "mg"), State("tissue", "mg")],
        parameters=[
            Parameter("CL", 3.0, "L/h", sd=0.3), Parameter("V", 30.0, "L", sd=0.2), Parameter("Q", 2.0, "L/h", sd=sd_q),
            Parameter("Vp", 20.0, "L", sd=sd_q),
        ],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.15))],
        dynamics=lambda t, x, p: {
            "central": -(p.CL + p.Q) / p.V * x.central + p.Q / p.Vp * x.tissue,
            "tissue": p.Q / p.V * x.central - p.Q / p.Vp * x.tissue,
        },
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip


@functools.cache
def of_one_compartment(n: int = 12, seed: int = 5) -> EventTable:
    """Return data in which there is no second compartment."""
    true = bolus_model()
    table = EventTable.from_regimen([Regimen(amt=100, cmt="central")] * n, [0.5, 2, 6, 12, 24])
    people = Population.draw(true, n, seed=seed)
    frame = table.frame.drop(columns="MDV")
    frame["DV"] = pkpd.simulate(true, table, people, residual=True, seed=seed)["Cc_observed"].values
    return pkpd.read_events(frame)


@pytest.mark.parametrize(
    "method", ["focei", "foce", pytest.param("laplace", marks=pytest.mark.slow), "nlme", "two_stage", "saem", "fo"]
)
def test_a_typical_value_that_ran_off_is_named(method: str) -> None:
    found = pkpd.fit(two(), of_one_compartment(), method_of(method, **QUICK.get(method, {})))
    ran = {n for n in ("Q", "Vp") if abs(math.log(found.theta[n] / {"Q": 2.0, "Vp": 20.0}[n])) > math.log(100)}
    assert found.extra["flat"]
    assert not found.converged
    said = " ".join(m for m in found.messages if m.startswith("at a flat ridge"))
    assert all(f"{n} ran off" in said for n in ran)
    assert all(f"{n} " in said for n in found.extra["flat"])
    assert ran or method == "fo"
    assert found.uncertainty is None
    text = str(found)
    assert "NOT CONVERGED" in text
    assert "at a flat ridge" in text


def test_a_ridge_of_all_subjects_together_is_named() -> None:
    # V and the bioavailability F are known only by their ratio
    model = Model(
        "ratio",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.1, "1/h"), Parameter("V", 20.0, "L"), Parameter("F", 0.9, "L")],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.3))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": p.F * x.central / p.V},
        check_units=False,
    )
    found = pkpd.fit(model, of_one_compartment(), "naive_pooled")
    assert not found.converged
    assert set(found.extra["flat"]) == {"V", "F"}
    assert any("V (" in m and "F (" in m and "The data do not tell these values" in m for m in found.messages)


def test_what_a_prior_holds_is_said_and_has_converged() -> None:
    found = pkpd.fit(two(), of_one_compartment(), pkpd.methods.Map(priors={"Q": (1e-9, 0.1)}), start={"Q": 1e-9})
    assert found.converged
    assert any(m.startswith("the data tell next to nothing of") and "Vp" in m for m in found.messages)


def test_a_fit_with_an_optimum_is_left_alone() -> None:
    found = pkpd.fit(bolus_model(), of_one_compartment())
    assert found.converged
    assert found.messages == []
    assert found.extra["flat"] == []


def test_intervals_of_what_is_not_known_are_open() -> None:
    found = pkpd.fit(two(), of_one_compartment(), pkpd.Focei(max_iterations=40)).covariance_step()
    # a standard error of 600 on the logarithm: exp(1176) is no number
    scaled = np.diag([1.0, 0.1, 1.0, 600.0, 0.1, 0.1, 0.1]) ** 2
    assert found.uncertainty is not None
    found.uncertainty = type(found.uncertainty)("R", found.layout.labels, scaled, scaled, scaled, scaled, 1.0, ())
    low, high = found.ci()["Vp"]
    assert (low, high) == (0.0, math.inf)
    assert "0 .. inf" in str(found)
    assert found.summary().loc["Vp", "high"] == math.inf
    with pytest.raises(PkpdError, match=r"population: the data hardly tell Vp \(600 on the log scale\)"):
        found.population(5, seed=1)
    assert found.population(5, seed=1, uncertainty=False).n == 5


def test_a_covariance_step_leaves_out_what_the_data_do_not_tell() -> None:
    found = pkpd.fit(two(), of_one_compartment(), pkpd.Focei(max_iterations=40)).covariance_step()
    assert "the data do not tell it" in found.covariance_message
    assert math.isnan(found.se["Vp"])
    assert found.se["V"] > 0
    assert found.condition_number < 1e6


def test_a_variance_that_fell_to_nothing_is_said() -> None:
    model = two(0.3)
    rng = np.random.default_rng(3)
    who = Population.from_table(model, pd.DataFrame({"ID": range(1, 7), "eta_CL": rng.normal(0, 0.3, 6)}))
    table = EventTable.from_regimen([Regimen(amt=25, cmt="central")] * 6, [0.25, 0.5, 1, 2, 3, 4, 6, 8])
    frame = table.frame.drop(columns="MDV")
    frame["DV"] = pkpd.simulate(model, table, who, residual=True, seed=3)["Cc_observed"].values
    found = pkpd.fit(model, pkpd.read_events(frame), "foce")
    small = [n for n in model.etas if found.estimates[f"omega_{n}"] < 1e-5]
    assert small
    for name in small:
        said = [m for m in found.messages if m.startswith(f"omega_{name} ")]
        assert said
        assert "fallen to 0" in said[0] or "cannot be told from 0" in said[0]
    assert f"omega_{small[0]}" in str(found)


def test_a_fraction_at_its_bound_is_said() -> None:
    # all of the dose is eliminated by the way whose share is estimated: the share is 1
    model = Model(
        "share",
        states=[State("central", "mg")],
        parameters=[
            Parameter("k", 0.1, "1/h", fixed=True), Parameter("V", 20.0, "L", sd=0.2),
            Parameter("f", 0.5, "", scale="logit", bounds=(0, 1)),
        ],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -0.7 * p.k * p.f * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip
    found = pkpd.fit(model, of_one_compartment())
    assert found.theta["f"] > 0.999
    assert any(m.startswith("f has reached its bound 1") for m in found.messages)
    assert found.converged
