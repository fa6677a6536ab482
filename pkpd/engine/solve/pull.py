"""What the observations of each subject say of each input, straight from the states.

With outputs g and their derivatives by inputs, and a weight w of each output at each observation, this is
``sum_j w_oj dg_o(t_j)/dq_k``: the derivatives themselves, many times as many as the sums, are written nowhere.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import entry
from pkpd.engine.solve.block import Block, States
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.observe_code import ABREAST

__all__ = ["Pull"]

#: runs of a subject's observations with one column of P: whose, the first observation and its number among the
#: subject's, how many, column, and where its weights begin, filled up to whole vectors
Runs = namedtuple("Runs", "subject row number count column place")
#: place in ``weights`` of what each given weight is of; which places are of something, as 1 and 0; room for weights of
#: each output, so many apart
Weights = namedtuple("Weights", "cell seen weights stride")
#: times of observations, P as a flat array and its width, and the states
Solved = namedtuple("Solved", "time flat width states")


@entry
def _pull(address, runs, cells, by, solved, part, out):
    """Add weighted derivatives up, for each part (of an input) and subject."""
    cell, seen, weights, stride = cells
    t, flat, width, (y, y_first, y_stride) = solved
    for c in range(weights.size):
        weights[c] = 0.0
    for n in range(by.size):
        weights[cell[n]] += by[n]
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[k, i] = 0.0
    for r in range(runs.subject.size):
        who, at = runs.subject[r], runs.place[r]
        there = y[y_first[who] + runs.number[r] :]
        of_states = runs.count[r], t[runs.row[r] :], there, y_stride, flat[runs.column[r] :], width
        call_code(address, (*of_states, weights[at:], seen[at:], stride, part))
        for k in range(out.shape[0]):
            out[k, who] += part[k]


class Pull:
    """Sums of weighted derivatives over the observations of each subject, with room that every call uses.

    Parameters
    ----------
    kernel : Kernel
        Its outputs are so many, then their derivatives by each input.
    block : Block
        Not on a common grid, with a column of P for each observation or for each subject.
    outputs : int
        Outputs that are no derivatives.
    output, row : int array, (N,)
        Which output at which observation each weight is of.
    """

    def __init__(self, kernel: Kernel, block: Block, outputs: int, output: np.ndarray, row: np.ndarray) -> None:
        self.parts = len(kernel.outputs) // outputs - 1
        self._code = kernel.pull(outputs)
        runs, place_of, size = _runs(block)
        cell = output * size + place_of[row]
        seen = np.zeros(outputs * size)
        seen[cell] = 1.0
        self._runs, self._cells = runs, Weights(cell, seen, np.zeros(outputs * size), size)
        self._part = np.zeros(self.parts)
        # vectors may reach beyond the last observation
        self._times = np.append(block.obs_time, np.zeros(ABREAST))

    def __call__(self, states: States, by: np.ndarray) -> np.ndarray:
        """Return the sums, (inputs, subjects), for the states of the last solution and weights (N,)."""
        P, table = states
        out = np.empty((self.parts, table.first.size))
        solved = Solved(self._times, P.reshape(-1), P.shape[1], table)
        _pull(self._code["pull"], self._runs, self._cells, by, solved, self._part, out)
        return out


def _runs(b: Block) -> tuple[Runs, np.ndarray, int]:
    """Return the runs of a block, the place of each observation, and how many places there are."""
    found, place_of, size = [], np.zeros(b.obs_time.size, np.int64), 0
    for i, (first, last) in enumerate(zip(b.obs_first.tolist(), b.obs_last.tolist(), strict=True)):
        columns = b.obs_column[first:last] if b.obs_column.size else np.full(last - first, b.column[i])
        starts = np.append(0, np.flatnonzero(np.diff(columns)) + 1) if columns.size else np.empty(0, np.int64)
        for a, end in zip(starts.tolist(), [*starts[1:].tolist(), last - first], strict=True) if columns.size else ():
            vectors = -(-(end - a) // ABREAST)
            found.append((i, first + a, a, vectors, columns[a], size))
            place_of[first + a : first + end] = size + np.arange(end - a)
            size += vectors * ABREAST
    return Runs(*np.ascontiguousarray(np.array(found, np.int64).reshape(-1, 6).T)), place_of, size
