"""The document of a model: complete, self-contained, and the committed one up to date."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pkpd.errors import DataError
from pkpd.library import load_model
from pkpd.report.blocks import Formulas, Heading, Picture, Table, Text
from pkpd.report.model_document import document, document_blocks, write_document
from pkpd.report.writing import mathml, to_html, to_markdown_text
from pkpd.validation.api import validate_model

COMPOSED = "anakinra_inflammation"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Both forms of the main model's document, as committed: default population and seed."""
    blocks = document_blocks(COMPOSED)
    return {"markdown": to_markdown_text(blocks), "html": to_html(blocks)}


def test_everything_declared_is_in_the_document(pages: dict[str, str]):
    model = load_model(COMPOSED)
    for page in pages.values():
        for name in (*model.parameters, *model.states, *model.covariates):
            assert f"`{name}`" in page or f"<code>{name}</code>" in page, name
        for part in model.parts.values():
            assert part.title.removesuffix(".") in page
        assert "NOT EXPLAINED" not in page
        assert "What stands against these readings" in page
    row = next(line for line in pages["markdown"].splitlines() if line.startswith("| `anakinra.CL`"))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["9.61", "L/h", "28.6%"]


def test_equations_of_parts_and_of_what_holds_them_together(pages: dict[str, str]):
    text = pages["markdown"]
    assert r"\mathrm{CTCZ}_{\mathrm{acute}} &= \mathrm{Cc}_{\mathrm{tocilizumab}}" in text
    assert text.count(r"\begin{aligned}") == text.count(r"\end{aligned}") > 14
    blocks = document_blocks("pk1_oral")
    lines = [line for b in blocks if isinstance(b, Formulas) for line in b.lines]
    assert (r"\frac{d \mathrm{depot}}{d t}", r"-k_{a} \, \mathrm{depot}") in lines


def test_html_needs_no_other_file(pages: dict[str, str]):
    page = pages["html"]
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    assert "$$" not in page
    assert page.count("data:image/svg+xml;base64,") == 2
    formulas = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert len(formulas) == pages["markdown"].count(r"\begin{aligned}")
    for formula in formulas:
        ElementTree.fromstring(formula)
        assert "&amp;" not in formula
        assert "\\" not in formula


def test_words_are_one_identifier():
    assert "<mi>CL</mi>" in mathml([(r"\mathrm{CL}", r"\frac{1}{x}")])


def test_committed_document_is_up_to_date(pages: dict[str, str], checkout: Path):
    """Words are the same, numbers within two units of their last digit; figures are there."""
    committed = (checkout / "docs" / "anakinra.md").read_text(encoding="utf-8")
    hint = f"write it anew: write_document('{COMPOSED}', 'docs/anakinra.md')"
    assert NUMBER.sub("#", committed) == NUMBER.sub("#", pages["markdown"]), hint
    for old, new in zip(NUMBER.findall(committed), NUMBER.findall(pages["markdown"]), strict=True):
        digits = max(len(text.partition(".")[2]) for text in (old, new))
        assert abs(float(old) - float(new)) <= 2 * 10**-digits, (old, new, hint)
    for link in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", committed):
        assert (checkout / "docs" / link).stat().st_size < 200_000


def test_index_of_the_documents_names_them_all(checkout: Path):
    index = (checkout / "docs" / "README.md").read_text(encoding="utf-8")
    written = {path.name for path in (checkout / "docs").glob("*.md")} - {"README.md"}
    assert written <= set(re.findall(r"\]\(([\w.]+)\)", index))


def test_files_are_written(tmp_path: Path):
    both = write_document("pk1_oral", tmp_path / "new")
    assert [path.name for path in both] == ["pk1_oral.html", "pk1_oral.md"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["pk1_oral.html", "pk1_oral.md"]
    report = validate_model("tocilizumab_linear", n=10)
    files = write_document("tocilizumab_linear", tmp_path / "t.md", report=report)
    drawn = "figures/tocilizumab_linear_published.svg"
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["t.md", drawn]
    assert "figures/tocilizumab_linear_published.svg" in files[0].read_text(encoding="utf-8")
    with pytest.raises(DataError, match=r"write_document: 'a\.pdf' must end in \.html or \.md, or be a folder"):
        write_document("pk1_oral", tmp_path / "a.pdf")
    with pytest.raises(DataError, match="format 'htm' is unknown; there is html, markdown"):
        document("pk1_oral", format="htm")


def test_text_is_escaped_for_each_form():
    table = Table("", ("x|y", "z"), (("r", "<1 & 2"),))
    blocks = [Heading(1, "A & B"), Text("a*b <c> `d_e*` **f**"), table, Picture.of_svg("<svg/>", "f", "F")]
    text, page = to_markdown_text(blocks), to_html(blocks)
    assert r"a\*b \<c> `d_e*` **f**" in text
    assert r"| x\|y | z |" in text
    assert "![F](figures/f.svg)" in text
    assert "<title>A &amp; B</title>" in page
    assert "a*b &lt;c&gt; <code>d_e*</code> <strong>f</strong>" in page
    assert blocks[-1].svg == "<svg/>"
    assert "<td>&lt;1 &amp; 2</td>" in page
