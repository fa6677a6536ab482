"""One compartment with an Emax effect to which tolerance develops.

A moderator follows the concentration slowly and opposes the drug as a competitive antagonist, so that the effect of a
constant concentration fades, and a second dose does less than the first. A dose into the central compartment is
intravenous. All values are examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc; moderator' = ktol (Cc - moderator);
E = E0 + Emax Cc / (EC50 (1 + moderator / M50) + Cc), with Cc = central / V.
"""

from pkpd import Additive, Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc = p.ka * x.depot, x.central / p.V
    return {"depot": -absorbed, "central": absorbed - p.CL * Cc, "moderator": p.ktol * (Cc - x.moderator)}


def outputs(t, x, p):
    Cc = x.central / p.V
    return {"Cc": Cc, "E": p.E0 + p.Emax * Cc / (p.EC50 * (1 + x.moderator / p.M50) + Cc)}


model = Model(
    "tolerance",
    reference="Porchet HC, Benowitz NL, Sheiner LB. J Pharmacol Exp Ther 1988;244:231-236",
    states=[
        State("depot", "mg", "site of absorption"),
        State("central", "mg", "plasma and what equals it at once"),
        State("moderator", "mg/L", "moderator, in units of the concentration that it follows"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume", cv=0.2, source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("ktol", 0.1, "1/h", "rate constant of tolerance", cv=0.3, source="example value", known="assumed"),
        Parameter("M50", 0.3, "mg/L", "moderator that doubles the EC50", source="example value", known="assumed"),
        Parameter("E0", 10.0, "", "effect without drug", source="example value", known="assumed"),
        Parameter("Emax", 90.0, "", "largest change of the effect", source="example value", known="assumed"),
        Parameter("EC50", 0.5, "mg/L", "that of half of it at first", cv=0.3, source="example value", known="assumed"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1)),
        Output("E", "", "effect", error=Additive(5)),
    ],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
