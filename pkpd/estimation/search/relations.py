"""Covariate effects added to a model: linear, power, exponential, categorical."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.graph.functions import exp, log, where
from pkpd.errors import DataError, PkpdError, nearest
from pkpd.model.declare import Covariate, Omega, Parameter
from pkpd.model.model import Model

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.estimation.result import Fit

__all__ = ["SHAPES", "Relation", "relations_for", "with_relations"]

SHAPES = ("linear", "power", "exponential", "categorical")
#: most levels of a categorical covariate
LEVELS = 10
#: a linear effect may not come nearer to 0 than this part of the reference
LEAST = 0.01


@dataclass(frozen=True)
class Relation:
    """An effect of a covariate on a parameter.

    Where the parameter is on the log scale it is multiplied: ``linear`` by ``1 + theta (cov - centre)``, ``power`` by
    ``(cov / centre)^theta``, ``exponential`` by ``exp(theta (cov - centre))``, ``categorical`` by ``exp(theta_k)`` at
    level k. On the logit and additive scales ``linear`` and ``categorical`` add ``theta (cov - centre)`` and
    ``theta_k`` there.

    Attributes
    ----------
    parameter, covariate : str
    shape : {"linear", "power", "exponential", "categorical"}
    centre : float
        Median over subjects; for ``categorical`` the most frequent level, which has no effect.
    levels : tuple of float
        The other levels of a categorical covariate.
    low, high : float
        Range of the covariate in the data, in which a linear effect stays positive.
    """

    parameter: str
    covariate: str
    shape: str
    centre: float
    levels: tuple[float, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        return f"{self.covariate} on {self.parameter}, {self.shape}"

    @property
    def key(self) -> str:
        """Short text that names it."""
        return f"{self.parameter}~{self.covariate}:{self.shape}"

    @property
    def thetas(self) -> tuple[str, ...]:
        """Names of the parameters that it adds."""
        name = f"{self.covariate}_on_{self.parameter}".replace(".", "_")
        if self.shape != "categorical":
            return (name,)
        return tuple(f"{name}_{_spelt(level)}" for level in self.levels)

    def parameters(self, unit: str, multiplies: bool) -> list[Parameter]:
        """Return the declarations of its thetas, which begin without effect.

        Parameters
        ----------
        unit : str
            Of the covariate.
        multiplies : bool
            Whether the effect is a factor.
        """
        bounds = None
        if self.shape == "linear" and multiplies:
            bounds = (
                -(1.0 - LEAST) / (self.high - self.centre) if self.high > self.centre else -math.inf,
                (1.0 - LEAST) / (self.centre - self.low) if self.low < self.centre else math.inf,
            )
        per = f"1/({unit})" if unit and self.shape in ("linear", "exponential") else ""
        what = f"effect of {self.covariate} on {self.parameter}"
        if self.shape != "categorical":
            return [Parameter(self.thetas[0], 0.0, per, what, scale="additive", bounds=bounds, known="assumed")]
        return [
            Parameter(n, 0.0, "", f"{what} at {level:g}", scale="additive", known="assumed")
            for n, level in zip(self.thetas, self.levels, strict=True)
        ]

    def apply(self, value: Any, p: Any, x: Any, parameter: Parameter) -> Any:
        """Return the parameter with the effect.

        Parameters
        ----------
        value : number or Node
            Individual parameter without it.
        p : namespace
            Holds the thetas.
        x : number or Node
            Covariate.
        parameter : Parameter
            Gives the scale.
        """
        multiplies = _multiplies(parameter)
        if self.shape == "categorical":
            moved: Any = 0.0
            for name, level in zip(self.thetas, self.levels, strict=True):
                moved = where(abs(x - level) < 1e-9, p[name], moved)
            return value * exp(moved) if multiplies else _added(value, moved, parameter)
        theta = p[self.thetas[0]]
        if self.shape == "power":
            return value * exp(theta * log(x / self.centre))
        moved = theta * (x - self.centre)
        if self.shape == "exponential":
            return value * exp(moved)
        return value * (1.0 + moved) if multiplies else _added(value, moved, parameter)


def _multiplies(parameter: Parameter) -> bool:
    return parameter.scale == "log"


def _added(value: Any, moved: Any, parameter: Parameter) -> Any:
    """Return the value moved on the parameter's own scale."""
    if parameter.scale == "additive":
        return value + moved
    low, high = parameter.bounds or (0.0, 1.0)
    e = exp(moved)
    return low + (high - low) * (value - low) * e / ((high - value) + (value - low) * e)


