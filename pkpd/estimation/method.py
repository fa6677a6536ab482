"""What a method of estimation is: a frozen dataclass whose fields are its options, and what it does with a problem."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias, get_args

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.options import as_whole, check_known

__all__ = ["CovarianceKind", "Method", "Progress"]

CovarianceKind: TypeAlias = Literal["auto", "R", "S", "RS", "linearised"]
Progress: TypeAlias = Callable[[Any], Any]
COVARIANCES = get_args(CovarianceKind)


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
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

    if not TYPE_CHECKING:  # type checkers take the options from the fields

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Refuse options that there are not, with the nearest name."""
            check_known(cls.__name__, options, [f.name for f in fields(cls)])
            return super().__new__(cls)

    def __post_init__(self) -> None:
        faults = []
        for field in fields(self):
            value, kind = getattr(self, field.name), _kind_of(field.type)
            if value is None and "None" in kind:
                continue
            if kind.startswith("int"):
                whole = as_whole(value)
                if whole is None or whole < 0:
                    faults.append(f"{field.name} must be a whole number >= 0, got {value!r}")
                else:
                    object.__setattr__(self, field.name, whole)
            elif kind.startswith("float") and not _is_number(value):
                faults.append(f"{field.name} must be a number, got {value!r}")
            elif kind.startswith("str | os.PathLike") and not isinstance(value, (str, os.PathLike)):
                faults.append(f"{field.name} must be a path, got {value!r}")
            elif kind.startswith("CovarianceKind") and value not in COVARIANCES:
                hint = nearest(str(value), COVARIANCES)
                faults.append(f"covariance must be {', '.join(COVARIANCES)} or None, got {value!r}{hint}")
        if faults:
            raise PkpdError(f"{type(self).__name__}: {'; '.join(faults)}")

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


def _kind_of(declared: Any) -> str:
    """Return the type of a field as text, also where annotations are no texts."""
    return declared if isinstance(declared, str) else getattr(declared, "__name__", str(declared))


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, str)):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False
