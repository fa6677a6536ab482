"""Two compartments, first-order absorption.

A dose into the depot is absorbed after a lag, a fraction F of it arrives; a dose into the central compartment is
intravenous. All values are examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc - Q (Cc - Cp); peripheral' = Q (Cc - Cp), with Cc = central
/ V1, Cp = peripheral / V2.
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    flow, volume = (cov.WT / 70) ** p.WT_CL, (cov.WT / 70) ** p.WT_V
    return {"CL": p.CL * flow, "V1": p.V1 * volume, "Q": p.Q * flow, "V2": p.V2 * volume}


def dosing(p):
    return {"depot": {"F": p.F, "tlag": p.tlag}}


def dynamics(t, x, p):
    absorbed, Cc, Cp = p.ka * x.depot, x.central / p.V1, x.peripheral / p.V2
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - p.Q * (Cc - Cp),
        "peripheral": p.Q * (Cc - Cp),
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


model = Model(
    "pk2_oral",
    reference="Gabrielsson J, Weiner D. Pharmacokinetic and Pharmacodynamic Data Analysis, 4th ed., 2006",
    states=[
        State("depot", "mg", "site of absorption"),
        State("central", "mg", "plasma and what equals it at once"),
        State("peripheral", "mg", "slower tissue"),
    ],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance at 70 kg", cv=0.3, source="example value", known="assumed"),
        Parameter("V1", 30.0, "L", "central volume at 70 kg", cv=0.2, source="example value", known="assumed"),
        Parameter("Q", 8.0, "L/h", "clearance to the periphery at 70 kg", source="example value", known="assumed"),
        Parameter("V2", 60.0, "L", "peripheral volume at 70 kg", source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("tlag", 0.25, "h", "lag of absorption", source="example value", known="assumed"),
        Parameter("WT_CL", 0.75, "", "exponent of weight on CL, Q", source="allometry", known="assumed", fixed=True),
        Parameter("WT_V", 1.0, "", "exponent of weight on V", source="allometry", known="assumed", fixed=True),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    individual=individual,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
