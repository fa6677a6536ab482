"""Every integrator as implemented: order, dense output, what a tolerance buys, cited problems, discontinuities."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from engine_tools import METHODS, equations, one, reference_model, solve
from graph_value import value
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pkpd.engine.graph.functions import cos, interpolate, sin, where
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.tableaus import DOP853, RODAS5P, TSIT5
from pkpd.simulation.kernels import kernel_for, quantities

TABLEAUS = {"tsit5": TSIT5, "dop853": DOP853, "rodas5p": RODAS5P}
#: how much more error a tolerance leaves open: rodas5p controls an estimate of order 4 for a solution of order 5
ROOM = {"rodas5p": 20.0}
LOOSE = {"rtol": 1e3, "atol": 1.0}  # accepts every step, so that h_max is the step

# --- order ------------------------------------------------------------------------------------------------------------
PEOPLE = 8
START = np.random.default_rng(0).uniform(0.5, 1.5, (4, PEOPLE))


def _smooth(t: Any, y: Sequence[Any], s: Any = sin, c: Any = cos) -> list[Any]:
    """Predator and prey (Lotka 1925) beside a pair of equations that depend on time."""
    return [y[0] * (1 - y[1]), y[1] * (y[0] - 1), y[2] * c(t), -y[3] * y[3] / 2 * (1 + s(t))]


@functools.cache
def _smooth_kernel() -> Kernel:
    names = ["a", "b", "c", "d"]
    return Kernel(equations(lambda t, y, *_: _smooth(t, y), names, names))


def _truth(f: Callable[..., list[Any]], start: np.ndarray, until: float) -> np.ndarray:
    return np.stack([solve_ivp(f, (0, until), y0, "DOP853", rtol=1e-13, atol=1e-15).y[:, -1] for y0 in start.T], axis=1)


def _slope(x: Sequence[float], error: Sequence[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(error), 1)[0])


@pytest.mark.parametrize(
    ("method", "counts"), [("tsit5", (128, 192, 256)), ("dop853", (16, 24, 32)), ("rodas5p", (64, 128, 256))]
)
def test_error_falls_with_the_order_of_the_method(method, counts):
    until = 6.0
    exact = _truth(lambda t, y: _smooth(t, y, np.sin, np.cos), START, until)
    errors = []
    for count in counts:
        result = solve(_smooth_kernel(), [0.0, until], START, method=method, h_max=until / count, **LOOSE)
        assert np.abs(result.steps - count).max() <= 1  # the last step may be split by rounding
        errors.append(np.sqrt(np.mean((result.outputs[:, :, -1] - exact) ** 2)))
    order = TABLEAUS[method].order
    assert order - 0.1 <= -_slope(counts, errors) <= order + 0.5


@pytest.mark.parametrize("method", METHODS)
def test_dense_output_has_its_own_order(method):
    """The error within one step from an exact value falls as h^(order + 1)."""
    lengths, theta = {"dop853": (0.08, 0.1, 0.14)}.get(method, (0.06, 0.09, 0.12)), np.linspace(0.05, 0.95, 7)
    errors = []
    for h in lengths:
        exact = np.stack([_truth(lambda t, y: _smooth(t, y, np.sin, np.cos), START, x * h) for x in theta], axis=2)
        result = solve(_smooth_kernel(), [*(theta * h), h], START, start=0.0, method=method, h_max=h, **LOOSE)
        assert result.steps.tolist() == [1] * PEOPLE
        errors.append(np.abs(result.outputs[:, :, :-1] - exact).max())
    order = TABLEAUS[method].dense_order
    assert order + 0.9 <= _slope(lengths, errors) <= order + 1.5


@pytest.mark.parametrize("method", METHODS)
def test_error_is_proportional_to_the_tolerance(method):
    until = 6.0
    exact = _truth(lambda t, y: _smooth(t, y, np.sin, np.cos), START, until)
    tolerances, errors = (1e-4, 1e-6, 1e-8, 1e-10), []
    for tolerance in tolerances:
        result = solve(_smooth_kernel(), [0.0, until], START, method=method, rtol=tolerance, atol=tolerance)
        errors.append(np.abs(result.outputs[:, :, -1] - exact).max())
    assert 0.65 <= _slope(tolerances, errors) <= 1.25
    room = 100 * ROOM.get(method, 1.0)
    assert all(error < room * tolerance for error, tolerance in zip(errors, tolerances, strict=True))


# --- cited problems ---------------------------------------------------------------------------------------------------
class Problem(NamedTuple):
    """An initial value problem, its end, whether it is stiff, published values at the end, absolute tolerance."""

    rhs: Callable[..., list[Any]]
    y0: tuple[float, ...]
    until: float
    stiff: bool = False
    published: tuple[float, ...] | None = None
    atol: float = 1e-11


def _a3(t, y, c=cos):
    return [y[0] * c(t)]


def _kepler(t, y):
    r2 = y[0] * y[0] + y[1] * y[1]
    cube = r2 * r2**0.5
    return [y[2], y[3], -y[0] / cube, -y[1] / cube]


def _torus(t, y):
    r = (y[0] * y[0] + y[1] * y[1]) ** 0.5
    return [-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r]


def _chain(t, y):
    """Radioactive decay: nine transitions with rate constants 1 ... 9."""
    flows = [i * y[i - 1] for i in range(1, 10)]
    return [-flows[0], *(flows[i - 1] - flows[i] for i in range(1, 9)), flows[8]]


def _hires(t, y):
    """Schaefer's model of the growth of plants: eight reactions."""
    return [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
        -280.0 * y[5] * y[7] + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        280.0 * y[5] * y[7] - 1.81 * y[6],
        -280.0 * y[5] * y[7] + 1.81 * y[6],
    ]


