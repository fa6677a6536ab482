"""Data files of other programs: read right, read with a note, or refused with the remedy; never something else."""

from __future__ import annotations

import datetime
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkpd.dosing.events import read_events
from pkpd.dosing.fields import records
from pkpd.errors import DataError

PLAIN = "ID,TIME,AMT,DV\n1,0,100,.\n1,2,.,4.5\n2,0,50,.\n2,1.5,.,3\n"


@pytest.fixture
def read(tmp_path):
    """Read a text, or bytes, as if it were the file trial.csv."""

    def reader(content, **options):
        path = tmp_path / "trial.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_events(path, **options)

    return reader


def body(text, first):
    """Return the rows of a text with one more field in front of each."""
    head, *rows = text.splitlines()
    return head, [f"{first(k)},{row}" for k, row in enumerate(rows)]


HEAD, ZERO = body(PLAIN, lambda k: k)
ONE = [f'"{k + 1}",{row}' for k, row in enumerate(PLAIN.splitlines()[1:])]
SUBSET = [f"{(3, 4, 9, 11)[k]},{row}" for k, row in enumerate(PLAIN.splitlines()[1:])]
ROWS = PLAIN.split("\n", 1)[1]
TABLE = "TABLE NO.  1\n ID          TIME        AMT         DV\n" + "".join(
    "  " + "  ".join(f"{float(x):.4E}" if x != "." else "." for x in row.split(",")) + "\n" for row in ROWS.splitlines()
)
LINES = TABLE.splitlines(keepends=True)

READ = {
    "remark of NONMEM above the header": ("C,made on Monday,,,\nC," + HEAD + "\n" + ROWS.replace("1,0", ".,1,0", 1)
        .replace("\n1,2", "\n.,1,2").replace("\n2,", "\n.,2,"), "1 line above the header"),
    "title above the header": ("Study 12, final data\n\nmade on Monday\n" + PLAIN, "2 lines above the header left out"),
    "title with other separators": ("Study; 12;\n" + PLAIN, "1 line above the header left out"),
    "quoted title": ('"Study 12, ID and TIME"\n' + PLAIN, "1 line above the header left out"),
    "remark with #": ("# made for a trial, final\n" + PLAIN, "1 line above the header left out"),
    "NONMEM's table": (TABLE, "1 line above the header left out"),
    "NONMEM's table of many rows": (
        "".join([*LINES[:4], *LINES[:2], *LINES[4:]]), "the header comes again 1 time: left out"),
    "header that comes again": (
        PLAIN.replace("\n2,0", "\n" + HEAD + "\n2,0"), "the header comes again 1 time: left out"),
    "rows counted from 0": ("," + HEAD + "\n" + "\n".join(ZERO) + "\n", "counts rows: left out"),
    "rows counted from 1 in quotes": ('"",' + HEAD + "\n" + "\n".join(ONE) + "\n", "counts rows: left out"),
    "rows counted after a selection": ("," + HEAD + "\n" + "\n".join(SUBSET) + "\n", "counts rows: left out"),
    "rows named by R, a header one shorter": (
        HEAD.replace(",", " ") + "\n" + "\n".join(ONE).replace(",", " ") + "\n", "counts rows: left out"),
    "byte-order mark": ("\ufeff" + PLAIN, ""),
    "two byte-order marks": ("\ufeff\ufeff" + PLAIN, ""),
    "UTF-16": (PLAIN.encode("utf-16"), ""),
    "UTF-16, big end first": (b"\xfe\xff" + PLAIN.encode("utf-16-be"), ""),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), ""),
    "UTF-32": (PLAIN.encode("utf-32"), ""),
    "line ends of DOS": (PLAIN.replace("\n", "\r\n") + "\x1a", ""),
    "line ends of old Macs": (PLAIN.replace("\n", "\r"), ""),
    "quotes around everything": ("\n".join(",".join(f'"{x}"' for x in r.split(",")) for r in PLAIN.splitlines()), ""),
    "separator named by Excel": ("sep=;\n" + PLAIN.replace(",", ";"), "1 line above the header"),
    "semicolons": (PLAIN.replace(",", ";"), ""),
    "tabs and missing values left empty": (PLAIN.replace(",", "\t").replace(".\t", "\t").replace("\t.\n", "\t\n"), ""),
    "names in another case": (PLAIN.lower(), ""),
    "names in quotes with blanks": (PLAIN.replace(HEAD, '" ID ","TIME ", "AMT", DV'), ""),
}  # fmt: skip


