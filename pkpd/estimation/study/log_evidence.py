"""How probable the facts of a study were before they were known: the integral of likelihood times prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.methods.bridge import bridged
from pkpd.estimation.study.inverse import vectors_of
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    from pkpd.estimation.study.record import StudyRecord
    from pkpd.estimation.study.vector import StudyVector

__all__ = ["LogEvidence", "log_evidence", "log_prior_constant"]

#: standard error, overlap and R-hat beyond which an estimate is not to be trusted
WIDE, APART, R_HAT = 0.5, 0.02, 1.05
#: draws of the prior by which what the model forbids is counted, in parts
FORBIDDEN, PART = 100_000, 5_000


@dataclass(frozen=True)
class LogEvidence:
    """The logarithm of the probability density of a study's facts before they were known.

    Attributes
    ----------
    value, error : float
        Natural logarithm, and its Monte Carlo standard error.
    overlap : float
        Of posterior and proposal, 0 to 1: the larger the better the error is known.
    trouble : tuple of str
        What speaks against trusting it, in sentences; empty if nothing does.
    """

    value: float
    error: float
    overlap: float
    trouble: tuple[str, ...] = ()


def log_evidence(found: StudyRecord, seed: int) -> LogEvidence:
    """Return the log evidence of a fit by its draws, see ``StudyFit.log_evidence``."""
    check_seed(seed)
    study = found.study
    if found.method == "mode" or "log_weight" in _kept(found):
        raise PkpdError(
            f"study '{study.name}': log_evidence needs draws of the posterior, and {found.method} draws from an "
            "approximation of it; fit(study, method=Nuts())"
        )
    posterior, vector = study.problem.posterior(), study.problem.vector
    try:
        bridge = bridged(posterior.logp, vectors_of(found), seed)
    except PkpdError as error:
        raise PkpdError(f"study '{study.name}': log_evidence: {error}") from None
    inside, error = _allowed(vector, seed)
    value = bridge.value + log_prior_constant(vector) - math.log(inside)
    whole = math.hypot(bridge.error, error)
    trouble = []
    if not (whole <= WIDE and bridge.overlap >= APART):
        trouble.append(
            f"posterior and proposal overlap by {100 * bridge.overlap:.2g} % and the error is {whole:.2g}: draw more, "
            "or fit fewer patients at once"
        )
    if not bridge.rhat <= R_HAT:
        trouble.append(f"the chains do not agree (R-hat {bridge.rhat:.3f}): what one of them missed is not counted")
    return LogEvidence(value, whole, bridge.overlap, tuple(trouble))


def _kept(found: StudyRecord) -> tuple[str, ...]:
    groups = found.idata.groups()
    return tuple(map(str, found.idata.sample_stats)) if "sample_stats" in groups else ()


def log_prior_constant(vector: StudyVector) -> float:
    """Return what :meth:`StudyVector.log_prior` lacks of a density of q that integrates to 1 over all q.

    Every entry is standard normal but for logarithms of spreads, ``q = log(spread / scale)``, whose density is ``2
    phi(e^q) e^q``; of these the log prior holds the logarithm of the spread in the place of q.
    """
    spreads = [row.scale for row in vector.priors.rows]
    return sum(math.log(2.0 / s) for s in spreads) - 0.5 * vector.dim * math.log(2.0 * math.pi)


def _allowed(vector: StudyVector, seed: int) -> tuple[float, float]:
    """Return the share of the prior that the model's bounds leave, and the error of its logarithm."""
    if not vector.design.limits:
        return 1.0, 0.0
    rng = np.random.default_rng([seed, 14])
    out = sum(int(vector.is_outside(vector.draw_unbounded(PART, rng)).sum()) for _ in range(FORBIDDEN // PART))
    share = 1.0 - out / FORBIDDEN
    return share, math.sqrt((1.0 - share) / (share * FORBIDDEN))
