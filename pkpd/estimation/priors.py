"""What is believed of the estimated vector before the data, for MAP and full Bayes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.model.scales import to_scale
from pkpd.options import is_number

if TYPE_CHECKING:
    from pkpd.estimation.entries import VectorEntry
    from pkpd.estimation.vector import PopulationVector

__all__ = ["CORRELATION", "Priors"]

#: step of differences of gradients
STEP = 1e-4
#: name of the shape of the prior of correlations
CORRELATION = "correlation"
Given = Mapping[str, float | tuple[float, float] | HalfNormal | ErrorScale]


@dataclass(frozen=True)
class _Row:
    """A row of a Cholesky factor: places of its entries in the vector, its number there and in its block."""

    places: tuple[int, ...]
    columns: tuple[int, ...]
    kind: str
    row: int
    number: int
    block: int
    scale: float


class Priors:
    """Independent priors of the estimated numbers.

    Thetas are normal on the scale of estimation (log, logit or the number itself). Standard deviations of random
    effects and residual parameters are half-normal; correlations have the density of Lewandowski, Kurowicka and Joe.

    Parameters
    ----------
    layout : PopulationVector
    given : mapping
        ``{"CL": (4.0, 0.3)}``: value in the parameter's unit, standard deviation on its scale; ``{"omega_CL": 0.5}``
        and ``{"sigma_prop": 0.3}``, or `HalfNormal` of these: scale of the half-normal of the standard deviation (for
        cuts of grades, which may be negative, a pair as for thetas); ``{"sigma_prop": ErrorScale(1.0, 0.3)}``: a
        log-normal factor on the model's value; ``{"correlation": 2.0}``: shape of the prior of correlations, 1 for
        flat.
    full : bool
        Whether all have a prior, and the density is one of the vector, as sampling needs it. Without, thetas have one
        and the others where given, and no terms for the change of scale: a penalty on the likelihood.

    Notes
    -----
    What is not given is weakly informative around the values that the model declares, wherever the search starts, and
    does not depend on the units that they are written in: thetas with a standard deviation of 1 on log and logit
    scales (a factor of 7 either way has 95%), else the absolute value, 2.5 times the standard deviation between
    subjects or occasions, or for a number without a unit 1, whichever is the largest; what has a unit, is 0 and does
    not vary needs a prior of its own. Standard deviations of random effects are half-normal with scale 1 on log and
    logit scales, else 2.5 times the model's; residual parameters with 2.5 times the model's; correlations have shape 2.

    Source: Lewandowski D, Kurowicka D, Joe H. J Multivar Anal 2009;100:1989-2001 (correlations); their density in
    terms of the Cholesky factor as in the Stan Functions Reference, lkj_corr_cholesky.
    """

    def __init__(self, layout: PopulationVector, given: Given | None = None, full: bool = True) -> None:
        self.layout, self.full = layout, full
        self.given = dict(given or {})
        self._check()
        n = layout.size
        self.location, self.sd = np.zeros(n), np.full(n, np.inf)
        self.scale = np.full(n, np.inf)
        declared = layout.declared
        self._check_scale()
        for k, e in enumerate(layout.entries):
            if e.kind == "theta" or (e.kind == "sigma" and e.scale != "log"):
                self.location[k], self.sd[k] = self._normal(e)
            elif isinstance(factor := self.given.get(e.name), ErrorScale):
                self.location[k], self.sd[k] = math.log(factor.value * declared[e.name]), factor.sd
            elif e.kind == "sigma":
                self.scale[k] = self._half(e.name, 2.5 * declared[e.name])
        self.shape = float(_scale(self.given.get(CORRELATION, 2.0 if full else 1.0)))
        self.rows = [*self._rows("omega"), *self._rows("iov")]

    # -- what is believed

    def _check(self) -> None:
        lay = self.layout
        pairs = {e.name for e in lay.entries if e.kind == "theta" or (e.kind == "sigma" and e.scale != "log")}
        residual = [e.name for e in lay.entries if e.kind == "sigma" and e.scale == "log"]
        scales = set(residual)
        scales |= {_deviation(lay, e) for e in lay.entries if e.kind in ("omega", "iov") and e.at[0] == e.at[1]}
        known, wrong = [*sorted(pairs), *sorted(scales), CORRELATION], []
        for name, value in self.given.items():
            if name not in known:
                wrong.append(
                    f"'{name}' is not estimated; what can have a prior: {', '.join(known)}{nearest(name, known)}"
                )
            elif name in pairs:
                if not (
                    isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value)) and value[1] > 0
                ):
                    wrong.append(f"{name} must be (value, sd on its scale) with sd > 0, got {value!r}")
                elif not _inside(lay, name, float(value[0])):
                    wrong.append(f"{name}: its scale has no place for the value {value[0]:g}")
            elif isinstance(value, ErrorScale):
                if name not in residual:
                    wrong.append(f"{name}: ErrorScale is the prior of a residual parameter ({', '.join(residual)})")
            elif name == CORRELATION:
                if not is_number(value) or value <= 0:
                    wrong.append(f"{name} must be a number > 0, the shape of its prior, got {value!r}")
            elif not is_number(_scale(value)) or not float(_scale(value)) > 0:
                wrong.append(
                    f"{name} must be a number > 0 or HalfNormal(scale), the scale of its half-normal prior"
                    f"{', or ErrorScale(value, sd)' if name in residual else ''}, got {value!r}"
                )
        if wrong:
            raise DataError(f"fit, priors: {len(wrong)} cannot be taken: {'; '.join(wrong)}")

    def _check_scale(self) -> None:
        """Raise DataError if nothing tells how large thetas without a prior may be."""
        wrong = []
        for e in self.layout.entries:
            if e.kind == "theta" and e.name not in self.given:
                at, sd = self._normal(e)
                if not (math.isfinite(at) and sd > 0):
                    unit = self.layout.model.parameters[e.parameter].unit
                    wrong.append(f"{e.name} (model's value {self.layout.declared[e.name]:g} {unit})")
        if wrong:
            raise DataError(
                f"fit, priors: {len(wrong)} must be given, as the model does not tell how large these may be: "
                f"{', '.join(wrong)}; write priors={{'{wrong[0].split(' ')[0]}': (value, sd)}}, or keep it fixed"
            )

    def _normal(self, e: VectorEntry) -> tuple[float, float]:
        """Return location and standard deviation of the prior of a number, on its scale."""
        if e.name in self.given:
            value, sd = self.given[e.name]  # type: ignore[misc]
            return to_scale(float(value), e.scale, self.layout.bounds(e)), float(sd)
        declared = self.layout.declared
        at = to_scale(declared[e.name], e.scale, self.layout.bounds(e))
        if e.kind == "sigma":
            return at, (2.5 * max(abs(at), 1.0) if self.full else math.inf)
        if e.scale in ("log", "logit"):
            return at, 1.0
        varies = declared.get(f"omega_{e.parameter}", 0.0) + declared.get(f"omega_iov_{e.parameter}", 0.0)
        least = 1.0 if self.layout.model.parameters[e.parameter].unit in ("", "1") else 0.0
        return at, max(abs(at), 2.5 * math.sqrt(varies), least)

    def _half(self, name: str, otherwise: float) -> float:
        return float(_scale(self.given.get(name, otherwise if self.full else math.inf)))

    def _rows(self, kind: str) -> list[_Row]:
        lay = self.layout
        names = lay.etas if kind == "omega" else lay.kappas
        places = {e.at: k for k, e in enumerate(lay.entries) if e.kind == kind}
        linked = [[j for j in range(i + 1) if (i, j) in places] for i in range(len(names))]
        block = [max((len(c) for c in linked[i:] if i in c), default=1) for i in range(len(names))]
        out = []
        for i, columns in enumerate(linked):
            if not columns:
                continue
            parameter = lay.model.parameters[names[i]]
            sd = math.sqrt(lay.declared[_prefix(kind) + names[i]])
            scale = self._half(_prefix(kind) + names[i], 1.0 if parameter.scale in ("log", "logit") else 2.5 * sd)
            own = tuple(places[i, j] for j in columns)
            out.append(_Row(own, tuple(columns), kind, i, len(columns) - 1, block[i], scale))
        return out

    # -- density

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log-density at a vector and its gradient; constants are left out."""
        apart = (x - self.location) / self.sd
        total, g = -0.5 * float(np.vdot(apart, apart)), apart / -self.sd
        places, scale = self._deviations
        if places.size:
            logs = x[places]
            r = (np.exp(logs) / scale) ** 2
            total -= 0.5 * float(r.sum())
            g[places] += float(self.full) - r
            if self.full:
                total += float(logs.sum())
        for row in self.rows:
            if row.number:
                total += self._row(row, x, g)
        return total, g

    @cached_property
    def _deviations(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of logarithms of standard deviations that no correlations belong to, and scales of their priors."""
        residual = np.flatnonzero(np.isfinite(self.scale))
        single = [row for row in self.rows if not row.number]
        places = np.array([row.places[-1] for row in single], np.int64)
        return np.append(residual, places), np.append(self.scale[residual], [row.scale for row in single])

    def _row(self, row: _Row, x: np.ndarray, g: np.ndarray) -> float:
        """Return the log-density of a row ``l = r w``, r its standard deviation and w that of the correlations' factor.

        The density of the correlations in w is ``w_n^a``; from (r, w_1 .. w_{n-1}) to l the Jacobian is
        ``w_n / r^(n-1)``, and the last entry stands in the vector as its logarithm.
        """
        last, off = row.places[-1], list(row.places[:-1])
        v, l = x[last], x[off]
        d, i = math.exp(v), row.number
        square = d * d + float(l @ l)
        log_r = 0.5 * math.log(square)
        jacobian = float(self.full)
        # as a penalty, the density of the correlations themselves: det^(shape - 1)
        a = (2.0 * (self.shape - 1.0) + jacobian * (row.block - i)) if i else 0.0
        total = -0.5 * square / row.scale**2 + a * (v - log_r) - jacobian * (i * log_r - v)
        common = -1.0 / row.scale**2 - (a + jacobian * i) / square
        g[off] += common * l
        g[last] += common * d * d + a + jacobian
        return total

    def information(self, x: np.ndarray) -> np.ndarray:
        """Return the second derivative of minus the log-density at a vector, (n, n).

        Of covariances of random effects it is that of central differences of the gradient, without directions along
        which the density has no maximum.
        """
        out = np.diag(1.0 / self.sd**2)
        for k in np.flatnonzero(np.isfinite(self.scale)):
            out[k, k] = 2.0 * math.exp(2.0 * x[k]) / self.scale[k] ** 2
        for row in self.rows:
            at = list(row.places)
            block = np.empty((len(at), len(at)))
            for j, k in enumerate(at):
                ends = []
                for step in (STEP, -STEP):
                    moved, g = x.copy(), np.zeros(x.size)
                    moved[k] += step
                    self._row(row, moved, g)
                    ends.append(g[at])
                block[:, j] = (ends[1] - ends[0]) / (2.0 * STEP)
            values, vectors = np.linalg.eigh(0.5 * (block + block.T))
            out[np.ix_(at, at)] += (vectors * np.maximum(values, 0.0)) @ vectors.T
        return out

    @property
    def numbers(self) -> list[Any]:
        """All numbers that the density depends on."""
        return [self.location.tolist(), self.sd.tolist(), self.scale.tolist(), self.shape, self.rows, self.full]

    def describe(self) -> dict[str, Any]:
        """Return each prior as text by name."""
        out: dict[str, Any] = {}
        for k, e in enumerate(self.layout.entries):
            if math.isfinite(self.sd[k]):
                out[e.name] = f"normal({self.location[k]:.4g}, {self.sd[k]:.4g}) on the {e.scale} scale"
            elif math.isfinite(self.scale[k]):
                out[e.name] = f"half-normal({self.scale[k]:.4g})"
        for row in self.rows:
            names = self.layout.etas if row.kind == "omega" else self.layout.kappas
            if math.isfinite(row.scale):
                out[_prefix(row.kind) + names[row.row]] = f"half-normal({row.scale:.4g}) of the standard deviation"
        if any(row.number for row in self.rows) and (self.full or self.shape != 1.0):
            out[CORRELATION] = f"LKJ({self.shape:g})"
        return out


def _scale(value: Any) -> Any:
    """Return the scale of a half-normal distribution, which may be given as a bare number."""
    return value.scale if isinstance(value, HalfNormal) else value


def _prefix(kind: str) -> str:
    return "omega_" if kind == "omega" else "omega_iov_"


def _deviation(layout: PopulationVector, e: VectorEntry) -> str:
    names = layout.etas if e.kind == "omega" else layout.kappas
    return _prefix(e.kind) + names[e.at[0]]


def _inside(layout: PopulationVector, name: str, value: float) -> bool:
    e = next(e for e in layout.entries if e.name == name and e.kind in ("theta", "sigma"))
    return math.isfinite(to_scale(value, e.scale, layout.bounds(e)))
