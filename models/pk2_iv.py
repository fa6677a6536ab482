"""Two compartments, intravenous bolus or infusion.

Drug distributes from the central to a peripheral compartment and back, and leaves from the central one, so that a
concentration falls in two phases. All values are examples.

Equations: central' = -CL Cc - Q (Cc - Cp); peripheral' = Q (Cc - Cp), with Cc = central / V1, Cp = peripheral / V2.
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    flow, volume = (cov.WT / 70) ** p.WT_CL, (cov.WT / 70) ** p.WT_V
    return {"CL": p.CL * flow, "V1": p.V1 * volume, "Q": p.Q * flow, "V2": p.V2 * volume}


def dynamics(t, x, p):
    Cc, Cp = x.central / p.V1, x.peripheral / p.V2
    return {"central": -p.CL * Cc - p.Q * (Cc - Cp), "peripheral": p.Q * (Cc - Cp)}


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


model = Model(
    "pk2_iv",
    reference="Gabrielsson J, Weiner D. Pharmacokinetic and Pharmacodynamic Data Analysis, 4th ed., 2006",
    states=[State("central", "mg", "plasma and what equals it at once"), State("peripheral", "mg", "slower tissue")],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance at 70 kg", cv=0.3, source="example value", known="assumed"),
        Parameter("V1", 30.0, "L", "central volume at 70 kg", cv=0.2, source="example value", known="assumed"),
        Parameter("Q", 8.0, "L/h", "clearance to the periphery at 70 kg", source="example value", known="assumed"),
        Parameter("V2", 60.0, "L", "peripheral volume at 70 kg", source="example value", known="assumed"),
        Parameter("WT_CL", 0.75, "", "exponent of weight on CL, Q", source="allometry", known="assumed", fixed=True),
        Parameter("WT_V", 1.0, "", "exponent of weight on V", source="allometry", known="assumed", fixed=True),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    individual=individual,
    dynamics=dynamics,
    calculate=outputs,
)
