"""Arrays that travel together through the compiled loops of the objective.

There are m subjects, N data, d directions, p random effects, q thetas, w numbers of covariances, s residual parameters.
"""

from __future__ import annotations

from collections import namedtuple

__all__ = [
    "BendSlopes", "Bends", "DataRows", "Directions", "EffectSlopes", "FactorMoves", "InnerOut", "InnerRows", "OuterOut",
    "ResidualInformation", "SubjectSums",
]  # fmt: skip

#: data of all subjects: ranges ``starts`` (m + 1,), predictions F (1 + d, N), second derivatives S (pairs, N) with
#: ``pair`` (d, d), -1 where neither direction is random, ``third`` (d, pairs, N) or empty, v (11, N) and sigma (6, s,
#: N) of :class:`pkpd.observation.density.Rows`, and without interaction G0 (d, N) and g0x (d, q, m); couples
#: of data, those of subject i from ``couple_starts[i]`` (m + 1,) on, see :class:`pkpd.observation.density.Couples`
DataRows = namedtuple("DataRows", "starts F S pair third v sigma G0 g0x couple_starts couples")
#: derivatives of directions, see :class:`pkpd.observation.links.ChainRule`; eee and eex may be empty
Directions = namedtuple("Directions", "e x ee ex eee eex")
#: Cholesky factor (p, p), the entries that each number of covariances moves (w, copies, 2), -1 behind the last, and by
#: how much (w,)
FactorMoves = namedtuple("FactorMoves", "factor at size")
#: sums over the data of a subject: l_phi (d,), L2, M, I (d, d), T (d, d, d), l_e (e,), l_fe (e, d), M_e (e, d, d)
SubjectSums = namedtuple("SubjectSums", "l_phi L2 M I T l_e l_fe M_e")
#: derivatives of phi by u and by (thetas, covariances): A (d, p), Auu (d, p, p), X (d, q + w), Ux (d, p, q + w)
EffectSlopes = namedtuple("EffectSlopes", "A Auu X Ux")
#: what the data of a subject tell of residual parameters, see :func:`pkpd.estimation.methods.information.sum_variances`
ResidualInformation = namedtuple("ResidualInformation", "w_e once twice")
#: curvature by the bends of phi(u): B (d,), its derivatives N by directions (d, d) and B_e (s, d)
Bends = namedtuple("Bends", "B N B_e")
#: what the bends add to derivatives of the log determinant: by u (p,), by x (q + w,), by residual parameters (s,)
BendSlopes = namedtuple("BendSlopes", "by_u by_x by_e")
#: written by the outer loop: (m,), (m, n), du/dx (m, p, n), whether all was positive definite (m,), exact minus
#: expected second derivative (m, p, p), expected information (n, n), with n = q + w + s
OuterOut = namedtuple("OuterOut", "ofv gradient moved exact extra fisher")
#: data of the inner problem: ranges (m + 1,), F (1 + d, N), and ``first`` (3, N): l, its derivative, information
InnerRows = namedtuple("InnerRows", "starts F first")
#: written by the inner loop: (m,), (m, p), (m, p), the product of gradient and step (m,), (m, d, d)
InnerOut = namedtuple("InnerOut", "value gradient step decrement M")
