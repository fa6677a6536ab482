"""A new patient and a recommendation: posteriors with a known answer, weights, honesty, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import pkpd
from pkpd.comparison.compare import compare
from pkpd.comparison.recommend import recommend
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.individual.api import individual
from pkpd.evidence.term import Term
from pkpd.library import load_model
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Additive, LogNormal
from pkpd.people.distributions import lognormal
from pkpd.people.population import Population
from pkpd.simulation.source import History, Source, Subjects

SD, SIGMA, K = 0.4, 0.3, 0.05


@pytest.fixture(scope="module")
def model():
    """One compartment whose logarithm of concentration is linear in the only random effect: all is normal."""
    return Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("k", K, "1/h"), Parameter("V", 10.0, "L", sd=SD)],
        covariates=[Covariate("WT", "kg", 70)],
        outputs=[Output("Cc", "mg/L", error=LogNormal(SIGMA))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


DOSE = Regimen(amt=100, cmt="central", time=0.0)


def observed(eta, times):
    return [("Cc", t, 10.0 * math.exp(-K * t - eta)) for t in times]


def posterior(etas_seen):
    """Return mean and standard deviation of the random effect, given what each observation says it is."""
    precision = 1 / SD**2 + len(etas_seen) / SIGMA**2
    return sum(etas_seen) / SIGMA**2 / precision, precision**-0.5


@pytest.mark.parametrize("eta", [0.0, 0.5, -1.0])
def test_posterior_is_the_conjugate_one(model, eta):
    found = individual(model, observed(eta, [1.0, 12.0, 30.0]), regimen=DOSE, draws=8000, seed=4)
    mean, sd = posterior([eta] * 3)
    etas = found.draws.etas[:, 0]
    estimate = found.weights @ etas
    spread = math.sqrt(found.weights @ (etas - estimate) ** 2)
    assert estimate == pytest.approx(mean, abs=4 * sd / math.sqrt(found.ess))
    assert spread == pytest.approx(sd, rel=0.08)
    assert found.table().loc["eta_V", "contraction"] == pytest.approx(1 - (sd / SD) ** 2, abs=0.03)
    assert found.learned() == ["eta_V"]


def test_far_patient_is_found_and_more_are_drawn_until_enough_count(model):
    eta = 1.6  # four standard deviations out: hardly any draw of the prior is there
    levels = observed(eta, np.linspace(1, 40, 12))
    found = individual(model, levels, regimen=DOSE, draws=1000, minimum_ess=3000, seed=1)
    mean, sd = posterior([eta] * 12)
    etas = found.draws.etas[:, 0]
    assert found.draws.n > 3000
    assert found.ess >= 3000
    assert found.ebe["V"] == pytest.approx(mean, abs=1e-5)
    assert found.se["V"] == pytest.approx(sd, rel=1e-4)
    assert found.weights @ etas == pytest.approx(mean, abs=5 * sd / math.sqrt(found.ess))
    # The draws are no longer those of the prior; their weights without the observations make them so again.
    assert found.before @ etas == pytest.approx(0.0, abs=0.05)
    assert math.sqrt(found.before @ etas**2) == pytest.approx(SD, rel=0.1)


def test_uncertain_parameters_of_a_calibration_are_weighted(model):
    class Calibration(Source):
        kind = "StudyFit"

        def __init__(self):
            self.model = model

        def subjects(self, verb, n, seed, patient=None, cohort=None):
            assert (patient, cohort) == (None, "adults")
            people = Population.draw(
                model, n, parameters={"V": lognormal(10.0, math.sqrt(math.expm1(SD**2)))}, seed=seed
            )
            own = Population.from_table(model, {"ID": people.labels, "V": people.parameters["V"]}, seed=seed)
            return Subjects(model, own, f"{n} new patients of cohort adults (two cohorts)", History())

    found = individual(
        Calibration(), observed(0.5, [1.0, 12.0, 30.0]), regimen=DOSE, cohort="adults", draws=4000, most=8000
    )
    mean, sd = posterior([0.5] * 3)
    logs = np.log(found.draws.parameters["V"] / 10.0)
    assert found.weights @ logs == pytest.approx(mean, abs=4 * sd / math.sqrt(found.ess))
    assert "new patients of cohort adults (two cohorts)" in repr(found)
    more = individual(Calibration(), observed(0.5, [1.0]), regimen=DOSE, cohort="adults", draws=500, minimum_ess=900)
    assert more.draws.n > 500
    assert len(np.unique(more.draws.parameters["V"])) == more.draws.n


def test_bounds_and_terms(model):
    low = individual(model, [("Cc", 1.0, "<9")], regimen=DOSE, draws=6000)
    high = individual(model, [Term("high", "above", "Cc", 1.0, 9.0)], regimen=DOSE, draws=6000)
    total = low.weights @ low.draws.etas[:, 0], high.weights @ high.draws.etas[:, 0]
    assert total[0] > 0.05 > -0.05 > total[1]
    from scipy.special import ndtr

    eta = np.linspace(-3, 3, 6001)
    below = ndtr((np.log(9) - (np.log(10) - K - eta)) / SIGMA)
    for found, mean in zip((low, high), total, strict=True):
        density = np.exp(-0.5 * (eta / SD) ** 2) * (below if found is low else 1 - below)
        density /= density.sum()
        assert mean == pytest.approx(density @ eta, abs=0.015)
        assert found.ebe["V"] == pytest.approx(eta[np.argmax(density)], abs=1e-3)
    assert low.now == 1.0


def test_resampling_keeps_the_posterior_and_gives_every_copy_a_place(model):
    found = individual(model, observed(0.5, [1.0, 12.0]), regimen=DOSE, draws=5000)
    people = found.population(2000, seed=1)
    assert people.etas.mean() == pytest.approx(found.weights @ found.draws.etas[:, 0], abs=0.02)
    assert len(set(people.labels.tolist())) == 2000
    assert len(set(people.index.tolist())) == 2000
    before = found.population(2000, observed=False)
    assert before.etas.std() == pytest.approx(SD, rel=0.05)


def test_same_seed_same_patient(model):
    one, two = (individual(model, observed(0.5, [1.0]), regimen=DOSE, draws=500, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)


def test_covariates_are_the_patients(model):
    found = individual(model, [], regimen=DOSE, covariates={"WT": 55.0}, draws=300)
    assert found.covariates == {"WT": 55.0}
    assert found.ess == pytest.approx(300)


def test_an_individual_can_be_compared_and_simulated(model):
    found = individual(model, observed(0.5, [1.0]), regimen=DOSE, draws=600, name="Ann")
    result = compare(found, {"a": "100 mg into central q24h x2"}, n=50, measures=["Cmax"])
    assert result.about == "50 draws of Ann: what is not known about one patient"
    assert found.simulate([0.0, 5.0], n=20).sizes == {"subject": 20, "time": 2}


def test_recommendation_is_the_normal_probability(model):
    """P(trough > limit) of a dose is Phi((mean log trough - log limit) / sd), from the conjugate posterior."""
    from scipy.stats import norm

    seen = [0.4] * 4
    patient = individual(model, observed(0.4, [1.0, 5.0, 9.0, 20.0]), regimen=DOSE, draws=20_000, seed=2)
    arms = {f"{amt} mg": Regimen(amt=amt, cmt="central", ii=24, addl=9) for amt in (50, 100, 150, 200)}
    found = recommend(patient, arms, "Cc > 4 at trough", now=500.0, n=4000, wanted=0.8, seed=3)
    mean, sd = posterior(seen)
    gain = math.exp(-K * 24) / (1 - math.exp(-K * 24)) * (1 - math.exp(-K * 240))
    for name in arms:
        row = found.table.loc[name].to_dict()
        level = math.log(float(name.split()[0]) / 10.0 * gain / 4.0)
        assert row["probability"] == pytest.approx(norm.cdf((level - mean) / sd), abs=0.03)
        assert row["before"] == pytest.approx(norm.cdf(level / SD), abs=0.03)
    assert found.table.index.tolist() == ["200 mg", "150 mg", "100 mg", "50 mg"]
    assert found.table["mg_per_day"].tolist() == [200.0, 150.0, 100.0, 50.0]


def test_lightest_schedule_that_reaches_the_target_is_named(model):
    patient = individual(model, [], draws=500)
    arms = {f"{amt} mg": Regimen(amt=amt, cmt="central", ii=24, addl=4) for amt in (10, 300, 600)}
    found = recommend(patient, arms, "Cc > 1 at trough", n=300)
    assert "'300 mg' is the lightest schedule" in found.statement
    assert "There are no observations of the patient" in found.statement
    assert "cannot tell '300 mg' apart from '600 mg'" in found.statement
    none = recommend(patient, arms, {"Cc": (">", 1e6, "at trough")}, n=300)
    assert "No schedule meets the target" in none.statement
    assert "not medical advice" in repr(none)


def test_statement_says_when_the_prior_answers(model):
    patient = individual(model, observed(0.0, [1.0]), regimen=DOSE, draws=3000)
    arms = {"a": Regimen(amt=100, cmt="central", ii=24, addl=4)}
    assert "mostly reflects" in recommend(patient, arms, "Cc > 0.01 at trough", n=200).statement
    moved = individual(model, observed(0.8, [1.0, 2.0, 3.0]), regimen=DOSE, draws=3000)
    now = recommend(moved, arms, "Cc > 4 at trough", n=500).statement
    assert "The observations moved a probability by" in now
    assert "before the last level" not in now
    early = recommend(moved, arms, "Cc > 4 at trough", now=1.5, n=500).statement
    assert early.startswith("The schedules begin at 1.5 h, before the last level, at 3 h, which is known nevertheless.")


def test_past_doses_count_and_planned_ones_are_dropped(model):
    given = Regimen(amt=100, cmt="central", ii=24, addl=9)
    patient = individual(model, observed(0.0, [1.0]), regimen=given, draws=400)
    arms = {"small": Regimen(amt=1, cmt="central")}
    kept = recommend(patient, arms, "Cc > 0.5 by day 0", now=25.0, n=50, measures=["Cmax"])
    stopped = recommend(patient, arms, "Cc > 0.5 by day 6", now=25.0, n=50)
    assert kept.table.loc["small", "probability"] > 0.9
    assert stopped.table.loc["small", "probability"] < 0.1
    other = recommend(patient, arms, "Cc > 0.5 by day 6", now=25.0, n=50, also=given.shift(30.0))
    assert other.table.loc["small", "probability"] > 0.9
    assert "Cmax" in kept.comparison.measures


def test_a_patient_whom_the_model_does_not_know_is_found_and_told(model):
    levels = [("Cc", 1.0, 9.5), ("Cc", 2.0, 9e5)]
    found = individual(model, levels, regimen=DOSE)
    text = repr(found)
    assert "the levels contradict the model of this patient" in text
    assert "eta_V is 11.2 SD below the population" in text
    assert "Cc at 2 h: observed 900000, expected 8.88" in text


def test_too_few_draws_are_refused_with_the_culprit(model):
    with pytest.raises(DataError, match=r"(?s)individual 'Bob': .*effective of 2000 draws.*are needed; hardest to "
                       r"believe: 'Cc at 2 h'.*Check values, units and times.*fit a study"):  # fmt: skip
        individual(model, [("Cc", 1.0, 9.5), ("Cc", 2.0, 9e5)], regimen=DOSE, most=2000, minimum_ess=1990, name="Bob")


def test_all_wrong_observations_are_named(model):
    wrong: Any = [("Cc", 1.0), ("Cc", 1.0, 9.0), ("Cc", 1.0, "low")]
    with pytest.raises(DataError, match=r"2 of 3 observations are neither .*number 1: \('Cc', 1\.0\); number 3: "):
        individual(model, wrong, regimen=DOSE)


def test_errors_of_individual_and_recommend(model):
    nothing: Any = None
    with pytest.raises(PkpdError, match=r"draws must be at most most=10, got 20"):
        individual(model, [], regimen=DOSE, draws=20, most=10)
    patient = individual(model, [], draws=300)
    with pytest.raises(PkpdError, match=r"there is no target; give one, such as 'blockade > 0.9 at trough'"):
        recommend(patient, {"a": DOSE}, nothing)
    with pytest.raises(PkpdError, match="wanted must be between 0 and 1, got 90"):
        recommend(patient, {"a": DOSE}, "Cc > 1 at trough", wanted=90)
    with pytest.raises(PkpdError, match="n must be >= 1, got 0"):
        patient.population(0)
    with pytest.raises(DataError, match="Ccc"):
        individual(model, [("Ccc", 1.0, 2.0)], regimen=DOSE)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"covariates": {"CRCL": "70 mL/min"}}, r"covariates of one patient are finite numbers.*CRCL is '70 mL/min'"),
        ({"covariates": {"CRCL": [70.0, 80.0]}}, r"finite numbers in the model's units; CRCL is \[70.0, 80.0\]"),
        (
            {"every": "noon"},
            "individual: every must be one time > 0, in h or with its unit .such as '12 h'., got 'noon'",
        ),
        ({"every": pkpd.hours(6, 12, 6)}, "individual: every must be one time > 0, in h"),
        ({"every": 0.0}, "individual: every must be one time > 0, in h or with its unit .such as '12 h'., got 0.0"),
    ],
)
def test_what_is_no_number_is_refused_in_words(options, text):
    with pytest.raises(PkpdError, match=text):
        individual(pkpd.models["anakinra"], [("Cc", 4.0, 1.0)], regimen="100 mg SC once", **options)


def test_a_new_patient_of_reports_is_of_one_of_their_cohorts():
    record = pkpd.load_fit("anakinra_reports")
    with pytest.raises(PkpdError, match=r"say of which cohort .*, cohort=\.\.\.; there are naviglio, villegas, strati"):
        individual(record, [("Cc", 4.0, 1.4)], regimen="100 mg SC once")


def test_a_spacing_of_measurements_carries_its_unit():
    term = Term("low", "below", "Cc", 1.0, 2.0, time_to=60.0)
    found = [
        individual(pkpd.models["pk1_oral"], [term], regimen="100 mg PO q24h x3", draws=300, seed=1, every=each)
        for each in (6.0, pkpd.days(0.25, 0.25))
    ]
    assert found[0].ebe == found[1].ebe


def test_the_table_of_parameters_is_of_all_draws():
    """A median and central 90 % by quadrature; the error of a thousand draws alone would be six times the tolerance."""
    model = Model(
        "one",
        states=[State("central", "mg")],
        parameters=[Parameter("A", 100.0, "mg/L", sd=0.3)],
        outputs=[Output("Cc", "mg/L", error=Additive(15.0))],
        dynamics=lambda t, x, p: {"central": -x.central},
        calculate=lambda t, x, p: {"Cc": p.A},
        check_units=False,
    )
    eta = np.linspace(-2.0, 2.0, 40_001)
    logp = stats.norm.logpdf(eta, 0.0, 0.3) + 2 * stats.norm.logpdf(150.0, 100 * np.exp(eta), 15.0)
    mass = np.cumsum(np.exp(logp - logp.max()))
    exact = [100 * np.exp(eta[np.searchsorted(mass / mass[-1], q)]) for q in (0.5, 0.05, 0.95)]
    for seed in range(3):
        found = individual(model, [("Cc", t, 150.0) for t in (1.0, 2.0)], regimen="1 mg IV", draws=20_000, seed=seed)
        assert found.parameters.loc["A", ["median", "low", "high"]].tolist() == pytest.approx(exact, abs=0.5)


def test_parameters_of_draws_are_those_of_the_model_at_the_last_covariates():
    found = individual(load_model("anakinra"), [("Cc", 5.0, 0.8)], regimen="100 mg q24h x2", covariates={"CRCL": 40.0})
    draws, etas = found.draws, found.model.etas
    values = np.array([
        found.model.evaluate(
            {n: float(v[k]) for n, v in draws.parameters.items()}, dict(zip(etas, draws.etas[k].tolist(), strict=True)),
            {"WT": 70.0, "CRCL": 40.0},
        )["CL"]
        for k in range(draws.n)
    ])  # fmt: skip
    order = np.argsort(values)
    mass = np.cumsum(found.weights[order])
    exact = [values[order][np.searchsorted(mass, q)] for q in (0.5, 0.05, 0.95)]
    assert found.parameters.loc["CL", ["median", "low", "high"]].tolist() == pytest.approx(exact, rel=2e-3)
