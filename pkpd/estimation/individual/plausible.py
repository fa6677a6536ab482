"""Whether what was observed of a patient can be true of the people that the patient is taken to be like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pkpd.estimation.individual.draws import PatientDraws, varying
from pkpd.evidence.kinds import kind_named
from pkpd.evidence.term import Term
from pkpd.model.residual import ResidualError
from pkpd.observation.predictive import Measured, predictive, replicate
from pkpd.observation.rules import Factors, said_of
from pkpd.simulation.contradiction import Level, contradictions, middle_of

__all__ = ["contradictions_of"]

#: draws by which levels are judged
_DRAWS = 300


def contradictions_of(found: PatientDraws, terms: Sequence[Term], seed: int) -> tuple[str, ...]:
    """Return what speaks against the observations, or the model for this patient; see `contradictions`.

    Parameters
    ----------
    found : PatientDraws
    terms : sequence of Term
        Each observation.
    seed : int
        Of the replicates.
    """
    if not terms or not found.weights.any():
        return ()
    errors = {n: o.error for n, o in found.model.outputs.items() if o.error is not None}
    judged = [k for k, t in enumerate(terms) if errors[t.output].data != "event"]
    levels = _levels(found, [terms[k] for k in judged], judged, errors, seed) if judged else []
    measured = len(judged) == len(terms) and all(t.kind == "density" for t in terms)
    distance = None
    if measured and found.distance is not None:
        distance = found.distance + sum(one.residual**2 for one in levels)
    return contradictions(_effects(found), levels, distance)


def _effects(found: PatientDraws) -> dict[str, float]:
    """Return how far the patient's mean is from the population's, in its standard deviations."""
    out, before, weights = {}, found.before, found.weights
    sizes = dict(zip(found.model.etas, np.sqrt(np.diag(found.model.omega)), strict=True))
    for name, values in varying(found.model, found.people).items():
        eta = name.removeprefix("eta_")
        if name.startswith("eta_") and sizes.get(eta, 0.0) > 0:
            out[name] = float(weights @ values / sizes[eta])
            continue
        x = np.log(values) if (values > 0).all() else values
        centre = before @ x
        out[name] = float((weights @ x - centre) / np.sqrt(before @ (x - centre) ** 2))
    return out


def _levels(
    found: PatientDraws, terms: Sequence[Term], judged: Sequence[int], errors: dict[str, ResidualError], seed: int
) -> list[Level]:
    """Return each term beside what anybody like the patient would have, and the patient's own curve."""
    from scipy.special import ndtri

    sizes = np.diff(found.first)[judged]
    cells = np.concatenate([np.arange(found.first[k], found.first[k + 1]) for k in judged])
    many = list(terms) * _DRAWS
    first = np.concatenate([[0], np.cumsum(np.tile(sizes, _DRAWS))]).astype(np.int64)
    owner = np.repeat(np.arange(len(many)), np.diff(first))
    factors, said = Factors(many, first), said_of(many)

    def measured(weights: np.ndarray) -> Measured:
        mass = np.cumsum(weights) / weights.sum()
        at = np.searchsorted(mass, (np.arange(_DRAWS) + 0.5) / _DRAWS)
        f = found.weighed.cells[np.minimum(at, len(weights) - 1)][:, cells].ravel()
        return Measured(many, first, owner, errors, f, np.ones(f.size))

    def rank(drawn: Measured) -> np.ndarray:
        """Return how probable less than was observed is; of a bound or a grade half its probability."""
        own = predictive(drawn, factors, said)
        each = np.where(np.isnan(own.probability), own.pit, 0.5 * own.probability)
        return np.nanmean(each.reshape(_DRAWS, len(terms)), axis=0)

    anybody = measured(found.before)
    drawn = replicate(anybody, seed).statistic.reshape(_DRAWS, len(terms))
    ranks, own, out = rank(anybody), rank(measured(found.weights)), []
    for k, term in enumerate(terms):
        kind = kind_named(term.kind)
        number = not kind.region
        expected = middle_of(drawn[:, k] if number else np.empty(0))
        # The rank of a bound is half its probability, of which a small one is far on one side.
        tail = own[k] if number else 2.0 * own[k]
        residual = float(ndtri(np.clip(tail, 1e-16, 1 - 1e-16))) if number else min(float(ndtri(max(tail, 1e-16))), 0.0)
        observed = f"{kind.sign} {term.value:g}" if kind.sign in ("<", ">") else f"{term.value:g}"
        out.append(Level(term.name, observed, expected, float(ranks[k]), residual))
    return out
