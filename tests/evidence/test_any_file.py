"""Whatever stands in a file: it is refused in words, or read, and then survives its own file."""

from __future__ import annotations

import numpy as np
from evidence_sample import write_sample
from hypothesis import given, settings
from hypothesis import strategies as st

from pkpd.dosing.events import read_events
from pkpd.errors import DataError
from pkpd.evidence import load_seed

WORDS = [
    "0", "1", "2", "-1", "1.5", "", ".", "NA", "abc", "1e3", "1,5", "-99", "<0.1", "BLQ", "8:00", "23:30", "2023-01-05",
    "05JAN2023", "1/2/2023", "1/13/2023 8:00", "20230105", "2023-01-05T08:00Z", "inf", "nan", "007", "9" * 20, '"a b"',
    '"x\ny"', '"', "#", "C", "\u2028", "M", "1e400", "1e-400", "+5", "TABLE NO. 1", "5:99", "24:00", "2023-13-01",
    "31.12.9999", "1.1.0001", "9999-12-31 23:59:59", "1 days 02:00:00",
]  # fmt: skip
NAMES = [
    "AMT", "DV", "EVID", "CMT", "RATE", "II", "ADDL", "SS", "MDV", "WT", "DATE", "DAT1", "OCC", "DVID", "CENS", "LLOQ",
    "TINF", "ADM", "YTYPE", "DOSE", "DUR", "", "C", "Cc", "WHEN",
]  # fmt: skip
USUAL = {"TIME": ["0", "1", "8:00"], "AMT": ["0", "100", "."], "EVID": ["0", "1"], "ID": ["1", "2", "007", '" x"']}


@st.composite
def texts_of_tables(draw):
    names = ["ID", "TIME", *draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True))]
    cells = [st.one_of(*[st.sampled_from(USUAL.get(n, ["0", "1"]))] * 12, st.sampled_from(WORDS)) for n in names]
    rows = draw(st.lists(st.tuples(*cells), min_size=1, max_size=4))
    separator, end = draw(st.sampled_from([",", ";", "\t"])), draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(separator.join(row) for row in [names, *rows])


@settings(max_examples=150)
@given(texts_of_tables())
def test_any_file_is_refused_in_words_or_survives(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "table.csv"
    path.write_bytes(text.encode())
    try:
        table = read_events(path)
    except DataError:
        return
    table.to_csv(path)
    again = read_events(path)
    assert again.labels.tolist() == table.labels.tolist()
    assert again == table


CELLS = ["0,5", "1.5", '"2,5"', "X", "Y", "CRP", "10,829", '"10,829"', "3", "4", "5", "1e2", "-1", *WORDS]
HEADS = ["", "CRP{0}{0}LDH{0}\nX{0}Y{0}X{0}Y\n", "CRP{0}\nX{0}Y\n", "day{0}CRP\n"]


@settings(max_examples=150)
@given(st.data())
def test_any_export_of_a_digitiser_is_refused_in_words_or_read_as_finite_numbers(tmp_path_factory, data):
    sign, end = data.draw(st.sampled_from([",", ";", "\t"])), data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    cell = st.one_of(*[st.sampled_from(["1", "2", "7"])] * 6, st.sampled_from(CELLS))
    rows = data.draw(st.lists(st.lists(cell, min_size=1, max_size=4), max_size=5))
    text = data.draw(st.sampled_from(HEADS)).format(sign) + "\n".join(sign.join(row) for row in rows)
    folder = tmp_path_factory.mktemp("any")
    path = folder / "curve.csv"
    path.write_bytes(text.replace("\n", end).encode())
    evidence = load_seed(write_sample(folder))
    series = data.draw(st.sampled_from(["", "CRP"]))
    try:
        more = evidence.with_curve(path, patient="p2", marker="CRP", unit="mg/L", reading_sd=0.1, series=series)
    except DataError:
        return
    points = np.array([(fact.time, fact.value) for fact in more.facts if fact.is_point], float)
    assert 1 <= len(points) <= 2 * len(rows)
    assert np.isfinite(points).all()
    assert (points >= (-2, 1e-300)).all()
    assert (np.diff(points[:, 0]) >= 0).all()
