"""Models inside models: names under a prefix, flows between them, shared covariates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pkpd.engine.graph.functions import exp
from pkpd.engine.graph.nodes import symbol
from pkpd.errors import ModelError
from pkpd.model.declare import Covariate, Omega, Output, Parameter, State
from pkpd.model.model import Model


def drug(name: str = "drug", **changes: Any) -> Model:
    settings: dict[str, Any] = {
        "states": [State("depot", "mg"), State("central", "mg")],
        "covariates": [Covariate("WT", "kg", 70)],
        "parameters": [
            Parameter("CL", 2.0, "L/h", cv=0.3),
            Parameter("V", 10.0, "L", cv=0.2),
            Parameter("ka", 1.0, "1/h"),
        ],
        "outputs": [Output("Cc", "mg/L")],
        "correlations": {("CL", "V"): 0.5},
        "individual": lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** 0.75, "thalf": math.log(2) * p.V / p.CL},
        "initial": lambda p: {"central": 0.1 * p.V * p.unit_conc} if "unit_conc" in p else {},
        "dosing": lambda p: {"depot": {"F": 0.8, "tlag": 0.1 / p.ka}},
        "dynamics": lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        "calculate": lambda t, x, p: {"Cc": x.central / p.V},
        "check_units": False,
    }
    return Model(name, **{**settings, **changes})


def effect(parts: dict[str, Model], **changes: Any) -> Model:
    settings: dict[str, Any] = {
        "states": [State("R", "U/L")],
        "parameters": [
            Parameter("kin", 1.0, "U/L/h", cv=0.4),
            Parameter("kout", 0.1, "1/h"),
            Parameter("IC50", 1.0, "mg/L"),
        ],
        "outputs": [Output("R", "U/L")],
        "initial": lambda p: {"R": p.kin / p.kout},
        "dynamics": lambda t, x, p: {"R": p.kin / (1 + x.tcz.Cc / p.IC50) - p.kout * x.R},
    }
    return Model("joint", parts=parts, **{**settings, **changes})


def test_names_of_a_part_are_prefixed():
    model = effect({"tcz": drug()})
    assert list(model.states) == ["R", "tcz.depot", "tcz.central"]
    assert model.states["tcz.central"].name == "tcz.central"
    assert list(model.parameters) == ["kin", "kout", "IC50", "tcz.CL", "tcz.V", "tcz.ka"]
    assert list(model.outputs) == list(model.trace.outputs) == ["R", "tcz.Cc"]
    assert list(model.covariates) == ["WT"]
    assert "tcz.thalf" in model.trace.individual


def test_equations_of_a_part_are_its_own_under_the_prefix():
    model = effect({"tcz": drug()})
    V = symbol("tcz.V", "theta") * exp(symbol("tcz.V", "eta"))
    central = symbol("tcz.central", "state")
    assert model.trace.outputs["tcz.Cc"] is central / V
    kin = symbol("kin", "theta") * exp(symbol("kin", "eta"))
    inhibited = kin / (1 + central / V / symbol("IC50", "theta"))
    assert model.trace.derivatives[0] is inhibited - symbol("kout", "theta") * symbol("R", "state")
    assert model.trace.dosing[1]["tlag"] is 0.1 / symbol("tcz.ka", "theta")


def test_parts_on_floats_equal_the_model_alone():
    alone, model = drug(), effect({"tcz": drug()})
    x = {"depot": 3.0, "central": 7.0}
    joint = model.rhs(0, {f"tcz.{n}": v for n, v in x.items()}, covariates={"WT": 100}, etas={"tcz.CL": 0.3})
    expected = alone.rhs(0, x, covariates={"WT": 100}, etas={"CL": 0.3})
    assert {n: joint[f"tcz.{n}"] for n in x} == pytest.approx(expected)


def test_covariances_join_and_may_correlate_across_parts():
    model = effect({"tcz": drug()}, correlations={("kin", "tcz.CL"): -0.3})
    assert model.etas == ("kin", "tcz.CL", "tcz.V")
    assert model.omega[1:, 1:] == pytest.approx(drug().omega)
    assert model.omega[0, 1] == pytest.approx(-0.3 * math.sqrt(math.log(1.16) * math.log(1.09)))
    assert model.omega[0, 2] == 0


def test_part_keeps_changed_values_and_covariances():
    changed = drug().replace(values={"CL": 5.0}, omega=[Omega(("ka",), [[0.5]])])
    model = effect({"tcz": changed})
    assert model.parameters["tcz.CL"].value == 5.0
    assert model.etas == ("kin", "tcz.CL", "tcz.V", "tcz.ka")
    assert model.replace(values={"tcz.CL": 7.0}).evaluate()["tcz.CL"] == 7.0
    assert effect({"tcz": drug().without_variability()}).etas == ("kin",)


def test_flows_add_to_the_part_s_own_derivative():
    def flow(t: Any, x: Any, p: Any) -> dict[str, Any]:
        back = p.kout * x.R
        return {"R": -back, "tcz.central": back}

    model = effect({"tcz": drug()}, dynamics=flow, initial=None, check_units=False)
    slopes = model.rhs(0, {"R": 5.0, "tcz.central": 10.0})
    assert slopes["R"] == -0.5
    assert slopes["tcz.central"] == pytest.approx(drug().rhs(0, {"central": 10.0})["central"] + 0.5)


def test_individual_overrides_a_part_before_its_equations():
    model = effect({"tcz": drug()}, individual=lambda p, cov: {"tcz.CL": p.tcz.CL * 3})
    x = {"tcz.central": 10.0}
    assert model.evaluate(covariates={"WT": 140})["tcz.CL"] == pytest.approx(6.0 * 2**0.75)
    assert model.rhs(0, x)["tcz.central"] == pytest.approx(3 * effect({"tcz": drug()}).rhs(0, x)["tcz.central"])


def test_initial_and_dosing_of_a_part_can_be_replaced():
    model = effect(
        {"tcz": drug()},
        initial=lambda p: {"tcz.central": 4.0},
        dosing=lambda p: {"tcz.depot": {"F": 0.5}, "tcz.central": {"rate": 2.0}},
    )
    assert model.person().initial() == {"R": 0.0, "tcz.depot": 0.0, "tcz.central": 4.0}
    assert {k: n.op for k, n in model.trace.dosing[1].items()} == {"F": "const", "tlag": "div"}
    assert model.trace.dosing[1]["F"].value == 0.5
    assert list(model.trace.dosing) == [1, 2]


def test_two_copies_of_one_model_stay_apart():
    one = drug()
    model = Model("two", parts={"a": one, "b": one}, check_units=False)
    assert list(model.states) == ["a.depot", "a.central", "b.depot", "b.central"]
    slopes = model.rhs(0, {"a.depot": 1.0})
    assert slopes == {"a.depot": -1.0, "a.central": 1.0, "b.depot": 0.0, "b.central": 0.0}


def test_parts_nest():
    model = Model("outer", parts={"inner": effect({"tcz": drug()})})
    assert list(model.states) == ["inner.R", "inner.tcz.depot", "inner.tcz.central"]
    assert model.etas == ("inner.kin", "inner.tcz.CL", "inner.tcz.V")
    reached = model.replace(values={"inner.tcz.CL": 4.0}).rhs(0, {"inner.tcz.central": 10.0})
    assert reached["inner.tcz.central"] == -4.0


def test_covariate_of_the_composed_model_decides():
    model = effect({"a": drug(), "tcz": drug()}, covariates=[Covariate("WT", "kg", 80, carry="linear")])
    assert (model.covariates["WT"].reference, model.covariates["WT"].carry) == (80, "linear")


def light() -> Model:
    return drug("light", covariates=[Covariate("WT", "kg", 20)])


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: effect({"tcz": drug(), "b": drug(covariates=[Covariate("WT", "g", 70000)])}),
            "covariate 'WT' is in kg in part 'tcz' but in g in part 'b'; convert one of the models",
        ),
        (
            lambda: effect({"tcz": drug(), "b": light()}),
            "covariate 'WT' has reference 70.0 in part 'tcz' but 20.0 in part 'b'; declare it in 'joint'",
        ),
        (lambda: effect({"R": drug()}), "the name of part 'R' is taken: 'R' is declared as state and as output"),
        (lambda: effect({"tcz": 3}), "model 'joint': part 'tcz' must be a Model, got 3"),  # type: ignore[dict-item]
        (lambda: effect({"1st": drug()}), "model 'joint', part '1st': the name cannot be used"),
        (
            lambda: effect({"tcz": drug(time_unit="day")}),
            "model 'joint' counts time in h but its part 'tcz' in day; use one unit",
        ),
        (
            lambda: effect({"tcz": drug()}, dynamics=lambda t, x, p: {"R": x.tcz.Central}),
            r"part 'tcz' of model 'joint' has no state 'Central'; it has depot, central, Cc \(did you mean 'central'",
        ),
        (
            lambda: effect({"tcz": drug()}, dynamics=lambda t, x, p: {"R": 0, "tcz.centre": 0}),
            r"returns unknown state 'tcz.centre' \(did you mean 'tcz.central'\?\)",
        ),
        (
            lambda: effect({"tcz": drug()}, individual=lambda p, cov: {"tcz.Cl": 1.0}),
            r"unknown part parameter 'tcz.Cl' \(did you mean 'tcz.CL'\?\); it has tcz.CL",
        ),
        (
            lambda: effect({"tcz": drug()}, individual=lambda p, cov: {"tcz": 1.0}),
            "'tcz' is a part; give the derived parameter another name",
        ),
        (
            lambda: effect(
                {
                    "tcz": drug(
                        outputs=[Output("central", "mg/L")], calculate=lambda t, x, p: {"central": x.central / p.V}
                    )
                }
            ),
            "model 'joint': 'tcz.central' is a state and an output that differ; rename one in the part",
        ),
    ],
)
def test_what_does_not_compose_is_named(build: Any, text: str):
    with pytest.raises(ModelError, match=text):
        build()


def test_same_unit_spelled_otherwise_is_the_same_covariate():
    model = effect({"tcz": drug(), "b": drug(covariates=[Covariate("WT", "kg^1", 70)])}, check_units=False)
    assert list(model.covariates) == ["WT"]


def test_omega_of_parts_is_block_diagonal():
    model = Model("two", parts={"a": drug(), "b": drug()}, check_units=False)
    assert np.all(model.omega[:2, 2:] == 0)
