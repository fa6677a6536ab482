"""A slow and obvious simulator of one subject, that the fast engine is checked against.

It is written from NONMEM's user's guide VI (PREDPP), chapters III and V, and shares no code with the engine. Times,
intervals, lags and durations are fractions made of the decimals that a table holds, so that times that are equal in
decimals are equal here. At one time the order is: ends of infusions; doses that an earlier record implies (a lagged
dose, an additional dose); the rows, in the order of the file (guide, appendix III.C). Where programs differ,
``RecordRules`` say what is meant. A steady state is what the doses, given one by one from long ago, lead to.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from pkpd.dosing.rules import RecordRules

Rhs = Callable[[float, np.ndarray, Any], Any]
Dosing = Mapping[int, Mapping[str, float]]
Inflow = Sequence[tuple[int, float]]
MANY = 30000


def exact(number: Any) -> Fraction:
    """Return a number as the decimal that it is written as."""
    return number if isinstance(number, Fraction) else Fraction(repr(float(number)))


@dataclass(frozen=True)
class Row:
    """One record in NONMEM's words; ``off``: its CMT has a minus; ``again``: the clock starts again there."""

    time: Fraction
    evid: int = 0
    cmt: int = 0
    amt: Fraction = Fraction(0)
    rate: Fraction = Fraction(0)
    ii: Fraction = Fraction(0)
    addl: int = 0
    ss: int = 0
    off: bool = False
    named: bool = True
    again: bool = False


def records(*rows: Mapping[str, Any]) -> list[Row]:
    """Return rows such as ``{"time": 0, "evid": 1, "amt": 100}``; fields not named are 0."""
    return [as_row({"time": 0.0} | dict(row)) for row in rows]


def as_row(given: Mapping[str, Any]) -> Row:
    """Return a row from numbers."""
    exactly = ("time", "amt", "rate", "ii")
    items: dict[str, Any] = {}
    for name, value in given.items():
        items[name] = exact(value) if name in exactly else value
    return Row(**items)


class Flow(Protocol):
    """Moves states on while nothing happens."""

    @property
    def noise(self) -> float:
        """Relative size of a change that says nothing: the error of one move."""
        ...

    def rhs(self, t: float, y: np.ndarray, p: Any) -> Any:
        """Return the derivatives without infusions."""
        ...

    def move(self, y: np.ndarray, start: Fraction, stop: Fraction, p: Any, inflow: Inflow) -> np.ndarray:
        """Return the states at stop, infusions being (compartment, rate)."""
        ...


@dataclass
class Ode:
    """Any equations, integrated by scipy."""

    rhs: Rhs
    method: str = "LSODA"
    noise: float = 1e-10

    def move(self, y: np.ndarray, start: Fraction, stop: Fraction, p: Any, inflow: Inflow) -> np.ndarray:
        added = np.zeros(y.size)
        for cmt, rate in inflow:
            added[cmt] += rate
        span = (float(start), float(stop))
        solution = solve_ivp(
            lambda t, x: np.asarray(self.rhs(t, x, p), dtype=float) + added,
            span, y, self.method, t_eval=[span[1]], rtol=1e-11, atol=1e-13,
        )  # fmt: skip
        if not solution.success:
            raise RuntimeError(f"t = {start}: {solution.message}")
        return solution.y[:, -1]


@dataclass
class Linear:
    """Linear equations ``y' = A(p) y + inflow``, by the exponential of a matrix over the exact length of the step."""

    matrix: Callable[[Any], np.ndarray]
    known: dict[Any, np.ndarray] = field(default_factory=dict)
    noise: float = 1e-13

    def rhs(self, t: float, y: np.ndarray, p: Any) -> Any:
        return self.matrix(p) @ y

    def move(self, y: np.ndarray, start: Fraction, stop: Fraction, p: Any, inflow: Inflow) -> np.ndarray:
        n, A = y.size, self.matrix(p)
        key = (stop - start, A.tobytes())
        if key not in self.known:
            wide = np.zeros((2 * n, 2 * n))
            wide[:n, :n], wide[:n, n:] = A, np.eye(n)
            self.known[key] = expm(wide * float(stop - start))[:n]
        added = np.zeros(n)
        for cmt, rate in inflow:
            added[cmt] += rate
        return self.known[key] @ np.concatenate([y, added])


