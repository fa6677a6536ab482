"""The register of numbers read off a curve: one name, one definition, one interval, for all verbs.

`exposure`, `compare`, `sensitivity` (``of="Cc.Cmax"``) and `validate_model` take their numbers from here, so that a
name means the same everywhere. Definitions as in Rowland M, Tozer TN. Clinical Pharmacokinetics and Pharmacodynamics,
4th ed., appendix A; Gabrielsson J, Weiner D. Pharmacokinetic and Pharmacodynamic Data Analysis; rules of the terminal
slope as in PKNCA (Denney W, Duvvuri S, Buckeridge C. J Pharmacokinet Pharmacodyn 2015; 42: S65).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FLAGS", "NUMBERS", "REGISTER", "Metric", "reason_of"]

_CURVE = "all times of the curve"
_LAST = "the last dosing interval that the times cover"
_DAY = "24 h: of that interval, or after a lone dose"
_END = "the last points of the curve"
_EVER = "from the first dose on"


@dataclass(frozen=True)
class Metric:
    """A number read off a curve.

    Attributes
    ----------
    name : str
    meaning : str
        Its definition.
    kind : {"concentration", "time", "area", "rate", "clearance", "1", "flag"}
        What decides its unit.
    interval : str
        Over which times.
    status : str
        The variable that says why it is missing; empty where that can only be a missing value.
    """

    name: str
    meaning: str
    kind: str
    interval: str
    status: str = ""


REGISTER: dict[str, Metric] = {
    entry.name: entry
    for entry in (
        Metric("Cmax", "highest concentration, with the value right after a bolus", "concentration", _CURVE),
        Metric("Tmax", "time of Cmax", "time", _CURVE),
        Metric("Clast", "last measurable concentration", "concentration", _CURVE),
        Metric("Tlast", "time of the last measurable concentration", "time", _CURVE),
        Metric("AUC", "area under the curve from the first time to Tlast", "area", _CURVE, "AUC_status"),
        Metric("AUC_status", "why AUC is missing", "flag", _CURVE),
        Metric("AUCinf", "AUC + Clast / lambda_z, the area extrapolated to infinity", "area", _EVER, "AUCinf_status"),
        Metric("AUC_extrapolated", "extrapolated fraction of AUCinf", "1", _EVER, "AUCinf_status"),
        Metric("AUCinf_status", "why AUCinf is missing", "flag", _EVER),
        Metric("half_life", "terminal half-life, ln 2 / lambda_z", "time", _END, "half_life_status"),
        Metric("lambda_z", "terminal rate constant", "rate", _END, "half_life_status"),
        Metric("r2_adj", "adjusted R2 of the terminal fit", "1", _END, "half_life_status"),
        Metric("n_points", "points in the terminal fit", "1", _END),
        Metric("half_life_status", "status of the terminal fit", "flag", _END),
        Metric("AUCtau", "area under the curve over the dosing interval", "area", _LAST, "interval_status"),
        Metric("AUC24", "area under the curve per 24 h, AUCtau * 24 h / tau", "area", _DAY, "AUC24_status"),
        Metric("AUC24_status", "why AUC24 is missing", "flag", _DAY),
        Metric("Cavg", "average concentration, AUCtau / tau", "concentration", _LAST, "interval_status"),
        Metric("Ctrough", "concentration at the end of the interval, before the next dose", "concentration", _LAST,
              "interval_status"),
        Metric("Cmin", "lowest concentration in the interval", "concentration", _LAST, "interval_status"),
        Metric("Cmax_tau", "highest concentration in the interval, with the value right after a bolus", "concentration",
              _LAST, "interval_status"),
        Metric("Tmax_tau", "time of Cmax_tau after the start of the interval", "time", _LAST, "interval_status"),
        Metric("fluctuation", "peak-trough fluctuation (Cmax_tau - Cmin) / Cavg", "1", _LAST, "interval_status"),
        Metric("swing", "swing (Cmax_tau - Cmin) / Cmin", "1", _LAST, "interval_status"),
        Metric("accumulation", "AUCtau over that of the first dosing interval", "1", _LAST, "interval_status"),
        Metric("accumulation_Cmax", "Cmax_tau over that of the first dosing interval", "1", _LAST, "interval_status"),
        Metric("interval_status", "status of the dosing interval", "flag", _LAST),
        Metric("time_above", "time above the threshold", "time", _CURVE),
        Metric("time_above_tau", "fraction of the interval above the threshold", "1", _LAST, "interval_status"),
        Metric("CL_F", "apparent clearance: dose / AUCtau at steady state, all doses / AUCinf otherwise", "clearance",
              _EVER, "CL_F_status"),
        Metric("CL_F_status", "which doses and area the clearance is from, or why there is none", "flag", _EVER),
    )
}  # fmt: skip
"""Every number by name, in the order of a result."""

NUMBERS: tuple[str, ...] = tuple(
    name for name, e in REGISTER.items() if e.kind != "flag" and not name.startswith("time_above")
)
"""Names of the numbers that need nothing but a curve and its doses."""

_MISSING = "missing_values"
_UNSAMPLED = "no_sample_inside_a_dosing_interval"

FLAGS: dict[str, tuple[str, ...]] = {
    "half_life_status": (
        "ok",
        _MISSING,
        "fewer_than_3_points_after_the_peak",
        "concentration_does_not_decline",
        "poor_fit",
        "observed_for_less_than_2_half_lives",
    ),
    "interval_status": (
        "ok",
        _MISSING,
        "no_dosing_interval_known",
        "times_do_not_cover_a_dosing_interval",
        "only_one_dosing_interval",
        "first_dosing_interval_not_observed",
        "first_and_last_interval_differ",
        _UNSAMPLED,
        "begins_at_steady_state",
        "first_dosing_interval_without_samples",
    ),
    "CL_F_status": (
        "doses_over_AUCinf",
        "dose_over_AUCtau_at_steady_state",
        "trough_still_changes_by_more_than_5_percent_and_there_is_no_AUCinf",
        "dose_or_area_not_known",
        "first_time_is_after_the_first_dose",
        "a_reset_takes_away_what_is_left_of_earlier_doses",
    ),
    "AUC_status": ("ok", _MISSING, _UNSAMPLED),
    "AUCinf_status": (
        "ok", _MISSING, _UNSAMPLED, "first_time_is_after_the_first_dose", "no_terminal_slope_see_half_life_status",
    ),
    "AUC24_status": ("ok", _MISSING, "no_dosing_interval_known_see_interval_status",
                     "times_do_not_cover_24_h_after_the_dose"),
}  # fmt: skip
"""Meaning of each code of a status. With `interval_status` 4, 5, 6, 8 and 9 the accumulation alone has no value; with
`half_life_status` 4 and 5 a slope was found and is not good enough."""


def reason_of(name: str) -> str:
    """Return the status variable that says why a number is missing, or an empty text.

    Examples
    --------
    >>> reason_of("AUCtau"), reason_of("Cmax")
    ('interval_status', '')
    """
    entry = REGISTER.get(name)
    return "" if entry is None else entry.status
