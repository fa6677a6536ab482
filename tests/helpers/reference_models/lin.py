"""Two compartments with depot and area under the concentration; lag, bioavailability, modelled rate and duration."""

from pkpd import Model, Output, Parameter, State


def dosing(p):
    return {
        "DEPOT": {"F": p.F1P, "tlag": p.LAG1, "duration": p.DUR1},
        "CENT": {"F": p.F2P, "tlag": p.LAG2, "duration": p.DUR2, "rate": p.RAT2},
        "PERI": {"F": p.F3P},
    }


def dynamics(t, x, p):
    absorbed, out, back = p.KA * x.DEPOT, p.Q / p.VC * x.CENT, p.Q / p.VP * x.PERI
    return {
        "DEPOT": -absorbed,
        "CENT": absorbed - p.CL / p.VC * x.CENT - out + back,
        "PERI": out - back,
        "AUC": x.CENT / p.VC,
    }


def outputs(t, x, p):
    return {"CONC": x.CENT / p.VC}


model = Model(
    "lin",
    title="Two compartments with depot",
    description="The linear model of the simulation reference, cases C01-C14 and C21.",
    states=[
        State("DEPOT", "mg", "site of absorption"),
        State("CENT", "mg", "central compartment"),
        State("PERI", "mg", "peripheral compartment"),
        State("AUC", "mg*h/L", "area under the central concentration"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance"),
        Parameter("VC", 50.0, "L", "central volume"),
        Parameter("Q", 8.0, "L/h", "intercompartmental clearance"),
        Parameter("VP", 100.0, "L", "peripheral volume"),
        Parameter("KA", 0.9, "1/h", "absorption rate constant"),
        Parameter("LAG1", 0.0, "h", "lag of doses into DEPOT"),
        Parameter("LAG2", 0.0, "h", "lag of doses into CENT"),
        Parameter("F1P", 1.0, "", "bioavailability of doses into DEPOT"),
        Parameter("F2P", 1.0, "", "bioavailability of doses into CENT"),
        Parameter("F3P", 1.0, "", "bioavailability of doses into PERI"),
        Parameter("DUR1", 0.0, "h", "modelled duration of doses into DEPOT"),
        Parameter("DUR2", 0.0, "h", "modelled duration of doses into CENT"),
        Parameter("RAT2", 0.0, "mg/h", "modelled rate of doses into CENT"),
    ],
    outputs=[Output("CONC", "mg/L", "central concentration")],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
