"""Numerical methods as data: order conditions, identities and observed orders of convergence."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from pkpd.engine.solve.tableaus import DOP853, RODAS5P, TSIT5, ExplicitTableau, RosenbrockTableau

EXPLICIT = pytest.mark.parametrize("method", [TSIT5, DOP853], ids=lambda m: m.name)
EVERY = pytest.mark.parametrize("method", [TSIT5, DOP853, RODAS5P], ids=lambda m: m.name)
EPS = 1e-14

Method = ExplicitTableau | RosenbrockTableau

# Order conditions: one for each rooted tree (Hairer, Norsett and Wanner 1993, section II.2; for Rosenbrock methods
# Hairer and Wanner 1996, section IV.7). A tree is the sorted tuple of its subtrees.
Tree = tuple["Tree", ...]


@functools.cache
def trees(order: int) -> tuple[Tree, ...]:
    return tuple(sorted(set(forests(order - 1, order - 1))))


def forests(total: int, largest: int) -> Iterator[Tree]:
    if total == 0:
        yield ()
    for size in range(min(total, largest), 0, -1):
        for tree in trees(size):
            for rest in forests(total - size, size):
                yield tuple(sorted((tree, *rest)))


def size(tree: Tree) -> int:
    return 1 + sum(size(branch) for branch in tree)


def density(tree: Tree) -> int:
    return size(tree) * math.prod(density(branch) for branch in tree)


def elementary(tree: Tree, alpha: np.ndarray, beta: np.ndarray, magnitude: bool = False) -> np.ndarray:
    """Inner sums of a tree for each stage; a single branch is summed with beta, several with alpha."""
    matrix = beta if len(tree) == 1 else alpha
    product = np.ones(len(alpha))
    for branch in tree:
        product = product * ((abs(matrix) if magnitude else matrix) @ elementary(branch, alpha, beta, magnitude))
    return product


def defects(weights: np.ndarray, method: Method, order: int, theta: float = 1.0) -> np.ndarray:
    """Worst defect of the conditions of each order 1..order, relative to the size of the terms that cancel."""
    alpha, beta, change = butcher(method)
    weights = padded(weights, len(alpha))
    worst = np.zeros(order)
    for n in range(1, order + 1):
        for tree in trees(n):
            total = weights @ change @ elementary(tree, alpha, beta) - theta**n / density(tree)
            scale = abs(weights) @ abs(change) @ elementary(tree, alpha, beta, magnitude=True)
            worst[n - 1] = max(worst[n - 1], abs(total) / max(1.0, scale))
    return worst


def butcher(method: Method) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices alpha, beta and the map from the weights of the stages to Butcher's weights."""
    if isinstance(method, ExplicitTableau):
        s, extra = method.stages, method.c_extra.size
        table = np.zeros((s + 1 + extra, s + 1 + extra))
        table[:s, :s] = method.A
        table[s, :s] = method.b
        if extra:
            table[s + 1 :] = method.A_extra
        return table, table, np.eye(len(table))
    gamma = np.linalg.inv(np.eye(method.stages) / method.gamma - method.C)
    alpha = method.A @ gamma
    return alpha, alpha + gamma, gamma


def padded(weights: np.ndarray, length: int) -> np.ndarray:
    return np.append(weights, np.zeros(length - weights.size))


def test_trees_are_as_many_as_cayley_counted():
    assert [len(trees(n)) for n in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]
    assert density(((), ((),))) == 8


@EVERY
def test_solution_satisfies_exactly_the_conditions_of_its_order(method):
    worst = defects(method.b, method, method.order + 1)
    assert worst[:-1].max() < EPS
    assert worst[-1] > 1e-7


@EVERY
def test_embedded_solutions_have_their_orders(method):
    pairs = [(method.e, 5), (method.e3, 3)] if method is DOP853 else [(method.e, method.error_order)]
    for e, order in pairs:
        worst = defects(padded(method.b, e.size) - e, method, order + 1)
        assert worst[:-1].max() < EPS
        assert worst[-1] > 1e-7


@EVERY
@pytest.mark.parametrize("theta", [0.1, 0.37, 0.5, 0.93])
def test_dense_output_satisfies_the_conditions_of_its_order(method, theta):
    weights = method.dense @ theta ** np.arange(1, method.dense.shape[1] + 1)
    worst = defects(weights, method, method.dense_order + 1, theta)
    assert worst[:-1].max() < EPS
    assert worst[-1] > 1e-9


@EVERY
def test_dense_output_ends_at_the_solution(method):
    weights = method.dense.sum(axis=1)
    scale = abs(method.dense).max()
    assert abs(weights - padded(method.b, weights.size)).max() < EPS * scale


