"""Models and data sets for the diagnostics of fits: small, and made so that something is known of the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.estimation.api import fit
from pkpd.estimation.methods.register import method_of
from pkpd.estimation.result import Fit
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Additive, Combined, LogNormal, Ordinal, ResidualError
from pkpd.people.population import Population
from pkpd.simulation.api import simulate


def bolus(error: ResidualError, iov: float | None = None) -> Model:
    """One compartment after a bolus."""
    return Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.15, "1/h", sd=0.3), Parameter("V", 10.0, "L", sd=0.25, iov_sd=iov)],
        outputs=[Output("Cc", "mg/L", "plasma concentration", error=error)],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def line(sd: float = 1.0) -> Model:
    """A straight line with additive random effects: all approximations of its likelihood are exact."""
    return Model(
        "line",
        states=[State("none", "")],
        parameters=[
            Parameter("a", 5.0, "mg/L", sd=2.0, scale="additive"),
            Parameter("b", 0.5, "mg/L/h", sd=0.3, scale="additive"),
        ],
        outputs=[Output("y", "mg/L", "a straight line", error=Additive(sd))],
        dynamics=lambda t, x, p: {"none": 0 * x.none},
        calculate=lambda t, x, p: {"y": p.a + p.b * t + 0 * x.none},
    )  # fmt: skip


def drug_and_marker() -> Model:
    """A drug, a marker that it lowers with log-normal error, and a grade."""
    return Model(
        "markers",
        states=[State("central", "mg"), State("marker", "mg/L")],
        covariates=[Covariate("WT", "kg", 70, "body weight")],
        parameters=[
            Parameter("CL", 2.0, "L/h", sd=0.3), Parameter("V", 20.0, "L", sd=0.2),
            Parameter("base", 30.0, "mg/L", sd=0.4), Parameter("kout", 0.1, "1/h"),
            Parameter("IC50", 1.0, "mg/L", fixed=True),
            Parameter("shift", -1.0, "", bounds=(-9, 9)), Parameter("steep", 0.05, "L/mg", fixed=True),
        ],
        outputs=[
            Output("Cc", "mg/L", "plasma concentration", error=Combined(add=0.02, prop=0.15)),
            Output("M", "mg/L", "marker", error=LogNormal(0.2)),
            Output("G", "", "grade", error=Ordinal((0.0, 1.5))),
        ],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** 0.75},
        initial=lambda p: {"marker": p.base},
        dynamics=lambda t, x, p: {
            "central": -p.CL / p.V * x.central,
            "marker": p.kout * (p.base / (1 + x.central / p.V / p.IC50) - x.marker),
        },
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "M": x.marker, "G": p.shift + p.steep * x.marker},
    )  # fmt: skip


def drawn(model: Model, n: int, times: Any, seed: int = 1, amt: float = 100.0, **columns: Any) -> EventTable:
    """Return data drawn from a model: one bolus each, every output with an error at each time."""
    import pandas as pd

    observed = [name for name, o in model.outputs.items() if o.error is not None]
    table = EventTable.from_regimen([Regimen(amt=amt)] * n, times, covariates=columns or None)
    sims = simulate(model, table, Population.draw(model, n, seed=seed), residual=True, progress=False)
    parts = []
    for k, name in enumerate(observed):
        frame = table.frame.copy()
        frame["DV"] = sims[f"{name}_observed"].values
        frame["DVID"] = k + 1
        parts.append(frame if k == 0 else frame[frame["EVID"] == 0])
    frame = pd.concat(parts).sort_values(["ID", "TIME", "EVID"], kind="stable")
    return read_events(frame.drop(columns="MDV" if len(observed) > 1 else ["MDV", "DVID"]))


def censored(table: EventTable, limit: float) -> EventTable:
    """Return the data with those below a limit marked."""
    frame = table.frame.drop(columns="MDV").copy()
    below = (frame["EVID"] == 0) & (frame["DV"] < limit)
    frame["CENS"] = below.astype(int)
    frame.loc[below, "DV"] = limit
    return read_events(frame)


def at_start(model: Model, table: EventTable, method: str = "focei", **options: Any) -> Fit:
    """Return a fit whose estimates are the model's own values: only random effects are found."""
    return fit(model, table, method_of(method, covariance=None, max_iterations=0), **options)


def as_array(data: Any) -> np.ndarray:
    """Return values as floats."""
    return np.asarray(data.values, float)
