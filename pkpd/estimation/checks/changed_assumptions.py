"""What becomes of a parameter when the study's assumptions change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pkpd.estimation.checks.parameter_draws import Reference, free_named, parameter_rows, reference_of
from pkpd.estimation.checks.refits import Refits, Within, check_within, parts_of, refuse_base
from pkpd.estimation.method import Method
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.loading import as_study
from pkpd.estimation.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.result import StudyFit

__all__ = ["BASE", "assumptions"]

BASE = "as in the study"


def assumptions(
    study: Study | str | os.PathLike[str],
    variants: Mapping[str, Study | Mapping[str, Any]],
    parameter: str,
    *,
    base: StudyFit | None = None,
    method: Method | None = None,
    within: Within = "study",
) -> pd.DataFrame:
    """Refit a study under other assumptions, and compare what each says of a parameter.

    Parameters
    ----------
    study : Study, str or path
    variants : mapping of label to Study, or to arguments of ``Study.with_``
        ``{"CRP as printed": {"reinterpret": {("villegas2020", "CRP"): 0.1}}}``.
    parameter : str
        A free parameter of the study, shared or by patient.
    base : StudyFit, optional
        The study as it is, if it was calibrated already by the same method; fitted anew by default.
    method : Method, optional
        Of all fits: ``Mode(predictive=1)`` by default, or ``Nuts(...)``; with ``out=`` finished refits are kept, and
        an interrupted call goes on.
    within : {"study", "cohort"}
        Whether the whole study is refitted, or each cohort alone, which takes less time and knows of the others no
        more than the prior of what they share.

    Returns
    -------
    DataFrame
        Columns variant, patient (empty for a shared parameter), cohort, mean, 2.5%, 50%, 97.5% and shift: of the median
        against the study as it is, in posterior standard deviations on the scaled axis.

    Raises
    ------
    PkpdError
        If the parameter is not free in the study, a variant contradicts itself, or base is of another study.
    """
    import pandas as pd

    check_within("assumptions", within)
    start, how = as_study(study), Mode(predictive=1) if method is None else method
    f, refits = free_named(start, parameter), Refits(how)
    changed = {k: v if isinstance(v, Study) else start.with_(**v) for k, v in variants.items()}
    parts = parts_of(start, within)
    if base is not None:
        if base.attrs["fingerprint"] not in {s.fingerprint for s in parts.values()}:
            refuse_base("assumptions", start, base, within)
        refits.know(base)
    reference: dict[str, Reference] = {}
    rows = []
    for label, variant in {BASE: start, **changed}.items():
        for cohort, part in parts_of(variant, within).items():
            found = refits(part)
            reference.setdefault(cohort, reference_of(found, f) if label == BASE else {})
            rows += [{"variant": label, **row} for row in parameter_rows(found, f, reference[cohort])]
    return pd.DataFrame(rows)
