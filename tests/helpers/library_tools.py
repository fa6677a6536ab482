"""What the tests of the model library share: models loaded once, the typical person simulated, what drives what."""

from __future__ import annotations

from functools import cache

import numpy as np
import xarray as xr

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk
from pkpd.library import load_model
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import Solver
from pkpd.simulation.kernels import kernel_for, quantities
from pkpd.units import factors

TIMES = np.array([0.5, 1.0, 4.0, 12.0, 24.0, 48.0, 168.0])
AMOUNT = 100.0


@cache
def model_of(name: str) -> Model:
    return load_model(name)


def is_linear(model: Model) -> bool:
    return kernel_for(model, quantities(model, everything(model))).linear


def everything(model: Model) -> list[str]:
    """States and outputs, asked for together so that each model is compiled once."""
    return list(dict.fromkeys([*model.states, *model.outputs]))


def run(
    model: Model,
    dose: Dose | None,
    times: np.ndarray = TIMES,
    method: Solver = "auto",
    covariates: dict[str, float] | None = None,
) -> xr.Dataset:
    """Simulate the typical person, all states and outputs kept."""
    regimen = None if dose is None else Regimen.of(dose)
    person = Population.typical(model, covariates=covariates)
    sims = simulate(
        model, regimen, person, times, outputs=everything(model), method=method, on_failure="raise", progress=False
    )
    return sims.isel(subject=0)


def values(model: Model) -> dict[str, float]:
    return {name: parameter.value for name, parameter in model.parameters.items()}


def first(model: Model) -> str:
    return next(iter(model.states))


def stem(name: str) -> str:
    """The name without the part that it stands in."""
    return name.rpartition(".")[2]


def part_of(name: str) -> str:
    """What stands before a name of a part, with its dot; nothing for the model's own."""
    return name[: len(name) - len(stem(name))]


def dosed(model: Model) -> list[str]:
    """States that take doses of a drug."""
    return [s for s in model.states if stem(s) in ("depot", "central", "succinate")]


def inputs(model: Model) -> list[str]:
    """Covariates that stand for what another model puts out, of a model that takes no drug itself."""
    return [] if dosed(model) else list(model.covariates)


def downstream(model: Model, start: str, kind: str = "state") -> set[str]:
    """States and outputs that a symbol reaches through the equations."""
    trace = model.trace
    found = {start} if kind == "state" else set()

    def reached(root: Node) -> bool:
        return any(n.op == "symbol" and n.name in (found if n.kind == "state" else {start} if n.kind == kind else ())
                   for n in walk([root]))  # fmt: skip

    size = -1
    while len(found) != size:
        size = len(found)
        found |= {s for s, slope in zip(trace.states, trace.derivatives, strict=True) if reached(slope)}
    return found | {name for name, node in trace.outputs.items() if reached(node)}


def scale_of(unit: str, by: dict[str, float]) -> float:
    return float(np.prod([by.get(name, 1.0) ** power for name, power in factors(unit)]))


def rates(model: Model) -> np.ndarray:
    """Matrix of a linear model, column j the derivative of all states for one unit of state j more."""
    states = list(model.states)
    rest = np.array(list(model.rhs(0.0, {}).values()))
    return np.array([list(model.rhs(0.0, {s: 1.0}).values()) for s in states]).T - rest[:, None]
