"""Parts that drive each other: a covariate of one is what another calculates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.nodes import symbol
from pkpd.errors import ModelError, UnitError
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.simulation.api import simulate


def drug() -> Model:
    return Model(
        "drug",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.2, "1/h"), Parameter("V", 10.0, "L")],
        outputs=[Output("Cc", "mg/L")],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def marker(**changes: Any) -> Model:
    settings: dict[str, Any] = {
        "states": [State("m", "")],
        "covariates": [Covariate("TONE", "", 1.0)],
        "parameters": [Parameter("kout", 0.1, "1/h")],
        "outputs": [Output("M", "")],
        "dynamics": lambda t, x, p, cov: {"m": p.kout * (cov.TONE - x.m)},
        "calculate": lambda t, x, p: {"M": x.m},
    }
    return Model("marker", **{**settings, **changes})


def joint(connect: Any, **parts: Model) -> Model:
    parts = parts or {"drug": drug(), "marker": marker(), "late": marker()}
    return Model("joint", parts=parts, parameters=[Parameter("IC50", 2.0, "mg/L")], connect=connect)


def blockade(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"late.TONE": x.marker.M, "marker.TONE": 1 / (1 + x.drug.Cc / p.IC50)}


def test_what_is_connected_is_no_longer_asked_of_subjects():
    model = joint(blockade)
    assert model.connected == {"late.TONE", "marker.TONE"}
    assert not model.covariates
    assert list(joint(lambda t, x, p: {"late.TONE": x.marker.M}).covariates) == ["TONE"]


def test_equations_are_those_written_by_hand():
    trace = joint(blockade).trace
    m, late, central = (symbol(n, "state") for n in ("marker.m", "late.m", "drug.central"))
    k, V, IC50 = (symbol(n, "theta") for n in ("marker.kout", "drug.V", "IC50"))
    assert trace.derivatives[trace.states.index("marker.m")] is k * (1 / (1 + central / V / IC50) - m)
    assert trace.derivatives[trace.states.index("late.m")] is symbol("late.kout", "theta") * (m - late)
    assert trace.connections["late.TONE"] is m


def test_floats_and_solver_agree_with_the_parts_written_as_one():
    model = joint(blockade)
    slopes = model.rhs(0.0, {"drug.central": 20.0, "marker.m": 0.5, "late.m": 0.25})
    assert slopes["marker.m"] == pytest.approx(0.1 * (1 / (1 + 2.0 / 2.0) - 0.5))
    assert slopes["late.m"] == pytest.approx(0.1 * (0.5 - 0.25))
    whole = Model(
        "whole",
        states=[State("central", "mg"), State("m", ""), State("late", "")],
        parameters=[Parameter("k", 0.2, "1/h"), Parameter("V", 10.0, "L"), Parameter("IC50", 2.0, "mg/L")],
        outputs=[Output("late", "")],
        dynamics=lambda t, x, p: {
            "central": -p.k * x.central,
            "m": 0.5 * p.k * (1 / (1 + x.central / p.V / p.IC50) - x.m),
            "late": 0.5 * p.k * (x.m - x.late),
        },
    )
    times = np.linspace(0, 96, 25)
    parted = simulate(model, Regimen.parse("100 mg q24h x3", cmt="drug.central"), times=times)["late.M"]
    one = simulate(whole, Regimen.parse("100 mg q24h x3", cmt="central"), times=times)["late"]
    np.testing.assert_allclose(parted, one, rtol=1e-6, atol=1e-9)


def test_an_output_of_a_part_may_use_what_drives_it():
    through = marker(calculate=lambda t, x, p, cov: {"M": x.m + cov.TONE})
    model = joint(blockade, drug=drug(), marker=through, late=marker())
    assert model.rhs(0.0, {"drug.central": 20.0})["late.m"] == pytest.approx(0.1 * 0.5)


def test_nested_parts_keep_their_connections():
    outer = Model("outer", parts={"inner": joint(blockade)})
    assert not outer.covariates
    assert outer.rhs(0.0, {"inner.drug.central": 20.0})["inner.marker.m"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("connect", "text"),
    [
        (lambda t, x, p: {"marker.TON": 1.0}, r"unknown covariate of a part 'marker.TON' \(did you mean 'marker.TONE'"),
        (lambda t, x, p: {"marker.TONE": x.drug.Cd}, "no state 'Cd'"),
        (lambda t, x, p: {"marker.TONE": [1, 2]}, "equations are scalar"),
    ],
)
def test_mistakes_are_named(connect: Any, text: str):
    with pytest.raises(ModelError, match=text):
        joint(connect)


def test_a_circle_is_refused():
    through = marker(calculate=lambda t, x, p, cov: {"M": x.m + cov.TONE})
    with pytest.raises(ModelError, match=r"'one.TONE', 'two.TONE' depend on each other in a circle"):
        joint(lambda t, x, p: {"one.TONE": x.two.M, "two.TONE": x.one.M}, one=through, two=through)


def test_units_are_those_that_the_part_declares():
    with pytest.raises(UnitError, match=r"connect marker.TONE: is mg/L .*, it must be dimensionless"):
        joint(lambda t, x, p: {"marker.TONE": x.drug.Cc})


def test_what_changes_in_time_makes_no_constant():
    constant = marker(individual=lambda p, cov: {"kout": p.kout * cov.TONE})
    with pytest.raises(ModelError, match="no covariate 'TONE'"):
        joint(blockade, drug=drug(), marker=constant, late=marker())
