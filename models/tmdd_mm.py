"""Target-mediated disposition, Michaelis-Menten form: the target appears as a saturable elimination only.

The limit of tmdd_qss where bound drug is a small part of all drug and the complex is in balance: at high
concentrations the target takes away what is formed of it, Vmax = ksyn V1. The total target is constant at Rtot = ksyn
/ kint, which a saturated target has. All values are examples, those of tmdd_full.

Equations: depot' = -ka depot; central' = ka depot - CL Cc - Q (Cc - Cp) - kint Rtot V1 Cc / (Km + Cc);
peripheral' = Q (Cc - Cp), with Cc = central / V1, Cp = peripheral / V2.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc, Cp = p.ka * x.depot, x.central / p.V1, x.peripheral / p.V2
    by_target = p.kint * p.Rtot * p.V1 * Cc / (p.Km + Cc)
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - p.Q * (Cc - Cp) - by_target,
        "peripheral": p.Q * (Cc - Cp),
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


model = Model(
    "tmdd_mm",
    reference="Gibiansky L, et al. J Pharmacokinet Pharmacodyn 2008;35:573-591",
    states=[
        State("depot", "nmol", "injection site"),
        State("central", "nmol", "drug in plasma"),
        State("peripheral", "nmol", "drug in tissue"),
    ],
    parameters=[
        Parameter("CL", 0.01, "L/h", "clearance not by the target", cv=0.3, source="example value", known="assumed"),
        Parameter("V1", 3.0, "L", "central volume", cv=0.2, source="example value", known="assumed"),
        Parameter("Q", 0.02, "L/h", "clearance to the periphery", source="example value", known="assumed"),
        Parameter("V2", 3.0, "L", "peripheral volume", source="example value", known="assumed"),
        Parameter("ka", 0.01, "1/h", "absorption rate constant", cv=0.4, source="example value", known="assumed"),
        Parameter("F", 0.7, "", "bioavailability", bounds=(0, 1), source="example value", known="assumed"),
        Parameter("Rtot", 0.2 / 0.03, "nmol/L", "total target, ksyn / kint", source="tmdd_full", known="derived"),
        Parameter("Km", 0.53, "nmol/L", "(koff + kint) / kon", source="example values of tmdd_full", known="derived"),
        Parameter("kint", 0.03, "1/h", "internalisation of the complex", source="example value", known="assumed"),
    ],
    outputs=[Output("Cc", "nmol/L", "drug in plasma", error=Proportional(0.15))],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
