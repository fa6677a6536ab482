"""The verb: log-likelihood, gradient and predictions of subjects under a model, for any values of free parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.solve.block import DoseFault, Settings
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.kernel_cache import kernel_of
from pkpd.engine.solve.run import solve_block
from pkpd.engine.solve.status import Status
from pkpd.engine.solve.tangent import tangent
from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.observation.kernel import Sums, sum_terms
from pkpd.observation.packing import lay_out, pack_batches, pack_inputs, pack_terms
from pkpd.observation.predictive import Measured, Predictive, Replicates, predictive, replicate
from pkpd.observation.rules import Factors, said_of
from pkpd.observation.subject import Subject, check
from pkpd.simulation.kernels import equations_for, quantities
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.model.residual import ResidualError

__all__ = ["Evaluation", "Likelihood", "Predictions"]


@dataclass(frozen=True)
class Evaluation:
    """What the data say about some values.

    Attributes
    ----------
    loglik : float array, (subjects,)
        -inf where ``status`` is not 0.
    gradient : float array, (subjects, free)
        Derivatives by the free quantities; 0 where ``status`` is not 0 or where it was not asked for.
    gradient_scales : float array, (subjects, scaled)
        Derivatives by the factors on residual standard deviations.
    terms : float array, (terms,)
        Log-probability or log-density of each term.
    cells : float array, (cells,)
        The model's outputs in each cell, in their units; NaN where a subject could not be solved.
    status : int array, (subjects,)
        Codes of ``pkpd.engine.solve.status.Status``, 0 where all went well.
    """

    loglik: np.ndarray
    gradient: np.ndarray
    gradient_scales: np.ndarray
    terms: np.ndarray
    cells: np.ndarray
    status: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """Outputs of the model in the cells of a likelihood.

    Attributes
    ----------
    values : float array, (cells,)
        In the outputs' units; NaN where a subject could not be solved.
    jacobian : float array, (cells, free), or None
    status : int array, (subjects,)
    """

    values: np.ndarray
    jacobian: np.ndarray | None
    status: np.ndarray


class Likelihood:
    """Log-likelihood of subjects and its gradient; all that does not depend on values is prepared once.

    Parameters
    ----------
    model : Model
    subjects : sequence of Subject
    free : sequence of str
        What varies: parameters of the model, or ``eta_<parameter>`` for the random effect of one that varies.
    scaled : sequence of str, optional
        Outputs whose residual standard deviation has a free factor.
    rtol, atol : float
        Bounds of the error per step of each state and sensitivity.
    every : float, optional
        A window is taken as measured at its ends and this far apart, from its beginning on; a day by default, as all
        times in the model's time unit. A window may be 10,000 measurements at most.
    method : str
        As for :func:`pkpd.simulate`; ``auto`` prefers chains, see ``pkpd.engine.solve.chain``.

    Attributes
    ----------
    terms : list of Term
        Of all subjects, in order.
    subject_of : int array, (terms,)
        Position of the subject of each.
    cells : Cells
        Single measurements that the terms are made of.
    errors : dict of output to ResidualError
    start : float array, (subjects, free)
        The model's values, or the subjects' own.

    Raises
    ------
    DataError
        With all that is wrong with subjects, terms and names at once.

    Notes
    -----
    Value and gradient come from one solution of the equations with their sensitivities, see
    ``pkpd.engine.solve.tangent``, so the gradient is that of the value up to the tolerance of the solver.

    Examples
    --------
    >>> import numpy as np
    >>> import pkpd
    >>> from pkpd.extend import Subject, Term
    >>> model = pkpd.models["pk1_oral"]
    >>> dose = pkpd.Regimen.parse("100 mg", cmt="depot")
    >>> ann = Subject("Ann", dose, terms=(Term("4 h", "density", "Cc", 4.0, 1.5),))
    >>> found = Likelihood(model, [ann], ["CL", "V"]).evaluate(np.array([[5.0, 50.0]]))
    >>> found.loglik.shape, found.gradient.shape, int(found.status[0])
    ((1,), (1, 2), 0)
    """

    def __init__(
        self, model: Model, subjects: Sequence[Subject], free: Sequence[str] = (), *, scaled: Sequence[str] = (),
        rtol: float = 1e-6, atol: float = 1e-9, every: float | None = None, method: str = "auto",
        max_steps: int = 100_000,
    ) -> None:  # fmt: skip
        needs(
            "Likelihood",
            model,
            ("Model",),
            "load one, pkpd.models[name]; a fit's and a calibration's is its .model",
        )
        self.model, self.subjects = model, tuple(subjects)
        self.free, self.scaled = tuple(free), tuple(scaled)
        self._check_names()
        self.every = convert_time(1.0, "d", model.time_unit) if every is None else float(every)
        if not (np.isfinite(self.every) and self.every > 0):
            raise DataError(f"likelihood: every must be a time > 0, got {every}")
        self._layout = lay_out(model, self.subjects, self.every)
        self.terms, self.cells, self.subject_of = self._layout.terms, self._layout.cells, self._layout.subject
        self._wrt = [_symbol(n) for n in self.free]
        sizes = [model.parameters[n].value if n in model.parameters else 1.0 for n in self.free]
        chosen = quantities(model, self._layout.outputs) if self._layout.outputs else []
        self._plain = equations_for(model, chosen)
        self._moved = tangent(self._plain, self._wrt, sizes)
        self._kernels: dict[bool, Kernel] = {}
        # a chain is the fastest where it fits, and hands what it cannot solve to the explicit method
        fits = method == "auto" and self._kernel(False).chain is not None
        self.settings = Settings("chain" if fits else method, rtol, atol, max_steps, explicit="tsit5")
        self._inputs, self._rows = pack_inputs(self._kernel(False).inputs, model, self.subjects, self.free)
        self.start = np.ascontiguousarray(self._inputs[self._rows].T)
        self.packed = pack_terms(self._layout, model, self.scaled, self._reach())
        self.first, self.said = self._layout.first, said_of(self.terms)
        found = {n: model.outputs[n].error for n in self._layout.outputs}
        self.errors: dict[str, ResidualError] = {n: e for n, e in found.items() if e is not None}
        self.factors = Factors(self.terms, self.first)
        self._batches, self._codes = pack_batches(self.factors.all, self._layout.row, self.said, self.errors)

    def _check_names(self) -> None:
        model = self.model
        known = [*model.parameters, *(f"eta_{n}" for n in model.etas)]
        faults = [
            ("free", f"model '{model.name}' has no parameter or random effect '{n}'{nearest(n, known)}")
            for n in self.free
            if n not in known
        ]
        for n in self.scaled:
            if n not in model.outputs:
                faults.append(("scaled", f"model '{model.name}' has no output '{n}'{nearest(n, model.outputs)}"))
            elif (error := model.outputs[n].error) is None or error.exact:
                faults.append(("scaled", f"output '{n}' has no residual error that a factor could change"))
        for what, names in (("free", self.free), ("scaled", self.scaled)):
            faults += [(what, f"'{n}' is given twice") for n in dict.fromkeys(names) if names.count(n) > 1]
        if not self.subjects:
            faults.append(("subjects", "give at least one"))
        if message := check(faults):
            raise DataError(message)

    def _reach(self) -> dict[str, list[int]]:
        """Return the free quantities that each output depends on."""
        n, zero = len(self._layout.outputs), const(0)
        entries = self._moved.outputs[n:]
        return {
            name: [k for k in range(len(self.free)) if entries[k * n + o] is not zero]
            for o, name in enumerate(self._layout.outputs)
        }

    def _kernel(self, slopes: bool) -> Kernel:
        """Return the machine code of the outputs, with derivatives or without, built once for a model."""
        if slopes not in self._kernels:
            equations: Equations = self._moved if slopes else self._plain
            parts = (equations.states, equations.inputs, equations.derivatives, equations.outputs, equations.sloping)
            key = ("likelihood", self.model.fingerprint, *parts)
            self._kernels[slopes] = kernel_of(key, lambda: equations)
        return self._kernels[slopes]

    def _solve(self, values: np.ndarray, slopes: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return outputs in all rows, (outputs, rows), and the status of each subject."""
        inputs, m = self._inputs.copy(), len(self.subjects)
        given = np.broadcast_to(np.asarray(values, np.float64), (m, len(self.free)))
        bad = np.zeros(m, np.int64)
        if not np.isfinite(given.sum()):
            bad[~np.isfinite(given).all(axis=1)] = Status.VALUE_NOT_FINITE
        inputs[self._rows] = given.T
        if bad.any():
            inputs[self._rows[:, None], np.flatnonzero(bad)] = self.start[bad > 0].T
        kernel, block = self._kernel(slopes), self._layout.block
        if not block.obs_time.size:
            return np.empty((len(kernel.outputs), 0)), bad
        while True:
            try:
                result = solve_block(kernel, block, inputs, self.settings)
            except DoseFault as fault:
                i = fault.args[1]
                if bad[i]:
                    raise
                bad[i] = Status.IMPOSSIBLE_DOSE
                inputs[self._rows, i] = self.start[i]
            else:
                break
        return result.outputs, np.where(bad > 0, bad, result.status)

    def evaluate(self, values: Any, scales: Any = None, gradient: bool = True) -> Evaluation:
        """Return the log-likelihood of each subject, with its gradient.

        Parameters
        ----------
        values : float array, (subjects, free) or (free,)
            Natural values, in the model's units.
        scales : float array, (subjects, scaled) or (scaled,), optional
            Factors on residual standard deviations; 1 by default.
        gradient : bool
            Without, only the equations themselves are solved.

        Returns
        -------
        Evaluation
            Never raises for values at which nothing can be computed: the log-likelihood is -inf there.
        """
        factors = self._scales(scales)
        y, status = self._solve(values, gradient)
        m = len(self.subjects)
        found = Evaluation(
            np.empty(m), np.empty((m, len(self.free))), np.empty((m, len(self.scaled))), np.empty(len(self.terms)),
            self._in_cells(y, status), status,
        )  # fmt: skip
        sums = Sums(found.loglik, found.gradient, found.gradient_scales, found.terms)
        sum_terms(self.packed, self._batches, y, factors, status, gradient, sums)
        return found

    def _scales(self, scales: Any) -> np.ndarray:
        if scales is None:
            return np.ones((1, len(self.scaled)))
        return np.ascontiguousarray(np.atleast_2d(np.asarray(scales, np.float64)))

    def predict(self, values: Any, gradient: bool = False) -> Predictions:
        """Return the model's outputs in each cell, see ``cells``.

        Parameters
        ----------
        values : float array, (subjects, free) or (free,)
        gradient : bool
            Also their derivatives by the free quantities.
        """
        y, status = self._solve(values, gradient)
        cells = self._in_cells(y, status)
        if not gradient:
            return Predictions(cells, None, status)
        n, row = len(self._layout.outputs), self._layout.row
        output = self.packed.output[self.cells.term]
        jacobian = np.zeros((cells.size, len(self.free)))
        for k in range(len(self.free)):
            jacobian[:, k] = y[n * (k + 1) + output, row]
        return Predictions(cells, jacobian, status)

    def _in_cells(self, y: np.ndarray, status: np.ndarray) -> np.ndarray:
        """Return the outputs of each cell, (cells,), from those of all rows; NaN where there is no solution."""
        found = y[self.packed.output[self.cells.term], self._layout.row]
        return np.where(status[self.cells.subject] == 0, found, np.nan)

    def _measured(self, values: Any, scales: Any) -> Measured:
        """Return what terms are formed of, at some values."""
        factors, cells = self._scales(scales), self.cells
        each = np.broadcast_to(factors, (len(self.subjects), factors.shape[1]))
        e = self.packed.scaled[self.packed.output[cells.term]]
        factor = np.where(e >= 0, each[cells.subject, e], 1.0) if self.scaled else np.ones(e.size)
        return Measured(self.terms, self.first, cells.term, self.errors, self.predict(values).values, factor)

    def replicate(self, values: Any, scales: Any = None, seed: int = 0, n: int | None = None) -> Replicates:
        """Draw what would have been measured, and form of it what each term states.

        See :func:`pkpd.observation.predictive.replicate`.
        """
        return replicate(self._measured(values, scales), seed, n)

    def cdf(self, values: Any, scales: Any = None) -> Predictive:
        """Return how probable what each term states was, see :func:`pkpd.observation.predictive.predictive`."""
        return predictive(self._measured(values, scales), self.factors, self.said)


def _symbol(name: str) -> Node:
    return symbol(name.removeprefix("eta_"), "eta") if name.startswith("eta_") else symbol(name, "theta")
