"""Likelihood: every kind of term against its formula, gradients against differences, tails, failures, errors."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from likelihood_model import CUTS, DAY, DOSES, MODEL, SUBJECTS, TERMS
from scipy import special, stats

from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.functions import sqrt
from pkpd.engine.graph.nodes import as_node, symbol
from pkpd.engine.solve.status import Status
from pkpd.errors import DataError
from pkpd.estimation.individual.api import individual
from pkpd.evidence.term import Term
from pkpd.model.declare import Output
from pkpd.model.residual import Additive, Combined, LogNormal, Ordinal, ResidualError, log_phi
from pkpd.observation import kernel
from pkpd.observation.api import Likelihood
from pkpd.observation.packing import pack_batches
from pkpd.observation.reports import joined_subjects
from pkpd.observation.rules import grouped, said_of
from pkpd.observation.subject import Subject
from pkpd.observation.tape import tape
from pkpd.people.population import Population
from pkpd.simulation.api import simulate

TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-13}
FREE = ("CL", "V", "F", "ka", "phi", "IC50", "t_on", "tau", "kout", "Vmax", "base", "slope", "steep", "eta_CL")
SCALED = ("marker", "temperature", "protein", "Cc", "level", "grade")
FACTORS = np.array([1.2, 0.9, 1.1, 0.8, 1.3, 1.15])


@functools.cache
def every_kind(method: str = "auto") -> Likelihood:
    return Likelihood(MODEL, SUBJECTS, FREE, scaled=SCALED, method=method, **TIGHT)


def values() -> np.ndarray:
    """Return values off the model's own, with etas that are not 0."""
    return every_kind().start * 1.03 + (np.array(FREE) == "eta_CL") * 0.1


def at(weight: float, output: str, *times: float) -> np.ndarray:
    """Return an output of the model at the values, by simulate."""
    table = {n: [v] for n, v in zip(FREE, values()[0], strict=True) if n in MODEL.parameters}
    people = Population.from_table(MODEL, pd.DataFrame(table | {"ETA_CL": [0.1], "WT": [weight]}))
    order = np.argsort(times)
    found = simulate(MODEL, DOSES, people, np.sort(times), outputs=[output], rtol=1e-12, atol=1e-14)[output].values
    out = np.empty(len(times))
    out[order] = found.reshape(-1)
    return out


def sd_of(output: str, m: np.ndarray, reading: float) -> np.ndarray:
    """Return the sd on the scale on which the output is normal."""
    s = float(FACTORS[SCALED.index(output)]) if output in SCALED else 1.0
    parts = {
        "marker": s * 0.3, "tone": 0.0, "temperature": s * 0.4, "protein": s * 0.2 * m,
        "Cc": s * np.sqrt(0.02**2 + (0.2 * m) ** 2), "level": s * (1 + 0.1 * m),
    }  # fmt: skip
    return np.hypot(parts[output], reading * (1.0 if output in ("marker", "tone") else m))


def marginal(term: Term, m: np.ndarray) -> Any:
    """Return the distribution of measurements, from SciPy."""
    sd = sd_of(term.output, m, term.reading_sd)
    return stats.lognorm(sd, scale=m) if term.output in ("marker", "tone") else stats.norm(m, sd)


def windowed(term: Term) -> list[float]:
    inside = np.arange(term.time, term.time_to or term.time, DAY).tolist()
    return sorted({*inside, term.time_to or term.time} - {term.at})


def expected(term: Term, weight: float) -> float:
    """Return the log-probability of a term, written as its definition."""
    if term.kind == "grade":
        m, s = at(weight, term.output, term.time)[0], FACTORS[SCALED.index("grade")]
        above = [1.0, *special.expit((m - np.array(CUTS)) / s), 0.0]
        return float(np.log(above[int(term.value)] - above[int(term.value_to or term.value) + 1]))
    if term.kind.startswith("ratio"):
        assert term.time_to is not None
        m = at(weight, term.output, term.time, term.time_to)
        sd = sd_of(term.output, m, 0.0) / (1.0 if term.output in ("marker", "tone") else m)
        law: Any = stats.lognorm(np.hypot(np.linalg.norm(sd * np.ones(2)), term.reading_sd), scale=m[1] / m[0])
        return float({"ratio": law.logpdf, "ratio_below": law.logcdf, "ratio_above": law.logsf}[term.kind](term.value))
    if term.kind == "density":
        return float(marginal(term, at(weight, term.output, term.time)).logpdf(term.value)[0])
    law = marginal(term, at(weight, term.output, *windowed(term)))
    total = (law.logsf if term.kind in ("above", "nadir") else law.logcdf)(term.value).sum()
    if term.at is not None:
        total += marginal(term, at(weight, term.output, term.at)).logpdf(term.value)[0]
    return float(total)