# A, B, C, D: Hull, Enright, Fellen and Sedgwick (1972), SIAM J. Numer. Anal. 9:603-637. Brusselator: Hairer, Norsett
# and Wanner (1993), section II.4. Robertson, van der Pol, HIRES: Hairer and Wanner (1996), section IV.10, whose test
# set (https://archimede.uniba.it/~testset) gives the values at the end.
PROBLEMS = {
    "A1": Problem(lambda t, y: [-y[0]], (1.0,), 20.0),
    "A2": Problem(lambda t, y: [-y[0] * y[0] * y[0] / 2], (1.0,), 20.0),
    "A3": Problem(_a3, (1.0,), 20.0),
    "A4": Problem(lambda t, y: [y[0] / 4 * (1 - y[0] / 20)], (1.0,), 20.0),
    "A5": Problem(lambda t, y: [(y[0] - t) / (y[0] + t)], (4.0,), 20.0),
    "B1": Problem(lambda t, y: [2 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1])], (1.0, 3.0), 20.0),
    "B2": Problem(lambda t, y: [-y[0] + y[1], y[0] - 2 * y[1] + y[2], y[1] - y[2]], (2.0, 0.0, 1.0), 20.0),
    "B3": Problem(lambda t, y: [-y[0], y[0] - y[1] * y[1], y[1] * y[1]], (1.0, 0.0, 0.0), 20.0),
    "B4": Problem(_torus, (3.0, 0.0, 0.0), 20.0),
    "B5": Problem(lambda t, y: [y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]], (0.0, 1.0, 1.0), 20.0),
    "C2": Problem(_chain, (1.0, *(0.0,) * 9), 20.0),
    "D1": Problem(_kepler, (0.9, 0.0, 0.0, math.sqrt(1.1 / 0.9)), 20.0),
    "D3": Problem(_kepler, (0.5, 0.0, 0.0, math.sqrt(1.5 / 0.5)), 20.0),
    "Brusselator": Problem(
        lambda t, y: [1 + y[0] * y[0] * y[1] - 4 * y[0], 3 * y[0] - y[0] * y[0] * y[1]], (1.5, 3.0), 20.0
    ),
    "Robertson": Problem(
        lambda t, y: [
            -0.04 * y[0] + 1e4 * y[1] * y[2],
            0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] * y[1],
            3e7 * y[1] * y[1],
        ],
        (1.0, 0.0, 0.0), 1e11, True, (2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050), 1e-18,
    ),
    "van der Pol": Problem(
        lambda t, y: [y[1], ((1 - y[0] * y[0]) * y[1] - y[0]) / 1e-6], (2.0, 0.0), 2.0, True,
        (1.706167732170483, -0.8928097010247975),
    ),
    "HIRES": Problem(
        _hires, (1.0, *(0.0,) * 6, 0.0057), 321.8122, True,
        (0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
         0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2), 1e-13,
    ),
}  # fmt: skip
NOT_STIFF = [name for name, problem in PROBLEMS.items() if not problem.stiff]
STIFF = [name for name, problem in PROBLEMS.items() if problem.stiff]


