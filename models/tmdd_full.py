"""Target-mediated disposition: a drug binds a target that turns over, and the complex is internalised.

The full model: free drug, free target and complex, with association and dissociation. Doses are given under the skin
(depot) or into a vein (central), in nmol. All values are examples, of the size of an antibody against a soluble
target.

Equations: depot' = -ka depot; central' = ka depot - CL Cc - Q (Cc - Cp) - V1 (kon Cc target - koff complex);
peripheral' = Q (Cc - Cp); target' = ksyn - kdeg target - kon Cc target + koff complex;
complex' = kon Cc target - koff complex - kint complex, with Cc = central / V1 free drug, Cp = peripheral / V2.
Target starts at ksyn / kdeg. Free and bound target R + RC change by ksyn - kdeg R - kint RC, whatever kon and koff are.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def initial(p):
    return {"target": p.ksyn / p.kdeg}


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc, Cp = p.ka * x.depot, x.central / p.V1, x.peripheral / p.V2
    binding = p.kon * Cc * x.target - p.koff * x.complex
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - p.Q * (Cc - Cp) - p.V1 * binding,
        "peripheral": p.Q * (Cc - Cp),
        "target": p.ksyn - p.kdeg * x.target - binding,
        "complex": binding - p.kint * x.complex,
    }


def outputs(t, x, p):
    Cc = x.central / p.V1
    return {"Cc": Cc, "Ctot": Cc + x.complex, "R": x.target, "RC": x.complex}


model = Model(
    "tmdd_full",
    reference="Mager DE, Jusko WJ. J Pharmacokinet Pharmacodyn 2001;28:507-532",
    states=[
        State("depot", "nmol", "injection site"),
        State("central", "nmol", "free drug in plasma"),
        State("peripheral", "nmol", "drug in tissue"),
        State("target", "nmol/L", "free target"),
        State("complex", "nmol/L", "drug bound to target"),
    ],
    parameters=[
        Parameter("CL", 0.01, "L/h", "clearance of free drug", cv=0.3, source="example value", known="assumed"),
        Parameter("V1", 3.0, "L", "central volume", cv=0.2, source="example value", known="assumed"),
        Parameter("Q", 0.02, "L/h", "clearance to the periphery", source="example value", known="assumed"),
        Parameter("V2", 3.0, "L", "peripheral volume", source="example value", known="assumed"),
        Parameter("ka", 0.01, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.7, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("kon", 1.0, "L/nmol/h", "association rate constant", source="example value", known="assumed"),
        Parameter("koff", 0.5, "1/h", "dissociation rate constant", source="example value", known="assumed"),
        Parameter("ksyn", 0.2, "nmol/L/h", "formation of target", cv=0.3, source="example value", known="assumed"),
        Parameter("kdeg", 0.1, "1/h", "loss of free target", source="example value", known="assumed"),
        Parameter("kint", 0.03, "1/h", "internalisation of the complex", source="example value", known="assumed"),
    ],
    outputs=[
        Output("Cc", "nmol/L", "free drug in plasma", error=Proportional(0.15)),
        Output("Ctot", "nmol/L", "free and bound drug in plasma"),
        Output("R", "nmol/L", "free target"),
        Output("RC", "nmol/L", "complex"),
    ],
    initial=initial,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