@pytest.mark.parametrize("i", range(len(TERMS)), ids=[t.name for t in TERMS])
def test_every_kind_is_its_formula(i):
    found = every_kind().evaluate(values(), FACTORS)
    assert found.status[i] == 0
    assert found.terms[i] == found.loglik[i]
    assert found.loglik[i] == pytest.approx(expected(TERMS[i], 60.0 + i), rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("method", ["auto", "dop853"])
def test_gradients_are_those_of_the_value(method):
    like, x = every_kind(method), values()
    found = like.evaluate(x, FACTORS)
    for k, name in enumerate(FREE):
        h = 1e-4 * (abs(x[0, k]) + 0.1)
        near, far = [
            like.evaluate(x + s * h * np.eye(len(FREE))[k], FACTORS).loglik
            - like.evaluate(x - s * h * np.eye(len(FREE))[k], FACTORS).loglik
            for s in (1, 2)
        ]
        slope = (8 * near - far) / (12 * h)
        np.testing.assert_allclose(
            found.gradient[:, k], slope, rtol=2e-5, atol=1e-6 / (abs(x[0, k]) + 0.1), err_msg=name
        )


def test_gradients_by_residual_factors_are_those_of_the_value():
    like, x = every_kind(), values()
    found, h = like.evaluate(x, FACTORS), 1e-5
    for k, name in enumerate(SCALED):
        step = h * np.eye(len(SCALED))[k]
        slope = (like.evaluate(x, FACTORS + step).loglik - like.evaluate(x, FACTORS - step).loglik) / (2 * h)
        np.testing.assert_allclose(found.gradient_scales[:, k], slope, rtol=1e-6, atol=1e-8, err_msg=name)


def test_gradient_or_not_the_value_is_the_same_and_methods_agree():
    x = values()
    plain = every_kind().evaluate(x, FACTORS, gradient=False)
    np.testing.assert_allclose(plain.loglik, every_kind().evaluate(x, FACTORS).loglik, rtol=1e-7, atol=1e-8)
    assert not plain.gradient.any()
    np.testing.assert_allclose(plain.loglik, every_kind("dop853").evaluate(x, FACTORS).loglik, rtol=1e-7, atol=1e-8)


def test_looser_tolerance_keeps_value_and_gradient_together():
    x = values()
    loose = Likelihood(MODEL, SUBJECTS, FREE, scaled=SCALED, rtol=1e-5, atol=1e-8).evaluate(x, FACTORS)
    tight = every_kind().evaluate(x, FACTORS)
    np.testing.assert_allclose(loose.loglik, tight.loglik, atol=2e-4)
    np.testing.assert_allclose(loose.gradient, tight.gradient, rtol=1e-3, atol=1e-3 * np.abs(tight.gradient).max())


def test_values_of_one_subject_serve_for_all_and_terms_add_up():
    subject = Subject("one", DOSES, {}, TERMS[:5])
    like = Likelihood(MODEL, [subject, replace(subject, name="other", values={"base": 4.0})], ["CL", "base"])
    assert like.start.tolist() == [[5.0, 3.0], [5.0, 4.0]]
    found = like.evaluate(np.array([5.5, 3.5]))
    assert found.loglik[0] == pytest.approx(found.terms[:5].sum(), rel=1e-12)
    assert found.loglik[1] == pytest.approx(found.loglik[0], rel=1e-9)


def test_predictions_with_their_jacobian():
    like, x = every_kind(), values()
    found = like.predict(x, gradient=True)
    first = list(like.cells.output).index("Cc")
    assert found.values[first] == pytest.approx(at(63.0, "Cc", like.cells.time[first])[0], rel=1e-8)
    assert found.jacobian is not None
    step = 1e-4 * np.eye(len(FREE))[FREE.index("eta_CL")]
    slope = (like.predict(x + step).values - like.predict(x - step).values) / 2e-4
    np.testing.assert_allclose(found.jacobian[:, FREE.index("eta_CL")], slope, rtol=1e-5, atol=1e-7)


# --- cells ------------------------------------------------------------------------------------------------------------
def test_cells_of_windows():
    like = every_kind()
    cells = {t.name: like.cells.time[like.cells.term == k].tolist() for k, t in enumerate(TERMS)}
    assert cells["below in a window"] == [72.0, 96.0, 120.0, 132.0]
    assert cells["peak"] == [72.0, 48.0, 96.0, 120.0, 144.0, 168.0]
    assert cells["peak between"] == [50.0, 48.0, 72.0, 96.0, 120.0, 144.0]
    assert cells["ratio above"] == [144.0, 48.0]
    wide = Likelihood(MODEL, [SUBJECTS[7]], every=48.0)
    assert wide.cells.time.tolist() == [72.0, 120.0, 132.0]


# --- tails ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "z", [-1e6, -300.0, -25.01, -24.99, -10.0, -3.51, -3.49, -1.0, 0.0, 0.99, 3.49, 3.51, 9.0, 40.0]
)
def test_log_phi_and_its_slope_in_both_tails(z):
    value, slope = expression(log_phi, z)
    assert value == pytest.approx(float(special.log_ndtr(z)), rel=1e-13, abs=1e-15)
    assert float(log_phi(z)) == pytest.approx(value, rel=1e-13, abs=1e-15)
    expected = np.exp(-0.5 * z * z - 0.5 * np.log(2 * np.pi) - special.log_ndtr(z))
    assert slope == pytest.approx(expected, rel=1e-9, abs=1e-16) or z < -1e3
    if z < -30:
        assert slope == pytest.approx(-z, rel=2e-3)


