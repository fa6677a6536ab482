"""What fits, and what follows them, once got wrong: standard errors, files, options and sizes of numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import Additive, LogNormal, Model, Omega, Output, Parameter, Proportional, State, checks
from pkpd.errors import PkpdError
from pkpd.estimation.methods.register import method_of

HEAD = {
    "source.toml": 'name = "toy"\ncitation = "me"\ndoi = ""\nkind = "one"\nreadable = ["all"]\nday_zero = "x"\n'
    'start_day = 0\ncohorts = ["A"]\ndrugs = ["drug"]\n[markers]\nCc = "mg/L"\ntox = ""\n',
    "patients.csv": "patient,cohort,quantity,printed,printed_unit,value,unit,known,where,reason\n"
    "p,A,age,80,y,80,year,read,here,\n",
    "doses.csv": "patient,drug,printed,amt,unit,route,start,interval,number,duration,known,where,reason\n"
    "p,drug,100 mg,100,mg,IV,0,,1,,read,here,\n",
    "facts.csv": "fact,patient,marker,kind,time,time_to,at,op,printed,printed_unit,value,value_to,unit,reading_sd,use,"
    "known,where,reason\n",
}
TIMES = np.array([0.0, 1.0, 2.0, 4.0, 7.0])


def line() -> Model:
    """A straight line for each subject, whose likelihood and information have closed forms."""
    return Model(
        "line",
        states=[State("z", "mg")],
        parameters=[
            Parameter("a", 10.0, "mg", scale="additive"),
            Parameter("b", 1.0, "mg/h", scale="additive"),
            Parameter("k", 0.1, "1/h", fixed=True),
        ],
        omega=[Omega(("a", "b"), [[4.0], [0.3, 0.16]])],
        outputs=[Output("y", "mg", error=Additive(0.5))],
        dynamics=lambda t, x, p: {"z": -p.k * x.z},
        calculate=lambda t, x, p: {"y": p.a + p.b * t},
    )


def bolus(F: float = 1.0) -> Model:
    return Model(
        "bolus",
        states=[State("c", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", sd=0.3), Parameter("V", 10.0, "L"), Parameter("F", F, "", fixed=True)],
        outputs=[Output("y", "mg/L", error=Proportional(0.15))],
        dynamics=lambda t, x, p: {"c": -p.k * x.c},
        calculate=lambda t, x, p: {"y": p.F * x.c / p.V},
    )


def doses_and_levels(amount: float = 100.0, factor: float = 1.0) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for subject, k in enumerate((0.07, 0.1, 0.14)):
        rows.append({"ID": subject, "TIME": 0.0, "AMT": amount, "EVID": 1, "CMT": "c"})
        for j, t in enumerate((1.0, 6.0, 15.0)):
            y = factor * 10.0 * math.exp(-k * t) * (1.0 + 0.1 * (-1) ** (j + subject))
            rows.append({"ID": subject, "TIME": t, "AMT": 0.0, "EVID": 0, "CMT": "c", "DV": y})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("method", ["focei", "saem"])
def test_the_linearised_standard_error_of_the_residual_knows_what_random_effects_take_up(method: str) -> None:
    """Five data of a line with two random effects tell of sigma what three would: about sigma / sqrt(2 n 3)."""
    rng = np.random.default_rng(1)
    n, Z = 15, np.column_stack([np.ones(5), TIMES])
    eta = rng.multivariate_normal([0, 0], [[4, 0.3], [0.3, 0.16]], n)
    y = (np.array([10.0, 1.0]) + eta) @ Z.T + 0.5 * rng.standard_normal((n, 5))
    frame = pd.DataFrame({"ID": np.repeat(np.arange(n), 5), "TIME": np.tile(TIMES, n), "EVID": 0, "DV": y.ravel()})
    fit = pkpd.fit(line(), pkpd.read_events(frame), method_of(method, covariance="linearised"))
    omega, sigma = fit.omega, fit.sigma["sigma_add"]
    W = np.linalg.inv(Z @ omega @ Z.T + sigma**2 * np.eye(5))
    a, b = Z[:, 0], Z[:, 1]
    moves = [np.outer(a, a), np.outer(a, b) + np.outer(b, a), np.outer(b, b), 2 * sigma * np.eye(5)]
    information = n / 2 * np.array([[np.trace(W @ p @ W @ q) for q in moves] for p in moves])
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    found = [fit.se[name] for name in ("omega_a", "omega_b,a", "omega_b", "sigma_add")]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert fit.se["sigma_add"] == pytest.approx(sigma / math.sqrt(2 * n * 3), rel=0.02)


def test_a_fit_is_read_with_its_own_data_and_fixed_values_only(tmp_path: Any) -> None:
    data, path = pkpd.read_events(doses_and_levels()), tmp_path / "fit.json"
    fit = pkpd.fit(bolus(), data, pkpd.methods.Fo(covariance=None))
    fit.save(path)
    doses_and_levels().to_csv(tmp_path / "data.csv", index=False, na_rep=".")
    for same in (data, pkpd.read_events(tmp_path / "data.csv")):
        assert pkpd.load_fit(path, bolus(), same).estimates == fit.estimates
    with pytest.raises(PkpdError, match="made with other observations than"):
        pkpd.load_fit(path, bolus(), pkpd.read_events(doses_and_levels(factor=1.1)))
    with pytest.raises(PkpdError, match="made with other doses, covariates or occasions than"):
        pkpd.load_fit(path, bolus(), pkpd.read_events(doses_and_levels(200.0)))
    with pytest.raises(PkpdError, match=r"other fixed values: F 1.0 in the file, 0.5 in the model"):
        pkpd.load_fit(path, bolus(0.5), data)


def test_one_datum_of_one_subject_ends_in_words() -> None:
    """The likelihood has no bound as the residual error falls to 0; which way the search goes there is rounding."""
    fit = pkpd.fit(bolus(), pkpd.read_events(doses_and_levels().iloc[:2]), "laplace")
    assert not fit.converged
    assert any("sigma_prop is at its bound" in m and "not a maximum" in m for m in fit.messages)


@pytest.mark.parametrize("size", [1e-200, 1e200])
@pytest.mark.parametrize("method", [pkpd.Sobol(n=256), pkpd.methods.Morris(n=8)])
def test_shares_do_not_depend_on_the_size_of_the_output(size: float, method: pkpd.extend.Analysis) -> None:
    """Of a + 2 b with equal variances a has a share of 1/5, whatever the unit."""
    ranges = {"a": (0, 1), "b": (0, 1)}
    one, other = (
        pkpd.sensitivity(lambda x, s=s: s * (x[0] + 2 * x[1]), parameters=ranges, method=method).data
        for s in (1.0, size)
    )
    for name in ("S1", "ST") if method.name == "sobol" else ("mu_star", "mu"):
        expected = one[name] * (1.0 if method.name == "sobol" else size)
        np.testing.assert_allclose(other[name], expected, rtol=1e-9)
    if method == "sobol":
        np.testing.assert_allclose(other["ST"].values.ravel(), [0.2, 0.8], atol=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"times": [1.0, 2.0]}, "a plain function has no use for times"),
        ({"regimen": "100 mg once"}, "a plain function has no use for regimen"),
        ({"method": "local", "model": "pk1_iv"}, r"no use for ranges; give names, parameters=\['a'\]"),
    ],
)
def test_what_sensitivity_has_no_use_for_is_refused(options: dict[str, Any], words: str) -> None:
    name = options.pop("model", "")
    model = pkpd.models[name] if name else lambda x: x[0]
    with pytest.raises(PkpdError, match=words):
        pkpd.sensitivity(
            model, parameters={"a": (0, 1)}, **({"times": [0.0, 1.0], "of": "Cc"} if name else {}), **options
        )


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        (pkpd.Sobol, {"n": 0}, "n must be a power of two"),
        (pkpd.Sobol, {"n": 64.5}, r"n must be a whole number >= 0, got 64\.5"),
        (pkpd.Sobol, {"n": True}, "n must be a whole number >= 0, got True"),
        (pkpd.methods.Morris, {"n": 0}, "at least 2 trajectories, got n=0"),
        (pkpd.methods.Morris, {"levels": 0}, "levels must be even, at least 2, got 0"),
        (pkpd.methods.Morris, {"levels": 4.0}, r"levels must be a whole number >= 0, got 4\.0"),
    ],
)
def test_options_of_methods_that_cannot_be_are_refused(method: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(PkpdError, match=words):
        method(**options)


@pytest.mark.parametrize(
    "words",
    [
        ["sensitivity", "pk1_iv", "--of", "Cc.auc", "--vary", "CL=4:6", "--vary", "CL=4:8"],
        ["simulate", "pk1_iv", "-d", "100 mg IV once", "--set", "CL=4", "--set", "CL=5"],
    ],
)
def test_a_name_given_twice_on_the_command_line_is_refused(words: list[str]) -> None:
    from typer.testing import CliRunner

    from pkpd.cli.app import app

    found = CliRunner().invoke(app, words)
    assert found.exit_code == 2
    assert "given twice" in found.output


def test_a_function_that_returns_complex_numbers_is_refused() -> None:
    with pytest.raises(PkpdError, match="complex"):
        pkpd.sensitivity(lambda x: 1j * x[0], parameters={"a": (0, 1)}, method=pkpd.Sobol(n=64))


def report(folder: Path, *facts: str) -> str:
    """Write a report of one patient who gets 100 mg into the vein on day 0, with facts ``name, marker, kind, ...``."""
    folder = folder / "toy"
    folder.mkdir()
    for name, text in HEAD.items():
        (folder / name).write_text(text + ("".join(f"{f},read,here,\n" for f in facts) if name == "facts.csv" else ""))
    return str(folder)


def study(folder: Path, *facts: str) -> pkpd.Study:
    model = Model(
        "toy",
        states=[State("central", "mg")],
        parameters=[Parameter("CL", 1.0, "L/h"), Parameter("V", 10.0, "L")],
        outputs=[Output("Cc", "mg/L", error=LogNormal(0.2))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    free = [pkpd.Free("CL", (1.0, 0.4), source="invented")]
    return pkpd.Study("toy", model=model, evidence=[report(folder, *facts)], drugs=["drug"], free=free)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ("a,p,Cc,value,0.25,,,,x,mg/L,4,6,mg/L,,fit", "value_to: a value to fit has no value_to, the end of a range"),
        ("a,p,Cc,value,0.25,,,<,x,mg/L,4,,mg/L,,fit", "op: a value to fit has no op, of a change"),
        ("a,p,Cc,value,0.25,0.5,,,x,mg/L,4,,mg/L,,fit", "time_to: a value to fit has no time_to, the end of a window"),
        ("a,p,Cc,below,0.25,,,>,x,mg/L,4,,mg/L,,fit", "op: a below to fit has no op"),
        ("a,p,tox,grade,0.25,,,,x,,1,,,0.1,fit", "reading_sd: a grade to fit has no reading_sd"),
    ],
)
def test_a_fact_that_says_more_than_its_kind_knows_is_not_fitted_without_it(
    tmp_path: Path, fact: str, words: str
) -> None:
    with pytest.raises(PkpdError, match=words):
        pkpd.seeds[report(tmp_path, fact)]
    kept = fact.removesuffix("fit") + "no,read,here,because\n"
    (tmp_path / "toy" / "facts.csv").write_text(HEAD["facts.csv"] + kept)
    assert len(pkpd.seeds[str(tmp_path / "toy")].facts) == 1


def test_an_impossible_fact_is_named_where_there_is_no_starting_point(tmp_path: Path) -> None:
    """At the time of the dose there is nothing yet, which is not above 4."""
    facts = ("good,p,Cc,value,0.25,,,,x,mg/L,4,,mg/L,,fit", "bad,p,Cc,above,0,0.25,,,x,mg/L,4,,mg/L,,fit")
    with pytest.raises(PkpdError, match=r"no starting point.*impossible under the model .*: toy/bad\. Check"):
        pkpd.fit(study(tmp_path, *facts))


def test_what_follows_a_fit_refuses_what_it_cannot_use() -> None:
    fit = pkpd.fit(bolus(), pkpd.read_events(doses_and_levels()), "fo")
    assert checks.curves(fit, 5, end=20.0)["time"].max() == 20.0
    assert checks.curves(fit, 5, outputs="y").sizes["output"] == 1
    for options, words in (
        ({"end": -1.0}, "end must be a time after every subject's first row.* at 0 h, got -1"),
        ({"end": "20"}, "end must be a time .* got '20'"),
        ({"end": math.nan}, "end must be a time .* got nan"),
        ({"points": 5.5}, r"points must be 2 or more, a whole number, got 5\.5"),
    ):
        with pytest.raises(PkpdError, match=words):
            checks.curves(fit, **cast(Any, options))
    for uncertainty in ("yes", np.full((2, fit.x.size), np.nan), {"CL": 1.0}):
        with pytest.raises(PkpdError, match="uncertainty must be True, False, a Bootstrap"):
            fit.population(3, uncertainty=cast(Any, uncertainty))


def test_messages_about_one_patient_name_the_verb_and_its_option() -> None:
    level = [("y", 6.0, 5.0)]
    with pytest.raises(PkpdError, match="individual: a model knows no cohort"):
        pkpd.individual(bolus(), level, regimen=pkpd.Regimen(amt=100, cmt="c"), cohort="A")
    with pytest.raises(PkpdError, match=r"individual: draws must be a whole number .* got 1\.5"):
        pkpd.individual(bolus(), level, regimen=pkpd.Regimen(amt=100, cmt="c"), draws=1.5)  # pyright: ignore[reportArgumentType]
    one = pkpd.individual(bolus(), level, regimen=pkpd.Regimen(amt=100, cmt="c"), draws=1000)
    again = {"again": pkpd.Regimen(amt=100, cmt="c")}
    with pytest.raises(PkpdError, match="recommend: now must be a finite time, got nan"):
        pkpd.recommend(one, again, "y > 1 on average", n=20, now=math.nan)


def test_a_result_of_another_study_says_whose_it_is(tmp_path: Path) -> None:
    fact = "a,p,Cc,value,0.25,,,,x,mg/L,4,,mg/L,,fit"
    own = study(tmp_path, fact)
    pkpd.fit(own).save(tmp_path / "fit.nc")
    other = pkpd.Study("other", model=own.model, evidence=own.evidence, drugs=["drug"], free=own.free)
    with pytest.raises(PkpdError, match=r"fit\.nc is a result of study 'toy', not of 'other'"):
        pkpd.load_fit(tmp_path / "fit.nc", study=other)


def test_a_profile_takes_data_and_a_log_likelihood_that_are_numbers() -> None:
    dose, profile = pkpd.Regimen(amt=100, cmt="c"), pkpd.uncertainty.profile
    with pytest.raises(PkpdError, match="data: y has values that are infinite; NaN is missing"):
        profile(bolus(), "k", regimen=dose, times=[1.0, 5.0], data={"y": [9.0, math.inf]})
    with pytest.raises(PkpdError, match="profile: of a Model there is no use for start, bounds; leave that out"):
        profile(bolus(), "k", start={"k": 1.0}, bounds={})
    odd: Any
    for odd in ("a", None):
        with pytest.raises(PkpdError, match="the objective must return a number, the log-likelihood, got"):
            profile(lambda v, odd=odd: odd, start={"x": 1.0})


def test_two_stage_says_why_it_has_not_converged() -> None:
    fit = pkpd.fit(bolus(), pkpd.read_events(doses_and_levels()), pkpd.methods.TwoStage(max_iterations=1))
    assert not fit.converged
    assert any("in the last of 1 rounds; raise max_iterations" in m for m in fit.messages)
