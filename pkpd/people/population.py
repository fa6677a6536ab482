"""A population: what is different between the subjects of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PopulationError
from pkpd.kinds import needs
from pkpd.people.basis import Basis
from pkpd.people.columns import (
    ColumnSource,
    Correlations,
    check_covariate,
    check_labels,
    check_people,
    check_range,
    count,
    factor,
    fill,
    warn_of_near,
)
from pkpd.people.joining import join
from pkpd.people.people import People
from pkpd.people.resampling import columns_of, resampled
from pkpd.people.table import read_table
from pkpd.randomness import COVARIATES, ETAS, PARAMETERS, check_seed, normals

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Population"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Population(People):
    """Subjects of one model; made by :meth:`draw`, :meth:`from_table` or :meth:`typical`.

    ``people[3:9]``, ``people[mask]`` and ``people[[5, 2]]`` are populations of the same persons.

    Attributes
    ----------
    model : str
        Name of the model.
    basis : Basis
        Its clock and units, in which all numbers here are.
    labels : array, shape (n,)
        Subject labels, no two alike.
    seed : int
        Seed of everything random about these subjects.
    index : array of int, shape (n,)
        Position of each subject in the random streams: with the seed, the person.
    eta_names, iov_names : tuple of str
        Parameters that vary between subjects, between occasions.
    etas : array, shape (n, n_eta)
        Random effects on the parameters' own scales.
    covariates : dict of name to array, shape (n,)
        Every covariate of the model, in its unit; the first value of one that varies in time.
    varying : dict of name to one (times, values) per subject
        Covariates that vary in time; times in the model's unit.
    parameters : dict of name to array, shape (n,)
        Typical values that replace the model's, in the parameter's unit.
    n_occasions : int
        Occasions per subject.
    iov_factor : array, shape (n_iov, n_iov)
        Lower Cholesky factor of the covariance of kappa.
    given_kappas : array, shape (n, n_occasions, n_iov), or None
        Effects between occasions where they are not drawn from seed and index.
    """

    @classmethod
    def draw(
        cls,
        model: Model,
        n: int,
        *,
        covariates: Mapping[str, Any] | None = None,
        correlations: Correlations | None = None,
        resample: Any = None,
        parameters: Mapping[str, Any] | None = None,
        n_occasions: int = 1,
        seed: int = 0,
        labels: Sequence[Any] | None = None,
    ) -> Population:
        """Return n random subjects.

        Subject i of a seed is the same person for every n, and stays so when further covariates are given.

        Parameters
        ----------
        model : Model
            Gives ``omega``, the covariates' reference values and the names.
        n : int
            Subjects, at least 1.
        covariates : mapping of name to number, array of shape (n,) or distribution, optional
            Covariates left out take the model's reference value.
        correlations : mapping of (name, name) to float, optional
            Correlations between covariates that are drawn: those of the normal scores (Gaussian copula), which are the
            correlations of the values for normal and of their logarithms for log-normal covariates.
        resample : data frame or dict of columns, optional
            Rows are drawn with replacement, and give all covariates that the table has, so they stay together.
        parameters : mapping of name to number, array or distribution, optional
            Typical values by subject instead of the model's, e.g. to carry the uncertainty of an estimate.
        n_occasions : int
            Occasions per subject, for variability between them.
        seed : int
            Whole number >= 0.
        labels : sequence, length n, optional
            Subject labels; 1 to n by default.

        Raises
        ------
        PopulationError
            If the population is empty, a name is unknown, a value not finite or none that the covariate or parameter
            can have (a distribution that reaches there is to be limited with ``low`` and ``high``), or a matrix is not
            positive definite.

        Examples
        --------
        >>> from pkpd.model.declare import Covariate, Parameter, State
        >>> from pkpd.model.model import Model
        >>> from pkpd.people.distributions import lognormal
        >>> model = Model(
        ...     "bolus",
        ...     states=[State("A", "mg")],
        ...     parameters=[Parameter("k", 0.1, "1/h", cv=0.3)],
        ...     covariates=[Covariate("WT", "kg", 70)],
        ...     dynamics=lambda t, x, p: {"A": -p.k * x.A},
        ... )
        >>> people = Population.draw(model, 200, covariates={"WT": lognormal(70, 0.2)}, seed=1)
        >>> people.etas.shape, bool((people[:10].etas == Population.draw(model, 10, seed=1).etas).all())
        ((200, 1), True)
        """
        needs(
            "Population.draw",
            model,
            ("Model",),
            "load one, pkpd.models[name]; a fit's and a calibration's is its .model",
        )
        who = f"population of '{model.name}'"
        n = count(who, "n", n, "an empty population has nobody to simulate")
        index = np.arange(n)
        source = ColumnSource(who, check_seed(seed), index)
        known = tuple(model.covariates)
        given = fill(source, "covariate", covariates or {}, known, COVARIATES, correlations)
        if resample is not None:
            rows = resampled(source, resample, known)
            if both := sorted(set(rows) & set(given)):
                raise PopulationError(
                    f"{who}: covariate {', '.join(both)} is both given and resampled; drop one of them"
                )
            warn_of_near(f"{who}: resample", model, [*columns_of(resample), *given])
            given |= rows
        values = fill(source, "parameter", parameters or {}, tuple(model.parameters), PARAMETERS)
        named = check_labels(who, labels, n)
        for name, column in values.items():
            check_range(who, model, name, column, named)
        etas = normals(source.seed, index, factor(f"{who}: omega of {', '.join(model.etas)}", model.omega), ETAS)
        return cls(
            labels=named,
            seed=source.seed,
            index=index,
            etas=etas,
            covariates=_complete(model, who, given, named),
            parameters=values,
            **_common(model, who, n_occasions),
        )

    @classmethod
    def typical(
        cls,
        model: Model,
        n: int = 1,
        *,
        covariates: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Population:
        """Return n subjects without random effects.

        Parameters
        ----------
        model : Model
        n : int
        covariates, parameters : mapping of name to number or array, shape (n,), optional
            Covariates, and typical values instead of the model's, as for :meth:`draw`.

        Raises
        ------
        PopulationError
            As :meth:`draw`.
        """
        needs(
            "Population.typical",
            model,
            ("Model",),
            "load one, pkpd.models[name]; a fit's and a calibration's is its .model",
        )
        who = f"population of '{model.name}'"
        n = count(who, "n", n, "an empty population has nobody to simulate")
        source = ColumnSource(who, 0, np.arange(n))
        given = fill(source, "covariate", covariates or {}, tuple(model.covariates), COVARIATES)
        values = fill(source, "parameter", parameters or {}, tuple(model.parameters), PARAMETERS)
        common = _common(model, who, 1)
        labels = check_labels(who, None, n)
        for name, column in values.items():
            check_range(who, model, name, column, labels)
        return cls(
            labels=labels,
            seed=0,
            index=source.index,
            etas=np.zeros((n, len(model.etas))),
            covariates=_complete(model, who, given, labels),
            parameters=values,
            given_kappas=np.zeros((n, 1, len(model.iov_etas))),
            **common,
        )

    @classmethod
    def from_table(
        cls, model: Model, table: Any, *, id: str = "ID", ignore: bool = False, n_occasions: int = 1, seed: int = 0
    ) -> Population:
        """Return the subjects of a table.

        Parameters
        ----------
        model : Model
        table : data frame or dict of columns
            Columns are covariates, parameters (individual typical values) and ``ETA_<parameter>``; effects without a
            column are 0, covariates without one have the model's reference value. With a column ``TIME`` a subject has
            several rows, in order of time, and a covariate that changes between them varies in time.
        id : str
            Column of subject labels; without it subjects are numbered.
        ignore : bool
            Whether other columns are left aside instead of refused; one that differs from a name of the model in case
            only is refused.
        n_occasions, seed : int
            As in :meth:`draw`.

        Raises
        ------
        PopulationError
            If a column is unknown, a subject comes twice, a value is no finite number or none that the model allows,
            or TIME does not rise.
        """
        needs(
            "Population.from_table",
            model,
            ("Model",),
            "load one, pkpd.models[name]; a fit's and a calibration's is its .model",
        )
        who = f"population of '{model.name}'"
        content = read_table(model, table, id, ignore)
        people = cls(
            labels=content.labels,
            seed=check_seed(seed),
            index=np.arange(len(content.labels)),
            etas=content.etas,
            covariates=_complete(model, who, content.covariates, content.labels),
            parameters=content.parameters,
            varying=content.varying,
            **_common(model, who, n_occasions),
        )
        check_people(who, model, people)
        return people

    def concat(self, *others: Population, labels: Sequence[Any] | None = None) -> Population:
        """Return these subjects followed by others.

        Parts of one draw keep their places in the random streams; otherwise the new population counts its places
        afresh under the first seed, so that no two subjects share residual errors.

        Parameters
        ----------
        *others : Population
            Of the same model, with the same occasions.
        labels : sequence, optional
            New labels, needed where the populations have labels in common.

        Raises
        ------
        PopulationError
            If the populations do not fit together or labels come twice.
        """
        return join([self, *others], labels)


def _complete(model: Model, who: str, given: Mapping[str, Floats], labels: NDArray[Any]) -> dict[str, Floats]:
    """Return all covariates of the model, its reference where none is given; others than it allows are refused."""
    for name, values in given.items():
        check_covariate(who, model.covariates[name], values, labels)
    return {k: given[k] if k in given else np.full(len(labels), c.reference) for k, c in model.covariates.items()}


def _common(model: Model, who: str, n_occasions: int) -> dict[str, Any]:
    return {
        "model": model.name,
        "basis": Basis.of(model),
        "eta_names": tuple(model.etas),
        "iov_names": tuple(model.iov_etas),
        "iov_factor": factor(f"{who}: omega_iov of {', '.join(model.iov_etas)}", model.omega_iov),
        "n_occasions": count(who, "n_occasions", n_occasions, "each subject has at least one"),
    }
