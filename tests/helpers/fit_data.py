"""Models and data for the tests of estimation: reference data sets, and small ones simulated here."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from reference_data import ESTIMATION

import pkpd
from pkpd import Additive, Covariate, Model, Omega, Output, Parameter, Proportional, State
from pkpd.model.residual import ResidualError

REFERENCE = Path("reference") / "estimation"


def theophylline(shared: Path) -> pkpd.EventTable:
    """Return the twelve subjects of Boeckmann, Sheiner and Beal (1994); doses per kg."""
    raw = pd.read_csv(shared / REFERENCE / "theoph.csv")
    rows: list[dict[str, Any]] = []
    for subject, own in raw.groupby("Subject", sort=False):
        rows.append({"ID": subject, "TIME": 0.0, "AMT": own["Dose"].iloc[0], "DV": np.nan, "EVID": 1, "CMT": 1})
        rows += [
            {"ID": subject, "TIME": t, "AMT": 0.0, "DV": y, "EVID": 0, "CMT": 2}
            for t, y in zip(own["Time"], own["conc"], strict=True)
        ]
    return pkpd.read_events(pd.DataFrame(rows))


def phenobarbital(shared: Path) -> pkpd.EventTable:
    """Return the 59 neonates of Grasela and Donn (1985)."""
    raw = pd.read_csv(shared / REFERENCE / "phenobarb.csv")
    dosed, seen = raw["dose"].notna(), raw["conc"].notna()
    frame = {
        "ID": raw["Subject"], "TIME": raw["time"], "AMT": raw["dose"].fillna(0.0), "DV": raw["conc"],
        "EVID": np.where(dosed, 1, np.where(seen, 0, 2)), "WT": raw["Wt"],
        "APGAR": (raw["ApgarInd"] == ">= 5").astype(float),
    }  # fmt: skip
    return pkpd.read_events(pd.DataFrame(frame))


def acop(shared: Path, name: str) -> pkpd.EventTable:
    """Return a simulated set of ACoP 2016, "Oral_1CPT" or "Bolus_1CPT"; SS 99 there means not at steady state."""
    raw = pd.read_csv(shared / REFERENCE / f"{name}.csv")
    raw["SS"] = raw["SS"].replace(99, 0)
    return pkpd.read_events(raw.drop(columns=[c for c in ("CL", "V", "KA", "SD", "DOSE", "LNDV") if c in raw]))


def oral() -> pkpd.EventTable:
    """Return the 24 subjects of tests/reference/estimation/oral.csv, one oral dose each."""
    return pkpd.read_events(ESTIMATION / "oral.csv")


def theophylline_model(kind: str = "full") -> Model:
    """Return the model of Pinheiro and Bates: elimination rate, absorption rate and clearance per kg.

    ``kind``: ``full`` covariance, ``diag3`` diagonal, ``two`` without random effect on the elimination rate.
    """
    sd = {"full": (None, None, None), "diag3": (0.2, 0.6, 0.2), "two": (None, 0.6, 0.2)}[kind]
    block = Omega(("Ke", "Ka", "Cl"), [[0.05], [0.001, 0.4], [0.001, 0.001, 0.05]])
    return Model(
        "theophylline",
        states=[State("depot", "mg/kg"), State("central", "mg/kg")],
        parameters=[
            Parameter("Ke", 0.08, "1/h", sd=sd[0]),
            Parameter("Ka", 1.5, "1/h", sd=sd[1]),
            Parameter("Cl", 0.04, "L/h/kg", sd=sd[2]),
        ],
        omega=[block] if kind == "full" else [],
        outputs=[Output("Cc", "mg/L", error=Additive(0.7))],
        dynamics=lambda t, x, p: {"depot": -p.Ka * x.depot, "central": p.Ka * x.depot - p.Ke * x.central},
        calculate=lambda t, x, p: {"Cc": x.central * p.Ke / p.Cl},
    )


def theophylline_by_volume(block: Omega | None = None) -> Model:
    """Return the same equations by volume; random effects are independent unless a covariance is given."""
    sd = (0.6, 0.2, 0.15) if block is None else (None, None, None)
    return Model(
        "theophylline",
        states=[State("depot", "mg/kg"), State("central", "mg/kg")],
        parameters=[
            Parameter("Ka", 1.5, "1/h", sd=sd[0]),
            Parameter("Cl", 0.04, "L/h/kg", sd=sd[1]),
            Parameter("V", 0.5, "L/kg", sd=sd[2]),
        ],
        omega=[] if block is None else [block],
        outputs=[Output("Cc", "mg/L", error=Additive(0.7))],
        dynamics=lambda t, x, p: {"depot": -p.Ka * x.depot, "central": p.Ka * x.depot - p.Cl / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def phenobarbital_model(*, effects: bool) -> Model:
    """Return one compartment with boluses; ``effects``: weight on both log parameters, Apgar score on that of V."""
    parameters = [Parameter("CL", 0.006, "L/h", sd=0.4), Parameter("V", 1.4, "L", sd=0.4)]
    more: dict[str, Any] = {}
    if effects:
        parameters = [Parameter("CL", 0.0025, "L/h", sd=0.4), Parameter("V", 0.6, "L", sd=0.4)]
        parameters += [Parameter(n, 0.5, "1/kg", scale="additive") for n in ("WT_CL", "WT_V")]
        parameters += [Parameter("APGAR_V", 0.0, "", scale="additive")]
        more["covariates"] = [Covariate("WT", "kg", 1.5), Covariate("APGAR", "", 1.0)]
        more["individual"] = lambda p, cov: {
            "CL": p.CL * pkpd.math.exp(p.WT_CL * cov.WT),
            "V": p.V * pkpd.math.exp(p.WT_V * cov.WT + p.APGAR_V * cov.APGAR),
        }
    return Model(
        "phenobarbital",
        states=[State("central", "mg")],
        parameters=parameters,
        outputs=[Output("Cc", "mg/L", error=Additive(3.0))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


def acop_model(oral: bool = True) -> Model:
    """Return the model that the ACoP sets were simulated with, a little off the truth."""
    parameters = [Parameter("CL", 3.0, "L/h", cv=0.4), Parameter("V", 50.0, "L", cv=0.4)]
    outputs = [Output("Cc", "ug/L", error=Proportional(0.3))]
    if not oral:
        return Model(
            "bolus",
            states=[State("central", "ug")],
            parameters=parameters,
            outputs=outputs,
            dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
            calculate=lambda t, x, p: {"Cc": x.central / p.V},
        )
    return Model(
        "oral",
        states=[State("depot", "ug"), State("central", "ug")],
        parameters=[*parameters, Parameter("KA", 0.7, "1/h", cv=0.4)],
        outputs=outputs,
        dynamics=lambda t, x, p: {"depot": -p.KA * x.depot, "central": p.KA * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def mean_model() -> Model:
    """Return ``y = base + eta + eps``, whose marginal likelihood is normal."""
    return Model(
        "mean",
        states=[State("nothing", "")],
        parameters=[Parameter("base", 3.0, "", scale="additive", sd=0.8)],
        outputs=[Output("Y", "", error=Additive(0.5))],
        dynamics=lambda t, x, p: {"nothing": 0.0 * x.nothing},
        calculate=lambda t, x, p: {"Y": p.base + x.nothing},
    )


def bolus_model(error: ResidualError | None = None, **more: Any) -> Model:
    """Return a one-compartment model of boluses with random effects on both parameters."""
    return Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 2.0, "L/h", sd=0.3), Parameter("V", 20.0, "L", sd=0.2)],
        outputs=[Output("Cc", "mg/L", error=error or Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


def simulated(
    model: Model, n: int = 8, times: tuple[float, ...] = (0.5, 2.0, 6.0, 12.0, 24.0), seed: int = 1, *,
    covariates: dict[str, Any] | None = None, extra: dict[str, Any] | None = None, regimen: Any = None,
) -> pd.DataFrame:  # fmt: skip
    """Return a data set of n subjects, 100 mg each, drawn from the model; columns as for ``read_events``."""
    dose = pkpd.Regimen(amt=100) if regimen is None else regimen
    frame = pkpd.EventTable.from_regimen([dose] * n, list(times), covariates=covariates).frame.copy()
    for name, values in (extra or {}).items():
        frame[name] = values(frame) if callable(values) else values
    table = pkpd.read_events(frame)
    people = pkpd.Population.draw(model, n, seed=seed)
    outputs = [o for o, v in model.outputs.items() if v.error is not None]
    drawn = pkpd.simulate(model, table, people, residual=True, outputs=list(model.outputs))
    parts = []
    for k, name in enumerate(outputs):
        part = frame.copy()
        part["DV"] = np.where(frame["EVID"] == 0, drawn[f"{name}_observed"].values, np.nan)
        part["DVID"] = k + 1
        parts.append(part if k == 0 else part[part["EVID"] == 0])
    whole = pd.concat(parts).sort_values(["ID", "TIME", "EVID"], kind="stable").drop(columns="MDV")
    return (whole if len(outputs) > 1 else whole.drop(columns="DVID")).reset_index(drop=True)


@functools.cache
def simulated_table(n: int = 8, seed: int = 1) -> pkpd.EventTable:
    """Return a data set drawn from ``bolus_model()``."""
    return pkpd.read_events(simulated(bolus_model(), n, seed=seed))


LOG_2PI = math.log(2.0 * math.pi)
