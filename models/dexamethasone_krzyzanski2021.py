"""Dexamethasone by mouth in healthy women (Krzyzanski 2021).

36 healthy women, 6 mg into a muscle or by mouth. Two compartments; clearance and volumes are apparent, relative to the
intramuscular dose, beside which 104% of an oral one is available. A dose into the depot is oral. The rate of absorption
from muscle is not in the transcription; a dose into the central compartment stands for one without delay. In inflamed,
critically ill patients clearance was a third of this: `dexamethasone`.

Equations: depot' = -ka depot; central' = ka depot - CL Cc - Q (Cc - Cp); peripheral' = Q (Cc - Cp), with Cc = central
/ V1, Cp = peripheral / V2.
"""

from pkpd import Model, Output, Parameter, Proportional, State


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc, Cp = p.ka * x.depot, x.central / p.V1, x.peripheral / p.V2
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc - p.Q * (Cc - Cp),
        "peripheral": p.Q * (Cc - Cp),
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


FILE = "nlmixr2lib Krzyzanski_2021_dexamethasone"

model = Model(
    "dexamethasone_krzyzanski2021",
    reference=(
        "Krzyzanski W, et al. J Pharmacokinet Pharmacodyn 2021;48:261, doi 10.1007/s10928-020-09730-z, by way "
        "of nlmixr2lib, file Krzyzanski_2021_dexamethasone"
    ),
    states=[
        State("depot", "mg", "gut"),
        State("central", "mg", "plasma"),
        State("peripheral", "mg", "slower tissue"),
    ],
    parameters=[
        Parameter("CL", 9.29, "L/h", "apparent clearance", cv=0.16, source=FILE),
        Parameter("V1", 51.3, "L", "apparent central volume", source=FILE),
        Parameter("Q", 0.538, "L/h", "apparent clearance to the periphery", source=FILE),
        Parameter("V2", 5.06, "L", "apparent peripheral volume", source=FILE),
        Parameter("ka", 0.936, "1/h", "absorption rate constant by mouth", source=FILE),
        Parameter("F", 1.04, "", "oral over intramuscular bioavailability", source=FILE),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.2))],
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
