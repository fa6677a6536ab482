"""The unconstrained vector of a study and what it means: patients' parameters and factors on the residual errors.

Every entry of the vector is standard normal under the prior, but the logarithm of a spread with a half-normal prior.
On the scaled axis the value of free parameter k in patient i is ``mean + a q[ja] + b spread_k q[jb]`` (non-centred).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.study.priors import Free
from pkpd.model.scales import from_scale

__all__ = ["StudyVector", "Variable", "build_layout"]

Floats = NDArray[np.float64]
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_LOG_HALF_NORMAL = 0.5 * math.log(2.0 / math.pi)


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
class StudyVector:
    """Indices and constants that turn the unconstrained vector into values; made by :func:`build_layout`.

    Attributes
    ----------
    patients, cohorts : tuple of str
        Patients, and the cohort of each.
    groups : tuple of str
        Cohorts, each once.
    free : tuple of Free
    names : tuple of str, length dim
        What each entry of the vector is.
    mean, a, b : array, shape (patient, free)
    ja, jb : int array, shape (patient, free)
    spread : array, shape (free,)
        Known spread, or the scale of its prior.
    ju : int array, shape (free,)
        Entry that holds the log of the spread in units of that scale; -1 where known.
    outputs : tuple of str
        Outputs whose residual error has a factor.
    error_mean, error_sd, error_index : array, shape (output,)
    variables : tuple of Variable
    """

    patients: tuple[str, ...]
    cohorts: tuple[str, ...]
    groups: tuple[str, ...]
    free: tuple[Free, ...]
    names: tuple[str, ...]
    mean: Floats
    a: Floats
    ja: NDArray[np.int64]
    b: Floats
    jb: NDArray[np.int64]
    spread: Floats
    ju: NDArray[np.int64]
    outputs: tuple[str, ...]
    error_mean: Floats
    error_sd: Floats
    error_index: NDArray[np.int64]
    locations: Mapping[str, tuple[Floats, Floats, NDArray[np.int64]]]
    variables: tuple[Variable, ...] = field(default=())

    @property
    def dim(self) -> int:
        """Length of the unconstrained vector."""
        return len(self.names)

    def _spreads(self, q: Floats) -> Floats:
        u = np.where(self.ju < 0, 0.0, q[..., np.maximum(self.ju, 0)])
        with np.errstate(over="ignore"):
            return self.spread * np.exp(u)

    def scaled(self, q: Floats) -> Floats:
        """Return patients' parameters on their scaled axes, shape (..., patient, free)."""
        x = self.mean + self.a * q[..., self.ja]
        return x + (self.b * self._spreads(q)[..., None, :]) * q[..., self.jb]

    @cached_property
    def _axes(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
        """Columns on the log axis, on the logit axis, and the latter's lower bounds and widths."""
        on = {s: np.array([k for k, f in enumerate(self.free) if f.scale == s], np.int64) for s in ("log", "logit")}
        limits = np.array([self.free[k].limits for k in on["logit"]]).reshape(-1, 2)
        return on["log"], on["logit"], limits[:, 0], limits[:, 1] - limits[:, 0]

    def natural(self, x: Floats) -> Floats:
        """Return patients' parameters in their units from the scaled axes, shape (..., patient, free)."""
        log, logit, low, width = self._axes
        out = x.copy()
        with np.errstate(over="ignore"):
            out[..., log] = np.exp(x[..., log])
        out[..., logit] = low + width * (0.5 + 0.5 * np.tanh(0.5 * x[..., logit]))
        return out

    def slope(self, values: Floats) -> Floats:
        """Return the derivative of the natural by the scaled value, shape (patient, free)."""
        log, logit, low, width = self._axes
        out = np.ones(values.shape)
        out[..., log] = values[..., log]
        above = values[..., logit] - low
        out[..., logit] = above * (width - above) / width
        return out

    def errors(self, q: Floats) -> Floats:
        """Return the factors on the residual errors, shape (..., output)."""
        at = np.maximum(self.error_index, 0)
        with np.errstate(over="ignore"):
            return np.exp(self.error_mean + self.error_sd * q[..., at]) if len(at) else np.ones((*q.shape[:-1], 0))

    def values(self, q: Floats) -> tuple[Floats, Floats]:
        """Return patients' parameters in their units, (..., patient, free), and the factors, (..., output)."""
        return self.natural(self.scaled(q)), self.errors(q)

    def pull_back(self, q: Floats, values: Floats, by_value: Floats, by_error: Floats) -> Floats:
        """Return the gradient by q, shape (dim,), from those by the natural values and by the factors."""
        dx = by_value * self.slope(values)
        spreads = self._spreads(q)
        effect = self.b * spreads * dx
        out: Floats = np.bincount(self.ja.ravel(), (self.a * dx).ravel(), self.dim).astype(np.float64)
        out += np.bincount(self.jb.ravel(), effect.ravel(), self.dim)
        drawn = self.ju >= 0
        if drawn.any():
            out[self.ju[drawn]] += (effect * q[self.jb]).sum(axis=0)[drawn]
        live = self.error_index >= 0
        if live.any():
            out[self.error_index[live]] += (by_error * self.errors(q) * self.error_sd)[live]
        return out

    def log_prior(self, q: Floats) -> Floats:
        """Return the log density of the prior, shape (...,)."""
        drawn = self.ju[self.ju >= 0]
        out = -0.5 * (q * q).sum(axis=-1) - _HALF_LOG_2PI * (self.dim - len(drawn))
        if len(drawn):
            u = q[..., drawn]
            with np.errstate(over="ignore"):
                out = out + (0.5 * u * u + _LOG_HALF_NORMAL - 0.5 * np.exp(2.0 * u) + u).sum(axis=-1)
        return out

    def prior_gradient(self, q: Floats) -> Floats:
        """Return the gradient of the log density of the prior, shape (dim,)."""
        out = -q
        drawn = self.ju[self.ju >= 0]
        if len(drawn):
            with np.errstate(over="ignore"):
                out[drawn] = 1.0 - np.exp(2.0 * q[drawn])
        return out

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Return draws from the prior, shape (n, dim)."""
        q = rng.standard_normal((n, self.dim))
        drawn = self.ju[self.ju >= 0]
        q[:, drawn] = np.log(np.abs(q[:, drawn]))
        return q

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
        values, errors = self.values(q)
        spreads = self._spreads(q)
        names = [f.name for f in self.free]
        out: dict[str, Floats] = {}
        for v in self.variables:
            if v.kind == "error":
                out[v.name] = errors[..., self.outputs.index(v.free)]
                continue
            k = names.index(v.free)
            if v.kind == "patient":
                out[v.name] = values[..., k]
            elif v.kind == "shared":
                out[v.name] = values[..., 0, k]
            elif v.kind == "spread":
                out[v.name] = spreads[..., k]
            else:
                mean, sd, index = self.locations[v.free]
                x = mean + sd * q[..., index]
                out[v.name] = from_scale(x if v.dims else x[..., 0], v.scale, v.limits)
        return out


@dataclass
class _Draft:
    """A layout that grows parameter by parameter."""

    names: list[str] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    locations: dict[str, tuple[Floats, Floats, NDArray[np.int64]]] = field(default_factory=dict)

    def entry(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1


def build_layout(
    free: Sequence[Free], errors: Mapping[str, float | ErrorScale], patients: Sequence[str], cohorts: Sequence[str]
) -> StudyVector:
    """Return the layout of a study's unconstrained vector.

    Parameters
    ----------
    free : sequence of Free
        Checked: every patient, or its cohort, has a location.
    errors : mapping of output to factor or ErrorScale
    patients, cohorts : sequence of str
        Patients and the cohort of each.

    Raises
    ------
    PkpdError
        If two results have one name.
    """
    groups = tuple(dict.fromkeys(cohorts))
    shape = (len(patients), len(free))
    mean, a, b = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    ja, jb = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    spread, ju = np.zeros(len(free)), np.full(len(free), -1)
    draft = _Draft()
    for k, f in enumerate(free):
        column = _column(draft, f, patients, cohorts, groups)
        mean[:, k], a[:, k], ja[:, k], b[:, k], jb[:, k] = column
        if isinstance(f.spread, HalfNormal):
            spread[k], ju[k] = f.spread.scale, draft.entry(f"{f.name}_spread")
            draft.variables.append(Variable(f"{f.name}_spread", "spread", "log", (0.0, 1.0), (), f.name))
        elif f.spread is not None:
            spread[k] = f.spread
    error_mean, error_sd = np.zeros(len(errors)), np.zeros(len(errors))
    error_index = np.full(len(errors), -1)
    for o, (name, prior) in enumerate(errors.items()):
        if isinstance(prior, ErrorScale):
            error_mean[o], error_sd[o], error_index[o] = math.log(prior.value), prior.sd, draft.entry(f"{name}_error")
            draft.variables.append(Variable(f"{name}_error", "error", "log", (0.0, 1.0), (), name))
        else:
            error_mean[o] = math.log(prior)
    _check_results(draft.variables)
    return StudyVector(
        tuple(patients), tuple(cohorts), groups, tuple(free), tuple(draft.names), mean, a, ja, b, jb, spread, ju,
        tuple(errors), error_mean, error_sd, error_index, draft.locations, tuple(draft.variables),
    )  # fmt: skip


def _check_results(variables: Sequence[Variable]) -> None:
    """Raise PkpdError if two results of a calibration have one name, by which they are told apart."""
    owners: dict[str, list[str]] = {}
    for v in variables:
        what = {"shared": "value", "patient": "value"}.get(v.kind, v.kind)
        owners.setdefault(v.name, []).append(f"the {what} of '{v.free}'")
    if twice := [f"'{n}' is the name of {' and of '.join(own)}" for n, own in owners.items() if len(own) > 1]:
        raise PkpdError(f"study: {'; '.join(twice)}; results are told apart by name: rename a parameter or an output")


def _column(
    draft: _Draft, f: Free, patients: Sequence[str], cohorts: Sequence[str], groups: Sequence[str]
) -> tuple[Floats, Floats, NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Return mean, a, ja, b, jb of one free parameter."""
    n = len(patients)
    mean, a, b = np.zeros(n), np.zeros(n), np.zeros(n)
    ja, jb = np.zeros(n, np.int64), np.zeros(n, np.int64)
    if f.level == "shared":
        pair = f.location_of()
        assert pair is not None
        mean[:], a[:], ja[:] = pair[0], pair[1], draft.entry(f.name)
        draft.variables.append(Variable(f.name, "shared", f.scale, f.limits, (), f.name))
        return mean, a, ja, b, jb
    draft.variables.append(Variable(f.name, "patient", f.scale, f.limits, ("patient",), f.name))
    if f.pooling is None:
        for i, (patient, cohort) in enumerate(zip(patients, cohorts, strict=True)):
            pair = f.location_of(patient, cohort)
            assert pair is not None
            mean[i], a[i] = pair
            ja[i] = draft.entry(f"{f.name}[{patient}]") if pair[1] > 0 else 0
        return mean, a, ja, b, jb
    by_cohort = f.pooling == "cohort"
    keys = list(groups) if by_cohort else [""]
    pairs = [f.location_of(key) for key in keys]
    centre = np.array([p[0] for p in pairs if p is not None])
    sd = np.array([p[1] for p in pairs if p is not None])
    label = [f"{f.name}_location[{key}]" if by_cohort else f"{f.name}_location" for key in keys]
    index = np.array([draft.entry(name) if s > 0 else 0 for name, s in zip(label, sd, strict=True)])
    draft.locations[f.name] = (centre, sd, index)
    if (sd > 0).any():
        dims = ("cohort",) if by_cohort else ()
        draft.variables.append(Variable(f"{f.name}_location", "location", f.scale, f.limits, dims, f.name))
    for i, (patient, cohort) in enumerate(zip(patients, cohorts, strict=True)):
        g = keys.index(cohort) if by_cohort else 0
        mean[i], a[i], ja[i], b[i], jb[i] = centre[g], sd[g], index[g], 1.0, draft.entry(f"{f.name}[{patient}]")
    return mean, a, ja, b, jb
