"""Dates and times of day, in NONMEM's orders, become hours."""

import datetime

import pandas as pd
import pytest

from pkpd.dosing.clock import hour_of
from pkpd.dosing.dates import day_of
from pkpd.dosing.events import read_events


@pytest.fixture
def hours(tmp_path):
    """Read a text as an event table."""

    def reader(text):
        path = tmp_path / "trial.csv"
        path.write_text(text)
        return read_events(path)

    return reader


@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        ("2/28/24", "DATE", (2024, 2, 28)),
        ("28-2-2024", "DAT1", (2024, 2, 28)),
        ("2024/02/28", "DAT2", (2024, 2, 28)),
        ("24.28.2", "DAT3", (2024, 2, 28)),
        ("2024-02-28", "DATE", (2024, 2, 28)),
        ("1/1/51", "DATE", (1951, 1, 1)),
        ("1/1/50", "DATE", (2050, 1, 1)),
        ("2024-02-28 00:00:00", "DAT2", (2024, 2, 28)),
    ],
)
def test_dates_in_their_orders(text, kind, parts):
    assert day_of(text, kind) == datetime.date(*parts).toordinal()


def test_dates_without_a_year_and_impossible_dates():
    assert day_of("2/1", "DATE") == day_of("1/2", "DAT1")
    for text, kind in (("13/1/24", "DATE"), ("2024-02-30", "DAT2"), ("soon", "DATE"), ("20240230", "DAT2")):
        assert day_of(text, kind) is None


def test_times_of_day():
    assert [hour_of(t) for t in ("0:00", "10:30", "10:30:36", "12:15 am", "12:15 PM", "7.5", "30:00")] == [
        0, 10.5, 10.51, 0.25, 12.25, 7.5, 30,
    ]  # fmt: skip
    assert [hour_of(t) for t in ("10:60", "13:00 PM", "noon", "1_0")] == [None] * 4


@pytest.mark.parametrize(
    ("kind", "dates"),
    [
        ("DATE", ("2/28/2024", "2/29/2024", "3/1/2024")),
        ("DAT1", ("28-02-2024", "29-02-2024", "01-03-2024")),
        ("dat2", ("2024-02-28", "2024-02-29", "2024-03-01")),
        ("DAT3", ("2024/28/2", "2024/29/2", "2024/1/3")),
    ],
)
def test_dates_and_times_become_hours(hours, kind, dates):
    a, b, c = dates
    table = hours(f"ID,{kind},TIME,AMT\n1,{a},10:30,100\n1,{b},9:00,0\n2,{b},23:00,100\n2,{c},1:00,0\n2,{c},13.5,0\n")
    assert table.frame["TIME"].tolist() == [0, 22.5, 0, 2, 14.5]
    assert kind.upper() not in table.frame
    assert table.frame["WHEN"].tolist()[:2] == ["2024-02-28T10:30:00", "2024-02-29T09:00:00"]
    assert f"TIME is hours since each subject's first record, from {kind.upper()} and TIME" in table.notes


def test_day_numbers_times_without_dates_and_date_times(hours):
    assert hours("ID,DATE,TIME\n1,1,10:00\n1,2,9:00\n").frame["TIME"].tolist() == [0, 23]
    assert hours("ID,TIME\n1,10:00\n1,14:30\n2,3:00\n").frame["TIME"].tolist() == [0, 4.5, 0]
    stamped = hours("ID,TIME\n1,2024-02-28 22:00\n1,2024-02-29T01:00:00\n1,2024-03-01\n")
    assert stamped.frame["TIME"].tolist() == [0, 3, 26]
    frame = pd.DataFrame({"ID": 1, "TIME": pd.to_datetime(["2024-02-28 22:00", "2024-02-29 01:00"])})
    assert read_events(frame).frame["TIME"].tolist() == [0, 3]
    days = pd.DataFrame({"ID": [1.0, 1.0], "DATE": [1, 3], "TIME": [8.5, 8.0]})
    assert read_events(days).frame["TIME"].tolist() == [0, 47.5]
    assert read_events(days).labels.tolist() == [1]
