"""Every verb takes every source, or says in words which it takes: nothing fails in words of the inside."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import pkpd
from pkpd import Model, Output, Parameter, Proportional, Regimen, State
from pkpd.errors import PkpdError
from pkpd.simulation.source import KINDS

DOSE = Regimen(amt=100, cmt="central")
ARMS = {"a": "400 mg IV q24h x3"}
LEVELS = [("Cc", 2.0, 2.9), ("Cc", 10.0, 1.1)]
TABLE = pd.DataFrame({"ID": 1, "TIME": [0, 2, 10], "AMT": [100, 0, 0], "DV": [None, 2.9, 1.1]})


def drug() -> Model:
    return Model(
        "drug",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 3.0, "L/h", cv=0.3), Parameter("V", 30.0, "L", cv=0.2)],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    model, table = drug(), pkpd.read_events(TABLE)
    record = pkpd.load_fit("anakinra_reports")
    return {
        "Model": model,
        "Fit": pkpd.fit(model, table, pkpd.methods.Importance()),
        "StudyFit": record,
        "Individual": pkpd.individual(model, LEVELS, regimen=DOSE, draws=300, minimum_ess=20),
        "Individual of a table": pkpd.individual(model, table, draws=100, minimum_ess=20),
        "Study": record.study,
        "text": "pk1_iv",
        "nothing": None,
        "Regimen": DOSE,
        "table": table,
    }


TIMES: dict[str, Any] = {"times": [1.0, 2.0]}
SENSITIVITY: dict[str, Any] = {**TIMES, "of": "Cc.max", "parameters": ["CL"]}

#: verb -> what it is asked, and the sources that it works with
VERBS: dict[str, tuple[Any, str]] = {
    "simulate": (lambda s: pkpd.simulate(s, DOSE, n=3, **TIMES), "Model, Individual, Individual of a table"),
    "simulate own doses": (lambda s: pkpd.simulate(s, n=3, **TIMES), "Model, Individual, Individual of a table"),
    "simulate derivatives": (
        lambda s: pkpd.simulate(s, DOSE, n=3, derivatives="CL", **TIMES),
        "Model, Individual, Individual of a table",
    ),
    "sensitivity": (lambda s: pkpd.sensitivity(s, DOSE, method=pkpd.Sobol(n=8), **SENSITIVITY), "Model, Fit"),
    "sensitivity local": (lambda s: pkpd.sensitivity(s, DOSE, method="local", **SENSITIVITY), "Model, Fit"),
    "sensitivity identifiability": (
        lambda s: pkpd.sensitivity(s, DOSE, method="identifiability", **TIMES),
        "Model, Fit",
    ),
    "profile": (lambda s: pkpd.uncertainty.profile(s, start={"CL": 3.0}), ""),
    "compare": (lambda s: pkpd.compare(s, ARMS, n=5), "Model, Individual, Individual of a table"),
    "answers": (lambda s: pkpd.comparison.answers(s, n=5), "Model, StudyFit"),
    "recommend": (
        lambda s: pkpd.recommend(s, ARMS, "Cc > 1 mg/L at trough", n=20),
        "Individual, Individual of a table",
    ),
    "individual": (lambda s: pkpd.individual(s, LEVELS, regimen=DOSE, draws=300, minimum_ess=10), "Model, Fit"),
    "individual of a table": (lambda s: pkpd.individual(s, TABLE, draws=50, minimum_ess=10), "Model, Fit"),
    "fit": (lambda s: pkpd.fit(s, pkpd.read_events(TABLE), pkpd.methods.Importance()), "Model, Fit"),
    "exposure": (pkpd.exposure, ""),
    "exposure_summary": (pkpd.report.exposure_summary, ""),
    "validate_model": (lambda s: pkpd.checks.validate_model(s, n=3), ""),
    "document": (pkpd.report.document, "Model, text"),
    "covariate_search": (lambda s: pkpd.search.covariate_search(s, {"CL": ["WTT"]}), ""),
    "compare_fits": (lambda s: pkpd.search.compare_fits(s, s), "Fit"),
    "Population.draw": (lambda s: pkpd.Population.draw(s, 2), "Model"),
    "Population.typical": (pkpd.Population.typical, "Model"),
    "Likelihood": (lambda s: pkpd.extend.Likelihood(s, [pkpd.extend.Subject("Ann", DOSE)]), "Model"),
    "Evidence.population": (pkpd.seeds["strati2020"].population, "Model"),
    "plot.etas": (pkpd.plot.etas, "Fit"),
    "plot.goodness_of_fit": (pkpd.plot.goodness_of_fit, "Fit"),
    "plot.individuals": (pkpd.plot.individuals, "Fit"),
    "plot.vpc": (lambda s: pkpd.plot.vpc(s, n=20), "Fit"),
    "plot.convergence": (pkpd.plot.convergence, ""),  # this fit has no history, which is said
} | {
    f"plot.{name}": (getattr(pkpd.plot, name), "")
    for name in ("compare", "comparison", "concentration", "effect_curves", "evidence", "exposure", "indices",
                 "profiles", "published_ratios", "screening", "tornado")
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_every_source_or_says_which(verb: str, sources: dict[str, Any]):
    call, works = VERBS[verb]
    fine, said = set(), {}
    for name, source in sources.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call(source)
        except PkpdError as error:
            said[name] = str(error)
        else:
            fine.add(name)
    plt.close("all")
    assert all(len(text) > 30 for text in said.values())
    assert fine == set(filter(None, works.split(", ")))


def test_a_calibration_serves_what_asks_for_people(sources: dict[str, Any]):
    record = sources["StudyFit"]
    asked = {"patient": "strati2020/p3", "n": 3}
    own = pkpd.simulate(record, times=[0.0, 900.0, 960.0], outputs=["Cc", "CRP"], **asked)
    assert (own["Cc"].values[:, 1] > 0.01).all()  # his own anakinra, from 888 h on
    none = pkpd.simulate(record, Regimen(doses=[]), times=[900.0], outputs=["Cc"], **asked)
    assert (none["Cc"].values == 0).all()
    new = pkpd.simulate(record, times=[10.0], outputs=["CRP"], cohort="strati", n=4)
    assert new.sizes["subject"] == 4
    people = record.population(2, patient="strati2020/p3")
    one = sources["Individual"]
    slopes = pkpd.simulate(one, DOSE, one.population(2), [1.0], derivatives=["CL"])
    assert (slopes["dCc"].values < 0).all()
    patient = pkpd.individual(
        record, [("CRP", 700.0, 80.0)], regimen="100 mg SC q24h x3", cohort="strati", draws=300, minimum_ess=5
    )
    assert patient.history().ill
    compared = pkpd.compare(patient, {"a": "100 mg SC q24h x5"}, n=5)
    assert "CRP_area" in compared.measures
    with pytest.raises(PkpdError, match="simulate: give either population or n, patient, not both"):
        pkpd.simulate(record, None, people, [1.0], **asked)


def test_refusals_name_what_works(sources: dict[str, Any]):
    with pytest.raises(PkpdError, match=r"recommend takes an Individual, got a Fit; make one of a patient's levels: "
                       r"individual\(source, table\)"):  # fmt: skip
        pkpd.recommend(sources["Fit"], ARMS, "Cc > 1 mg/L at trough")
    with pytest.raises(PkpdError, match=r"sensitivity takes a Model or a Fit, got an Individual; say who is meant: "
                       r"population=source.population\(n, \.\.\.\)"):  # fmt: skip
        pkpd.sensitivity(sources["Individual"], DOSE, **SENSITIVITY)
    with pytest.raises(PkpdError, match=r"compare takes .*got a Study; .*fit\(study\) first"):
        pkpd.compare(sources["Study"], ARMS)
    with pytest.raises(PkpdError, match=r"population=fit.population\(n, uncertainty=False\)"):
        pkpd.compare(sources["Fit"], ARMS)
    alone = sources["Fit"].population(5, uncertainty=False)
    assert pkpd.compare(sources["Fit"], ARMS, population=alone).dataset.sizes["subject"] == 5
    assert KINDS == ("Model", "Fit", "StudyFit", "Individual")
