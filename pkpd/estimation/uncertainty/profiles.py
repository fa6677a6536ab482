"""Profile likelihood of estimates: one natural quantity is held, all others are fitted again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.again import objective_again, smooth_method
from pkpd.estimation.methods.objective import Objective, Outcome
from pkpd.estimation.methods.optimise import minimise
from pkpd.estimation.uncertainty.sampled import check_level
from pkpd.options import checked
from pkpd.progress import Progress
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.sensitivity_analysis.walk import Better, ProfileProblem, Side, Transform, walked

if TYPE_CHECKING:
    from pkpd.estimation.result import Fit
    from pkpd.estimation.vector import PopulationVector

__all__ = ["Held", "profile"]

FLAGS = ("identifiable", "practically non-identifiable", "structurally non-identifiable")
#: how often a better optimum may turn up
RESTARTS = 3
#: stands for no limit on an axis: differences of infinities are not numbers
FAR = 1e9


@checked
def profile(
    fit: Fit,
    names: str | Iterable[str] | None = None,
    *,
    level: float = 0.95,
    reach: float = 100.0,
    method: str | None = None,
    progress: bool | None = None,
) -> SensitivityResult:
    """Find the profile of the likelihood along estimates.

    The interval of a quantity holds the values at which the objective rises by less than the quantile of chi squared
    with one degree of freedom when all others are fitted again. It needs no standard errors and may be open.

    Parameters
    ----------
    fit : Fit
    names : str or iterable of str, optional
        Labels of estimates, variances (``omega_CL``) and covariances too; all by default.
    level : float
        Of the intervals.
    reach : float
        A profile is looked for from the estimate divided by ``reach`` to ``reach`` times it, for quantities that may be
        negative up to ``reach`` times their size (at least 1) away; always within bounds.
    method : {"fo", "foce", "focei", "laplace"}, optional
        Objective; that of the fit, or FOCEI's where the method of the fit has none with an exact gradient. The profile
        of another objective begins at its own optimum.
    progress : bool, optional

    Returns
    -------
    SensitivityResult
        ``data`` holds ``estimate``, ``low``, ``high`` (NaN where open) and ``flag`` of each parameter, and the curves
        ``value``, ``drop`` (rise of the objective) and ``refit`` (all estimates there).

    Raises
    ------
    PkpdError
        If there is no such estimate, or ever better optima turn up.

    Notes
    -----
    Venzon DJ, Moolgavkar SH. Appl Stat 1988;37:87-94.

    Examples
    --------
    >>> import numpy as np
    >>> import pkpd
    >>> from pkpd.estimation.api import fit
    >>> model = pkpd.models["pk1_iv"]
    >>> dose = pkpd.Regimen(amt=100, cmt="central")
    >>> weights = [50, 62, 68, 74, 81, 95]
    >>> table = pkpd.EventTable.from_regimen([dose] * 6, [1.0, 6.0, 24.0], covariates={"WT": weights})
    >>> people = pkpd.Population.draw(model, 6, covariates={"WT": np.array(weights)}, seed=2)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> data = pkpd.read_events(table.frame.drop(columns="MDV"))
    >>> found = fit(model, data, "fo", fixed=["WT_CL", "WT_V"])
    >>> curve = profile(found, "CL").data.sel(parameter="CL")
    >>> bool(curve["low"] < found.theta["CL"] < curve["high"])
    True
    """
    from scipy.special import chdtri

    labels = list(fit.layout.labels)
    chosen = labels if names is None else [names] if isinstance(names, str) else list(names)
    strange = [n for n in chosen if n not in labels]
    if strange or not chosen:
        got = f"no estimate '{strange[0]}'{nearest(strange[0], labels)}" if strange else "no estimates are named"
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise PkpdError(f"profile: {got}{more}; there are {', '.join(labels)}")
    cut = float(chdtri(1, 1.0 - check_level("profile", level)))
    if not reach > 1:
        raise PkpdError(f"profile: reach must be > 1, got {reach}")
    name = smooth_method(fit) if method is None else method
    objective = objective_again(fit, name)
    notes = [] if name == fit.method else [f"of the objective of {name.upper()}, not of {fit.method}"]
    x = fit.x if name == fit.method else _optimum(objective, fit.x)
    for _ in range(RESTARTS):
        try:
            with Progress(progress) as bar:
                bar.start(len(chosen), "profiles of the likelihood")
                held, sides = {}, {}
                for label in chosen:
                    held[label] = Held(objective, x, labels.index(label), reach)
                    sides[label] = held[label].sides(cut)
                    bar.advance(1)
        except Better as better:
            x = _optimum(objective, better.places)
            notes.append("a better optimum was found on the way; all profiles start from it")
            continue
        return _result(fit, held, sides, cut, level, notes)
    raise PkpdError(
        f"profile: better optima turned up {RESTARTS} times; the fit has not converged, fit again with restarts"
    )


def _optimum(objective: Objective, x: np.ndarray) -> np.ndarray:
    lay = objective.layout
    return minimise(objective, x, lay.low, lay.high, _logs(lay)).x


def _logs(layout: PopulationVector) -> np.ndarray:
    return np.array([e.scale in ("log", "logit") for e in layout.entries])


class Held(ProfileProblem):
    """The objective with one natural quantity held, on the axes of the estimated vector.

    The held number of the vector follows from the quantity and the others: a variance of correlated effects, say, is
    the sum of squares of a row of the Cholesky factor.

    Parameters
    ----------
    objective : Objective
    x : float array, (n,)
        Optimum.
    k : int
        Number of the quantity.
    reach : float
        See :func:`profile`.
    """

    def __init__(self, objective: Objective, x: np.ndarray, k: int, reach: float) -> None:
        self.of, self.k, self.optimum, layout = objective, k, x, objective.layout
        entry = layout.entries[k]
        self.kind = "coordinate"
        if entry.kind in ("omega", "iov"):
            self.kind = "variance" if entry.at[0] == entry.at[1] else "covariance"
        axes = [
            Transform(False, max(a, -FAR), min(b, FAR), (0.0, 0.0))
            for a, b in zip(layout.low, layout.high, strict=True)
        ]
        super().__init__(list(layout.labels), lambda v: math.nan, None, axes)
        here, top = self.axis(x), objective(x)
        self.top, self.fisher = -0.5 * top.ofv, top.fisher
        size = (
            math.log(reach)
            if self.kind == "variance" or entry.scale in ("log", "logit")
            else reach * max(1.0, abs(here))
        )
        low, high = {
            "coordinate": (axes[k].low, axes[k].high),
            "variance": (2.0 * layout.low[k], 2.0 * layout.high[k]),
            "covariance": (-FAR, FAR),
        }[self.kind]
        # from a variance that has fallen to its least, a ratio leads nowhere
        vanished = self.kind == "variance" and here < low + math.log(1e4)
        axes[k] = Transform(False, low, high, (max(low, here - size), high if vanished else min(high, here + size)))

    # -- the axis of the quantity

    def axis(self, x: np.ndarray) -> float:
        """Return the place of a vector on the axis: its own number, the logarithm of a variance, or a covariance."""
        if self.kind == "coordinate":
            return float(x[self.k])
        value = float(self.of.layout.quantities(x)[self.k])
        return math.log(value) if self.kind == "variance" else value

    def natural(self, at: float, x: np.ndarray) -> float:
        """Return the natural value at a place on the axis."""
        if self.kind == "coordinate":
            x = x.copy()
            x[self.k] = at
            return float(self.of.layout.quantities(x)[self.k])
        return math.exp(at) if self.kind == "variance" else at

    def vector(self, places: np.ndarray) -> np.ndarray | None:
        """Return the vector in which the quantity has its place; None where there is none."""
        at = float(places[self.k])
        x = np.array(places, np.float64)
        if self.kind == "coordinate":
            return x
        lay = self.of.layout
        entry = lay.entries[self.k]
        i, j = entry.at
        x[self.k] = 0.0
        v = lay.natural(x)
        factor = v.factor if entry.kind == "omega" else v.factor_iov
        if self.kind == "variance":
            left = math.exp(at) - float(factor[i, :i] @ factor[i, :i])
            if left < math.exp(2.0 * lay.low[self.k]) * (1.0 - 1e-6):
                return None
            x[self.k] = max(0.5 * math.log(left), float(lay.low[self.k]))
        else:
            x[self.k] = (at - float(factor[i, :j] @ factor[j, :j])) / factor[j, j]
        return x

    # -- what the walk asks for

    def loglik(self, places: np.ndarray) -> float:
        """Return the log-likelihood without its constant."""
        self.evaluations += 1
        x = self.vector(places)
        return -math.inf if x is None else -0.5 * self.of(x).ofv

    def fit(self, places: np.ndarray, held: int | None = None) -> tuple[np.ndarray, float]:
        """Return the places of the largest log-likelihood with the quantity held, and its value."""
        k, lay = self.k, self.of.layout
        free = np.arange(places.size) != k
        if not free.any():
            return places, self.loglik(places)
        whole = places.copy()

        def reduced(y: np.ndarray) -> Outcome:
            self.evaluations += 1
            whole[free] = y
            x = self.vector(whole)
            outcome = None if x is None else self.of(x)
            if x is None or outcome is None or not math.isfinite(outcome.ofv):
                return replace(self._lost, gradient=np.zeros(y.size), fisher=np.eye(y.size))
            row = lay.jacobian(x)[k]
            P = np.zeros((x.size, y.size))
            P[free] = np.eye(y.size)
            if self.kind != "coordinate":
                P[k] = -row[free] / row[k]
            return replace(outcome, gradient=outcome.gradient @ P, fisher=P.T @ outcome.fisher @ P)

        begin = places[free]
        if not math.isfinite(reduced(begin).ofv):
            # a smaller variance with the others as they are may not exist: the row of the factor shrinks along
            begin = self._shrunk(places)[free]
            if not math.isfinite(reduced(begin).ofv):
                return places, -math.inf
        found = minimise(reduced, begin, lay.low[free], lay.high[free], _logs(lay)[free])
        out = places.copy()
        out[free] = found.x
        return out, -0.5 * found.outcome.ofv

    @property
    def _lost(self) -> Outcome:
        none = np.empty(0)
        return Outcome(math.inf, none, none, none, none, none, none)

    def _shrunk(self, places: np.ndarray) -> np.ndarray:
        """Return places at which the row of the factor of a variance is scaled to its new size."""
        lay = self.of.layout
        entry, out = lay.entries[self.k], places.copy()
        if self.kind != "variance":
            return out
        factor = math.exp(0.5 * (float(places[self.k]) - self.axis(self.optimum)))
        for t, e in enumerate(lay.entries):
            if e.kind == entry.kind and e.at[0] == entry.at[0] and e.at[1] < e.at[0]:
                out[t] = factor * self.optimum[t]
        return out

    # -- the profile

    def error(self) -> float:
        """Return the standard error on the axis, by the expected information."""
        row = self.of.layout.jacobian(self.optimum)[self.k]
        if self.kind == "coordinate":
            row = np.eye(row.size)[self.k]
        elif self.kind == "variance":
            row = row / float(self.of.layout.quantities(self.optimum)[self.k])
        variance = float(row @ np.linalg.pinv(0.5 * self.fisher, rcond=1e-10, hermitian=True) @ row)
        return math.sqrt(variance) if variance > 0 else math.nan

    def sides(self, cut: float) -> tuple[Side, Side]:
        """Return the profile to both sides."""
        best = self.optimum.copy()
        best[self.k] = self.axis(self.optimum)
        low, high = self.axes[self.k].looked
        step, error = (high - low) / 40, self.error()
        if math.isfinite(error):
            step = min(0.45 * math.sqrt(cut) * error, (high - low) / 8)
        try:
            first, second = (walked(self, self.k, best, self.top, cut, sign, step) for sign in (-1, 1))
        except Better as better:
            x = self.vector(better.places)
            raise Better(self.optimum if x is None else x) from None
        return first, second


def _flag(low: Side, high: Side) -> str:
    if low.flat and high.flat and low.bound is None and high.bound is None:
        return FLAGS[2]
    return FLAGS[0] if low.bound is not None and high.bound is not None else FLAGS[1]


def _result(
    fit: Fit, held: dict[str, Held], sides: dict[str, tuple[Side, Side]], cut: float, level: float, notes: list[str]
) -> SensitivityResult:
    import xarray as xr

    layout, chosen = fit.layout, list(held)
    rows = {n: [*reversed(low.points[1:]), *high.points] for n, (low, high) in sides.items()}
    width = max(map(len, rows.values()))
    value, drop = (np.full((len(chosen), width), np.nan) for _ in range(2))
    refit = np.full((len(chosen), width, layout.size), np.nan)
    ends, estimate, flags = np.full((2, len(chosen)), np.nan), [], []
    for i, n in enumerate(chosen):
        own, x = held[n], held[n].optimum
        estimate.append(float(layout.quantities(x)[own.k]))
        for p, point in enumerate(rows[n]):
            vector = own.vector(point.places)
            value[i, p], drop[i, p] = own.natural(point.at, x), max(point.drop, 0.0)
            if vector is not None:
                refit[i, p] = layout.quantities(vector)
        for s, side in enumerate(sides[n]):
            ends[s, i] = np.nan if side.bound is None else own.natural(side.bound, x)
        flags.append(_flag(*sides[n]))
        if flags[-1] != FLAGS[0]:
            first, last = (own.natural(v, x) for v in own.axes[own.k].looked)
            notes.append(f"'{n}' was looked for from {first:.4g} to {last:.4g}")
    about = {
        "method": "profile", "loglik": next(iter(held.values())).top, "threshold": cut, "level": level,
        "evaluations": sum(p.evaluations for p in held.values()), "model": layout.model.name,
        "title": f"profile likelihood with {100 * level:g}% intervals",
    }  # fmt: skip
    data: dict[str, Any] = {
        "estimate": ("parameter", estimate, {"long_name": "maximum likelihood estimate"}),
        "low": ("parameter", ends[0], {"long_name": "lower end of the interval, NaN where it is open"}),
        "high": ("parameter", ends[1], {"long_name": "upper end of the interval, NaN where it is open"}),
        "flag": ("parameter", flags, {"long_name": "identifiability"}),
        "value": (("parameter", "point"), value, {"long_name": "value of the parameter held"}),
        "drop": (("parameter", "point"), drop, {"long_name": "rise of the objective", "units": "1"}),
        "refit": (("parameter", "point", "free"), refit, {"long_name": "values of all estimates there"}),
    }
    units = [layout.model.parameters[n].unit or "1" if n in layout.model.parameters else "1" for n in chosen]
    logs = [held[n].kind == "variance" or layout.entries[held[n].k].scale == "log" for n in chosen]
    coords = {
        "parameter": chosen,
        "free": list(layout.labels),
        "log": ("parameter", logs),
        "units": ("parameter", units),
    }
    return SensitivityResult("profile", xr.Dataset(data, coords, about), tuple(notes))
