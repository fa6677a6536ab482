"""How much data would narrow a number: learned from pairs of the number and simulated data, checked on those left out.

Nested Monte Carlo needs the posterior of each simulated data set, and importance weights of posterior draws degenerate
when the data tell much. Here the number is regressed on the data instead, over draws of both (Strong M, Oakley JE,
Brennan A. Med Decis Making 2014;34:311-326): the mean and the spread of the number's normal score are ridge regressions
on principal scores of the data, their products and Gaussian bumps (Nystroem centres); its 5% and 95% quantiles are
those of the standardised residuals, of all rows or of those nearest by predicted mean, spread and side, or by leading
scores. All of it is predicted for draws that were left out, and calibrated there, so that a learner which fails to see
what data tell makes the interval too wide, and data that tell nothing leave it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import ndtri

__all__ = ["FOLDS", "LEVEL", "Features", "Learnt", "folds_of", "interval_width", "learn", "predicted", "scores_of"]

Floats = NDArray[np.float64]

#: draws are left out in so many parts; the interval's probability; penalties that are tried, per data set
FOLDS, LEVEL = 10, 0.9
_EDGES = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
_PENALTIES = np.logspace(-5, 1.5, 14)
_MOST, _CENTRES, _PRODUCTS = 40, 100, 5
_NEAREST = (60, 150)


@dataclass(frozen=True)
class Learnt:
    """What data would tell of a number.

    Attributes
    ----------
    width_now, width : float
        Of the 90% interval, without the data and on average with them.
    error : float
        Monte Carlo standard error of ``width``.
    tells_now, tells : float
        Probability that a class is called rightly, without the data and with them.
    """

    width_now: float
    width: float
    error: float
    tells_now: float
    tells: float


def interval_width(values: Floats) -> float:
    """Return the width of the central 90% interval of draws."""
    low, high = np.quantile(values, _EDGES, method="hazen")
    return float(high - low)


def scores_of(values: Floats) -> Floats:
    """Return normal scores, ``ndtri((rank - 1/2) / n)``; equal values have the same."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    return ndtri(middle / values.size)[place]


class Features:
    """Bases of data for ridge regression.

    Parameters
    ----------
    data : float array, (n, features)
        What was simulated, on a scale on which it is spread alike; made standard here, extremes drawn in.
    folds : int array, (n,)
        Which part each row is left out with.
    seed : int
        Of the centres of bumps.
    """

    def __init__(self, data: Floats, folds: NDArray[np.int64], seed: int) -> None:
        self.folds = folds
        spread = data.std(axis=0)
        moving = spread > 1e-9 * np.maximum(np.abs(data).max(axis=0, initial=0.0), 1e-300)
        z = np.clip((data[:, moving] - data[:, moving].mean(axis=0)) / spread[moving], -5.0, 5.0)
        self.bases: list[Floats] = []
        if not z.shape[1]:
            return
        _, s, axes = np.linalg.svd(z, full_matrices=False)
        pca = z @ axes[(s > 1e-6 * s[0]).nonzero()[0][:_MOST]].T
        pca /= np.sqrt((pca**2).sum(axis=1).mean())
        lead = pca[:, :_PRODUCTS]
        pairs = [lead[:, i] * lead[:, j] for i in range(lead.shape[1]) for j in range(i + 1)]
        rng = np.random.default_rng([seed, 11])
        centres = pca[rng.choice(len(pca), min(_CENTRES, len(pca)), replace=False)]
        away = ((pca[:, None, :] - centres) ** 2).sum(axis=2)
        middle = float(np.median(away)) or 1.0
        bumps = [np.exp(-away / (2 * f * middle)) for f in (1.0, 0.1, 0.01)]
        curved = np.column_stack([pca, *pairs])
        self.bases = [pca, curved, *(np.column_stack([curved, b]) for b in bumps)]

    def with_column(self, column: Floats) -> Features:
        """Return the same bases, each with a further column and its square."""
        more = object.__new__(Features)
        more.folds = self.folds
        more.bases = [np.column_stack([b, column, column**2]) for b in self.bases or [np.empty((column.size, 0))]]
        return more