def _spelt(level: float) -> str:
    return f"{level:g}".replace("-", "m").replace(".", "p").replace("+", "")


def relations_for(fit: Fit, wanted: Mapping[str, Any]) -> list[Relation]:
    """Return the relations that a user asks for.

    Parameters
    ----------
    fit : Fit
    wanted : mapping of parameter to covariates
        ``{"CL": ["WT", "AGE"]}`` tries the categorical relation of covariates with two values, the power relation of
        those that are positive, else the linear one; ``{"CL": {"WT": ["power", "linear"]}}`` says which.

    Raises
    ------
    PkpdError
        With all that is wrong: names, shapes, covariates that do not differ between subjects.
    """
    found, wrong = [], []
    for parameter, covariates in wanted.items():
        if parameter not in fit.model.parameters:
            known = list(fit.model.parameters)
            wrong.append(f"model '{fit.model.name}' has no parameter '{parameter}'{nearest(parameter, known)}")
            continue
        items = covariates if isinstance(covariates, Mapping) else dict.fromkeys(_several(covariates))
        for covariate, shapes in items.items():
            try:
                values = _values(fit.events, covariate)
                chosen = [_usual(values)] if shapes is None else _several(shapes)
                found += [_relation(fit.model.parameters[parameter], covariate, s, values) for s in chosen]
            except PkpdError as error:
                wrong.append(str(error))
    if not wrong and not found:
        wrong = ["no relations are named, give {'CL': ['WT']}"]
    if wrong:
        count = f"{len(wrong)} relations cannot be tried: " if len(wrong) > 1 else ""
        raise PkpdError(f"covariate search: {count}{'; '.join(dict.fromkeys(wrong))}")
    return found


