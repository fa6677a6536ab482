"""The estimated vector: typical values on their scale, covariances as Cholesky factors, residual parameters as logs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.estimation.entries import VectorEntry, factor_entries, far_from
from pkpd.estimation.levels import VectorDesign
from pkpd.model.declare import Parameter
from pkpd.model.model import Model
from pkpd.model.scales import Pair, from_scale, scale_slope, to_scale
from pkpd.observation.data import FitData
from pkpd.observation.density import FACTOR, SigmaSpec
from pkpd.observation.levels import Levels

if TYPE_CHECKING:
    from pkpd.engine.graph.nodes import Node

__all__ = ["Natural", "PopulationVector", "residual_specs"]


@dataclass(frozen=True)
class Natural:
    """Values of all parameters, fixed ones too.

    Attributes
    ----------
    theta : dict of name to float
    factor, factor_iov : float array
        Lower Cholesky factors of the covariances of eta and of kappa.
    sigma : dict of name to float
    """

    theta: dict[str, float]
    factor: np.ndarray
    factor_iov: np.ndarray
    sigma: dict[str, float]

    @property
    def omega(self) -> np.ndarray:
        """Covariance of eta."""
        return self.factor @ self.factor.T

    @property
    def omega_iov(self) -> np.ndarray:
        """Covariance of kappa."""
        return self.factor_iov @ self.factor_iov.T


def residual_specs(data: FitData, model: Model) -> list[SigmaSpec]:
    """Return the residual parameters of the observed outputs; names end with the output where there are several."""
    several = len(data.outputs) > 1
    out = []
    seen: set[str] = set()
    for channel in data.channels:
        if channel.observed in seen:
            continue
        seen.add(channel.observed)
        for k, r in enumerate(channel.error.parameters):
            name = f"{r.name}_{channel.observed}" if several else r.name
            out.append(SigmaSpec(name, r.value, r.scale, channel.observed, k, r.fixed))
    order = {n: i for i, n in enumerate(model.outputs)}
    return sorted(out, key=lambda s: order[s.output])


def scale_of(parameter: Parameter, varies: bool) -> str:
    """Return the scale on which a typical value is estimated.

    That of its variability; without any, the logarithm of a positive number that has a unit or a lower bound of at
    least 0, a number between finite bounds from 0 on as its logit, else the number itself.
    """
    if varies:
        return parameter.scale
    low, high = parameter.bounds or (-math.inf, math.inf)
    if parameter.scale == "logit" and low < parameter.value < high and math.isfinite(high - low):
        return "logit"
    if parameter.value > 0 and parameter.scale == "log":
        if low == 0 and high == 1 and parameter.value < 1:
            return "logit"
        if low >= 0 or (parameter.bounds is None and parameter.unit):
            return "log"
    return "additive"


class PopulationVector:
    """Which numbers are estimated, and where they stand in the vector.

    Parameters
    ----------
    model : Model
    data : FitData
    fixed : collection of str
        Names that keep their values: parameters, ``omega_<parameter>`` (its row and column of the covariance),
        ``omega_iov_<parameter>``, residual parameters.
    start : mapping of str to float
        Start values that differ from the model's: parameters, ``omega_<parameter>`` (variances), residual parameters.
    declared : mapping of str to float
        Values that were declared before any data, by the same names, where the model's are estimates.
    design : VectorDesign, optional
        What a study declares to be estimated; nothing else is then, and no number has bounds.

    Attributes
    ----------
    declared : dict of str to float
        Declared values of all, which default priors are about; wherever a search starts.
    """

    def __init__(
        self, model: Model, data: FitData, fixed: Collection[str] = (), start: Mapping[str, float] | None = None,
        declared: Mapping[str, float] | None = None, design: VectorDesign | None = None,
    ) -> None:  # fmt: skip
        self.model, self.design, self._people = model, design, data.n_subjects
        self.sigma_specs = residual_specs(data, model)
        if design is not None:
            self.sigma_specs = [replace(s, fixed=True) for s in self.sigma_specs]
            self.sigma_specs += [
                SigmaSpec(f"{n}_error", v, "log", n, FACTOR, n not in design.estimated)
                for n, v in design.factors.items()
            ]
            fixed = [f"omega_{n}" for n in model.etas if n not in design.spreads]
        self._check_names()
        self.declared = {**_declared(model, self.sigma_specs), **(declared or {})}
        self._check(fixed, start or {})
        start = dict(start or {})
        self.etas, self.kappas = tuple(model.etas), tuple(model.iov_etas)
        self.theta0 = {n: float(start.get(n, q.value)) for n, q in model.parameters.items()}
        self.sigma0 = {s.name: float(start.get(s.name, s.value)) for s in self.sigma_specs}
        self.factor0 = np.linalg.cholesky(_scaled(model.omega, self.etas, start, "omega_"))
        self.factor_iov0 = np.linalg.cholesky(_scaled(model.omega_iov, self.kappas, start, "omega_iov_"))
        thetas, self.unused = self._of_model(fixed) if design is None else self._of_design(design)
        omegas = [
            *factor_entries(model, "omega", self.factor0, {n for n in self.etas if f"omega_{n}" in fixed}),
            *factor_entries(model, "iov", self.factor_iov0, {n for n in self.kappas if f"omega_iov_{n}" in fixed}),
        ]
        free = [s for s in self.sigma_specs if not (s.fixed and s.name not in start) and s.name not in fixed]
        sigmas = [VectorEntry("sigma", s.name, (k, 0), s.scale, *far_from(s)) for k, s in enumerate(free)]
        self.sigmas = tuple(free)
        self.entries: tuple[VectorEntry, ...] = (*thetas, *omegas, *sigmas)
        self.q, self.w, self.s = len(thetas), len(omegas), len(sigmas)
        if design is not None:
            self.entries = tuple(replace(e, low=-math.inf, high=math.inf) for e in self.entries)
        self.low = np.array([e.low for e in self.entries])
        self.high = np.array([e.high for e in self.entries])
        self._transformed = self._places()

    # -- making it

    def _of_model(self, fixed: Collection[str]) -> tuple[list[VectorEntry], tuple[str, ...]]:
        """Return the typical values that the model declares to be estimated, and those that nothing depends on."""
        used, free = _used(self.model), [n for n, q in self.model.parameters.items() if not q.fixed]
        found = [self._theta(n, self.model.parameters[n]) for n in free if n not in fixed and n in used]
        return found, tuple(n for n in free if n not in used)

    def _of_design(self, design: VectorDesign) -> tuple[list[VectorEntry], tuple[str, ...]]:
        """Return the typical values that a study declares, which join the start values."""
        found = []
        for name in self.model.parameters:
            if (own := design.typical.get(name)) is not None:
                started = dict(zip(own.labels, own.start, strict=True))
                self.theta0 |= started
                self.declared |= started
                found += [
                    VectorEntry("theta", label, (k, 0), own.scale, parameter=name) for k, label in enumerate(own.labels)
                ]
        return found, ()

    @property
    def levels(self) -> Levels | None:
        """Where typical values that differ between subjects stand in the vector."""
        if self.design is None:
            return None
        first = {e.parameter: k for k, e in reversed(list(enumerate(self.entries[: self.q])))}
        every = [(n, self.design.typical[n]) for n in self.scales]
        place = [np.where(t.at < 0, -1, first.get(n, 0) + t.at) for n, t in every]
        held = [np.where(t.at < 0, to_scale(t.held, t.scale, self.model.parameters[n].bounds), 0.0) for n, t in every]
        shape = (len(every), self._people)
        return Levels(np.reshape(place, shape).astype(np.int64), np.reshape(held, shape).astype(float), self.q)

    def _check_names(self) -> None:
        """Raise DataError if two quantities have one name, by which estimates and start values are told apart."""
        what = [(n, f"parameter '{n}'") for n in self.model.parameters]
        what += [(f"omega_{n}", f"the variance of eta of '{n}'") for n in self.model.etas]
        what += [(f"omega_iov_{n}", f"the variance between occasions of '{n}'") for n in self.model.iov_etas]
        for s in self.sigma_specs:
            error = type(self.model.outputs[s.output].error).__name__
            what.append((s.name, f"a number of the residual error of output '{s.output}' ({error})"))
        owners: dict[str, list[str]] = {}
        for name, owner in what:
            owners.setdefault(name, []).append(owner)
        twice = [f"'{n}' is the name of {' and of '.join(own)}" for n, own in owners.items() if len(own) > 1]
        if twice:
            raise DataError(
                f"fit: model '{self.model.name}': {'; '.join(twice)}; estimates are told apart by name: rename the "
                'parameter, or give the class of the error a prefix (prefix: ClassVar[str] = "sigma_")'
            )

    def _check(self, fixed: Collection[str], start: Mapping[str, float]) -> None:
        known = [
            *self.model.parameters, *(f"omega_{n}" for n in self.model.etas),
            *(f"omega_iov_{n}" for n in self.model.iov_etas), *(s.name for s in self.sigma_specs),
        ]  # fmt: skip
        wrong = [(what, n) for what, names in (("fixed", fixed), ("start", start)) for n in names if n not in known]
        if wrong:
            what, n = wrong[0]
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise DataError(
                f"fit: {what} names '{n}'{more}, which model '{self.model.name}' has not; it has {', '.join(known)}"
                f"{nearest(n, known)}"
            )
        for n, v in start.items():
            what = f"{'the fixed value' if n in fixed else 'start'} of {n}"
            positive = n not in self.model.parameters
            if not math.isfinite(v) or (positive and v <= 0 and not n.startswith("cut_")):
                raise DataError(f"fit: {what} must be a finite number{' > 0' if positive else ''}, got {v}")
            bounds = None if positive else self.model.parameters[n].bounds
            if bounds and not bounds[0] <= v <= bounds[1]:
                raise DataError(f"fit: {what} is {v:g}, outside its bounds ({bounds[0]:g}, {bounds[1]:g})")

    def _theta(self, name: str, q: Parameter) -> VectorEntry:
        varies = name in self.model.etas or name in self.model.iov_etas
        scale = scale_of(q, varies)
        low, high = q.bounds or (-math.inf, math.inf)
        if scale == "log":
            low, high = (math.log(low) if low > 0 else -math.inf), (math.log(high) if high < math.inf else math.inf)
        elif scale == "logit":
            low, high = -20.0, 20.0
        return VectorEntry("theta", name, (0, 0), scale, low, high, name)

    def bounds(self, entry: VectorEntry) -> Pair | None:
        """Return the bounds of the parameter that a typical value is of; other numbers have none."""
        return self.model.parameters[entry.parameter].bounds if entry.kind == "theta" else None

    def _places(self) -> list[tuple[str, np.ndarray, tuple[np.ndarray, np.ndarray] | None]]:
        """Return the scales that are not that of the number itself: name, places in the vector, bounds."""
        at = {s: np.array([k for k, e in enumerate(self.entries) if e.scale == s], np.int64) for s in ("log", "logit")}
        bounds = [self.bounds(self.entries[k]) or (0.0, 1.0) for k in at["logit"]]
        limits = np.array(bounds, np.float64).reshape(-1, 2)
        every = (("log", at["log"], None), ("logit", at["logit"], (limits[:, 0], limits[:, 1])))
        return [each for each in every if each[1].size]

    # -- between the vector and values

    @property
    def size(self) -> int:
        """Number of estimated numbers."""
        return len(self.entries)

    @property
    def scales(self) -> dict[str, str]:
        """Scale of each parameter whose typical value is estimated, or declared by a study."""
        if self.design is not None:
            return {n: self.design.typical[n].scale for n in self.model.parameters if n in self.design.typical}
        return {e.parameter: e.scale for e in self.entries[: self.q]}

    @property
    def start(self) -> np.ndarray:
        """Vector of the start values."""
        return self.vector(Natural(self.theta0, self.factor0, self.factor_iov0, self.sigma0))

    def vector(self, natural: Natural) -> np.ndarray:
        """Return the vector of some values."""
        out = np.empty(self.size)
        for k, e in enumerate(self.entries):
            if e.kind == "theta":
                out[k] = to_scale(natural.theta[e.name], e.scale, self.bounds(e))
            elif e.kind == "sigma":
                out[k] = to_scale(natural.sigma[e.name], e.scale)
            else:
                value = (natural.factor if e.kind == "omega" else natural.factor_iov)[e.at]
                out[k] = math.log(max(value, 1e-300)) if e.scale == "log" else value
        return np.clip(out, self.low, self.high)

    def natural(self, x: np.ndarray) -> Natural:
        """Return the values of a vector, with those that are fixed."""
        theta, sigma = dict(self.theta0), dict(self.sigma0)
        factor, factor_iov = self.factor0.copy(), self.factor_iov0.copy()
        values = np.array(x, np.float64)
        for scale, places, bounds in self._transformed:
            values[places] = from_scale(values[places], scale, bounds)
        for value, e in zip(values.tolist(), self.entries, strict=True):
            if e.kind == "theta":
                theta[e.name] = value
            elif e.kind == "sigma":
                sigma[e.name] = value
            else:
                (factor if e.kind == "omega" else factor_iov)[e.at] = value
        return Natural(theta, factor, factor_iov, sigma)

    def effects_factor(self, x: np.ndarray, occasions: int) -> np.ndarray:
        """Return the Cholesky factor of the covariance of all random effects: eta, then kappa of each occasion."""
        factors = {"omega": self.factor0.copy(), "iov": self.factor_iov0.copy()}
        for value, e in zip(x[self.q :].tolist(), self.entries[self.q : self.q + self.w], strict=False):
            factors[e.kind][e.at] = math.exp(min(value, 700.0)) if e.scale == "log" else value
        n, k = len(self.etas), len(self.kappas)
        out = np.zeros((n + occasions * k, n + occasions * k))
        out[:n, :n] = factors["omega"]
        for o in range(occasions):
            at = slice(n + o * k, n + (o + 1) * k)
            out[at, at] = factors["iov"]
        return out

    # -- natural quantities of the estimates, for reports and the covariance step

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the estimated quantities: thetas, (co)variances of random effects, residual parameters."""
        return tuple(
            e.name
            if e.kind in ("theta", "sigma")
            else _covariance_name(e, self.etas if e.kind == "omega" else self.kappas)
            for e in self.entries
        )

    def quantities(self, x: np.ndarray) -> np.ndarray:
        """Return the natural quantities in the order of ``labels``."""
        v = self.natural(x)
        omega, iov = v.omega, v.omega_iov
        return np.array([
            v.theta[e.name] if e.kind == "theta" else v.sigma[e.name] if e.kind == "sigma"
            else (omega if e.kind == "omega" else iov)[e.at]
            for e in self.entries
        ])  # fmt: skip

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return the derivatives of ``quantities`` by the vector, (size, size)."""
        v = self.natural(x)
        out = np.zeros((self.size, self.size))
        for k, e in enumerate(self.entries):
            if e.kind == "theta":
                out[k, k] = scale_slope(v.theta[e.name], e.scale, self.bounds(e))
            elif e.kind == "sigma":
                out[k, k] = scale_slope(v.sigma[e.name], e.scale)
        for kind, factor in (("omega", v.factor), ("iov", v.factor_iov)):
            mine = [k for k, e in enumerate(self.entries) if e.kind == kind]
            for c in mine:
                d = np.zeros_like(factor)
                at = self.entries[c].at
                d[at] = factor[at] if self.entries[c].scale == "log" else 1.0
                moved = d @ factor.T + factor @ d.T
                for r in mine:
                    out[r, c] = moved[self.entries[r].at]
        return out

    def rebuilt(self, x: np.ndarray) -> Model:
        """Return the model with the values of a vector."""
        return _with_values(self.model, self, self.natural(x))


def _declared(model: Model, specs: Iterable[SigmaSpec]) -> dict[str, float]:
    """Return the values of a model by the names of start values: (co)variances by their diagonal."""
    out = {n: float(q.value) for n, q in model.parameters.items()}
    out |= {f"omega_{n}": float(v) for n, v in zip(model.etas, np.diag(model.omega), strict=True)}
    out |= {f"omega_iov_{n}": float(v) for n, v in zip(model.iov_etas, np.diag(model.omega_iov), strict=True)}
    return out | {s.name: float(s.value) for s in specs}


def _used(model: Model) -> set[str]:
    """Return the parameters that the equations depend on at all."""
    from pkpd.engine.graph.tree import symbols_of

    t = model.trace
    roots: list[Node] = [*t.derivatives, *t.initial, *t.outputs.values()]
    roots += [n for entries in t.dosing.values() for n in entries.values()]
    return {s.name for s in symbols_of(roots) if s.kind == "theta"}


def _scaled(omega: np.ndarray, names: Sequence[str], start: Mapping[str, float], prefix: str) -> np.ndarray:
    """Return the covariance with other variances and the same correlations."""
    sd = np.sqrt(np.diag(omega))
    factor = np.array(
        [math.sqrt(start[prefix + n]) / s if prefix + n in start else 1.0 for n, s in zip(names, sd, strict=True)]
    )
    return omega * np.outer(factor, factor)


def _covariance_name(e: VectorEntry, names: Sequence[str]) -> str:
    prefix = "omega_" if e.kind == "omega" else "omega_iov_"
    i, j = e.at
    return f"{prefix}{names[i]}" if i == j else f"{prefix}{names[i]},{names[j]}"


def _with_values(model: Model, layout: PopulationVector, v: Natural) -> Model:
    """Return the model with typical values, covariances and residual errors put in."""
    errors = {}
    for name in dict.fromkeys(s.output for s in layout.sigma_specs):
        error = model.outputs[name].error
        if error is None or error.exact:
            continue
        values = [v.sigma[s.name] for s in layout.sigma_specs if s.output == name and s.number != FACTOR]
        errors[name] = error.with_parameters(values)
    values = {n: x for n, x in v.theta.items() if n in model.parameters}
    return model.replace(values=values, omega=v.omega if model.etas else None, omega_iov=v.omega_iov, errors=errors)
