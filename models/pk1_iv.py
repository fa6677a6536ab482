"""One compartment, intravenous bolus or infusion.

The amount in the central compartment falls at a rate proportional to its concentration, CL/V. Clearance and volume
scale with body weight by the powers of allometry. All values are examples: replace them by those of a drug.

Equation: central' = -CL Cc, with Cc = central / V. After a bolus Cc(t) = dose/V exp(-CL/V t).
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    return {"CL": p.CL * (cov.WT / 70) ** p.WT_CL, "V": p.V * (cov.WT / 70) ** p.WT_V}


def dynamics(t, x, p):
    return {"central": -p.CL * x.central / p.V}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


model = Model(
    "pk1_iv",
    reference="Gabrielsson J, Weiner D. Pharmacokinetic and Pharmacodynamic Data Analysis, 4th ed., 2006",
    states=[State("central", "mg", "plasma and what equals it at once")],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance at 70 kg", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume at 70 kg", cv=0.2, source="example value", known="assumed"),
        Parameter("WT_CL", 0.75, "", "exponent of weight on CL", source="allometry", known="assumed", fixed=True),
        Parameter("WT_V", 1.0, "", "exponent of weight on V", source="allometry", known="assumed", fixed=True),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    individual=individual,
    dynamics=dynamics,
    calculate=outputs,
)
