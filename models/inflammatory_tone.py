"""Inflammatory tone: disease drives it, IL-1 carries a share of the drive, a steroid holds it down.

The drive u(t) is the patient's own course without treatment, between 0 and 1: it rises around t_on within a few tau_on
and ends around t_off. The share phi of it acts through the IL-1 receptor; of that, the part IL1 (1 without blockade)
gets through. The tone X follows with the half-life of IL-6 and drives markers; 1 is the full disease, untreated.

Equations: X' = k (drive - X), with drive = u (phi IL1 + 1 - phi) (1 - Imax CDEX / (IC50 + CDEX)) and u = s((t - t_on) /
tau_on) ((1 - surge) s((t_off - t) / tau_off) + surge 2^(-tau_on L / |t_off - t_on|)), s(y) = 1 / (1 + exp(-y)), L =
log(1 + exp((t - t_on) / tau_on)). IL6 = slope X.

Assumed: that drive, blockade and steroid multiply; the form of the drive (surge 0: a plateau that ends; 1: decay by
half in each t_off - t_on from the start), which no report shows; the steroid's potency, for which no model was found,
so that IC50 stands for half of the effect at 1-2 mg of dexamethasone a day and Imax is for data to tell. Values of the
drive are examples. Left out: feedback of IL-1 on its own production (Lachmann 2009), endogenous IL-1Ra, tolerance
(Urien 2013 saw resistance within 60 days), viral load and the number of CAR T cells.
"""

from pkpd import Covariate, LogNormal, Model, Output, Parameter, State
from pkpd.math import absolute, exp, expit, log, maximum


def course(t, p):
    """Return the drive without treatment, u(t)."""
    rise = expit((t - p.t_on) / p.tau_on)
    ended = expit((p.t_off - t) / p.tau_off)
    late = (t - p.t_on) / p.tau_on
    beyond = p.tau_on * (maximum(late, 0) + log(1 + exp(-absolute(late))))
    decay = exp(-log(2) * beyond / absolute(p.t_off - p.t_on))
    return rise * ((1 - p.surge) * ended + p.surge * decay)


def unheld(p, cov):
    """Return what the steroid lets through."""
    return 1 - p.Imax * cov.CDEX / (p.IC50 + cov.CDEX)


def drive(t, p, cov):
    """Return the drive under treatment."""
    return course(t, p) * (p.phi * cov.IL1 + 1 - p.phi) * unheld(p, cov)


def dynamics(t, x, p, cov):
    return {"X": p.k * (drive(t, p, cov) - x.X)}


def outputs(t, x, p, cov):
    return {
        "u": course(t, p),
        "unheld": unheld(p, cov),
        "drive": drive(t, p, cov),
        "tone": x.X,
        "IL6": p.slope_IL6 * x.X,
    }


TONGJI = "order of IL-6 before treatment in severe COVID-19, 63 pg/mL in non-survivors (Yan 2020, re-analysed)"
CONVENTION = "example value, for the patient's data to tell"

model = Model(
    "inflammatory_tone",
    reference=(
        "Hardiansyah D, Ng CM. Clin Transl Sci 2019;12:343, doi 10.1111/cts.12636, by way of nlmixr2lib (turnover of "
        "IL-6); the rest is assumed"
    ),
    states=[State("X", "", "inflammatory tone, 1 in the untreated disease")],
    covariates=[
        Covariate("IL1", "", 1.0, "part of the IL-1 signal that gets through"),
        Covariate("CDEX", "mg/L", 0.0, "dexamethasone in plasma"),
    ],
    parameters=[
        Parameter(
            "phi",
            0.5,
            "",
            "share of the drive that IL-1 carries",
            bounds=(0, 1),
            scale="logit",
            sd=1.5,
            source=CONVENTION,
            known="assumed",
        ),
        Parameter(
            "Imax",
            0.6,
            "",
            "largest inhibition by a steroid",
            bounds=(0, 1),
            scale="logit",
            sd=1.0,
            source=CONVENTION,
            known="assumed",
        ),
        Parameter(
            "IC50",
            0.02,
            "mg/L",
            "dexamethasone for half of it",
            source="no model found; acts at 1-2 mg a day",
            known="assumed",
        ),
        Parameter("t_on", 48.0, "h", "when the drive has risen to half", source=CONVENTION, known="assumed"),
        Parameter("tau_on", 18.0, "h", "time scale of its rise", sd=0.5, source=CONVENTION, known="assumed"),
        Parameter("t_off", 720.0, "h", "when it has ended by half", source=CONVENTION, known="assumed"),
        Parameter("tau_off", 48.0, "h", "time scale of its end", source=CONVENTION, known="assumed"),
        Parameter(
            "surge",
            0.0,
            "",
            "form: 0 plateau, 1 surge that decays",
            bounds=(0, 1),
            source="by convention",
            known="assumed",
            fixed=True,
        ),
        Parameter(
            "k",
            0.165,
            "1/h",
            "turnover: 3.96 per day, half-life 4.2 h",
            source="Hardiansyah 2019 Table S1, by way of nlmixr2lib",
            known="read",
        ),
        Parameter("slope_IL6", 80.0, "pg/mL", "IL-6 at full tone", sd=1.0, source=TONGJI, known="assumed"),
    ],
    outputs=[
        Output("u", "", "drive of the disease, untreated"),
        Output("unheld", "", "part of the drive that the steroid lets through"),
        Output("drive", "", "drive that blockade and steroid let through"),
        Output("tone", "", "inflammatory tone", error=LogNormal(0.25)),
        Output("IL6", "pg/mL", "interleukin 6 in serum", error=LogNormal(0.5)),
    ],
    dynamics=dynamics,
    calculate=outputs,
)
