"""Loops as one module: what their arguments and parts are, beside the same text in Python and in numba alone."""

from __future__ import annotations

import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

from pkpd.engine.machine import jit

Inner = namedtuple("Inner", "index weight")
Outer = namedtuple("Outer", "values inner number flags nothing")


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "cache"))


def weighted(inner: Any, values: Any) -> Any:
    index, weight = inner
    room = np.zeros((weight.size, 2))
    for k in range(weight.size):
        room[k, 0] = weight[k] * values[index[k], 1]
    return room


def total(given: Any, scale: Any, out: Any) -> Any:
    values, inner, number, flags, nothing = given
    room = weighted(inner, given.values)
    for k in range(room.shape[0]):
        if flags[k] and nothing is None:
            out[k] += scale * room[k, 0] + given.inner.weight[k] * number
    return out.sum(), values.shape[0]


def arguments() -> Outer:
    rng = np.random.default_rng(3)
    inner = Inner(np.array([2, 0, 1]), rng.normal(size=3))
    return Outer(rng.normal(size=(3, 2)), inner, 1.5, np.array([True, False, True]), None)


def test_named_tuples_by_address_are_those_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    given, expected, found, again = arguments(), np.ones(3), np.ones(3), np.ones(3)
    sums = total(given, 2.0, expected)
    before = [sys.getrefcount(array) for array in (given.values, *given.inner, given.flags)]
    monkeypatch.setitem(globals(), "weighted", jit.compiled(weighted))
    fresh, kept = jit.entry(total), jit.entry(total)
    assert fresh(given, 2.0, found) == sums
    assert kept(given, 2.0, again) == sums
    assert kept.stats.cache_hits
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)
    assert [sys.getrefcount(array) for array in (given.values, *given.inner, given.flags)] == before


def test_arrays_of_another_type_are_another_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    given = arguments()
    other = given._replace(inner=Inner(given.inner.index.astype(np.int32), np.arange(6.0)[::2]))
    expected = [np.ones(3), np.ones(3)]
    sums = [total(one, 2.0, out) for one, out in zip((given, other), expected, strict=True)]
    monkeypatch.setitem(globals(), "weighted", jit.compiled(weighted))
    loop = jit.entry(total)
    for one, text, out in zip((given, other), sums, expected, strict=True):
        found = np.ones(3)
        assert loop(one, 2.0, found) == text
        np.testing.assert_array_equal(found, out)
    assert len(loop.signatures) == 2


def test_what_numba_compiled_for_a_loop_serves_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "weighted", jit.compiled(weighted))
    jit.entry(total)(arguments(), 2.0, np.ones(3))

    @njit
    def alone(n: int) -> Any:
        return np.zeros((n, 2))

    np.testing.assert_array_equal(alone(4), np.zeros((4, 2)))
