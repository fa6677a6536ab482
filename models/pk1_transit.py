"""One compartment, absorption through a chain of transit compartments.

A dose into the depot passes four transit compartments before it reaches the gut wall, from where it is absorbed. The
mean transit time through depot and chain is MTT. The chain is written out, where Savic 2007 uses its solution for one
dose with a continuous number of compartments: overlapping doses, infusions and steady state are exact this way. All
values are examples.

Equations: depot' = -ktr depot; transit1' = ktr (depot - transit1); ...; gut' = ktr transit4 - ka gut;
central' = ka gut - CL Cc, with ktr = 5 / MTT, Cc = central / V.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def individual(p, cov):
    return {"ktr": 5 / p.MTT}


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    return {
        "depot": -p.ktr * x.depot,
        "transit1": p.ktr * (x.depot - x.transit1),
        "transit2": p.ktr * (x.transit1 - x.transit2),
        "transit3": p.ktr * (x.transit2 - x.transit3),
        "transit4": p.ktr * (x.transit3 - x.transit4),
        "gut": p.ktr * x.transit4 - p.ka * x.gut,
        "central": p.ka * x.gut - p.CL * x.central / p.V,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


model = Model(
    "pk1_transit",
    reference="Savic RM, et al. J Pharmacokinet Pharmacodyn 2007;34:711-726",
    states=[
        State("depot", "mg", "what was swallowed"),
        *(State(f"transit{i}", "mg", f"transit compartment {i}") for i in range(1, 5)),
        State("gut", "mg", "site of absorption"),
        State("central", "mg", "plasma and what equals it at once"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume", cv=0.2, source="example value", known="assumed"),
        Parameter("MTT", 1.5, "h", "mean transit time", cv=0.3, source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    individual=individual,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
