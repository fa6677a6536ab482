"""Declarations check themselves and say what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, cast

import numpy as np
import pytest

from pkpd.errors import ModelError
from pkpd.model.declare import Covariate, Omega, Output, Parameter, State
from pkpd.model.residual import Additive


def test_declarations_are_values():
    assert State("depot", "mg") == State("depot", "mg", "")
    assert Covariate("WT", "kg", 70).carry == "forward"
    assert Output("Cc", "mg/L", error=Additive(1.0)).error == Additive(1.0)
    with pytest.raises(FrozenInstanceError):
        State("depot", "mg").unit = "g"  # type: ignore[misc]


def test_cv_is_that_of_the_log_normal_distribution():
    assert Parameter("CL", 9, "L/h", cv=0.28).variance == pytest.approx(math.log(1 + 0.28**2))
    assert Parameter("CL", 9, "L/h", iov_cv=0.5).iov_variance == pytest.approx(math.log(1.25))


def test_sd_is_that_of_eta():
    assert Parameter("E0", 0, "", scale="additive", sd=2.0).variance == 4.0
    assert Parameter("F", 0.5, "", scale="logit", bounds=(0, 1), iov_sd=0.3).iov_variance == pytest.approx(0.09)


@pytest.mark.parametrize("spread", [{}, {"cv": 0}, {"sd": 0.0}])
def test_no_spread_is_no_variance(spread: dict[str, Any]):
    assert Parameter("CL", 9, "L/h", **spread).variance == 0
    # without variability the scale does not matter
    assert Parameter("tlag", 0, "h", **spread).value == 0


# untyped names, so that wrong arguments can be written
state, covariate, output, parameter, omega = cast(Any, (State, Covariate, Output, Parameter, Omega))
CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: state("2nd", "mg"), "state '2nd': the name cannot be used: a name starts with a letter"),
    (
        lambda: state("lambda", "mg"),
        "state 'lambda': the name cannot be used: it is a word of Python; write lambda_ or lam",
    ),
    (lambda: state("t", "mg"), "state 't': the name cannot be used: t is time"),
    (lambda: state("_x", "mg"), "state '_x': the name cannot be used"),
    (lambda: state(3, "mg"), "state: the name comes first and is text, got 3"),
    (lambda: state("depot", 1.0), "state 'depot': unit must be text, got 1.0"),
    (lambda: covariate("WT", "kg", math.nan), "covariate 'WT': reference must be finite, got nan"),
    (
        lambda: covariate("WT", "kg", 70, carry="forwards"),
        r"carry must be forward, backward, linear, got 'forwards' \(did you mean 'forward'",
    ),
    (
        lambda: covariate("WT", "kg", 70, bounds=(80, 200)),
        r"covariate 'WT': reference 70 lies outside its bounds \(80, 200\)",
    ),
    (lambda: output("Cc", "mg/L", error=0.2), "output 'Cc': error must be Additive, .* or Exact, got 0.2"),
    (
        lambda: parameter("CL", "L/h", 9.0),
        r"parameter 'CL': the value comes before the unit: Parameter\('CL', value, 'L/h'\)",
    ),
    (lambda: parameter("CL", None, "L/h"), "parameter 'CL': value must be a number, got None"),
    (lambda: parameter("CL", math.inf, "L/h"), "parameter 'CL': value must be finite, got inf"),
    (lambda: parameter("CL", 9, "L/h", bounds=(10, 20)), r"parameter 'CL': value 9 lies outside its bounds \(10, 20\)"),
    (lambda: parameter("CL", 9, "L/h", bounds=(20, 10)), r"parameter 'CL': bounds must rise, got \(20, 10\)"),
    (lambda: parameter("CL", 9, "L/h", bounds=3), r"parameter 'CL': bounds must be \(lower, upper\), got 3"),
    (lambda: parameter("CL", 9, "L/h", cv=0.3, sd=0.3), "parameter 'CL': cv 0.3 and sd 0.3 are both given; give one"),
    (lambda: parameter("CL", 9, "L/h", iov_cv=0.3, iov_sd=0.3), "iov_cv 0.3 and iov_sd 0.3 are both given"),
    (lambda: parameter("CL", 9, "L/h", cv=-0.3), "parameter 'CL': cv must be >= 0, got -0.3"),
    (lambda: parameter("CL", 9, "L/h", cv="30%"), "parameter 'CL': cv must be a number, got '30%'"),
    (
        lambda: parameter("E0", 9, "", cv=0.3, scale="additive"),
        "cv is for the log scale; on the additive scale give sd of eta",
    ),
    (
        lambda: parameter("E0", 0, "", cv=0.3),
        "parameter 'E0': variability on the log scale needs a value > 0, got 0; use scale='additive'",
    ),
    (
        lambda: parameter("F", 0.5, "", sd=1, scale="logit"),
        r"parameter 'F': the logit scale needs finite bounds, e.g. bounds=\(0, 1\), got none",
    ),
    (
        lambda: parameter("F", 0.5, "", sd=1, scale="logit", bounds=(0, math.inf)),
        r"needs finite bounds, .* got \(0, inf\)",
    ),
    (
        lambda: parameter("F", 1, "", sd=1, scale="logit", bounds=(0, 1)),
        r"the logit scale needs a value inside \(0, 1\), got 1",
    ),
    (lambda: parameter("CL", 9, "L/h", scale="ln"), "scale must be log, logit, additive, got 'ln'"),
    (lambda: parameter("CL", 9, "L/h", known="guessed"), "known must be read, derived, assumed, got 'guessed'"),
    (lambda: omega(("CL", "CL"), np.eye(2)), r"Omega\(CL, CL\): 'CL' named more than once"),
    (
        lambda: omega(("CL", "V"), [[1, 0, 0], [0, 1, 0]]),
        r"2 names need a 2 x 2 matrix or its lower triangle, got rows of \[3, 3\]",
    ),
    (lambda: omega(("CL", "V"), [[1, 0.1], [0.2, 1]]), "matrix must be symmetric"),
    (
        lambda: omega(("CL", "V"), [[1, 0], [0, 0]]),
        "the variance of 'V' must be > 0, got 0; leave out what does not vary",
    ),
    (lambda: omega(("CL",), [[math.inf]]), "matrix must be finite"),
    (lambda: omega(("CL",), "x"), "matrix must be rows of numbers, got 'x'"),
]


@pytest.mark.parametrize(("build", "text"), CASES, ids=[text[:40] for _, text in CASES])
def test_contradictions_are_named(build: Callable[[], object], text: str):
    with pytest.raises(ModelError, match=text):
        build()


def test_omega_takes_a_lower_triangle():
    block = Omega(("CL", "V", "ka"), [[1.0], [0.1, 2.0], [0.2, 0.3, 3.0]])
    assert block.matrix.tolist() == [[1.0, 0.1, 0.2], [0.1, 2.0, 0.3], [0.2, 0.3, 3.0]]
    with pytest.raises(ValueError, match="read-only"):
        block.matrix[0, 0] = 5
