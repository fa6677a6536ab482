"""One data set, seven methods: from pooled data to approximations of the likelihood, beside the likelihood itself."""

import sys
import tempfile
from pathlib import Path

import pandas as pd

import pkpd
from pkpd.estimation.methods.importance import importance

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

# Sparse data, much variability, a large residual error that grows with the concentration: approximations differ.
model = pkpd.Model(
    "bolus",
    states=[pkpd.State("central", "mg")],
    parameters=[
        pkpd.Parameter("CL", 4.0, "L/h", "clearance", sd=0.5),
        pkpd.Parameter("V", 70.0, "L", "volume", sd=0.4),
    ],
    outputs=[pkpd.Output("Cc", "mg/L", "plasma concentration", error=pkpd.Proportional(0.3))],
    dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
    calculate=lambda t, x, p: {"Cc": x.central / p.V},
)
table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * 80, [1, 8, 16, 30])
people = pkpd.Population.draw(model, 80, seed=5)
table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
data = pkpd.read_events(table.frame.drop(columns="MDV"))

rows = {"truth": {"CL": 4.0, "V": 70.0, "omega_CL": 0.25, "omega_V": 0.16, "sigma_prop": 0.3}}
exact = pkpd.fit(model, data, pkpd.methods.Importance(points=256))  # the likelihood at the model's own values
rows["truth"] |= {"OFV, exact": exact.ofv, "error": exact.extra["ofv_se"]}
methods = (
    pkpd.methods.NaivePooled(), pkpd.methods.TwoStage(), pkpd.methods.Fo(covariance=None),
    pkpd.methods.Foce(covariance=None), pkpd.Focei(covariance=None), pkpd.Laplace(covariance=None),
    pkpd.Saem(covariance=None),
)  # fmt: skip
for each in methods:
    found, method = pkpd.fit(model, data, each), each.name
    rows[method] = dict(found.estimates)
    if method != "naive_pooled":  # it has no random effects, so its likelihood is another one
        exact = importance(found.problem, found.x, points=256, seed=1)
        rows[method] |= {"OFV": found.ofv, "OFV, exact": exact.ofv, "error": exact.se, "seconds": found.seconds}
    else:
        rows[method] |= {"OFV": found.ofv, "seconds": found.seconds}

# "OFV, exact" is -2 log-likelihood at the estimates by importance sampling: the lowest ones are the best estimates.
comparison = pd.DataFrame.from_dict(rows, orient="index")
print(comparison.round(3).to_string(na_rep=""))
comparison.to_csv(out / "methods.csv")
best = comparison["OFV, exact"].idxmin()
print(f"\nthe most likely estimates are those of {best}; naive pooling took variability for residual error")
print(f"wrote {out / 'methods.csv'}")
