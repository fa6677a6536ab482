"""Published pharmacokinetics of tocilizumab in intensive care, each number with its source and how it is known."""

from pkpd.extend import Published, Setting

MOES = "Moes 2022, doi 10.1007/s40262-021-01074-2, abstract"
DERIVED = "solved from the parameters of Moes 2022"
USED = "CL, V, Vmax, Km"

EIGHT = Setting(
    "intensive care, 8 mg/kg up to 800", 720, cmt="central", tinf=1, end=1440, step=1, assumed="720 mg for the mean"
)
SIX_HUNDRED = Setting("typical patient in intensive care", 600, cmt="central", tinf=1, end=1440, step=1)

published = (
    Published(
        "tocilizumab_moes2022_auc", "tocilizumab, AUC, 8 mg/kg IV", "Cc.AUCinf", EIGHT, 938, "mg*d/L", MOES,
        low=938 - 190, high=938 + 190, spread="SD", used=USED,
    ),
    Published(
        "tocilizumab_moes2022_over5", "tocilizumab, days above 5 mg/L, 600 mg", "Cc.time_above(5)", SIX_HUNDRED,
        15.6, "d", DERIVED, known="derived", used=USED,
    ),
    Published(
        "tocilizumab_moes2022_over1", "tocilizumab, days above 1 mg/L, 600 mg", "Cc.time_above(1)", SIX_HUNDRED,
        18.5, "d", DERIVED, known="derived", used=USED,
    ),
)  # fmt: skip
