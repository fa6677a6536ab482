"""What is known of the focus of a report: of each patient and each group, told apart from what was assumed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENDS", "HALF", "RIVAL", "Group", "PatientKnowledge", "State", "Story", "group_of", "known_of", "stories_of"]

Floats = NDArray[np.float64]
State = Literal["told", "leaning", "two", "untold"]

HALF = 0.5
"""Part of the prior's 95% interval that the posterior's is no wider than where the reports tell."""
RIVAL = 0.1
"""Probability from which on an explanation that holds alone remains."""
ENDS = 0.15
"""Probability in the lowest and in the highest third of a share from which on both ends remain."""


@dataclass(frozen=True)
class Story:
    """One combination of explanations, which exclude each other and add up to one.

    Attributes
    ----------
    names : tuple of str
        Explanations that hold; empty where none does.
    probability : float
    """

    names: tuple[str, ...]
    probability: float


@dataclass(frozen=True)
class PatientKnowledge:
    """What is known of one patient's focus parameter.

    Attributes
    ----------
    patient, label, cohort : str
        As the study names the patient, and as a reader does.
    middle, low, high : float
        Median and central 95% of the posterior.
    before : (float, float)
        Central 95% of the prior.
    state : {"told", "leaning", "two", "untold"}
        Told: the interval is at most half as wide as before. Two: two explanations remain. Untold: the answer is hardly
        more than what was assumed. Leaning: none of these.
    stories : tuple of Story
        What explains the course, most probable first; empty where the study declares no explanations.
    """

    patient: str
    label: str
    cohort: str
    middle: float
    low: float
    high: float
    before: tuple[float, float]
    state: State
    stories: tuple[Story, ...] = ()


@dataclass(frozen=True)
class Group:
    """What is known of the patients of one cohort, on average.

    Attributes
    ----------
    label : str
    people : tuple of PatientKnowledge
    middle, low, high : float
    before : (float, float)
    state : {"told", "leaning", "two", "untold"}
        Two if the group has one patient, for whom two explanations remain.
    condition : str
        Under which assumption this holds.
    """

    label: str
    people: tuple[PatientKnowledge, ...]
    middle: float
    low: float
    high: float
    before: tuple[float, float]
    state: State
    condition: str = ""


def stories_of(holds: Mapping[str, NDArray[np.bool_]]) -> tuple[Story, ...]:
    """Return how probable each combination of explanations is, most probable first.

    Parameters
    ----------
    holds : mapping of explanation to bool array, (draws,)

    Examples
    --------
    >>> stories_of({"a": np.array([True, True, False, False]), "b": np.array([True, False, False, False])})[0]
    Story(names=(), probability=0.5)
    """
    if not holds:
        return ()
    names, table = tuple(holds), np.array(list(holds.values()), bool)
    found: dict[tuple[str, ...], int] = {}
    for column in table.T:
        key = tuple(name for name, true in zip(names, column, strict=True) if true)
        found[key] = found.get(key, 0) + 1
    stories = [Story(key, count / table.shape[1]) for key, count in found.items()]
    return tuple(sorted(stories, key=lambda s: -s.probability))


def known_of(
    who: tuple[str, str, str], after: Floats, before: Floats, *, silent: bool, axis: str = "share",
    stories: Sequence[Story] = (),
) -> PatientKnowledge:  # fmt: skip
    """Return what is known of one patient.

    Parameters
    ----------
    who : (str, str, str)
        Patient, label and cohort.
    after, before : float array, (draws,)
        Of posterior and prior.
    silent : bool
        Whether the posterior hardly differs from the prior.
    axis : {"share", "log", "plain"}
        On which widths are compared; of a share, which lies from 0 to 1, both ends may remain.
    stories : sequence of Story
    """
    low, middle, high = (float(x) for x in np.quantile(after, [0.025, 0.5, 0.975]))
    alone = sum(len(s.names) == 1 and s.probability >= RIVAL for s in stories)
    state = _state(after, before, silent, axis)
    if state != "untold" and (alone > 1 or (axis == "share" and min(_ends(after)) >= ENDS)):
        state = "two"
    return PatientKnowledge(*who, middle, low, high, _span(before), state, tuple(stories))


def group_of(
    label: str,
    people: Sequence[PatientKnowledge],
    after: Floats,
    before: Floats,
    *,
    axis: str = "share",
    condition: str = "",
) -> Group:
    """Return what is known of a group.

    Parameters
    ----------
    label : str
    people : sequence of PatientKnowledge
    after, before : float array, (draws, patients)
    axis, condition : str
    """
    mean, prior = after.mean(axis=1), before.mean(axis=1)
    low, middle, high = (float(x) for x in np.quantile(mean, [0.025, 0.5, 0.975]))
    silent = all(p.state == "untold" for p in people)
    state: State = "two" if len(people) == 1 and people[0].state == "two" else _state(mean, prior, silent, axis)
    return Group(label, tuple(people), middle, low, high, _span(prior), state, condition)


def _state(after: Floats, before: Floats, silent: bool, axis: str) -> State:
    if silent:
        return "untold"
    return "told" if _width(after, axis) <= HALF * _width(before, axis) else "leaning"


def _span(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _width(draws: Floats, axis: str) -> float:
    low, high = _span(np.log(draws) if axis == "log" else draws)
    return high - low


def _ends(share: Floats) -> tuple[float, float]:
    return float(np.mean(share < 1 / 3)), float(np.mean(share > 2 / 3))
