"""The models of the simulation reference as plain functions, for the twin and for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Values = Mapping[str, float]


@dataclass(frozen=True)
class ReferenceModel:
    """States, right-hand side, initial state, rules of dosing and the output CONC of a reference model."""

    states: tuple[str, ...]
    rhs: Callable[[float, np.ndarray, Values], list[float]]
    y0: Callable[[Values], list[float]]
    dosing: Callable[[Values], dict[int, dict[str, float]]] = lambda p: {}
    conc: Callable[[np.ndarray, Values], float] | None = None
    individual: Callable[[Values, Values], dict[str, float]] | None = None


def zeros(n: int) -> Callable[[Values], list[float]]:
    return lambda p: [0.0] * n


def lin(t: float, y: np.ndarray, p: Values) -> list[float]:
    """Two compartments, depot and area under the concentration."""
    depot, cent, peri, _ = y
    out, back = p["Q"] / p["VC"] * cent, p["Q"] / p["VP"] * peri
    return [
        -p["KA"] * depot,
        p["KA"] * depot - p["CL"] / p["VC"] * cent - out + back,
        out - back,
        cent / p["VC"],
    ]


def lin_dosing(p: Values) -> dict[int, dict[str, float]]:
    return {
        0: {"F": p["F1P"], "tlag": p["LAG1"], "duration": p["DUR1"]},
        1: {"F": p["F2P"], "tlag": p["LAG2"], "duration": p["DUR2"], "rate": p["RAT2"]},
        2: {"F": p["F3P"]},
    }


def tv(t: float, y: np.ndarray, p: Values) -> list[float]:
    """One compartment and depot."""
    return [-p["KA"] * y[0], p["KA"] * y[0] - p["CL"] / p["V"] * y[1]]


def tv_individual(p: Values, row: Values) -> dict[str, float]:
    scale = row["WT"] / 70.0
    return dict(p) | {"CL": p["TVCL"] * scale**0.75, "V": p["TVV"] * scale}


def mm(t: float, y: np.ndarray, p: Values) -> list[float]:
    """One compartment with saturable elimination, and depot."""
    c = y[1] / p["V"]
    return [-p["KA"] * y[0], p["KA"] * y[0] - p["VMAX"] * c / (p["KM"] + c)]


def pkpd(t: float, y: np.ndarray, p: Values) -> list[float]:
    """Two compartments, effect compartment and three markers whose formation is inhibited."""
    ce = max(y[3], 0.0)
    slopes = [*lin(t, np.array([*y[:3], 0.0]), p)[:3], p["KE0"] * (y[1] / p["VC"] - y[3])]
    for i in (1, 2, 3):
        sigmoid = ce ** p[f"H{i}"] / (p[f"IC50{i}"] ** p[f"H{i}"] + ce ** p[f"H{i}"])
        slopes.append(p[f"KIN{i}"] * (1.0 - p[f"IMAX{i}"] * sigmoid) - p[f"KOUT{i}"] * y[3 + i])
    return slopes


def pkpd_initial(p: Values) -> list[float]:
    return [0.0] * 4 + [p[f"KIN{i}"] / p[f"KOUT{i}"] for i in (1, 2, 3)]


def tmdd(t: float, y: np.ndarray, p: Values) -> list[float]:
    """Full target-mediated disposition: DEPOT and P are amounts, L, R and RC concentrations."""
    depot, ligand, peri, target, both = y
    binding = p["KON"] * ligand * target - p["KOFF"] * both
    return [
        -p["KA"] * depot,
        p["KA"] * depot / p["VC"] - (p["KEL"] + p["KPT"]) * ligand + p["KTP"] * peri / p["VC"] - binding,
        p["KPT"] * ligand * p["VC"] - p["KTP"] * peri,
        p["KSYN"] - p["KDEG"] * target - binding,
        binding - p["KINT"] * both,
    ]


def transit(t: float, y: np.ndarray, p: Values) -> list[float]:
    """Six transit compartments, depot and one compartment."""
    ktr = 6.0 / p["MTT"]
    chain = [-ktr * y[0], *(ktr * (y[i - 1] - y[i]) for i in range(1, 6))]
    return [*chain, ktr * y[5] - p["KA"] * y[6], p["KA"] * y[6] - p["CL"] / p["V"] * y[7]]


def central(volume: str) -> Callable[[np.ndarray, Any], float]:
    return lambda y, p: y[1] / p[volume]


MODELS = {
    "lin": ReferenceModel(("DEPOT", "CENT", "PERI", "AUC"), lin, zeros(4), lin_dosing, central("VC")),
    "tv": ReferenceModel(("DEPOT", "CENT"), tv, zeros(2), conc=central("V"), individual=tv_individual),
    "mm": ReferenceModel(("DEPOT", "CENT"), mm, zeros(2), conc=central("V")),
    "pkpd": ReferenceModel(("DEPOT", "CENT", "PERI", "CE", "M1", "M2", "M3"), pkpd, pkpd_initial, conc=central("VC")),
    "tmdd": ReferenceModel(("DEPOT", "L", "P", "R", "RC"), tmdd, lambda p: [0.0, 0.0, 0.0, p["KSYN"] / p["KDEG"], 0.0]),
    "transit": ReferenceModel(
        ("T0", "T1", "T2", "T3", "T4", "T5", "DEPOT", "CENT"), transit, zeros(8), conc=lambda y, p: y[7] / p["V"]
    ),
}
