"""Normalised prediction distribution errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.fitted import Fitted, row_limits
from pkpd.estimation.whiten import whiten
from pkpd.kinds import needs
from pkpd.options import checked, whole_number
from pkpd.randomness import RESAMPLING, check_seed, uniforms_at

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.result import Fit

__all__ = ["BLOQ", "DECORRELATIONS", "npde", "npde_tests"]

DECORRELATIONS = {"cholesky": "cholesky", "inverse": "symmetric", "none": "none"}
BLOQ = ("impute", "omit")
#: numbers for which simulated data of some subjects are held together
MOST = 20_000_000


@checked
def npde(
    fit: Fit, *, n: int = 1000, seed: int = 0, decorrelation: str = "cholesky", bloq: str = "impute",
    lloq: float | dict[str, float] | None = None,
) -> xr.Dataset:  # fmt: skip
    """Return where each observation lies in the distribution that the model predicts, as a normal score.

    ``NPD`` is the score of the datum among ``n`` simulated ones. For ``NPDE`` the data of a subject, and each simulated
    set of them, are made uncorrelated before by mean and covariance of the simulated sets. Both are standard normal if
    the model is right, NPDE independent within subjects too. Data with log-normal error are decorrelated as logarithms.
    Counts and grades share a rank at random; they have NPD only.

    Censored data are imputed as in Nguyen 2012: the rank of one below its limit is uniform from 0 to the simulated
    fraction below, and the datum the quantile of that rank. Simulated data beyond the limit are imputed in the same
    way, so that they stay comparable.

    Parameters
    ----------
    fit : Fit
    n : int
        Simulated data sets, 100 at least.
    seed : int
        The result is a function of it.
    decorrelation : {"cholesky", "inverse", "none"}
        Root of the covariance: triangular (in the order of rows), symmetric; or NPDE left out.
    bloq : {"impute", "omit"}
        What is done with censored data.
    lloq : float or dict of output to float, optional
        Limit of quantification of rows without one; see :func:`pkpd.estimation.checks.fitted.row_limits`.

    Returns
    -------
    xarray.Dataset
        NPD and NPDE over ``row``, all data of the fit in their order.

    Raises
    ------
    PkpdError
        If a word is unknown or n too small.

    Notes
    -----
    Sources: Brendel K, Comets E, Laffont C, Laveille C, Mentré F. Pharm Res 2006;23:2036-2049; Comets E, Brendel K,
    Mentré F. Comput Methods Programs Biomed 2008;90:154-166; Nguyen THT, Comets E, Mentré F. J Pharmacokinet
    Pharmacodyn 2012;39:499-518. A rank is (number of simulated data below + a uniform number) / (n + 1), which is
    uniform exactly when datum and simulated data are exchangeable. So that decorrelation leaves them exchangeable, mean
    and covariance are taken of the simulated data and the datum together; without it the many rows of rich subjects
    would seem to vary too much (by about rows / n).
    """
    needs("npde", fit, ("Fit",), "pkpd.fit makes one")
    import xarray as xr
    from scipy.special import ndtri

    _check(n, decorrelation, bloq)
    work = _Work(Fitted(fit), n, check_seed(seed), DECORRELATIONS[decorrelation], bloq, lloq)
    for subjects, simulated in work.blocks():
        first = int(work.data.starts[subjects[0]])
        for i in subjects:
            work.subject(i, simulated, first)
    variables: dict[str, Any] = {
        "NPD": ("row", ndtri(work.npd), {"long_name": "normalised prediction discrepancy", "units": "1"}),
        "NPDE": ("row", ndtri(work.npde), {"long_name": "normalised prediction distribution error", "units": "1"}),
    }
    notes = "\n".join(work.notes())
    attrs = {"n": n, "seed": seed, "decorrelation": decorrelation, "bloq": bloq, "notes": notes}
    return xr.Dataset(variables, {"output": ("row", work.fitted.output)}, attrs)


def _check(n: int, decorrelation: str, bloq: str) -> None:
    for name, value, known in (("decorrelation", decorrelation, DECORRELATIONS), ("bloq", bloq, BLOQ)):
        if value not in known:
            raise PkpdError(f"npde: {name} must be {', '.join(known)}, got {value!r}{nearest(str(value), known)}")
    whole_number("npde: n, the simulated data sets,", n, 100)


class _Work:
    """Ranks of all data, subject by subject."""

    def __init__(self, fitted: Fitted, n: int, seed: int, root: str, bloq: str, lloq: Any) -> None:
        self.fitted, self.data, self.n, self.seed, self.root = fitted, fitted.data, n, seed, root
        self.npd, self.npde = np.full(fitted.n, np.nan), np.full(fitted.n, np.nan)
        self.low, self.high, self._notes = row_limits(fitted, lloq)
        self.usable = fitted.kind != "event"
        self.left_out = self.lost = 0
        if bloq == "omit":
            self.left_out = int((self.data.censored != 0).sum())
            self.usable &= self.data.censored == 0
            self.low[:], self.high[:] = -np.inf, np.inf
        self.continuous = np.isin(fitted.kind, ("normal", "log"))
        self.limited = self.continuous & (np.isfinite(self.low) | np.isfinite(self.high))
        self.ties = uniforms_at(seed, np.arange(fitted.n), 2, RESAMPLING)

    def blocks(self) -> Iterator[tuple[range, np.ndarray]]:
        """Yield subjects and their simulated data (n, rows of these), all subjects at once where memory allows."""
        starts, first = self.data.starts, 0
        while first < self.fitted.m:
            last = int(np.searchsorted(starts, starts[first] + MOST // self.n, side="right")) - 1
            last = min(max(last, first + 1), self.fitted.m)
            a, b = int(starts[first]), int(starts[last])
            yield range(first, last), np.concatenate([p[:, a:b] for p in self.fitted.simulate(self.n, self.seed)])
            first = last

    def subject(self, i: int, simulated: np.ndarray, first: int) -> None:
        """Rank the data of one subject among simulated ones, whose first column is datum ``first``."""
        a, b = int(self.data.starts[i]), int(self.data.starts[i + 1])
        rows = a + np.flatnonzero(self.usable[a:b])
        if not rows.size:
            return
        sims = simulated[:, rows - first]
        complete = np.isfinite(sims).all(axis=1)
        self.lost += int((~complete).sum())
        sims, y = sims[complete], self.data.y[rows].copy()
        if len(sims) < 0.5 * self.n:
            return
        part = self.limited[rows]
        if part.any():
            own = rows[part]
            u = uniforms_at(self.seed, own, self.n + 3, RESAMPLING)[:, 2:]
            y[part], sims[:, part] = _imputed(
                y[part], sims[:, part], self.data.censored[own], self.low[own], self.high[own], u
            )
        self.npd[rows] = _ranks(y, sims, self.ties[rows, 0])
        inner = self.continuous[rows]
        if self.root != "none" and inner.any():
            own = rows[inner]
            log = self.fitted.kind[own] == "log"
            self.npde[own] = _decorrelated(y[inner], sims[:, inner], log, self.root, self.ties[own, 1])

    def notes(self) -> list[str]:
        """Return what is to be said of the result."""
        out = list(self._notes)
        if self.lost:
            out.append(f"{self.lost} simulated subjects could not be solved and are left out")
        if self.left_out:
            out.append(f"{self.left_out} censored data are left out")
        ranked = self.continuous & np.isfinite(self.npd)
        if self.root != "none" and (missing := int((ranked & ~np.isfinite(self.npde)).sum())):
            out.append(
                f"{missing} data have no NPDE: the covariance of the simulated data of their subject is singular"
            )
        return out


def _imputed(
    y: np.ndarray, sims: np.ndarray, censored: np.ndarray, low: np.ndarray, high: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Put a number in the place of each datum beyond its limits: simulated numbers beyond it are dealt out anew.

    Parameters
    ----------
    y, low, high : float array, (k,)
    sims : float array, (n, k)
    censored : int array, (k,)
    u : float array, (k, n + 1 or more)
        Uniform numbers, the first for the data.
    """
    y, out = y.copy(), sims.copy()
    n = len(sims)
    for k in range(y.size):
        for beyond, sign, limit in ((sims[:, k] < low[k], 1, low[k]), (sims[:, k] > high[k], -1, high[k])):
            pool = np.sort(sims[beyond, k])
            if censored[k] == sign:
                y[k] = pool[int(u[k, 0] * pool.size)] if pool.size else limit
            if pool.size:
                out[beyond, k] = pool[(u[k, 1 : n + 1][beyond] * pool.size).astype(np.int64)]
    return y, out


