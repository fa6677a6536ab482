"""The times at which conditions on time alone switch, found for each person before the solvers begin.

Between events, and between the switches of the conditions that it depends on itself, the gap of a condition (``a - b``
of ``a < b``) is a smooth function of time. Where it is linear, its zero is a quotient. Elsewhere the interval is halved
until bounds of the gap exclude zero, or bounds of its slope show it to be monotone; then the zero is enclosed between
neighbouring floats. What is left over when intervals have shrunk to ``RESOLUTION`` of the time (a gap that touches zero
without passing it) becomes a stop as well, which costs a step and changes no result. Nothing is jumped over.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Mapping, Sequence

import numpy as np

from pkpd.engine.graph.derivative import depends_on
from pkpd.engine.graph.nodes import Node
from pkpd.engine.machine.jit import compiled
from pkpd.engine.machine.split import Kink
from pkpd.engine.solve.arrays import Span
from pkpd.engine.solve.intervals import DOSE, PLACE, Tapes, bounds, write_tape

__all__ = ["MOST_SWITCHES", "Switches", "place_switches", "switch_times"]

#: conditions as columns: how to find their times, what they depend on (``below[lower:upper]``), the place or number of
#: the one time, their rows of ``tapes`` (the gap's end before ``middle``), the row of the slope;
#: whether any depends on a person, on a dose
Switches = namedtuple(
    "Switches", "kind lower upper below place value first middle last slope tapes personal dosed longest"
)
#: room for the bounds of the rows of a tape
Bounds = namedtuple("Bounds", "low high")
AT_PLACE, AT_NUMBER, LINEAR, CURVED = range(4)
WHOLE = 4  # added to a kind: where the gap passes any whole number
MOST_SWITCHES = 1_000_000  # of one person and one condition
MOST_CELLS = 4_000_000  # into which the time of one person is cut to find one condition's switches
RESOLUTION = 1e-13


def place_switches(kinks: Sequence[Kink], places: Mapping[Node, int], doses: Mapping[Node, int]) -> Switches:
    """Return what the compiled loops need to know of conditions; ``places`` holds what their gaps are made of."""
    rows: list[tuple[int, int, int, int, float]] = []
    below: list[int] = []
    columns: list[tuple[float, ...]] = []
    for kink in kinks:
        lower = len(below)
        below += sorted(kink.below)
        first, middle, slope = len(rows), len(rows), 0
        place, value = -1, 0.0
        if kink.when is not None and kink.when.op == "const":
            kind, value = AT_NUMBER, kink.when.value
        elif kink.when is not None:
            kind, place = AT_PLACE, places[kink.when]
        else:
            tape, (gap, slope) = write_tape([kink.gap, kink.slope], places, doses)
            rows += tape
            middle = first + gap + 1
            moves = depends_on([kink.slope], lambda s: s.kind == "time")[kink.slope]
            kind = (CURVED if moves else LINEAR) + WHOLE * kink.whole
        columns.append((kind, lower, len(below), place, value, first, middle, len(rows), slope))
    kind, lower, upper, place, value, first, middle, last, slope = np.array(columns, float).reshape(-1, 9).T.copy()
    op, a, b, c = np.array([r[:4] for r in rows], np.int64).reshape(-1, 4).T.copy()
    tapes = Tapes(op, a, b, c, np.array([r[4] for r in rows], float))
    kind, lower, upper, place, first, middle, last, slope = (
        np.ascontiguousarray(x).astype(np.int64) for x in (kind, lower, upper, place, first, middle, last, slope)
    )
    dosed = bool((op == DOSE).any())
    personal = bool((kind == AT_PLACE).any() or (op == PLACE).any()) or dosed
    longest = int((last - first).max()) if len(columns) else 0
    return Switches(
        kind, lower, upper, np.array(below, np.int64), place, np.ascontiguousarray(value), first, middle, last, slope,
        tapes, personal, dosed, longest,
    )  # fmt: skip


@compiled
def _push(times, m, x):
    """Write x to times[m], in a longer array where there is no room; return the array and the next number."""
    if m == times.size:
        longer = np.empty(2 * m + 16)
        longer[:m] = times
        times = longer
    times[m] = x
    return times, m + 1


@compiled
def _gap(s, k, held, t, piece, room):
    bounds(s.tapes, s.first[k], s.middle[k], held, Span(t, t, piece), room.low, room.high)
    return room.low[s.middle[k] - s.first[k] - 1]


@compiled
def _pass(s, k, held, span, f, g, level, room):
    """Return the first float in a span at which the gap, monotone there, has passed a level; f and g at the ends."""
    u, v, piece = span
    sign = 1.0 if g > f else -1.0
    f, g = sign * (f - level), sign * (g - level)
    for i in range(300):
        nearest = 4.5e-16 * max(abs(u), abs(v))
        if v - u <= 0.5 * nearest:
            break
        guess = u - f * (v - u) / (g - f) if i % 4 < 3 and np.isfinite(f) and np.isfinite(g) else 0.5 * (u + v)
        if i % 2 == 1:  # enclose from the other side
            guess = guess - nearest if g < -f else guess + nearest
        if not u < guess < v:
            guess = 0.5 * (u + v)
            if not u < guess < v:
                break
        found = sign * (_gap(s, k, held, guess, piece, room) - level)
        if found < 0.0:
            u, f = guess, found
        else:
            v, g = guess, found
    return v


@compiled
def _monotone(s, k, held, span, times, m, room):
    """Add the times in (u, v] at which a monotone gap passes zero or whole numbers; m < 0 if there are too many."""
    u, v, piece = span
    f, g = _gap(s, k, held, u, piece, room), _gap(s, k, held, v, piece, room)
    if s.kind[k] < WHOLE:
        if f < 0.0 <= g or g <= 0.0 < f:
            times, m = _push(times, m, _pass(s, k, held, span, f, g, 0.0, room))
        return times, m
    if not abs(math.floor(g) - math.floor(f)) < MOST_SWITCHES - m:
        return times, -1
    level, step, end = (math.floor(f) + 1.0, 1.0, math.floor(g)) if g > f else (math.ceil(f) - 1.0, -1.0, math.ceil(g))
    while step * (end - level) >= 0.0:
        u = _pass(s, k, held, Span(u, v, piece), f, g, level, room)
        times, m = _push(times, m, u)
        f = _gap(s, k, held, u, piece, room)
        level += step
    return times, m


@compiled
def _idle(s, k, x, y):
    """Tell whether a gap between x and y passes no zero, or no whole number."""
    return math.ceil(x) > y if s.kind[k] >= WHOLE else x > 0.0 or y < 0.0


@compiled
def _curved(s, k, held, span, times, m, room):
    """Add the times in (u, v] at which a gap passes zero or whole numbers; m < 0 if they cannot be told apart."""
    (u, v, piece), (low, high) = span, room
    n, slope = s.last[k] - s.first[k], s.slope[k]
    ends = np.empty(128)
    depth, cells = 1, 0
    ends[0] = v
    while depth > 0:
        cells += 1
        if cells > MOST_CELLS or m > MOST_SWITCHES:
            return times, -1
        v = ends[depth - 1]
        bounds(s.tapes, s.first[k], s.last[k], held, Span(u, v, piece), low, high)
        at = s.middle[k] - s.first[k] - 1
        x, y, p, q = low[at], high[at], low[slope], high[slope]
        settled = _idle(s, k, x, y) or (p == 0.0 and q == 0.0)
        if not settled and (p >= 0.0 or q <= 0.0):
            times, m = _monotone(s, k, held, Span(u, v, piece), times, m, Bounds(low[:n], high[:n]))
            if m < 0:
                return times, m
            settled = True
        middle = 0.5 * (u + v)
        if not settled and (v - u <= RESOLUTION * max(abs(u), abs(v)) or depth == ends.size or not u < middle < v):
            times, m = _push(times, m, v)
            settled = True
        if settled:
            u = v
            depth -= 1
        else:
            ends[depth] = middle
            depth += 1
    return times, m


@compiled
def _merge_below(s, k, start, end, times, ends):
    """Return the pieces of a condition: start, the times of the conditions that it depends on, and end, sorted."""
    count = 2
    for i in range(s.lower[k], s.upper[k]):
        count += ends[s.below[i] + 1] - ends[s.below[i]]
    pieces = np.empty(count)
    pieces[0], pieces[1], m = start, end, 2
    for i in range(s.lower[k], s.upper[k]):
        for j in range(ends[s.below[i]], ends[s.below[i] + 1]):
            pieces[m] = times[j]
            m += 1
    return np.sort(pieces) if count > 2 else pieces


@compiled
def switch_times(s, held, start, end):
    """Return the times strictly between start and end at which conditions switch, sorted, and a condition at fault.

    Parameters
    ----------
    s : Switches
    held : Held
        Values in force from start to end.

    Returns
    -------
    times : float array
    fault : int
        Number of a condition that switches too often to be followed, else -1.
    """
    count = s.kind.size
    times, m = np.empty(16), 0
    ends = np.zeros(count + 1, np.int64)
    room = Bounds(np.empty(s.longest), np.empty(s.longest))
    for k in range(count):
        kind = s.kind[k]
        if kind in (AT_PLACE, AT_NUMBER):
            when = held.P[s.place[k], held.column] if kind == AT_PLACE else s.value[k]
            if start < when < end:
                times, m = _push(times, m, when)
        else:
            pieces = _merge_below(s, k, start, end, times, ends)
            for i in range(pieces.size - 1):
                u, v = pieces[i], pieces[i + 1]
                if not u < v:
                    continue
                before, span = m, Span(u, v, 0.5 * (u + v))
                if kind % WHOLE == LINEAR:
                    times, m = _monotone(s, k, held, span, times, m, room)
                else:
                    times, m = _curved(s, k, held, span, times, m, room)
                if m < 0 or m - ends[k] > MOST_SWITCHES:
                    return times[:0], k
                while m > before and times[m - 1] >= v:  # there is a stop anyway
                    m -= 1
        ends[k + 1] = m
    found = np.sort(times[:m])
    kept = 0
    for i in range(found.size):
        if kept == 0 or found[i] > found[kept - 1]:
            found[kept] = found[i]
            kept += 1
    return found[:kept], -1