def expression(function: Any, x: float) -> tuple[float, float]:
    """Return an expression of one number and its derivative, as compiled."""
    node = symbol("x", "covariate")
    root = as_node(function(node))
    value, slope = tape([node], [root, derivative([root], node)[0]])(np.array([[x]]))[:, 0]
    return float(value), float(slope)


@pytest.mark.parametrize("m", [-900.0, -50.0, 0.3, 50.0, 900.0])
@pytest.mark.parametrize(("low", "high"), [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2)])
def test_grades_far_out_are_finite_and_their_slopes_exact(low, high, m):
    error = Ordinal((-1.0, 0.5))

    def of(f: Any, width: Any) -> Any:
        return error.widened(f, width, 0.0).log_between(f, low, high)

    for function, x in ((lambda f: of(f, 1.3), m), (lambda width: of(m, width), 1.3)):
        value, slope = expression(function, x)
        assert np.isfinite([value, slope]).all()
        near = [expression(function, x + h)[0] for h in (1e-5, -1e-5)]
        assert slope == pytest.approx((near[0] - near[1]) / 2e-5, rel=1e-6, abs=1e-8)


def test_impossible_reports_have_a_finite_likelihood_and_a_slope():
    terms = (Term("low", "below", "marker", 96.0, 1e-60), Term("high", "above", "temperature", 96.0, 1e5))
    found = Likelihood(MODEL, [Subject(t.name, DOSES, {}, (t,)) for t in terms], ["kout", "phi"]).evaluate([0.05, 0.8])
    assert (found.loglik < -1e3).all()
    assert np.isfinite(found.loglik).all()
    assert (found.gradient[:, 1] != 0).all()


def two_terms(factors: np.ndarray, slope: float, second: float) -> list[np.ndarray]:
    """Sum two densities for each of two subjects: residuals of sd 0.5 times a factor about predictions 2 and `second`.

    Return loglik, gradient, gradient by factors and status.
    """
    terms = [Term(str(k), "density", "x", 0.0, v) for k, v in enumerate([2.5, 3.0, 1.0, 3.5])]
    groups = grouped(terms, np.arange(5), lambda kind, n: kind.rules(n))
    batches, codes = pack_batches(groups, np.arange(4), said_of(terms), {"x": Additive(0.5)})
    assert len(codes) == 1
    p = kernel.PackedTerms(
        np.array([0, 0, 1, 1]), np.zeros(4, np.int64), np.zeros(1, np.int64), np.array([0, 1]), np.zeros(1, np.int64)
    )
    y = np.array([[2.0, second, 2.0, 3.0], [slope, 1.0, 1.0, 1.0]])
    found = kernel.Sums(np.zeros(2), np.zeros((2, 1)), np.zeros((2, 1)), np.zeros(4))
    status = np.zeros(2, np.int64)
    kernel.sum_terms(p, batches, y, factors, status, True, found)
    return [*found[:3], status]


