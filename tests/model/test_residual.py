"""Residual errors: standard deviations and draws."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from pkpd.errors import ModelError
from pkpd.model.residual import Additive, Combined, Exact, LogNormal, Ordinal, Proportional, ResidualError

F = np.array([0.0, 1.0, 10.0])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Additive(0.5), [0.5, 0.5, 0.5]),
        (Proportional(0.2), [0.0, 0.2, 2.0]),
        (Combined(add=3.0, prop=0.4), [3.0, math.sqrt(9.16), 5.0]),
        (Combined(add=3.0, prop=0.4, convention="sd"), [3.0, 3.4, 7.0]),
        (Exact(), [0.0, 0.0, 0.0]),
    ],
    ids=repr,
)
def test_standard_deviation_and_draws(error: ResidualError, expected: list[float]):
    assert error.sd(F) == pytest.approx(expected)
    assert error.draw(F, -2.0) == pytest.approx(F - 2 * np.array(expected))


@pytest.mark.parametrize(
    "error", [Additive(0.4), Proportional(0.2), Combined(0.3, 0.2), LogNormal(0.5), Ordinal((1, 3))], ids=repr
)
def test_declared_sd_is_that_of_the_draws(error: ResidualError):
    draws = error.draw(2.0, np.random.default_rng(0).standard_normal(200_000))
    assert draws.std() == pytest.approx(float(error.sd(2.0)), rel=0.02)


def test_log_normal_keeps_the_median_and_the_sign():
    error = LogNormal(0.3)
    assert error.draw([2.0, 2.0], [0.0, 1.0]) == pytest.approx([2.0, 2.0 * math.exp(0.3)])
    assert np.all(error.draw(1.0, np.linspace(-8, 8, 9)) > 0)


def test_grades_follow_the_cumulative_logit():
    error, n = Ordinal(cuts=(-1.0, 0.5, 2.0)), 200_000
    grades = error.draw(np.full(n, 0.4), np.random.default_rng(1).standard_normal(n))
    above = [float(np.mean(grades >= k)) for k in (1, 2, 3)]
    assert set(grades) == {0.0, 1.0, 2.0, 3.0}
    assert above == pytest.approx([1 / (1 + math.exp(-(0.4 - c))) for c in error.cuts], abs=0.005)
    assert error.exceedance(0.4) == pytest.approx(above, abs=0.005)
    assert error.draw([-40.0, 40.0], [0.0, 0.0]).tolist() == [0.0, 3.0]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Additive(0.5), (3.0 - 2.0) / 0.5),
        (Proportional(0.2), (3.0 - 2.0) / 0.4),
        (LogNormal(0.3), math.log(3.0 / 2.0) / 0.3),
        (Ordinal((1.0, 3.0)), (3.0 - 2.0) / math.sqrt(2.0 / (1.0 + math.e))),
    ],
    ids=repr,
)
def test_residuals_are_counted_where_data_are_compared(error: ResidualError, expected: float):
    assert error.residual(2.0, 3.0) == pytest.approx(expected)
    log = error.data == "log"
    assert error.residual(2.0, 3.0) * error.compared_sd(2.0) == pytest.approx(math.log(1.5) if log else 1.0)


@pytest.mark.parametrize(
    ("error", "unit"),
    [
        (Additive(0.5), Additive(1.0)), (Proportional(0.2), Proportional(1.0)), (LogNormal(0.3), LogNormal(1.0)),
        (Combined(0.5, 0.0), Combined(1.0, 0.0)), (Combined(0.0, 0.2, "sd"), Combined(0.0, 1.0, "sd")),
        (Combined(0.5, 0.2), None), (Ordinal((1.0,)), None), (Exact(), None),
    ],
    ids=repr,
)  # fmt: skip
def test_the_only_number_of_an_error_is_a_root_mean_square(error: ResidualError, unit: ResidualError | None):
    assert error.unit() == unit


def test_only_grades_are_exceeded():
    assert (Ordinal((1.0, 3.0)).grades, LogNormal(0.3).grades) == (2, 0)
    with pytest.raises(ModelError, match="LogNormal error has no exceedance, which only grades have"):
        LogNormal(0.3).exceedance(1.0)


def test_negative_outputs_have_a_positive_sd():
    assert Proportional(0.1).sd(-5.0) == pytest.approx(0.5)
    assert Combined(0.0, 0.1, convention="sd").sd(-5.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Additive(-1), "Additive: add is a standard deviation and must be finite and >= 0, got -1"),
        (lambda: Additive(0), r"Additive: add must be > 0; for an output measured without error write Exact\(\)"),
        (lambda: Proportional(math.nan), "Proportional: prop is a standard deviation and must be finite"),
        (lambda: Combined(0, 0), r"Combined: add and prop must be > 0"),
        (lambda: Combined(1, 1, "both"), r"Combined: convention must be 'variance' .* or 'sd' .*, got 'both'"),  # type: ignore[arg-type]
        (lambda: LogNormal("0.3"), "LogNormal: sigma must be a number, got '0.3'"),  # type: ignore[arg-type]
        (lambda: Ordinal(()), r"Ordinal: cuts must be finite numbers, at least one, got \(\)"),
        (lambda: Ordinal((0, math.inf)), r"Ordinal: cuts must be finite numbers, at least one, got \(0.0, inf\)"),
        (lambda: Ordinal((1.0, 1.0)), r"Ordinal: cuts must rise from grade to grade, got \(1.0, 1.0\)"),
        (lambda: Ordinal("ab"), "Ordinal: cuts must be numbers, one for each grade from 1 on, got 'ab'"),  # type: ignore[arg-type]
    ],
)
def test_bad_numbers(build: Callable[[], ResidualError], text: str):
    with pytest.raises(ModelError, match=text):
        build()
