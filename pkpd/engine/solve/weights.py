"""Weights that integrate ``x' = a x + g`` over a panel from the values of g at its nodes, exact for g of degree 7.

With l_i the polynomial of degree 7 that is 1 at node i and 0 at the others, and z = a h,

    x(c_j h) = exp(z c_j) x(0) + h sum_i W_ji(z) g_i,    W_ji(z) = int_0^c_j exp(z (c_j - s)) l_i(s) ds

Source: the integrals of exponential collocation, Hochbruck M, Ostermann A. Acta Numerica 2010;19:209-286, section 2.2.
They are read from polynomials in z on pieces of -32 <= z <= 0, which err by less than 1e-12.
"""

from __future__ import annotations

import functools

import numpy as np

from pkpd.engine.machine.jit import leaf
from pkpd.engine.solve.panel import NODES, lobatto
from pkpd.engine.solve.rows import row_series

__all__ = ["LONGEST", "ROWS", "TERMS", "add_weights", "weight_table"]

LONGEST = 32.0  # largest -z
PIECES, DEGREE = 16, 11
TERMS = DEGREE + 1
#: rows of the table and of a group with inner states: columns of W, its last row, exp(z c) at the nodes
LAST, DECAY = NODES, NODES + 1
ROWS = NODES + 2


def weights(z: np.ndarray) -> np.ndarray:
    """Return the rows of the table at each z, (z, ROWS, NODES)."""
    nodes = lobatto()[0]
    y, w = np.polynomial.legendre.leggauss(48)
    r, w = (y + 1) / 2, w / 2
    cardinal = np.array(
        [
            np.prod([(nodes[:, None] * r - nodes[k]) / (nodes[i] - nodes[k]) for k in range(NODES) if k != i], axis=0)
            for i in range(NODES)
        ]
    )  # (i, j, point)
    out = np.empty((z.size, ROWS, NODES))
    decay = np.exp(z[:, None, None] * (nodes[:, None] * (1 - r)))  # (z, j, point)
    out[:, :NODES] = nodes * np.sum(decay[:, None] * cardinal * w, axis=-1)  # (z, i, j)
    out[:, LAST], out[:, DECAY] = out[:, :NODES, -1], np.exp(z[:, None] * nodes)
    return out


@functools.cache
def weight_table() -> np.ndarray:
    """Return coefficients of powers of the place in a piece, -1 to 1, (PIECES * TERMS * ROWS, NODES)."""
    chebyshev = np.polynomial.chebyshev
    points = np.cos(np.pi * (np.arange(2 * TERMS) + 0.5) / (2 * TERMS))
    width = LONGEST / PIECES
    z = -width * (np.arange(PIECES)[:, None] + 0.5 + 0.5 * points)
    values = weights(z.ravel()).reshape(PIECES, points.size, -1)
    fit = chebyshev.chebvander(points, TERMS - 1).T @ np.concatenate(values, axis=1) / TERMS  # at zeros of T_(2 TERMS)
    fit[0] /= 2
    powers = np.zeros((TERMS, TERMS))  # of each Chebyshev polynomial, a column
    for m, unit in enumerate(np.eye(TERMS)):
        powers[: m + 1, m] = chebyshev.cheb2poly(unit)[: m + 1]
    out = (powers @ fit).reshape(TERMS, PIECES, ROWS, NODES).swapaxes(0, 1)
    return np.ascontiguousarray(out).reshape(-1, NODES)


@leaf
def add_weights(groups, table, p, h, stored, q):
    """Write to set q, for each group, h W and the decay of its rate.

    Parameters
    ----------
    groups : int array, (groups, 3)
        Place of the rate a (-1: zero), first double in the set, 1 if states of the group drive others.
    """
    for k in range(groups.shape[0]):
        z = -p[groups[k, 0]] * h if groups[k, 0] >= 0 else 0.0  # a > 0 is refused when the row of P begins
        piece = min(int(z * (PIECES / LONGEST)), PIECES - 1)
        t = z * (2.0 * PIECES / LONGEST) - 2.0 * piece - 1.0
        row, place = piece * TERMS * ROWS, q * stored.shape[1] + groups[k, 1]
        if groups[k, 2] == 1:
            for r in range(LAST):
                row_series(stored, place + r * NODES, (table, row + r, ROWS), DEGREE, t, h)
            place += LAST * NODES
        row_series(stored, place, (table, row + LAST, ROWS), DEGREE, t, h)
        place -= q * stored.shape[1]
        total = 0.0
        for j in range(NODES):
            total += stored[q, place + j]
        place += NODES
        row_series(stored, q * stored.shape[1] + place, (table, row + DECAY, ROWS), DEGREE, t, 1.0)
        end = stored[q, place + NODES - 1]
        if groups[k, 2] == 1:
            place += NODES
        stored[q, place], stored[q, place + 1] = end, total
