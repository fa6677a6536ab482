"""Regimens are values on one clock: the laws of adding, shifting, repeating, cutting and following."""

import pickle
import sys
from subprocess import run
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd import Model, Parameter, State, days, hours, simulate
from pkpd.dosing.dose import Dose
from pkpd.dosing.record import RECORD
from pkpd.dosing.regimen import Regimen
from pkpd.errors import RegimenError

# Quarters of an hour add without rounding, so that laws hold to the bit.
QUARTERS = st.integers(0, 4000).map(lambda k: k / 4)
POSITIVE = st.integers(1, 400).map(lambda k: k / 4)


@st.composite
def dose_records(draw):
    infused = draw(st.sampled_from([None, "rate", "tinf"]))
    length = {infused: draw(st.sampled_from([0.5, 2.0, 8.0]))} if infused else {}
    steady = draw(st.sampled_from([0, 0, 0, 1, 2]))
    return Dose(
        draw(POSITIVE),
        draw(st.sampled_from([None, "depot", "central", 1, 2])),
        draw(QUARTERS),
        ii=draw(POSITIVE),
        addl=draw(st.integers(0, 6)),
        ss=steady,
        evid=draw(st.sampled_from([1, 1, 1, 4])),
        **length,
    )


REGIMENS = st.lists(dose_records(), max_size=4).map(lambda doses: Regimen(doses=doses))
STATES = ["depot", "central"]


@given(REGIMENS, QUARTERS, QUARTERS)
def test_shifts_add_up(regimen, a, b):
    assert regimen.shift(a).shift(b) == regimen.shift(a + b)
    assert regimen.shift(a).shift(-a) == regimen
    assert regimen.shift(0) == regimen


@given(REGIMENS, REGIMENS, QUARTERS)
def test_adding_merges_doses_on_one_clock(a, b, hours):
    both = a + b
    assert len(both) == len(a) + len(b)
    assert both.shift(hours) == a.shift(hours) + b.shift(hours)
    assert a + Regimen() == a
    assert sum([a, b]) == both
    if any(dose.ss == 1 for dose in both):
        return  # it ends additional doses of what was before
    np.testing.assert_array_equal(both.times, np.sort(np.concatenate([a.times, b.times])))
    assert both.total == pytest.approx(a.total + b.total, rel=1e-14)


@given(REGIMENS, st.integers(1, 4), POSITIVE)
def test_repeating_is_adding_shifted_copies(regimen, n, every):
    copies = [regimen.shift(k * every) for k in range(n)]
    assert regimen.repeat(n, every) == sum(copies[1:], copies[0])


@given(REGIMENS)
def test_explicit_doses_are_the_additional_ones_written_out(regimen):
    expanded = regimen.expand()
    assert all(dose.addl == 0 for dose in expanded)
    assert expanded.expand() == expanded
    assert expanded.explicit() == regimen.explicit()
    by_hand = []
    for n, dose in enumerate(regimen):
        end = min([later.time for later in regimen.doses[n + 1 :] if later.ss == 1], default=np.inf)
        by_hand += [dose.time + k * dose.ii for k in range(dose.addl + 1) if k == 0 or dose.time + k * dose.ii < end]
    assert regimen.times.tolist() == sorted(by_hand)
    assert expanded.total == pytest.approx(regimen.total, rel=1e-14)


@given(REGIMENS, QUARTERS)
def test_cutting_keeps_the_doses_that_start_before(regimen, time):
    cut, whole = regimen.until(time), regimen.explicit()
    kept = [k for k, t in enumerate(whole["time"]) if t < time]
    assert cut.explicit() == {name: [values[k] for k in kept] for name, values in whole.items()}


@given(REGIMENS, st.sampled_from([0.5, 2.0, 4.0]))
def test_scaling_multiplies_amounts_and_keeps_durations(regimen, factor):
    scaled = regimen * factor
    assert scaled == factor * regimen
    assert [d.tinf for d in scaled] == [d.tinf for d in regimen]
    assert [d.amt for d in scaled] == [d.amt * factor for d in regimen]


