"""Inflammatory tone: disease drives it, IL-1 carries a share of the drive, a steroid holds it down.

The drive u(t) is the patient's own course without treatment: it rises around t_on within a few tau_on, ends around
t_off + rest, and wanders on the way, as real courses do. The share phi of it acts through the IL-1 receptor; of that,
the part IL1 (1 without blockade) gets through. The tone X follows with the half-life of IL-6 and drives markers; 1 is
the full disease, untreated. Y is the tone as it would be if no steroid held it, for what steroids do not reach.

Equations: X' = k (u a held - X) and Y' = k (u a - Y), with a = phi IL1 + 1 - phi and held = site + (1 - site) unheld; u
= s((t - t_on) / tau_on) ((1 - surge) e + surge 2^(-tau_on L / |t_end - t_on|)) exp(w), t_end = t_off + rest, e =
s((t_end - t) / tau_off) (1 - relapse) + relapse (1 - (1 - s((t_end - t) / tau_off)) s((t_back - t) / tau_on)), s(y) = 1
/ (1 + exp(-y)), L = log(1 + exp((t - t_on) / tau_on)). IL6 = slope X. A course that is known to have lasted until t_off
has rest on the logarithm.

Steroid: unheld = 1 - Imax c / (c50 + c), c = (CDEX / Cref)^gamma. Cref is the mean concentration at 7.5 mg of
dexamethasone a day by mouth, of which a controlled trial tells how far it lowers CRP (46%, 711 patients, Raess 2021):
the share held. Imax = 1 - spared (1 - held), where spared is what is left of the rest at any dose, and c50 = Imax /
held - 1, so that Imax and IC50 are tied together as the trial ties them. site says where it acts: 0 on the drive of
cytokines (Remmelts 2012, de Kruif 2007), 1 past IL-6, on CRP, fever and neurotoxicity alone (Barber 1993).

Wandering: w(t) = wander sum_j sqrt(S_j / L) sin(j pi (t - m + L) / (2 L)) w_j, j = 1 to 8, with S_j = sqrt(2 pi) l
exp(-l^2 (j pi / (2 L))^2 / 2), l = wander_length, m the middle of the course that begins at wander_from and lasts
wander_for, and L = wander_for / 2 + 1.5 l: eight terms of a Gaussian process with squared exponential covariance (Solin
and Sarkka 2020, doi 10.1007/s11222-019-09886-w). With l = 7 days they hold its variance for courses up to 40 days, nine
tenths at 85 days and four fifths at 115. Standard normal w_j make log u wander with standard deviation `wander`.

Assumed: that drive, blockade and steroid multiply; the form of the drive (surge 0: a plateau that ends; 1: decay by
half in each t_end - t_on from the start; relapse 1: it comes back around t_back), which no report shows. Values of the
drive are examples. Left out: feedback of IL-1 on its own production (Lachmann 2009), endogenous IL-1Ra, tolerance
(Urien 2013 saw resistance within 60 days), viral load and the number of CAR T cells.
"""

from pkpd import Covariate, LogNormal, Model, Output, Parameter, State
from pkpd.math import absolute, cos, exp, expit, log, maximum, sin

PI = 3.141592653589793
TERMS = 8
#: by how many wander_length the interval of the wandering's terms goes beyond the course at each end, where they are 0
BEYOND = 1.5
#: keeps powers of no drug at all differentiable
TINY = 1e-9


def wandering(t, p):
    """Return w(t), by which the logarithm of the drive departs from its smooth course."""
    more = BEYOND * p.wander_length
    half = 0.5 * p.wander_for + more
    angle = PI * ((t - p.wander_from) + more) / (2 * half)
    before, wave, twice = 0.0, sin(angle), 2 * cos(angle)
    total = 0.0
    for j in range(1, TERMS + 1):
        reach = j * PI * p.wander_length / (2 * half)
        total = total + exp(-reach * reach / 4) * wave * getattr(p, f"w{j}")
        before, wave = wave, twice * wave - before
    return p.wander * (2 * PI) ** 0.25 * (p.wander_length / half) ** 0.5 * total


def course(t, p):
    """Return the drive without treatment, u(t)."""
    rise = expit((t - p.t_on) / p.tau_on)
    ended = expit(((p.t_off - t) + p.rest) / p.tau_off)
    back = 1 - (1 - ended) * expit((p.t_back - t) / p.tau_on)
    late = (t - p.t_on) / p.tau_on
    beyond = p.tau_on * (maximum(late, 0) + log(1 + exp(-absolute(late))))
    decay = exp(-log(2) * beyond / absolute((p.t_off - p.t_on) + p.rest))
    plateau = (1 - p.relapse) * ended + p.relapse * back
    return rise * ((1 - p.surge) * plateau + p.surge * decay) * exp(wandering(t, p))


def unheld(p, cov):
    """Return what the steroid lets through."""
    most = 1 - p.spared * (1 - p.held)
    dose = (cov.CDEX / p.Cref + TINY) ** p.gamma
    return 1 - most * dose / (most / p.held - 1 + dose)


def bare(t, p, cov):
    """Return the drive under blockade alone."""
    return course(t, p) * (p.phi * cov.IL1 + 1 - p.phi)


