"""One compartment, zero-order absorption over a modelled duration.

A dose into the central compartment arrives at a constant rate over the time D1 that the model gives: write it with
``rate="modelled duration"`` (RATE = -2 in a data set). With another rate, or none, it is intravenous; F applies to
both. All values are examples.

Equation: central' = F dose / D1 (while absorbed) - CL Cc, with Cc = central / V.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"central": {"F": p.F, "tlag": p.tlag, "duration": p.D1}}


def dynamics(t, x, p):
    return {"central": -p.CL * x.central / p.V}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


model = Model(
    "pk1_zero_order",
    reference="NONMEM Users Guide, part VI (RATE, D1)",
    states=[State("central", "mg", "plasma and what equals it at once")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume", cv=0.2, source="example value", known="assumed"),
        Parameter("D1", 4.0, "h", "duration of absorption", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("tlag", 0.25, "h", "lag of absorption", source="example value", known="assumed"),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
