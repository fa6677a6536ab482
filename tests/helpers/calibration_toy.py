"""A likelihood with an answer on paper, and a small study of a one-compartment model, for the tests of calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import log
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.study import Study
from pkpd.estimation.study.vector import build_layout
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.values import Fact, PatientFact, ReportedDose, ReportSource
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import LogNormal, Ordinal
from pkpd.units.time import convert_time


class Gaussian:
    """Each patient's log values are measured once with a known error: conjugate on the scaled axis.

    ``y[i, k] ~ N(log values[i, k], (sd s)^2)`` with the factor s of the first error scale, if there is one.
    """

    def __init__(self, y: np.ndarray, sd: float) -> None:
        self.y, self.sd = y, sd

    def evaluate(self, values: np.ndarray, scales: Any = None, gradient: bool = True) -> Any:
        s = scales[0] if scales is not None and len(scales) else 1.0
        with np.errstate(divide="ignore"):
            z = (self.y - np.log(values)) / (self.sd * s)
        terms = -0.5 * z * z - np.log(self.sd * s) - 0.5 * np.log(2 * np.pi)
        by_scale = np.zeros((len(values), 0 if scales is None else len(scales)))
        if by_scale.shape[1]:
            by_scale[:, 0] = ((z * z - 1) / s).sum(axis=1)
        return SimpleNamespace(
            loglik=terms.sum(axis=1), gradient=z / (self.sd * s) / values, gradient_scales=by_scale,
            terms=terms.ravel(), status=np.zeros(len(values), int),
        )  # fmt: skip


PATIENTS = tuple(f"s/p{i}" for i in range(6))
COHORTS = ("A",) * 3 + ("B",) * 3


def rich_layout():
    """A layout with every kind of block: shared, unpooled, pooled by cohort and by all, fixed patients, errors."""
    free = [
        Free("CL", (9.0, 0.3)),
        Free("phi", (0.5, 1.0), scale="logit", level="patient", pooling="cohort", spread=HalfNormal(1.0)),
        Free("V", {"A": (50.0, 0.2), "*": (60.0, 0.2), "s/p1": (55.0, 0.0)}, level="patient"),
        Free("k", (2.0, 0.5), level="patient", pooling="all", spread=0.3),
        Free("t", (3.0, 1.5), scale="identity", level="patient", pooling="cohort", spread=0.4),
        Free("w", (3.0, 0.7), scale="logit", bounds=(2.0, 6.0)),
    ]
    return build_layout(free, {"CRP": ErrorScale(1.2, 0.4), "LDH": 1.5}, PATIENTS, COHORTS)


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
