"""Shares of the variance of a fit: as uncertain as its estimates are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fit_data import simulated

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.result import Fit
from pkpd.methods import TwoStage, Variance

AT = [4.0, 8.0]
DOSE = pkpd.Regimen(amt=100, cmt="central")


def model() -> pkpd.Model:
    """One compartment whose log concentration at 8 h is linear in log V, which alone varies and is estimated."""
    return pkpd.Model(
        "normal",
        states=[pkpd.State("central", "mg")],
        parameters=[pkpd.Parameter("k", 0.05, "1/h", fixed=True), pkpd.Parameter("V", 10.0, "L", sd=0.4)],
        outputs=[pkpd.Output("Cc", "mg/L", error=pkpd.LogNormal(0.3))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


@pytest.fixture(scope="module")
def found() -> Fit:
    return fit(model(), pkpd.read_events(simulated(model(), 24)), fixed=["omega_V", "sigma"])


def shares(source: Fit | pkpd.Model, **options: Any) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the share of each source alone, of the logarithm of the last level."""
    answer = {"log Cc": lambda sims: np.log(sims["Cc"].isel(time=-1))}
    result = pkpd.sensitivity(
        source,
        DOSE,
        times=AT,
        of=answer,
        method=Variance(n=1024, seed=1, **options),
    )
    first = result.data["S1"].isel(quantity=0)
    return dict(zip(first["source"].values.tolist(), first.values.tolist(), strict=True)), result.notes


def test_uncertainty_of_a_fit_is_that_of_its_estimates(found: Fit) -> None:
    """log Cc = log dose - log V - eta - k t: variances of the estimate and of eta add."""
    se = float(np.sqrt(found.uncertainty.scaled[0, 0]))  # type: ignore[union-attr]
    got, notes = shares(found)
    assert got["parameter uncertainty"] == pytest.approx(se**2 / (se**2 + 0.4**2), abs=0.02)
    assert got["between subjects"] == pytest.approx(0.4**2 / (se**2 + 0.4**2), abs=0.05)
    assert not [n for n in notes if "nothing says" in n]
    _, told = shares(found.model)
    assert "nothing says how well parameters are known: -+20% of each value is taken" in told[-1]


def test_a_fit_without_a_covariance_has_no_uncertainty_to_share(found: Fit) -> None:
    alone = fit(model(), pkpd.read_events(simulated(model(), 6)), TwoStage(), fixed=["sigma"])
    with pytest.raises(PkpdError, match="no covariance of the estimates"):
        shares(alone)
    with pytest.raises(PkpdError, match=r"the fit did not estimate k.*; it estimated V; give ranges"):
        pkpd.sensitivity(found, DOSE, times=AT, of="Cc.last", parameters=["k"], method=Variance(n=16))


def test_ranges_of_ones_own_and_draws_are_taken_as_before(found: Fit) -> None:
    own = {"V": pkpd.distributions.lognormal(found.theta["V"], 0.2)}
    spread = np.log1p(0.2**2)
    result = pkpd.sensitivity(
        found, DOSE, times=AT, of={"log": lambda s: np.log(s["Cc"].isel(time=-1))}, parameters=own,
        method=Variance(n=1024, seed=1),
    )  # fmt: skip
    assert float(result.data["S1"][0, 0]) == pytest.approx(spread / (spread + 0.16), abs=0.05)
    for source in (found, found.model):
        got, _ = shares(source, draws=found.population(1024).parameters)
        assert got["parameter uncertainty"] < 0.1


def test_people_with_parameters_of_their_own_need_ranges(found: Fit) -> None:
    one = pkpd.individual(found, [("Cc", 4.0, 6.0)], regimen=DOSE, draws=200, seed=1)
    with pytest.raises(PkpdError, match=r"got an Individual; .*ranges of what is uncertain"):
        pkpd.sensitivity(one, DOSE, one.population(50), AT, of="Cc.last", method=Variance(n=16))
