"""Three compartments, first-order absorption.

A dose into the depot is absorbed after a lag, a fraction F of it arrives; a dose into the central compartment is
intravenous. A fast and a slow peripheral compartment exchange with the central one. All values are examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc - Q2 (Cc - C2) - Q3 (Cc - C3); peripheral2' = Q2 (Cc - C2);
peripheral3' = Q3 (Cc - C3), with Cc = central / V1, C2 = peripheral2 / V2, C3 = peripheral3 / V3.
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    flow, volume = (cov.WT / 70) ** p.WT_CL, (cov.WT / 70) ** p.WT_V
    clearances = {"CL": p.CL * flow, "Q2": p.Q2 * flow, "Q3": p.Q3 * flow}
    return {**clearances, "V1": p.V1 * volume, "V2": p.V2 * volume, "V3": p.V3 * volume}


def dosing(p):
    return {"depot": {"F": p.F, "tlag": p.tlag}}


def dynamics(t, x, p):
    absorbed, Cc = p.ka * x.depot, x.central / p.V1
    fast, slow = p.Q2 * (Cc - x.peripheral2 / p.V2), p.Q3 * (Cc - x.peripheral3 / p.V3)
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - fast - slow,
        "peripheral2": fast,
        "peripheral3": slow,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


model = Model(
    "pk3_oral",
    reference="Gabrielsson J, Weiner D. Pharmacokinetic and Pharmacodynamic Data Analysis, 4th ed., 2006",
    states=[
        State("depot", "mg", "site of absorption"),
        State("central", "mg", "plasma and what equals it at once"),
        State("peripheral2", "mg", "fast tissue"),
        State("peripheral3", "mg", "slow tissue"),
    ],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance at 70 kg", cv=0.3, source="example value", known="assumed"),
        Parameter("V1", 15.0, "L", "central volume at 70 kg", cv=0.2, source="example value", known="assumed"),
        Parameter("Q2", 12.0, "L/h", "clearance to the fast tissue at 70 kg", source="example value", known="assumed"),
        Parameter("V2", 30.0, "L", "volume of the fast tissue at 70 kg", source="example value", known="assumed"),
        Parameter("Q3", 2.0, "L/h", "clearance to the slow tissue at 70 kg", source="example value", known="assumed"),
        Parameter("V3", 80.0, "L", "volume of the slow tissue at 70 kg", source="example value", known="assumed"),
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
