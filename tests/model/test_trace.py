"""Tracing: what the equations become, and what functions may not do."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from graph_value import value

from pkpd.engine.graph.functions import exp, interpolate, maximum, where
from pkpd.engine.graph.nodes import symbol
from pkpd.errors import ModelError
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model

SETTINGS: dict[str, Any] = {
    "states": [State("depot", "mg"), State("central", "mg")],
    "covariates": [Covariate("WT", "kg", 70)],
    "parameters": [
        Parameter("CL", 9.0, "L/h", cv=0.3, iov_cv=0.1),
        Parameter("V", 30.0, "L"),
        Parameter("ka", 0.5, "1/h"),
        Parameter("F", 0.8, "", scale="logit", bounds=(0, 1), sd=0.5),
    ],
    "outputs": [Output("Cc", "mg/L")],
}


def dynamics(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central}


def concentration(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"Cc": x.central / p.V}


def build(**changes: Any) -> Model:
    settings = {**SETTINGS, "dynamics": dynamics, "calculate": concentration, **changes}
    return Model("oral", check_units=False, **settings)


def test_equations_are_in_terms_of_plain_symbols():
    trace = build(individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** 0.75, "ke": p.CL / p.V}).trace
    theta, eta, kappa = (symbol("CL", kind) for kind in ("theta", "eta", "kappa"))
    CL = theta * exp(eta + kappa) * (symbol("WT", "covariate") / 70) ** 0.75
    assert trace.individual["CL"] is CL
    assert trace.individual["ke"] is theta * exp(eta + kappa) / symbol("V", "theta")
    depot, central = symbol("depot", "state"), symbol("central", "state")
    assert trace.derivatives[0] is -symbol("ka", "theta") * depot
    assert trace.derivatives[1] is symbol("ka", "theta") * depot - CL / symbol("V", "theta") * central
    assert trace.outputs == {"Cc": central / symbol("V", "theta")}
    assert (trace.states, trace.thetas) == (("depot", "central"), ("CL", "V", "ka", "F"))
    assert (trace.etas, trace.kappas, trace.covariates) == (("CL", "F"), ("CL",), ("WT",))


def test_initial_states_default_to_zero():
    trace = build(initial=lambda p: {"central": p.V * 2}).trace
    assert trace.initial == (symbol("x", "theta") * 0, symbol("V", "theta") * 2)


def test_dosing_by_state_number():
    trace = build(dosing=lambda p: {"central": {"rate": 5.0}, "depot": {"F": p.F, "tlag": 0.5 / p.ka}}).trace
    assert list(trace.dosing) == [0, 1]
    assert trace.dosing[0]["tlag"] is 0.5 / symbol("ka", "theta")
    assert value(trace.dosing[0]["F"], {("F", "theta"): 0.8, ("F", "eta"): 0.0}) == pytest.approx(0.8)
    assert value(trace.dosing[1]["rate"], {}) == 5.0


def test_functions_may_take_covariates_last():
    model = build(
        initial=lambda p, cov: {"depot": cov.WT},
        dosing=lambda p, cov: {"depot": {"tlag": cov.WT}},
        dynamics=lambda t, x, p, cov: {"depot": cov.WT, "central": t},
        calculate=lambda t, x, p, cov: {"Cc": cov.WT},
        individual=lambda p: {"CL": 2 * p.CL},
    )
    wt = symbol("WT", "covariate")
    assert model.trace.initial[0] is model.trace.dosing[0]["tlag"] is model.trace.outputs["Cc"] is wt
    assert model.trace.derivatives == (wt, symbol("t", "time"))


def test_output_left_out_is_the_state_of_its_name():
    model = build(outputs=[Output("central", "mg")], calculate=None)
    assert model.trace.outputs == {"central": symbol("central", "state")}


def test_time_dependent_right_hand_side_with_forcing():
    def forced(t: Any, x: Any, p: Any) -> dict[str, Any]:
        drive = interpolate(t, [0, 10, 20], [0, p.ka, 0])
        return {"depot": where(t < 5, drive, maximum(drive, 0.1)), "central": 0}

    slope = build(dynamics=forced).trace.derivatives[0]
    assert value(slope, {"t": 4.0, "ka": 0.5}) == pytest.approx(0.2)
    assert value(slope, {"t": 19.0, "ka": 0.5}) == pytest.approx(0.1)


def bad_line(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"depot": math.exp(x.depot), "central": 0}


def branch(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"depot": 1 if x.depot > 0 else 0, "central": 0}


def typo(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"depot": -p.Ka * x.depot, "central": 0}


def crash(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"depot": {}["rate"], "central": 0}


def returns(result: object) -> Callable[..., Any]:
    def made(t: Any, x: Any, p: Any) -> Any:
        return result

    return made


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"dynamics": typo},
            r"model 'oral' has no parameter 'Ka'; it has CL, V, ka, F \(did you mean 'ka'\?\) "
            r"\(in typo, test_trace.py line \d+\)",
        ),
        (
            {"dynamics": bad_line},
            r"model 'oral', bad_line, test_trace.py line \d+: an equation is turned into a number",
        ),
        ({"dynamics": branch}, r"model 'oral', branch, .* line \d+: an equation is used as a yes/no value"),
        ({"dynamics": crash}, r"model 'oral', crash, .* line \d+: KeyError: 'rate'"),
        ({"dynamics": returns(None)}, "must return a dict of values by name, got NoneType; is its 'return' missing?"),
        ({"dynamics": returns((1, 2))}, "must return a dict of values by name, got tuple"),
        (
            {"dynamics": returns({"Depot": 1.0, "central": 0})},
            r"model 'oral', made: returns unknown state 'Depot' \(did you mean 'depot'\?\); it has depot, central; "
            r"returns nothing for state 'depot'",
        ),
        ({"dynamics": returns({"depot": [1, 2], "central": 0})}, r"made, 'depot': is an array of shape \(2,\)"),
        ({"dynamics": returns({"depot": "x", "central": 0})}, "made, 'depot': is 'x', which is neither a number nor"),
        (
            {"dynamics": returns({"depot": symbol("a", "state") < 1, "central": 0})},
            r"made, 'depot': is a condition, not a value; write where\(condition, a, b\)",
        ),
        ({"dynamics": returns({"depot": math.nan, "central": 0})}, r"dynamics depot: is not a number \(NaN\)"),
        ({"calculate": returns({"C": 1.0})}, r"returns unknown output 'C' \(did you mean 'Cc'\?\); it has Cc"),
        ({"calculate": returns({})}, "model 'oral', made: nothing calculates output 'Cc'; return it from calculate"),
        ({"calculate": None}, "model 'oral': nothing calculates output 'Cc'"),
        ({"initial": lambda p: {"dept": 1}}, r"returns unknown state 'dept' \(did you mean 'depot'\?\)"),
        ({"dosing": lambda p: {"gut": {"F": 1}}}, "returns unknown state 'gut'; it has depot, central"),
        ({"dosing": lambda p: {"depot": 0.5}}, r"'depot': must be a dict such as \{'F': p.F\}, got 0.5"),
        (
            {"dosing": lambda p: {"depot": {"Tlag": 1}}},
            r"'depot': unknown 'Tlag' \(did you mean 'tlag'\?\); it takes F, tlag, rate, duration",
        ),
        ({"dosing": lambda p: {"depot": {"F": -0.1}}}, "'depot': F must be >= 0, got -0.1"),
        ({"dosing": lambda p: {"depot": {"duration": 0}}}, "'depot': duration must be > 0, got 0"),
        ({"individual": lambda p, cov: {"depot": 1}}, "'depot' is a state; give the derived parameter another name"),
        ({"individual": lambda p, cov: {"WT": 1}}, "'WT' is a covariate"),
        ({"individual": lambda p, cov: {"a b": 1}}, "derived parameter 'a b': the name cannot be used"),
        ({"individual": lambda p, cov: {"tcz.CL": 1}}, "unknown part parameter 'tcz.CL'; it has none"),
        ({"individual": lambda p, cov: {"CL": p.WT}}, r"has no parameter 'WT'; it has CL, V, ka, F; write cov\.WT"),
        ({"dynamics": 3}, r"dynamics must be a function dynamics\(t, x, p\) or dynamics\(t, x, p, cov\), got 3"),
        (
            {"dynamics": lambda x, p: {}},
            r"dynamics must be written dynamics\(t, x, p\) or dynamics\(t, x, p, cov\), got <lambda>\(x, p\)",
        ),
    ],
)
def test_mistakes_in_functions_are_named(changes: dict[str, Any], text: str):
    with pytest.raises(ModelError, match=text):
        build(**changes)


def test_the_cause_stays_attached():
    with pytest.raises(ModelError) as caught:
        build(dynamics=crash)
    assert isinstance(caught.value.__cause__, KeyError)


FINGERPRINT = """
from pkpd.model.declare import Parameter, State
from pkpd.model.model import Model
m = Model("m", states=[State("A", "mg"), State("B", "mg")], parameters=[Parameter("k", 1.0, "1/h", cv=0.1)],
          dynamics=lambda t, x, p: {"A": -p.k * x.A, "B": p.k * x.A}, check_units=False)
