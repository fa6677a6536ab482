"""Anakinra and inflammation: how much of a patient's disease IL-1 carries, seen through markers and grades.

Composed of `anakinra`, `tocilizumab_linear`, `dexamethasone` (with `oral_input` for tapers whose amounts are not
known), `inflammatory_tone`, `acute_phase`, `tissue_injury` and `neurotoxicity`. Anakinra blocks the IL-1 receptor: S =
1 / (1 + Cc / IC50) of the signal is left, competitive with IL-1 far below its affinity. The share phi of the drive
passes there; tone follows, markers follow tone. Tocilizumab acts on CRP and temperature only, dexamethasone (as for any
steroid, in equivalents) on the drive, or past IL-6; it spares D-dimer and lowers lymphocytes itself. All drugs are
linear and all else is linear in what they drive, so that the equations are solved exactly up to a quadrature (a
cascade).

Neurotoxicity has the same drive; the share w_csf of its IL-1 signal lies behind the blood-brain barrier, where anakinra
in cerebrospinal fluid counts (about 2% of plasma), the rest on the plasma side. Both are possible; data may tell.

Equations: S = 1 / (1 + Cc / IC50) and Scsf = 1 / (1 + Ccsf / IC50); the signal of neurotoxicity is u (phi (w_csf Scsf +
(1 - w_csf) S) + 1 - phi) times what the steroid lets through. The parts have theirs.

IC50: 0.024 mg/L is the apparent affinity in vivo (Jung 2023, Kss 1.39 nmol/L), 0.030 mg/L follows from the target of
Urien 2013 for CRP. Chosen: 0.027. The receptors themselves (Rtot 1.67 nmol/L) are left out of the mass balance.

Time 0 and the drive are each patient's own. What the model cannot say: which cytokine carries the rest of the drive,
what a steroid would do to phi, or whether a patient survives. For research, not for the care of patients.
"""

from pkpd import LogNormal, Model, Output, Parameter, models


def signal_left(C, p):
    """Return the part of the IL-1 signal that anakinra leaves."""
    return 1 / (1 + C / p.IC50)


def individual(p, cov):
    return {"acute.k": p.tone.k}


def connect(t, x, p):
    S, S_csf = signal_left(x.anakinra.Cc, p), signal_left(x.anakinra.Ccsf, p)
    phi = p.tone.phi
    through = phi * (p.w_csf * S_csf + (1 - p.w_csf) * S) + 1 - phi
    return {
        "dexamethasone.INFLOW": x.dexamethasone_taper.rate,
        "tone.IL1": S,
        "tone.CDEX": x.dexamethasone.Cc,
        "acute.DRIVE": x.tone.held_drive,
        "acute.CTCZ": x.tocilizumab.Cc,
        "injury.TONE": x.tone.tone,
        "injury.BARE": x.tone.bare,
        "injury.CDEX": x.dexamethasone.Cc,
        "neuro.SIGNAL": x.tone.u * x.tone.unheld * through,
    }


def outputs(t, x, p):
    S = signal_left(x.anakinra.Cc, p)
    return {
        "Cc": x.anakinra.Cc,
        "Ccsf": x.anakinra.Ccsf,
        "blockade": 1 - S,
        "blockade_csf": 1 - signal_left(x.anakinra.Ccsf, p),
        "u": x.tone.u,
        "activity": x.tone.tone,
        "IL6": x.tone.IL6,
        "CRP": x.acute.CRP,
        "temperature": x.acute.temperature,
        "ferritin": x.injury.ferritin,
        "LDH": x.injury.LDH,
        "Ddimer": x.injury.Ddimer,
        "lymphocytes": x.injury.lymphocytes,
        "ICANS": x.neuro.ICANS,
    }


PARTS = {
    "anakinra": models["anakinra"],
    "tocilizumab": models["tocilizumab_linear"],
    "dexamethasone": models["dexamethasone"],
    "dexamethasone_taper": models["oral_input"],
    "tone": models["inflammatory_tone"],
    "acute": models["acute_phase"],
    "injury": models["tissue_injury"],
    "neuro": models["neurotoxicity"],
}


def like(name, part, inner):
    """Return the output of a part under the name that it has here."""
    there = PARTS[part].outputs[inner]
    return Output(name, there.unit, there.meaning, error=there.error)


model = Model(
    "anakinra_inflammation",
    reference=(
        "Jung W, et al. Pharmaceutics 2023;15:304, doi 10.3390/pharmaceutics15010304, suppl. Table S5; Urien S, et al. "
        "BMC Pharmacol Toxicol 2013;14:40, by way of nlmixr2lib; the parts name theirs"
    ),
    parts=PARTS,
    parameters=[
        Parameter(
            "IC50",
            0.027,
            "mg/L",
            "anakinra that halves the IL-1 signal",
            source="0.024 Jung 2023, 0.030 from Urien 2013",
            known="derived",
        ),
        Parameter(
            "w_csf",
            0.5,
            "",
            "share of neurotoxic IL-1 signal behind the barrier",
            bounds=(0, 1),
            source="unknown, for data to tell",
            known="assumed",
        ),
    ],
    outputs=[
        like("Cc", "anakinra", "Cc"),
        like("Ccsf", "anakinra", "Ccsf"),
        Output("blockade", "", "part of the IL-1 signal that is blocked, plasma side"),
        Output("blockade_csf", "", "part of the IL-1 signal that is blocked, cerebrospinal fluid"),
        like("u", "tone", "u"),
        Output("activity", "", "activity of the disease: the inflammatory tone", error=LogNormal(0.25)),
        like("IL6", "tone", "IL6"),
        like("CRP", "acute", "CRP"),
        like("temperature", "acute", "temperature"),
        like("ferritin", "injury", "ferritin"),
        like("LDH", "injury", "LDH"),
        like("Ddimer", "injury", "Ddimer"),
        like("lymphocytes", "injury", "lymphocytes"),
        like("ICANS", "neuro", "ICANS"),
    ],
    individual=individual,
    connect=connect,
    calculate=outputs,
)

# What schedules are judged by unless others are asked for, the marker that has to rise, and the level of health.
measures = {
    "shown": ["CRP_area", "CRP_day_below_10", "ferritin_peak", "ICANS_grade_days", "ICANS_days_grade3"],
    "rises": ["lymphocytes"],
    "below": {"CRP": 10.0},
}
