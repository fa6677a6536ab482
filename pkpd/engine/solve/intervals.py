"""Bounds of expressions of time over intervals of time, by interval arithmetic on a list of instructions.

A condition is 1 where it holds for certain, 0 where it does not, and the interval (0, 1) in between. Bounds are as wide
as rounding makes them and no wider; over a point they are the value itself.

Source: Moore RE, Kearfott RB, Cloud MJ. Introduction to Interval Analysis. SIAM 2009, chapters 2 to 6.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Mapping, Sequence

import numpy as np

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.jit import leaf
from pkpd.engine.machine.split import PIECE, TIME

__all__ = ["OPERATIONS", "Tapes", "bounds", "write_tape"]

#: instructions as columns; a, b, c are the rows of arguments in the same tape, of a place its number
Tapes = namedtuple("Tapes", "op a b c value")
OPERATIONS = (
    "const", "place", "time", "piece", "dose", "add", "sub", "mul", "div", "neg", "pow", "exp", "log", "sqrt", "tanh",
    "erf", "sin", "cos", "lgamma", "abs", "floor", "min", "max", "lt", "le", "and", "or", "not", "where",
)  # fmt: skip
(
    CONST, PLACE, AT_TIME, AT_PIECE, DOSE, ADD, SUB, MUL, DIV, NEG, POW, EXP, LOG, SQRT, TANH, ERF, SIN, COS, LGAMMA,
    ABS, FLOOR, MIN, MAX, LT, LE, AND, OR, NOT, WHERE,
) = range(len(OPERATIONS))  # fmt: skip
LOWEST_GAMMA = 1.4616321449683622  # where lgamma is smallest, with what it is there (OEIS A030169, A030171)
LEAST_LGAMMA = -0.12148629053584961


def write_tape(
    roots: Sequence[Node], places: Mapping[Node, int], doses: Mapping[Node, int]
) -> tuple[list[tuple[int, int, int, int, float]], list[int]]:
    """Return the instructions for expressions, those of the first one first, and the rows that hold their values."""
    rows: dict[Node, int] = {}
    tape: list[tuple[int, int, int, int, float]] = []
    for n in _needed(roots, places):
        a, b, c, value = 0, 0, 0, 0.0
        if n.op == "const":
            op, value = CONST, n.value
        elif n in places:
            op, a = PLACE, places[n]
        elif n in doses:
            op, a = DOSE, doses[n]
        elif n.op == "symbol":
            op = {TIME: AT_TIME, PIECE: AT_PIECE}[n]
        else:
            op = OPERATIONS.index(n.op)
            a, b, c = (*(rows[x] for x in n.args), 0, 0)[:3]
        rows[n] = len(tape)
        tape.append((op, a, b, c, value))
    return tape, [rows[r] for r in roots]


def _needed(roots: Sequence[Node], places: Mapping[Node, int]) -> list[Node]:
    """Return the nodes to compute, arguments first."""
    below: set[Node] = set()
    stack = list(roots)
    while stack:
        n = stack.pop()
        if n not in below:
            below.add(n)
            if n not in places:
                stack.extend(n.args)
    return [n for n in walk(roots) if n in below]


@leaf
def _times(a, b, c, d):
    """Return the bounds of a product."""
    p, q, r, s = a * c, a * d, b * c, b * d
    # zero times infinity: the factor zero is exact
    p = 0.0 if p != p else p
    q = 0.0 if q != q else q
    r = 0.0 if r != r else r
    s = 0.0 if s != s else s
    return min(p, q, r, s), max(p, q, r, s)


@leaf
def _over(a, b, c, d):
    """Return the bounds of a quotient."""
    if c == d and c != 0.0:
        return min(a / c, b / c), max(a / c, b / c)
    if c > 0.0 or d < 0.0:
        return _times(a, b, 1.0 / d, 1.0 / c)
    return -np.inf, np.inf


@leaf
def _power(a, b, c, d):
    """Return the bounds of a power."""
    if c == d and c == math.floor(c) and abs(c) <= 1024.0:
        if c < 0.0:
            low, high = _power_whole(a, b, -c)
            return _over(1.0, 1.0, low, high)
        return _power_whole(a, b, c)
    if a < 0.0:
        if b < 0.0 or a == b:
            return -np.inf, np.inf
        a = 0.0
    p, q, r, s = a**c, a**d, b**c, b**d
    if p != p or q != q or r != r or s != s:
        return 0.0, np.inf
    low, high = min(p, q, r, s), max(p, q, r, s)
    if a <= 0.0 <= b and c <= 0.0 <= d:
        high = np.inf
    return low, high


@leaf
def _power_whole(a, b, n):
    p, q = a**n, b**n
    if n % 2.0 == 1.0:
        return p, q
    if a <= 0.0 <= b:
        return (0.0 if n > 0.0 else 1.0), max(p, q)
    return min(p, q), max(p, q)


@leaf
def _cosine(a, b):
    """Return the bounds of a cosine: -1 or 1 where the interval holds an odd or even multiple of pi."""
    if not (b - a < 2.0 * math.pi) or abs(a) > 1e15 or abs(b) > 1e15:
        return -1.0, 1.0
    p, q = math.cos(a), math.cos(b)
    low, high = min(p, q), max(p, q)
    first, last = math.ceil(a / math.pi), math.floor(b / math.pi)
    if last > first or (last == first and last % 2.0 == 0.0):
        high = 1.0
    if last > first or (last == first and last % 2.0 != 0.0):
        low = -1.0
    return low, high


@leaf
def _log(x):
    return math.log(x) if x > 0.0 else -np.inf


@leaf
def _smooth(op, a, b):
    """Return the bounds of a function of one variable."""
    if op == EXP:
        return math.exp(a), math.exp(b)
    if op == LOG:
        return _log(a), _log(b)
    if op == SQRT:
        return math.sqrt(max(a, 0.0)), math.sqrt(max(b, 0.0))
    if op == TANH:
        return math.tanh(a), math.tanh(b)
    if op == ERF:
        return math.erf(a), math.erf(b)
    if op == COS:
        return _cosine(a, b)
    if op == SIN:
        if a == b:
            return math.sin(a), math.sin(a)
        return _cosine(a - 0.5 * math.pi, b - 0.5 * math.pi)
    if op == FLOOR:
        return math.floor(a), math.floor(b)
    if op == LGAMMA:
        if a <= 0.0:
            return -np.inf, np.inf
        p, q = math.lgamma(a), math.lgamma(b)
        return (LEAST_LGAMMA if a < LOWEST_GAMMA < b else min(p, q)), max(p, q)
    if a >= 0.0:  # ABS
        return a, b
    return (-b, -a) if b <= 0.0 else (0.0, max(-a, b))


@leaf
def _logic(op, a, b, c, d):
    """Return whether a condition of two arguments holds, as bounds."""
    if op == LT:
        return (1.0 if b < c else 0.0), (0.0 if a >= d else 1.0)
    if op == LE:
        return (1.0 if b <= c else 0.0), (0.0 if a > d else 1.0)
    if op == AND:
        return min(a, c), min(b, d)
    return max(a, c), max(b, d)  # OR


@leaf
def bounds(tapes, first, last, held, span, low, high):
    """Write the bounds of rows first to last of a tape to low and high.

    Parameters
    ----------
    held : Held
        Values of places and of what the last doses set.
    span : Span
        Times over which the bounds hold.
    """
    P, column, doses = held
    start, end, piece = span
    for r in range(first, last):
        op, i, j = tapes.op[r], tapes.a[r], tapes.b[r]
        if op == CONST:
            x = y = tapes.value[r]
        elif op == PLACE:
            x = y = P[i, column]
        elif op == AT_TIME:
            x, y = start, end
        elif op == AT_PIECE:
            x = y = piece
        elif op == DOSE:
            x = y = doses[i]
        else:
            a, b, c, d = low[i], high[i], low[j], high[j]
            if op == ADD:
                x, y = a + c, b + d
            elif op == SUB:
                x, y = a - d, b - c
            elif op == NEG:
                x, y = -b, -a
            elif op == MUL:
                x, y = _power_whole(a, b, 2.0) if i == j else _times(a, b, c, d)
            elif op == DIV:
                x, y = _over(a, b, c, d)
            elif op == POW:
                x, y = _power(a, b, c, d)
            elif op == MIN:
                x, y = min(a, c), min(b, d)
            elif op == MAX:
                x, y = max(a, c), max(b, d)
            elif op == NOT:
                x, y = 1.0 - b, 1.0 - a
            elif op == WHERE:
                e, f = low[tapes.c[r]], high[tapes.c[r]]
                if a == 1.0:
                    x, y = c, d
                elif b == 0.0:
                    x, y = e, f
                else:
                    x, y = min(c, e), max(d, f)
            elif op >= LT:
                x, y = _logic(op, a, b, c, d)
            else:
                x, y = _smooth(op, a, b)
        low[r - first] = x if x == x else -np.inf
        high[r - first] = y if y == y else np.inf
