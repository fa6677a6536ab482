"""A small model of the shape that likelihoods are made for: a drug, a tone that it inhibits, markers of every error."""

from __future__ import annotations

from typing import Any

from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.functions import expit, log
from pkpd.evidence.term import Term
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Additive, Combined, Exact, LogNormal, Ordinal, Proportional
from pkpd.observation.subject import Subject

STATES = ("depot", "central", "slow", "tone", "marker", "fever")
CUTS = (-2.0, -1.0, 0.5)


def dynamics(t: Any, x: Any, p: Any) -> dict[str, Any]:
    C = x.central / p.V
    drive = expit((t - p.t_on) / p.tau) * (1 - p.phi * C / (p.IC50 + C))
    return {
        "depot": -p.ka * x.depot,
        "central": p.ka * x.depot - p.CL * C,
        "slow": -p.Vmax * x.slow / (p.Km + x.slow),
        "tone": p.k * (drive - x.tone),
        "marker": p.kout * (x.tone / (1 + x.slow / p.Km) - x.marker),
        "fever": p.kfever * (x.tone - x.fever),
    }


def outputs(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {
        "Cc": x.central / p.V,
        "marker": p.base + p.slope * x.marker,
        "protein": p.base * (1 + x.marker),
        "temperature": p.T0 + p.dT * x.fever,
        "level": 5 + 20 * x.tone,
        "tone": x.tone,
        "grade": p.steep * log((x.fever + 0.02) / 0.3),
        "free": x.central,
    }


MODEL = Model(
    "likelihood",
    states=[State(n, u, n) for n, u in zip(STATES, ("mg", "mg", "mg", "", "", ""), strict=True)],
    covariates=[Covariate("WT", "kg", 70, "weight")],
    parameters=[
        Parameter("CL", 5.0, "L/h", cv=0.3), Parameter("V", 40.0, "L", cv=0.2), Parameter("ka", 0.4, "1/h"),
        Parameter("F", 0.9, "", bounds=(-10, 10)), Parameter("Vmax", 0.4, "mg/h"), Parameter("Km", 2.0, "mg"),
        Parameter("phi", 0.8, "", bounds=(0, 1)), Parameter("IC50", 0.3, "mg/L"), Parameter("t_on", 30.0, "h"),
        Parameter("tau", 8.0, "h"), Parameter("k", 0.2, "1/h"), Parameter("kout", 0.05, "1/h"),
        Parameter("kfever", 0.15, "1/h"), Parameter("base", 3.0, "mg/L"), Parameter("slope", 90.0, "mg/L"),
        Parameter("steep", 2.5, ""), Parameter("T0", 37.0, "degC"), Parameter("dT", 3.0, "degC"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Combined(add=0.02, prop=0.2)),
        Output("marker", "mg/L", "a marker", error=LogNormal(0.3)),
        Output("protein", "mg/L", "another", error=Proportional(0.2)),
        Output("temperature", "degC", "temperature", error=Additive(0.4)),
        Output("level", "", "a level", error=Combined(add=1.0, prop=0.1, convention="sd")),
        Output("tone", "", "tone", error=Exact()),
        Output("grade", "", "latent grade", error=Ordinal(CUTS)),
        Output("free", "mg", "amount"),
    ],
    individual=lambda p, cov: {"V": p.V * (cov.WT / 70)},
    dosing=lambda p: {"depot": {"F": p.F}},
    dynamics=dynamics,
    calculate=outputs,
)  # fmt: skip

DOSES = Regimen(amt=100, cmt="depot", time=48, ii=24, addl=3) + Regimen(amt=20, cmt="slow", time=50, rate=10)
DAY = 24.0
#: one term of every kind on every kind of error that it can have
TERMS = (
    Term("value, log", "density", "marker", 4 * DAY, 20.0, reading_sd=0.1),
    Term("value, additive", "density", "temperature", 4 * DAY, 38.4, reading_sd=0.01),
    Term("value, proportional", "density", "protein", 3 * DAY, 4.0),
    Term("value, combined", "density", "Cc", 75.0, 0.9, reading_sd=0.05),
    Term("value, combined sd", "density", "level", 3 * DAY, 11.0),
    Term("value, exact", "density", "tone", 3 * DAY, 0.3, reading_sd=0.2),
    Term("below", "below", "marker", 5 * DAY, 25.0),
    Term("below in a window", "below", "protein", 3 * DAY, 6.0, time_to=5.5 * DAY, reading_sd=0.1),
    Term("above", "above", "temperature", 3 * DAY, 37.5),
    Term("above in a window", "above", "Cc", 60.0, 0.1, time_to=100.0),
    Term("peak", "peak", "marker", 2 * DAY, 40.0, time_to=7 * DAY, at=3 * DAY),
    Term("peak between", "peak", "level", 2 * DAY, 20.0, time_to=6 * DAY, at=50.0),
    Term("nadir", "nadir", "temperature", 2 * DAY, 37.2, time_to=7 * DAY, at=6 * DAY),
    Term("ratio, log", "ratio", "marker", 2 * DAY, 0.8, time_to=6 * DAY, reading_sd=0.1),
    Term("ratio, combined", "ratio", "Cc", 51.0, 0.5, time_to=70.0),
    Term("ratio, exact", "ratio", "tone", 2 * DAY, 0.7, time_to=6 * DAY, reading_sd=0.1),
    Term("ratio below", "ratio_below", "protein", 3 * DAY, 1.1, time_to=6 * DAY),
    Term("ratio above", "ratio_above", "level", 6 * DAY, 1.0, time_to=2 * DAY),
    Term("grade", "grade", "grade", 3 * DAY, 1),
    Term("lowest grades", "grade", "grade", 3 * DAY, 0, value_to=1),
    Term("highest grades", "grade", "grade", 3 * DAY, 2, value_to=3),
)
#: a subject for each term, so that each has a gradient of its own
SUBJECTS = tuple(Subject(t.name, DOSES, {"WT": 60.0 + i}, (t,)) for i, t in enumerate(TERMS))
