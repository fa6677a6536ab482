"""The model: declarations and functions, checked and traced when it is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace as changed
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pkpd.engine.graph.nodes import symbol
from pkpd.errors import ModelError, nearest
from pkpd.model import run
from pkpd.model.compose import check_parts, declared, flat, merge_covariates, part_omegas
from pkpd.model.declare import Covariate, Omega, Output, Parameter, State
from pkpd.model.describe import describe
from pkpd.model.names import listed, unknown
from pkpd.model.numeric import Person, complete
from pkpd.model.residual import ResidualError
from pkpd.model.routine import ROLES, Routine
from pkpd.model.trace import TIME, Traced
from pkpd.model.travel import pack_model, restored
from pkpd.model.typeset import to_html, to_latex, to_markdown
from pkpd.model.variability import covariance
from pkpd.transport import frozen
from pkpd.units.time import HOURS

__all__ = ["Model"]

Function = Callable[..., Mapping[str, Any]]
Floats = NDArray[np.float64]


class Model(Traced):
    """A pharmacokinetic or pharmacodynamic model.

    Parameters
    ----------
    name : str
        Short name.
    title, description, reference : str
        One line; what it is and where it holds; where it was published.
    states, parameters, covariates, outputs : iterable of declarations
        In the order in which they shall appear.
    omega, omega_iov : iterable of Omega
        Covariance blocks between subjects, between occasions, beside the parameters' own ``cv`` and ``sd``.
    correlations : mapping of (name, name) to float
        Correlations of between-subject effects.
    parts : mapping of prefix to Model
        Models included whole; their names are prefixed, ``x.tcz.central``, ``p.tcz.CL``, and their outputs are found
        beside their states, ``x.tcz.Cc``. Covariates of one name are one.
    individual : function (p, cov) -> dict, optional
        Individual parameters that replace those of the same name (``"tcz.CL"`` one of a part, before the part's
        equations use it), or new ones.
    initial : function (p) or (p, cov) -> dict, optional
        Initial values; states not named start at 0.
    dosing : function (p) or (p, cov) -> dict of dicts, optional
        ``F``, ``tlag`` (h), ``rate`` and ``duration`` (h) by dosed state.
    connect : function (t, x, p) or (t, x, p, cov) -> dict, optional
        What takes the place of a part's covariate, ``{"crp.tone": x.tone.X}``: how the output of one part drives
        another. Such a covariate is no longer asked of subjects, and the part uses it in dynamics and outputs only.
    dynamics : function (t, x, p) or (t, x, p, cov) -> dict
        Time derivative of every state; one for a part's state is a flow added to what the part itself says.
    calculate : function (t, x, p) or (t, x, p, cov) -> dict, optional
        Outputs; one that it leaves out is the state of the same name.
    time_unit : str
        Unit of ``t``: ``s min h d w month year``, or another spelling. Doses, data sets and grids of times in other
        units are put on this clock by whatever verb brings them to the model; bare numbers of times are in this unit.
    check_units : bool
        Whether the equations are checked for their units.

    Attributes
    ----------
    file : str
        Where it was loaded from, which is where its schedules and published numbers are looked for; empty if nowhere.
    states, parameters, covariates, outputs : mapping of full name to declaration
    connected : set of str
        Covariates of parts that ``connect`` gives, by full name.
    etas, iov_etas : tuple of str
        Parameters that vary between subjects, between occasions.
    omega, omega_iov : array, shape (n, n)
        Covariance of eta (in the order of ``etas``) and of kappa (``iov_etas``).

    Raises
    ------
    ModelError
        If a declaration or a function is wrong; UnitError if units do not fit.

    Examples
    --------
    >>> from pkpd.model.declare import Output, Parameter, State
    >>> model = Model(
    ...     "bolus",
    ...     states=[State("central", "mg")],
    ...     parameters=[Parameter("CL", 1.0, "L/h", cv=0.3), Parameter("V", 10.0, "L")],
    ...     outputs=[Output("Cc", "mg/L")],
    ...     dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
    ...     calculate=lambda t, x, p: {"Cc": x.central / p.V},
    ... )
    >>> model.rhs(0.0, {"central": 100.0})
    {'central': -10.0}
    """

    kind: ClassVar[str] = "Model"

    def __init__(
        self,
        name: str,
        *,
        title: str = "",
        description: str = "",
        reference: str = "",
        states: Iterable[State] = (),
        parameters: Iterable[Parameter] = (),
        covariates: Iterable[Covariate] = (),
        outputs: Iterable[Output] = (),
        omega: Iterable[Omega] = (),
        omega_iov: Iterable[Omega] = (),
        correlations: Mapping[tuple[str, str], float] | None = None,
        parts: Mapping[str, Model] | None = None,
        individual: Function | None = None,
        initial: Function | None = None,
        dosing: Function | None = None,
        connect: Function | None = None,
        dynamics: Function | None = None,
        calculate: Function | None = None,
        time_unit: str = "h",
        check_units: bool = True,
    ) -> None:
        texts = {"name": name, "title": title, "description": description, "reference": reference}
        _check_texts(texts, time_unit)
        functions = (individual, initial, dosing, connect, dynamics, calculate)
        own = declared(name, states, parameters, covariates, outputs)
        parts = dict(parts or {})
        check_parts(name, own, parts, time_unit)
        self._hold(
            **texts | {"description": inspect.cleandoc(description)},
            time_unit=time_unit,
            own=own,
            parts=frozen(parts),
            states=frozen(flat(own.states, {k: m.states for k, m in parts.items()})),
            parameters=frozen(flat(own.parameters, {k: m.parameters for k, m in parts.items()})),
            outputs=frozen(flat(own.outputs, {k: m.outputs for k, m in parts.items()})),
            routines=frozen(
                {r: Routine.of(name, r, f, time_unit) for r, f in zip(ROLES, functions, strict=True) if f is not None}
            ),
        )
        self._hold(connected=self._connected())
        self._hold(covariates=frozen(merge_covariates(name, own.covariates, parts, self.connected)))
        if not self.states:
            raise ModelError(f"model '{name}' has no states; give states=[State(name, unit), ...]")
        if own.states and dynamics is None:
            raise ModelError(f"model '{name}': dynamics is missing; give dynamics=dynamics, a function of (t, x, p)")
        self._set_covariances(list(omega), list(omega_iov), correlations or {})
        _ = self.trace  # mistakes in the functions show when the model is built
        if check_units:
            from pkpd.engine.graph.dimension import check

            check(self)

    def _connected(self) -> frozenset[str]:
        """Return which covariates of parts the function ``connect`` gives, by running it once with symbols."""
        if "connect" not in self.routines:
            return frozenset()
        inner = {n: symbol(n, "covariate") for part in self.parts.values() for n in part.covariates}
        own = {n: symbol(n, "covariate") for n in self.own.covariates}
        self._hold(covariates={**own, **inner}, connected=frozenset())
        base = {n: symbol(n, "theta") for n in self.parameters}
        p = {n: symbol(n, "parameter") for n in run.individual(self, base, self.covariates)}
        x = {n: symbol(n, "state") for n in self.states}
        return frozenset(run.connections(self, TIME, x, p, self.covariates))

    def _set_covariances(
        self, omega: list[Omega], omega_iov: list[Omega], correlations: Mapping[tuple[str, str], float]
    ) -> None:
        between = {n: q.variance for n, q in self.parameters.items()}
        within = {n: q.iov_variance for n, q in self.parameters.items()}
        blocks = part_omegas(self.parts, False) + omega
        iov_blocks = part_omegas(self.parts, True) + omega_iov
        etas, matrix = covariance(self.name, self.parameters, between, blocks, correlations)
        iov_etas, iov_matrix = covariance(self.name, self.parameters, within, iov_blocks, {}, "omega_iov")
        self._hold(etas=etas, omega=matrix, iov_etas=iov_etas, omega_iov=iov_matrix)

    def replace(
        self,
        *,
        values: Mapping[str, float] | None = None,
        omega: Iterable[Omega] | Floats | None = None,
        omega_iov: Floats | None = None,
        errors: Mapping[str, ResidualError] | None = None,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
    ) -> Model:
        """Return a copy with other typical values, covariances, residual errors or texts.

        Parameters
        ----------
        values : mapping of full name to float, optional
            Typical values, in the parameters' units.
        omega : iterable of Omega or array, optional
            Covariance blocks that replace what the named parameters had, or the whole covariance, shape (n, n), in
            the order of ``etas``.
        omega_iov : array, shape (n, n), optional
            Covariance between occasions, in the order of ``iov_etas``.
        errors : mapping of output to residual error, optional
        name, title, description : str, optional

        Raises
        ------
        ModelError
            If a parameter or output is unknown, a value lies outside its bounds, or the covariance is not positive
            definite.
        """
        who = f"model '{self.name}'"
        typical = complete(who, "parameter", values, {n: q.value for n, q in self.parameters.items()})
        parameters = {
            n: q if typical[n] == q.value else changed(q, value=typical[n]) for n, q in self.parameters.items()
        }
        changes: dict[str, Any] = {"parameters": parameters}
        texts = {"name": name, "title": title, "description": description}
        changes.update((k, v) for k, v in texts.items() if v is not None)
        if omega_iov is not None:
            changes["omega_iov"] = np.array(omega_iov, np.float64)
        if strange := [n for n in errors or {} if n not in self.outputs]:
            raise ModelError(
                f"{who}: unknown output {unknown(strange, list(self.outputs))}; {listed(list(self.outputs))}"
            )
        if errors:
            changes["outputs"] = frozen({n: changed(q, error=errors.get(n, q.error)) for n, q in self.outputs.items()})
        if omega is not None:
            blocks = [Omega(self.etas, omega)] if isinstance(omega, np.ndarray) else list(omega)
            changes.update(self._with_blocks(parameters, blocks))
        return self._copy(changes)

    def with_values(self, **values: float) -> Model:
        """Return a copy with other typical values: ``model.with_values(CL=5)``."""
        return self.replace(values=values)

    def without_variability(self) -> Model:
        """Return a copy in which all subjects and occasions are typical."""
        none: dict[str, Any] = dict.fromkeys(("cv", "sd", "iov_cv", "iov_sd"))
        empty = np.zeros((0, 0))
        empty.setflags(write=False)
        parameters = {n: changed(q, **none) for n, q in self.parameters.items()}
        return self._copy(
            {"parameters": parameters, "etas": (), "iov_etas": (), "omega": empty, "omega_iov": empty},
        )

    def with_variability(self, parameters: Mapping[str, Parameter]) -> Model:
        """Return a copy with some parameters declared anew, which alone may vary between subjects."""
        base = self.without_variability()
        every = {**base.parameters, **parameters}
        etas, omega = covariance(self.name, every, {n: q.variance for n, q in parameters.items()}, [], {})
        return base._copy({"parameters": every, "etas": etas, "omega": omega})

    def _with_blocks(self, parameters: dict[str, Parameter], blocks: Sequence[Omega]) -> dict[str, Any]:
        """Return parameters, etas and omega after blocks took the place of what their parameters had."""
        named = {n for b in blocks if isinstance(b, Omega) for n in b.names}
        keep = [i for i, n in enumerate(self.etas) if n not in named]
        kept = [Omega([self.etas[i] for i in keep], self.omega[np.ix_(keep, keep)])] if keep else []
        etas, matrix = covariance(self.name, parameters, {}, [*kept, *blocks], {})
        spread = dict(zip(etas, np.sqrt(np.diag(matrix)), strict=True))
        given = {n: changed(q, cv=None, sd=float(spread[n])) if n in named else q for n, q in parameters.items()}
        return {"parameters": given, "etas": etas, "omega": matrix}

    def _copy(self, changes: dict[str, Any]) -> Model:
        fields = {**vars(self), **changes, "parameters": frozen(dict(changes["parameters"]))}
        # values are not part of the equations, the presence of eta and kappa is
        if (fields["etas"], fields["iov_etas"]) != (self.etas, self.iov_etas):
            fields.pop("trace", None)
        return type(self).from_fields(fields)

    def evaluate(
        self,
        parameters: Mapping[str, float] | None = None,
        etas: Mapping[str, float] | None = None,
        covariates: Mapping[str, float] | None = None,
        kappas: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Return the individual parameters of one subject, by running ``individual`` on floats.

        Parameters
        ----------
        parameters : mapping, optional
            Typical values that differ from the model's, in its units.
        etas, kappas : mapping, optional
            Effects on the parameters' scales; 0 where not given.
        covariates : mapping, optional
            In the model's units; the reference where not given.
        """
        return self.person(parameters, etas, covariates, kappas).p

    def person(
        self,
        parameters: Mapping[str, float] | None = None,
        etas: Mapping[str, float] | None = None,
        covariates: Mapping[str, float] | None = None,
        kappas: Mapping[str, float] | None = None,
    ) -> Person:
        """Return one subject, whose ``initial()``, ``rhs(t, x)`` and ``outputs(t, x)`` run on floats.

        The arguments are those of :meth:`evaluate`.
        """
        return Person.of(self, parameters, etas, kappas, covariates)

    def rhs(
        self,
        t: float,
        x: Mapping[str, float],
        parameters: Mapping[str, float] | None = None,
        etas: Mapping[str, float] | None = None,
        covariates: Mapping[str, float] | None = None,
        kappas: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Return the derivative of every state, by running ``dynamics`` on floats.

        Parameters
        ----------
        t : float
            Time, in ``time_unit``.
        x : mapping of full name to float
            States, in their units; 0 where not given.
        parameters, etas, covariates, kappas : mapping, optional
            As for :meth:`evaluate`.
        """
        return self.person(parameters, etas, covariates, kappas).rhs(t, x)

    def __reduce__(self) -> tuple[Callable[[bytes], Traced], tuple[bytes]]:
        return restored, (pack_model(self),)

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, _: object) -> Model:
        return self

    def __repr__(self) -> str:
        return f"Model('{self.name}', {len(self.states)} states, {len(self.parameters)} parameters)"

    def __str__(self) -> str:
        return describe(self)

    def to_latex(self) -> str:
        """Return the equations as one LaTeX ``aligned`` environment, without dollar signs."""
        return to_latex(self)

    def to_markdown(self) -> str:
        """Return a document: what the model is, its tables, its equations as LaTeX between ``$$``."""
        return to_markdown(self)

    def _repr_html_(self) -> str:
        return to_html(self)

    def _repr_latex_(self) -> str:
        return f"$${self.to_latex()}$$"


def _check_texts(texts: Mapping[str, object], time_unit: object) -> None:
    """Raise ModelError if something that must be text is none, or the unit of time is unknown."""
    for field, text in texts.items():
        if not isinstance(text, str) or (field == "name" and not text.strip()):
            raise ModelError(f"Model: {field} must be text, got {text!r}")
    if not isinstance(time_unit, str) or time_unit not in HOURS:
        raise ModelError(
            f"model '{texts['name']}': time_unit must be a unit of time (s, min, h, d, w, month or year), got "
            f"{time_unit!r}{nearest(str(time_unit), HOURS)}"
        )