@functools.cache
def _problem(name: str) -> tuple[Kernel, np.ndarray, np.ndarray]:
    """Return machine code, times and SciPy's solution of a problem."""
    p = PROBLEMS[name]
    kernel = Kernel(equations(p.rhs, p.y0))
    if p.published:
        return kernel, np.array([0.0, p.until]), np.array([p.y0, p.published])
    plain = functools.partial(p.rhs, c=math.cos) if name == "A3" else p.rhs
    times = np.linspace(0.0, p.until, 21)
    found = solve_ivp(plain, (0.0, p.until), p.y0, "DOP853", t_eval=times, rtol=1e-12, atol=1e-14)
    return kernel, times, found.y.T


@pytest.mark.parametrize("method", [*METHODS, "auto"])
@pytest.mark.parametrize("name", NOT_STIFF)
def test_cited_problems_agree_with_scipy(name, method):
    kernel, times, expected = _problem(name)
    tight = 1e-10 / ROOM.get(method, 1.0)
    found = one(kernel, times, method=method, rtol=tight, atol=tight / 100)
    np.testing.assert_allclose(found, expected, rtol=5e-8, atol=5e-9)


@pytest.mark.parametrize("method", ["rodas5p", "auto"])
@pytest.mark.parametrize("name", STIFF)
def test_stiff_problems_end_at_their_published_values(name, method):
    kernel, times, expected = _problem(name)
    found = one(kernel, times, method=method, rtol=1e-9, atol=PROBLEMS[name].atol)
    np.testing.assert_allclose(found[-1], expected[-1], rtol=1e-6)


# --- stiffness --------------------------------------------------------------------------------------------------------
def test_only_stiff_subjects_go_to_the_stiff_method_and_others_keep_their_results_to_the_bit():
    """Saturable loss after a fast equilibrium of rate k: stiff for large k, never for small."""
    rhs = lambda t, y, k: [k * (y[1] - y[0]), k * (y[0] - y[1]) - y[1] / (1 + y[1])]  # noqa: E731
    kernel = Kernel(equations(rhs, [5.0, 0.0], ["k"]))
    rates, times = np.array([[0.5, 1e6, 2.0, 1e5, 5.0]]), np.linspace(0.0, 20.0, 9)
    auto, explicit, implicit = (solve(kernel, times, rates, method=m, rtol=1e-8) for m in ("auto", "dop853", "rodas5p"))
    stiff = np.array([False, True, False, True, False])
    assert auto.status.tolist() == [0] * 5
    np.testing.assert_array_equal(auto.outputs[:, stiff], implicit.outputs[:, stiff])
    np.testing.assert_array_equal(auto.outputs[:, ~stiff], explicit.outputs[:, ~stiff])
    assert (auto.steps[stiff] < 2000).all()
    assert (explicit.steps[stiff] >= 100_000).all()


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_accuracy_holds_between_steps_at_the_limit_of_stability(method):
    """A fast equilibrium (rates around 60/h) that is long over: an explicit method's steps are as long as it is stable.

    There its error hides from its estimate, and more so in the dense output: 2e-4 for DOP853 if steps are not kept
    below the limit.
    """
    rhs = lambda t, y, ka, k, a, b: [  # noqa: E731
        -ka * y[0], ka * y[0] - (k + a) * y[1] + b * y[2] - 1e-9 * y[1] * y[1], a * y[1] - b * y[2]
    ]  # fmt: skip
    kernel = Kernel(equations(rhs, [0.0] * 3, ["ka", "k", "a", "b"]))
    inputs = np.array([0.8, 27.0, 36.0, 1.6])[:, None] * np.random.default_rng(5).uniform(0.6, 1.6, (4, 25))
    times, dose = np.linspace(0.3, 23.9, 211), {"time": 0.0, "amt": 80.0, "ii": 8.0, "addl": 2}
    exact = solve(kernel, times, inputs, dose, start=0.0, method="tsit5", rtol=1e-12, atol=1e-15).outputs
    found = solve(kernel, times, inputs, dose, start=0.0, method=method, rtol=1e-9, atol=1e-12)
    assert found.status.tolist() == [0] * 25
    np.testing.assert_allclose(found.outputs, exact, rtol=1e-6, atol=1e-9)


