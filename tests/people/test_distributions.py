"""Distributions of covariates: quantiles against SciPy, truncation, and the texts of errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from pkpd.errors import PopulationError
from pkpd.people import categorical, lognormal, normal, uniform


@pytest.mark.parametrize(
    ("drawn", "reference"),
    [
        (lognormal(5, 0.5), stats.lognorm(np.sqrt(np.log(1.25)), scale=5)),
        (normal(1, 2), stats.norm(1, 2)),
        (normal(0, 1, low=3, high=4), stats.truncnorm(3, 4)),
        (normal(0, 1, low=10), stats.truncnorm(10, np.inf)),
        (normal(0, 1, low=-2, high=0.5), stats.truncnorm(-2, 0.5)),
        (uniform(2, 5), stats.uniform(2, 3)),
    ],
)
def test_quantiles_agree_with_scipy(drawn: Any, reference: Any) -> None:
    u = np.linspace(0.001, 0.999, 201)
    np.testing.assert_allclose(drawn.quantile(u), reference.ppf(u), rtol=1e-9, atol=1e-12)


def test_categorical_shares() -> None:
    u = (np.arange(1000) + 0.5) / 1000
    values, counts = np.unique(categorical({3: 0.25, 1: 0.75}).quantile(u), return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([1, 3], [750, 250])


def test_truncation_leaves_no_mass_at_the_bounds() -> None:
    drawn = lognormal(70, 0.5, low=60, high=80).quantile((np.arange(10000) + 0.5) / 10000)
    assert len(np.unique(drawn)) == 10000
    assert 60 < drawn.min() < drawn.max() < 80


BAD_LAWS: dict[str, Any] = {
    "lognormal(-3, 0.2): median must be > 0, got -3": lambda: lognormal(-3, 0.2),
    "lognormal(3, 0): cv must be > 0 (0.2 for 20%), got 0; for no spread": lambda: lognormal(3, 0),
    "lognormal(3, nan): cv must be a finite number": lambda: lognormal(3, float("nan")),
    "lognormal('70', 0.2): median must be a finite number, got '70'": lambda: lognormal("70", 0.2),  # type: ignore[arg-type]
    "normal(3, -1): sd must be > 0, got -1": lambda: normal(3, -1),
    "normal(3, 1, low=5, high=5): low must be < high": lambda: normal(3, 1, 5, 5),
    "normal(0, 1, low=1e+10): nothing of the distribution lies between low and high": lambda: normal(0, 1, 1e10),
    "uniform(5, 2): low must be < high": lambda: uniform(5, 2),
    "categorical({0: 0.5, 1: 0.6}): probabilities must sum to 1, got 1.1": lambda: categorical({0: 0.5, 1: 0.6}),
    "categorical({0: -0.5, 1: 1.5}): values must be finite and probabilities >= 0": lambda: categorical(
        {0: -0.5, 1: 1.5}
    ),
    "categorical: give at least one value": lambda: categorical({}),
}


@pytest.mark.parametrize("message", BAD_LAWS)
def test_bad_distributions_are_refused(message: str) -> None:
    with pytest.raises(PopulationError) as caught:
        BAD_LAWS[message]()
    assert message in str(caught.value)
