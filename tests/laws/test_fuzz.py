"""A short run of the random event tables, and the stored result of the long one."""

from __future__ import annotations

import functools

import pandas as pd
import pytest

from benchmarks import fuzz
from pkpd import Model


@functools.cache
def model(name: str) -> Model:
    return fuzz.model_of(name)


@pytest.mark.parametrize("name", ["linear"])
def test_random_tables_end_well_or_are_told(name):
    fuzz.warm(model(name))
    found = [fuzz.judge(model(name), number) for number in range(100)]
    assert [(k, *answer) for k, answer in enumerate(found) if answer[0] in fuzz.BAD] == []
    assert sum(outcome == "solved" for outcome, _ in found) > 30


def test_the_stored_run_is_whole_and_without_a_bad_table():
    stored = pd.read_csv(fuzz.STORED).set_index("model")
    assert list(stored.index) == list(fuzz.MODELS)
    assert stored["tables"].tolist() == [5000] * 4
    assert not stored[list(fuzz.BAD)].to_numpy().any()
    assert stored[list(fuzz.NORMAL)].to_numpy().sum(axis=1).tolist() == [5000] * 4
    assert max(stored["slowest_s"].tolist()) < fuzz.SLOW


def test_a_table_is_made_from_its_number():
    one, again, other = (fuzz.table_of(model("linear"), number)[0] for number in (3, 3, 4))
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)
