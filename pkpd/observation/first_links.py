"""The directions of a data set's subjects and their first derivatives, entry by entry of those that are not zero.

Each direction depends on a theta or two of many and on a random effect of several: an array of all derivatives is
mostly zeros, and their sum over directions costs more than they are worth.
"""

from __future__ import annotations

import numpy as np

from pkpd.observation.data import FitData
from pkpd.observation.links import Links

__all__ = ["FirstLinks"]


class FirstLinks:
    """The links of a data set, with room that is used by every call.

    Parameters
    ----------
    links : Links
    data : FitData

    Attributes
    ----------
    inputs : float array, (q + p + constants, m)
        What the links depend on, of all subjects, written by :meth:`fill`.
    """

    def __init__(self, links: Links, data: FitData) -> None:
        self.m, self.d = data.n_subjects, len(links.directions)
        self.p, typical = len(links.effects), len(links.thetas)
        self.levels = data.levels
        self.q = typical if data.levels is None else data.levels.size
        self._tape, at = links.first()
        self._places = self._tape.room(self.m)
        self.inputs = self._places.inputs
        self._thetas, self._effects = self.inputs[:typical], self.inputs[typical : typical + self.p]
        for row, node in zip(self.inputs[typical + self.p :], links.constant, strict=True):
            row[:] = (data.own if node.kind == "theta" else data.constant)[node.name]
        if data.levels is not None:
            self._thetas[:] = data.levels.held
            theta, who, self._given = data.levels.estimated
            self._whose = theta * self._places.P.shape[1] + who
        self._lay_out(at, typical)

    def _lay_out(self, at: np.ndarray, typical: int) -> None:
        """Work out of each entry its direction, and where its products go in sums of all and of each subject."""
        m, p, q, cut = self.m, self.p, self.q, self.d * self.p
        random, who = at < cut, np.arange(m)
        self._direction = np.where(random, at // max(p, 1), (at - cut) // max(typical, 1))
        column = np.where(random, at % max(p, 1), (at - cut) % max(typical, 1))
        number = np.broadcast_to(column[:, None], (at.size, m))
        if self.levels is not None:
            number = np.where(random[:, None], number, self.levels.place[np.where(random, 0, column)])
        self._number, self._by_theta = number, np.flatnonzero(~random)
        known = number < 0
        effect = who * p + number
        self._of_all = np.where(random[:, None], effect, np.where(known, m * p + q, m * p + number)).ravel()
        own = m * p + who * q + number
        self._of_each = np.where(random[:, None], effect, np.where(known, m * p + m * q, own)).ravel()

    def fill(self, theta: np.ndarray, eta: np.ndarray) -> None:
        """Write estimated thetas on their scale and random effects, (m, p), to the inputs."""
        if self.levels is None:
            self._thetas[:] = theta[:, None]
        elif self.q:
            self._places.room.reshape(-1)[self._whose] = theta[self._given]
        self._effects[:] = eta.T

    def __call__(self, theta: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the directions, (d, m), and the entries of their derivatives, (entries, m)."""
        self.fill(theta, eta)
        values = self._tape.read(self._places.run(), self.m)
        return values[: self.d], values[self.d :]

    def total(self, entries: np.ndarray, by_phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return derivatives of a sum over subjects by random effects, (m, p), and by estimated thetas, (q,).

        Parameters
        ----------
        entries : float array, (entries, m)
            As :meth:`__call__` returns them.
        by_phi : float array, (d, m)
            Derivatives by directions.
        """
        end = self.m * self.p
        found = self._sums(entries, by_phi, self._of_all, end + self.q)
        return found[:end].reshape(self.m, self.p), found[end:]

    def each(self, entries: np.ndarray, by_phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return derivatives of each subject's number by random effects, (m, p), and by estimated thetas, (m, q)."""
        end = self.m * self.p
        found = self._sums(entries, by_phi, self._of_each, end + self.m * self.q)
        return found[:end].reshape(self.m, self.p), found[end:].reshape(self.m, self.q)

    def steep(self, entries: np.ndarray, F: np.ndarray, subject: np.ndarray) -> np.ndarray:
        """Return derivatives of predictions by estimated thetas, (q, N).

        Parameters
        ----------
        F : float array, (d, N)
            Derivatives of predictions by directions.
        subject : int array, (N,)
            Whose predictions they are.
        """
        out, rows = np.zeros((self.q + 1, subject.size)), np.arange(subject.size)  # the last row is of known values
        for e in self._by_theta:
            out[self._number[e][subject], rows] += entries[e][subject] * F[self._direction[e]]
        return out[: self.q]

    def _sums(self, entries: np.ndarray, by_phi: np.ndarray, to: np.ndarray, size: int) -> np.ndarray:
        products = entries * by_phi[self._direction]
        return np.bincount(to, products.reshape(-1), size + 1)[:size]
