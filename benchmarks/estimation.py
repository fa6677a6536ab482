"""How long estimation takes, beside pynlme where it is installed: FOCEI, SAEM, and what a gradient costs."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.coverage import oral, trial
from benchmarks.peers import pynlme_fit
from benchmarks.race import REFUSALS
from benchmarks.startup import Line
from pkpd.estimation.methods.focei import Focei, Nlme
from pkpd.estimation.methods.saem import Saem

if TYPE_CHECKING:
    from pkpd import EventTable, Model
    from pkpd.estimation.result import Fit

__all__ = ["TIMES", "acop_file", "estimation_lines", "focei", "gradient", "saem", "theophylline", "theophylline_model"]

#: samples of the simulated set, h: those of the ACoP 2016 sets after a single dose, the first 15
TIMES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0, 24.0, 36.0)
#: sampling times of theophylline as planned, h
PLANNED = (0.0, 0.25, 0.57, 1.12, 2.02, 3.82, 5.1, 7.03, 9.05, 12.12, 24.37)
SEED = 7
START = {"CL": 3.0, "V": 50.0, "ka": 0.7, "sigma_prop": 0.3}


def _shared(name: str) -> Path | None:
    folder = os.environ.get("PKPD_SHARED")
    path = Path(folder) / "reference" / "estimation" / name if folder else None
    return path if path is not None and path.exists() else None


def theophylline_model() -> Model:
    """Return one compartment with absorption per kg, parameters Ke, Ka and Cl with a full covariance."""
    from pkpd import Additive, Model, Omega, Output, Parameter, State

    return Model(
        "theophylline",
        states=[State("depot", "mg/kg"), State("central", "mg/kg")],
        parameters=[
            Parameter("Ke", 0.08, "1/h"),
            Parameter("Ka", 1.5, "1/h"),
            Parameter("Cl", 0.04, "L/h/kg"),
        ],
        omega=[Omega(("Ke", "Ka", "Cl"), [[0.05], [0.001, 0.4], [0.001, 0.001, 0.05]])],
        outputs=[Output("Cc", "mg/L", error=Additive(0.7))],
        dynamics=lambda t, x, p: {"depot": -p.Ka * x.depot, "central": p.Ka * x.depot - p.Ke * x.central},
        calculate=lambda t, x, p: {"Cc": x.central * p.Ke / p.Cl},
    )


def theophylline() -> tuple[EventTable, str]:
    """Return the twelve subjects of theophylline and where they are from; simulated ones without the file."""
    import pandas as pd

    import pkpd

    path = _shared("theoph.csv")
    if path is None:
        model = theophylline_model()
        table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=4.5, cmt="depot")] * 12, list(PLANNED))
        people = pkpd.Population.draw(model, 12, seed=SEED)
        drawn = pkpd.simulate(model, table, people, residual=True, seed=SEED, progress=False)
        table.frame["DV"] = drawn["Cc_observed"].values
        return pkpd.read_events(table.frame.drop(columns="MDV")), "simulated, as PKPD_SHARED is not set"
    raw = pd.read_csv(path)
    dose = raw.groupby("Subject", sort=False)["Dose"].first().reset_index()
    doses = pd.DataFrame({"ID": dose["Subject"], "TIME": 0.0, "AMT": dose["Dose"], "EVID": 1, "CMT": 1})
    seen = pd.DataFrame({"ID": raw["Subject"], "TIME": raw["Time"], "DV": raw["conc"], "AMT": 0.0, "EVID": 0, "CMT": 2})
    frame = pd.concat([doses, seen]).sort_values(["ID", "TIME", "EVID"], ascending=[True, True, False], kind="stable")
    return pkpd.read_events(frame), "Boeckmann, Sheiner, Beal 1994"


def acop_file() -> EventTable | None:
    """Return the oral set of ACoP 2016 in mg, None without the file; SS 99 there means not at steady state."""
    import pandas as pd

    import pkpd

    path = _shared("Oral_1CPT.csv")
    if path is None:
        return None
    raw = pd.read_csv(path)
    raw["SS"] = raw["SS"].replace(99, 0)
    raw["DV"], raw["AMT"] = raw["DV"] / 1000.0, raw["AMT"] / 1000.0
    return pkpd.read_events(raw.drop(columns=[c for c in ("CL", "V", "KA", "SD", "DOSE", "LNDV") if c in raw]))


def _sets() -> list[tuple[str, EventTable]]:
    """Return the oral sets of 120 subjects: the simulated one, and the file where it is."""
    sets = [("120 subjects, oral, 1800 simulated samples", trial(SEED, 120, TIMES))]
    real = acop_file()
    if real is not None:
        sets.append((f"ACoP 2016 oral, 120 subjects, {int((real.frame['EVID'] == 0).sum())} samples", real))
    return sets


def _timed(run: Callable[[], Any], repeats: int, warm: bool = True) -> tuple[float, str, Any]:
    """Return the median CPU time of all threads, a note with the median wall time, and the last result."""
    found = run() if warm else None
    wall, cpu = [], []
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        found = run()
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    return statistics.median(cpu), f"wall {statistics.median(wall):.3g}, best {min(wall):.3g}", found


def _own(what: str, limit: float | None, repeats: int, *arguments: Any, **options: Any) -> tuple[Line, Fit]:
    from pkpd.estimation.api import fit

    value, note, found = _timed(lambda: fit(*arguments, **options), repeats)
    state = "" if found.converged else "; NOT CONVERGED"
    return Line(what, value, "s", f"{note}; log L {found.loglik:.3f}{state}", limit), found


def _peer(what: str, run: Callable[[], pynlme_fit.Found], own: Line, repeats: int, compared: str = "pkpd") -> Line:
    """Return the line of pynlme on the same data; without it one that says so."""
    try:
        value, note, found = _timed(run, repeats)
    except REFUSALS as error:
        reason = f"not installed ({error.name})" if isinstance(error, ModuleNotFoundError) else str(error)
        return Line(what, float("nan"), "s", reason.splitlines()[0])
    loglik = "" if found.loglik is None else f"; log L {found.loglik:.3f}"
    return Line(what, value, "s", f"{note}; {value / own.value:.3g}x the time of {compared}{loglik}; {found.text}")


def focei(repeats: int = 5) -> list[Line]:
    """Return the times of FOCEI without the covariance step, and those of pynlme."""
    table, origin = theophylline()
    own, _ = _own(f"FOCEI, theophylline, 3 etas, full covariance ({origin})", 0.3, repeats, theophylline_model(), table,
                  Focei(covariance=None))  # fmt: skip
    same, found = _own(
        "Lindstrom-Bates as R's nlme, the same data", None, repeats, theophylline_model(), table, Nlme(covariance=None)
    )
    lines = [own, same]
    values = ", ".join(f"{n} {v:.4g}" for n, v in found.theta.items())
    what = "pynlme, Lindstrom-Bates as R's nlme, the same data"
    peer = _peer(what, lambda: pynlme_fit.theophylline(table), same, repeats, "pkpd's Lindstrom-Bates")
    lines += [peer, Line("typical values of pkpd's Lindstrom-Bates", float("nan"), "", values)]
    for name, data in _sets():
        own, _ = _own(f"FOCEI, {name}", 3.0, repeats, oral(0.3, 0.4), data, Focei(covariance=None), start=START)
        lines.append(own)
    return lines


def saem(repeats: int = 1) -> list[Line]:
    """Return the times of SAEM with its objective by importance sampling, and those of pynlme's SAEM."""
    lines: list[Line] = []
    for k, (name, data) in enumerate(_sets()):
        own, _ = _own(f"SAEM, objective by importance sampling, {name}", 20.0, repeats, oral(0.3, 0.4), data,
                      Saem(covariance=None), start=START)  # fmt: skip
        lines.append(own)
        if k == 0:  # the peer is given a closed form, which holds after a single dose, and tells no likelihood
            alone, found = _own("SAEM alone, the same data", None, repeats, oral(0.3, 0.4), data,
                                Saem(covariance=None, points=0), start=START)  # fmt: skip
            values = ", ".join(f"{n} {v:.4g}" for n, v in found.theta.items())
            peer = "pynlme SAEM, the same data"
            lines += [alone, _peer(peer, lambda data=data: pynlme_fit.oral(data, START), alone, repeats)]
            lines.append(Line("typical values of pkpd's SAEM there", float("nan"), "", values))
    return lines


