"""Which facts carry what is known of a parameter: each group of them left out in turn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.estimation.checks.parameter_draws import free_named, parameter_rows, reference_of
from pkpd.estimation.checks.refits import Refits, Within, check_within, parts_of, refuse_base
from pkpd.estimation.checks.study_facts import Group, StudyFact, grouped_facts
from pkpd.estimation.method import Method
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.loading import as_study

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.result import StudyFit
    from pkpd.estimation.study.study import Study

__all__ = ["NOTHING", "WITH_ALL", "evidence_ledger"]

#: labels of the fit with all facts: of the cohort alone, and of all cohorts together
NOTHING, WITH_ALL = "nothing", "nothing, with all cohorts"


def evidence_ledger(
    study: Study | str | os.PathLike[str],
    parameter: str,
    groups: Mapping[str, Group] | None = None,
    *,
    base: StudyFit | None = None,
    method: Method | None = None,
    within: Within = "cohort",
) -> pd.DataFrame:
    """Refit a study without each group of its facts, and compare what each refit says of a parameter.

    A group is left out of all patients of what is refitted at once. Whoever has no fact of a group is not listed for
    it, and cohorts without any are not refitted. A cohort that loses all of its facts falls to the prior.

    Parameters
    ----------
    study : Study, str or path
    parameter : str
        A free parameter of the study, shared or by patient.
    groups : mapping of label to list of str, or to function, optional
        Patterns of facts as in ``Study.exclude``, ``{"fever": ["*_fever_*"]}``, or a condition on a
        :class:`~pkpd.estimation.checks.study_facts.StudyFact`, ``{"late": lambda fact: fact.day > 20}``. By default
        what facts know of themselves: assumed, derived and read ones; peaks and nadirs, bounds, grades, changes and
        values; and those after the first dose of the studied drug.
    base : StudyFit, optional
        A fit with all facts that was made before, by the same method. Of all cohorts together and within="cohort" it is
        a block of its own, "nothing, with all cohorts".
    method : Method, optional
        Of the refits: ``Mode(predictive=1)`` by default, or ``Nuts(...)``; with ``out=`` finished refits are kept, and
        an interrupted call goes on.
    within : {"study", "cohort"}
        Whether the whole study is refitted, or each cohort alone, which takes a fraction of the time and knows of the
        others no more than the prior of what they share.

    Returns
    -------
    DataFrame
        Columns without (label; "nothing" for the fit with all facts), facts (how many of this patient, or of all for a
        shared parameter, were left out), patient, cohort, mean, 2.5%, 50%, 97.5% and shift: of the median against
        "nothing", in posterior standard deviations on the scaled axis.

    Raises
    ------
    PkpdError
        If the parameter is not free, a group is unclear or fits no fact, or base is of another study.
    """
    import pandas as pd

    check_within("evidence_ledger", within)
    start = as_study(study)
    f, left_out = free_named(start, parameter), grouped_facts(start, groups)
    if taken := [label for label in left_out if label in (NOTHING, WITH_ALL)]:
        raise PkpdError(f"evidence_ledger: '{taken[0]}' is the label of the fit with all facts; choose another")
    refits, parts = Refits(Mode(predictive=1) if method is None else method), parts_of(start, within)
    apart = None
    if base is not None:
        if base.attrs["fingerprint"] in {s.fingerprint for s in parts.values()}:
            refits.know(base)
        elif base.attrs["fingerprint"] == start.fingerprint:
            apart = base
        else:
            refuse_base("evidence_ledger", start, base, within)
    wholes = {cohort: refits(part) for cohort, part in parts.items()}
    references = {cohort: reference_of(found, f) for cohort, found in wholes.items()}
    rows: list[dict[str, Any]] = []
    for cohort, found in wholes.items():
        rows += [{"without": NOTHING, "facts": 0, **row} for row in parameter_rows(found, f, references[cohort])]
    if apart is not None:
        every = {p: own for each in references.values() for p, own in each.items() if p}
        rows += [{"without": WITH_ALL, "facts": 0, **row} for row in parameter_rows(apart, f, every)]
    for label, facts in left_out.items():
        for cohort, part in parts.items():
            gone = _of(facts, part)
            if not gone:
                continue
            found = refits.without(part, list(gone))
            for row in parameter_rows(found, f, references[cohort]):
                own = [g for g in gone.values() if row["patient"] in ("", g.patient)]
                if own:
                    rows.append({"without": label, "facts": len(own), **row})
    return pd.DataFrame(rows)


def _of(facts: Mapping[str, StudyFact], part: Study) -> dict[str, StudyFact]:
    """Return the facts of a group that a study has."""
    patients = set(part.problem.patients)
    return {name: fact for name, fact in facts.items() if fact.patient in patients}
