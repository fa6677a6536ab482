"""What a model is made of, before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import ModelError
from pkpd.kinds import Kind
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.routine import Routine

__all__ = ["Declared", "Definition"]

Floats = NDArray[np.float64]


class Declared(NamedTuple):
    """What a model declares itself, without its parts, by name."""

    states: dict[str, State]
    parameters: dict[str, Parameter]
    covariates: dict[str, Covariate]
    outputs: dict[str, Output]


class Definition(Kind):
    """Declarations, functions and covariances of a model, read-only; `pkpd.model.model.Model` says what each is."""

    name: str
    title: str
    description: str
    reference: str
    time_unit: str
    file: str = ""
    own: Declared
    parts: Mapping[str, Self]
    routines: Mapping[str, Routine]
    states: Mapping[str, State]
    parameters: Mapping[str, Parameter]
    covariates: Mapping[str, Covariate]
    connected: frozenset[str]
    outputs: Mapping[str, Output]
    etas: tuple[str, ...]
    iov_etas: tuple[str, ...]
    omega: Floats
    omega_iov: Floats

    def _hold(self, **fields: Any) -> None:
        """Put fields in, while the object is made; nobody can change its matrices later."""
        for matrix in (fields.get("omega"), fields.get("omega_iov")):
            if matrix is not None:
                matrix.setflags(write=False)
        self.__dict__.update(fields)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return the object of these attributes, as they are."""
        new = object.__new__(cls)
        new._hold(**fields)
        return new

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ModelError(f"model '{self.name}' cannot be changed; model.replace(...) returns another")
