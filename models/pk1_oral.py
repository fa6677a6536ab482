"""One compartment, first-order absorption.

A dose into the depot is absorbed after a lag at a rate proportional to what is left there; a fraction F of it arrives.
A dose into the central compartment is intravenous and has neither. All values are examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc, with Cc = central / V.
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    return {"CL": p.CL * (cov.WT / 70) ** p.WT_CL, "V": p.V * (cov.WT / 70) ** p.WT_V}


def dosing(p):
    return {"depot": {"F": p.F, "tlag": p.tlag}}


def dynamics(t, x, p):
    absorbed = p.ka * x.depot
    return {"depot": -absorbed, "central": absorbed - p.CL * x.central / p.V}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


model = Model(
    "pk1_oral",
    reference="Bateman H. Proc Cambridge Philos Soc 1910;15:423-427 (the solution)",
    states=[State("depot", "mg", "site of absorption"), State("central", "mg", "plasma and what equals it at once")],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance at 70 kg", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume at 70 kg", cv=0.2, source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("tlag", 0.25, "h", "lag of absorption", source="example value", known="assumed"),
        Parameter("WT_CL", 0.75, "", "exponent of weight on CL", source="allometry", known="assumed", fixed=True),
        Parameter("WT_V", 1.0, "", "exponent of weight on V", source="allometry", known="assumed", fixed=True),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    individual=individual,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
