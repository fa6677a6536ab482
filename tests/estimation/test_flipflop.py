"""Absorption slower than elimination is said, and so is a solution with both exchanged that is as good."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import Combined, EventTable, Model, Output, Parameter, Population, Proportional, Regimen, State
from pkpd.estimation.methods.flipflop import absorptions
from pkpd.estimation.methods.register import method_of


@functools.cache
def oral(random: bool = True) -> Model:
    """Return one compartment with first-order absorption."""
    sd = (0.4, 0.25, 0.15) if random else (None, None, None)
    return Model(
        "oral",
        states=[State("gut", "mg"), State("central", "mg")],
        parameters=[
            Parameter("ka", 1.5, "1/h", sd=sd[0]), Parameter("CL", 2.8, "L/h", sd=sd[1]),
            Parameter("V", 32.0, "L", sd=sd[2]),
        ],
        outputs=[Output("Cc", "mg/L", error=Combined(add=0.2, prop=0.1))],
        dynamics=lambda t, x, p: {"gut": -p.ka * x.gut, "central": p.ka * x.gut - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip


@functools.cache
def data() -> EventTable:
    """Return data of twelve persons whose absorption is faster than their elimination."""
    table = EventTable.from_regimen([Regimen(amt=320, cmt="gut")] * 12, [0.25, 0.5, 1, 2, 4, 5, 7, 9, 12, 24])
    frame = table.frame.drop(columns="MDV")
    people = Population.draw(oral(), 12, seed=2)
    frame["DV"] = pkpd.simulate(oral(), table, people, residual=True, seed=2)["Cc_observed"].values
    return pkpd.read_events(frame)


def below(found: Any) -> list[str]:
    return [m for m in found.messages if "absorption limits elimination" in m]


def exchanged(found: Any) -> list[str]:
    return [m for m in found.messages if " exchanged (" in m]


def test_a_dose_into_a_vein_tells_elimination_from_absorption() -> None:
    one = EventTable.from_regimen({"iv": Regimen(amt=320, cmt="central")}, [0.5, 2, 8, 24])
    frame = one.frame.drop(columns="MDV").assign(DV=320 / 32 * np.exp(-2.8 / 32 * one.frame["TIME"]))
    both = pkpd.read_events(pd.concat([data().frame.drop(columns="MDV").astype({"ID": str}), frame]))
    for method in (pkpd.methods.NaivePooled(), pkpd.Focei(covariance=None)):
        found = pkpd.fit(oral(), both, method, start={"ka": 0.08, "V": 3.0})
        assert not exchanged(found)
        assert not below(found)


@pytest.mark.parametrize("method", ["focei", "foce"])
def test_absorption_below_elimination_is_said_with_the_better_solution(method: str) -> None:
    right = pkpd.fit(oral(), data(), method_of(method, covariance=None))
    assert right.theta["ka"] > right.theta["CL"] / right.theta["V"]
    assert not below(right)
    assert not exchanged(right)
    wrong = pkpd.fit(oral(), data(), method_of(method, covariance=None), start={"ka": 0.08, "V": 3.0})
    assert wrong.ofv > right.ofv + 5
    assert below(wrong)[0].startswith("ka is below CL / V (0.0")
    # the exchanged solution is known without another search: 1.45 1/h and 33.4 L, and what it gains
    said = exchanged(wrong)[0]
    gain = float(said.split("better by about ")[1].split(" ")[0])
    assert gain == pytest.approx(wrong.ofv - right.ofv, abs=1.0)
    start = {"ka": 1.47, "V": 33.6}
    assert "start={'ka': 1.4" in said
    again = pkpd.fit(oral(), data(), method_of(method, covariance=None), start=start)
    assert again.ofv == pytest.approx(right.ofv, abs=1e-3)


def test_without_random_effects_both_solutions_are_equal_and_it_is_said() -> None:
    found = pkpd.fit(oral(random=False), data(), pkpd.methods.NaivePooled())
    assert not below(found)
    said = exchanged(found)[0]
    assert "is as good" in said
    k = found.theta["CL"] / found.theta["V"]
    other = {"ka": k, "V": found.theta["V"] * k / found.theta["ka"]}
    there = pkpd.fit(oral(random=False), data(), pkpd.methods.NaivePooled(), start=other)
    assert there.ofv == pytest.approx(found.ofv, abs=1e-2)
    assert below(there)


def test_absorptions_are_found_by_the_form_of_the_equations() -> None:
    def steps(p: Any, x: Any) -> dict[str, Any]:
        c = x.central / p.V
        return {
            "gut": -p.ktr * x.gut, "wall": p.ktr * x.gut - p.ka * x.wall,
            "central": p.ka * x.wall - p.CL * c - p.Q * (c - x.tissue / p.Vp), "tissue": p.Q * (c - x.tissue / p.Vp),
            "R": p.kout * (1 - c / (c + p.V)) - p.kout * x.R,
        }  # fmt: skip

    model = Model(
        "steps",
        states=[State(n, "mg") for n in ("gut", "wall", "central", "tissue")] + [State("R", "")],
        parameters=[Parameter(n, 1.0, "") for n in ("ktr", "ka", "CL", "V", "Q", "Vp", "kout")],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1)), Output("E", "", error=Proportional(0.1))],
        dynamics=lambda t, x, p: steps(p, x),
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "E": x.R},
        check_units=False,
    )
    found = absorptions(model, ("Cc", "E"))
    assert [str(a.rate) for a in found] == ["ktr", "ka"]
    assert [len(a.disposition) for a in found] == [2, 2]
    assert absorptions(pkpd.models["pk2_iv"], ("Cc",)) == ()


def test_two_compartments_are_compared_by_their_slowest_rate() -> None:
    model = pkpd.models["pk2_oral"].without_variability()
    table = EventTable.from_regimen([Regimen(amt=100, cmt="depot")] * 2, [0.5, 1, 2, 4, 8, 12, 24, 36, 48, 72, 96])
    frame = table.frame.drop(columns="MDV")
    # central 6.5/50 = 0.13 1/h with a peripheral compartment: the slowest rate is below that, and ka below it
    slow = model.with_values(ka=0.02)
    frame["DV"] = pkpd.simulate(slow, table, Population.typical(slow, 2))["Cc"].values
    frame["DV"] *= np.where(np.arange(len(frame)) % 2, 1.05, 0.95)
    weights = [n for n in model.parameters if n not in ("ka", "CL", "V1", "Q", "V2")]
    table = pkpd.read_events(frame)
    found = pkpd.fit(model, table, pkpd.methods.NaivePooled(), start={"ka": 0.02}, fixed=weights)
    assert found.converged
    assert below(found)[0].startswith("ka is below the slowest rate of the disposition (0.0")
