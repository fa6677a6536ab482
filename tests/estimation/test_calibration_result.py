"""Results: groups, tables, populations to simulate from, files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from calibration_toy import evidence, fact, other_facts, rich_study, small_study
from scipy import stats

from pkpd.errors import LibraryError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.facts import FactPredictions, reproduced
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.spreads import HalfNormal
from pkpd.estimation.study.files import load_study_fit
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.result import StudyFit
from pkpd.model.residual import LogNormal
from pkpd.simulation.api import simulate

STUDY_FILE = '''"""A study."""
import sys
sys.path.insert(0, {tests!r})
from calibration_toy import small_study
study = small_study({changes})
'''


@pytest.fixture(scope="module")
def fitted() -> StudyFit:
    return fit(small_study(), method=Mode(seed=2, draws=600))


@pytest.fixture(scope="module")
def sampled() -> StudyFit:
    how = Nuts(seed=0, predictive=60, chains=2, tune=150, draws=100, target_accept=0.85, maxdepth=8)
    return fit(small_study(), method=how, progress=False)


def test_groups_have_the_dims_of_the_study(fitted):
    idata = fitted.idata
    assert idata.posterior["CL"].dims == ("chain", "draw", "patient")
    assert idata.posterior["CL_location"].dims == ("chain", "draw", "cohort")
    assert idata.posterior["V"].dims == ("chain", "draw")
    assert idata.posterior["Cc_error"].sizes == {"chain": 1, "draw": 600}
    assert idata.prior.sizes["draw"] == 1000
    assert idata.posterior_predictive["replicate"].sizes == {"chain": 1, "draw": 400, "fact": 18}
    assert idata.log_likelihood["facts"].dims == ("chain", "draw", "fact")
    assert idata.constant_data["covariates"].sel(covariate="WT").values.tolist() == [80.0] * 3
    assert fitted.cohorts == {"toy/p1": "A", "toy/p2": "A", "toy/p3": "B"}


def test_facts_held_back_are_predicted_and_teach_nothing():
    """The concentration is 10 mg/L at once and falls with CL / V; its error is log-normal, 0.2 times its factor."""
    kept = {"use": "check", "reason": "to check"}
    report = other_facts(
        evidence(), fact("p1_late", "p1", "value", 0.5, 4.0, **kept), fact("p1_low", "p1", "below", 0.5, 3.0, **kept),
        fact("p1_far", "p1", "value", 0.5, 900.0, **kept),
        fact("p1_other", "p1", "value", 1.0, 4.0, marker="LDH", **kept),
        fact("p1_vague", "p1", "value", 0.5, None, **kept), fact("all", "", "value", 0.5, 4.0, **kept),
    )  # fmt: skip
    study = small_study(evidence=[report])
    assert study.fingerprint == small_study().fingerprint
    found = fit(study, method=Mode(seed=2, draws=600))
    table = found.facts()
    assert table["use"].tolist() == ["fit"] * 18 + ["check"] * 3
    assert found.facts().equals(table)
    held = table.set_index("fact").loc[["toy/p1_late", "toy/p1_low", "toy/p1_far"]]
    CL, V, factor = found.draws("CL")[:, 0], found.draws("V"), found.draws("Cc_error")
    C = (100 * np.exp(-CL / V * 12) + 1e-6) / V
    less = {y: stats.norm.cdf(np.log(y / C) / (0.2 * factor)).mean() for y in (4.0, 3.0)}
    assert held["pit"].iloc[0] == pytest.approx(less[4.0], abs=0.02)
    assert held["probability"].iloc[1] == pytest.approx(less[3.0], abs=0.02)
    assert held["50%"].iloc[0] == pytest.approx(np.median(C), rel=0.1)
    assert held["inside"].tolist() == [abs(less[4.0] - 0.5) <= 0.475, less[3.0] >= 0.05, False]


def test_doses_of_one_drug_go_into_a_model_of_that_drug_alone():
    assert small_study(drugs=None).fingerprint == small_study().fingerprint
    report = evidence()
    other = replace(report.doses[0], drug="tocilizumab")
    both = replace(report, doses=(*report.doses, other))
    with pytest.raises(PkpdError, match=r"has doses of anakinra, tocilizumab, .* say of which: drugs=\['anakinra'\]"):
        _ = small_study(evidence=[both], drugs=None).problem
    assert small_study(evidence=[both]).fingerprint == small_study().fingerprint


def test_attributes_tell_where_a_result_comes_from(fitted):
    attrs = fitted.attrs
    assert attrs["fingerprint"] == small_study().fingerprint
    assert (attrs["study"], attrs["method"], attrs["seed"]) == ("toy", "mode", 2)
    assert json.loads(attrs["settings"])["draws"] == 600
    assert "numpy" in json.loads(attrs["versions"])
    assert json.loads(attrs["study_text"])["free"][1]["source"] == "invented"


def test_log_likelihood_of_facts_is_that_of_the_draws(fitted):
    like = small_study().problem.likelihood()
    posterior = fitted.posterior
    values = np.column_stack([posterior["CL"].values[0, 0], np.full(3, posterior["V"].values[0, 0])])
    terms = like.evaluate(values, posterior["Cc_error"].values[0, :1]).terms
    np.testing.assert_allclose(fitted.idata.log_likelihood["facts"].values[0, 0], terms, rtol=1e-6)


def test_facts_are_predicted(fitted):
    table = fitted.facts().set_index("fact")
    value = table.loc["toy/p1_value"]
    assert (value["kind"], value["observed"], value["text"]) == ("density", 5.5, "Cc = 5.5 mg/L, day 0.25")
    assert 0 < value["pit"] < 1
    assert np.isnan(value["probability"])
    assert value["2.5%"] < value["50%"] < value["97.5%"]
    change = table.loc["toy/p1_change"]
    assert change["probability"] > 0.99
    assert np.isnan(change["pit"])
    assert table["inside"].all()


def test_a_fact_that_cannot_be_is_outside():
    study = small_study(
        free=[Free("V", (10.0, 0.01))], exclude=["*_change", "*_grade", "*_below", "*_above", "*_peak", "*/p3*"]
    )
    table = fit(study.with_(reinterpret={("toy", "Cc"): 3.0}), method=Mode(draws=200)).facts().set_index("fact")
    # a known volume and the model's clearance: 3 x 5.5 mg/L after 6 h is three times too much, and 20% error
    assert not table.loc["toy/p1_value", "inside"]
    assert table.loc["toy/p1_value", "pit"] > 0.99


def test_contraction_tells_what_was_taught(fitted):
    table = fitted.contraction()
    assert table.loc["V", "prior_sd"] == pytest.approx(0.2, rel=0.1)
    assert table.loc["CL[toy/p1]", "prior_sd"] == pytest.approx(np.hypot(0.3, 0.2), rel=0.1)
    assert table.loc["CL[toy/p1]", "verdict"] == "taught"
    assert table["contraction"].is_monotonic_decreasing
    assert table["overlap"].between(0, 1).all()
    row = table.loc["Cc_error"]
    assert row["contraction"] == pytest.approx(1 - (row["posterior_sd"] / row["prior_sd"]) ** 2)


def test_what_no_fact_touches_is_not_taught():
    study = small_study(free=[*small_study().free, Free("shift", (0.0, 1.0), scale="identity")])
    table = fit(study.with_(exclude=["*_grade"]), method=Mode(draws=2000, seed=1)).contraction()
    assert table.loc["shift", "verdict"] == "not taught"
    assert abs(table.loc["shift", "contraction"]) < 0.1
    assert table.loc["shift", "overlap"] > 0.93


def test_overlap_is_the_area_below_both_densities():
    from pkpd.estimation.study.tables import _overlap

    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 4000), rng.normal(1.5, 1, 4000)
    assert _overlap(a, b) == pytest.approx(2 * stats.norm.cdf(-0.75), abs=0.03)


def test_summary_has_diagnostics_of_the_sampler(sampled):
    table = sampled.summary()
    assert list(table.columns) == ["mean", "sd", "2.5%", "50%", "97.5%", "rhat", "ess_bulk", "ess_tail"]
    assert table["rhat"].between(0.98, 1.2).all()
    assert table.attrs["divergences"] == int(sampled.idata.sample_stats["diverging"].sum())
    low, high = np.quantile(sampled.draws("V"), [0.025, 0.975])
    assert (table.loc["V", "2.5%"], table.loc["V", "97.5%"]) == (low, high)


def test_trouble_is_named(sampled, fitted):
    text = " ".join(sampled.trouble())
    assert "effective sizes are below 400 for" in text  # 200 draws in all
    assert "lowest: " in repr(sampled)
    stats_group = sampled.idata.sample_stats.assign(
        diverging=xr.ones_like(sampled.idata.sample_stats["diverging"], dtype=bool)
    )
    idata = sampled.idata.copy()
    idata.sample_stats = stats_group
    assert "200 divergent transitions: raise target_accept" in StudyFit(sampled.study, idata).trouble()
    idata = fitted.idata.copy()
    idata.posterior.attrs.update(pareto_k=0.9, curvatures_repaired="CL", draws_lost=0.25)
    told = StudyFit(fitted.study, idata).trouble()
    assert told[0] == "the mode is flat along CL: its curvature there was raised"
    assert told[1].startswith("25% of the draws")
    assert told[2].startswith("Pareto k is 0.90, above 0.7")


def test_a_known_patient_is_the_posterior_of_this_one(fitted):
    people = fitted.population(600, patient="p2", seed=3)
    np.testing.assert_allclose(np.sort(people.parameters["CL"]), np.sort(fitted.draws("CL")[:, 1]))
    # parameters of a subject come from one draw
    k = np.searchsorted(np.sort(fitted.draws("V")), people.parameters["V"][0])
    row = np.argsort(fitted.draws("V"))[k]
    assert people.parameters["CL"][0] == fitted.draws("CL")[row, 1]
    assert people.covariates["WT"].tolist() == [80.0] * 600
    assert not people.etas.any()
    sims = simulate(fitted.study.problem.model, fitted.study.problem.subjects[1].regimen, people[:3], [6.0])
    assert sims["Cc"].shape == (3, 1)


def test_a_new_patient_is_drawn_from_location_and_spread(fitted):
    people = fitted.population(5000, cohort="B", seed=1, covariates={"WT": 60.0})
    x = np.log(people.parameters["CL"])
    location = np.log(fitted.draws("CL_location")[:, 1])
    assert x.mean() == pytest.approx(location.mean(), abs=0.02)
    assert x.std() == pytest.approx(np.hypot(location.std(), 0.2), rel=0.06)
    assert people.covariates["WT"][0] == 60.0
    again = fitted.population(5000, cohort="B", seed=1)
    np.testing.assert_array_equal(again.parameters["CL"], people.parameters["CL"])


def test_variability_of_the_model_is_drawn_only_for_what_the_study_does_not_estimate():
    shared = fit(small_study(free=[Free("CL", (1.0, 0.3))]), method=Mode(draws=100))
    assert not shared.population(50, cohort="A", variability=False).etas.any()
    people = shared.population(2000, cohort="A")
    assert people.etas.std() == pytest.approx(np.sqrt(np.log1p(0.3**2)), rel=0.1)
    of_verbs = shared.subjects("simulate", 2000, 0, cohort="A").people
    np.testing.assert_array_equal(of_verbs.etas, people.etas)
    np.testing.assert_array_equal(of_verbs.parameters["CL"], people.parameters["CL"])
    by_patient = fit(small_study(), method=Mode(draws=100))
    assert not by_patient.population(50, cohort="A").etas.any()


def test_unpooled_and_fixed_parameters_of_new_patients():
    free = [Free("CL", {"*": (1.0, 0.3)}, level="patient"), Free("V", (10.0, 0.2))]
    study = small_study(free=free, fixed={"shift": {"B": 2.0}})
    found = fit(study, method=Mode(draws=300))
    like = found.population(300, cohort="A", like="toy/p2")
    np.testing.assert_allclose(np.sort(like.parameters["CL"]), np.sort(found.draws("CL")[:, 1]))
    mixed = found.population(300, cohort="A", seed=5)
    both = np.concatenate([found.draws("CL")[:, 0], found.draws("CL")[:, 1]])
    assert set(mixed.parameters["CL"]) <= set(both)
    assert mixed.parameters["shift"].tolist() == [0.0] * 300
    assert found.population(2, patient="p3").parameters["shift"].tolist() == [2.0, 2.0]


def test_a_spread_with_a_prior_and_a_location_for_all():
    free = [Free("CL", (1.0, 0.3), level="patient", pooling="all", spread=HalfNormal(0.3)), Free("V", (10.0, 0.2))]
    found = fit(small_study(free=free), method=Mode(draws=500))
    assert found.posterior["CL_location"].dims == ("chain", "draw")
    people = found.population(500, cohort="B")
    assert people.parameters["CL"].std() > 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "population needs either patient or cohort, got neither"),
        ({"patient": "p1", "cohort": "A"}, "population needs either patient or cohort, got both"),
        ({"cohort": "a"}, "there is no cohort 'a' (did you mean 'A'?); there are A, B"),
        ({"patient": "p1", "like": "p2"}, "like is for a new patient of a cohort, not for patient 'p1'"),
        ({"patient": "p4"}, "'p4' is no patient"),
    ],
)
def test_populations_that_cannot_be_are_refused(fitted, arguments, text):
    with pytest.raises(PkpdError) as error:
        fitted.population(3, **arguments)
    assert text in str(error.value)


def write_study(folder, changes=""):
    from pathlib import Path

    (folder / "study.py").write_text(
        STUDY_FILE.format(tests=str(Path(__file__).parents[1] / "helpers"), changes=changes)
    )


def test_a_result_is_written_and_read(fitted, tmp_path):
    write_study(tmp_path)
    path = fitted.save(tmp_path / "fit.nc")
    found = load_study_fit(tmp_path)
    xr.testing.assert_identical(found.posterior["CL"], fitted.posterior["CL"])
    assert found.attrs["seed"] == 2
    assert found.facts().equals(fitted.facts())
    assert found.population(3, patient="p1").parameters["V"].shape == (3,)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert load_study_fit(path).study.name == "toy"


def test_a_compact_file_keeps_the_diagnostics_of_all_draws(sampled, tmp_path):
    write_study(tmp_path)
    sampled.save(tmp_path / "fit.nc", compact=True)
    found = load_study_fit(str(tmp_path / "fit.nc"), study=small_study())
    assert found.posterior["V"].dtype == np.float32
    columns = ["rhat", "ess_bulk", "ess_tail"]
    np.testing.assert_allclose(found.summary()[columns], sampled.summary()[columns])
    assert found.summary().attrs == sampled.summary().attrs
    assert "diagnostics" not in sampled.attrs
    assert (tmp_path / "fit.nc").stat().st_size < 400_000


def test_a_result_of_another_state_of_the_study_is_refused(fitted, tmp_path):
    write_study(tmp_path, "fixed={'shift': 0.5}")
    fitted.save(tmp_path / "fit.nc")
    with pytest.raises(PkpdError, match=r"fit\.nc was fitted to another state of study 'toy' \(fingerprint .*, now"):
        load_study_fit(tmp_path)


def test_a_result_by_another_law_of_the_residual_error_is_refused(fitted, tmp_path, monkeypatch):
    write_study(tmp_path)
    fitted.save(tmp_path / "fit.nc")
    monkeypatch.setattr(LogNormal, "variance", lambda self, f: 4.0 * self.sigma**2)
    with pytest.raises(PkpdError, match=r"fit\.nc was fitted to another state of study 'toy'"):
        load_study_fit(tmp_path)


def test_a_missing_or_foreign_file_is_said(tmp_path):
    write_study(tmp_path)
    with pytest.raises(LibraryError, match=r"there is no result .*fit\.nc; make one of study .*: fit\(study"):
        load_study_fit(tmp_path)
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    with pytest.raises(LibraryError, match="holds no posterior: it is no fit of reports"):
        load_study_fit(tmp_path)


def test_the_prior_of_contraction_is_the_declared_one():
    """Variances add: sd^2 + spread^2, with E[spread^2] = scale^2; ln |z| has the standard deviation pi / sqrt(8)."""
    study = rich_study()
    posterior = study.problem.posterior()
    q = posterior.draw(20_000, np.random.default_rng(3))[None]
    table = StudyFit.of_draws(study.problem, q, "prior", predictive=4).contraction()
    exact = {
        "CL": 0.3, "V[s/p0]": 0.2, "phi_location[A]": 1.0, "phi[s/p4]": np.hypot(1.0, 1.0), "w": 0.7,
        "phi_spread": np.pi / 8**0.5, "k[s/p2]": np.hypot(0.5, 0.3), "k_location": 0.5,
        "shift[s/p5]": np.hypot(1.5, 0.4), "CRP_error": 0.4,
    }  # fmt: skip
    assert table.loc[list(exact), "prior_sd"].tolist() == pytest.approx(list(exact.values()), rel=1e-12)
    assert table["posterior_sd"].to_numpy() == pytest.approx(table["prior_sd"].to_numpy(), rel=0.05)
    assert float(np.abs(table["shift"].to_numpy()).max()) < 0.04


def test_known_values_of_new_patients_are_those_of_their_cohort():
    fixed = {"shift": {"toy/p1": 5.0, "A": 8.0, "*": 12.0}}
    found = fit(small_study(fixed=fixed))
    assert set(found.population(50, cohort="A").parameters["shift"]) == {8.0}
    assert set(found.population(50, cohort="B").parameters["shift"]) == {12.0}
    assert set(found.population(50, cohort="A", like="toy/p1").parameters["shift"]) == {5.0}
    assert set(found.population(50, patient="toy/p1").parameters["shift"]) == {5.0}
    alone = fit(small_study(fixed={"shift": {"toy/p1": 5.0, "toy/p2": 6.0}}))
    assert set(alone.population(50, cohort="A").parameters["shift"]) == {5.0, 6.0}


def test_a_population_says_only_who_varies():
    found = fit(small_study(free=[Free("V", (10.0, 0.2))]))
    assert "vary between subjects: CL" in str(found.population(20, cohort="A"))
    assert "vary between" not in str(found.population(20, patient="toy/p1"))
    assert "vary between" not in str(found.population(20, cohort="A", variability=False))


def test_a_fit_says_by_which_versions_it_was_made():
    made = json.loads(fit(small_study()).attrs["versions"])
    assert sorted(made) == ["arviz", "numba", "numpy", "nutpie", "pkpd", "scipy"]


def test_facts_are_counted_as_new_data_show_them_together():
    """By hand: four replicates of three grades and a bound of one patient, and of a bound of another."""
    found = FactPredictions(
        use="fit", fact=["late", "grade", "first", "number", "again", "other"],
        patient=["a", "a", "a", "a", "a", "b"], marker=["CRP", "ICANS", "ICANS", "CRP", "ICANS", "CRP"],
        kind=["below", "grade", "grade", "density", "grade", "above"], text=[""] * 6,
        observed=np.array([1.0, 2.0, 0.0, 7.0, 3.0, 1.0]),
        replicate=np.array(
            [
                [1.0, 2.0, 0.0, 6.0, 3.0, 1.0],  # all
                [1.0, 2.0, 1.0, 7.0, 3.0, 1.0],  # the first is missed
                [0.4, 2.0, 0.0, 7.0, 1.0, 0.0],  # the first two only
                [1.0, 1.0, 0.0, 7.0, 1.0, 1.0],  # the first and the last
            ]
        ),
        probability=np.full(6, np.nan), pit=np.full(6, np.nan),
    )  # fmt: skip
    table = reproduced(found, {"first": 1.0, "grade": 2.0, "again": 3.0, "late": 4.0, "number": 5.0, "other": 1.0})
    a, b = table.loc["a"], table.loc["b"]
    assert (a["facts"], a["reproduced"], a["in_order"], a["all"]) == (4, (4 + 3 + 2 + 2) / 4, (4 + 0 + 2 + 1) / 4, 0.25)
    assert (a["share"], a["weakest"], a["weakest_share"]) == (11 / 16, "ICANS", 8 / 12)
    assert (b["facts"], b["share"], b["weakest"]) == (1, 0.75, "CRP")
    assert table["exception"].tolist() == [False, False]
    unlike = replace(found, observed=np.array([1.0, 2.0, 0.0, 7.0, 2.0, 1.0]))  # grades 1 and 3 where 2 was reported
    seen = reproduced(unlike, dict.fromkeys(found.fact, 0.0)).loc["a"]
    assert (seen["weakest_share"], bool(seen["exception"])) == (6 / 12, True)


def test_a_patient_whom_the_model_does_not_tell_is_an_exception():
    """Grades of strati p2: 3 on day 41, 1 or 2 on day 46, 1 on day 80; new data show little more than half of them."""
    table = load_study_fit("anakinra_reports").reproduced()
    assert table.index[table["exception"].to_numpy(bool)].tolist() == ["strati2020/p2"]
    odd = table.loc["strati2020/p2"]
    assert (odd["facts"], odd["weakest"]) == (8, "ICANS")
    assert float(odd["weakest_share"]) < 0.6 < float(odd["share"])
