"""Local sensitivity against closed forms and differences, identifiability, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sensitivity_models import ISHIGAMI, area_model, ishigami

import pkpd
from pkpd.dosing.events import read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.model.declare import Omega, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people import Population
from pkpd.sensitivity_analysis.api import sensitivity
from pkpd.sensitivity_analysis.local import Local
from pkpd.sensitivity_analysis.screening import Morris, Sobol
from pkpd.sensitivity_analysis.variance import Variance
from pkpd.simulation.api import simulate

DOSE = Regimen.parse("100 mg once", cmt="depot")
TIMES = np.arange(0.0, 400.5, 0.5)
TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


def test_area_by_clearance_has_elasticity_minus_one():
    of = {"exact": "AUC.last", "trapezoids": "Cc.auc"}
    names = ["CL", "V", "ka", "F", "eta_CL"]
    result = sensitivity(area_model(), DOSE, times=TIMES, of=of, parameters=names, method="local", **TIGHT)
    found = result.data["elasticity"]
    np.testing.assert_allclose(found.sel(quantity="exact"), [-1, 0, 0, 1, -1], atol=1e-8)
    np.testing.assert_allclose(found.sel(quantity="trapezoids"), [-1, 0, 0, 1, -1], atol=0.02)


@pytest.mark.parametrize("of", ["Cc.max", "Cc.at(6)", "Cc.auc(2, 12)", "Cc.mean", "Cc.last", "Cc.min(1, 20)"])
def test_derivatives_of_numbers(of):
    """The largest value is that of the grid, whose time stays for a small change."""
    times, h = np.arange(0.0, 24.5, 0.5), 1e-4
    found = sensitivity(area_model(), DOSE, times=times, of=of, parameters=["CL", "ka"], method="local", **TIGHT).data
    for name in ("CL", "ka"):
        value = area_model().parameters[name].value
        near = [area_model().with_values(**{name: value * f}) for f in (1 - h, 1 + h)]
        moved = [
            sensitivity(m, DOSE, times=times, of=of, parameters=["V"], method="local", **TIGHT).data["value"].item()
            for m in near
        ]
        slope = (moved[1] - moved[0]) / (2 * h * value)
        np.testing.assert_allclose(found["derivative"].sel(parameter=name).item(), slope, rtol=1e-5, atol=1e-9)


def test_over_time_for_persons():
    model = area_model()
    people = Population.from_table(model, {"WT": [50.0, 90.0], "CL": [4.0, 6.0], "ETA_CL": [0.2, -0.1]})
    found = sensitivity(model, {"a": DOSE}, people, [0, 2, 6], of="Cc", parameters=["CL", "F"], method="local")
    assert found.data["elasticity"].dims == ("quantity", "regimen", "subject", "time", "parameter")
    np.testing.assert_allclose(found.data["elasticity"].sel(parameter="F", time=[2, 6]), 1, rtol=1e-5)
    assert "'Cc' is 0 at 2 of 6 points" in found.notes[0]
    plain = simulate(model, DOSE, people, [0, 2, 6])["Cc"].values
    np.testing.assert_allclose(found.data["value"].values[0, 0], plain, rtol=1e-4)


def test_identifiable_and_not():
    data = {"times": np.arange(1.0, 25.0), "of": "Cc"}
    found = sensitivity(area_model(), DOSE, **data, parameters=["CL", "V", "F", "ka"], method="identifiability")
    np.testing.assert_array_equal(found.data["identifiable"], [False, False, False, True])
    np.testing.assert_allclose(found.data["loading"].values[-1], [1, 1, 1, 0], atol=1e-5)
    assert found.data["singular"].values[-1] < 1e-8 * found.data["singular"].values[0]
    assert len(found.notes) == 1
    assert "CL, V, F cannot be told apart: CL +1% V +1% F +1%" in found.notes[0]
    assert "only V/CL, F/CL can be told" in found.notes[0]
    known = sensitivity(area_model(), DOSE, **data, parameters=["CL", "V", "ka"], method="identifiability")
    assert known.data["identifiable"].all()
    assert known.notes == ()
    cc = sensitivity(area_model(), DOSE, times=data["times"], of="Cc", parameters=["CL", "V", "ka"], method="local")
    j = cc.data["elasticity"].values[0] / 0.1053693  # LogNormal(0.1): sd of Cc is 0.1008 Cc
    np.testing.assert_allclose(
        known.data["rse"], np.sqrt(np.diag(np.linalg.inv(j.T @ j))) * 0.1010038 / 0.1053693, rtol=0.01
    )


def test_what_changes_nothing_is_named():
    found = sensitivity(
        area_model(),
        DOSE,
        times=[1.0, 2.0, 5.0, 9.0],
        of="Cc",
        parameters=["CL", "V", "WT_CL"],
        method="identifiability",
    )
    assert list(found.data["identifiable"].values) == [True, True, False]
    assert found.notes == ("'WT_CL' changes no observation",)
    blind = sensitivity(
        area_model(), DOSE, times=[1.0, 9.0], of="AUC", parameters=["CL", "V"], method="identifiability"
    )
    assert "AUC has no residual error, so there are no standard errors" in blind.notes
    assert np.isnan(blind.data["rse"]).all()


NUMBER: Any = 3
CORRELATED = [Omega(["CL", "V"], [[0.09, 0.03], [0.03, 0.04]])]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"method": "sobl"}, r"method must be one such as Sobol\(n=1024\), or sobol, .*did you mean 'sobol'"),
        ({"n": 1000}, "sensitivity has no option 'n'"),
        ({"parameters": ["Cl", "x"]}, r"no parameter, random effect or covariate 'Cl', 'x' \(did you mean 'CL'"),
        ({"parameters": {"CL": 3, "V": "wide"}}, "2 of the ranges in parameters cannot be understood"),
        ({"parameters": []}, "parameters is empty"),
        ({"on_failure": "stop"}, "on_failure must be"),
        ({"of": "Cc.peak"}, "there is no 'peak'|no output 'Cc.peak'"),
        ({"of": "Cc.peak(1, 2)"}, "there is no 'peak'; there is auc"),
        ({"of": "Cc.time_above"}, r"write it as 'Cc.time_above\(5\)', with a level in the output's unit"),
        ({"of": "Cc.at(5)"}, r"5 is not among the times \(nearest: 6\.0\); add it to times, in h"),
        ({"of": "Cc.at"}, "write it as 'Cc.at"),
        ({"of": "Cc.auc(12, 6)"}, "write it as 'Cc.auc"),
        ({"of": []}, "of is empty"),
        ({"of": 3}, "of must be names, a function, or a mapping"),
        ({"of": {"a": 3}}, "quantity 'a' must be a name"),
        ({"of": ["Cc", "Cc.max"]}, "ask for numbers and for courses in separate calls"),
        ({"of": ["Cc", "Cc.max"], "method": "local"}, "ask for numbers and for outputs over time in separate calls"),
        ({"of": "Cc.tmax", "method": "local"}, "no exact derivative of 'Cc.tmax'"),
        ({"of": {"f": lambda d: d}, "method": "local"}, "no exact derivative of 'f'"),
        ({"method": "local", "parameters": ["CL", "WT"]}, r"not by covariates \(WT\)"),
        ({"of": lambda d: d["Cc"].max()}, "must keep the dim subject"),
        ({"of": lambda d: np.zeros(3)}, r"must return a DataArray with dim subject.*of shape \(3,\)"),
        ({"method": "variance", "parameters": ["eta_CL"]}, "takes the random effects from the model's omega"),
        ({"method": Variance(draws={"CL": [1, 2]})}, "either draws or ranges of CL, V"),
        ({"method": Variance(draws={"CL": [1, 2], "V": [1, 2, 3]}), "parameters": None}, "as many for every"),
        ({"method": Variance(draws={"CL": [1, np.nan]}), "parameters": None}, "draws of CL are not all finite"),
        ({"method": Variance(draws={"WT": [1, 2]}), "parameters": None}, "WT is none of model"),
        ({"method": Variance(draws=NUMBER), "parameters": None}, "draws must be a mapping"),
        ({"method": "variance", "model": area_model().without_variability()}, "has no random effects"),
        (
            {"model": area_model().replace(omega=CORRELATED), "parameters": ["eta_CL", "eta_V"]},
            "1 pairs of random effects are correlated.*eta_CL with eta_V, covariance 0.03",
        ),
        ({"model": 3}, "sensitivity takes a function, a Model or a Fit, got int"),
        ({"model": ishigami, "method": "local", "parameters": ISHIGAMI}, "needs a Model"),
        ({"model": ishigami}, "must name its inputs in order"),
        ({"model": ishigami, "parameters": {"a": 1}}, "1 of the ranges"),
        ({"model": lambda x: 1.0, "of": None, "parameters": {"a": (0, 1)}}, r"must return \(3072,\)"),
        ({"model": lambda x: x[0], "of": ["a", "b"], "parameters": {"a": (0, 1)}}, "2 names, the function returns 1"),
        ({"model": lambda x: x[0], "of": {"a": 1}, "parameters": {"a": (0, 1)}}, "of must name what"),
    ],
)  # fmt: skip
def test_texts(given, text):
    usual: dict[str, Any] = {
        "model": area_model(),
        "times": [0.0, 6.0, 12.0],
        "of": "Cc.max",
        "parameters": ["CL", "V"],
    }
    asked = usual | given
    model = asked.pop("model")
    if model is ishigami:
        asked["of"] = None
    plain = callable(model)
    dose, asked["times"] = (None, None) if plain else (DOSE, asked["times"])
    with pytest.raises(PkpdError, match=text):
        sensitivity(model, dose, **asked)


@pytest.mark.parametrize(
    ("method", "options", "text"),
    [
        (Sobol, {"n": 1000}, "n must be a power of two.*got 1000, try 1024"),
        (Sobol, {"n": 2.5}, "Sobol: n must be a whole number >= 0, got 2.5"),
        (Sobol, {"level": 95}, "level must lie between 0 and 1"),
        (Variance, {"spread": 20}, "spread is a fraction"),
        (Sobol, {"levels": 4}, r"Sobol has no option 'levels' \(did you mean 'level'\?\); it has n, spread"),
        (Sobol, {"second_order": "yes"}, "second_order must be True or False"),
        (Morris, {"levels": 3}, "levels must be even"),
        (Morris, {"n": 1}, "at least 2 trajectories"),
        (Local, {"n": 8}, "Local has no option 'n'"),
    ],
)  # fmt: skip
def test_options_of_methods(method: Any, options: dict[str, Any], text: str):
    with pytest.raises(PkpdError, match=text):
        method(**options)


def test_more_texts():
    still = area_model().with_values(ka=0.0)
    with pytest.raises(PkpdError, match=r"'ka' is 0 in model 'area', so -\+20% of the value is no range"):
        sensitivity(still, DOSE, times=[0.0, 1.0], of="Cc.max", parameters=["CL", "ka"])
    table = read_events(pd.DataFrame({"ID": 1, "TIME": [0, 1], "EVID": [1, 0], "AMT": [1, 0], "CMT": [1, 0]}))
    with pytest.raises(PkpdError, match="a data set cannot be varied"):
        sensitivity(area_model(), table, times=[0.0, 1.0], of="Cc.max")
    with pytest.raises(PkpdError, match="is no parameter of model 'area' or has the value 0"):
        sensitivity(area_model(), DOSE, times=[1.0], parameters=["WT"], method="identifiability")
    found = sensitivity(area_model(), DOSE, times=[0.0, 1.0], of="Cc.max", parameters=["CL"], method=Sobol(n=4))
    with pytest.raises(DataError, match=r"no quantity 'Cc.maxx'.*did you mean 'Cc.max'"):
        found.table("Cc.maxx")
    with pytest.raises(DataError, match="no rows by 'source'; it has parameter"):
        found.table(by="source")


def test_extremes_at_several_times_have_no_derivative():
    """A straight line between a and b is flat where they are equal, and each end has its own derivative."""
    line = Model(
        "line",
        states=[State("x", "1")],
        parameters=[Parameter("a", 1.0, ""), Parameter("b", 1.0, "")],
        outputs=[Output("y", "1")],
        dynamics=lambda t, x, p: {"x": 0 * x.x},
        calculate=lambda t, x, p: {"y": p.a * (1 - t / 2) + p.b * (t / 2)},
    )
    with pytest.raises(PkpdError, match=r"'y.max' is reached at several times \(0 and 2\).*'y.at\(0\)'"):
        sensitivity(line, times=[0.0, 1.0, 2.0], of="y.max", method="local")


def test_a_time_is_written_as_results_show_it():
    """10 h on a clock of days is 0.41666...; six digits say which is meant, fewer do not."""
    model = pkpd.Model(
        "daily",
        states=[pkpd.State("A", "mg")],
        parameters=[pkpd.Parameter("k", 2.4, "1/d")],
        outputs=[pkpd.Output("A", "mg")],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
        time_unit="d",
    )
    asked: dict[str, Any] = {"times": pkpd.hours(0, 24, 1), "method": "local", "parameters": ["k"]}
    exact = pkpd.sensitivity(model, "1 mg into A", of="A.at(0.41666666666666669)", **asked).table().to_numpy()
    np.testing.assert_array_equal(pkpd.sensitivity(model, "1 mg into A", of="A.at(0.416667)", **asked).table(), exact)
    for written in ("0.4167", "0.416668", "0.4"):
        with pytest.raises(
            PkpdError, match=rf"{written} is not among the times \(nearest: 0\.41.*\); add it to times, in d"
        ):
            pkpd.sensitivity(model, "1 mg into A", of=f"A.at({written})", **asked)
