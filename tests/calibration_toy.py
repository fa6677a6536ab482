"""A likelihood with an answer on paper, and a small study on files, for the tests of calibration."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np


class Gaussian:
    """Each patient's log values are measured once with a known error: conjugate on the scaled axis.

    ``y[i, k] ~ N(log values[i, k], (sd s)^2)`` with the factor s of the first error scale, if there is one.
    """

    def __init__(self, y: np.ndarray, sd: float) -> None:
        self.y, self.sd = y, sd

    def evaluate(self, values, scales=None, gradient=True):
        s = scales[0] if scales is not None and len(scales) else 1.0
        z = (self.y - np.log(values)) / (self.sd * s)
        terms = -0.5 * z * z - np.log(self.sd * s) - 0.5 * np.log(2 * np.pi)
        by_scale = np.zeros((len(values), 0 if scales is None else len(scales)))
        if by_scale.shape[1]:
            by_scale[:, 0] = ((z * z - 1) / s).sum(axis=1)
        return SimpleNamespace(
            loglik=terms.sum(axis=1), gradient=z / (self.sd * s) / values, gradient_scales=by_scale, terms=terms.ravel(),
            status=np.zeros(len(values), int),
        )  # fmt: skip
