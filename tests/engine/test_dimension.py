"""Unit checking on traced graphs: what agrees passes, what clashes is named with its units."""

from __future__ import annotations

import time
from types import SimpleNamespace as Space
from typing import Any

import pytest

from pkpd.engine.graph.dimension import check
from pkpd.engine.graph.functions import (
    cos,
    erf,
    exp,
    expit,
    floor,
    interpolate,
    log,
    logit,
    maximum,
    minimum,
    sqrt,
    where,
)
from pkpd.engine.graph.nodes import as_node, symbol
from pkpd.errors import UnitError
from pkpd.model.declare import Parameter
from pkpd.model.variability import individual_value

T = symbol("t", "time")
PARAMETERS = {
    "CL": "L/h", "V": "L", "ka": "1/h", "Vmax": "mg/h", "Km": "mg/L", "EC50": "mg/L", "Emax": "", "gamma": "",
    "kin": "mg/h", "kout": "1/h", "half": "h", "renal": "min/mL", "F": "", "pct": "%", "e": "", "EC50u": "ug/L",
}  # fmt: skip
STATES = {"depot": "mg", "central": "mg", "R": "U/L"}
COVARIATES = {"WT": "kg", "CRCL": "mL/min", "SEX": ""}


def names(kind: str, declared: Any) -> Any:
    return Space(**{n: symbol(n, kind) for n in declared})


p, x, cov = names("theta", PARAMETERS), names("state", STATES), names("covariate", COVARIATES)
C = x.central / p.V


def model(
    dynamics: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    individual: dict[str, Any] | None = None,
    initial: dict[str, Any] | None = None,
    dosing: dict[str, dict[str, Any]] | None = None,
    scales: dict[str, str] | None = None,
    units: dict[str, str] | None = None,
) -> Any:
    """Return what check() reads of a model, with the declarations above; outputs are Cc in mg/L and E in 1."""
    states = list(STATES)
    trace = Space(
        states=tuple(states),
        derivatives=tuple(as_node((dynamics or {}).get(s, 0.0)) for s in states),
        initial=tuple(as_node((initial or {}).get(s, 0.0)) for s in states),
        outputs={n: as_node(v) for n, v in (outputs or {}).items()},
        individual={n: as_node(v) for n, v in (individual or {}).items()},
        dosing={states.index(s): {k: as_node(v) for k, v in d.items()} for s, d in (dosing or {}).items()},
        connections={},
    )
    declared = PARAMETERS | (units or {})
    return Space(
        name="m",
        time_unit="h",
        states={n: Space(unit=u) for n, u in STATES.items()},
        parameters={n: Space(unit=u, scale=(scales or {}).get(n, "log")) for n, u in declared.items()},
        covariates={n: Space(unit=u) for n, u in COVARIATES.items()},
        outputs={"Cc": Space(unit="mg/L"), "E": Space(unit="")},
        trace=trace,
    )


