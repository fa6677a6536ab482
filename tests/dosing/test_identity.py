"""Who a row belongs to: two different texts are two people, whatever they look like and wherever they are read."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PopulationError
from pkpd.model.declare import Parameter, State
from pkpd.model.model import Model
from pkpd.people import Population

PAIRS = [
    ("8210000000000000001", "8210000000000000002"),
    ("9007199254740993", "9007199254740992"),
    ("98210000000000000001", "98210000000000000002"),
    ("3.1", "3.10"),
    ("3", "3.0"),
    ("007", "7"),
    ("1e3", "1000"),
    ("+5", "5"),
    ("-0", "0"),
    ("1_000", "1000"),
    ("١", "1"),
    ("S1", "s1"),
    ("0x10", "16"),
    ("True", "1"),
    ("1.0000000000000001", "1"),
]


@pytest.fixture(scope="module")
def model():
    return Model(
        "vessel",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", cv=0.3)],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
    )


def frame_of(ids, kind: Any = object):
    return pd.DataFrame({"ID": pd.Series(ids, dtype=kind), "TIME": 0.0, "AMT": [100.0, 50.0][: len(ids)]})


def people(table):
    return [str(label) for label in table.labels]


@pytest.mark.parametrize("pair", PAIRS, ids="|".join)
def test_two_texts_are_two_people_labelled_as_written(tmp_path, pair):
    path = tmp_path / "trial.csv"
    for separator in (",", ";", "\t", " "):
        path.write_text(
            separator.join(("ID", "TIME", "AMT")) + "\n" + "".join(f"{p}{separator}0{separator}1\n" for p in pair)
        )
        assert people(read_events(path)) == list(pair)
    for kind in (object, "str", "category"):
        assert people(read_events(frame_of(list(pair), kind))) == list(pair)
    dose = Regimen(amt=1)
    made = EventTable.from_regimen(dict.fromkeys(pair, dose), [0, 1])
    assert people(made) == list(pair)
    assert list(made.regimens()) == made.labels.tolist()
    made.to_csv(path)
    assert people(read_events(path)) == list(pair)
    assert people(read_events(made.frame)) == list(pair)


@pytest.mark.parametrize("pair", PAIRS, ids="|".join)
def test_populations_keep_the_texts_too(model, pair):
    for ids in (list(pair), np.array(pair, dtype=object), pd.Series(pair), pd.Series(pair, dtype="category")):
        assert people(Population.from_table(model, {"ID": ids, "ETA_k": [0.1, 0.2]})) == list(pair)
    assert people(Population.draw(model, 2, labels=list(pair))) == list(pair)
    both = Population.draw(model, 1, labels=pair[:1]).concat(Population.draw(model, 1, labels=pair[1:], seed=1))
    assert people(both) == list(pair)


def test_numbers_of_any_type_stay_numbers():
    for kind in ("int8", "int64", "uint8", "uint64", "Int64", "float32", "float64", "Float64", object, "category"):
        table = read_events(frame_of([1, 12], kind))
        assert table.labels.tolist() == [1, 12], kind
        assert table.labels.dtype == np.int64
    assert read_events(frame_of(["1", "12"])).labels.tolist() == [1, 12]


def test_large_numbers_are_not_rounded():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_events(frame_of([2**63 + 1, 2**63 + 2], "uint64")).labels.tolist() == [
            str(2**63 + 1),
            str(2**63 + 2),
        ]
        assert read_events(frame_of([2**63 - 1, 2**63 - 2], "int64")).labels.tolist() == [2**63 - 1, 2**63 - 2]
        assert people(read_events(frame_of([10**30, 10**30 + 1]))) == [str(10**30), str(10**30 + 1)]
    for kind, size in (("float64", 2.0**53), ("float32", 2.0**24)):
        with pytest.raises(DataError, match=r"is a float, in which numbers of this size run together; .* dtype="):
            read_events(frame_of([size, size * 2], kind))


def test_fractions_are_written_with_their_own_digits():
    assert people(read_events(frame_of([3.1, 3.25], "float64"))) == ["3.1", "3.25"]
    assert people(read_events(frame_of([3.1, 3.25], "float32"))) == ["3.1", "3.25"]


def test_blanks_belong_to_a_text_but_not_to_a_layout(tmp_path):
    table = read_events(frame_of([" 1", "1"]))
    assert people(table) == [" 1", "1"]
    table.to_csv(tmp_path / "a.csv")
    assert people(read_events(tmp_path / "a.csv")) == [" 1", "1"]
    (tmp_path / "b.csv").write_text("ID, TIME, AMT\n 1,   0, 100\n 1,   1,   0\n12,   0,  50\n")
    assert read_events(tmp_path / "b.csv").labels.tolist() == [1, 12]


def test_labels_of_one_text_are_refused(model):
    dose = Regimen(amt=1)
    with pytest.raises(DataError, match=r"subjects 1 and '1' are one text, '1'; name them apart"):
        EventTable.from_regimen({1: dose, "1": dose}, [0])
    with pytest.raises(PopulationError, match=r"label 1 stands for subjects 1 and 2"):
        Population.draw(model, 2, labels=[1, "1"])


def test_names_that_look_like_remarks_or_missing_values(tmp_path):
    labels = ["#1", "@x", "C1", "NA", ".", "5", 'a"b', "a,b", "a\nb", "\u2028", " x ", "\x0b\x1c", "x\x85y"]
    table = EventTable.from_regimen(dict.fromkeys(labels, Regimen(amt=1)), [0, 1])
    assert people(table) == labels
    table.to_csv(tmp_path / "a.csv")
    again = read_events(tmp_path / "a.csv")
    assert people(again) == labels
    assert again == table


def test_rows_that_are_commented_out_and_people_called_so(tmp_path):
    (tmp_path / "a.csv").write_text("ID,TIME,AMT\nC1,0,1\n2,0,1\n")
    table = read_events(tmp_path / "a.csv")
    assert people(table) == ["2"]
    assert table.notes[0] == "1 comment row left out (C1 ...; an ID of that text stands in quotes)"
    assert people(read_events(frame_of(["C1", "2"]))) == ["C1", "2"]
    (tmp_path / "a.csv").write_text('ID,TIME,AMT\n"C1",0,1\n2,0,1\n')
    assert people(read_events(tmp_path / "a.csv")) == ["C1", "2"]


def test_ids_of_nonmem_are_numbers_unless_it_rounded_them(tmp_path):
    path = tmp_path / "sdtab1"
    path.write_text(
        "TABLE NO.  1\n ID TIME AMT\n  1.0000E+00 0.0000E+00 1.0000E+02\n  1.2000E+01 0.0000E+00 5.0000E+01\n"
    )
    assert read_events(path).labels.tolist() == [1, 12]
    path.write_text("TABLE NO.  1\n ID TIME AMT\n  1.2346E+05 0.0000E+00 1.0000E+02\n")
    with pytest.raises(DataError, match=r"ID has more digits than NONMEM wrote in 1 row .*FORMAT=s1PE15\.8"):
        read_events(path)


def test_ids_that_come_again_are_told(tmp_path):
    frame = pd.DataFrame([[1, 0, 10], [2, 0, 20], [1, 1, 0], [2, 1, 0]], columns=["ID", "TIME", "AMT"])
    table = read_events(frame)
    assert people(table) == ["1", "2", "1.1", "2.1"]
    note = next(note for note in table.notes if "again" in note)
    assert note.startswith("2 IDs come again: new subjects 1.1, 2.1, as NONMEM takes them; if they are the same people")
    assert "sort_values(['ID', 'TIME'], kind='stable')" in note
    assert read_events(frame.sort_values(["ID", "TIME"], kind="stable")).labels.tolist() == [1, 2]
    assert read_events(frame.iloc[[0, 1, 2]]).notes[1].startswith("1 ID comes again: new subjects 1.1,")


def test_covariates_are_matched_by_id():
    dose = Regimen(amt=1)
    frame = pd.DataFrame({"ID": ["b", "a"], "WT": [80.0, 60.0]})
    table = EventTable.from_regimen({"a": dose, "b": dose}, [0], covariates=frame)
    assert table.frame.groupby("ID")["WT"].first().to_dict() == {"a": 60.0, "b": 80.0}
    with pytest.raises(DataError, match=r"covariates have 0 rows with ID 'c'"):
        EventTable.from_regimen({"a": dose, "c": dose}, [0], covariates=frame)
    with pytest.raises(DataError, match=r"covariate 'AMT' has the name of a column of doses"):
        EventTable.from_regimen(dose, [0], covariates={"AMT": 3})


LABELS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=6)


@given(
    st.lists(LABELS.filter(lambda t: t.strip()) | st.integers(0, 10**21).map(str), min_size=1, max_size=4, unique=True)
)
def test_any_text_survives_a_table_and_its_file(tmp_path_factory, labels):
    table = EventTable.from_regimen(dict.fromkeys(labels, Regimen(amt=1)), [0.0, 1.0])
    assert people(table) == labels
    path = tmp_path_factory.mktemp("round") / "table.csv"
    table.to_csv(path)
    again = read_events(path)
    assert people(again) == labels
    assert again == table
