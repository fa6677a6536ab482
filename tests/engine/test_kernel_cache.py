"""Machine code is made once for equations, whichever model they belong to."""

from __future__ import annotations

from typing import Any

import pytest

from pkpd.engine.solve import kernel_cache
from pkpd.engine.solve.kernel import Kernel
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.simulation.kernels import kernel_for, quantities


def decay(k: float = 0.1, carry: Any = "forward") -> Model:
    return Model(
        "decay",
        states=[State("A", "mg")],
        parameters=[Parameter("k", k, "1/h")],
        covariates=[Covariate("WT", "kg", 70, carry=carry)],
        outputs=[Output("C", "mg")],
        dynamics=lambda t, x, p, cov: {"A": -p.k * x.A * (cov.WT / 70)},
        calculate=lambda t, x, p: {"C": x.A},
    )


def kernel(model: Model, names: list[str] | None = None) -> Kernel:
    return kernel_for(model, quantities(model, names))


def test_models_of_the_same_equations_share_it():
    assert kernel(decay()) is kernel(decay(0.2)) is kernel(decay().with_values(k=3.0))
    assert "kernel" not in "".join(vars(decay()))


def test_other_outputs_and_other_inputs_have_their_own():
    model = decay()
    assert kernel(model) is not kernel(model, ["A"])
    assert kernel(model) is not kernel(decay(carry="linear"))


def test_only_those_used_last_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kernel_cache._kernels, "most", 2)
    model = decay()
    first, second = kernel(model), kernel(model, ["A"])
    assert kernel(model) is first
    kernel(model, ["A", "C"])
    assert kernel(model) is first
    assert kernel(model, ["A"]) is not second
