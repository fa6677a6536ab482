"""Equations that ask for the time after the last dose and for its amount."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import Model, Output, Parameter, Regimen, State
from pkpd.errors import ModelError, UnitError
from pkpd.math import exp, last_dose, tad, where

METHODS = ("auto", "cascade", "dop853", "tsit5", "rodas5p")
K, KA, RATE = 0.1, 1.3, 5.0


@pytest.fixture(scope="module")
def model() -> Model:
    """The depot is marked only (F 0): blood takes in the last dose by a density, box for two hours after each dose."""
    return Model(
        "absorption",
        states=[State("depot", "mg"), State("blood", "mg"), State("box", "mg"), State("other", "mg")],
        parameters=[
            Parameter("k", K, "1/h"), Parameter("ka", KA, "1/h"), Parameter("r", RATE, "mg/h"),
            Parameter("lag", 0.0, "h", bounds=(-1, 100)),
        ],
        outputs=[
            Output("since", "h"), Output("since_other", "h"), Output("amount", "mg"), Output("amount_other", "mg"),
        ],
        dosing=lambda p: {"depot": {"F": 0.0, "tlag": p.lag}},
        dynamics=lambda t, x, p: {
            "depot": -p.ka * x.depot,
            "blood": last_dose(x.depot) * p.ka * exp(-p.ka * tad(x.depot)) - p.k * x.blood,
            "box": where((last_dose() > 0) & (tad() < 2), p.r, 0 * p.r),
            "other": 0 * p.k * x.other,
        },
        calculate=lambda t, x, p: {
            "since": tad(), "amount": last_dose(), "since_other": tad(x.other), "amount_other": last_dose(x.other),
        },
    )  # fmt: skip


def blood(t: float, doses: Sequence[tuple[float, float]]) -> float:
    """Return what is in the blood at t: each dose flows in from its time to that of the next one."""
    there = 0.0
    for (time, amount), after in zip(doses, [*(d[0] for d in doses[1:]), math.inf], strict=True):
        if time >= t:
            break
        h = min(t, after) - time
        there = there * math.exp(-K * h) + amount * KA / (KA - K) * (math.exp(-K * h) - math.exp(-KA * h))
    return there


TIMES = [0.5, 2.0, 7.9, 8.1, 9.0, 15.0, 17.5, 24.5, 30.0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lag", [0.0, 0.7])
def test_the_last_dose_flows_in_from_its_time_on(model, method, lag):
    regimen = Regimen(amt=100, cmt="depot", ii=8, addl=2) + Regimen(amt=40, cmt="depot", tinf=3).shift(24)
    got = pkpd.simulate(model.with_values(lag=lag), regimen, times=TIMES, outputs=["blood", "box"], method=method)
    doses = [(0 + lag, 100), (8 + lag, 100), (16 + lag, 100), (24 + lag, 40)]
    expected = [blood(t, doses) if t > lag else 0.0 for t in TIMES]
    np.testing.assert_allclose(got["blood"].values.ravel(), expected, rtol=1e-6)
    filled = [RATE * sum(min(max(t - d, 0), 2) for d, _ in doses) for t in TIMES]
    np.testing.assert_allclose(got["box"].values.ravel(), filled, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lag", [0.0, 3.0])
def test_each_dose_of_a_steady_state_counts(model, method, lag):
    regimen = Regimen(amt=100, cmt="depot", ii=8, ss=1, addl=1)
    got = pkpd.simulate(model.with_values(lag=lag), regimen, times=TIMES, outputs=["blood"], method=method)
    doses = [(lag + 8.0 * i, 100.0) for i in range(-60, 2)]
    np.testing.assert_allclose(got["blood"].values.ravel(), [blood(t, doses) for t in TIMES], rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lag", [0.0, 2.0, 7.0])
@pytest.mark.parametrize("infusion", [{}, {"tinf": 2.0}, {"tinf": 11.0}])
def test_what_lasts_as_long_as_the_last_dose_is_large_lasts_so_in_a_steady_state(method, lag, infusion):
    """Each dose of 100 mg opens an inflow for 100 / 25 h: that of an infusion every 8 h, wherever the lag puts it."""
    model = Model(
        "opened",
        states=[State("depot", "mg"), State("blood", "mg")],
        parameters=[
            Parameter("k", K, "1/h"), Parameter("r", RATE, "mg/h"), Parameter("v", 25.0, "mg/h"),
            Parameter("lag", lag, "h"),
        ],
        dosing=lambda p: {"depot": {"tlag": p.lag}},
        dynamics=lambda t, x, p: {
            "depot": -p.k * x.depot,
            "blood": where((last_dose() > 0) & (tad() * p.v < last_dose()), p.r, 0 * p.r) - p.k * x.blood,
        },
    )  # fmt: skip
    times = np.array([0.01, 1.0, 3.5, 6.5, 7.9])
    regimen = Regimen(amt=100, cmt="depot", ii=8, ss=1, **infusion)
    got = pkpd.simulate(model, regimen, times=times, outputs=["blood"], method=method, rtol=1e-4)["blood"]
    begun = lag + 8.0 * np.arange(-60, 1)
    open_for = np.clip(times[:, None] - begun, 0.0, 4.0)
    left = np.exp(-K * np.maximum(times[:, None] - begun, 0.0))
    expected = (RATE / K * left * np.expm1(K * open_for)).sum(axis=1)
    np.testing.assert_allclose(got.values.ravel(), expected, rtol=1e-6)


def test_outputs_see_the_last_dose_as_it_was_given(model):
    data = pd.DataFrame(
        [
            (0.0, 0.0, 1, 0, 0.0, 0), (1.0, 50.0, 1, 1, 6.0, 1), (2.0, 0.0, 1, 0, 0.0, 0), (8.0, 0.0, 1, 0, 0.0, 0),
            (9.0, 30.0, 4, 1, 0.0, 0), (9.5, 0.0, 1, 0, 0.0, 0), (10.0, 0.0, 1, 3, 0.0, 0), (11.0, 0.0, 1, 0, 0.0, 0),
            (12.0, 20.0, 1, 4, 0.0, 0), (12.5, 0.0, 1, 0, 0.0, 0),
        ],
        columns=["TIME", "AMT", "CMT", "EVID", "II", "ADDL"],
    ).assign(ID=1)  # fmt: skip
    got = pkpd.simulate(model, pkpd.read_events(data))
    kept = np.isin(data["TIME"], [0.0, 2.0, 8.0, 9.5, 11.0, 12.5])
    table = {n: got[n].values.ravel()[kept].tolist() for n in ("since", "amount", "since_other", "amount_other")}
    assert table["since"] == [0, 1, 1, 0.5, 0, 0.5]
    assert table["amount"] == [0, 50, 50, 30, 0, 20]
    assert table["since_other"] == [0, 0, 0, 0.5, 0, 0]
    assert table["amount_other"] == [0, 0, 0, 30, 0, 0]


def test_a_row_on_a_grid_precedes_the_dose_of_its_time(model):
    got = pkpd.simulate(model, Regimen(amt=10, cmt="depot", ii=6, addl=1), times=[0.0, 6.0, 12.0])
    assert got["since"].values.ravel().tolist() == [0, 6, 6]
    assert got["amount"].values.ravel().tolist() == [0, 10, 10]


def test_sensitivities_of_an_absorption_follow_its_closed_form(model):
    t = np.array([0.5, 2.0, 6.0])
    got = pkpd.simulate(model, Regimen(amt=100, cmt="depot"), times=t, derivatives=["k"], outputs=["blood"])
    f = lambda k: 100 * KA / (KA - k) * (np.exp(-k * t) - np.exp(-KA * t))  # noqa: E731
    slope = (f(K + 1e-5) - f(K - 1e-5)) / 2e-5
    np.testing.assert_allclose(got["dblood"].values.ravel(), slope, rtol=1e-6)
    with pytest.raises(ModelError, match=r"'lag' moves the time of a dose from which tad\(\) counts"):
        pkpd.simulate(model, Regimen(amt=100, cmt="depot"), times=t, derivatives=["lag"], outputs=["blood"])


def test_equations_are_printed_as_they_are_written(model):
    assert "last_dose(depot) * ka * exp(-ka * tad(depot))" in str(model)
    assert "\\mathrm{tad}_{\\mathrm{depot}}" in model.to_latex()


def test_on_floats_there_are_no_doses(model):
    assert model.rhs(3.0, {"blood": 10.0})["blood"] == pytest.approx(-1.0)


def made(dynamics=None, individual=None, other="mg") -> Model:
    return Model(
        "refused", states=[State("A", "mg"), State("B", other)], parameters=[Parameter("k", 0.1, "1/h")],
        individual=individual,
        dynamics=dynamics or (lambda t, x, p: {"A": -p.k * x.A, "B": -p.k * x.B}),
    )  # fmt: skip


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ModelError, match="tad\\(\\) is asked for outside dynamics"):
        tad()
    with pytest.raises(ModelError, match="last_dose\\(\\) is asked for outside dynamics"):
        made(individual=lambda p, cov: {"k": p.k * last_dose()})
    with pytest.raises(ModelError, match=r"takes a state, as in tad\(x.depot\), got 'A'"):
        made(lambda t, x, p: {"A": -p.k * tad("A"), "B": -p.k * x.B})
    with pytest.raises(UnitError, match=r"name the dosed state: last_dose\(x.depot\)"):
        made(lambda t, x, p: {"A": -p.k * last_dose(), "B": -p.k * x.B}, other="ug/L")
