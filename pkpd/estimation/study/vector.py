"""What a study estimates, as typical values, random effects and residual factors; and its results by name.

The vector is that of every fit, `pkpd.estimation.vector.PopulationVector`, with typical values by patient or cohort. It
is sampled on axes on which the prior of every entry is standard normal, but for logarithms of spreads, whose spread is
half-normal: thetas and logarithms of factors are ``location + sd q``, random effects ``spread q`` (non-centred).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.levels import TypicalValues, VectorDesign
from pkpd.estimation.methods.posterior import Axes
from pkpd.estimation.priors import Priors
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.study.bounds import reaches
from pkpd.estimation.study.priors import Free
from pkpd.estimation.vector import PopulationVector
from pkpd.model.model import Model
from pkpd.model.scales import Pair, from_scale
from pkpd.observation.levels import Levels

__all__ = ["StudyDesign", "StudyVector", "Variable", "check_results", "design_of"]

Floats = NDArray[np.float64]

#: kinds of results that are values of a parameter
_PLACES = ("shared", "patient", "location")


@dataclass(frozen=True)
class Variable:
    """A named result of a calibration.

    Attributes
    ----------
    name : str
    kind : {"shared", "patient", "location", "spread", "error"}
    scale : str
    limits : (float, float)
    dims : tuple of str
        Beside chain and draw: none, ``patient`` or ``cohort``.
    free : str
        Parameter or output that it belongs to.
    """

    name: str
    kind: str
    scale: str
    limits: tuple[float, float]
    dims: tuple[str, ...]
    free: str


@dataclass(frozen=True, eq=False)
class StudyDesign:
    """What a study's declarations mean for the estimated vector.

    Attributes
    ----------
    model : Model
        Whose only variability is that of pooled parameters.
    vector : VectorDesign
    own : mapping of parameter to float array, (m,)
        Known values by patient, of parameters that are estimated in nobody.
    priors : mapping
        As for :class:`pkpd.estimation.priors.Priors`.
    limits : mapping of parameter to (float, float)
        Values that the model allows, of parameters whose prior could leave them.
    """

    model: Model
    vector: VectorDesign
    own: Mapping[str, Floats]
    priors: Mapping[str, Any]
    limits: Mapping[str, Pair]


def design_of(
    model: Model, free: Sequence[Free], errors: Mapping[str, float | ErrorScale], patients: Sequence[str],
    cohorts: Sequence[str],
) -> StudyDesign:  # fmt: skip
    """Return what declarations of a study mean; every patient, or its cohort, has a location of each parameter."""
    typical: dict[str, TypicalValues] = {}
    own: dict[str, Floats] = {}
    priors: dict[str, Any] = {}
    declared = {}
    for f in free:
        found, known = _typical(f, patients, cohorts)
        if found.labels or f.pooling:
            typical[f.name] = found
            priors |= known
        else:
            own[f.name] = found.held
        spread = f.spread.scale if isinstance(f.spread, HalfNormal) else f.spread
        if isinstance(f.spread, HalfNormal):
            priors[f"omega_{f.name}"] = f.spread
        started = found.start[0] if found.labels else float(found.held[0])
        limits = f.limits if f.scale == "logit" else model.parameters[f.name].bounds
        declared[f.name] = replace(
            model.parameters[f.name], value=started, bounds=limits, sd=spread, cv=None, iov_cv=None, iov_sd=None,
            scale=found.scale,
        )  # fmt: skip
    scales = {n: e for n, e in errors.items() if isinstance(e, ErrorScale)}
    factors = {n: e.value if isinstance(e, ErrorScale) else float(e) for n, e in errors.items()}
    priors |= {f"{n}_error": ErrorScale(1.0, e.sd) for n, e in scales.items()}
    spreads = frozenset(f.name for f in free if isinstance(f.spread, HalfNormal))
    vector = VectorDesign(typical, factors, frozenset(scales), spreads)
    limits = {f.name: found for f in free if (found := reaches(f, model)) is not None}
    return StudyDesign(model.with_variability(declared), vector, own, priors, limits)


def _typical(
    f: Free, patients: Sequence[str], cohorts: Sequence[str]
) -> tuple[TypicalValues, dict[str, tuple[float, float]]]:
    """Return typical values of a parameter in the patients, and the priors of those that are estimated."""
    keys: list[tuple[str, tuple[str, ...]]]
    if f.level == "shared":
        keys = [(f.name, ())] * len(patients)
    elif f.pooling == "all":
        keys = [(f"{f.name}_location", ())] * len(patients)
    elif f.pooling == "cohort":
        keys = [(f"{f.name}_location[{c}]", (c,)) for c in cohorts]
    else:
        keys = [(f"{f.name}[{p}]", (p, c)) for p, c in zip(patients, cohorts, strict=True)]
    pairs: list[Pair] = []
    for _, key in keys:
        pair = f.value_of(*key)
        assert pair is not None  # checked when the study was put together
        pairs.append(pair)
    known = {label: pair for (label, _), pair in zip(keys, pairs, strict=True) if pair[1] > 0}
    labels = tuple(known)
    at = np.array([labels.index(label) if label in known else -1 for label, _ in keys], np.int64)
    held = np.array([value for value, _ in pairs], np.float64)
    scale = "additive" if f.scale == "identity" else f.scale
    return TypicalValues(scale, labels, tuple(value for value, _ in known.values()), at, held), known


@dataclass(frozen=True, eq=False)
class StudyVector:
    """The estimated vector of a study with its axes and the names of its results.

    Attributes
    ----------
    population : PopulationVector
    priors : Priors
    design : StudyDesign
    free : tuple of Free
    levels : Levels
        Where patients' typical values stand in the vector.
    patients, cohorts, groups : tuple of str
        Patients, the cohort of each, and the cohorts, each once.
    """

    population: PopulationVector
    priors: Priors
    design: StudyDesign
    free: tuple[Free, ...]
    levels: Levels
    patients: tuple[str, ...]
    cohorts: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Outputs whose residual error has a factor."""
        return tuple(self.design.vector.factors)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each entry of the sampled vector is."""
        lay = self.population
        own = (f"{lay.etas[e.at[0]]}_spread" if e.kind == "omega" else e.name for e in lay.entries)
        return (*own, *(f"{n}[{p}]" for p in self.patients for n in lay.etas))

    @property
    def dim(self) -> int:
        """Length of the sampled vector."""
        return self.population.size + len(self.patients) * len(self.population.etas)

    # -- axes

    @cached_property
    def _axes(self) -> tuple[Floats, Floats]:
        """Where the axes of the estimated vector begin, and their lengths."""
        lay, prior = self.population, self.priors
        centre, length = prior.location.copy(), np.where(np.isfinite(prior.sd), prior.sd, 1.0)
        for row in prior.rows:
            centre[row.places[-1]] = math.log(row.scale)
        assert lay.size == centre.size
        return centre, length

    def frame(self) -> Axes:
        """Return the axes of the sampler."""
        centre, length = self._axes
        m, p = len(self.patients), len(self.population.etas)
        root = np.broadcast_to(np.diag(self.spreads(centre)), (m, p, p))
        return Axes(centre, np.diag(length), np.zeros((m, p)), root)

    def split(self, q: Floats) -> tuple[Floats, Floats]:
        """Return the estimated vector (..., size) and the random effects (..., m, p)."""
        centre, length = self._axes
        n, etas = self.population.size, self.population.etas
        x = centre + length * q[..., :n]
        own = q[..., n:].reshape(*q.shape[:-1], len(self.patients), len(etas))
        with np.errstate(over="ignore"):
            return x, own * self.spreads(x)[..., None, :]

    def spreads(self, x: Floats) -> Floats:
        """Return standard deviations of the random effects, (..., p)."""
        lay = self.population
        out = np.broadcast_to(np.diag(lay.factor0), (*x.shape[:-1], len(lay.etas))).copy()
        for k, e in enumerate(lay.entries):
            if e.kind == "omega":
                with np.errstate(over="ignore"):
                    out[..., e.at[0]] = np.exp(x[..., k])
        return out

    def log_prior(self, q: Floats) -> float:
        """Return the log density of the prior at q, without constants."""
        n = self.population.size
        return self.priors(self.split(q)[0])[0] - 0.5 * float(q[n:] @ q[n:])

    def is_outside(self, q: Floats) -> NDArray[np.bool_]:
        """Tell of vectors (..., dim) whether a value of them, typical or a patient's, is one that the model forbids."""
        return self.forbids(*self.split(q))

    def forbids(self, x: Floats, eta: Floats) -> NDArray[np.bool_]:
        """Tell what :meth:`is_outside` does of estimated vectors (..., size) and random effects (..., m, p)."""
        out = np.zeros(x.shape[:-1], bool)
        if not (limits := self.design.limits):
            return out
        found = {v.name: v.free for v in self.variables if v.free in limits and v.kind in _PLACES}
        values = self._values_of([v for v in self.variables if v.name in found], x, eta)
        for name, parameter in found.items():
            low, high = limits[parameter]
            value = np.asarray(values[name]).reshape(*out.shape, -1)
            out |= ((value < low) | (value > high)).any(axis=-1)
        return out

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Return draws from the prior, shape (n, dim); those that the model forbids are drawn again."""
        out = self.draw_unbounded(n, rng)
        while (bad := np.flatnonzero(self.is_outside(out))).size:
            out[bad] = self.draw_unbounded(bad.size, rng)
        return out

    def draw_unbounded(self, n: int, rng: np.random.Generator) -> Floats:
        """Return draws from the prior without the model's bounds, shape (n, dim)."""
        q = rng.standard_normal((n, self.dim))
        drawn = [k for k, e in enumerate(self.population.entries) if e.kind == "omega"]
        q[:, drawn] = np.log(np.abs(q[:, drawn]))
        return q

    # -- what the vector means

    def values(self, q: Floats) -> tuple[Floats, Floats]:
        """Return patients' parameters in their units, (..., patient, free), and the factors, (..., output)."""
        x, eta = self.split(q)
        return self._natural(x, eta), self.errors(x)

    def _natural(self, x: Floats, eta: Floats) -> Floats:
        """Return patients' parameters in their units, (..., patient, free)."""
        lay, shape = self.population, x.shape[:-1]
        typical = self.levels.values(x[..., : lay.q])
        place, effect = {n: k for k, n in enumerate(lay.scales)}, {n: k for k, n in enumerate(lay.etas)}
        out = np.empty((*shape, len(self.patients), len(self.free)))
        for k, f in enumerate(self.free):
            if f.name in self.design.own:
                out[..., k] = self.design.own[f.name]
                continue
            on_axis = typical[..., place[f.name], :] + (eta[..., effect[f.name]] if f.name in effect else 0.0)
            out[..., k] = from_scale(on_axis, f.scale, f.limits)
        return out

    def errors(self, x: Floats) -> Floats:
        """Return the factors on residual errors, (..., output), of an estimated vector."""
        entry = {e.name: k for k, e in enumerate(self.population.entries) if e.kind == "sigma"}
        out = np.empty((*x.shape[:-1], len(self.outputs)))
        for k, (name, value) in enumerate(self.design.vector.factors.items()):
            with np.errstate(over="ignore"):
                out[..., k] = np.exp(x[..., entry[f"{name}_error"]]) if f"{name}_error" in entry else value
        return out

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Results by name."""
        factors = self.design.vector
        return tuple(variables_of(self.free, [n for n in factors.factors if n in factors.estimated]))

    def transform(self, q: Floats) -> dict[str, Floats]:
        """Return every named variable in its natural unit.

        Parameters
        ----------
        q : array, shape (..., dim)

        Returns
        -------
        dict of name to array
            Shape (...,), (..., patient) or (..., cohort), see ``variables``.
        """
        return self._values_of(self.variables, *self.split(q))

    def _values_of(self, variables: Iterable[Variable], x: Floats, eta: Floats) -> dict[str, Floats]:
        """Return some named variables in their natural unit."""
        values, errors = self._natural(x, eta), self.errors(x)
        spreads, names = self.spreads(x), [f.name for f in self.free]
        out: dict[str, Floats] = {}
        for v in variables:
            if v.kind == "error":
                out[v.name] = errors[..., self.outputs.index(v.free)]
            elif v.kind == "spread":
                out[v.name] = spreads[..., self.population.etas.index(v.free)]
            elif v.kind == "location":
                out[v.name] = self._location(v, x)
            else:
                own = values[..., names.index(v.free)]
                out[v.name] = own if v.kind == "patient" else own[..., 0]
        return out

    def _location(self, v: Variable, x: Floats) -> Floats:
        """Return the location that patients, or those of each cohort, have in common."""
        each = self.levels.values(x[..., : self.population.q])[..., list(self.population.scales).index(v.free), :]
        first = [self.cohorts.index(g) for g in self.groups] if v.dims else 0
        return from_scale(each[..., first], v.scale, v.limits)


def variables_of(free: Sequence[Free], factors: Iterable[str]) -> list[Variable]:
    """Return the named results of a study, in the order of what is free and then of the factors."""
    out = []
    for f in free:
        if f.level == "shared":
            out.append(Variable(f.name, "shared", f.scale, f.limits, (), f.name))
            continue
        out.append(Variable(f.name, "patient", f.scale, f.limits, ("patient",), f.name))
        if f.pooling is not None and any(sd > 0 for _, sd in f.pairs.values()):
            dims = ("cohort",) if f.pooling == "cohort" else ()
            out.append(Variable(f"{f.name}_location", "location", f.scale, f.limits, dims, f.name))
        if isinstance(f.spread, HalfNormal):
            out.append(Variable(f"{f.name}_spread", "spread", "log", (0.0, 1.0), (), f.name))
    return out + [Variable(f"{n}_error", "error", "log", (0.0, 1.0), (), n) for n in factors]


def check_results(free: Sequence[Free], errors: Mapping[str, float | ErrorScale]) -> list[str]:
    """Return what is wrong where two results of a study have one name, by which they are told apart."""
    factors = [n for n, e in errors.items() if isinstance(e, ErrorScale)]
    owners: dict[str, list[str]] = {}
    for v in variables_of(free, factors):
        what = {"shared": "value", "patient": "value"}.get(v.kind, v.kind)
        owners.setdefault(v.name, []).append(f"the {what} of '{v.free}'")
    twice = [f"'{n}' is the name of {' and of '.join(own)}" for n, own in owners.items() if len(own) > 1]
    return [f"{each}; results are told apart by name: rename a parameter or an output" for each in twice]
