"""The questions that the authors of the three reports raise about schedules, answered from a model or a calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pkpd.comparison.answer import Answer
from pkpd.comparison.kinetics import csf_reach, every_other_day
from pkpd.comparison.reports import late_starters, twice_daily
from pkpd.errors import PkpdError, nearest
from pkpd.kinds import needs
from pkpd.model.model import Model

__all__ = ["QUESTIONS", "questions"]

QUESTIONS: dict[str, tuple[str, bool, Callable[..., Answer]]] = {
    "early_start": (
        "Would Strati's late starters (P2, P3, P6, P8) have gained by an early start?",
        True,
        late_starters,
    ),
    "every_other_day": (
        "Is every other day at a creatinine clearance below 30 mL/min the same exposure as daily at normal function?",
        False,
        every_other_day,
    ),
    "twice_daily": ("Did twice-daily dosing matter in Naviglio's patient?", True, twice_daily),
    "csf": ("Could any subcutaneous dose have reached the cerebrospinal fluid?", False, csf_reach),
}
"""By name: the question, whether it needs a calibration, and what answers it."""


def questions(source: Any, names: Sequence[str] | None = None, *, n: int = 500, seed: int = 0) -> list[Answer]:
    """Answer the authors' counterfactual questions.

    Parameters
    ----------
    source : Model or calibration
        Questions about kinetics alone are answered by a model (with a calibration: by the model ``anakinra``, with the
        calibrated IC50); those about patients need a calibration.
    names : sequence of str, optional
        Of `QUESTIONS`; all that the source can answer by default.
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
    >>> [answer.name for answer in questions(load_model("anakinra"), n=20)]
    ['every_other_day', 'csf']
    """
    needs("questions", source, ("Model", "Calibration"))
    alone = isinstance(source, Model)
    if names is None:
        names = [name for name, (_, posterior, _) in QUESTIONS.items() if not (alone and posterior)]
    strange = [name for name in names if name not in QUESTIONS]
    if strange:
        hints = ", ".join(f"'{name}'{nearest(name, QUESTIONS)}" for name in strange)
        raise PkpdError(f"questions: there is no {hints}; there are {', '.join(QUESTIONS)}")
    posterior = [name for name in names if QUESTIONS[name][1]]
    if alone and posterior:
        raise PkpdError(
            f"questions: {', '.join(posterior)} can only be answered by a calibration, which knows the patients; "
            f"model '{source.name}' does not"
        )
    return [QUESTIONS[name][2](name, QUESTIONS[name][0], source, n, seed) for name in names]
