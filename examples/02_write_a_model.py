"""A model of one's own: a file with equations, whose names and units are checked when it is loaded."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

# This text would be a file that you keep: my_model.py.
TEXT = '''"""One compartment after absorption; the drug inhibits the production of a marker."""

from pkpd import Combined, Covariate, LogNormal, Model, Output, Parameter, State


def individual(p, cov):
    return {"CL": p.CL * (cov.WT / 70) ** 0.75, "V": p.V * (cov.WT / 70)}


def initial(p):
    return {"marker": p.kin / p.kout}


def dynamics(t, x, p):
    C = x.central / p.V
    absorbed = p.ka * x.depot
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * C,
        "marker": p.kin * (1 - p.Imax * C / (p.IC50 + C)) - p.kout * x.marker,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V, "CRP": x.marker}


model = Model(
    "my_model",
    states=[State("depot", "mg", "under the skin"), State("central", "mg", "plasma"), State("marker", "mg/L", "CRP")],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 9.0, "L/h", "clearance", cv=0.3),
        Parameter("V", 16.0, "L", "volume", cv=0.2),
        Parameter("ka", 0.15, "1/h", "absorption rate constant"),
        Parameter("kin", 3.0, "mg/L/h", "production of CRP", cv=0.4),
        Parameter("kout", 0.03, "1/h", "loss of CRP"),
        Parameter("Imax", 0.8, "", "largest inhibition", bounds=(0, 1)),
        Parameter("IC50", 0.05, "mg/L", "concentration for half of it"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Combined(add=0.01, prop=0.15)),
        Output("CRP", "mg/L", "C-reactive protein", error=LogNormal(0.2)),
    ],
    individual=individual,
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
'''
path = out / "my_model.py"
path.write_text(TEXT, encoding="utf-8")

model = pkpd.models[path]
print(model)  # states, parameters, equations

sims = pkpd.simulate(model, pkpd.Regimen.parse("100 mg q24h x7", cmt="depot"), times=pkpd.hours(0, 240, 1))
lowest = sims["CRP"].min().item()
print(f"\nCRP falls from {sims['CRP'][0].item():.0f} to {lowest:.0f} mg/L in the typical person")

# A misspelt name or a unit that does not fit is an error that names the culprit.
try:
    wrong = TEXT.replace("p.CL * C,", "p.Cl * C,")
    (out / "wrong.py").write_text(wrong, encoding="utf-8")
    pkpd.models[out / "wrong.py"]
except pkpd.errors.ModelError as error:
    print(f"\nWith a mistake in it: {error}")
