"""What a method of estimation is: a frozen dataclass whose fields are its options, and what it does with a problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias

from pkpd.options import Options

__all__ = ["CovarianceKind", "Method", "Progress"]

CovarianceKind: TypeAlias = Literal["auto", "R", "S", "RS", "linearised"]
Progress: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Method(Options, ABC):
    """Base of the methods of estimation. A new one is a dataclass with its options as fields, and ``run``.

    Attributes
    ----------
    name : str
        Of the class: what fits and messages call it.
    shows_progress : bool
        Of the class: whether ``run`` shows how far it is by itself; else a line on the terminal does.
    step : {"R", "linearised"} or None
        Of the class: what ``covariance="auto"`` is; None where the method has a covariance of its own, or none.

    Raises
    ------
    PkpdError
        If an option is unknown or no number of its kind.
    """

    name: ClassVar[str]
    shows_progress: ClassVar[bool] = False
    step: ClassVar[str | None] = None

    @abstractmethod
    def run(self, problem: Any, progress: Any = None) -> Any:
        """Estimate.

        Parameters
        ----------
        problem : Problem
        progress : callable, optional
            Called with each step of a search.

        Returns
        -------
        Fit, or StudyFit for a study
        """

    def again(self) -> Self:
        """Return the method for refits: begun at the estimates, so without restarts and without a checkpoint."""
        own = {f.name for f in fields(self)}
        return replace(self, **{n: v for n, v in (("restarts", 0), ("checkpoint", None), ("out", None)) if n in own})