print(m.fingerprint)
"""


def test_fingerprint_is_the_same_in_another_process():
    scope: dict[str, Any] = {"print": lambda _: None}
    exec(FINGERPRINT, scope)
    done = subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == scope["m"].fingerprint


def test_fingerprint_follows_the_equations_not_the_values():
    one = build()
    assert build().fingerprint == one.fingerprint
    assert one.with_values(CL=5.0).fingerprint == one.fingerprint
    assert one.without_variability().fingerprint != one.fingerprint
    assert build(initial=lambda p: {"depot": 1.0}).fingerprint != one.fingerprint
    assert build(dosing=lambda p: {"depot": {"F": p.F}}).fingerprint != one.fingerprint
    swapped = build(states=SETTINGS["states"][::-1])
    assert swapped.fingerprint != one.fingerprint


def test_ten_states_build_in_20_ms():
    n = 10
    settings: dict[str, Any] = {
        "states": [State(f"x{i}", "mg") for i in range(n)],
        "parameters": [Parameter(f"k{i}", 0.1, "1/h", cv=0.2) for i in range(3 * n)],
        "dynamics": lambda t, x, p: {
            f"x{i}": p[f"k{i}"] * x[f"x{(i + 1) % n}"] ** p[f"k{n + i}"] - p[f"k{2 * n + i}"] * x[f"x{i}"]
            for i in range(n)
        },
        "check_units": False,
    }
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        Model("ten", **settings)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.02
