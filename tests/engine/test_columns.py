"""Inputs that change in time: every row and every stretch between rows has its values, against an obvious twin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd.model.declare import Covariate, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation.columns import (
    AFTER_KNOT,
    AT_KNOT,
    FROM_ROW,
    GRID_OBSERVATION,
    ROW_OBSERVATION,
    Columns,
    constant_columns,
    varying_columns,
)
from pkpd.simulation.people import Courses, population_courses


class Table(NamedTuple):
    """Rows of some subjects: offsets, times, values on a row and behind it."""

    starts: np.ndarray
    time: np.ndarray
    at: np.ndarray
    behind: np.ndarray


@st.composite
def tables(draw: st.DrawFn, rising: bool) -> Table:
    """Few different values, so that they come again; times rise (knots) or also stay (rows)."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    step = st.integers(1 if rising else 0, 2)
    time = np.concatenate([np.cumsum([draw(st.integers(-3, 3)), *(draw(step) for _ in range(n - 1))]) for n in sizes])
    width = draw(st.integers(1, 2))
    numbers = st.lists(st.integers(0, 2).map(float), min_size=width, max_size=width)
    rows = int(sum(sizes))
    at, behind = (np.array([draw(numbers) for _ in range(rows)]) for _ in range(2))
    return Table(np.concatenate([[0], np.cumsum(sizes)]), time.astype(float), at, behind)


def values(columns: Columns, table: Table, column: int) -> list[float]:
    """Return what a column holds."""
    source = table.behind if columns.after[column] else table.at
    return source[columns.source[column]].tolist()


def in_force(columns: Columns, subject: int, time: float, rank: float) -> int:
    """Walk through a subject's switches up to a time and rank."""
    column = columns.first[subject]
    for s in range(columns.seg_first[subject], columns.seg_first[subject + 1]):
        if (columns.seg_time[s], columns.seg_rank[s]) <= (time, rank):
            column = columns.seg_column[s]
    return int(column)


def check_common(columns: Columns, table: Table) -> None:
    owner = np.searchsorted(table.starts, np.arange(table.time.size), side="right") - 1
    for i in range(table.starts.size - 1):
        mine = slice(columns.seg_first[i], columns.seg_first[i + 1])
        used = {int(columns.first[i]), *columns.seg_column[mine].tolist(), *columns.own[owner == i].tolist()}
        assert all(owner[columns.source[c]] == i for c in used), "a subject uses another's column"
        when = list(zip(columns.seg_time[mine].tolist(), columns.seg_rank[mine].tolist(), strict=True))
        assert when == sorted(when)
    for r in range(table.time.size):
        assert values(columns, table, columns.own[r]) == table.at[r].tolist()
    assert (
        np.unique(columns.own.tolist() + columns.seg_column.tolist() + columns.first.tolist()).size
        == columns.source.size
    )


@given(tables(rising=False))
def test_rows_of_a_data_set(table):
    """A row has its own values from itself on where they go on behind it; other values hold from behind it.

    So up to its first row a subject has that row's values, and a row that begins anew has its own in any case.
    """
    rows = table.time.size
    for begins in (np.zeros(rows, bool), np.ones(rows, bool)):
        check_rows(varying_columns(*table, grid=False, begins=begins), table, begins)


def check_rows(columns: Columns, table: Table, begins: np.ndarray) -> None:
    check_common(columns, table)
    for i, (a, b) in enumerate(zip(table.starts[:-1], table.starts[1:], strict=True)):
        assert values(columns, table, columns.first[i]) == table.at[a].tolist()
        for r in range(a, b):
            behind = in_force(columns, i, table.time[r], r - a + 0.6)
            assert values(columns, table, behind) == table.behind[r].tolist()
            before = in_force(columns, i, table.time[r], r - a + FROM_ROW - 0.1)
            ahead = table.at[a] if r == a else table.behind[r - 1]
            assert values(columns, table, before) == ahead.tolist()
            there = in_force(columns, i, table.time[r], r - a + ROW_OBSERVATION)
            goes_on = begins[r] or table.at[r].tolist() == table.behind[r].tolist()
            assert values(columns, table, there) == (table.at[r] if goes_on else ahead).tolist()


@given(tables(rising=True))
def test_knots_of_a_course(table):
    """An observation at a knot has the values there; doses at that time have those behind."""
    columns = varying_columns(*table, grid=True)
    check_common(columns, table)
    for i, (a, b) in enumerate(zip(table.starts[:-1], table.starts[1:], strict=True)):
        for r in range(a, b):
            assert values(columns, table, in_force(columns, i, table.time[r], GRID_OBSERVATION)) == table.at[r].tolist()
            assert values(columns, table, in_force(columns, i, table.time[r], 0.0)) == table.behind[r].tolist()
            if r > a:
                before = in_force(columns, i, table.time[r], AT_KNOT - 1)
                assert values(columns, table, before) == table.behind[r - 1].tolist()
    assert AT_KNOT < GRID_OBSERVATION < AFTER_KNOT


