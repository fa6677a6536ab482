"""What further measurements would tell: learned widths against closed forms, integrals and refits; designs; words."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from calibration_toy import drug_model, evidence, fact, measured_study, small_study
from scipy import stats

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.checks.held_out import Response
from pkpd.estimation.checks.prospects.api import what_would_tell
from pkpd.estimation.checks.prospects.design import Design, LeftOut, SamplingDays, designs_from
from pkpd.estimation.checks.prospects.doses import doses_under, start_of, without_window
from pkpd.estimation.checks.prospects.learner import interval_width, learn
from pkpd.estimation.checks.prospects.ranking import MIDDLE, NEW
from pkpd.estimation.checks.prospects.refits import refitted_widths
from pkpd.estimation.checks.prospects.simulated import measured_subject, simulate_terms
from pkpd.estimation.checks.prospects.words import prospects_text
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.study import Study

Z90 = 2 * stats.norm.ppf(0.95)


# -- the learner


def gaussian(n, repeats, seed=0):
    """Return a number, data linear in it and eleven others, its draws, and what is known of it with the data."""
    rng = np.random.default_rng(seed)
    root, seen, sd = rng.normal(size=(12, 12)) / np.sqrt(12), rng.normal(size=(6, 12)), 0.5
    theta = rng.normal(size=(n, 12)) @ root.T
    groups = np.repeat(np.arange(n), repeats)
    data = (theta @ seen.T)[groups] + sd * rng.normal(size=(groups.size, 6))
    before = root @ root.T
    gain = before @ seen.T @ np.linalg.inv(seen @ before @ seen.T + sd**2 * np.eye(6))
    after = before - gain @ seen @ before
    return theta[groups, 0], data, groups, before[0, 0], after[0, 0]


@pytest.mark.parametrize(("n", "repeats"), [(400, 5), (2000, 1)])
def test_of_a_linear_gaussian_number_the_expected_width_is_that_of_theory(n, repeats):
    x, data, groups, before, after = gaussian(n, repeats)
    found = learn(x, data, groups, x > 0)
    assert abs(found.width_now - Z90 * np.sqrt(before)) < 4 * 2.2 * np.sqrt(before / n)
    # what is not learned makes it wider, by at most a tenth here
    assert -4 * found.error < found.width - Z90 * np.sqrt(after) < 0.1 * Z90 * np.sqrt(after) + 4 * found.error
    # the sign of a correlated normal number: 1/2 + asin(rho) / pi
    told = 0.5 + np.arcsin(np.sqrt(1 - after / before)) / np.pi
    assert abs(found.tells - told) < 4 * np.sqrt(told * (1 - told) / n)
    assert abs(found.tells_now - 0.5) < 4 * 0.5 / np.sqrt(n)


def test_of_a_skewed_number_the_expected_width_is_that_of_numerical_integration():
    rng = np.random.default_rng(3)
    theta, groups = rng.normal(size=2000), np.arange(2000)
    y = np.exp(0.8 * theta)[:, None] * [1.0, 0.5] + 0.5 * rng.normal(size=(2000, 2))
    found = learn(np.exp(theta), y, groups, theta > 0)
    grid = np.linspace(-5, 5, 1001)
    f, widths, right = np.exp(0.8 * grid), [], []
    for one, half in y:
        density = np.exp(-0.5 * grid**2 - ((one - f) ** 2 + (half - 0.5 * f) ** 2) / (2 * 0.25))
        below = np.cumsum(density) / density.sum()
        low, high = np.interp([0.05, 0.95], below, grid)
        above = 1 - np.interp(0.0, grid, below)
        widths.append(np.exp(high) - np.exp(low))
        right.append(max(above, 1 - above))
    assert -4 * found.error < found.width - np.mean(widths) < 0.1 * np.mean(widths) + 4 * found.error
    assert abs(found.tells - np.mean(right)) < 4 * np.sqrt(0.14 / 2000)
    assert found.width < 0.5 * found.width_now


@pytest.mark.parametrize("seed", range(4))
def test_data_that_tell_nothing_leave_the_width_as_it_is(seed):
    rng = np.random.default_rng(seed)
    x, groups = rng.normal(size=400), np.repeat(np.arange(400), 5)
    found = learn(x[groups], rng.normal(size=(2000, 12)), groups, (x > 0.2)[groups], seed)
    assert found.width == found.width_now == interval_width(x)
    assert found.tells == found.tells_now == pytest.approx(max((x > 0.2).mean(), (x <= 0.2).mean()))
    constant = learn(x[groups], np.ones((2000, 3)), groups, (x > 0.2)[groups], seed)
    assert constant.width == constant.width_now


def test_data_that_hold_others_tell_no_less():
    x, data, groups, _, _ = gaussian(1000, 2, seed=5)
    found = [learn(x, data[:, :k], groups) for k in (1, 3, 6)]
    for less, more in pairwise(found):
        assert more.width < less.width + 3 * np.hypot(less.error, more.error)
    assert found[2].width < found[0].width - 3 * found[0].error
    assert np.isnan(found[0].tells)


# -- designs


def test_a_schedule_is_read_from_what_a_file_can_hold():
    assert SamplingDays.of("daily").on(-1, 2).tolist() == [-1, 0, 1, 2]
    assert SamplingDays.of("12 h").on(0, 1).tolist() == [0, 0.5, 1]
    assert SamplingDays.of([-1, 2.5]).on(0, 9).tolist() == [-1, 2.5]
    made = SamplingDays.of({"every": "2 d", "from_day": 1, "to_day": 6, "reading_sd": 0.1})
    assert (made.on(-9, 9).tolist(), made.reading_sd) == ([1, 3, 5], 0.1)
    assert LeftOut.of({"drugs": ["anakinra"], "from_day": 3}) == LeftOut(("anakinra",), 3.0, np.inf)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "a", "measure": {"Cc": "weekly"}}, r"design 'a': measure of 'Cc': must be 'daily', a time such as"),
        ({"name": "a", "measure": {"Cc": {"form_day": 1}}}, r"it has no 'form_day' \(did you mean 'from_day'\?\)"),
        ({"name": "a"}, "nothing is measured; give measure, or more patients"),
        ({"measure": {"Cc": "daily"}}, "design 1 has no name"),
        ({"name": "a", "measures": {}}, r"design 1 has no 'measures' \(did you mean 'measure'\?\); it has name"),
        ({"name": "a", "measure": {"Cc": "daily"}, "from_day": 3, "to_day": 1}, "there is no day from 3 to 1"),
        ({"name": "a", "more": 2.5}, "more must be a whole number >= 0, got 2.5"),
        ({"name": "a", "more": 2, "reading_sd": -1}, "reading_sd must be a number >= 0, got -1"),
        ({"name": "a", "more": 2, "over": "figure"}, "over must be 'report' or left out, got 'figure'"),
        ({"name": "a", "more": 2, "without": {"drugs": "x"}}, "without: must be a table with drugs, from_day"),
        (
            {"name": "a", "more": 2, "without": {"drugs": ["x"], "from_day": 2, "to_day": 1}},
            "without: from_day must be before to_day, got 2 and 1",
        ),
        ({"name": "a", "more": 2, "shift": {"x": "soon"}}, "shift must be a table of days by drug"),
        ({"name": "a", "more": 2, "patients": "p1"}, "patients must be a list of names, got 'p1'"),
        ("a", "design 1 must be a table, got 'a'"),
    ],
)
def test_a_wrong_design_is_refused_with_the_reason(row, message):
    with pytest.raises(PkpdError, match=message) as error:
        designs_from([row, {"name": "b", "more": 1}], "report.toml")
    assert str(error.value).startswith("report.toml: ")


def test_designs_are_a_list_of_different_ones():
    with pytest.raises(PkpdError, match="two designs are called 'a'"):
        designs_from([{"name": "a", "more": 1}, Design("a", more=2)])
    with pytest.raises(PkpdError, match=r"designs are a list of tables, \[\[design\]\]"):
        designs_from({"name": "a"})
    with pytest.raises(PkpdError, match="there is no design"):
        designs_from([])
    assert designs_from([{"name": "a", "more": 1}])[0].label == "a"


# -- doses


def test_an_infusion_is_cut_by_a_window_and_other_doses_in_it_go():
    given = [*without_window(Dose(48, "x", tinf=48), 12, 24), *without_window(Dose(5, "x", ii=12, addl=3), 12, 24)]
    assert [(d.time, d.amt, d.tinf) for d in given] == [
        (0, 12, 12), (24, 24, 24), (0, 5, None), (24, 5, None), (36, 5, None)
    ]  # fmt: skip
    assert [d.time for d in without_window(Dose(4, tinf=2, ii=24, addl=2), 24, np.inf)] == [0]
    with pytest.raises(PkpdError, match="an infusion at steady state has no end and cannot be cut"):
        list(without_window(Dose(np.inf, rate=2, ss=1), 0, 5))


def test_doses_of_a_drug_are_left_out_stopped_or_shifted():
    problem = small_study().problem
    subject = problem.subjects[0]
    assert start_of(problem, subject, Design("a", more=1)) == 0.0

    def times(**change):
        return doses_under(problem, subject, Design("a", {"Cc": [0]}, **change), 0.0).times.tolist()

    assert times() == [0, 24]
    assert times(without={"drugs": ["anakinra"], "from_day": 0.5}) == [0]
    assert times(without={"drugs": ["anakinra"], "from_day": -1, "to_day": 1}) == [24]
    assert times(shift={"anakinra": -0.5}) == [-12, 12]
    with pytest.raises(PkpdError, match=r"design 'a': the study gives no 'anakinr' \(did you mean 'anakinra'\?\)"):
        times(shift={"anakinr": 1})


def test_measurements_are_on_the_clock_of_the_first_dose_and_within_what_is_modelled():
    problem = small_study().problem
    late = replace(problem.subjects[0], regimen=Regimen(amt=10, time=[30, 54]))
    found = measured_subject(problem, late, Design("a", {"Cc": "daily", "tox": [0]}, from_day=-3, to_day=1), 30.0)
    assert [(t.output, t.kind, t.time) for t in found.terms] == [
        ("Cc", "density", 6), ("Cc", "density", 30), ("Cc", "density", 54), ("tox", "grade", 30)
    ]  # fmt: skip
    over = measured_subject(problem, late, Design("a", {"Cc": "daily"}, over="report", reading_sd=0.1), 30.0)
    # facts speak of hours 0 to 48
    assert [t.time for t in over.terms] == [0, 24, 48]
    assert {t.reading_sd for t in over.terms} == {0.1}
    with pytest.raises(PkpdError, match=r"no day of it lies within what is modelled of patient 'toy/p1'"):
        measured_subject(problem, late, Design("a", {"Cc": [-9]}), 30.0)
    with pytest.raises(PkpdError, match=r"design 'a': 'CC' is no output \(did you mean 'Cc'\?\)"):
        measured_subject(problem, late, Design("a", {"CC": "daily"}), 30.0)
    with pytest.raises(PkpdError, match="'activity' has no residual error, so it cannot be measured"):
        measured_subject(problem, late, Design("a", {"activity": "daily"}), 30.0)


def test_what_is_simulated_scatters_by_residual_and_reading_error_under_the_changed_doses():
    problem = small_study().problem
    design = Design("a", {"Cc": [1.25]}, reading_sd=0.3, without={"drugs": ["anakinra"], "from_day": 0.5})
    subject = measured_subject(problem, problem.subjects[0], design, 0.0)
    values = np.tile([1.1, 9.0], (60, 1))
    seen = simulate_terms(problem, subject, values, np.full((60, 1), 1.2), 10, [1])
    assert seen.shape == (60, 10, 1)
    z = (np.log(seen) - np.log(100 * np.exp(-1.1 / 9.0 * 30.0) / 9.0)) / np.hypot(0.2 * 1.2, 0.3)
    assert stats.kstest(z.ravel(), stats.norm.cdf).pvalue > 1e-3


# -- the verb, against what is known on paper


@pytest.fixture(scope="module")
def volume():
    """A patient's volume, log-normal, of which one concentration tells, as nothing is eliminated."""
    report = evidence(people=("p1",))
    report = replace(report, facts=(fact("p1_value", "p1", "value", 0.25, 10.0),))
    model = drug_model()
    study = Study(
        "toy", model=model, evidence=[report], free=[Free("V", (10.0, 0.2))], fixed={"CL": 1e-9}, drugs=["anakinra"],
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
    return fit(study, method=Mode(draws=2000, predictive=1), progress=False)


def test_of_a_conjugate_study_the_expected_width_is_that_of_the_closed_form(volume):
    designs = [
        Design("once", {"Cc": [0.5]}),
        Design("3 times", {"Cc": {"every": "3 h", "to_day": 0.375}}, from_day=0.01),
    ]
    found = what_would_tell(volume, designs, "V", responder=10.0).table.set_index("design")
    before = 1 / (1 / 0.2**2 + 1 / 0.2**2)
    for name, k in (("once", 1), ("3 times", 3)):
        after = 1 / (1 / before + k / 0.2**2)
        # of a log-normal number whose mean on the axis is N(log 10, before - after)
        expected = 2 * np.sinh(stats.norm.ppf(0.95) * np.sqrt(after)) * 10.0 * np.exp((before - after) / 2)
        row = found.loc[name]
        assert row["width"] == pytest.approx(expected, abs=4 * row["error"] + 0.02 * expected)
        told = 0.5 + np.arcsin(np.sqrt(1 - after / before)) / np.pi
        assert abs(row["tells"] - told) < 0.045
    assert found["width_now"].iloc[0] == pytest.approx(20 * np.sinh(stats.norm.ppf(0.95) * np.sqrt(before)), rel=0.06)
    assert found.loc["once", "narrower"] == pytest.approx(1 - found.loc["once", "width"] / found["width_now"].iloc[0])


@pytest.mark.slow
def test_refits_of_single_data_sets_agree(volume):
    design = Design("once", {"Cc": [0.5]})
    found = refitted_widths(volume, design, "V", "p1", 12, cores=1)
    after = 1 / (2 / 0.2**2 + 1 / 0.2**2)
    widths = found["width"].to_numpy() / (2 * np.sinh(stats.norm.ppf(0.95) * np.sqrt(after)))
    # the width over its factor is the median of V given the data, about 10
    assert np.all(np.abs(np.log(widths / 10)) < 4 * np.sqrt(0.02) + 0.15)
    learned = what_would_tell(volume, [design], "V").table["width"].iloc[0]
    seen = found["width"].to_numpy(np.float64)
    mean, sd = seen.mean(), seen.std(ddof=1)
    assert mean == pytest.approx(learned, abs=4 * sd / np.sqrt(12) + 0.05 * learned)
    with pytest.raises(PkpdError, match="it cannot be refitted, since its doses are other ones or patients are added"):
        refitted_widths(volume, Design("a", {"Cc": [1]}, shift={"anakinra": 1}), "V", "p1", 2)


def test_a_responder_may_be_one_by_the_course_of_an_output(volume):
    # the concentration is above 12 after the second dose if V is below 16.7, and doubles with it in everybody
    rule = Response("Cc", days=(1.2, 1.5), factor=3.0, drug="anakinra")
    found = what_would_tell(volume, [Design("once", {"Cc": [0.5]})], "V", responder=rule, n=400)
    assert found.table["tells_now"].iloc[0] == 1.0
    assert found.responder == rule


@pytest.fixture(scope="module")
def pooled():
    """Five patients measured once; their middle is normal, and so are they about it."""
    free = [Free("x", (3.0, 1.0), scale="identity", level="patient", pooling="cohort", spread=0.6)]
    people = {f"p{i}": "A" for i in range(5)}
    study = measured_study(free, np.array([[2.5], [3.5], [3.0], [3.9], [2.8]]), 0.5, people)
    return fit(study, method=Mode(draws=1500, predictive=1), progress=False)


def test_further_patients_tell_of_the_middle_and_of_a_new_one_as_theory_says(pooled):
    table = what_would_tell(pooled, [Design("20 more", more=20)], "x", responder=3.0).table.set_index("patient")
    own, spread = 0.5**2, 0.6**2

    def middle(n):
        return 1 / (1 + n / (own + spread))

    # one's own value, the middle known; the middle adds to it by how much it is leant on
    alone = 1 / (1 / own + 1 / spread)
    expected = {
        MIDDLE: (middle(5), middle(25)),
        NEW: (middle(5) + spread, middle(25) + spread),
        "s/p0": tuple(alone + (alone / spread) ** 2 * middle(n) for n in (5, 25)),
    }
    for name, pair in expected.items():
        now, then = Z90 * np.sqrt(pair)
        row = table.loc[name]
        assert row["width_now"] == pytest.approx(now, rel=0.08)
        scale = row["width_now"] / now
        assert row["width"] == pytest.approx(then * scale, abs=4 * row["error"] + 0.03 * then)
    assert table.loc[MIDDLE, "narrower"] > 0.4
    assert set(table["cohort"]) == {"A"}


def test_what_is_asked_must_fit_the_study(volume):
    once = Design("once", {"Cc": [0.5]})
    with pytest.raises(PkpdError, match=r"study 'toy': 'v' is not free.*free are V"):
        what_would_tell(volume, [once], "v")
    with pytest.raises(PkpdError, match=r"design 'once': 'toy/p9' is no patient of study 'toy'"):
        what_would_tell(volume, [once], "V", patients=["toy/p9"])
    with pytest.raises(PkpdError, match="none of its patients got the drug from whose first dose it counts"):
        what_would_tell(volume, [replace(once, drug="tocilizumab")], "V")
    with pytest.raises(PkpdError, match="responder must be a number or a Response, got 'yes'"):
        what_would_tell(volume, [once], "V", responder="yes")  # type: ignore[arg-type]
    single = volume.study.with_(free={"V": Free("V", (10.0, 0.2), level="patient")})
    own = fit(single, method=Mode(draws=300, predictive=1), progress=False)
    with pytest.raises(PkpdError, match="'V' is each patient's own without pooling"):
        what_would_tell(own, [Design("more", more=3)], "V", n=300)


def test_few_draws_are_said():
    study = small_study()
    few = fit(study, method=Mode(draws=120, predictive=1), progress=False)
    with pytest.warns(UserWarning, match="study 'toy' has 120 draws, so that widths are somewhat too large"):
        found = what_would_tell(few, [Design("a grade", {"tox": [0.2]})], "CL", n=200, responder=1.0)
    assert found.draws == 120
    assert found.table["patient"].tolist() == ["toy/p1", "toy/p2", "toy/p3"]
    assert found.table["cohort"].tolist() == ["A", "A", "B"]


# -- words


def table_of(rows):
    columns = ["design", "label", "patient", "cohort", "width_now", "width", "tells_now", "tells", "error"]
    found = pd.DataFrame(rows, columns=columns)
    found["narrower"] = 1 - found["width"] / found["width_now"]
    # as it is read back from a file
    return pd.read_csv(io.StringIO(found.to_csv(index=False)))


TABLE = [
    ("a daily CRP", "daily CRP", "s/p1", "A", 0.8, 0.4, 0.6, 0.8, 0.01),
    ("a daily CRP", "daily CRP", "s/p2", "B", 0.6, 0.5, 0.7, 0.8, 0.01),
    ("IL-6 twice", "IL-6", "s/p1", "A", 0.8, 0.70, 0.6, 0.62, 0.01),
    ("IL-6 twice", "IL-6", "s/p2", "B", 0.6, 0.58, 0.7, 0.7, 0.01),
    ("one ferritin", "ferritin", "s/p1", "A", 0.8, 0.79, 0.6, 0.6, 0.01),
    ("one ferritin", "ferritin", "s/p2", "B", 0.6, 0.6, 0.7, 0.7, 0.01),
    ("20 more patients", "20 more", NEW, "A", 0.9, 0.8, 0.6, 0.6, 0.01),
]


def test_the_sentences_say_what_tells_most_and_what_tells_nothing():
    text = prospects_text(table_of(TABLE), quantity="share of IL-1", cohorts={"A": "the first report"},
                          responder="whether IL-1 carries more than half")  # fmt: skip
    assert text == (
        "A daily CRP would have told most: the 90% interval of the share of IL-1 would on average have been 0.45 wide "
        "instead of 0.70 (most in the first report: 0.40 instead of 0.80), and whether IL-1 carries more than half "
        "would have been called rightly in 80 of 100 patients instead of 65. IL-6 would have made it 9% narrower; "
        "ferritin would have told next to nothing; nothing of what was tried would have halved it. For a new patient, "
        "20 more patients would narrow the interval from 0.90 to 0.80 in the first report."
    )


def test_where_nothing_tells_the_sentence_says_so():
    text = prospects_text(table_of(TABLE[4:6]), quantity="share of IL-1")
    assert text == (
        "Nothing of what was tried (ferritin) would have made the 90% interval of the share of IL-1 narrower by more "
        "than 5%."
    )
    with pytest.raises(PkpdError, match="the table has no row about a patient of the study"):
        prospects_text(table_of(TABLE[6:]), quantity="share")


def test_a_gain_within_its_error_is_none():
    loose = [(*row[:8], 0.3) for row in TABLE[:2]]
    assert prospects_text(table_of(loose), quantity="share").startswith("Nothing of what was tried (daily CRP)")
