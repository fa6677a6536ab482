"""Global indices of single inputs: Sobol's shares of variance and Morris' elementary effects."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.errors import PkpdError, SolverError
from pkpd.sensitivity_analysis.designs import MorrisDesign, SobolDesign, check_paths, check_power
from pkpd.sensitivity_analysis.factors import Factor, factors_from, function_factors
from pkpd.sensitivity_analysis.method import SampledAnalysis, SensitivityProblem
from pkpd.sensitivity_analysis.result import SensitivityResult, labelled
from pkpd.sensitivity_analysis.runs import FunctionRuns, ModelRuns, Runs
from pkpd.simulation.arguments import OnFailure
from pkpd.simulation.failures import SolverWarning, describe

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["DesignRuns", "Morris", "Sobol", "Target", "analysed", "check_independent", "executed"]

Target = ModelRuns | FunctionRuns
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "S1": {"long_name": "first-order index: share of the variance due to this input alone", "units": "1"},
    "ST": {"long_name": "total index: share of the variance due to this input with all interactions", "units": "1"},
    "S2": {"long_name": "second-order index: share of the variance due to the interaction of two inputs", "units": "1"},
    "S1_conf": {"long_name": "half width of the confidence interval of S1", "units": "1"},
    "ST_conf": {"long_name": "half width of the confidence interval of ST", "units": "1"},
    "S2_conf": {"long_name": "half width of the confidence interval of S2", "units": "1"},
    "mu_star": {"long_name": "mean size of the elementary effects"},
    "mu_star_conf": {"long_name": "half width of the confidence interval of mu_star"},
    "mu": {"long_name": "mean of the elementary effects"},
    "sigma": {"long_name": "standard deviation of the elementary effects"},
}


def check_independent(model: Model, factors: Sequence[Factor]) -> None:
    """Raise PkpdError if random effects that are correlated in a model are varied one by one."""
    own = [f.name[4:] for f in factors if f.kind == "effect"]
    at = [model.etas.index(n) for n in own]
    omega = model.omega[np.ix_(at, at)]
    pairs = [(own[i], own[j], omega[i, j]) for i in range(len(own)) for j in range(i) if omega[i, j] != 0]
    if pairs:
        a, b, c = pairs[0]
        raise PkpdError(
            f"sensitivity: {len(pairs)} pairs of random effects are correlated in model '{model.name}' (first: "
            f"eta_{b} with eta_{a}, covariance {c:g}), so the variance has no share of each alone; use "
            "method=Variance(), which takes all random effects together, or leave some out of parameters"
        )


@dataclass(frozen=True, kw_only=True)
class Sobol(SampledAnalysis):
    """Shares of the variance: of each input alone (S1), and with interactions (ST).

    A scrambled Sobol sequence in Saltelli's design (Comput Phys Commun 2010;181:259-270), ``n (k + 2)`` runs for k
    inputs, with the estimators and bootstrap intervals of SALib (Herman J, Usher W. JOSS 2017;2:97). Inputs are
    independent. Base rows with a failed run are left out.

    Attributes
    ----------
    n : int
        Base rows of the Sobol sequence, a power of two.
    second_order : bool
        Whether interactions of pairs (S2) are found too, with ``n (2 k + 2)`` runs.
    spread : float
        Names without a range are varied by -+ this fraction of their values, within their bounds.
    seed : int
    level : float
        Of the confidence intervals.

    Examples
    --------
    >>> Sobol(n=256).n
    256
    """

    name: ClassVar[str] = "sobol"
    takes_function: ClassVar[bool] = True

    n: int = 1024
    second_order: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_power(self.n)

    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Return Sobol's indices."""
        target, factors = target_of(problem, self.spread)
        if problem.model is not None:
            check_independent(problem.model, factors)
        groups = tuple((j,) for j in range(len(factors)))
        design = SobolDesign(groups, self.n, self.seed, self.second_order, self.level)
        study = executed(target, factors, design, None, problem.on_failure)
        title = f"Sobol indices with {100 * self.level:g}% intervals"
        data = analysed(self.name, target.name, study, design, ([f.name for f in factors], "parameter"), title)
        return SensitivityResult(self.name, _with_distributions(data, factors), tuple(study.notes))


