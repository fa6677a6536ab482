"""Two compartments with depot, an effect compartment and three markers whose formation is inhibited."""

from pkpd import Model, Output, Parameter, State


def formation(kin, imax, ic50, hill, ce):
    """Rate of formation under sigmoid inhibition, in the unit of kin."""
    ratio = (ce / ic50) ** hill
    return kin * (1 - imax * ratio / (1 + ratio))


def initial(p):
    return {"M1": p.KIN1 / p.KOUT1, "M2": p.KIN2 / p.KOUT2, "M3": p.KIN3 / p.KOUT3}


def dynamics(t, x, p):
    absorbed, out, back = p.KA * x.DEPOT, p.Q / p.VC * x.CENT, p.Q / p.VP * x.PERI
    return {
        "DEPOT": -absorbed,
        "CENT": absorbed - p.CL / p.VC * x.CENT - out + back,
        "PERI": out - back,
        "CE": p.KE0 * (x.CENT / p.VC - x.CE),
        "M1": formation(p.KIN1, p.IMAX1, p.IC501, p.H1, x.CE) - p.KOUT1 * x.M1,
        "M2": formation(p.KIN2, p.IMAX2, p.IC502, p.H2, x.CE) - p.KOUT2 * x.M2,
        "M3": formation(p.KIN3, p.IMAX3, p.IC503, p.H3, x.CE) - p.KOUT3 * x.M3,
    }


def outputs(t, x, p):
    return {"CONC": x.CENT / p.VC}


def marker(i, kin, kout, imax, ic50, hill):
    """Parameters of marker i; its unit is arbitrary and taken as 1."""
    return [
        Parameter(f"KIN{i}", kin, "1/h", f"formation of marker {i}"),
        Parameter(f"KOUT{i}", kout, "1/h", f"loss of marker {i}"),
        Parameter(f"IMAX{i}", imax, "", f"largest inhibition of marker {i}"),
        Parameter(f"IC50{i}", ic50, "mg/L", f"concentration of half the inhibition of marker {i}"),
        Parameter(f"H{i}", hill, "", f"Hill coefficient of marker {i}"),
    ]


model = Model(
    "pkpd7",
    title="Two compartments, effect compartment and three inhibited markers",
    description="The seven-state model of the simulation reference, case C18.",
    states=[
        State("DEPOT", "mg", "site of absorption"),
        State("CENT", "mg", "central compartment"),
        State("PERI", "mg", "peripheral compartment"),
        State("CE", "mg/L", "concentration at the site of effect"),
        State("M1", "", "marker 1"),
        State("M2", "", "marker 2"),
        State("M3", "", "marker 3"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance"),
        Parameter("VC", 50.0, "L", "central volume"),
        Parameter("Q", 8.0, "L/h", "intercompartmental clearance"),
        Parameter("VP", 100.0, "L", "peripheral volume"),
        Parameter("KA", 0.9, "1/h", "absorption rate constant"),
        Parameter("KE0", 0.2, "1/h", "equilibration rate constant of the site of effect"),
        *marker(1, 10.0, 0.1, 0.9, 0.5, 1.5),
        *marker(2, 5.0, 0.05, 0.8, 1.0, 2.0),
        *marker(3, 20.0, 0.3, 0.95, 0.3, 0.8),
    ],
    outputs=[Output("CONC", "mg/L", "central concentration")],
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
