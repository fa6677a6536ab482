"""Target-mediated disposition, quasi-steady state: binding is always at balance with internalisation.

The states are all drug and all target, free and bound; free drug follows from them. It is the limit of tmdd_full for
fast binding, with Kss = (koff + kint) / kon, and holds after the first minutes of an intravenous dose. All values are
examples, those of tmdd_full.

Equations, with Ctot = central / V1, Cp = peripheral / V2:
Cc = (b + sqrt(b^2 + 4 Kss Ctot)) / 2, b = Ctot - target - Kss; RC = target Cc / (Kss + Cc);
depot' = -ka depot; central' = ka depot - CL Cc - Q (Cc - Cp) - kint RC V1; peripheral' = Q (Cc - Cp);
target' = ksyn - kdeg (target - RC) - kint RC.
"""

from pkpd import Model, Output, Parameter, Proportional, State
from pkpd.math import sqrt


def free(x, p):
    """Concentration of free drug, nmol/L."""
    total = x.central / p.V1
    excess = total - x.target - p.Kss
    return (excess + sqrt(excess**2 + 4 * p.Kss * total)) / 2


def initial(p):
    return {"target": p.ksyn / p.kdeg}


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc, Cp = p.ka * x.depot, free(x, p), x.peripheral / p.V2
    bound = x.target * Cc / (p.Kss + Cc)
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - p.Q * (Cc - Cp) - p.kint * bound * p.V1,
        "peripheral": p.Q * (Cc - Cp),
        "target": p.ksyn - p.kdeg * (x.target - bound) - p.kint * bound,
    }


def outputs(t, x, p):
    Cc = free(x, p)
    bound = x.target * Cc / (p.Kss + Cc)
    return {"Cc": Cc, "Ctot": x.central / p.V1, "R": x.target - bound, "RC": bound}


model = Model(
    "tmdd_qss",
    reference="Gibiansky L, et al. J Pharmacokinet Pharmacodyn 2008;35:573-591",
    states=[
        State("depot", "nmol", "injection site"),
        State("central", "nmol", "free and bound drug in plasma"),
        State("peripheral", "nmol", "drug in tissue"),
        State("target", "nmol/L", "free and bound target"),
    ],
    parameters=[
        Parameter("CL", 0.01, "L/h", "clearance of free drug", cv=0.3, source="example value", known="assumed"),
        Parameter("V1", 3.0, "L", "central volume", cv=0.2, source="example value", known="assumed"),
        Parameter("Q", 0.02, "L/h", "clearance to the periphery", source="example value", known="assumed"),
        Parameter("V2", 3.0, "L", "peripheral volume", source="example value", known="assumed"),
        Parameter("ka", 0.01, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.7, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("Kss", 0.53, "nmol/L", "(koff + kint) / kon", source="example values of tmdd_full", known="derived"),
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
