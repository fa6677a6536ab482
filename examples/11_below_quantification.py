"""A third of the data below the limit of quantification: left out (M1), as probabilities (M3), and positive (M4)."""

import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

LLOQ = 0.25  # mg/L
model = pkpd.Model(
    "two_compartments",
    states=[pkpd.State("central", "mg"), pkpd.State("peripheral", "mg")],
    parameters=[
        pkpd.Parameter("CL", 4.0, "L/h", "clearance", sd=0.4),
        pkpd.Parameter("V1", 30.0, "L", "central volume", sd=0.2),
        pkpd.Parameter("Q", 3.0, "L/h", "exchange"),
        pkpd.Parameter("V2", 60.0, "L", "peripheral volume"),
    ],
    outputs=[pkpd.Output("Cc", "mg/L", "plasma concentration", error=pkpd.Combined(add=0.03, prop=0.15))],
    dynamics=lambda t, x, p: {
        "central": -(p.CL + p.Q) / p.V1 * x.central + p.Q / p.V2 * x.peripheral,
        "peripheral": p.Q / p.V1 * x.central - p.Q / p.V2 * x.peripheral,
    },
    calculate=lambda t, x, p: {"Cc": x.central / p.V1},
)
table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100, cmt="central")] * 40, [0.5, 2, 5, 9, 14, 20, 30, 44])
people = pkpd.Population.draw(model, 40, seed=8)
frame = table.frame.drop(columns="MDV")
frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values

# CENS is 1 where DV is the limit that the datum lies below.
frame["CENS"] = ((frame["EVID"] == 0) & (frame["DV"] < LLOQ)).astype(int)
frame["DV"] = np.where(frame["CENS"] == 1, LLOQ, frame["DV"])
data = pkpd.read_events(frame)
share = frame.loc[frame["EVID"] == 0, "CENS"].mean()
print(f"{share:.0%} of the data are below {LLOQ} mg/L\n")

# These 40 patients are not the population: beside the truth stand the typical values of those who were drawn.
truth = {n: model.parameters[n].value for n in model.parameters}
drawn = {n: truth[n] * float(np.exp(people.etas[:, k].mean())) for k, n in enumerate(people.eta_names)}
columns = {"truth": truth | {"sigma_add": 0.03}, "these patients": truth | drawn}
for way in ("m1", "m3", "m4"):
    found = pkpd.fit(model, data, "laplace", bloq=way, start={"CL": 3.0, "V2": 40.0})
    columns[way] = found.theta | {"sigma_add": found.sigma["sigma_add"], "seconds": found.seconds}
    if way == "m3":
        kept = found
print(pd.DataFrame(columns).round(3).to_string(na_rep=""))
pd.DataFrame(columns).to_csv(out / "ways.csv")

# In a visual check data below the limit count as such; the panel below has their share.
axes = pkpd.plot.vpc(kept, n=300, bins=8, seed=1, log=True)
axes[0].figure.savefig(out / "vpc.png", dpi=150)
print(f"\nM1 loses the patients with low levels; M3 and M4 keep what is known of them. Wrote {out / 'vpc.png'}")
