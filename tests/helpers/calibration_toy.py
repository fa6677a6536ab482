"""A study whose posterior is known on paper, and a small one of a one-compartment model, for tests of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import log
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.study import Study
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.values import Fact, PatientFact, ReportedDose, ReportSource
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Additive, LogNormal, Ordinal
from pkpd.units.time import convert_time

PATIENTS = tuple(f"s/p{i}" for i in range(6))
COHORTS = ("A",) * 3 + ("B",) * 3


def measured_study(
    free: list[Free], y: np.ndarray, sd: float, cohorts: Mapping[str, str], errors: Mapping[str, Any] | None = None
) -> Study:
    """Each patient's free parameters are measured once, on their scale: conjugate where priors are normal there.

    ``y[i, k] ~ N(scaled value[i, k], sd^2)``; the outputs that measure them are called as the parameters, but for the
    first, which take the names of those in ``errors``.
    """
    on_axis = {"identity": Additive(sd), "log": LogNormal(sd), "logit": LogNormal(sd)}
    outputs = [f"{f.name}_seen" for f in free]
    for k, given in enumerate(errors or {}):
        outputs[k] = given

    def seen(f: Free, p: Any) -> Any:
        low, high = f.limits
        value = getattr(p, f.name)
        return value if f.scale != "logit" else (value - low) / (high - value)

    model = Model(
        "measured",
        states=[State("central", "mg")],
        parameters=[Parameter(f.name, 3.0 if f.scale != "logit" else 0.4 * sum(f.limits), "") for f in free],
        outputs=[Output(n, "", error=on_axis[f.scale]) for n, f in zip(outputs, free, strict=True)],
        dynamics=lambda t, x, p: {"central": -x.central},
        calculate=lambda t, x, p: {n: seen(f, p) for n, f in zip(outputs, free, strict=True)},
        check_units=False,
    )
    source = ReportSource("s", "nobody", "", "invented", (), "first dose", 0.0, dict.fromkeys(cohorts.values(), ""))
    quantities, facts = [], []
    for i, (p, cohort) in enumerate(cohorts.items()):
        quantities.append(PatientFact(p, cohort, "WT", "80", "kg", 80.0, "kg", "read", "here", ""))
        for k, f in enumerate(free):
            value = float(y[i, k]) if f.scale == "identity" else float(np.exp(y[i, k]))
            facts.append(fact(f"{p}_{k}", p, "value", 1.0, value, marker=outputs[k], unit=""))
    report = Evidence(source, tuple(quantities), (), tuple(facts), Path())
    return Study(
        "measured", model=model, evidence=[report], free=free, errors=dict(errors or {}), rtol=1e-9, atol=1e-12
    )  # fmt: skip


def rich_study(seed: int = 1) -> Study:
    """A study with every kind of block: shared, unpooled, pooled by cohort and by all, fixed patients, errors."""
    free = [
        Free("CL", (9.0, 0.3)),
        Free("V", {"A": (50.0, 0.2), "*": (60.0, 0.2), "s/p1": (55.0, 0.0)}, level="patient"),
        Free("phi", (0.5, 1.0), scale="logit", level="patient", pooling="cohort", spread=HalfNormal(1.0)),
        Free("k", (2.0, 0.5), level="patient", pooling="all", spread=0.3),
        Free("shift", (3.0, 1.5), scale="identity", level="patient", pooling="cohort", spread=0.4),
        Free("w", (3.0, 0.7), scale="logit", bounds=(2.0, 6.0)),
    ]
    y = np.random.default_rng(seed).normal(1.0, 0.3, (len(PATIENTS), len(free)))
    cohorts = {p.partition("/")[2]: c for p, c in zip(PATIENTS, COHORTS, strict=True)}
    return measured_study(free, y, 0.2, cohorts, {"CRP": ErrorScale(1.2, 0.4), "LDH": 1.5})


def drug_model(unit: str = "h") -> Model:
    """A bolus into one compartment, with a continuous output and an ordinal one; on any clock."""
    return Model(
        "bolus",
        states=[State("central", "mg")],
        covariates=[Covariate("WT", "kg", 70.0)],
        parameters=[
            Parameter("CL", convert_time(1.0, unit, "h"), f"L/{unit}", cv=0.3),
            Parameter("V", 10.0, "L"),
            Parameter("shift", 0.0, ""),
        ],
        outputs=[
            Output("Cc", "mg/L", error=LogNormal(0.2)),
            Output("tox", "", error=Ordinal((0.0, 1.0))),
            Output("activity", ""),
        ],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {
            "Cc": (x.central + 1e-6) / p.V,
            "tox": log((x.central + 1e-6) / 50.0) + p.shift,
            "activity": 1 / (1 + x.central / p.V),
        },
        check_units=False,
        time_unit=unit,
    )


def fact(name: str, patient: str, kind: str, time: float, value: float | None, **more: Any) -> Fact:
    """One row of facts, in days."""
    given: dict[str, Any] = {
        "marker": "Cc", "time_to": None, "at": None, "op": "", "printed": "", "printed_unit": "", "value_to": None,
        "unit": "mg/L", "reading_sd": 0.0, "use": "fit", "known": "read", "where": "here", "reason": "",
    }  # fmt: skip
    return Fact(fact=name, patient=patient, kind=kind, time=time, value=value, **(given | more))


def facts_of(p: str) -> list[Fact]:
    """Every kind of fact about a patient whose concentration falls by about a tenth in an hour from 10 mg/L."""
    return [
        fact(f"{p}_value", p, "value", 0.25, 5.5 if p != "p2" else 2.5),
        fact(f"{p}_peak", p, "peak", 0.0, 11.0, time_to=0.5, at=0.04),
        fact(f"{p}_below", p, "below", 1.0, 4.0, time_to=2.0),
        fact(f"{p}_above", p, "above", 0.1, 2000.0, unit="ug/L"),
        fact(f"{p}_change", p, "change", 0.1, 0.6, time_to=0.6, op="<", unit=""),
        fact(f"{p}_grade", p, "grade", 0.1, 0.0, value_to=1.0, marker="tox", unit=""),
        fact(f"{p}_response", p, "event", 2.0, 0.0 if p == "p2" else 1.0, marker="response", unit="", use="no"),
    ]


def evidence(name: str = "toy", people: tuple[str, ...] = ("p1", "p2", "p3")) -> Evidence:
    """Patients who get 100 mg into the vein on day 0 and 1; the third is of another cohort."""
    source = ReportSource(name, "nobody", "", "invented", (), "first dose", 0.0, {"A": "", "B": ""})
    empty = ("", "", "", "read", "here", "")
    quantities = [PatientFact(p, "B" if p == "p3" else "A", "WT", "80", "kg", 80.0, "kg", *empty[3:]) for p in people]
    doses = [ReportedDose(p, "anakinra", "", 100.0, "mg", "IV", 0.0, 24.0, 2, None, "read", "here", "") for p in people]
    return Evidence(source, tuple(quantities), tuple(doses), tuple(f for p in people for f in facts_of(p)), Path())


def small_study(**changes: Any) -> Study:
    """Three patients, clearance pooled by cohort, volume shared."""
    free = [
        Free("CL", (1.0, 0.3), level="patient", pooling="cohort", spread=0.2),
        Free("V", (10.0, 0.2), source="invented"),
    ]
    given: dict[str, Any] = {
        "model": drug_model(), "evidence": [evidence()], "free": free, "drugs": ["anakinra"],
        "errors": {"Cc": ErrorScale(1.0, 0.2)}, "every": 6.0,
    }  # fmt: skip
    return Study("toy", **(given | changes))


def other_facts(report: Evidence, *facts: Fact) -> Evidence:
    """The report with further facts."""
    return replace(report, facts=(*report.facts, *facts))
