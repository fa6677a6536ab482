"""What a method of sensitivity analysis is: a frozen dataclass whose fields are its options, run on what is problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pkpd.errors import PkpdError
from pkpd.metrics.quantities import Quantity, quantities_from
from pkpd.model.model import Model
from pkpd.options import Options, check_level
from pkpd.people.population import Population
from pkpd.randomness import check_seed
from pkpd.sensitivity_analysis.factors import Ranges
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.simulation.arguments import OnFailure, Regimens
from pkpd.simulation.source import Source

__all__ = ["Analysis", "SampledAnalysis", "SensitivityProblem"]


@dataclass(frozen=True)
class SensitivityProblem:
    """What is asked of a model, or of a plain function.

    Attributes
    ----------
    model : Model or None
        None where there is a function.
    regimen, population, of, parameters
        As for `sensitivity`.
    times : array, shape (times,)
        On the model's clock.
    on_failure : {"warn", "raise", "ignore"}
    options : dict
        How to solve: ``rtol``, ``atol``, ``threads``.
    function : callable or None
    source : Source or None
        What is known after data, where the model comes from it.
    """

    model: Model | None
    regimen: Regimens
    population: Population | None
    times: np.ndarray
    of: Any
    parameters: Ranges
    on_failure: OnFailure
    options: dict[str, Any]
    function: Callable[[np.ndarray], Any] | None = None
    source: Source | None = None

    @property
    def whole(self) -> Model:
        """The model, for a method that needs one."""
        assert self.model is not None
        return self.model

    def quantities(self) -> list[Quantity]:
        """Return what is asked about, as numbers and courses of outputs."""
        return quantities_from(self.whole, self.of, self.times)

    def named(self) -> Sequence[str] | None:
        """Return the names of parameters that were given, without ranges; None where none were."""
        given = self.parameters
        return None if given is None else [given] if isinstance(given, str) else list(given)


@dataclass(frozen=True, kw_only=True)
class Analysis(Options, ABC):
    """Base of the methods of sensitivity analysis.

    Attributes
    ----------
    name : str
        Of the class: what results and messages call it.
    takes_function : bool
        Of the class: whether a plain function can be analysed too.
    """

    name: ClassVar[str]
    takes_function: ClassVar[bool] = False

    @abstractmethod
    def run(self, problem: SensitivityProblem) -> SensitivityResult:
        """Analyse.

        Raises
        ------
        PkpdError
            If what is asked has no answer by this method.
        """


@dataclass(frozen=True, kw_only=True)
class SampledAnalysis(Analysis):
    """Base of methods that run a model many times, over ranges of what is varied.

    Attributes
    ----------
    n : int
        Size of the design.
    spread : float
        Names without a range are varied by -+ this fraction of their values, within their bounds.
    seed : int
    level : float
        Of the confidence intervals.
    """

    n: int
    spread: float = 0.2
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seed(self.seed)
        check_level("sensitivity", self.level)
        if not 0 < self.spread < 1:
            raise PkpdError(f"sensitivity: spread is a fraction of each value, between 0 and 1, got {self.spread!r}")
