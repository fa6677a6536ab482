"""SciPy's solve_ivp, one subject and one dose interval at a time; also the tight solution to compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import ATOL, RTOL, Curves, Workload

__all__ = ["prepare", "tight"]


def prepare(workload: Workload, method: str, rtol: float = RTOL, atol: float = ATOL) -> Callable[[], Curves]:
    """Return a function that simulates `workload` with `scipy.integrate.solve_ivp`.

    Parameters
    ----------
    workload : Workload
        What to simulate; a few subjects are enough, the time is proportional.
    method : str
        A method of `solve_ivp`.
    rtol, atol : float
        Tolerances of the solver.

    Returns
    -------
    callable
        Returns the outputs by name, each (subjects, times); the value at a dose time is that before the dose.
    """
    from scipy.integrate import solve_ivp

    span, width, states = (0.0, workload.every), len(workload.interval) - 1, len(workload.states)

    def run() -> Curves:
        out = np.empty((workload.subjects, len(workload.times), len(workload.outputs)))
        for subject, row in enumerate(workload.constants):
            constants, state = row.tolist(), workload.initial.copy()
            out[subject, 0, :states] = state

            def derivatives(t: float, u: NDArray[np.float64], p: list[float] = constants) -> tuple[float, ...]:
                return workload.rhs(u.tolist(), p)

            for dose in range(workload.count):
                state[0] += workload.amt
                solution = solve_ivp(
                    derivatives, span, state, method=method, t_eval=workload.interval, rtol=rtol, atol=atol
                )
                if not solution.success:
                    raise RuntimeError(f"SciPy {method}, {workload.name}, subject {subject}: {solution.message}")
                first = 1 + dose * width
                out[subject, first : first + width, :states] = solution.y.T[1:]
                state = solution.y[:, -1].copy()
        if workload.volume is not None:
            out[:, :, states] = out[:, :, 1] / workload.volume[:, None]
        return workload.named(out)

    return run


def tight(workload: Workload) -> Curves:
    """Return the solution to about 1e-11, each output (subjects, times): by DOP853, by LSODA where it is stiff."""
    method = "LSODA" if workload.stiff else "DOP853"
    return prepare(workload, method, rtol=1e-12, atol=1e-13)()
