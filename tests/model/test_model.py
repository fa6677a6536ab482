"""The model as a value: declarations, copies, a look at it on floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pkpd.engine.graph.functions import where
from pkpd.errors import ModelError, UnitError
from pkpd.model.declare import Covariate, Omega, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Proportional


def individual(p: Any, cov: Any) -> dict[str, Any]:
    return {"CL": p.CL * (cov.WT / 70) ** 0.75}


def dynamics(t: Any, x: Any, p: Any) -> dict[str, Any]:
    elimination = p.CL / p.V * x.central
    return {"depot": where(t < 1, 0, -p.ka * x.depot), "central": p.ka * x.depot - elimination}


def build(**changes: Any) -> Model:
    settings: dict[str, Any] = {
        "states": [State("depot", "mg"), State("central", "mg")],
        "covariates": [Covariate("WT", "kg", 70)],
        "parameters": [
            Parameter("CL", 9.0, "L/h", cv=0.3, iov_cv=0.1, bounds=(0, 100)),
            Parameter("V", 30.0, "L", cv=0.2),
            Parameter("ka", 0.5, "1/h"),
        ],
        "outputs": [Output("Cc", "mg/L")],
        "correlations": {("CL", "V"): 0.5},
        "individual": individual,
        "initial": lambda p: {"central": 2 * p.V * p.C0},
        "dynamics": dynamics,
        "calculate": lambda t, x, p: {"Cc": x.central / p.V},
    }
    settings["parameters"].append(Parameter("C0", 0.1, "mg/L"))
    return Model("oral", **{**settings, **changes})


def test_declarations_by_name_and_covariances_in_order():
    model = build()
    assert list(model.states) == ["depot", "central"]
    assert list(model.parameters) == ["CL", "V", "ka", "C0"]
    assert (model.etas, model.iov_etas, model.time_unit) == (("CL", "V"), ("CL",), "h")
    expected = np.array([[math.log(1.09), 0], [0, math.log(1.04)]])
    expected[0, 1] = expected[1, 0] = 0.5 * math.sqrt(math.log(1.09) * math.log(1.04))
    assert model.omega == pytest.approx(expected)
    assert model.omega_iov == pytest.approx(np.array([[math.log(1.01)]]))
    assert repr(model) == "Model('oral', 2 states, 4 parameters)"


def test_occasion_blocks():
    model = build(omega_iov=[Omega(("V", "ka"), [[0.02], [0.01, 0.03]])])
    assert model.iov_etas == ("CL", "V", "ka")
    assert model.omega_iov[1:, 1:].tolist() == [[0.02, 0.01], [0.01, 0.03]]
    assert model.trace.kappas == model.iov_etas


def test_functions_run_on_floats():
    model = build()
    assert model.evaluate() == {"CL": 9.0, "V": 30.0, "ka": 0.5, "C0": 0.1}
    given = model.evaluate({"V": 20}, {"CL": 0.1}, {"WT": 140}, {"CL": 0.2})
    assert given["CL"] == pytest.approx(9 * math.exp(0.3) * 2**0.75)
    assert given["V"] == 20
    assert model.rhs(2.0, {"depot": 10, "central": 60}) == {"depot": -5.0, "central": -13.0}
    assert model.rhs(0.5, {"depot": 10})["depot"] == 0
    person = model.person(parameters={"V": 60.0})
    assert person.initial() == {"depot": 0.0, "central": 12.0}
    assert person.outputs(0.0, {"central": 6.0}) == {"Cc": 0.1}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"parameters": {"Cl": 1}}, r"model 'oral': unknown parameter 'Cl' \(did you mean 'CL'\?\); it has CL, V, ka"),
        ({"etas": {"ka": 1}}, "model 'oral': unknown eta 'ka'; it has CL, V"),
        ({"kappas": {"V": 1}}, "model 'oral': unknown kappa 'V'; it has CL"),
        ({"covariates": {"weight": 1}}, "model 'oral': unknown covariate 'weight'; it has WT"),
        ({"covariates": {"WT": "heavy"}}, "model 'oral': covariate 'WT' must be a number, got 'heavy'"),
    ],
)
def test_unknown_names_on_floats(arguments: dict[str, Any], text: str):
    with pytest.raises(ModelError, match=text):
        build().evaluate(**arguments)
    with pytest.raises(ModelError, match=r"unknown state 'centre' \(did you mean 'central'"):
        build().rhs(0, {"centre": 1})


def test_copies_with_other_values_share_the_equations():
    model = build()
    other = model.with_values(CL=5.0)
    assert (other.parameters["CL"].value, model.parameters["CL"].value) == (5.0, 9.0)
    assert other.trace is model.trace
    assert other.rhs(0, {"central": 60})["central"] == pytest.approx(-10.0)
    named = model.replace(name="fast", title="A fast one", values={"ka": 2.0})
    assert (named.name, named.title, named.parameters["ka"].value) == ("fast", "A fast one", 2.0)
    assert (model.name, model.title) == ("oral", "")


def test_copies_with_other_residual_errors_and_texts():
    model = build()
    name = next(iter(model.outputs))
    other = model.replace(errors={name: Proportional(0.3)}, description="Of adults.")
    assert (other.outputs[name].error, other.description) == (Proportional(0.3), "Of adults.")
    assert model.outputs[name].error != Proportional(0.3)
    with pytest.raises(ModelError, match="model 'oral': unknown output 'nothing'"):
        model.replace(errors={"nothing": Proportional(0.3)})


def test_copies_check_names_and_bounds():
    with pytest.raises(ModelError, match=r"model 'oral': unknown parameter 'Cl' \(did you mean 'CL'"):
        build().with_values(Cl=5.0)
    with pytest.raises(ModelError, match=r"parameter 'CL': value 500 lies outside its bounds \(0, 100\)"):
        build().replace(values={"CL": 500.0})


def test_copies_with_other_covariances():
    model = build()
    block = model.replace(omega=[Omega(("CL", "ka"), [[0.04], [0.01, 0.09]])])
    assert block.etas == block.trace.etas == ("CL", "V", "ka")
    assert block.omega == pytest.approx(np.array([[0.04, 0, 0.01], [0, math.log(1.04), 0], [0.01, 0, 0.09]]))
    assert block.parameters["CL"].variance == pytest.approx(0.04)
    whole = model.replace(omega=np.diag([0.5, 0.6]))
    assert whole.omega.tolist() == [[0.5, 0], [0, 0.6]]
    assert whole.trace is model.trace
    with pytest.raises(ModelError, match="model 'oral': omega of CL, V is not positive definite"):
        model.replace(omega=np.array([[0.5, 0.6], [0.6, 0.5]]))
    with pytest.raises(ModelError, match=r"model 'oral', omega: unknown parameter 'Ka' \(did you mean 'ka'"):
        model.replace(omega=[Omega(("Ka",), [[1.0]])])


def test_copy_without_variability():
    typical = build().without_variability()
    assert typical.etas == typical.iov_etas == typical.trace.etas == typical.trace.kappas == ()
    assert typical.omega.shape == typical.omega_iov.shape == (0, 0)
    assert typical.parameters["CL"].cv is None
    assert typical.rhs(2, {"depot": 10}) == build().rhs(2, {"depot": 10})


def test_models_cannot_be_changed():
    model: Any = build()
    with pytest.raises(ModelError, match=r"model 'oral' cannot be changed; model.replace\(...\) returns another"):
        model.name = "other"
    with pytest.raises(TypeError):
        model.states["gut"] = State("gut", "mg")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"states": []}, r"model 'oral' has no states; give states=\[State\(name, unit\), ...\]"),
        ({"dynamics": None}, "model 'oral': dynamics is missing"),
        ({"states": [Output("depot", "mg")]}, r"model 'oral': states must be a list of State\(...\), got Output"),
        ({"states": [State("a.b", "mg")]}, "states: 'a.b' has a dot, which stands between a part and its name"),
        ({"states": [State("depot", "mg"), State("depot", "g")]}, "states declares 'depot' more than once"),
        ({"covariates": [Covariate("CL", "kg", 70)]}, "'CL' is declared as parameter and as covariate; rename one"),
        ({"states": [State("V", "mg")]}, "'V' is declared as state and as parameter; rename one"),
        ({"outputs": [Output("V", "L")]}, "'V' is declared as parameter and as output; rename one"),
        ({"correlations": {("CL", "V"): 0.5, ("CL", "Ka"): 0.1}}, "correlations: 'Ka' has no between-subject variab"),
        ({"title": None}, "Model: title must be text, got None"),
    ],
)
def test_contradictory_declarations(changes: dict[str, Any], text: str):
    with pytest.raises(ModelError, match=text):
        build(**changes)


def test_name_must_be_there():
    with pytest.raises(ModelError, match="Model: name must be text, got ''"):
        Model("", states=[State("A", "mg")], dynamics=lambda t, x, p: {"A": 0})


def test_units_are_checked_unless_asked_not_to():
    def wrong(t: Any, x: Any, p: Any) -> dict[str, Any]:
        return {"depot": -x.depot * p.V, "central": 0}

    with pytest.raises(UnitError, match="model 'oral'"):
        build(dynamics=wrong)
    assert build(dynamics=wrong, check_units=False).name == "oral"
