"""The main job on a small study: what it writes, and that nothing is lost on the way."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from command import run
from report_toy import write_study

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.study.files import load_study_fit
from pkpd.report.folder import MANIFEST, check_place, results_folder
from pkpd.report.run import run_study
from pkpd.report.stages import STAGES, Stage


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a study, and its results in `results`."""
    folder = tmp_path_factory.mktemp("mine")
    study = write_study(folder / "study")
    with (study.parent / "report" / "facts.csv").open("a", encoding="utf-8") as file:
        file.write("a_late,a,CRP,below,1.5,,,,<95,mg/L,95,,mg/L,,check,read,text,kept to check the fit\n")
    (study.parent / "report.toml").write_text('outcomes = ["CRP_area"]\n', encoding="utf-8")
    told: list[str] = []
    run_study(
        study,
        folder / "results",
        seed=1,
        engine="mode",
        listener=lambda title, seconds: told.append(title) if seconds else None,
    )
    assert told == [stage.title for stage in STAGES if not stage.full]
    return folder


@pytest.fixture(scope="module")
def report(mine: Path) -> str:
    return (mine / "results" / "report.html").read_text(encoding="utf-8")


def test_files_are_those_of_the_manifest(mine: Path):
    out = mine / "results"
    said = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    found = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert found == {MANIFEST, *said["files"]}
    assert {"report.html", "calibration.nc", "tables/facts_predicted.csv", "figures/evidence_report.svg"} <= found
    assert said["study"] == "mine"
    assert len(said["fingerprint"]) == 64
    assert sorted(p.name for p in mine.iterdir()) == ["results", "study"]


