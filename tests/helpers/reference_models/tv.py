"""One compartment with depot whose clearance and volume follow a weight that changes with time."""

from pkpd import Covariate, Model, Output, Parameter, State


def individual(p, cov):
    return {"CL": p.TVCL * (cov.WT / 70) ** 0.75, "V": p.TVV * (cov.WT / 70)}


def dynamics(t, x, p):
    return {"DEPOT": -p.KA * x.DEPOT, "CENT": p.KA * x.DEPOT - p.CL / p.V * x.CENT}


def outputs(t, x, p):
    return {"CONC": x.CENT / p.V}


model = Model(
    "tv",
    title="One compartment with time-varying weight",
    description="The covariate model of the simulation reference, cases C15 (a row's weight holds backward) and C16.",
    states=[State("DEPOT", "mg", "site of absorption"), State("CENT", "mg", "central compartment")],
    covariates=[Covariate("WT", "kg", 70.0, "body weight", carry="backward")],
    parameters=[
        Parameter("TVCL", 5.0, "L/h", "clearance at 70 kg"),
        Parameter("TVV", 50.0, "L", "volume at 70 kg"),
        Parameter("KA", 0.9, "1/h", "absorption rate constant"),
    ],
    outputs=[Output("CONC", "mg/L", "central concentration")],
    individual=individual,
    dynamics=dynamics,
    calculate=outputs,
)
