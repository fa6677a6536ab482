"""Published effects on CRP. All are external checks: none informs a prior of any calibration in this library."""

from __future__ import annotations

from pkpd.extend import Effect, EffectReading

SC, IV, TOCILIZUMAB = "anakinra.depot", "anakinra.central", "tocilizumab.central"
COVID = "medRxiv 2020.06.12.20122374, summary"
_TOCILIZUMAB = {"8 mg/kg IV": (560.0, TOCILIZUMAB, 0.0, 0, 1.0)}

TRIALS = (
    Effect(
        "mrc_ila", "MRC-ILA, area under CRP over 7 days", "area ratio", (0, 168),
        {"100 mg daily": (100, SC, 24, 13, 0)}, 43.5 / 7, 0.51,
        "Eur Heart J 2015;36:377, doi 10.1093/eurheartj/ehu272, abstract (182 patients)",
        low=0.32, high=0.79, spread="95% CI", acute=True,
        note="100 mg is not verified; 70 kg and CLcr 100 are assumed. CRP was low (6 mg/L on average), so that its "
             "level in health, 2 mg/L, which anakinra does not lower in the model, and the days that CRP takes to "
             "fall limit what any phi can do.",
    ),
    Effect(
        "vcuart3", "VCUART3, area under CRP over 14 days", "area ratio", (0, 336),
        {"100 mg daily": (100, SC, 24, 13, 0), "100 mg BID": (100, SC, 12, 27, 0)}, 214 / 14, 0.313,
        "NCT01950299, abstract (99 patients)",
        low=0.20, high=0.48, spread="95% CI, from quartiles", known="derived", acute=True,
        note="Medians 67 (quartiles 39-120) and 214 (131-394) mg*d/L, in a unit that is printed wrongly. The interval "
             "of the ratio is derived, for log-normal areas and arms of 66 and 33 (assumed). The abstract pools both "
             "schedules; from a level disease, once daily falls just short of the pooled ratio, as CRP takes time.",
    ),
    Effect(
        "anajis", "ANAJIS, CRP at 1 month", "ratio", (720, 720),
        {"2 mg/kg daily": (60, SC, 24, 29, 0)}, 66.0, 0.29,
        "ANAJIS, Ann Rheum Dis 2011, tables (12 and 12 children)", weight=30,
        note="Assumed: 30 kg, CLcr 100, a level disease, sampling before the next dose. No spread was published. CRP "
             "fell by 16% on placebo, which no phi can give; net of that (0.29 / 0.84 = 0.35) the share is 8% smaller. "
             "The later loss of effect is not in the model.",
    ),
    Effect(
        "endotoxaemia", "mild endotoxaemia, area under CRP over 24 h", "area ratio", (0, 24),
        {"133 mg/h IV x 6 h": (798, IV, 0, 0, 6)}, 20.0, 1.0, "human endotoxaemia, abstract",
        drive={"tone.t_on": 1.0, "tone.tau_on": 0.25, "tone.t_off": 7.0},
        note="No change was found and no interval given: phi is 0 as far as a small study sees. A drive from 1 to 7 h "
             "and the size of CRP are assumed; more than 99% of the signal is blocked all the while, so phi 0.2 would "
             "have taken a fifth from the rise of CRP.",
    ),
    Effect(
        "tocilizumab", "tocilizumab, CRP after 1-2 days, not ventilated", "level", (24, 48), _TOCILIZUMAB, 95.0, 14.0,
        f"{COVID} (72 patients)",
        note="Dose, spread and exact times are not in the summary. Blockade is complete in the model, so CRP falls as "
             "fast as the signal behind the receptor (half-life 4 h, assumed) and kout_CRP let it. The fall is faster "
             "than the tracer's 0.0365/h (Vigushin 1993) allows: the disease waned as well, as it may under steroids, "
             "or the medians are of different days. The model's CRP answers tocilizumab too slowly in these patients.",
    ),
    Effect(
        "tocilizumab_ventilated", "tocilizumab, CRP after 1-2 days, ventilated", "level", (24, 48), _TOCILIZUMAB, 89.0,
        35.0, f"{COVID} (17 patients)",
        note="Dose, spread and exact times are not in the summary.",
    ),
)  # fmt: skip
"""In the order of the report; doses are (mg, state, interval, further doses, duration of infusion)."""

effects = EffectReading(
    trials=TRIALS,
    output="CRP",
    share="tone.phi",
    share_text="Share phi of IL-1",
    baseline="acute.CRP0",
    slope="acute.slope_CRP",
    loss="acute.kout_CRP",
    plateau={"tone.t_on": -1e4, "tone.tau_on": 1.0, "tone.t_off": 1e5, "tone.tau_off": 1.0, "tone.surge": 0.0},
    onset={"tone.t_on": 6.0, "tone.tau_on": 1.0},
    clocked=("tone.t_on", "tone.t_off"),
    title="Published effects of anakinra on C-reactive protein, and the IL-1 share that would explain each",
)
