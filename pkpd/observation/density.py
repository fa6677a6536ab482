"""Log-density of each datum and its derivatives by the prediction and by residual parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.functions import exp
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.model.residual import NormalError
from pkpd.model.residual.tails import HALF_LOG_2PI
from pkpd.observation.data import Channel, FitData
from pkpd.observation.known import log_density_of
from pkpd.observation.tape import Tape, tape

__all__ = ["Density", "Rows", "SigmaSpec"]

FIRST = ("l", "l_f", "i")
SECOND = ("l", "l_f", "l_ff", "b", "b_f", "c", "c_f", "l_g", "l_fg", "b_g", "i")
BY_SIGMA = ("l", "l_f", "b", "c", "w", "r")


@dataclass(frozen=True)
class SigmaSpec:
    """A residual parameter: its full name, its scale, and which one it is of which output."""

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
    """

    values: np.ndarray
    sigma: np.ndarray


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
        self._first: list[Tape] = []
        self._second: list[tuple[Tape, list[int]]] = []
        self.curved = False
        for channel in data.channels:
            own = [k for k, s in enumerate(self.sigmas) if s.output == channel.observed]
            first, second, curved = _Channel(
                channel, [self.sigmas[k] for k in own], values, interaction, laplace
            ).tapes()
            self._first.append(first)
            self._second.append((second, own))
            self.curved = self.curved or curved
        self._single = len(data.channels) == 1

    def _inputs(self, rows: np.ndarray, f: np.ndarray, g: np.ndarray, z: np.ndarray, own: list[int]) -> np.ndarray:
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
        for channel, code, (_, own) in zip(self.data.channels, self._first, self._second, strict=True):
            found = code(self._inputs(channel.rows, f, g, z, own))
            if self._single:
                return found
            out[:, channel.rows] = found
        return out

    def second(self, f: np.ndarray, g: np.ndarray, z: np.ndarray) -> Rows:
        """Return all that the outer problem needs; arguments as for :meth:`first`."""
        values, sigma = np.zeros((len(SECOND), self.n)), np.zeros((len(BY_SIGMA), self.s, self.n))
        for channel, (code, own) in zip(self.data.channels, self._second, strict=True):
            found = code(self._inputs(channel.rows, f, g, z, own))
            values[:, channel.rows] = found[: len(SECOND)]
            for j, k in enumerate(own):
                at = len(SECOND) + j * len(BY_SIGMA)
                sigma[:, k, channel.rows] = found[at : at + len(BY_SIGMA)]
        return Rows(values, sigma)


class _Channel:
    """The expressions of one channel."""

    def __init__(
        self, channel: Channel, sigmas: list[SigmaSpec], values: dict[tuple[str, int], float], interaction: bool,
        laplace: bool,
    ) -> None:  # fmt: skip
        error, observed = channel.error, channel.observed
        self.f, self.g, self.y = (symbol(n, "covariate") for n in "fgy")
        self.z = [symbol(s.name, "covariate") for s in sigmas]
        moved = {s.number: exp(z) if s.scale == "log" else z for s, z in zip(sigmas, self.z, strict=True)}
        all_values = [moved.get(k, const(values.get((observed, k), 0.0))) for k in range(len(error.parameters))]
        if all_values:
            error = error.with_parameters(all_values)
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
        self.info = expected if expected is not None else -self.l_ff
        self.b = -self.l_ff if self.curved else self.info
        self.c = -self.l_f if self.curved else const(0)
        self.root = error.log_sd(g) if isinstance(error, NormalError) and normal else None

    def tapes(self) -> tuple[Tape, Tape, bool]:
        inputs = [self.f, self.g, self.y, *self.z]
        by_f = [derivative([e], self.f)[0] for e in (self.b, self.c)]
        by_g = [derivative([e], self.g)[0] for e in (self.l, self.l_f, self.b)]
        second: list[Node] = [self.l, self.l_f, self.l_ff, self.b, by_f[0], self.c, by_f[1], *by_g, self.info]
        for z in self.z:
            moved = derivative([self.l, self.l_f, self.b, self.c], z)
            # the information of a normal datum on its sd is 2 (d log sd)^2
            root = moved[0] if self.root is None else math.sqrt(2.0) * derivative([self.root], z)[0]
            second += [*moved, root, const(0) if self.root is None else root]
        return tape(inputs, [self.l, self.l_f, self.info]), tape(inputs, second), self.curved
