"""Rival explanations compared as models: how probable each made the facts before they were known."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.checks.changed_assumptions import BASE
from pkpd.estimation.checks.refits import Refits, Within, check_within, parts_of
from pkpd.estimation.method import Method
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.study.loading import as_study
from pkpd.estimation.study.study import Study
from pkpd.estimation.weights import normalised
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.log_evidence import LogEvidence

__all__ = ["rivals"]

#: of the sampler, where no method is given: the error of an evidence is then about a tenth in some dozens of dimensions
_MODEST: Mapping[str, Any] = {"chains": 4, "tune": 300, "draws": 500, "target_accept": 0.85, "predictive": 1}


def rivals(
    study: Study | str | os.PathLike[str],
    rivals: Mapping[str, Study | Mapping[str, Any]],
    *,
    method: Method | None = None,
    within: Within = "cohort",
    seed: int = 0,
) -> pd.DataFrame:
    """Compare a study with others of the same facts by their evidence.

    The weight of a rival is ``exp(log evidence) / sum of exp(log evidence)``: its probability if all were equally
    probable before. A prior that spreads over much that the facts do not show pays for it. By cohort, what cohorts have
    in common has its whole prior in each, so evidences of cohorts do not add up to that of the study.

    Parameters
    ----------
    study : Study, str or path
    rivals : mapping of label to Study, or to arguments of ``Study.with_``
        ``{"no effect": {"fixed": {"phi": 0.0}}}``.
    method : Method, optional
        Of the refits: ``Nuts(chains=4, tune=300, draws=500, target_accept=0.85, predictive=1)`` by default. With
        ``out=`` finished refits are kept, and an interrupted call, or another check by the same method, goes on.
    within : {"study", "cohort"}
        Whether whole studies are compared, or each cohort alone.
    seed : int
        Of the default method, and of bridge sampling.

    Returns
    -------
    DataFrame
        Columns rival ("as in the study" first), cohort, log_evidence, error (its Monte Carlo standard error),
        log_bayes_factor (against the study as it is), bf_error, weight (among the rivals of the cohort) and trouble
        (what speaks against trusting the estimate; empty if nothing does).

    Raises
    ------
    PkpdError
        If a rival has other facts than the study, or the method does not draw from the posterior.
    """
    import pandas as pd

    check_within("rivals", within)
    how = Nuts(seed=check_seed(seed), **_MODEST) if method is None else method
    if how.name == "mode":
        raise PkpdError("rivals: Mode draws from an approximation, which has no evidence; give method=Nuts(...)")
    start = as_study(study)
    if BASE in rivals:
        raise PkpdError(f"rivals: '{BASE}' is the label of the study itself; choose another")
    models = {BASE: start} | {k: v if isinstance(v, Study) else start.with_(**v) for k, v in rivals.items()}
    for label, model in models.items():
        _check_facts(start, label, model)
    refits, rows = Refits(how, seed), []
    parts = {label: parts_of(model, within) for label, model in models.items()}
    for cohort in parts[BASE]:
        found = {label: refits(own[cohort]).log_evidence(seed=seed) for label, own in parts.items()}
        rows += _rows(cohort, found)
    order = {label: k for k, label in enumerate(models)}
    return pd.DataFrame(sorted(rows, key=lambda row: order[row["rival"]]))


def _rows(cohort: str, found: Mapping[str, LogEvidence]) -> list[dict[str, Any]]:
    """Return a row for each rival of a cohort."""
    weights, base = normalised(np.array([e.value for e in found.values()])), found[BASE]
    return [
        {
            "rival": label, "cohort": cohort, "log_evidence": e.value, "error": e.error,
            "log_bayes_factor": e.value - base.value,
            "bf_error": 0.0 if label == BASE else math.hypot(e.error, base.error),
            "weight": float(weight), "trouble": "; ".join(e.trouble),
        }
        for (label, e), weight in zip(found.items(), weights, strict=True)
    ]  # fmt: skip


def _check_facts(start: Study, label: str, rival: Study) -> None:
    """Raise PkpdError unless a rival has the patients, cohorts and facts of the study."""
    own, other = start.problem, rival.problem
    mine, theirs = ({r.name: repr(r.term) for r in p.reported} for p in (own, other))
    if off := sorted(n for n in {**mine, **theirs} if mine.get(n) != theirs.get(n)):
        raise PkpdError(
            f"rivals: '{label}' has other facts than the study ({len(off)} differ, first: {off[0]}), and how probable "
            "different data are does not compare models; exclude or reinterpret facts in the study itself, or take "
            "pkpd.checks.assumptions"
        )
    if (own.patients, own.cohorts) != (other.patients, other.cohorts):
        raise PkpdError(f"rivals: '{label}' has other patients or cohorts than the study; leave both as they are")
