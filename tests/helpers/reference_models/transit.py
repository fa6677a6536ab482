"""Six transit compartments before a depot and one compartment."""

from pkpd import Model, Output, Parameter, State


def dynamics(t, x, p):
    ktr = 6 / p.MTT
    return {
        "T0": -ktr * x.T0,
        "T1": ktr * (x.T0 - x.T1),
        "T2": ktr * (x.T1 - x.T2),
        "T3": ktr * (x.T2 - x.T3),
        "T4": ktr * (x.T3 - x.T4),
        "T5": ktr * (x.T4 - x.T5),
        "DEPOT": ktr * x.T5 - p.KA * x.DEPOT,
        "CENT": p.KA * x.DEPOT - p.CL / p.V * x.CENT,
    }


def outputs(t, x, p):
    return {"CONC": x.CENT / p.V}


model = Model(
    "transit",
    title="Transit chain",
    description="The absorption chain of the simulation reference, case C20.",
    states=[
        *(State(f"T{i}", "mg", f"transit compartment {i}") for i in range(6)),
        State("DEPOT", "mg", "site of absorption"),
        State("CENT", "mg", "central compartment"),
    ],
    parameters=[
        Parameter("MTT", 2.0, "h", "mean transit time"),
        Parameter("KA", 0.9, "1/h", "absorption rate constant"),
        Parameter("CL", 5.0, "L/h", "clearance"),
        Parameter("V", 50.0, "L", "volume"),
    ],
    outputs=[Output("CONC", "mg/L", "central concentration")],
    dynamics=dynamics,
    calculate=outputs,
)
