"""Parent drug with first-order absorption and one metabolite.

A fraction fm of the eliminated parent becomes the metabolite, which leaves by its own clearance. Amounts of metabolite
are in parent equivalents: mg of parent that went into it. A dose into the central compartment is intravenous. All
values are examples.

Equations: depot' = -ka depot; central' = ka depot - CL Cc; metabolite' = fm CL Cc - CLm Cm, with Cc = central / V,
Cm = metabolite / Vm. The areas of one dose stand as AUCm / AUC = fm CL / CLm.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, out = p.ka * x.depot, p.CL * x.central / p.V
    return {
        "depot": -absorbed,
        "central": absorbed - out,
        "metabolite": p.fm * out - p.CLm * x.metabolite / p.Vm,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V, "Cm": x.metabolite / p.Vm}


model = Model(
    "parent_metabolite",
    reference="Houston JB. Pharmacol Ther 1981;15:521-552",
    states=[
        State("depot", "mg", "site of absorption"),
        State("central", "mg", "parent"),
        State("metabolite", "mg", "metabolite, in parent equivalents"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance of the parent", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 50.0, "L", "volume of the parent", cv=0.2, source="example value", known="assumed"),
        Parameter("ka", 1.0, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.8, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("fm", 0.4, "", "fraction metabolised", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("CLm", 2.0, "L/h", "clearance of the metabolite", cv=0.3, source="example value", known="assumed"),
        Parameter("Vm", 30.0, "L", "volume of the metabolite", source="example value", known="assumed"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.1)),
        Output("Cm", "mg/L", "metabolite concentration in parent equivalents", error=Proportional(0.1)),
    ],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
