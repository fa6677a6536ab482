from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd.errors import DataError
from pkpd.timegrid import days, hours


def test_both_ends_belong_to_the_grid():
    assert hours(0, 336, 1).tolist() == [float(h) for h in range(337)]
    assert hours(5, 5, 1).tolist() == [5.0]


def test_rounding_does_not_lose_or_shift_the_end():
    grid = hours(0, 0.3, 0.1)
    assert len(grid) == 4
    assert grid[-1] == 0.3


def test_grid_ends_before_a_stop_that_it_does_not_meet():
    assert hours(0, 10, 3).tolist() == [0.0, 3.0, 6.0, 9.0]


def test_days_are_returned_in_hours():
    assert days(1, 3, 0.5).tolist() == [24.0, 36.0, 48.0, 60.0, 72.0]


@given(st.integers(-1000, 1000), st.integers(0, 500), st.sampled_from([0.1, 0.25, 1 / 3, 0.7, 1.0, 12.0]))
def test_no_error_adds_up(start: int, n: int, step: float):
    stop = start + n * step
    grid = hours(start, stop, step)
    assert len(grid) == n + 1
    assert grid[0] == start
    assert grid[-1] == stop
    np.testing.assert_allclose(grid, [start + step * k for k in range(n + 1)], rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hours(0, 24, 0), r"hours\(0, 24, 0\): step must be > 0, got 0"),
        (lambda: hours(0, 24, -1.5), r"step must be > 0, got -1\.5"),
        (lambda: hours(24, 0, 1), r"stop must not lie before start, got 0 < 24"),
        (lambda: days(0, math.inf, 1), r"days\(0, inf, 1\): start, stop and step must be finite numbers"),
        (lambda: hours(math.nan, 1, 1), "must be finite"),
    ],
)
def test_bad_arguments_are_named(call, text):
    with pytest.raises(DataError, match=text):
        call()
