"""A block of subjects as arrays: who, which doses, which observations, and what becomes of them."""

from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pkpd.engine.solve.arrays import Records
from pkpd.engine.solve.event_codes import ADDITIONAL, LAGGED_AFTER

__all__ = [
    "CASCADE_ROWS", "MAX_STEPS", "STEPS_PER_EVENT", "Block", "DoseFault", "FlatTable", "Result", "Settings", "States",
    "Target",
]  # fmt: skip

#: observations between two events up to which panels that end at each of them cost less than long steps
CASCADE_ROWS = 64
#: default limit of work, see :class:`Settings`
MAX_STEPS, STEPS_PER_EVENT = 100_000, 1_000
#: what a block keeps at most: a run and the events of some kernels
MOST_KEPT = 8


@dataclass(frozen=True)
class Settings:
    """How to solve: method, tolerances and bounds.

    Attributes
    ----------
    method : {"auto", "linear", "cascade", "tsit5", "dop853", "rodas5p"}
        ``auto`` is exact for linear models. Of cascades (linear equations driven by others, see
        ``pkpd.engine.solve.cascade``) it gives ``cascade`` the subjects with no more than ``CASCADE_ROWS`` observations
        for each interval between events, since each ends a panel. All else goes to ``explicit`` and, where stiff or
        where that came upon what is no number, to ``rodas5p``.
    rtol, atol : float
        Bounds of the local error of each state, relative and in the state's unit; where the amounts in play are below
        1, atol is multiplied by them, see ``pkpd.engine.solve.sizes``.
    max_steps : int or None
        Most steps of one subject; None: ``MAX_STEPS``, and ``STEPS_PER_EVENT`` more for each dose or other event.
    h_max : float
        Longest step, in the model's time unit.
    """

    method: str = "auto"
    rtol: float = 1e-8
    atol: float = 1e-11
    max_steps: int | None = None
    h_max: float = np.inf
    explicit: str = "dop853"


@dataclass(frozen=True)
class Block:
    """Subjects with their doses and observations; per-subject arrays have m entries.

    Attributes
    ----------
    column : int array, (m,)
        Column of P in force at the start.
    origin : float array, (m,)
        Time at which the initial state holds.
    records : Records
        Dose records, those of one subject side by side and sorted by time.
    rec_first, rec_last : int array, (m,)
    rec_column : int array, (records,) or (0,)
        Column of P that a record's dose uses; empty: the one in force.
    seg_first : int array, (m + 1,)
    seg_time, seg_rank, seg_column : arrays, (segments,)
        When other columns of P come into force; the rank orders events of one time.
    obs_time : float array
    obs_first, obs_last : int array, (m,)
        Ranges in obs_time; the same for all on a common grid.
    obs_rank : float array, as obs_time or (0,)
        Place of an observation among events of its time; empty: before all doses.
    obs_column : int array, as obs_time or (0,)
        Column of P for the outputs of a row; empty: the one in force.
    shared : bool
        Whether all subjects share one observation grid.
    anew : bool array, (records,) or (0,)
        Resets that also end doses of earlier records that are still to come; empty: none.
    near : float
        Times no further apart are one time.
    lag_rank, add_rank : float
        Place of lagged and of other additional doses among the records of their time.
    made : dict
        What the last solutions leave to the next, by kernel: events, where doses depend on the same numbers, and room.
    """

    column: np.ndarray
    origin: np.ndarray
    records: Records
    rec_first: np.ndarray
    rec_last: np.ndarray
    rec_column: np.ndarray
    seg_first: np.ndarray
    seg_time: np.ndarray
    seg_rank: np.ndarray
    seg_column: np.ndarray
    obs_time: np.ndarray
    obs_first: np.ndarray
    obs_last: np.ndarray
    obs_rank: np.ndarray
    obs_column: np.ndarray
    shared: bool
    anew: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    near: float = 1e-9
    lag_rank: float = LAGGED_AFTER
    add_rank: float = ADDITIONAL
    made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def keep(self, what: Any, value: Any) -> None:
        """Keep something for the next solution, in the place of the oldest where there is much."""
        if len(self.made) >= MOST_KEPT and what not in self.made:
            for old in list(self.made)[: len(self.made) - MOST_KEPT + 1]:
                self.made.pop(old, None)
        self.made[what] = value

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "made": {}}


#: row s of a subject's j-th observation stands at ``flat[first[i] + s * stride + j]``
FlatTable = namedtuple("FlatTable", "flat first stride")


class States(NamedTuple):
    """States at all observations, as they are until this thread solves again.

    Attributes
    ----------
    P : float array, (places, columns)
    table : FlatTable
    """

    P: np.ndarray
    table: FlatTable


class Result(NamedTuple):
    """Outputs of a block and what became of its subjects.

    Attributes
    ----------
    outputs : float array, (outputs, m, times) on a common grid, else (outputs, rows)
    status : int array, (m,)
    when : float array, (m,)
        Time reached.
    steps : int array, (m,)
    checked : bool or None
        Whether all outputs are finite, as the solver has seen; None where it has not looked.
    states : States or None
        None where they were kept nowhere.
    """

    outputs: np.ndarray
    status: np.ndarray
    when: np.ndarray
    steps: np.ndarray
    checked: bool | None
    states: States | None = None

    @property
    def finite(self) -> bool:
        """Whether all outputs are known to be finite."""
        if self.checked is not None:
            return self.checked
        with np.errstate(all="ignore"):
            return math.isfinite(float(np.sum(self.outputs)))


#: flat array, position of the first number, distance between outputs
Target = tuple[np.ndarray, int, int]


class DoseFault(Exception):
    """A dose that cannot be given: (code, subject, record) as in ``pkpd.engine.solve.event_codes``."""
