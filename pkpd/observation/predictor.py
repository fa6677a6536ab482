"""Predictions of all observations and their derivatives, solved for many subjects at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.graph.nodes import Node, const
from pkpd.engine.solve.arrays import Records
from pkpd.engine.solve.block import Block, DoseFault, Result, Settings
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.pull import Pull
from pkpd.engine.solve.run import solve_block
from pkpd.errors import DataError
from pkpd.observation.data import FitData, ranges, starts
from pkpd.observation.first_links import FirstLinks
from pkpd.observation.jets import jet, second_order_is_exact
from pkpd.observation.links import ChainRule, Links
from pkpd.observation.slopes import Sensed, pull
from pkpd.simulation.columns import ROW_OBSERVATION, Columns, constant_columns
from pkpd.simulation.doses import table_records
from pkpd.simulation.people import Courses
from pkpd.simulation.people import _course_values as course_values
from pkpd.simulation.rows import begins_anew, ordering, switched_states

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Predictor"]

#: relative steps of central differences, for exact solutions and for those within a tolerance
STEP, COARSE = 1e-4, 1e-3
#: subjects from which on threads share the work: of equations that are stepped, and of linear ones, of which a thousand
#: take a millisecond
SHARED, SHARED_LINEAR = 32, 1024


class Predictor:
    """Solves the equations of all subjects of a data set.

    Parameters
    ----------
    links : Links
    data : FitData
    outputs : sequence of str
        Those that the links' equations calculate.
    settings : Settings
    threads : int
        Subjects are solved one by one in any case, so that results do not depend on it.

    Attributes
    ----------
    exact_second : bool
        Whether second derivatives come from equations; else they are differences of first ones.
    """

    def __init__(
        self, links: Links, data: FitData, outputs: tuple[str, ...], settings: Settings, threads: int = 1
    ) -> None:
        self.links, self.data, self.settings, self.threads = links, data, settings, threads
        self.model: Model = links.model
        self.n, self.m, self.d = data.y.size, data.n_subjects, len(links.directions)
        self._k = len(outputs)
        records = table_records(self.model, data.table)
        if off := switched_states(self.model, records):
            raise DataError(
                f"{data.table.name}: EVID 2 with a minus before CMT switches {', '.join(off)} off, which no fit can "
                "do; leave those rows out, or switch it by a covariate in the equations"
            )
        infused = frozenset(
            np.unique(records["cmt"][(records["rate"] != 0) & np.isin(records["evid"], (1, 4))]).tolist()
        )
        self._wrt = [d.symbol for d in links.directions]
        self.exact_second = second_order_is_exact(links.equations, self._wrt, infused)
        # several observations of one row of the table are one measurement in time
        self._seen, self._place = np.unique(data.row, return_inverse=True)
        self._starts = np.searchsorted(self._seen, np.asarray(data.table.starts, np.int64))
        self._column_output = np.empty(self.n, np.int64)
        for c in data.channels:
            for rows in c.every:
                self._column_output[rows] = outputs.index(c.output)
        #: where each observation stands among the predictions of all outputs in all rows
        self._flat = self._column_output * self._seen.size + self._place
        self._lay_out(records)
        self._kernels: dict[Any, tuple[Kernel, np.ndarray, np.ndarray | None]] = {}
        self._sizes = np.ones(self.d)
        self.pair = np.full((self.d, self.d), -1, np.int64)
        for p, (a, b) in enumerate(links.pairs):
            self.pair[a, b] = self.pair[b, a] = p

    # -- the block

    def _lay_out(self, records: np.ndarray) -> None:
        """Prepare doses, observations and the columns of inputs that change in time."""
        table, data = self.data.table, self.data
        clock = np.asarray(table.clock, np.float64)
        starts = np.asarray(table.starts, np.int64)
        owner = np.repeat(np.arange(self.m), np.diff(starts))
        names = tuple(n for n in self.model.covariates if n in data.varying)
        self._courses: Courses | None = None
        columns = constant_columns(self.m)
        if names or self.links.occasions:
            values = np.column_stack(
                [table.frame[n].to_numpy(np.float64) for n in names] or [np.empty((len(table), 0))]
            )
            self._courses = Courses(names, clock, values, data.occasion, owner)
            columns = self._courses.columns(self.model, starts, grid=False, begins=begins_anew(records))
        self._columns: Columns = columns
        self._owner = owner[columns.source] if self._courses is not None else np.arange(self.m)
        varies = self._courses is not None
        # an observation is no event where nothing changes with its row
        kept = np.flatnonzero(np.full(len(table), varies) | (records["evid"] != 0))
        first = np.searchsorted(kept, starts)
        rank = np.searchsorted(kept, self._seen, side="right") - first[owner[self._seen]] - 1 + ROW_OBSERVATION
        none = np.empty(0, np.int64)
        rules = ordering(self.model, table)
        self.block = Block(
            column=columns.first, origin=clock[starts[:-1]],
            records=Records(clock[kept], *(np.ascontiguousarray(records[f][kept]) for f in Records._fields[1:])),
            rec_first=first[:-1], rec_last=first[1:], rec_column=columns.own if varies else none,
            seg_first=columns.seg_first, seg_time=columns.seg_time, seg_rank=columns.seg_rank,
            seg_column=columns.seg_column, obs_time=clock[self._seen], obs_first=self._starts[:-1],
            obs_last=self._starts[1:], obs_rank=rank, obs_column=columns.own[self._seen] if varies else none,
            shared=False,
            **{**rules, "anew": rules["anew"][kept]},
        )  # fmt: skip

    def _part(self, chosen: np.ndarray) -> Block:
        """Return the block of some subjects; rows keep their numbers."""
        b = self.block
        per_subject = {
            f: getattr(b, f)[chosen] for f in ("column", "origin", "rec_first", "rec_last", "obs_first", "obs_last")
        }
        if not b.seg_time.size:
            return replace(b, **per_subject, seg_first=np.zeros(chosen.size + 1, np.int64))
        sizes = np.diff(b.seg_first)[chosen]
        take = ranges(b.seg_first[chosen], b.seg_first[chosen + 1])
        segments = {f: getattr(b, f)[take] for f in ("seg_time", "seg_rank", "seg_column")}
        return replace(b, **per_subject, **segments, seg_first=starts(sizes))

    # -- kernels

    def _kernel(self, kind: str) -> tuple[Kernel, np.ndarray, np.ndarray | None]:
        """Return machine code, its inputs without the directions, and which of its outputs belong to each row."""
        if kind not in self._kernels:
            links, wrt = self.links, self._wrt
            sizes = tuple(float(s) for s in self._sizes)
            r = links.n_random
            make = {
                "random": lambda: jet(links.equations, wrt[:r], sizes[:r], ()),
                "first": lambda: jet(links.equations, wrt, sizes, ()),
                "second": lambda: jet(links.equations, wrt, sizes, links.pairs),
            }
            is_plain = kind == "plain" or (kind == "random" and not r)
            if not is_plain and (kind, sizes) not in links.kernels:
                links.kernels[kind, sizes] = Kernel(make[kind]())
            kernel = links.plain if is_plain else links.kernels[kind, sizes]
            parts = len(kernel.outputs) // self._k
            pick = None
            if self._k > 1 or self._seen.size < self.n:
                of_output = np.arange(parts)[:, None] * self._k + self._column_output
                pick = of_output * self._seen.size + self._place
            self._kernels[kind] = kernel, self._inputs(kernel.inputs), pick
        return self._kernels[kind]

    def _inputs(self, nodes: tuple[Node, ...]) -> np.ndarray:
        """Return the array of inputs, (inputs, columns); rows of directions are filled at each call."""
        out = np.zeros((len(nodes), self._owner.size))
        course = course_values(self.model, self._courses, self._columns) if self._courses is not None else {}
        for r, node in enumerate(nodes):
            if node.kind == "theta":
                own = self.data.own.get(node.name)
                out[r] = self.model.parameters[node.name].value if own is None else own[self._owner]
            elif node.name in course:
                out[r] = course[node.name]
            elif node.name.startswith("occasion|") and self._courses is not None:
                out[r] = self._courses.occasion[self._columns.source] == int(node.name.partition("|")[2])
            elif node.kind == "covariate" and ":" not in node.name:
                out[r] = self.data.constant[node.name][self._owner]
        return out

    # -- evaluation

    def scale(self, phi: np.ndarray) -> None:
        """Take the typical sizes of directions, to which tolerances of sensitivities refer, before any solution."""
        typical = np.median(np.abs(phi), axis=1)
        # powers of ten, so that fits of one model share their machine code
        self._sizes = 10.0 ** np.round(np.log10(np.where(typical > 0, typical, 1.0)))

    def chain(self, theta: np.ndarray, eta: np.ndarray, order: int = 1) -> ChainRule:
        """Return the directions of all subjects for estimated thetas on their scale and random effects (m, p).

        ``order`` is that of the highest derivative, 1 to 3.
        """
        self.first.fill(theta, eta)
        found, levels = self.links.chain(self.first.inputs, order), self.data.levels
        if levels is None:
            return found
        return replace(found, **{name: levels.expanded(getattr(found, name)) for name in ("x", "ex", "eex")})

    @cached_property
    def first(self) -> FirstLinks:
        """Directions and those of their first derivatives that are not zero."""
        return FirstLinks(self.links, self.data)

    def rows(self, chosen: np.ndarray) -> np.ndarray:
        """Return the numbers of the observations of some subjects."""
        return ranges(self.data.starts[chosen], self.data.starts[chosen + 1])

    def solve(self, phi: np.ndarray, kind: str, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return predictions and derivatives of each observation.

        Parameters
        ----------
        phi : float array, (d, m)
        kind : {"plain", "random", "first", "second"}
            Without derivatives, with those by random directions, by all, and with second ones.
        chosen : int array, optional
            Subjects; observations of others are left undefined.

        Returns
        -------
        float array, (parts, N)
            NaN where a subject could not be solved.
        """
        out, pick = self._solved(phi, kind, chosen), self._kernel(kind)[2]
        return out if pick is None else out.ravel()[pick]

    def _solved(self, phi: np.ndarray, kind: str, chosen: np.ndarray | None) -> np.ndarray:
        """Return what :meth:`solve` does, of all outputs in all rows that are observed, (parts * outputs, rows)."""
        kernel, inputs, _ = self._kernel(kind)
        self._steer(inputs, phi)
        who = np.arange(self.m) if chosen is None else chosen
        if self._is_shared(kernel, who.size):
            return self._threaded(kernel, inputs, who)
        return self._outputs(kernel, inputs, self.block if chosen is None else self._part(chosen))

    def _steer(self, inputs: np.ndarray, phi: np.ndarray) -> None:
        """Write the directions, (d, m), to the columns of a kernel's inputs."""
        inputs[: self.d] = phi if self._courses is None else phi[:, self._owner]

    def sensed(self, phi: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Return predictions, (N,), and what turns the derivatives of a sum over each subject's data by these into
        those by directions, (d, m).
        """  # noqa: D205
        kernel, inputs, _ = self._kernel("first")
        # who threads may share is added up from outputs by one thread too: sums must not depend on their number
        if not kernel.linear and self.m < SHARED:
            return self._sensed_by_states(kernel, inputs, phi)
        out = self._solved(phi, "first", None)

        def pulled(by_f: np.ndarray) -> np.ndarray:
            found = np.empty((self.d, self.m))
            pull(out, self._sensed, by_f, found)
            return found

        return out.take(self._flat), pulled

    def _sensed_by_states(
        self, kernel: Kernel, inputs: np.ndarray, phi: np.ndarray
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Do as :meth:`sensed` for one thread, without the derivatives of each prediction."""
        self._steer(inputs, phi)
        try:
            result = solve_block(kernel, self.block, inputs, self.settings, shown=self._k)
        except DoseFault:
            return np.full(self.n, np.nan), lambda by_f: np.full((self.d, self.m), np.nan)
        failed = self._blank(result, self.block)

        def pulled(by_f: np.ndarray) -> np.ndarray:
            assert result.states is not None
            found = self._pull(result.states, by_f)
            if failed:
                found[:, result.status != 0] = np.nan
            return found

        return result.outputs.take(self._flat), pulled

    @cached_property
    def _pull(self) -> Pull:
        return Pull(self._kernel("first")[0], self.block, self._k, self._column_output, self._place)

    @cached_property
    def _sensed(self) -> Sensed:
        nodes, zero = self._kernel("first")[0].outputs, const(0)
        reach = [[d for d in range(self.d) if nodes[(d + 1) * self._k + o] is not zero] for o in range(self._k)]
        first = starts([len(each) for each in reach])
        flat = np.array([d for each in reach for d in each], np.int64)
        return Sensed(self._column_output, self._place, self.data.subject, self._k, first, flat)

    def _outputs(self, kernel: Kernel, inputs: np.ndarray, block: Block) -> np.ndarray:
        try:
            result = solve_block(kernel, block, inputs, self.settings)
        except DoseFault:  # an impossible dose: as if it could not be solved
            return np.full((len(kernel.outputs), self._seen.size), np.nan)
        self._blank(result, block)
        return result.outputs

    @staticmethod
    def _blank(result: Result, block: Block) -> bool:
        """Leave no outputs of subjects that could not be solved; tell whether there are some."""
        failed = bool(result.status.any())
        if failed:
            for i in np.flatnonzero(result.status):
                result.outputs[:, block.obs_first[i] : block.obs_last[i]] = np.nan
        return failed

    def _is_shared(self, kernel: Kernel, subjects: int) -> bool:
        """Tell whether threads share the work on so many subjects."""
        return self.threads > 1 and subjects >= (SHARED_LINEAR if kernel.linear else SHARED)

    def _threaded(self, kernel: Kernel, inputs: np.ndarray, who: np.ndarray) -> np.ndarray:
        parts = np.array_split(who, self.threads)
        with ThreadPoolExecutor(self.threads) as pool:
            found = list(pool.map(lambda part: self._outputs(kernel, inputs, self._part(part)), parts))
        out = found[0]
        for part, values in zip(parts[1:], found[1:], strict=True):
            rows = ranges(self._starts[part], self._starts[part + 1])
            out[:, rows] = values[:, rows]
        return out

    def second(self, phi: np.ndarray, third: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return predictions with first derivatives (1 + d, N), second (pairs, N) and third ones (d, pairs, N).

        Parameters
        ----------
        third : bool
            Third derivatives are central differences of second ones; empty without.
        """
        F, S = self._second(phi)
        if not third:
            return F, S, np.empty((0, 0, 0))
        T = np.empty((self.d, len(self.links.pairs), self.n))
        for k in range(self.d):
            up, down, h = self._moved(phi, k, COARSE)
            T[k] = (self._second(up)[1] - self._second(down)[1]) / (2.0 * h[self.data.subject])
        return F, S, T

    def _second(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.exact_second:
            out = self.solve(phi, "second")
            return out[: 1 + self.d], out[1 + self.d :]
        F = self.solve(phi, "first")
        S = np.empty((len(self.links.pairs), self.n))
        step = STEP if self._kernel("first")[0].linear else COARSE
        for a in range(self.links.n_random):
            up, down, h = self._moved(phi, a, step)
            slope = (self.solve(up, "first") - self.solve(down, "first")) / (2.0 * h[self.data.subject])
            for b in range(a, self.d):
                S[self.pair[a, b]] = slope[1 + b]
        return F, S

    def _moved(self, phi: np.ndarray, k: int, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        h = step * np.where(phi[k] != 0, np.abs(phi[k]), self._sizes[k])
        up, down = phi.copy(), phi.copy()
        up[k] += h
        down[k] -= h
        return up, down, h
