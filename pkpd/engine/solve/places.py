"""What is constant between events, from parameters, random effects and covariates."""

from __future__ import annotations

import numpy as np

from pkpd.engine.machine.jit import entry
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.kernel import Kernel

__all__ = ["Places", "prepare"]


@entry
def _prepare(address, count, stride, inputs, out):
    call_code(address, (count, stride, inputs, out))


class Places:
    """Room for the places P of so many columns of inputs, written to again by each call.

    Attributes
    ----------
    columns : int
    room, inputs : float array, (inputs, width), (inputs, columns)
        What P depends on; the first columns of the room are the inputs.
    P : float array, (n_places, width)
        As many columns as fill whole registers; the last one is repeated.
    """

    def __init__(self, kernel: Kernel, columns: int) -> None:
        width = -(-columns // kernel.lanes) * kernel.lanes
        self.columns, self.P = columns, np.empty((kernel.n_places, width))
        self.room = np.empty((len(kernel.inputs), width))
        self.inputs = self.room[:, :columns]
        self._address = kernel.prepare["prepare"]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return P for inputs of shape (inputs, columns)."""
        if self.columns == 1:
            self.room[:] = inputs
            return self._written()
        self.inputs[:] = inputs
        return self.run()

    def run(self) -> np.ndarray:
        """Return P for what stands in ``inputs``."""
        if self.columns < self.P.shape[1]:
            self.room[:, self.columns :] = self.room[:, self.columns - 1 : self.columns]
        return self._written()

    def _written(self) -> np.ndarray:
        width = self.P.shape[1]
        _prepare(self._address, width, width, self.room, self.P)
        return self.P


def prepare(kernel: Kernel, inputs: np.ndarray) -> np.ndarray:
    """Return the places P for inputs of shape (inputs, columns)."""
    return Places(kernel, inputs.shape[1])(inputs)
