"""Myelosuppression: leukocytes under a drug that kills their dividing precursors.

Precursors divide at a rate that the circulating count feeds back on, pass three stages of maturation and circulate.
The drug removes dividing cells in proportion to its concentration. The values of the blood are those of leukocytes
under paclitaxel; the source of the transcription does not say whether the slope refers to unbound drug, as its size
suggests. The drug's own disposition was individual there: one compartment with example values stands in, in umol.

Equations: central' = -CL Cc; precursors' = ktr precursors ((1 - slope Cc) (Circ0 / circulating)^gamma - 1);
transit1' = ktr (precursors - transit1); transit2' = ktr (transit1 - transit2); transit3' = ktr (transit2 - transit3);
circulating' = ktr (transit3 - circulating), with ktr = 4 / MTT, Cc = central / V. All stages start at Circ0.
"""

from pkpd import Model, Output, Parameter, Proportional, State

CELLS: tuple[str, ...] = ("precursors", "transit1", "transit2", "transit3", "circulating")
FILE = "nlmixr2lib Friberg_2002"


def initial(p):
    return dict.fromkeys(CELLS, p.Circ0)


def dynamics(t, x, p):
    ktr, Cc = 4 / p.MTT, x.central / p.V
    division = (1 - p.slope * Cc) * (p.Circ0 / x.circulating) ** p.gamma
    return {
        "central": -p.CL * Cc,
        "precursors": ktr * x.precursors * (division - 1),
        "transit1": ktr * (x.precursors - x.transit1),
        "transit2": ktr * (x.transit1 - x.transit2),
        "transit3": ktr * (x.transit2 - x.transit3),
        "circulating": ktr * (x.transit3 - x.circulating),
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V, "WBC": x.circulating}


model = Model(
    "friberg",
    reference=(
        "Friberg LE, et al. J Clin Oncol 2002;20:4713-4721; values from DDMODEL00000186 by way of nlmixr2lib, "
        "file Friberg_2002_paclitaxel. The article itself was not read"
    ),
    states=[
        State("central", "umol", "drug in plasma"),
        State("precursors", "10^9/L", "dividing cells, in units of the circulating count"),
        *(State(f"transit{i}", "10^9/L", f"maturing cells, stage {i}") for i in range(1, 4)),
        State("circulating", "10^9/L", "circulating cells"),
    ],
    parameters=[
        Parameter("CL", 400.0, "L/h", "clearance of the drug", cv=0.3, source="example value", known="assumed"),
        Parameter("V", 1000.0, "L", "volume of the drug", source="example value", known="assumed"),
        Parameter("Circ0", 7.21, "10^9/L", "count without drug", sd=0.107**0.5, source=f"{FILE}; variance 0.107"),
        Parameter("MTT", 124.0, "h", "mean maturation time", sd=0.0296**0.5, source=f"{FILE}; variance 0.0296"),
        Parameter("gamma", 0.239, "", "strength of the feedback", source=FILE),
        Parameter("slope", 28.9, "L/umol", "effect per concentration", sd=0.176**0.5, source=f"{FILE}; variance 0.176"),
    ],
    outputs=[
        Output("Cc", "umol/L", "plasma concentration"),
        Output("WBC", "10^9/L", "leukocytes", error=Proportional(0.286)),
    ],
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
