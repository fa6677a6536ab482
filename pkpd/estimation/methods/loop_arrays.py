"""Arrays that travel together through the compiled loops of the objective.

There are m subjects, N data, d directions, p random effects, q thetas, w numbers of covariances, s residual parameters.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

__all__ = [
    "BendSlopes", "Bends", "DataRows", "Directions", "EffectSlopes", "FactorMoves", "InformationRoom", "InnerOut",
    "InnerRoom", "InnerRows", "OuterOut", "OuterRoom", "ResidualInformation", "SubjectSums", "bends_room", "inner_room",
    "outer_room",
]  # fmt: skip

#: data of all subjects: ranges ``starts`` (m + 1,), predictions F (1 + d, N), second derivatives S (pairs, N) with
#: ``pair`` (d, d), -1 where neither direction is random, ``third`` (d, pairs, N) or empty, v (11, N) and sigma (6, s,
#: N) of :class:`pkpd.observation.density.Rows`, and without interaction G0 (d, N) and g0x (d, q, m); couples
#: of data, those of subject i from ``couple_starts[i]`` (m + 1,) on, see :class:`pkpd.observation.couples.Couples`
DataRows = namedtuple("DataRows", "starts F S pair third v sigma G0 g0x couple_starts couples")
#: derivatives of directions, see :class:`pkpd.observation.links.ChainRule`; eee and eex may be empty
Directions = namedtuple("Directions", "e x ee ex eee eex")
#: Cholesky factor (p, p), the entries that each number of covariances moves (w, copies, 2), -1 behind the last, and by
#: how much (w,)
FactorMoves = namedtuple("FactorMoves", "factor at size")
#: sums over the data of a subject: l_phi (d,), L2, M, I (d, d), T (d, d, d), l_e (e,), l_fe (e, d), M_e (e, d, d)
SubjectSums = namedtuple("SubjectSums", "l_phi L2 M I T l_e l_fe M_e")
#: derivatives of phi by u and by (thetas, covariances): A (d, p), Auu (d, p, p), X (d, q + w), Ux (d, p, q + w);
#: and room (p,), (p, p)
EffectSlopes = namedtuple("EffectSlopes", "A Auu X Ux delta half")
#: what the data of a subject tell of residual parameters, see :func:`pkpd.estimation.methods.information.sum_variances`
ResidualInformation = namedtuple("ResidualInformation", "w_e once twice")
#: room for the information of a subject: H^-1 (p, p) and products of matrices, ``stacked_P`` (1, d, d) being P (d, d)
InformationRoom = namedtuple("InformationRoom", "Q E U AQ P stacked_P K S UE MA around product")
#: curvature by the bends of phi(u): B (d,), its derivatives N by directions (d, d) and B_e (s, d); and room
Bends = namedtuple("Bends", "B N B_e P half by_eta")
#: what the bends add to derivatives of the log determinant: by u (p,), by x (q + w,), by residual parameters (s,)
BendSlopes = namedtuple("BendSlopes", "by_u by_x by_e")
#: room of the outer loop: what is above, matrices (p, p), weights of directions, and vectors as rows of arrays
OuterRoom = namedtuple(
    "OuterRoom", "effects sums known information bend_slopes H C J Psi V W AP tau b vec lam by_e shift"
)
#: written by the outer loop: (m,), (m, n), du/dx (m, p, n), whether all was positive definite (m,), exact minus
#: expected second derivative (m, p, p), expected information (n, n), with n = q + w + s
OuterOut = namedtuple("OuterOut", "ofv gradient moved exact extra fisher")
#: data of the inner problem: ranges (m + 1,), F (1 + d, N), and ``first`` (3, N): l, its derivative, information
InnerRows = namedtuple("InnerRows", "starts F first")
#: room of the inner loop: (d,), (d, p), (d, d), (p, p), (p, p)
InnerRoom = namedtuple("InnerRoom", "g A M H C")
#: written by the inner loop: (m,), (m, p), (m, p), the product of gradient and step (m,), (m, d, d)
InnerOut = namedtuple("InnerOut", "value gradient step decrement M")


def inner_room(d: int, p: int) -> InnerRoom:
    """Return room for the inner loop."""
    return InnerRoom(*_zeros((d,), (d, p), (d, d), (p, p), (p, p)))


def outer_room(d: int, p: int, q: int, w: int, s: int, k0: int) -> OuterRoom:
    """Return room for the outer loop; k0 directions move the variance by the prediction that it is taken at."""
    e = s + k0
    P = np.zeros((1, d, d))
    products = [*_zeros((p, p), (d, p), (d, d), (d, p)), P[0], P, *_zeros((w, p, p), (s, p, p), (d, p), (d, p))]
    return OuterRoom(
        EffectSlopes(*_zeros((d, p), (d, p, p), (d, q + w), (d, p, q + w), (p,), (p, p))),
        SubjectSums(*_zeros((d,), (d, d), (d, d), (d, d), (d, d, d), (e,), (e, d), (e, d, d))),
        ResidualInformation(*_zeros((s, s), (s, d, d), (s * s, d, d))),
        InformationRoom(*products, *_zeros((p, p), (p, p))),
        BendSlopes(*_zeros((p,), (q + w,), (s,))),
        *_zeros((p, p), (p, p), (p, p), (p, p), (d, p), (d, d), (d, p), (d,), (p,), (1, p), (1, p), (e,), (d,)),
    )  # fmt: skip


def bends_room(d: int, p: int, s: int) -> Bends:
    """Return room for the bends of phi(u)."""
    return Bends(*_zeros((d,), (d, d), (s, d), (p, p), (p, p), (p,)))


def _zeros(*shapes: tuple[int, ...]) -> Any:
    """Return arrays of zeros, made as one."""
    sizes = [math.prod(shape) for shape in shapes]
    whole, at = np.zeros(sum(sizes)), 0
    found = []
    for shape, size in zip(shapes, sizes, strict=True):
        found.append(whole[at : at + size].reshape(shape))
        at += size
    return found
