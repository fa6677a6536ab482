"""What a report says in short: sentences made of numbers, each with the condition under which it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pkpd.comparison.answering import CLEAR, RULED_OUT, listed, verdicts
from pkpd.report.knowledge import Group, PatientKnowledge
from pkpd.report.words import number, percent, plural, span

__all__ = ["Change", "Misfit", "change_sentence", "misfit_alerts", "misfit_sentence", "stories_text", "told_sentence",
           "untold_sentence"]  # fmt: skip

_MOST = 6
_LIKELY = 0.5


def stories_text(known: PatientKnowledge) -> str:
    """Return the explanations of one patient's course with their probabilities.

    Examples
    --------
    >>> from pkpd.report.knowledge import Story
    >>> two = (Story(("A",), 0.7), Story(("A", "B"), 0.3))
    >>> own = PatientKnowledge("s/a", "a", "c", 0.8, 0.2, 1, (0, 1), "two", two)
    >>> stories_text(own)
    'A (70%); A, and B (30%)'
    """
    if not known.stories:
        return "it was small, or it was large"
    shown = [s for s in known.stories if s.probability >= 0.01]
    return "; ".join(f"{', and '.join(s.names) or 'none of these'} ({percent(s.probability)})" for s in shown)


def told_sentence(groups: Sequence[Group], what: str, unit: str = "") -> str:
    """Say what the reports tell of the focus, group by group, each with its assumption.

    Parameters
    ----------
    groups : sequence of Group
    what : str
        The focus in words.
    unit : str
    """
    clauses = [_clause(group, unit) for group in groups if group.state != "untold"]
    if not clauses:
        return f"**What is told.** Of no group of patients do the reports tell the {what}."
    return f"**What is told** of the {what} (middle and 95% interval). {' '.join(clauses)}"


def _clause(group: Group, unit: str) -> str:
    alone = len(group.people) == 1
    size = span(group.middle, group.low, group.high, unit) + ("" if alone else " on average")
    condition = f", {group.condition}" if group.condition else ""
    head = f"**{group.label}, {plural(len(group.people), 'patient')}**: "
    if group.state == "two":
        return f"{head}two explanations remain: {stories_text(group.people[0])}. It was {size}{condition}."
    torn = "".join(
        f" For {p.label} two explanations remain: {stories_text(p)}." for p in group.people if p.state == "two"
    )
    hint = "" if group.state == "told" else "only a direction is told, "
    return f"{head}{hint}{size}{condition}.{torn}"


def untold_sentence(groups: Sequence[Group], name: str, unit: str = "", besides: Sequence[str] = ()) -> str:
    """Say for whom the reports do not tell the focus.

    Parameters
    ----------
    groups : sequence of Group
    name, unit : str
        Of the focus.
    besides : sequence of str
        Explanations that the focus has no part in: for whom of these patients they are as likely as not.
    """
    people = [p for group in groups for p in group.people]
    silent = [p for p in people if p.state == "untold"]
    if not silent:
        return (
            f"**What cannot be told.** Of every patient the report changed what was believed of the {name}; how far "
            "the answer moves under other assumptions stands under Sensitivity."
        )
    whole = [group for group in groups if all(p.state == "untold" for p in group.people)]
    others = [p.label for p in silent if not any(p in group.people for group in whole)]
    of = [f"all of {group.label}" for group in whole] + ([listed(others, len(people), len(others))] if others else [])
    widest = max(silent, key=lambda p: p.high - p.low)
    return (
        f"**What cannot be told:** the {name} of {len(silent)} of {plural(len(people), 'patient')} "
        f"({'; '.join(of)}). What is said of them is hardly more than what was "
        f"assumed before, and would change with it: of {widest.label}, "
        f"{span(widest.middle, widest.low, widest.high, unit)}, where {number(widest.before[0])} to "
        f"{number(widest.before[1])} was assumed.{_besides(silent, len(people), besides)}"
    )


def _besides(silent: Sequence[PatientKnowledge], total: int, names: Sequence[str]) -> str:
    said = ""
    for name in names:
        who = [p.label for p in silent if sum(s.probability for s in p.stories if name in s.names) >= _LIKELY]
        if who:
            said += f" Of {listed(who, total)}, '{name}' has a probability of half or more."
    return said


@dataclass(frozen=True)
class Change:
    """How probable it is that another schedule would have changed the outcome by the relevant size.

    Attributes
    ----------
    schedule : str
        Such as "twice the doses".
    probability : mapping of patient's label to float
    """

    schedule: str
    probability: Mapping[str, float]


def change_sentence(changes: Sequence[Change], outcome: str, drug: str, relevant: float) -> str:
    """Say what other schedules would have changed, against a relevant size."""
    size = percent(relevant)
    parts = [f"{change.schedule}: {verdicts(change.probability)}" for change in changes]
    return (
        f"**What another schedule would change**, if all other drugs had stayed as they were: would the {outcome} "
        f"have been lower by {size} or more, which is what counts as relevant here, than under the doses of {drug} "
        f"that were given? {'. '.join(text[:1].upper() + text[1:] for text in parts)}. (Likely: a probability of "
        f"{percent(CLEAR)} or more; ruled out: {percent(RULED_OUT)} or less.)"
    )


@dataclass(frozen=True)
class Misfit:
    """What the model does not reproduce.

    Attributes
    ----------
    together : sequence of mappings
        Rows of ``StudyFit.reproduced`` with ``label`` and ``marker`` in words.
    outside : sequence of str
        Facts outside their prediction, in words.
    facts, numbers : int
        Facts that were fitted, and numbers that describe them.
    rivals : sequence of str
        Rival explanations that the facts favour over the study as it is, in words.
    """

    together: Sequence[Mapping[str, Any]]
    outside: Sequence[str]
    facts: int
    numbers: int
    rivals: Sequence[str] = ()

    @property
    def exceptions(self) -> list[Mapping[str, Any]]:
        """Patients whose course the model does not tell."""
        return [row for row in self.together if row["exception"]]


def misfit_alerts(misfit: Misfit) -> list[str]:
    """Return what stands on top in red: patients whose course is not reproduced, and facts outside."""
    found = [
        f"**Exception: {row['label']}.** New data from the model show {percent(row['weakest_share'])} of what was "
        f"reported of {row['marker']}"
        + (f", and {percent(row['share'])} of all qualitative facts" if row["share"] < row["weakest_share"] else "")
        + ": it does not tell what happened to this patient."
        for row in misfit.exceptions
    ]
    found += [f"**Missed fact.** {text}" for text in misfit.outside]
    if len(found) <= _MOST:
        return found
    return [*found[:_MOST], f"And {len(found) - _MOST} more, under Checks."]


def misfit_sentence(misfit: Misfit) -> str:
    """Say what the model does not reproduce, and what its agreement is worth."""
    bent = (
        f"it has {misfit.numbers} numbers for {misfit.facts} facts, so that agreement shows that it can bend to "
        "them, not that it is true"
        if misfit.numbers >= misfit.facts
        else "it was fitted to these facts, so that agreement shows that it can describe them, not that it is true"
    )
    said = []
    if misfit.together:
        labels, total = [row["label"] for row in misfit.exceptions], len(misfit.together)
        average = sum(row["reproduced"] for row in misfit.together) / sum(row["facts"] for row in misfit.together)
        whole = sum(row["all"] >= 0.5 for row in misfit.together)
        said.append(f"the course of {listed(labels, total)}" if labels else "no patient is an exception")
        said.append(
            f"new data show {percent(average)} of the qualitative facts, and all of a patient's at once more often "
            f"than not in {whole} of {plural(total, 'patient')}"
        )
    count = len(misfit.outside)
    said.append(
        f"{plural(count, 'fact')} {'lies' if count == 1 else 'lie'} outside" if count else "no fact lies outside"
    )
    rivals = f" {' '.join(misfit.rivals)}" if misfit.rivals else ""
    return f"**What the model does not reproduce:** {'; '.join(said)} ({bent}).{rivals}"