class Reader(HTMLParser):
    """Collects what a reader with a screen reader, or without a network, depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.addresses += [str(v) for k, v in attrs if k in ("src", "href", "action", "srcset")]
        self.anchors |= {str(given["id"])} if "id" in given else set()
        if tag == "img":
            self.images.append(given)


def test_facts_held_back_are_told_apart(mine: Path, report: str):
    table = pd.read_csv(mine / "results" / "tables" / "facts_predicted.csv")
    assert table["use"].tolist() == ["fit"] * 3 + ["check"]
    assert "1 fact had no part in the calibration" in re.sub(r"<[^>]*>", "", report)
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in report.split("<tr>") if "CRP &lt; 95 mg/L" in row]
    assert any("checks" in row and "informs" not in row for row in rows)


def test_an_earlier_start_that_cannot_be_asked_is_told(report: str):
    assert "An earlier start was not asked of 2 patients, whose first dose is less than three days after" in report
    assert "not asked" in report


def test_results_know_their_study(mine: Path):
    """Nobody needs to say which study a folder of results is of."""
    found = load_study_fit(mine / "results" / "calibration.nc")
    assert pkpd.load_fit(mine / "results").facts().equals(found.facts())
    assert found.study.name == "mine"
    assert found.study.fingerprint == found.attrs["fingerprint"]


def test_page_is_complete_in_itself_and_accessible(report: str):
    reader = Reader()
    reader.feed(report)
    outside = [a for a in reader.addresses if not a.startswith(("data:", "#"))]
    assert outside == []
    assert "@import" not in report
    assert "url(" not in report
    assert all(image.get("alt") for image in reader.images)
    assert len(reader.images) >= 2
    assert {a[1:] for a in reader.addresses if a.startswith("#")} <= reader.anchors
    assert reader.counts["caption"] == reader.counts["table"]
    assert reader.counts["script" if "script" in reader.counts else "h1"] == 1
    assert "script" not in reader.counts
    assert '<html lang="en">' in report


def test_page_says_what_a_reader_needs(report: str):
    text = " ".join(re.sub(r"<[^>]+>", " ", report).split())
    for said in (
        "The share in two patients", "What was asked", "Nobody A", "2 patients were transcribed into 4 facts",
        "report/a: 60 years", "before the report", "What the reports taught", "pkpd", "fingerprint", "medical advice",
        "Pareto", "facts lie inside the 95% interval",
    ):  # fmt: skip
        assert said in text, said
    assert "<math" in report
    assert "nan" not in text.lower().split()


def test_results_are_replaced_only_by_a_run_that_succeeds(mine: Path):
    out = mine / "results"
    before = (out / "report.html").read_bytes()

    def fail(job: object) -> None:
        raise PkpdError("no luck")

    for error, stage in ((PkpdError, fail), (KeyboardInterrupt, _interrupt)):
        with pytest.raises(error):
            run_study(mine / "study" / "study.py", out, stages=[STAGES[0], Stage("fail", (stage,))])
    assert (out / "report.html").read_bytes() == before
    assert sorted(p.name for p in mine.iterdir()) == ["results", "study"]
    run_study(mine / "study" / "study.py", out, stages=[STAGES[0]])
    assert not (out / "report.html").exists()
    assert (out / "figures" / "evidence_report.png").exists()


def _interrupt(job: object) -> None:
    raise KeyboardInterrupt


def test_interrupted_command_leaves_the_old_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = write_study(tmp_path / "study")
    with results_folder(tmp_path / "results", {"study": "old"}) as folder:
        (folder / "report.html").write_text("old", encoding="utf-8")
    monkeypatch.setattr("pkpd.report.stages.STAGES", (Stage("stop", (_interrupt,)),))
    assert "interrupted" in run("run", str(study), "--out", str(tmp_path / "results"), code=130)
    assert (tmp_path / "results" / "report.html").read_text(encoding="utf-8") == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "study"]


@pytest.mark.parametrize("sign", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_signalled_process_cleans_up(tmp_path: Path, sign: signal.Signals):
    study = write_study(tmp_path / "study")
    with results_folder(tmp_path / "results", {"study": "old"}) as folder:
        (folder / "report.html").write_text("old", encoding="utf-8")
    command = [sys.executable, "-m", "pkpd", "run", str(study), "--out", str(tmp_path / "results")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "validate and draw the evidence" in running.stderr.readline()
        running.send_signal(sign)
        said = running.stderr.read()
    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert (tmp_path / "results" / "report.html").read_text(encoding="utf-8") == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "study"]


def test_somebody_elses_folder_is_refused_before_any_work(tmp_path: Path):
    study = write_study(tmp_path / "study")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("years of work", encoding="utf-8")
    text = run("run", str(study), "--out", str(tmp_path / "papers"), code=1)
    assert "holds 1 files (first: thesis.txt) and no run.json" in text
    assert "give another folder with --out" in text
    with pytest.raises(PkpdError, match=r"is a file; give a folder"):
        check_place(study)


def test_a_file_added_to_results_is_not_deleted(tmp_path: Path):
    out = tmp_path / "results"
    with results_folder(out, {}) as folder:
        (folder / "a.csv").write_text("1", encoding="utf-8")
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(PkpdError, match=r"1 files that pkpd run did not make \(first: notes.txt\)"):
        check_place(out)
    (out / "notes.txt").unlink()
    with pytest.raises(PkpdError, match=r"first: late.txt"), results_folder(out, {}):
        (out / "late.txt").write_text("mine", encoding="utf-8")
    assert (out / "late.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["results"]


def test_engine_must_be_known(tmp_path: Path):
    with pytest.raises(
        PkpdError, match=r"engine must be one of mode, nuts, shipped, got 'nut' \(did you mean 'nuts'\?\)"
    ):
        run_study(write_study(tmp_path / "s"), tmp_path / "r", engine="nut")


def test_words_that_cannot_be_read_are_named(tmp_path: Path):
    study = write_study(tmp_path / "s")
    (tmp_path / "s" / "report.toml").write_text("title = ", encoding="utf-8")
    with pytest.raises(PkpdError, match=r"words of the report, .*report.toml"):
        run_study(study, tmp_path / "r")


@pytest.mark.slow
def test_checks_that_take_refits(tmp_path: Path):
    """The setting of record leaves out each patient and changes the assumptions; here by the quick engine."""
    study = write_study(tmp_path / "s")
    facts = tmp_path / "s" / "report" / "facts.csv"
    events = "".join(f"{p}_r,{p},response,event,2,,,,{v},,{v},,,,no,read,text,said\n" for p, v in (("a", 1), ("b", 0)))
    facts.write_text(facts.read_text(encoding="utf-8") + events, encoding="utf-8")
    words = 'response = { output = "activity", days = [5, 7] }\n[variants."V half as large"]\nfixed = { V = 25.0 }\n'
    (tmp_path / "s" / "report.toml").write_text(words, encoding="utf-8")
    own = tmp_path / "s" / "own.py"
    text = own.read_text(encoding="utf-8").replace('"Cc": C,', '"activity": p.IC50 / (p.IC50 + C), "Cc": C,')
    own.write_text(text.replace("outputs=[", 'outputs=[Output("activity", ""), ', 1), encoding="utf-8")
    chosen = [s for s in STAGES if s.title != "draw the patients"]
    run_study(study, tmp_path / "r", full=True, engine="mode", stages=chosen)
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    for said in (
        "Could it have been known beforehand?",
        "Response predicted from the other patients",
        "V half as large",
    ):
        assert said in page
    assert {"left_out_patients.csv", "assumptions.csv"} <= {p.name for p in (tmp_path / "r" / "tables").iterdir()}
