"""Populations: laws of drawing, distributions, tables, joining, and the texts of errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pkpd.errors import PopulationError
from pkpd.model.declare import Covariate, Parameter, State
from pkpd.model.model import Model
from pkpd.people import Population, categorical, lognormal, normal, uniform

LAWS = {"WT": lognormal(70, 0.2), "CRCL": normal(90, 20, low=15), "SEX": categorical({0: 0.4, 1: 0.6})}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(
        "m",
        states=[State("central", "mg")],
        covariates=[Covariate("WT", "kg", 70), Covariate("CRCL", "mL/min", 100), Covariate("SEX", "", 0)],
        parameters=[
            Parameter("CL", 9.0, "L/h", cv=0.3, bounds=(0, 100)),
            Parameter("V", 20.0, "L", cv=0.2, iov_cv=0.1),
            Parameter("F", 0.9, "", iov_sd=0.2),
        ],
        correlations={("CL", "V"): 0.5},
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
    )


def same(a: Population, b: Population) -> bool:
    arrays = [(a.etas, b.etas), (a.kappas, b.kappas), (a.labels, b.labels)]
    arrays += [(a.covariates[k], b.covariates[k]) for k in a.covariates]
    arrays += [(a.parameters[k], b.parameters[k]) for k in a.parameters]
    return all(np.array_equal(x, y) for x, y in arrays)


# ---- laws of drawing


def test_subject_is_the_same_person_whatever_n(model: Model) -> None:
    large = Population.draw(model, 1000, covariates=LAWS, correlations={("WT", "CRCL"): 0.4}, n_occasions=3, seed=5)
    small = Population.draw(model, 10, covariates=LAWS, correlations={("WT", "CRCL"): 0.4}, n_occasions=3, seed=5)
    assert same(large[:10], small)


def test_chunks_are_the_whole(model: Model) -> None:
    people = Population.draw(model, 101, covariates=LAWS, n_occasions=2, seed=0)
    chunks = [people[i : i + 13] for i in range(0, 101, 13)]
    for name in ("etas", "kappas", "labels"):
        np.testing.assert_array_equal(np.concatenate([getattr(c, name) for c in chunks]), getattr(people, name))
    np.testing.assert_array_equal(np.concatenate([c.uniforms(5, 2) for c in chunks]), people.uniforms(5, 2))


def test_one_more_covariate_leaves_the_others_alone(model: Model) -> None:
    one = Population.draw(model, 50, covariates={"CRCL": LAWS["CRCL"]})
    three = Population.draw(model, 50, covariates=LAWS)
    np.testing.assert_array_equal(one.covariates["CRCL"], three.covariates["CRCL"])
    np.testing.assert_array_equal(one.etas, three.etas)


def test_one_more_occasion_leaves_the_others_alone(model: Model) -> None:
    two, three = (Population.draw(model, 20, n_occasions=k) for k in (2, 3))
    np.testing.assert_array_equal(three.kappas[:, :2], two.kappas)
    assert same(two.with_occasions(3), three)
    assert same(three.with_occasions(2), two)


def test_seeds_differ_and_0_is_a_seed(model: Model) -> None:
    zero, again, one = (Population.draw(model, 20, covariates=LAWS, seed=s) for s in (0, 0, 1))
    assert same(zero, again)
    assert not np.any(zero.etas == one.etas)
    assert not np.any(zero.covariates["WT"] == one.covariates["WT"])


def test_etas_and_kappas_have_the_models_covariance(model: Model) -> None:
    people = Population.draw(model, 20000, n_occasions=2, seed=3)
    assert people.eta_names == model.etas == ("CL", "V")
    for sample, truth in ((people.etas, model.omega), (people.kappas[:, 1], model.omega_iov)):
        error = np.sqrt((np.outer(np.diag(truth), np.diag(truth)) + truth**2) / 20000)
        assert np.all(np.abs(np.cov(sample.T) - truth) < 4 * error)
        for i, variance in enumerate(np.diag(truth)):
            assert stats.kstest(sample[:, i] / np.sqrt(variance), "norm").pvalue > 1e-3
    between = np.corrcoef(people.kappas[:, 0, 0], people.kappas[:, 1, 0])[0, 1]
    assert abs(between) < 4 / np.sqrt(20000)


def rank(a: Any, b: Any) -> float:
    result: Any = stats.spearmanr(a, b)
    return float(result.statistic)


def test_covariates_follow_their_distributions(model: Model) -> None:
    people = Population.draw(model, 20000, covariates=LAWS, correlations={("WT", "CRCL"): 0.6, ("CRCL", "SEX"): -0.3})
    weight, clearance, sex = (people.covariates[n] for n in ("WT", "CRCL", "SEX"))
    sdlog = np.sqrt(np.log1p(0.2**2))
    assert stats.kstest(np.log(weight / 70) / sdlog, "norm").pvalue > 1e-3
    assert stats.kstest(clearance, stats.truncnorm(-75 / 20, np.inf, 90, 20).cdf).pvalue > 1e-3
    assert abs(sex.mean() - 0.6) < 4 * np.sqrt(0.24 / 20000)
    # Spearman's rank correlation of a Gaussian copula: 6/pi asin(r/2)
    expected = 6 / np.pi * np.arcsin(0.6 / 2)
    assert abs(rank(weight, clearance) - expected) < 4 / np.sqrt(20000)
    assert rank(clearance, sex) < -0.15
    assert abs(rank(weight, sex)) < 4 / np.sqrt(20000)


def test_missing_covariates_take_the_reference_and_numbers_and_arrays_are_kept(model: Model) -> None:
    people = Population.draw(model, 3, covariates={"WT": [50, 60, 70], "SEX": 1})
    assert {k: v.tolist() for k, v in people.covariates.items()} == {
        "WT": [50, 60, 70], "CRCL": [100, 100, 100], "SEX": [1, 1, 1],
    }  # fmt: skip


def test_resampling_keeps_rows_together(model: Model) -> None:
    table = pd.DataFrame({"ID": range(40), "WT": np.arange(40.0) + 50, "CRCL": 2 * np.arange(40.0), "DV": "x"})
    people = Population.draw(model, 4000, resample=table, covariates={"SEX": 1})
    np.testing.assert_array_equal(people.covariates["CRCL"], 2 * (people.covariates["WT"] - 50))
    counts = np.bincount((people.covariates["WT"] - 50).astype(int), minlength=40)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert people.covariates["SEX"].tolist() == [1] * 4000


def test_parameters_by_subject(model: Model) -> None:
    people = Population.draw(model, 5000, parameters={"CL": lognormal(9, 0.1, low=8, high=10), "V": 20})
    assert list(people.parameters) == ["CL", "V"]
    assert 8 <= people.parameters["CL"].min() < 8.1 < 9.9 < people.parameters["CL"].max() <= 10
    np.testing.assert_array_equal(people.etas, Population.draw(model, 5000).etas)


def test_typical_people_have_no_random_effects(model: Model) -> None:
    people = Population.typical(model, 2, covariates={"CRCL": [20, 90]})
    assert not people.etas.any()
    assert not people.kappas.any()
    assert people.with_occasions(3).kappas.shape == (2, 3, 2)
    assert people.covariates["CRCL"].tolist() == [20, 90]


def test_population_is_frozen(model: Model) -> None:
    people = Population.draw(model, 3)
    with pytest.raises(AttributeError):
        people.seed = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        people.etas[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        people.covariates["WT"][0] = 1


# ---- errors of drawing

NAN = float("nan")
BAD_DRAWS: dict[str, dict[str, Any]] = {
    "population of 'm': n must be >= 1, got 0: an empty population has nobody to simulate": {"n": 0},
    "n must be >= 1, got -5": {"n": -5},
    "n must be a whole number, got 2.5": {"n": 2.5},
    "n_occasions must be >= 1, got 0": {"n_occasions": 0},
    "seed must be a whole number >= 0, got -1": {"seed": -1},
    "unknown covariate 'wt' (did you mean 'WT'?), 'AGE'; the model has WT, CRCL, SEX": {
        "covariates": {"wt": 1, "AGE": 2}
    },
    "unknown parameter 'Cl' (did you mean 'CL'?)": {"parameters": {"Cl": 1}},
    "covariate 'WT': 2 values for 3 subjects; give one per subject": {"covariates": {"WT": [1, 2]}},
    "covariate 'WT': an array of shape (1, 3) for 3 subjects": {"covariates": {"WT": [[1, 2, 3]]}},
    "covariate 'WT' is not finite in 2 of 3 (first: subject 2, nan)": {"covariates": {"WT": [1, NAN, np.inf]}},
    "covariate 'WT' must be a number, got 'heavy' (row 2)": {"covariates": {"WT": [1, "heavy", 3]}},
    "parameter 'CL' must lie between 0 and 100, got others for 1 of 3 subjects (first: 2, -1)": {
        "parameters": {"CL": [1, -1, 1]}
    },
    "correlation of ('WT', 'CRCL'): 'CRCL' is not drawn from a distribution; those drawn are WT": {
        "covariates": {"WT": LAWS["WT"]},
        "correlations": {("WT", "CRCL"): 0.3},
    },
    "correlation of ('WT', 'CRCL') must lie between -1 and 1, got 1.2": {
        "covariates": LAWS,
        "correlations": {("WT", "CRCL"): 1.2},
    },
    "correlation of ('CRCL', 'WT') is given twice": {
        "covariates": LAWS,
        "correlations": {("CRCL", "WT"): 0.2, ("WT", "CRCL"): 0.2},
    },
    "a key of correlations is two covariates, ('WT', 'CRCL'), got 'WT'": {
        "covariates": LAWS,
        "correlations": {"WT": 0.2},
    },
    "correlation of WT, CRCL, SEX is not positive definite (smallest eigenvalue -0.8): no people can vary together "
    "like that; multiply the correlations by less than 0.556": {
        "covariates": LAWS,
        "correlations": {("WT", "CRCL"): 0.9, ("WT", "SEX"): 0.9, ("CRCL", "SEX"): -0.9},
    },
    "covariate WT is both given and resampled": {"covariates": {"WT": 70}, "resample": {"WT": [1.0]}},
    "resample: no column is a covariate of the model; the table has DOSE, the model WT, CRCL, SEX": {
        "resample": {"DOSE": [1]}
    },
    "unknown covariate 'wt' (did you mean 'WT'?)": {"resample": {"wt": [1], "SEX": [1]}},
    "resample: column 'WT' is not finite in 1 of 2 (first: row 2, nan)": {"resample": {"WT": [1, NAN]}},
    "the table has no rows: an empty population": {"resample": {"WT": []}},
    "label 'a' stands for subjects 1 and 3; give each its own": {"labels": ["a", "b", "a"]},
    "2 labels for 3 subjects": {"labels": [1, 2]},
}


@pytest.mark.parametrize("message", BAD_DRAWS)
def test_bad_draws_are_refused(message: str, model: Model) -> None:
    given: dict[str, Any] = {"n": 3} | BAD_DRAWS[message]
    with pytest.raises(PopulationError) as caught:
        Population.draw(model, **given)
    assert message in str(caught.value)


def test_omega_must_be_positive_definite(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model.__dict__, "omega", np.array([[0.09, 0.09], [0.09, 0.04]]))
    with pytest.raises(PopulationError, match=r"omega of CL, V is not positive definite \(smallest eigenvalue -0.5\)"):
        Population.draw(model, 3)


# ---- tables


def test_table_of_covariates_parameters_and_effects(model: Model) -> None:
    table = {"ID": ["a", "b"], "WT": [50, 90], "CL": [8.0, 9.0], "ETA_V": [0.1, -0.1], "eta_CL": [0.0, 0.3]}
    people = Population.from_table(model, table)
    assert people.labels.tolist() == ["a", "b"]
    assert people.covariates["WT"].tolist() == [50, 90]
    assert people.covariates["CRCL"].tolist() == [100, 100]
    assert people.parameters["CL"].tolist() == [8, 9]
    assert people.etas.tolist() == [[0, 0.1], [0.3, -0.1]]
    assert Population.from_table(model, {"WT": [50, 90]}).labels.tolist() == [1, 2]


def test_drawn_people_survive_a_table(model: Model) -> None:
    people = Population.draw(model, 30, covariates=LAWS, parameters={"CL": uniform(5, 10)}, seed=4)
    assert same(Population.from_table(model, people.to_frame(), seed=4), people)


def test_covariates_that_vary_in_time(model: Model) -> None:
    table = pd.DataFrame(
        {"ID": [1, 1, 1, 7], "TIME": [0, 24, 48, 0], "WT": [70, 70, 70, 80], "CRCL": [100, 60, 20, 90]}
    )
    people = Population.from_table(model, table)
    assert people.labels.tolist() == [1, 7]
    assert list(people.varying) == ["CRCL"]
    assert [(t.tolist(), v.tolist()) for t, v in people.varying["CRCL"]] == [([0, 24, 48], [100, 60, 20]), ([0], [90])]
    assert people.covariates["CRCL"].tolist() == [100, 90]
    assert people[1:].varying["CRCL"][0][1].tolist() == [90]


BAD_TABLES: dict[str, dict[str, Any]] = {
    "unknown columns 'wt' (did you mean 'WT'?), 'DV' (did you mean 'V'?); "
    "known are WT, CRCL, SEX, CL, V, F, ETA_CL, ETA_V, ID, TIME; "
    "ignore=True leaves the others aside": {"ID": [1], "wt": [70], "DV": [1]},
    "ETA_F": {"ID": [1], "ETA_F": [0.1]},
    "ID comes again in 2 rows (first: ID 1 in row 2, before in row 1); give one row per subject, or a TIME column": {
        "ID": [1, 1, 1],
        "WT": [1, 2, 3],
    },
    "ID comes again in 1 rows (first: ID 1 in row 3, before in row 1); keep the rows of a subject together": {
        "ID": [1, 2, 1],
        "TIME": [0, 0, 1],
        "WT": [1, 2, 3],
    },
    "TIME does not rise in 1 rows (first: row 2, ID 1, 0 after 5); sort the rows": {
        "ID": [1, 1, 2],
        "TIME": [5, 0, 0],
        "WT": [1, 2, 3],
    },
    "column 'WT' is not finite in 1 of 2 (first: row 2, ID b, nan)": {"ID": ["a", "b"], "WT": [1, NAN]},
    "column 'WT' must be a number, got '.' (row 1)": {"ID": ["a", "b"], "WT": [".", "70"]},
    "column 'CL' changes within a subject; only covariates may": {"ID": [1, 1], "TIME": [0, 1], "CL": [8, 9]},
    "parameter 'CL' must lie between 0 and 100, got others for 1 of 2 subjects (first: 2, 101)": {
        "ID": [1, 2],
        "CL": [8, 101],
    },
    "the columns of the table differ in length: {'ID': 2, 'WT': 1}": {"ID": [1, 2], "WT": [8]},
    "ID is missing in row 2 (nan); give every row its subject": {"ID": [1, NAN], "WT": [1, 2]},
    "the table has no rows": {"ID": [], "WT": []},
}


@pytest.mark.parametrize("message", BAD_TABLES)
def test_bad_tables_are_refused(message: str, model: Model) -> None:
    with pytest.raises(PopulationError) as caught:
        Population.from_table(model, BAD_TABLES[message])
    assert message in str(caught.value)


def test_duplicate_columns_and_other_types_are_refused(model: Model) -> None:
    frame = pd.DataFrame([[1, 70, 71]], columns=["ID", "WT", "WT"])
    with pytest.raises(PopulationError, match="more than one column named WT"):
        Population.from_table(model, frame)
    with pytest.raises(PopulationError, match="a table is a data frame or a dict, with columns; got int 3"):
        Population.from_table(model, 3)


def test_ignored_columns_are_left_aside(model: Model) -> None:
    people = Population.from_table(model, {"ID": [1], "WT": [70], "NOTE": ["x"]}, ignore=True)
    assert people.covariates["WT"].tolist() == [70]


# ---- parts and joins


def test_subsets_are_the_same_persons(model: Model) -> None:
    people = Population.draw(model, 50, covariates=LAWS, parameters={"V": uniform(10, 30)}, n_occasions=2)
    heavy = people.covariates["WT"] > 70
    assert people[heavy].labels.tolist() == people.labels[heavy].tolist()
    np.testing.assert_array_equal(people[heavy].kappas, people.kappas[heavy])
    np.testing.assert_array_equal(people[[7, 3]].uniforms(3, 1), people.uniforms(3, 1)[[7, 3]])
    assert len(people[4]) == 1
    assert people[-1].labels.tolist() == [50]
    with pytest.raises(PopulationError, match="nobody is left of 50 subjects"):
        people[50:]


def test_parts_join_to_the_whole(model: Model) -> None:
    people = Population.draw(model, 20, covariates=LAWS, n_occasions=2)
    joined = people[:5].concat(people[5:12], people[12:])
    assert same(joined, people)
    assert joined.with_occasions(3).kappas.shape == (20, 3, 2)
    np.testing.assert_array_equal(joined.uniforms(2, 2), people.uniforms(2, 2))


def test_strangers_join_with_their_own_effects(model: Model) -> None:
    a, b = (Population.draw(model, 4, seed=s, n_occasions=2) for s in (0, 1))
    joined = a.concat(b, labels=range(8))
    np.testing.assert_array_equal(joined.kappas, np.concatenate([a.kappas, b.kappas]))
    np.testing.assert_array_equal(joined.etas, np.concatenate([a.etas, b.etas]))
    assert len(np.unique(joined.uniforms(1, 2))) == 8
    with pytest.raises(PopulationError, match="3 occasions, but effects are known for 2; draw with n_occasions"):
        joined.with_occasions(3)


def test_one_person_twice_has_residual_errors_of_its_own(model: Model) -> None:
    person = Population.draw(model, 1)
    twins = person.concat(person, labels=["first", "second"])
    assert twins.etas[0].tolist() == twins.etas[1].tolist()
    assert len(np.unique(twins.uniforms(1, 2))) == 2


def test_joining_constant_and_varying_covariates(model: Model) -> None:
    varying = Population.from_table(model, {"ID": [1, 1], "TIME": [0, 9], "WT": [70, 80]})
    joined = varying.concat(Population.from_table(model, {"ID": [2], "WT": [60]}))
    assert [v.tolist() for _, v in joined.varying["WT"]] == [[70, 80], [60]]


def test_populations_that_do_not_fit_are_refused(model: Model) -> None:
    people = Population.draw(model, 2)
    with pytest.raises(PopulationError, match=r"label 1 stands for subjects 1 and 3; .*concat\(other, labels=...\)"):
        people.concat(people)
    with pytest.raises(PopulationError, match="cannot be joined: n_occasions is 1 here and 2 there"):
        people.concat(people.with_occasions(2))
    with pytest.raises(PopulationError, match="own parameters none here and CL there"):
        people.concat(Population.from_table(model, {"ID": [8], "CL": [8]}))


def test_representation_names_what_differs(model: Model) -> None:
    people = Population.draw(
        model, 3, covariates={"WT": [50, 60, 90]}, parameters={"CL": [8, 9, 10]}, n_occasions=2, seed=7
    )
    assert repr(people).splitlines() == [
        "Population of 3 for 'm' (seed 7)",
        "  WT    60 [50, 90]",
        "  CRCL  100",
        "  SEX   0",
        "  CL    9 [8, 10]",
        "  vary between subjects: CL, V",
        "  vary between 2 occasions: V, F",
    ]


def test_people_of_two_draws_stand_together_without_occasions() -> None:
    plain = Model("plain", states=[State("A", "mg")], parameters=[Parameter("k", 0.1, "1/h", cv=0.3)],
                  dynamics=lambda t, x, p: {"A": -p.k * x.A})  # fmt: skip
    both = Population.draw(plain, 3, seed=1).concat(Population.draw(plain, 2, seed=2), labels=range(5))
    assert both.kappas.shape == (5, both.n_occasions, 0)
