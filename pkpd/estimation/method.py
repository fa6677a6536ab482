"""What a method of estimation is: a frozen dataclass whose fields are its options, and what it does with a problem."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from pkpd.errors import PkpdError
from pkpd.options import Options

if TYPE_CHECKING:
    from pkpd.estimation.priors import Priors
    from pkpd.estimation.vector import PopulationVector

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
    studies : bool
        Of the class: whether ``run`` also takes the problem of a study, and returns a
        :class:`~pkpd.estimation.study.result.StudyFit`.
    step : {"R", "S", "RS", "linearised"} or None
        Of the class: which covariance of the estimates is computed after ``run``, unless the method has a field
        ``covariance`` that says another than ``"auto"``; None where it has a covariance of its own, or none.

    Raises
    ------
    PkpdError
        If an option is unknown or no number of its kind; where a class is defined, if it has no name or a ``run`` that
        cannot be called as below.
    """

    name: ClassVar[str]
    shows_progress: ClassVar[bool] = False
    studies: ClassVar[bool] = False
    step: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "run" not in cls.__dict__:
            return
        if not isinstance(getattr(cls, "name", None), str):
            word = cls.__name__.lower()
            raise PkpdError(
                f'method {cls.__name__} has no name, which fits are called after: name: ClassVar[str] = "{word}"'
            )
        try:
            inspect.signature(cls.run).bind(None, None, None)
        except TypeError:
            given = inspect.signature(cls.run)
            raise PkpdError(
                f"method {cls.__name__}: run{given} must take the problem and what is told of progress: "
                "def run(self, problem, progress=None)"
            ) from None

    @property
    def covariance_kind(self) -> str | None:
        """Which covariance of the estimates is computed after ``run``."""
        kind = getattr(self, "covariance", "auto")
        return self.step if kind == "auto" else kind

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
            Of an estimated vector, :meth:`pkpd.estimation.result.Fit.at`; of a study, whose problem has a
            ``posterior()``, :meth:`pkpd.estimation.study.result.StudyFit.of_draws`.
        """

    def believed(self, layout: PopulationVector) -> Priors | None:
        """Return what is believed of an estimated vector before the data; None where the method takes no priors."""
        return None

    def again(self) -> Self:
        """Return the method for refits: begun at the estimates, so without restarts and without a checkpoint."""
        own = {f.name for f in fields(self)}
        return replace(self, **{n: v for n, v in (("restarts", 0), ("checkpoint", None), ("out", None)) if n in own})
