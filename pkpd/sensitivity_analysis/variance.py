"""Where the spread of predictions comes from: between subjects, covariates, uncertain parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from pkpd.errors import PkpdError
from pkpd.kinds import needs
from pkpd.people.columns import factor as cholesky
from pkpd.people.distributions import Distribution
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.designs import SobolDesign, check_power, half_width
from pkpd.sensitivity_analysis.factors import Factor, factors_from, names_from
from pkpd.sensitivity_analysis.method import SampledAnalysis, SensitivityProblem
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.sensitivity_analysis.runs import ModelRuns
from pkpd.sensitivity_analysis.screening import DesignRuns, analysed, executed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.simulation.source import Source

    Draws: TypeAlias = Mapping[str, np.ndarray | Sequence[float]] | pd.DataFrame | xr.Dataset | xr.DataTree

__all__ = ["Variance", "draws_from", "single_shares"]

UNCERTAIN, BETWEEN, COVARIATES = "parameter uncertainty", "between subjects", "covariates"
_UNKNOWN = Distribution()
DRAWS = 1024
"""Draws of the estimates of a fit."""


@dataclass(frozen=True)
class _Source:
    """One source of spread: the columns of values that follow from some columns of the unit cube."""

    name: str
    factors: tuple[Factor, ...]
    table: np.ndarray | None = None  # rows are drawn whole, so that what is correlated stays together
    chol: np.ndarray | None = None

    @property
    def width(self) -> int:
        return 1 if self.table is not None else len(self.factors)

    def values(self, u: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        if self.table is not None:
            return self.table[np.minimum((u[:, 0] * len(self.table)).astype(int), len(self.table) - 1)]
        if self.chol is not None:
            return ndtri(np.clip(u, 2.0**-53, 1 - 2.0**-53)) @ self.chol.T
        return np.column_stack([f.at(u[:, j]) for j, f in enumerate(self.factors)])


@dataclass(frozen=True, kw_only=True)
class Variance(SampledAnalysis):
    """Shares of the variance by source: uncertain parameters, differences between subjects, covariates.

    Subjects are drawn from the population if it has several persons, else from the model's omega. Uncertain parameters
    of a Fit are the typical values that it estimated, as its ``population`` draws them: correlated, and as well known
    as the data tell. Of a Model nothing says how well they are known; a fraction of each value, with a note, stands for
    that unless ranges or draws are given.

    Attributes
    ----------
    n : int
        Base rows of the Sobol sequence, a power of two.
    draws : mapping, data frame or data set, optional
        Correlated draws of uncertain parameters, e.g. of a posterior; taken whole, row by row.
    spread : float
        Names without a range, of a Model, are varied by -+ this fraction of their values, within their bounds.
    seed : int
    level : float
        Of the confidence intervals.
    """

    name: ClassVar[str] = "variance"

    n: int = 1024
    draws: Draws | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_power(self.n)

    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Return the shares of uncertain parameters, of differences between subjects, and of covariates."""
        model, population = problem.whole, problem.population
        alone = None if population is not None and population.n > 1 else population
        target = ModelRuns(model, problem.regimen, alone, problem.times, problem.quantities(), problem.options)
        sources, notes = _sources(problem, self)
        ends = np.cumsum([0, *(s.width for s in sources)])
        groups = tuple(tuple(range(a, b)) for a, b in itertools.pairwise(ends))
        design = SobolDesign(groups, self.n, self.seed, False, self.level)
        unit = design.unit()
        values = np.hstack([s.values(unit[:, list(g)]) for s, g in zip(sources, groups, strict=True)])
        factors = [f for s in sources for f in s.factors]
        study = executed(target, factors, design, values, problem.on_failure)
        title = f"shares of the variance by source, with {100 * self.level:g}% intervals"
        data = analysed(self.name, target.name, study, design, ([s.name for s in sources], "source"), title)
        data["interaction"] = 1 - data["S1"].sum("source", skipna=False)
        data["interaction"].attrs = {"long_name": "share of the variance due to sources together", "units": "1"}
        data["variance"].attrs = {"long_name": "variance of the quantity, all sources"}
        data = _with_single(data, study, design, sources)
        return SensitivityResult(self.name, data, (*study.notes, *_notes(sources), *notes))


