"""pkpd through its public interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.workloads import ATOL, RTOL, Curves, Workload

__all__ = ["arguments", "prepare"]


def arguments(workload: Workload) -> tuple[Any, Any, Any]:
    """Return the model, the regimen and the people of a workload as pkpd's own values."""
    import pandas as pd

    import pkpd

    model = pkpd.models[workload.model]
    regimen = pkpd.Regimen(amt=workload.amt, cmt=workload.states[0], ii=workload.every, addl=workload.count - 1)
    return model, regimen, pkpd.Population.from_table(model, pd.DataFrame(workload.table))


def prepare(
    workload: Workload, method: str = "auto", *, threads: int = 1, rtol: float = RTOL, atol: float = ATOL
) -> Callable[[], Curves]:
    """Return a function that simulates `workload` with pkpd.

    Parameters
    ----------
    workload : Workload
        What to simulate.
    method : str
        A method of `pkpd.simulate`.
    threads : int
        Number of threads.
    rtol, atol : float
        Tolerances of the solver.

    Returns
    -------
    callable
        Returns the outputs by name, each (subjects, times).
    """
    import pkpd

    model, regimen, people = arguments(workload)
    names = list(workload.outputs)

    def run() -> Curves:
        sims = pkpd.simulate(
            model,
            regimen,
            people,
            times=workload.times,
            outputs=names,
            rtol=rtol,
            atol=atol,
            method=method,
            threads=threads,
        )
        return {name: sims[name].values for name in names}

    return run
