"""How far a search is, told on a terminal, to the caller, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.estimation import search_progress as telling
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.methods.register import method_of
from pkpd.model.declare import Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Proportional
from pkpd.people.population import Population
from pkpd.simulation.api import simulate


@pytest.fixture(scope="module")
def trial() -> tuple[Model, EventTable]:
    model = Model(
        "bolus",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", sd=0.3), Parameter("V", 10.0, "L", sd=0.2)],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    table = EventTable.from_regimen([Regimen(amt=100)] * 8, [1.0, 4.0, 12.0, 24.0])
    people = Population.draw(model, 8, seed=1)
    table.frame["DV"] = simulate(model, table, people, residual=True)["Cc_observed"].values
    return model, read_events(table.frame.drop(columns="MDV"))


@pytest.mark.parametrize("method", ["focei", "naive_pooled"])
def test_a_function_is_told_each_step(trial: tuple[Model, EventTable], method: str):
    steps: list[Any] = []
    fit(*trial, method_of(method), start={"V": 14.0}, progress=steps.append)
    assert len(steps) > 2
    assert steps[-1].ofv < steps[0].ofv


def test_a_line_is_written_over_and_taken_away(
    trial: tuple[Model, EventTable], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(telling, "QUIET", 0.0)
    fit(*trial, Focei(covariance=None), start={"V": 14.0}, progress=True)
    said = capsys.readouterr().err
    assert "FOCEI: iteration " in said
    assert said.rstrip("\r").endswith("\x1b[2K")


def test_without_a_terminal_nothing_is_said(trial: tuple[Model, EventTable], capsys: pytest.CaptureFixture[str]):
    fit(*trial, Focei(covariance=None))
    assert "iteration" not in capsys.readouterr().err
