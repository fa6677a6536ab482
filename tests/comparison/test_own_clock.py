"""Schedules compared for a calibrated patient: own clock, own other drugs, own days, and only while ill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibration_toy import evidence

import pkpd
from pkpd import Regimen
from pkpd.errors import PkpdError
from pkpd.model.clock import clocked

ARMS = {"daily": "100 mg SC daily x5", "twice": "100 mg SC BID x5d"}
CRP = ["CRP_area", "CRP_day_below_10"]


@pytest.fixture(scope="module")
def record():
    return pkpd.load_fit("anakinra_reports")


@pytest.fixture(scope="module")
def given():
    return pkpd.seeds["villegas2020"].regimen("p1", ["anakinra"], prefix=True)


def values(found, measure, regimen):
    return found.dataset[measure].sel(regimen=regimen).values


def test_a_schedule_in_words_begins_at_the_patients_own_first_dose(record):
    """Patient 3 of Strati got anakinra first on day 31, which is 37 days after the report's first, day -6."""
    asked = {"patient": "strati2020/p3", "n": 20, "seed": 1, "measures": CRP}
    found = pkpd.compare(record, ARMS, **asked)
    placed = {k: Regimen.parse(v, cmt="anakinra.depot").shift(24.0 * 37) for k, v in ARMS.items()}
    same = pkpd.compare(record, placed, **asked)
    for arm in ARMS:
        np.testing.assert_allclose(values(found, "CRP_area", arm), values(same, "CRP_area", arm), rtol=1e-9)
    assert not np.allclose(values(found, "CRP_area", "daily"), values(found, "CRP_area", "twice"), rtol=1e-3)
    low, high = found.dataset.attrs["days"]
    assert low <= -5  # all of his observations
    assert high >= 36  # and five days of treatment
    assert "window: days -5 to 36 of strati2020" in repr(found)
    assert "begin on day 31 of strati2020, the patient's own first dose of anakinra" in repr(found)
    later = pkpd.compare(record, ARMS, start=24.0 * 39, **asked)
    assert later.dataset.attrs["start"] == 936.0


def test_the_patients_other_drugs_go_on(record, given):
    asked = {"patient": "villegas2020/p1", "n": 20, "seed": 1, "measures": CRP}
    others = pkpd.seeds["villegas2020"].regimen("p1", ["dexamethasone", "tocilizumab"], prefix=True)
    own = pkpd.compare(record, {"given": given}, **asked)
    told = pkpd.compare(record, {"given": given}, background=others, **asked)
    without = pkpd.compare(record, {"given": given}, background=False, **asked)
    np.testing.assert_array_equal(values(own, "CRP_area", "given"), values(told, "CRP_area", "given"))
    assert np.median(values(without, "CRP_area", "given")) > 1.5 * np.median(values(own, "CRP_area", "given"))
    assert "besides: dexamethasone, tocilizumab as given" in repr(own)
    assert "the patient's other drugs are left out" in repr(without)
    both = pkpd.compare(record, {"all": given + others}, **asked)  # what is varied does not go on besides
    assert both.dataset.attrs["background"] == ""
    np.testing.assert_allclose(values(both, "CRP_area", "all"), values(own, "CRP_area", "given"), rtol=1e-4)


def test_days_are_those_of_the_report(record, given):
    """Day 22 of the report is 24 (22 + 1) h after its first day, day -1."""
    asked = {"patient": "villegas2020/p1", "n": 40, "seed": 1}
    found = pkpd.compare(
        record, {"given": given}, **asked, targets="CRP < 10 mg/L by day 23", measures=["CRP_day_below_10"]
    )
    own = record.study.problem.subjects[record.study.problem.index_of("villegas2020/p1")].regimen
    people = record.population(40, patient="villegas2020/p1", seed=1)
    crp = pkpd.simulate(record, own, people, [24.0 * 24], outputs=["CRP"])["CRP"].values[:, 0]
    met = values(found, "CRP < 10 mg/L by day 23", "given")
    np.testing.assert_array_equal(met, crp < 10)
    assert 0.1 < met.mean() < 0.95
    settled = values(found, "CRP_day_below_10", "given")
    assert (settled[met == 0] > 23).all()
    assert (settled[(met == 1) & np.isfinite(settled)] <= 23).mean() > 0.9
    assert "CRP_day_below_10 [day of villegas2020]" in found.table().columns
    with pytest.raises(PkpdError, match=r"outside the window, which is days 0 to 31 of villegas2020; day 40 after "
                       r"the start is day 64 of villegas2020"):  # fmt: skip
        pkpd.compare(record, {"given": given}, **asked, targets="CRP < 50 mg/L by day 40", window=(24.0, 768.0))


def test_new_patients_of_a_cohort_are_compared_from_their_onset(record):
    found = pkpd.compare(record, ARMS, cohort="strati", n=30, seed=1, measures=["CRP_area", "CRP_peak"])
    low, high = found.dataset.attrs["days"]
    assert low == 0
    assert high >= 5
    assert "window: days 0 to" in repr(found)
    # Everybody is ill: far above the 2 mg/L of health.
    assert (values(found, "CRP_area", "daily") / (high - low) > 5).all()
    assert (values(found, "CRP_area", "twice") < values(found, "CRP_area", "daily")).mean() > 0.9
    # All times count from the onset: those of a regimen, of a window, of a start.
    arms = {k: Regimen.parse(v, cmt="anakinra.depot") for k, v in ARMS.items()}
    asked = {"cohort": "strati", "n": 30, "seed": 1, "measures": ["CRP_area"]}
    same = pkpd.compare(record, arms, **asked)
    np.testing.assert_allclose(values(same, "CRP_area", "twice"), values(found, "CRP_area", "twice"), rtol=1e-6)
    later = pkpd.compare(record, ARMS, start=48.0, window=(0.0, 240.0), **asked)
    moved = pkpd.compare(record, {k: r.shift(48) for k, r in arms.items()}, window=(0.0, 240.0), **asked)
    assert later.dataset.attrs["days"] == moved.dataset.attrs["days"] == [0.0, 10.0]
    np.testing.assert_allclose(values(later, "CRP_area", "twice"), values(moved, "CRP_area", "twice"), rtol=1e-6)