def _several(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _values(table: EventTable, covariate: str) -> np.ndarray:
    """Return the covariate's value of each subject: its first."""
    if covariate not in table.covariates:
        known = list(table.covariates)
        if covariate in table.frame.columns and table.frame[covariate].dtype.kind not in "biuf":
            raise DataError(
                f"'{covariate}' is in the data, but as text; code it in numbers, for instance "
                f"frame['{covariate}'] = frame['{covariate}'].astype('category').cat.codes, and say 'categorical'"
            )
        raise DataError(
            f"the data have no covariate '{covariate}'; they have {', '.join(known)}{nearest(covariate, known)}"
        )
    values = table.frame[covariate].to_numpy(np.float64)[np.asarray(table.starts)[:-1]]
    if not np.isfinite(values).all():
        raise DataError(f"covariate '{covariate}' is missing in {int((~np.isfinite(values)).sum())} subjects")
    if np.ptp(values) == 0:
        raise DataError(f"covariate '{covariate}' is {values[0]:g} in all subjects")
    return values


def _usual(values: np.ndarray) -> str:
    if np.unique(values).size == 2:
        return "categorical"
    return "power" if values.min() > 0 else "linear"


def _relation(parameter: Parameter, covariate: str, shape: str, values: np.ndarray) -> Relation:
    if shape not in SHAPES:
        raise PkpdError(f"relation must be {', '.join(SHAPES)}, got {shape!r}{nearest(str(shape), SHAPES)}")
    if shape in ("power", "exponential") and not _multiplies(parameter):
        raise PkpdError(
            f"{shape} of {covariate} on {parameter.name}: the parameter is on the {parameter.scale} scale, where "
            "effects are linear or categorical"
        )
    if shape == "power" and values.min() <= 0:
        raise PkpdError(
            f"power of {covariate} on {parameter.name}: the covariate must be > 0, its least is {values.min():g}"
        )
    if shape != "categorical":
        centre, low, high = float(np.median(values)), float(values.min()), float(values.max())
        return Relation(parameter.name, covariate, shape, centre, (), low, high)
    levels, counts = np.unique(values, return_counts=True)
    if levels.size > LEVELS:
        raise PkpdError(
            f"categorical of {covariate} on {parameter.name}: it has {levels.size} values, {LEVELS} at most"
        )
    usual = int(np.argmax(counts))
    return Relation(
        parameter.name, covariate, shape, float(levels[usual]), tuple(float(v) for v in np.delete(levels, usual))
    )  # fmt: skip


def with_relations(model: Model, relations: Sequence[Relation], name: str | None = None) -> Model:
    """Return a model with covariate effects beside those that it has.

    Parameters
    ----------
    model : Model
        Values, covariances and residual errors stay.
    relations : sequence of Relation
    name : str, optional
        Of the new model.

    Raises
    ------
    ModelError
        If a parameter has no place in the function that the effects are written in.
    """
    if not relations:
        return model
    own = {n: q for n, q in model.parameters.items() if n in model.own.parameters}
    sd = dict(zip(model.etas, np.sqrt(np.diag(model.omega)).tolist(), strict=True))
    iov_sd = dict(zip(model.iov_etas, np.sqrt(np.diag(model.omega_iov)).tolist(), strict=True))
    kept = [
        replace(q, cv=None, sd=sd.get(n), iov_cv=None, iov_sd=None if n in iov_sd else q.iov_sd) for n, q in own.items()
    ]
    covariates = list(model.own.covariates.values())
    covariates += [
        Covariate(r.covariate, "", r.centre)
        for r in {r.covariate: r for r in relations}.values()
        if r.covariate not in model.covariates
    ]
    units = {n: c.unit for n, c in model.covariates.items()}
    added: list[Parameter] = []
    for r in relations:
        added += r.parameters(units.get(r.covariate, ""), _multiplies(model.parameters[r.parameter]))
    inside = [n for n in model.iov_etas if n in own]
    at = [model.iov_etas.index(n) for n in inside]
    routines: dict[str, Any] = {role: _plain(model, role) for role in model.routines if role != "individual"}
    new = Model(
        name or model.name, title=model.title, description=model.description, reference=model.reference,
        states=model.own.states.values(), parameters=[*kept, *added], covariates=covariates,
        outputs=[model.outputs[n] for n in model.own.outputs], parts=model.parts, time_unit=model.time_unit,
        omega_iov=[Omega(inside, model.omega_iov[np.ix_(at, at)])] if inside else [],
        individual=_wrapped(model, list(relations)), check_units=False, **routines,
    )  # fmt: skip
    values = {n: q.value for n, q in model.parameters.items()}
    return new.replace(values=values, omega=np.array(model.omega)) if model.etas else new.replace(values=values)


def _plain(model: Model, role: str) -> Callable[..., Any]:
    return model.routines[role].function


def _wrapped(model: Model, relations: list[Relation]) -> Callable[[Any, Any], dict[str, Any]]:
    """Return the function of individual parameters with the effects after what the model does itself."""
    routine = model.routines.get("individual")
    parameters = {r.parameter: model.parameters[r.parameter] for r in relations}

    def individual(p: Any, cov: Any) -> dict[str, Any]:
        out = {} if routine is None else dict(routine(p, cov))
        for r in relations:
            before = out[r.parameter] if r.parameter in out else _found(p, r.parameter)
            out[r.parameter] = r.apply(before, p, cov[r.covariate], parameters[r.parameter])
        return out

    return individual


def _found(p: Any, name: str) -> Any:
    for piece in name.split("."):
        p = p[piece]
    return p