def _ridge(basis: Floats, y: Floats, folds: NDArray[np.int64]) -> Floats:
    """Return predictions of rows left out, (penalties, n), by ridge regression on a centred basis."""
    out = np.empty((_PENALTIES.size, y.size))
    whole, cross = basis.T @ basis, basis.T @ y
    for k in range(int(folds.max()) + 1):
        away = folds == k
        b, t, n = basis[away], y[away], y.size - int(away.sum())
        mean, level = (basis.sum(axis=0) - b.sum(axis=0)) / n, (y.sum() - t.sum()) / n
        gram = (whole - b.T @ b) / n - np.outer(mean, mean)
        slope = (cross - b.T @ t) / n - mean * level
        values, vectors = np.linalg.eigh(gram)
        weight = (vectors.T @ slope) / (np.maximum(values, 0.0) + _PENALTIES[:, None])
        out[:, away] = level + weight @ vectors.T @ (b - mean).T
    return out


def predicted(features: Features, y: Floats, groups: NDArray[np.int64]) -> Floats:
    """Return the mean of y given the data, for rows left out; its plain mean where that is not surely worse.

    Parameters
    ----------
    features : Features
    y : float array, (n,)
    groups : int array, (n,)
        Rows of one draw, which are not independent.
    """
    flat = _ridge(np.empty((y.size, 0)), y, features.folds)[0]
    best, least = flat, float(np.mean((y - flat) ** 2))
    for basis in features.bases:
        for found in _ridge(basis, y, features.folds):
            error = float(np.mean((y - found) ** 2))
            if error < least:
                best, least = found, error
    return best if _gains((y - flat) ** 2 - (y - best) ** 2, groups) else flat


def _gains(gain: Floats, groups: NDArray[np.int64]) -> bool:
    """Tell whether a gain is above twice its standard error, over draws."""
    sums = np.bincount(groups, gain) / np.maximum(np.bincount(groups), 1)
    return bool(sums.mean() > 2 * sums.std(ddof=1) / np.sqrt(sums.size))


def _spread(features: Features, mean: Floats, rest: Floats, groups: NDArray[np.int64]) -> Floats:
    """Return the relative spread of residuals for rows left out: 1, or a regression of their logarithm."""
    # E log chi2_1 is the same everywhere and goes into the quantiles of what is standardised
    size = np.log(rest**2 + 1e-4 * np.mean(rest**2))
    return np.exp(0.5 * predicted(features.with_column(mean), size, groups))


@dataclass(frozen=True)
class _Interval:
    """The interval of a number's normal score given the data of each row, learned without that row.

    Attributes
    ----------
    middle, low, high : float array, (n,)
        Scores; the ends are calibrated before they are used, so that 5% of rows are beyond each.
    """

    middle: Floats
    low: Floats
    high: Floats

    def ends(self, y: Floats, kept: Any = slice(None)) -> tuple[Floats, Floats]:
        """Return the calibrated ends of some rows."""
        y, middle, low, high = (x[kept] for x in (y, self.middle, self.low, self.high))
        below, above = np.maximum(middle - low, 1e-9), np.maximum(high - middle, 1e-9)
        return (
            middle - below * np.quantile((middle - y) / below, _EDGES[1]),
            middle + above * np.quantile((y - middle) / above, _EDGES[1]),
        )


def _learned(features: Features, y: Floats, mean: Floats, groups: NDArray[np.int64]) -> list[_Interval]:
    """Return intervals of y given the data, by tails that all rows have in common, or those of near ones."""
    spread = _spread(features, mean, y - mean, groups)
    found = []
    for s in (np.ones(y.size), spread):
        low, high = np.quantile((y - mean) / s, _EDGES)
        found.append(_Interval(mean, mean + s * low, mean + s * high))
    side = predicted(features.with_column(mean), (y > 0).astype(float), groups)
    rest, lead = (y - mean) / spread, features.bases[0][:, :3].T if features.bases else ()
    for summary in ([mean, np.log(spread), side], lead):
        near = _neighbours(summary, groups)
        for k in _NEAREST if near.size else ():
            # Weibull's positions: a new row is beyond either end with 5%, however few are near
            low, high = np.quantile(rest[near[:, :k]], _EDGES, axis=1, method="weibull")
            found.append(_Interval(mean, mean + spread * low, mean + spread * high))
    return found


