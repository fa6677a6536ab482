"""Pieces of the report: sentences from numbers, tables, the diagram, other assumptions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from report_toy import write_study

from pkpd.comparison.answer import Answer
from pkpd.errors import PkpdError
from pkpd.report.blocks import Formulas, Items, Note, Page, Picture, Section, Table, Text
from pkpd.report.changes import read_response, read_variant
from pkpd.report.diagram import diagram
from pkpd.report.model_document import equation_groups
from pkpd.report.words import chance, learned, listing, number, percent
from pkpd.report.writing import cell, mathml, to_html


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0456, "0.046"), (1.0, "1"), (1.26, "1.3"), (12.34, "12"), (1234.5, "1230"), (-0.5, "-0.5"),
     (math.inf, "never"), (math.nan, "unknown")],
)  # fmt: skip
def test_numbers_of_sentences(value: float, text: str):
    assert number(value) == text


def test_percentages_never_claim_certainty():
    assert [percent(p) for p in (0.0, 0.01, 0.5, 0.99, 1.0)] == ["less than 1%", "1%", "50%", "99%", "more than 99%"]
    assert [chance(p).partition(" (")[0] for p in (0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.99)] == [
        "very unlikely", "unlikely", "less likely than not", "as likely as not", "more likely than not", "likely",
        "very likely",
    ]  # fmt: skip


def test_every_verdict_of_a_contraction_has_words():
    from pkpd.estimation.study.tables import _verdict

    verdicts = {_verdict(gained, shift) for gained in (0.9, 0.2, 0.0) for shift in (0.0, 2.0)}
    assert len(verdicts) == 4
    assert all(learned(v) != v for v in verdicts)


def test_lists():
    assert listing([]) == ""
    assert listing(["a", "b"]) == "a and b"


def test_table_knows_its_numbers():
    table = Table("T", ["a", "b", "c", "d"], [["x", 1.0, "0.5 [0.1-2]", "less than 1%"], ["y", None, "3e-05", "two"]])
    assert [table.numeric(k) for k in range(4)] == [False, True, True, False]
    assert [cell(v) for v in (math.nan, 999.9, 123456.0, 7, False)] == ["", "1e+03", "123000", "7", "no"]


def test_page_escapes_what_it_is_given():
    section = Section("s", "A < B").add(
        Text("<script>x</script> **a & b**"), Note("n", "N"), Items(["<i>"]), Answer("n", "q?", "a"),
        Picture("data:,x", 'an "alt"', "c"), Table("<t>", ["a"], [["<b>"]]), Formulas("E", [("y", "x")]),
    )  # fmt: skip
    html = to_html(Page("T & T", sections=[section], summary=["**one**"]))
    assert "<script>" not in html
    assert "<strong>a &amp; b</strong>" in html
    assert "<mi>y</mi>" in html
    assert 'alt="an &#34;alt&#34;"' in html
    assert "<title>T &amp; T</title>" in html
    assert "<td" not in html.partition("<tbody>")[2].partition("</tbody>")[0]


def test_equations_of_every_group_are_typeset():
    from pkpd.library import load_model

    found = equation_groups(load_model("pk2_oral_irm1"))
    assert [group.title for group in found] == [
        "Individual parameters",
        "Initial state",
        "Dosing",
        "Dynamics",
        "Outputs",
    ]
    typeset = [mathml(group.lines) for group in found]
    assert all(text.startswith("<math") for text in typeset)
    assert not any("merror" in text or "\\" in text for text in typeset)


def test_diagram_draws_every_box_and_refuses_unknown_ones():
    from matplotlib import pyplot as plt

    boxes = [{"name": n, "text": n, "x": 20, "y": y, "width": 20} for n, y in (("one", 10), ("two", 40))]
    figure = diagram(boxes, [{"start": "one", "end": "two", "kind": "blocks", "text": "holds"}])
    assert {t.get_text() for t in figure.axes[0].texts} == {"one", "two", "holds"}
    plt.close(figure)
    with pytest.raises(PkpdError, match=r"no box 'tow' \(did you mean 'two'\?\); there is one, two"):
        diagram(boxes, [{"start": "one", "end": "tow"}])


def test_words_of_the_library_fit_its_studies():
    import tomllib

    from pkpd.catalogue import content_names, find_content
    from pkpd.estimation.study.loading import load_study

    for name in content_names("calibration"):
        path = find_content("calibration", name) / "report.toml"
        if not path.is_file():
            continue
        words, study = tomllib.loads(path.read_text(encoding="utf-8")), load_study(name)
        assert words["focus"] in {f.name for f in study.free}
        assert set(words["cohorts"]) == set(study.problem.cohorts)
        assert words["drivers_patient"] in study.problem.patients
        assert "response" not in words or read_response(words["response"]).output in study.problem.model.outputs
        prints = {read_variant(study, k, v).problem.fingerprint for k, v in words["variants"].items()}
        assert len(prints | {study.problem.fingerprint}) == len(words["variants"]) + 1


def test_response_with_an_unknown_word_is_refused():
    with pytest.raises(PkpdError, match=r"there is no 'outputs' .*; output is missing; it may"):
        read_response({"outputs": "Cc", "days": [5, 7]})
    assert read_response({"output": "Cc", "days": [5, 7]}).days == (5, 7)


def test_variant_with_an_unknown_word_is_refused(tmp_path: Path):
    from pkpd.estimation.study.loading import load_study

    study = load_study(write_study(tmp_path / "s"))
    with pytest.raises(PkpdError, match=r"variant 'v': there is no 'fixd' \(did you mean 'fixed'\?\)"):
        read_variant(study, "v", {"fixd": {}})
    with pytest.raises(PkpdError, match=r"variant 'v': 'ph' is not free in the study \(did you mean 'phi'\?\)"):
        read_variant(study, "v", {"free": {"ph": {}}})
    with pytest.raises(PkpdError, match=r"variant 'v': free 'phi' has no 'locaton' \(did you mean 'location'\?\)"):
        read_variant(study, "v", {"free": {"phi": {"locaton": [0.5, 1.0]}}})
    freed = read_variant(study, "v", {"free": {"V": {"location": {"*": [30.0, 0.1]}, "level": "patient"}}})
    assert {f.name: f.location for f in freed.free}["V"] == {"*": (30.0, 0.1)}
    changed = read_variant(study, "v", {"free": {"CL": {"location": [9.0, 0.1]}}, "fixed": {"V": 30.0}})
    assert changed.free[0].location == (9.0, 0.1)
    assert changed.fixed["V"] == 30.0
