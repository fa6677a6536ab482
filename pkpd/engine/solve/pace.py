"""How long the next step is and whether a step is accepted: for all lanes at once, in the machine code of the step."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from pkpd.engine.machine.emitter import I64, Frame
from pkpd.engine.solve.lane import (
    AGAIN,
    BUSY,
    CALM,
    END,
    EXHAUSTED,
    FURTHER,
    HIT,
    INSIDE,
    LAST,
    LEAVE,
    LEFT,
    LONGEST,
    MOST,
    NEXT,
    OUTCOME,
    STABLE,
    STEPS,
    STIFF,
    STOP,
    STOPPED,
    TINY,
    WISH,
)

__all__ = ["ARGUMENTS", "ERROR", "FACTOR", "MASK", "STIFFNESS", "choose_length", "judge"]

#: arguments shared by all functions that the solver loop calls; arrays of vectors
#: t, h, cap (1), y, r, new (states), p (places), K (stages x states), info (4), tol (1 + states: relative, absolute),
#: pace (rows as in ``pkpd.engine.solve.lane``); seen (2) holds whole numbers
ARGUMENTS = ("t", "h", "cap", "y", "p", "r", "K", "new", "info", "tol", "pace", "seen")
ERROR, FACTOR, STIFFNESS, MASK = range(4)
Value = Any
CALM_STEPS = 6  # after which steps at the limit of stability are forgotten
#: part of the steps at the limit that suffice to leave where so many more of them would lead to the last observation
SOON, FAR = 0.1, 2000.0


def choose_length(f: Frame) -> None:
    """Store the length of this step in h: as wished, but to the next stop or half of the way there; 0 in idle lanes."""
    m, a = f.math, f.arg
    rest, wish = m.sub(f.load(a["pace"], STOP), f.load(a["t"])), f.load(a["pace"], WISH)
    half = m.mul(m.const(0.5), rest)
    h = m.select(_reaches(f, wish, rest), rest, m.select(m.less(half, wish), half, wish))
    f.store(m.select(_busy(f), h, m.const(0.0)), a["h"])


def _reaches(f: Frame, wish: Value, rest: Value) -> Value:
    return f.math.greater_equal(wish, f.math.mul(rest, f.math.const(0.999999)))


def _busy(f: Frame) -> Value:
    return f.math.less(f.math.const(0.0), f.load(f.arg["pace"], BUSY))


class _Judgement:
    """What is known of the step just taken; conditions and numbers, one a lane."""

    def __init__(self, f: Frame, bound: float) -> None:
        m, a = f.math, f.arg
        self.f, self.bound = f, bound
        self.busy, self.h, self.t = _busy(f), f.load(a["h"]), f.load(a["t"])
        self.factor, self.square = f.load(a["info"], FACTOR), f.load(a["info"], STIFFNESS)
        self.wish, self.stable = self.row(WISH), self.row(STABLE)
        self.hits = _reaches(f, self.wish, m.sub(self.row(STOP), self.t))
        small = m.less_equal(f.load(a["info"], ERROR), m.const(1.0))
        self.accepted = m.logical_and(self.busy, small)
        self.rejected = m.logical_and(self.busy, m.logical_not(small))

    def row(self, number: int) -> Value:
        """Return a row of the table."""
        return self.f.load(self.f.arg["pace"], number)

    def put(self, value: Value, number: int) -> None:
        """Keep a row of the table."""
        self.f.store(value, self.f.arg["pace"], number)

    def accept(self) -> tuple[Value, Value]:
        """Return the length of the next step after an accepted one, and which lanes the limit of stability held."""
        m = self.f.math
        growth = m.minimum(m.const(6.0), self.factor)
        shrinks = m.less(growth, m.const(1.0))
        grown = m.mul(self.h, growth)
        free = m.logical_or(m.greater_equal(self.h, self.wish), shrinks)
        length = m.minimum(m.select(free, grown, m.maximum(self.wish, grown)), self.row(LONGEST))
        held = m.logical_and(m.logical_and(self.accepted, m.logical_not(shrinks)), self.close)
        if math.isfinite(self.bound):
            self.stable = m.select(held, m.mul(self.stable, m.const(1.001)), self.stable)
            length = m.minimum(length, self.stable)
        return length, held

    @property
    def close(self) -> Value:
        """Whether the step was about as long as the longest stable one."""
        return self.f.math.less(self.f.math.mul(self.f.math.const(0.9), self.row(STABLE)), self.h)

    def reject(self) -> tuple[Value, Value]:
        """Return the length of the next step after a rejected one, and which lanes met the limit for the first time."""
        m = self.f.math
        factor = m.select(m.less(m.const(0.2), self.factor), self.factor, m.const(0.2))
        length = m.mul(self.h, m.minimum(factor, m.const(0.9)))
        if not math.isfinite(self.bound):
            return length, m.less(self.h, self.h)
        least, infinite = m.const(self.bound * self.bound), m.const(math.inf)
        beyond = m.logical_and(self.rejected, m.logical_and(m.less(least, self.square), m.less(self.square, infinite)))
        first = m.logical_and(beyond, m.equal(self.stable, infinite))
        part = m.maximum(m.div(m.const(0.7 * self.bound), m.sqrt(self.square)), m.const(0.25))
        shorter = m.select(m.logical_and(self.rejected, self.close), m.mul(m.const(0.8), self.h), self.stable)
        self.stable = m.select(beyond, m.mul(self.h, part), shorter)
        return m.minimum(length, self.stable), first

    def count(self, held: Value) -> None:
        """Count the steps, and those in a row that are at the limit of stability."""
        m = self.f.math
        one, zero, stiff, calm = m.const(1.0), m.const(0.0), self.row(STIFF), self.row(CALM)
        self.put(m.add(self.row(STEPS), m.select(self.busy, one, zero)), STEPS)
        if not math.isfinite(self.bound):
            return
        at_limit = m.logical_or(held, m.less(m.const(self.bound * self.bound), self.square))
        calm = m.select(at_limit, zero, m.add(calm, one))
        forgotten = m.greater_equal(calm, m.const(float(CALM_STEPS)))
        counted = m.select(at_limit, m.add(stiff, one), m.select(forgotten, zero, stiff))
        self.put(m.select(self.accepted, counted, stiff), STIFF)
        self.put(m.select(self.accepted, calm, self.row(CALM)), CALM)

    def leaves(self, end: Value) -> Value:
        """Return which lanes leave to a stiff method: after many steps at the limit, or some with very many to come."""
        m = self.f.math
        stiff, most = self.row(STIFF), self.row(LEAVE)
        far = m.less(m.mul(m.const(FAR), self.h), m.sub(self.row(LAST), end))
        soon = m.logical_and(far, m.greater_equal(stiff, m.mul(m.const(SOON), most)))
        return m.logical_and(self.busy, m.logical_or(soon, m.greater_equal(stiff, most)))


def judge(f: Frame, bound: float) -> None:
    """Accept or reject the step of each lane, choose the next one's length, and say in seen which lanes need care.

    ``info[MASK]`` marks the lanes that go on from the step's end.

    Parameters
    ----------
    bound : float
        |h lambda| at the limit of stability, infinite for methods without. Near the limit an explicit method's error
        hides from the estimate, and that of the dense output even more: who meets it, starts again, with steps that
        stay below.
    """
    m, j = f.math, _Judgement(f, bound)
    after, held = j.accept()
    j.count(held)
    shorter, first = j.reject()
    wish = m.select(j.accepted, after, m.select(j.rejected, shorter, j.wish))
    small = m.logical_or(m.less_equal(wish, m.mul(m.const(4e-16), m.abs(j.t))), m.less(wish, m.const(1e-290)))
    j.put(wish, WISH)
    j.put(j.stable, STABLE)
    spent, end = m.greater_equal(j.row(STEPS), j.row(MOST)), m.select(j.hits, j.row(STOP), m.add(j.t, j.h))
    outcome = m.select(m.logical_and(j.accepted, j.hits), m.const(float(HIT)), m.const(float(FURTHER)))
    outcome = m.select(m.logical_and(j.busy, spent), m.const(float(EXHAUSTED)), outcome)
    if math.isfinite(bound):
        leaves = j.leaves(end)
        spent = m.logical_or(spent, leaves)
        outcome = m.select(leaves, m.const(float(LEFT)), outcome)
    outcome = m.select(m.logical_and(j.rejected, small), m.const(float(TINY)), outcome)
    outcome = m.select(first, m.const(float(AGAIN)), outcome)
    goes_on = m.logical_and(j.accepted, m.logical_not(spent))
    inside = m.logical_and(goes_on, m.less(j.row(NEXT), end))
    j.put(outcome, OUTCOME)
    j.put(end, END)
    f.store(m.select(goes_on, m.const(1.0), m.const(0.0)), f.arg["info"], MASK)
    for lanes, number in ((inside, INSIDE), (m.less(m.const(0.0), outcome), STOPPED)):
        _store_bits(f, lanes, number)


def _store_bits(f: Frame, lanes: Value, number: int) -> None:
    """Store conditions as the bits of a whole number in seen."""
    b = f.builder
    bits = b.bitcast(lanes, ir.IntType(f.lanes))
    b.store(b.zext(bits, I64), b.gep(f.arg["seen"], [ir.Constant(I64, number)], source_etype=I64))
