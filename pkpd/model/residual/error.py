"""What a residual error is: declaration, density, distribution function, standard deviation and draw in one class."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from pkpd.engine.graph.nodes import Node
from pkpd.errors import ModelError
from pkpd.options import is_number

__all__ = ["DataKind", "DatumRows", "ErrorParameter", "ResidualError", "number_or_node", "standard_deviations"]

DataKind = Literal["normal", "log", "count", "grade", "event"]


@dataclass(frozen=True)
class ErrorParameter:
    """A number of a residual error as it is estimated.

    Attributes
    ----------
    name : str
        Without the name of the output: ``sigma_add``.
    value : float
        The model's.
    scale : {"log", "additive"}
        On which it is estimated.
    fixed : bool
        Whether it is left alone unless asked for.
    """

    name: str
    value: float
    scale: str = "log"
    fixed: bool = False


@dataclass(frozen=True)
class DatumRows:
    """Rows of a data set that are observed in one way.

    Attributes
    ----------
    rows : bool array
        Which of an output's rows.
    output : str, optional
        The output that these depend on, where it is another one.
    error : ResidualError
    """

    rows: np.ndarray
    output: str | None
    error: ResidualError


def number_or_node(f: Any) -> Any:
    """Return an expression as it is, anything else as an array."""
    return f if isinstance(f, Node) else np.asarray(f, float)


def standard_deviations(kind: str, **numbers: object) -> None:
    """Raise ModelError unless every number is finite and not negative, and one is above 0."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise ModelError(f"{kind}: {name} must be a number, got {value!r}")
        if not math.isfinite(value) or value < 0:
            raise ModelError(f"{kind}: {name} is a standard deviation and must be finite and >= 0, got {value:g}")
    if not any(numbers.values()):
        names = " and ".join(numbers)
        raise ModelError(f"{kind}: {names} must be > 0; for an output measured without error write Exact()")


