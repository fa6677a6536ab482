"""What a grid of times does not show: the values right before and right after doses, and at ends of infusions.

An output that depends on a dosed state jumps at a bolus, turns at the end of an infusion, and at a dose in steady state
starts anew. The solver knows these values exactly, so they are taken from the same solution as the grid and kept beside
the output, as the text attribute ``at_doses``: numbers read off the curve need no guess of what lies between two times.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.record import RECORD
from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import symbols_of
from pkpd.engine.solve.arrange import moved_onto
from pkpd.engine.solve.block import Block
from pkpd.engine.solve.event_codes import MANY
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.places import prepare
from pkpd.simulation.columns import GRID_OBSERVATION
from pkpd.simulation.corner_text import LEFT_OUT, packed
from pkpd.simulation.kernels import OutputQuantity

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["CornerLayout", "Corners", "corners_from"]

_AFTER = np.inf
"""Rank of an observation that comes after all events of its time."""

_MOST = 2_000
"""Doses of one record, within the times asked for, around which values are always kept."""

_EACH = 4
"""Most of them for each time that is asked for: more would cost more than all else."""

_KNOWN = 100
"""Most records of a regimen whose kinds are remembered: not those of data sets."""

_TAILS = 100
"""Most infusions of a steady state that are still running at its record."""


@dataclass(frozen=True)
class CornerLayout:
    """Where the observations asked for, and those at corners, stand among those that are solved.

    Attributes
    ----------
    time : float array, (subjects, corners)
        NaN where a subject has fewer.
    rows : int array
        Of the observations asked for, in their order; of the first subject where all are alike.
    before, after : int array, (subjects, corners), or (corners,) where all are alike
    asked : tuple of float array
        Times that were asked for, of each subject; of the first one where all are alike.
    size : int
        Observations of a subject where all are alike, else 0.
    """

    time: np.ndarray
    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray
    asked: tuple[np.ndarray, ...]
    size: int = 0

    def split(
        self, outputs: np.ndarray, kept: np.ndarray, room: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what was asked for, and the values of kept outputs before and after, (kept, subjects, corners).

        What was asked for is (outputs, rows); where all are alike (outputs, subjects, times), in ``room`` if there is
        some.
        """
        if not self.size:
            return outputs[:, self.rows], outputs[kept][:, self.before], outputs[kept][:, self.after]
        each = outputs.reshape(len(outputs), -1, self.size)
        asked = np.empty((*each.shape[:2], self.rows.size)) if room is None else room
        for k in range(len(each)):
            np.take(each[k], self.rows, axis=1, out=asked[k], mode="clip")
        before, after = (np.array([each[k][:, at] for k in kept]) for at in (self.before, self.after))
        return asked, before, after

    def highest(self, values: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return when each kept output of each subject was highest, and how high, (kept, subjects, 1)."""
        if self.size:
            top = [values[k].argmax(axis=1)[:, None] for k in kept]
            high = [np.take_along_axis(values[k], at, axis=1) for k, at in zip(kept, top, strict=True)]
            return self.asked[0][np.array(top)], np.array(high)
        values = values[kept]
        when, high = np.empty((2, len(values), len(self.asked), 1))
        ends = np.cumsum([t.size for t in self.asked])
        for i, (end, time) in enumerate(zip(ends, self.asked, strict=True)):
            part = values[:, end - time.size : end]
            top = part.argmax(axis=1)
            when[:, i, 0], high[:, i, 0] = time[top], part[np.arange(len(part)), top]
        return when, high


class Corners:
    """Corners of the outputs of one simulation, gathered block by block.

    Parameters
    ----------
    direct : sequence of set of int
        Of each output, the dosed states that it depends on itself.
    kept : int array
        Outputs that may have corners.
    names : sequence of str
        Of all outputs.
    regimens : sequence of str
        Names, in the order of the simulation.
    aside : sequence of str
        Outputs that doses make jump, but of which nothing is kept.
    """

    def __init__(
        self, direct: Sequence[set[int]], kept: np.ndarray, names: Sequence[str], regimens: Sequence[str],
        aside: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.direct, self.kept, self.names, self.regimens = direct, kept, list(names), list(regimens)
        self.aside = frozenset(aside)
        self.parts: dict[int, dict[int, tuple[np.ndarray, ...]]] = {}
        self.lock = threading.Lock()

    def fresh(self) -> Corners:
        """Return a place of the same kind with nothing gathered."""
        return Corners(self.direct, self.kept, self.names, self.regimens, tuple(self.aside))

    def extended(self, kernel: Kernel, block: Block, inputs: np.ndarray) -> tuple[Block, CornerLayout | None]:
        """Return the block with observations at its corners, and where they are; None where it has none."""
        if not self.kept.size:
            return block, None
        each = _times_of(kernel, block, inputs, set().union(*self.direct))
        width = max((len(t) for t in each), default=0)
        if not width:
            return block, None
        if len(each) == 1:
            time = np.broadcast_to(each[0], (block.column.size, width))
        else:
            time = np.full((len(each), width), np.nan)
            for i, own in enumerate(each):
                time[i, : len(own)] = own
        alike = block.shared and not np.isnan(time).any() and bool((time == time[0]).all())
        return _merged_alike(block, time) if alike else _merged(block, time)

    def keep(
        self, regimen: int, subjects: slice, layout: CornerLayout, outputs: np.ndarray, room: np.ndarray | None = None
    ) -> np.ndarray:
        """Keep the values of some subjects, of shape (outputs, observations), and return those that were asked for.

        These are written to ``room``, (outputs, subjects, times), where it is given and all subjects are alike.
        """
        asked, before, after = layout.split(outputs, self.kept, room)
        missing = np.isnan(layout.time)
        if missing.any():
            before[:, missing] = np.nan
            after[:, missing] = np.nan
        # by its highest value a later reader sees whether a curve is still the one that was simulated
        parts = (layout.time, before, after, *layout.highest(asked, self.kept))
        with self.lock:
            self.parts.setdefault(regimen, {})[subjects.start] = parts
        return asked

    def texts(self, labels: Sequence[Any] | np.ndarray | None) -> dict[str, str]:
        """Return the attribute of each output that has corners."""
        found: dict[str, dict[str, Any]] = {}
        for regimen, parts in sorted(self.parts.items()):
            stacked = [_stacked([parts[a][k] for a in sorted(parts)]) for k in range(5)]
            time, before, after, witness_time, witness = stacked
            for q, k in enumerate(self.kept.tolist()):
                name, told = self.names[k], self._worth_telling(k, before[q], after[q])
                if told.any():
                    entry = {
                        "time": time[:, told], "before": before[q][:, told], "after": after[q][:, told],
                        "witness_time": witness_time[q], "witness": witness[q],
                    }  # fmt: skip
                    found.setdefault(name, {})[self.regimens[regimen]] = {k: packed(v) for k, v in entry.items()}
        each = labels.tolist() if isinstance(labels, np.ndarray) else labels
        who = None if each is None or not found else [str(label) for label in each]
        texts = {name: json.dumps({"subjects": who, "regimens": entries}) for name, entries in found.items()}
        return texts | dict.fromkeys(self.aside, LEFT_OUT)

    def _worth_telling(self, k: int, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Mark the corners at which an output jumps, and all of an output that depends on a dosed state itself."""
        with np.errstate(invalid="ignore"):  # an infinite value jumps nowhere
            jumps = np.abs(after - before) > 1e-9 * np.maximum(np.abs(after), np.abs(before))
        told = (jumps | bool(self.direct[k])).any(axis=0) & ~np.isnan(before).all(axis=0)
        return np.asarray(told)


def _times_of(kernel: Kernel, block: Block, inputs: np.ndarray, states: set[int]) -> list[np.ndarray]:
    """Return the times of the corners of each subject within its observations; one array where all are alike."""
    rec, places = block.records, kernel.dosing_places
    dosed = np.unique(rec.cmt) if rec.cmt.size else np.empty(0, np.int64)
    own = bool((places[dosed] >= 0).any())
    ranges = set(zip(block.rec_first.tolist(), block.rec_last.tolist(), strict=True))
    same = not own and block.shared and len(ranges) == 1
    P = prepare(kernel, inputs) if own else None
    found: list[np.ndarray] = []
    for i in range(1 if same else block.column.size):
        observed = block.obs_time[block.obs_first[i] : block.obs_last[i]]
        if not observed.size:
            found.append(np.empty(0))
            continue
        times: list[float] = []
        for k in range(int(block.rec_first[i]), int(block.rec_last[i])):
            column = int(block.rec_column[k] if block.rec_column.size else block.column[i])
            times += _record_times(rec, k, states, places, P, column, observed)
        at = np.unique(moved_onto(np.array(times, float), observed, block.near))
        # a row at the very time of its last dose may stand behind it, where a grid ends before it
        inside = at <= observed[-1] if block.obs_rank.size else at < observed[-1]
        at = at[(at >= observed[0]) & inside]
        found.append(at[np.append(True, np.diff(at) > 1e-9)] if at.size else at)
    return found


def _record_times(
    rec: Any, k: int, states: set[int], places: np.ndarray, P: np.ndarray | None, column: int, observed: np.ndarray
) -> list[float]:
    """Return the times at which one record makes an output jump or turn while it is observed."""
    evid, cmt, time, ii, addl = int(rec.evid[k]), int(rec.cmt[k]), float(rec.time[k]), rec.ii[k], int(rec.addl[k])
    times = [time] if evid in (3, 4, 8) or (evid == 1 and rec.ss[k] > 0) else []
    if evid not in (1, 4) or cmt not in states:
        return times

    def value(which: int, default: float) -> float:
        place = int(places[cmt, which])
        return float(P[place, column]) if P is not None and place >= 0 else default

    rate = value(2, np.nan) if rec.rate[k] == -1.0 else float(rec.rate[k])
    amount = value(0, 1.0) * float(rec.amt[k])
    length = value(3, np.nan) if rate == -2.0 else amount / rate if rate > 0 else 0.0
    first = time + value(1, 0.0)
    if not np.isfinite(first + length):  # no dose that could be given: the solver says so
        return times
    begin, end = float(observed[0]) - 1e-9, float(observed[-1])
    more = int(min(addl, MANY, max(end - first, 0.0) / ii)) if ii > 0 else 0
    starts = first + np.arange(more + 1) * ii
    if rec.ss[k] > 0 and ii > 0:
        earlier = np.arange(1, min(int((first - time + length) / ii), _TAILS) + 1)
        starts = np.concatenate([first - earlier * ii, starts])
    turns = np.concatenate([starts, starts + length]) if rec.amt[k] > 0 else np.empty(0)
    turns = turns[np.isfinite(turns) & (turns >= max(time, begin))]
    if turns.size > 2 * max(_MOST, _EACH * observed.size):
        return times
    return times + turns.tolist()


def _merged(block: Block, time: np.ndarray) -> tuple[Block, CornerLayout]:
    """Return a block that also observes before and after each of its corners."""
    m, width = time.shape
    rows: list[np.ndarray] = []
    asked: list[np.ndarray] = []
    before, after = np.empty((2, m, width), np.int64)
    obs_time, obs_rank, obs_column, first = [], [], [], np.zeros(m + 1, np.int64)
    for i in range(m):
        a, b = int(block.obs_first[i]), int(block.obs_last[i])
        own = time[i][~np.isnan(time[i])]
        rank = block.obs_rank[a:b] if block.obs_rank.size else np.full(b - a, GRID_OBSERVATION)
        lowest = np.full(own.size, -np.inf if block.obs_column.size else GRID_OBSERVATION)
        at = np.concatenate([block.obs_time[a:b], own, own])
        ranks = np.concatenate([rank, lowest, np.full(own.size, _AFTER)])
        order = np.lexsort((ranks, at))
        place = np.empty(order.size, np.int64)
        place[order] = np.arange(order.size) + first[i]
        rows.append(place[: b - a])
        before[i, : own.size], after[i, : own.size] = place[b - a : b - a + own.size], place[b - a + own.size :]
        before[i, own.size :] = after[i, own.size :] = first[i]
        asked.append(block.obs_time[a:b])
        obs_time.append(at[order])
        obs_rank.append(ranks[order])
        if block.obs_column.size:
            near = np.searchsorted(block.obs_time[a:b], own, side="left") - 1
            since = np.searchsorted(block.obs_time[a:b], own, side="right") - 1
            columns = block.obs_column[a:b]
            obs_column.append(np.concatenate([columns, columns[np.maximum(near, 0)], columns[since]])[order])
        first[i + 1] = first[i] + order.size
    new = replace(
        block, obs_time=np.concatenate(obs_time), obs_rank=np.concatenate(obs_rank), obs_first=first[:-1],
        obs_last=first[1:], shared=False,
        obs_column=np.concatenate(obs_column) if obs_column else block.obs_column,
    )  # fmt: skip
    return new, CornerLayout(time, np.concatenate(rows), before, after, tuple(asked))


def _merged_alike(block: Block, time: np.ndarray) -> tuple[Block, CornerLayout]:
    """Return the same as `_merged` for subjects with one grid of times and the same corners."""
    m, own = len(time), time[0]
    n = block.obs_time.size
    at = np.concatenate([block.obs_time, own, own])
    ranks = np.concatenate([np.full(n + own.size, GRID_OBSERVATION), np.full(own.size, _AFTER)])
    order = np.lexsort((ranks, at))
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    first = order.size * np.arange(m + 1)
    new = replace(
        block, obs_time=np.tile(at[order], m), obs_rank=np.tile(ranks[order], m), obs_first=first[:-1],
        obs_last=first[1:], shared=False,
    )  # fmt: skip
    before, after = place[n : n + own.size], place[n + own.size :]
    return new, CornerLayout(time, place[:n], before, after, (block.obs_time,), order.size)


def _stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return parts of shape (..., subjects, corners) as one, NaN where a part has fewer corners."""
    width = max(p.shape[-1] for p in parts)
    full = []
    for p in parts:
        room = np.full((*p.shape[:-1], width), np.nan)
        room[..., : p.shape[-1]] = p
        full.append(room)
    return np.concatenate(full, axis=-2)


@functools.lru_cache(maxsize=512)
def _states_of(node: Node) -> tuple[str, ...]:
    """Return the states that an output depends on itself."""
    return tuple(s.name for s in symbols_of([node]) if s.kind == "state")


@functools.lru_cache(maxsize=1024)
def _kinds_of_few(packed: bytes) -> tuple[bool, frozenset[int]]:
    return _kinds(np.frombuffer(packed, RECORD))


def _kinds(records: np.ndarray) -> tuple[bool, frozenset[int]]:
    """Return whether some record is a reset or a steady state, and the states that doses go into."""
    gives = (records["evid"] == 1) | (records["evid"] == 4)
    return bool((records["evid"] >= 3).any() or records["ss"].any()), frozenset(records["cmt"][gives].tolist())


def corners_from(
    model: Model, chosen: Sequence[OutputQuantity], records: Sequence[np.ndarray], regimens: Sequence[str],
    around: bool | None = None,
) -> Corners | None:  # fmt: skip
    """Return a place for corners, or None where no dose makes an output jump or turn.

    Those of amounts beside other outputs cost more than they tell and are left out, which is said beside them, unless a
    steady state or a reset is among the doses.

    Parameters
    ----------
    records : sequence of RECORD array
        All doses of all regimens.
    around : bool, optional
        True for all outputs, amounts beside others too; False for none.
    """
    if around is False:
        return None
    told = [_kinds_of_few(each.tobytes()) if each.size <= _KNOWN else _kinds(each) for each in records]
    anew = any(begins for begins, _ in told)
    index = {name: k for k, name in enumerate(model.states)}
    every = [{index[name] for name in _states_of(q.node)} for q in chosen]
    dosed = set().union(*(places for _, places in told))
    if not anew and not set().union(*every) & dosed:
        return None
    every = every if anew else [own & dosed for own in every]
    aside = [q.name for q, own in zip(chosen, every, strict=True) if q.aside and not (anew or around) and own]
    direct = [set() if q.name in aside else own for q, own in zip(chosen, every, strict=True)]
    kept = np.array([k for k in range(len(chosen)) if anew or direct[k]], np.int64)
    return Corners(direct, kept, [q.name for q in chosen], regimens, aside)
