"""Dose records as sorted events: what each record becomes, and in which order things happen at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_tools import equations, grid
from hypothesis import given
from hypothesis import strategies as st

from pkpd.engine.graph.functions import where
from pkpd.engine.solve.block import Block, DoseFault
from pkpd.engine.solve.block_events import timeline
from pkpd.engine.solve.event_codes import (
    BOLUS,
    OFF,
    RATE,
    REPLACE,
    RESET,
    ROW,
    SS_ADD,
    SS_BOLUS,
    SS_CONSTANT,
    SS_INFUSION,
    STOP,
)
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.places import prepare

NAMES = {
    BOLUS: "bolus", RATE: "rate", REPLACE: "replace", RESET: "reset", ROW: "row", STOP: "stop", SS_BOLUS: "ss bolus",
    SS_INFUSION: "ss infusion", SS_CONSTANT: "ss constant", SS_BOLUS + SS_ADD: "+ss bolus",
    SS_INFUSION + SS_ADD: "+ss infusion", SS_CONSTANT + SS_ADD: "+ss constant",
}  # fmt: skip
RULES = {"F": "F", "tlag": "lag", "rate": "rate", "duration": "tinf"}
PLAIN = {"F": 1.0, "lag": 0.0, "rate": 4.0, "tinf": 3.0}
KERNEL = Kernel(equations(lambda t, y, *_: [-y[0], y[0]], [0.0, 0.0], list(RULES.values()), dosing={0: RULES}))


def dose(time: float, amt: float = 10.0, **more: float) -> dict[str, float]:
    return {"time": time, "amt": amt, **more}


def block_of(
    rows: list[dict[str, float]], switches: Sequence[tuple[float, float, int]] = (), observations: bool = False
) -> Block:
    """Return one subject's block; switches are (time, rank, column)."""
    base = grid(1, [100.0], *rows)
    more: dict[str, Any] = {}
    if switches:
        time, rank, column = zip(*switches, strict=True)
        more = {
            "seg_first": np.array([0, len(switches)]), "seg_time": np.array(time, float),
            "seg_rank": np.array(rank, float), "seg_column": np.array(column),
        }  # fmt: skip
    if observations:
        when = np.array([r["time"] for r in rows])
        more |= {
            "obs_time": when,
            "obs_last": np.array([when.size]),
            "obs_rank": np.arange(when.size) + 0.4,
            "shared": False,
        }
    return replace(base, **more)


def events(
    *rows: dict[str, float], switches: Sequence[tuple[float, float, int]] = (), **values: float
) -> list[tuple[float, str, float]]:
    """Return (time, kind, value) of the events, in order; values is of the first column, the second has F = 0.5."""
    inputs = np.array([list((PLAIN | values).values()), list((PLAIN | values | {"F": 0.5}).values())]).T
    ends, ev, *_ = timeline(KERNEL, block_of(list(rows), switches), prepare(KERNEL, inputs))
    assert ends[-1] <= ev.time.size
    keep = slice(ends[-1])
    return [
        (float(t), NAMES[k], float(v)) for t, k, v in zip(ev.time[keep], ev.kind[keep], ev.value[keep], strict=True)
    ]


def steady(*rows: dict[str, float], **values: float) -> np.ndarray:
    """Return period, begin, end and number of running infusions of the cycle of each steady state."""
    inputs = np.array([list((PLAIN | values).values())]).T
    return timeline(KERNEL, block_of(list(rows)), prepare(KERNEL, inputs))[2][:, :4]


# --- what a record becomes --------------------------------------------------------------------------------------------
def test_a_bolus_and_its_additional_doses():
    found = events(dose(1.0, 10.0, ii=6.0, addl=2), F=0.5, lag=0.25)
    assert found == [(1.25, "bolus", 5.0), (7.25, "bolus", 5.0), (13.25, "bolus", 5.0)]


@pytest.mark.parametrize(
    ("row", "rate", "end"),
    [
        (dose(1.0, 10.0, rate=2.0), 2.0, 3.5),  # the rate of the data is kept, the duration is F amt / rate
        (dose(1.0, 10.0, rate=-1), 4.0, 2.25),  # modelled rate
        (dose(1.0, 10.0, rate=-2), 5.0 / 3.0, 4.0),  # modelled duration
    ],
)
def test_an_infusion_begins_and_ends(row, rate, end):
    assert events(row, F=0.5) == [(1.0, "rate", rate), (end, "rate", -rate)]


