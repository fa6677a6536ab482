"""diffrax's Tsit5 on the CPU: a scan over doses, mapped over subjects, compiled as one program."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.workloads import ATOL, RTOL, Curves, Workload

__all__ = ["prepare"]


def prepare(workload: Workload, rtol: float = RTOL, atol: float = ATOL) -> Callable[[], Curves]:
    """Return a function that simulates `workload` with diffrax in double precision.

    Parameters
    ----------
    workload : Workload
        What to simulate.
    rtol, atol : float
        Tolerances of the solver.

    Returns
    -------
    callable
        Returns the outputs by name, each (subjects, times); the value at a dose time is that before the dose.

    Raises
    ------
    ImportError
        If diffrax or jax is not installed.
    """
    diffrax: Any = import_module("diffrax")
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def derivatives(t: Any, u: Any, p: Any) -> Any:
        return jnp.stack(workload.rhs(u, p))

    term, controller = diffrax.ODETerm(derivatives), diffrax.PIDController(rtol=rtol, atol=atol)
    saved = diffrax.SaveAt(ts=jnp.asarray(workload.interval))
    initial, constants = jnp.asarray(workload.initial), jnp.asarray(workload.constants)

    def one(p: Any) -> Any:
        def interval(state: Any, _: Any) -> Any:
            state = state.at[0].add(workload.amt)
            solution = diffrax.diffeqsolve(
                term,
                diffrax.Tsit5(),
                0.0,
                workload.every,
                None,
                state,
                p,
                saveat=saved,
                stepsize_controller=controller,
                max_steps=100_000,
            )
            return solution.ys[-1], solution.ys[1:]

        _, pieces = jax.lax.scan(interval, initial, None, length=workload.count)
        return jnp.concatenate([initial[None], pieces.reshape(-1, len(initial))])

    program = jax.jit(jax.vmap(one))

    def run() -> Curves:
        states = np.asarray(program(constants).block_until_ready())
        if workload.volume is None:
            return workload.named(states)
        return workload.named(np.concatenate([states, states[:, :, 1:2] / workload.volume[:, None, None]], axis=2))

    return run
