"""The share of IL-1 in the disease of fourteen patients who were given anakinra, from three reports.

Drug parameters are shared and come with informative priors; the share phi of IL-1 is a patient's own within the cohort
of the report; the drive is a patient's own, wanders, and ends at a pace of its own under one prior for all. What a
steroid does is anchored on one controlled trial. Independent priors, since the reports share no measurement protocol,
hold for what scales a marker in one patient. Verdicts on a response are fitted in nobody: they are the outcome, and the
size that they are read as is assumed. Published effects of anakinra and tocilizumab on CRP are external checks and
inform no prior here (docs/anakinra.md).

Days in the comments are the reports' own; times of the model begin at each seed's start_day.
"""

from pkpd import Free, Study
from pkpd.distributions import ErrorScale, HalfNormal

# what the priors are in hours of the model: 24 (day - start_day)
STRATI, VILLEGAS, NAVIGLIO = -6, -1, -3


def hours(day, start, sd_days):
    """Return median and standard deviation in model hours of a day in a report."""
    return (24.0 * (day - start), 24.0 * sd_days)


def clock(strati, villegas, boy):
    """Return model hours by patient of days in the reports."""
    return {
        **{f"strati2020/p{i}": 24.0 * (day - STRATI) for i, day in enumerate(strati, start=1)},
        **{f"villegas2020/p{i}": 24.0 * (day - VILLEGAS) for i, day in enumerate(villegas, start=1)},
        "naviglio2021/p1": 24.0 * (boy - NAVIGLIO),
    }


# Day of the first drug against toxicity, which is taken to have begun a day before; patient 3 had none before anakinra
# on day 31.
FIRST_TREATED = {1: 4, 2: 5, 4: 4, 5: 4, 6: 7, 7: 3, 8: 7}
ONSET = {f"strati2020/p{i}": hours(day - 1, STRATI, 1.5) for i, day in FIRST_TREATED.items()}
ONSET |= {
    "strati2020/p3": hours(28, STRATI, 3),
    "villegas": hours(7, VILLEGAS, 4),
    "naviglio": hours(0, NAVIGLIO, 1),
}
# Day of the first dose of anakinra: all were ill on it, or would not have got it
TREATED = clock((6, 41, 31, 7, 10, 31, 7, 14), (24, 18, 29, 20, 9), 84)

# Last day on which a report shows or follows the patient: to which the drive wanders. Model hours of that day are the
# length of the course, since the model's time begins with it.
LAST = clock((30, 80, 38, 18, 31, 51, 17, 15), (31, 23, 36, 26, 14), 112)

OWN = "scale of one patient's marker; spread of severe disease"
UNKNOWN = "where the amounts are assumed, what is unknown of them is held here as well"

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
    Free(
        "injury.kout_ferritin",
        (0.007, 0.7),
        source="between half-lives of 27-50 h (not verified) and apparent ones of 150-290 h, which hold the course",
        known="derived",
    ),
    Free(
        "injury.kout_LDH",
        (0.012, 0.6),
        source="between 8-12 h or 110 h by isoenzyme (secondary source) and 103 h apparent in 32 survivors of COVID-19",
        known="derived",
    ),
    Free("injury.kout_Ddimer", (0.05, 0.4), source="8-9 h tracer, 42 h apparent", known="derived"),
    Free("neuro.k", (0.03, 0.4), source="grades change over about a day"),
    Free("neuro.slope", (6.0, 0.3), source="convention of the latent scale"),
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
        "tone.held",
        (0.46, 0.8),
        scale="logit",
        level="patient",
        source="CRP lower by 46% at 7.5 mg a day, Raess 2021; spread of IC50 between subjects, CV 73-118%, Hong 2007",
        known="derived",
    ),
    Free(
        "tone.spared",
        (0.5, 0.9),
        scale="logit",
        source="largest inhibition 0.5 to 0.9: no gain above 15-24 mg a day (Zeng 2025, Toroghi 2021), Waage 1988",
        known="derived",
    ),
    Free("tone.gamma", (1.0, 0.4), source="1 by convention; steeper ones are known of fever"),
    Free("acute.gamma_T", (2.0, 0.4), source="half of that of antipyretics, 4.0-4.3, Brown 1998"),
    Free(
        "dexamethasone.CL",
        {"strati": (5.15, 0.5), "*": (5.15, 0.9)},
        level="patient",
        source=f"between 2.85 in intensive care (Li 2023) and 9.3 in health (Krzyzanski 2021); {UNKNOWN}",
        known="derived",
    ),
    Free(
        "dexamethasone_taper.amount",
        {"naviglio": (1.0, 0.7), "*": (1.0, 0.0)},
        level="patient",
        source="4 to 5 mg a day at the tapers are assumed, none is printed",
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
        "tone.rest",
        {"strati": (14 * 24.0, 1.2), "villegas": (21 * 24.0, 1.2), "naviglio": (84 * 24.0, 1.2)},
        level="patient",
        source="neurotoxicity of axi-cel lasts 13-17 d (not verified); fatal COVID-19 is a plateau of two weeks and "
        "more; three months of relapses may last as long again; wide, since no report shows an untreated course",
    ),
    Free(
        "tone.tau_off",
        {"*": (120.0, 0.6)},
        level="patient",
        source="days to two weeks, one prior for all: no report shows a course without treatment",
    ),
    Free(
        "tone.wander",
        (0.5, 0.4),
        source="CRP scatters by 0.33 at a day, 0.56 at two and 0.98 at five days' distance, LDH by 0.26 (Tongji data)",
        known="derived",
    ),
    *(
        Free(f"tone.w{j}", {"*": (0.0, 1.0)}, scale="identity", level="patient", source="by definition")
        for j in range(1, 9)
    ),
    Free("anakinra.CL", (9.61, 0.28), level="patient", source="between-subject spread of Urien 2013", known="read"),
    Free("tone.slope_IL6", (80.0, 1.0), level="patient", source=OWN),
    Free("acute.slope_CRP", (200.0, 0.6), level="patient", source=OWN),
    Free("acute.slope_T", {"naviglio": (2.8, 0.2), "*": (2.8, 0.0)}, level="patient", source=OWN),
    Free(
        "injury.ferritin0",
        {"strati": (1000.0, 1.3), "*": (300.0, 1.2)},
        level="patient",
        source="before the disease of the report; hundreds to thousands after the treatments of a lymphoma",
    ),
    Free(
        "injury.slope_ferritin",
        {
            "villegas": (2300.0, 1.0),
            "strati2020/p7": (30000.0, 0.8),
            "strati2020/p8": (30000.0, 0.8),
            "*": (5000.0, 1.2),
        },
        level="patient",
        source="36-fold per CRP between COVID-19 and HLH, Still's disease between (doi 10.1038/s41598-024-82760-6)",
        known="derived",
    ),
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
    fixed={"tone.wander_for": LAST, "tone.t_off": TREATED},
    errors={
        marker: ErrorScale(1.0, 0.3)
        for marker in ("CRP", "temperature", "IL6", "ferritin", "LDH", "Ddimer", "lymphocytes")
    },
    rtol=1e-4,
    atol=1e-7,
    settings={"chains": 4, "tune": 500, "draws": 950, "target_accept": 0.95, "maxdepth": 6},
    title="Anakinra in leukaemia, COVID-19 and CAR-T toxicity: the share of IL-1",
    description=__doc__,
)