@pytest.mark.parametrize("reset", [{"evid": 3}, {"evid": 4, "amt": 7.0}, {"evid": 1, "amt": 7.0, "ss": 1, "ii": 9.0}])
def test_a_reset_stops_the_infusion_that_runs_and_no_later_one(reset):
    found = events(dose(0.0, 10.0, rate=2.0, ii=20.0, addl=1), {"time": 3.0, **reset})
    later = [] if reset.get("ss") else [(20.0, "rate", 2.0), (25.0, "rate", -2.0)]  # SS=1 ends doses to come as well
    assert [e for e in found if e[1] == "rate"] == [(0.0, "rate", 2.0), *later]


def test_a_reset_at_the_end_of_an_infusion_or_at_its_beginning():
    infusion = dose(3.0, 10.0, rate=2.0)
    assert (8.0, "rate", -2.0) not in events(infusion, {"time": 8.0, "evid": 3})
    assert (8.0, "rate", -2.0) in events({"time": 3.0, "evid": 3}, infusion)
    assert (8.0, "rate", -2.0) not in events(infusion, {"time": 3.0, "evid": 3})


def test_records_that_give_nothing():
    assert events({"time": 1.0, "evid": 0}, {"time": 2.0, "evid": 2, "amt": 9.0}, dose(3.0, 5.0), F=0.0) == [
        (3.0, "bolus", 0.0)
    ]
    assert events(dose(1.0, 5.0, rate=2.0), F=0.0) == [(1.0, "bolus", 0.0)]


def test_reset_replacement_and_reset_with_dose():
    found = events({"time": 1.0, "evid": 3}, {"time": 2.0, "evid": 8, "amt": 7.0}, {"time": 3.0, "evid": 4, "amt": 5.0})
    assert found == [(1.0, "reset", 0.0), (2.0, "replace", 7.0), (3.0, "reset", 0.0), (3.0, "bolus", 5.0)]


# --- steady states ----------------------------------------------------------------------------------------------------
def test_steady_state_of_a_bolus_and_the_dose_itself():
    row = dose(1.0, 10.0, ss=1, ii=8.0)
    assert events(row) == [(1.0, "ss bolus", 10.0), (1.0, "bolus", 10.0)]
    assert steady(row).tolist() == [[8.0, 0.0, 0.0, 0.0]]
    assert events(row | {"ss": 2})[0] == (1.0, "+ss bolus", 10.0)


def test_with_a_lag_the_dose_comes_after_it_and_so_do_those_before():
    row = dose(1.0, 10.0, ss=1, ii=8.0)
    assert events(row, lag=3.0) == [(1.0, "ss bolus", 10.0), (4.0, "bolus", 10.0)]
    assert steady(row, lag=3.0)[0, :2].tolist() == [8.0, 3.0]
    # a lag longer than the interval: the dose given 8 h ago is still to come
    assert events(row, lag=11.0) == [(1.0, "ss bolus", 10.0), (4.0, "bolus", 10.0), (12.0, "bolus", 10.0)]


@pytest.mark.parametrize(
    ("amount", "cycle", "ends"),
    [
        (6.0, [8.0, 0.0, 3.0, 0.0], []),  # 3 h every 8 h
        (16.0, [8.0, 0.0, 8.0, 0.0], []),  # as long as the interval
        (28.0, [8.0, 0.0, 6.0, 1.0], [6.0]),  # 14 h: the one before runs for another 6 h
        (60.0, [8.0, 0.0, 6.0, 3.0], [6.0, 14.0, 22.0]),  # 30 h: three are running
    ],
)
def test_infusions_at_steady_state_that_still_run_end_in_their_time(amount, cycle, ends):
    row = dose(0.0, amount, rate=2.0, ss=1, ii=8.0)
    assert steady(row).tolist() == [cycle]
    found = events(row)
    assert found[0] == (0.0, "ss infusion", 2.0)
    assert [t for t, kind, v in found if v == -2.0] == [*ends, amount / 2]


