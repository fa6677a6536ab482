"""The clinician's shorthand: what texts mean, and how those without a meaning are refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.errors import RegimenError


def doses_of(text, **options):
    """Return (time, amount) of all doses."""
    explicit = Regimen.parse(text, **options).explicit()
    return list(zip(explicit["time"], explicit["amt"], strict=True))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("100 mg SC q24h x7", [24.0 * k for k in range(7)]),
        ("100 mg BID x1d then 100 mg daily x4", [0, 12, 24, 48, 72, 96]),
        ("100 mg every other day x5", [0, 48, 96, 144, 192]),
        ("100 mg BID x14d", [12.0 * k for k in range(28)]),
        ("100mg s.c. b.i.d. x 1 d", [0, 12]),
        ("100 mg q12h for 2 days", [0, 12, 24, 36]),
        ("100 mg TID x1d", [0, 8, 16]),
        ("100 mg QID ×4", [0, 6, 12, 18]),
        ("100 mg q30min x3", [0, 0.5, 1]),
        ("100 mg q7d x2", [0, 168]),
        ("100 mg q2w x 4 weeks", [0, 336]),
        ("100 mg every 3 weeks x2", [0, 504]),
        ("100 mg every 8 hours for 3 doses", [0, 8, 16]),
        ("100 mg 8-hourly x2", [0, 8]),
        ("100 mg 8 hourly, 2 doses", [0, 8]),
        ("100 mg twice daily x3", [0, 12, 24]),
        ("100 mg 3 times a day x1d", [0, 8, 16]),
        ("100 mg once daily x2", [0, 24]),
        ("100 mg od x2", [0, 24]),
        ("100 mg qod x2", [0, 48]),
        ("100 mg weekly x2", [0, 168]),
        ("100 mg twice weekly x1w", [0, 84]),
        ("100 mg x7 q24h", [24.0 * k for k in range(7)]),
        ("100 mg once", [0]),
        ("100 mg single dose", [0]),
        ("100 mg", [0]),
        ("100 mg x1", [0]),
        ("loading 200 mg then 100 mg q24h x3", [0, 24, 48, 72]),
        ("200 mg loading dose, 100 mg q12h x3", [0, 12, 24, 36]),
        ("200 mg once then at 36 h 100 mg q12h x2", [0, 36, 48]),
        ("200 mg once then 100 mg q12h x2 after 6 h", [0, 6, 18]),
        ("200 mg then 12 h later 100 mg", [0, 12]),
        ("100 mg q24h x2 from day 3", [48, 72]),
        ("100 mg on day 2", [24]),
        ("100 mg starting at 6 h q6h x2", [6, 12]),
        ("10 mg/h for 24 h then 5 mg/h for 24 h", [0, 24]),
        ("100 mg q24h x2 then 50 mg q24h x1 + 10 mg q12h x3", [0, 0, 12, 24, 24, 48]),
        ("100 mg q24h x2 followed by 50 mg q12h x2", [0, 24, 48, 60]),
    ],
)
def test_times_of_doses(text, times):
    assert [time for time, _ in doses_of(text)] == times


def test_issue_examples_give_what_they_say():
    regimen = Regimen.parse("100 mg BID x1d then 100 mg daily x4", cmt="depot")
    assert regimen.total == 600
    assert set(regimen.explicit()["cmt"]) == {"depot"}
    assert Regimen.parse("100 mg q24h x14", cmt="depot").doses == (Dose(100, "depot", ii=24, addl=13),)


def test_infusions():
    (dose,) = Regimen.parse("100 mg IV over 30 min once", cmt="central")
    assert dose == Dose(100, "central", tinf=0.5, route="IV")
    (dose,) = Regimen.parse("10 mg/h for 24 h")
    assert (dose.amt, dose.rate, dose.tinf) == (240, 10, 24)
    (dose,) = Regimen.parse("2 mg/min for 30 min q12h x2")
    assert (dose.amt, dose.rate, dose.ii, dose.addl) == (60, 120, 12, 1)
    (dose,) = Regimen.parse("100 mg infusion over 2 h q24h x2")
    assert (dose.tinf, dose.addl) == (2, 1)


def test_steady_state():
    assert Regimen.parse("100 mg q12h x4 at steady state").doses == (Dose(100, ii=12, addl=3, ss=1),)
    assert Regimen.parse("10 mg/h at steady state").doses == (Dose(math.inf, rate=10, ss=1),)


def test_routes_choose_the_compartment():
    routes = {"SC": "depot", "intravenous": "central"}
    regimen = Regimen.parse("200 mg IV then 100 mg subcutaneously q24h x2", routes=routes)
    assert [dose.cmt for dose in regimen] == ["central", "depot"]
    assert Regimen.parse("1 mg PO", "gut", routes=routes).doses[0].cmt == "gut"
    assert Regimen.parse("1 mg IV into effect", routes=routes).doses[0].cmt == "effect"
    assert Regimen.parse("1 mg into tcz.central IV", "gut", routes=routes).doses[0].cmt == "tcz.central"
    assert Regimen.parse("1 mg ICV", routes={"icv": "csf"}).doses[0].cmt == "csf"
    with pytest.raises(RegimenError, match="routes has no compartment for PO; it has SC, IV"):
        Regimen.parse("1 mg PO", routes=routes)


def test_units_are_kept_or_converted_exactly():
    assert Regimen.parse("100 mcg").unit == "ug"
    assert Regimen.parse("100").unit is None
    assert Regimen.parse("0.1 g then 50 mg q24h x1").explicit()["amt"] == [0.1, 0.05]
    converted = Regimen.parse("0.1 g + 500 ug", unit="mg")
    assert (converted.unit, converted.explicit()["amt"]) == ("mg", [100.0, 0.5])
    assert Regimen.parse("10 IU once").unit == "IU"


def test_amounts_per_kg_take_the_weight():
    assert doses_of("1 mg/kg SC once", weight=70) == [(0, 70)]
    assert doses_of("2 mg/kg/h for 3 h", weight=10) == [(0, 60)]
    with pytest.raises(RegimenError, match=r"needs a body weight: give weight=\.\.\. in kg"):
        Regimen.parse("1 mg/kg SC once")
    with pytest.raises(RegimenError, match="weight must be > 0 kg, got -1"):
        Regimen.parse("1 mg/kg SC once", weight=-1)


def test_clock_of_a_model_in_days():
    (dose,) = Regimen.parse("100 mg over 12 h q48h x2 from day 2", time_unit="d")
    assert (dose.time, dose.ii, dose.tinf) == (1, 2, 0.5)
    (dose,) = Regimen.parse("10 mg/h for 12 h", time_unit="d")
    assert (dose.amt, dose.rate) == (120, 240)
    with pytest.raises(RegimenError, match=r"unit of time \(s, min, h, d, w, month or year\), got 'fortnight'"):
        Regimen.parse("100 mg", time_unit="fortnight")


@pytest.mark.parametrize(
    ("text", "token", "message"),
    [
        ("100 mg q24hh x7", "hh", "a unit of time is expected here: min, h, d or w"),
        ("100 mg q24h x5 foo", "foo", "'foo' is not understood"),
        ("100 mg q24h @ x3", "@", "'@' is not understood"),
        ("100 mg q24h", "", "how many doses? write a count after the frequency, for example x7 or for 7 days"),
        ("100 mg x7", "x", "how often? write a frequency, for example q24h or BID"),
        ("100 mg for 3 days", "for", "how often? write a frequency, for example q24h or BID"),
        ("1,000 mg once", ",", "write numbers without commas: 1000 or 0.5"),
        ("-5 mg", "-", "amt must be > 0, got -5"),
        ("0 mg once", "0", "amt must be > 0, got 0.0"),
        ("", "", "nothing is given; write an amount"),
        ("daily x4", "", "an amount is missing, for example 100 mg"),
        ("mg 100", "mg", "an amount, for example 100 mg, is expected here"),
        ("100 mg monthly x3", "monthly", "a month has no fixed length; write q4w or every 30 days"),
        ("100 mg q1month x3", "month", "a month has no fixed length; write q4w or every 30 days"),
        (
            "100 mg biweekly x3",
            "biweekly",
            "'biweekly' is twice a week to some, every two weeks to others; write one of them",
        ),
        ("100 mg QOD x5d", "x", "120 h is not a whole number of intervals of 48 h; write x2 or x3"),
        ("100 mg then 50 mg", "50", "when? neither this dose nor the one before it has an interval; write at 24 h"),
        ("100 mg/day x5", "day", "is it a dose a day or an infusion? write 100 mg daily, or the rate in mg/h"),
        ("100 mg/m2 x5", "m", "amounts are per kg, rates per h or per min"),
        ("100 mg q24h x7 50 mg", "50", "this looks like a second amount; put 'then' or '+' before it"),
        ("100 mg q24h for 7", "7", "'for' needs a number of doses or a time: x7, x14d, for 2 weeks"),
        ("100 mg q24h x", "", "'x' needs a number of doses or a time: x7, x14d, for 2 weeks"),
        ("100 mg q0h x7", "0", "the interval must be > 0"),
        ("100 mg over 0 h", "0", "the infusion must be > 0"),
        ("100 mg q24h x0", "0", "the number of doses must be a whole number from 1"),
        ("100 mg q24h x1.5", "1.5", "the number of doses must be a whole number from 1"),
        ("100 mg q24h x3 x4", "x4", "the number of doses is said twice"),
        ("100 mg q24h x3 for 3 days", "for", "the number of doses is said twice"),
        ("100 mg q24h daily x3", "daily", "the frequency is said twice"),
        ("100 mg SC IV", "IV", "the route is said twice"),
        ("100 mg single q24h x2", "single", "a single dose has no frequency; leave one of them out"),
        ("10 mg/h", "10", "how long is the infusion? write for 24 h after its rate"),
        ("100 mg IV infusion", "infusion", "how long is the infusion? write over 2 h after it"),
        ("100 mg bolus over 2 h", "bolus", "a bolus has no length"),
        ("100 mg at steady state", "at", "steady state needs a frequency, for example q24h"),
        (
            "10 mg/h at steady state then 100 mg q24h x2",
            "100",
            "the infusion before it goes on; join them with +, or write how long it runs instead of steady state",
        ),
        (
            "10 mg/h for 2 h at steady state",
            "at",
            "steady state of an infusion that ends needs a frequency, for example q24h",
        ),
        ("100 mg q24h for 3 months", "months", "a month has no fixed length; write q4w or every 30 days"),
        ("100 mg then", "", "an amount is missing, for example 100 mg"),
        ("100 mg at 24", "", "a unit of time is expected here: min, h, d or w"),
        ("100 mg on day 0", "0", "day must be a whole number from 1"),
        ("after 3 h 100 mg", "after", "there is nothing before it; write at instead of after"),
        (
            "100 mg q24h x3 then 100 mg at 24 h",
            "at",
            "starts before the last dose of what it follows, at 48 h; join them with +",
        ),
        ("10 IU then 5 mg q24h x2", "5", "an amount in mg cannot be converted to IU"),
        ("10 mg then 5 q24h x2", "5", "an amount without a unit; write it in mg"),
    ],
)
def test_errors_point_at_what_is_not_understood(text, token, message):
    with pytest.raises(RegimenError) as error:
        Regimen.parse(text)
    first, shown, caret, examples = str(error.value).split("\n")
    assert first == f"regimen {text!r}: {message}"
    assert shown == f"    {text}"
    place = len(caret) - len(caret.lstrip()) - 4
    assert text[place:].startswith(token) if token else place == len(text)
    assert "100 mg SC q24h x7" in examples


def test_a_shorthand_is_a_text():
    with pytest.raises(RegimenError, match="the shorthand must be a text, got 100"):
        Regimen.parse(100)  # type: ignore[arg-type]


AMOUNTS = st.floats(1e-3, 1e6)
TIMES = st.floats(0, 1e5)
INTERVALS = st.floats(1e-3, 1e4)
DOSES = st.builds(
    lambda amt, cmt, time, ii, addl, ss: Dose(amt, cmt, time, ii=ii, addl=addl, ss=ss),
    AMOUNTS,
    st.sampled_from([None, "depot", "tcz.central", "A_1", 2]),
    TIMES,
    INTERVALS,
    st.integers(0, 50),
    st.sampled_from([0, 1]),
)


@given(st.lists(DOSES, min_size=1, max_size=5), st.sampled_from([None, "mg", "ug", "IU"]))
def test_written_regimens_read_back_to_the_bit(doses, unit):
    regimen = Regimen(doses=doses, unit=unit)
    assert eval(repr(regimen), {"Regimen": Regimen, "Dose": Dose}) == regimen
    if repr(regimen).startswith("Regimen.parse"):
        assert Regimen.parse(str(regimen)) == regimen


def test_records_that_would_be_read_in_another_order_are_written_as_records():
    first, steady = Dose(1, ii=1), Dose(1, ii=1, ss=1)
    assert repr(Regimen(doses=[first, steady])) == "Regimen(doses=[Dose(1, ii=1), Dose(1, ii=1, ss=1)])"
    assert repr(Regimen(doses=[steady, first])) == "Regimen.parse('1 q1h x1 at steady state + 1 q1h x1')"


@given(st.text(alphabet="0123456789 .mgqhxdthenSCIV/+,-", max_size=25))
def test_any_text_is_read_or_refused(text):
    try:
        regimen = Regimen.parse(text)
    except RegimenError:
        return
    assert regimen.total > 0
