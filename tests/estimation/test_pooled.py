"""Naive pooled data, two-stage and MAP: against direct calculation and FOCEI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import fit_sampling_tools as tools
import numpy as np
import pandas as pd
import pytest

from pkpd.dosing.events import read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.methods.pooled import Map, _Pooled, _without_omegas
from pkpd.estimation.priors import Priors
from pkpd.estimation.problem import pose
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.store import load_fit
from pkpd.estimation.uncertainty.profiles import profile
from pkpd.model.declare import Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Additive, Combined, Proportional
from pkpd.people.population import Population
from pkpd.simulation.api import simulate


def of_rows(table: Any) -> tuple[np.ndarray, np.ndarray]:
    own = table.frame[table.frame["EVID"] == 0]
    return own["TIME"].to_numpy(), own["DV"].to_numpy()


# -- naive pooled


def test_naive_pooled_is_least_squares_for_additive_error() -> None:
    from scipy.optimize import curve_fit

    table = tools.draw(15, 4, add=0.3, prop=0.0)
    found = fit(tools.bolus(Additive(0.5)), table, method="naive_pooled")
    t, y = of_rows(table)
    best, _ = curve_fit(lambda t, k, V: 100 / V * np.exp(-k * t), t, y, p0=[0.2, 10])
    rest = y - 100 / best[1] * np.exp(-best[0] * t)
    assert [found.estimates["k"], found.estimates["V"]] == pytest.approx(best, rel=1e-5)
    assert found.sigma["sigma_add"] == pytest.approx(np.sqrt(np.mean(rest**2)), rel=1e-5)
    assert found.ofv == pytest.approx(len(y) * (np.log(np.mean(rest**2)) + 1), rel=1e-7)
    assert found.n_parameters == 3
    assert found.converged
    assert (found.effects == 0).all()
    assert any("random effects are taken as 0" in m for m in found.messages)


def test_a_naive_pooled_fit_simulates_residual_error_alone(tmp_path: Path) -> None:
    model, table = tools.bolus(), tools.draw(20, 4)
    found = fit(model, table, method="naive_pooled", fixed=["omega_k"], start={"omega_V": 0.1})
    assert found.etas == ()
    doses, times = Regimen(amt=100, cmt="central"), [1.0, 4.0]
    curves = simulate(found.model, doses, Population.draw(found.model, 50, seed=1), times)["Cc"].values
    assert curves.std(axis=0) == pytest.approx(np.zeros(2), abs=1e-9)
    found.save(tmp_path / "fit.json")
    back = load_fit(tmp_path / "fit.json", model, table)
    assert back.etas == ()
    assert str(back) == str(found)


def test_naive_pooled_standard_errors_know_the_subjects() -> None:
    table = tools.draw(40, 4, sd=(0.5, 0.4), prop=0.05)
    found = fit(tools.bolus(), table, method="naive_pooled")
    assert found.uncertainty is not None
    alone = np.sqrt(np.diag(np.linalg.inv(found.uncertainty.R)))
    # data of a subject lie on one side: what they tell is less than as many independent data
    assert found.se["V"] / found.estimates["V"] > 1.3 * alone[1]


def test_naive_pooled_gradient_is_a_derivative() -> None:
    problem = _without_omegas(pose(tools.bolus(Combined(0.2, 0.1)), tools.draw(5, 4, limit=1.5)))
    objective, x = _Pooled(problem), problem.layout.start
    h = 1e-5 * np.eye(x.size)
    wide = [(objective(x + e).ofv - objective(x - e).ofv) / 2e-5 for e in h]
    assert objective(x).gradient == pytest.approx(wide, rel=1e-5)


def test_naive_pooled_without_anything_to_estimate() -> None:
    with pytest.raises(DataError, match="nothing is estimated: all parameters of model 'bolus' are fixed"):
        fit(tools.bolus(), tools.draw(4, 4), method="naive_pooled", fixed=["k", "V", "sigma_prop"])


# -- two-stage


def test_two_stage_is_the_mean_and_covariance_of_individual_fits() -> None:
    from scipy.optimize import curve_fit

    table = tools.draw(12, 6, add=0.1, prop=0.0)
    found = fit(tools.bolus(Additive(0.3), block=True), table, method="two_stage")
    psi, rest = [], 0.0
    for own in tools.subjects(table):
        t, y = own["TIME"], own["DV"]
        best, _ = curve_fit(lambda t, a, b: 100 * np.exp(-b - np.exp(a) * t), t, y, p0=np.log([0.2, 10]))
        psi.append(best)
        rest += float(np.sum((y - 100 * np.exp(-best[1] - np.exp(best[0]) * t)) ** 2))
    assert np.log([found.theta["k"], found.theta["V"]]) == pytest.approx(np.mean(psi, axis=0), abs=1e-3)
    np.testing.assert_allclose(found.omega, np.cov(np.transpose(psi)), rtol=0.01, atol=1e-3)
    assert found.sigma["sigma_add"] == pytest.approx(np.sqrt(rest / (12 * 4)), rel=1e-3)
    assert found.converged
    assert len(found.extra["individual"]["eta_k"]) == 12
    assert found.covariance is None
    assert found.covariance_message == "two-stage has none of its own; that of FOCEI can be computed at its estimates"
    doses = Regimen(amt=100, cmt="central")
    with pytest.raises(PkpdError, match=r"^simulate: the fit has no covariance of the estimates \(two-stage has none"):
        simulate(found, doses, times=[1.0], n=5)
    with pytest.raises(PkpdError, match=r"^population: the fit has no covariance"):
        found.population(5)


def test_two_stage_shares_what_has_no_random_effect() -> None:
    table = tools.draw(20, 7, sd=(0.3, 0.0), prop=0.05, times=np.array([0.5, 2.0, 5.0, 9.0]))
    found = fit(tools.bolus(Proportional(0.1), sd_V=None), table, method="two_stage", start={"V": 14.0})
    other = fit(tools.bolus(Proportional(0.1), sd_V=None), table)
    assert found.theta["V"] == pytest.approx(other.theta["V"], rel=0.01)
    assert found.theta["k"] == pytest.approx(other.theta["k"], rel=0.02)
    assert found.converged


def test_two_stage_leaves_out_subjects_with_few_data() -> None:
    from pkpd.dosing.events import read_events

    frame: Any = tools.draw(8, 6).frame
    few = read_events(frame[(frame["ID"] != 3) | (frame["TIME"] < 1)].drop(columns="MDV"))
    found = fit(tools.bolus(), few, method="two_stage")
    assert any("1 subjects with too few observations are left out: ID 3" in m for m in found.messages)
    with pytest.raises(DataError, match=r"0 subjects have more observations than random effects \(2\)"):
        fit(tools.bolus(), tools.draw(4, 6, times=np.array([1.0, 2.0])), method="two_stage")


def test_two_stage_needs_random_effects() -> None:
    with pytest.raises(DataError, match="two_stage: the model has no random effects; take 'naive_pooled'"):
        fit(tools.bolus(sd_k=None, sd_V=None), tools.draw(4, 6), method="two_stage")


# -- MAP


def test_map_with_wide_priors_is_the_likelihood_alone() -> None:
    table = tools.draw(12, 9)
    other = fit(tools.bolus(), table)
    found = fit(tools.bolus(), table, Map(priors={"k": (0.2, 1e3), "V": (10.0, 1e3)}))
    assert found.x == pytest.approx(other.x, abs=1e-3)
    assert found.ofv == pytest.approx(other.ofv, abs=1e-4)
    assert found.extra["penalty"] == pytest.approx(0.0, abs=1e-3)


def test_map_weighs_prior_and_data() -> None:
    table = tools.draw(12, 9)
    other = fit(tools.bolus(), table)
    assert other.uncertainty is not None
    se = float(np.sqrt(other.uncertainty.scaled[0, 0]))
    # a prior one standard error off, as precise as the data: the estimate lies half way, its error falls by root 2
    centre = float(np.exp(other.x[0] + se))
    found = fit(tools.bolus(), table, Map(priors={"k": (centre, se), "V": (10.0, 1e3)}))
    assert found.x[0] - other.x[0] == pytest.approx(0.5 * se, rel=0.1)
    assert found.uncertainty is not None
    assert np.sqrt(found.uncertainty.scaled[0, 0]) == pytest.approx(se / np.sqrt(2), rel=0.1)
    assert found.extra["penalty"] == pytest.approx(0.25, rel=0.2)
    assert found.extra["priors"]["V"].startswith("normal(2.303, 1000)")


def test_map_refuses_other_objectives() -> None:
    with pytest.raises(PkpdError, match="objective must be focei, foce, fo, laplace, got 'saem'"):
        fit(tools.bolus(), tools.draw(4, 9), Map(objective=cast(Any, "saem")))


# -- priors


@pytest.mark.parametrize("full", [True, False])
def test_prior_gradient_is_a_derivative(full: bool) -> None:
    layout = pose(tools.bolus(Combined(0.2, 0.1), block=True, weight=True), tools.draw(4, 4)).layout
    priors = Priors(layout, {"k": (0.3, 0.2), "omega_V": 0.4, "sigma_prop": 0.2, "correlation": 3.0}, full)
    x = layout.start + np.random.default_rng(0).normal(0, 0.3, layout.size)
    wide = [(priors(x + e)[0] - priors(x - e)[0]) / 2e-6 for e in 1e-6 * np.eye(x.size)]
    assert priors(x)[1] == pytest.approx(wide, rel=1e-6, abs=1e-6)


def test_prior_of_a_block_is_half_normal_and_lkj() -> None:
    """In two dimensions the density of the correlation is (1 - r^2)^(shape - 1), whatever the standard deviations."""
    layout = pose(tools.bolus(block=True), tools.draw(4, 4)).layout
    priors = Priors(layout, {"omega_k": 0.5, "omega_V": 0.3, "correlation": 2.5}, full=True)
    at = [layout.entries.index(e) for e in layout.entries if e.kind == "omega"]
    x = layout.start.copy()

    def density(s1: float, s2: float, r: float) -> float:
        x[at] = np.log(s1), r * s2, np.log(s2 * np.sqrt(1 - r * r))
        # of (log l11, l21, log l22) by (s1, s2, r): 1/s1, and the determinant of the other two
        return priors(x)[0] - np.log(s1) + np.log(1 / (1 - r * r))

    def wanted(s1: float, s2: float, r: float) -> float:
        return -0.5 * (s1 / 0.5) ** 2 - 0.5 * (s2 / 0.3) ** 2 + 1.5 * np.log(1 - r * r)

    points = [(0.3, 0.2, 0.1), (0.6, 0.1, -0.8), (0.1, 0.9, 0.5)]
    apart = [density(*p) - wanted(*p) for p in points]
    assert apart == pytest.approx([apart[0]] * 3, abs=1e-9)


def test_default_priors_stay_where_the_model_declares_them_wherever_a_search_starts() -> None:
    model, table = tools.bolus(), tools.draw(4, 4)
    plain = Priors(pose(model, table).layout, full=True)
    moved = Priors(pose(model, table, start={"k": 1.0, "omega_V": 0.5, "sigma_prop": 0.4}).layout, full=True)
    assert moved.describe() == plain.describe()
    assert plain.location[:2] == pytest.approx(np.log([0.2, 10.0]))  # the values in the helper
    found = fit(model, table)
    again = fit(found, table, Map(priors={"sigma_prop": ErrorScale(2.0, 0.05)}))
    first = fit(model, table, Map(priors={"sigma_prop": ErrorScale(2.0, 0.05)}))
    assert again.extra["priors"] == first.extra["priors"]
    assert again.x == pytest.approx(first.x, abs=1e-3)


def _base(unit: float, value: float = 0.2, spread: float | None = 0.3) -> Any:
    """Return a marker that falls from E0 with a rate of 0.1/h, in g/L (unit 1), mg/L (unit 1000) or others."""
    name = {1e-3: "kg/L", 1.0: "g/L", 1000.0: "mg/L", 1e9: "ng/L"}[unit]
    sd = None if spread is None else spread * unit
    return Model(
        "marker",
        states=[State("B", name)],
        parameters=[
            Parameter("E0", value * unit, name, sd=sd, scale="additive", bounds=(-9.0 * unit, 9.0 * unit)),
            Parameter("k", 0.1, "1/h", fixed=True),
        ],
        outputs=[Output("E", name, error=Additive(0.3 * unit))],
        initial=lambda p: {"B": p.E0},
        dynamics=lambda t, x, p: {"B": -p.k * x.B},
        calculate=lambda t, x, p: {"E": x.B},
    )


def _falling(unit: float) -> Any:
    rng = np.random.default_rng(1)
    rows = [
        {"ID": i, "TIME": t, "AMT": 0.0, "EVID": 0, "DV": unit * (3 * np.exp(-0.1 * t) + 0.3 * rng.normal())}
        for i in range(4) for t in (0.0, 2.0, 5.0, 10.0)
    ]  # fmt: skip
    return read_events(pd.DataFrame(rows))


@pytest.mark.parametrize("spread", [0.3, None])
def test_default_priors_do_not_depend_on_the_unit(spread: float | None) -> None:
    grams, milligrams = (fit(_base(u, spread=spread), _falling(u), Map()) for u in (1.0, 1000.0))
    assert milligrams.theta["E0"] == pytest.approx(1000 * grams.theta["E0"], rel=1e-4)
    assert milligrams.extra["penalty"] == pytest.approx(grams.extra["penalty"], rel=1e-3)
    prior = Priors(pose(_base(1.0, spread=spread), _falling(1.0)).layout, full=False)
    assert prior.sd[0] == pytest.approx(0.2 if spread is None else 2.5 * 0.3)


@pytest.mark.parametrize("unit", [1e-3, 1000.0, 1e9])
def test_standard_errors_and_profiles_do_not_depend_on_the_unit(unit: float) -> None:
    """Of E0 they are those in g/L times the unit; without variability sigma over the root of the sum of b^2."""
    found = [fit(_base(u, spread=None), _falling(u), Focei()) for u in (1.0, unit)]
    one, other = (np.sqrt(f.uncertainty.matrix[0, 0]) for f in found if f.uncertainty is not None)
    assert other == pytest.approx(unit * one, rel=1e-4)
    b = np.exp(-0.1 * np.array([0.0, 2.0, 5.0, 10.0]))
    assert one == pytest.approx(found[0].sigma["sigma_add"] / np.sqrt(4 * (b @ b)), rel=1e-3)
    ends = [
        [float(p[k].sel(parameter="E0")) for k in ("low", "high")] for p in (profile(f, ["E0"]).data for f in found)
    ]
    np.testing.assert_allclose(ends[1], unit * np.array(ends[0]), rtol=1e-3)


def test_a_value_of_0_tells_no_size_and_needs_a_prior() -> None:
    with pytest.raises(DataError, match=r"1 must be given, .*: E0 \(model's value 0 mg/L\); write priors=\{'E0': \("):
        fit(_base(1000.0, 0.0, None), _falling(1000.0), Map())
    found = fit(_base(1000.0, 0.0, None), _falling(1000.0), Map(priors={"E0": (0.0, 5000.0)}))
    assert found.theta["E0"] == pytest.approx(3000, rel=0.1)
    # without a unit there is no other one to write it in
    weighed = Priors(pose(tools.bolus(weight=True), tools.draw(4, 4)).layout, full=False)
    assert weighed.sd[2] == 1.0


def test_distributions_say_the_same_as_bare_numbers_and_more() -> None:
    """A half-normal by its scale; a log-normal factor of an error by hand: log(0.1 * 1.5) and 0.25."""
    layout = pose(tools.bolus(Combined(0.2, 0.1), block=True), tools.draw(4, 4)).layout
    x = layout.start + 0.1
    bare = Priors(layout, {"omega_k": 0.5, "sigma_prop": 0.2})
    named = Priors(layout, {"omega_k": HalfNormal(0.5), "sigma_prop": HalfNormal(0.2)})
    assert named(x)[0] == bare(x)[0]
    assert named.describe() == bare.describe()
    at = next(k for k, e in enumerate(layout.entries) if e.name == "sigma_prop")
    factor = Priors(layout, {"omega_k": 0.5, "sigma_prop": ErrorScale(1.5, 0.25)}, full=False)

    def density(value: float) -> float:
        x[at] = np.log(value)
        return factor(x)[0]

    declared = layout.sigma0["sigma_prop"]
    lost = density(declared) - density(1.5 * declared)
    assert lost == pytest.approx(-0.5 * (np.log(1.5) / 0.25) ** 2)


@pytest.mark.parametrize(
    ("priors", "text"),
    [
        ({"omega_k": ErrorScale(1.0, 0.3)}, r"omega_k: ErrorScale is the prior of a residual parameter \(sigma_prop\)"),
        ({"correlation": HalfNormal(1.0)}, r"correlation must be a number > 0, the shape of its prior, got HalfNormal"),
        ({"correlation": -1.0}, r"correlation must be a number > 0, the shape of its prior, got -1.0$"),
        ({"sigma_prop": "a"}, r"sigma_prop must be .* HalfNormal\(scale\), .*, or ErrorScale\(value, sd\), got 'a'"),
        (
            {"K": (0.2, 1.0)},
            r"1 cannot be taken: 'K' is not estimated; what can have a prior: V, k, .*did you mean 'k'",
        ),
        ({"k": 0.2}, r"k must be \(value, sd on its scale\) with sd > 0, got 0.2"),
        ({"k": (-1.0, 0.2)}, r"k: its scale has no place for the value -1"),
        (
            {"omega_k": -1.0, "sigma_prop": "a"},
            r"2 cannot be taken: omega_k must be a number > 0 or HalfNormal\(scale\), .* got -1.0; sigma_prop",
        ),
    ],
)
def test_priors_are_checked(priors: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        fit(tools.bolus(), tools.draw(4, 4), Map(priors=priors))
