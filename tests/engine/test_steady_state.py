"""Steady states: compartments that are switched off, slow and saturable elimination, and doses that have none."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engine_tools import METHODS, equations, one, solve

import pkpd
from pkpd import Model, Output, Parameter, Population, Regimen, State, simulate
from pkpd.engine.graph.functions import maximum
from pkpd.engine.solve.kernel import Kernel
from pkpd.errors import PkpdError, RegimenError
from pkpd.math import cos, during, exp, mod, tad, where
from pkpd.simulation.failures import SolverWarning

EVERY = ("linear", *METHODS)


def bolus(**more: float) -> dict[str, float]:
    return {"time": 0.0, "amt": 10.0, "ii": 6.0, "ss": 1} | more


@functools.cache
def exchanging() -> Kernel:
    """Return two vessels that exchange at rates q and r, the first with loss k; an effect site; a closed pair."""
    return Kernel(
        equations(
            lambda t, y, k, q, r, e, a: [
                -(k + q) * y[0] + r * y[1],
                q * y[0] - r * y[1],
                e * (y[0] - y[2]),
                -a * y[3] + 2.0 * a * y[4],
                a * y[3] - 2.0 * a * y[4],
                y[2] - 0.7 * y[5] + 0.1 * y[3],
            ],
            [0.0, 0.0, 4.0, 9.0, 0.0, 0.0],
            ["k", "q", "r", "e", "a"],
        )
    )


# --- compartments that are switched off -------------------------------------------------------------------------------
@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("dose", [bolus(), bolus(rate=4.0), bolus(amt=0.0, rate=4.0, ii=0.0)])
def test_what_nothing_feeds_stays_and_needs_no_loss(method, dose):
    """Without exchange the vessel is one compartment; the effect site keeps 4, the closed pair 9 in all."""
    k, times = 0.2, np.array([0.0, 2.5, 6.0])
    found = one(exchanging(), times, [k, 0.0, 0.0, 0.0, 0.3], dose | {"time": -1e-6}, method=method, rtol=1e-10)
    since, tau = times + 1e-6, dose["ii"]
    if not dose.get("rate"):
        vessel = 10.0 * np.exp(-k * since) / -math.expm1(-k * tau)
    elif tau:
        end, plateau = 2.5, 4.0 / k
        running = plateau * math.expm1(k * end) * math.exp(-k * tau) / -math.expm1(-k * tau)
        on = running * np.exp(-k * since) + plateau * -np.expm1(-k * since)
        after = (running - plateau) * np.exp(-k * since) + plateau * np.exp(-k * (since - end))
        vessel = np.where(since <= end, on, after)
    else:
        vessel = 4.0 / k * np.exp(-k * since)
    np.testing.assert_allclose(found[:, 0], vessel, rtol=1e-7)
    np.testing.assert_allclose(found[:, 1], 0.0, atol=1e-12)
    np.testing.assert_allclose(found[:, 2], 4.0, rtol=1e-9)
    np.testing.assert_allclose(found[:, 3:5], [[6.0, 3.0]] * 3, rtol=1e-7)
    np.testing.assert_allclose(found[:, 5], (4.0 + 0.6) / 0.7, rtol=1e-7)


def test_a_person_without_exchange_has_the_steady_state_of_one_compartment():
    model = pkpd.models["pk2_iv"]
    person = Population.draw(model, 1, parameters={"Q": 0.0}, seed=2)
    times = np.array([1.0, 4.0])
    steady = pkpd.simulate(model, Regimen(amt=200, cmt="central", ii=8, ss=1, tinf=1), person, times)
    long = pkpd.simulate(model, Regimen(amt=200, cmt="central", ii=8, addl=200, tinf=1), person, 1600.0 + times)
    assert int(steady["status"].max()) == 0
    np.testing.assert_allclose(steady["Cc"], long["Cc"], rtol=1e-9)


@pytest.mark.parametrize("method", ["cascade", "dop853"])
@pytest.mark.parametrize("loss", [0.0, 0.4])
def test_an_effect_that_is_switched_off_stays_at_its_baseline(method, loss):
    """A marker with neither production nor loss beside a drug; with loss alone it vanishes."""
    kernel = Kernel(
        equations(
            lambda t, y, k, kin, kout: [-k * y[0], kin / (1.0 + y[0]) - kout * y[1]], [0.0, 3.0], ["k", "kin", "kout"]
        )
    )
    found = one(kernel, [0.0, 1.0], [0.2, 0.0, loss], bolus(time=-1e-6), method=method)
    np.testing.assert_allclose(found[:, 1], 0.0 if loss else 3.0, atol=1e-9)
    np.testing.assert_allclose(found[:, 0], 10.0 * np.exp(-0.2 * np.array([0, 1.0])) / -math.expm1(-1.2), rtol=1e-6)


def test_slow_elimination_keeps_its_accuracy():
    """k tau = 1e-11: 1e11 doses are in the vessel, and each digit of them is known."""
    found = one(Kernel(equations(lambda t, y, k: [-k * y[0]], [0.0], ["k"])), [0.0, 1.0], [1e-11], bolus(ii=1.0))
    assert found[1, 0] == pytest.approx(10.0 / 1e-11, rel=1e-10)


# --- saturable elimination --------------------------------------------------------------------------------------------
@functools.cache
def saturable() -> pkpd.Model:
    return pkpd.Model(
        "saturable",
        states=[State("gut", "mg"), State("body", "mg")],
        parameters=[Parameter("ka", 1.88, "1/h"), Parameter("Vmax", 26.5, "mg/h"), Parameter("Km", 285.0, "mg")],
        dynamics=lambda t, x, p: {"gut": -p.ka * x.gut, "body": p.ka * x.gut - p.Vmax * x.body / (p.Km + x.body)},
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("amount", "doses"), [(100.0, 60), (300.0, 200), (500.0, 400), (600.0, 4000)])
def test_a_saturable_steady_state_is_that_of_many_doses(method, amount, doses):
    """From a sixth of the capacity of 636 mg a day to 94 % of it."""
    options = {"method": method, "outputs": ["body"], "rtol": 1e-10, "atol": 1e-10}
    steady = pkpd.simulate(saturable(), Regimen(amt=amount, cmt="gut", ii=24, ss=1), times=[6.0, 24.0], **options)
    many = pkpd.simulate(
        saturable(),
        Regimen(amt=amount, cmt="gut", ii=24, addl=doses),
        times=24.0 * doses + steady["time"].values,
        **options,
    )
    np.testing.assert_allclose(steady["body"], many["body"], rtol=1e-6)


@pytest.mark.parametrize("rtol", [1e-6, 1e-9])
@pytest.mark.parametrize("method", METHODS)
def test_everybody_with_a_steady_state_gets_it(method, rtol):
    model = pkpd.models["pk1_oral"]
    people = Population.draw(model, 400, seed=7)
    dose = Regimen(amt=100, cmt="depot", ii=24, ss=1)
    exact = pkpd.simulate(model, dose, people, [0.5, 24.0])
    found = pkpd.simulate(model, dose, people, [0.5, 24.0], method=method, rtol=rtol, atol=1e-3 * rtol)
    assert int(found["status"].max()) == 0
    np.testing.assert_allclose(found["Cc"], exact["Cc"], rtol=100 * rtol)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_doses_beyond_the_capacity_of_elimination_are_told_soon(method):
    with pytest.warns(SolverWarning, match=r"no steady state was found: .*accumulates without limit.*addl"):
        found = pkpd.simulate(
            saturable(), Regimen(amt=700, cmt="gut", ii=24, ss=1), times=[1.0], outputs=["body"], method=method
        )
    assert int(found["status"]) == 4
    assert np.isnan(found["body"]).all()


def test_elimination_that_no_dose_reaches_or_that_feeds_itself_has_no_steady_state():
    kernel = Kernel(equations(lambda t, y, k, q: [-k * y[0] + q * y[1], y[0] - y[1]], [0.0, 0.0], ["k", "q"]))
    for method in EVERY:  # the second loop returns more than is lost: x' = -x + 2 y, y' = x - y
        found = solve(kernel, [0.0, 1.0], np.array([[0.5, 1.0, -0.1], [0.3, 2.0, 0.0]]), bolus(), method=method)
        assert found.status.tolist() == [0, 4, 4], method


# --- doses that are added ---------------------------------------------------------------------------------------------
def test_a_dose_is_not_added_where_that_would_take_away_the_target():
    model = pkpd.models["tmdd_full"]
    rows = {"ID": 1, "TIME": [0, 84, 84.5], "AMT": [400, 400, 0], "CMT": ["central", "central", "."]}
    table = pkpd.read_events(pd.DataFrame(rows | {"II": [168, 168, 0], "SS": [1, 2, 0], "EVID": [1, 1, 0]}))
    with pytest.raises(PkpdError, match=r"SS=2 \(into 'central' at time 84\).*linear equations only.*ADDL and II"):
        pkpd.simulate(model, table)


def test_sums_of_steady_states_hold_where_some_states_only_look_on():
    """The largest level so far is no part of the equations: they are linear, whatever is read from them."""
    kernel = Kernel(equations(lambda t, y, k: [-k * y[0]], [0.0], ["k"], lambda t, y, k: [y[0], maximum(y[0], 5.0)]))
    found = one(kernel, [1.0, 3.0], [0.2], bolus(time=-2.0), bolus(time=-2.0, ss=2), method="dop853")
    np.testing.assert_allclose(found[:, 0], 20.0 * np.exp([-0.6, -1.0]) / -math.expm1(-1.2), rtol=1e-10)


# --- equations that follow a rhythm of their own ----------------------------------------------------------------------
def _daily(kind: str, lag: float = 0.0) -> Model:
    """Return a model whose losses, or whose marker's production, follow the time of day."""

    def by_day(t, x, p):
        share = where(mod(t + 3.0, 24.0) < 11.0, 1.7, 0.4)
        return {"central": -p.k * share * x.central, "marker": p.kin - p.kout * (1 + p.slope * x.central) * x.marker}

    def by_cosine(t, x, p):
        made = p.kin * (1 + 0.8 * cos(2 * np.pi * (t - 8.0) / 24.0))
        return {"central": -p.k * x.central, "marker": made - p.kout * (1 + p.slope * x.central) * x.marker}

    def by_driver(t, x, p):
        made = p.kin * (1 + 0.8 * cos(2 * np.pi * (t - 8.0) / 24.0)) / (1 + x.central / p.K)
        return {"central": -p.k * x.central, "marker": made - p.kout * x.marker}

    def by_saturation(t, x, p):
        share = where(during(t, 7.0, 19.0, every=24.0), 2.0, 0.5)
        loss = p.k * share * x.central / (1 + x.central / p.K)
        return {"central": -loss, "marker": p.kin - p.kout * (1 + p.slope * x.central) * x.marker}

    return Model(
        kind,
        states=[State("central", "mg"), State("marker", "1")],
        parameters=[
            Parameter("k", 0.15, "1/h", "loss"), Parameter("kin", 1.0, "1/h", "made"),
            Parameter("kout", 0.05, "1/h", "lost"), Parameter("tlag", lag, "h", "lag"),
            Parameter("slope", 0.1, "1/mg", "effect"), Parameter("K", 50.0, "mg", "saturation"),
        ],
        dynamics={"day": by_day, "cosine": by_cosine, "saturation": by_saturation, "driver": by_driver}[kind],
        initial=lambda p: {"central": 0.0, "marker": p.kin / p.kout},
        dosing=lambda p: {"central": {"tlag": p.tlag}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *((kind, method) for kind in ("day", "cosine", "saturation") for method in ("auto", "dop853", "rodas5p")),
        ("driver", "cascade"),
    ],
)
@pytest.mark.parametrize(
    ("ii", "more"), [(12.0, {}), (10.0, {"tinf": 3.0}), (36.0, {"tinf": 40.0}), (8.0, {"lag": 9.5}), (24.0, {})]
)
def test_doses_that_are_not_daily_under_a_daily_rhythm(kind, ii, more, method):
    """What one dose after the other leads to after 40 times the time in which doses and rhythm come round."""
    more = dict(more)
    model = _daily(kind, more.pop("lag", 0.0))
    past = 40 * int(np.lcm(int(ii), 24))
    grid = np.arange(0.5, 121.0, 2.5)
    options = {"outputs": ["central", "marker"], "method": method, "rtol": 1e-9, "atol": 1e-11}
    steady = simulate(model, Regimen(amt=30, ii=ii, ss=1, addl=int(130 // ii), **more), times=grid, **options)
    each = Regimen(amt=30, ii=ii, addl=int((past + 130) // ii), **more)
    after = simulate(model, each, times=past + grid, **options)
    assert (steady["status"] == 0).all()
    for name in ("central", "marker"):
        np.testing.assert_allclose(steady[name], after[name], rtol=2e-6)


def _losing(share: Callable[[Any], Any]) -> Model:
    """Return one vessel with a loss of 0.1 per hour times a share that depends on time."""
    return Model(
        "losing", states=[State("vessel", "mg")], parameters=[Parameter("k", 0.1, "1/h")],
        outputs=[Output("left", "mg")],
        dynamics=lambda t, x, p: {"vessel": -p.k * share(t) * x.vessel},
        calculate=lambda t, x, p: {"left": x.vessel},
    )  # fmt: skip


def _lost(t: Any, every: float, part: float) -> np.ndarray:
    """Return the integral up to t of 0.1 times 1.7 in the first part of a rhythm that is 3 h early, 0.4 in the rest."""
    whole, rest = np.divmod(np.asarray(t) + 3.0, every)
    of_all = 1.7 * part + 0.4 * (every - part)
    return 0.1 * (whole * of_all + 1.7 * np.minimum(rest, part) + 0.4 * np.maximum(rest - part, 0.0))


@pytest.mark.parametrize(
    ("every", "part", "start", "ii"),
    [(24, 11, 20, 4), (24, 11, 0, 0.5), (24, 11, 1, 0.25), (168, 120, 100, 24), (168, 120, 0, 3), (24, 11, 500, 12)],
)
def test_doses_that_see_no_change_for_long(every, part, start, ii):
    """Nights and weeks hold many doses: the sum of what is left of each dose of eight hundred hours."""
    model = _losing(lambda t: where(mod(t + 3.0, every) < part, 1.7, 0.4))
    grid = start + np.arange(0.3, 49.0, 2.5)
    dose = Regimen(amt=30, ii=ii, ss=1, addl=int(60 / ii)).shift(start)
    found = simulate(model, dose, times=grid, rtol=1e-9, atol=1e-11)["left"].values.ravel()
    given = start + ii * np.arange(-int(800 / ii), int(60 / ii) + 1)
    left = [30 * np.exp(_lost(given[given <= t], every, part) - _lost(t, every, part)).sum() for t in grid]
    np.testing.assert_allclose(found, left, rtol=1e-7)


def test_a_rhythm_that_ends_with_the_steady_state_was_there_before():
    model = _losing(lambda t: where((t < 0) & (mod(t + 3.0, 24.0) < 11.0), 1.7, 0.4))
    found = simulate(model, Regimen(amt=30, ii=12, ss=1), times=[1.0, 8.0, 30.0], rtol=1e-9)["left"].values.ravel()
    given = -12.0 * np.arange(80)
    at_start = 30 * np.exp(_lost(given, 24.0, 11.0) - _lost(0.0, 24.0, 11.0)).sum()
    np.testing.assert_allclose(found, at_start * np.exp(-0.04 * np.array([1.0, 8.0, 30.0])), rtol=1e-7)


def test_a_rhythm_that_begins_with_a_disease_counts_where_it_has_lasted_for_some_doses():
    """The rhythm is ten days old: what was given before has left by then."""
    model = _losing(lambda t: where((t > 0) & (mod(t + 3.0, 24.0) < 11.0), 1.7, 0.4))
    times = np.array([241.0, 248.0, 251.0])
    found = simulate(model, Regimen(amt=30, ii=12, ss=1).shift(240), times=times, rtol=1e-9)["left"].values.ravel()
    given = 240.0 - 12.0 * np.arange(80)
    left = [30 * np.exp(_lost(given, 24.0, 11.0) - _lost(t, 24.0, 11.0)).sum() for t in times]
    np.testing.assert_allclose(found, left, rtol=1e-7)


@pytest.mark.parametrize("method", ["auto", "dop853", "rodas5p"])
def test_a_rhythm_that_waits_for_an_hour_after_each_dose(method):
    """By day the loss is 2 from the second hour after the dose on, else 0.5: over 12 h 22.5 by day and 6 by night."""
    model = _losing(lambda t: where((tad() > 1) & (mod(t, 24.0) < 12.0), 2.0, 0.5))
    dose = Regimen(amt=30, ii=12, ss=1, addl=1)
    found = simulate(model, dose, times=[0.5, 6.0, 13.0], method=method, rtol=1e-9)["left"].values.ravel()
    day, night = math.exp(-2.25), math.exp(-0.6)
    morning = 30 * (1 + night) / (1 - day * night)
    evening = morning * day + 30
    expected = [morning * math.exp(-0.025), morning * math.exp(-0.05 - 1.0), evening * math.exp(-0.05)]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_a_short_window_of_the_day_is_seen_between_doses():
    """All is lost in 12 min a day, 3 h after every second dose: 10 behind the first, 20 behind the other."""

    def dynamics(t, x, p):
        return {"central": -p.k * where(during(t, 15.0, 15.2, every=24.0), 200.0, 0.0) * x.central}

    model = Model(
        "short", states=[State("central", "mg")], parameters=[Parameter("k", 1.0, "1/h", "loss")], dynamics=dynamics
    )
    for begin, before in ((0.0, 0.0), (12.0, 10.0)):
        sims = simulate(
            model, Regimen(amt=10, time=begin, ii=12, ss=1), times=begin + np.array([0.1, 2.9]), outputs=["central"]
        )
        np.testing.assert_allclose(sims["central"], [10 + before] * 2, rtol=1e-7)


@pytest.mark.parametrize("kind", ["day", "cosine", "saturation"])
def test_doses_that_hardly_ever_meet_the_rhythm_again_are_refused(kind):
    with pytest.raises(RegimenError, match=r"every 1\.1 under equations that repeat every 24 come round only"):
        simulate(_daily(kind), Regimen(amt=1, ii=1.1, ss=1), times=[0.0, 10.0], outputs=["marker"])


def test_a_disease_with_a_rhythm_has_the_steady_state_of_its_last_interval():
    """What never comes round is not refused: 1 mg every 1.1 h, its loss without rhythm."""

    def dynamics(t, x, p):
        made = p.kin * exp(-t / p.last) * (1 + 0.5 * cos(2 * np.pi * t / 24.0))
        return {"central": -p.k * x.central, "marker": made - p.k * x.marker}

    rows = [("k", 0.5, "1/h"), ("kin", 1.0, "1/h"), ("last", 100.0, "h")]
    model = Model(
        "ends",
        states=[State("central", "mg"), State("marker", "1")],
        parameters=[Parameter(name, value, unit, name) for name, value, unit in rows],
        dynamics=dynamics,
    )
    sims = simulate(model, Regimen(amt=1, ii=1.1, ss=1), times=[0.0, 1e-6], outputs=["central"])
    np.testing.assert_allclose(sims["central"][-1], 1 / (1 - np.exp(-0.55)), rtol=1e-5)


@pytest.mark.parametrize("day", [24.0, 30.0, 36.0])
def test_a_rhythm_whose_length_is_a_parameter(day):
    """Loss by day only, doses every 12 h: what one dose after the other leads to."""

    def dynamics(t, x, p):
        return {"central": -p.k * where(mod(t, p.day) < 11.0, 1.7, 0.4) * x.central}

    model = Model(
        "own day",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.15, "1/h", "loss"), Parameter("day", 24.0, "h", "length of a day")],
        dynamics=dynamics,
    ).with_values(day=day)
    grid = np.arange(0.5, 121.0, 2.5)
    steady = simulate(model, Regimen(amt=30, ii=12, ss=1, addl=10), times=grid, outputs=["central"])
    past = 10 * float(np.lcm(12, int(day)))
    each = simulate(model, Regimen(amt=30, ii=12, addl=int((past + 130) // 12)), times=past + grid, outputs=["central"])
    np.testing.assert_allclose(steady["central"], each["central"], rtol=2e-6)
