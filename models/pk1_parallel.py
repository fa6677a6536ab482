"""One compartment, first-order absorption, linear and saturable elimination side by side.

What the saturable path cannot take leaves by the linear one: the half-life is short at low and long at high
concentrations. A dose into the central compartment is intravenous. All values are examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc - Vmax Cc / (Km + Cc), with Cc = central / V.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc = p.ka * x.depot, x.central / p.V
    return {"depot": -absorbed, "central": absorbed - p.CL * Cc - p.Vmax * Cc / (p.Km + Cc)}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


model = Model(
    "pk1_parallel",
    reference="Wagner JG. J Pharmacokinet Biopharm 1973;1:103-121",
    states=[State("depot", "mg", "site of absorption"), State("central", "mg", "plasma and what equals it at once")],
    parameters=[
        Parameter("CL", 2.0, "L/h", "clearance by the linear path", cv=0.3, source="example value", known="assumed"),
        Parameter("Vmax", 5.0, "mg/h", "largest saturable rate", cv=0.3, source="example value", known="assumed"),
        Parameter("Km", 0.5, "mg/L", "concentration of half that rate", source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume", cv=0.2, source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1))],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
