"""Designs: where to run a model, and what the runs then say. Both are of one object, so that they cannot disagree."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.options import check_level, whole_number

__all__ = ["MorrisDesign", "SobolDesign", "check_paths", "check_power", "half_width"]

Floats = np.ndarray


def check_power(n: Any) -> int:
    """Return the size of a Sobol sequence.

    Raises
    ------
    PkpdError
        Unless it is a power of two.
    """
    n = whole_number("sensitivity: n", n, 0)
    if n < 2 or n & (n - 1):
        near = 1 << max(round(float(np.log2(max(n, 2)))), 1)
        raise PkpdError(
            f"sensitivity: n must be a power of two, as Sobol sequences are balanced there; got {n}, try {near}"
        )
    return n


def check_paths(n: int, levels: int) -> None:
    """Raise PkpdError unless there are trajectories enough for Morris' effects, on levels that halve evenly."""
    if n < 2:
        raise PkpdError(f"sensitivity: Morris needs at least 2 trajectories, got n={n}")
    if levels < 2 or levels % 2:
        raise PkpdError(f"sensitivity: levels must be even, at least 2, got {levels}")


def half_width(replicates: Floats, level: float) -> Floats:
    """Return half the width of the normal interval from bootstrap replicates, along the first axis, as SALib does."""
    from scipy.special import ndtri

    return ndtri(0.5 + level / 2) * replicates.std(axis=0, ddof=1)