@pytest.mark.parametrize(("text", "note"), READ.values(), ids=READ)
def test_files_that_are_read(read, text, note):
    table = read(text)
    pd.testing.assert_frame_equal(table.frame, read(PLAIN).frame)
    assert note in " / ".join(table.notes)


WORKBOOK = io.BytesIO()
with zipfile.ZipFile(WORKBOOK, "w") as archive:
    archive.writestr("[Content_Types].xml", "<Types/>")
    archive.writestr("xl/workbook.xml", "<workbook/>")
ARCHIVE = io.BytesIO()
with zipfile.ZipFile(ARCHIVE, "w") as archive:
    archive.writestr("trial.csv", PLAIN)

REFUSED = {
    "an Excel workbook": (
        WORKBOOK.getvalue(), r"is an Excel workbook, not text; save the sheet as csv, or give .*read_excel"),
    "an old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), r"is an old Excel workbook \(\.xls\)"),
    "an archive": (ARCHIVE.getvalue(), "is a zip archive, not text; unpack it first"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "is compressed by gzip, not text"),
    "parquet": (b"PAR1" + bytes(20), "is a parquet file, not text"),
    "zero bytes": (b"ID,TIME\n\x00\x01\x02\x00\x00\x03,5\n", r"is not text \(it holds zero bytes\)"),
    "a cut UTF-16": (PLAIN.encode("utf-16")[:-1] + b"\xd8", "begins as UTF-16, but byte"),
    "two tables": (TABLE + TABLE.replace("NO.  1", "NO.  2"), r"holds 2 tables \(lines TABLE NO\.\)"),
    "no header": (ROWS, r"the first line must name the columns .*; for a file without a header give names=\['ID'"),
    "no header, IDs that are texts": ("A1,0,100\nA2,0,5\n", r"the first line must name the columns .*got 'A1'"),
    "a nameless column of values": ("ID,TIME,\n1,0,5\n", "column 3 has no name; name it in the header, or remove it"),
    "a nameless first column of values": (",ID,TIME\n5,1,0\n3,1,1\n", "column 1 has no name"),
    "decimal commas in TIME": (PLAIN.replace(",", ";").replace("1.5", "1,5"),
        r"TIME holds text in 1 row \(first: row 4, line 5, ID 2, TIME 1,5\); if the comma stands before decimals, "
        r"give decimal=','"),
    "decimal commas in DV": (PLAIN.replace(",", ";").replace("4.5", "4,5"), "DV holds text .*decimal=','"),
    "below a limit": (PLAIN.replace("4.5", "<0.1"),
        "DV holds text in 1 row .*DV <0.1.*; a datum below the limit .*CENS=1 with the limit as DV"),
    "below a limit in words": (PLAIN.replace("4.5", "BLQ"), "CENS=1 with the limit as DV"),
    "a text in DV": (PLAIN.replace("4.5", "x"), "missing values are marked with missing="),
    "dates without separators in TIME": ("ID,TIME\n1,20230105\n1,20230106\n", r"TIME holds dates .*give them as DAT2"),
    "slashes that do not tell": ("ID,TIME\n1,1/5/2023 8:00\n1,1/5/2023 9:00\n",
        "TIME is not understood in 2 rows .*is the day or the month first.*DATE \\(month-day-year\\) or DAT1"),
    "slashes with short years that do not tell": ("ID,TIME\n1,1/5/23 8:00\n", "is the day or the month first"),
    "dates that disagree": ("ID,TIME\n1,13/1/2023 8:00\n1,1/14/2023 9:00\n", "is the day or the month first"),
    "zones in some rows": ("ID,TIME\n1,2023-01-05T08:00Z\n1,2023-01-05T09:00\n",
        "give the time zone in every row, or in none"),
    "dates and times without separators in TIME": ("ID,TIME\n1,202301050800\n1,202301050900\n", "TIME holds dates"),
    "dates twice": ("ID,DATE,TIME\n1,1/5/2023,2023-01-05 08:00\n", "TIME holds dates itself: leave DATE out"),
    "a time of day in DATE": ("ID,DATE,TIME\n1,2023-01-05 08:30,0\n", "a date with a time of day goes into TIME"),
    "hours with their unit": ("ID,TIME\n1,2 h\n", "TIME holds text .*; write hours, 10:30 or 2023-01-05 10:30"),
    "six digits": ("ID,DATE,TIME\n1,230105,0\n", "DATE is not understood"),
    "a month in another tongue": ("ID,DATE,TIME\n1,5-Okt-2023,0\n", "DATE is not understood"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_are_refused(read, text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_an_id_in_the_index_is_named():
    with pytest.raises(DataError, match=r"ID is in the index of the data frame; give frame\.reset_index\(\)"):
        read_events(pd.DataFrame({"ID": [1], "TIME": [0]}).set_index("ID"))


def test_names_for_a_file_without_a_header(read):
    names = ["ID", "TIME", "AMT", "DV"]
    assert read(ROWS, names=names) == read(PLAIN)
    assert read(ROWS.replace(",", " "), names=names) == read(PLAIN)
    assert read("# a remark\n" + ROWS, names=["who", *names[1:]], columns={"who": "ID"}) == read(PLAIN)
    with pytest.raises(DataError, match=r"names are given, but line 1 names the columns \(ID, TIME, AMT, DV\)"):
        read(PLAIN, names=names)
    with pytest.raises(DataError, match="2 names are given for 4 columns"):
        read(ROWS, names=names[:2])
    with pytest.raises(DataError, match="names are for a file without a header"):
        read_events(pd.DataFrame({"ID": [1], "TIME": [0]}), names=names)


def test_decimal_commas(read):
    text = (
        PLAIN.replace("AMT,DV", "AMT,DV,WT")
        .replace(".\n", ".,70.5\n")
        .replace("4.5\n", "4.5,70.5\n")
        .replace("3\n", "3,71\n")
    )
    european = "\n".join(line.replace(",", ";").replace("1.5", "1,5").replace("4.5", "4,5").replace("70.5", "70,5")
                         for line in text.splitlines())  # fmt: skip
    assert read(european, decimal=",") == read(text)
    frame = pd.DataFrame({"ID": "1,5", "TIME": ["0", "0,5"], "AMT": ["1e2", "."]})
    table = read_events(frame, decimal=",")
    assert table.frame["TIME"].tolist() == [0, 0.5]
    assert table.labels.tolist() == ["1,5"]
    notes = read(european.replace("1,5", "1").replace("4,5", "4")).notes
    assert any(note.startswith("WT is text") and "decimal=','" in note for note in notes)
    notes = read("ID;TIME;WT\n1;0;70,5\n1;1;70,5\n").notes
    assert any(note.startswith("WT is text (70,5)") and "decimal=','" in note for note in notes)
    with pytest.raises(DataError, match="with decimal=',' a point is no decimal mark"):
        read("ID;TIME\n1;1.234,5\n", decimal=",")
    with pytest.raises(DataError, match=r"decimal must be '\.' or ',', got ';'"):
        read(PLAIN, decimal=";")
    assert read("ID;TIME;SEX\n1;0;1\n", decimal=",") == read("ID;TIME;SEX\n1;0;1\n")
    assert read("ID;DATE;TIME\n1;1;8,5\n1;2;8,5\n", decimal=",").frame["TIME"].tolist() == [0, 24]


LONG = pd.DataFrame({"ID": 1, "AMT": [100, 0, 0]})
TIMES = {
    "ISO with Z": ["2023-01-05T08:00:00Z", "2023-01-05T09:30:00Z", "2023-01-06T08:00:00Z"],
    "ISO with offsets": ["2023-01-05T08:00:00+01:00", "2023-01-05T10:30:00+0200", "2023-01-06 07:00:00+00"],
    "ISO with parts of seconds": ["2023-01-05T08:00:00.000", "2023-01-05T09:30:00.000", "2023-01-06T08:00:00.000"],
    "compact ISO": ["20230105T0800", "20230105T093000", "20230106T080000"],
    "SAS": ["05JAN2023:08:00:00", "05JAN2023:09:30:00", "06JAN2023:08:00:00"],
    "SAS, short years": ["05JAN23:08:00", "05JAN23:09:30", "06JAN23:08:00"],
    "months by name": ["5 Jan 2023 8:00", "January 5, 2023 9:30 AM", "Jan-6-2023 08:00"],
    "slashes, month first": ["1/31/2023 8:00", "1/31/2023 9:30", "2/1/2023 8:00"],
    "slashes, day first": ["31/1/2023 8:00", "31/1/2023 9:30", "1/2/2023 8:00"],
    "slashes, short years": ["31/1/23 8:00", "31/1/23 9:30", "1/2/23 8:00"],
    "points": ["1.2.2023 8:00", "1.2.2023 9:30", "2.2.2023 8:00"],
    "halves of a day": ["1/31/2023 8:00 AM", "1/31/2023 9:30 am", "2/1/2023 8:00 AM"],
    "hours with decimals": ["2023-01-05 8", "2023-01-05 9.5", "2023-01-06 8.0"],
    "pandas": pd.to_datetime(["2023-01-05 08:00", "2023-01-05 09:30", "2023-01-06 08:00"]),
    "pandas with a zone": pd.to_datetime(["2023-01-05 08:00", "2023-01-05 09:30", "2023-01-06 08:00"]).tz_localize(
        "Europe/Berlin"),
    "Python": [datetime.datetime(2023, 1, d, h, m) for d, h, m in ((5, 8, 0), (5, 9, 30), (6, 8, 0))],
    "timedelta": pd.to_timedelta([0, 90, 1440], unit="min"),
    "timedelta of Python": pd.Series([datetime.timedelta(minutes=m) for m in (0, 90, 1440)], dtype=object),
    "SAS through pandas": [b"2023-01-05 08:00", b"2023-01-05 09:30", b"2023-01-06 08:00"],
}  # fmt: skip


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_times_are_read(times, tmp_path):
    frame = LONG.assign(TIME=times)
    for unit in ("h", "d"):
        assert read_events(frame, time_unit=unit).frame["TIME"].tolist() == pytest.approx([0, 1.5, 24], abs=1e-12)
    if isinstance(times, list) and isinstance(times[0], bytes):
        return
    frame.to_csv(tmp_path / "a.csv", index=False)
    for unit in ("h", "d"):
        table = read_events(tmp_path / "a.csv", time_unit=unit)
        assert table.frame["TIME"].tolist() == pytest.approx([0, 1.5, 24], abs=1e-12)
    assert ("WHEN" in table.frame) == ("day" not in str(frame["TIME"].iloc[-1]))


def test_orders_that_may_be_meant_otherwise_are_told():
    table = read_events(pd.DataFrame({"ID": 1, "DATE": ["5.1.2023", "6.1.2023"], "TIME": 0}))
    assert table.frame["TIME"].tolist() == [0, 31 * 24]
    note = "DATE is read as month-day-year, as NONMEM does (5.1.2023); DAT1 is day-month-year"
    assert note in table.notes
    table = read_events(pd.DataFrame({"ID": 1, "DATE": ["5/1/2023", "5/30/2023"], "TIME": 0}))
    assert note.split(",")[0] not in " ".join(table.notes)


def test_numbers_that_are_likely_dates_are_told():
    for times, text in (([44931.33, 44931.5], "time_unit='d'"), ([1672905600, 1672909200], "if it counts seconds")):
        assert any(text in note for note in read_events(pd.DataFrame({"ID": 1, "TIME": times})).notes)
    assert not any(
        "TIME" in note for note in read_events(pd.DataFrame({"ID": 1, "TIME": [0, 50000.0], "EVID": 0})).notes
    )


def test_texts_of_sas_are_texts():
    table = read_events(pd.DataFrame({"ID": [b"01", b"1"], "TIME": 0, "SITE": [b"\xc4", "é".encode()]}))
    assert table.labels.tolist() == ["01", "1"]
    assert table.frame["SITE"].tolist() == ["Ä", "é"]


def test_a_change_of_the_clock_is_no_time():
    berlin = pd.to_datetime(["2023-03-26 01:00", "2023-03-26 03:00"]).tz_localize("Europe/Berlin")
    table = read_events(pd.DataFrame({"ID": 1, "TIME": berlin}))
    assert table.frame["TIME"].tolist() == [0, 1]
    assert any("UTC" in note for note in table.notes)


@pytest.mark.parametrize(
    ("kind", "dates"),
    [
        ("DATE", ["05JAN2023", "06JAN2023"]),
        ("DATE", ["05JAN23", "6-Jan-23"]),
        ("DATE", ["20230105", "20230106"]),
        ("DATE", ["01052023", "01062023"]),
        ("DAT1", ["05012023", "06012023"]),
        ("DAT2", ["23JAN05", "23-Jan-06"]),
        ("DAT1", ["2023-01-05", "2023/01/06"]),
        ("DATE", [20230105, 20230106]),
        ("DATE", pd.to_datetime(["2023-01-05", "2023-01-06"])),
        ("DATE", [datetime.date(2023, 1, 5), datetime.date(2023, 1, 6)]),
    ],
)
def test_dates_are_read(kind, dates):
    table = read_events(pd.DataFrame({"ID": 1, kind: dates, "TIME": ["8:00", "9:30"]}))
    assert table.frame["TIME"].tolist() == [0, 25.5]
    assert table.frame["WHEN"].tolist() == ["2023-01-05T08:00:00", "2023-01-06T09:30:00"]


def test_minutes_of_a_late_date_cost_no_digits():
    times = [f"2023-01-05 {8 + k // 60:02}:{k % 60:02}" for k in range(0, 600, 7)]
    found = read_events(pd.DataFrame({"ID": 1, "TIME": times})).frame["TIME"].to_numpy()
    np.testing.assert_allclose(found, np.arange(0, 600, 7) / 60, rtol=0, atol=1e-12)


def test_durations(read):
    table = read("ID,TIME,AMT,TINF\n1,0,100,0\n1,5,100,2\n1,6,100,.\n")
    assert table.frame["RATE"].tolist() == [0, 50, 0]
    frame = pd.DataFrame({"ID": 1, "TIME": [0.0, 1.0], "AMT": 100, "TINF": pd.to_timedelta([0, 120], unit="min")})
    assert read_events(frame, time_unit="d").frame["RATE"].tolist() == [0, 50]


def test_text_columns_are_told(read):
    notes = read("ID,TIME,SEX\n1,0,M\n2,0,F\n").notes
    assert (
        "SEX is text (F, M): no covariate; to make it one, code it in numbers: frame['SEX'].map({'F': 0, 'M': 1})"
        in notes
    )


def test_codes_for_missing_values_are_told(read):
    notes = read("ID,TIME,WT,BE\n1,0,70,-3\n2,0,-99,-2\n").notes
    assert any(
        note.startswith("WT is -99 in 1 row: if that stands for a missing value, read with missing=") for note in notes
    )
    assert not any(note.startswith("BE") for note in notes)
    assert any(note.startswith("DV is -99 in 1 row") for note in read("ID,TIME,DV\n1,0,-99\n1,1,3\n").notes)


def test_changing_covariates_are_told(read):
    changing = [note for note in read("ID,TIME,WT,AGE\n1,0,70,40\n1,5,72,40\n").notes if "within a person" in note]
    assert len(changing) == 1
    assert changing[0].startswith("WT changes within a person: a value is carried forward")
    assert "carry='backward'" in changing[0]
    assert not any("within a person" in note for note in read("ID,TIME,WT\n1,0,70\n2,5,72\n").notes)


# -- columns of other programs


def columns_of(names, *rows):
    return pd.DataFrame(rows, columns=names.split())


def test_administrations_and_outputs_of_other_programs():
    for word in ("ADM", "adm", "INPUT"):
        table = read_events(columns_of(f"ID TIME AMT {word}", [1, 0, 100, 1], [1, 12, 100, 2], [1, 12.5, 0, 2]))
        assert table.frame["CMT"].tolist() == [1, 2, 0]
        assert word not in table.covariates
        assert any(note.startswith(f"{word} (") and "is read as CMT" in note for note in table.notes)
    table = read_events(columns_of("ID TIME DV YTYPE", [1, 0, 5, 1], [1, 1, 6, 2]))
    assert table.frame["DVID"].tolist() == [1, 2]
    # A CMT beside it, or a name of the caller's, leaves the column what it is.
    table = read_events(columns_of("ID TIME AMT ADM CMT", [1, 0, 100, 1, 2]))
    assert table.frame["CMT"].tolist() == [2]
    assert table.covariates == ("ADM",)
    table = read_events(columns_of("ID TIME AMT ADM", [1, 0, 100, 1]), columns={"ADM": "ADM"})
    assert table.covariates == ("ADM",)
    table = read_events(columns_of("ID TIME AMT ADM", [1, 0, 100, "iv"]))
    assert any("ADM (Monolix) is not read as CMT" in note for note in table.notes)


def test_words_that_may_mean_a_column_are_told():
    notes = read_events(columns_of("ID TIME DOSE CONC", [1, 0, 100, 0], [1, 1, 0, 2])).notes
    assert "there is no column AMT; if DOSE is meant, name it: columns={'DOSE': 'AMT'}" in notes
    assert "there is no column DV; if CONC is meant, name it: columns={'CONC': 'DV'}" in notes
    assert "there is no dose in the table" in notes
    notes = read_events(columns_of("ID TIME AMT Dur", [1, 0, 100, 2])).notes
    assert "there is no column TINF; if Dur is meant, name it: columns={'Dur': 'TINF'}" in notes
    notes = read_events(columns_of("ID TIME AMT DOSE CONC DV RATE DUR", [1, 0, 100, 5, 1, 1, 50, 2])).notes
    assert not any("is meant" in note for note in notes)


# -- the rules of csv


MARKS = st.sampled_from("ab ,;\t\"'\n\r\u2028\x0b\x0c\x1c\x85#")
CELLS = st.text(MARKS | st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=4), st.sampled_from([",", ";", "\t"]))
def test_cells_are_those_of_the_csv_module(rows, separator):
    import csv

    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(rows)
    found = [record.fields for record in records(out.getvalue(), separator)]
    assert found == [row for row in rows if any(row)]
    reader = csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator)
    assert found == [row for row in reader if any(row)]


def test_breaks_within_cells_end_no_line(read):
    for mark in ("\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"):
        table = read(f"ID,TIME,NOTE,AMT\n1,0,a{mark}b,100\n1,1,,0\n")
        assert table.frame["NOTE"].tolist()[0] == f"a{mark}b"
        assert table.frame["AMT"].tolist() == [100, 0]
    table = read('ID,TIME,NOTE,AMT\n1,0,"sick\nafter 1 h",100\n1,1,x,-1\n'.replace("-1", "0"))
    assert table.frame["NOTE"].tolist()[0] == "sick\nafter 1 h"
    with pytest.raises(DataError, match=r"row 2, line 4, ID 1, TIME 1"):
        read('ID,TIME,NOTE,AMT\n1,0,"sick\nafter 1 h",100\n1,1,x,-1\n')
    assert read('ID,TIME,NOTE,AMT\n1,0,5" pipe,100\n').frame["NOTE"].tolist() == ['5" pipe']


def test_latin_1_is_told(read):
    table = read("ID,TIME,Größe\n1,0,170\n".encode("cp1252"))
    assert table.covariates == ("Größe",)
    assert table.notes[0] == "the text is not UTF-8: it is read as Windows' Latin-1 (cp1252)"
