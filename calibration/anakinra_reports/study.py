"""The share of IL-1 in the disease of fourteen patients who were given anakinra, from three reports.

Drug parameters are shared and come with informative priors; the share phi of IL-1 is a patient's own within the cohort
of the report; the drive is a patient's own. Independent priors, since the reports share no measurement protocol, hold
for what scales a marker in one patient. Published effects of anakinra and tocilizumab on CRP are external checks and
inform no prior here (docs/anakinra.md).

Days in the comments are the reports' own; times of the model begin at each seed's start_day.
"""

from pkpd import Free, Study
from pkpd.distributions import HalfNormal

# what the priors are in hours of the model: 24 (day - start_day)
STRATI, VILLEGAS, NAVIGLIO = -6, -1, -3


def hours(day, start, sd_days):
    """Return median and standard deviation in model hours of a day in a report."""
    return (24.0 * (day - start), 24.0 * sd_days)


# Day of the first drug against toxicity, which is taken to have begun a day before; patient 3 had none before anakinra
# on day 31.
FIRST_TREATED = {1: 4, 2: 5, 4: 4, 5: 4, 6: 7, 7: 3, 8: 7}
ONSET = {f"strati2020/p{i}": hours(day - 1, STRATI, 1.5) for i, day in FIRST_TREATED.items()}
ONSET |= {
    "strati2020/p3": hours(28, STRATI, 3),
    "villegas": hours(7, VILLEGAS, 4),
    "naviglio": hours(0, NAVIGLIO, 1),
}
END = {
    "strati": hours(30, STRATI, 15),
    "villegas": hours(45, VILLEGAS, 15),
    "naviglio": hours(150, NAVIGLIO, 45),
}

OWN = "scale of one patient's marker; spread of severe disease"

FREE = [
    Free(
        "IC50",
        (0.027, 0.5),
        source="0.024 Jung 2023, 0.030 derived from Urien 2013; either may be off",
        known="derived",
    ),
    Free(
        "anakinra.kin_csf",
        (0.001, 0.7),
        source="0.0019 Gueorguieva 2008 (not verified); 0.28% of plasma in monkeys, 1.1 ng/mL in children imply 0.0003",
        known="derived",
    ),
    Free("w_csf", (0.5, 1.5), scale="logit", source="unknown which side of the barrier counts"),
    Free("acute.IC50", (0.2, 0.7), source="affinity 0.7-2.5 nmol/L of 148 kDa", known="derived"),
    Free(
        "acute.kout_CRP",
        (0.0365, 0.2),
        source="0.0365 Vigushin 1993 (tracer); 0.0224-0.0238 from courses of disease, which hold upstream delay",
        known="derived",
    ),
    Free("injury.kout_ferritin", (0.0139, 0.5), source="half-lives 27-50 h (not verified), apparent 150-290 h"),
    Free("injury.kout_LDH", (0.0289, 0.4), source="24 h lumped; isoenzymes 8-110 h (not verified)"),
    Free("injury.kout_Ddimer", (0.05, 0.4), source="8-9 h tracer, 42 h apparent", known="derived"),
    Free("neuro.k", (0.03, 0.4), source="grades change over about a day"),
    Free("neuro.slope", (3.0, 0.3), source="convention of the latent scale"),
    Free(
        "tone.phi",
        {"*": (0.5, 1.2)},
        scale="logit",
        level="patient",
        pooling="cohort",
        spread=HalfNormal(1.0),
        source="no opinion: 90% of it between 0.12 and 0.88 before any patient's own deviation",
    ),
    Free(
        "tone.Imax",
        (0.6, 0.8),
        scale="logit",
        level="patient",
        pooling="all",
        spread=HalfNormal(1.0),
        source="no model of steroids on IL-6 or CRP was found",
    ),
    Free(
        "tone.t_on",
        ONSET,
        scale="identity",
        level="patient",
        source="first treatment of toxicity; onset of symptoms",
        known="derived",
    ),
    Free(
        "tone.tau_on",
        {"strati": (18.0, 0.5), "villegas": (60.0, 0.7), "naviglio": (24.0, 0.5)},
        level="patient",
        source="CAR-T toxicity rises within days, COVID-19 within one or two weeks",
    ),
    Free(
        "tone.t_off",
        END,
        scale="identity",
        level="patient",
        source="weeks; wide, since no report shows a course without treatment",
    ),
    Free("anakinra.CL", (9.61, 0.28), level="patient", source="between-subject spread of Urien 2013", known="read"),
    Free("tone.slope_IL6", (80.0, 1.0), level="patient", source=OWN),
    Free("acute.slope_CRP", (200.0, 0.6), level="patient", source=OWN),
    Free("acute.slope_T", {"naviglio": (2.8, 0.2), "*": (2.8, 0.0)}, level="patient", source=OWN),
    Free(
        "injury.ferritin0", (300.0, 1.2), level="patient", source="before the disease of the report; wide for lymphoma"
    ),
    Free("injury.slope_ferritin", (2500.0, 1.0), level="patient", source=OWN),
    Free("injury.LDH0", {"strati": (200.0, 0.4), "*": (200.0, 0.25)}, level="patient", source=OWN),
    Free("injury.slope_LDH", (500.0, 0.6), level="patient", source=OWN),
    Free("injury.slope_Ddimer", {"villegas": (5000.0, 1.2), "*": (5000.0, 0.0)}, level="patient", source=OWN),
    Free("injury.slope_L", {"villegas": (2.0, 0.4), "*": (2.0, 0.0)}, level="patient", source=OWN),
    Free("neuro.N50", {"strati": (0.1, 0.6), "*": (0.1, 0.0)}, level="patient", source="susceptibility to ICANS"),
]

study = Study(
    "anakinra_reports",
    model="anakinra_inflammation",
    evidence=["naviglio2021", "villegas2020", "strati2020"],
    free=FREE,
    # The disease ends over days after a cell therapy or a viral infection; that of the boy had come back at each taper
    # for three months and is taken to fade over weeks. Assumed; an abrupt end is among the assumptions examined.
    fixed={"tone.tau_off": {"naviglio": 240.0, "*": 72.0}},
    rtol=1e-5,
    atol=1e-8,
    title="Anakinra in leukaemia, COVID-19 and CAR-T toxicity: the share of IL-1",
    description=__doc__,
)
