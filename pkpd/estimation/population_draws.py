"""Draws of the posterior of a population, which chains of a sampler left, in memory and as text."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.problem import Problem

__all__ = ["PopulationDraws", "posterior_dataset"]


@dataclass(frozen=True, eq=False)
class PopulationDraws:
    """Draws of the estimated vector and of the random effects.

    Attributes
    ----------
    vectors : float array, (chains, draws, n)
        On the scale of estimation.
    effects : float array, (chains, draws, m, p)
        Random effects of each subject: eta, then kappa of each occasion.
    stats : mapping of str to array, (chains, draws)
        What the sampler has to say of each draw.
    """

    vectors: np.ndarray
    effects: np.ndarray
    stats: Mapping[str, np.ndarray]

    @property
    def flat(self) -> np.ndarray:
        """Vectors with chains joined, (chains * draws, n)."""
        return self.vectors.reshape(-1, self.vectors.shape[-1])

    def text(self) -> str:
        """Return all as text, in full precision."""
        packed = io.BytesIO()
        named: dict[str, Any] = {"vectors": self.vectors, "effects": self.effects}
        named |= {f"stats.{n}": np.asarray(v) for n, v in self.stats.items()}
        np.savez_compressed(packed, **named)
        return base64.b64encode(packed.getvalue()).decode("ascii")

    @classmethod
    def of_text(cls, text: str) -> PopulationDraws:
        """Return what :meth:`text` wrote."""
        with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as held:
            stats = {n.removeprefix("stats."): held[n] for n in held.files if n.startswith("stats.")}
            return cls(held["vectors"], held["effects"], stats)


def posterior_dataset(problem: Problem, chains: PopulationDraws, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return the draws in natural quantities: one variable for each, and ``eta`` (chain, draw, subject, effect)."""
    import xarray as xr

    lay, shape, dims = problem.layout, chains.vectors.shape[:2], ("chain", "draw")
    values = np.array([lay.quantities(x) for x in chains.flat])
    coords = {
        "chain": np.arange(shape[0]), "draw": np.arange(shape[1]), "subject": problem.data.labels,
        "effect": [n.name for n in problem.links.effects],
    }  # fmt: skip
    each: dict[str, Any] = {n: (dims, values[:, k].reshape(shape)) for k, n in enumerate(lay.labels)}
    each["eta"] = ((*dims, "subject", "effect"), chains.effects)
    return xr.Dataset(each, coords, dict(attrs))
