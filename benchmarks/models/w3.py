"""Full target-mediated drug disposition, stiff: workload W3 of the benchmarks."""

from pkpd import Model, Output, Parameter, State


def initial(p):
    return {"receptor": p.KSYN / p.KDEG}


def dynamics(t, x, p):
    absorbed = p.KA * x.depot
    binding = p.KON * x.ligand * x.receptor - p.KOFF * x.complex
    return {
        "depot": -absorbed,
        "ligand": absorbed / p.VC - p.KEL * x.ligand - p.KPT * x.ligand + p.KTP * x.peripheral / p.VC - binding,
        "peripheral": p.KPT * x.ligand * p.VC - p.KTP * x.peripheral,
        "receptor": p.KSYN - p.KDEG * x.receptor - binding,
        "complex": binding - p.KINT * x.complex,
    }


def outputs(t, x, p):
    return {
        "depot_out": x.depot,
        "ligand_out": x.ligand,
        "peripheral_out": x.peripheral,
        "receptor_out": x.receptor,
        "complex_out": x.complex,
    }


model = Model(
    "benchmark_w3",
    title="Target-mediated drug disposition",
    states=[
        State("depot", "nmol", "injection site"),
        State("ligand", "nmol/L", "free drug"),
        State("peripheral", "nmol", "tissue"),
        State("receptor", "nmol/L", "free target"),
        State("complex", "nmol/L", "bound target"),
    ],
    parameters=[
        Parameter("KEL", 0.1, "1/h", "elimination of free drug", cv=0.3),
        Parameter("VC", 3.0, "L", "central volume", cv=0.3),
        Parameter("KA", 0.3, "1/h", "absorption rate", cv=0.4),
        Parameter("KPT", 0.2, "1/h", "to the tissue"),
        Parameter("KTP", 0.1, "1/h", "from the tissue"),
        Parameter("KON", 50.0, "L/nmol/h", "association"),
        Parameter("KOFF", 0.5, "1/h", "dissociation"),
        Parameter("KSYN", 1.0, "nmol/L/h", "production of the target"),
        Parameter("KDEG", 0.2, "1/h", "loss of the target"),
        Parameter("KINT", 0.05, "1/h", "loss of the complex"),
    ],
    outputs=[
        Output("depot_out", "nmol", "amount at the injection site"),
        Output("ligand_out", "nmol/L", "free drug"),
        Output("peripheral_out", "nmol", "amount in the tissue"),
        Output("receptor_out", "nmol/L", "free target"),
        Output("complex_out", "nmol/L", "bound target"),
    ],
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
