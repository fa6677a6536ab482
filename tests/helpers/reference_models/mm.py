"""One compartment with depot and saturable elimination."""

from pkpd import Model, Output, Parameter, State


def dynamics(t, x, p):
    c = x.CENT / p.V
    return {"DEPOT": -p.KA * x.DEPOT, "CENT": p.KA * x.DEPOT - p.VMAX * c / (p.KM + c)}


def outputs(t, x, p):
    return {"CONC": x.CENT / p.V}


model = Model(
    "mm",
    title="One compartment with Michaelis-Menten elimination",
    description="The saturable model of the simulation reference, case C17.",
    states=[State("DEPOT", "mg", "site of absorption"), State("CENT", "mg", "central compartment")],
    parameters=[
        Parameter("VMAX", 10.0, "mg/h", "largest rate of elimination"),
        Parameter("KM", 2.0, "mg/L", "concentration of half the largest rate"),
        Parameter("V", 30.0, "L", "volume"),
        Parameter("KA", 0.7, "1/h", "absorption rate constant"),
    ],
    outputs=[Output("CONC", "mg/L", "central concentration")],
    dynamics=dynamics,
    calculate=outputs,
)