def simulate(
    flow: Flow | Rhs,
    y0: Callable[[Any], Sequence[float]],
    p: Any,
    records: Iterable[Row],
    dosing: Dosing | Callable[[Any], Dosing] | None = None,
    row_parameters: Sequence[Any] | None = None,
    carry: str = "forward",
    method: str = "LSODA",
    rules: RecordRules | None = None,
) -> np.ndarray:
    """Return the states at every row, after the row has taken effect.

    Parameters
    ----------
    flow : Flow, or callable (t, y, p) -> dy
    y0 : callable p -> states at the first row and after a reset
    p : parameters, whatever ``flow`` and ``y0`` take
    records : rows in the order of the file; times must not fall
    dosing : {compartment: {"F", "tlag", "rate", "duration"}}, or a function of p that returns it
    row_parameters : parameters of each row, instead of p
    carry : "backward" if a row's parameters hold over the interval that ends there, "forward" if from there on
    method : of scipy.integrate.solve_ivp
    rules : NONMEM's if not given

    Returns
    -------
    array, (rows, states)
    """
    rows = list(records)
    steps = [p] * len(rows) if row_parameters is None else list(row_parameters)
    words = dosing if callable(dosing) else (lambda _: dosing or {})
    falls = any(b.time < a.time for a, b in itertools.pairwise(rows))
    if carry not in ("backward", "forward") or len(steps) != len(rows) or falls:
        raise ValueError("carry, row_parameters or the order of the records is wrong")
    mover: Flow = flow if hasattr(flow, "move") else Ode(flow, method)  # type: ignore[assignment,arg-type]
    person = Subject(mover, y0, words, rules or RecordRules(), rows[0].time, np.array(y0(steps[0]), dtype=float))
    result, first = [], steps[0]
    for i, row in enumerate(rows):
        between = steps[i] if carry == "backward" else steps[max(i - 1, 0)]
        here = row.time > rows[i - 1].time or i == 0
        person.catch_up(row.time, between, first, steps[i])
        first = steps[i] if here else first
        person.take(row, steps[i])
        result.append(person.y.copy())
    return np.array(result)


@dataclass(frozen=True)
class Amount:
    """One dose as the body gets it: a bolus if rate is 0, else rate until ``duration`` is over."""

    cmt: int
    amt: float
    rate: float
    duration: Fraction


@dataclass(frozen=True)
class Planned:
    """A dose to come: its record, whether lagged, and what it is if that is settled already."""

    row: Row
    lagged: bool
    amount: Amount | None = None


