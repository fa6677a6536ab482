"""Which covariates matter: a forward and backward search with its log, and the written model tested beside it."""

import sys
import tempfile
from pathlib import Path

import numpy as np

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)


def bolus(name: str, **more) -> pkpd.Model:
    """Return one compartment, with covariate effects where given."""
    return pkpd.Model(
        name,
        states=[pkpd.State("central", "mg")],
        covariates=[
            pkpd.Covariate("WT", "kg", 70, "weight"),
            pkpd.Covariate("CRCL", "mL/min", 90, "creatinine clearance"),
            pkpd.Covariate("SEX", "", 0, "1 for women"),
        ],
        parameters=[
            pkpd.Parameter("CL", 4.0, "L/h", "clearance", sd=0.3),
            pkpd.Parameter("V", 70.0, "L", "volume", sd=0.25),
            *more.pop("also", []),
        ],
        outputs=[pkpd.Output("Cc", "mg/L", "plasma concentration", error=pkpd.Proportional(0.15))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


# The truth: clearance with the creatinine clearance, volume with weight; sex does nothing.
written = bolus(
    "written",
    also=[pkpd.Parameter("CRCL_CL", 0.7, "", scale="additive"), pkpd.Parameter("WT_V", 1.0, "", scale="additive")],
    individual=lambda p, cov: {"CL": p.CL * (cov.CRCL / 90) ** p.CRCL_CL, "V": p.V * (cov.WT / 70) ** p.WT_V},
)
rng = np.random.default_rng(4)
n = 60
covariates = {
    "WT": np.round(70 * np.exp(0.2 * rng.standard_normal(n)), 1),
    "CRCL": np.round(90 * np.exp(0.35 * rng.standard_normal(n))),
    "SEX": rng.integers(0, 2, n).astype(float),
}
table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * n, [1, 4, 10, 20, 30], covariates=covariates)
people = pkpd.Population.draw(written, n, covariates=covariates, seed=4)
table.frame["DV"] = pkpd.simulate(written, table, people, residual=True)["Cc_observed"].values
data = pkpd.read_events(table.frame.drop(columns="MDV"))

base = pkpd.fit(bolus("base"), data)
search = pkpd.search.covariate_search(
    base, {"CL": ["WT", "CRCL", "SEX"], "V": ["WT", "SEX"]}, forward=0.05, backward=0.01
)
print(search)
print(search.log.drop(columns=["error"]).round(3).to_string(index=False))
search.log.to_csv(out / "search.csv", index=False)

# Effects of one's own are written in the model; they are then estimated as everything else is.
found = pkpd.fit(written, data)
print(f"\n{pkpd.search.likelihood_ratio(base, found)}")
print(pkpd.search.compare_fits(base, found).round(2).to_string())
print(found)