class ResidualError(ABC):
    """Distribution of an observation ``y`` about the model's output ``f``; subclasses are frozen dataclasses.

    A subclass gives `log_density`, `sd` and `draw`, and with them is simulated, fitted and shown. It is written once:
    the functions of ``pkpd`` (``exp``, ``log``, ``where`` ...) take expressions, which the estimators differentiate and
    compile, and arrays alike; ``f``, ``y`` and the class's own numbers may be either. `log_cdf` is needed for censored
    data and reported bounds, `widened` for reports. Normal errors derive from ``NormalError``, which needs less.

    Attributes
    ----------
    data : {"normal", "log", "count", "grade", "event"}
        What a datum is: a number; a number above 0, compared on its logarithm; a whole number from 0; a grade; an
        event.
    normal : bool
        Whether data have a normal density on some scale; only these can be taken without interaction, and the constant
        ``log(2 pi) / 2`` of each is left out of an objective.
    prefix : str
        Put before the names of fields to name estimated numbers.
    exact : bool
        Whether data are the output itself, without any error.
    held : tuple of str
        Fields that a fit leaves alone unless asked for.
    """

    data: ClassVar[DataKind] = "normal"
    normal: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    prefix: ClassVar[str] = ""
    held: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Raise ModelError if a field that is declared as a number is none, or is not finite."""
        declared = {each.name: each.type for each in dataclasses.fields(self)}  # type: ignore[arg-type]
        wrong = [
            f"{n} must be a finite number, got {getattr(self, n)!r}"
            for n, kind in declared.items()
            if kind in (float, int, "float", "int") and not is_number(getattr(self, n))
        ]
        if wrong:
            raise ModelError(f"{type(self).__name__}: {'; '.join(wrong)}")

    # -- the distribution

    @abstractmethod
    def log_density(self, f: Any, y: Any) -> Any:
        """Return the logarithm of the density (of the probability, where data are whole numbers) of y given f."""

    @abstractmethod
    def sd(self, f: Any) -> Any:
        """Return the standard deviation of an observation.

        Parameters
        ----------
        f : array, any shape
            Model output, in the output's unit.

        Returns
        -------
        array, shape of f
            Standard deviation, in the output's unit.
        """

    @abstractmethod
    def draw(self, f: Any, normal: Any) -> Any:
        """Return observed values.

        Parameters
        ----------
        f : array, any shape
            Model output, in the output's unit.
        normal : array that broadcasts with f
            Standard normal draws, by which a value is drawn, if need be by inversion of the distribution function.

        Returns
        -------
        array
            Observations, in the output's unit; they may fall below 0.
        """

    def residual(self, f: Any, y: Any) -> Any:
        """Return ``(y - f) / sd``, on the logarithm where data are compared there."""
        return (y - f) / self.compared_sd(f)

    def compared_sd(self, f: Any) -> Any:
        """Return the standard deviation on the scale on which data are compared: y itself or its logarithm."""
        return self.sd(f)

    def unit(self) -> ResidualError | None:
        """Return this error with its only number 1, if that number is best estimated by the root mean square of the
        residuals that are left then; None where it is not.
        """  # noqa: D205
        return None

    @property
    def grades(self) -> int:
        """Grades above 0 that a datum can have; 0 where data are no grades."""
        return 0

    def exceedance(self, f: Any) -> Any:
        """Return the probabilities of at least grade 1, 2, ..., for each f, shape of f + (grades,)."""
        raise ModelError(f"{type(self).__name__} error has no exceedance, which only grades have")

    def log_cdf(self, f: Any, y: Any, upper: bool = False) -> Any:
        """Return the logarithm of P(Y < y) given f; of P(Y > y) for ``upper``."""
        raise ModelError(f"{type(self).__name__} error has no log_cdf, which censored data and bounds need")

    def log_between(self, f: Any, low: Any, high: Any) -> Any:
        """Return the logarithm of P(low <= Y <= high) given f, of grades."""
        raise ModelError(f"{type(self).__name__} error has no log_between, which ranges of grades need")

    @property
    def has_cdf(self) -> bool:
        """Whether data may be censored, and bounds reported."""
        return type(self).log_cdf is not ResidualError.log_cdf

    def information(self, f: Any) -> Any:
        """Return the expected square of the derivative of the log-density by f; None: the curvature is taken."""
        return None

    # -- what a report says

    def widened(self, f: Any, factor: Any, reading: Any) -> ResidualError:
        """Return the error of a reported value about f.

        Parameters
        ----------
        factor : number, array or expression
            Multiplies standard deviations.
        reading : number, array or expression
            Relative standard deviation of reading and rounding, added in quadrature.
        """
        raise ModelError(f"{type(self).__name__} error has no widened, which reported values need")

    def log_variance(self, f: Any) -> Any:
        """Return the variance of ``log y``, to first order."""
        return (self.sd(f) / f) ** 2

    def no_spread(self, data: np.ndarray) -> str:
        """Return why numbers near these cannot be observed with this error, empty where they can.

        Parameters
        ----------
        data : float array, (n,)
            In the output's unit.
        """
        near = data[data != 0]  # where a proportional error has none
        if self.exact or self.data not in ("normal", "log") or not near.size:
            return ""
        with np.errstate(all="ignore"):
            sd = np.broadcast_to(np.asarray(self.sd(near), float), near.shape)
        if (sd > 0).any():
            return ""
        return f"{self} has a standard deviation of {sd[0]:g} at {near[0]:g}, which must be > 0; give it other numbers"

    # -- its numbers

    def _fields(self) -> dict[str, Any]:
        if not dataclasses.is_dataclass(self):
            raise ModelError(
                f"residual error {type(self).__name__} must be a frozen dataclass: @dataclass(frozen=True)"
            )
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}

    def _numbers(self) -> Mapping[str, float]:
        """Return the fields that are numbers above 0."""
        return {n: float(v) for n, v in self._fields().items() if isinstance(v, (float, int, np.number)) and v > 0}

    @property
    def parameters(self) -> tuple[ErrorParameter, ...]:
        """The numbers that are estimated: fields above 0, on their logarithm."""
        return tuple(ErrorParameter(f"{self.prefix}{n}", v, fixed=n in self.held) for n, v in self._numbers().items())

    def with_parameters(self, values: Sequence[Any]) -> ResidualError:
        """Return the error with other values of ``parameters``, numbers or expressions."""
        given = dict(zip(self._numbers(), values, strict=True))
        if any(isinstance(v, Node) for v in values):
            return self.replaced(**given)
        return dataclasses.replace(self, **given)  # type: ignore[type-var]

    @classmethod
    def of(cls, **numbers: Any) -> Self:
        """Return an error whose numbers may be expressions or arrays: nothing is checked."""
        made = object.__new__(cls)
        for each in dataclasses.fields(cls):  # type: ignore[arg-type]
            object.__setattr__(made, each.name, numbers.get(each.name, each.default))
        return made

    def replaced(self, **numbers: Any) -> Self:
        """Return this error with other numbers, which may be expressions or arrays: nothing is checked."""
        return self.of(**{**self._fields(), **numbers})

    # -- data sets

    @property
    def highest(self) -> float:
        """The largest possible datum."""
        return math.inf

    def split(self, dv: np.ndarray, last: np.ndarray) -> list[DatumRows]:
        """Return how the rows of an output are observed.

        Parameters
        ----------
        dv : float array, (rows,)
        last : bool array, (rows,)
            Whether it is the last of its subject.
        """
        return [DatumRows(np.ones(dv.size, bool), None, self)]
