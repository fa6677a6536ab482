"""How often the 95% intervals of FOCEI hold the truth: ``python -m benchmarks.coverage`` fits simulated trials.

Each trial has 40 subjects, one oral dose and eight samples each; one compartment, CL 4 L/h, V 70 L, ka 1 /h, random
effects with a variance of 0.09 and a proportional error of 0.2 (values of the ACoP 2016 sets). The stored result is
``benchmarks/stored/coverage.csv``: estimate, standard error and interval of each quantity in each trial.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from pkpd import EventTable, Model

__all__ = ["DESIGNS", "STORED", "TRUTH", "main", "one_trial", "oral", "stored", "summary", "trial"]

STORED = Path(__file__).parent / "stored"
TRUTH = {"CL": 4.0, "V": 70.0, "ka": 1.0, "omega_CL": 0.09, "omega_V": 0.09, "omega_ka": 0.09, "sigma_prop": 0.2}
#: times of samples, h
DESIGNS = {
    "lean": (0.25, 0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 36.0),
    "rich": (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 36.0, 48.0),
}
SUBJECTS = 40
KINDS = ("R", "RS")


def oral(prop: float = 0.2, sd: float = 0.3) -> Model:
    """Return the model that trials are simulated with and fitted by."""
    from pkpd import Model, Output, Parameter, Proportional, State

    return Model(
        "oral",
        states=[State("depot", "mg"), State("central", "mg")],
        parameters=[
            Parameter("CL", TRUTH["CL"], "L/h", sd=sd),
            Parameter("V", TRUTH["V"], "L", sd=sd),
            Parameter("ka", TRUTH["ka"], "1/h", sd=sd),
        ],
        outputs=[Output("Cc", "mg/L", error=Proportional(prop))],
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def trial(seed: int, subjects: int = SUBJECTS, times: tuple[float, ...] = DESIGNS["lean"]) -> EventTable:
    """Return the data of one simulated trial: 100 mg by mouth for everyone.

    Parameters
    ----------
    seed : int
    subjects : int
    times : tuple of float
        Of samples, h.
    """
    import pkpd

    model = oral()
    table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100, cmt="depot")] * subjects, list(times))
    people = pkpd.Population.draw(model, subjects, seed=seed)
    drawn = pkpd.simulate(model, table, people, residual=True, seed=seed, progress=False)
    table.frame["DV"] = drawn["Cc_observed"].values
    return pkpd.read_events(table.frame.drop(columns="MDV"))


def stored(method: str = "focei", design: str = "lean") -> Path:
    """Return where the estimates of a method and a design are kept."""
    return STORED / f"coverage_{method}_{design}.csv"


def one_trial(number: int, method: str = "focei", design: str = "lean") -> list[dict[str, Any]]:
    """Return a row for each quantity and kind of covariance of one trial; the search starts off the truth."""
    from pkpd.estimation.api import fit
    from pkpd.estimation.methods.register import method_of
    from pkpd.estimation.methods.saem import Saem

    start = {"CL": 3.0, "V": 50.0, "ka": 1.5, "sigma_prop": 0.3}
    how = Saem(points=0) if method == "saem" else method_of(method)
    table = trial(1000 + number, times=DESIGNS[design])
    found = fit(oral(), table, how, start=start, threads=1)
    rows = []
    for kind in KINDS:
        if kind != "R" and found.converged:
            found.covariance_step(kind)
        intervals, errors = found.ci(0.95), found.se
        for name, value in found.estimates.items():
            low, high = intervals[name]
            rows.append({
                "trial": number, "kind": kind, "quantity": name, "truth": TRUTH[name], "estimate": value,
                "se": errors[name], "low": low, "high": high, "converged": found.converged,
            })  # fmt: skip
    return rows


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of each kind and quantity: trials with an interval, share of these that hold the truth, and bias.

    Parameters
    ----------
    frame : DataFrame
        As stored.
    """
    known = frame[frame["low"].notna()].copy()
    known["held"] = (known["low"] <= known["truth"]) & (known["truth"] <= known["high"])
    known["bias"] = known["estimate"] / known["truth"] - 1.0
    groups = known.groupby(["kind", "quantity"], sort=False)
    out = groups.agg(trials=("trial", "size"), coverage=("held", "mean"), bias=("bias", "mean"), se=("se", "mean"))
    return out.assign(sd=groups["estimate"].std()).reset_index()


def main() -> None:
    """Fit the trials over all processes, store the result and print the coverage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=str(__doc__).splitlines()[0])
    parser.add_argument("--trials", type=int, default=200, help="simulated trials (200)")
    parser.add_argument("--method", default="focei", choices=("focei", "laplace", "saem"), help="of estimation (focei)")
    parser.add_argument("--design", default="lean", choices=tuple(DESIGNS), help="8 or 15 samples a subject (lean)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="fits at a time (all cores)")
    parser.add_argument("--show", action="store_true", help="print what is stored, fit nothing")
    options = parser.parse_args()
    import pandas as pd

    path = stored(options.method, options.design)
    if not options.show:
        begun = time.perf_counter()
        one = partial(one_trial, method=options.method, design=options.design)
        one(0)  # compiles once, before the processes start
        with ProcessPoolExecutor(options.processes) as pool:
            rows = [row for part in pool.map(one, range(options.trials), chunksize=4) for row in part]
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6g")
        print(f"{options.trials} trials in {time.perf_counter() - begun:.0f} s, written to {path}")
    frame = pd.read_csv(path)
    print(summary(frame).round({"coverage": 3, "bias": 4, "se": 4, "sd": 4}).to_string(index=False))
    print(f"{frame.loc[frame['low'].isna(), 'trial'].nunique()} trials with a missing interval")


if __name__ == "__main__":
    main()