def test_each_subject_has_its_own_residual_factor():
    loglik, gradient, by_factor, _ = two_terms(np.array([[1.0], [2.0]]), 1.0, 3.0)
    for i, (sd, residuals) in enumerate([(0.5, np.array([0.5, 0.0])), (1.0, np.array([-1.0, 0.5]))]):
        assert loglik[i] == pytest.approx(stats.norm.logpdf(residuals, scale=sd).sum(), rel=1e-13)
        assert gradient[i, 0] == pytest.approx(residuals.sum() / sd**2, rel=1e-13, abs=1e-15)
        assert by_factor[i, 0] == pytest.approx((residuals**2 / sd**2 - 1.0).sum() * 0.5 / sd, rel=1e-13)


@pytest.mark.parametrize(("slope", "second"), [(np.inf, 3.0), (1.0, np.inf), (1.0, np.nan)])
def test_a_subject_with_one_impossible_term_has_no_gradient(slope, second):
    loglik, gradient, by_factor, status = two_terms(np.ones((1, 1)), slope, second)
    assert (status.tolist(), loglik[0], gradient[0, 0], by_factor[0, 0]) == (
        [Status.IMPOSSIBLE_DATA, 0],
        -np.inf,
        0.0,
        0.0,
    )
    assert gradient[1, 0] == pytest.approx(-0.5 / 0.25)


@pytest.mark.parametrize("m", [-3.0, 3.0])
@pytest.mark.parametrize(
    ("error", "sd"),
    [
        (LogNormal(0.5), lambda m, s: np.hypot(0.5 * s, 0.1)),
        (Combined(0.5, 0.2), lambda m, s: np.sqrt(s**2 * (0.25 + 0.04 * m**2) + (0.1 * m) ** 2)),
        (Combined(0.5, 0.2, "sd"), lambda m, s: np.hypot(s * (0.5 + 0.2 * abs(m)), 0.1 * m)),
    ],
    ids=["log", "variance", "linear"],
)
def test_residual_sds_have_their_slopes_on_both_sides_of_zero(error, sd, m):
    by_m = (sd(m + 1e-5, 1.3) - sd(m - 1e-5, 1.3)) / 2e-5
    by_s = (sd(m, 1.3 + 1e-5) - sd(m, 1.3 - 1e-5)) / 2e-5
    of_m = expression(lambda f: sqrt(error.widened(f, 1.3, 0.1).variance(f)) + 0.0 * f, m)
    of_s = expression(lambda s: sqrt(error.widened(m, s, 0.1).variance(m)), 1.3)
    assert (*of_m, of_s[1]) == pytest.approx((sd(m, 1.3), by_m, by_s), rel=1e-8)


def test_nothing_at_all_is_below_any_limit():
    """A prediction of 0 with an error on the scale of logs: below a limit for certain, neither above nor a value."""
    error = LogNormal(0.3)
    found = [
        expression(lambda f: error.log_density(f, 2.0), 0.0), expression(lambda f: error.log_cdf(f, 2.0), 0.0),
        expression(lambda f: error.log_cdf(f, 2.0, True), 0.0),
    ]  # fmt: skip
    assert [value for value, _ in found] == [-np.inf, 0.0, -np.inf]
    assert found[1][1] == 0.0