GOOD: dict[str, Any] = {
    "one compartment": model({"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central}),
    "Michaelis-Menten": model({"central": -p.Vmax * C / (p.Km + C)}),
    "Hill": model(outputs={"E": p.Emax * C**p.gamma / (p.EC50**p.gamma + C**p.gamma)}),
    "Hill of a ratio": model(outputs={"E": 1 / (1 + (C / p.EC50) ** p.gamma)}),
    "exponents add": model(outputs={"Cc": C ** (p.gamma + 1) / p.EC50**p.gamma}),
    "nested exponents": model(outputs={"E": (C**p.gamma) ** p.e / p.EC50 ** (p.e * p.gamma)}),
    "doubled exponents": model(outputs={"E": C ** (2 * p.gamma) / (p.EC50**p.gamma * C**p.gamma)}),
    "root": model(outputs={"Cc": sqrt(C * C) + (C**0.5) ** 2}),
    "number in a sum": model(outputs={"E": 1 - p.Emax, "Cc": C + 0.1}),
    "where": model(outputs={"Cc": where((T > 24) & (C > 3), C, 0.0)}),
    "limits": model(outputs={"Cc": minimum(C, p.EC50) + maximum(C, 0)}),
    "rate constant": model({"R": p.kout * (symbol("R", "state") - 5)}),
    "reference covariate": model(individual={"CL": p.CL * (cov.WT / 70) ** 0.75}),
    "capped covariate": model(individual={"CL": p.CL * (minimum(cov.CRCL, 120) / 100)}),
    "covariate slope": model(individual={"CL": p.CL * 10 ** (p.renal * (cov.CRCL - 100))}),
    "covariate class": model(individual={"CL": p.CL * where(cov.SEX > 0.5, 1.0, 0.8)}),
    "circadian": model({"central": p.kin * (1 + 0.3 * cos(2 * 3.14 * T / 24))}),
    "forcing of numbers": model({"central": p.kin + interpolate(T, [0, 6, 24], [0, 3, 1])}),
    "forcing of parameters": model({"central": interpolate(T, [0, 6, 24], [0, p.kin, 2 * p.kin])}),
    "initial": model(initial={"central": p.kin / p.kout, "R": 100}),
    "dosing": model(dosing={"depot": {"F": p.F, "tlag": p.half, "duration": 2 * p.half, "rate": p.kin}}),
    "other spelling": model(outputs={"Cc": 1 * symbol("x", "theta")}, units={"x": "ug*mL^-1"}),
    "factor as parameter": model(outputs={"Cc": symbol("x", "theta") * p.EC50u}, units={"x": "mg/ug"}),
    "step of a function": model(outputs={"E": floor(T / 24) + erf(C / p.EC50) + log(C / p.EC50)}),
    "eta": model(individual={"CL": p.CL * exp(symbol("CL", "eta") + symbol("CL", "kappa"))}),
    "eta, additive": model(individual={"ka": p.ka + symbol("ka", "eta")}, scales={"ka": "additive"}),
    "eta, logit of 0 to 1": model(individual={"F": expit(logit(p.F) + symbol("F", "eta"))}, scales={"F": "logit"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_agreeing_units_pass(name: str) -> None:
    check(GOOD[name])


BAD: dict[str, tuple[Any, str]] = {
    "sum": (
        model({"central": p.ka * x.depot - p.CL * x.central}),
        "model 'm', d/dt central: subtracts mg*L/h (CL * central) from mg/h (ka * depot)",
    ),
    "derivative": (model({"central": -x.central}), "model 'm', d/dt central: is mg (-central), it must be mg/h"),
    "output": (model(outputs={"Cc": x.central}), "model 'm', output Cc: is mg (central), it must be mg/L"),
    "initial": (model(initial={"central": p.kin}), "model 'm', initial central: is mg/h (kin), it must be mg"),
    "factor of an output": (
        model(outputs={"Cc": p.EC50u}),
        "output Cc: is ug/L (EC50u), it must be mg/L; they differ by the factor 1000: "
        "declare one unit, or a parameter with the unit of the factor, or check nothing with Model(check_units=False)",
    ),
    "factor of a sum": (
        model(outputs={"E": C / (C + p.EC50u)}),
        "output E: adds mg/L (central / V) and ug/L (EC50u); they",
    ),
    "F in percent": (
        model(dosing={"depot": {"F": p.pct}}),
        "dosing depot F: is % (pct), it must be dimensionless; they differ by the factor 100",
    ),
    "lag": (model(dosing={"depot": {"tlag": p.ka}}), "dosing depot tlag: is 1/h (ka), it must be h"),
    "duration": (model(dosing={"depot": {"duration": p.V}}), "dosing depot duration: is L (V), it must be h"),
    "rate": (model(dosing={"depot": {"rate": p.V}}), "dosing depot rate: is L (V), it must be mg/h"),
    "exp": (
        model(outputs={"E": exp(C)}),
        "output E: exp of mg/L (central / V); divide it by a quantity of its unit first",
    ),
    "log": (model(outputs={"E": log(C) - log(p.EC50)}), "output E: log of mg/L (central / V)"),
    "exponent": (
        model(outputs={"E": 2 ** (p.ka * C)}),
        "output E: the exponent mg/L/h (ka * central / V) must be dimensionless",
    ),
    "Hill, unequal exponents": (
        model(outputs={"E": C**p.gamma / (p.EC50**p.gamma + C**p.e)}),
        "output E: adds (mg/L)^(gamma) (EC50**gamma) and (mg/L)^(e) ((central / V)**e)",
    ),
    "Hill, another factor": (model(outputs={"E": C**p.gamma / p.EC50u**p.gamma}), "output E: is (mg/ug)^(gamma)"),
    "where": (
        model(outputs={"Cc": where(T < 1, C, x.central)}),
        "output Cc: chooses between mg/L (central / V) and mg (central)",
    ),
    "condition": (model(outputs={"Cc": where(T < p.V, C, 0)}), "output Cc: compares h (t) with L (V)"),
    "minimum": (model(outputs={"Cc": minimum(C, p.V)}), "output Cc: takes the smaller of mg/L (central / V) and L (V)"),
    "maximum": (model(outputs={"Cc": maximum(p.V, C)}), "output Cc: takes the larger of L (V) and mg/L (central / V)"),
    "covariate without brackets": (
        model(individual={"CL": p.CL * cov.WT / 70}),
        "individual CL: is kg*L/h (CL * WT / 70), it must be L/h; "
        "a covariate relative to its reference is written (cov.WT / number)",
    ),
    "time": (model(outputs={"E": exp(-0.1 * T)}), "output E: exp of h ("),
    "eta, additive": (
        model(individual={"ka": p.ka + symbol("ka", "eta") * p.V}, scales={"ka": "additive"}),
        "individual ka: adds 1/h (ka) and L/h (eta_ka * V)",
    ),
    "unknown unit": (
        model(units={"CL": "L/hx"}),
        "parameter CL: unit 'L/hx': 'hx' is not a known unit (did you mean 'h'?)",
    ),
    "unknown symbol": (
        model(outputs={"Cc": symbol("z", "theta")}),
        "output Cc: the unit of theta 'z' is not known; declare it",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_clash_is_named(name: str) -> None:
    wrong, expected = BAD[name]
    with pytest.raises(UnitError) as caught:
        check(wrong)
    assert expected in str(caught.value)


def test_all_faults_at_once_and_each_once() -> None:
    shared = p.ka * x.depot + p.V
    wrong = model({"depot": -shared, "central": shared}, {"Cc": x.central, "E": exp(C)})
    with pytest.raises(UnitError) as caught:
        check(wrong)
    lines = str(caught.value).split("\n  ")
    assert lines[0] == "model 'm' has 3 unit faults:"
    assert [line.split(":")[0] for line in lines[1:]] == ["d/dt depot", "output Cc", "output E"]


def test_individual_parameters_are_shown_by_name() -> None:
    clearance = p.CL * exp(symbol("CL", "eta")) * (cov.WT / 70) ** 0.75
    wrong = model({"central": p.kin - clearance * x.central}, individual={"CL": clearance})
    with pytest.raises(UnitError, match=r"subtracts mg\*L/h \(CL \* central\) from mg/h \(kin\)"):
        check(wrong)


def test_mistake_in_individual_is_told_once() -> None:
    clearance = p.CL * p.V
    wrong = model({"central": -clearance / p.V * x.central}, individual={"CL": clearance})
    with pytest.raises(UnitError) as caught:
        check(wrong)
    assert str(caught.value) == "model 'm', individual CL: is L^2/h (CL * V), it must be L/h"


def test_logit_between_dimensioned_bounds() -> None:
    volume = Parameter("V", 5.0, "L", bounds=(1.0, 20.0), sd=0.3, scale="logit")
    bounded = individual_value(volume, p.V, symbol("V", "eta"))
    check(model(outputs={"Cc": x.central / bounded}, individual={"V": bounded}, scales={"V": "logit"}))


def test_ten_states_are_checked_quickly() -> None:
    flows = [p.Vmax * C**p.gamma / (p.EC50**p.gamma + C**p.gamma) * (1 + i * p.Emax) for i in range(10)]
    total = sum(flows[1:], flows[0])
    big = model({"depot": -total, "central": total - p.CL * C, "R": 0}, individual={"CL": p.CL * (cov.WT / 70) ** 0.75})
    check(big)
    best = min(_seconds(big) for _ in range(5))
    assert best < 0.03


def _seconds(subject: Any) -> float:
    start = time.perf_counter()
    check(subject)
    return time.perf_counter() - start
