"""Therapeutic drug monitoring: a population fitted once, then a new (invented) patient with two levels, and a dose."""

import sys
import tempfile
from pathlib import Path

import pandas as pd

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

model = pkpd.Model(
    "infusion",
    states=[pkpd.State("central", "mg")],
    covariates=[pkpd.Covariate("CRCL", "mL/min", 90, "creatinine clearance")],
    parameters=[
        pkpd.Parameter("CL", 4.5, "L/h", "clearance", sd=0.3),
        pkpd.Parameter("V", 40.0, "L", "volume", sd=0.25),
    ],
    outputs=[pkpd.Output("Cc", "mg/L", "plasma concentration", error=pkpd.Combined(add=0.5, prop=0.1))],
    individual=lambda p, cov: {"CL": p.CL * (cov.CRCL / 90) ** 0.8},
    dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
    calculate=lambda t, x, p: {"Cc": x.central / p.V},
)
covariates = {"CRCL": [50 + 2 * k for k in range(40)]}
table = pkpd.EventTable.from_regimen(
    [pkpd.Regimen(amt=1000, tinf=1, ii=12, addl=3)] * 40, [2, 11, 26, 47], covariates=covariates
)
people = pkpd.Population.draw(model, 40, covariates=covariates, seed=6)
table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
found = pkpd.fit(model, pkpd.read_events(table.frame.drop(columns="MDV")))
print(found)

# The patient: two doses, a peak and a trough.
patient = pd.DataFrame({
    "ID": ["new"] * 4, "TIME": [0.0, 12.0, 14.0, 23.5], "EVID": [1, 1, 0, 0], "AMT": [1000.0, 1000.0, 0.0, 0.0],
    "RATE": [1000.0, 1000.0, 0.0, 0.0], "DV": [None, None, 39.0, 23.0], "CRCL": [60.0] * 4,
})  # fmt: skip
estimate = pkpd.individual(found, patient, draws=4000, seed=1)
print(f"\n{estimate}")
print(estimate.observations.round(2).to_string())

# People of the posterior go wherever a population goes; what is not known of the patient stays in the answer.
schedules = {
    "250 mg every 12 h": "250 mg IV over 1 h q12h x8",
    "500 mg every 12 h": "500 mg IV over 1 h q12h x8",
    "1000 mg every 24 h": "1000 mg IV over 1 h q24h x4",
    "1000 mg every 12 h": "1000 mg IV over 1 h q12h x8",
}
advice = pkpd.recommend(estimate, schedules, "Cc < 15 at trough", n=500, seed=1)
print(f"\n{advice}")
advice.table.to_csv(out / "schedules.csv")
print(f"wrote {out / 'schedules.csv'}")
