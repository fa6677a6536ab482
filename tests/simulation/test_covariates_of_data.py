"""Covariates that do not match: named apart, missing, impossible; and populations that stand beside a data set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import Covariate, EventTable, Model, Output, Parameter, Population, Proportional, Regimen, State
from pkpd.errors import DataError, DataWarning, ModelError, PopulationError


@pytest.fixture(scope="module")
def model():
    """Return a bolus whose volume is that of the weight, so that a person's weight is read off at time 0."""
    return Model(
        "light",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", cv=0.3, bounds=(0.01, 1.0)), Parameter("V", 1.0, "L/kg")],
        covariates=[
            Covariate("WT", "kg", 70, "body weight"), Covariate("CRCL", "mL/min", 100, "creatinine clearance"),
            Covariate("SEX", "", 0),
        ],
        individual=lambda p, cov: {"ke": p.k * (cov.CRCL / 100) * (1 + 0.1 * cov.SEX), "Vi": p.V * cov.WT},
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"A": -p.ke * x.A},
        calculate=lambda t, x, p: {"Cc": x.A / p.Vi},
    )  # fmt: skip


def table_of(**columns):
    """Return doses of 100 mg at 0 and an observation right after them, of two persons."""
    frame = pd.DataFrame({"ID": [1, 1, 2, 2], "TIME": 0.0, "AMT": [100.0, 0, 100, 0], "DV": [np.nan, 1.4, np.nan, 1.4]})
    return pkpd.read_events(frame.assign(**columns))


def seen(model, table, population=None):
    """Return the concentration right after the dose of each person."""
    return pkpd.simulate(model, table, population)["Cc"].values[1::2]


def test_a_covariate_of_another_case_is_refused_by_every_verb(model):
    table = table_of(wt=18.0)
    remedy = r"covariate WT of model 'light' is not in the data, but 'wt' is: rename .*columns=\{'wt': 'WT'\}"
    with pytest.raises(DataError, match=remedy):
        pkpd.simulate(model, table)
    with pytest.raises(DataError, match=remedy):
        pkpd.simulate(model, table, derivatives=["k"])
    with pytest.raises(DataError, match=remedy):
        pkpd.fit(model, table, "fo")
    named = pkpd.read_events(table.frame, columns={"wt": "WT"})
    np.testing.assert_allclose(seen(model, named), 100 / 18)


@pytest.mark.parametrize("name", ["WGT", "WT_kg", "BWT", "weight", "body_weight", "W.T"])
def test_a_column_of_nearly_the_name_is_named(model, name):
    with pytest.warns(
        DataWarning, match=rf"covariate WT is not in the data: its reference 70 kg .*is column '{name}' meant"
    ):
        sims = pkpd.simulate(model, table_of(**{name: 18.0}))
    assert f"is column '{name}' meant" in sims.attrs["notes"]


def test_letters_in_another_order_are_near(model):
    with pytest.warns(DataWarning, match="covariate CRCL is not in the data: .*is column 'CLCR' meant"):
        pkpd.simulate(model, table_of(WT=70.0, CLCR=20.0))