@given(REGIMENS)
def test_records_are_sorted_and_say_the_same(regimen):
    records = regimen.records(STATES)
    assert records.dtype == RECORD
    assert (np.diff(records["time"]) >= 0).all()
    for record, dose in zip(records, regimen, strict=True):
        for name in ("time", "evid", "amt", "rate", "ii", "addl", "ss"):
            assert record[name] == getattr(dose, name)
        assert record["cmt"] == {None: 0, "depot": 0, 1: 0, "central": 1, 2: 1}[dose.cmt]


@given(REGIMENS)
def test_representation_reads_back(regimen):
    assert eval(repr(regimen)) == regimen


def test_loading_dose_of_the_issue():
    q24h = Regimen.parse("100 mg q24h x14", cmt="depot")
    loading = Regimen(amt=200, cmt="depot") + q24h.shift(24)
    assert loading.times.tolist() == [24.0 * k for k in range(15)]
    assert loading.unit == "mg"
    assert loading.total == 1600
    assert Regimen(amt=200, cmt="depot", unit="mg").then(q24h) == loading


def test_following_begins_one_interval_after_the_last_dose():
    bid = Regimen(amt=100, ii=12, addl=1)
    daily = Regimen(amt=100, ii=24, addl=3)
    assert bid.then(daily).times.tolist() == [0, 12, 24, 48, 72, 96]
    assert bid.then(daily.shift(6)).times.tolist() == [0, 12, 30, 54, 78, 102]
    assert Regimen().then(daily) == daily
    with pytest.raises(RegimenError, match=r"the last dose, at 0 h, has no interval.*give ii, or say when with"):
        Regimen(amt=1).then(Regimen(amt=1))


def test_equal_times_keep_their_order():
    first, second = Dose(1, "a"), Dose(2, "b")
    assert Regimen.of(first, second).doses == (first, second)
    assert Regimen.of(second, first).doses == (second, first)
    assert Regimen.of(first, second) != Regimen.of(second, first)


def test_name_does_not_matter_to_equality_but_the_unit_does():
    a = Regimen(amt=100, unit="mg")
    assert a.named("x") == a
    assert hash(a.named("x")) == hash(a)
    assert a.named("x").shift(2).name == "x"
    assert (a.named("x") + a.named("y")).name is None
    assert Regimen(amt=100, unit="ug") != a
    assert a != "100 mg"


def test_units_convert_when_regimens_are_added():
    both = Regimen(amt=100, unit="mg") + Regimen(amt=0.5, unit="g", time=1, tinf=2)
    assert both.unit == "mg"
    assert [(d.amt, d.tinf) for d in both] == [(100, None), (500, 2)]
    with pytest.raises(RegimenError, match="amounts in IU cannot be converted to mg"):
        _ = Regimen(amt=100, unit="mg") + Regimen(amt=1, unit="IU")
    with pytest.raises(RegimenError, match=r"amounts without a unit \(give unit=...\) cannot be converted to mg"):
        Regimen(amt=1).to("mg")


def test_amounts_without_a_unit_beside_others_are_those_of_the_compartment():
    mg, ug = (
        Model(
            "one", states=[State("central", unit)], parameters=[Parameter("k", 0.1, "1/h", "rate")],
            dynamics=lambda t, x, p: {"central": -p.k * x.central},
        )
        for unit in ("mg", "ug")
    )  # fmt: skip
    bare, named = Regimen(amt=200), Regimen(amt=100, unit="mg").shift(24)
    for both in (bare + named, named + bare, (bare + named) * 2 * 0.5, (bare.named("a") + named).shift(0)):
        found = simulate(mg, both, times=[1.0, 25.0], outputs=["central"])["central"].to_numpy().ravel()
        np.testing.assert_allclose(found, np.exp(-0.1) * np.array([200, 100 + 200 * np.exp(-2.4)]), rtol=1e-9)
        with pytest.raises(RegimenError, match="without a unit, taken to be in ug as state 'central' is, were added"):
            simulate(ug, both, times=[1.0, 25.0], outputs=["central"])
        with pytest.raises(RegimenError, match="give each part its unit"):
            both.to("g")
    assert not (named + Dose(100)).mixed  # a dose alone has no unit but that of its regimen
    assert not (Regimen(doses=[]) + named).mixed
    assert not (bare + bare).mixed
    assert pickle.loads(pickle.dumps(bare + named)).mixed


