"""A prepared simulation gives what `simulate` gives, in arrays, for whatever numbers it is called with."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd.errors import PkpdError
from pkpd.simulation.failures import SolverWarning

TIMES = np.array([0.0, 0.5, 2.0, 8.0, 24.0, 36.0])


def bateman(t: np.ndarray, dose: float, ka: float, cl: float, v: float) -> np.ndarray:
    """Concentration after one dose into a depot, in mg/L (Gabrielsson and Weiner 2016, section 2.4)."""
    k = cl / v
    return dose * ka / (v * (ka - k)) * (np.exp(-k * t) - np.exp(-ka * t))


def test_every_call_solves_for_its_own_numbers():
    run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES, outputs=["Cc"])
    rest = {"ka": 1.2, "V": 50.0, "F": 1.0, "tlag": 0.0}
    for cl in (2.0, 3.5, 2.0):
        np.testing.assert_allclose(run(rest, CL=cl)["Cc"], bateman(TIMES, 100.0, 1.2, cl, 50.0), rtol=1e-12)
    heavier = run(rest | {"V": 40.0}, CL=2.0, eta_V=np.log(1.5))["Cc"]
    np.testing.assert_allclose(heavier, bateman(TIMES, 100.0, 1.2, 2.0, 60.0), rtol=1e-12)
    assert run.status.tolist() == [0]
    assert {"CL", "V", "ka", "eta_CL", "eta_V"} <= set(run.names)


@pytest.mark.parametrize("name", ["pk1_oral", "tmdd_full", "pk2_oral_irm1"])
def test_it_gives_the_numbers_of_simulate_to_the_bit(name: str):
    model = pkpd.models[name]
    people = pkpd.Population.draw(model, 11, seed=3)
    regimen = pkpd.Regimen(amt=100.0, cmt=next(iter(model.states)), ii=12.0, addl=3)
    run = pkpd.prepare(model, regimen, TIMES, rtol=1e-6, atol=1e-9)
    labelled = pkpd.simulate(model, regimen, people, TIMES, rtol=1e-6, atol=1e-9, around_doses=False)
    effects = {f"eta_{n}": people.etas[:, k] for k, n in enumerate(people.eta_names)}
    found = run(effects | people.covariates)
    assert list(found) == list(run.outputs)
    for output, values in found.items():
        np.testing.assert_array_equal(values, labelled[output].values)
    one = run({n: float(v[4]) for n, v in effects.items()}, **{n: v[4] for n, v in people.covariates.items()})
    for output, values in one.items():
        np.testing.assert_allclose(values, labelled[output].values[4], rtol=1e-5, atol=1e-9)


def test_results_of_earlier_calls_stay_as_they_were():
    run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES)
    first = run(CL=2.0)["Cc"]
    kept, status = first.copy(), run.status
    run(CL=4.0)
    np.testing.assert_array_equal(first, kept)
    assert status is not run.status


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_copy_is_prepared_anew(again: Callable):
    run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES, outputs=["Cc"], rtol=1e-6)
    other = again(run)
    np.testing.assert_array_equal(other(CL=2.0)["Cc"], run(CL=2.0)["Cc"])
    assert other.outputs == run.outputs
    assert other.status is not run.status


def test_a_row_of_a_table_is_taken():
    run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES, outputs=["Cc"])
    rows = pd.DataFrame({"CL": [2.0, 3.0], "V": [40.0, 50.0]})
    np.testing.assert_array_equal(run(rows.iloc[1])["Cc"], run(CL=3.0, V=50.0)["Cc"])


def test_what_it_says_of_itself_cannot_be_changed():
    run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES)
    with pytest.raises(ValueError, match="read-only"):
        run.times[1] = 3.0
    with pytest.raises(TypeError):
        run.outputs["x"] = "y"  # type: ignore[index]


@pytest.mark.parametrize(
    ("given", "more", "said"),
    [
        ({"CL": 4.0}, {"CL": 8.0}, "'CL' given twice"),
        (4.0, {}, "takes numbers by name"),
        (pd.DataFrame({"CL": [4.0]}), {}, "a row of a table"),
        ({"CL": "4"}, {}, "must be a number"),
        ({"CL": True}, {}, "must be a number"),
        ({"CL": 1j}, {}, "must be a number"),
        ({"CL": np.ma.masked_less([4.0, -1.0], 0.0)}, {}, "masked array"),
        ({"CL": []}, {}, "at least one"),
    ],
)
def test_what_is_no_number_by_name_is_refused(given: Any, more: dict, said: str):
    run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES)
    run(CL=[2.0, 3.0])
    with pytest.raises(PkpdError, match=said):
        run(given, **more)
    assert run.status.size == 0


def test_doses_that_depend_on_parameters_move_with_them():
    model = pkpd.Model(
        "lagged",
        states=[pkpd.State("A", "mg")],
        parameters=[pkpd.Parameter("k", 0.1, "1/h"), pkpd.Parameter("tlag", 1.0, "h"), pkpd.Parameter("F", 0.5, "1")],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
        dosing=lambda p: {"A": {"F": p.F, "tlag": p.tlag}},
        outputs=[pkpd.Output("A", "mg")],
    )
    run = pkpd.prepare(model, pkpd.Regimen(amt=10.0, cmt="A"), TIMES)
    for f, lag in ((0.5, 1.0), (0.8, 3.0), (0.5, 1.0)):
        given = np.where(lag < TIMES, 10.0 * f * np.exp(-0.1 * (TIMES - lag)), 0.0)
        np.testing.assert_allclose(run(F=f, tlag=lag)["A"], given, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Cl": 3.0}, "unknown parameter, effect or covariate 'Cl' .did you mean 'CL'"),
        ({"CL": "three"}, "'CL' must be a number"),
        ({"CL": np.nan}, "'CL' must be finite"),
        ({"CL": -1.0}, "parameter 'CL' must lie"),
        ({"CL": [1.0, 2.0], "V": [1.0, 2.0, 3.0]}, "all as many, got CL 2, V 3"),
        ({"CL": [[1.0]]}, "got shape"),
        ({"eta_CL": np.inf}, "'eta_CL' must be finite"),
    ],
)
def test_numbers_that_cannot_be_are_refused(given: dict, said: str):
    with pytest.raises(PkpdError, match=said):
        pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO once", TIMES)(given)


@pytest.mark.parametrize(
    ("regimen", "said"),
    [("1 mg/kg PO once", "by weight"), ({"a": "100 mg PO once"}, "one Regimen"), (["100 mg PO once"], "one Regimen")],
)
def test_it_takes_one_regimen_for_all(regimen: object, said: str):
    with pytest.raises(PkpdError, match=said):
        pkpd.prepare(pkpd.models["pk1_oral"], regimen, TIMES)  # pyright: ignore[reportArgumentType]


def test_who_cannot_be_solved_is_told_and_the_others_stay():
    model = pkpd.Model(
        "explosion",
        states=[pkpd.State("y", "1")],
        parameters=[pkpd.Parameter("a", 0.1, "1/h")],
        outputs=[pkpd.Output("y", "1")],
        dynamics=lambda t, x, p: {"y": p.a * x.y * x.y},
        initial=lambda p: {"y": 1.0},
    )
    run = pkpd.prepare(model, None, [0.0, 1.0, 5.0])
    with pytest.warns(SolverWarning, match=r"subject 2, t = "):
        found = run(a=[0.1, 1.0])["y"]
    np.testing.assert_allclose(found[0], 1.0 / (1.0 - 0.1 * np.array([0.0, 1.0, 5.0])), rtol=1e-7)  # y = 1 / (1 - a t)
    assert run.status[0] == 0
    assert run.status[1] != 0
    assert np.isnan(found[1, 2])
    with pytest.raises(PkpdError, match="subjects failed"):
        pkpd.prepare(model, None, [0.0, 5.0], on_failure="raise")(a=1.0)