@dataclass
class Subject:
    """State, running infusions and doses still to come of one subject."""

    flow: Flow
    y0: Callable[[Any], Sequence[float]]
    words: Callable[[Any], Dosing]
    rules: RecordRules
    t: Fraction
    y: np.ndarray
    running: list[tuple[Fraction, int, float]] = field(default_factory=list)  # end, compartment, rate
    pending: list[tuple[Fraction, int, Planned]] = field(default_factory=list)  # time, serial, dose
    off: set[int] = field(default_factory=set)
    serial: itertools.count = field(default_factory=itertools.count)

    def before(self, dose: Planned) -> bool:
        """Tell whether a dose enters before the rows of its time."""
        return (self.rules.lagged if dose.lagged else self.rules.additional) == "before"

    def catch_up(self, until: Fraction, between: Any, last_row: Any, own: Any) -> None:
        """Give all doses that come before a row at this time, then move up to it.

        A dose at the time of a row has the parameters of the (first) row of that time (guide, III.B.2: its argument
        record); one between rows those of the interval.
        """
        begun = self.t
        while self.pending and self.pending[0][0] <= until:
            time, _, dose = self.pending[0]
            if time == until and (begun == until or not self.before(dose)):
                break
            heapq.heappop(self.pending)
            self.advance(time, between)
            self.give(
                dose.amount or self.amount(dose.row, own if time == until else last_row if time == begun else between)
            )
        self.advance(until, between)

    def advance(self, until: Fraction, p: Any) -> None:
        """Move to a time, stopping where an infusion ends."""
        while self.t < until:
            stop = min([until, *(end for end, _, _ in self.running if end > self.t)])
            self.y = self.moved(self.y, self.t, stop, p, [(c, r) for end, c, r in self.running if end > self.t])
            self.t = stop
            self.running = [r for r in self.running if r[0] > stop]

    def moved(self, y: np.ndarray, start: Fraction, stop: Fraction, p: Any, inflow: Inflow) -> np.ndarray:
        """Move states on; nothing enters or leaves a compartment that is off."""
        if not self.off:
            return self.flow.move(y, start, stop, p, inflow)
        assert isinstance(self.flow, Linear), "only linear equations can be switched off here"
        plain = self.flow.matrix

        def matrix(q: Any) -> np.ndarray:
            A = plain(q).copy()
            A[sorted(self.off)] = 0.0
            return A

        return Linear(matrix).move(y, start, stop, p, inflow)

    def take(self, row: Row, p: Any) -> None:
        """Let one row of the data take effect."""
        if row.evid in (3, 4):
            self.y, self.running, self.off = np.array(self.y0(p), dtype=float), [], set()
            if row.again or self.rules.pending == "dropped":
                self.pending = []
        if row.evid == 8:
            self.y[row.cmt] = float(row.amt)
            self.off.discard(row.cmt)
        if row.evid == 2 and row.off:
            self.y[row.cmt] = 0.0
            self.off.add(row.cmt)
            self.running = [r for r in self.running if r[1] != row.cmt]
            self.pending = [d for d in self.pending if d[2].row.cmt != row.cmt]
            heapq.heapify(self.pending)
        elif row.evid == 2 and row.named:
            self.off.discard(row.cmt)
        if row.evid in (1, 4):
            self.off.discard(row.cmt)
            self.dose(row, p)

    def dose(self, row: Row, p: Any) -> None:
        """Bring to steady state if asked, give or delay the dose, and plan its additional doses."""
        lag = exact(self.words(p).get(row.cmt, {}).get("tlag", 0.0))
        constant = row.ss > 0 and row.amt == 0
        own = self.amount(row, p)
        if row.ss > 0:
            self.settle(row, own, lag, constant, p)
        if constant:
            return
        if lag > 0:
            self.plan(row.time + lag, Planned(row, True, own if row.ss else None))
        else:
            self.give(own)
        for k in range(1, row.addl + 1):
            self.plan(row.time + lag + k * row.ii, Planned(row, lag > 0))

    def plan(self, time: Fraction, dose: Planned) -> None:
        # of one time those that come before its rows first
        heapq.heappush(self.pending, (time, next(self.serial) + (0 if self.before(dose) else 10**9), dose))

    def amount(self, row: Row, p: Any) -> Amount:
        """Apply bioavailability and a modelled rate or duration to a dose."""
        word = self.words(p).get(row.cmt, {})
        amt, rate = row.amt * exact(word.get("F", 1.0)), row.rate
        if rate == -2:
            rate = amt / exact(word["duration"])
        elif rate == -1:
            rate = exact(word["rate"])
        return Amount(row.cmt, float(amt), float(rate), amt / rate if rate > 0 else Fraction(0))

    def give(self, dose: Amount) -> None:
        """Start a dose now."""
        if dose.rate == 0:
            self.y[dose.cmt] += dose.amt
        elif dose.duration > 0:
            self.running.append((self.t + dose.duration, dose.cmt, dose.rate))

    def settle(self, row: Row, dose: Amount, lag: Fraction, constant: bool, p: Any) -> None:
        """Replace the state by the steady state of a dose every ii, or add the steady state to it."""
        start = np.array(self.y0(p), dtype=float)
        past = Subject(self.flow, self.y0, self.words, self.rules, Fraction(0), start.copy(), off=set(self.off))
        counters = self.counters(p)
        if constant:
            past.plateau(dose, counters, p)
        else:
            past.repeat(dose, row.ii, lag, counters, p)
        if row.ss == 2:
            rest = Subject(self.flow, self.y0, self.words, self.rules, Fraction(0), start.copy(), off=set(self.off))
            rest.plateau(Amount(row.cmt, 0.0, 0.0, Fraction(0)), counters, p)
            self.y = np.where(counters, self.y, self.y + past.y - rest.y)
        else:
            self.y, self.running, self.pending = np.where(counters, start, past.y), [], []
        if constant:
            return
        self.running += [(end - past.t + self.t, cmt, rate) for end, cmt, rate in past.running]
        for time, _, planned in past.pending:
            if time == past.t:
                self.give(dose)
            else:
                self.plan(time - past.t + self.t, Planned(row, True, planned.amount))

    def repeat(self, dose: Amount, ii: Fraction, lag: Fraction, counters: np.ndarray, p: Any) -> None:
        """Give the dose every ii, each a lag later, until the state at the end of an interval no longer changes."""
        blank = Row(Fraction(0))
        for n in range(1, MANY):
            last = self.y.copy()
            heapq.heappush(self.pending, ((n - 1) * ii + lag, next(self.serial), Planned(blank, True, dose)))
            while self.pending[0][0] < n * ii if self.pending else False:
                time, _, planned = heapq.heappop(self.pending)
                self.advance(time, p)
                assert planned.amount is not None
                self.give(planned.amount)
            self.advance(n * ii, p)
            self.y = np.where(counters, 0.0, self.y)
            warm = n * ii > lag + dose.duration + ii
            if warm and (abs(self.y - last) <= self.flow.noise * (abs(self.y) + 0.1)).all():
                return
        raise RuntimeError(f"no steady state after {MANY} intervals of {ii}")

    def plateau(self, dose: Amount, counters: np.ndarray, p: Any) -> None:
        """Infuse for ever longer until the state no longer changes."""
        for k in range(40):
            last = self.y.copy()
            self.y = self.moved(self.y, self.t, self.t + 2**k, p, [(dose.cmt, dose.rate)])
            self.y, self.t = np.where(counters, 0.0, self.y), self.t + 2**k
            if k > 4 and (abs(self.y - last) <= 10 * self.flow.noise * (abs(self.y) + 0.1)).all():
                return
        raise RuntimeError("no steady state of a constant infusion")

    def counters(self, p: Any) -> np.ndarray:
        """Return which states only accumulate: those that no equation depends on, such as an area under a curve."""
        random = np.random.default_rng(1)
        used = np.zeros(self.y.size, dtype=bool)
        for _ in range(3):
            y = random.uniform(0.5, 2.0, self.y.size)
            base = np.asarray(self.flow.rhs(float(self.t), y, p), dtype=float)
            for j in range(y.size):
                moved = y.copy()
                moved[j] *= 1.5
                used[j] |= bool((np.asarray(self.flow.rhs(float(self.t), moved, p), dtype=float) != base).any())
        return ~used
