"""Compile the loops of the objective: they are called with data of nobody."""

from __future__ import annotations

import numpy as np

from pkpd.estimation.methods.inner_terms import inner_terms
from pkpd.estimation.methods.loop_arrays import (
    DataRows,
    Directions,
    FactorMoves,
    InnerOut,
    InnerRows,
    OuterOut,
    inner_room,
    outer_room,
)
from pkpd.estimation.methods.outer_terms import outer_terms
from pkpd.observation.couples import Couples

__all__ = ["LOOPS", "compile_loops"]

LOOPS = ("outer_terms", "inner_terms")


def compile_loops() -> None:
    """Compile the loops, for normal data, unless they are on disk."""

    def numbers(*shape: int) -> np.ndarray:
        return np.zeros(shape)

    starts, nobody, chosen, pair = (np.zeros(shape, np.int64) for shape in (1, 1, 0, (0, 0)))
    couples = Couples(np.zeros((2, 0), np.int64), numbers(3, 0), numbers(0, 0))
    data = DataRows(
        starts, numbers(1, 0), numbers(0, 0), pair, numbers(0, 0, 0), numbers(11, 0), numbers(6, 0, 0), numbers(0, 0),
        numbers(0, 0, 0), nobody, couples,
    )  # fmt: skip
    directions = Directions(*(numbers(*[0] * axes) for axes in (3, 3, 4, 4, 5, 5)))
    moves = FactorMoves(numbers(0, 0), np.zeros((0, 0, 2), np.int64), numbers(0))
    out = OuterOut(numbers(0), numbers(0, 0), numbers(0, 0, 0), np.zeros(0, np.bool_), numbers(0, 0, 0), numbers(0, 0))
    outer_terms(data, directions, moves, numbers(0, 0), False, outer_room(0, 0, 0, 0, 0, 0), None, out)
    rows = InnerRows(starts, numbers(1, 0), numbers(3, 0))
    found = InnerOut(numbers(0), numbers(0, 0), numbers(0, 0), numbers(0), numbers(0, 0, 0))
    inner_terms(rows, chosen, numbers(0, 0, 0), numbers(0, 0), numbers(0, 0), numbers(0, 0, 0), inner_room(0, 0), found)
