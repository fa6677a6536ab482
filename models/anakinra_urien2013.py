"""Anakinra under the skin in children and young adults (Urien 2013).

87 patients with autoinflammatory disease, of 8 months to 21 years and 4.3-83 kg, 148 samples, assay limit 0.040 mg/L.
Clearance and volume are apparent (divided by the unknown bioavailability), so only doses into the depot are meant.
Clearance is a third lower and the terminal half-life (7.2 h) longer than in adults (4-6 h): for adults see `anakinra`.
Kidney function was no covariate.

Equations: depot' = -ka depot; central' = ka depot - CL Cc, with Cc = central / V,
CL = 6.24 (WT/70)^0.47, V = 65.2 (WT/70)^0.76. V varies between occasions, not between subjects.
"""

from pkpd import Additive, Covariate, Model, Output, Parameter, State


def individual(p, cov):
    return {"CL": p.CL * (cov.WT / 70) ** p.WT_CL, "V": p.V * (cov.WT / 70) ** p.WT_V}


def dynamics(t, x, p):
    absorbed = p.ka * x.depot
    return {"depot": -absorbed, "central": absorbed - p.CL * x.central / p.V}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


FILE = "nlmixr2lib Urien_2013_anakinra"

model = Model(
    "anakinra_urien2013",
    reference=(
        "Urien S, et al. BMC Pharmacol Toxicol 2013;14:40, doi 10.1186/2050-6511-14-40. CL/F and V/F and the "
        "weight exponents as in the abstract, the rest by way of nlmixr2lib, file Urien_2013_anakinra"
    ),
    states=[State("depot", "mg", "injection site"), State("central", "mg", "plasma")],
    covariates=[Covariate("WT", "kg", 70, "body weight")],
    parameters=[
        Parameter("CL", 6.24, "L/h", "CL/F at 70 kg (RSE 8%)", sd=0.28, source=f"abstract; omega {FILE}"),
        Parameter("V", 65.2, "L", "V/F at 70 kg (RSE 12%)", iov_sd=0.47, source=f"abstract; omega {FILE}"),
        Parameter("ka", 0.38, "1/h", "absorption rate constant (RSE 19%)", source=FILE),
        Parameter("WT_CL", 0.47, "", "exponent of weight on CL/F (RSE 14%)", source=FILE),
        Parameter("WT_V", 0.76, "", "exponent of weight on V/F (RSE 16%)", source=FILE),
    ],
    outputs=[Output("Cc", "mg/L", "plasma concentration", error=Additive(0.072))],
    individual=individual,
    dynamics=dynamics,
    calculate=outputs,
)
