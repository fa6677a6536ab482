"""Random event tables whose times coincide in decimals, simulated by the library and by the twin in exact arithmetic.

``python tests/helpers/record_fuzz.py 1500`` compares so many tables and prints what differs.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from twin import Linear, Row, exact
from twin import simulate as slow

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.rules import NAMED, RecordRules
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import Solver

STATES = ("depot", "central", "peripheral")
HOURS = {"min": Fraction(1, 60), "h": Fraction(1), "d": Fraction(24)}
TICKS = {"min": ("6", "12", "18"), "h": ("0.1", "0.3", "0.5", "1.2"), "d": ("0.1", "0.05", "0.3")}
VALUES = ("CL", "Q", "ka", "F1", "lag1", "lag2", "dur1", "rate2", "base")
COLUMNS = ("TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS", "W")
CASES = [
    (unit, carry, rules)
    for unit in HOURS
    for carry in ("forward", "backward")
    for rules in (*NAMED.values(), RecordRules("dropped", "after", "after"))
]


def model_of(carry: str) -> Model:
    """Two compartments and a depot; clearance, bioavailability and baseline follow a covariate."""
    return Model(
        f"records {carry}",
        states=[State(name, "mg") for name in STATES],
        parameters=[
            Parameter("CL", 5.0, "L/h"), Parameter("V", 20.0, "L"), Parameter("Q", 4.0, "L/h"),
            Parameter("V2", 10.0, "L"), Parameter("ka", 0.9, "1/h"), Parameter("F1", 0.8, ""),
            Parameter("lag1", 0.0, "h"), Parameter("lag2", 0.0, "h"), Parameter("dur1", 2.0, "h"),
            Parameter("rate2", 10.0, "mg/h"), Parameter("base", 0.0, "mg"),
        ],
        covariates=[Covariate("W", "", 1.0, carry=carry)],  # type: ignore[arg-type]
        outputs=[Output("Cc", "mg/L")],
        individual=lambda p, cov: {"CLi": p.CL * cov.W, "Fi": p.F1 * cov.W},
        initial=lambda p, cov: {"central": p.base * cov.W},
        dosing=lambda p: {
            "depot": {"F": p.Fi, "tlag": p.lag1, "duration": p.dur1}, "central": {"tlag": p.lag2, "rate": p.rate2},
        },
        dynamics=lambda t, x, p: {
            "depot": -p.ka * x.depot,
            "central": p.ka * x.depot - (p.CLi + p.Q) / p.V * x.central + p.Q / p.V2 * x.peripheral,
            "peripheral": p.Q / p.V * x.central - p.Q / p.V2 * x.peripheral,
        },
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip


def matrix(p: dict[str, float]) -> np.ndarray:
    CL, V, Q, V2, ka = p["CL"] * p["W"], 20.0, p["Q"], 10.0, p["ka"]
    return np.array([[-ka, 0.0, 0.0], [ka, -(CL + Q) / V, Q / V2], [0.0, Q / V, -Q / V2]])


def words(p: dict[str, Any]) -> dict[int, dict[str, Any]]:
    F = exact(p["F1"]) * exact(p["W"])
    return {
        0: {"F": F, "tlag": exact(p["lag1"]), "duration": exact(p["dur1"])},
        1: {"tlag": exact(p["lag2"]), "rate": exact(p["rate2"])},
    }


@dataclass
class Person:
    """One table of one person: decimals as text, in the unit of the source; parameters, in h."""

    rows: list[dict[str, Any]]
    values: dict[str, float]


def decimal(number: Fraction) -> str:
    """Write a fraction that is a decimal."""
    text = f"{float(number):.9f}".rstrip("0").rstrip(".")
    assert Fraction(text) == number, number
    return text


def person(r: random.Random, unit: str) -> Person:
    """Return random records whose times, intervals, lags and durations are multiples of one tick."""
    tick, hours = Fraction(r.choice(TICKS[unit])), HOURS[unit]

    def ticks(low: int, high: int) -> Fraction:
        return tick * r.randint(low, high)

    values = {
        "CL": r.choice([4.0, 5.0, 8.0]), "Q": r.choice([2.0, 4.0]), "ka": r.choice([0.4, 0.9]),
        "F1": r.choice([0.5, 0.8, 1.0]), "base": r.choice([0.0, 0.0, 7.0]), "rate2": r.choice([5.0, 12.5]),
        "dur1": float(ticks(1, 8) * hours),
    }  # fmt: skip
    for lag in ("lag1", "lag2"):
        values[lag] = r.choice([0.0, float(ticks(1, 9) * hours)])
    now, rows, w = tick * r.choice([0, 0, 3, 7, -4]), [], "1"
    switched = False
    for k in range(r.randint(4, 11)):
        now += tick * r.choice([0, 0, 1, 2, 3, 5, 8, 13])
        w = r.choice([w, w, "0.8", "1", "2"])
        row = dict.fromkeys(COLUMNS, "0") | {"TIME": decimal(now), "W": w}
        kind = r.choices(["obs", "dose", "ss", "reset", "restart", "put", "off", "on"], [40, 32, 10, 5, 3, 3, 4, 3])[0]
        if k == 0 and kind in ("restart", "off", "on"):
            kind = "dose"
        if kind in ("reset", "restart"):
            row["EVID"] = r.choice(["3", "4"])
            now = now if kind == "reset" else tick * r.randint(-3, 3)
            row["TIME"] = decimal(now)
        if kind == "put":
            row |= {"EVID": "8", "CMT": r.choice("123"), "AMT": r.choice(["0", "12.5"])}
        if kind in ("off", "on"):
            row |= {"EVID": "2", "CMT": ("-" if kind == "off" else "") + r.choice("123")}
        if kind in ("dose", "ss") or row["EVID"] == "4":
            row |= dosed(r, not switched and (kind == "ss" or r.random() < 0.1), ticks, row["EVID"])
        switched |= kind == "off"
        rows.append(row)
    rows.append(dict.fromkeys(COLUMNS, "0") | {"TIME": decimal(now + ticks(0, 30)), "W": w})
    return Person(rows, values)


def dosed(r: random.Random, steady: bool, ticks: Any, evid: str) -> dict[str, str]:
    """Return the dose items of a record."""
    cmt = r.choice("112223")
    row = {"EVID": "4" if evid == "4" else "1", "CMT": cmt, "AMT": r.choice(["20", "50", "100"])}
    kinds = ["bolus", "bolus", "rate", "rate"] + {"1": ["-2"], "2": ["-1"], "3": []}[cmt]
    kind = r.choice(kinds)
    if kind in ("-1", "-2"):
        row["RATE"] = kind
    elif kind == "rate":
        rate, duration = Fraction(r.choice(["2", "5", "12.5"])), ticks(1, 14)
        row |= {"AMT": decimal(rate * duration), "RATE": decimal(rate)}
    if steady:
        row |= {"SS": r.choice("1123"), "II": decimal(ticks(3, 12))}
        if r.random() < 0.1:
            row |= {"AMT": "0", "II": "0", "RATE": r.choice(["2", "12.5"])}
            return row
    if r.random() < 0.6:
        row |= {"II": row.get("II", decimal(ticks(1, 12))), "ADDL": str(r.randint(1, 6))}
    return row


def exact_rows(rows: list[dict[str, Any]], unit: str) -> list[Row]:
    """Return the rows of one person in h, the clock running on where it starts again."""
    out, shift, hours = [], Fraction(0), HOURS[unit]
    last = None
    for row in rows:
        time, evid = Fraction(row["TIME"]) * hours, int(row["EVID"])
        again = last is not None and time < last
        if again:
            shift = out[-1].time - time
        last = time
        rate, cmt = Fraction(row["RATE"]), int(row["CMT"])
        out.append(
            Row(
                time + shift, evid, max(abs(cmt) - 1, 0), Fraction(row["AMT"]), rate / hours if rate > 0 else rate,
                Fraction(row["II"]) * hours, int(row["ADDL"]), {3: 1}.get(int(row["SS"]), int(row["SS"])), cmt < 0,
                cmt != 0, again,
            )
        )  # fmt: skip
    return out


def by_twin(one: Person, unit: str, carry: str, rules: RecordRules) -> np.ndarray:
    """Return the states at every row, (rows, 3)."""
    steps = [one.values | {"W": float(row["W"])} for row in one.rows]
    start = lambda p: [0.0, p["base"] * p["W"], 0.0]  # noqa: E731
    return slow(Linear(matrix), start, None, exact_rows(one.rows, unit), words, steps, carry, rules=rules)


def table_of(people: list[Person], unit: str, rules: RecordRules) -> EventTable:
    frame = pd.DataFrame([{"ID": i, **row} for i, one in enumerate(people, start=1) for row in one.rows])
    return read_events(frame.astype(float).astype({"ID": int}), time_unit=unit, rules=rules)


def by_library(
    model: Model, people: list[Person], unit: str, rules: RecordRules, method: Solver = "auto"
) -> np.ndarray:
    """Return the states at every row of all people, (rows, 3)."""
    given = {name: np.array([one.values[name] for one in people]) for name in VALUES}
    who = Population.draw(model, len(people), parameters=given)
    found = simulate(model, table_of(people, unit, rules), who, outputs=list(STATES), method=method, on_failure="raise")
    return np.column_stack([found[name].to_numpy() for name in STATES])


def differences(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the largest difference of each row in units of what is allowed: 1e-8 of the largest amount."""
    return np.abs(found - expected).max(axis=1) / (1e-8 * max(np.abs(expected).max(), 1.0))


def compare(tables: int, seed: int = 0, method: Solver = "auto") -> list[str]:
    """Return what differs, one line a table."""
    models = {carry: model_of(carry) for carry in ("forward", "backward")}
    wrong = []
    each = -(-tables // len(CASES))
    left = tables
    for number, (unit, carry, rules) in enumerate(CASES):
        people = [person(random.Random(f"{seed} {number} {i}"), unit) for i in range(min(each, left))]
        left -= len(people)
        if not people:
            break
        found = by_library(models[carry], people, unit, rules, method)
        first = 0
        for i, one in enumerate(people):
            off = differences(by_twin(one, unit, carry, rules), found[first : first + len(one.rows)])
            first += len(one.rows)
            if not (off <= 1.0).all():
                row = int(np.argmax(~(off <= 1.0)))
                wrong.append(
                    f"{unit}, {carry}, {rules}, table {i}, row {row + 1}: {off[row]:.3g} times what is allowed"
                )
    return wrong


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    began = time.perf_counter()
    problems = compare(count, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    took = time.perf_counter() - began
    result = f"{count} random event tables against exact arithmetic: {len(problems)} wrong ({took:.0f} s)"
    sys.stdout.write("\n".join([*problems[:20], result, ""]))
    sys.exit(bool(problems))
