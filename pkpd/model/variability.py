"""Variability of parameters: scales, and the covariances of eta and kappa."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pkpd.engine.graph.functions import exp
from pkpd.errors import ModelError, nearest
from pkpd.model.declare import Omega, Parameter
from pkpd.model.names import listed, quoted, unknown

__all__ = ["check_positive_definite", "covariance", "individual_value", "spread"]

Correlations = Mapping[tuple[str, str], float]


def individual_value(parameter: Parameter, theta: Any, deviation: Any) -> Any:
    """Return the individual value of a parameter, from numbers or symbols.

    Parameters
    ----------
    parameter : Parameter
        Gives scale and bounds.
    theta : number or Node
        Typical value, in the parameter's unit.
    deviation : number or Node or None
        ``eta + kappa``; None where the parameter does not vary.

    Notes
    -----
    The logit form ``low + (theta - low) e (high - low) / ((high - theta) + (theta - low) e)``, ``e = exp(deviation)``,
    equals ``low + (high - low) expit(logit((theta - low) / (high - low)) + deviation)``.
    """
    if deviation is None:
        return theta
    if parameter.scale == "log":
        return theta * exp(deviation)
    if parameter.scale == "additive":
        return theta + deviation
    assert parameter.bounds is not None
    low, high = parameter.bounds
    e, above, room = exp(deviation), theta - low, high - theta
    # with a unit the width is written with theta, as a bare number would be dimensionless
    width = room + above if parameter.unit else high - low
    return low + above * (e * (width / (room + above * e)))


def spread(parameter: Parameter, variance: float) -> str:
    """Return a variance as the field reports it: CV on the log scale, else the standard deviation.

    Examples
    --------
    >>> spread(Parameter("CL", 9.0, "L/h", cv=0.28), 0.0755), spread(Parameter("E0", 0.0, "", scale="additive"), 4.0)
    ('28%', 'sd 2')
    """
    if variance == 0:
        return ""
    if parameter.scale == "log":
        return f"{100 * math.sqrt(math.expm1(variance)):.3g}%"
    kind = " logit" if parameter.scale == "logit" else ""
    return f"sd {math.sqrt(variance):.3g}{kind}"


def covariance(
    model: str,
    parameters: Mapping[str, Parameter],
    variances: Mapping[str, float],
    blocks: Sequence[Omega],
    correlations: Correlations,
    noun: str = "omega",
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names that vary, in order of the parameters, and their covariance.

    Parameters
    ----------
    model : str
        Name, for messages.
    parameters : mapping
        All parameters of the model.
    variances : mapping of name to float
        What the parameters' own ``cv`` or ``sd`` give.
    blocks : sequence of Omega
        Covariance blocks; a diagonal element must agree with the parameter's own variance where there is one.
    correlations : mapping of (name, name) to float
        Correlations of eta outside the blocks.
    noun : {"omega", "omega_iov"}
        Argument that holds the blocks.

    Returns
    -------
    names : tuple of str, length n
    matrix : array, shape (n, n), read-only

    Raises
    ------
    ModelError
        If a name is unknown or given twice, or the matrix is not positive definite.
    """
    variances = _with_blocks(model, parameters, variances, blocks, noun)
    names = tuple(n for n in parameters if variances.get(n, 0.0) > 0)
    index = {n: i for i, n in enumerate(names)}
    matrix = np.diag([variances[n] for n in names]) if names else np.zeros((0, 0))
    for block in blocks:
        at = [index[n] for n in block.names]
        matrix[np.ix_(at, at)] = block.matrix
    _correlate(model, matrix, index, correlations)
    check_positive_definite(model, names, matrix, noun)
    matrix.setflags(write=False)
    return names, matrix


def _with_blocks(
    model: str,
    parameters: Mapping[str, Parameter],
    variances: Mapping[str, float],
    blocks: Sequence[Omega],
    noun: str,
) -> dict[str, float]:
    """Return the variances completed by the diagonals of the blocks."""
    out = dict(variances)
    seen: set[str] = set()
    for block in blocks:
        if not isinstance(block, Omega):
            raise ModelError(f"model '{model}': {noun} must be a list of Omega(names, matrix), got {block!r}")
        if strange := [n for n in block.names if n not in parameters]:
            known = list(parameters)
            raise ModelError(f"model '{model}', {noun}: unknown parameter {unknown(strange, known)}; {listed(known)}")
        if twice := sorted(seen.intersection(block.names)):
            raise ModelError(f"model '{model}', {noun}: {quoted(twice)} stands in two blocks; join them into one")
        seen.update(block.names)
        for name, value in zip(block.names, np.diag(block.matrix), strict=True):
            own = variances.get(name, 0.0)
            if own > 0 and not math.isclose(own, value, rel_tol=1e-9):
                raise ModelError(
                    f"model '{model}', {noun}: the variance of '{name}' is {value:g} in the block but {own:g} by its "
                    "cv or sd; give it in one place"
                )
            parameters[name].check_scale()
            out[name] = float(value)
    return out


def _correlate(model: str, matrix: NDArray[np.float64], index: Mapping[str, int], correlations: Correlations) -> None:
    """Write the covariances of the correlations into the matrix."""
    for pair, r in correlations.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and pair[0] != pair[1]):
            raise ModelError(f"model '{model}', correlations: a key is two parameters, ('CL', 'V'), got {pair!r}")
        for name in pair:
            if name not in index:
                raise ModelError(
                    f"model '{model}', correlations: '{name}' has no between-subject variability "
                    f"(cv, sd or omega); {listed(list(index))}{nearest(name, index)}"
                )
        if not -1 < r < 1:
            raise ModelError(f"model '{model}', correlations: {pair} must lie between -1 and 1, got {r:g}")
        i, j = index[pair[0]], index[pair[1]]
        value = r * math.sqrt(matrix[i, i] * matrix[j, j])
        if matrix[i, j] != 0 and not math.isclose(matrix[i, j], value, rel_tol=1e-9):
            raise ModelError(
                f"model '{model}', correlations: {pair} has the covariance {matrix[i, j]:g} already; give one of them"
            )
        matrix[i, j] = matrix[j, i] = value


def check_positive_definite(model: str, names: Sequence[str], matrix: NDArray[np.float64], noun: str = "omega") -> None:
    """Raise ModelError with the smallest eigenvalue and a remedy unless the covariance is positive definite.

    Parameters
    ----------
    model : str
        Name, for the message.
    names : sequence of str, length n
        Parameters.
    matrix : array, shape (n, n)
        Covariance, with a positive diagonal.
    noun : str
        What the matrix is called.
    """
    if not names:
        return
    sd = np.sqrt(np.diag(matrix))
    smallest = float(np.linalg.eigvalsh(matrix / np.outer(sd, sd))[0])
    if smallest > 1e-12:
        return
    coupled = [n for i, n in enumerate(names) if np.any(matrix[i, np.arange(len(names)) != i] != 0)]
    raise ModelError(
        f"model '{model}': {noun} of {', '.join(coupled)} is not positive definite: the smallest eigenvalue of its "
        f"correlation matrix is {smallest:.3g}; multiply the covariances between them by less than "
        f"{1 / (1 - min(smallest, 0.0)):.3g}"
    )
