"""The slow simulator against mrgsolve's reference cases, closed forms and laws of dosing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference_data import CASES
from twin import Linear, Ode, Subject, records, simulate
from twin_models import MODELS

from pkpd.dosing.rules import NAMED, RecordRules

K = 0.3
ONE = {"flow": lambda t, y, p: [-K * y[0]], "y0": lambda p: [0.0], "p": None, "method": "DOP853"}


def obs(*times: float) -> list[dict[str, float]]:
    return [{"time": t} for t in times]


def one(*rows: Mapping[str, float], **more) -> np.ndarray:
    """States of dy/dt = -K y at the rows."""
    return simulate(records=records(*rows), **(ONE | more))[:, 0]


@pytest.mark.parametrize("name", CASES)
def test_twin_reproduces_the_reference(name):
    case = CASES[name]
    model, p = MODELS[case.model], case.params
    events, expected = pd.read_csv(case.events), case.expected()
    names = ("time", "evid", "cmt", "amt", "rate", "ii", "addl", "ss")
    whole = ("evid", "cmt", "addl", "ss")
    given = {n: [int(v) if n in whole else float(v) for v in events[n] - (n == "cmt")] for n in names}
    rows = records(*({n: given[n][k] for n in names} for k in range(len(events["time"]))))
    steps = [p] * len(rows)
    if model.individual:
        steps = [model.individual(p, {"WT": weight}) for weight in events["WT"]]
    method = "LSODA" if case.model == "tmdd" else "DOP853"
    states = simulate(model.rhs, model.y0, p, rows, model.dosing, steps, "backward", method, NAMED["mrgsolve"])
    result = dict(zip(model.states, states.T, strict=True))
    if model.conc:
        result["CONC"] = np.array([model.conc(y, q) for y, q in zip(states, steps, strict=True)])
    compared = [column for column in expected if column in result]
    assert len(compared) >= len(model.states) - 1
    for column in compared:
        scale = 1e-3 * abs(expected[column]).max()
        np.testing.assert_allclose(result[column], expected[column], rtol=1e-6, atol=1e-6 * scale, err_msg=column)


def test_row_parameters_hold_forward_from_their_row_or_backward_to_it():
    rows = [{"evid": 1, "amt": 100.0}, *obs(1.0, 3.0)]
    rates = [0.1, 0.2, 0.4]
    more = {"flow": lambda t, y, p: [-p * y[0]], "row_parameters": rates}
    assert one(*rows, carry="forward", **more)[2] == pytest.approx(100 * math.exp(-0.1 - 2 * 0.2), rel=1e-9)
    assert one(*rows, carry="backward", **more)[2] == pytest.approx(100 * math.exp(-0.2 - 2 * 0.4), rel=1e-9)


def test_a_bolus_decays_and_a_row_before_it_is_a_trough():
    y = one({"time": 0.0}, {"evid": 1, "amt": 50.0}, *obs(2.0))
    np.testing.assert_allclose(y, [0.0, 50.0, 50.0 * math.exp(-2 * K)], rtol=1e-9)


def test_an_infusion_follows_its_closed_form():
    y = one({"evid": 1, "amt": 50.0, "rate": 20.0}, *obs(1.0, 2.5, 4.0))
    level = [20 / K * (1 - math.exp(-K * min(t, 2.5))) * math.exp(-K * max(t - 2.5, 0.0)) for t in (1.0, 2.5, 4.0)]
    np.testing.assert_allclose(y[1:], level, rtol=1e-9)


@pytest.mark.parametrize(
    ("rate", "rule"),
    [(8.0, {"F": 0.4}), (-1, {"F": 0.4, "rate": 8.0}), (-2, {"F": 0.4, "duration": 2.5})],
    ids=["data rate", "modelled rate", "modelled duration"],
)
def test_bioavailability_scales_the_amount_of_an_infusion(rate, rule):
    y = one({"evid": 1, "amt": 50.0, "rate": rate}, *obs(1.0, 2.5, 4.0), dosing={0: rule})
    plain = one({"evid": 1, "amt": 20.0, "rate": 8.0}, *obs(1.0, 2.5, 4.0))
    np.testing.assert_allclose(y, plain, rtol=1e-9)


@pytest.mark.parametrize("lag", [0.0, 1.7])
@pytest.mark.parametrize("rate", [0.0, 30.0])
def test_additional_doses_are_explicit_doses(lag, rate):
    times, rule = (0.3, 5.0, 11.0, 20.0), {0: {"tlag": lag}}
    dose = {"evid": 1, "amt": 50.0, "rate": rate}
    short = one(dose | {"ii": 6.0, "addl": 2}, *obs(*times), dosing=rule)[1:]
    rows = sorted([*obs(*times), *({"time": 6.0 * k} | dose for k in range(3))], key=lambda row: row["time"])
    explicit = one(*rows, dosing=rule)[[i for i, row in enumerate(rows) if "evid" not in row]]
    np.testing.assert_allclose(short, explicit, rtol=1e-9, atol=1e-12)


def test_doses_that_a_record_implies_come_before_the_rows_of_their_time_or_as_the_rules_say():
    dose, trough = {"evid": 1, "amt": 50.0, "ii": 6.0, "addl": 1}, 50 * math.exp(-6 * K)
    for rules, additional, lagged in (
        ("nonmem", trough + 50, [0.0, 50.0, trough + 50]), ("mrgsolve", trough + 50, [0.0, 0.0, trough]),
    ):  # fmt: skip
        assert one(dose, *obs(6.0), rules=NAMED[rules])[-1] == pytest.approx(additional, rel=1e-9)
        found = one(dose, *obs(2.0, 8.0), dosing={0: {"tlag": 2.0}}, rules=NAMED[rules])
        np.testing.assert_allclose(found, lagged, rtol=1e-9)
    assert one(dose, *obs(6.0), rules=RecordRules(additional="after"))[-1] == pytest.approx(trough, rel=1e-9)


def test_times_that_are_equal_in_decimals_are_equal():
    rows = [
        {"time": 9.3, "evid": 1, "amt": 100.0, "ii": 1.2, "addl": 6},
        *obs(*(round(9.3 + 1.2 * k, 1) for k in range(1, 7))),
    ]
    peaks = [100 * sum(math.exp(-1.2 * j * K) for j in range(k + 1)) for k in range(7)]
    np.testing.assert_allclose(one(*rows), peaks, rtol=1e-9)


def test_what_begins_anew_ends_doses_to_come():
    first = {"evid": 1, "amt": 80.0, "ii": 12.0, "addl": 7}
    steady = {"time": 40.0, "evid": 1, "amt": 80.0, "ii": 12.0, "ss": 1}
    level = 80 / (1 - math.exp(-12 * K))
    np.testing.assert_allclose(one(first, steady, *obs(64.0))[1:], [level, level * math.exp(-24 * K)], rtol=1e-9)
    again = [first, {"time": 24.0}, {"time": 24.0, "evid": 4, "amt": 80.0, "again": True}, *obs(54.0)]
    for rules in NAMED.values():
        assert one(*again, rules=rules)[-1] == pytest.approx(80 * math.exp(-30 * K), rel=1e-9)


def test_a_lag_is_that_of_the_record_bioavailability_that_of_the_time_of_entering():
    rows = [{"evid": 1, "amt": 100.0, "ii": 10.0, "addl": 2}, *obs(5.0, 9.0, 15.0, 19.0, 25.0)]
    flow, shares = (lambda t, y, p: [0.0 * y[0]]), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    for lag in (0.0, 2.0):
        found = one(*rows, flow=flow, row_parameters=shares, dosing=lambda F, lag=lag: {0: {"F": F, "tlag": lag}})
        np.testing.assert_allclose(found[1:], [100.0, 100.0, 150.0, 150.0, 175.0])


def test_a_compartment_that_is_switched_off_holds_nothing_until_a_dose_or_a_row_switches_it_on():
    flow = Linear(lambda p: np.array([[-K, 0.0], [K, -K]]))
    off, on = {"time": 2.0, "evid": 2, "cmt": 1, "off": True}, {"time": 6.0, "evid": 2, "cmt": 1}
    rows = records(
        {"evid": 1, "amt": 50.0, "ii": 3.0, "addl": 9, "cmt": 1}, {"evid": 1, "amt": 9.0}, off, *obs(4.0), on, *obs(7.0)
    )
    found = simulate(flow, lambda p: [0.0, 0.0], None, rows)
    left = 9 * math.exp(-7 * K)
    np.testing.assert_allclose(found[2:5, 1], 0.0)
    np.testing.assert_allclose(found[5], [left, left * K * 1.0], rtol=1e-9)


@pytest.mark.parametrize("rules", NAMED)
def test_other_reset_replace_and_reset_with_dose(rules):
    dose = {"evid": 1, "amt": 50.0, "rate": 10.0, "ii": 4.0, "addl": 1}
    y = one(
        dose,
        {"time": 1.0, "evid": 2, "amt": 99.0},
        {"time": 2.0, "evid": 3},
        *obs(3.0, 4.0, 5.0),
        {"time": 6.0, "evid": 8, "amt": 7.0},
        {"time": 7.0, "evid": 4, "amt": 11.0},
        *obs(8.0),
        rules=NAMED[rules],
    )
    step = 10 / K * (1 - math.exp(-K))
    later = step if rules == "mrgsolve" else 0.0  # the additional dose at 4
    np.testing.assert_allclose(y, [0, step, 0, 0, 0, later, 7, 11, 11 * math.exp(-K)], rtol=1e-9, atol=1e-12)


def test_a_reset_returns_to_the_initial_state():
    y = one({"evid": 1, "amt": 50.0}, {"time": 2.0, "evid": 3}, y0=lambda p: [4.0])
    np.testing.assert_allclose(y, [54.0, 4.0])


@pytest.mark.parametrize("lag", [0.0, 1.5])
@pytest.mark.parametrize("rate", [0.0, 40.0, 12.5, 7.0, 4.0])
def test_steady_state_is_what_many_doses_lead_to(rate, lag):
    """Infusions of 1.25, 4, 7.1 and 12.5 h every 4 h: shorter, as long, longer and several times as long."""
    dose, rule = {"evid": 1, "amt": 50.0, "rate": rate, "ii": 4.0}, {0: {"tlag": lag}}
    later = np.array([0.0, 0.7, 1.7, 3.3, 9.0, 15.0])
    steady = one({"time": 0.0} | dose | {"ss": 1, "addl": 1}, *obs(*later), dosing=rule)[1:]
    start = 4.0 * 40
    rows = obs(*(start + later + (later == 0.0) * 1e-9))
    many = one({"time": 0.0} | dose | {"addl": 41}, *rows, dosing=rule)[1:]
    np.testing.assert_allclose(steady, many, rtol=1e-7)


def test_superposed_steady_state_adds_to_what_is_there():
    first = [{"evid": 1, "amt": 30.0, "rate": 3.0}]
    second = {"time": 4.0, "evid": 1, "amt": 50.0, "ii": 6.0}
    both = one(*first, second | {"ss": 2}, *obs(5.0, 14.0))[1:]
    parts = one(*first, *obs(4.0, 5.0, 14.0))[1:] + one(second | {"ss": 1}, *obs(5.0, 14.0))
    np.testing.assert_allclose(both, parts, rtol=1e-9)


def test_constant_infusion_is_at_its_plateau_and_ends_at_the_record():
    y = one({"evid": 1, "amt": 0.0, "rate": 12.0, "ss": 1}, *obs(2.0))
    np.testing.assert_allclose(y, [12 / K, 12 / K * math.exp(-2 * K)], rtol=1e-9)


def test_an_area_does_not_hinder_the_steady_state():
    flow: Any = Ode(lambda t, y, p: [-K * y[0], y[0]], "DOP853")
    y = one({"evid": 1, "amt": 50.0, "ii": 6.0, "ss": 1}, flow=flow, y0=lambda p: [0.0, 0.0])
    assert y[0] == pytest.approx(50 / (1 - math.exp(-6 * K)), rel=1e-9)
    subject = Subject(flow, lambda p: [0.0, 0.0], lambda p: {}, RecordRules(), Fraction(0), np.zeros(2))
    assert subject.counters(None).tolist() == [False, True]


def test_order_of_rows_and_names_of_carry_are_checked():
    with pytest.raises(ValueError, match="order of the records"):
        one({"time": 2.0}, {"time": 1.0})
    with pytest.raises(ValueError, match="carry"):
        one({"time": 2.0}, carry="linear")
