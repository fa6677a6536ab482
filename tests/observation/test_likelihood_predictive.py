"""Replicates and predictive probabilities: closed forms against draws, and a right model against itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from likelihood_model import DOSES, MODEL, SUBJECTS, TERMS
from scipy import stats

from pkpd.observation.api import Likelihood
from pkpd.observation.subject import Subject

LIKE = Likelihood(MODEL, SUBJECTS, ["phi"], scaled=["marker", "grade"])
AT = np.array([0.75])
FACTORS = np.array([1.3, 1.2])
CONTINUOUS = ("density", "peak", "nadir", "ratio")


def test_replicates_follow_the_predictive_probabilities():
    n = 4000
    drawn, law = LIKE.replicate(AT, FACTORS, seed=3, n=n), LIKE.cdf(AT, FACTORS)
    assert drawn.statistic.shape == (n, len(TERMS))
    for k, term in enumerate(TERMS):
        y = drawn.statistic[:, k]
        if term.kind in CONTINUOUS:
            share, probability = np.mean(y <= term.value), law.pit[k]
            assert np.isnan(law.probability[k])
        elif term.kind == "grade":
            share, probability = np.mean((y >= term.value) & (y <= (term.value_to or term.value))), law.probability[k]
        else:
            share, probability = np.mean(y == 1.0), law.probability[k]
            assert np.isnan(law.pit[k])
        assert abs(share - probability) < 4.5 * np.sqrt(max(probability * (1 - probability), 1e-3) / n), term.name


def test_probabilities_of_regions_are_those_of_the_likelihood():
    law, found = LIKE.cdf(AT, FACTORS), LIKE.evaluate(AT, FACTORS)
    region = [k for k, t in enumerate(TERMS) if t.kind not in CONTINUOUS]
    np.testing.assert_allclose(law.probability[region], np.exp(found.terms[region]), rtol=1e-4)


def test_one_replicate_has_no_dimension_and_depends_on_the_seed_alone():
    one, many = LIKE.replicate(AT, FACTORS, seed=5), LIKE.replicate(AT, FACTORS, seed=5, n=3)
    assert one.statistic.shape == (len(TERMS),)
    assert one.statistic.tolist() == many.statistic[0].tolist()
    assert LIKE.replicate(AT, FACTORS, seed=6).statistic.tolist() != one.statistic.tolist()
    assert one.observed[:2].tolist() == [20.0, 38.4]
    assert one.observed[6] == 1.0


def test_subjects_that_fail_have_no_replicate():
    assert np.isnan(LIKE.replicate(np.array([np.nan])).statistic).all()


@pytest.mark.slow
def test_pit_of_data_from_the_model_is_uniform():
    n = 250
    kinds = [t for t in TERMS if t.kind in CONTINUOUS]
    crowd = [Subject(str(i), DOSES, {"WT": 50.0 + 0.2 * i}, tuple(kinds)) for i in range(n)]
    values = np.random.default_rng(1).uniform(0.3, 0.95, (n, 1))
    first = Likelihood(MODEL, crowd, ["phi"])
    drawn = first.replicate(values, seed=9).statistic.reshape(n, len(kinds))
    told = [
        replace(s, terms=tuple(replace(t, value=float(v)) for t, v in zip(kinds, row, strict=True)))
        for s, row in zip(crowd, drawn, strict=True)
    ]
    pit = Likelihood(MODEL, told, ["phi"]).cdf(values).pit.reshape(n, len(kinds))
    for k, term in enumerate(kinds):
        assert stats.kstest(pit[:, k], "uniform").pvalue > 1e-3, term.name
