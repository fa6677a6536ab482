"""The engine against an established simulator's results and, for every kind of record, against the slow twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engine_tools import reference_model
from reference_data import CASES
from twin import Row as Record
from twin import exact
from twin import simulate as slow
from twin_models import MODELS

from pkpd.dosing.events import EventTable, read_events
from pkpd.errors import RegimenError
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import Solver

FILES = {"pkpd": "pkpd7"}
EVERY_METHOD = ("auto", "tsit5", "dop853", "rodas5p")

Row = dict[str, Any]


def assert_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Compare to 1e-6 relative; of a value below 1e-7 of its column's largest to that share of the largest.

    Both references are solved with an absolute tolerance of 1e-13, which is all that is left of a depot after some
    hundred hours: below 1e-7 of the dose they do not know their own sixth digit.
    """
    scale = np.maximum(np.abs(expected), 1e-7 * np.abs(expected).max(initial=1e-9))
    worst = int(np.argmax(np.abs(found - expected) / scale))
    assert np.all(np.abs(found - expected) <= 1e-6 * scale), (
        f"{what}, row {worst + 1}: {found[worst]} for {expected[worst]}"
    )


# --- results of mrgsolve ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("name", CASES)
def test_reference_is_reproduced(name, method):
    case = CASES[name]
    model = reference_model(FILES.get(case.model, case.model))
    model = model.replace(values={k: v for k, v in case.params.items() if k in model.parameters})
    expected = case.expected()
    events = read_events(case.events, rules="mrgsolve")  # whose results these are
    sims = simulate(model, events, outputs=[*model.states, "CONC"], method=method)
    compared = [n for n in (*model.states, "CONC") if n in expected.columns]
    assert len(compared) >= 3
    for column in compared:
        assert_close(sims[column].to_numpy(), expected[column].to_numpy(float), f"{name}, {column}")


# --- the twin, for what the reference lacks ---------------------------------------------------------------------------
def obs(*times: float) -> list[Row]:
    return [{"TIME": t, "EVID": 0} for t in times]


def dose(time: float, amt: float, cmt: int = 1, **more: Any) -> Row:
    return {"TIME": time, "EVID": 1, "AMT": amt, "CMT": cmt, **more}


def table(*rows: Row, subject: Any = 1) -> pd.DataFrame:
    """Return event rows as a data set; what a row does not name is 0."""
    columns = ("TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS")
    extra = [name for name in rows[0] if name not in columns]
    frame = pd.DataFrame([{"ID": subject, **dict.fromkeys(columns, 0), **row} for row in rows])
    assert not frame[extra].isna().to_numpy().any()
    return frame


def states_of_twin(events: EventTable, model: Model, **more: Any) -> np.ndarray:
    """Return the twin's states at every row, all subjects in order."""
    records = rows_of_twin(events, model)
    bounds = zip(events.starts[:-1], events.starts[1:], strict=True)
    return np.concatenate([slow(records=records[a:b], rules=events.rules, **more) for a, b in bounds])


def rows_of_twin(events: EventTable, model: Model) -> list[Record]:
    """Return all rows as the twin reads them."""
    cmt = events.records(tuple(model.states))["cmt"].tolist()
    columns = [events.frame[name].tolist() for name in ("EVID", "AMT", "RATE", "II", "ADDL", "SS", "TIME", "ID")]
    out, last = [], (None, 0.0)
    for k, (evid, amt, rate, ii, addl, ss, time, who) in enumerate(zip(*columns, strict=True)):
        again = last[0] == who and time < last[1]
        last = who, time
        values = exact(events.clock[k]), evid, cmt[k], exact(amt), exact(rate), exact(ii), addl, ss
        out.append(Record(*values, again=again))
    return out


def compare(
    name: str, values: Mapping[str, float], rows: Sequence[Row], methods: Sequence[Solver] = EVERY_METHOD
) -> None:
    plain = MODELS[name]
    model = reference_model(FILES.get(name, name)).replace(values=dict(values))
    p = {n: q.value for n, q in model.parameters.items()}
    events = read_events(table(*rows))
    expected = states_of_twin(events, model, flow=plain.rhs, y0=plain.y0, p=p, dosing=plain.dosing(p))
    for method in methods:
        sims = simulate(model, events, outputs=list(model.states), method=method)
        for k, state in enumerate(model.states):
            assert_close(sims[state].to_numpy(), expected[:, k], f"{method}, {state}")


LATER = obs(0.5, 1.7, 3.0, 7.5, 12.0, 13.3, 24.0, 31.0, 48.0)


def between(*rows: Row) -> list[Row]:
    """Sort rows into the usual observations; at equal times observations come first."""
    return sorted([*obs(0.0), *LATER, *rows], key=lambda row: (row["TIME"], row["EVID"] != 0))


