"""A data set and case reports in one likelihood: patients of reports are subjects of the same population."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pytest
from calibration_toy import evidence, fact
from scipy.optimize import minimize

import pkpd
from pkpd import Covariate, EventTable, LogNormal, Model, Output, Parameter, Population, Regimen, State
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.method import Method
from pkpd.estimation.problem import Problem, pose
from pkpd.estimation.result import Fit
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.kinds import FactKind
from pkpd.evidence.kinds import kind as kinds
from pkpd.model.residual import Combined, Ordinal
from pkpd.observation.api import Likelihood
from pkpd.observation.reported import fact_terms
from pkpd.observation.subject import Subject

WEIGHTS = np.linspace(50.0, 90.0, 6)


@functools.cache
def bolus(unit: str = "h", error: Any = None) -> Model:
    """Return a bolus into one compartment, with a grade that falls with the concentration."""
    day = 24.0 if unit == "d" else 1.0
    return Model(
        "bolus",
        states=[State("central", "mg")],
        covariates=[Covariate("WT", "kg", 70.0)],
        parameters=[
            Parameter("CL", day, f"L/{unit}", sd=0.3), Parameter("V", 10.0, "L", sd=0.2),
            Parameter("shift", 0.3, "", fixed=True),
        ],
        outputs=[
            Output("Cc", "mg/L", error=LogNormal(0.2) if error is None else error),
            Output("tox", "", error=Ordinal((0.0, 1.0))),
        ],
        dynamics=lambda t, x, p, cov: {"central": -p.CL * (cov.WT / 70) ** 0.75 / p.V * x.central},
        calculate=lambda t, x, p: {
            "Cc": (x.central + 1e-6) / p.V,
            "tox": pkpd.math.log((x.central + 1e-6) / 50.0) + p.shift,
        },
        check_units=False,
        time_unit=unit,
    )  # fmt: skip


@functools.cache
def trial() -> EventTable:
    """Return the data of six people, concentrations alone."""
    model = bolus()
    table = EventTable.from_regimen(
        [Regimen(amt=100, cmt="central")] * 6, [1.0, 4.0, 12.0, 24.0], covariates={"WT": WEIGHTS}
    )
    people = Population.draw(model, 6, covariates={"WT": WEIGHTS}, seed=3)
    frame = table.frame.drop(columns="MDV")
    frame["DV"] = pkpd.simulate(model, table, people, residual=True, progress=False)["Cc_observed"].values
    frame["DVID"] = 1
    return pkpd.read_events(frame)


def with_facts(*facts: Any) -> Evidence:
    """Return evidence of one patient with some facts, all others as in the toy."""
    return replace(evidence(people=("p1",)), facts=facts)


def ofv(problem: Problem, method: str = "laplace", x: np.ndarray | None = None) -> Any:
    return problem.objective(method)(problem.layout.start if x is None else x)


# -- the likelihood


def test_the_objective_is_laplaces_of_the_likelihood_of_facts():
    """Modes by a simplex and curvatures by differences, of the likelihood that studies have."""
    report = evidence()
    problem = pose(bolus(), report)
    x = problem.layout.start + 0.05
    model = problem.layout.rebuilt(x)
    names = [f"toy/{p}" for p in report.patients]
    reported, _ = fact_terms(report, model, (), {}, names)
    people = [
        Subject(f"toy/{p}", report.regimen(p), {"WT": 80.0}, tuple(r.term for r in reported if r.patient == f"toy/{p}"))
        for p in report.patients
    ]
    like = Likelihood(model, people, ["eta_CL", "eta_V"], rtol=1e-10, atol=1e-13)
    inverse = np.linalg.inv(model.omega)
    for i, found in enumerate(ofv(problem, x=x).ofv_i):

        def energy(eta: np.ndarray, i: int = i) -> float:
            values = np.zeros((3, 2))
            values[i] = eta
            return float(0.5 * eta @ inverse @ eta - like.evaluate(values, gradient=False).loglik[i])

        mode = minimize(energy, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).x
        step = np.eye(2) * 1e-3
        H = [
            [
                (
                    energy(mode + a + b) - energy(mode + a - b) - energy(mode - a + b) + energy(mode - a - b)
                ) / 4e-6
                for b in step
            ]
            for a in step
        ]  # fmt: skip
        by_hand = 2.0 * energy(mode) + math.log(np.linalg.det(H)) + math.log(np.linalg.det(model.omega))
        assert found == pytest.approx(by_hand, abs=2e-5)


@pytest.mark.parametrize("method", ["laplace", "focei"])
def test_the_gradient_is_exact(method: str):
    problem = pose(bolus(error=Combined(0.1, 0.2)), [trial(), evidence()])
    objective, x = problem.objective(method), problem.layout.start + 0.03
    found, h = objective(x).gradient, 1e-4
    for k in range(x.size):
        up, down = x.copy(), x.copy()
        up[k] += h
        down[k] -= h
        assert found[k] == pytest.approx((objective(up).ofv - objective(down).ofv) / (2 * h), rel=1e-5, abs=1e-5)


def test_subjects_add_up():
    """People are independent: the objective of both is that of the table and that of the reports."""
    model = bolus()
    both, table, report = pose(model, [trial(), evidence()]), pose(model, trial()), pose(model, evidence())
    assert ofv(both).ofv == pytest.approx(ofv(table).ofv + ofv(report).ofv, rel=1e-9)
    assert both.data.n_observations == table.data.n_observations + report.data.n_observations


@pytest.mark.parametrize("method", ["laplace", "focei"])
def test_values_and_bounds_of_a_report_are_data(method: Literal["laplace", "focei"]):
    """A value read without error is a datum; a bound at one time is a datum that is censored there."""
    report = with_facts(
        fact("a", "p1", "value", 0.1, 7.0), fact("b", "p1", "value", 0.5, 4.0), fact("c", "p1", "below", 1.0, 2.5)
    )
    rows = [(0.0, 1, 100.0, 0.0, 0, 0), (2.4, 0, 0.0, 7.0, 0, 1), (12.0, 0, 0.0, 4.0, 0, 1), (24.0, 0, 0.0, 2.5, 1, 1)]
    frame = pd.DataFrame(rows, columns=["TIME", "EVID", "AMT", "DV", "CENS", "DVID"]).assign(ID=7, WT=80.0, CMT=1)
    as_table, as_report = ofv(pose(bolus(), pkpd.read_events(frame)), "laplace"), ofv(pose(bolus(), report), "laplace")
    two = 2 * math.log(2 * math.pi)  # the constants of two measured values, which an objective of data leaves out
    assert as_report.ofv == pytest.approx(as_table.ofv + two, rel=1e-9)
    np.testing.assert_allclose(as_report.gradient[:4], as_table.gradient[:4], rtol=1e-5, atol=2e-6)
    found = [pkpd.fit(bolus(), data, method, fixed=["omega_CL", "omega_V", "V"]) for data in
             ([trial(), report], pkpd.read_events(pd.concat([trial().frame.assign(CENS=0), frame]).drop(columns="MDV")))
             ]  # fmt: skip
    if method == "laplace":  # a measured datum has its expected curvature in FOCEI, a fact its own
        assert found[0].loglik == pytest.approx(found[1].loglik, abs=1e-5)
        assert found[0].estimates["CL"] == pytest.approx(found[1].estimates["CL"], rel=1e-4)
    assert found[0].estimates["CL"] == pytest.approx(found[1].estimates["CL"], rel=0.02)


def test_integrals_by_importance_agree_with_a_grid():
    """-2 log of the integral of the likelihood of facts over one random effect, on a grid of 4001 points."""
    model = bolus().replace(omega=np.diag([0.09, 1e-8]))
    report = evidence(people=("p1",))
    found = pkpd.fit(model, report, pkpd.methods.Importance(points=2000, seed=1), fixed=["omega_V"])
    reported, _ = fact_terms(report, model, (), {}, ["toy/p1"])
    ann = Subject("p1", report.regimen("p1"), {"WT": 80.0}, tuple(r.term for r in reported))
    eta = np.linspace(-2.4, 2.4, 4001)
    like = Likelihood(model, [replace(ann, name=str(k)) for k in range(eta.size)], ["eta_CL"], rtol=1e-9, atol=1e-12)
    logs = like.evaluate(eta[:, None], gradient=False).loglik - 0.5 * eta**2 / 0.09 - 0.5 * math.log(2 * math.pi * 0.09)
    by_grid = -2 * (logs.max() + math.log(np.trapezoid(np.exp(logs - logs.max()), eta)))
    assert found.ofv == pytest.approx(by_grid, abs=0.05)


# -- clocks, order, what a report and a table have in common


def test_neither_the_order_nor_the_clock_matters():
    hours, days = pose(bolus(), [evidence(), trial()]), pose(bolus("d"), [trial(), evidence()])
    assert ofv(hours).ofv == pytest.approx(ofv(days).ofv, rel=1e-8)
    assert ofv(hours).ofv == pytest.approx(ofv(pose(bolus(), [trial(), evidence()])).ofv, rel=1e-12)


def test_amounts_are_converted():
    table = trial()
    grams = replace(table, frame=table.frame.assign(AMT=table.frame["AMT"] / 1000), unit="g")
    assert ofv(pose(bolus(), [grams, evidence()])).ofv == pytest.approx(ofv(pose(bolus(), [table, evidence()])).ofv)


def test_a_covariate_that_the_table_lacks_is_its_reference_there_and_the_patients_own():
    without = pkpd.read_events(trial().frame.drop(columns=["MDV", "WT"]))
    problem = pose(bolus(), [without, evidence()])
    assert problem.data.constant["WT"].tolist() == [70.0] * 6 + [80.0] * 3
    assert any("WT is not in 'events': its reference 70 is taken for everyone there" in m for m in problem.messages)


def test_drugs_without_compartments_are_left_out_and_named():
    report = evidence(people=("p1",))
    other = replace(report.doses[0], drug="tocilizumab")
    problem = pose(bolus(), replace(report, doses=(*report.doses, other)))
    assert [m for m in problem.messages if "tocilizumab" in m and "left out" in m]
    assert ofv(problem).ofv == pytest.approx(ofv(pose(bolus(), report)).ofv)


# -- every method, and what follows


@functools.cache
def joint() -> Fit:
    return pkpd.fit(bolus(), [trial(), evidence()], pkpd.Laplace(), fixed=["gap_2_tox"])


def test_reports_move_the_estimates():
    alone = pkpd.fit(bolus(), trial(), pkpd.Laplace())
    assert joint().converged
    assert joint().data.n_subjects == alone.data.n_subjects + 3
    assert abs(joint().estimates["CL"] - alone.estimates["CL"]) > 1e-3
    assert joint().se["CL"] < alone.se["CL"] * 1.5


@pytest.mark.parametrize(
    "method",
    [
        pkpd.Saem(burn_in=80, smoothing=120, chains=3, points=300), pkpd.Focei(), pkpd.methods.Foce(),
        pkpd.methods.Map(priors={"CL": (1.0, 2.0)}),
    ],
    ids=lambda m: m.name,
)  # fmt: skip
def test_methods_agree(method: Method):
    found = pkpd.fit(bolus(), [trial(), evidence()], method, fixed=["gap_2_tox"])
    for name in ("CL", "V", "sigma_Cc"):
        assert found.estimates[name] == pytest.approx(joint().estimates[name], rel=0.1)


def test_full_bayes_draws_patients_of_reports_too():
    method = pkpd.Nuts(priors={"CL": (1.0, 0.5), "V": (10.0, 0.5)}, chains=2, tune=80, draws=60)
    found = pkpd.fit(bolus(), [trial(), evidence()], method, fixed=["gap_2_tox"], progress=False)
    assert list(found.idata.posterior["subject"].values[-3:]) == ["toy/p1", "toy/p2", "toy/p3"]
    assert found.estimates["CL"] == pytest.approx(joint().estimates["CL"], rel=0.1)
    drawn = found.idata.posterior_predictive["DV"].values
    assert np.isfinite(drawn[..., found.data.measured]).all()
    assert np.isnan(drawn[..., ~found.data.measured]).all()


@pytest.mark.parametrize("method", ["fo", "nlme"])
def test_methods_for_normal_data_refuse(method: Literal["fo", "nlme"]):
    with pytest.raises(DataError, match="reported facts"):
        pkpd.fit(bolus(), [trial(), evidence()], method)


def test_checks_are_of_the_data_set():
    assert len(pkpd.checks.listing(joint())) == 24
    assert pkpd.checks.npde(joint(), n=100).sizes["row"] == 24
    assert pkpd.checks.curves(joint(), 10).sizes["subject"] == 9
    assert joint().shrinkage["eps_Cc"] < 1


def test_subjects_are_resampled_with_their_facts():
    found = pkpd.uncertainty.bootstrap(joint(), n=2, progress=False, seed=1)
    assert np.isfinite(found.table()["mean"]).all()
    data = joint().data
    again = data.of_subjects(np.array([8, 0, 8]))
    chosen = Problem(joint().problem.model, again, joint().layout, joint().settings)
    each = joint().objective()(joint().x).ofv_i
    np.testing.assert_allclose(chosen.objective("laplace")(joint().x).ofv_i, each[[8, 0, 8]], rtol=1e-8)


def test_a_fit_is_saved_with_its_reports(tmp_path: Path):
    path = tmp_path / "fit.json"
    joint().save(path)
    again = pkpd.load_fit(path, bolus(), [trial(), evidence()])
    assert again.ofv == joint().ofv
    assert again.facts().equals(joint().facts())
    first, *others = evidence().facts
    changed = replace(evidence(), facts=(replace(first, value=5.6), *others))
    with pytest.raises(PkpdError, match="other observations"):
        pkpd.load_fit(path, bolus(), [trial(), changed])


def test_a_joint_fit_is_a_source():
    assert pkpd.simulate(joint(), "100 mg into central", joint().population(20), [1.0, 5.0]).sizes["subject"] == 20


def test_what_is_predicted_of_facts():
    """Of a value: the probability of less than it, integrated over what the data leave of the random effects."""
    model = bolus().replace(omega=np.diag([0.09, 1e-8]))
    found = pkpd.fit(
        model, [trial(), evidence()], pkpd.Laplace(), fixed=["omega_V", "omega_CL", "CL", "V", "gap_2_tox"]
    )
    table = found.facts().set_index("fact")
    assert list(table.index) == [f"toy/{f.fact}" for f in evidence().facts if f.use == "fit"]
    assert table.loc["toy/p1_value", "observed"] == 5.5
    assert table.loc["toy/p1_value", "text"] == "Cc = 5.5 mg/L, day 0.25"
    reported, _ = fact_terms(evidence(), model, (), {}, ["toy/p1"])
    terms = tuple(r.term for r in reported)
    eta = np.linspace(-1.5, 1.5, 801)
    ann = Subject("p1", evidence().regimen("p1"), {"WT": 80.0}, terms)
    like = Likelihood(found.model, [replace(ann, name=str(k)) for k in range(eta.size)], ["eta_CL"], rtol=1e-9)
    logs = like.evaluate(eta[:, None], gradient=False).loglik - 0.5 * eta**2 / 0.09
    weights = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    how = like.cdf(eta[:, None])
    own = [t.name for t in terms].index("toy/p1_value")
    pit = weights @ how.pit.reshape(eta.size, len(terms))[:, own]
    assert table.loc["toy/p1_value", "pit"] == pytest.approx(pit, abs=0.03)
    with pytest.raises(DataError, match="no reports are among the data"):
        pkpd.fit(bolus(), trial(), pkpd.Laplace()).facts()


def test_the_real_reports_are_bound():
    model = pkpd.models["anakinra_inflammation"]
    problem = pose(model, [pkpd.seeds[n] for n in ("naviglio2021", "strati2020", "villegas2020")])
    assert problem.data.n_subjects == 14
    facts = sum(f.use == "fit" for n in ("naviglio2021", "strati2020", "villegas2020") for f in pkpd.seeds[n].facts)
    assert problem.data.n_observations == facts


# -- what is refused


def three_together(cells: Any, said: Any) -> Any:
    return -((cells[0].f + cells[1].f + cells[2].f - said.value) ** 2)


@pytest.fixture
def sum_of_three():
    """A kind of fact about three measurements at once."""

    class Sum(FactKind):
        name = "sum_of_three"
        shape = "window"
        needs = ("time", "time_to", "value")

        def log_probability(self, cells: Any, said: Any) -> Any:
            return three_together(cells, said)

        def statistic(self, y: Any, term: Any, noise: Any) -> Any:
            return y[:, :3].sum(axis=1)

    yield
    kinds._KINDS.pop("sum_of_three")


def test_facts_about_many_measurements_are_refused_where_their_curvature_is_needed(sum_of_three: None):
    report = with_facts(fact("a", "p1", "sum_of_three", 0.0, 7.0, time_to=2.0))
    for method in ("focei", "laplace", "saem"):
        with pytest.raises(DataError, match="speaks of 3 measurements together, and a method that asks for its curva"):
            pkpd.fit(bolus(), report, method=cast(Any, method))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "empty list"),
        ([evidence(), 3.0], "got float"),
        ("trial.csv", r"read_events\('trial.csv'\)"),
        ([evidence(), evidence()], "evidence 'toy' is given twice"),
        (pkpd.studies["anakinra_reports"], "got Study; of a study give its evidence"),
        (with_facts(fact("a", "p1", "value", 0.1, 1.0, marker="IL6")), "no output.*without"),
        (with_facts(fact("a", "p1", "value", -3.0, 1.0)), "before the start of the simulation"),
        (with_facts(fact("a", "p1", "value", 0.1, 1.0, use="no")), "has no fact to fit"),
    ],
)
def test_what_is_no_data(data: Any, text: str):
    with pytest.raises(DataError, match=text):
        pkpd.fit(bolus(), data)


def test_an_impossible_fact_is_named():
    """A level before the first dose, where the prediction is 0, has no density with a proportional error."""
    model = Model(
        "plain",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", sd=0.3)],
        outputs=[Output("Cc", "mg/L", error=pkpd.Proportional(0.2))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / 10.0},
        check_units=False,
    )
    report = with_facts(fact("early", "p1", "value", 0.0, 1.0), fact("late", "p1", "value", 0.5, 3.0))
    with pytest.raises(DataError, match=r"1 statement of reports .* 'toy/early' \(Cc is predicted as 0\)"):
        pkpd.fit(model, report)


def test_what_is_special_about_reports_is_said():
    report = evidence()
    aged = replace(report.quantities[0], patient="p2", quantity="age", value=40.0, unit="year")
    lighter = replace(report, quantities=(*(q for q in report.quantities if q.patient != "p2"), aged))
    undosed = replace(lighter, doses=tuple(d for d in report.doses if d.patient != "p3"))
    messages = pose(bolus(), [trial(), undosed], bloq="m4").messages
    assert any("bloq='m4' is for rows of a data set" in m for m in messages)
    assert any("WT is not reported of toy/p2: its reference 70" in m for m in messages)
    assert any("no dose is reported of toy/p3" in m for m in messages)


def test_the_joined_table_is_no_data_by_itself():
    with pytest.raises(DataError, match="but not what is said of them; give the list"):
        pkpd.fit(joint(), joint().events)
    again = pkpd.fit(joint(), joint().data, pkpd.Laplace(), fixed=["gap_2_tox"])
    assert again.ofv == pytest.approx(joint().ofv, abs=1e-4)


def test_reports_alone_have_no_residuals():
    alone = pkpd.fit(bolus(), evidence(), pkpd.Laplace(), fixed=["omega_CL", "omega_V", "gap_2_tox"])
    for check in (pkpd.checks.npde, pkpd.checks.vpc, pkpd.checks.diagnostics, pkpd.plot.individuals):
        with pytest.raises(DataError, match=r"reports alone.*fit.facts\(\)"):
            check(alone)


def test_two_tables_are_refused():
    with pytest.raises(DataError, match="hold 2 tables"):
        pkpd.fit(bolus(), [trial(), trial()])


def test_evidence_without_patients_and_facts():
    report = evidence()
    less = report.without("p1", "*_peak")
    assert less.patients == ("p2", "p3")
    assert {f.fact for f in less.facts} == {f.fact for f in report.facts if f.patient != "p1" and "peak" not in f.fact}
    assert {d.patient for d in less.doses} == {"p2", "p3"}
    with pytest.raises(DataError, match="no patient or fact 'p9'"):
        report.without("p9")
    with pytest.raises(DataError, match="no patient is left"):
        report.without("p?")
