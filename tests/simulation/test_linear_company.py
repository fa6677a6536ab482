"""Subjects of a linear model are solved side by side; none of it shows in what becomes of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pkpd.dosing.events import read_events
from pkpd.engine.solve.status import Status
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(
        "linear",
        states=[State("depot", "mg"), State("central", "mg")],
        parameters=[Parameter("CL", 5.0, "L/h"), Parameter("V", 50.0, "L"), Parameter("ka", 0.9, "1/h")],
        covariates=[Covariate("WT", "kg", 70)],
        outputs=[Output("Cc", "mg/L")],
        individual=lambda p, c: {"CL": p.CL * (c.WT / 70), "V": p.V, "ka": p.ka},
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def _rows(who: int) -> list[dict[str, float]]:
    """Return doses and samples that differ from person to person in all that a row can say."""
    rng = np.random.default_rng([7, who])
    kind = who % 5
    dose = {"EVID": 1, "AMT": 100.0 + who, "CMT": 1, "RATE": 0.0, "II": 0.0, "ADDL": 0, "SS": 0}
    if kind == 1:
        dose |= {"II": 12.0, "SS": 1}
    elif kind == 2:
        dose |= {"CMT": 2, "RATE": 20.0}
    elif kind == 3:
        dose |= {"II": 8.0, "ADDL": 3}
    rows = [{"TIME": 0.1 * who, **dose}]
    if kind == 4:
        rows.append({"TIME": 9.0, **dose, "EVID": 4})
    samples = np.sort(rng.uniform(0.2, 30.0, 6 + who % 2))
    rows += [{"TIME": t, **dict.fromkeys(dose, 0.0), "CMT": 2} for t in samples]
    return [
        {"ID": who + 1, **r, "WT": 60.0 + 5 * who + (10.0 if who % 3 == 0 and r["TIME"] > 8.0 else 0.0)}
        for r in sorted(rows, key=lambda r: r["TIME"])
    ]


def test_a_data_set_has_for_each_subject_what_he_has_alone(model: Model) -> None:
    rows = [_rows(who) for who in range(23)]
    together = simulate(model, read_events(pd.DataFrame([r for own in rows for r in own])))
    assert not together["status"].values.any()
    for own in rows:
        alone = simulate(model, read_events(pd.DataFrame(own)))
        mine = together["ID"].values == own[0]["ID"]
        np.testing.assert_array_equal(together["Cc"].values[mine], alone["Cc"].values)


def test_one_of_eight_without_a_steady_state_fails_alone() -> None:
    """An infusion for ever up to time 0 leaves rate over rate constant there, and without a loss nothing finite."""
    model = Model(
        "loss",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", bounds=(0.0, 10.0))],
        outputs=[Output("A", "mg")],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"A": x.central},
    )
    rows = [
        {"ID": who + 1, "TIME": t, "EVID": int(t == 0), "AMT": 0.0, "RATE": 10.0 * (t == 0), "SS": int(t == 0)}
        for who in range(8)
        for t in (0.0, 1.0, 9.0)
    ]
    table = read_events(pd.DataFrame(rows).assign(CMT=1))
    loss = np.where(np.arange(8) == 3, 0.0, 4.0)
    people = replace(Population.typical(model, 8), parameters={"k": loss})
    found = simulate(model, table, people, on_failure="ignore")
    assert found["status"].values.tolist() == [0, 0, 0, Status.NO_STEADY_STATE, 0, 0, 0, 0]
    curves = found["A"].values.reshape(8, 3)[:, 1]
    np.testing.assert_allclose(curves[loss > 0], 2.5 * np.exp(-4.0), rtol=1e-12)
    assert np.isnan(curves[3])
