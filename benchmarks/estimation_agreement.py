"""Fits of published data beside the published numbers: ``python -m benchmarks.estimation_agreement`` prints tables.

Data and R's numbers are read from the folder that PKPD_SHARED names; sources of NONMEM's numbers stand beside them.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.coverage import oral
from benchmarks.estimation import START, acop_file
from pkpd.estimation.methods.focei import Foce, Nlme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pkpd import EventTable, Model

__all__ = ["against_nlme", "against_truth", "main", "phenobarbital", "phenobarbital_model", "theophylline_model"]

TRUTH = {"CL": 4.0, "V": 70.0, "ka": 1.0, "omega_CL": 0.09, "omega_V": 0.09, "omega_ka": 0.09, "sigma_prop": 0.2}


def theophylline_model(sd: tuple[float | None, ...], full: bool = False, volume: bool = False) -> Model:
    """Return one compartment with absorption, log-normal effects on elimination rate (or volume), Ka and Cl."""
    from pkpd import Additive, Model, Omega, Output, Parameter, State

    first = Parameter("V", 0.5, "L/kg", sd=sd[0]) if volume else Parameter("Ke", 0.08, "1/h", sd=sd[0])
    ke = (lambda p: p.Cl / p.V) if volume else (lambda p: p.Ke)
    return Model(
        "theophylline",
        states=[State("depot", "mg/kg"), State("central", "mg/kg")],
        parameters=[first, Parameter("Ka", 1.5, "1/h", sd=sd[1]), Parameter("Cl", 0.04, "L/h/kg", sd=sd[2])],
        omega=[Omega(("Ke", "Ka", "Cl"), [[0.05], [0.001, 0.4], [0.001, 0.001, 0.05]])] if full else [],
        outputs=[Output("Cc", "mg/L", error=Additive(0.7))],
        dynamics=lambda t, x, p: {"depot": -p.Ka * x.depot, "central": p.Ka * x.depot - ke(p) * x.central},
        calculate=lambda t, x, p: {"Cc": x.central * ke(p) / p.Cl},
    )


def phenobarbital_model(*, weight: bool = False, apgar: bool = False) -> Model:
    """Return one compartment with boluses; weight on both log parameters and the Apgar score on that of V if wanted."""
    import pkpd
    from pkpd import Additive, Covariate, Model, Output, Parameter, State

    values = (0.0025, 0.6) if weight else (0.006, 1.4)
    parameters = [Parameter("CL", values[0], "L/h", sd=0.4), Parameter("V", values[1], "L", sd=0.4)]
    more: dict[str, Any] = {}
    if weight:
        parameters += [Parameter(n, 0.5, "1/kg", scale="additive") for n in ("WT_CL", "WT_V")]
        parameters += [Parameter("APGAR_V", 0.0, "", scale="additive")] if apgar else []
        more["covariates"] = [Covariate("WT", "kg", 1.5), *([Covariate("APGAR", "", 1.0)] if apgar else [])]
        more["individual"] = lambda p, cov: {
            "CL": p.CL * pkpd.math.exp(p.WT_CL * cov.WT),
            "V": p.V * pkpd.math.exp(p.WT_V * cov.WT + (p.APGAR_V * cov.APGAR if apgar else 0.0)),
        }
    return Model(
        "phenobarbital",
        states=[State("central", "mg")],
        parameters=parameters,
        outputs=[Output("Cc", "mg/L", error=Additive(3.0))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


def phenobarbital(folder: Path) -> EventTable:
    """Return the 59 neonates of Grasela and Donn 1985."""
    import pandas as pd

    import pkpd

    raw = pd.read_csv(folder / "phenobarb.csv")
    dosed, seen = raw["dose"].notna(), raw["conc"].notna()
    frame = pd.DataFrame({
        "ID": raw["Subject"], "TIME": raw["time"], "AMT": raw["dose"].fillna(0.0), "DV": raw["conc"],
        "EVID": np.where(dosed, 1, np.where(seen, 0, 2)), "WT": raw["Wt"],
        "APGAR": (raw["ApgarInd"] == ">= 5").astype(float),
    })  # fmt: skip
    return pkpd.read_events(frame)


def _cases(folder: Path) -> Iterator[tuple[str, str, Model, EventTable, dict[str, str]]]:
    from benchmarks.estimation import theophylline

    table, names = theophylline()[0], {"Ke": "lKe", "Ka": "lKa", "Cl": "lCl"}
    yield "theophylline, full", "Theoph_full_ML", theophylline_model((None,) * 3, full=True), table, names
    yield "theophylline, diagonal", "Theoph_diag3_ML", theophylline_model((0.2, 0.6, 0.2)), table, names
    yield "theophylline, Ka and Cl", "Theoph_diag_lKa_lCl_ML", theophylline_model((None, 0.6, 0.2)), table, names
    by_volume = theophylline_model((0.15, 0.6, 0.2), volume=True)
    yield "theophylline, by V", "Theoph_lKa_lCl_lV_diag3_ML", by_volume, table, {"V": "lV", "Ka": "lKa", "Cl": "lCl"}
    table, names = phenobarbital(folder), {"CL": "lCl", "V": "lV"}
    yield "phenobarbital", "Phenobarb_base_ML", phenobarbital_model(), table, names
    names = {"CL": "lCl.(Intercept)", "V": "lV.(Intercept)", "WT_CL": "lCl.Wt", "WT_V": "lV.Wt"}
    known = "Phenobarb_cov_lCl~Wt_lV~Wt_ML"
    yield "phenobarbital, weight", known, phenobarbital_model(weight=True), table, names
    known, model = "Phenobarb_cov_lCl~Wt_lV~Wt+ApgarInd_ML", phenobarbital_model(weight=True, apgar=True)
    yield "phenobarbital, weight, Apgar", known, model, table, {**names, "APGAR_V": "lV.ApgarInd>= 5"}


def against_nlme(folder: Path) -> list[dict[str, Any]]:
    """Return for each fit of R's nlme: log-likelihoods, and the largest relative differences of what is estimated.

    Fixed effects of log parameters are compared as R has them, as logarithms; random effects as standard deviations.
    """
    import pandas as pd

    from pkpd.estimation.api import fit

    table = pd.read_csv(folder / "nlme_fits.csv")
    rows = []
    for title, name, model, data, names in _cases(folder):
        own = table[table["fit"] == name]
        known = {str(w): dict(zip(part["name"], part["value"], strict=True)) for w, part in own.groupby("what")}
        found = fit(model, data, Nlme(covariance=None))
        foce = fit(model, data, Foce(covariance=None))
        fixed, random = [0.0], [0.0]
        sd = dict(zip(found.etas, np.sqrt(np.diag(found.omega)), strict=True))
        for ours, theirs in names.items():
            value = found.theta[ours]
            value = math.log(value) if model.parameters[ours].scale == "log" else value
            fixed.append(abs(value / known["fixed"][theirs] - 1.0))
            if ours in sd and known["omega_sd"][theirs] > 1e-3:  # below it nlme has let the variance vanish as well
                random.append(abs(sd[ours] / known["omega_sd"][theirs] - 1.0))
        rows.append({
            "title": title, "fit": name, "published": known["logLik"]["logLik"], "loglik": found.loglik,
            "foce": foce.loglik, "fixed": max(fixed), "random": max(random),
            "sigma": abs(found.sigma["sigma_add"] / known["sigma"]["sigma"] - 1.0), "converged": found.converged,
        })  # fmt: skip
    return rows


def against_truth() -> list[dict[str, Any]]:
    """Return what FOCEI, Laplace and SAEM find in the oral set of ACoP 2016: estimate, interval and truth of each."""
    from pkpd.estimation.api import fit

    data, rows = acop_file(), []
    if data is None:
        return rows
    for method in ("focei", "laplace", "saem"):
        found = fit(oral(0.3, 0.4), data, method, start=START)
        for name, (low, high) in found.ci(0.95).items():
            rows.append({
                "method": method, "quantity": name, "truth": TRUTH[name], "estimate": found.estimates[name], "low": low,
                "high": high, "ofv": found.ofv,
            })  # fmt: skip
    return rows


def main() -> None:
    """Print both tables as Markdown."""
    named = os.environ.get("PKPD_SHARED")
    if not named:
        sys.exit("PKPD_SHARED names no folder: the published fits are not part of this repository")
    print(
        "| fit | log L of nlme | method `nlme` | difference | fixed effects | SD of random effects | sigma | `foce` |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for r in against_nlme(Path(named) / "reference" / "estimation"):
        print(
            f"| {r['title']} | {r['published']:.3f} | {r['loglik']:.3f} | {r['loglik'] - r['published']:+.4f} | "
            f"{r['fixed']:.2%} | {r['random']:.2%} | {r['sigma']:.2%} | {r['foce']:.3f} |"
        )
    print("\n| | truth | " + " | ".join(("`focei`", "`laplace`", "`saem`")) + " |\n|---|---:|---|---|---|")
    rows = against_truth()
    for name, truth in TRUTH.items():
        cells = [f"{r['estimate']:.4g} ({r['low']:.4g} to {r['high']:.4g})" for r in rows if r["quantity"] == name]
        print(f"| {name} | {truth:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
