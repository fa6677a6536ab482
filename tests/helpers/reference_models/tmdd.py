"""Full target-mediated disposition: a ligand with depot and periphery binds a target that turns over."""

from pkpd import Model, Output, Parameter, State


def initial(p):
    return {"R": p.KSYN / p.KDEG}


def dynamics(t, x, p):
    absorbed, binding = p.KA * x.DEPOT, p.KON * x.L * x.R - p.KOFF * x.RC
    return {
        "DEPOT": -absorbed,
        "L": absorbed / p.VC - (p.KEL + p.KPT) * x.L + p.KTP * x.P / p.VC - binding,
        "P": p.KPT * x.L * p.VC - p.KTP * x.P,
        "R": p.KSYN - p.KDEG * x.R - binding,
        "RC": binding - p.KINT * x.RC,
    }


def outputs(t, x, p):
    return {"CONC": x.L}


model = Model(
    "tmdd",
    title="Target-mediated disposition",
    description="The stiff model of the simulation reference, case C19. A dose into L is a concentration.",
    states=[
        State("DEPOT", "nmol", "site of absorption"),
        State("L", "nM", "free ligand"),
        State("P", "nmol", "ligand in the periphery"),
        State("R", "nM", "free target"),
        State("RC", "nM", "complex of ligand and target"),
    ],
    parameters=[
        Parameter("KEL", 0.1, "1/h", "elimination rate constant of the ligand"),
        Parameter("KPT", 0.2, "1/h", "rate constant to the periphery"),
        Parameter("KTP", 0.1, "1/h", "rate constant from the periphery"),
        Parameter("VC", 3.0, "L", "central volume"),
        Parameter("KON", 50.0, "1/nM/h", "association rate constant"),
        Parameter("KOFF", 0.5, "1/h", "dissociation rate constant"),
        Parameter("KSYN", 1.0, "nM/h", "formation of the target"),
        Parameter("KDEG", 0.2, "1/h", "loss of the target"),
        Parameter("KINT", 0.05, "1/h", "internalisation of the complex"),
        Parameter("KA", 0.3, "1/h", "absorption rate constant"),
    ],
    outputs=[Output("CONC", "nM", "free ligand")],
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
