"""Scales of variability and the covariance of random effects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from graph_value import value

from pkpd.engine.graph.nodes import symbol
from pkpd.errors import ModelError
from pkpd.model.declare import Omega, Parameter
from pkpd.model.variability import covariance, individual_value, spread

PARAMETERS = {
    q.name: q
    for q in (
        Parameter("CL", 9.0, "L/h", cv=0.3),
        Parameter("V", 30.0, "L", sd=0.2),
        Parameter("ka", 0.5, "1/h"),
        Parameter("E0", -1.0, "", scale="additive"),
    )
}
VARIANCES = {n: q.variance for n, q in PARAMETERS.items()}
CL2, V2 = math.log(1.09), 0.04


def omega(blocks: list[Omega], correlations: dict[tuple[str, str], float] | None = None):
    return covariance("m", PARAMETERS, VARIANCES, blocks, correlations or {})


@pytest.mark.parametrize("eta", [-6.0, -0.5, 0.0, 0.5, 6.0])
@pytest.mark.parametrize(("unit", "low", "high"), [("", 0.0, 1.0), ("L", 2.0, 10.0), ("", -1.0, 3.0)])
def test_logit_scale_stays_between_its_bounds(unit: str, low: float, high: float, eta: float):
    theta = low + 0.3 * (high - low)
    q = Parameter("F", theta, unit, scale="logit", bounds=(low, high), sd=1.0)
    share = 1 / (1 + math.exp(-(math.log(0.3 / 0.7) + eta)))
    expected = low + (high - low) * share
    assert individual_value(q, theta, eta) == pytest.approx(expected, rel=1e-13)
    traced = individual_value(q, symbol("F", "theta"), symbol("F", "eta"))
    assert value(traced, {("F", "theta"): theta, ("F", "eta"): eta}) == pytest.approx(expected, rel=1e-13)


def test_log_and_additive_scales():
    assert individual_value(PARAMETERS["CL"], 9.0, 0.5) == pytest.approx(9 * math.exp(0.5))
    assert individual_value(PARAMETERS["E0"], -1.0, 0.5) == -0.5
    assert individual_value(PARAMETERS["CL"], 9.0, None) == 9.0


def test_own_variances_make_a_diagonal_in_parameter_order():
    names, matrix = omega([])
    assert names == ("CL", "V")
    assert matrix == pytest.approx(np.diag([CL2, V2]))
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1


def test_blocks_add_parameters_and_covariances():
    names, matrix = omega([Omega(("E0", "ka"), [[0.5], [0.1, 0.3]])])
    assert names == ("CL", "V", "ka", "E0")
    assert matrix[2:, 2:].tolist() == [[0.3, 0.1], [0.1, 0.5]]
    assert np.all(matrix[:2, 2:] == 0)


def test_correlations_scale_with_the_standard_deviations():
    _, matrix = omega([], {("V", "CL"): -0.5})
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(-0.5 * math.sqrt(CL2 * V2))


@pytest.mark.parametrize(
    ("blocks", "correlations", "text"),
    [
        (
            [Omega(("Cl",), [[0.1]])],
            {},
            r"model 'm', omega: unknown parameter 'Cl' \(did you mean 'CL'\?\); it has CL, V, ka, E0",
        ),
        (
            [Omega(("ka",), [[0.1]]), Omega(("ka",), [[0.1]])],
            {},
            "model 'm', omega: 'ka' stands in two blocks; join them",
        ),
        (
            [Omega(("CL",), [[0.1]])],
            {},
            "the variance of 'CL' is 0.1 in the block but 0.0861777 by its cv or sd; give it in one",
        ),
        (["CL"], {}, r"model 'm': omega must be a list of Omega\(names, matrix\), got 'CL'"),
        ([], {("CL", "ka"): 0.5}, "correlations: 'ka' has no between-subject variability .*; it has CL, V"),
        ([], {("CL", "V"): 1.0}, r"correlations: \('CL', 'V'\) must lie between -1 and 1, got 1"),
        ([], {"CL": 0.5}, r"correlations: a key is two parameters, \('CL', 'V'\), got 'CL'"),
        (
            [Omega(("ka", "E0"), [[1], [0.2, 1]])],
            {("ka", "E0"): 0.5},
            r"\('ka', 'E0'\) has the covariance 0.2 already; give one",
        ),
    ],
)
def test_contradictions_are_named(blocks: list[Omega], correlations: dict[tuple[str, str], float], text: str):
    with pytest.raises(ModelError, match=text):
        omega(blocks, correlations)


def test_matrix_that_is_not_positive_definite_names_eigenvalue_and_remedy():
    correlations = {("CL", "V"): 0.9, ("V", "ka"): 0.9, ("CL", "ka"): -0.9}
    smallest = float(np.linalg.eigvalsh([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])[0])
    expected = rf"omega of CL, V, ka is not positive definite: .* is {smallest:.3g}; multiply .* less than 0\.556"
    with pytest.raises(ModelError, match=expected):
        omega([Omega(("ka",), [[0.1]])], correlations)
    mild = {pair: 0.555 * r for pair, r in correlations.items()}
    assert np.linalg.eigvalsh(omega([Omega(("ka",), [[0.1]])], mild)[1])[0] > 0


def test_spread_is_written_as_the_field_does():
    assert spread(PARAMETERS["CL"], CL2) == "30%"
    assert spread(PARAMETERS["E0"], 4.0) == "sd 2"
    assert spread(Parameter("F", 0.5, "", scale="logit", bounds=(0, 1)), 0.25) == "sd 0.5 logit"
    assert spread(PARAMETERS["ka"], 0.0) == ""
