"""Small models and simulated data for the estimators that sample, with closed forms beside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pkpd.dosing.events import EventTable, read_events
from pkpd.engine.graph.functions import exp
from pkpd.model.declare import Covariate, Omega, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Proportional, ResidualError

TIMES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 12.0])


def _weighed(p: Any, c: Any) -> dict[str, Any]:
    return {"k": p.k * exp(p.beta * (c.W - 1))}


def bolus(
    error: ResidualError | None = None, *, sd_V: float | None = 0.2, sd_k: float | None = 0.3, block: bool = False,
    weight: bool = False,
) -> Model:  # fmt: skip
    """Return a one-compartment bolus model with rate constant k, volume V and perhaps the effect of a covariate W."""
    parameters = [
        Parameter("k", 0.2, "1/h", sd=None if block else sd_k),
        Parameter("V", 10.0, "L", sd=None if block else sd_V),
    ]
    if weight:
        parameters.append(Parameter("beta", 0.0, "", scale="additive"))

    return Model(
        "bolus",
        states=[State("central", "mg")],
        covariates=[Covariate("W", "", 1.0)] if weight else [],
        parameters=parameters,
        omega=[Omega(["k", "V"], [[0.09], [0.02, 0.04]])] if block else [],
        outputs=[Output("Cc", "mg/L", error=error or Proportional(0.15))],
        individual=_weighed if weight else None,
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def draw(
    m: int, seed: int, *, k: float = 0.2, V: float = 10.0, sd: tuple[float, float] = (0.3, 0.2), rho: float = 0.0,
    add: float = 0.0, prop: float = 0.15, beta: float = 0.0, limit: float = 0.0, times: np.ndarray = TIMES,
) -> EventTable:  # fmt: skip
    """Return data of m subjects given 100 mg, by the closed form."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((m, 2))
    e[:, 1] = rho * e[:, 0] + np.sqrt(1 - rho**2) * e[:, 1]
    W = rng.uniform(0.5, 1.5, m)
    rows = []
    for i in range(m):
        ki, Vi = k * np.exp(sd[0] * e[i, 0] + beta * (W[i] - 1)), V * np.exp(sd[1] * e[i, 1])
        rows.append({"ID": i + 1, "TIME": 0.0, "AMT": 100.0, "EVID": 1, "DV": np.nan, "CENS": 0, "W": W[i]})
        f = 100 / Vi * np.exp(-ki * times)
        y = f + np.sqrt(add**2 + (prop * f) ** 2) * rng.standard_normal(times.size)
        for t, v in zip(times, y, strict=True):
            below = v < limit
            rows.append(
                {
                    "ID": i + 1,
                    "TIME": t,
                    "AMT": 0.0,
                    "EVID": 0,
                    "DV": limit if below else v,
                    "CENS": int(below),
                    "W": W[i],
                }
            )
    frame = pd.DataFrame(rows)
    return read_events(frame if limit else frame.drop(columns="CENS"))


def subjects(table: EventTable) -> list[dict[str, np.ndarray]]:
    """Return the columns of each subject's observations."""
    frame: Any = table.frame
    return [{c: own[c].to_numpy() for c in own} for _, own in frame[frame["EVID"] == 0].groupby("ID")]


def marginal(table: EventTable, *, k: float, V: float, sd: float, prop: float, n: int = 4001) -> np.ndarray:
    """Return log p(y_i) with the data's constant for random k only: the trapezoidal rule over eta, (m,)."""
    from scipy.stats import norm

    eta = np.linspace(-8 * sd, 8 * sd, n)
    out = []
    for own in subjects(table):
        f = 100 / V * np.exp(-k * np.exp(eta)[:, None] * own["TIME"])
        y = own["DV"]
        each = norm.logpdf(y, f, prop * f)
        if "CENS" in own:
            each = np.where(own["CENS"] == 1, norm.logcdf(y, f, prop * f), each)
        values = each.sum(axis=1) + norm.logpdf(eta, 0, sd)
        top = values.max()
        out.append(top + np.log(np.trapezoid(np.exp(values - top), eta)))
    return np.array(out)
