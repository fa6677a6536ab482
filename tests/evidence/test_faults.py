"""Each fault of a seed folder with its file, line, column, what it got and what is allowed; all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from evidence_sample import CARD, DOSES, FACTS, FILES, PATIENTS, with_cells, write_sample

from pkpd.errors import DataError
from pkpd.evidence import load_seed, validate_seed

# File, line, cells that are changed, what the report must then say after the name of the file.
CELLS = [
    # patients.csv
    ("patients.csv", 2, {"patient": ""}, "patient: patient is empty; name the patient as in the report"),
    ("patients.csv", 5, {"cohort": "gave"}, "cohort: unknown cohort, got 'gave'; allowed: mild, grave (did you "),
    ("patients.csv", 3, {"cohort": "grave"}, "cohort: patient 'p1' is of cohort 'mild' in line 2, got 'grave'; a"),
    ("patients.csv", 3, {"quantity": ""}, "quantity: quantity is empty; say what is known: age, sex"),
    ("patients.csv", 3, {"quantity": "age"}, "quantity: patient 'p1' has this quantity in line 2, got 'age'; keep"),
    ("patients.csv", 3, {"quantity": "weight"}, "quantity: this covariate is called 'WT', got 'weight'; write WT"),
    ("patients.csv", 4, {"quantity": "ClCr"}, "quantity: this covariate is called 'CRCL', got 'ClCr'; write CRCL,"),
    ("patients.csv", 3, {"value": "80,0"}, "value: no number, got '80,0'; write digits with a point for decimals"),
    ("patients.csv", 3, {"value": "-3"}, "value: value must be > 0, got '-3'"),
    ("patients.csv", 3, {"unit": "mL"}, "unit: the unit of WT must convert to kg, got 'mL'; unit 'mL' cannot be con"),
    ("patients.csv", 4, {"unit": "mL/min/1.73m^2"}, "unit: the unit of CRCL must convert to mL/min, got 'mL/min/1"),
    ("patients.csv", 2, {"value": "", "printed": ""}, "value: neither printed nor value is given; quote the print"),
    ("patients.csv", 2, {"known": "raed"}, "known: unknown known, got 'raed'; allowed: read, derived, assumed (did "),
    ("patients.csv", 2, {"known": ""}, "known: known is empty; allowed: read, derived, assumed"),
    ("patients.csv", 2, {"where": ""}, "where: where is empty; say where in the report it stands: a row of a tab"),
    ("patients.csv", 4, {"reason": ""}, "reason: reason is empty but the row is assumed; say how, or why"),
    ("patients.csv", 2, {"printed": "40 Â°"}, "printed: the text was decoded wrongly, got '40 Â°'; restore the cha"),
    # doses.csv
    ("doses.csv", 2, {"patient": "p9"}, "patient: unknown patient, got 'p9'; allowed: p1, p2"),
    ("doses.csv", 2, {"patient": ""}, "patient: patient is empty; say who got it"),
    ("doses.csv", 2, {"drug": "Anakinra"}, "drug: unknown drug, got 'Anakinra'; allowed: anakinra, tocilizumab, dex"),
    (
        "doses.csv",
        2,
        {"drug": ""},
        "drug: drug is empty; allowed: anakinra, tocilizumab, dexamethasone, dexamethasone_t",
    ),
    ("doses.csv", 2, {"route": "sc"}, "route: unknown route, got 'sc'; allowed: SC, IM, PO, IV (did you mean 'SC'?)"),
    ("doses.csv", 2, {"printed": ""}, "printed: printed is empty; quote the schedule as printed"),
    ("doses.csv", 2, {"amt": "0"}, "amt: amt must be > 0, got '0'"),
    ("doses.csv", 2, {"amt": ""}, "amt: amt is empty; it must be > 0"),
    ("doses.csv", 2, {"amt": "1O0"}, "amt: no number, got '1O0'; write digits"),
    ("doses.csv", 2, {"unit": "mg/kg"}, "unit: the unit of a dose must convert to mg, got 'mg/kg'; unit 'mg/kg' can"),
    ("doses.csv", 2, {"start": "-3"}, "start: before start_day, -2, got '-3'; move start_day of source.toml to befo"),
    ("doses.csv", 2, {"start": ""}, "start: start is empty; it must be a day"),
    ("doses.csv", 2, {"number": "2.5"}, "number: number must be a whole number > 0, got '2.5'"),
    ("doses.csv", 2, {"number": "0"}, "number: number must be a whole number > 0, got '0'"),
    ("doses.csv", 2, {"interval": ""}, "interval: 3 doses need an interval; give the hours between them"),
    ("doses.csv", 2, {"interval": "0"}, "interval: interval must be > 0 h, or empty for one dose, got '0'"),
    ("doses.csv", 3, {"duration": "0"}, "duration: duration must be > 0 h, or empty for a bolus, got '0'"),
    ("doses.csv", 2, {"route": "IM", "duration": "2"}, "duration: a dose given IM is no infusion, got '2'; leave it "),
    ("doses.csv", 3, {"reason": ""}, "reason: reason is empty but the row is derived"),
    ("doses.csv", 3, {"where": ""}, "where: where is empty"),
    # facts.csv
    ("facts.csv", 2, {"fact": ""}, "fact: fact is empty; give it a name of its own, such as p1_marker_peak"),
    ("facts.csv", 3, {"fact": "p1_crp_peak"}, "fact: line 2 has the same name, got 'p1_crp_peak'; names are unique"),
    ("facts.csv", 2, {"patient": "p11"}, "patient: unknown patient, got 'p11'; allowed: p1, p2 (did you mean 'p1'?)"),
    ("facts.csv", 2, {"patient": ""}, "patient: a fact to fit needs a patient; use is check or no for a cohort"),
    ("facts.csv", 2, {"marker": ""}, "marker: marker is empty; say what was measured or what happened"),
    ("facts.csv", 9, {"marker": "IL-6"}, "marker: this marker is called 'IL6', got 'IL-6'"),
    ("facts.csv", 4, {"marker": "LHD"}, "marker: no model output, got 'LHD'; models have CRP, ferritin, LDH, Ddimer"),
    ("facts.csv", 2, {"kind": "peek"}, "kind: unknown kind, got 'peek'; allowed: value, peak, nadir, below, above, "),
    ("facts.csv", 2, {"kind": ""}, "kind: kind is empty; allowed: value, peak"),
    ("facts.csv", 2, {"use": "fti"}, "use: unknown use, got 'fti'; allowed: fit, check, no (did you mean 'fit'?)"),
    ("facts.csv", 5, {"op": "<="}, "op: unknown op, got '<='; allowed: =, <, >"),
    ("facts.csv", 2, {"time": "-3"}, "time: before start_day, -2, got '-3'; move start_day of source.toml, or mend"),
    ("facts.csv", 2, {"time": "day 2"}, "time: no number, got 'day 2'"),
    ("facts.csv", 5, {"time_to": "1"}, "time_to: before time, 2, got '1'; a window runs from time to time_to"),
    ("facts.csv", 2, {"at": "5.5"}, "at: outside the window, 0 to 5, got '5.5'; widen the window, or mend the day"),
    ("facts.csv", 3, {"at": "1"}, "at: a fact of kind value has no day 'at', got '1'; leave it empty"),
    ("facts.csv", 2, {"at": ""}, "at: a peak to fit needs at; give it, or let use be check or no"),
    ("facts.csv", 3, {"value": ""}, "value: a value to fit needs value; give it, or let use be check or no"),
    ("facts.csv", 3, {"value": "10,829"}, "value: no number, got '10,829'; write digits with a point for decimals"),
    ("facts.csv", 3, {"value_to": "800"}, "value_to: below value, 900, got '800'; a range runs from value to value"),
    ("facts.csv", 5, {"value": "0"}, "value: value must be a ratio > 0, got '0'"),
    ("facts.csv", 5, {"op": ""}, "op: a change to fit needs op"),
    ("facts.csv", 5, {"unit": "mg/L"}, "unit: a change has no unit, got 'mg/L'; leave it empty"),
    ("facts.csv", 6, {"value_to": "5"}, "value_to: value_to must be a grade, 0, 1, 2, 3 or 4, got '5'"),
    ("facts.csv", 6, {"value": "1.5"}, "value: value must be a grade, 0, 1, 2, 3 or 4, got '1.5'"),
    ("facts.csv", 2, {"unit": "mg"}, "unit: the unit of CRP must convert to mg/L, got 'mg'; unit 'mg' cannot be con"),
    ("facts.csv", 2, {"unit": "mgl"}, "unit: the unit of CRP must convert to mg/L, got 'mgl'"),
    ("facts.csv", 4, {"unit": ""}, "unit: unit is empty; allowed: what converts to U/L"),
    ("facts.csv", 7, {"unit": "U/L"}, "unit: the unit of procalcitonin must convert to ng/mL, got 'U/L'"),
    ("facts.csv", 9, {"marker": "IL7", "unit": "pgg"}, "unit: no unit, got 'pgg'"),
    ("facts.csv", 9, {"marker": "IL7", "unit": ""}, "unit: unit is empty; name one"),
    ("facts.csv", 2, {"reading_sd": "5"}, "reading_sd: reading_sd must be from 0 to 1, relative, got '5'"),
    ("facts.csv", 8, {"use": "fit"}, "use: a fact of kind event has no likelihood, got 'fit'; allowed: check, no"),
    ("facts.csv", 9, {"reason": ""}, "reason: reason is empty but use is check; say why it is not fitted"),
    ("facts.csv", 4, {"reason": ""}, "reason: reason is empty but the row is assumed"),
    ("facts.csv", 2, {"where": ""}, "where: where is empty"),
]

# Key of the sample's files, its new content, what the report must say.
WHOLE = [
    ("facts", None, "facts.csv: the file is missing; the folder holds doses.csv, patients.csv, source.toml"),
    ("facts", b"", "facts.csv: the file is empty; its first line names the columns: fact, patient, marker, kind"),
    ("facts", FACTS.replace("printed_unit", "unit_printed", 1), "facts.csv, line 1, unit_printed: unknown column; col"),
    ("facts", FACTS.replace("printed_unit", "unit_printed", 1), "facts.csv, line 1, printed_unit: the column is missi"),
    ("facts", FACTS.replace("fact,patient", "fact,fact,patient"), "facts.csv, line 1, fact: the column is there twice"),
    ("facts", FACTS.replace(",reason", ",reason,", 1), "facts.csv, line 1: a column has no name; name it, or delete i"),
    ("facts", FACTS.replace(",", ";"), "facts.csv, line 1: the columns are separated by semicolons or tabs; save the"),
    ("facts", FACTS.replace("28,mg/dL,28", "28,5,mg/dL,28"), "facts.csv, line 2: 19 cells; the header has 18; put a c"),
    ("facts", FACTS.replace("900,ng/mL,900", '"900,ng/mL,900'), "facts.csv, line 3: the quotes do not match (unexpect"),
    ("facts", FACTS.encode().replace(b"normal", b"norm\xe9l"), "facts.csv, line 4: the file is not UTF-8, got 'byte 0"),
    ("patients", PATIENTS.partition("\n")[0], "patients.csv: there is no patient; give each at least one row"),
    ("doses", DOSES + DOSES.splitlines()[1] + "\n", "doses.csv, line 6: the same as line 2; raise number, or keep one"),
    ("source", None, "source.toml: the file is missing; the folder holds doses.csv, facts.csv, patients.csv"),
    ("source", CARD.replace('"mine"', "mine"), "source.toml, line 1: no TOML: Invalid value (at line 1, column 8)"),
    ("source", CARD.replace('"mine"', '"yours"'), "source.toml, line 1, name: the folder is called 'mine', got 'yours"),
    ("source", CARD.replace("start_day", "start_dya"), "source.toml, line 7, start_dya: unknown key; keys are name, c"),
    ("source", CARD.replace("start_day", "start_dya"), "source.toml, start_day: the key is missing; see seeds/README."),
    ("source", CARD.replace("-2", '"-2"'), "source.toml, line 7, start_day: no number, got \"'-2'\"; give a day no la"),
    ("source", CARD.replace('"first symptom"', '" "'), "source.toml, line 6, day_zero: no text, got \"' '\"; write da"),
    ("source", CARD.replace('doi = ""', "doi = 10"), "source.toml, line 3, doi: no text, got '10'; write it as 10.100"),
    ("source", CARD.replace('["all of it"]', '"all"'), "source.toml, line 5, readable: no list of texts, got \"'all'"),
    ("source", CARD.replace('["mild", "grave"]', "3"), "source.toml, line 8, cohorts: no list of names, got '3'; writ"),
    ("source", CARD.replace('["ruxolitinib"]', "3"), "source.toml, line 9, drugs: no list of names, got '3'; write dr"),
    ("source", CARD.replace('"ng/mL"', "3"), "source.toml, line 11, markers: no table of units, got \"{'procalcitonin"),
    ("source", CARD.replace('"ng/mL"', '"nmg"'), "source.toml, line 12, markers.procalcitonin: no unit, got 'nmg'; un"),
]


@pytest.mark.parametrize(("file", "line", "cells", "said"), CELLS)
def test_fault_in_a_cell_is_told(tmp_path: Path, file: str, line: int, cells: dict[str, str], said: str):
    folder = write_sample(tmp_path, **{file.partition(".")[0]: with_cells(file, line, cells)})
    report = validate_seed(folder)
    told = [str(fault) for fault in report.faults]
    assert any(text.startswith(f"{file}, line {line}, {said}") for text in told), "\n".join(told)
    assert all(fault.file == file for fault in report.faults)


@pytest.mark.parametrize(("key", "content", "said"), WHOLE)
def test_fault_of_a_file_is_told(tmp_path: Path, key: str, content: str | bytes | None, said: str):
    report = validate_seed(write_sample(tmp_path, **{key: content}))
    told = [str(fault) for fault in report.faults]
    assert any(text.startswith(said) for text in told), "\n".join(told)


def test_sample_has_no_faults_and_says_what_there_is(tmp_path: Path):
    report = validate_seed(write_sample(tmp_path))
    assert report.ok
    assert str(report) == "seed 'mine': no faults; patients 2, quantities 4, doses 4, facts 9 (fit 6, check 1, no 2)"
    assert report.table.empty


def test_all_faults_of_all_files_come_at_once_and_load_seed_says_the_same(tmp_path: Path):
    folder = write_sample(
        tmp_path,
        patients=with_cells("patients.csv", 3, {"unit": "mL", "where": ""}),
        doses=with_cells("doses.csv", 2, {"amt": "-5", "drug": "kineret"}),
        facts=with_cells("facts.csv", 2, {"kind": "peek"}),
        source=CARD.replace("start_day", "start_dya"),
    )
    report = validate_seed(folder)
    assert not report.ok
    assert [(f.file, f.line, f.column) for f in report.faults] == [
        ("source.toml", None, "start_day"),
        ("source.toml", 7, "start_dya"),
        ("patients.csv", 3, "unit"),
        ("patients.csv", 3, "where"),
        ("doses.csv", 2, "drug"),
        ("doses.csv", 2, "amt"),
        ("facts.csv", 2, "kind"),
    ]
    assert str(report).splitlines()[0] == f"seed 'mine': 7 faults in 4 files of {folder}"
    assert report.table["line"].tolist()[1:] == [7, 3, 3, 2, 2, 2]
    with pytest.raises(DataError) as caught:
        load_seed(folder)
    assert str(caught.value) == str(report)


def test_one_fault_is_written_in_the_singular(tmp_path: Path):
    folder = write_sample(tmp_path, doses=with_cells("doses.csv", 2, {"amt": "-5"}))
    assert str(validate_seed(folder)) == (
        f"seed 'mine': 1 fault in 1 file of {folder}\n  doses.csv, line 2, amt: amt must be > 0, got '-5'"
    )


def test_lost_rows_of_patients_are_no_faults_elsewhere(tmp_path: Path):
    folder = write_sample(tmp_path, patients=None)
    assert {fault.file for fault in validate_seed(folder).faults} == {"patients.csv"}


def test_columns_in_another_order_blank_lines_and_a_byte_order_mark_are_read(tmp_path: Path):
    lines = [line.split(",") for line in PATIENTS.splitlines()]
    turned = "\r\n".join(",".join(reversed(cells)) for cells in lines)
    folder = write_sample(tmp_path, patients=b"\xef\xbb\xbf" + f"\r\n{turned}\r\n\r\n".encode())
    assert load_seed(folder).quantities == load_seed(write_sample(tmp_path / "other")).quantities


def test_lines_are_those_of_the_file_where_a_cell_has_several(tmp_path: Path):
    doses = DOSES.replace('"100 mg, once"', '"100 mg,\nonce"') + "p2,anakinra,again,-1,mg,IV,2,,1,,read,text,\n"
    report = validate_seed(write_sample(tmp_path, doses=doses))
    assert [(fault.line, fault.column) for fault in report.faults] == [(7, "amt")]


def test_a_table_of_cohorts_gives_their_meanings(tmp_path: Path):
    card = CARD.replace('cohorts = ["mild", "grave"]\n', "") + '[cohorts]\nmild = "at home"\ngrave = "in hospital"\n'
    assert dict(load_seed(write_sample(tmp_path, source=card)).source.cohorts)["mild"] == "at home"


def test_every_file_of_the_sample_is_tested():
    assert {file for file, *_ in CELLS} | {"source.toml"} == set(FILES)
