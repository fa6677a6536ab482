"""A dose says what it gives, and what cannot be given is refused with the reason."""

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd.dosing.amounts import canonical_unit, factor, shortest
from pkpd.dosing.dose import Dose, count_before
from pkpd.dosing.record import RECORD, compartment_index, missing_compartment
from pkpd.errors import RegimenError


def test_defaults_are_a_bolus_at_time_zero_into_the_first_state():
    dose = Dose(100)
    assert (dose.amt, dose.cmt, dose.time, dose.rate, dose.ii, dose.addl, dose.ss, dose.evid) == (
        100.0, None, 0.0, 0.0, 0.0, 0, 0, 1,
    )  # fmt: skip
    assert dose.tinf is None


def test_duration_becomes_a_rate():
    assert Dose(100, "central", tinf=4).rate == 25.0
    assert Dose(100, "central", rate=20).tinf == 5.0


@pytest.mark.parametrize(
    ("rate", "value"), [("modelled", -1), (-1, -1), ("Modelled duration", -2), ("modeled duration", -2), (-2, -2)]
)
def test_modelled_infusions(rate, value):
    dose = Dose(100, rate=rate)
    assert dose.rate == value
    assert dose.tinf is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"amt": -5}, "dose: amt must be > 0, got -5.0"),
        ({"amt": 0}, "dose: amt must be > 0, got 0.0"),
        ({"amt": "100"}, "dose: amt must be a finite number, got '100'"),
        ({"amt": None}, "dose: amt must be a number, got None"),
        ({"amt": math.nan}, "dose: amt must be a finite number, got nan"),
        ({"amt": 1, "time": math.inf}, "dose: time must be a finite number, got inf"),
        ({"amt": 1, "rate": 5, "tinf": 2}, "dose: rate and tinf are both given (rate=5, tinf=2); give one of them"),
        ({"amt": 1, "tinf": 0}, "dose: tinf must be > 0 h, got 0; leave it out for a bolus"),
        ({"amt": 1, "tinf": -2}, "dose: tinf must be > 0 h, got -2; leave it out for a bolus"),
        ({"amt": 1, "rate": -3}, "dose: rate must be > 0 (or -1: modelled rate, -2: modelled duration), got -3"),
        ({"amt": 1, "rate": "fast"}, "dose: rate must be a number, 'modelled' or 'modelled duration', got 'fast'"),
        ({"amt": 1, "addl": 3}, "dose: addl=3 needs the interval between doses: give ii > 0 h"),
        ({"amt": 1, "addl": -1, "ii": 12}, "dose: addl must be >= 0, got -1"),
        ({"amt": 1, "addl": 1.5, "ii": 12}, "dose: addl must be a whole number, got 1.5"),
        ({"amt": 1, "ii": -12}, "dose: ii must be >= 0 h, got -12.0"),
        ({"amt": 1, "ss": 3, "ii": 12}, "dose: ss must be 0, 1 or 2, got 3"),
        (
            {"amt": 1, "ss": 1},
            "dose: ss=1 needs ii > 0 h (without ii only for a constant infusion: ss=1, amt=0, rate > 0)",
        ),
        ({"amt": 1, "evid": 5}, "dose: evid must be 1, 2, 3, 4 or 8, got 5"),
        ({"amt": 1, "evid": 3}, "dose: amt must be 0 with evid 3, which gives nothing, got 1.0"),
        ({"amt": -1, "evid": 8}, "dose: amt must be >= 0, got -1.0"),
        ({"amt": 1, "evid": 8, "rate": 2}, "dose: rate, tinf, addl and ss go with evid 1 or 4 only, got evid 8"),
        ({"amt": 1, "cmt": 0}, "dose: cmt must be the name of a state or its number from 1, got 0"),
        ({"amt": 1, "cmt": " "}, "dose: cmt must be the name of a state or its number from 1, got ' '"),
        ({"amt": -1, "time": math.nan}, "dose: time must be a finite number, got nan"),
        (
            {"amt": -1, "addl": 2},
            "dose: amt must be > 0, got -1.0; addl=2 needs the interval between doses: give ii > 0 h",
        ),
    ],
)
def test_what_cannot_be_given_is_refused(arguments, text):
    with pytest.raises(RegimenError) as error:
        Dose(**arguments)
    assert str(error.value) == text


def test_constant_infusion_resets_and_replacement_need_no_amount():
    assert Dose(0, rate=10, ss=1).rate == 10
    assert Dose(0, evid=3, time=5).time == 5
    assert Dose(0, evid=8, cmt="central").amt == 0
    with pytest.raises(RegimenError, match="amt must be > 0"):
        Dose(0, rate=10, ss=1, ii=12)


def test_expansion_keeps_reset_and_steady_state_on_the_first_dose_only():
    first, second, third = Dose(80, 1, 60, ii=6, addl=2, evid=4).expand()
    assert (first.evid, second.evid, third.evid) == (4, 1, 1)
    assert [d.time for d in (first, second, third)] == [60, 66, 72]
    first, second = Dose(80, ii=6, addl=1, ss=1).expand()
    assert (first.ss, second.ss) == (1, 0)


def test_scaling_keeps_the_duration_of_infusions():
    dose = Dose(100, tinf=2).scale(3)
    assert (dose.amt, dose.rate, dose.tinf) == (300, 150, 2)
    assert Dose(100, rate=-2).scale(3).rate == -2


def test_a_dose_is_a_value():
    dose = Dose(np.float64(100), "depot", ii=24, addl=2)
    assert dose == Dose(100, "depot", ii=24, addl=2)
    assert len({dose, replace(dose), replace(dose, amt=1)}) == 2
    assert eval(repr(dose)) == dose
    with pytest.raises(FrozenInstanceError):
        setattr(dose, "amt", 5)  # noqa: B010


@given(
    start=st.floats(-1e3, 1e3), every=st.floats(1e-3, 1e3), n=st.integers(1, 200), cut=st.floats(-1e4, 1e4)
)  # fmt: skip
def test_count_before_agrees_with_counting(start, every, n, cut):
    times = start + np.arange(n) * every
    assert count_before(cut, start, every, n) == int((times < cut).sum())
    # At the times themselves a division that rounds would be off by one.
    k = n // 2
    assert count_before(float(times[k]), start, every, n) == int((times < times[k]).sum())


def test_compartments_by_name_number_and_default():
    states = ["depot", "central"]
    assert [compartment_index(c, states) for c in (None, 0, 1, 2, "central", "2")] == [0, 0, 0, 1, 1, 1]
    assert [compartment_index(c, states) for c in (3, -1, "x", "3")] == [None] * 4
    assert compartment_index(None, []) is None
    assert missing_compartment(3, states) == "the model has no compartment number 3; it has 1 depot, 2 central"
    assert RECORD.names == ("time", "evid", "cmt", "amt", "rate", "ii", "addl", "ss")


def test_units_convert_within_their_kind():
    assert factor("g", "ug") == 10**6
    assert factor("mmol", "umol") == 1000
    assert factor("mg", "mmol") is None
    assert factor("IU", "U") is None
    assert factor("IU", "iu") == 1
    assert canonical_unit("MCG") == "ug"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shortest_text_reads_back(value):
    assert float(shortest(value)) == value