def test_values_that_never_change_make_one_column_a_subject_and_no_switch():
    same = np.array([[5.0], [5.0], [5.0], [7.0], [7.0]])
    for grid in (False, True):
        columns = varying_columns(np.array([0, 3, 5]), np.arange(5.0), same, same, grid=grid)
        assert columns.source.size == 2
        assert columns.seg_time.size == 0
        assert columns.first.tolist() == [0, 1]
        assert columns.own.tolist() == [0, 0, 0, 1, 1]


def test_a_value_that_comes_on_once_switches_once():
    at = np.array([[1.0], [1.0], [2.0], [2.0]])
    columns = varying_columns(np.array([0, 4]), np.array([0.0, 3.0, 6.0, 9.0]), at, at, grid=False)
    assert columns.source.size == 2
    assert columns.seg_time.tolist() == [6.0]


def test_constant_columns():
    columns = constant_columns(3)
    assert columns.first.tolist() == columns.own.tolist() == columns.source.tolist() == [0, 1, 2]
    assert columns.seg_first.tolist() == [0, 0, 0, 0]


# --- what stands on rows, and what holds behind them ------------------------------------------------------------------
def _model(carry: str) -> Model:
    return Model(
        "m",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", iov_cv=0.3)],
        covariates=[Covariate("WT", "kg", 70.0, carry=carry), Covariate("AGE", "yr", 40.0)],  # type: ignore[arg-type]
        individual=lambda p, cov: {"k": p.k * (cov.WT / 70) * (cov.AGE / 40)},
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
    )


@pytest.mark.parametrize(
    ("carry", "expected", "slopes"),
    [
        ("forward", [50, 60, 90, 10, 10], [0, 0, 0, 0, 0]),
        ("backward", [60, 90, 90, 10, 10], [0, 0, 0, 0, 0]),
        ("linear", [50, 60, 90, 10, 10], [5, 10, 0, 0, 0]),
    ],
)
def test_what_holds_behind_a_row(carry, expected, slopes):
    """The last row of a subject holds for ever, and no subject sees the next one's rows."""
    weights = np.array([50.0, 60.0, 90.0, 10.0, 10.0])
    courses = Courses(
        ("WT",), np.array([0.0, 2.0, 5.0, 1.0, 4.0]), weights[:, None], np.zeros(5, np.int64), np.array([0, 0, 0, 1, 1])
    )
    behind, slope = courses.behind(_model(carry))
    assert behind[:, 0].tolist() == expected
    assert slope[:, 0].tolist() == slopes


def test_two_rows_at_one_time_have_no_slope():
    courses = Courses(
        ("WT",), np.array([1.0, 1.0]), np.array([[50.0], [60.0]]), np.zeros(2, np.int64), np.zeros(2, np.int64)
    )
    behind, slope = courses.behind(_model("linear"))
    assert slope.tolist() == [[0.0], [0.0]]
    assert behind.tolist() == [[50.0], [60.0]]


@pytest.mark.parametrize(
    ("carry", "weights"), [("forward", [50, 50, 80, 80]), ("backward", [50, 80, 80, 80]), ("linear", [50, 70, 80, 80])]
)
def test_covariates_of_a_population_get_values_at_each_others_knots_and_at_occasions(carry, weights):
    """WT is known at 0 and 6 h, AGE at 0 and 4 h, the second occasion begins at 9 h; the first has a row of its own."""
    model = _model(carry)
    table = {"ID": [7, 7, 7], "TIME": [0.0, 4.0, 6.0], "WT": [50.0, 70.0, 80.0], "AGE": [30.0, 31.0, 31.0]}
    if carry != "linear":
        table["WT"][1] = {"forward": 50.0, "backward": 80.0}[carry]
    courses = population_courses(model, Population.from_table(model, table), np.array([9.0]))
    assert courses is not None
    assert courses.names == ("WT", "AGE")
    assert courses.time[0] < 0.0
    assert courses.time[1:].tolist() == [0.0, 4.0, 6.0, 9.0]
    assert courses.values[:, 0].tolist() == [50.0, *weights]
    assert courses.values[:, 1].tolist() == [30.0, 30.0, 31.0, 31.0, 31.0]
    assert courses.occasion.tolist() == [0, 0, 0, 0, 1]


def test_a_population_in_which_nothing_changes_has_no_courses():
    model = _model("forward")
    people = Population.typical(model, 3)
    assert population_courses(model, people, None) is None
    assert population_courses(model, people, np.empty(0)) is None
