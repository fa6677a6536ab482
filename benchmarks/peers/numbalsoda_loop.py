"""numbalsoda's DOP853 and LSODA in one compiled loop over subjects and dose intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads import ATOL, RTOL, Curves, Workload

__all__ = ["prepare"]

MAX_STEPS = 1_000_000


def prepare(workload: Workload, method: str, rtol: float = RTOL, atol: float = ATOL) -> Callable[[], Curves]:
    """Return a function that simulates `workload` with numbalsoda.

    Parameters
    ----------
    workload : Workload
        What to simulate.
    method : str
        'dop853' or 'lsoda'.
    rtol, atol : float
        Tolerances of the solver.

    Returns
    -------
    callable
        Returns the outputs by name, each (subjects, times); the value at a dose time is that before the dose.

    Raises
    ------
    ImportError
        If numbalsoda is not installed.
    """
    import numbalsoda

    address = _right_hand_side(workload.rhs, len(workload.states), numbalsoda.lsoda_sig)
    loop = _loop(getattr(numbalsoda, method))
    volume = workload.volume if workload.volume is not None else np.empty(0)

    def run() -> Curves:
        out = np.empty((workload.subjects, len(workload.times), len(workload.outputs)))
        failed = loop(
            address,
            workload.interval,
            workload.count,
            workload.amt,
            workload.initial,
            workload.constants,
            volume,
            rtol,
            atol,
            out,
        )
        if failed:
            raise RuntimeError(f"numbalsoda {method} failed in {failed} dose intervals of {workload.name}")
        return workload.named(out)

    return run


def _right_hand_side(rhs: Callable[[Any, Any], tuple[Any, ...]], states: int, signature: Any) -> Any:
    """Return the address of `rhs` compiled to C, with the equations inlined."""
    import numba

    equations = numba.njit(rhs)

    @numba.cfunc(signature)
    def derivatives(t: float, u: Any, du: Any, p: Any) -> None:
        values = equations(u, p)
        for i in range(states):
            du[i] = values[i]

    _KEPT.append(derivatives)
    return derivatives.address


_KEPT: list[Any] = []  # compiled code lives as long as the object that owns it


def _loop(solve: Any) -> Any:
    """Return the compiled loop over subjects and dose intervals around numbalsoda's `solve`."""
    import numba

    @numba.njit
    def loop(
        address: int,
        interval: Any,
        count: int,
        amt: float,
        initial: Any,
        constants: Any,
        volume: Any,
        rtol: float,
        atol: float,
        out: Any,
    ) -> int:
        failed, width, states = 0, len(interval) - 1, len(initial)
        for subject in range(len(constants)):
            state = initial.copy()
            data = constants[subject]
            out[subject, 0, :states] = state
            for dose in range(count):
                state[0] += amt
                solution, success = solve(address, state, interval, data, rtol, atol, MAX_STEPS)
                failed += not success
                row = 1 + dose * width
                out[subject, row : row + width, :states] = solution[1:]
                state[:] = solution[width]
            if len(volume):
                out[subject, :, states] = out[subject, :, 1] / volume[subject]
        return failed

    return loop