def test_onset_is_found_in_the_equations():
    assert clocked(pkpd.models["inflammatory_tone"]) == ("t_on", "t_off", "t_back", "wander_from")
    assert clocked(pkpd.models["pk2_oral_irm1"]) == ()

    def model(dynamics):
        return pkpd.Model(
            "m", states=[pkpd.State("A", "mg")], dynamics=dynamics, check_units=False,
            parameters=[pkpd.Parameter("k", 0.1, "1/h"), pkpd.Parameter("a", 5.0, "h"), pkpd.Parameter("b", 9.0, "h")],
        )  # fmt: skip

    ill = pkpd.math.where
    assert clocked(model(lambda t, x, p: {"A": ill((t > p.a) & (t < p.b), 1.0, 0.0) - p.k * x.A})) == ("a", "b")
    # Where an equation depends on the time itself, people on other clocks are other people.
    assert clocked(model(lambda t, x, p: {"A": ill(t > p.a, t, 0.0) - p.k * x.A})) == ()


def test_healthy_days_are_not_compared(record):
    with pytest.raises(PkpdError, match=r"no disease in the window, days -6 to -1 of strati2020: CRP does not move "
                       r".*schedules begin on day 31 of strati2020, and observations are of"):  # fmt: skip
        pkpd.compare(record, ARMS, patient="strati2020/p3", n=20, window=(0, 120), measures=CRP)
    asked = {"patient": "strati2020/p3", "n": 20, "measures": CRP}
    for given, advice in (
        (
            {"window": (0, 120)},
            r"; leave out window=\.\.\., or ask for measures of exposure alone: measures=\['AUC24', ",
        ),
        ({"window": (0, 120), "start": 0}, r"; leave out window=\.\.\. and start=\.\.\., or ask"),
    ):
        with pytest.raises(PkpdError, match=advice):
            pkpd.compare(record, ARMS, **given, **asked)
    exposure = pkpd.compare(record, ARMS, patient="strati2020/p3", n=20, window=(0, 120), start=0, measures=["AUC24"])
    assert np.isfinite(values(exposure, "AUC24", "daily")).all()


def test_what_was_not_given_is_not_to_be_left_out():
    """A marker that nothing moves: no window was given, so that none can be left out."""
    model = pkpd.Model(
        "m", states=[pkpd.State("central", "mg")], dynamics=lambda t, x, p: {"central": -0.1 * x.central},
        parameters=[pkpd.Parameter("W", 10.0, "mg/L")], check_units=False,
        outputs=[pkpd.Output("Cc", "mg/L"), pkpd.Output("SW", "mg/L", error=pkpd.LogNormal(0.2))],
        calculate=lambda t, x, p: {"Cc": x.central / 10.0, "SW": p.W},
    )  # fmt: skip
    report = evidence()
    facts = tuple(replace(f, marker="SW") for f in report.facts if f.kind == "value")
    study = pkpd.Study("s", model, [replace(report, facts=facts)], [pkpd.Free("W", (10.0, 0.3))])
    fitted = pkpd.fit(study, method=pkpd.Mode(starts=1, draws=50, predictive=5))
    with pytest.raises(PkpdError) as error:
        pkpd.compare(fitted, {"a": "10 mg IV"}, patient="p1", n=20, measures="all")
    text = str(error.value)
    assert "SW does not move" in text
    assert "leave out" not in text
    advice = (
        "; give window=(start, end) of days on which it does, or ask for measures of exposure alone: measures=['AUC24'"
    )
    assert advice in text


def test_markers_without_a_fact_are_not_shown_unasked(record):
    """Strati reports LDH, ferritin and the response of patient 7, and neither CRP nor grades of ICANS."""
    found = pkpd.compare(record, ARMS, patient="strati2020/p7", n=20)
    assert "ferritin_peak" in found.measures
    assert not {"CRP_area", "ICANS_grade_days"} & set(found.measures)
    assert "nothing was observed of CRP_area, CRP_day_below_10, ICANS_grade_days" in repr(found)
    model = pkpd.models["anakinra_inflammation"]
    plain = pkpd.compare(model, {"a": "100 mg SC q24h x2"}, n=5)
    assert set(plain.measures) == {"AUC24", "Cmax", "Ctrough", "time_above_IC50", "blockade_trough"}
    asked = pkpd.compare(model, {"a": "100 mg SC q24h x2"}, n=5, measures=["ICANS_grade_days"])
    assert asked.measures == ("ICANS_grade_days",)


def test_options_of_a_patients_clock_are_not_for_others(record):
    model = pkpd.models["anakinra_inflammation"]
    with pytest.raises(PkpdError, match="background=True and False are about a patient's own other drugs"):
        pkpd.compare(model, ARMS, n=2, background=False)
    with pytest.raises(PkpdError, match=r"background must be a Regimen, .*got 20"):
        pkpd.compare(record, ARMS, patient="strati2020/p3", n=2, background=20)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PkpdError, match="start must be a time on the patient's clock, got 'day 3'"):
        pkpd.compare(record, ARMS, patient="strati2020/p3", n=2, start="day 3")  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        PkpdError, match=r"a fit of reports needs patient=\.\.\. or cohort=\.\.\., got neither; .*strati2020/p3"
    ):
        pkpd.compare(record, ARMS, n=2)
