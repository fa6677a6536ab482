"""Whether what was observed of a new patient can be true of the people that the patient is taken to be like."""

from __future__ import annotations

import numpy as np

from pkpd.estimation.individual.adaptive import WeightedDraws
from pkpd.evidence.kinds import kind_named
from pkpd.evidence.term import Term
from pkpd.simulation.contradiction import Level, contradictions, middle_of
from pkpd.simulation.weighted import normalised, varying

__all__ = ["messages_of"]


def messages_of(found: WeightedDraws, terms: tuple[Term, ...], seed: int) -> tuple[str, ...]:
    """Return what speaks against the observations, or the model for this patient; see `contradictions`.

    Parameters
    ----------
    found : WeightedDraws
    terms : tuple of Term
    seed : int
        Of the replicates.
    """
    weights, before = found.weights, normalised(found.ratio)
    if not terms or not weights.any():
        return ()
    effects = _effects(found, before, weights)
    levels = _levels(found, terms, before, weights, seed)
    alone = all(t.kind == "density" for t in terms) and set(effects) == {f"eta_{n}" for n in found.model.etas}
    distance = None
    if alone:
        mean = weights @ found.people.etas
        distance = float(mean @ np.linalg.solve(found.model.omega, mean)) + sum(one.residual**2 for one in levels)
    return contradictions(effects, levels, distance)


def _effects(found: WeightedDraws, before: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return how far the patient's mean is from the population's, in its standard deviations."""
    out = {}
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
    found: WeightedDraws, terms: tuple[Term, ...], before: np.ndarray, weights: np.ndarray, seed: int
) -> list[Level]:
    from scipy.special import ndtri

    anybody, rank = found.kernel.predicted(found.people, before, seed)
    _, own = found.kernel.predicted(found.people, weights, seed)
    out = []
    for k, term in enumerate(terms):
        kind = kind_named(term.kind)
        number = not kind.region
        expected = middle_of(anybody[:, k] if number else np.empty(0))
        # The rank of a bound is half its probability, of which a small one is far on one side.
        tail = own[k] if number else 2.0 * own[k]
        residual = float(ndtri(np.clip(tail, 1e-16, 1 - 1e-16))) if number else min(float(ndtri(max(tail, 1e-16))), 0.0)
        observed = f"{kind.sign} {term.value:g}" if kind.sign in ("<", ">") else f"{term.value:g}"
        out.append(Level(term.name, observed, expected, float(rank[k]), residual))
    return out
