"""Tables of a calibration: diagnostics, predicted facts, what was taught."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.convergence import PARETO, complaints, diagnose
from pkpd.estimation.facts import FactPredictions, fact_table
from pkpd.estimation.study.moments import moments
from pkpd.model.scales import to_scale

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.record import StudyRecord

__all__ = ["contraction", "diagnostics", "divergences", "facts", "fitted_facts", "scalars", "summary", "trouble"]

Floats = NDArray[np.float64]
_MUCH, _SOME = 0.5, 0.1


def scalars(calibration: StudyRecord, group: str = "posterior") -> dict[str, Floats]:
    """Return every estimated number on its scaled axis, shape (chain, draw); those that cannot vary are left out."""
    scale = {v.name: (v.scale, v.limits) for v in calibration.variables}
    found = _natural(calibration, group)
    return {n: to_scale(x, *scale[n.partition("[")[0]]) for n, x in found.items()}


def _natural(calibration: StudyRecord, group: str = "posterior") -> dict[str, Floats]:
    """Return every number that is not known before the data, in its unit, shape (chain, draw)."""
    out: dict[str, Floats] = {}
    data, prior = getattr(calibration.idata, group), calibration.idata.prior
    for v in calibration.variables:
        x, before = (each[v.name].values.astype(np.float64) for each in (data, prior))
        if not v.dims:
            out[v.name] = x
            continue
        for i, label in enumerate(data[v.dims[0]].values):
            if np.ptp(before[..., i]) > 0:
                out[f"{v.name}[{label}]"] = x[..., i]
    return out


def diagnostics(calibration: StudyRecord) -> dict[str, dict[str, float]]:
    """Return R-hat and effective sizes of each estimated number; NaN where there is one chain of independent draws."""
    kept = calibration.attrs.get("diagnostics")
    if kept is not None:
        return json.loads(kept)
    found = scalars(calibration)
    if calibration.attrs.get("independent"):
        n = next(iter(found.values())).size if found else 0
        return {name: {"rhat": float("nan"), "ess_bulk": float(n), "ess_tail": float(n)} for name in found}
    return diagnose(found)


def summary(calibration: StudyRecord) -> pd.DataFrame:
    """Return mean, sd, quantiles and diagnostics, see ``StudyFit.summary``."""
    import pandas as pd

    how = diagnostics(calibration)
    rows = {}
    for name, values in _natural(calibration).items():
        low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
        moments = {"mean": values.mean(), "sd": values.std(ddof=1) if values.size > 1 else float("nan")}
        rows[name] = {**moments, "2.5%": low, "50%": middle, "97.5%": high, **how.get(name, {})}
    out = pd.DataFrame.from_dict(rows, orient="index")
    out.attrs["divergences"] = divergences(calibration)
    return out


def divergences(calibration: StudyRecord) -> int:
    """Return the number of divergent transitions of all draws."""
    kept = calibration.attrs.get("divergences")
    if kept is not None:
        return int(kept)
    stats = getattr(calibration.idata, "sample_stats", None)
    return int(stats["diverging"].sum()) if stats is not None and "diverging" in stats else 0


def trouble(calibration: StudyRecord) -> tuple[str, ...]:
    """Return what speaks against trusting the draws, see ``StudyFit.trouble``."""
    attrs = calibration.attrs
    own = (
        _approximation(attrs)
        if calibration.method == "mode"
        else ()
        if attrs.get("independent")
        else complaints(diagnostics(calibration), divergences(calibration))
    )
    if (dead := float(attrs.get("without_density", 0.0))) > 0:
        own = (*own, f"{100 * dead:.3g}% of the draws have no density: these are no draws of the posterior")
    return own


def _approximation(attrs: dict[str, Any]) -> tuple[str, ...]:
    out = []
    if repaired := str(attrs.get("curvatures_repaired", "")):
        out.append(f"the mode is flat along {repaired}: its curvature there was raised")
    if (lost := float(attrs.get("draws_lost", 0.0))) > 0:
        out.append(f"{100 * lost:.0f}% of the draws of the normal approximation have no density and were left out")
    if not (k := float(attrs.get("pareto_k", 0.0))) <= PARETO:
        out.append(f"Pareto k is {k:.2f}, above {PARETO}: the posterior is not normal; Nuts() is the record")
    return tuple(out)


def facts(calibration: StudyRecord, held: FactPredictions | None) -> pd.DataFrame:
    """Return what is predicted of each fact, see ``StudyFit.facts``."""
    import pandas as pd

    fitted = fact_table(fitted_facts(calibration))
    return fitted if held is None else pd.concat([fitted, fact_table(held)], ignore_index=True)


def fitted_facts(calibration: StudyRecord) -> FactPredictions:
    """Return what is predicted of the facts that were fitted."""
    constant, predicted = calibration.idata.constant_data, calibration.idata.posterior_predictive
    replicate = predicted["replicate"].values.astype(np.float64)

    def words(name: str) -> list[str]:
        return [str(each) for each in constant[name].values]

    return FactPredictions(
        use="fit", fact=words("fact"), patient=words("fact_patient"), marker=words("fact_marker"),
        kind=words("fact_kind"),
        text=words("fact_text"), observed=calibration.idata.observed_data["facts"].values.astype(np.float64),
        replicate=replicate.reshape(-1, replicate.shape[-1]), probability=predicted["probability"].values,
        pit=predicted["pit"].values,
    )  # fmt: skip


def contraction(calibration: StudyRecord) -> pd.DataFrame:
    """Return what was taught, see ``StudyFit.contraction``."""
    import pandas as pd

    after, before = scalars(calibration), scalars(calibration, "prior")
    believed = moments(calibration.study.problem)
    rows = {}
    for name, x in after.items():
        prior, posterior = before[name].ravel(), x.ravel()
        (mean, sd), sd_after = believed[name], posterior.std(ddof=1)
        gained = 1.0 - (sd_after / sd) ** 2
        shift = (posterior.mean() - mean) / sd
        rows[name] = {
            "prior_sd": sd,
            "posterior_sd": sd_after,
            "contraction": gained,
            "shift": shift,
            "overlap": _overlap(prior, posterior),
            "verdict": _verdict(gained, shift),
        }
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("contraction", ascending=False)


def _verdict(gained: float, shift: float) -> str:
    if gained >= _MUCH:
        return "taught"
    if gained >= _SOME:
        return "taught a little"
    return "moved, not narrowed" if abs(shift) >= 0.5 else "not taught"


def _overlap(prior: Floats, posterior: Floats) -> float:
    """Return the area below both densities, from 0 (apart) to 1 (the same)."""
    if np.ptp(posterior) == 0:
        return 0.0
    both = np.concatenate([prior, posterior])
    grid = np.linspace(both.min(), both.max(), 256)
    least = np.minimum(_density(prior, grid), _density(posterior, grid))
    return float(np.clip(least.sum() * (grid[1] - grid[0]), 0.0, 1.0))


def _density(draws: Floats, grid: Floats) -> Floats:
    """Return a density by normal kernels of Scott's width, as SciPy's ``gaussian_kde`` in one dimension."""
    width = draws.std(ddof=1) * draws.size**-0.2
    z = (grid[:, None] - draws) / width
    return np.exp(-0.5 * z * z).sum(axis=1) / (draws.size * width * math.sqrt(2.0 * math.pi))
