"""Two compartments, oral, indirect response I: the drug inhibits the formation of a response.

It falls while drug is there and returns as it is formed anew. The response stands at kin / kout without drug. A dose
into the central compartment is intravenous. All values are examples.

Equations: those of pk2_oral, and response' = kin (1 - I) - kout response, with I = Imax Cc^gamma / (IC50^gamma +
Cc^gamma).
"""

from pkpd import Additive, Covariate, Model, Output, Parameter, Proportional, State


def individual(p, cov):
    flow, volume = (cov.WT / 70) ** p.WT_CL, (cov.WT / 70) ** p.WT_V
    return {"CL": p.CL * flow, "V1": p.V1 * volume, "Q": p.Q * flow, "V2": p.V2 * volume}


def initial(p):
    return {"response": p.kin / p.kout}


def dosing(p):
    return {"depot": {"F": p.F, "tlag": p.tlag}}


def dynamics(t, x, p):
    absorbed, Cc, Cp = p.ka * x.depot, x.central / p.V1, x.peripheral / p.V2
    ratio = (Cc / p.IC50) ** p.gamma
    effect = p.Imax * ratio / (1 + ratio)
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - p.Q * (Cc - Cp),
        "peripheral": p.Q * (Cc - Cp),
        "response": p.kin * (1 - effect) - p.kout * x.response,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1, "R": x.response}


model = Model(
    "pk2_oral_irm1",
    reference="Dayneka NL, Garg V, Jusko WJ. J Pharmacokinet Biopharm 1993;21:457-478, model I",
    states=[
        State("depot", "mg", "site of absorption"),
        State("central", "mg", "plasma and what equals it at once"),
        State("peripheral", "mg", "slower tissue"),
        State("response", "", "response"),
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
        Parameter("kin", 10.0, "1/h", "formation of the response", cv=0.3, source="example value", known="assumed"),
        Parameter("kout", 0.1, "1/h", "rate constant of its loss", source="example value", known="assumed"),
        Parameter("Imax", 0.9, "", "largest inhibition", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("IC50", 0.5, "mg/L", "concentration of half that", cv=0.3, source="example value", known="assumed"),
        Parameter("gamma", 1.0, "", "steepness", source="example value", known="assumed"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1)),
        Output("R", "", "response", error=Additive(5)),
    ],
    individual=individual,
    initial=initial,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
