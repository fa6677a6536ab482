"""Whether draws can be relied upon: R-hat, effective sizes, divergences, and what counts as good enough."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["ESS", "PARETO", "R_HAT", "arviz", "complaints", "diagnose"]

#: largest R-hat, least effective size, largest Pareto k of draws that can be relied upon (Vehtari et al. 2021, 2024)
R_HAT, ESS, PARETO = 1.01, 400, 0.7
#: draws of a chain, or of a half where there is one alone, below which it says nothing of these
_FEWEST = 4

Diagnosed = Mapping[str, Mapping[str, float]]


def arviz() -> Any:
    """Return ArviZ, whose import announces its next version by a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz as az
    return az


def diagnose(numbers: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return ``rhat``, ``ess_bulk`` and ``ess_tail`` of numbers, NaN where there are too few draws.

    A number that has one value in all draws has effective sizes of 0.

    Parameters
    ----------
    numbers : mapping of name to array, (chain, draw)
        Halves of a single chain are compared in the place of chains.
    """
    out = {}
    for name, x in numbers.items():
        if x.size > 1 and np.ptp(x) == 0:  # nothing was drawn
            out[name] = {"rhat": float("nan"), "ess_bulk": 0.0, "ess_tail": 0.0}
            continue
        half = x.shape[1] // 2
        chains = x if x.shape[0] > 1 else x[:, : 2 * half].reshape(2, half)
        if chains.shape[1] < _FEWEST:
            out[name] = dict.fromkeys(("rhat", "ess_bulk", "ess_tail"), float("nan"))
            continue
        az = arviz()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sizes = {f"ess_{kind}": float(az.ess(x, method=kind)) for kind in ("bulk", "tail")}
            out[name] = {"rhat": float(az.rhat(chains)), **sizes}
    return out


def complaints(found: Diagnosed, divergences: int) -> tuple[str, ...]:
    """Return what speaks against draws of a sampler, in sentences; empty if nothing does."""
    out = []
    if divergences:
        out.append(f"{divergences} divergent transitions: raise target_accept")
    if still := [n for n, d in found.items() if d["ess_bulk"] == 0]:
        out.append(f"{len(still)} numbers have one value in all draws (first: {still[0]}): nothing was drawn")
    found = {n: d for n, d in found.items() if n not in still}
    high = {n: d["rhat"] for n, d in found.items() if not d["rhat"] <= R_HAT}
    if high:
        worst = max(high, key=lambda n: (math.isnan(high[n]), high[n]))
        above = f"above {R_HAT}" if not math.isnan(high[worst]) else f"not known, or above {R_HAT},"
        out.append(f"R-hat is {above} for {len(high)} of {len(found)} (highest: {worst}, {high[worst]:.3f})")
    low = {n: min(d["ess_bulk"], d["ess_tail"]) for n, d in found.items()}
    few = [n for n in low if not low[n] >= ESS]
    if few:
        worst = min(few, key=lambda n: (not math.isnan(low[n]), low[n]))
        out.append(
            f"effective sizes are below {ESS} for {len(few)} of {len(found)} (lowest: {worst}, {low[worst]:.0f})"
        )
    return tuple(out)