def test_sequences_are_one_record_each():
    regimen = Regimen(amt=[200, 100], cmt="depot", time=np.array([24, 0]), name="two")
    assert regimen.doses == (Dose(100, "depot", 0), Dose(200, "depot", 24))
    assert Regimen(doses=[{"amt": 5, "cmt": "depot"}, Dose(6)]).doses == (Dose(5, "depot"), Dose(6))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Regimen(amt=[100, -5], time=[0, 24], name="q24h"),
            "regimen 'q24h', dose 2: amt must be > 0, got -5.0",
        ),
        (
            lambda: Regimen(amt=[100, -5, -6], time=[0, 24, 48], name="q24h"),
            "regimen 'q24h': 2 of 3 doses cannot be given; first dose 2: amt must be > 0, got -5.0",
        ),
        (
            lambda: Regimen(amt=[1, 2], time=[0, 1, 2]),
            "regimen: sequences must have the same number of values: amt has 2, time has 3",
        ),
        (
            lambda: Regimen(amt=100, rate=5, tinf=2),
            "regimen, dose 1: rate and tinf are both given (rate=5, tinf=2); give one of them",
        ),
        (lambda: Regimen(cmt="depot"), "regimen: amt is missing; cmt alone give nothing"),
        (
            lambda: Regimen(amt=1, doses=[Dose(1)]),
            "regimen: amt and doses are both given; put amt on the doses",
        ),
        (lambda: Regimen(doses=[5]), "regimen, dose 1: must be a Dose or a mapping of its arguments, got 5"),  # type: ignore[list-item]
        (
            lambda: Regimen(doses=[{"amt": 5, "dur": 2}]),
            "regimen, dose 1: has no argument 'dur'; it has amt, cmt, time, rate, tinf, ii, addl, ss, evid, route",
        ),
        (lambda: Regimen(doses=[{"cmt": "depot"}]), "regimen, dose 1: amt is missing"),
        (lambda: Regimen(amt=1).scale(0), "regimen: amounts can be scaled by a factor > 0, got 0"),
        (lambda: Regimen(amt=1).repeat(0, 24), "regimen: n of repeat must be a whole number >= 1, got 0"),
        (lambda: Regimen(amt=1).repeat(2, 0), "regimen: every must be > 0 h, got 0"),
        (
            lambda: Regimen(amt=1, cmt="depo", name="q24h").records(["depot", "central"]),
            "regimen 'q24h', dose 1: the model has no compartment 'depo'; it has depot, central "
            "(did you mean 'depot'?)",
        ),
        (
            lambda: Regimen(amt=1, cmt=[1, 3, 4]).records(["depot", "central"]),
            "regimen, dose 2: the model has no compartment number 3; it has 1 depot, 2 central "
            "(2 of 3 doses go into compartments that it lacks)",
        ),
    ],
)
def test_errors_name_the_dose_and_the_remedy(make, text):
    with pytest.raises(RegimenError) as error:
        make()
    assert str(error.value) == text


def test_explicit_leaves_out_what_gives_nothing():
    regimen = Regimen(amt=100, cmt="depot", ii=12, addl=1).reset(30)
    assert [d.evid for d in regimen] == [1, 3]
    assert regimen.explicit() == {"time": [0, 12], "amt": [100, 100], "cmt": ["depot", "depot"], "ii": [12, 12]}
    assert str(regimen) == "100 into depot q12h x2 + reset at 30 h"


def test_what_the_shorthand_has_no_words_for_is_still_described():
    regimen = Regimen.of(Dose(0, rate=10, ss=1), Dose(5, 1, 2, rate=-1), Dose(6, 1, 3, rate=-2), unit="mg")
    assert str(regimen) == (
        "10 mg/h at steady state + 5 mg into 1 at modelled rate at 2 h + 6 mg into 1 over modelled duration at 3 h"
    )
    assert repr(regimen).startswith("Regimen(doses=[Dose(0, rate=10, ss=1), Dose(5, 1, time=2, rate=-1)")
    assert repr(regimen).endswith("unit='mg')")
    assert str(Regimen.of(Dose(5, ii=12, ss=2), Dose(7, evid=4), Dose(1, evid=8))) == (
        "5 q12h x1 on top of steady state + reset and 7 + replace by 1"
    )


