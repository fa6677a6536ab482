"""One compartment with an effect compartment and a sigmoid Emax effect.

The site of action lags behind plasma with the rate constant ke0 and takes no drug from it, which gives the loop
(hysteresis) of effect against concentration. A dose into the central compartment is intravenous. All values are
examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc; effect' = ke0 (Cc - effect);
E = E0 + Emax effect^gamma / (EC50^gamma + effect^gamma), with Cc = central / V.
"""

from pkpd import Additive, Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc = p.ka * x.depot, x.central / p.V
    return {"depot": -absorbed, "central": absorbed - p.CL * Cc, "effect": p.ke0 * (Cc - x.effect)}


def outputs(t, x, p):
    ratio = (x.effect / p.EC50) ** p.gamma
    return {"Cc": x.central / p.V, "Ce": x.effect, "E": p.E0 + p.Emax * ratio / (1 + ratio)}


model = Model(
    "effect_compartment",
    reference="Sheiner LB, et al. Clin Pharmacol Ther 1979;25:358-371",
    states=[
        State("depot", "mg", "site of absorption"),
        State("central", "mg", "plasma and what equals it at once"),
        State("effect", "mg/L", "concentration at the site of effect"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume", cv=0.2, source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("ke0", 0.3, "1/h", "equilibration rate constant", cv=0.3, source="example value", known="assumed"),
        Parameter("E0", 10.0, "", "effect without drug", source="example value", known="assumed"),
        Parameter("Emax", 90.0, "", "largest change of the effect", source="example value", known="assumed"),
        Parameter("EC50", 0.5, "mg/L", "concentration of half of it", cv=0.3, source="example value", known="assumed"),
        Parameter("gamma", 1.5, "", "steepness", source="example value", known="assumed"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1)),
        Output("Ce", "mg/L", "concentration at the site of effect"),
        Output("E", "", "effect", error=Additive(5)),
    ],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
