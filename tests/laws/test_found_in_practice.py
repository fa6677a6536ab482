"""What was found by using the library as its readers do: numbers that were wrong, and options that were not refused."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from typer.testing import CliRunner

import pkpd
from pkpd.cli.app import app
from pkpd.comparison.statistics import summary
from pkpd.errors import DataError, PkpdError, RegimenError

# pk1_iv: 5 L/h and 50 L at 70 kg, so that 100 mg into a vein are 2 exp(-0.1 t) mg/L.


@pytest.fixture(scope="module")
def model():
    return pkpd.models["pk1_iv"]


@pytest.fixture(scope="module")
def typical(model):
    return pkpd.Population.typical(model)


@pytest.fixture(scope="module")
def patient(model):
    return pkpd.individual(model, [("Cc", 10, 0.7)], regimen="100 mg IV once", draws=500, seed=1)


def met(model, typical, regimen, target, **options):
    found = pkpd.compare(model, {"x": regimen}, population=typical, targets=target, measures=[], **options)
    return found.dataset[target].item()


@pytest.mark.parametrize(("level", "expected"), [(0.6, 1.0), (0.605, 0.0)])
def test_throughout_begins_after_the_first_bolus(model, typical, level, expected):
    # The lowest is the first trough, 2 exp(-1.2) = 0.6024; nothing is there before the dose.
    assert met(model, typical, "100 mg IV q12h x4", f"Cc > {level} throughout") == expected


@pytest.mark.parametrize(("day", "expected"), [(0, 1.0), (1, 1.0), (2, 0.0)])
def test_from_the_day_of_the_first_bolus_on_begins_after_it(model, typical, day, expected):
    # 48 h after the start the last trough, 2 exp(-1.2) (1 + exp(-1.2) + ...), is the lowest of what follows
    level = 0.6 if day < 2 else 0.86
    assert met(model, typical, "100 mg IV q12h x4", f"Cc > {level} from day {day}") == expected


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("ICANS < 9 by day 3", "'ICANS < 9 by day 3' is about a grade, which is from 0 to 4; got 9"),
        (
            "blockade > 50 at trough",
            "'blockade > 50 at trough' is about a part of the signal, which is from 0 to 1; got 50",
        ),
    ],
)
def test_a_target_that_nobody_can_meet_or_miss_is_refused(target, message):
    record = pkpd.load_fit("anakinra_reports")
    with pytest.raises(PkpdError, match=message):
        pkpd.compare(record, {"daily": "100 mg SC daily x7"}, cohort="strati", n=5, targets=target)


@pytest.mark.parametrize(
    ("regimen", "window", "average"),
    [
        ("100 mg IV once", (6, 24), 20 * (np.exp(-0.6) - np.exp(-2.4)) / 18),
        # Within the last interval, which is not seen whole: what is left of four doses.
        (
            "100 mg IV q12h x4",
            (37, 45),
            20 * sum(np.exp(-1.2 * k) for k in range(4)) * (np.exp(-0.1) - np.exp(-0.9)) / 8,
        ),
    ],
)
def test_an_average_is_of_what_the_window_shows_of_the_treatment(model, typical, regimen, window, average):
    for factor, expected in ((0.998, 1.0), (1.002, 0.0)):
        assert met(model, typical, regimen, f"Cc > {factor * average:.5f} on average", window=window) == expected


def test_a_window_after_the_treatment_has_no_treatment(model, typical):
    found = pkpd.compare(
        model, {"x": "100 mg IV q12h x2"}, population=typical, window=(30, 40), measures=["Cmax", "AUCtau"],
        targets=["Cc > 0.1 throughout", "Cc > 0.1 by day 1.5"],
    ).dataset  # fmt: skip
    assert found["Cmax"].item() == pytest.approx(2 * (np.exp(-3.0) + np.exp(-1.8)), rel=1e-5)
    assert np.isnan([found["AUCtau"].item(), found["Cc > 0.1 throughout"].item()]).all()
    assert found["Cc > 0.1 by day 1.5"].item() == 1.0


@pytest.mark.parametrize("window", [(0, 24, 48), 24, "0-24", (24, 0)])
def test_a_window_of_a_comparison_is_two_times(model, typical, window):
    with pytest.raises(PkpdError, match="window"):
        pkpd.compare(model, {"x": "100 mg IV q12h x2"}, population=typical, window=cast(Any, window))


@pytest.mark.parametrize("when", ["by day 5", "from day 5"])
def test_a_recommendation_refuses_days_that_its_window_does_not_hold(patient, when):
    with pytest.raises(PkpdError, match=r"'Cc > 0.1 .* day 5' is about a day outside the window, which is days 0 to 2"):
        pkpd.recommend(patient, {"d": "100 mg IV daily x7"}, f"Cc > 0.1 {when}", window=(10, 58), n=20)


def test_a_recommendation_says_for_whom_a_target_has_no_meaning(patient):
    schedules = {"none": pkpd.Regimen(doses=[]), "d": "100 mg IV daily x5"}
    text = str(pkpd.recommend(patient, schedules, "Cc > 0.01 at trough", n=100))
    assert "The target has no meaning for 'none'." in text
    assert "'d' is the lightest schedule" in text
    assert "nan" not in text.replace("NaN", "")


def test_few_draws_do_not_tell_a_high_probability(patient):
    found = pkpd.recommend(patient, {"d": "1000 mg IV daily x5"}, "Cc > 0.01 at trough", n=10)
    assert found.statement.startswith(
        "10 effective draws are too few to tell a probability of at least 90%, 30 are needed (n=...); the best, 'd', "
        "has >70%."
    )
    enough = pkpd.recommend(patient, {"d": "1000 mg IV daily x5"}, "Cc > 0.01 at trough", n=40)
    assert enough.statement.startswith("'d' is the lightest schedule that meets the target")


def test_numbers_of_draws_are_whole_numbers(patient):
    record = pkpd.load_fit("anakinra_reports")
    for n in (0, -1, 2.5, "5"):
        with pytest.raises(PkpdError, match="n must be"):
            patient.population(cast(Any, n))
        with pytest.raises(PkpdError, match="n must be"):
            record.population(cast(Any, n), cohort="strati")


def test_what_is_wrong_with_a_patient_is_said_once(model):
    with pytest.raises(DataError) as caught:
        pkpd.individual(model, [("cc", 1.0, 1.8), ("Cc", 1.0, np.nan)], regimen="100 mg IV once", draws=300)
    assert str(caught.value).splitlines() == [
        "individual: 2 faults",
        "  subject 'patient', term 'cc at 1 h': the model has no output 'cc' (did you mean 'Cc'?); it has Cc",
        "  subject 'patient', term 'Cc at 1 h': value must be a finite number, got nan",
    ]


def test_only_a_day_never_comes():
    endless = np.array([np.inf, np.inf])
    assert str(summary(endless, 0.9, False)) == "inf"
    assert str(summary(endless, 0.9, False, "never")) == "never"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"tau": "24 h"}, RegimenError, "tau must be finite and > 0, in the unit of the times, got '24 h'"),
        ({"tau": [12, 24]}, RegimenError, r"tau must be finite and > 0, in the unit of the times, got \[12, 24\]"),
        ({"dose": "100 mg"}, RegimenError, "dose must be finite and > 0, got '100 mg'"),
        ({"lloq": "0.1 mg/L"}, DataError, "lloq must be finite and >= 0, got '0.1 mg/L'"),
        ({"threshold": [1.0]}, DataError, r"threshold must be finite and >= 0, got \[1.0\]"),
        ({"terminal_points": 3.5}, DataError, "terminal_points must be a whole number, got 3.5"),
        ({"terminal_points": "3"}, DataError, "terminal_points must be at least 3, got '3'"),
        ({"window": "0-24"}, DataError, r"window: give \(first time, last time\) in the unit of the times, got '0-24'"),
        ({"window": (0, None)}, DataError, r"window: give \(first time, last time\)"),
        ({"window": (0, 12, 24)}, DataError, r"window: give \(first time, last time\)"),
    ],
)  # fmt: skip
def test_exposure_refuses_options_that_are_no_numbers(model, options, kind, message):
    curve = pkpd.simulate(model, "100 mg IV once", times=pkpd.hours(0, 24, 4))["Cc"]
    with pytest.raises(kind, match=message):
        pkpd.exposure(curve, **options)


def test_exposure_names_options_that_it_does_not_have(model):
    found = pkpd.exposure(curve := pkpd.simulate(model, "100 mg IV once", times=pkpd.hours(0, 24, 4))["Cc"])
    misspelt: dict[str, Any] = {"treshold": 1}
    with pytest.raises(PkpdError, match=r"exposure has no option 'treshold' \(did you mean 'threshold'\?\)"):
        pkpd.exposure(curve, **misspelt)
    with pytest.raises(PkpdError, match="exposure_summary has no option 'treshold'"):
        pkpd.report.exposure_summary(found, **misspelt)


def test_a_summary_is_of_exposure_and_takes_one_name(model):
    sims = pkpd.simulate(model, "100 mg IV once", times=pkpd.hours(0, 24, 4))
    with pytest.raises(PkpdError, match="exposure_summary takes an exposure, got Dataset"):
        pkpd.report.exposure_summary(sims)
    assert pkpd.report.exposure_summary(pkpd.exposure(sims["Cc"]), "Cmax").columns.tolist() == ["Cmax [mg/L]"]


def test_the_largest_value_on_the_command_line_is_that_after_the_dose():
    shown = CliRunner().invoke(app, ["simulate", "pk1_iv", "-d", "100 mg IV q12h x4"], env={"COLUMNS": "200"})
    row = next(line.split() for line in shown.output.splitlines() if "Cc" in line)
    # 2 (1 + exp(-1.2) + exp(-2.4) + exp(-3.6)), behind the last dose; the hour after it has 2.568
    assert [float(x) for x in row[-3:-1]] == [0.0, 2.838]