def test_doses_can_be_added():
    assert Regimen(amt=1) + Dose(2, time=3) == Regimen(amt=[1, 2], time=[0, 3])
    with pytest.raises(TypeError):
        _ = Regimen(amt=1) + 5  # type: ignore[operator]


def test_frame_has_nonmem_columns():
    frame = Regimen(amt=100, cmt="depot", ii=24, addl=2).to_frame()
    assert frame.to_dict("list") == {
        "TIME": [0.0], "EVID": [1], "CMT": ["depot"], "AMT": [100.0], "RATE": [0.0], "II": [24.0], "ADDL": [2],
        "SS": [0],
    }  # fmt: skip


def test_long_regimens_are_summed_up():
    regimen = Regimen(amt=100, cmt="depot", time=np.arange(0, 240, 24.0), unit="mg", name="q24h")
    assert repr(regimen) == "<Regimen 'q24h': 10 doses from 0 to 216 h, 1000 mg in all; first 100 mg into depot>"
    assert repr(Regimen()) == "Regimen(doses=[])"


def test_import_is_light():
    code = (
        "import sys, pkpd.dosing.regimen; print([m for m in ('pandas', 'scipy', 'pint', 'numba') if m in sys.modules])"
    )
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_doses_that_carry_the_name_of_the_only_drug_go_into_a_model_of_one_drug():
    states = ["depot", "central"]
    named = Regimen(doses=[Dose(1, "drug.depot"), Dose(2, "drug.central", time=3), Dose(3, "drug.depot", time=5)])
    assert named.records(states)["cmt"].tolist() == [0, 1, 0]
    assert [d.cmt for d in named.into(states)] == ["depot", "central", "depot"]
    composed = ["drug.depot", "drug.central", "other.central"]
    assert named.records(composed)["cmt"].tolist() == [0, 1, 0]
    assert [d.cmt for d in named.into(composed)] == ["drug.depot", "drug.central", "drug.depot"]
    for wrong in (
        named + Dose(1, "other.central", time=9),  # two drugs are not one
        named + Dose(1, "depot", time=9),
        Regimen(doses=[Dose(1, "drug.gut")]),
    ):
        with pytest.raises(RegimenError, match="the model has no compartment '"):
            wrong.records(states)
    with pytest.raises(RegimenError, match=r"no compartment 'drug\.depot'"):
        named.records(["other.depot", "other.central"])
    with pytest.raises(RegimenError, match="given IV, but into 'depot'"):
        Regimen(doses=[Dose(1, "drug.depot", route="IV")]).records(states)


def test_times_of_other_regimens_carry_their_unit_or_are_numbers():
    given = Regimen(amt=100, ii=12, addl=2)
    assert given.shift(hours(5, 5)).times.tolist() == [5.0, 17.0, 29.0]
    assert given.shift(days(1, 1)) == given.shift(24)
    assert given.in_time("d").until(hours(12, 12)).times.tolist() == [0.0]
    assert given.repeat(2, days(2, 2)) == given.repeat(2, 48)
    loose: Any = given  # what a type checker would refuse
    for wrong, text in (
        (lambda: loose.shift("5"), "the time of shift must be one time in h, got '5'"),
        (lambda: loose.shift(hours(5, 6)), "the time of shift must be one time in h"),
        (lambda: loose.until(float("nan")), "the time of until must be one time in h, got nan"),
        (lambda: loose.repeat(2, "12"), "every must be > 0 h, got '12'"),
        (lambda: loose.repeat(float("inf"), 12), "n of repeat must be a whole number >= 1, got inf"),
        (lambda: loose.scale("2"), "amounts can be scaled by a factor > 0, got '2'"),
    ):
        with pytest.raises(RegimenError, match=text):
            wrong()


@pytest.mark.parametrize("text", ["1e400 mg once", "100 mg q1e400h x3", "100 mg q12h x1e400"])
def test_numbers_that_no_dose_has_are_pointed_at(text):
    with pytest.raises(RegimenError, match=r"no amount, time or number of doses is so large(.|\n)*\^"):
        Regimen.parse(text)
    with pytest.raises(RegimenError, match="weight must be > 0 kg, got '50'"):
        Regimen.parse("2 mg/kg once", weight="50")  # pyright: ignore[reportArgumentType]
