"""What every verb for one patient tells: levels that contradict the model, parameters of now, what a table brings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import Combined, Covariate, Model, Output, Parameter, Regimen, State
from pkpd.errors import DataError, PkpdError
from pkpd.evidence.term import Term
from pkpd.people.population import Population
from pkpd.simulation.contradiction import Level, contradictions
from pkpd.simulation.source import History, Source, Subjects

DOSE = Regimen(amt=400, cmt="central")


def rows(names, *lines):
    return pd.DataFrame(lines, columns=names.split()).assign(ID=1)


@pytest.fixture(scope="module")
def renal():
    """One compartment whose clearance follows the kidneys."""
    return Model(
        "renal",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 4.0, "L/h", sd=0.3), Parameter("V", 40.0, "L", sd=0.2)],
        covariates=[Covariate("CRCL", "mL/min", 100.0)],
        individual=lambda p, cov: {"CL": p.CL * (cov.CRCL / 100)},
        outputs=[Output("Cc", "mg/L", error=Combined(add=0.2, prop=0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def truth(time):
    return 10 * np.exp(-0.1 * time)


def table(levels, crcl=100.0):
    lines = [[0, 400, crcl, None], *([t, None, crcl, y] for t, y in levels)]
    return pkpd.read_events(rows("TIME AMT CRCL DV", *lines))


GOOD = [(2.0, truth(2) * 1.05), (10.0, truth(10) * 0.93), (20.0, truth(20) * 1.1)]
BAD = [GOOD[0], (10.0, 37.0), GOOD[2]]  # 37 for 3.7


def given(model, levels, form):
    if form == "levels":
        return pkpd.individual(model, [("Cc", t, y) for t, y in levels], regimen=DOSE, seed=1)
    return pkpd.individual(model, table(levels), draws=1000)


@pytest.mark.parametrize("form", ["levels", "table"])
def test_a_level_that_contradicts_the_model_is_told_by_every_verb(renal, form):
    found = given(renal, BAD, form)
    text = repr(found)
    assert "the levels contradict the model of this patient" in text
    assert "Cc at 10 h: observed 37, expected 3." in text
    assert "SD below the population" in text or "all levels together" in text
    assert "Cc at 2 h: observed" not in text  # only the culprit is named
    advice = pkpd.recommend(found, {"a": "200 mg IV q12h x4"}, "Cc > 1 mg/L at trough", n=60)
    assert "Cc at 10 h: observed 37" in advice.statement
    assert "Cc at 10 h: observed 37" in repr(pkpd.compare(found, {"a": "200 mg IV q12h x2"}, n=20))
    good = given(renal, GOOD, form)
    assert good.contradictions == ()
    assert "contradict" not in repr(good)
    assert "contradict" not in pkpd.recommend(good, {"a": "200 mg IV q12h x4"}, "Cc > 1 at trough", n=60).statement


def test_thresholds_of_a_contradiction():
    usual = Level("Cc at 1 h", "5", (5.0, 4.0, 6.0), 0.5, 0.0)
    rare = Level("Cc at 2 h", "9", (5.0, 4.0, 6.0), 0.9997, 1.0)
    far = Level("Cc at 3 h", "9", (5.0, 4.0, 6.0), 0.9, 4.1)
    assert contradictions({"eta_CL": 2.9}, [usual]) == ()
    assert contradictions({"eta_CL": -3.1}, [usual])[1:] == ("eta_CL is 3.1 SD below the population",)
    assert contradictions({}, [usual, rare])[1:] == ("Cc at 2 h: observed 9, expected 5 (90% 4 to 6)",)
    assert "4.1 residual SD from his own curve" in contradictions({}, [usual, far])[1]
    # 3 levels, chi-square 16.3: P = 0.001
    assert contradictions({}, [usual] * 3, 16.0) == ()
    assert "chi-square 17 with 3, P 0.0007" in contradictions({}, [usual] * 3, 17.0)[1]


def test_ordinary_patients_are_left_alone(renal):
    """Of 60 patients that the model itself makes, next to none is said to contradict it."""
    times = [2.0, 10.0, 20.0]
    people = pkpd.Population.draw(renal, 60, seed=5)
    seen = pkpd.simulate(renal, DOSE, people, times, residual=True, seed=5)["Cc_observed"].values
    said = 0
    for row in seen[:25]:
        levels = [(t, float(y)) for t, y in zip(times, row, strict=True)]
        said += bool(pkpd.individual(renal, table(levels), draws=300).contradictions)
    assert said <= 1


def test_parameters_are_those_of_the_last_covariates(renal):
    """Kidneys fail from 120 to 30 mL/min at 48 h: typical clearance 4 (30 / 100) = 1.2 L/h now, 4.8 before."""
    changing = pkpd.read_events(
        rows("TIME AMT CRCL DV", [0, 400, 120, None], [2, None, 120, 8.0], [48, 400, 30, None], [50, None, 30, 9.0],
             [60, None, 30, 8.0])
    )  # fmt: skip
    found = pkpd.individual(renal, changing, draws=500)
    assert found.covariates == {"CRCL": 30.0}
    assert found.parameters.loc["CL", "typical"] == pytest.approx(1.2)
    assert found.parameters.loc["CL", "mode"] == pytest.approx(1.2 * np.exp(found.ebe["CL"]))
    assert "CRCL 30 now, 120 at first; parameters as of now" in repr(found)
    # What comes uses them too: a level falls with CL / V of now.
    late = pkpd.simulate(found, Regimen(doses=[]), n=20, times=[60.0, 70.0], outputs=["Cc"], seed=1)
    people = found.population(20, seed=1)
    k = 1.2 * np.exp(people.etas[:, 0]) / (40 * np.exp(people.etas[:, 1]))
    fed = pkpd.simulate(found, n=20, times=[60.0, 70.0], outputs=["Cc"], seed=1)["Cc"].values
    np.testing.assert_allclose(fed[:, 1] / fed[:, 0], np.exp(-10 * k), rtol=1e-6)
    assert (late["Cc"].values == 0).all()  # an empty regimen is no dose; none given is the patient's own


def test_a_table_brings_doses_covariates_and_levels(renal):
    levels = [("Cc", t, y) for t, y in GOOD]
    by_hand = pkpd.individual(renal, levels, regimen=DOSE, covariates={"CRCL": 60.0}, seed=1)
    no_levels = pkpd.read_events(rows("TIME AMT CRCL", [0, 400, 60.0], [4, 0, 60.0]))
    for one in (
        pkpd.individual(renal, table(GOOD, 60.0), seed=1),
        pkpd.individual(renal, levels, regimen=no_levels, seed=1),
        pkpd.individual(renal, levels, regimen=rows("TIME AMT CRCL", [0, 400, 60.0]), seed=1),
    ):
        assert one.covariates == {"CRCL": 60.0}
        np.testing.assert_allclose(one.table().to_numpy(), by_hand.table().to_numpy(), rtol=1e-9)
    below = pkpd.read_events(rows("TIME AMT CENS DV", [0, 400, 0, None], [30, None, 1, 0.3]))
    assert [(t.kind, t.value) for t in pkpd.individual(renal, below, seed=1).terms] == [("below", 0.3)]


def test_what_cannot_be_understood_is_refused(renal):
    with pytest.raises(DataError, match="covariate CRCL stands in the table and in covariates; drop one"):
        pkpd.individual(renal, table(GOOD), covariates={"CRCL": 50.0})
    with pytest.raises(DataError, match=r"has no covariate 'CRCl'.*did you mean 'CRCL'"):
        pkpd.individual(renal, regimen=DOSE, covariates={"CRCl": 50.0})
    many = pkpd.read_events(pd.DataFrame({"ID": [1, 2], "TIME": [0, 0], "AMT": [1, 1], "CRCL": 99}))
    with pytest.raises(DataError, match=r"has 2 subjects \(1, 2\); one is estimated at a time, give table"):
        pkpd.individual(renal, regimen=many)
    with pytest.raises(PkpdError, match=r"regimen must be a Regimen or its shorthand, .* got int"):
        pkpd.individual(renal, [], regimen=400)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PkpdError, match=r"data must be the rows of one patient .*got Regimen; doses are given as regi"):
        pkpd.individual(renal, DOSE)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match=r"there is no file '400 mg IV once'.* a regimen is given as regimen="):
        pkpd.individual(renal, "400 mg IV once")
    with pytest.raises(PkpdError, match="data is a table, which has the doses, and regimen is given too"):
        pkpd.individual(renal, table(GOOD), regimen=DOSE)
    doses = rows("TIME AMT CRCL", [0, 400, 60], [4, 0, 30])
    with pytest.raises(DataError, match=r"covariates change in the patient's table: CRCL \(30 to 60\); levels follow"):
        pkpd.individual(renal, [("Cc", 5.0, 4.0)], regimen=doses)
    with pytest.raises(PkpdError, match="uncertainty needs the Fit of a trial; a model's values are taken as known"):
        pkpd.individual(renal, table(GOOD), uncertainty=True)


class Draws(Source):
    """People as of a fit of reports: clearances that are known by draws."""

    kind = "StudyFit"

    def __init__(self, model):
        self.model = model

    def subjects(self, verb, n, seed, patient=None, cohort=None):
        clearance = np.random.default_rng(seed).lognormal(np.log(4.0), 0.3, n)
        people = Population.from_table(self.model.without_variability(), {"ID": np.arange(n), "CL": clearance})
        return Subjects(self.model.without_variability(), people, f"{n} new patients", History())


def test_a_table_is_read_for_people_of_reports_too(renal):
    source = Draws(renal)
    found = pkpd.individual(source, table([(10.0, 3.0)]), cohort="a", draws=4000)
    by_hand = pkpd.individual(source, [("Cc", 10.0, 3.0)], regimen=DOSE, cohort="a", draws=4000)
    np.testing.assert_allclose(found.weights, by_hand.weights, rtol=1e-12)
    clearance = np.exp(np.linspace(np.log(4) - 1.5, np.log(4) + 1.5, 4001))
    curve = 10 * np.exp(-clearance / 40 * 10)
    sd = np.sqrt(0.2**2 + (0.1 * curve) ** 2)
    density = np.exp(-0.5 * ((3.0 - curve) / sd) ** 2 - 0.5 * ((np.log(clearance / 4)) / 0.3) ** 2) / sd
    mean = (density * clearance).sum() / density.sum()
    assert found.weights @ found.draws.parameters["CL"] == pytest.approx(mean, rel=0.01)
    row = found.parameters.loc["CL"]
    assert row["median"] == pytest.approx(mean, rel=0.03)
    assert np.isnan(row["mode"])
    assert found.observations["kind"].tolist() == ["density"]
    changing = rows("TIME AMT CRCL DV", [0, 400, 60, None], [4, None, 30, 4.4])
    with pytest.raises(DataError, match=r"CRCL \(30 to 60\); a fit of reports takes constant ones"):
        pkpd.individual(source, changing, cohort="a")
    after = rows("TIME AMT DV", [0, 400, None], [0, None, 9.9])
    with pytest.raises(DataError, match="Cc at 0 h in 'events' is taken at the very time of a dose, after it"):
        pkpd.individual(source, after, cohort="a")


def test_a_level_at_the_time_of_a_dose_is_before_it_unless_rows_say_otherwise(renal):
    """At 10 h, just before the second dose, there are 10 e^-1 mg/L; just after it 10 more."""
    lines = [[0, 400, None], [10, None, 4.0], [10, 400, None]]
    twice = Regimen(amt=400, cmt="central", ii=10, addl=1)
    early = pkpd.individual(renal, rows("TIME AMT DV", *lines))
    late = pkpd.individual(renal, rows("TIME AMT DV", lines[0], lines[2], lines[1]))
    bare = pkpd.individual(renal, [("Cc", 10.0, 4.0)], regimen=twice)
    expected = [truth(10), truth(10) + 10, truth(10)]
    found = [one.observations["pred"].item() for one in (early, late, bare)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_terms_stand_beside_the_rows_of_a_table(renal):
    """A ratio says how fast, the rows how much: both count, as rows alone would."""
    ratio = Term("half", "ratio", "Cc", 2.0, 0.3, time_to=20.0)
    alone = pkpd.individual(renal, table(GOOD[:1]), draws=4000)
    both = pkpd.individual(renal, [ratio], regimen=table(GOOD[:1]), draws=4000)
    assert len(both.terms) == 2
    assert both.observations["dv"].tolist() == [GOOD[0][1], 0.3]
    assert both.se["CL"] < 0.6 * alone.se["CL"]
    pairs = both.draws.etas
    mean = both.weights @ pairs
    np.testing.assert_allclose(list(both.ebe.values()), mean, atol=0.03)
    k = 0.1 * np.exp(both.ebe["CL"] - both.ebe["V"])
    assert both.observations["ipred"].iloc[1] == pytest.approx(np.exp(-18 * k), rel=1e-4)


def test_nothing_is_certain_from_draws(renal):
    """An event that none of n draws has may have a probability of up to 3 / n (rule of three)."""
    found = pkpd.individual(renal, [("Cc", t, y) for t, y in GOOD], regimen=DOSE, seed=1)
    advice = pkpd.recommend(found, {"much": "900 mg IV q6h x8", "little": "1 mg IV q24h x2"}, "Cc > 1 at trough", n=60)
    assert advice.table.loc["much", "error"] == pytest.approx(0.05)
    text = repr(advice)
    assert "> 0.950" in text
    assert "< 0.050" in text
    assert ">95%" in advice.statement
    compared = pkpd.compare(renal, {"a": "900 mg IV q6h x8"}, n=60, targets="Cc > 1 at trough")
    assert compared.table()["Cc > 1 at trough"].item() == ">95%"


def test_other_drugs_go_on_in_a_recommendation():
    """Two drugs without interaction: what is planned of the other one is there after now, the same drug's is not."""
    model = Model(
        "two",
        states=[State("x", "mg"), State("y", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", sd=0.1)],
        outputs=[
            Output("X", "mg", error=Combined(add=0.1, prop=0.1)),
            Output("Y", "mg", error=Combined(add=0.1, prop=0.1)),
        ],
        dynamics=lambda t, x, p: {"x": -p.k * x.x, "y": -p.k * x.y},
        calculate=lambda t, x, p: {"X": x.x, "Y": x.y},
    )
    planned = Regimen(amt=100, cmt="x", ii=24, addl=9) + Regimen(amt=100, cmt="y", ii=24, addl=9)
    patient = pkpd.individual(model, [("X", 1.0, 90.0)], regimen=planned, draws=300, minimum_ess=50)
    asked = {"now": 30.0, "n": 30}
    arms = {"small": Regimen(amt=1, cmt="x")}
    own = pkpd.recommend(patient, arms, "X > 50 by day 0.8", **asked)
    other = pkpd.recommend(patient, arms, "Y > 50 by day 0.8", **asked)  # dosed at 48 h, seen at 49.2 h
    assert own.table.loc["small", "probability"] == 0
    assert other.table.loc["small", "probability"] == 1