def gradient(repeats: int = 5) -> list[Line]:
    """Return what objective and gradient cost relative to the objective alone, for 3 etas.

    Both find the most probable random effects from 0 at the same vector. The objective alone then needs the determinant
    of the curvature there, which the last round has left; the gradient needs second derivatives as well.
    """
    from pkpd.estimation.problem import pose

    lines = []
    table, _ = theophylline()
    sets = [("theophylline", theophylline_model(), table, {}), *((n, oral(), d, START) for n, d in _sets())]
    for name, model, data, start in sets:
        problem = pose(model, data, start=start)
        objective, x = problem.objective("focei"), problem.layout.start
        alone, both, outer, apart = _costs(objective, x, 3 * repeats)
        note = (
            f"objective {1e3 * alone:.3g} ms, with gradient by {problem.layout.size} quantities {1e3 * both:.3g} ms, "
            f"of which {1e3 * outer:.3g} ms where the random effects are known; the objectives differ by {apart:.0e}"
        )
        lines.append(Line(f"gradient: cost over the objective alone, {name}", both / alone, "x", note, 4.0))
    return lines


def _costs(objective: Any, x: np.ndarray, repeats: int) -> tuple[float, float, float, float]:
    """Return times of the objective, with gradient, of the outer problem alone, and how far both objectives differ."""
    zero, r = np.zeros_like(objective.u), objective.links.n_random
    theta, factor, _, _ = objective.unpack(x)

    def plain() -> float:
        found = objective.modes(x, zero).state
        A = np.einsum("kpi,pa->ika", objective.predictor.chain(theta, found.u @ factor.T).e[:r], factor)
        H = np.eye(objective.p) + np.einsum("ika,ikl,ilb->iab", A, found.M, A)
        return float(np.sum(2.0 * found.value + np.linalg.slogdet(H)[1]))

    def whole() -> Any:
        found = objective.modes(x, zero)
        return objective.outer(x, found.state.u, found.converged)

    u, everyone = whole().u, np.ones(objective.m, bool)  # both go on with the curvature that this leaves behind
    alone, _, value = _timed(plain, repeats)
    both, _, outcome = _timed(whole, repeats)
    outer, _, _ = _timed(lambda: objective.outer(x, u, everyone), repeats)
    return alone, both, outer, abs(value - outcome.ofv)


def estimation_lines(part: str, repeats: int) -> list[Line]:
    """Return the lines of one part: ``focei``, ``saem`` or ``gradient``."""
    if part == "saem":
        return saem(1 if repeats <= 3 else 2)
    return focei(repeats) if part == "focei" else gradient(repeats)
