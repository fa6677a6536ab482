"""From data to the inner problem of each subject: value, gradient and Newton step, as a compiled loop."""

from __future__ import annotations

from pkpd.engine.machine.jit import uncounted_entry
from pkpd.engine.solve.rows import clear
from pkpd.estimation.methods.dense import cholesky, curvature, slopes, solve

__all__ = ["inner_terms"]


@uncounted_entry
def inner_terms(rows, chosen, e, factor, u, extra, room, out):  # noqa: C901
    """Write value, gradient and Newton step of ``-l + u^T u / 2`` for some subjects.

    Parameters
    ----------
    rows : InnerRows
    chosen : int array
        Subjects.
    e : float array, (d, p, m)
        Derivatives of the d directions that random effects reach.
    factor : float array, (p, p)
    u : float array, (m, p)
    extra : float array, (m, p, p)
        What the exact second derivative adds to the one from M; used where the sum is positive definite.
    room : InnerRoom
    out : InnerOut
        Written.
    """
    starts, F, first = rows.starts, rows.F, rows.first
    value, gradient, step, decrement = out.value, out.gradient, out.step, out.decrement
    g, A, M, H, C = room
    d, p = A.shape
    for c in range(chosen.size):
        i, l = chosen[c], 0.0
        clear(g)
        clear(M)
        for j in range(starts[i], starts[i + 1]):
            l += first[0, j]
            for a in range(d):
                g[a] += first[1, j] * F[1 + a, j]
                w = first[2, j] * F[1 + a, j]
                for b in range(a + 1):
                    M[a, b] += w * F[1 + b, j]
        for a in range(d):
            for b in range(a + 1):
                M[b, a] = M[a, b]
                out.M[i, a, b], out.M[i, b, a] = M[a, b], M[a, b]
        slopes(e, factor, i, A)
        total = -l
        for a in range(p):
            total += 0.5 * u[i, a] * u[i, a]
            s = u[i, a]
            for k in range(d):
                s -= A[k, a] * g[k]
            gradient[i, a] = s
        value[i] = total
        curvature(A, M, H)
        for a in range(p):
            for b in range(p):
                C[a, b] = H[a, b] + extra[i, a, b]
        logdet = cholesky(C, C)
        if logdet != logdet:
            logdet = cholesky(H, C)
        for a in range(p):
            step[i, a] = -gradient[i, a]
        if logdet == logdet:
            solve(C, step, i)
        decrement[i] = 0.0
        for a in range(p):
            decrement[i] -= gradient[i, a] * step[i, a]
