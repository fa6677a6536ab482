"""A kind of fact from outside of the package, from the files of docs/kind_of_fact.md alone."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_toy import write_study
from scipy import stats

import pkpd
from pkpd import Additive
from pkpd.errors import ModelError
from pkpd.estimation.study.loading import load_study
from pkpd.estimation.study.replicas import Replicator
from pkpd.evidence import kinds
from pkpd.evidence.kinds import FactKind, kind
from pkpd.extend import Likelihood, Subject
from pkpd.plot.courses import course

FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Path]:
    """A study of one's own whose report has means of two days."""
    folder = tmp_path_factory.mktemp("own")
    files = dict(FILE.findall((checkout / "docs" / "kind_of_fact.md").read_text(encoding="utf-8")))
    study = write_study(folder / "study")
    (study.parent / "report" / "facts.csv").write_text(files["facts.csv"], encoding="utf-8")
    (folder / "two_days.py").write_text(files["two_days.py"], encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.import_module("two_days")
    yield study.parent
    sys.path.remove(str(folder))
    sys.modules.pop("two_days")
    kind._KINDS.pop("mean_of_two")


def test_the_seed_is_read_and_drawn(folder: Path):
    assert pkpd.seeds.validate(folder / "report").ok
    report = pkpd.seeds[folder / "report"]
    assert [f.kind for f in report.facts] == ["value", "mean_of_two", "mean_of_two"]
    axes = pkpd.plot.evidence(report)
    texts = {text.get_text() for ax in axes[0].figure.axes for text in ax.texts}
    assert {"60", "90", "value, mean of two days"} <= texts


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
    assert found.facts()["kind"].tolist() == ["density", "mean_of_two", "mean_of_two"]
    assert np.isfinite(found.facts()["pit"]).all()
    axes = course(found, "a", draws=20)
    labels = {t.get_text() for legend in axes[0].figure.legends for t in legend.get_texts()}
    assert {"value", "mean of two days"} <= labels


def test_a_name_has_one_owner():
    with pytest.raises(ModelError, match=r"kind of fact 'peak' of .*Mine: Peak has this name; choose another"):

        class Mine(FactKind):
            name = "peak"

    assert isinstance(kinds.kind_named("peak"), kinds.Peak)
