"""Profile likelihood: intervals that need no straight lines, and which parameters the data cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.kinds import kind_of
from pkpd.model.model import Model
from pkpd.options import checked
from pkpd.sensitivity_analysis.designs import check_level
from pkpd.sensitivity_analysis.objective import ModelObjective
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.sensitivity_analysis.walk import Better, ProfileProblem, Side, Transform, walked
from pkpd.simulation.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["profile_likelihood", "profile_model"]

FLAGS = ("identifiable", "practically non-identifiable", "structurally non-identifiable")
_RESTARTS = 5
_NULL = 1e-5  # of the curvature, scaled to a diagonal of ones


@checked
def profile_likelihood(
    objective: Callable[[dict[str, float]], float],
    start: Mapping[str, float],
    *,
    gradient: Callable[[dict[str, float]], Any] | None = None,
    scale: str | Mapping[str, str] = "identity",
    bounds: Mapping[str, tuple[float, float]] | None = None,
    profiles: Sequence[str] | None = None,
    level: float = 0.95,
    reach: float = 1000.0,
) -> SensitivityResult:
    """Find the profile of a log-likelihood along each parameter, and what it says of identifiability.

    A profile is the largest log-likelihood with one parameter held. Its interval holds the values at which twice the
    loss stays below the quantile of chi squared with one degree of freedom. A side on which the loss never gets there
    has no bound.

    Parameters
    ----------
    objective : callable
        Log-likelihood of values by name, ``objective({"CL": 9.0, "V": 15.0})``; -inf where there is none.
    start : mapping of name to float
        Where the fit begins.
    gradient : callable, optional
        Derivatives by name (or in the order of ``start``); differences of order 4 otherwise.
    scale : {"identity", "log"} or mapping of name to these
        Axis on which a parameter is moved; ``"log"`` for what is positive.
    bounds : mapping of name to (low, high), optional
        Values beyond are not allowed. A profile is looked for within them and from the start divided by ``reach`` to
        the start times ``reach`` on the log scale, and the start -+ ``reach`` times its size (at least 1) otherwise.
    profiles : sequence of str, optional
        Which parameters; all by default.
    level : float
        Of the intervals.
    reach : float

    Returns
    -------
    SensitivityResult
        ``estimate``, ``low``, ``high`` (NaN where open) and ``flag`` for each parameter, and the curves: ``value`` and
        ``drop`` over point, ``refit`` with the other parameters. Flags: identifiable; practically non-identifiable,
        where a side has no bound; structurally non-identifiable, where the profile is flat.

    Raises
    ------
    PkpdError
        If an option cannot be understood, or there is no log-likelihood at the start.

    Notes
    -----
    Raue A, et al. Bioinformatics 2009;25:1923-1929.

    Examples
    --------
    >>> found = profile_likelihood(lambda v: -0.5 * (v["x"] - 3) ** 2, {"x": 1.0})
    >>> found.data["low"].item().__round__(2), found.data["high"].item().__round__(2)
    (1.04, 4.96)
    """
    from scipy.special import chdtri

    if not callable(objective) or isinstance(objective, (Model, Source)):
        kind = kind_of(objective)
        raise PkpdError(
            "profile_likelihood takes a function of values by name that returns a log-likelihood, got "
            f"{f'a {kind}' if kind else type(objective).__name__}; of a Model with data use sensitivity(model, ..., "
            "method='profile', data=...), of a Fit pkpd.uncertainty.profile(fit)"
        )
    names = [str(n) for n in start]
    cut = float(chdtri(1, 1 - check_level(level)))
    axes = _axes(start, scale, bounds or {}, reach)
    chosen = names if profiles is None else list(profiles)
    strange = [n for n in chosen if n not in names]
    if strange:
        raise PkpdError(
            f"profile likelihood: no parameter '{strange[0]}'{nearest(strange[0], names)}; there is {', '.join(names)}"
        )
    problem = ProfileProblem(names, objective, gradient, axes)
    places = np.array([a.to(float(v)) for a, v in zip(axes, start.values(), strict=True)])
    if not math.isfinite(problem.loglik(places)):
        raise PkpdError(
            f"profile likelihood: the log-likelihood at the start is {problem.loglik(places)}; start elsewhere "
            f"({', '.join(f'{n}={v:g}' for n, v in start.items())})"
        )
    notes: list[str] = []
    for _ in range(_RESTARTS):
        best, top = problem.fit(places)
        errors = _scaled(problem, best)
        try:
            sides = {n: _both(problem, names.index(n), best, top, cut, errors) for n in chosen}
        except Better as better:
            places = better.places
            notes = ["a better optimum was found on the way; all profiles start from it"]
            continue
        return _result(problem, best, top, cut, level, sides, notes)
    raise PkpdError(
        f"profile likelihood: better optima turned up {_RESTARTS} times; start nearer to the best fit, "
        f"e.g. from {problem.values(places)}"
    )


def _result(
    problem: ProfileProblem, best: np.ndarray, top: float, cut: float, level: float,
    sides: Mapping[str, tuple[Side, Side]], notes: list[str],
) -> SensitivityResult:  # fmt: skip
    data = _dataset(problem, list(sides), best, top, cut, sides)
    data.attrs |= {"level": level, "title": f"profile likelihood with {100 * level:g}% intervals"}
    for name in sides:
        axis = problem.axes[problem.names.index(name)]
        if data["flag"].sel(parameter=name).item() != FLAGS[0]:
            notes.append(f"'{name}' was looked for from {axis.ends[0]:.4g} to {axis.ends[1]:.4g}")
    return SensitivityResult("profile", data, tuple(notes))


def profile_model(objective: ModelObjective, level: float) -> SensitivityResult:
    """Return the profiles of parameters of a model for observations with independent residual error."""
    model = objective.model
    scale, bounds = objective.scales()
    found = profile_likelihood(
        objective.loglik, objective.start, gradient=objective.gradient, scale=scale, bounds=bounds, level=level
    )
    found.data.attrs["model"] = model.name
    units = [model.parameters[str(n)].unit or "1" for n in found.data["parameter"].values]
    return SensitivityResult("profile", found.data.assign_coords(units=("parameter", units)), found.notes)


def _axes(
    start: Mapping[str, float], scale: str | Mapping[str, str], bounds: Mapping[str, tuple[float, float]], reach: float
) -> list[Transform]:
    """Return the axis of each parameter."""
    if not start:
        raise PkpdError("profile likelihood: start is empty; give a value for each parameter")
    if not reach > 1:
        raise PkpdError(f"profile likelihood: reach must be > 1, got {reach!r}")
    named = dict.fromkeys(start, scale) if isinstance(scale, str) else dict.fromkeys(start, "identity") | dict(scale)
    strange = [n for n in (*named, *bounds) if n not in start]
    wrong = [f"{n}: {s!r}" for n, s in named.items() if s not in ("identity", "log")]
    if strange or wrong:
        raise PkpdError(
            f"profile likelihood: scale and bounds are for the parameters in start ({', '.join(start)}), the scale "
            f"'identity' or 'log'; got {', '.join([*strange, *wrong])}"
        )
    out, off = [], []
    for name, value in start.items():
        log, size = named[name] == "log", max(abs(value), 1.0)
        # what moves along with the parameter held needs more room than that
        near, far = ((value / r, value * r) if log else (value - r * size, value + r * size) for r in (reach, reach**2))
        low, high = bounds.get(name, (-math.inf, math.inf))
        low, high = max(low, far[0]), min(high, far[1])
        if not low <= value <= high or not low < high or (log and value <= 0):
            off.append(f"{name}={value:g} in ({low:g}, {high:g}){' on the log scale' if log else ''}")
        ends = (max(low, near[0]), min(high, near[1]))
        out.append(Transform(log, float(low), float(high), (float(ends[0]), float(ends[1]))))
    if off:
        raise PkpdError(f"profile likelihood: {len(off)} starts do not lie within rising bounds: {'; '.join(off)}")
    return out


def _scaled(problem: ProfileProblem, best: np.ndarray) -> np.ndarray:
    """Set the units of the axes by the curvature at the optimum.

    Returns
    -------
    array, shape (names,)
        Standard errors with all others fitted, NaN where a parameter has a part in a direction without curvature.
    """
    seen = np.ones(best.size, bool)
    for _ in range(2):
        diagonal = np.diag(problem.curvature(best)).copy()
        seen = diagonal > 1e-10
        problem.units = np.where(seen, problem.units / np.sqrt(np.where(seen, diagonal, 1.0)), problem.units)
    shape = problem.curvature(best)
    root = np.sqrt(np.where(seen, np.clip(np.diag(shape), 1e-300, None), 1.0))
    values, vectors = np.linalg.eigh(shape / root / root[:, None])
    zero = values < _NULL
    null = (np.abs(vectors[:, zero]) > 0.01).any(axis=1) | ~seen
    inverse = (vectors[:, ~zero] ** 2 / values[~zero]).sum(axis=1)
    return np.where(null, np.nan, np.sqrt(inverse) / root * problem.units)


def _both(
    problem: ProfileProblem, held: int, best: np.ndarray, top: float, cut: float, errors: np.ndarray
) -> tuple[Side, Side]:
    limits = problem.axes[held].looked
    first = 0.22 * math.sqrt(cut) * errors[held]
    if not math.isfinite(first) or first <= 0:
        first = (limits[1] - limits[0]) / 40
    low, high = (
        walked(problem, held, best, top, cut, sign, min(first, (limits[1] - limits[0]) / 8)) for sign in (-1, 1)
    )
    return low, high


def _flag(low: Side, high: Side) -> str:
    if (low.flat or high.flat) and all(side.flat or side.cornered for side in (low, high)):
        return FLAGS[2]
    return FLAGS[0] if low.bound is not None and high.bound is not None else FLAGS[1]


def _dataset(
    problem: ProfileProblem, chosen: list[str], best: np.ndarray, top: float, cut: float,
    sides: Mapping[str, tuple[Side, Side]],
) -> xr.Dataset:  # fmt: skip
    import xarray as xr

    rows = {n: [*reversed(low.points[1:]), *high.points] for n, (low, high) in sides.items()}
    width = max(map(len, rows.values()))
    value, drop = (np.full((len(chosen), width), np.nan) for _ in range(2))
    refit = np.full((len(chosen), width, len(problem.names)), np.nan)
    ends = np.full((2, len(chosen)), np.nan)
    flags = []
    for k, name in enumerate(chosen):
        i = problem.names.index(name)
        for p, point in enumerate(rows[name]):
            value[k, p], drop[k, p] = problem.axes[i].back(point.at), max(point.drop, 0.0)
            refit[k, p] = list(problem.values(point.places).values())
        for side, found in enumerate(sides[name]):
            ends[side, k] = np.nan if found.bound is None else problem.axes[i].back(found.bound)
        flags.append(_flag(*sides[name]))
    estimate = [problem.values(best)[n] for n in chosen]
    data = {
        "estimate": ("parameter", estimate, {"long_name": "maximum likelihood estimate"}),
        "low": ("parameter", ends[0], {"long_name": "lower end of the interval, NaN where it is open"}),
        "high": ("parameter", ends[1], {"long_name": "upper end of the interval, NaN where it is open"}),
        "flag": ("parameter", flags, {"long_name": "identifiability"}),
        "value": (("parameter", "point"), value, {"long_name": "value of the parameter held"}),
        "drop": (("parameter", "point"), drop, {"long_name": "twice the loss of log-likelihood", "units": "1"}),
        "refit": (("parameter", "point", "free"), refit, {"long_name": "values of all parameters there"}),
    }
    logs = [problem.axes[problem.names.index(n)].log for n in chosen]
    about = {
        "method": "profile",
        "loglik": top,
        "threshold": cut,
        "evaluations": problem.evaluations,
        "model": "objective",
    }
    return xr.Dataset(data, {"parameter": chosen, "free": problem.names, "log": ("parameter", logs)}, about)
