"""NONMEM data sets as found in the wild: what is read, what is derived, what is refused and how."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_data import CASES

from pkpd.dosing.dose import Dose
from pkpd.dosing.events import read_events
from pkpd.errors import DataError


@pytest.fixture
def read(tmp_path):
    """Read a text as if it were the file trial.csv."""

    def reader(text, encoding="utf-8", **options):
        path = tmp_path / "trial.csv"
        path.write_bytes(text.encode(encoding))
        return read_events(path, **options)

    return reader


def listed(table, *names):
    """Return the named columns as lists."""
    return [table.frame[name].tolist() for name in names]


PLAIN = "ID,TIME,EVID,CMT,AMT,DV,WT\n1,0,1,1,100,.,70\n1,2,0,2,.,4.5,70\n2,0,1,1,50,NA,\n2,1.5,0,2,0,3,81.5\n"


def test_a_plain_file(read):
    table = read(PLAIN)
    assert list(table.frame) == ["ID", "TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS", "DV", "MDV", "WT"]
    assert listed(table, "AMT", "MDV", "CMT") == [[100, 0, 50, 0], [1, 0, 1, 0], [1, 2, 1, 2]]
    np.testing.assert_array_equal(table.frame["WT"], [70, 70, np.nan, 81.5])
    np.testing.assert_array_equal(table.frame["DV"], [np.nan, 4.5, np.nan, 3])
    assert table.starts.tolist() == [0, 2, 4]
    assert table.labels.tolist() == [1, 2]
    assert table.covariates == ("WT",)
    assert [note.split(":")[0] for note in table.notes] == ["WT changes within a person"]


@pytest.mark.parametrize("separator", [";", "\t", " ", "  ", ", "])
def test_other_separators(read, separator):
    assert read(PLAIN.replace("NA,\n", "NA,.\n").replace(",", separator)) == read(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", ",,\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\n\n"),
        "# made for a trial, final\n" + PLAIN,
        "#" + PLAIN,
        PLAIN.lower().replace("wt", "WT").replace("na", "NA"),
        PLAIN.replace("1,2,0", "#1,9,0,9,9,9,9\n@ a remark\n1,2,0"),
    ],
)
def test_marks_of_other_programs(read, text):
    assert read(text) == read(PLAIN)


def test_latin_1_is_read(read):
    assert read(PLAIN.replace("WT", "Größe"), encoding="latin-1").covariates == ("Größe",)


def test_comment_rows_are_left_out_and_counted(read):
    rows = PLAIN.splitlines()
    marked = "\n".join(["C," + rows[0], ".," + rows[1], "C," + rows[1], *("," + row for row in rows[2:])])
    table = read(marked + "\n")
    assert table == read(PLAIN)
    assert table.notes[0] == "1 comment row left out"
    assert table.rows is not None
    assert table.rows.tolist() == [1, 3, 4, 5]
    assert read(PLAIN + "C2,9,0,2,0,3,81.5\nC 2,9,0\n") == read(PLAIN)


def test_subjects_may_be_called_c(read):
    table = read("ID,TIME,AMT\nA1,0,1\nC1,0,1\nC,0,1\n")
    assert table.labels.tolist() == ["A1", "C1", "C"]
    assert read("ID,TIME,AMT\nC1,0,1\nC2,0,1\n").labels.tolist() == ["C1", "C2"]
    assert read("ID,TIME,AMT\n007,0,1\n07,0,1\n").labels.tolist() == ["007", "07"]


def test_events_are_derived_where_evid_is_absent(read):
    table = read("ID,TIME,AMT,RATE,SS,DV,MDV\n1,0,100,0,0,.,1\n1,1,.,.,.,5,0\n1,2,0,0,0,.,1\n1,3,0,10,1,.,.\n")
    assert listed(table, "EVID", "MDV") == [[1, 0, 2, 1], [1, 0, 1, 1]]
    assert table.notes[0].startswith("EVID is derived")
    # A missing DV is no observation, and one beside a dose is counted.
    table = read("ID,TIME,AMT,DV\n1,0,100,7\n1,1,0,.\n1,2,0,5\n")
    assert listed(table, "EVID", "MDV") == [[1, 0, 0], [1, 1, 0]]
    assert "DV on 1 dose row is not an observation" in table.notes


def test_an_id_that_comes_again_is_a_new_subject(read):
    table = read("ID,TIME,AMT\n3,5,1\n3,6,0\n4,0,1\n3,0,1\n3.1,0,1\n3,0,1\n")
    assert table.labels.tolist() == ["3", "4", "3.2", "3.1", "3.3"]
    table = read("ID,TIME,AMT\n3,5,1\n3,6,0\n4,0,1\n3,0,1\n4,1,0\n")
    assert table.labels.tolist() == ["3", "4", "3.1", "4.1"]
    assert table.starts.tolist() == [0, 2, 3, 4, 5]
    assert listed(table.subject("3.1"), "TIME") == [[0]]


def test_time_may_restart_at_a_reset_and_the_clock_runs_on(read):
    table = read(
        "ID,TIME,EVID,AMT\n1,0,1,100\n1,48,0,0\n1,0,4,100\n1,12,0,0\n1,3,3,0\n1,5,0,0\n2,1,1,100\n2,9,3,0\n2,10,0,0\n"
    )
    assert listed(table, "TIME") == [[0, 48, 0, 12, 3, 5, 1, 9, 10]]
    assert table.clock.tolist() == [0, 48, 48, 60, 60, 62, 1, 9, 10]
    assert table.records(["central"])["time"].tolist() == table.clock.tolist()


def test_clock_never_goes_back_by_rounding(read):
    times = [0.1, 0.7000000000000001, 0.3, 0.3, 0.9, 0.1, 0.1, 0.30000000000000004]
    rows = [f"1,{t!r},{3 if k in (2, 5) else 0}" for k, t in enumerate(times)]
    clock = read("ID,TIME,EVID\n" + "\n".join(rows) + "\n").clock
    assert (np.diff(clock) >= 0).all()
    assert clock[2] == clock[1]
    assert clock[3] == clock[2]


def test_other_units_of_time(read):
    table = read("ID,TIME,AMT,RATE,II,ADDL\n1,0,100,50,1,3\n1,1.5,10,-2,0,0\n", time_unit="d")
    assert listed(table, "TIME", "II", "RATE") == [[0, 36], [24, 0], [50 / 24, -2]]


def test_duration_of_infusions_becomes_a_rate(read):
    table = read("ID,TIME,AMT,TINF\n1,0,100,2\n1,5,100,.\n1,6,0,0\n")
    assert listed(table, "RATE") == [[50, 0, 0]]
    assert "TINF" not in table.frame


def test_columns_keep_their_kind(read):
    table = read("ID,TIME,AMT,STUDY,ARM,OCC,DVID,SEX,W,EMPTY\n1,0,9,S1,2,1,drug,1,70,.\n1,1,0,,1,2,CRP,1,70.5,.\n")
    assert table.covariates == ("ARM", "SEX", "W")
    assert {name: table.frame[name].dtype.kind for name in ("ARM", "OCC", "SEX", "W")} == {
        "ARM": "i", "OCC": "i", "SEX": "i", "W": "f",
    }  # fmt: skip
    assert table.frame["STUDY"].isna().tolist() == [False, True]
    assert listed(table, "DVID") == [["drug", "CRP"]]


def test_a_covariate_with_stray_text_is_kept_aside_with_a_note(read):
    table = read("ID,TIME,AMT,WT\n1,0,9,70\n1,1,0,70kg\n")
    assert table.covariates == ()
    assert "WT is text: 1 of 2 values are no numbers (first: row 2, line 3, ID 1, TIME 1, WT 70kg)" in table.notes


def test_renamed_columns(read):
    table = read(
        "Subject,time,conc,dose\n1,0,.,25\n1,2,17.3,.\n", columns={"Subject": "ID", "conc": "DV", "dose": "amt"}
    )
    assert listed(table, "ID", "AMT", "EVID") == [[1, 1], [25, 0], [1, 0]]


def test_other_marks_for_missing(read):
    table = read("ID,TIME,AMT,WT\n1,0,9,-99\n1,1,0,70\n", missing=["-99"])
    assert table.frame["WT"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "trial.csv: the file is empty"),
        ("ID,TIME\n", "trial.csv: there are no rows under the header"),
        ("1,0,100\n1,1,0\n", "trial.csv: the first line must name the columns (ID, TIME, AMT, ...), got '1' ...; "
         "for a file without a header give names=['ID', 'TIME', ...]"),
        ("ID,TIME\nC,1\n#,2\n1,0\n1,2,3\n1\n",
         "trial.csv: 2 rows have another number of fields than the header "
         "(first: row 4, line 5, 3 fields instead of 2)"),
        ("ID,TIME,\n1,0,5\n", "trial.csv: column 3 has no name; name it in the header, or remove it"),
        ("ID,TIME\n#1,5\n", "trial.csv: all rows are comments"),
        ("SUBJ,TIME\n1,5\n",
         "trial.csv: column ID is missing; it has SUBJ, TIME; name it with columns={'SUBJ': 'ID'}"),
        ("ID,hours\n1,5\n",
         "trial.csv: column TIME is missing; it has ID, hours; name it with columns={'hours': 'TIME'}"),
        ("ID,TIME,time,WT,WT\n1,5,5,7,7\n",
         "trial.csv: duplicate columns: 2 are TIME (TIME, time) (and 1 more); keep one of them"),
        ("ID,TIME,AMT\n1,0,abc\n1,1,x\n",
         "trial.csv: AMT holds text in 2 rows (first: row 1, line 2, ID 1, TIME 0, AMT abc); "
         "numbers are needed; missing values are marked with missing=..."),
        ("ID,TIME,AMT\n1,0,inf\n",
         "trial.csv: AMT is not finite in 1 row (first: row 1, line 2, ID 1, TIME 0, AMT inf)"),
        ("ID,TIME,AMT\n1,inf,1\n", "trial.csv: TIME is not finite in 1 row (first: row 1, line 2, ID 1, TIME inf)"),
        ("ID,TIME,AMT\n1,0,1\n.,1,0\n", "trial.csv: ID is missing in 1 row (first: row 2, line 3, ID None, TIME 1)"),
        ("ID,TIME,AMT\n1,0,1\n1,.,0\n",
         "trial.csv: TIME is missing in 1 row (first: row 2, line 3, ID 1, TIME nan); give the time of every row"),
        ("ID,TIME,AMT\n1,0,1\n1,5,0\nC,5,0\n1,4,0\n1,3,0\n",
         "trial.csv: TIME goes back in 2 rows (first: row 4, line 5, ID 1, TIME 4.0); "
         "sort each subject's rows by TIME (it may restart only at a reset, EVID 3 or 4)"),
        ("ID,TIME,AMT\n1,23:00,1\n1,1:00,0\n",
         "trial.csv: TIME goes back in 1 row (first: row 2, line 3, ID 1, TIME -22.0); "
         "sort each subject's rows by TIME; where the clock passes midnight give a DATE column"),
        ("ID,TIME,EVID,AMT\n1,0,1,-5\n",
         "trial.csv: AMT is negative in 1 row (first: row 1, line 2, ID 1, TIME 0.0, AMT -5.0); amounts must be >= 0"),
        ("ID,TIME,EVID,AMT\n1,0,7,5\n",
         "trial.csv: EVID is not 0, 1, 2, 3, 4 or 8 in 1 row (first: row 1, line 2, ID 1, TIME 0.0, EVID 7)"),
        ("ID,TIME,EVID,AMT\n1,0,0,5\n",
         "trial.csv: AMT is given with an EVID that gives nothing in 1 row "
         "(first: row 1, line 2, ID 1, TIME 0.0, EVID 0, AMT 5.0); set EVID=1 to give it, or AMT=0"),
        ("ID,TIME,EVID,AMT\n1,0,1,0\n",
         "trial.csv: AMT of a dose is 0 in 1 row (first: row 1, line 2, ID 1, TIME 0.0, EVID 1, AMT 0.0); "
         "set EVID=2 where nothing is given (0 is for a constant infusion: SS=1, RATE > 0, II=0)"),
        ("ID,TIME,AMT,RATE\n1,0,1,-3\n",
         "trial.csv: RATE is negative in 1 row (first: row 1, line 2, ID 1, TIME 0.0, RATE -3.0); "
         "it must be >= 0, -1 (modelled rate) or -2 (modelled duration)"),
        ("ID,TIME,AMT,RATE,TINF\n1,0,1,3,2\n",
         "trial.csv: RATE and TINF are both given in 1 row "
         "(first: row 1, line 2, ID 1, TIME 0.0, RATE 3.0, TINF 2.0); give one of them"),
        ("ID,TIME,AMT,TINF\n1,0,1,-2\n",
         "trial.csv: TINF of a dose is negative in 1 row (first: row 1, line 2, ID 1, TIME 0.0, TINF -2.0); "
         "it must be >= 0 h (0 or missing: a bolus)"),
        ("ID,TIME,AMT,ADDL\n1,0,1,3\n",
         "trial.csv: ADDL > 0 without an interval in 1 row "
         "(first: row 1, line 2, ID 1, TIME 0.0, ADDL 3, II 0.0); give II > 0"),
        ("ID,TIME,AMT,ADDL,II\n1,0,1,1.5,24\n",
         "trial.csv: ADDL is not a whole number in 1 row (first: row 1, line 2, ID 1, TIME 0.0, ADDL 1.5)"),
        ("ID,TIME,AMT,II\n1,0,1,-24\n",
         "trial.csv: II is negative in 1 row (first: row 1, line 2, ID 1, TIME 0.0, II -24.0); "
         "intervals must be >= 0 h"),
        ("ID,TIME,AMT,SS,II\n1,0,1,99,24\n",
         "trial.csv: SS is not 0, 1, 2 or 3 in 1 row (first: row 1, line 2, ID 1, TIME 0.0, SS 99); "
         "set it to 0 if not at steady state"),
        ("ID,TIME,AMT,SS\n1,0,1,1\n",
         "trial.csv: SS without an interval in 1 row (first: row 1, line 2, ID 1, TIME 0.0, SS 1, II 0.0); "
         "give II > 0 (0 is for a constant infusion: SS=1, AMT=0, RATE > 0)"),
        ("ID,TIME,AMT,MDV\n1,0,1,5\n",
         "trial.csv: MDV is not 0 or 1 in 1 row (first: row 1, line 2, ID 1, TIME 0.0, MDV 5)"),
        ("ID,TIME,AMT,CMT\n1,0,1,-2\n",
         "trial.csv: CMT is not a number from 0 in 1 row (first: row 1, line 2, ID 1, TIME 0.0, CMT -2); "
         "number the model's states from 1, or name them"),
        ("ID,DAT1,TIME\n1,2/30/2024,0\n",
         "trial.csv: DAT1 is not understood in 1 row (first: row 1, line 2, ID 1, TIME 0, DAT1 2/30/2024); "
         "DAT1 is day-month-year, or a day number throughout; a date with a time of day goes into TIME"),
        ("ID,DATE,TIME\n1,1,25:00\n",
         "trial.csv: TIME is not understood in 1 row (first: row 1, line 2, ID 1, TIME 25:00); "
         "write 10:30, 10:30:15 or hours"),
        ("ID,DATE,DAT1,TIME\n1,1,1,2:00\n", "trial.csv: DATE and DAT1 are both given; keep one date column"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_row(read, text, message):
    with pytest.raises(DataError) as error:
        read(text)
    assert str(error.value) == message


def test_all_kinds_of_wrong_rows_are_said_at_once(read):
    with pytest.raises(DataError) as error:
        read("ID,TIME,EVID,AMT\n1,0,1,-5\n1,2,1,-7\n1,1,0,0\n1,1,9,0\n")
    assert str(error.value) == (
        "trial.csv: 3 kinds of rows are wrong\n"
        "  - EVID is not 0, 1, 2, 3, 4 or 8 in 1 row (first: row 4, line 5, ID 1, TIME 1.0, EVID 9)\n"
        "  - AMT is negative in 2 rows (first: row 1, line 2, ID 1, TIME 0.0, AMT -5.0); amounts must be >= 0\n"
        "  - TIME goes back in 1 row (first: row 3, line 4, ID 1, TIME 1.0); "
        "sort each subject's rows by TIME (it may restart only at a reset, EVID 3 or 4)"
    )


def test_other_refusals(read, tmp_path):
    with pytest.raises(DataError, match=r"no\.csv: cannot be read \(No such file or directory\)"):
        read_events(tmp_path / "no.csv")
    with pytest.raises(DataError, match=r"there is no column 'Wt'; it has ID, .*did you mean 'WT'"):
        read(PLAIN, columns={"Wt": "weight"})
    with pytest.raises(DataError, match=r"time_unit must be a unit of time .*, got 'fortnight'"):
        read(PLAIN, time_unit="fortnight")
    with pytest.raises(DataError, match="a path or a data frame of pandas, got int"):
        read_events(5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="events: the data frame has no rows"):
        read_events(pd.DataFrame({"ID": [], "TIME": []}))
    # Rows of a data frame have a number but no line.
    with pytest.raises(
        DataError, match=r"^events: AMT is negative in 1 row \(first: row 2, ID 1, TIME 1\.0, AMT -1\.0\)"
    ):
        read_events(pd.DataFrame({"ID": 1, "TIME": [0, 1], "AMT": [1, -1]}, index=[7, 7]))


TEXTS = (
    st.text(alphabet="abc XYZ,;'\"é", min_size=1, max_size=8).map(str.strip).filter(lambda t: t and t[0] not in "'\"")
)


@st.composite
def frames(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    n = sum(sizes)
    times = np.concatenate([np.sort(draw(st.lists(st.floats(0, 1e4), min_size=k, max_size=k))) for k in sizes])
    numbers = st.floats(-1e300, 1e300) | st.just(np.nan)
    return pd.DataFrame(
        {
            "ID": np.repeat(np.arange(len(sizes)), sizes),
            "TIME": times,
            "AMT": draw(st.lists(st.floats(0, 1e6), min_size=n, max_size=n)),
            "DV": draw(st.lists(numbers, min_size=n, max_size=n)),
            "WT": draw(st.lists(numbers, min_size=n, max_size=n)),
            "SEX": draw(st.lists(st.integers(-(10**12), 10**12), min_size=n, max_size=n)),
            "SITE": draw(st.lists(TEXTS | st.none(), min_size=n, max_size=n)),
        }
    )


@given(frames())
def test_tables_survive_their_file(tmp_path_factory, frame):
    table = read_events(frame)
    path = tmp_path_factory.mktemp("round") / "table.csv"
    table.to_csv(path)
    again = read_events(path)
    assert again == table
    assert again.covariates == table.covariates
    assert again.labels.tolist() == table.labels.tolist()


def test_a_calendar_survives_its_file(read, tmp_path):
    table = read("ID,DATE,TIME,AMT,CMT\n1,2/28/2024,10:30,100,depot\n1,2/29/2024,9:00,0,.\n")
    table.to_csv(tmp_path / "again.csv")
    assert read_events(tmp_path / "again.csv") == table
    assert read_events(table.frame) == table
    assert table != read("ID,TIME\n1,1\n")


def test_reference_event_tables_are_read_and_survive(tmp_path):
    for file in (case.events for case in CASES.values()):
        table, raw = read_events(file), pd.read_csv(file)
        records = table.records([f"A{k}" for k in range(1, 9)])
        for name in ("time", "evid", "amt", "rate", "ii", "addl", "ss"):
            np.testing.assert_array_equal(records[name], raw[name])
        dosed = raw["evid"].isin((1, 4))
        np.testing.assert_array_equal(records["cmt"][dosed], raw["cmt"][dosed] - 1)
        table.to_csv(tmp_path / file.name)
        assert read_events(tmp_path / file.name) == table


def test_reference_trials_are_read(shared):
    folder = shared / "reference" / "estimation"
    phenobarb = read_events(folder / "phenobarb.csv", columns={"Subject": "ID", "dose": "AMT", "conc": "DV"})
    assert phenobarb.n_subjects == 59
    assert phenobarb.covariates == ("Wt", "Apgar")
    assert phenobarb.regimens()[1].doses[:2] == (Dose(25, 1), Dose(3.5, 1, 12.5))
    theoph = read_events(folder / "theoph.csv", columns={"Subject": "ID", "conc": "DV"})
    assert (theoph.n_subjects, len(theoph)) == (12, 132)
    with pytest.raises(DataError, match="SS is not 0, 1, 2 or 3"):
        read_events(folder / "Oral_1CPT.csv")
    oral = read_events(pd.read_csv(folder / "Oral_1CPT.csv").replace({"SS": {99: 0}}))
    assert oral.n_subjects == 120
