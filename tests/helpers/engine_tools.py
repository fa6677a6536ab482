"""Small systems of equations as the solver takes them, without names, units or doses of the library's own making."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pkpd.engine.graph.nodes import Node, as_node, symbol
from pkpd.engine.solve.arrays import Records
from pkpd.engine.solve.block import Block, Result, Settings
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.run import solve_block
from pkpd.library import load_model
from pkpd.model.model import Model

TIME = symbol("t", "time")
METHODS = ("tsit5", "dop853", "rodas5p")
Times = Sequence[float] | np.ndarray


@functools.cache
def reference_model(name: str) -> Model:
    """Return a model of tests/helpers/reference_models; one object, so that its machine code is made once."""
    return load_model(Path(__file__).parent / "reference_models" / f"{name}.py")


def equations(
    rhs: Callable[..., Sequence[Any]],
    y0: Sequence[Any],
    inputs: Sequence[str] = (),
    outputs: Callable[..., Sequence[Any]] | None = None,
    dosing: dict[int, dict[str, Any]] | None = None,
) -> Equations:
    """Trace y' = rhs(t, y, *inputs); the states are the outputs unless a function gives others.

    y0 and dosing hold numbers or the names of inputs.
    """
    states = tuple(symbol(f"y{i}", "state") for i in range(len(y0)))
    given = {n: symbol(n, "theta") for n in inputs or ("unused",)}
    arguments = [given[n] for n in inputs]

    def node(x: Any) -> Node:
        return given[x] if isinstance(x, str) else as_node(x)

    return Equations(
        states=states,
        inputs=tuple(given.values()),
        derivatives=tuple(as_node(e) for e in rhs(TIME, states, *arguments)),
        initial=tuple(node(v) for v in y0),
        outputs=states if outputs is None else tuple(as_node(e) for e in outputs(TIME, states, *arguments)),
        dosing={i: {k: node(v) for k, v in entry.items()} for i, entry in (dosing or {}).items()},
    )


def columns(*rows: dict[str, float]) -> Records:
    """Return dose records from rows such as ``{"time": 0, "amt": 100}``; EVID is 1 unless given."""
    floats = ("time", "amt", "rate", "ii")
    values = {f: [row.get(f, 1 if f == "evid" else 0) for row in rows] for f in Records._fields}
    return Records(*(np.array(values[f], np.float64 if f in floats else np.int64) for f in Records._fields))


def grid(
    subjects: int, times: Sequence[float] | np.ndarray, *doses: dict[str, float], start: float | None = None
) -> Block:
    """Return a block in which all subjects have the same doses and times of observation; column i is subject i."""
    observed, none, empty = np.asarray(times, np.float64), np.empty(0, np.int64), np.empty(0)
    zeros = np.zeros(subjects, np.int64)
    first = min([float(observed[0]), *(d["time"] for d in doses)]) if start is None else start
    return Block(
        column=np.arange(subjects), origin=np.full(subjects, first), records=columns(*doses),
        rec_first=zeros, rec_last=zeros + len(doses), rec_column=none,
        seg_first=np.zeros(subjects + 1, np.int64), seg_time=empty, seg_rank=empty, seg_column=none,
        obs_time=observed, obs_first=zeros, obs_last=zeros + observed.size, obs_rank=empty, obs_column=none,
        shared=True,
    )  # fmt: skip


def solve(
    kernel: Kernel, times: Times, inputs: np.ndarray | Sequence[float] = (), *doses: dict[str, float],
    start: float | None = None, **settings: Any,
) -> Result:  # fmt: skip
    """Solve subjects with the given inputs, (inputs,) or (inputs, subjects); outputs are (outputs, subjects, times)."""
    values = np.atleast_1d(np.asarray(inputs if len(inputs) else [0.0], np.float64))
    values = values[:, None] if values.ndim == 1 else values
    return solve_block(kernel, grid(values.shape[1], times, *doses, start=start), values, Settings(**settings))


def one(
    kernel: Kernel,
    times: Sequence[float] | np.ndarray,
    inputs: Sequence[float] = (),
    *doses: dict[str, float],
    **more: Any,
) -> np.ndarray:
    """Solve one subject and return its outputs, shape (times, outputs)."""
    result = solve(kernel, times, inputs, *doses, **more)
    assert result.status.tolist() == [0]
    return result.outputs[:, 0].T
