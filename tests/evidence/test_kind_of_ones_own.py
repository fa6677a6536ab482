"""A kind of fact from outside of the package, from the files of docs/kind_of_fact.md alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_toy import write_study
from scipy import stats

import pkpd
from pkpd import Additive
from pkpd.errors import DataError, ModelError
from pkpd.estimation.study.loading import load_study
from pkpd.estimation.study.replicas import Replicator
from pkpd.evidence import kinds
from pkpd.evidence.kinds import FactKind, kind
from pkpd.extend import Likelihood, Subject, Term
from pkpd.math import log
from pkpd.plot.courses import course

FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Path]:
    """A study of one's own whose report has kinds of facts from files beside it."""
    folder = tmp_path_factory.mktemp("own")
    files = dict(FILE.findall((checkout / "docs" / "kind_of_fact.md").read_text(encoding="utf-8")))
    study = write_study(folder / "study")
    (study.parent / "report" / "facts.csv").write_text(files["facts.csv"], encoding="utf-8")
    for name in ("two_days.py", "regions.py"):
        (study.parent / name).write_text(files[name], encoding="utf-8")
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("from pathlib", "import regions\nimport two_days\nfrom pathlib", 1), encoding="utf-8")
    load_study(study)
    yield study.parent
    for name in ("mean_of_two", "once_above", "both_above"):
        kind._KINDS.pop(name)


@contextmanager
def defined(name: str, **attributes: Any) -> Iterator[type[FactKind]]:
    """A kind of fact with the given attributes, for the time of a test."""
    given = {
        "log_probability": lambda self, cells, said: log(cells[0].f),
        "statistic": lambda self, y, term, noise: y[:, 0],
    }
    try:
        yield type("Mine", (FactKind,), {"__module__": __name__, "name": name} | given | attributes)
    finally:
        kind._KINDS.pop(name, None)


def test_the_seed_is_read_and_drawn(folder: Path):
    assert pkpd.seeds.validate(folder / "report").ok
    report = pkpd.seeds[folder / "report"]
    assert [f.kind for f in report.facts] == ["value", "mean_of_two", "mean_of_two", "once_above", "both_above"]
    axes = pkpd.plot.evidence(report)
    texts = {text.get_text() for ax in axes[0].figure.axes for text in ax.texts}
    assert {"60", "90", "value, mean of two days", "once more than, both more than"} <= texts


def test_a_row_that_lacks_something_is_told(folder: Path, tmp_path: Path):
    for path in (folder / "report").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    facts = tmp_path / "facts.csv"
    facts.write_text(facts.read_text(encoding="utf-8").replace("mean_of_two,1,2", "mean_of_two,1,"), encoding="utf-8")
    told = " ".join(str(fault) for fault in pkpd.seeds.validate(tmp_path).faults)
    assert "a mean_of_two to fit needs time_to" in told


def test_the_likelihood_is_its_formula_and_the_gradient_that_of_differences(folder: Path):
    problem = load_study(folder / "study.py").problem
    assert [r.text for r in problem.reported][1] == "CRP mean 60 mg/L, day 1 to 2"
    like = problem.likelihood()
    x = like.start * 1.1
    found, factor = like.evaluate(x), np.ones((1, 0))
    m = like.predict(x).values
    sd = m * np.sqrt((np.exp(0.04) - 1) * np.exp(0.04))
    for k, (cells, reading, value) in {1: (slice(1, 3), 0.05, 60.0), 2: (slice(3, 5), 0.0, 90.0)}.items():
        f = m[cells].mean()
        law: Any = stats.norm(f, np.hypot(np.sqrt((sd[cells] ** 2).sum()) / 2, reading * f))
        assert found.terms[k] == pytest.approx(law.logpdf(value), rel=1e-9)
        assert like.cdf(x, factor).pit[k] == pytest.approx(law.cdf(value), rel=1e-9)
    for k in range(x.shape[1]):
        h = 1e-4 * np.abs(x[:, k])
        step = h[:, None] * np.eye(x.shape[1])[k]
        slope = (like.evaluate(x + step).loglik - like.evaluate(x - step).loglik) / (2 * h)
        np.testing.assert_allclose(found.gradient[:, k], slope, rtol=1e-4, atol=1e-6)


def test_replicates_follow_the_law_where_the_error_is_normal(folder: Path):
    problem = load_study(folder / "study.py").problem
    model = problem.model._copy({"parameters": problem.model.parameters})
    model.__dict__["outputs"] = dict(model.outputs) | {"CRP": replace(model.outputs["CRP"], error=Additive(8.0))}
    ann = Subject("Ann", problem.subjects[0].regimen, terms=problem.subjects[0].terms[1:])
    like = Likelihood(model, [ann], scaled=["CRP"])
    drawn, pit = like.replicate([], [1.3], seed=2, n=4000), like.cdf([], [1.3]).pit[0]
    assert np.mean(drawn.statistic[:, 0] < 60.0) == pytest.approx(pit, abs=0.03)
    assert drawn.observed.tolist() == [60.0]


