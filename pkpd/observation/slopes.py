"""Densities of all observations with their slopes in one compiled loop, and what these say of each subject.

The densities are those of ``pkpd.observation.density``, one piece of machine code for each channel, called by address.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pkpd.engine.machine.jit import entry, leaf
from pkpd.engine.solve.call import call_code
from pkpd.observation.data import Channel, starts
from pkpd.observation.tape import Tape

__all__ = ["PackedSlopes", "Sensed", "pack_slopes", "pull", "slopes_of"]


class PackedSlopes(NamedTuple):
    """Channels as a compiled loop takes them.

    Attributes
    ----------
    address, size, width, cells : int array, (channels,)
        Machine code, number of data, the same filled up to whole vectors, observations that each datum speaks of.
    twice : bool array, (channels,)
        Whether the code's next input is the prediction that the variance is taken at.
    row_first, input_first, root_first : int array, (channels,)
        Where the channel begins in ``row``, ``inputs``, ``place``.
    own_first : int array, (channels + 1,)
    own : int array
        Numbers of the residual parameters that enter, which are the last inputs of the code.
    row : int array
        Numbers of the observations; of the first cell of each datum, then of the second.
    inputs : float array
        Rows of the code's inputs, those that do not change filled in; the others are written by every call.
    z_first : int array, (channels,)
        Row of the first residual parameter.
    place : int array
        Row of the logarithm in what the code writes, of its derivatives by predictions and by residual parameters; -1
        for a number, which is in ``number``.
    number : float array
    room : int
        Largest number of what the code writes.
    """

    address: np.ndarray
    size: np.ndarray
    width: np.ndarray
    cells: np.ndarray
    twice: np.ndarray
    row_first: np.ndarray
    input_first: np.ndarray
    root_first: np.ndarray
    own_first: np.ndarray
    own: np.ndarray
    row: np.ndarray
    inputs: np.ndarray
    z_first: np.ndarray
    place: np.ndarray
    number: np.ndarray
    room: int


def pack_slopes(
    channels: Sequence[Channel], codes: Sequence[Tape], own: Sequence[Sequence[int]], y: np.ndarray
) -> PackedSlopes:
    """Return channels with their machine code, which must be kept, and the residual parameters of each.

    Parameters
    ----------
    channels : sequence of Channel
    codes : sequence of Tape
        Of the logarithm, its derivatives by predictions, and by the residual parameters.
    own : sequence of sequence of int
    y : float array, (N,)
        Data.
    """
    inputs, rows, z_first = [], [], []
    for channel, code, mine in zip(channels, codes, own, strict=True):
        n, said = channel.rows.size, channel.reported
        width = -(-n // code.lanes) * code.lanes
        filled = len(channel.every) if said is not None else 2
        fixed = [y[channel.rows]] if said is None else [said.value, said.value_to, said.reading]
        columns = np.zeros((filled + len(fixed) + len(mine), width))
        for k, given in enumerate(fixed, start=filled):
            columns[k, :n], columns[k, n:] = given, given[-1:]
        inputs.append(columns)
        rows.append(np.concatenate(channel.every))
        z_first.append(filled + len(fixed))
    return PackedSlopes(
        address=_whole([code.address for code in codes]), size=_whole([c.rows.size for c in channels]),
        width=_whole([x.shape[1] for x in inputs]), cells=_whole([len(c.every) for c in channels]),
        twice=np.array([c.reported is None for c in channels], bool), row_first=starts([r.size for r in rows])[:-1],
        input_first=starts([x.size for x in inputs])[:-1], root_first=starts([code.size for code in codes])[:-1],
        own_first=starts([len(mine) for mine in own]), own=_whole([k for mine in own for k in mine]),
        row=_whole(np.concatenate([np.empty(0), *rows])),
        inputs=np.concatenate([np.empty(0), *(x.ravel() for x in inputs)]),
        z_first=_whole(z_first), place=_whole(np.concatenate([np.empty(0), *(code.places for code in codes)])),
        number=np.concatenate([np.empty(0), *(code.numbers for code in codes)]),
        room=max([code.rows * x.shape[1] for code, x in zip(codes, inputs, strict=True)], default=0),
    )  # fmt: skip


def _whole(values: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.array(values, np.int64)


@leaf
def _gather(inputs, start, width, values, row, first, n):
    """Write some of the values to a row of inputs, the last one again up to its end."""
    for j in range(n):
        inputs[start + j] = values[row[first + j]]
    for j in range(n, width):
        inputs[start + j] = inputs[start + n - 1]


@leaf
def _scatter(out, row, first, n, found, place, width, number):
    """Write what the machine code found of each datum, or a number, to the rows of some observations."""
    if place < 0:
        for j in range(n):
            out[row[first + j]] = number
        return
    start = place * width
    for j in range(n):
        out[row[first + j]] = found[start + j]


@entry
def slopes_of(b, f, g, z, l, by_f, by_z):
    """Write the log-density of each datum and its derivatives.

    Parameters
    ----------
    b : PackedSlopes
        Whose inputs are written to.
    f, g : float array, (N,)
        Predictions, and those that variances are taken at.
    z : float array, (s,)
        Residual parameters on their scale.
    l, by_f : float array, (N,)
    by_z : float array, (s, N)
    """
    inputs, found, row, place, number, own = b.inputs, np.empty(b.room), b.row, b.place, b.number, b.own
    for c in range(b.address.size):
        n, width, cells, first, root = b.size[c], b.width[c], b.cells[c], b.row_first[c], b.root_first[c]
        at, mine, end = b.input_first[c], b.own_first[c], b.own_first[c + 1]
        for k in range(cells):
            _gather(inputs, at + k * width, width, f, row, first + k * n, n)
        if b.twice[c]:
            _gather(inputs, at + width, width, g, row, first, n)
        for q in range(mine, end):
            start, value = at + (b.z_first[c] + q - mine) * width, z[own[q]]
            for j in range(width):
                inputs[start + j] = value
        call_code(b.address[c], (width, width, inputs[at:], found))
        _scatter(l, row, first, n, found, place[root], width, number[root])
        for k in range(cells):
            r = root + 1 + k
            _scatter(by_f, row, first + k * n, n, found, place[r], width, number[r])
        for q in range(mine, end):
            r = root + 1 + cells + q - mine
            _scatter(by_z[own[q]], row, first, n, found, place[r], width, number[r])


#: of each observation its output, its row in the predictions, whose it is; number of outputs; directions that each
#: output depends on, as ranges
Sensed = namedtuple("Sensed", "output place subject outputs reach_first reach")


@entry
def pull(y, sensed, by_f, out):
    """Add up for each subject what derivatives by predictions say of each direction.

    Parameters
    ----------
    y : float array, (outputs * (1 + directions), rows)
        Predictions and their derivatives.
    sensed : Sensed
    by_f : float array, (N,)
    out : float array, (directions, subjects)
    """
    output, place, subject, outputs, reach_first, reach = sensed
    out[:] = 0.0
    for n in range(by_f.size):
        o, slope, who, row = output[n], by_f[n], subject[n], place[n]
        for q in range(reach_first[o], reach_first[o + 1]):
            k = reach[q]
            out[k, who] += slope * y[(k + 1) * outputs + o, row]
