"""Where the spread of predictions comes from: between subjects, covariates, uncertain parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.population.columns import factor as cholesky
from pkpd.population.distributions import Distribution
from pkpd.population.people import Population
from pkpd.sensitivity.designs import SobolDesign, half_width
from pkpd.sensitivity.factors import Factor, Ranges, factors_from, names_from
from pkpd.sensitivity.result import SensitivityResult
from pkpd.sensitivity.runs import ModelRuns
from pkpd.sensitivity.screening import SHARES, analysed
from pkpd.simulation.failures import SolverWarning

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["draws_from", "single_shares", "variance"]

UNCERTAIN, BETWEEN, COVARIATES = "parameter uncertainty", "between subjects", "covariates"
_UNKNOWN = Distribution()


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


def variance(
    target: ModelRuns,
    population: Population | None,
    given: Ranges,
    draws: Any,
    n: int,
    seed: int,
    spread: float,
    level: float,
    on_failure: str,
) -> SensitivityResult:
    """Return the shares of variance of uncertain parameters, of differences between subjects, and of covariates."""
    model = target.model
    sources = _sources(model, population, given, draws, spread)
    ends = np.cumsum([0, *(s.width for s in sources)])
    groups = tuple(tuple(range(a, b)) for a, b in zip(ends[:-1], ends[1:], strict=True))
    design = SobolDesign(groups, n, seed, False, level)
    unit = design.unit()
    values = np.hstack([s.values(unit[:, list(g)]) for s, g in zip(sources, groups, strict=True)])
    factors = [f for s in sources for f in s.factors]
    result = analysed(
        "variance", target, factors, design, ([s.name for s in sources], "source"), SHARES, on_failure,
        title=f"shares of the variance by source, with {100 * level:g}% intervals", values=values,
    )  # fmt: skip
    data = result.data
    data["interaction"] = 1 - data["S1"].sum("source", skipna=False)
    data["interaction"].attrs = {"long_name": "share of the variance due to sources together", "units": "1"}
    data["variance"].attrs = {"long_name": "variance of the quantity, all sources"}
    notes = [*result.notes, *_notes(sources)]
    return SensitivityResult("variance", data, tuple(notes))


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
            f"sensitivity: draws must be a mapping of parameter to values, a data frame or a data set, got {type(draws)}"
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


def _sources(
    model: Model, population: Population | None, given: Ranges, draws: Any, spread: float
) -> list[_Source]:
    """Return what the spread comes from."""
    out = []
    asked: dict[str, Any] = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given or [])
    effects = [n for n in asked if n.startswith("eta_")]
    if effects:
        raise PkpdError(
            f"sensitivity: method='variance' takes the random effects from the model's omega or from the population; "
            f"leave {', '.join(effects)} out of parameters"
        )
    covariates = {n: r for n, r in asked.items() if n in model.covariates and n not in model.parameters}
    thetas = {n: r for n, r in asked.items() if n not in covariates}
    if draws is not None:
        if thetas:
            raise PkpdError(f"sensitivity: give either draws or ranges of {', '.join(thetas)}, not both")
        table = draws_from(model, draws)
        factors = tuple(_column(n, "parameter") for n in table)
        out.append(_Source(UNCERTAIN, factors, np.column_stack(list(table.values()))))
    elif thetas or not asked:
        out.append(_Source(UNCERTAIN, tuple(factors_from(model, thetas or None, spread))))
    if covariates:
        out.append(_Source(COVARIATES, tuple(factors_from(model, covariates, spread))))
    between = _between(model, population, [f.name for s in out for f in s.factors])
    return [*out, between]


def _between(model: Model, population: Population | None, taken: Sequence[str]) -> _Source:
    """Return what differs between subjects: the model's omega, or the persons of a population."""
    if population is not None and population.n > 1:
        if population.varying:
            raise PkpdError("sensitivity: method='variance' needs covariates that stay; the population's change in time")
        columns: dict[str, np.ndarray] = dict(population.parameters) | population.covariates
        kinds = {n: "parameter" for n in population.parameters} | dict.fromkeys(population.covariates, "covariate")
        twice = sorted(set(kinds) & set(taken))
        if [n for n in twice if kinds[n] == "parameter"]:
            raise PkpdError(f"sensitivity: {', '.join(twice)} comes from the population and is varied too; leave one out")
        columns = {n: v for n, v in columns.items() if n not in taken}
        columns |= {f"eta_{n}": population.etas[:, i] for i, n in enumerate(model.etas)}
        factors = tuple(_column(n, kinds.get(n, "effect")) for n in columns)
        return _Source(BETWEEN, factors, np.column_stack(list(columns.values())))
    if not model.etas:
        raise PkpdError(
            f"sensitivity: model '{model.name}' has no random effects, so nothing differs between subjects; "
            "use method='sobol', or give a population"
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
                f"draws are correlated (largest: {names[j]} with {names[i]}, {r[i, j]:.2f}); they are one source together"
            )
    return notes