def test_new_reports_are_drawn_and_the_study_is_fitted_and_shown(folder: Path):
    study = load_study(folder / "study.py")
    replicas = Replicator(study.problem)
    drawn = replicas.draw(replicas.cells.start, np.ones(0), seed=1)
    assert drawn is not None
    terms = [t for s in drawn.subjects for t in s.terms]
    assert [t.kind for t in terms] == ["density", "mean_of_two", "mean_of_two"]
    assert (np.array([t.value for t in terms]) != [30.0, 60.0, 90.0]).all()
    found = pkpd.fit(study, method=pkpd.Mode(draws=200))
    table = found.facts()
    assert table["kind"].tolist() == ["density", "mean_of_two", "mean_of_two", "once_above", "both_above"]
    assert table["use"].tolist() == ["fit"] * 3 + ["check"] * 2
    assert np.isfinite(table["pit"][:3]).all()
    axes = course(found, "a", draws=20)
    labels = {t.get_text() for legend in axes[0].figure.legends for t in legend.get_texts()}
    assert {"value", "mean of two days"} <= labels


def test_a_name_has_one_owner():
    text = r"kind of fact 'peak' of .*Mine: Peak of .*extremes\.py has this name; choose another"
    with pytest.raises(ModelError, match=text):

        class Mine(FactKind):
            name = "peak"

    assert isinstance(kinds.kind_named("peak"), kinds.Peak)


def test_regions_have_the_probability_of_independent_measurements(folder: Path):
    problem = load_study(folder / "study.py").problem
    b = problem.subjects[1]
    terms = tuple(r.term for r in problem.checks)
    assert [r.text for r in problem.checks] == ["CRP once > 80 mg/L, day 1 to 3", "CRP both > 50 mg/L, day 1 to 3"]
    like = problem.likelihood_of([replace(b, terms=terms)])
    m = like.predict(like.start).values
    above = [stats.norm.sf((np.log(x) - np.log(f)) / 0.2) for x, f in ((80.0, m[:3]), (50.0, m[3:]))]
    wanted = [1 - np.prod(1 - above[0]), np.prod(above[1])]
    np.testing.assert_allclose(np.exp(like.evaluate(like.start).terms), wanted, rtol=1e-6)
    found = like.cdf(like.start, np.ones(0))
    np.testing.assert_allclose(found.probability, wanted, rtol=1e-6)
    drawn = like.replicate(like.start, [], seed=3, n=4000)
    np.testing.assert_allclose(drawn.statistic.mean(axis=0), wanted, atol=0.03)
    of = kinds.kind_named("once_above")
    for y, kind_then in (([70.0, 90.0, 60.0], "once_above"), ([70.0, 60.0, 60.0], "below")):
        drawn_y = kinds.Redrawn(like.cells.time[:3], np.array(y), 24.0, like.errors["CRP"])
        assert [t.kind for t in of.redrawn(terms[0], drawn_y)] == [kind_then]


def test_a_region_that_is_hardly_met_keeps_its_digits(folder: Path):
    problem = load_study(folder / "study.py").problem
    term = next(r.term for r in problem.checks if r.term.kind == "once_above")
    m = problem.likelihood_of([replace(problem.subjects[1], terms=(term,))])
    f = m.predict(m.start).values
    for bound in (2e2, 4e2, 8e2):
        above = stats.norm.sf((np.log(bound) - np.log(f)) / 0.2)
        wanted = np.log(-np.expm1(np.log1p(-above).sum()))
        of = problem.likelihood_of([replace(problem.subjects[1], terms=(replace(term, value=bound),))])
        assert of.evaluate(of.start).terms[0] == pytest.approx(wanted, rel=1e-8)


def test_a_report_is_validated_with_the_kinds_of_the_study_whatever_the_order(folder: Path):
    asked = "['pkpd', 'validate', './report', 'own.py', 'study.py']"
    program = f"import sys; from pkpd.cli.app import app; sys.argv = {asked}; app()"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unknown kind" not in done.stdout


