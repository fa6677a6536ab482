"""A slow and obvious simulator of one subject, independent of the library, that the fast engine is checked against.

Meanings are NONMEM's, as mrgsolve 2 implements them (``reference/simulation/README.md`` of the shared folder). At one
time the order is: ends of infusions; doses implied by ADDL without lag; the rows, in the order of the file; doses
delayed by a lag, and their ADDL.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from pkpd.dosing.record import RECORD

Rhs = Callable[[float, np.ndarray, Any], Any]
Dosing = Mapping[int, Mapping[str, float]]


def records(*rows: Mapping[str, float]) -> np.ndarray:
    """Return a RECORD array from rows such as ``{"time": 0, "evid": 1, "amt": 100}``; fields not named are 0."""
    table = np.zeros(len(rows), RECORD)
    for i, row in enumerate(rows):
        for name, value in row.items():
            table[i][name] = value
    return table


def simulate(
    rhs: Rhs,
    y0: Callable[[Any], Sequence[float]],
    p: Any,
    records: np.ndarray,
    dosing: Dosing | Callable[[Any], Dosing] | None = None,
    row_parameters: Sequence[Any] | None = None,
    carry: str = "forward",
    method: str = "LSODA",
) -> np.ndarray:
    """Return the states at every row, after the row has taken effect.

    Parameters
    ----------
    rhs : callable (t, y, p) -> dy
    y0 : callable p -> states at the first row and after a reset
    p : parameters, whatever ``rhs`` and ``y0`` take
    records : structured array of RECORD's fields, in the order of the file; times must not fall
    dosing : {compartment: {"F", "tlag", "rate", "duration"}}, or a function of p that returns it
    row_parameters : parameters of each row, instead of p
    carry : "backward" if a row's parameters hold over the interval that ends there, "forward" if from there on
    method : of scipy.integrate.solve_ivp

    Returns
    -------
    array, (rows, states)
    """
    steps = [p] * len(records) if row_parameters is None else list(row_parameters)
    rules = dosing if callable(dosing) else (lambda _: dosing or {})
    if carry not in ("backward", "forward") or len(steps) != len(records) or (np.diff(records["time"]) < 0).any():
        raise ValueError("carry, row_parameters or the order of the records is wrong")
    subject = Subject(rhs, y0, rules, method, float(records["time"][0]), np.array(y0(steps[0]), dtype=float))
    result = []
    for i, row in enumerate(records):
        between = steps[i] if carry == "backward" else steps[max(i - 1, 0)]
        subject.catch_up(float(row["time"]), between)
        subject.take(row, steps[i])
        result.append(subject.y.copy())
    return np.array(result)


@dataclass(frozen=True)
class Amount:
    """One dose as the body gets it: a bolus if rate is 0, else rate over duration."""

    cmt: int
    amt: float
    rate: float
    duration: float


@dataclass
class Subject:
    """State, running infusions and doses still to come of one subject."""

    rhs: Rhs
    y0: Callable[[Any], Sequence[float]]
    rules: Callable[[Any], Dosing]
    method: str
    t: float
    y: np.ndarray
    running: list[tuple[float, int, float]] = field(default_factory=list)  # end, compartment, rate
    pending: list[tuple[float, bool, int, Any]] = field(default_factory=list)  # time, lagged, serial, dose
    serial: itertools.count = field(default_factory=itertools.count)

    def catch_up(self, until: float, p: Any) -> None:
        """Give all doses that come before a row at this time, then integrate up to it."""
        while self.pending and (self.pending[0][0] < until or (self.pending[0][0] == until and not self.pending[0][1])):
            time, lagged, _, dose = heapq.heappop(self.pending)
            self.advance(time, p)
            self.give(dose if lagged else self.amount(dose, p))
        self.advance(until, p)

    def advance(self, until: float, p: Any) -> None:
        """Integrate to a time, stopping where an infusion ends."""
        while self.t < until:
            stop = min([until, *(end for end, _, _ in self.running if end > self.t)])
            self.y = self.solve(self.y, self.t, stop, p, self.running)
            self.t = stop
            self.running = [r for r in self.running if r[0] > stop]

    def solve(self, y: np.ndarray, start: float, stop: float, p: Any, running: Sequence[tuple]) -> np.ndarray:
        """Integrate over an interval in which the infusions do not change."""
        inflow = np.zeros(y.size)
        for _, cmt, rate in running:
            inflow[cmt] += rate
        solution = solve_ivp(
            lambda t, x: np.asarray(self.rhs(t, x, p), dtype=float) + inflow,
            (start, stop), y, self.method, t_eval=[stop], rtol=1e-11, atol=1e-13,
        )  # fmt: skip
        if not solution.success:
            raise RuntimeError(f"t = {start}: {solution.message}")
        return solution.y[:, -1]

    def take(self, row: np.void, p: Any) -> None:
        """Let one row of the data take effect."""
        evid = int(row["evid"])
        if evid in (3, 4):
            self.y, self.running = np.array(self.y0(p), dtype=float), []
        if evid == 8:
            self.y[int(row["cmt"])] = row["amt"]
        if evid in (1, 4):
            self.dose(row, p)

    def dose(self, row: np.void, p: Any) -> None:
        """Bring to steady state if asked, give or delay the dose, and plan its additional doses."""
        lag = self.rules(p).get(int(row["cmt"]), {}).get("tlag", 0.0)
        constant = row["ss"] > 0 and row["amt"] == 0
        dose = self.amount(row, p)
        if row["ss"] > 0:
            self.settle(dose, float(row["ii"]), lag, add=row["ss"] == 2, constant=constant, p=p)
        if constant:
            return
        first = float(row["time"]) + lag
        if lag > 0:
            self.plan(first, True, dose)
        else:
            self.give(dose)
        for k in range(1, int(row["addl"]) + 1):
            self.plan(first + k * float(row["ii"]), lag > 0, dose if lag > 0 else row)

    def plan(self, time: float, lagged: bool, dose: Amount | np.void) -> None:
        heapq.heappush(self.pending, (time, lagged, next(self.serial), dose))

    def amount(self, row: np.void, p: Any) -> Amount:
        """Apply bioavailability and a modelled rate or duration to a dose."""
        rule = self.rules(p).get(int(row["cmt"]), {})
        amt = float(row["amt"]) * rule.get("F", 1.0)
        rate = float(row["rate"])
        if rate == -2:
            rate = amt / rule["duration"]
        elif rate == -1:
            rate = rule["rate"]
        return Amount(int(row["cmt"]), amt, rate, amt / rate if rate > 0 else 0.0)

    def give(self, dose: Amount) -> None:
        """Start a dose now."""
        if dose.rate == 0:
            self.y[dose.cmt] += dose.amt
        elif dose.duration > 0:
            self.running.append((self.t + dose.duration, dose.cmt, dose.rate))

    def settle(self, dose: Amount, ii: float, lag: float, add: bool, constant: bool, p: Any) -> None:
        """Replace the state by the steady state of a dose every ii, or add the steady state to it."""
        if lag > ii > 0:
            raise ValueError(f"a lag of {lag} is longer than the interval {ii} of a steady state")
        start, counters = np.array(self.y0(p), dtype=float), self.counters(p)
        steady = self.plateau(dose, start, counters, p) if constant else self.trough(dose, start, ii, counters, p)
        running = []
        if not constant:
            if lag > 0:
                steady = self.cycle(dose, steady, ii, ii - lag, p)
            starts = (self.t + lag - k * ii for k in range(1, 2 + math.ceil(dose.duration / ii)))
            running = [(s + dose.duration, dose.cmt, dose.rate) for s in starts if s + dose.duration > self.t]
        if add:
            self.y = np.where(counters, self.y, self.y + steady)
            self.running += running
        else:
            self.y, self.running = np.where(counters, start, steady), running

    def trough(self, dose: Amount, y: np.ndarray, ii: float, counters: np.ndarray, p: Any) -> np.ndarray:
        """Repeat the dosing interval until the state before the dose no longer changes."""
        for _ in range(5000):
            last, y = y, np.where(counters, 0.0, self.cycle(dose, y, ii, ii, p))
            if (abs(y - last) <= 1e-12 * abs(y) + 1e-13).all():
                return y
        raise RuntimeError(f"no steady state after 5000 intervals of {ii}")

    def cycle(self, dose: Amount, y: np.ndarray, ii: float, length: float, p: Any) -> np.ndarray:
        """Give a dose and follow it for a part of the interval, with what overlaps from the doses before."""
        y = y.copy()
        if dose.rate == 0:
            y[dose.cmt] += dose.amt
        whole = math.floor(dose.duration / ii)
        rest = dose.duration - whole * ii
        inflow, t = [(0.0, dose.cmt, dose.rate)], self.t
        for stop, count in ((min(rest, length), whole + 1), (length, whole)):
            if self.t + stop > t:
                y, t = self.solve(y, t, self.t + stop, p, inflow * count), self.t + stop
        return y

    def plateau(self, dose: Amount, y: np.ndarray, counters: np.ndarray, p: Any) -> np.ndarray:
        """Infuse for ever longer until the state no longer changes."""
        for k in range(40):
            last, y = y, np.where(counters, 0.0, self.solve(y, 0.0, 2.0**k, p, [(0.0, dose.cmt, dose.rate)]))
            if k > 4 and (abs(y - last) <= 1e-12 * abs(y) + 1e-13).all():
                return y
        raise RuntimeError("no steady state of a constant infusion")

    def counters(self, p: Any) -> np.ndarray:
        """Return which states only accumulate: those that no equation depends on, such as an area under a curve."""
        random = np.random.default_rng(1)
        used = np.zeros(self.y.size, dtype=bool)
        for _ in range(3):
            y = random.uniform(0.5, 2.0, self.y.size)
            base = np.asarray(self.rhs(self.t, y, p), dtype=float)
            for j in range(y.size):
                moved = y.copy()
                moved[j] *= 1.5
                used[j] |= bool((np.asarray(self.rhs(self.t, moved, p), dtype=float) != base).any())
        return ~used
