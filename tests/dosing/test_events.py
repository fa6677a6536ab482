"""Event tables: records for the engine, subjects, regimens, and tables made from regimens."""

import numpy as np
import pandas as pd
import pytest

from pkpd.dosing.dose import Dose
from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.record import RECORD
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError

STATES = ["depot", "central"]


def table(**columns):
    """Return the table of one subject unless ID is given."""
    return read_events(pd.DataFrame({"ID": 1, **columns}))


def test_records_keep_the_order_of_rows():
    records = table(
        TIME=[0, 0, 0, 5],
        EVID=[0, 1, 0, 1],
        AMT=[0, 100, 0, 50],
        CMT=[0, 2, 9, 1],
        II=[0, 12, 12, 0],
        ADDL=[0, 3, 3, 0],
    ).records(STATES)
    assert records.dtype == RECORD
    assert records["evid"].tolist() == [0, 1, 0, 1]
    assert records["cmt"].tolist() == [0, 1, 0, 0]
    assert records["addl"].tolist() == [0, 3, 0, 0]
    assert records["ii"].tolist() == [0, 12, 0, 0]


def test_dose_items_of_rows_that_give_nothing_are_zero():
    records = table(TIME=[0, 1, 2, 3], EVID=[0, 2, 3, 8], AMT=[0, 0, 0, 7], RATE=-2, SS=99, ADDL=4, II=6).records(
        STATES
    )
    assert records["amt"].tolist() == [0, 0, 0, 7]
    for name in ("rate", "ss", "addl", "ii"):
        assert records[name].tolist() == [0, 0, 0, 0]


def test_compartments_by_name():
    named = table(TIME=[0, 1, 2], AMT=[1, 1, 0], CMT=["central", None, "CRP"])
    assert named.records(STATES)["cmt"].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("cmt", "message"),
    [
        (
            [1, 3, 4],
            "events: CMT of a dose is not in the model in 2 rows (first: row 2, ID 1, TIME 1.0, CMT 3); "
            "the model has no compartment number 3; it has 1 depot, 2 central",
        ),
        (
            ["depot", "depto", "x"],
            "events: CMT of a dose is not in the model in 2 rows (first: row 2, ID 1, TIME 1.0, CMT depto); "
            "the model has no compartment 'depto'; it has depot, central (did you mean 'depot'?)",
        ),
    ],
)
def test_doses_into_missing_compartments(cmt, message):
    with pytest.raises(DataError) as error:
        table(TIME=[0, 1, 2], AMT=1.0, CMT=cmt).records(STATES)
    assert str(error.value) == message


def test_subject():
    events = read_events(pd.DataFrame({"ID": [7, 7, 8], "TIME": [0, 1, 0], "AMT": [1, 0, 2], "WT": [70, 70, 80]}))
    one = events.subject(8)
    assert (len(one), one.labels.tolist(), one.starts.tolist(), one.covariates) == (1, [8], [0, 1], ("WT",))
    assert events.subject("7").frame["AMT"].tolist() == [1, 0]
    assert one.rows is not None
    assert one.rows.tolist() == [3]
    with pytest.raises(DataError, match="events: there is no subject 9; it has 7, 8"):
        events.subject(9)


def test_representation_sums_up():
    events = read_events(
        pd.DataFrame({"ID": [1, 1, 2], "TIME": [0, 1.5, 0], "EVID": [1, 0, 1], "AMT": [1, 0, 2], "WT": 70, "SITE": "x"})
    )
    assert repr(events) == (
        "EventTable 'events': 2 subjects, 2 dose rows, 1 observation, 0 to 1.5 h\n"
        "  covariates: WT\n  other columns: SITE\n  note: SITE is text (x): no covariate"
    )


def test_regimens_of_subjects():
    doses = [
        Dose(100, 1, ii=12, addl=2, ss=1),
        Dose(50, 2, 30, rate=25),
        Dose(0, time=40, evid=3),
        Dose(20, 2, 50, evid=4),
        Dose(5, 1, 60, evid=8),
        Dose(7, time=70, rate=-2),
    ]
    events = EventTable.from_regimen({"a": Regimen(doses=doses), "b": Regimen()}, [0, 25, 96])
    made = events.regimens()
    assert list(made) == ["a", "b"]
    # A table has a number for the default compartment.
    assert made["a"].doses == (*doses[:-1], Dose(7, None, 70, rate=-2))
    assert len(made["b"]) == 0
    np.testing.assert_array_equal(
        events.subject("a").records(STATES)[events.subject("a").frame["EVID"] > 0], Regimen(doses=doses).records(STATES)
    )


def test_observations_come_before_doses_at_the_same_time():
    events = EventTable.from_regimen(Regimen.parse("100 mg into depot q24h x2"), [0, 24, 24, 48])
    assert events.frame["EVID"].tolist() == [0, 1, 0, 0, 1, 0]  # the additional dose at 24 h has a row of its own
    assert events.frame["ADDL"].tolist() == [0] * 6
    second = EventTable.from_regimen(Regimen(amt=[1, 2], cmt=["central", 1], time=[0, 24]), [0, 24])
    assert second.frame["EVID"].tolist() == [0, 1, 0, 1]
    assert second.records(STATES)["cmt"].tolist() == [0, 1, 0, 0]


def test_covariates_are_one_value_a_subject():
    regimens = [Regimen(amt=1), Regimen(amt=2)]
    people = pd.DataFrame({"WT": [60.0, 80.0], "SEX": [0, 1]})
    events = EventTable.from_regimen(regimens, [1, 2], covariates=people)
    assert events.frame["WT"].tolist() == [60] * 3 + [80] * 3
    assert events.covariates == ("WT", "SEX")
    assert EventTable.from_regimen(regimens, [1], covariates={"WT": 70}).frame["WT"].tolist() == [70] * 4
    with pytest.raises(DataError, match="covariate 'WT' has 3 values for 2 subjects"):
        EventTable.from_regimen(regimens, [1], covariates={"WT": [1, 2, 3]})


@pytest.mark.parametrize(
    ("regimen", "times", "message"),
    [
        (Regimen(amt=1), [0, 2, 1], "times must be finite and ascending; 1 is not (first: number 3, 1.0)"),
        (Regimen(amt=1), [np.nan, 2, np.inf], "times must be finite and ascending; 2 are not (first: number 1, nan)"),
        ([], [0], "one Regimen a subject is needed, but there are none"),
        ({"a": "100 mg"}, [0], "one Regimen a subject is needed, but subject 'a' has '100 mg'"),
    ],
)
def test_tables_that_cannot_be_made(regimen, times, message):
    with pytest.raises(DataError) as error:
        EventTable.from_regimen(regimen, times)
    assert str(error.value) == f"events: {message}"


def test_explicit_doses_give_the_same_records_as_their_table(tmp_path):
    regimen = Regimen.parse("200 mg into depot then 100 mg into central over 2 h q12h x3")
    events = EventTable.from_regimen(regimen, np.arange(0, 49, 6.0), covariates={"WT": 70.5})
    events.to_csv(tmp_path / "trial.csv")
    again = read_events(tmp_path / "trial.csv")
    assert again == events
    assert again.regimens()[1].expand().doses == regimen.expand().doses