def _neighbours(summary: Iterable[Floats], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows of other draws that are nearest by some numbers, (n, most), nearest first; none if nothing varies."""
    told = np.column_stack([s / s.std() for s in summary if np.ptp(s) > 0] or [np.empty((groups.size, 0))])
    most = max(_NEAREST)
    if not told.shape[1] or groups.size < 4 * most:
        return np.empty((0, 0), np.int64)
    same = int(np.bincount(groups).max())
    _, near = KDTree(told).query(told, most + same)
    # rows of the own draw go to the end, where they are cut off
    order = np.argsort(groups[near] == groups[:, None], axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)[:, :most]


def _interval_score(low: Floats, high: Floats, y: Floats) -> Floats:
    """Return the interval score of each row (Gneiting T, Raftery AE. J Am Stat Assoc 2007;102:359-378)."""
    return high - low + 2 / (1 - LEVEL) * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))


def folds_of(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return which part each row is left out with; rows of one draw together."""
    draws = int(groups.max()) + 1
    parts = np.random.default_rng([seed, 10]).permutation(draws) % min(FOLDS, draws)
    return parts[groups].astype(np.int64)


def learn(
    values: Floats, data: Floats, groups: NDArray[np.int64], positive: NDArray[np.bool_] | None = None, seed: int = 0
) -> Learnt:
    """Return what data would tell of a number.

    Parameters
    ----------
    values : float array, (n,)
        The number in the truth of which the data of a row were simulated.
    data : float array, (n, features)
    groups : int array, (n,)
        Which draw the truth of a row is, 0, 1, ...; several rows may be of one.
    positive : bool array, (n,), optional
        Class of the truth, to be told.
    seed : int
        Of parts and centres.

    Returns
    -------
    Learnt
    """
    draws = np.zeros(int(groups.max()) + 1)
    draws[groups] = values
    folds = folds_of(groups, seed)
    scores, ranked = scores_of(draws), np.sort(draws)
    axis, y = np.sort(scores), scores[groups]
    features = Features(data, folds, seed)
    mean = predicted(features, y, groups)

    def ends(each: _Interval, kept: Any = slice(None)) -> tuple[Floats, Floats]:
        low, high = each.ends(y, kept)
        return np.interp(low, axis, ranked), np.interp(high, axis, ranked)

    now = interval_width(draws)
    low, high = np.quantile(draws, _EDGES, method="hazen")
    flat = _interval_score(np.full(y.size, low), np.full(y.size, high), values)
    learned = _learned(features, y, mean, groups)
    scored = [_interval_score(*ends(each), values) for each in learned]
    best = int(np.argmin([score.mean() for score in scored]))
    chosen = learned[best] if _gains(flat - scored[best], groups) else None
    if chosen is None:
        parts = folds_of(np.arange(draws.size), seed)
        found, error = now, _jackknife(lambda kept: interval_width(draws[kept]), parts)
    else:
        found = float(np.mean(np.subtract(*ends(chosen)[::-1])))
        error = _jackknife(lambda kept: float(np.mean(np.subtract(*ends(chosen, kept)[::-1]))), folds)
    if positive is None:
        return Learnt(now, found, error, np.nan, np.nan)
    truth = positive.astype(float)
    chance = predicted(features.with_column(mean), truth, groups)
    base = max(truth.mean(), 1 - truth.mean())
    return Learnt(now, found, error, float(base), float(max(base, np.mean((chance > 0.5) == positive))))


def _jackknife(statistic: Callable[[NDArray[np.bool_]], float], parts: NDArray[np.int64]) -> float:
    """Return the standard error of a statistic of the rows that are kept, by leaving out each part."""
    found = np.array([statistic(parts != k) for k in np.unique(parts)])
    return float(np.sqrt((found.size - 1) / found.size * ((found - found.mean()) ** 2).sum()))
