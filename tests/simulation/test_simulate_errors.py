"""What simulate says to bad input: who is wrong, what it got, what to do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from drug_model import DAILY, TIMES, TWICE, drug, people

import pkpd
from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import ModelError, PkpdError, PopulationError, RegimenError
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate

HAS = "it has outputs Cc, amount and states depot, central"


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"outputs": ["cc"]}, ModelError, f"model 'drug' has no output 'cc'; {HAS} (did you mean 'Cc'?)"),
        ({"outputs": ["Cc", "centrl"]}, ModelError, f"has no output 'centrl'; {HAS} (did you mean 'central'?)"),
        ({"outputs": []}, ModelError, "no output is asked for"),
        ({"times": None}, PkpdError, "times is missing; give the observation times"),
        ({"times": [0.0, np.nan]}, PkpdError, "times must be finite, got nan at position 1"),
        ({"times": [0.0, np.inf]}, PkpdError, "times must be finite, got inf at position 1"),
        ({"times": [0.0, 5.0, 4.0]}, PkpdError, "must not decrease, but 5 is followed by 4 (position 2); sort them"),
        ({"times": []}, PkpdError, "times must be a list of numbers, got shape (0,)"),
        ({"times": [[0.0, 1.0]]}, PkpdError, "times must be a list of numbers, got shape (1, 2)"),
        ({"method": "lsoda"}, PkpdError, "method must be one of auto, linear, "),
        ({"rtol": 0.0}, PkpdError, "rtol must be > 0, got 0.0"),
        ({"atol": -1.0}, PkpdError, "atol must be > 0, got -1.0"),
        ({"h_max": np.nan}, PkpdError, "h_max must be > 0, got nan"),
        ({"threads": 0}, PkpdError, "threads must be a whole number, 1 or more, got 0"),
        ({"on_failure": "stop"}, PkpdError, "on_failure must be 'warn', 'raise' or 'ignore', got 'stop'"),
        ({"occasions": [5.0, 5.0]}, PkpdError, "occasions must be increasing times"),
        ({"occasions": [np.nan]}, PkpdError, "occasions must be increasing times"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        simulate(drug(), DAILY, **({"times": TIMES} | arguments))


@pytest.mark.parametrize(
    ("regimen", "text"),
    [
        (
            Regimen(amt=5, cmt="depo"),
            "regimen, dose 1: the model has no compartment 'depo'; it has depot, central (did you mean 'depot'?)",
        ),
        (
            Regimen(amt=5, cmt=3, name="q"),
            "regimen 'q', dose 1: the model has no compartment number 3; it has 1 depot, 2 central",
        ),
        ({"a": [DAILY, DAILY]}, "regimen 'a' has 2 regimens for 1 subjects; give one for all or one per subject"),
        ({"a": []}, "regimen 'a' must be a Regimen or one Regimen per subject, got an empty list"),
        ({"a": 100}, "regimen 'a' must be a Regimen or one Regimen per subject, got int 100"),
        ({}, "the mapping of regimens is empty; give at least one"),
        (
            Regimen(amt=5, cmt="depot", rate="modelled"),
            "dose into 'depot': the dose asks for a modelled rate (RATE=-1); the model must give the compartment a "
            "rate > 0; model 'drug' declares no rate for 'depot' in dosing()",
        ),
        (
            Regimen(amt=5, cmt="central", rate="modelled duration"),
            "the dose asks for a modelled duration (RATE=-2); the model must give the compartment a duration > 0; "
            "model 'drug' declares no duration for 'central' in dosing()",
        ),
    ],
)  # fmt: skip
def test_bad_regimens_are_named(regimen, text):
    with pytest.raises(RegimenError, match=re.escape(text)):
        simulate(drug(), regimen, times=TIMES)


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("bio", [0.8, -0.5], "bioavailability F must be a finite number >= 0"),
        ("lag", [0.0, -2.0], "lag time must be a finite number >= 0"),
    ],
)
def test_a_dose_that_cannot_be_given_names_regimen_subject_and_values(column, values, text):
    some = Population.from_table(drug(), {"ID": ["ann", "bob"], column: values})
    with pytest.raises(RegimenError, match=re.escape(text)) as caught:
        simulate(drug(), {"q": TWICE, "d": DAILY}, some, TIMES)
    said = str(caught.value)
    assert said.startswith("regimen 'q', subject bob: dose into 'depot': ")
    assert f"{column}={values[1]:g}" in said
    table = EventTable.from_regimen({"x": Regimen(amt=1, cmt="central"), "y": DAILY}, TIMES)
    with pytest.raises(RegimenError, match=re.escape(f"ID y: dose into 'depot': {text}")):
        simulate(drug(), table, some)


def test_populations_that_do_not_fit_are_named():
    other = Model(
        "other",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", cv=0.3)],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
    )
    with pytest.raises(
        PopulationError, match=r"drawn for random effects on k, model 'drug' has them on CL, V; draw it for this model"
    ):
        simulate(drug(), DAILY, Population.draw(other, 3), TIMES)
    with pytest.raises(PopulationError, match="an empty population has nobody to simulate"):
        Population.draw(drug(), 0)
    with pytest.raises(ModelError, match="no output is asked for"):
        simulate(other, Regimen(amt=1), times=TIMES)
    table = EventTable.from_regimen([DAILY] * 3, TIMES)
    with pytest.raises(PopulationError, match=r"the population has 5 subjects, the data set 3; draw n=3"):
        simulate(drug(), table, people())
    with pytest.raises(PkpdError, match="a data set brings its own times"):
        simulate(drug(), table, times=TIMES)


def test_data_sets_that_do_not_fit_are_named():
    table = EventTable.from_regimen(Regimen(amt=5, cmt="depo"), TIMES)
    with pytest.raises(PkpdError, match=r"no compartment 'depo'; it has depot, central \(did you mean 'depot'\?\)"):
        simulate(drug(), table)
    frame = EventTable.from_regimen(DAILY, [0.0, 5.0], covariates={"WT": 70.0}).frame
    frame["WT"] = [70.0, np.nan, np.nan]
    with pytest.raises(PkpdError, match=r"covariate WT is missing in 2 rows \(first: row 2, ID 1, TIME 0\.0, WT nan\)"):
        simulate(drug(), read_events(frame))
    frame["WT"] = ["70", "heavy", "70"]
    with pytest.raises(PkpdError, match=r"covariate WT of model 'drug' holds text \(heavy\); give numbers"):
        simulate(drug(), read_events(frame))


def test_a_model_that_is_not_linear_says_so():
    model = Model(
        "square",
        states=[State("x", "mg")],
        parameters=[Parameter("k", 0.1, "1/mg/h")],
        outputs=[Output("x", "mg")],
        dynamics=lambda t, x, p: {"x": -p.k * x.x * x.x},
    )
    with pytest.raises(PkpdError, match=r"model 'square' is not linear with constant coefficients; use method='auto'"):
        simulate(model, Regimen(amt=1), times=TIMES, method="linear")


@pytest.mark.parametrize("word", ["F", "tlag"])
def test_what_a_dose_does_may_not_depend_on_time_or_states(word):
    model = Model(
        "odd",
        states=[State("x", "mg")],
        parameters=[Parameter("k", 0.1, "1/h")],
        outputs=[Output("x", "mg")],
        dosing=lambda p: {"x": {word: p.k * 0 + _hidden_state()}},
        dynamics=lambda t, x, p: {"x": -p.k * x.x},
        check_units=False,
    )
    with pytest.raises(ModelError, match=rf"a {word} of a dose depends on time or on a state"):
        simulate(model, Regimen(amt=1), times=TIMES)


def _hidden_state() -> Any:
    from pkpd.engine.graph.nodes import symbol

    return symbol("x", "state")


def on_clock_of(unit: str, hours: float, weight: str = "kg", scale: Any = "log", **options: Any) -> Model:
    """Return one compartment on a clock of its own, with the same rate for all."""
    return Model(
        "one",
        states=[State("central", "mg")],
        covariates=[Covariate("WT", weight, 70 if weight == "kg" else 70_000)],
        parameters=[
            Parameter("CL", 5.0 * hours, f"L/{unit}", cv=None if scale != "log" else 0.3,
                      sd=None if scale == "log" else 0.3, scale=scale),
            Parameter("V", 50.0, "L"),
        ],
        outputs=[Output("Cc", "mg/L")],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        time_unit=unit,
        **options,
    )  # fmt: skip


def test_people_of_a_model_in_other_units_are_refused_by_every_verb():
    hourly, daily = on_clock_of("h", 1.0), on_clock_of("d", 24.0)
    own = Population.draw(daily, 3, parameters={"CL": 120.0})
    text = r"made for model 'one' in other units than model 'one' has: CL in L/d \(L/h\); draw it for this model"
    dose = Regimen(amt=100, cmt="central")
    asked = {"of": "Cc.last", "method": "local", "parameters": ["V"]}
    for verb in (
        lambda: simulate(hourly, dose, own, TIMES),
        lambda: pkpd.compare(hourly, {"a": dose}, population=own),
        lambda: pkpd.sensitivity(hourly, dose, own, TIMES, **asked),
    ):
        with pytest.raises(PopulationError, match=text):
            verb()
    with pytest.raises(PopulationError, match=r"WT in g \(kg\)"):
        simulate(hourly, dose, Population.draw(on_clock_of("h", 1.0, "g"), 3), TIMES)
    with pytest.raises(PopulationError, match=r"CL on the additive scale \(log\)"):
        simulate(hourly, dose, Population.draw(on_clock_of("h", 1.0, scale="additive"), 3), TIMES)
    with pytest.raises(PopulationError, match=r"cannot be joined: here CL in L/h \(L/d\)"):
        Population.draw(hourly, 2).concat(own, labels=range(5))
    changing = Population.from_table(daily, {"ID": [1, 1], "TIME": [0, 1], "WT": [70, 80]})
    with pytest.raises(PopulationError, match=r"times in d \(h\)"):
        simulate(hourly, dose, changing, TIMES)


def test_people_of_the_same_equations_under_other_values_are_people_of_the_model():
    hourly, daily = on_clock_of("h", 1.0), on_clock_of("d", 24.0)
    dose, people = Regimen(amt=100, cmt="central"), Population.draw(hourly, 3, parameters={"CL": 4.0}, seed=1)
    alone = simulate(hourly, dose, people, TIMES)["Cc"].values
    np.testing.assert_array_equal(simulate(hourly.replace(values={"CL": 9.0}), dose, people, TIMES)["Cc"], alone)
    effects = Population.draw(daily, 3, seed=1)  # effects on logarithms have no unit, nor has a weight in kg a clock
    there = simulate(hourly, dose, effects, TIMES[1:])["Cc"].values
    np.testing.assert_allclose(there, 100 / 50 * np.exp(-0.1 * np.exp(effects.etas) * np.asarray(TIMES[1:])), rtol=1e-9)


def test_parameters_that_a_model_does_not_have_are_not_left_aside():
    other = on_clock_of("h", 1.0)
    more = Model(
        "more",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 5.0, "L/h", cv=0.3), Parameter("V", 50.0, "L"), Parameter("F", 0.5, "")],
        outputs=[Output("Cc", "mg/L")],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": p.F * x.central / p.V},
    )
    with pytest.raises(PopulationError, match=r"has values of F, which is no parameter of model 'one'"):
        simulate(other, Regimen(amt=1, cmt="central"), Population.draw(more, 2, parameters={"F": 0.4}), TIMES)


def test_a_data_frame_is_read_by_every_verb_that_takes_rows():
    table = read_events(EventTable.from_regimen([DAILY] * 2, TIMES, covariates={"WT": 70.0}).frame)
    np.testing.assert_array_equal(simulate(drug(), table.frame)["Cc"], simulate(drug(), table)["Cc"])
    frame = table.frame.assign(DV=simulate(drug(), table)["Cc"].values + 0.1).drop(columns="MDV")
    fits = [pkpd.fit(drug(), each, "fo", fixed=["bio", "lag"]) for each in (frame, read_events(frame), [frame])]
    assert fits[0].ofv == fits[1].ofv == fits[2].ofv


def test_no_dose_is_none_in_a_mapping_too():
    found = simulate(drug(), {"dosed": DAILY, "none": None}, times=TIMES)["Cc"]
    np.testing.assert_array_equal(found.sel(regimen="none"), np.zeros(len(TIMES)))
    np.testing.assert_array_equal(found.sel(regimen="dosed"), simulate(drug(), DAILY, times=TIMES)["Cc"])


def test_people_of_a_source_are_as_many_as_the_data_set_has_subjects():
    one = pkpd.individual(drug(), [("Cc", 4.0, 1.0)], regimen=DAILY, draws=200, seed=1)
    table = EventTable.from_regimen([DAILY] * 3, TIMES)
    assert simulate(one, table).sizes["row"] == len(table)
    np.testing.assert_array_equal(simulate(one, table)["Cc"], simulate(one, table, n=3)["Cc"])
    with pytest.raises(PkpdError, match="population and n are both given; drop one"):
        pkpd.compare(drug(), {"a": DAILY}, population=people(), n=5)
