"""Tissue injury: ferritin, LDH, D-dimer and lymphocytes follow inflammation, past any IL-6 blockade.

Turnover models in units of their response to full tone; slopes scale the outputs, and lymphocytes fall by a factor. No
steroid lowers D-dimer (coagulation was not inhibited by prednisolone in endotoxaemia, de Kruif 2007; no difference
between doses in 100 patients with COVID-19): it follows BARE, the tone as it would be without. A steroid lowers
lymphocytes itself, within hours.

Equations: m' = kout_m (TONE - m) for ferritin, LDH and lymphocytes' loss, dimer' = kout_Ddimer (BARE - dimer); ferritin
= ferritin0 + slope ferritin, LDH and Ddimer likewise; lymphocytes = L0 exp(-slope_L lymph - Emax_L CDEX / (IC50_L +
CDEX)). Emax_L: lymphocytes fell by 75% under 300 mg of hydrocortisone and by 30% without (Derks 1999, 7 healthy): log
(0.70 / 0.25) = 1.0. IC50_L: T-helper cells respond to methylprednisolone with 4.6 ng/mL (Chow 1999), 2.3 of
dexamethasone.

Where the sources disagree: plasma ferritin has a half-life of 27-31 h, or 50 h glycosylated (none verified), yet falls
by half in 150-290 h in patients: chosen 50 h, with a wide prior where it is estimated. LDH: 8-12 h to 80-110 h by
isoenzyme (secondary source), 103 h apparent in 32 survivors of COVID-19, which holds the course of the disease: chosen
58 h, between. D-dimer: 8-9 h by tracer (fragment D, Ardaillou 1980), 42 h apparent: chosen
0.05/h, 14 h, between.

Assumed: that all four follow the same tone (in severe COVID-19 ferritin correlated with LDH 0.72, with CRP 0.63); the
lymphocytes' kinetics; slopes, of the order of severe COVID-19 (medians of non-survivors' peaks: ferritin 1720 ng/mL,
LDH 702 U/L, D-dimer above 21 mg/L) with wide spread. LDH also tells tumour, which is not modelled. D-dimer in ng/mL.
"""

from pkpd import Covariate, LogNormal, Model, Output, Parameter, State
from pkpd.math import exp


def dynamics(t, x, p, cov):
    return {
        "ferr": p.kout_ferritin * (cov.TONE - x.ferr),
        "ldh": p.kout_LDH * (cov.TONE - x.ldh),
        "dimer": p.kout_Ddimer * (cov.BARE - x.dimer),
        "lymph": p.kout_L * (cov.TONE - x.lymph),
    }


def outputs(t, x, p, cov):
    return {
        "ferritin": p.ferritin0 + p.slope_ferritin * x.ferr,
        "LDH": p.LDH0 + p.slope_LDH * x.ldh,
        "Ddimer": p.Ddimer0 + p.slope_Ddimer * x.dimer,
        "lymphocytes": p.L0 * exp(-p.slope_L * x.lymph - p.Emax_L * cov.CDEX / (p.IC50_L + cov.CDEX)),
    }


HEALTH, TONGJI = "within the normal range", "order of severe COVID-19, Yan 2020 re-analysed"

model = Model(
    "tissue_injury",
    reference=(
        "Ardaillou N, et al. Thromb Haemost 1980;44:146 (D-dimer); Yan L, et al. Nat Mach Intell 2020, doi "
        "10.1038/s42256-020-0180-7"
    ),
    states=[
        State("ferr", "", "ferritin above baseline, 1 at full tone"),
        State("ldh", "", "LDH above baseline, 1 at full tone"),
        State("dimer", "", "D-dimer above baseline, 1 at full tone without steroid"),
        State("lymph", "", "loss of lymphocytes, 1 at full tone"),
    ],
    covariates=[
        Covariate("TONE", "", 1.0, "inflammatory tone"),
        Covariate("BARE", "", 1.0, "inflammatory tone without the steroid's effect"),
        Covariate("CDEX", "mg/L", 0.0, "dexamethasone in plasma"),
    ],
    parameters=[
        Parameter(
            "kout_ferritin", 0.0139, "1/h", "loss of ferritin", source="half-life 50 h, not verified", known="assumed"
        ),
        Parameter(
            "kout_LDH", 0.012, "1/h", "loss of LDH", source="between isoenzymes and apparent 103 h", known="derived"
        ),
        Parameter("kout_Ddimer", 0.05, "1/h", "loss of D-dimer", source="between tracer and apparent", known="derived"),
        Parameter("kout_L", 0.02, "1/h", "turnover of lymphocytes' loss", source="days", known="assumed"),
        Parameter("ferritin0", 300.0, "ng/mL", "ferritin without the disease", sd=1.0, source=HEALTH, known="assumed"),
        Parameter("LDH0", 200.0, "U/L", "LDH without the disease", sd=0.25, source=HEALTH, known="assumed"),
        Parameter("Ddimer0", 400.0, "ng/mL", "D-dimer without the disease", source=HEALTH, known="assumed"),
        Parameter("L0", 1.5, "10^9/L", "lymphocytes without the disease", source=HEALTH, known="assumed"),
        Parameter(
            "slope_ferritin", 2500.0, "ng/mL", "rise of ferritin at full tone", sd=1.0, source=TONGJI, known="assumed"
        ),
        Parameter("slope_LDH", 500.0, "U/L", "rise of LDH at full tone", sd=0.6, source=TONGJI, known="assumed"),
        Parameter(
            "slope_Ddimer", 5000.0, "ng/mL", "rise of D-dimer at full tone", sd=1.2, source=TONGJI, known="assumed"
        ),
        Parameter("slope_L", 2.0, "", "log fall of lymphocytes at full tone", sd=0.4, source=TONGJI, known="assumed"),
        Parameter("Emax_L", 1.0, "", "largest log fall by a steroid", source="Derks 1999, abstract", known="derived"),
        Parameter(
            "IC50_L", 0.0023, "mg/L", "dexamethasone for half of it", source="Chow 1999, abstract", known="derived"
        ),
    ],
    outputs=[
        Output("ferritin", "ng/mL", "ferritin", error=LogNormal(0.3)),
        Output("LDH", "U/L", "lactate dehydrogenase", error=LogNormal(0.2)),
        Output("Ddimer", "ng/mL", "D-dimer", error=LogNormal(0.4)),
        Output("lymphocytes", "10^9/L", "lymphocytes in blood", error=LogNormal(0.3)),
    ],
    dynamics=dynamics,
    calculate=outputs,
)

measures = {"rises": ["lymphocytes"]}