def test_a_method_that_was_named_is_kept_on_stiff_subjects():
    kernel = Kernel(equations(lambda t, y: [-1e4 * (y[0] - y[1]), -y[1] * y[1]], [0.0, 1.0]))
    found = {m: solve(kernel, [0.0, 2.0], method=m, rtol=1e-8) for m in METHODS}
    assert all(r.status.tolist() == [0] for r in found.values())
    assert min(found[m].steps[0] for m in ("tsit5", "dop853")) > 2000 > found["rodas5p"].steps[0]


# --- derivatives of the equations -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["lin", "mm", "pkpd7", "tmdd", "transit", "tv"])
def test_jacobian_agrees_with_finite_differences(name):
    model = reference_model(name)
    kernel = kernel_for(model, quantities(model, None))
    random = np.random.default_rng(3)
    at = {("t", "time"): 1.7} | {(n, "theta"): max(q.value, 0.1) for n, q in model.parameters.items()}
    at |= {(n, "covariate"): q.reference for n, q in model.covariates.items()}
    at |= {(n, "state"): float(v) for n, v in zip(model.states, random.uniform(0.5, 2.0, kernel.n), strict=True)}
    for j, state in enumerate(model.states):
        h = 1e-5
        up, down = (at | {(state, "state"): at[state, "state"] + sign * h} for sign in (1, -1))
        for i, slope in enumerate(kernel.derivatives):
            difference = (value(slope, up) - value(slope, down)) / (2 * h)
            exact = value(kernel.jacobian[i][j], at)
            assert exact == pytest.approx(difference, rel=1e-6, abs=1e-7), (model.name, i, j)


def test_slope_in_time_agrees_with_finite_differences():
    kernel = Kernel(equations(lambda t, y, k: [-k * y[0] * cos(t * t), y[0] * t / (1 + t)], [1.0, 0.0], ["k"]))
    at = {("t", "time"): 0.8, ("y0", "state"): 1.3, ("y1", "state"): 0.2, ("k", "theta"): 0.7}
    for slope, exact in zip(kernel.derivatives, kernel.drift, strict=True):
        up, down = (value(slope, at | {("t", "time"): 0.8 + d}) for d in (1e-6, -1e-6))
        assert value(exact, at) == pytest.approx((up - down) / 2e-6, rel=1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [0.5, 0.8, 1.5])
def test_a_power_at_zero_does_not_stop_a_method(method, power):
    """A sigmoid effect of a site that starts empty; its slope there is infinite for a power below 1."""
    rhs = lambda t, y: [-y[0], y[0] - y[1], 2 * y[1] ** power / (1 + y[1] ** power) - y[2]]  # noqa: E731
    found = one(Kernel(equations(rhs, [1.0, 0.0, 0.0])), [0.0, 1.0, 5.0], method=method, rtol=1e-9, atol=1e-12)
    t = np.array([1.0, 5.0])
    np.testing.assert_allclose(found[1:, 1], t * np.exp(-t), rtol=1e-7)
    # y2 = int exp(s - t) g(s) ds with g of the closed form of y1, by substitution s = u^2 to smooth the root at 0
    from scipy.integrate import quad

    def level(until: float) -> float:
        def kernel(u: float) -> float:
            s = u**4
            z = (s * math.exp(-s)) ** power
            return 4 * u**3 * math.exp(s - until) * 2 * z / (1 + z)

        return quad(kernel, 0.0, until**0.25, epsabs=1e-13, epsrel=1e-12)[0]

    np.testing.assert_allclose(found[1:, 2], [level(x) for x in t], rtol=1e-6)


# --- discontinuities --------------------------------------------------------------------------------------------------
def _pieces(rhs: Callable[..., list[Any]], y0: Sequence[float], cuts: Sequence[float], until: float) -> np.ndarray:
    """Integrate piece by piece; rhs(t, y, i) is smooth within piece i."""
    y, edges = np.array(y0, float), [0.0, *cuts, until]
    for i, (a, b) in enumerate(pairwise(edges)):
        y = solve_ivp(rhs, (a, b), y, "DOP853", rtol=1e-13, atol=1e-15, args=(i,)).y[:, -1]
    return y


def _tight(method: str) -> dict[str, Any]:
    tolerance = 1e-9 / ROOM.get(method, 1.0)
    return {"rtol": tolerance, "atol": tolerance / 1000}


