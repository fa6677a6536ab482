"""A population fitted to its data by FOCEI: estimates, diagnostics, a visual check, and the fit kept in a file."""

import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

model = pkpd.Model(
    "oral",
    states=[pkpd.State("depot", "mg"), pkpd.State("central", "mg")],
    parameters=[
        pkpd.Parameter("CL", 4.0, "L/h", "clearance", sd=0.3),
        pkpd.Parameter("V", 70.0, "L", "volume", sd=0.3),
        pkpd.Parameter("ka", 1.0, "1/h", "absorption rate constant", sd=0.3),
    ],
    outputs=[pkpd.Output("Cc", "mg/L", "plasma concentration", error=pkpd.Combined(add=0.02, prop=0.15))],
    dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
    calculate=lambda t, x, p: {"Cc": x.central / p.V},
)

# A study of one's own is a CSV with the columns ID TIME AMT DV EVID CMT; this one is simulated, so the truth is known.
times = [0.25, 0.5, 1, 2, 3, 5, 8, 12, 24, 36]
table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100, cmt="depot")] * 40, times)
people = pkpd.Population.draw(model, 40, seed=3)
table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
table.frame.drop(columns="MDV").to_csv(out / "study.csv", index=False)

# Values of the model are start values; `start` gives others, `fixed=["ka"]` would keep one.
data = pkpd.read_events(out / "study.csv")
found = pkpd.fit(model, data, "focei", start={"CL": 2.0, "V": 40.0, "ka": 2.0, "omega_CL": 0.3, "sigma_prop": 0.4})
print(found)

# Profiles of the likelihood, `pkpd.uncertainty.bootstrap` and `.sir` give intervals without normality; these are the
# normal ones.
low, high = found.ci(0.95)["CL"]
print(f"\nCL {found.theta['CL']:.2f} L/h, 95% from {low:.2f} to {high:.2f}; simulated with 4")

table = pkpd.checks.diagnostics(found, n=500, seed=1)
print(table[["CWRES", "NPDE"]].to_dataframe()[["CWRES", "NPDE"]].describe().loc[["mean", "std"]].round(2).to_string())
axes = pkpd.plot.goodness_of_fit(table)
axes[0, 0].figure.savefig(out / "goodness_of_fit.png", dpi=150)
pkpd.plot.vpc(found, n=300, bins=8, seed=1)[0].figure.savefig(out / "vpc.png", dpi=150)

# New people and another schedule; what is not known of the estimates counts too.
regimen = pkpd.Regimen.parse("100 mg q12h x6", cmt="depot")
sims = pkpd.simulate(found, regimen, n=200, times=pkpd.hours(0, 72, 2), seed=1)
trough = sims["Cc"].sel(time=72)
print(f"trough at 72 h: median {float(trough.median()):.2f}, 90% of people {float(trough.quantile(0.05)):.2f} to "
      f"{float(trough.quantile(0.95)):.2f} mg/L")  # fmt: skip

found.save(out / "fit.json")
again = pkpd.load_fit(out / "fit.json", model, data)
print(f"wrote {out / 'fit.json'}; read again: {again!r}")