def test_infusions_at_steady_state_that_still_run_where_the_compartment_is_switched_off_end_there():
    """30 h at 2 every 8 h: three run beside the record's own, one of them has ended by 10 h."""
    row, off = dose(0.0, 60.0, rate=2.0, ss=1, ii=8.0), {"time": 10.0, "evid": OFF}
    ends = [(t, v) for t, kind, v in events(row, off) if kind == "rate" and v < 0.0]
    assert ends[0] == (6.0, -2.0)
    assert {t for t, _ in ends[1:]} == {10.0}
    assert sum(v for _, v in ends) == -2.0 * 4


def test_a_lag_of_whole_intervals_is_one_however_they_round():
    """0.3 / 0.1 rounds to less than 3: three doses are on their way, and the first of them enters at the record."""
    row = dose(0.0, 10.0, ss=1, ii=0.1)
    assert steady(row, lag=0.3)[0, :2].tolist() == [0.1, 0.0]
    times = [t for t, kind, _ in events(row, lag=0.3) if kind == "bolus"]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_constant_infusion_gives_nothing_more():
    assert events(dose(2.0, 0.0, rate=3.0, ss=1)) == [(2.0, "ss constant", 3.0)]
    assert events(dose(2.0, 0.0, rate=3.0, ss=2)) == [(2.0, "+ss constant", 3.0)]


# --- order at one time ------------------------------------------------------------------------------------------------
def test_order_at_one_time():
    """Ends of infusions, additional doses, the rows with their doses, doses that a lag brings there."""
    found = events(
        dose(0.0, 20.0, rate=2.0),
        dose(2.0, 1.0, ii=8.0, addl=1),
        {"time": 10.0, "evid": 8, "amt": 3.0},
        dose(10.0, 4.0),
    )
    assert [e for e in found if e[0] == 10.0] == [
        (10.0, "rate", -2.0), (10.0, "bolus", 1.0), (10.0, "replace", 3.0), (10.0, "bolus", 4.0)
    ]  # fmt: skip
    lagged = events(dose(7.0, 1.0), {"time": 10.0, "evid": 8, "amt": 3.0}, lag=3.0)
    assert lagged == [(10.0, "replace", 3.0), (10.0, "bolus", 1.0)]


def test_rows_of_one_time_keep_their_order():
    found = events(dose(5.0, 1.0), {"time": 5.0, "evid": 3}, dose(5.0, 2.0), {"time": 5.0, "evid": 8, "amt": 9.0})
    assert [kind for _, kind, _ in found] == ["bolus", "reset", "bolus", "replace"]


@pytest.mark.parametrize("before", [3, 100])
def test_a_reset_comes_before_the_steady_state_of_its_record(before):
    """Among few events, which are sorted by insertion, and among many, which are merged."""
    reset = dose(1.5, 7.0, evid=4, ss=2, ii=9.0)
    found = events(dose(0.0, 1.0, ii=0.9, addl=before), reset)
    assert [e for e in found if e[0] == 1.5] == [(1.5, "reset", 0.0), (1.5, "+ss bolus", 7.0), (1.5, "bolus", 7.0)]


def test_observations_see_what_came_before_them():
    rows = [dose(0.0, 1.0, ii=4.0, addl=1), {"time": 4.0, "evid": 0}, dose(4.0, 2.0), {"time": 4.0, "evid": 0}]
    P = prepare(KERNEL, np.array([list(PLAIN.values())]).T)
    *_, order = timeline(KERNEL, block_of(rows, observations=True), P)
    assert order.tolist() == [1, 2, 3, 3]  # each row's own dose, the additional dose before the rows of its time


def test_a_dose_of_long_ago_enters_at_the_very_time_of_a_row():
    """A lag of 100 million hours and 0.1 from 100 million hours before 0 is known to 1.5e-8 alone."""
    rows = [dose(-1e8), {"time": 0.1, "evid": 0}]
    P = prepare(KERNEL, np.array([list((PLAIN | {"lag": 1e8 + 0.1}).values())]).T)
    ends, ev, *_ = timeline(KERNEL, block_of(rows, observations=True), P)
    assert (-1e8 + (1e8 + 0.1)) != 0.1
    assert ev.time[: ends[-1]].tolist() == [0.1]


