"""Profile likelihood: intervals that need no straight lines, and which quantities the data cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.result import Fit
from pkpd.estimation.uncertainty.model_objective import ModelObjective
from pkpd.estimation.uncertainty.profile_of_fit import FitProfiles
from pkpd.estimation.uncertainty.profile_of_function import FunctionProfiles
from pkpd.estimation.uncertainty.walk import Better, ProfileLine, Side
from pkpd.kinds import Kind, needs
from pkpd.model.model import Model
from pkpd.options import check_level, checked
from pkpd.progress import Progress
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.simulation.arguments import Regimens, Times

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.residual import ResidualError
    from pkpd.people.population import Population

__all__ = ["profile"]

Axis: TypeAlias = Literal["identity", "log"]
FLAGS = ("identifiable", "practically non-identifiable", "structurally non-identifiable")
#: how often a better optimum may turn up
RESTARTS = 5
#: what belongs to which source
_OWN = {
    "Fit": ("method",),
    "Model": ("data", "error", "regimen", "population", "times"),
    "function": ("start", "gradient", "scale", "bounds"),
}


@checked
def profile(
    source: Fit | Model | Callable[[dict[str, float]], float],
    names: str | Iterable[str] | None = None,
    *,
    method: Literal["fo", "foce", "focei", "laplace"] | None = None,
    data: Mapping[str, np.ndarray | Sequence[float]] | None = None,
    error: Mapping[str, ResidualError] | None = None,
    regimen: Regimens = None,
    population: Population | None = None,
    times: Times | None = None,
    start: Mapping[str, float] | None = None,
    gradient: Callable[[dict[str, float]], Mapping[str, float] | Sequence[float] | np.ndarray] | None = None,
    scale: Axis | Mapping[str, Axis] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    level: float = 0.95,
    reach: float = 100.0,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    threads: int | None = None,
    progress: bool | None = None,
) -> SensitivityResult:
    """Find the profile of the likelihood along quantities, and what it says of identifiability.

    A profile is the largest log-likelihood with one quantity held and all others fitted again. Its interval holds the
    values at which twice the loss stays below the quantile of chi squared with one degree of freedom. It needs no
    standard errors, and a side on which the loss never gets there has no bound.

    Parameters
    ----------
    source : Fit, Model or function
        A fit: of its estimates. A model: of its parameters, for observations with independent residual error in
        ``data``. A function of values by name, ``source({"CL": 9.0, "V": 15.0})``, which returns the log-likelihood,
        -inf where there is none.
    names : str or iterable of str, optional
        Quantities; all by default, of a model all parameters that are not fixed. Of a fit also variances (``omega_CL``)
        and covariances. Of a model only these are fitted again.
    method : {"fo", "foce", "focei", "laplace"}, optional
        Of a fit: objective; its own, or FOCEI's where its method has none with an exact gradient. The profile of
        another objective begins at its own optimum. Priors of the fit are part of it.
    data, error : mapping of output to array, mapping of output to ResidualError, optional
        Of a model: observations at ``times``, missing where NaN, and how they scatter; the model's own errors by
        default.
    regimen, population, times
        Of a model, as for :func:`pkpd.simulate`.
    start : mapping of name to float
        Of a function: where its fit begins.
    gradient : callable, optional
        Of a function: derivatives by name (or in the order of ``start``); differences of order 4 otherwise.
    scale : {"identity", "log"} or mapping of name to these, optional
        Of a function: axis on which a parameter is moved; ``"log"`` for what is positive.
    bounds : mapping of name to (low, high), optional
        Of a function: values beyond are not allowed.
    level : float
        Of the intervals.
    reach : float
        A profile is looked for from the start or estimate divided by ``reach`` to ``reach`` times it, for quantities
        that may be negative up to ``reach`` times their size away (at least 1 for a function, the standard error by
        the expected information for a fit); always within bounds.
    rtol, atol, threads
        Of a model, as for :func:`pkpd.simulate`.
    progress : bool, optional

    Returns
    -------
    SensitivityResult
        ``data`` holds ``estimate``, ``low``, ``high`` (NaN where open) and ``flag`` of each quantity, and the curves:
        ``value`` and ``drop`` (twice the loss) over point, ``refit`` with all quantities there. Flags: identifiable;
        practically non-identifiable, where a side has no bound; structurally non-identifiable, where the profile is
        flat.

    Raises
    ------
    PkpdError
        If something cannot be understood, there is no log-likelihood at the start, or ever better optima turn up.

    Notes
    -----
    Venzon DJ, Moolgavkar SH. Appl Stat 1988;37:87-94; Raue A, et al. Bioinformatics 2009;25:1923-1929.

    Examples
    --------
    >>> found = profile(lambda v: -0.5 * (v["x"] - 3) ** 2, start={"x": 1.0})
    >>> found.data["low"].item().__round__(2), found.data["high"].item().__round__(2)
    (1.04, 4.96)
    """
    kind = source.kind if isinstance(source, Kind) else "function" if callable(source) else ""
    if kind not in _OWN:
        needs("profile", source, ("Model", "Fit", "function"))
    given = {
        "method": method, "data": data, "error": error, "regimen": regimen, "population": population, "times": times,
        "start": start, "gradient": gradient, "scale": scale, "bounds": bounds,
    }  # fmt: skip
    if wrong := [n for n, v in given.items() if v is not None and n not in _OWN[kind]]:
        raise PkpdError(f"profile: of a {kind} there is no use for {', '.join(wrong)}; leave that out")
    check_level("profile", level)
    if not reach > 1:
        raise PkpdError(f"profile: reach must be > 1, got {reach}")
    chosen = [names] if isinstance(names, str) else names if names is None else list(names)
    if isinstance(source, Fit):
        profiles: FitProfiles | FunctionProfiles = FitProfiles(source, method, reach)
    elif isinstance(source, Model):
        solver = {"rtol": rtol, "atol": atol, "threads": threads}
        own = ModelObjective(source, regimen, population, times, data, error, chosen, solver)
        profiles = FunctionProfiles(own.loglik, own.start, own.gradient, *own.scales(), reach, own.units())
        profiles.model = source.name
    else:
        assert callable(source)
        profiles = FunctionProfiles(source, start or {}, gradient, scale or "identity", bounds or {}, reach)
    return _profiled(profiles, _chosen(chosen, profiles.names), float(level), progress)


def _chosen(names: list[str] | None, known: tuple[str, ...]) -> list[str]:
    if names is None:
        return list(known)
    strange = [n for n in names if n not in known]
    if strange or not names:
        got = f"no estimate '{strange[0]}'{nearest(strange[0], known)}" if strange else "no estimates are named"
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise PkpdError(f"profile: {got}{more}; there is {', '.join(known)}")
    return names


def _profiled(
    profiles: FitProfiles | FunctionProfiles, chosen: list[str], level: float, progress: bool | None
) -> SensitivityResult:
    """Walk all profiles from one optimum; where a better one turns up, begin again."""
    from scipy.special import chdtri

    cut, notes = float(chdtri(1, 1.0 - level)), list(profiles.notes)
    for _ in range(RESTARTS):
        found: dict[str, tuple[ProfileLine, tuple[Side, Side]]] = {}
        with Progress(progress) as bar:
            bar.start(len(chosen), "profiles of the likelihood")
            for name in chosen:
                line = profiles.line(name)
                try:
                    found[name] = line, line.sides(cut)
                except Better as better:
                    profiles.begin(line.problem.whole(better.places))
                    notes = [*profiles.notes, "a better optimum was found on the way; all profiles start from it"]
                    break
                bar.advance(1)
        if len(found) == len(chosen):
            break
    else:
        raise PkpdError(f"profile: better optima turned up {RESTARTS} times; {profiles.advice}")
    about = {
        "method": "profile", "loglik": next(iter(found.values()))[0].top, "threshold": cut, "level": level,
        "model": profiles.model, "title": f"profile {profiles.what} with {100 * level:g}% intervals",
        "evaluations": sum({id(one.problem): one.problem.evaluations for one, _ in found.values()}.values()),
    }  # fmt: skip
    data = _dataset(found, about)
    for name, (one, _) in found.items():
        if data["flag"].sel(parameter=name).item() != FLAGS[0]:
            first, last = (one.problem.natural(one.held, v) for v in one.problem.axes[one.held].looked)
            notes.append(f"'{name}' was looked for from {first:.4g} to {last:.4g}")
    return SensitivityResult("profile", data, tuple(notes))


def _flag(low: Side, high: Side) -> str:
    if (low.flat or high.flat) and all(side.flat or side.cornered for side in (low, high)):
        return FLAGS[2]
    return FLAGS[0] if low.bound is not None and high.bound is not None else FLAGS[1]


def _dataset(found: Mapping[str, tuple[ProfileLine, tuple[Side, Side]]], about: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    chosen, free = list(found), list(next(iter(found.values()))[0].problem.names)
    rows = {n: [*reversed(low.points[1:]), *high.points] for n, (_, (low, high)) in found.items()}
    width = max(map(len, rows.values()))
    value, drop = (np.full((len(chosen), width), np.nan) for _ in range(2))
    refit, ends = np.full((len(chosen), width, len(free)), np.nan), np.full((2, len(chosen)), np.nan)
    for k, (name, (line, sides)) in enumerate(found.items()):
        for p, point in enumerate(rows[name]):
            value[k, p], drop[k, p] = line.problem.natural(line.held, point.at), max(point.drop, 0.0)
            refit[k, p] = line.problem.values(point.places)
        for s, side in enumerate(sides):
            ends[s, k] = np.nan if side.bound is None else line.problem.natural(line.held, side.bound)
    lines = [line for line, _ in found.values()]
    estimate = [line.problem.natural(line.held, float(line.best[line.held])) for line in lines]
    flags = [_flag(*sides) for _, sides in found.values()]
    data = {
        "estimate": ("parameter", estimate, {"long_name": "maximum likelihood estimate"}),
        "low": ("parameter", ends[0], {"long_name": "lower end of the interval, NaN where it is open"}),
        "high": ("parameter", ends[1], {"long_name": "upper end of the interval, NaN where it is open"}),
        "flag": ("parameter", flags, {"long_name": "identifiability"}),
        "value": (("parameter", "point"), value, {"long_name": "value of the quantity held"}),
        "drop": (("parameter", "point"), drop, {"long_name": "twice the loss of log-likelihood", "units": "1"}),
        "refit": (("parameter", "point", "free"), refit, {"long_name": "values of all quantities there"}),
    }
    coords = {
        "parameter": chosen, "free": free, "log": ("parameter", [line.log for line in lines]),
        "units": ("parameter", [line.unit for line in lines]),
    }  # fmt: skip
    return xr.Dataset(data, coords, dict(about))
