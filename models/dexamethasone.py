"""Dexamethasone by mouth or into a vein in critically ill, inflamed patients.

The library's default for dexamethasone: disposition of Li 2023 (18 patients with COVID-19 in intensive care, 6 mg a
day into a vein), because the mission's patients are inflamed and ill as well. Its clearance is a third of that in
health (Krzyzanski 2021, `dexamethasone_krzyzanski2021`: 9.3 L/h; older literature about 15): half-life 7-8 h in place
of 4. Li 2023 found clearance to fall as CRP rises; the size of it is not in the abstract and is left out. Absorption
was not studied there: ka is that of Krzyzanski 2021, F an assumption. Dexamethasone base, not phosphate.

Equations: depot' = -ka depot; central' = F ka depot + INFLOW - CL Cc - Q (Cc - Cp); peripheral' = Q (Cc - Cp), with Cc
= central / V1, Cp = peripheral / V2. F acts on what is absorbed, so that an even intake over days keeps its days.
INFLOW is what another model brings into plasma, such as doses of unknown amount.
"""

from pkpd import Covariate, Model, Output, Parameter, Proportional, State


def dynamics(t, x, p, cov):
    absorbed, Cc, Cp = p.ka * x.depot, x.central / p.V1, x.peripheral / p.V2
    return {
        "depot": -absorbed,
        "central": p.F * absorbed + cov.INFLOW - p.CL * Cc - p.Q * (Cc - Cp),
        "peripheral": p.Q * (Cc - Cp),
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


LI, OLDER = "Li 2023, abstract", "0.7-0.8 in older literature, not verified"

model = Model(
    "dexamethasone",
    reference="Li et al. J Crit Care 2023, 154395, abstract",
    states=[
        State("depot", "mg", "gut"),
        State("central", "mg", "plasma"),
        State("peripheral", "mg", "slower tissue"),
    ],
    covariates=[Covariate("INFLOW", "mg/h", 0.0, "what comes from elsewhere")],
    parameters=[
        Parameter("CL", 2.85, "L/h", "clearance", cv=0.63, source=LI),
        Parameter("V1", 15.4, "L", "central volume", source=LI),
        Parameter("Q", 2.1, "L/h", "clearance to the periphery", source=LI),
        Parameter("V2", 12.3, "L", "peripheral volume", source=LI),
        Parameter("ka", 0.936, "1/h", "absorption rate constant", source="nlmixr2lib Krzyzanski_2021_dexamethasone"),
        Parameter("F", 0.75, "", "bioavailability by mouth", bounds=(0, 1), source=OLDER, known="assumed"),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Proportional(0.2))],
    dynamics=dynamics,
    calculate=outputs,
)
