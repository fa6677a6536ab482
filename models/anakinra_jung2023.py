"""Anakinra under the skin in healthy men: receptor binding and fractal absorption (Jung 2023).

8 Korean men of 20-45 years and 55-90 kg, 100 mg once, 93 observations to 48 h. The receptor takes part in elimination:
its total Rtot is constant, bound drug is internalised, binding is at quasi-steady state with Kss. What was measured is
free drug. Clearance and volume are apparent, so only doses into the depot are meant. The receptor's numbers are in
nmol/L and MW brings them to mg/L.

Absorption slows as ka / t^h with the time t in hours since the injection. The publication had one dose, so two things
here are assumptions. First, t for repeated doses is the mean time that what is left in the depot has been there: it
equals the time since the injection for one dose, starts anew with the next as far as nothing was left, needs no clock
of its own, and does not depend on when a simulation starts. It is the state `age`, amount times time, divided by the
amount. Where each dose keeps its own clock instead, concentrations of 100 mg every 12 h differ by 1%. Second, 0.001 h
is added to t, as ka / t^h is infinite at 0. h varies by 157% (CV) between subjects; where it would reach 1, the drug
would be absorbed at once, so it is cut at 0.95.

Equations: depot' = -k depot; age' = depot - k age, with k = ka (1 h / (age / depot + 0.001 h))^h;
central' = k depot - CL Cc - kint V RC, with free drug Cc from central / V = Cc + RC, RC = Rtot Cc / (Kss + Cc).
"""

from pkpd import Combined, Model, Output, Parameter, State
from pkpd.math import maximum, minimum, sqrt


def individual(p, cov):
    return {"h": minimum(p.h, 0.95)}


def free(x, p):
    """Concentration of free drug, mg/L."""
    total, Rtot, Kss = x.central / p.V, p.Rtot * p.MW, p.Kss * p.MW
    excess = total - Rtot - Kss
    return (excess + sqrt(excess**2 + 4 * Kss * total)) / 2


def dynamics(t, x, p):
    # below 1e-9 mg nothing is left whose age could matter
    since = maximum(x.age, 0) / maximum(x.depot, 1e-9) + p.tmin
    k = p.ka * (p.tref / since) ** p.h
    Cc = free(x, p)
    bound = p.Rtot * p.MW * Cc / (p.Kss * p.MW + Cc)
    return {
        "depot": -k * x.depot,
        "age": x.depot - k * x.age,
        "central": k * x.depot - p.CL * Cc - p.kint * p.V * bound,
    }


def outputs(t, x, p):
    Cc = free(x, p)
    return {"Cc": Cc, "occupancy": Cc / (p.Kss * p.MW + Cc)}


TABLE = "suppl. Table S5, nlmixr2lib Jung_2023_anakinra"

model = Model(
    "anakinra_jung2023",
    reference=(
        "Jung W, et al. Pharmaceutics 2023;15:304, doi 10.3390/pharmaceutics15010304, case 5; values of its "
        "supplementary Table S5 by way of nlmixr2lib, file Jung_2023_anakinra. kint was fixed to the Kdeg of "
        "Ngo 2020, doi 10.1002/psp4.12552"
    ),
    states=[
        State("depot", "mg", "injection site"),
        State("age", "mg*h", "amount times the time it has been there"),
        State("central", "mg", "free and bound drug in plasma"),
    ],
    parameters=[
        Parameter("CL", 9.03, "L/h", "CL/F of free drug", cv=0.111, source=TABLE),
        Parameter("V", 53.7, "L", "V/F", cv=0.201, source=TABLE),
        Parameter("ka", 0.470, "1/h", "absorption rate constant at 1 h", cv=0.27, source=TABLE),
        Parameter("h", 0.139, "", "fractal exponent", cv=1.57, source=TABLE),
        Parameter("Rtot", 1.67, "nmol/L", "total receptor", source=TABLE),
        Parameter("Kss", 1.39, "nmol/L", "free drug at half occupancy", source=TABLE),
        Parameter("kint", 0.206, "1/h", "internalisation of bound drug", source=TABLE, fixed=True),
        Parameter("MW", 0.0173, "mg/nmol", "molar mass, 17.3 kDa", source="label", fixed=True),
        Parameter("tref", 1.0, "h", "time at which the rate constant is ka", source="t in hours", fixed=True),
        Parameter("tmin", 0.001, "h", "added to the time", source="this file", known="assumed", fixed=True),
    ],
    outputs=[
        Output("Cc", "mg/L", "free plasma concentration", error=Combined(add=0.0294 * 0.0173, prop=0.113)),
        Output("occupancy", "", "fraction of the receptor occupied"),
    ],
    individual=individual,
    dynamics=dynamics,
    calculate=outputs,
)