RECORDS = {
    "modelled rate, F and lag": (
        {"RAT2": 12.5, "F2P": 0.6, "LAG2": 1.1},
        between(dose(0.0, 100.0, 2, RATE=-1, II=12.0, ADDL=2)),
    ),
    "modelled duration, overlapping itself": (
        {"DUR1": 5.0, "F1P": 0.7},
        between(dose(0.0, 80.0, 1, RATE=-2, II=3.0, ADDL=4)),
    ),
    "modelled rate at steady state": ({"RAT2": 40.0}, between(dose(0.0, 100.0, 2, RATE=-1, II=8.0, ADDL=1, SS=1))),
    "amount replaced": (
        {},
        between(dose(0.0, 100.0), dose(5.0, 7.0, 2, EVID=8), dose(13.3, 0.0, 1, EVID=8), dose(20.0, 30.0, 3)),
    ),
    "amount replaced during an infusion": ({}, between(dose(0.0, 100.0, 2, RATE=10.0), dose(5.0, 7.0, 2, EVID=8))),
    "steady state added to what is there": (
        {},
        between(dose(0.0, 100.0), dose(6.0, 40.0, 2, II=12.0, SS=2, ADDL=1), dose(7.5, 20.0, 1, II=8.0, SS=2)),
    ),
    "steady state of infusions added to a running infusion": (
        {},
        between(dose(0.0, 100.0, 2, RATE=5.0), dose(6.0, 40.0, 2, RATE=20.0, II=12.0, SS=2)),
    ),
    "constant infusion": ({}, between(dose(0.0, 0.0, 2, RATE=12.0, SS=1))),
    "constant infusion that an infusion follows": (
        {},
        between(dose(0.0, 0.0, 2, RATE=12.0, SS=1), dose(0.0, 60.0, 2, RATE=12.0)),
    ),
    "steady state with lag": ({"LAG1": 3.5, "F1P": 0.8}, between(dose(0.0, 100.0, 1, II=8.0, SS=1, ADDL=2))),
    "infusions at steady state with lag": (
        {"LAG2": 2.5},
        between(dose(0.0, 100.0, 2, RATE=25.0, II=8.0, SS=1, ADDL=1)),
    ),
    "overlapping infusions at steady state": ({}, between(dose(0.0, 140.0, 2, RATE=10.0, II=6.0, SS=1, ADDL=2))),
    "overlapping infusions at steady state with lag": (
        {"LAG2": 2.0},
        between(dose(0.0, 140.0, 2, RATE=10.0, II=6.0, SS=1, ADDL=1)),
    ),
    "infusions at steady state that just meet": ({}, between(dose(0.0, 120.0, 2, RATE=10.0, II=12.0, SS=1))),
    "infusion of a whole number of intervals": ({}, between(dose(0.0, 120.0, 2, RATE=10.0, II=6.0, SS=1))),
    "steady state later, over running doses": (
        {"LAG1": 1.0},
        between(dose(0.0, 100.0, 1, II=12.0, ADDL=3), dose(13.3, 50.0, 1, II=6.0, SS=1, ADDL=1)),
    ),
    "reset in an infusion, doses to come": (
        {},
        between(dose(0.0, 90.0, 2, RATE=10.0, II=24.0, ADDL=1), {"TIME": 5.0, "EVID": 3}),
    ),
    "reset and dose in an infusion": (
        {},
        between(dose(0.0, 90.0, 2, RATE=10.0), dose(4.0, 30.0, 2, EVID=4, RATE=60.0)),
    ),
    "reset and steady state": ({}, between(dose(0.0, 90.0), dose(7.5, 30.0, 1, EVID=4, II=12.0, SS=1))),
    "reset and dose with lag": ({"LAG1": 2.0}, between(dose(0.0, 90.0), dose(1.0, 30.0, 1, EVID=4))),
    "no bioavailability": ({"F1P": 0.0}, between(dose(0.0, 100.0), dose(3.0, 50.0, 2))),
    "other events and times before zero": (
        {"LAG1": 0.25},
        [*obs(-30.0), dose(-24.0, 100.0, 1, II=8.0, ADDL=4), {"TIME": -3.0, "EVID": 2}, *between()],
    ),
    "doses and observations at one time, in the order of rows": (
        {"LAG1": 6.0},
        [
            dose(0.0, 100.0, 1, II=12.0, ADDL=2), dose(0.0, 50.0, 2, RATE=25.0), *obs(2.0), dose(2.0, 10.0, 2),
            *obs(2.0, 6.0), dose(6.0, 10.0, 3), *obs(6.0, 12.0), dose(12.0, 5.0, 2), *obs(12.0, 18.0, 30.0),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", RECORDS)
def test_every_kind_of_record_means_what_it_means_to_the_twin(what):
    values, rows = RECORDS[what]
    compare("lin", values, rows)


SATURABLE = {
    "doses": between(dose(0.0, 200.0, 1, II=12.0, ADDL=2), dose(3.0, 90.0, 2, RATE=30.0)),
    "steady state": between(dose(0.0, 60.0, 1, II=12.0, SS=1, ADDL=1)),
    "steady state of infusions": between(dose(0.0, 60.0, 2, RATE=15.0, II=12.0, SS=1)),
    "overlapping infusions at steady state": between(dose(0.0, 42.0, 2, RATE=6.0, II=6.0, SS=1)),
    "constant infusion": between(dose(0.0, 0.0, 2, RATE=6.0, SS=1)),
    "reset and replacement": between(dose(0.0, 100.0), {"TIME": 3.0, "EVID": 3}, dose(7.5, 25.0, 2, EVID=8)),
}


@pytest.mark.parametrize("what", SATURABLE)
def test_saturable_elimination(what):
    compare("mm", {}, SATURABLE[what])


def test_a_steady_state_cannot_be_added_where_equations_are_not_linear():
    with pytest.raises(RegimenError, match="holds for linear equations only"):
        compare("mm", {}, between(dose(0.0, 100.0), dose(7.5, 30.0, 1, II=12.0, SS=2)))


def test_transit_chain_with_steady_state():
    compare("transit", {}, between(dose(0.0, 100.0, 1, II=12.0, SS=1, ADDL=1), dose(24.0, 50.0, 8, RATE=25.0)))


def test_turnover_with_a_baseline_at_steady_state_and_after_a_reset():
    rows = between(dose(0.0, 300.0, 2, II=24.0, SS=1, ADDL=1), {"TIME": 31.0, "EVID": 3}, dose(31.0, 50.0, 1))
    compare("pkpd", {}, rows)


def test_target_mediated_disposition_at_steady_state_and_beyond():
    rows = between(dose(0.0, 60.0, 1, II=24.0, SS=1, ADDL=1), dose(31.0, 20.0, 2))
    compare("tmdd", {}, rows, ("auto", "rodas5p"))


# --- covariates and occasions -----------------------------------------------------------------------------------------
def _course_model(carry: str, iov: bool = False) -> Model:
    """One compartment whose bioavailability, clearance and volume follow a weight."""
    return Model(
        f"course {carry}",
        states=[State("depot", "mg"), State("central", "mg")],
        parameters=[
            Parameter("TVCL", 5.0, "L/h", iov_cv=0.4 if iov else None),
            Parameter("TVV", 50.0, "L"),
            Parameter("ka", 0.9, "1/h"),
            Parameter("TVF", 0.9, ""),
        ],
        covariates=[Covariate("WT", "kg", 70.0, carry=carry)],  # type: ignore[arg-type]
        outputs=[Output("Cc", "mg/L")],
        individual=lambda p, cov: {
            "CL": p.TVCL * (cov.WT / 70) ** 0.75, "V": p.TVV * (cov.WT / 70), "F": p.TVF / (1 + (cov.WT / 70))
        },
        dosing=lambda p: {"depot": {"F": p.F}},
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip


WEIGHTS = [70.0, 70.0, 50.0, 50.0, 90.0, 140.0, 35.0, 35.0, 35.0]
COURSE = [
    dose(0.0, 100.0, 1, II=8.0, ADDL=3), *obs(1.0, 5.0, 8.0, 9.0, 16.0), dose(17.0, 50.0, 2, RATE=10.0),
    *obs(20.0, 30.0),
]  # fmt: skip


def _individual(weight: float, clearance: float = 5.0) -> dict[str, float]:
    return {
        "CL": clearance * (weight / 70) ** 0.75, "V": 50.0 * weight / 70, "ka": 0.9, "F": 0.9 / (1 + weight / 70)
    }  # fmt: skip


def _course_rhs(t: float, y: np.ndarray, p: Mapping[str, float]) -> list[float]:
    return [-p["ka"] * y[0], p["ka"] * y[0] - p["CL"] / p["V"] * y[1]]


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("carry", ["forward", "backward"])
def test_covariates_are_carried_forward_or_backward(carry, method):
    rows = [row | {"WT": w} for row, w in zip(COURSE, WEIGHTS, strict=False)]
    model, events = _course_model(carry), read_events(table(*rows))
    steps = [_individual(row["WT"]) for row in rows]
    expected = states_of_twin(
        events, model, flow=_course_rhs, y0=lambda p: [0.0, 0.0], p=None, carry=carry, row_parameters=steps,
        dosing=lambda p: {0: {"F": p["F"]}},
    )  # fmt: skip
    sims = simulate(model, events, outputs=["depot", "central", "Cc"], method=method)
    assert_close(sims["depot"].to_numpy(), expected[:, 0], "depot")
    assert_close(sims["central"].to_numpy(), expected[:, 1], "central")
    assert_close(sims["Cc"].to_numpy(), expected[:, 1] / [p["V"] for p in steps], "Cc")


@pytest.mark.parametrize("method", ["auto", "tsit5", "rodas5p"])
def test_covariates_are_interpolated(method):
    rows = [row | {"WT": w} for row, w in zip(COURSE, WEIGHTS, strict=False)]
    for row in rows:  # one dose a record: the twin fixes an additional dose's F at rows
        row.update({"ADDL": 0, "II": 0.0})
    model, events = _course_model("linear"), read_events(table(*rows))
    times = [row["TIME"] for row in rows]

    def rhs(t: float, y: np.ndarray, p: Any) -> list[float]:
        return _course_rhs(t, y, _individual(float(np.interp(t, times, WEIGHTS[: len(times)]))))

    assert np.all(np.diff(times) > 0)  # the twin stops at every row, so at every kink
    factors = [{0: {"F": _individual(row["WT"])["F"]}} for row in rows]
    expected = states_of_twin(
        events, model, flow=rhs, y0=lambda p: [0.0, 0.0], p=None, row_parameters=factors, dosing=lambda p: p
    )
    sims = simulate(model, events, outputs=["depot", "central", "Cc"], method=method)
    volumes = [_individual(row["WT"])["V"] for row in rows]
    assert_close(sims["central"].to_numpy(), expected[:, 1], "central")
    assert_close(sims["Cc"].to_numpy(), expected[:, 1] / volumes, "Cc")


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_occasions_of_a_data_set_change_the_parameters_of_each_subject(method):
    """Two subjects; occasions are numbered as the data like, and begin with their first row."""
    model = _course_model("forward", iov=True)
    first = [row | {"WT": 70.0, "OCC": occ} for row, occ in zip(COURSE, [1, 1, 1, 2, 2, 2, 3, 3, 3], strict=False)]
    second = [row | {"WT": 60.0, "OCC": occ} for row, occ in zip(COURSE, [4, 4, 7, 7, 7, 7, 7, 7, 7], strict=False)]
    events = read_events(pd.concat([table(*first), table(*second, subject=2)]))
    people = Population.draw(model, 2, covariates={"WT": [70.0, 60.0]}, n_occasions=3, seed=4)
    assert np.abs(people.kappas).min() > 0.01
    sims = simulate(model, events, people, outputs=["depot", "central", "CL"], method=method)
    occasion = [[0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 1, 1, 1, 1]]
    expected, clearance = [], []
    for i, rows in enumerate((first, second)):
        steps = [
            _individual(r["WT"], 5.0 * np.exp(people.kappas[i, o, 0])) for r, o in zip(rows, occasion[i], strict=False)
        ]
        clearance += [p["CL"] for p in steps]
        records = rows_of_twin(events, model)[events.starts[i] : events.starts[i + 1]]
        expected.append(
            slow(_course_rhs, lambda p: [0.0, 0.0], None, records, lambda p: {0: {"F": p["F"]}}, row_parameters=steps)
        )
    both = np.concatenate(expected)
    assert_close(sims["central"].to_numpy(), both[:, 1], "central")
    np.testing.assert_allclose(sims["CL"], clearance, rtol=1e-12)


def test_subjects_of_a_data_set_do_not_touch_each_other():
    """IDs that come again, different numbers of rows, a clock that starts anew after a reset."""
    rows = [
        [dose(0.0, 100.0, 1, II=12.0, ADDL=3), *obs(1.0, 40.0)],
        [*obs(5.0), dose(6.0, 50.0, 2, RATE=20.0), *obs(7.0, 7.0, 9.0, 80.0)],
        [dose(-3.0, 80.0, 1, SS=1, II=24.0), *obs(0.0)],
        [dose(10.0, 30.0), *obs(11.0), dose(0.0, 60.0, 1, EVID=4), *obs(2.0)],
    ]
    frame = pd.concat([table(*r, subject=i) for r, i in zip(rows, (3, 9, 3, 11), strict=True)])
    events, model, plain = read_events(frame), reference_model("lin"), MODELS["lin"]
    p = {n: q.value for n, q in model.parameters.items()}
    expected = states_of_twin(events, model, flow=plain.rhs, y0=plain.y0, p=p, dosing=plain.dosing(p))
    for method in EVERY_METHOD:
        sims = simulate(model, events, outputs=list(model.states), method=method)
        assert sims["subject"].to_numpy().tolist() == ["3", "9", "3.1", "11"]
        for k, state in enumerate(model.states):
            assert_close(sims[state].to_numpy(), expected[:, k], f"{method}, {state}")
