"""Tocilizumab into a vein in critically ill patients with COVID-19, its saturable elimination made linear.

One compartment with the volume of Moes 2022 and one clearance that gives the same time above 5 mg/L as its linear and
saturable paths together: 13.5, 15.4 and 16.7 days after 400, 600 and 800 mg, where `tocilizumab_moes2022` gives 13.3,
15.6 and 17.2. Below 5 mg/L, where the saturable path takes over, this model is too slow: it stays above 1 mg/L for 21
to 24 days instead of 16 to 20. Linear equations keep models that contain it solvable piece by piece, exactly.

Equation: central' = -CL Cc, with Cc = central / V.
"""

from pkpd import Combined, Model, Output, Parameter, State


def dynamics(t, x, p):
    return {"central": -p.CL * x.central / p.V}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


MATCH = "0.725 L/d + 4.19 mg/d / 20 mg/L, to match the time above 5 mg/L"
FILE = "nlmixr2lib Moes_2022"

model = Model(
    "tocilizumab_linear",
    reference=(
        "derived from Moes DJAR, et al. Clin Pharmacokinet 2022;61:231, doi 10.1007/s40262-021-01074-2, by way of "
        "nlmixr2lib, file Moes_2022"
    ),
    states=[State("central", "mg", "plasma")],
    parameters=[
        Parameter(
            "CL", 0.935 / 24, "L/h", "clearance", cv=0.189, source=f"{MATCH}; variability {FILE}", known="derived"
        ),
        Parameter("V", 4.34, "L", "volume", cv=0.210, source=FILE),
    ],
    correlations={("CL", "V"): 0.914},
    outputs=[Output("Cc", "mg/L", "serum concentration", error=Combined(add=0.139, prop=0.171))],
    dynamics=dynamics,
    calculate=outputs,
)
