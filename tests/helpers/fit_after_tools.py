"""Fits that the tests of what follows a fit share."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from fit_data import bolus_model, simulated_table

import pkpd
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.result import Fit


@functools.cache
def plain_fit(n: int = 16) -> Fit:
    """Return the fit of the model that its data were drawn from."""
    return fit(bolus_model(), simulated_table(n))


@functools.cache
def block_fit() -> Fit:
    """Return a fit with correlated random effects."""
    model = bolus_model().replace(omega=np.array([[0.09, 0.02], [0.02, 0.04]]))
    return fit(model, simulated_table(16))


def occasion_model() -> pkpd.Model:
    """Return a model with variability between occasions."""
    return pkpd.Model(
        "occasions",
        states=[pkpd.State("central", "mg")],
        parameters=[
            pkpd.Parameter("CL", 2.0, "L/h", sd=0.3, iov_sd=0.2),
            pkpd.Parameter("V", 20.0, "L", sd=0.2),
        ],
        outputs=[pkpd.Output("Cc", "mg/L", error=pkpd.Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


@functools.cache
def weight_table(n: int = 30, seed: int = 3) -> pkpd.EventTable:
    """Return data of subjects whose clearance is proportional to weight; SEX and AGE have no effect."""
    rng = np.random.default_rng(seed)
    covariates = {
        "WT": rng.lognormal(np.log(70), 0.3, n),
        "SEX": (rng.random(n) < 0.5).astype(float),
        "AGE": rng.normal(50, 10, n),
    }
    model = bolus_model(
        covariates=[pkpd.Covariate("WT", "kg", 70)], individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)}
    )
    times = [0.5, 2.0, 6.0, 12.0, 24.0]
    frame = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * n, times, covariates=covariates).frame.copy()
    etas = pkpd.Population.draw(model, n, seed=seed).etas
    people = pkpd.Population.from_table(
        model,
        pd.DataFrame({"ID": np.arange(1, n + 1), "WT": covariates["WT"], "ETA_CL": etas[:, 0], "ETA_V": etas[:, 1]}),
    )
    drawn = pkpd.simulate(model, pkpd.read_events(frame), people, residual=True, seed=seed)
    frame["DV"] = np.where(frame["EVID"] == 0, drawn["Cc_observed"].values, np.nan)
    return pkpd.read_events(frame.drop(columns="MDV"))


@functools.cache
def weight_fit() -> Fit:
    """Return the fit of these data without covariates."""
    return fit(bolus_model(), weight_table(), Focei(covariance=None))