@dataclass(frozen=True)
class SobolDesign:
    """Saltelli's design on the unit cube: base rows A and B, and copies of A with one group's columns of B.

    Runs stand in the order A, B, AB of each group, then BA of each group for indices of second order.

    Attributes
    ----------
    groups : tuple of tuple of int
        Columns of the unit cube that move together; every column is in one group.
    n : int
        Base rows, a power of two.
    seed : int
    second_order : bool
    level : float
        Of the confidence intervals.
    resamples : int
        Bootstrap samples of the base rows.
    """

    groups: tuple[tuple[int, ...], ...]
    n: int
    seed: int
    second_order: bool = False
    level: float = 0.95
    resamples: int = 200

    def __post_init__(self) -> None:
        check_power(self.n)
        check_level("sensitivity", self.level)

    @property
    def blocks(self) -> int:
        """Number of copies of the base rows."""
        return 2 + len(self.groups) * (2 if self.second_order else 1)

    def unit(self) -> Floats:
        """Return where to run, shape (n blocks, columns), from a scrambled Sobol sequence."""
        from scipy.stats import qmc

        width = sum(len(g) for g in self.groups)
        options: dict[str, Any] = {"scramble": True, "seed": self.seed}
        base = qmc.Sobol(2 * width, **options).random(self.n)
        a, b = base[:, :width], base[:, width:]
        parts = [a, b]
        for own, other in ((a, b), (b, a))[: 2 if self.second_order else 1]:
            for group in self.groups:
                mixed = own.copy()
                mixed[:, list(group)] = other[:, list(group)]
                parts.append(mixed)
        return np.concatenate(parts)

    def complete(self, good: Floats) -> Floats:
        """Return which base rows have all their runs, from which runs are good, shape (n blocks,)."""
        return np.asarray(good.reshape(self.blocks, self.n).all(axis=0))

    def analyse(self, values: Floats, kept: Floats) -> dict[str, Floats]:
        """Return first, total and second order indices with half widths of their intervals.

        Parameters
        ----------
        values : array, shape (n blocks, columns)
            One quantity, with one column for each time, regimen, ...
        kept : bool array, shape (n,)
            Base rows that count.

        Returns
        -------
        dict
            ``S1``, ``S1_conf``, ``ST``, ``ST_conf`` of shape (groups, columns), with ``S2`` and ``S2_conf`` of shape
            (groups, groups, columns), ``variance`` and ``mean`` of shape (columns,). NaN where a quantity is constant.
        """
        from SALib.analyze.sobol import first_order, second_order, total_order

        y = values.reshape(self.blocks, self.n, -1)[:, kept]
        size = np.abs(y).max(axis=(0, 1))
        size = np.where(size > 0, size, 1.0)
        y = y / size  # squares of very large or small numbers are no numbers
        mean, sd = y[:2].mean(axis=(0, 1)), y[:2].std(axis=(0, 1))
        constant = ~(sd > 1e-12 * np.abs(y[:2]).max(axis=(0, 1)))
        # all runs, as SALib takes them, so that the numbers are the same
        z = (y - y.mean(axis=(0, 1))) / np.where(constant, 1.0, y.std(axis=(0, 1)))
        k = len(self.groups)
        a, b, ab, ba = z[0], z[1], z[2 : 2 + k], z[2 + k :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # constant columns become NaN below
            out = {
                "S1": np.stack([first_order(a, ab[j], b) for j in range(k)]),
                "ST": np.stack([total_order(a, ab[j], b) for j in range(k)]),
            }
            if self.second_order:
                out["S2"] = np.full((k, k, a.shape[1]), np.nan)
                for i in range(k):
                    for j in range(i + 1, k):
                        out["S2"][i, j] = out["S2"][j, i] = second_order(a, ab[i], ab[j], ba[i], b)
        counts = self._counts(a.shape[0])
        out |= {f"{name}_conf": half_width(r, self.level) for name, r in self._replicates(z, counts).items()}
        for array in out.values():
            array[..., constant] = np.nan
        with np.errstate(over="ignore"):  # a variance can be larger than any number
            return out | {"variance": np.where(constant, 0.0, (sd * size) ** 2), "mean": mean * size}

    def _counts(self, rows: int) -> Floats:
        """Return how often each base row is in each bootstrap sample, (resamples, rows), as shares of a mean."""
        rng = np.random.default_rng([self.seed, 1])
        return rng.multinomial(rows, np.full(rows, 1 / rows), size=self.resamples) / rows

    def _replicates(self, z: Floats, counts: Floats) -> dict[str, Floats]:
        """Return SALib's estimators on the bootstrap samples: every one is made of means over rows."""
        k = len(self.groups)
        a, b, ab, ba = z[0], z[1], z[2 : 2 + k], z[2 + k :]
        mean = counts @ (a + b) / 2
        spread = counts @ (a * a + b * b) / 2 - mean**2
        spread = np.where(spread > 0, spread, np.nan)
        steps = np.moveaxis(ab, 0, 1) - a[:, None]  # (rows, k, quantities): one product of all with the counts
        shape = len(counts), *steps.shape[1:]
        first = (counts @ (b[:, None] * steps).reshape(len(a), -1)).reshape(shape) / spread[:, None]
        total = (counts @ (steps**2).reshape(len(a), -1)).reshape(shape) / (2 * spread[:, None])
        out = {"S1": first, "ST": total}
        if self.second_order:
            product = counts @ (a * b)
            out["S2"] = np.full((len(counts), k, k, a.shape[1]), np.nan)
            for i in range(k):
                for j in range(i + 1, k):
                    both = (counts @ (ba[i] * ab[j]) - product) / spread
                    out["S2"][:, i, j] = out["S2"][:, j, i] = both - first[:, i] - first[:, j]
        return out


@dataclass(frozen=True)
class MorrisDesign:
    """Trajectories on a grid of the unit cube, one input changed at a step.

    Attributes
    ----------
    names : tuple of str
    n : int
        Trajectories.
    seed : int
    edges : tuple of (float, float)
        Shares of each input's distribution at the lowest and highest level.
    levels : int
        Even.
    level : float
    resamples : int
    """

    names: tuple[str, ...]
    n: int
    seed: int
    edges: tuple[tuple[float, float], ...]
    levels: int = 4
    level: float = 0.95
    resamples: int = 1000

    def __post_init__(self) -> None:
        check_level("sensitivity", self.level)
        check_paths(self.n, self.levels)

    @property
    def _problem(self) -> dict[str, Any]:
        return {"num_vars": len(self.names), "names": list(self.names), "bounds": [[0.0, 1.0]] * len(self.names)}

    def grid(self) -> Floats:
        """Return the trajectories on the unit cube, shape (n (names + 1), names)."""
        from SALib.sample.morris import sample

        return np.asarray(sample(self._problem, self.n, num_levels=self.levels, seed=self.seed))

    def unit(self) -> Floats:
        """Return where to run, as shares of each input's distribution."""
        low, high = np.array(self.edges).T
        return low + self.grid() * (high - low)

    def complete(self, good: Floats) -> Floats:
        """Return which trajectories have all their runs."""
        return np.asarray(good.reshape(self.n, -1).all(axis=1))

    def analyse(self, values: Floats, kept: Floats) -> dict[str, Floats]:
        """Return the mean, the mean size and the spread of the elementary effects, shape (names, columns).

        An effect is the change of the quantity for a move from the lowest to the highest level, as a straight line.
        """
        from SALib.analyze.morris import analyze

        grid = self.grid().reshape(self.n, -1, len(self.names))[kept]
        columns = values.reshape(self.n, grid.shape[1], -1)[kept]
        found: dict[str, list[Floats]] = {"mu_star": [], "mu_star_conf": [], "mu": [], "sigma": []}
        size = np.abs(columns).max(axis=(0, 1), initial=0.0)
        size = np.where(size > 0, size, 1.0)  # squares of very large or small numbers are no numbers
        for c in range(columns.shape[2]):
            said = analyze(
                self._problem,
                grid.reshape(-1, len(self.names)),
                np.ascontiguousarray(columns[..., c] / size[c]).ravel(),
                num_resamples=self.resamples,
                conf_level=self.level,
                num_levels=self.levels,
                seed=self.seed,
            )
            for name, rows in found.items():
                rows.append(np.ma.filled(np.ma.asarray(said[name], dtype=float), np.nan))
        return {n: np.array(rows, float).T * size for n, rows in found.items()}
