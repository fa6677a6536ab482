"""A small drug model, regimens and people that the tests of simulate share."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Combined
from pkpd.people.population import Population

TIMES = [0.0, 1.0, 6.0, 24.0, 48.0]
DAILY = Regimen(amt=100, cmt="depot", ii=24, addl=1)
TWICE = Regimen(amt=50, cmt="depot", ii=12, addl=3)


@functools.cache
def drug(carry: str = "forward", iov: bool = False) -> Model:
    """One compartment in ug, with weight, an error model and a bioavailability."""

    def individual(p: Any, cov: Any) -> dict[str, Any]:
        return {"CL": p.CL * (cov.WT / 70) ** 0.75, "ke": p.CL * (cov.WT / 70) ** 0.75 / p.V}

    return Model(
        "drug",
        title="A drug",
        states=[State("depot", "ug", "injection site"), State("central", "ug", "plasma")],
        covariates=[Covariate("WT", "kg", 70.0, "body weight", carry=carry)],  # type: ignore[arg-type]
        parameters=[
            Parameter("CL", 5.0, "L/h", "clearance", cv=0.3, iov_cv=0.5 if iov else None),
            Parameter("V", 50.0, "L", "volume", cv=0.2),
            Parameter("ka", 0.9, "1/h", "absorption"),
            Parameter("bio", 0.8, "", "bioavailability"),
            Parameter("lag", 0.0, "h", "lag"),
        ],
        outputs=[Output("Cc", "ug/L", "concentration", error=Combined(add=0.1, prop=0.2)), Output("amount", "ug")],
        individual=individual,
        dosing=lambda p: {"depot": {"F": p.bio, "tlag": p.lag}},
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.ke * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "amount": x.depot + x.central},
    )


@functools.cache
def people(n: int = 5) -> Population:
    return Population.draw(drug(), n, covariates={"WT": np.linspace(50.0, 90.0, n)}, seed=2)
