"""What a simulation on a grid of times needs besides its people: who gets what when, and what the result says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.engine.solve.arrays import Records
from pkpd.engine.solve.block import Block
from pkpd.engine.solve.kernel import Kernel
from pkpd.kept import Kept
from pkpd.simulation import dataset
from pkpd.simulation.arguments import Regimens, named_from
from pkpd.simulation.around_doses import CornerLayout, Corners, corners_from
from pkpd.simulation.columns import constant_columns
from pkpd.simulation.doses import records_of
from pkpd.simulation.grid import grid_block, pack_records
from pkpd.simulation.kernels import OutputQuantity
from pkpd.simulation.people import Courses, fill_inputs

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["GridPlan", "plan_of"]

#: doses of a block up to which it is kept with its events, about a megabyte
FEW = 20_000

Task = tuple[Block, CornerLayout | None, np.ndarray]


@dataclass(frozen=True)
class GridPlan:
    """Regimens on a grid of times, as the engine reads them.

    Attributes
    ----------
    names : tuple of str
        Of the regimens, one empty name where none was given.
    named : bool
        Whether names were given.
    given : tuple of sequence of RECORD array
        Of each regimen: one for all, or one per subject.
    times : array, shape (times,)
    corners : Corners or None
    notes : dict
        Attribute ``notes`` of the result, if there is something to note.
    text : str or None
        All doses as text, where each regimen is one for all.
    """

    names: tuple[str, ...]
    named: bool
    given: tuple[Sequence[np.ndarray], ...]
    packed: tuple[tuple[Records, np.ndarray], ...]
    times: np.ndarray
    corners: Corners | None
    notes: dict[str, str]
    text: str | None
    _blocks: dict[tuple[int, int], tuple[Block, CornerLayout | None]] = field(default_factory=dict, repr=False)

    def doses_text(self, model: Model, labels: np.ndarray | None) -> str:
        """Return all doses as text for the attributes of the result."""
        if self.text is not None:
            return self.text
        return dataset.doses_text(model, dict(zip(self.names, self.given, strict=True)), labels)

    def task(
        self, model: Model, kernel: Kernel, people: Population, courses: Courses | None, g: int, subjects: slice
    ) -> Task:  # fmt: skip
        """Return the block of some subjects under the g-th regimen, where its corners are, and its inputs."""
        every, m = np.arange(subjects.start, subjects.stop), subjects.stop - subjects.start
        if courses is None:
            inputs = fill_inputs(kernel.inputs, model, people, every, None, constant_columns(m))
            return *self.block(model, kernel, g, every, inputs), inputs
        starts = np.searchsorted(courses.subject, np.arange(subjects.start, subjects.stop + 1))
        part = courses.part(slice(starts[0], starts[-1]))
        columns = part.columns(model, starts - starts[0], grid=True)
        inputs = fill_inputs(kernel.inputs, model, people, part.subject[columns.source], part, columns)
        block = grid_block(model, every, columns, *self.packed[g], self.times)
        return *self._extended(kernel, block, inputs), inputs

    def block(
        self, model: Model, kernel: Kernel, g: int, every: np.ndarray, inputs: np.ndarray
    ) -> tuple[Block, CornerLayout | None]:
        """Return the block of subjects whose inputs do not change, kept if it is a small one of one regimen for all."""
        records, offsets = self.packed[g]
        held = self._blocks.get((g, every.size))
        if held is not None:
            return held
        block = grid_block(model, every, constant_columns(every.size), records, offsets, self.times)
        extended = self._extended(kernel, block, inputs)
        timed = bool((kernel.dosing_places[np.unique(records.cmt)] >= 0).any()) if records.cmt.size else False
        doses = every.size * (records.addl.size + int(records.addl.sum()))
        if offsets.size == 2 and doses <= FEW and (self.corners is None or not timed):
            self._blocks[g, every.size] = extended
        return extended

    def _extended(self, kernel: Kernel, block: Block, inputs: np.ndarray) -> tuple[Block, CornerLayout | None]:
        return (block, None) if self.corners is None else self.corners.extended(kernel, block, inputs)


def _plan(
    model: Model, chosen: Sequence[OutputQuantity], regimen: Regimens, population: Population | None,
    times: np.ndarray, around: bool | None,
) -> GridPlan:  # fmt: skip
    regimens, named = named_from(model, regimen, population)
    given = {name: [records_of(model, r) for r in each] for name, each in regimens.items()}
    text = dataset.doses_text(model, given, None) if all(len(each) == 1 for each in given.values()) else None
    corners = corners_from(model, chosen, [r for each in given.values() for r in each], list(given), around)
    notes = dataset.notes_on_regimens(regimens)
    each = tuple(given.values())
    return GridPlan(tuple(given), named, each, tuple(map(pack_records, each)), times, corners, notes, text)


_plans = Kept[GridPlan](32)


def plan_of(
    model: Model, chosen: Sequence[OutputQuantity], kernel: Kernel, regimen: Regimens, population: Population | None,
    times: np.ndarray, around: bool | None,
) -> GridPlan:  # fmt: skip
    """Return the plan of a simulation; that of one regimen for all is kept for the next one like it.

    Raises
    ------
    PkpdError
        If a regimen is not understood, or does not suit the model.
    """

    def make() -> GridPlan:
        return _plan(model, chosen, regimen, population, times, around)

    by_weight = isinstance(regimen, str) and "/" in regimen
    if by_weight or not (regimen is None or isinstance(regimen, (Regimen, str))):
        return make()
    states = tuple((name, state.unit) for name, state in model.states.items())
    outputs = tuple((q.name, q.aside) for q in chosen)
    mixed = regimen.mixed if isinstance(regimen, Regimen) else False
    return _plans((kernel, states, model.time_unit, outputs, regimen, mixed, times.tobytes(), around), make)