def test_a_covariate_that_is_not_there_is_told(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sims = pkpd.simulate(model, table_of(STUDY=3))
    assert "covariate WT is not in the data: its reference 70 kg is taken for everyone" in sims.attrs["notes"].split(
        "\n"
    )
    full = pkpd.simulate(model, table_of(WT=70, CRCL=100, SEX=0))
    assert "notes" not in full.attrs


def test_a_population_says_what_the_data_do_not(model):
    people = Population.typical(model, 2, covariates={"WT": [50.0, 100.0]})
    sims = pkpd.simulate(model, table_of(), people)
    np.testing.assert_allclose(sims["Cc"].values[1::2], [2, 1])
    assert not any("covariate WT" in note for note in sims.attrs["notes"].split("\n"))
    sims = pkpd.simulate(model, table_of(WT=25.0), people)
    np.testing.assert_allclose(sims["Cc"].values[1::2], 4)
    assert "covariate WT is taken from the data, not from the population" in sims.attrs["notes"]


def test_a_population_goes_with_its_labels(model):
    table = table_of(ID=["b", "b", "a", "a"])
    people = Population.from_table(model, {"ID": ["a", "b"], "WT": [50.0, 100.0]})
    sims = pkpd.simulate(model, table, people)
    np.testing.assert_allclose(sims["Cc"].values[1::2], [1, 2])
    assert "the population is taken in the order of the data, by label" in sims.attrs["notes"]
    np.testing.assert_allclose(
        seen(model, table, Population.typical(model, 2, covariates={"WT": [50.0, 100.0]})), [2, 1]
    )
    with pytest.raises(PopulationError, match="the population has no subject 'b' of the data"):
        seen(model, table, Population.from_table(model, {"ID": ["a", "c"], "WT": [50.0, 100.0]}))


def test_a_fit_names_the_column_that_may_hold_the_data(model):
    with pytest.raises(DataError, match=r"column DV is missing; name the column of data with columns=\{'Conc': 'DV'\}"):
        pkpd.fit(model, pkpd.read_events(table_of(Conc=1.0).frame.drop(columns="DV")), "fo")


def test_text_covariates_say_how_to_code_them(model):
    table = table_of(SEX=["F", "F", "M", "M"])
    remedy = (
        r"covariate SEX of model 'light' holds text \(F, M\); give numbers, .*frame\['SEX'\]\.map\(\{'F': 0, 'M': 1\}\)"
    )
    with pytest.raises(DataError, match=remedy):
        pkpd.simulate(model, table)
    with pytest.raises(DataError, match=remedy):
        pkpd.fit(model, table, "fo")


IMPOSSIBLE = [
    ("WT", -1.0, "> 0 kg"), ("WT", 0.0, "> 0 kg"), ("WT", -99.0, "> 0 kg"), ("CRCL", -0.5, ">= 0 mL/min"),
    ("SEX", -99.0, "not -99, -999 or -9999"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "allowed"), IMPOSSIBLE)
def test_impossible_covariates_are_refused_with_who_has_them(model, name, value, allowed):
    given = {"WT": 70.0, "CRCL": 100.0, "SEX": 0.0}
    table = table_of(**{**given, name: [given[name], given[name], value, value]})
    message = (
        rf"covariate {name} must be {allowed}, but is not in 2 rows \(first: row 3, ID 2, TIME 0\.0, {name} {value}\)"
    )
    for verb in (
        lambda: pkpd.simulate(model, table),
        lambda: pkpd.fit(model, table, "fo"),
        lambda: pkpd.simulate(model, table, derivatives=["k"]),
    ):
        with pytest.raises(DataError, match=message):
            verb()
    message = rf"covariate '{name}' must be {allowed}, got others for 1 of 2 subjects \(first: 2, {value:g}\)"
    values = {name: np.array([given[name], value])}
    everyone = {**{k: np.full(2, v) for k, v in given.items()}, **values}
    for make in (
        lambda: Population.typical(model, 2, covariates=values),
        lambda: Population.draw(model, 2, covariates=values),
        lambda: Population.from_table(model, {"ID": [1, 2], **values}),
        lambda: Population.draw(model, 2, resample={name: [value, value]}),
        lambda: pkpd.simulate(model, None, replace(Population.typical(model, 2), covariates=everyone), [0.0, 1.0]),
    ):
        with pytest.raises(PopulationError, match=rf"covariate '{name}' must be {allowed}, got"):
            make()
    with pytest.raises(PopulationError, match=message):
        Population.typical(model, 2, covariates=values)


def test_a_weight_that_becomes_impossible_is_refused(model):
    table = {"ID": [1, 1, 2], "TIME": [0.0, 5.0, 0.0], "WT": [70.0, -99.0, 80.0]}
    with pytest.raises(PopulationError, match=r"covariate 'WT' must be > 0 kg, .*\(first: 1, -99\)"):
        Population.from_table(model, table)


def test_distributions_that_leave_the_bounds_are_refused_with_the_remedy(model):
    with pytest.raises(PopulationError, match=r"got others for 9 of 200 subjects \(first: 30, .*low= and high="):
        Population.draw(model, 200, covariates={"WT": pkpd.distributions.normal(70, 40)}, seed=1)
    heavy = {"WT": pkpd.distributions.normal(70, 40, low=30)}
    assert Population.draw(model, 200, covariates=heavy, seed=1).covariates["WT"].min() >= 30


def test_typical_values_outside_their_bounds_are_refused_before_solving(model):
    people = Population.typical(model, 2)
    moved = replace(people, parameters={"k": np.array([0.1, 5.0])})
    with pytest.raises(PopulationError, match=r"simulate: parameter 'k' must lie .*1 of 2 subjects \(first: 2, 5\)"):
        pkpd.simulate(model, None, moved, [0.0, 1.0])


def test_typical_values_at_their_bounds_are_allowed(model):
    people = replace(
        Population.typical(model, 2), parameters={"k": np.array([0.01, np.exp(np.log(1.0)) * (1 + 1e-15)])}
    )
    assert (pkpd.simulate(model, None, people, [0.0, 1.0])["status"] == 0).all()
    with pytest.raises(PopulationError, match=r"'k' must lie between 0\.01 and 1, got others for 1 of 2"):
        Population.draw(model, 2, parameters={"k": [0.01, 1.001]})


def test_bounds_in_words_and_numbers():
    for covariate, allowed, good, bad in (
        (Covariate("WT", "kg", 70), "> 0 kg", [1e-3], [0.0, -1.0]),
        (Covariate("BSA", "m^2", 1.8), "> 0 m^2", [1.8], [0.0]),
        (Covariate("BMI", "kg/m^2", 25), "> 0 kg/m^2", [20.0], [0.0]),
        (Covariate("AGE", "year", 40), ">= 0 year", [0.0], [-0.1]),
        (Covariate("BE", "mmol/L", 0), "not -99, -999 or -9999", [-5.0], [-99.0]),
        (Covariate("TEMP", "degC", 37), "not -99, -999 or -9999", [-5.0], [-999.0]),
        (Covariate("LNRF", "", 4.7), "not -99, -999 or -9999", [-5.0], [-9999.0]),
        (Covariate("WT", "kg", 70, bounds=(30, 200)), "from 30 to 200 kg", [30.0, 200.0], [29.0, 201.0]),
        (Covariate("WT", "kg", 70, bounds=(0, 200)), "above 0 and up to 200 kg", [1.0], [0.0, 201.0]),
        (Covariate("DIFF", "kg", 70, bounds=(-np.inf, np.inf)), "any number", [-99.0, 0.0], []),
        (Covariate("X", "", 1, bounds=(-np.inf, 3)), "<= 3", [-99.0], [4.0]),
    ):
        assert covariate.allowed == allowed
        assert not covariate.forbidden(np.array([*good, np.nan])).any()
        assert covariate.forbidden(np.array(bad)).all()


def test_columns_left_aside_by_a_population_are_named(model):
    with pytest.raises(PopulationError, match=r"unknown columns 'wt' \(did you mean 'WT'\?\)"):
        Population.from_table(model, {"ID": [1], "wt": [50.0]}, ignore=True)
    with pytest.warns(DataWarning, match="there is no column WT, so its reference 70 kg is taken; is 'WGT' meant"):
        Population.from_table(model, {"ID": [1], "WGT": [50.0]}, ignore=True)
    with pytest.warns(DataWarning, match="resample: there is no column WT.*is 'WGT' meant"):
        Population.draw(model, 2, resample={"CRCL": [50.0], "WGT": [50.0]})


def test_subjects_of_another_column_are_named(model):
    with pytest.warns(DataWarning, match="there is no column ID, so subjects are numbered; is 'SUBJ' meant.*id='SUBJ'"):
        Population.from_table(model, {"SUBJ": ["a"], "WT": [50.0]}, ignore=True)
    with pytest.raises(PopulationError, match=r"unknown columns 'id' \(did you mean 'ID'\?\)"):
        Population.from_table(model, {"id": ["a"], "WT": [50.0]}, ignore=True)
    people = Population.from_table(model, {"ID": ["a"], "id": ["b"], "WT": [50.0]}, ignore=True)
    assert people.labels.tolist() == ["a"]


def test_a_data_frame_is_read(model):
    table = table_of()
    read = pkpd.simulate(model, table)
    for name in read.data_vars:
        np.testing.assert_array_equal(pkpd.simulate(model, table.frame)[name].values, read[name].values)


def test_the_command_line_refuses_impossible_covariates(capsys):
    from pkpd.cli import main

    assert main(["simulate", "pk1_iv", "--dose", "100 mg q24h x2", "--covariate", "WT=-3"]) == 1
    assert "covariate 'WT' must be > 0 kg, got -3" in " ".join(capsys.readouterr().err.split())


def test_the_command_line_says_the_notes_and_takes_covariates(capsys, tmp_path):
    from pkpd.cli import main

    (tmp_path / "a.csv").write_text("ID,TIME,AMT\n007,0,100\n8,0,100\n007,1,0\n")
    options = ["--events", str(tmp_path / "a.csv"), "--covariate", "WT=35", "--out", str(tmp_path / "out.csv")]
    assert main(["simulate", "pk1_iv", *options]) == 0
    err = capsys.readouterr().err
    assert "note: 1 ID comes again: new subjects 007.1" in err
    assert "covariate WT" not in err
    out = pd.read_csv(tmp_path / "out.csv", dtype={"ID": str})
    assert out["ID"].tolist() == ["007", "8", "007"]
    assert out["status"].tolist() == [0, 0, 0]
    assert "subject" not in out
    person = Population.typical(pkpd.models["pk1_iv"], 3, covariates={"WT": 35})
    sims = pkpd.simulate(pkpd.models["pk1_iv"], pkpd.read_events(tmp_path / "a.csv"), person)
    np.testing.assert_allclose(out["Cc"], sims["Cc"], rtol=1e-7)


# -- columns named like results


def test_columns_named_like_results_get_another_name(model):
    names = ("Cc", "status", "subject", "row", "regimen", "Cc_observed", "dCc", "parameter")
    table = table_of(WT=70, CRCL=100, SEX=0, **dict.fromkeys(names, 7.0))
    sims = pkpd.simulate(model, table, residual=True, seed=1)
    for name in names:
        assert (sims[f"{name}_table"] == 7).all()
        assert f"column {name} of the data is {name}_table here" in sims.attrs["notes"].split("\n")
    np.testing.assert_allclose(sims["Cc"][1::2], 100 / 70)
    assert sims["subject"].values.tolist() == [1, 2]
    slopes = pkpd.simulate(model, table, derivatives=["k"])
    assert slopes["dCc"].dims == ("row", "parameter")
    assert slopes["parameter"].values.tolist() == ["k"]
    sims = pkpd.simulate(model, table_of(WT=70, CRCL=100, SEX=0, A=5, ke=6), outputs=["A", "ke", "Cc"])
    assert sims["A_table"].values.tolist() == [5] * 4
    np.testing.assert_allclose(sims["A"][1::2], 100)


def test_a_simulated_table_can_be_written_read_and_simulated_again(model, tmp_path):
    table = table_of(WT=[60, 60, 80, 80], CRCL=100, SEX=0)
    first = pkpd.simulate(model, table, residual=True, seed=1)
    for again in range(2):
        frame = first.drop_dims("subject").to_dataframe().reset_index()
        frame.to_csv(tmp_path / "sims.csv", index=False)
        for source in (frame, tmp_path / "sims.csv"):
            second = pkpd.simulate(model, pkpd.read_events(source), residual=True, seed=1)
            np.testing.assert_array_equal(second["Cc"], first["Cc"])
            np.testing.assert_array_equal(second["Cc_table"], first["Cc"])
        second.to_netcdf(tmp_path / f"{again}.nc")
        first = second


def test_models_cannot_name_what_results_need():
    def named(state: str = "A", parameter: str = "k", outputs: Sequence[str] = ("B",)):
        return Model(
            "n",
            states=[State(state, "mg")],
            parameters=[Parameter(parameter, 0.1, "1/h")],
            outputs=[Output(o, "mg", error=Proportional(0.1)) for o in outputs],
            dynamics=lambda t, x, p: {state: 0.0},
            calculate=lambda t, x, p: dict.fromkeys(outputs, 1.0),
            check_units=False,
        )

    for name in ("status", "time", "subject", "regimen", "row", "TIME", "ID"):
        refused = f"'{name}' has a name that results need themselves"
        with pytest.raises(ModelError, match=refused):
            named(outputs=[name])
        with pytest.raises(ModelError, match=refused):
            named(state=name)
        with pytest.raises(ModelError, match=refused):
            named(parameter=name)
    with pytest.raises(ModelError, match="'B_observed' is what observations of output 'B' are called"):
        named(outputs=["B", "B_observed"])
    assert list(named().outputs) == ["B"]


def test_regimens_of_one_name_are_refused(model):
    dose = Regimen(amt=1)
    both: dict[Any, Regimen] = {1: dose, "1": dose}
    with pytest.raises(pkpd.errors.RegimenError, match="two regimens are named '1'"):
        pkpd.simulate(model, both, times=[0.0])


def test_every_label_of_a_fit_is_as_written(model):
    ids = ["8210000000000000001", "8210000000000000002", "3.10", "007"]
    people = Population.draw(model, 4, seed=3)
    table = EventTable.from_regimen(
        dict.fromkeys(ids, Regimen(amt=100, cmt="A")), [1.0, 5.0, 20.0], covariates={"WT": 70, "CRCL": 100, "SEX": 0}
    )
    sims = pkpd.simulate(model, table, people, residual=True, seed=2)
    assert sims["subject"].values.tolist() == ids
    frame = table.frame.drop(columns="MDV").assign(DV=sims["Cc_observed"].values)
    fit = pkpd.fit(model, pkpd.read_events(frame), pkpd.methods.Fo(covariance=None))
    assert fit.ebe["subject"].values.tolist() == ids
