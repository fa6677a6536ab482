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
from pkpd.engine.machine.bound import Bound

Inner = namedtuple("Inner", "index weight")
Outer = namedtuple("Outer", "values inner number flags nothing")
Work = namedtuple("Work", "values inner times")


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


def worked(work: Any) -> Any:
    values, inner, times = work
    sums = 0.0
    for k in range(inner.index.size):
        sums += times * values[inner.index[k]] * inner.weight[k]
    return sums


def test_a_bound_tuple_is_read_where_it_lies() -> None:
    work = Work(np.array([1.0, 2.0, 4.0]), Inner(np.array([2, 0]), np.array([0.5, 8.0])), 3)
    bound, loop = Bound(work), jit.entry(worked)
    assert loop(bound) == worked(work) == 30.0
    work.inner.weight[1] = 16.0
    assert loop(bound) == worked(work) == 54.0
    other = np.array([[0.0, 1.0], [2.0, 3.0]])  # longer, and of another shape: its numbers count, in their order
    bound.put(("values",), other)
    assert loop(bound) == 3 * 2.0 * 0.5
    alike = Bound(work._replace(times=5))
    assert loop(alike) == worked(work._replace(times=5))
    assert len(loop.signatures) == 1


def test_what_a_loop_would_misread_is_not_bound() -> None:
    work = Work(np.array([1.0, 2.0, 4.0]), Inner(np.array([2, 0]), np.array([0.5, 8.0])), 3)
    for wrong in (work._replace(values=np.arange(6.0)[::2]), work._replace(times=True), work._replace(times=[3])):
        with pytest.raises(TypeError, match="Work holds what no loop can be bound to"):
            Bound(wrong)
    for array in (np.arange(3), np.arange(6.0)[::2], np.arange(3.0, dtype=np.float32)):
        with pytest.raises(TypeError, match="values must be a contiguous array of numbers"):
            Bound(work).put(("values",), array)