# --- failures ---------------------------------------------------------------------------------------------------------
def test_failing_subjects_are_minus_infinity_and_leave_the_others_alone():
    like, x = every_kind(), values()
    good = like.evaluate(x, FACTORS)
    bad = x.copy()
    bad[3, FREE.index("F")] = -0.5
    bad[5, FREE.index("CL")] = np.nan
    bad[0, FREE.index("base")], bad[0, FREE.index("slope")] = -3.0, -90.0
    found = like.evaluate(bad, FACTORS)
    assert found.status[[0, 3, 5]].tolist() == [Status.IMPOSSIBLE_DATA, Status.IMPOSSIBLE_DOSE, Status.VALUE_NOT_FINITE]
    assert (found.loglik[[0, 3, 5]] == -np.inf).all()
    assert not found.gradient[[0, 3, 5]].any()
    rest = np.setdiff1d(np.arange(len(TERMS)), [0, 3, 5])
    assert not found.status[rest].any()
    np.testing.assert_allclose(found.loglik[rest], good.loglik[rest], rtol=1e-7, atol=1e-8)
    again = like.evaluate(x, FACTORS)
    assert (again.loglik == good.loglik).all()


def test_solver_failures_are_minus_infinity():
    like = Likelihood(MODEL, SUBJECTS[:3], ["k", "kout"], max_steps=400)
    found = like.evaluate([[0.2, 0.05], [1e9, 1e9], [-40.0, 0.05]])
    assert found.status[0] == 0
    assert (found.status[1:] != 0).any()
    assert (found.loglik[found.status != 0] == -np.inf).all()
    assert np.isfinite(found.gradient).all()


def test_subjects_without_terms_or_doses():
    like = Likelihood(MODEL, [Subject("empty"), Subject("undosed", None, {}, TERMS[:1])], ["CL"])
    found = like.evaluate([5.0])
    assert found.loglik[0] == 0.0
    assert np.isfinite(found.loglik[1])
    assert Likelihood(MODEL, [Subject("empty")], ["CL"]).evaluate([5.0]).loglik.tolist() == [0.0]


# --- structure --------------------------------------------------------------------------------------------------------
def test_parameters_cost_states_only_where_they_reach():
    plain = Likelihood(MODEL, SUBJECTS, [])
    outputs_only = Likelihood(MODEL, SUBJECTS, ["base", "slope", "steep"])
    some = Likelihood(MODEL, SUBJECTS, ["kout", "Vmax", "base"])
    sizes = [like._kernel(True).n for like in (plain, outputs_only, some)]
    assert sizes == [6, 6, 6 + 1 + 2]


# --- errors -----------------------------------------------------------------------------------------------------------
def faulty(term: Term, **changes: Any) -> Term:
    return replace(term, **changes)


