"""Methylprednisolone by mouth, or into a vein as succinate.

One compartment, linear. A dose into the depot is oral, one into `succinate` is the intravenous ester, converted with a
half-life of 1.7 min; both in mg of methylprednisolone. Clearance and volume are proportional to weight, as published
per kg, and come from a meta-analysis of 22 sources. Others found a clearance of 0.45 L/h/kg (5 healthy, 20-80 mg), 21
L/h (16-1000 mg), 15 L/h (1 g in rheumatoid arthritis) and 0.30-0.36 L/h/kg (label), half-lives of 1.8-5.2 h.
Variability is that of the 5 healthy subjects (SD over mean). No residual error was published: that here is an
assumption.

Equations: depot' = -ka depot; succinate' = -kconv succinate; central' = ka depot + kconv succinate - CL Cc, with Cc =
central / V.
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    return {"CL": p.CL * (cov.WT / 70) ** p.WT_CL, "V": p.V * (cov.WT / 70) ** p.WT_V}


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, converted = p.ka * x.depot, p.kconv * x.succinate
    return {
        "depot": -absorbed,
        "succinate": -converted,
        "central": absorbed + converted - p.CL * x.central / p.V,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


META, HEALTHY = "meta-analysis of 22 sources, abstract", "Br J Clin Pharmacol 1989;27:285"
SOURCE = {
    "CL": f"0.336 L/h/kg, {META}; variability 0.12/0.45, {HEALTHY}",
    "V": f"1.17 L/kg, {META}; variability 0.63/1.5, {HEALTHY}",
}

model = Model(
    "methylprednisolone",
    reference=(
        "physiological meta-analysis of 22 sources, abstract (CL, V, F, ka, conversion); Br J Clin Pharmacol "
        "1989;27:285, abstract (variability)"
    ),
    states=[
        State("depot", "mg", "gut"),
        State("succinate", "mg", "ester in plasma, in mg of methylprednisolone"),
        State("central", "mg", "plasma"),
    ],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 0.336 * 70, "L/h", "clearance at 70 kg", cv=0.27, source=SOURCE["CL"], known="derived"),
        Parameter("V", 1.17 * 70, "L", "volume at 70 kg", cv=0.42, source=SOURCE["V"], known="derived"),
        Parameter("ka", 2.1, "1/h", "absorption rate constant", source=META),
        Parameter("F", 0.74, "", "bioavailability by mouth", bounds=(0, 1), source=f"{META}; 0.82 in {HEALTHY}"),
        Parameter("kconv", 24.5, "1/h", "conversion of ester", source=f"half-life 1.7 min, {META}", known="derived"),
        Parameter("WT_CL", 1.0, "", "exponent of weight on CL", source="published per kg", known="derived", fixed=True),
        Parameter("WT_V", 1.0, "", "exponent of weight on V", source="published per kg", known="derived", fixed=True),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.2))],
    individual=individual,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
