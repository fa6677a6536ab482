"""A drug of one's own, from the files of docs/second_drug.md alone: no change to the package is needed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from command import run

import pkpd
from pkpd.comparison import schedules
from pkpd.comparison.compare import compare
from pkpd.comparison.questions import known_questions
from pkpd.estimation.study.loading import load_study
from pkpd.simulation.source import Source
from pkpd.validation.api import validate_model

FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """Folder with the files of the page."""
    folder = tmp_path_factory.mktemp("second")
    page = (checkout / "docs" / "second_drug.md").read_text(encoding="utf-8")
    for name, text in FILE.findall(page):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_schedules_are_those_of_the_files_and_go_into_the_part(mine: Path):
    model = pkpd.models[mine / "arthritis.py"]
    assert {name: (s.text, s.part) for name, s in schedules(model).items()} == {
        "monthly": ("150 mg SC q4w x6", "blocker"),
        "two-weekly": ("75 mg SC q2w x12", "blocker"),
    }
    found = compare(model, n=5)
    assert found.regimens == ("monthly", "two-weekly")
    assert "nothing was observed of SAA_area here; measures=[...] shows them" in repr(found)
    ratio = found.dataset["AUC24"].sel(regimen="monthly") / found.dataset["AUC24"].sel(regimen="two-weekly")
    np.testing.assert_allclose(ratio, 1.0, rtol=0.1)
    asked = ("compare", str(mine / "arthritis.py"), "--target", "SAA < 60 mg/L by day 20", "--n", "5")
    assert "two-weekly" in run(*asked)
    assert "two-weekly" not in run(*asked, "--schedule", "monthly")
    settled = compare(model, ["monthly"], n=5, measures=["SAA_day_below_60"]).dataset["SAA_day_below_60"]
    assert settled.attrs["units"] == "d"
    assert (settled.values > 0).all()


def test_published_numbers_are_read_on_the_models_own_clock(mine: Path):
    """CL/F of 0.2 L/d is 8.33 mL/h; the terminal half-life is that of elimination, ln 2 * 6 / 0.2 d."""
    report = validate_model(pkpd.models[mine / "arthritis.py"], n=3)
    found = {c.row.key: c for c in report.rows}
    assert found["cl"].simulated == pytest.approx(1000 * 0.2 / 24, rel=1e-2)
    assert found["half"].simulated == pytest.approx(np.log(2) * 6 / 0.2, rel=1e-2)
    assert {c.model for c in report.rows} == {"blocker"}
    assert all(c.within for c in report.rows)


def test_report_and_study_need_no_registration(mine: Path):
    report = pkpd.seeds[mine / "clinic"]
    assert report.words.order(report.drugs) == ["blocker"]
    assert (report.studied, report.words.label("blocker"), report.markers["SAA"]) == ("blocker", "BLK", "mg/L")
    labels = {text.get_text() for ax in pkpd.plot.evidence(report) for text in ax.texts}
    assert {"BLK, mg", "amyloid A, mg/L"} <= labels
    text = run("validate", str(mine / "clinic"), str(mine / "arthritis.py"), str(mine / "study.py"))
    assert "CL/F, 150 mg SC" in text
    assert "study 'second': no faults in 2 patients, 3 facts, 2 free parameters" in text
    assert load_study(mine / "study.py").problem.patients == ("clinic/a", "clinic/b")


@pytest.mark.slow
def test_the_main_job_uses_all_of_it(mine: Path, tmp_path: Path):
    from pkpd.report.run import run_study

    run_study(mine / "study.py", tmp_path / "out", engine="mode", seed=1)
    page = re.sub(r"<[^>]+>", " ", (tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    for said in (
        "Schedules of blocker", "Are two halves better than a whole?", "of the target is blocked by whole doses",
        "Amyloid A over two weeks: what blocker did", "How far blocker lowers the amyloid A", "CL/F, 150 mg SC",
        "blocked share", "than under the doses of blocker that were given?", "facts about amyloid A", "patient a",
    ):  # fmt: skip
        assert said in page, said
    for other in ("anakinra", "IL-1", "interleukin", "inflammat", "steroid", "CRP", "ferritin"):
        assert other not in page, other


def test_questions_are_the_studys_own(mine: Path):
    study = load_study(mine / "study.py")

    class Known(Source):
        kind = "StudyFit"
        model = study.problem.model

        def __init__(self) -> None:
            self.study = study

    assert list(known_questions(Known())) == ["halves"]
