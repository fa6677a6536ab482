"""Gates that every file of `models/` passes, found by themselves."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
from library_tools import (
    AMOUNT,
    TIMES,
    dosed,
    downstream,
    everything,
    first,
    inputs,
    is_linear,
    model_of,
    part_of,
    rates,
    run,
    scale_of,
    stem,
    values,
)
from scipy.linalg import expm

from pkpd.catalogue import find_content
from pkpd.dosing.dose import Dose
from pkpd.engine.graph.dimension import check
from pkpd.library import list_models

NAMES = list_models().names
every_model = pytest.mark.parametrize("name", NAMES)


# The register of names: a parameter is one of these, <stem>_<compartment or marker>, <marker>0, <covariate>_<parameter>
# or <covariate>_max; in a composed model with the part's name before it.
def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PARAMETERS = words(
    """CL V V1 V2 V3 Q Q2 Q3 F tlag D1 ka MTT ktr ke0 Vmax Km CLm Vm fm kin kout E0 Emax EC50 Imax IC50 gamma slope
    Circ0 ktol M50 kon koff kint kdeg ksyn Rtot Kss MW kconv h tref tmin
    phi held spared Cref site t_on tau_on t_off rest tau_off surge relapse t_back
    wander wander_from wander_for wander_length w1 w2 w3 w4 w5 w6 w7 w8 amount k w N50"""
)
STATES = words(
    """depot gut central peripheral effect response target complex metabolite moderator age csf succinate precursors
    transit circulating X signal crp heat ferr ldh dimer lymph N Y"""
)
OUTPUTS = words(
    """Cc Ce Cm Ctot Ccsf R RC E WBC occupancy blockade blockade_csf u unheld drive held_drive tone bare rate activity
    IL6 CRP temperature ferritin LDH Ddimer lymphocytes ICANS"""
)
MARKERS = OUTPUTS | words("T L")  # temperature and lymphocytes by their symbols
COVARIATES = words("WT CRCL BSA SEX HDL LNRF PROT ALB SMOK IL1 CDEX CTCZ TONE BARE DRIVE SIGNAL INFLOW")
LATENT = words("ICANS")  # outputs that may be negative


@every_model
def test_file_reads_like_a_methods_section(name: str):
    model = model_of(name)
    tree = ast.parse(find_content("models", name).read_text(encoding="utf-8"))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "pkpd" in imported
    assert imported <= {"pkpd", "pkpd.math", "pkpd.outcomes"}
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))
    title, blank, *rest = (ast.get_docstring(tree) or "").split("\n")
    assert title.endswith(".")
    assert len(title) <= 105
    assert blank == ""
    assert re.search(r"^Equations?\b", "\n".join(rest), re.MULTILINE)
    assert model.name == name
    assert model.description
    assert model.reference


@every_model
def test_numbers_carry_unit_meaning_and_source(name: str):
    for parameter in model_of(name).parameters.values():
        assert parameter.meaning, parameter
        assert parameter.source, parameter
        if re.search("example|assum|allometry|not verified$", parameter.source):
            assert parameter.known != "read", parameter
    for declared in (*model_of(name).states.values(), *model_of(name).outputs.values()):
        assert declared.meaning, declared


@every_model
def test_names_are_in_the_register(name: str):
    model = model_of(name)
    states = {stem(state) for state in model.states}
    known = {*PARAMETERS, *(f"{marker}0" for marker in MARKERS)}
    known |= {f"{kind}_{place}" for kind in PARAMETERS for place in states | MARKERS}
    known |= {f"{covariate}_{kind}" for covariate in model.covariates for kind in (*PARAMETERS, "max")}
    assert {stem(n) for n in model.trace.individual} <= known
    assert {re.sub(r"\d$", "", state) for state in states} <= STATES
    assert {stem(output) for output in model.outputs} <= OUTPUTS
    assert set(model.covariates) <= COVARIATES


@every_model
def test_units_and_equations(name: str):
    model = model_of(name)
    check(model)
    text, latex = str(model), model.to_latex()
    assert all(f"d/dt {state} = " in text for state in model.states)
    assert latex.count("{") == latex.count("}") > 0
    assert latex.count(r"\frac{d") >= len(model.states) or latex.count(r"\mathrm{d}") >= len(model.states)
    assert all(parameter in model.to_markdown() for parameter in model.parameters)


@every_model
def test_dose_changes_what_is_downstream_and_nothing_else(name: str):
    """Of a model that takes no drug, its inputs do; nothing but a latent scale is negative."""
    model = model_of(name)
    without = run(model, None)
    given = {state: (run(model, Dose(AMOUNT, state)), "state") for state in dosed(model)}
    more = {n: 0.4 * model.covariates[n].reference or 0.05 for n in inputs(model)}
    given |= {n: (run(model, None, covariates={n: v}), "covariate") for n, v in more.items()}
    assert given
    for start, (found, kind) in given.items():
        reached = downstream(model, start, kind)
        assert reached & set(model.outputs), start
        for quantity in everything(model):
            course = found[quantity].values
            assert np.isfinite(course).all(), quantity
            assert course.min() >= -1e-9 or stem(quantity) in LATENT, quantity
            change = np.abs(course - without[quantity].values).max()
            if quantity in reached:
                assert change > 1e-6, (start, quantity)
            else:
                assert change <= 1e-9 * np.abs(course).max(), (start, quantity)


def test_drugs_of_the_composed_model_reach_what_they_should():
    model = model_of("anakinra_inflammation")
    disease = {"activity", "IL6", "CRP", "temperature", "ferritin", "LDH", "Ddimer", "lymphocytes", "ICANS"}
    own = {n for n in model.outputs if "." not in n}
    plasma = {"Cc", "Ccsf", "blockade", "blockade_csf"}
    assert downstream(model, "anakinra.depot") & own == plasma | disease
    spared = {"Ddimer"}
    assert downstream(model, "dexamethasone.depot") & own == disease - spared
    assert downstream(model, "tocilizumab.central") & own == {"CRP", "temperature"}
    treated = run(model, Dose(AMOUNT, "anakinra.depot", ii=24, addl=6)).isel(time=-1)
    untreated = run(model, None).isel(time=-1)
    lower = disease - {"lymphocytes"}
    assert all(treated[marker] < untreated[marker] for marker in lower)
    assert treated["lymphocytes"] > untreated["lymphocytes"]


@every_model
def test_rescaled_units_rescale_the_outputs(name: str):
    model = model_of(name)
    by = dict.fromkeys(("mg", "nmol", "umol"), 3.0) | {"L": 5.0, "h": 0.5}
    other = model.replace(values={n: q.value * scale_of(q.unit, by) for n, q in model.parameters.items()})
    units = {n: scale_of(model.covariates[n].unit, by) for n in inputs(model)}
    start, wide = first(model), {n: model.covariates[n].reference or 0.05 for n in units}
    here = run(model, Dose(AMOUNT, start), covariates=wide)
    amount = AMOUNT * scale_of(model.states[start].unit, by)
    there = run(other, Dose(amount, start), TIMES * by["h"], covariates={n: v * units[n] for n, v in wide.items()})
    for quantity in everything(model):
        unit = {**model.outputs, **model.states}[quantity].unit
        expected = here[quantity].values * scale_of(unit, by)
        np.testing.assert_allclose(
            there[quantity], expected, rtol=1e-5, atol=1e-8 * np.abs(expected).max(), err_msg=quantity
        )


def is_scaled(model, state: str) -> bool:
    """Tell whether F acts on doses into a state, and not in the equations."""
    return "F" in model.trace.dosing.get(list(model.states).index(state), {})


@every_model
def test_without_elimination_what_was_dosed_stays(name: str):
    model = model_of(name)
    none = dict.fromkeys([n for n in model.parameters if stem(n) in ("CL", "CLm", "Vmax", "kint")], 1e-14)
    sealed = model.replace(values=none)
    for prefix in dict.fromkeys(part_of(s) for s in dosed(model)):
        start = next(s for s in model.states if s.startswith(prefix))
        found = run(sealed, Dose(AMOUNT, start))
        unit = model.states[start].unit
        inside = [s for s, declared in model.states.items() if part_of(s) == prefix and declared.unit == unit]
        F = values(model).get(f"{prefix}F", 1.0)
        # F of the dose, or of what is absorbed of it
        later = 1.0 if is_scaled(model, start) else F
        total = sum(found[s].values * (later if s == start else 1.0) for s in inside)
        if {stem(s) for s in inside} == {"depot"}:  # passes on all that it gets
            total = total * np.exp(values(model)[f"{prefix}ka"] * found.time.values)
        if "complex" in model.states:
            total = total + found["complex"].values * model.parameters["V1"].value
        np.testing.assert_allclose(total, F * AMOUNT, rtol=1e-7)


@every_model
def test_linear_models_are_linear(name: str):
    """Doubling and superposition; the exact propagator, a Runge-Kutta method and the matrix exponential; dose / CL.

    What a constant input adds is taken off.
    """
    model = model_of(name)
    state = first(model)
    none, one, two = (run(model, dose) for dose in (None, Dose(AMOUNT, state), Dose(2 * AMOUNT, state)))
    if not is_linear(model):
        changed = [not np.allclose(two[s], 2 * one[s], rtol=1e-6) for s in model.states]
        assert any(changed), "declared nonlinear, behaves linear"
        return
    steps = run(model, Dose(AMOUNT, state), method="dop853")
    matrix = rates(model)
    start = np.zeros(len(model.states))
    F = values(model).get("F", 1.0)
    start[0] = AMOUNT * (F if is_scaled(model, state) else 1.0)
    lag = values(model).get("tlag", 0.0)
    closed = np.array([expm(matrix * (t - lag)) @ start for t in TIMES])
    for i, s in enumerate(model.states):
        rest = none[s].values
        np.testing.assert_allclose(two[s] - rest, 2 * (one[s].values - rest), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one[s] - rest, closed[:, i], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(steps[s] - rest, closed[:, i], rtol=1e-7, atol=1e-9)
    if "central" in model.states:
        p, area = values(model), np.linalg.solve(matrix, -start)[list(model.states).index("central")]
        assert area / p.get("V1", p.get("V", 0.0)) == pytest.approx(AMOUNT * F / p["CL"], rel=1e-9)