@EXPLICIT
def test_explicit_nodes_are_row_sums(method):
    s = method.stages
    assert np.array_equal(method.A, np.tril(method.A, -1))
    assert abs(method.A.sum(axis=1) - method.c).max() < EPS * abs(method.A).max()
    assert method.A_extra.shape == (method.c_extra.size, len(method.dense))
    assert np.array_equal(method.A_extra, np.tril(method.A_extra, s))
    assert abs(method.A_extra.sum(axis=1) - method.c_extra).max(initial=0.0) < EPS
    assert method.e.size == s + 1
    assert abs(method.e.sum()) < EPS


@EXPLICIT
def test_dense_output_has_the_slopes_of_both_ends(method):
    powers = np.arange(1, method.dense.shape[1] + 1)
    first, last = np.eye(len(method.dense))[[0, method.stages]]
    assert abs(method.dense[:, 0] - first).max() < EPS
    assert abs(method.dense @ powers - last).max() < EPS * abs(method.dense @ np.diag(powers)).max()


@EXPLICIT
def test_stiffness_bound_is_the_end_of_the_stability_interval(method):
    def amplification(z: float) -> float:
        stages = np.linalg.solve(np.eye(method.stages) - z * method.A, np.ones(method.stages))
        return abs(1.0 + z * float(method.b @ stages))

    bound = method.stiffness_bound
    assert amplification(-bound) == pytest.approx(1.0, abs=1e-5)
    assert all(amplification(-z) < 1.0 for z in np.linspace(0.01, 0.999 * bound, 200))
    assert amplification(-1.01 * bound) > 1.0


@EXPLICIT
def test_stiffness_pair_lies_at_the_end_of_the_step(method):
    nodes = np.append(method.c, 1.0)
    assert [nodes[i] for i in method.stiffness_pair] == [1.0, 1.0]


def test_rosenbrock_coefficients_are_consistent():
    alpha, _, gamma = butcher(RODAS5P)
    assert abs(alpha.sum(axis=1) - RODAS5P.c).max() < EPS * abs(RODAS5P.C).max()
    assert abs(gamma.sum(axis=1) - RODAS5P.d).max() < EPS * abs(RODAS5P.C).max()
    assert abs(np.diag(gamma) - RODAS5P.gamma).max() < EPS
    assert RODAS5P.d[0] == RODAS5P.gamma


def test_rosenbrock_method_is_stiffly_accurate_and_l_stable():
    _, beta, gamma = butcher(RODAS5P)
    b = RODAS5P.b @ gamma
    assert np.array_equal(RODAS5P.b, np.append(RODAS5P.A[-1, :-1], 1.0))
    assert abs(beta[-1] - b).max() < EPS * abs(RODAS5P.C).max()

    def amplification(z: complex) -> float:
        return abs(1.0 + z * complex(b @ np.linalg.solve(np.eye(8) - z * beta, np.ones(8))))

    assert max(amplification(1j * w) for w in np.geomspace(0.1, 1e4, 60)) <= 1.0 + 1e-6
    assert amplification(-1e8) < 1e-6


@EVERY
def test_arrays_cannot_be_changed(method):
    with pytest.raises(ValueError, match="read-only"):
        method.b[0] = 0.0


# Reference implementations of the two formulas, on a nonlinear, non-autonomous problem with a closed form:
# y0' = y0 y1 + cos t - (1 + sin t) exp(-t^2/2), y1' = -t y1 (1 + sin t) / y0, solved by
# y0 = 1 + sin t, y1 = exp(-t^2 / 2).
def truth(t: float) -> np.ndarray:
    return np.array([1.0 + math.sin(t), math.exp(-t * t / 2.0)])


def rhs(t: float, y: np.ndarray) -> np.ndarray:
    u, v = truth(t)
    return np.array([y[0] * y[1] + math.cos(t) - u * v, -t * y[1] * u / y[0]])


def jacobian(t: float, y: np.ndarray) -> np.ndarray:
    u = truth(t)[0]
    return np.array([[y[1], y[0]], [t * y[1] * u / y[0] ** 2, -t * u / y[0]]])


def time_derivative(t: float, y: np.ndarray) -> np.ndarray:
    (u, v), du = truth(t), math.cos(t)
    return np.array([-math.sin(t) - du * v + u * t * v, -y[1] * (u + t * du) / y[0]])


