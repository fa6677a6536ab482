"""Draws of a study's posterior, checked before they become a fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.options import whole_number
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    from pkpd.estimation.study.vector import StudyVector

__all__ = ["check_about", "check_draws", "share_without_density"]

Floats = NDArray[np.float64]
_WHO = "StudyFit.of_draws"


def check_draws(q: Any, vector: StudyVector, stats: Mapping[str, Any], predictive: int, seed: int) -> Floats:
    """Return draws as an array (chains, draws, dim).

    Raises
    ------
    PkpdError
        If they are of another shape, or not finite, or if what is kept of each is not one number of each.
    """
    q = np.asarray(q, np.float64)
    if q.ndim != 3 or q.shape[2] != vector.dim or not q.size:
        wants = f"(chains, draws, {vector.dim}), draws of problem.posterior()"
        raise PkpdError(f"{_WHO}: q must be of shape {wants}, got {q.shape}")
    fine = np.isfinite(q).all(axis=2)
    with np.errstate(all="ignore"):
        for values in vector.transform(q).values():
            fine &= np.isfinite(values).reshape(*fine.shape, -1).all(axis=2)
    bad = np.argwhere(~fine)
    if len(bad):
        chain, draw = bad[0]
        many = f"{len(bad)} of {q.shape[0] * q.shape[1]} draws, or the values that they stand for, are not finite"
        raise PkpdError(f"{_WHO}: {many} (first: draw {draw} of chain {chain}); leave them out")
    for name, each in stats.items():
        if np.shape(each) != q.shape[:2]:
            raise PkpdError(f"{_WHO}: stats '{name}' must be of shape {q.shape[:2]}, got {np.shape(each)}")
    whole_number(f"{_WHO}: predictive", predictive, 1)
    check_seed(seed)
    return q


def check_about(about: Mapping[str, Any], taken: Collection[str]) -> None:
    """Raise PkpdError if further attributes would take the place of those that tell one fit from another."""
    if both := [name for name in about if name in taken]:
        raise PkpdError(f"{_WHO}: about must not hold {', '.join(both)}, which the fit itself says")
    kinds = str | int | float | list | tuple | np.ndarray | np.generic
    if odd := [name for name, value in about.items() if not isinstance(value, kinds)]:
        raise PkpdError(f"{_WHO}: about '{odd[0]}' must be text, a number or numbers, got {about[odd[0]]!r}")


def share_without_density(loglik: Any, outside: NDArray[np.bool_]) -> float:
    """Return the share of draws without a density.

    Parameters
    ----------
    loglik : float array, (chains, some draws, facts)
    outside : bool array, (chains, draws)
        Whether the model forbids a draw's values.

    Raises
    ------
    PkpdError
        If these are all.
    """
    unlikely = ~np.isfinite(np.asarray(loglik, np.float64)).all(axis=2)
    dead = max(float(unlikely.mean()), float(outside.mean()))
    if dead == 1.0:
        raise PkpdError(f"{_WHO}: no draw has a density: these are no draws of problem.posterior()")
    return dead
