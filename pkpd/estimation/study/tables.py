"""Tables of a calibration: diagnostics, predicted facts, what was taught."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.facts import FactPredictions, fact_table
from pkpd.estimation.study.groups import arviz
from pkpd.model.scales import to_scale

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.record import StudyRecord

__all__ = ["contraction", "diagnostics", "divergences", "facts", "scalars", "summary", "trouble"]

Floats = NDArray[np.float64]
_MUCH, _SOME = 0.5, 0.1
_PARETO, _RHAT, _ESS = 0.7, 1.01, 400


def scalars(calibration: StudyRecord, group: str = "posterior") -> dict[str, Floats]:
    """Return every estimated number on its scaled axis, shape (chain, draw); those that cannot vary are left out."""
    out: dict[str, Floats] = {}
    data = getattr(calibration.idata, group)
    for v in calibration.variables:
        x = to_scale(data[v.name].values.astype(np.float64), v.scale, v.limits)
        if not v.dims:
            out[v.name] = x
            continue
        for i, label in enumerate(data[v.dims[0]].values):
            out[f"{v.name}[{label}]"] = x[..., i]
    return {n: x for n, x in out.items() if np.ptp(x) > 0}


def diagnostics(calibration: StudyRecord) -> dict[str, dict[str, float]]:
    """Return R-hat and effective sizes of each estimated number; NaN where there is one chain of independent draws."""
    kept = calibration.attrs.get("diagnostics")
    if kept is not None:
        return json.loads(kept)
    found = scalars(calibration)
    if calibration.method != "nuts":
        n = next(iter(found.values())).size if found else 0
        return {name: {"rhat": float("nan"), "ess_bulk": float(n), "ess_tail": float(n)} for name in found}
    az = arviz()
    out = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, x in found.items():
            several = x.shape[0] > 1
            out[name] = {
                "rhat": float(az.rhat(x)) if several else float("nan"),
                "ess_bulk": float(az.ess(x, method="bulk")),
                "ess_tail": float(az.ess(x, method="tail")),
            }
    return out


def summary(calibration: StudyRecord) -> pd.DataFrame:
    """Return mean, sd, quantiles and diagnostics, see ``StudyFit.summary``."""
    import pandas as pd

    how = diagnostics(calibration)
    rows = {}
    for v in calibration.variables:
        x = calibration.draws(v.name)
        columns = {v.name: x} if not v.dims else _columns(calibration, v.name, v.dims[0], x)
        for name, values in columns.items():
            if np.ptp(values) > 0:
                low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
                moments = {"mean": values.mean(), "sd": values.std(ddof=1)}
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
    return _approximation(calibration.attrs) if calibration.method == "mode" else _sampler(calibration)


def _approximation(attrs: dict[str, Any]) -> tuple[str, ...]:
    out = []
    if repaired := str(attrs.get("curvatures_repaired", "")):
        out.append(f"the mode is flat along {repaired}: its curvature there was raised")
    if (lost := float(attrs.get("draws_lost", 0.0))) > 0:
        out.append(f"{100 * lost:.0f}% of the draws of the normal approximation have no density and were left out")
    if not (k := float(attrs.get("pareto_k", 0.0))) <= _PARETO:
        out.append(f"Pareto k is {k:.2f}, above {_PARETO}: the posterior is not normal; Nuts() is the record")
    return tuple(out)


def _sampler(calibration: StudyRecord) -> tuple[str, ...]:
    out = []
    if count := divergences(calibration):
        out.append(f"{count} divergent transitions: raise target_accept")
    found = diagnostics(calibration)
    high = {n: d["rhat"] for n, d in found.items() if d["rhat"] > _RHAT}
    if high:
        worst = max(high, key=lambda n: high[n])
        out.append(f"R-hat is above {_RHAT} for {len(high)} of {len(found)} (highest: {worst}, {high[worst]:.3f})")
    low = {n: min(d["ess_bulk"], d["ess_tail"]) for n, d in found.items()}
    few = [n for n in low if low[n] < _ESS]
    if few:
        worst = min(few, key=lambda n: low[n])
        out.append(
            f"effective sizes are below {_ESS} for {len(few)} of {len(found)} (lowest: {worst}, {low[worst]:.0f})"
        )
    return tuple(out)


def _columns(calibration: StudyRecord, name: str, dim: str, x: Floats) -> dict[str, Floats]:
    labels = calibration.posterior[dim].values
    return {f"{name}[{label}]": x[:, i] for i, label in enumerate(labels)}


def facts(calibration: StudyRecord, held: FactPredictions | None) -> pd.DataFrame:
    """Return what is predicted of each fact, see ``StudyFit.facts``."""
    import pandas as pd

    constant, predicted = calibration.idata.constant_data, calibration.idata.posterior_predictive
    replicate = predicted["replicate"].values.astype(np.float64)

    def words(name: str) -> list[str]:
        return [str(each) for each in constant[name].values]

    fitted = fact_table(
        FactPredictions(
            use="fit", fact=words("fact"), patient=words("fact_patient"), marker=words("fact_marker"),
            kind=words("fact_kind"),
            text=words("fact_text"), observed=calibration.idata.observed_data["facts"].values.astype(np.float64),
            replicate=replicate.reshape(-1, replicate.shape[-1]), probability=predicted["probability"].values,
            pit=predicted["pit"].values,
        )
    )  # fmt: skip
    return fitted if held is None else pd.concat([fitted, fact_table(held)], ignore_index=True)


def contraction(calibration: StudyRecord) -> pd.DataFrame:
    """Return what was taught, see ``StudyFit.contraction``."""
    import pandas as pd

    after, before = scalars(calibration), scalars(calibration, "prior")
    rows = {}
    for name, x in after.items():
        prior, posterior = before[name].ravel(), x.ravel()
        sd, sd_after = prior.std(ddof=1), posterior.std(ddof=1)
        gained = 1.0 - (sd_after / sd) ** 2
        shift = (posterior.mean() - prior.mean()) / sd
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
    from scipy.stats import gaussian_kde

    both = np.concatenate([prior, posterior])
    grid = np.linspace(both.min(), both.max(), 256)
    least = np.minimum(gaussian_kde(prior)(grid), gaussian_kde(posterior)(grid))
    return float(np.clip(least.sum() * (grid[1] - grid[0]), 0.0, 1.0))