@pytest.mark.parametrize("method", METHODS)
def test_a_jump_in_time_is_hit_exactly(method):
    """Input that begins at a subject's own onset and ends twice as late: error and effort as without the jump."""
    kernel = Kernel(equations(lambda t, y, s: [where((t >= s) & (t < 2 * s), 100.0, 0.0) - y[0] * y[0]], [0.5], ["s"]))
    onsets, until = np.array([[1.0, 1.37, np.pi]]), 8.0
    result = solve(kernel, [0.0, until], onsets, method=method, **_tight(method))
    for k, onset in enumerate(onsets[0]):
        exact = _pieces(lambda t, y, i: [(0.0, 100.0, 0.0)[i] - y[0] * y[0]], [0.5], [onset, 2 * onset], until)
        np.testing.assert_allclose(result.outputs[:, k, -1], exact, rtol=2e-8)
    never = solve(kernel, [0.0, until], [99.0], method=method, **_tight(method))
    assert (result.steps < 12 * never.steps[0]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "condition", [lambda t, s: t < s, lambda t, s: t <= s, lambda t, s: s > t, lambda t, s: s >= t]
)
def test_every_way_to_write_a_condition_on_time_means_the_same(method, condition):
    kernel = Kernel(equations(lambda t, y, s: [where(condition(t, s), 1.0, -2.0) * y[0] * y[0]], [0.1], ["s"]))
    found = one(kernel, [0.0, 2.0, 3.0, 5.0], [3.0], method=method, rtol=1e-10)
    # 1/y falls by t until 3 and rises by 2 (t - 3) from there on
    np.testing.assert_allclose(found[:, 0], [0.1, 1 / 8.0, 1 / 7.0, 1 / 11.0], rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["step", "linear"])
def test_forcing_known_at_times_is_followed_from_knot_to_knot(method, kind):
    knots, levels = [0.5, 2.0, 2.25, 6.0], [1.0, 30.0, 2.0, 5.0]
    kernel = Kernel(equations(lambda t, y: [interpolate(t, knots, levels, kind) - y[0] * y[0]], [0.3]))
    found = one(kernel, [0.0, 8.0], method=method, **_tight(method))

    def force(t: float, piece: int) -> float:
        if kind == "linear":
            return float(np.interp(t, knots, levels))
        return levels[max(piece - 1, 0)]

    exact = _pieces(lambda t, y, i: [force(t, i) - y[0] * y[0]], [0.3], knots, 8.0)
    np.testing.assert_allclose(found[-1], exact, rtol=2e-8)


@pytest.mark.parametrize("method", METHODS)
def test_maximum_of_times_is_a_kink_that_is_hit(method):
    from pkpd.engine.graph.functions import maximum, minimum

    kernel = Kernel(equations(lambda t, y: [maximum(t - 2.0, 0.0) * minimum(5.0 - t, 1.0) - y[0] * y[0]], [0.3]))
    found = one(kernel, [0.0, 6.0], method=method, **_tight(method))
    exact = _pieces(lambda t, y, i: [max(t - 2.0, 0.0) * min(5.0 - t, 1.0) - y[0] * y[0]], [0.3], [2.0, 4.0], 6.0)
    np.testing.assert_allclose(found[-1], exact, rtol=2e-8)


@settings(max_examples=15)
@given(when=st.floats(0.01, 9.99), amount=st.floats(0.1, 1e3), rate=st.sampled_from([0.0, 7.0, 1e4]))
def test_doses_and_ends_of_infusions_are_hit_exactly(when, amount, rate):
    kernel = _quadratic()
    dose = {"time": when, "amt": amount, "rate": rate}
    found = one(kernel, [0.0, 10.0], [0.0], dose, method="dop853", rtol=1e-10, atol=1e-13)
    before = 1.0 / (1.0 + when)
    if rate == 0.0:
        exact = 1.0 / (1.0 / (before + amount) + 10.0 - when)
    else:  # y' = r - y^2: y = sqrt(r) tanh(sqrt(r) t + c), or coth above sqrt(r)
        root, span = math.sqrt(rate), min(amount / rate, 10.0 - when)
        grown = math.tanh(root * span)
        y = root * (before + root * grown) / (root + before * grown)
        exact = 1.0 / (1.0 / y + 10.0 - when - span)
    assert found[-1, 0] == pytest.approx(exact, rel=2e-8)


@functools.cache
def _quadratic() -> Kernel:
    return Kernel(equations(lambda t, y: [-y[0] * y[0]], [1.0]))
