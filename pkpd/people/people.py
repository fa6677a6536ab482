"""Who is simulated: what is different between the persons of a model, by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PopulationError
from pkpd.people.basis import Basis
from pkpd.people.columns import count
from pkpd.people.table import Series
from pkpd.randomness import KAPPAS, correlate, uniforms_at

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["People"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class People:
    """Persons of one model; `pkpd.people.population.Population` says how they are made and what each field is."""

    model: str
    basis: Basis
    labels: NDArray[Any]
    seed: int
    index: NDArray[np.int64]
    eta_names: tuple[str, ...]
    etas: Floats
    covariates: dict[str, Floats]
    parameters: dict[str, Floats] = field(default_factory=dict)
    varying: dict[str, Series] = field(default_factory=dict)
    iov_names: tuple[str, ...] = ()
    iov_factor: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    n_occasions: int = 1
    given_kappas: Floats | None = None

    def __post_init__(self) -> None:
        arrays = [self.labels, self.index, self.etas, *self.covariates.values(), *self.parameters.values()]
        for array in arrays:
            array.setflags(write=False)

    @property
    def n(self) -> int:
        """Number of subjects."""
        return len(self.labels)

    @cached_property
    def kappas(self) -> Floats:
        """Effects between occasions, shape (n, n_occasions, n_iov); drawn when first asked for."""
        if self.given_kappas is not None:
            return self.given_kappas
        from scipy.special import ndtri

        width = len(self.iov_names)
        if width == 0:
            return np.zeros((self.n, self.n_occasions, 0))
        scores = ndtri(uniforms_at(self.seed, self.index, self.n_occasions * width, KAPPAS)).reshape(-1, width)
        return correlate(scores, self.iov_factor).reshape(self.n, self.n_occasions, width)

    def uniforms(self, columns: int, stream: int) -> Floats:
        """Return these persons' uniform numbers of a stream, shape (n, columns), strictly between 0 and 1."""
        return uniforms_at(self.seed, self.index, columns, stream)

    def with_occasions(self, n_occasions: int) -> Self:
        """Return the same persons with more or fewer occasions; those they had keep their effects.

        Raises
        ------
        PopulationError
            If the effects were given for fewer occasions and can not be drawn.
        """
        wanted = count(f"population of '{self.model}'", "n_occasions", n_occasions, "each subject has at least one")
        given = self.given_kappas
        if given is not None and np.any(given) and wanted > given.shape[1]:
            raise PopulationError(
                f"population of '{self.model}': {wanted} occasions, but effects are known for {given.shape[1]}; "
                "draw with n_occasions before joining populations"
            )
        if given is not None:
            kept = np.zeros((self.n, wanted, given.shape[2]))
            kept[:, : given.shape[1]] = given[:, :wanted]
            given = kept
        return replace(self, n_occasions=wanted, given_kappas=given)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, which: int | slice | Sequence[int] | NDArray[Any]) -> Self:
        at = np.arange(self.n)[which]
        if np.ndim(at) == 0:
            at = np.array([at])
        if not len(at):
            raise PopulationError(f"population of '{self.model}': nobody is left of {self.n} subjects")
        # a slice keeps views, so that chunks of a large population cost no memory
        take: Any = which if isinstance(which, slice) else at
        return replace(
            self,
            labels=self.labels[take],
            index=self.index[take],
            etas=self.etas[take],
            covariates={k: v[take] for k, v in self.covariates.items()},
            parameters={k: v[take] for k, v in self.parameters.items()},
            varying={k: tuple(v[i] for i in at.tolist()) for k, v in self.varying.items()},
            given_kappas=None if self.given_kappas is None else self.given_kappas[take],
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the table that `Population.from_table` reads: ID, covariates (first values), parameters, etas."""
        import pandas as pd

        etas = {f"ETA_{n}": self.etas[:, i] for i, n in enumerate(self.eta_names)}
        return pd.DataFrame({"ID": self.labels, **self.covariates, **self.parameters, **etas})

    def __repr__(self) -> str:
        lines = [f"Population of {self.n} for '{self.model}' (seed {self.seed})"]
        rows = {**self.covariates, **self.parameters}
        width = max((len(n) for n in rows), default=0)
        for name, v in rows.items():
            low, middle, high = float(v.min()), float(np.median(v)), float(v.max())
            text = f"{middle:.4g}" if low == high else f"{middle:.4g} [{low:.4g}, {high:.4g}]"
            lines.append(f"  {name:<{width}}  {text}{', varies in time' if name in self.varying else ''}")
        if differing := [n for n, each in zip(self.eta_names, self.etas.T, strict=True) if each.any()]:
            lines.append(f"  vary between subjects: {', '.join(differing)}")
        if self.iov_names:
            lines.append(f"  vary between {self.n_occasions} occasions: {', '.join(self.iov_names)}")
        return "\n".join(lines)
