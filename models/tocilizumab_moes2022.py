"""Tocilizumab into a vein in critically ill patients with COVID-19 (Moes 2022).

29 patients in intensive care, 8 mg/kg up to 800 mg, all on dexamethasone. One compartment, linear and saturable
elimination side by side. Weight (exponent 0.002), CRP and albumin were no covariates. The clearance is 2.4 times that
of Frey 2010 in rheumatoid arthritis, `tocilizumab_frey2010`: which of them holds outside intensive care is not known.

Equation: central' = -CL Cc - Vmax Cc / (Km + Cc), with Cc = central / V.
"""

from pkpd import Combined, Model, Output, Parameter, State


def dynamics(t, x, p):
    Cc = x.central / p.V
    return {"central": -p.CL * Cc - p.Vmax * Cc / (p.Km + Cc)}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


FILE = "nlmixr2lib Moes_2022"

model = Model(
    "tocilizumab_moes2022",
    reference=(
        "Moes DJAR, et al. Clin Pharmacokinet 2022;61:231, doi 10.1007/s40262-021-01074-2, by way of "
        "nlmixr2lib, file Moes_2022, and its abstract. Values printed per day are written as value / 24"
    ),
    states=[State("central", "mg", "plasma")],
    parameters=[
        Parameter("CL", 0.725 / 24, "L/h", "linear clearance", cv=0.189, source=f"{FILE}: 0.725 L/d"),
        Parameter("V", 4.34, "L", "volume", cv=0.210, source=FILE),
        Parameter("Vmax", 4.19 / 24, "mg/h", "largest rate of the saturable path", source=f"{FILE}: 4.19 mg/d"),
        Parameter("Km", 0.22, "mg/L", "concentration of half that rate", source=FILE),
    ],
    correlations={("CL", "V"): 0.914},
    outputs=[Output("Cc", "mg/L", "serum concentration", error=Combined(add=0.139, prop=0.171))],
    dynamics=dynamics,
    calculate=outputs,
)