def drive(t, p, cov):
    """Return the drive under treatment."""
    return bare(t, p, cov) * (p.site + (1 - p.site) * unheld(p, cov))


def dynamics(t, x, p, cov):
    return {"X": p.k * (drive(t, p, cov) - x.X), "Y": p.k * (bare(t, p, cov) - x.Y)}


def outputs(t, x, p, cov):
    return {
        "u": course(t, p),
        "unheld": unheld(p, cov),
        "drive": drive(t, p, cov),
        "held_drive": bare(t, p, cov) * unheld(p, cov),
        "tone": x.X,
        "bare": x.Y,
        "IL6": p.slope_IL6 * x.X,
    }


TONGJI = "order of IL-6 before treatment in severe COVID-19, 63 pg/mL in non-survivors (Yan 2020, re-analysed)"
CONVENTION = "example value, for the patient's data to tell"
RAESS = "CRP lower by 46% at days 3, 5 and 7 of prednisone 50 mg a day, Raess 2021, abstract"

model = Model(
    "inflammatory_tone",
    reference=(
        "Hardiansyah D, Ng CM. Clin Transl Sci 2019;12:343, doi 10.1111/cts.12636, by way of nlmixr2lib (turnover of "
        "IL-6); Raess 2021 J Clin Pharmacol 61:1406, doi 10.1002/jcph.1914 (steroid); the rest is assumed"
    ),
    states=[
        State("X", "", "inflammatory tone, 1 in the untreated disease"),
        State("Y", "", "inflammatory tone without the steroid's effect"),
    ],
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
            "held",
            0.46,
            "",
            "share of the drive that 7.5 mg of dexamethasone a day holds down",
            bounds=(0, 1),
            scale="logit",
            sd=0.8,
            source=RAESS + "; spread of IC50 between subjects, CV 73-118%, Hong 2007",
            known="derived",
        ),
        Parameter(
            "spared",
            0.5,
            "",
            "share of the rest that no dose holds down",
            bounds=(0, 1),
            scale="logit",
            sd=0.9,
            source="largest inhibition of 0.5 to 0.9, no gain above 15-24 mg a day (Zeng 2025, Toroghi 2021)",
            known="derived",
        ),
        Parameter(
            "gamma", 1.0, "", "steepness of the steroid's effect", sd=0.4, source="by convention", known="assumed"
        ),
        Parameter(
            "Cref",
            0.0455,
            "mg/L",
            "mean dexamethasone at 7.5 mg a day by mouth",
            source="7.5 mg x 0.75 / 24 h / 5.15 L/h, a clearance between intensive care (2.85) and health (9.3)",
            known="derived",
        ),
        Parameter(
            "site",
            0.0,
            "",
            "where steroids act: 0 on the drive, 1 past IL-6",
            bounds=(0, 1),
            source="sources disagree: Remmelts 2012, de Kruif 2007 (0), Barber 1993 (1)",
            known="assumed",
            fixed=True,
        ),
        Parameter("t_on", 48.0, "h", "when the drive has risen to half", source=CONVENTION, known="assumed"),
        Parameter("tau_on", 18.0, "h", "time scale of its rise", sd=0.5, source=CONVENTION, known="assumed"),
        Parameter("t_off", 720.0, "h", "when it has ended by half", source=CONVENTION, known="assumed"),
        Parameter(
            "rest", 0.0, "h", "how much later than t_off that is", bounds=(0, 1e6), source=CONVENTION, known="assumed"
        ),
        Parameter("tau_off", 120.0, "h", "time scale of its end", sd=0.8, source=CONVENTION, known="assumed"),
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
            "relapse",
            0.0,
            "",
            "form: 0 it ends once, 1 it comes back",
            bounds=(0, 1),
            source="by convention",
            known="assumed",
            fixed=True,
        ),
        Parameter("t_back", 1080.0, "h", "when it has come back by half", source=CONVENTION, known="assumed"),
        Parameter(
            "wander",
            0.0,
            "",
            "standard deviation of the wandering logarithm of the drive",
            bounds=(0, 10),
            source="by convention",
            known="assumed",
        ),
        Parameter("wander_length", 168.0, "h", "time over which it wanders", source="a week", known="assumed"),
        Parameter("wander_from", 0.0, "h", "begin of the course that wanders", source=CONVENTION, known="assumed"),
        Parameter("wander_for", 720.0, "h", "length of the course that wanders", source=CONVENTION, known="assumed"),
        *(
            Parameter(
                f"w{j}",
                0.0,
                "",
                f"wave {j} of the wandering drive",
                scale="additive",
                sd=1.0,
                source="by definition",
                known="assumed",
            )
            for j in range(1, TERMS + 1)
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
        Output("held_drive", "", "the same, as CRP and fever see it"),
        Output("tone", "", "inflammatory tone", error=LogNormal(0.25)),
        Output("bare", "", "inflammatory tone without the steroid's effect"),
        Output("IL6", "pg/mL", "interleukin 6 in serum", error=LogNormal(0.5)),
    ],
    dynamics=dynamics,
    calculate=outputs,
)
