"""Acute phase: CRP and temperature follow inflammation past the IL-6 receptor, which tocilizumab blocks.

The signal behind the receptor follows the drive with the half-life of IL-6, as the tone does, less what tocilizumab
takes away: 1 / (1 + CTCZ / IC50) is left, competitive with IL-6 far below its affinity. CRP and temperature are
turnover models in units of their response to the full signal, so that their slopes scale the outputs. Body temperature
is regulated: fever is steep in what drives it, as antipyretic effects are (Hill coefficients of 4.0-4.3, Brown 1998).

Equations: signal' = k (DRIVE / (1 + CTCZ / IC50) - signal); crp' = kout_CRP (signal - crp); heat' = kout_T (signal -
heat); CRP = CRP0 + slope_CRP crp; temperature = T0 + slope_T g(heat), g(x) = (1 + EC50_T^h) x^h / (EC50_T^h + x^h) with
h = gamma_T, so that g(1) = 1.

Where the sources disagree: CRP leaves plasma with a half-life of 19 h (tracer, Vigushin 1993, k 0.0365/h), 29 h (Li
2018, 0.0238/h) or 31 h (Netterberg 2018, 0.0224/h), the latter two from the course of disease, which holds the delay
of what drives CRP as well. Chosen: the tracer, since that delay is a state here. The log-log slope of CRP on IL-6 was
0.85 in one re-analysis; here it is 1.

Assumed: all of temperature, for which no model was found (h is taken as half of the antipyretics', whose effect may be
steep by itself); that fever passes the IL-6 receptor (tocilizumab lowered
temperature in 27 patients with COVID-19); the slopes, of the order of CRP in severe COVID-19. Left out: fibrinogen,
which the reports show in a figure only; the acute-phase delay of 4-6 h; the rise of serum IL-6 under blockade.
"""

from pkpd import Additive, Covariate, LogNormal, Model, Output, Parameter, State

#: keeps powers of no fever at all differentiable
TINY = 1e-6


def dynamics(t, x, p, cov):
    through = cov.DRIVE / (1 + cov.CTCZ / p.IC50)
    return {
        "signal": p.k * (through - x.signal),
        "crp": p.kout_CRP * (x.signal - x.crp),
        "heat": p.kout_T * (x.signal - x.heat),
    }


def outputs(t, x, p):
    half, heat = p.EC50_T**p.gamma_T, (x.heat + TINY) ** p.gamma_T
    fever = (1 + half) * heat / (half + heat)
    return {"CRP": p.CRP0 + p.slope_CRP * x.crp, "temperature": p.T0 + p.slope_T * fever}


AFFINITY = "0.7 nmol/L soluble (read in PMC3910013), 2.5 nmol/L on membranes (not verified), 148 kDa"
TONGJI = "median peak of non-survivors 151 mg/L (IQR 92-212), Yan 2020 re-analysed; Leiden ICU 13-309"

model = Model(
    "acute_phase",
    reference=(
        "Vigushin DM, et al. J Clin Invest 1993;91:1351, doi 10.1172/JCI116336; Li 2018, doi 10.1111/bcp.13641; "
        "Netterberg 2018, doi 10.1111/bcp.13477. Abstracts and transcriptions were read"
    ),
    states=[
        State("signal", "", "IL-6 signalling, 1 at full drive without blockade"),
        State("crp", "", "CRP above baseline, 1 at full drive"),
        State("heat", "", "fever, 1 at full drive"),
    ],
    covariates=[
        Covariate("DRIVE", "", 1.0, "drive of inflammation that is let through"),
        Covariate("CTCZ", "mg/L", 0.0, "tocilizumab in serum"),
    ],
    parameters=[
        Parameter(
            "k",
            0.165,
            "1/h",
            "turnover of the signal, half-life 4.2 h",
            source="that of IL-6, Hardiansyah 2019 Table S1",
        ),
        Parameter("kout_CRP", 0.0365, "1/h", "loss of CRP, half-life 19 h", source="Vigushin 1993, tracer, abstract"),
        Parameter("kout_T", 0.15, "1/h", "turnover of temperature", source="defervescence in hours", known="assumed"),
        Parameter("IC50", 0.2, "mg/L", "tocilizumab that halves IL-6 signalling", source=AFFINITY, known="derived"),
        Parameter("CRP0", 2.0, "mg/L", "CRP in health", source="1.16-2.42 by disease, Li 2018", known="derived"),
        Parameter("slope_CRP", 200.0, "mg/L", "rise of CRP at full drive", sd=0.6, source=TONGJI, known="assumed"),
        Parameter("T0", 36.8, "degC", "temperature in health", source="convention", known="assumed"),
        Parameter(
            "slope_T", 2.8, "degC", "rise of temperature at full drive", sd=0.2, source="convention", known="assumed"
        ),
        Parameter(
            "gamma_T", 2.0, "", "steepness of fever", sd=0.4, source="half of 4.0-4.3, Brown 1998", known="assumed"
        ),
        Parameter("EC50_T", 0.4, "", "signal of half of the fever", source="convention", known="assumed"),
    ],
    outputs=[
        Output("CRP", "mg/L", "C-reactive protein", error=LogNormal(0.3)),
        Output("temperature", "degC", "body temperature", error=Additive(0.4)),
    ],
    dynamics=dynamics,
    calculate=outputs,
)

measures = {"below": {"CRP": 10.0}}