def explicit_step(method: ExplicitTableau, t: float, y: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    s = method.stages
    K = np.zeros((len(method.dense), y.size))
    for i in range(s):
        K[i] = rhs(t + method.c[i] * h, y + h * method.A[i] @ K[:s])
    end = y + h * method.b @ K[:s]
    K[s] = rhs(t + h, end)
    for i, row in enumerate(method.A_extra):
        K[s + 1 + i] = rhs(t + method.c_extra[i] * h, y + h * row @ K)
    return end, h * K


def rosenbrock_step(method: RosenbrockTableau, t: float, y: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    W = np.eye(y.size) / (h * method.gamma) - jacobian(t, y)
    U = np.zeros((method.stages, y.size))
    for i in range(method.stages):
        slope = rhs(t + method.c[i] * h, y + method.A[i] @ U)
        U[i] = np.linalg.solve(W, slope + method.C[i] @ U / h + h * method.d[i] * time_derivative(t, y))
    return y + method.b @ U, U


Step = Callable[..., tuple[np.ndarray, np.ndarray]]


def step_of(method: Method) -> Step:
    return functools.partial(explicit_step if isinstance(method, ExplicitTableau) else rosenbrock_step, method)


def slope(steps: np.ndarray, errors: Sequence[float]) -> float:
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def errors_of_step(method: Method, h: float) -> tuple[float, float]:
    """Largest estimate of the error, and largest true error of the dense output, of single steps of size h."""
    estimates, worst = [], 0.0
    for t in (0.3, 0.9, 1.5):
        _, stages = step_of(method)(t, truth(t), h)
        estimate = float(np.linalg.norm(method.e @ stages[: method.e.size]))
        if isinstance(method, ExplicitTableau) and method.e3 is not None:
            estimate = estimate**2 / math.hypot(estimate, 0.1 * np.linalg.norm(method.e3 @ stages[: method.e3.size]))
        estimates.append(estimate)
        for theta in np.linspace(0.05, 0.95, 19):
            y = truth(t) + theta ** np.arange(1, method.dense.shape[1] + 1) @ method.dense.T @ stages
            worst = max(worst, abs(y - truth(t + theta * h)).max())
    return max(estimates), worst


@EVERY
def test_global_error_falls_with_the_order(method):
    end, counts = (4.0, np.array([6, 8, 12, 16])) if method is DOP853 else (2.0, np.array([32, 64, 128]))
    errors = []
    for n in counts:
        y, h, worst = truth(0.0), end / n, 0.0
        for i in range(n):
            y, _ = step_of(method)(i * h, y, h)
            worst = max(worst, np.linalg.norm(y - truth((i + 1) * h)))
        errors.append(worst)
    assert method.order - 0.1 <= slope(end / counts, errors) <= method.order + 0.5


@EVERY
def test_errors_of_one_step_fall_one_order_faster(method):
    sizes = np.array([0.6, 0.4, 0.3, 0.2] if method is DOP853 else [0.06, 0.03, 0.015])
    estimates, dense = zip(*[errors_of_step(method, h) for h in sizes], strict=True)
    assert method.error_order + 0.9 <= slope(sizes, estimates) <= method.error_order + 1.5
    assert method.dense_order + 0.9 <= slope(sizes, dense) <= method.dense_order + 1.5


def test_printed_form_of_the_rosenbrock_dense_output_agrees():
    y0 = truth(0.3)
    y1, U = rosenbrock_step(RODAS5P, 0.3, y0, 0.1)
    k = RODAS5P.H @ U
    for theta in (0.25, 0.5, 1.0):
        printed = (1 - theta) * y0 + theta * (y1 + (1 - theta) * (k[0] + theta * (k[1] + theta * k[2])))
        monomial = y0 + theta ** np.arange(1, 5) @ RODAS5P.dense.T @ U
        assert abs(monomial - printed).max() < EPS


def prothero_robinson(k: float, n: int) -> float:
    """Largest error of n steps of Rodas5P over 0..1 on y' = -k (y - sin t) + cos t, y = sin t."""
    y, h, worst = 0.0, 1.0 / n, 0.0
    for i in range(n):
        t, U = i * h, np.zeros(8)
        for j in range(8):
            tau = t + RODAS5P.c[j] * h
            f = -k * (y + RODAS5P.A[j] @ U - math.sin(tau)) + math.cos(tau)
            ft = k * math.cos(t) - math.sin(t)
            U[j] = (f + RODAS5P.C[j] @ U / h + h * RODAS5P.d[j] * ft) / (1.0 / (h * RODAS5P.gamma) + k)
        y = y + float(RODAS5P.b @ U)
        worst = max(worst, abs(y - math.sin(t + h)))
    return worst


def test_rosenbrock_keeps_order_four_whatever_the_stiffness():
    """Prothero and Robinson's problem (Hairer and Wanner 1996, section IV.15), the worst of k = 1..1e8."""
    counts = np.array([8, 16, 32])
    errors = [max(prothero_robinson(k, n) for k in np.geomspace(1.0, 1e8, 17)) for n in counts]
    assert slope(1.0 / counts, errors) > 3.9
