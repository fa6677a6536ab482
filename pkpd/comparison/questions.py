"""Questions that the files of a model or of a study ask and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pkpd.comparison.answer import Answer
from pkpd.errors import LibraryError, PkpdError, nearest
from pkpd.kinds import needs
from pkpd.library import content_in, content_of
from pkpd.model.model import Model
from pkpd.simulation.source import Source, model_from

__all__ = ["OpenQuestion", "answers", "known_questions"]


@dataclass(frozen=True)
class OpenQuestion:
    """A question, and what answers it.

    Attributes
    ----------
    text : str
    answer : function of (name, text, source, n, seed)
        Returns an `Answer`; ``n`` are subjects, or draws of each patient.
    of_patients : bool
        Whether only what is known of patients can answer it, not a model alone.
    """

    text: str
    answer: Callable[[str, str, Model | Source, int, int], Answer]
    of_patients: bool = False


def known_questions(source: Any) -> dict[str, OpenQuestion]:
    """Return the questions of a source's study and of its model, by name.

    A study's folder holds them in ``questions.py``, a model's file itself or ``questions.py`` in the folder beside it:
    ``questions = {name: OpenQuestion(text, answer)}``.

    Raises
    ------
    LibraryError
        If what is declared is something else.
    """
    study = getattr(source, "study", None)
    own = None if study is None or study.folder is None else content_in(study.folder, "questions")
    given = [] if own is None else [own]
    given += content_of(model_from("answers", source), "questions").values()
    found: dict[str, OpenQuestion] = {}
    for each in given:
        if not isinstance(each, Mapping) or not all(isinstance(q, OpenQuestion) for q in each.values()):
            raise LibraryError(f"questions: write {{name: OpenQuestion(text, answer)}}, got {each!r}")
        found |= {name: question for name, question in each.items() if name not in found}
    return found


def answers(source: Model | Source, names: Sequence[str] | None = None, *, n: int = 500, seed: int = 0) -> list[Answer]:
    """Answer the questions that a model or a study asks.

    Parameters
    ----------
    source : Model or StudyFit
        Questions about patients need what a calibration knows of them.
    names : sequence of str, optional
        All that the source can answer by default.
    n : int
        Subjects, or draws of each patient.
    seed : int

    Returns
    -------
    list of Answer
        A question that the source cannot answer after all (a patient is missing) has an answer that says why.

    Raises
    ------
    PkpdError
        If a name is unknown, or a model is asked what only a calibration knows.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> [answer.name for answer in answers(load_model("anakinra"), n=20)]
    ['every_other_day', 'csf']
    """
    needs("answers", source, ("Model", "StudyFit"))
    known, alone = known_questions(source), isinstance(source, Model)
    if names is None:
        names = [name for name, question in known.items() if not (alone and question.of_patients)]
    if strange := [name for name in names if name not in known]:
        hints = ", ".join(f"'{name}'{nearest(name, known)}" for name in strange)
        raise PkpdError(f"answers: there is no {hints}; there are {', '.join(known) or 'none'}")
    if isinstance(source, Model) and (asked := [name for name in names if known[name].of_patients]):
        raise PkpdError(
            f"answers: {', '.join(asked)} can only be answered by a calibration, which knows the patients; "
            f"model '{source.name}' does not"
        )
    return [known[name].answer(name, known[name].text, source, n, seed) for name in names]