VALUE, PEAK, RATIO, GRADE = TERMS[0], TERMS[10], TERMS[13], TERMS[18]
FAULTS = {
    "kind must be one of density, peak": faulty(VALUE, kind="densty"),
    r"got 'densty' \(did you mean 'density'\?\)": faulty(VALUE, kind="densty"),
    r"the model has no output 'Marker' \(did you mean 'marker'\?\)": faulty(VALUE, output="Marker"),
    "output 'free' declares no residual error": faulty(VALUE, output="free"),
    "is Exact: reading_sd must be > 0, got 0": faulty(VALUE, output="tone", reading_sd=0.0),
    "value must be > 0, as 'marker' has LogNormal error, got 0": faulty(VALUE, value=0.0),
    "value of a ratio must be > 0, got -1": faulty(RATIO, output="temperature", value=-1.0),
    "value must be a finite number, got nan": faulty(VALUE, value=float("nan")),
    "reading_sd must be finite and >= 0, got -1": faulty(VALUE, reading_sd=-1.0),
    "time -3 is before the start of the simulation at 0": faulty(VALUE, time=-3.0),
    "a peak needs time_to and at": faulty(PEAK, at=None),
    "at must lie in the window 48 to 168, got 200": faulty(PEAK, at=200.0),
    "at is for peak and nadir, got 3 with kind 'density'": faulty(VALUE, at=3.0),
    "a ratio needs time_to, another time than 48": faulty(RATIO, time_to=None),
    "a density is of one time, got time_to 200": faulty(VALUE, time_to=200.0),
    "time_to must not be before time 120, got 100": faulty(TERMS[6], time_to=100.0),
    "grades must be whole numbers from 0 to 3, rising, got 2 to 4": faulty(GRADE, value=2, value_to=4),
    "output 'grade' is ordinal: use kind 'grade', got kind 'density'": faulty(VALUE, output="grade"),
    "output 'marker' has LogNormal error: 'grade' needs Ordinal": faulty(GRADE, output="marker"),
    "value_to must be finite or left out, got inf": faulty(GRADE, value_to=float("inf")),
    "time must be a finite number, got nan": faulty(VALUE, time=float("nan")),
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_of_terms(text):
    with pytest.raises(DataError, match=text) as caught:
        Likelihood(MODEL, [Subject("Ann", DOSES, {}, (FAULTS[text],))])
    assert "subject 'Ann', term '" in str(caught.value)


def test_all_faults_at_once():
    subjects = [
        Subject("Ann", DOSES, {"wt": 60.0}, (FAULTS["a peak needs time_to and at"],), {"CLL": 1.0}),
        Subject("Ann", DOSES, {"WT": float("nan")}, (faulty(VALUE, value=-1.0),)),
    ]
    with pytest.raises(DataError) as caught:
        Likelihood(MODEL, subjects)
    for text in (
        "likelihood: 6 faults", "subject 'Ann': is given 2 times", "no covariate 'wt' (did you mean 'WT'?)",
        "no parameter 'CLL' (did you mean 'CL'?)", "covariate WT must be finite, got nan", "a peak needs",
        "value must be > 0",
    ):  # fmt: skip
        assert text in str(caught.value)


def test_faults_of_names():
    with pytest.raises(DataError) as caught:
        Likelihood(MODEL, [], ["CL", "CL", "Cl", "eta_ka"], scaled=["marker", "makrer", "tone"])
    for text in (
        "'CL' is given twice", "no parameter or random effect 'Cl' (did you mean 'CL'?)", "random effect 'eta_ka'",
        "no output 'makrer' (did you mean 'marker'?)", "output 'tone' has no residual error that a factor",
        "at least one",
    ):  # fmt: skip
        assert text in str(caught.value)
    with pytest.raises(DataError, match="every must be a time > 0, got 0"):
        Likelihood(MODEL, SUBJECTS[:1], every=0.0)


def test_doses_that_do_not_go_into_the_model_are_named_by_subject():
    ann, bob = (Subject(n, Regimen.parse("1 mg into nowhere", name="q"), terms=TERMS[:1]) for n in ("Ann", "Bob"))
    with pytest.raises(DataError) as caught:
        Likelihood(MODEL, [ann, bob])
    assert str(caught.value).startswith("likelihood: 2 faults\n  subject 'Ann': regimen 'q', dose 1: the model has no ")
    assert "subject 'Bob': regimen 'q', dose 1: the model has no compartment 'nowhere'" in str(caught.value)
    with pytest.raises(DataError, match="patient 'Ann': regimen 'q', dose 1: the model has no compartment 'nowhere'"):
        joined_subjects(MODEL, [ann], "reports", 1.0)


def test_a_window_of_more_measurements_than_are_taken_is_refused():
    low = Term("low", "below", "marker", 0.0, 5.0, time_to=20.0)
    text = r"subject 'Ann', term 'low': its window, 0 to 20, is 2e\+10 measurements, one each 1e-09; at most 10,000"
    with pytest.raises(DataError, match=text):
        Likelihood(MODEL, [Subject("Ann", terms=(low,))], every=1e-9)
    with pytest.raises(DataError, match=text.replace("Ann", "patient")):
        individual(MODEL, [low], every=1e-9)
    with pytest.raises(DataError, match=text.replace("subject", "patient").replace("term", "fact")):
        joined_subjects(MODEL, [Subject("Ann", terms=(low,))], "reports", 1e-9)


def test_an_error_without_what_reports_need_is_refused():
    @dataclass(frozen=True)
    class Strange(ResidualError):
        def log_density(self, f, y):
            return -((y - f) ** 2)

        def sd(self, f):
            return 1.0

        def draw(self, f, normal):
            return f + normal

    model = MODEL._copy({"parameters": MODEL.parameters})
    outputs = dict(model.outputs) | {"marker": Output("marker", "mg/L", error=Strange())}
    model.__dict__["outputs"] = outputs
    with pytest.raises(DataError, match="output 'marker': Strange error has no widened, which reported values need"):
        Likelihood(model, SUBJECTS[:1])


def test_times_before_the_first_dose_are_simulated():
    early = Subject("early", Regimen(amt=100, cmt="depot", time=-48), {}, (faulty(VALUE, time=-24.0),))
    assert np.isfinite(Likelihood(MODEL, [early]).evaluate([]).loglik[0])