@dataclass(frozen=True, kw_only=True)
class Morris(SampledAnalysis):
    """Elementary effects: a cheap screening of many inputs.

    Attributes
    ----------
    n : int
        Trajectories, each of as many runs as there are inputs and one more.
    levels : int
        Of each input, even; they span a uniform distribution, and the central 95% of others.
    spread : float
        Names without a range are varied by -+ this fraction of their values, within their bounds.
    seed : int
    level : float
        Of the confidence intervals.
    """

    name: ClassVar[str] = "morris"
    takes_function: ClassVar[bool] = True

    n: int = 64
    levels: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_paths(self.n, self.levels)

    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Return the elementary effects of Morris."""
        target, factors = target_of(problem, self.spread)
        names = tuple(f.name for f in factors)
        design = MorrisDesign(names, self.n, self.seed, tuple(f.edges for f in factors), self.levels, self.level)
        study = executed(target, factors, design, None, problem.on_failure)
        title = "elementary effects (Morris), per move across the whole range of an input"
        data = analysed(self.name, target.name, study, design, (list(names), "parameter"), title)
        return SensitivityResult(self.name, _with_distributions(data, factors), tuple(study.notes))


def target_of(problem: SensitivityProblem, spread: float) -> tuple[Target, list[Factor]]:
    """Return what is run many times, and what is varied."""
    if problem.function is not None:
        return FunctionRuns(problem.function, problem.of), function_factors(problem.parameters)
    target = ModelRuns(
        problem.whole, problem.regimen, problem.population, problem.times, problem.quantities(), problem.options
    )
    return target, factors_from(problem.whole, problem.parameters, spread)


def _with_distributions(data: xr.Dataset, factors: Sequence[Factor]) -> xr.Dataset:
    return data.assign_coords(distribution=("parameter", [repr(f.distribution) for f in factors]))


@dataclass
class DesignRuns:
    """What a design's runs gave.

    Attributes
    ----------
    runs : Runs
    values : array, shape (runs, factors)
    clean : dict of name to (columns, kept, never)
        Finite values, shape (runs, columns); base rows that count; columns that are finite in no run.
    notes : list of str
    """

    runs: Runs
    values: np.ndarray
    clean: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    notes: list[str]


def executed(
    target: Target,
    factors: Sequence[Factor],
    design: SobolDesign | MorrisDesign,
    values: np.ndarray | None,
    on_failure: OnFailure,
) -> DesignRuns:
    """Run a design, the factors' quantiles at its points unless values are given.

    Raises
    ------
    SolverError
        If runs failed and ``on_failure`` is ``"raise"``.
    PkpdError
        If fewer than half of the base rows are left.
    """
    if values is None:
        unit = design.unit()
        values = np.column_stack([f.at(unit[:, j]) for j, f in enumerate(factors)])
    runs = target(values, factors)
    study = DesignRuns(runs, values, {}, [])
    if runs.failed.any():
        study.notes.append(_told(target.name, runs, factors, values, on_failure))
    for name, array in runs.values.items():
        columns = array.reshape(len(values), -1)
        missing = ~np.isfinite(columns)
        never = np.asarray(missing[~runs.failed].all(axis=0))
        kept = design.complete(~(runs.failed | missing[:, ~never].any(axis=1)))
        study.notes += _left_out(name, kept, never, runs.failed, missing)
        study.clean[name] = (np.where(missing, 0.0, columns), kept, never)
    return study


def analysed(
    method: str,
    who: str,
    study: DesignRuns,
    design: SobolDesign | MorrisDesign,
    rows: tuple[list[str], str],
    title: str,
) -> xr.Dataset:
    """Return the indices of every quantity of a study.

    Parameters
    ----------
    rows : (list of str, str)
        Names of what the indices belong to, and the dim that holds them.
    """
    found, runs = {}, study.runs
    for name, (columns, kept, never) in study.clean.items():
        said = design.analyse(columns, kept)
        for out in said.values():
            out[..., never] = np.nan
        constant = int((said.get("variance", np.ones(1)) == 0).sum())
        if constant:
            study.notes.append(f"'{name}' does not vary at {constant} of {never.size} points; indices are NaN there")
        shape = runs.values[name].shape[1:]
        found[name] = {k: v.reshape((*v.shape[:-1], *shape)) for k, v in said.items()}
    about = {
        "model": who, "method": method, "title": title, "runs": len(study.values), "n": design.n,
        "seed": design.seed, "level": design.level, "failed": int(runs.failed.sum()),
    }  # fmt: skip
    data = labelled(found, rows[1], rows[0], runs.dims, runs.coords, ATTRIBUTES, about)
    return data.assign_coords(
        units=("quantity", [runs.units[q] for q in found]),
        meaning=("quantity", [runs.meanings.get(q, q) for q in found]),
    )


def _told(who: str, runs: Runs, factors: Sequence[Factor], values: np.ndarray, on_failure: OnFailure) -> str:
    """Return what is to be known of failed runs, having warned or raised."""
    at = np.flatnonzero(runs.failed)
    first = describe({f.name: float(v) for f, v in zip(factors, values[at[0]], strict=True)})
    text = f"{at.size} of {len(values)} runs failed (first: {first}); base rows with such runs are left out"
    if on_failure == "raise":
        raise SolverError(f"sensitivity of '{who}': {text}")
    if on_failure == "warn":
        warnings.warn(SolverWarning(f"sensitivity of '{who}': {text}"), stacklevel=6)
    return text


def _left_out(name: str, kept: np.ndarray, never: np.ndarray, failed: np.ndarray, missing: np.ndarray) -> list[str]:
    """Return what is to be known of values that are not finite."""
    if kept.sum() * 2 < kept.size:
        raise PkpdError(
            f"sensitivity: quantity '{name}' is left with {int(kept.sum())} of {kept.size} base rows "
            f"({int(failed.sum())} runs failed, {int((missing.any(axis=1) & ~failed).sum())} more have values that are "
            "not finite); narrow the ranges, or ask for a quantity that exists everywhere"
        )
    notes = []
    if never.any():
        notes.append(f"'{name}' is not finite in any run at {int(never.sum())} of {never.size} points; NaN there")
    odd = int((missing[:, ~never].any(axis=1) & ~failed).sum())
    if odd:
        notes.append(f"'{name}' is not finite in {odd} of {len(failed)} runs; base rows with such runs are left out")
    return notes
