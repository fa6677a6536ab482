"""The main job on a small study: what it writes, and that nothing is lost on the way."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
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
    assert told == [stage.title for stage in STAGES]
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
        "The share in two patients", "What was asked", "Nobody A", "1 report with 2 patients gave 4 facts",
        "patient a: 60 years", "before the report", "What the reports taught", "pkpd", "fingerprint", "medical advice",
        "Pareto", "0 facts of 3 lie outside", "What is told", "What cannot be told",
        "Checks that take many refits were not run",
        "would other doses of anakinra have changed anything", "What another schedule would change",
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


def test_top_of_the_page_is_short_and_in_order(report: str):
    top = report[report.index('<section class="summary"') : report.index("<nav")]
    text = " ".join(re.sub(r"<[^>]+>", " ", top).split())
    places = [text.index(said) for said in ("How large was the", "Share of the drive by patient.", "What is told",
                                            "What cannot be told", "What another schedule would change",
                                            "What the model does not reproduce")]  # fmt: skip
    assert places == sorted(places)
    assert top.count("<img") == 1
    assert "Exception" not in text
    assert len(text.split()) < 420


def test_no_internal_name_stands_in_the_page(report: str):
    """Names of parameters and patients are those of files; a reader gets meanings."""
    body = re.sub(r"<(style|math).*?</\1>|src=\"[^\"]*\"", " ", report, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", body)
    for name in ("phi", "CL", "CRP_area", "report/a", "phi_location", "None"):
        assert not re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", text), name


def _checked_study(folder: Path) -> Path:
    """Write the study with responders, and words that ask for all checks but those of the sampler."""
    study = write_study(folder)
    facts = folder / "report" / "facts.csv"
    events = "".join(f"{p}_r,{p},response,event,2,,,,{v},,{v},,,,no,read,text,said\n" for p, v in (("a", 1), ("b", 0)))
    odd = "b_odd,b,CRP,above,1.0,,,,>190,mg/L,190,,mg/L,,fit,read,text,what the model cannot do\n"
    facts.write_text(facts.read_text(encoding="utf-8") + events + odd, encoding="utf-8")
    words = """
response = { output = "activity", days = [5, 7] }
[variants."V half as large"]
fixed = { V = 25.0 }
[sbc]
sets = 20
[[explanation]]
name = "the drug did it"
parameter = "phi"
above = 0.5
"""
    (folder / "report.toml").write_text(words, encoding="utf-8")
    own = folder / "own.py"
    text = own.read_text(encoding="utf-8").replace('"Cc": C,', '"activity": p.IC50 / (p.IC50 + C), "Cc": C,')
    own.write_text(text.replace("outputs=[", 'outputs=[Output("activity", ""), ', 1), encoding="utf-8")
    return study


def _page(folder: Path) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", (folder / "report.html").read_text(encoding="utf-8")).split())


@pytest.mark.slow
def test_checks_of_a_full_run_are_what_any_other_run_shows(tmp_path: Path):
    """Beside the study they are shown without refits; beside a changed study they are left out, and it says so."""
    study, kept = _checked_study(tmp_path / "s"), tmp_path / "s" / "checks"
    names = ("held_out", "held_out_scores", "sbc", "ledger", "assumptions")
    chosen = [
        s for s in STAGES if s.title not in ("draw the patients", "compare schedules", "find what drives the answer")
    ]
    run_study(study, tmp_path / "full", full=True, engine="mode", stages=chosen)
    full, tables = _page(tmp_path / "full"), tmp_path / "full" / "tables"
    wanted = (
        "Could it have been known beforehand?", "Response predicted from the other patients", "V half as large",
        "Does the computation find a truth?", "Which facts carry the answer", "The least flat ranks",
        "the mode and its normal approximation, seed 0",
    )  # fmt: skip
    for said in wanted:
        assert said in full, said
    assert "Exception: patient b." in full
    assert "Missed fact. patient b, CRP" in full
    assert "but the model does not reproduce the course of patient b" in full
    made = tomllib.loads((tables / "checks.toml").read_text(encoding="utf-8"))
    assert set(made["made"]) == set(names)
    assert made["fingerprint"] == pkpd.load_fit(tmp_path / "full").study.fingerprint

    kept.mkdir()
    for name in ("checks.toml", *(f"{n}.csv" for n in names)):
        shutil.copy(tables / name, kept / name)
    run_study(study, tmp_path / "again", engine="mode", stages=chosen)
    again = _page(tmp_path / "again")
    for said in wanted:
        assert said in again, said
    for name in names:
        assert (tmp_path / "again" / "tables" / f"{name}.csv").read_bytes() == (kept / f"{name}.csv").read_bytes()

    text = study.read_text(encoding="utf-8").replace("(5.0, 0.3)", "(5.0, 0.4)")
    study.write_text(text, encoding="utf-8")
    run_study(study, tmp_path / "changed", engine="mode", stages=chosen)
    changed = _page(tmp_path / "changed")
    assert "beside the study belong to another state of it and are left out" in changed
    assert "Response predicted from the other patients" not in changed
    assert not (tmp_path / "changed" / "tables" / "checks.toml").exists()


def test_an_interrupted_run_keeps_its_finished_checks(tmp_path: Path):
    """A table that was made before the interruption is read, and not made again."""
    from pkpd.estimation.study.loading import load_study
    from pkpd.report.job import ReportJob

    study = load_study(write_study(tmp_path / "s"))
    calls: list[str] = []

    def compute() -> list[pd.DataFrame]:
        calls.append("made")
        return [pd.DataFrame({"x": [0.5]})]

    for attempt in ("first", "second"):
        job = ReportJob(study, {}, tmp_path / attempt, full=True, chains=tmp_path / "chains")
        found = job.check_tables(("ledger",), compute, "NUTS")
        assert found is not None
        assert found[0]["x"].tolist() == [0.5]
        assert (tmp_path / attempt / "tables" / "ledger.csv").exists()
        assert job.made("ledger") == "Made with NUTS."
    assert calls == ["made"]
    other = ReportJob(study, {}, tmp_path / "third", full=True, chains=tmp_path / "chains2", seed=1)
    other.check_tables(("ledger",), compute, "NUTS")
    assert calls == ["made"] * 2
    quick = ReportJob(study, {}, tmp_path / "quick")
    assert quick.check_tables(("ledger",), compute, "NUTS") is None
    assert quick.made("ledger") == ""
    assert calls == ["made"] * 2


def test_relevant_size_must_be_a_part(tmp_path: Path):
    from pkpd.estimation.study.loading import load_study
    from pkpd.report.job import ReportJob

    study = load_study(write_study(tmp_path / "s"))
    assert ReportJob(study, {}, tmp_path).relevant == 0.25
    assert ReportJob(study, {"relevant": 0.1}, tmp_path).relevant == 0.1
    with pytest.raises(PkpdError, match=r"relevant must be a number between 0 and 1, such as 0.25, got 25"):
        _ = ReportJob(study, {"relevant": 25}, tmp_path).relevant
