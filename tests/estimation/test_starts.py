"""Start values far from the data: a fit ends at the optimum in bounded time, or names what ran off."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import Additive, Combined, EventTable, Model, Output, Parameter, Population, Regimen, State
from pkpd.estimation.methods.objective import Outcome
from pkpd.estimation.methods.optimise import minimise
from pkpd.estimation.methods.register import method_of

NAMES = ("ktr", "ka", "CL", "V", "Imax", "IC50", "kout", "R0")
UNITS = ("1/h", "1/h", "L/h", "L", "", "mg/L", "1/h", "%")
FIRST: dict[str, float] = dict(zip(NAMES, (1.0, 1.0, 0.1, 10.0, 0.8, 0.5, 0.05, 100.0), strict=True))


def turnover(values: tuple[float, ...], sd: tuple[float, ...]) -> Model:
    """Return a drug that slows the production of a marker, absorbed in two steps."""

    def dynamics(t: Any, x: Any, p: Any) -> dict[str, Any]:
        c = x.central / p.V
        return {
            "gut": -p.ktr * x.gut, "wall": p.ktr * x.gut - p.ka * x.wall, "central": p.ka * x.wall - p.CL * c,
            "R": p.kout * p.R0 * (1 - p.Imax * c / (p.IC50 + c)) - p.kout * x.R,
        }  # fmt: skip

    parameters = [
        Parameter(n, v, u, sd=s, **({"scale": "logit", "bounds": (0, 1)} if n == "Imax" else {}))
        for n, v, u, s in zip(NAMES, values, UNITS, sd, strict=True)
    ]
    return Model(
        "turnover",
        states=[State(s, "mg") for s in ("gut", "wall", "central")] + [State("R", "%")],
        parameters=parameters,
        initial=lambda p: {"R": p.R0},
        outputs=[Output("Cc", "mg/L", error=Combined(add=0.1, prop=0.1)), Output("E", "%", error=Additive(5.0))],
        dynamics=dynamics,
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "E": x.R},
    )


@functools.cache
def study(n: int = 15) -> tuple[Model, EventTable]:
    """Return the model with start values, and data of n persons."""
    true = turnover((1.5, 1.0, 0.13, 8.0, 0.97, 1.2, 0.05, 96.0), (0.4, 0.5, 0.3, 0.2, 0.3, 0.4, 0.1, 0.05))
    times = [1, 3, 9, 24, 36, 48, 72, 96, 120, 144]
    table = EventTable.from_regimen([Regimen(amt=100, cmt="gut")] * n, times)
    drawn = pkpd.simulate(true, table, Population.draw(true, n, seed=2), residual=True, seed=2)
    frame, rows = table.frame.drop(columns="MDV"), []
    for j, (_, r) in enumerate(frame.iterrows()):
        if r.EVID == 1:
            rows.append({**r, "DV": None, "DVID": "Cc"})
            continue
        if r.TIME > 20 or r.ID % 3 == 0:
            rows.append({**r, "DV": float(drawn["Cc_observed"].values[j]), "DVID": "Cc"})
        if r.TIME >= 24:
            rows.append({**r, "DV": float(drawn["E_observed"].values[j]), "DVID": "E"})
    model = turnover(tuple(FIRST.values()), (1.0, 1.0, 1.4, 1.0, 0.7, 0.7, 0.7, 0.7))
    return model, pkpd.read_events(pd.DataFrame(rows))


@functools.cache
def optimum() -> float:
    return pkpd.fit(*study(), pkpd.Focei(covariance=None)).ofv


def reached(start: dict[str, float], method: str = "focei") -> None:
    found = pkpd.fit(*study(), method_of(method, covariance=None), start=start)
    said = " ".join(found.messages)
    named = not found.converged and any(f"{n} ran off" in said for n in NAMES)
    assert (found.converged and found.ofv < optimum() + 0.5) or named, (start, found.ofv - optimum(), said)


def test_a_start_ten_times_too_high_ends_at_the_optimum() -> None:
    reached({"IC50": 5.0})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_each_start_ten_times_off_ends_at_the_optimum(name: str, factor: float) -> None:
    value = FIRST[name] * factor
    reached({name: min(value, 0.98) if name == "Imax" else value})


def test_a_part_that_the_objective_hardly_tells_does_not_shorten_the_step() -> None:
    # x is curved, y almost flat: its Newton step is thousands long
    flat = 1e-9

    def objective(x: np.ndarray) -> Outcome:
        valley = np.array([1.0, flat])
        value = float(np.log(np.cosh(x[0] - 6.0))) + 0.5 * flat * (x[1] - 5e4) ** 2
        gradient = np.array([np.tanh(x[0] - 6.0), flat * (x[1] - 5e4)])
        none = np.zeros((1, 1))
        return Outcome(value, gradient, none[0], none, np.diag(valley), none, np.ones(1, bool))

    wide = np.full(2, np.inf)
    found = minimise(objective, np.zeros(2), -wide, wide, np.ones(2, bool), limit=20, decrease=1e-6)
    assert found.x[0] == pytest.approx(6.0, abs=1e-2)
