"""What files of content may declare beside a model, and what is said of anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pkpd.catalogue import find_content
from pkpd.comparison import schedules
from pkpd.comparison.compare import compare
from pkpd.comparison.measure import built_in
from pkpd.comparison.questions import known_questions
from pkpd.errors import LibraryError
from pkpd.library import content_in, content_of, load_file, load_model, models_with
from pkpd.model.model import Model
from pkpd.validation.api import effects_of, published_of

TEXT = find_content("models", "pk1_oral").read_text(encoding="utf-8")


def own(folder: Path, more: str) -> Model:
    """Return a model of one's own whose file says more."""
    path = folder / "own.py"
    path.write_text(f"{TEXT}\n\n{more}\n", encoding="utf-8")
    return load_model(path)


def test_a_global_of_the_file_or_a_file_in_the_folder_beside_it(tmp_path: Path):
    inside = own(tmp_path, 'schedules = {"daily": "100 mg daily x3"}')
    assert {name: (s.text, s.source, s.part) for name, s in schedules(inside).items()} == {
        "daily": ("100 mg daily x3", "", "")
    }
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "schedules.py").write_text('schedules = {"twice": ("100 mg BID x3d", "label")}\n', "utf-8")
    assert schedules(own(tmp_path, ""))["twice"].source == "label"
    assert compare(own(tmp_path, ""), n=2).regimens == ("twice",)


def test_what_is_declared_stays_with_copies_and_wholes(tmp_path: Path):
    inside = own(tmp_path, 'schedules = {"daily": "100 mg daily x3"}')
    whole = Model("whole", parts={"drug": inside.with_values(CL=1.0)})
    assert content_of(whole, "schedules") == {"drug": {"daily": "100 mg daily x3"}}
    regimens = schedules(whole)["daily"].regimens(whole, None, "daily")  # pyright: ignore[reportArgumentType]
    assert {str(dose.cmt) for dose in regimens[0].doses} == {"drug.depot"}


@pytest.mark.parametrize(
    ("more", "read", "text"),
    [
        (
            "schedules = ['100 mg']",
            schedules,
            r"schedules of model 'pk1_oral': write .name: .text, source.., got",
        ),
        ("schedules = {'a': 3}", schedules, "schedules of model 'pk1_oral': .*got 3"),
        (
            "measures = {'show': ['a']}",
            built_in,
            "measures of model 'pk1_oral': write a mapping with shown, rises",
        ),
        ("measures = {'rises': ['x']}", built_in, "measures of model 'pk1_oral': it has no output x"),
        (
            "published = [1]",
            published_of,
            r"published numbers of model 'pk1_oral': write \(Published\(",
        ),
        ("effects = {}", effects_of, r"effects of model 'pk1_oral': write EffectReading\(...\), got \{\}"),
        ("questions = {'a': 'b'}", known_questions, r"questions: write \{name: OpenQuestion\(text, answer\)\}, got"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, more: str, read, text: str):
    with pytest.raises(LibraryError, match=text):
        read(own(tmp_path, more))


def test_files_that_lack_what_they_are_called_for(tmp_path: Path):
    (tmp_path / "questions.py").write_text("question = {}\n", encoding="utf-8")
    with pytest.raises(LibraryError, match=r"questions.py must assign to the global name 'questions'; it has none"):
        content_in(tmp_path, "questions")
    assert content_in(tmp_path, "schedules") is None
    with pytest.raises(LibraryError, match=r"does not exist in .*did you mean 'questions.py'"):
        load_file(tmp_path / "question.py")
    assert {"anakinra", "tocilizumab_linear"} <= set(models_with("published"))
