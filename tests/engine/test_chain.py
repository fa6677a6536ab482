"""Chains: which models are one, the quadrature against stepping solvers, doses, weights, what is handed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_tools import equations, grid, one, solve
from scipy.integrate import quad

from pkpd.engine.graph.functions import expit, maximum, where
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.panel import lobatto
from pkpd.engine.solve.run import solve_block
from pkpd.engine.solve.tangent import tangent
from pkpd.engine.solve.weights import LAST, TERMS, weight_table, weights
from pkpd.errors import ModelError

TIGHT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-13}
TIMES = np.array([0.0, 0.5, 2.0, 7.5, 12.0, 13.0, 24.0, 30.0, 36.0, 60.0, 200.0])
VALUES = {"ka": 0.8, "ke": 0.15, "Vmax": 1.5, "Km": 2.0, "k": 0.3, "kout": 0.05, "on": 17.0, "F": 0.8}
NAMES = list(VALUES)
DOSES = (
    {"time": 0.0, "amt": 10.0, "ii": 12.0, "addl": 3},
    {"time": 3.0, "amt": 6.0, "cmt": 2, "rate": 2.0},
    {"time": 20.0, "amt": 3.0, "cmt": 3},
    {"time": 31.0, "amt": 2.0, "cmt": 4, "rate": 0.5},
)


def rhs(t: Any, y: Any, ka: Any, ke: Any, Vmax: Any, Km: Any, k: Any, kout: Any, on: Any, F: Any) -> list[Any]:
    """Return depot, centre, a state lost by a saturable path, a tone, and a marker driven by products of these."""
    drive = expit((t - on) / 4.0) / (1 + y[1] / 0.5)
    lost = Vmax * y[2] / (Km + maximum(y[2], 0.0))
    return [-ka * y[0], ka * y[0] - ke * y[1], -lost, k * (drive - y[3]), kout * (y[3] ** 2 / (1 + y[2]) - y[4])]


def chain(wrt: tuple[str, ...] = ()) -> Kernel:
    return Kernel(traced(wrt))


def traced(wrt: tuple[str, ...]) -> Equations:
    plain = equations(rhs, [0.0, 0.0, 0.5, 0.2, 0.1], NAMES, dosing={0: {"F": "F"}})
    inputs = {s.name: s for s in plain.inputs}
    return tangent(plain, [inputs[n] for n in wrt], [VALUES[n] for n in wrt])


@pytest.mark.parametrize("wrt", [(), ("ka", "ke", "Vmax", "Km", "k", "kout", "on", "F"), ("F",), ("on", "kout")])
def test_chains_agree_with_steps(wrt):
    kernel = chain(wrt)
    assert kernel.chain is not None
    assert not kernel.cascade
    panels, steps = (one(kernel, TIMES, list(VALUES.values()), *DOSES, method=m, **TIGHT) for m in ("chain", "dop853"))
    np.testing.assert_allclose(panels, steps, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_error_follows_the_tolerance(rtol):
    kernel = chain(("ke", "Km", "on"))
    exact = one(kernel, TIMES, list(VALUES.values()), *DOSES, method="dop853", **TIGHT)
    found = one(kernel, TIMES, list(VALUES.values()), *DOSES, method="chain", rtol=rtol, atol=rtol * 1e-3)
    np.testing.assert_allclose(found, exact, rtol=30 * rtol, atol=30 * rtol)


@pytest.mark.parametrize("width", [1, 2, 8])
def test_the_width_of_the_vectors_changes_nothing_but_rounding(width):
    wrt = ("ke", "Km", "kout", "F")
    wide, narrow = (
        one(Kernel(traced(wrt), w), TIMES, list(VALUES.values()), *DOSES, method="chain") for w in (4, width)
    )
    np.testing.assert_allclose(wide, narrow, rtol=1e-11, atol=1e-13)


def test_a_subject_does_not_depend_on_those_beside_it():
    """Weights of one length and rate are kept from one subject to the next: of the same rates and of others."""
    kernel = chain(("ke", "kout"))
    values = np.array(list(VALUES.values()))[:, None] * np.ones(4)
    values[NAMES.index("ke")] *= [1.0, 0.5, 2.0, 1.0]  # upstream: the rates of the others stay
    values[NAMES.index("kout")] *= [1.0, 1.0, 3.0, 1.0]
    together = solve_block(kernel, grid(4, TIMES, *DOSES), values, Settings("chain")).outputs
    for i in range(4):
        alone = solve_block(kernel, grid(1, TIMES, *DOSES), values[:, i : i + 1], Settings("chain")).outputs
        np.testing.assert_array_equal(together[:, i], alone[:, 0])


def test_takes_fewer_panels_than_steps():
    panels, steps = (
        int(solve(chain(), TIMES, list(VALUES.values()), *DOSES, method=m, rtol=1e-6, atol=1e-8).steps[0])
        for m in ("chain", "dop853")
    )
    assert panels < steps


def test_conditions_on_time_end_panels():
    def switched(t: Any, y: Any, k: Any, on: Any) -> list[Any]:
        return [where(t < on, 0.0, 1.0) - k * y[0]]

    kernel = Kernel(equations(switched, [0.0], ["k", "on"]))
    found = one(kernel, TIMES, [0.3, 5.0], start=0.0, method="chain", rtol=1e-6, atol=1e-9)
    expected = np.where(TIMES > 5.0, (1 - np.exp(-0.3 * (TIMES - 5.0))) / 0.3, 0.0)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("inputs", "dose"),
    [
        ([0.1, 0.3], {"time": 0.0, "amt": 5.0}),  # grows by itself
        ([-0.1, 0.3], {"time": 0.0, "amt": 5.0, "ii": 12.0, "ss": 1}),  # steady state
    ],
)
def test_what_chains_cannot_do_is_handed_over(inputs, dose):
    kernel = Kernel(equations(lambda t, y, a, b: [-b * y[0], a * y[1] + y[0] ** 2], [0.0, 1.0], ["a", "b"]))
    assert kernel.chain is not None
    found, steps = (one(kernel, TIMES[:7], inputs, dose, method=m, **TIGHT) for m in ("chain", "dop853"))
    np.testing.assert_allclose(found, steps, rtol=1e-8, atol=1e-10)


def test_circles_are_no_chains():
    kernel = Kernel(equations(lambda t, y, a: [-a * y[0] * y[1], a * y[0] - y[1]], [1.0, 0.0], ["a"]))
    assert kernel.chain is None
    with pytest.raises(ModelError, match="method 'chain' needs"):
        one(kernel, TIMES, [0.1], method="chain")


@pytest.mark.parametrize("z", [0.0, -0.3, -1.999, -2.0, -7.7, -16.0])
def test_weights_are_the_integrals(z):
    nodes, table = lobatto()[0], weight_table().reshape(-1, TERMS, *weights(np.zeros(1)).shape[1:])
    piece = min(int(-z / 2.0), len(table) - 1)
    t = -z - 2.0 * piece - 1.0
    found = np.tensordot(t ** np.arange(TERMS), table[piece], axes=1)
    np.testing.assert_allclose(found, weights(np.array([z]))[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[-1], np.exp(z * nodes), atol=1e-12)

    def integrand(s: float, i: int) -> float:
        cardinal = np.prod([(s - nodes[k]) / (nodes[i] - nodes[k]) for k in range(8) if k != i])
        return float(np.exp(z * (nodes[5] - s)) * cardinal)

    for i in range(8):
        assert found[i, 5] == pytest.approx(quad(integrand, 0, nodes[5], args=(i,))[0], abs=1e-11)
        assert found[LAST, i] == found[i, 7]
