"""One simulation, prepared to be run again and again with other numbers: arrays out, nothing labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pkpd.dosing.regimen import Regimen
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Kernel
from pkpd.errors import PopulationError, RegimenError
from pkpd.kinds import needs
from pkpd.model.model import Model
from pkpd.options import checked
from pkpd.people.columns import allowed_range, check_covariate, check_range, numbers, unknown
from pkpd.people.population import Population
from pkpd.simulation.arguments import (
    OnFailure,
    Solver,
    Times,
    check_method,
    check_on_failure,
    settings_from,
    times_from,
)
from pkpd.simulation.columns import constant_columns
from pkpd.simulation.failures import Failures, solved
from pkpd.simulation.kernels import OutputQuantity, kernel_for, quantities
from pkpd.simulation.people import fill_inputs
from pkpd.simulation.plan import GridPlan, plan_of

__all__ = ["Prepared", "prepare"]

Floats = NDArray[np.float64]


class Prepared:
    """A model with doses and times, made by `pkpd.prepare`: call it with numbers.

    Attributes
    ----------
    names : tuple of str
        What a call can give: parameters (typical values, in their units), ``eta_<parameter>`` (random effects, on the
        parameter's own scale) and covariates.
    outputs : mapping of str to str
        Outputs and their units.
    times : array, shape (times,)
        In ``time_unit``; read only.
    status : int array, shape (n,)
        What became of the subjects of the last call, 0 where all went well; empty after one that was refused.

    Notes
    -----
    Effects of occasions are 0; :func:`pkpd.simulate` takes them from a population. What is pickled or copied is what it
    was made from, so that a copy in another process or thread is prepared there anew.
    """

    def __init__(
        self, model: Model, chosen: Sequence[OutputQuantity], kernel: Kernel, plan: GridPlan, settings: Settings,
        on_failure: str, made: tuple[Any, Any, Any, dict[str, Any]],
    ) -> None:  # fmt: skip
        self.model, self.time_unit, self._made = model, model.time_unit, made
        self.times = plan.times.copy()
        self.times.setflags(write=False)
        self.outputs = MappingProxyType({q.name: q.unit for q in chosen})
        self.status = _NOBODY
        self._kernel, self._plan, self._settings, self._on_failure = kernel, plan, settings, on_failure
        self._rows: dict[str, int] = {}
        for row, node in enumerate(kernel.inputs):
            if node.kind in ("theta", "covariate") and ":" not in node.name:
                self._rows[node.name] = row
            elif node.kind == "eta":
                self._rows[f"eta_{node.name}"] = row
        self.names = tuple(self._rows)
        unbounded = (-np.inf, np.inf)
        #: between which values no look is needed
        self._inner = dict.fromkeys(self.names, unbounded)
        self._inner |= {n: allowed_range(model, n)[:2] for n in model.parameters}
        self._inner |= {n: c.inner for n, c in model.covariates.items()}
        everyone = Population.typical(model)
        self._typical = fill_inputs(kernel.inputs, model, everyone, np.zeros(1, np.int64), None, constant_columns(1))

    def __call__(self, values: Mapping[str, ArrayLike] | None = None, /, **more: ArrayLike) -> dict[str, Floats]:
        """Return the outputs for other numbers.

        Parameters
        ----------
        values, more : number or array, shape (n,)
            Parameters, random effects and covariates by name, see `names`; what is not given is the model's. Arrays are
            of n subjects, numbers the same for all.

        Returns
        -------
        dict of str to array
            Each output, of shape (times,) where only numbers are given, else (n, times). NaN from where on a subject
            could not be solved, which `status` tells.

        Raises
        ------
        PopulationError
            If a name is unknown or given twice, or a value is none that the parameter or covariate can have.
        RegimenError
            If a dose is impossible with these numbers: a lag or a bioavailability below 0.
        """
        self.status = _NOBODY
        given = more if values is None else self._together(values, more)
        inputs, single = self._inputs(given)
        block, _ = self._plan.block(self.model, self._kernel, 0, np.arange(inputs.shape[1]), inputs)
        result = solved(self.model, self._kernel, block, inputs, self._settings, lambda i: f"subject {i + 1}")
        self.status = result.status
        if not result.finite and self._on_failure != "ignore" and result.status.any():
            failures = Failures(self.model, self._kernel)
            failures.note(0, block, inputs, result)
            failures.report(result.status, lambda i: f"subject {i + 1}", self._on_failure)
        out = result.outputs[:, 0] if single else result.outputs
        return dict(zip(self.outputs, out, strict=True))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _again, self._made

    def _together(self, values: Any, more: dict[str, Any]) -> dict[str, Any]:
        """Return what a call is given in both ways as one."""
        if not isinstance(values, Mapping):
            if not (hasattr(values, "to_dict") and getattr(values, "ndim", 0) == 1):  # a row of a data frame has it
                raise PopulationError(
                    f"{self._who} takes numbers by name, run(CL=4.0), a mapping of these or a row of a table, "
                    f"got {values!r:.80}"
                )
            values = values.to_dict()
        if twice := [name for name in more if name in values]:
            raise PopulationError(f"{self._who}: {', '.join(map(repr, twice))} given twice, in the mapping and by name")
        return {**values, **more}

    def _inputs(self, given: Mapping[str, Any]) -> tuple[Floats, bool]:
        """Return the array of inputs, (inputs, n), and whether only numbers are given."""
        inputs = self._typical.copy()
        for name, value in given.items():
            if name not in self._rows:
                unknown(self._who, "parameter, effect or covariate", given, self.names)
            low, high = self._inner[name]
            if not (isinstance(value, float) and low < value < high):
                return self._columns(given)
            inputs[self._rows[name]] = value
        return inputs, True

    def _columns(self, given: Mapping[str, Any]) -> tuple[Floats, bool]:
        """Do as `_inputs` for whatever is given by known names."""
        columns = {name: _numbers(f"{self._who}: '{name}'", value) for name, value in given.items()}
        sizes = {name: column.size for name, column in columns.items() if column.ndim}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise PopulationError(f"{self._who}: arrays must have one value for each subject, all as many, got {told}")
        n = next(iter(sizes.values()), 1)
        inputs = np.repeat(self._typical, n, axis=1) if n > 1 else self._typical.copy()
        for name, column in columns.items():
            self._check(name, column)
            inputs[self._rows[name]] = column
        return inputs, not sizes

    def _check(self, name: str, column: Floats) -> None:
        """Raise PopulationError if the model does not allow a value."""
        values = column.reshape(-1)
        if not np.isfinite(values).all():
            raise PopulationError(f"{self._who}: '{name}' must be finite, got {values[~np.isfinite(values)][0]:g}")
        labels = np.arange(1, values.size + 1)
        if name in self.model.parameters:
            check_range(self._who, self.model, name, values, labels)
        elif name in self.model.covariates:
            check_covariate(self._who, self.model.covariates[name], values, labels)

    @property
    def _who(self) -> str:
        return f"prepared '{self.model.name}'"

    def __repr__(self) -> str:
        return f"Prepared('{self.model.name}', {self.times.size} times, outputs {', '.join(self.outputs)})"


_NOBODY = np.zeros(0, np.int64)


def _again(model: Model, regimen: Any, times: Any, options: dict[str, Any]) -> Prepared:
    return prepare(model, regimen, times, **options)


def _numbers(who: str, value: Any) -> Floats:
    raw = np.asarray(value)
    if raw.dtype.kind not in "iufO" or np.ma.is_masked(value):
        what = "a masked array" if np.ma.is_masked(value) else f"{value!r:.60}"
        raise PopulationError(f"{who} must be a number or one number for each subject, got {what}")
    column = numbers(who, raw)
    if column.ndim > 1 or not column.size:
        raise PopulationError(
            f"{who} must be a number or one number for each subject, at least one, got shape {column.shape}"
        )
    return column


@checked
def prepare(
    model: Model,
    regimen: Regimen | str | None = None,
    times: Times | None = None,
    *,
    outputs: Sequence[str] | None = None,
    method: Solver = "auto",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    h_max: float = np.inf,
    max_steps: int | None = None,
    on_failure: OnFailure = "warn",
) -> Prepared:
    """Prepare a simulation that is run again and again with other numbers, in loops that others write.

    What `simulate` works out in every call (doses on the model's clock, events, checks, labels) is worked out once; a
    call then costs little more than the solution, and gives the same numbers to the bit. Effects of occasions are 0.

    Parameters
    ----------
    model : Model
    regimen : Regimen or str, optional
        One for all, as for `simulate`; None: no dose. Amounts per kg are for `simulate`, since weights may change here.
    times : array, shape (times,)
        When to observe, as for `simulate`.
    outputs : sequence of str, optional
        Outputs, states or individual parameters; all declared outputs by default.
    method, rtol, atol, h_max, max_steps, on_failure
        As for `simulate`.

    Returns
    -------
    Prepared
        Call it with parameters, random effects (``eta_CL``) and covariates by name; it returns arrays.

    Raises
    ------
    PkpdError
        With who is wrong and what to do, if an argument cannot be understood.

    Examples
    --------
    >>> import numpy as np
    >>> import pkpd
    >>> run = pkpd.prepare(pkpd.models["pk1_oral"], "100 mg PO q24h x3", times=pkpd.hours(0, 72), outputs=["Cc"])
    >>> run(CL=4.0)["Cc"].shape, run(CL=np.array([3.0, 4.0, 5.0]), eta_V=0.2)["Cc"].shape
    ((73,), (3, 73))
    >>> "CL" in run.names, dict(run.outputs)
    (True, {'Cc': 'mg/L'})
    """
    needs("prepare", model, ("Model",), "load one, pkpd.models[name]; a fit's is its .model")
    settings = settings_from(method, rtol, atol, h_max, max_steps, "prepare")
    check_on_failure("prepare", on_failure)
    if not (regimen is None or isinstance(regimen, (Regimen, str))):
        raise RegimenError(f"prepare: regimen must be one Regimen or its shorthand for all, got {regimen!r:.80}")
    if isinstance(regimen, str) and "/kg" in regimen.replace(" ", ""):
        raise RegimenError(f"prepare: {regimen!r} is by weight, which may change from call to call; give mg")
    chosen = quantities(model, outputs)
    kernel = kernel_for(model, chosen)
    check_method("prepare", model, kernel, method)
    plan = plan_of(model, chosen, kernel, regimen, None, times_from(model, times, "prepare"), False)
    listed = outputs if outputs is None or isinstance(outputs, str) else tuple(outputs)
    options = {
        "outputs": listed, "method": method, "rtol": rtol, "atol": atol, "h_max": h_max, "max_steps": max_steps,
        "on_failure": on_failure,
    }  # fmt: skip
    made = model, regimen, times, options
    return Prepared(model, chosen, kernel, plan, settings, on_failure, made)