def _ranks(y: np.ndarray, sims: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the share of the simulated data (n, k) below each datum, equal ones shared at random."""
    below, equal = (sims < y).sum(axis=0), (sims == y).sum(axis=0)
    return (below + u * (equal + 1)) / (len(sims) + 1)


def _decorrelated(y: np.ndarray, sims: np.ndarray, log: np.ndarray, root: str, u: np.ndarray) -> np.ndarray:
    """Return the ranks of the data among the simulated ones after both are made uncorrelated; NaN where impossible."""
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(log, np.log(y), y)
        sims = np.where(log, np.log(sims), sims)
    every = np.vstack([y, sims])
    every -= every.mean(axis=0)
    C = np.einsum("ni,nj->ij", every, every) / (len(every) - 1)  # threads of a matrix product cost more than they save
    if not np.isfinite(C).all():
        return np.full(y.size, np.nan)
    every = whiten(C, every.T, root).T
    if not np.isfinite(every).all():
        return np.full(y.size, np.nan)
    return _ranks(every[0], every[1:], u)


def npde_tests(npde: Any) -> dict[str, float]:
    """Return p-values of whether scores are standard normal: mean 0, variance 1, normal shape, and all of these.

    Wilcoxon's signed rank test, Fisher's test of the variance, Shapiro and Wilk's test; the global one is the least of
    the three times 3 (Bonferroni). Source: Comets E, Brendel K, Mentré F. Comput Methods Programs Biomed
    2008;90:154-166.

    Parameters
    ----------
    npde : array
        NaN are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.special import ndtri
    >>> found = npde_tests(ndtri((np.arange(200) + 0.5) / 200))
    >>> {name: bool(p > 0.5) for name, p in found.items()}
    {'mean': True, 'variance': True, 'normality': True, 'global': True}
    """
    from scipy import stats

    x = np.ravel(np.asarray(npde, np.float64))
    x = x[np.isfinite(x)]
    if x.size < 3:
        raise PkpdError(f"npde_tests: at least 3 numbers are needed, got {x.size}")
    total = float(((x - x.mean()) ** 2).sum())
    side = float(stats.chi2.cdf(total, x.size - 1))
    shape = x if x.size <= 5000 else np.sort(x)[np.linspace(0, x.size - 1, 5000).astype(int)]
    found = {
        "mean": float(stats.wilcoxon(x).pvalue),  # type: ignore[attr-defined]
        "variance": 2.0 * min(side, 1.0 - side),
        "normality": float(stats.shapiro(shape).pvalue),
    }
    return found | {"global": min(1.0, 3.0 * min(found.values()))}