# --- columns and switch times -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("lag", [0.0, 1.0])
@pytest.mark.parametrize("rank", [-3.0, 0.5])
def test_doses_take_what_holds_when_they_enter_with_and_without_lag(lag, rank):
    """What holds from 6 h on holds for a dose at 6 h; the lag is that of the record."""
    row = dose(0.0, 10.0, ii=6.0, addl=2)
    found = events(row, switches=[(6.0 + lag, rank, 1)], lag=lag)
    assert [(t, v) for t, kind, v in found if kind == "bolus"] == [(lag, 10.0), (6.0 + lag, 5.0), (12.0 + lag, 5.0)]
    assert (6.0 + lag, "row", 0.0) in found
    early = events(row, switches=[(0.5 * lag, rank, 1)], lag=lag)
    assert [v for _, kind, v in early if kind == "bolus"] == [5.0, 5.0, 5.0]


def test_switch_times_are_stops_while_their_column_is_in_force_and_none_comes_after_the_last_observation():
    kernel = Kernel(equations(lambda t, y, s, e: [where((t >= s) & (t < e), 1.0, -y[0])], [0.0], ["s", "e"]))
    P = prepare(kernel, np.array([[2.0, 5.0], [9.0, np.inf]]))
    ends, ev, *_ = timeline(kernel, block_of([{"time": 0.0, "evid": 2}], [(3.0, 0.5, 1)]), P)
    stops = [float(t) for t, k in zip(ev.time[: ends[-1]], ev.kind[: ends[-1]], strict=True) if k == STOP]
    assert stops == [2.0, 5.0]


# --- faults and bounds ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "values", "code"),
    [
        (dose(0.0), {"F": -0.1}, 1), (dose(0.0), {"F": np.nan}, 1), (dose(0.0), {"F": np.inf}, 1),
        (dose(0.0), {"lag": -1.0}, 2), (dose(0.0), {"lag": np.nan}, 2),
        (dose(0.0, rate=-1), {"rate": 0.0}, 3), (dose(0.0, rate=-1), {"rate": np.nan}, 3),
        (dose(0.0, rate=-2), {"tinf": 0.0}, 4), (dose(0.0, rate=-2), {"tinf": -3.0}, 4),
        (dose(0.0, rate=-1, cmt=1), {}, 3), (dose(0.0, rate=-2, cmt=1), {}, 4),
    ],
)  # fmt: skip
def test_a_dose_that_cannot_be_given_is_a_fault_of_its_record(row, values, code):
    with pytest.raises(DoseFault) as caught:
        events(dose(-5.0, cmt=1), row, **values)
    assert caught.value.args[:3] == (code, 0, 1)


def test_what_a_dose_does_not_use_is_not_looked_at():
    assert len(events(dose(0.0), dose(1.0, rate=2.0), rate=np.nan, tinf=-1.0)) == 3


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, float]]:
    clock = st.integers(0, 24).map(float)
    out = []
    for _ in range(draw(st.integers(1, 7))):
        row = {
            "time": draw(clock),
            "amt": float(draw(st.integers(1, 60))),
            "rate": draw(st.sampled_from([0, 0, 3.0, 7.0, -1, -2])),
        }
        row |= {"evid": draw(st.sampled_from([1, 1, 1, 0, 2, 3, 4, 8])), "ss": draw(st.sampled_from([0, 0, 1, 2]))}
        row |= {"ii": draw(st.sampled_from([2.0, 6.0])), "addl": draw(st.integers(0, 3))}
        out.append(row)
    return sorted(out, key=lambda r: r["time"])


@given(rows=rows(), lag=st.sampled_from([0.0, 1.0, 5.0]), switches=st.lists(st.integers(0, 24), max_size=3))
def test_events_are_counted_right_and_sorted_by_time_and_rank(rows, lag, switches):
    P = prepare(KERNEL, np.array([list((PLAIN | {"lag": lag}).values())]).T)
    block = block_of(rows, [(float(t), -3.0, 0) for t in sorted(switches)])
    ends, ev, *_ = timeline(KERNEL, block, P)
    count = int(ends[-1])
    assert count <= ev.time.size
    order = np.lexsort((np.arange(count), ev.rank[:count], ev.time[:count]))
    assert order.tolist() == list(range(count))
    net = ev.value[:count][ev.kind[:count] == RATE].sum()
    if not any(r["evid"] in (3, 4) or r["ss"] for r in rows):  # whatever is turned on is turned off
        assert net == pytest.approx(0.0, abs=1e-9)
