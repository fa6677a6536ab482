"""Random numbers by position: the laws that make results independent of chunks, threads and the number of subjects."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from pkpd.errors import PopulationError
from pkpd.randomness import ETAS, RESIDUALS, check_seed, correlate, normals, uniforms, uniforms_at


@given(st.integers(0, 50), st.integers(0, 60), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**70))
def test_any_part_is_cut_from_the_whole(start: int, length: int, columns: int, more: int, seed: int) -> None:
    whole = uniforms(seed, 0, start + length + 3, columns + more, ETAS)
    part = uniforms(seed, start, start + length, columns, ETAS)
    np.testing.assert_array_equal(part, whole[start : start + length, :columns])


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_scattered_subjects_have_their_own_numbers(index: list[int]) -> None:
    found = uniforms_at(3, np.array(index), 5, RESIDUALS)
    expected = np.concatenate([uniforms(3, i, i + 1, 5, RESIDUALS) for i in index])
    np.testing.assert_array_equal(found, expected)


def test_no_subjects_no_numbers() -> None:
    assert uniforms(0, 5, 5, 3).shape == uniforms_at(0, np.array([], dtype=int), 3).shape == (0, 3)


def test_seeds_and_streams_differ_and_seed_0_is_a_seed() -> None:
    draws = [uniforms(seed, 0, 1000, 1, stream)[:, 0] for seed in (0, 1, 2**64) for stream in (0, 1)]
    r = np.corrcoef(draws)
    assert np.max(np.abs(r - np.eye(6))) < 0.12
    np.testing.assert_array_equal(draws[0], uniforms(0, 0, 1000, 1, 0)[:, 0])


def test_numbers_stay_what_they_are() -> None:
    # Philox under the documented key and counter, one subject at a time
    key = np.random.SeedSequence(42, spawn_key=(2,)).generate_state(2, np.uint64)
    raw = [np.random.Philox(key=key, counter=[i, 1, 0, 0]).random_raw(1)[0] for i in range(7)]
    np.testing.assert_array_equal(uniforms(42, 0, 7, 5, 2)[:, 4], [((r >> 12) + 0.5) / 2**52 for r in raw])


def test_uniform_and_without_correlation_along_subjects_and_columns() -> None:
    u = uniforms(7, 0, 20000, 8)
    assert 0 < u.min() < 1e-4 < 1 - 1e-4 < u.max() < 1
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    r = np.corrcoef(u.T)
    assert np.max(np.abs(r - np.eye(8))) < 4 / np.sqrt(20000)
    lagged = np.corrcoef(u[1:, 0], u[:-1, 0])[0, 1]
    assert abs(lagged) < 4 / np.sqrt(20000)


def test_normals_have_the_covariance_asked_for() -> None:
    omega = np.array([[0.09, 0.03, 0.0], [0.03, 0.04, -0.01], [0.0, -0.01, 0.25]])
    z = normals(1, np.arange(50000), np.linalg.cholesky(omega), ETAS)
    error = np.sqrt((np.outer(np.diag(omega), np.diag(omega)) + omega**2) / 50000)
    assert np.all(np.abs(np.cov(z.T) - omega) < 4 * error)
    for i in range(3):
        assert stats.kstest(z[:, i] / np.sqrt(omega[i, i]), "norm").pvalue > 1e-3


def test_correlate_is_the_matrix_product_and_does_not_depend_on_the_rows() -> None:
    scores = ndtri(uniforms(0, 0, 101, 6))
    factor = np.linalg.cholesky(np.cov(scores.T) + np.eye(6))
    whole = correlate(scores, factor)
    np.testing.assert_allclose(whole, scores @ factor.T, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(
        np.concatenate([correlate(scores[i : i + 7], factor) for i in range(0, 101, 7)]), whole
    )


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_seed_must_be_a_whole_number(seed: object) -> None:
    with pytest.raises(PopulationError, match="seed must be a whole number >= 0, got"):
        check_seed(seed)


def test_a_million_subjects_take_below_a_second() -> None:
    index, factor = np.arange(1_000_000), np.eye(4)
    start = time.thread_time()
    normals(0, index, factor, ETAS)
    assert time.thread_time() - start < 1