WRONG: dict[str, dict[str, Any]] = {
    r"glyph must be one of point, .*, none, got 'star'": {"glyph": "star"},
    r"shape must be one of time, window, extreme, pair, got 'triple'": {"shape": "triple"},
    r"takes must be one of number, grade, got 'numbr' \(did you mean 'number'\?\)": {"takes": "numbr"},
    r"needs must hold columns out of time, .*, got 'valeu' \(did you mean 'value'\?\)": {"needs": ("time", "valeu")},
    r"also must be a tuple of columns, got 'time_to'": {"also": "time_to"},
    r"a kind of shape 'pair' needs time_to as well": {"shape": "pair"},
    r"a kind of shape 'time' needs time as well": {"needs": ("value",)},
    r"time_to is for shape window or extreme or pair, got shape 'time'": {"also": ("time_to",)},
    r"what states a number needs value, got needs=\('time',\); or let region be True": {"needs": ("time",)},
    r"glyph 'slope' draws a ratio of two times": {"glyph": "slope"},
    r"glyph 'grade' is for takes 'grade'": {"glyph": "grade"},
    r"log_probability\(cells, said\) is missing, or rules\(n\)": {"log_probability": FactKind.log_probability},
    r"statistic\(y, term, noise\) is missing": {"statistic": FactKind.statistic},
    r"kind 'ratio_below' is written 'change' in facts.csv; set fact to another word": {"fact": "change", "op": "<"},
}


@pytest.mark.parametrize("text", WRONG)
def test_a_class_that_contradicts_itself_is_refused(text: str):
    with pytest.raises(ModelError, match=rf"kind of fact 'odd' of Mine: {text}"), defined("odd", **WRONG[text]):
        pass


def test_a_difference_may_be_negative_where_the_output_may_not(folder: Path):
    problem = load_study(folder / "study.py").problem

    def law(self: Any, cells: Any, said: Any) -> Any:
        f = cells[1].f - cells[0].f
        return Additive.of(add=(cells[0].sd ** 2 + cells[1].sd ** 2) ** 0.5).log_density(f, said.value)

    given: dict[str, Any] = {"shape": "pair", "needs": ("time", "time_to", "value"), "log_probability": law}
    term = Term("fall", "fall", "CRP", 24.0, -3.0, time_to=48.0)
    ann = Subject("Ann", problem.subjects[0].regimen, terms=(term,))
    with defined("fall", **given), pytest.raises(DataError, match=r"CRP' has LogNormal .* got -3; .*of_output = False"):
        Likelihood(problem.model, [ann])
    with defined("fall", of_output=False, **given):
        like = Likelihood(problem.model, [ann])
        m = like.predict(like.start).values
        sd = np.hypot(*(m * np.sqrt((np.exp(0.04) - 1) * np.exp(0.04))))
        assert like.evaluate(like.start).loglik[0] == pytest.approx(stats.norm.logpdf(-3.0, m[1] - m[0], sd), rel=1e-9)


def test_a_statement_without_a_number_is_fitted_and_shown(folder: Path):
    """The value fell from the first day to the second: a probability from the error of both."""
    from pkpd.math import erf

    def fell(self: Any, cells: Any, said: Any) -> Any:
        a, b = (cell.read(said.reading) for cell in cells)
        z = (log(cells[0].f) - log(cells[1].f)) / (a.log_variance(cells[0].f) + b.log_variance(cells[1].f)) ** 0.5
        return log(0.5 * (1 + erf(z / 2**0.5)))

    report = folder.parent / "silent" / "report"
    study = write_study(report.parent)
    row = "a_fell,a,CRP,fell,1,2,,,fell,,,,,,fit,read,text,\n"
    (report / "facts.csv").write_text((report / "facts.csv").read_text(encoding="utf-8") + row, encoding="utf-8")
    given = {"shape": "pair", "needs": ("time", "time_to"), "region": True, "sign": "fell", "log_probability": fell,
             "statistic": lambda self, y, term, noise: (y[:, 1] < y[:, 0]).astype(float)}  # fmt: skip
    with defined("fell", **given):
        assert pkpd.seeds.validate(report).ok
        problem = load_study(study).problem
        assert problem.reported[2].text == "CRP fell, day 1 to 2"
        like = problem.likelihood()
        m = like.predict(like.start).values[2:4]
        wanted = stats.norm.logcdf(np.log(m[0] / m[1]) / (0.2 * 2**0.5))
        assert like.evaluate(like.start).terms[2] == pytest.approx(wanted, rel=1e-9)
        found = pkpd.fit(load_study(study), method=pkpd.Mode(draws=50))
        assert np.isfinite(found.facts()["probability"][2])
        axes = course(found, "a", draws=5)
        assert "fell" in {t.get_text() for t in axes[0].texts}
        assert "fell" in {t.get_text() for t in pkpd.plot.evidence(pkpd.seeds[report])[0].texts}
