"""Log-density of each datum and its derivatives by the prediction and by residual parameters."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.fingerprint import fingerprint
from pkpd.engine.graph.functions import exp, where
from pkpd.engine.graph.nodes import Node, as_node, const, symbol
from pkpd.errors import DataError, ModelError
from pkpd.evidence.kinds import Cell, Stated
from pkpd.model.residual import NormalError, ResidualError
from pkpd.model.residual.tails import HALF_LOG_2PI
from pkpd.observation.couples import Couples
from pkpd.observation.data import Channel, FitData
from pkpd.observation.known import log_density_of
from pkpd.observation.reports import MOST_CELLS
from pkpd.observation.rules import law_of_rule, moved_error
from pkpd.observation.slopes import PackedSlopes, pack_slopes, slopes_of
from pkpd.observation.tape import Tape, tape

__all__ = ["FACTOR", "SECOND", "Density", "Rows", "SigmaSpec", "laws_of"]

#: number of a residual parameter that is a factor on the standard deviation
FACTOR = -1
FIRST = ("l", "l_f", "i")
SECOND = ("l", "l_f", "l_ff", "b", "b_f", "c", "c_f", "l_g", "l_fg", "b_g", "i")
BY_SIGMA = ("l", "l_f", "b", "c", "w", "r")


@dataclass(frozen=True)
class SigmaSpec:
    """A residual parameter: its full name, its scale, and which one it is of which output.

    The number `FACTOR` is that of a factor on the standard deviation of facts about the output.
    """

    name: str
    value: float
    scale: str
    output: str
    number: int
    fixed: bool


@dataclass(frozen=True)
class Rows:
    """What the outer problem needs of each datum, (N,) each; the curvature of a datum is ``b f' f'^T + c f''``.

    Attributes
    ----------
    values : float array, (11, N)
        Log-density l, its derivatives by the prediction l_f and l_ff; b, c and their derivatives; derivatives by the
        prediction that the variance is taken at where that is another one: l_g, l_fg, b_g;
        expected information.
    sigma : float array, (6, s, N)
        Derivatives of l, l_f, b and c by the residual parameters on their scale, the root of their information, and
        the same again where they are variances of normal data, 0 elsewhere.
    couples : Couples
    """

    values: np.ndarray
    sigma: np.ndarray
    couples: Couples


class Density:
    """Densities of all observations, compiled.

    Parameters
    ----------
    data : FitData
    sigmas : sequence of SigmaSpec
        Estimated ones.
    values : mapping of (output, number) to float
        All, for those that are fixed.
    interaction : bool
        Whether residual variances are taken at the individual predictions.
    laplace : bool
        Whether the curvature of each datum is its own (Laplace), not the expected one of normal data.
    """

    def __init__(
        self, data: FitData, sigmas: Sequence[SigmaSpec], values: dict[tuple[str, int], float], interaction: bool,
        laplace: bool,
    ) -> None:  # fmt: skip
        self.data, self.sigmas, self.interaction = data, tuple(sigmas), interaction
        self.n, self.s = data.y.size, len(self.sigmas)
        self._codes: list[_Channel | _ReportedChannel] = []
        self._own: list[list[int]] = []
        for channel in data.channels:
            own = [k for k, s in enumerate(self.sigmas) if s.output == channel.observed]
            mine = [self.sigmas[k] for k in own]
            if channel.reported is None:
                self._codes.append(_Channel(channel, mine, values, interaction, laplace))
            else:
                self._codes.append(_ReportedChannel(channel, mine, values))
            self._own.append(own)
        self.curved = any(code.curved for code in self._codes)
        self._single = len(data.channels) == 1 and data.channels[0].reported is None

    @cached_property
    def _first(self) -> list[Tape]:
        return [code.first() for code in self._codes]

    @cached_property
    def _slopes(self) -> list[Tape]:
        return [code.slopes() for code in self._codes]

    @cached_property
    def _packed(self) -> PackedSlopes:
        return pack_slopes(self.data.channels, self._slopes, self._own, self.data.y)

    @cached_property
    def _second(self) -> list[Tape]:
        return [code.second() for code in self._codes]

    def _inputs(self, channel: Channel, f: np.ndarray, g: np.ndarray, z: np.ndarray, own: list[int]) -> np.ndarray:
        rows, reported = channel.rows, channel.reported
        if reported is not None:
            k = len(reported.rows)
            columns = np.empty((k + 3 + len(own), rows.size))
            columns[:k] = f[reported.rows]
            columns[k], columns[k + 1], columns[k + 2] = reported.value, reported.value_to, reported.reading
            if own:
                columns[k + 3 :] = z[own, None]
            return columns
        columns = np.empty((3 + len(own), rows.size))
        if self._single:
            columns[0], columns[1], columns[2] = f, g, self.data.y
        else:
            columns[0], columns[1], columns[2] = f[rows], g[rows], self.data.y[rows]
        columns[3:] = z[own, None]
        return columns

    def first(self, f: np.ndarray, g: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return l, its derivative by the prediction and the information of each datum, (3, N).

        Parameters
        ----------
        f, g : float array, (N,)
            Predictions, and those that variances are taken at.
        z : float array, (s,)
            Estimated residual parameters on their scale.
        """
        out = np.empty((3, self.n))
        for channel, code, own in zip(self.data.channels, self._first, self._own, strict=True):
            found = code(self._inputs(channel, f, g, z, own))
            if self._single:
                return found
            for k, rows in enumerate(channel.every):
                out[:, rows] = found[3 * k : 3 * k + 3]
        return out

    def slopes(self, f: np.ndarray, g: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return l and its derivatives by the prediction, (N,) each, and by the residual parameters, (s, N).

        Arguments are those of :meth:`first`.
        """
        rows = np.zeros((2 + self.s, self.n))
        l, by_f, by_z = rows[0], rows[1], rows[2:]
        slopes_of(self._packed, f, g, z, l, by_f, by_z)
        return l, by_f, by_z

    def second(self, f: np.ndarray, g: np.ndarray, z: np.ndarray) -> Rows:
        """Return all that the outer problem needs; arguments as for :meth:`first`."""
        values, sigma = np.zeros((len(SECOND), self.n)), np.zeros((len(BY_SIGMA), self.s, self.n))
        couples = []
        for channel, code, own in zip(self.data.channels, self._second, self._own, strict=True):
            found, at = code(self._inputs(channel, f, g, z, own)), 0
            every = channel.every
            for rows in every:
                values[:, rows] = found[at : at + len(SECOND)]
                at += len(SECOND)
                for k in own:
                    sigma[:, k, rows] = found[at : at + len(BY_SIGMA)]
                    at += len(BY_SIGMA)
            if len(every) > 1:
                moved = np.zeros((self.s, channel.rows.size))
                moved[own] = found[at + 3 :]
                couples.append(Couples(np.array(every), found[at : at + 3], moved))
        return Rows(values, sigma, _sorted(couples, self.s))


def laws_of(data: FitData) -> dict[str, str]:
    """Return a hash for each observed output of what its residual error, and facts about it, compute.

    Neither names of classes nor values of parameters enter, only the expressions.
    """
    found: dict[str, list[str]] = {}
    for channel in data.channels:
        found.setdefault(channel.observed, []).append(f"{channel.output}|{channel.known.name}|{_law(channel)}")
    return {name: hashlib.sha256("|".join(own).encode()).hexdigest() for name, own in found.items()}


def _law(channel: Channel) -> str:
    if channel.reported is not None:
        return law_of_rule(channel.reported.log, channel.output, channel.error, len(channel.reported.rows))
    error, _ = moved_error(channel.error)
    f, y = symbol("f", "covariate"), symbol("y", "covariate")
    parts = [as_node(log_density_of(channel.known, error, f, y, f))]
    if channel.known.is_value and isinstance(error, NormalError):
        parts.append(as_node(error.information(f)))
    return fingerprint(parts)


def _sorted(couples: list[Couples], s: int) -> Couples:
    """Return all couples as one, in the order of their first rows."""
    if not couples:
        return Couples(np.empty((2, 0), np.int64), np.empty((3, 0)), np.empty((s, 0)))
    rows, values, sigma = (np.concatenate(each, axis=1) for each in zip(*couples, strict=True))
    order = np.argsort(rows[0], kind="stable")
    return Couples(*(np.ascontiguousarray(each[:, order]) for each in (rows, values, sigma)))


def _moved_error(
    channel: Channel, sigmas: list[SigmaSpec], values: dict[tuple[str, int], float]
) -> tuple[ResidualError, Node, list[Node]]:
    """Return a residual error and its factor in terms of the estimated numbers on their scale, and these."""
    error, z = channel.error, [symbol(s.name, "covariate") for s in sigmas]
    moved = {s.number: exp(each) if s.scale == "log" else each for s, each in zip(sigmas, z, strict=True)}
    numbers = range(len(error.parameters))
    every = [moved.get(k, const(values.get((channel.observed, k), 0.0))) for k in numbers]
    factor = moved.get(FACTOR, const(values.get((channel.observed, FACTOR), 1.0)))
    return (error.with_parameters(every) if every else error), factor, z


class _ReportedChannel:
    """The expressions of factors of facts: of one prediction, or of two together."""

    def __init__(self, channel: Channel, sigmas: list[SigmaSpec], values: dict[tuple[str, int], float]) -> None:
        reported = channel.reported
        assert reported is not None
        error, factor, self.z = _moved_error(channel, sigmas, values)
        self.curved, self.output = True, channel.output
        self.f = [symbol(f"f{k}", "covariate") for k in range(len(reported.rows))]
        self.stated = [symbol(n, "covariate") for n in ("value", "value_to", "reading")]
        value, value_to, reading = self.stated
        cells = [Cell(f, error, factor) for f in self.f]
        try:
            self.l = as_node(reported.log(cells, Stated(value, value_to, reading)))
        except ModelError as fault:
            raise DataError(f"fit: output '{channel.output}': {fault}") from None
        self.by = [derivative([self.l], f)[0] for f in self.f]
        self._inputs = [*self.f, *self.stated, *self.z]

    def slopes(self) -> Tape:
        return tape(self._inputs, [self.l, *self.by, *(derivative([self.l], z)[0] for z in self.z)])

    def _bends(self) -> Iterator[tuple[Node, Node, Node, Node, Node]]:
        """Yield by each prediction: it, l (once), its first and second derivative, and the information."""
        for k, (f, slope) in enumerate(zip(self.f, self.by, strict=True)):
            bend = derivative([slope], f)[0]
            # the curvature where it is one, else the square of the slope
            yield f, const(0) if k else self.l, slope, bend, where(bend < 0, -bend, slope * slope)

    def first(self) -> Tape:
        return tape(self._inputs, [n for _, l, slope, _, info in self._bends() for n in (l, slope, info)])

    def second(self) -> Tape:
        if len(self.f) > MOST_CELLS:
            raise DataError(
                f"fit: a fact about output '{self.output}' speaks of {len(self.f)} measurements together, and a method "
                f"that asks for its curvature takes {MOST_CELLS}; give its kind factors (rules), or fit a study"
            )
        zero = const(0)
        second: list[Node] = []
        for f, l, slope, bend, info in self._bends():
            second += [l, slope, bend, -bend, derivative([-bend], f)[0], -slope, -bend, zero, zero, zero, info]
            for z in self.z:
                moved = derivative([l, slope, -bend, -slope], z)
                second += [*moved, moved[0], zero]
        if len(self.f) > 1:
            both = derivative([self.by[0]], self.f[1])[0]
            second += [both, *(derivative([both], f)[0] for f in self.f)]
            second += [derivative([both], z)[0] for z in self.z]
        return tape(self._inputs, second)


class _Channel:
    """The expressions of one channel."""

    def __init__(
        self, channel: Channel, sigmas: list[SigmaSpec], values: dict[tuple[str, int], float], interaction: bool,
        laplace: bool,
    ) -> None:  # fmt: skip
        self.f, self.g, self.y = (symbol(n, "covariate") for n in "fgy")
        error, _, self.z = _moved_error(channel, sigmas, values)
        normal = isinstance(error, NormalError) and channel.known.is_value
        g = self.f if interaction or not normal else self.g
        self.l = log_density_of(channel.known, error, self.f, self.y, g)
        if channel.continuous:
            self.l = self.l + HALF_LOG_2PI
        self.l_f = derivative([self.l], self.f)[0]
        self.l_ff = derivative([self.l_f], self.f)[0]
        expected = None
        if channel.known.is_value:
            expected = error.information(self.f, g) if isinstance(error, NormalError) else error.information(self.f)
        self.curved = laplace or not (normal and expected is not None)
        self.info = as_node(expected) if expected is not None else -self.l_ff
        self.b = -self.l_ff if self.curved else self.info
        self.c = -self.l_f if self.curved else const(0)
        self._inputs = [self.f, self.g, self.y, *self.z]
        self.root = error.log_sd(g) if isinstance(error, NormalError) and normal else None

    def slopes(self) -> Tape:
        return tape(self._inputs, [self.l, self.l_f, *(derivative([self.l], z)[0] for z in self.z)])

    def first(self) -> Tape:
        return tape(self._inputs, [self.l, self.l_f, self.info])

    def second(self) -> Tape:
        by_f = [derivative([e], self.f)[0] for e in (self.b, self.c)]
        by_g = [derivative([e], self.g)[0] for e in (self.l, self.l_f, self.b)]
        second: list[Node] = [self.l, self.l_f, self.l_ff, self.b, by_f[0], self.c, by_f[1], *by_g, self.info]
        for z in self.z:
            moved = derivative([self.l, self.l_f, self.b, self.c], z)
            # the information of a normal datum on its sd is 2 (d log sd)^2
            root = moved[0] if self.root is None else math.sqrt(2.0) * derivative([self.root], z)[0]
            second += [*moved, root, const(0) if self.root is None else root]
        return tape(self._inputs, second)