def single_shares(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of the variance of y the mean of y given x explains, and its bootstrap replicates.

    The rows are cut into bins of equal size by x; the share is that of the means of the bins, less what bins of pure
    noise would have (epsilon squared of an analysis of variance). It holds for correlated inputs too, and then counts
    what x tells through the inputs it is correlated with.

    Parameters
    ----------
    x : array, shape (rows,)
    y : array, shape (rows, columns)
    counts : array, shape (resamples, rows)
        Shares of each row in each bootstrap sample.

    Returns
    -------
    array, shape (columns,); array, shape (resamples, columns)
    """
    n = len(x)
    bins = np.array_split(np.argsort(x, kind="stable"), int(np.clip(2 * round(n ** (1 / 3)), 8, 64)))
    weights = np.vstack([np.full((1, n), 1 / n), counts])
    size = np.stack([weights[:, b].sum(axis=1) for b in bins])[..., None]
    sums = np.stack([weights[:, b] @ y[b] for b in bins])
    mean, total = sums.sum(axis=0), weights @ y**2
    between = (sums**2 / np.where(size > 0, size, 1)).sum(axis=0) - mean**2
    whole = total - mean**2
    noise = (whole - between) * (len(bins) - 1) / (n - len(bins))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (between - noise) / np.where(whole > 0, whole, np.nan)
    return share[0], share[1:]


def _with_single(data: xr.Dataset, study: DesignRuns, design: SobolDesign, sources: Sequence[_Source]) -> xr.Dataset:
    """Return the data set with the share that each single parameter, effect or covariate explains."""
    names = [f.name for s in sources for f in s.factors]
    single: dict[str, list[np.ndarray]] = {"single": [], "single_conf": []}
    for quantity, (columns, kept, never) in study.clean.items():
        rows = np.flatnonzero(np.tile(kept, 2))  # A and B are independent draws of all inputs
        y = columns[rows]
        sd = y.std(axis=0)
        y = (y - y.mean(axis=0)) / np.where(sd > 0, sd, 1.0)
        counts = np.random.default_rng([design.seed, 2]).multinomial(
            rows.size, np.full(rows.size, 1 / rows.size), size=100
        )
        shares, widths = [], []
        for j in range(len(names)):
            share, replicates = single_shares(study.values[rows, j], y, counts / rows.size)
            shares.append(np.where(never | (sd == 0), np.nan, share))
            widths.append(np.where(never | (sd == 0), np.nan, half_width(replicates, design.level)))
        shape = (len(names), *study.runs.values[quantity].shape[1:])
        single["single"].append(np.array(shares).reshape(shape))
        single["single_conf"].append(np.array(widths).reshape(shape))
    texts = ("share of the variance that this input explains, what it is correlated with included", "half width of it")
    out = data.assign_coords(parameter=("parameter", names))
    for (key, arrays), text in zip(single.items(), texts, strict=True):
        dims = ("quantity", "parameter", *study.runs.dims)
        out[key] = (dims, np.stack(arrays), {"long_name": text, "units": "1"})
    return out.transpose("quantity", ..., "source", "parameter")


def draws_from(model: Model, draws: Any) -> dict[str, np.ndarray]:
    """Return draws of parameters, each of shape (draws,), from a mapping, a data frame or a data set (chain, draw).

    Raises
    ------
    PkpdError
        If a name is no parameter of the model, lengths differ, or a value is not finite.
    """
    if hasattr(draws, "posterior"):
        draws = draws.posterior
    columns = getattr(draws, "data_vars", draws)
    if not hasattr(columns, "items"):
        raise PkpdError(
            f"sensitivity: draws must be a mapping of parameter to values, a data frame or a data set, "
            f"got {type(draws).__name__}"
        )
    out = {str(n): np.asarray(getattr(v, "values", v), float).ravel() for n, v in columns.items()}
    names = names_from(model, out)
    wrong = [n for n in names if n not in model.parameters]
    sizes = {n: v.size for n, v in out.items()}
    if wrong:
        raise PkpdError(f"sensitivity: draws are of parameters; {', '.join(wrong)} is none of model '{model.name}'")
    if len(set(sizes.values())) > 1 or min(sizes.values()) < 2:
        raise PkpdError(f"sensitivity: draws must be as many for every parameter, at least 2; got {sizes}")
    bad = [n for n, v in out.items() if not np.isfinite(v).all()]
    if bad:
        raise PkpdError(f"sensitivity: draws of {', '.join(bad)} are not all finite; remove those draws")
    return out


def _sources(problem: SensitivityProblem, how: Variance) -> tuple[list[_Source], list[str]]:
    """Return what the spread comes from, and what is to be said of it."""
    model, given = problem.whole, problem.parameters
    asked: dict[str, Any] = dict(given) if isinstance(given, Mapping) else dict.fromkeys(problem.named() or [])
    effects = [n for n in asked if n.startswith("eta_")]
    if effects:
        raise PkpdError(
            f"sensitivity: Variance takes the random effects from the model's omega or from the population; "
            f"leave {', '.join(effects)} out of parameters"
        )
    covariates = {n: r for n, r in asked.items() if n in model.covariates and n not in model.parameters}
    thetas = {n: r for n, r in asked.items() if n not in covariates}
    out, notes = [], []
    if how.draws is not None:
        if thetas:
            raise PkpdError(f"sensitivity: give either draws or ranges of {', '.join(thetas)}, not both")
        out.append(_drawn(draws_from(model, how.draws)))
    elif thetas or not asked:
        bare = all(r is None for r in thetas.values())
        if problem.source is not None and bare:
            names_from(model, thetas or model.parameters)
            table = _known(problem.source, list(thetas), how.seed)
            out += [_drawn(table)] if table else []
        else:
            out.append(_Source(UNCERTAIN, tuple(factors_from(model, thetas or None, how.spread))))
        if problem.source is None and bare:
            notes.append(
                f"nothing says how well parameters are known: -+{100 * how.spread:g}% of each value is taken; give "
                "ranges, parameters={name: (low, high)}, draws, or a Fit"
            )
    if covariates:
        out.append(_Source(COVARIATES, tuple(factors_from(model, covariates, how.spread))))
    between = _between(model, problem.population, [f.name for s in out for f in s.factors])
    return [*out, between], notes


def _drawn(table: Mapping[str, np.ndarray]) -> _Source:
    """Return uncertain parameters of which there are draws."""
    return _Source(UNCERTAIN, tuple(_column(n, "parameter") for n in table), np.column_stack(list(table.values())))


def _known(source: Source, names: list[str], seed: int) -> Mapping[str, np.ndarray]:
    """Return draws of typical values as a fit knows them, all that it estimated by default.

    Raises
    ------
    PkpdError
        If the source is about people with parameters of their own, the fit has no covariance of its estimates, or
        something was not estimated.
    """
    needs(
        "sensitivity by Variance", source, ("Model", "Fit"),
        instead=dict.fromkeys(
            ("StudyFit", "Individual"),
            "or, with it, ranges of what is uncertain, parameters={name: (low, high)}, or draws=...",
        ),
    )  # fmt: skip
    found = source.subjects("sensitivity", DRAWS, seed).people.parameters
    if strange := [n for n in names if n not in found]:
        raise PkpdError(
            f"sensitivity: the fit did not estimate {', '.join(strange)}, so that nothing says how well it is known; "
            f"it estimated {', '.join(found) or 'no typical value'}; give ranges, parameters={{'{strange[0]}': (low, "
            "high)}"
        )
    return {n: found[n] for n in names} if names else found


def _between(model: Model, population: Population | None, taken: Sequence[str]) -> _Source:
    """Return what differs between subjects: the model's omega, or the persons of a population."""
    if population is not None and population.n > 1:
        if population.varying:
            raise PkpdError("sensitivity: Variance needs covariates that stay; the population's change in time")
        columns: dict[str, np.ndarray] = dict(population.parameters) | population.covariates
        kinds = dict.fromkeys(population.parameters, "parameter") | dict.fromkeys(population.covariates, "covariate")
        twice = sorted(set(kinds) & set(taken))
        if [n for n in twice if kinds[n] == "parameter"]:
            raise PkpdError(
                f"sensitivity: {', '.join(twice)} comes from the population and is varied too; leave one out"
            )
        columns = {n: v for n, v in columns.items() if n not in taken}
        columns |= {f"eta_{n}": population.etas[:, i] for i, n in enumerate(model.etas)}
        factors = tuple(_column(n, kinds.get(n, "effect")) for n in columns)
        return _Source(BETWEEN, factors, np.column_stack(list(columns.values())))
    if not model.etas:
        raise PkpdError(
            f"sensitivity: model '{model.name}' has no random effects, so nothing differs between subjects; "
            "use method=Sobol(), or give a population"
        )
    factors = tuple(factors_from(model, [f"eta_{n}" for n in model.etas], 0.5))
    return _Source(BETWEEN, factors, chol=cholesky(f"omega of '{model.name}'", model.omega))


def _column(name: str, kind: str) -> Factor:
    return Factor(name, kind, _UNKNOWN, np.nan)


def _notes(sources: Sequence[_Source]) -> list[str]:
    """Return which parameters are correlated."""
    notes = []
    for source in sources:
        if source.table is None or source.table.shape[1] < 2 or source.name != UNCERTAIN:
            continue
        spreading = source.table.std(axis=0) > 0
        names = [f.name for f, s in zip(source.factors, spreading, strict=True) if s]
        r = np.corrcoef(source.table[:, spreading].T).reshape(len(names), -1) - np.eye(len(names))
        i, j = np.unravel_index(np.argmax(np.abs(r)), r.shape)
        if abs(r[i, j]) > 0.1:
            notes.append(
                f"draws are correlated (largest: {names[i]} with {names[j]}, {r[i, j]:.2f}); "
                "they are one source together"
            )
    return notes
