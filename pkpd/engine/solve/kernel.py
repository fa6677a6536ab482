"""A model's equations as machine code: once per person, at every step, and at every observation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from llvmlite import ir

from pkpd.engine.graph.derivative import depends_on, substitute
from pkpd.engine.graph.fingerprint import fingerprint
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.emitter import Emitter, Frame
from pkpd.engine.machine.sources import digest
from pkpd.engine.machine.split import PIECE, TIME, Slots, is_dynamic, periods, rearrange, switches
from pkpd.engine.machine.target import MachineCode, compile_ir, lanes
from pkpd.engine.solve.chain import emit_chain, lay_out_chain
from pkpd.engine.solve.explicit import emit_explicit, rows_of_stages
from pkpd.engine.solve.linear_code import LinearCode, emit_march, emit_project
from pkpd.engine.solve.linear_sets import linear_pattern
from pkpd.engine.solve.observe_code import emit_observe, emit_prepare, emit_pull
from pkpd.engine.solve.panel import PanelLayout, emit_panel, lay_out
from pkpd.engine.solve.panel_exponential import emit_sets
from pkpd.engine.solve.panel_sets import Pattern, pattern_of
from pkpd.engine.solve.rosenbrock import emit_rosenbrock, rosenbrock_nodes
from pkpd.engine.solve.shadows import Shadows, place_shadows, rows_of_doses
from pkpd.engine.solve.structure import Structure, analyse, analyse_chain
from pkpd.engine.solve.switches import place_switches
from pkpd.engine.solve.tableaus import DOP853, RODAS5P, TSIT5, ExplicitTableau, RosenbrockTableau
from pkpd.errors import ModelError

__all__ = ["METHODS", "CompiledMethod", "Equations", "Kernel"]

#: dosing parameters of a compartment, in the order of ``Kernel.dosing_places``
DOSING = ("F", "tlag", "rate", "duration")
SHORT = 6  # states up to which loops over them are written out
FUNCTIONS = ["start", "step", "dense", "read", "commit"]  # of a method, in the order of its addresses
METHODS = {"tsit5": TSIT5, "dop853": DOP853, "rodas5p": RODAS5P}
Value = Any


@dataclass(frozen=True)
class Equations:
    """What the solver needs of a model: nodes in terms of time, states and inputs, without names or units.

    Attributes
    ----------
    states, inputs : tuple of Node
        Symbols; the inputs are parameters, random effects and covariates.
    derivatives, initial : tuple of Node, one for each state
    outputs : tuple of Node
    dosing : mapping of state number to {"F", "tlag", "rate", "duration"} to Node
    sloping : frozenset of Node
        Inputs that are straight lines between the rows of a data set; each needs two more inputs, see ``slope_inputs``.
    shadows : Shadows
        How doses act on the states that hold sensitivities, see ``pkpd.engine.solve.tangent``.
    """

    states: tuple[Node, ...]
    inputs: tuple[Node, ...]
    derivatives: tuple[Node, ...]
    initial: tuple[Node, ...]
    outputs: tuple[Node, ...]
    dosing: Mapping[int, Mapping[str, Node]] = field(default_factory=dict)
    sloping: frozenset[Node] = frozenset()
    shadows: Shadows = field(default_factory=Shadows)


def slope_inputs(covariate: Node) -> tuple[Node, Node]:
    """Return the symbols of the slope and of the time origin of a sloping input."""
    return symbol(f"{covariate.name}:slope", covariate.kind), symbol(f"{covariate.name}:origin", covariate.kind)


@dataclass(frozen=True)
class CompiledMethod:
    """Addresses of one method's functions and the sizes that the solver loop must know.

    Attributes
    ----------
    lanes : int
        People side by side.
    stage_rows : int
        Stages kept.
    tolerance_power : float
        The step control works with ``rtol ** tolerance_power``, but at most four times rtol. Below 1 where the error
        is estimated for a solution one order lower than the one that is kept, so that what is kept meets rtol, not
        more (as RADAU5 does; Hairer and Wanner 1996, Solving Ordinary Differential Equations II, section IV.8).
    """

    code: MachineCode
    lanes: int
    stage_rows: int
    tolerance_power: float = 1.0

    @property
    def addresses(self) -> np.ndarray:
        """Addresses of ``FUNCTIONS``."""
        return np.array([self.code[n] for n in FUNCTIONS], np.int64)


class Kernel:
    """Machine code of one model for one choice of outputs.

    Attributes
    ----------
    n : int
        Number of states.
    inputs : tuple of Node
        Rows of the array that ``prepare`` reads.
    n_places, n_hot : int
        Rows of the array P that ``prepare`` writes; the solver copies the first n_hot of them, and puts behind them the
        time at which conditions on time are judged.
    initial_places : int array, (n,)
    dosing_places : int array, (n, 4)
        Places of F, tlag, rate and duration of each state, -1 where the model declares none.
    shadow_places, dose_rows : ShadowPlaces, int array
        Places of what moves the shadow states; of all that events of doses depend on.
    kinks : list of Kink
        Conditions on time alone; ``switches`` is what the solvers need to find when they switch, to stop there.
    accumulates : bool array, (n,)
        States on which nothing depends, and ``marks``; they never reach a steady state.
    marks : int array, (marks, 3)
        States that keep time or amount of the last dose, see ``pkpd.engine.graph.functions.tad``.
    periods : tuple of float
        After which floors, sines and cosines of time in the equations repeat; NaN where that depends on the person.
    linear : bool
        Whether all derivatives are linear in the states with coefficients constant between events.
    structure : Structure or None
        The equations as ``x' = A x + b + g``, g of time and of states upstream of those it drives; None where they have
        another form.
    matrix_places : int array, (n, n + 1)
        Places of A and, in the last column, of b; -1 where zero or where there is no such form.
    cascade : bool
        Whether they have that form with a g.
    chain : Chain or None
        The equations as a chain that is not linear, see ``pkpd.engine.solve.structure``; ``chain_places`` as
        ``matrix_places``.
    """

    def __init__(self, equations: Equations, width: int | None = None) -> None:
        self.lanes = width or lanes()
        self._methods: dict[tuple[str, int], CompiledMethod] = {}
        self._shown: dict[int, MachineCode] = {}
        self.states = equations.states
        self.n = len(equations.states)
        along = {c: c + s * (TIME - o) for c in equations.sloping for s, o in [slope_inputs(c)]}
        self.inputs = equations.inputs + tuple(s for c in equations.inputs if c in along for s in slope_inputs(c))
        moving = substitute([*equations.derivatives, *equations.outputs], along)
        derivatives, self.kinks = switches(moving[: self.n])
        self.derivatives = rearrange(derivatives)
        self.outputs = rearrange(moving[self.n :])
        slots = Slots()
        slots.place_leaves(self.derivatives)
        self.jacobian, self.drift = rosenbrock_nodes(self.derivatives, self.states)
        slots.place_leaves([e for row in self.jacobian for e in row] + self.drift)
        self.n_hot = len(slots.nodes)
        self.periods = periods(moving[: self.n])
        self.initial_places = np.array(
            [slots.place(self._constant(e, "an initial value")) for e in equations.initial], np.int64
        )
        self.dosing_places = np.full((self.n, 4), -1, np.int64)
        for i, entries in equations.dosing.items():
            for word, node in entries.items():
                self.dosing_places[i, DOSING.index(word)] = slots.place(self._constant(node, f"a {word} of a dose"))
        self.shadow_places = place_shadows(equations.shadows, slots, DOSING, self.n)
        self.dose_rows = rows_of_doses(self.dosing_places, self.shadow_places)
        slots.place_leaves(self.outputs)
        self.accumulates = np.array([all(row[j] is const(0) for row in self.jacobian) for j in range(self.n)])
        self.accumulates |= np.array([s.kind == "dose" for s in self.states], bool)
        self.structure = analyse(self.derivatives, self.states)
        self.linear = self.structure is not None and not self.structure.forcing
        self.cascade = self.structure is not None and bool(self.structure.forcing)
        self.matrix_places = self._place_structure(slots, self.structure)
        self.shadows = equations.shadows
        self.chain = None if self.linear else analyse_chain(self.derivatives, self.states, self._leaders())
        self.chain_places = self._place_structure(slots, self.chain)
        for kink in self.kinks:
            slots.place_leaves([kink.gap, kink.slope])
            if kink.when is not None and kink.when.op != "const":
                slots.place(kink.when)
        self.marks = self._marks()
        doses = {self.states[i]: h for h, i in enumerate(self.marks[:, 0])}
        self.switches = place_switches(self.kinks, slots.index, doses)
        self.slots = slots
        self.n_places = len(slots.nodes)

    @staticmethod
    def _constant(node: Node, what: str) -> Node:
        if depends_on([node], is_dynamic)[node]:
            raise ModelError(
                f"{what} depends on time or on a state ({node!r}); it may depend on parameters and covariates only"
            )
        return node

    def _place_structure(self, slots: Slots, structure: Structure | None) -> np.ndarray:
        """Return the places of A and b, and give places to the constants of the forcing."""
        places = np.full((self.n, self.n + 1), -1, np.int64)
        if structure is None:
            return places
        for i, row in enumerate(structure.matrix):
            for j, e in enumerate([*row, structure.constant[i]]):
                if e is not const(0):
                    places[i, j] = slots.place(e)
        slots.place_leaves(structure.forcing.values())
        return places

    def _marks(self) -> np.ndarray:
        """Return the states that doses set: number, of which state's doses (-1: of all), whether to the amount."""
        number = {s.name: i for i, s in enumerate(self.states) if s.kind == "state"}
        rows = []
        for i, s in enumerate(self.states):
            if s.kind == "dose":
                what, _, where = s.name.partition(">")
                rows.append((i, number[where] if where else -1, int(what == "amount")))
        return np.array(rows, np.int64).reshape(-1, 3)

    def _leaders(self) -> list[int]:
        """Return for each state the one whose rate of loss it shares: for a shadow the state whose it is."""
        leaders = list(range(self.n))
        for numbers in self.shadows.numbers:
            for i, number in enumerate(numbers):
                if number >= 0:
                    leaders[number] = i
        return leaders

    @functools.cached_property
    def prepare(self) -> MachineCode:
        """Code of ``prepare``, see `pkpd.engine.solve.observe_code`."""

        def source() -> str:
            module = ir.Module(name="prepare")
            emit_prepare(module, self.inputs, self.slots.nodes, self.lanes)
            return str(module)

        return self._code("prepare", source, ["prepare"])

    @functools.cached_property
    def observe(self) -> MachineCode:
        """Code of ``observe`` that turns states into outputs."""
        return self._observing("observe", self.outputs)

    def shown(self, count: int | None) -> MachineCode:
        """Return the code of ``observe`` of the first outputs, of all for None."""
        if count is None:
            return self.observe
        if count not in self._shown:
            self._shown[count] = self._observing(f"observe {count}", self.outputs[:count])
        return self._shown[count]

    def pull(self, count: int) -> MachineCode:
        """Return the code of ``pull``, whose parts are as many outputs each as come before them."""
        parts = [list(enumerate(self.outputs[a : a + count])) for a in range(count, len(self.outputs), count)]

        def source() -> str:
            module = ir.Module(name="pull")
            kept = [[(o, node) for o, node in part if node is not const(0)] for part in parts]
            emit_pull(module, kept, self.states, self.slots.nodes)
            return str(module)

        return self._code(f"pull {count}", source, ["pull"])

    @functools.cached_property
    def rates(self) -> MachineCode:
        """Code of ``observe`` that turns states into their rates of change, doses apart."""
        return self._observing("rates", self.derivatives)

    def _observing(self, label: str, roots: Sequence[Node]) -> MachineCode:
        def source() -> str:
            module = ir.Module(name=label)
            emit_observe(module, roots, self.states, self.slots.nodes, self.lanes)
            return str(module)

        return self._code(label, source, ["observe"])

    @functools.cached_property
    def _key(self) -> str:
        """What the machine code depends on: this software, the width, the equations."""
        entries = [e for row in self.jacobian for e in row]
        roots = [*self.states, *self.inputs, *self.derivatives, *self.outputs, *self.slots.nodes, *entries, *self.drift]
        return f"{digest(__name__)}|{self.lanes}|{self.n_hot}|{fingerprint(roots)}"

    def _code(self, label: str, source: Callable[[], str], names: list[str]) -> MachineCode:
        return compile_ir(f"{self._key}|{label}", source, names, unroll=self.n <= SHORT)

    @functools.cached_property
    def exact(self) -> tuple[MachineCode, LinearCode]:
        """Code of ``march`` and ``project`` of linear equations, and what the exact solver must know of them."""
        if self.structure is None or self.structure.forcing:
            raise ModelError("method 'linear' needs linear equations; use method='auto'")
        layout, used = lay_out(self.structure, self.states), set(walk(self.outputs))
        read = [k for k, node in enumerate(self.slots.nodes) if node in used]

        def source() -> str:
            module = ir.Module(name="linear")
            emit_march(module, layout.entries, self.n)
            emit_project(module, self.outputs, self.states, [self.slots.nodes[k] for k in read])
            return str(module)

        code = self._code("linear", source, ["march", "project"])
        pattern = linear_pattern(layout, self.matrix_places)
        about = self.n, len(self.outputs), int(TIME in used), np.array(read, np.int64), pattern
        return code, LinearCode(code["march"], code["project"], *about)

    @functools.cached_property
    def panel(self) -> tuple[MachineCode, Pattern]:
        """Code of ``panel`` and ``sets`` of a cascade, see ``pkpd.engine.solve.panel``, and the pattern of these."""
        if self.structure is None or not self.structure.forcing:
            raise ModelError(
                "method 'cascade' needs linear equations driven by states that are linear by themselves; "
                "use method='auto'"
            )
        structure, layout = self.structure, lay_out(self.structure, self.states)

        def emit(module: ir.Module) -> None:
            emit_panel(module, structure, layout, self.states, self.slots.nodes, self.lanes)

        return self._panels("panel", emit, layout, self.matrix_places)

    @functools.cached_property
    def chain_panel(self) -> tuple[MachineCode, Pattern]:
        """Code of ``panel`` and ``sets`` of a chain, see ``pkpd.engine.solve.chain``, and the pattern of these."""
        if self.chain is None:
            raise ModelError("method 'chain' needs states that are linear in themselves; use method='auto'")
        chain, layout = self.chain, lay_out_chain(self.chain, self.states, self.slots.index)
        shadows, proper = self.shadows, self.shadows.states or self.n
        driven = [*range(proper), *(shadows.numbers[q][c] for q, c, _ in shadows.partials)]

        def emit(module: ir.Module) -> None:
            emit_chain(module, chain, layout, self.states, self.slots.nodes, self.lanes, proper, driven)

        return self._panels("chain", emit, layout, self.chain_places)

    def _panels(
        self, label: str, emit: Callable[[ir.Module], None], layout: PanelLayout, places: np.ndarray
    ) -> tuple[MachineCode, Pattern]:
        def source() -> str:
            module = ir.Module(name="panel")
            emit(module)
            emit_sets(module, layout, places, self.lanes)
            return str(module)

        return self._code(label, source, ["panel", "sets"]), pattern_of(layout, places)

    def method(self, name: str, subjects: int = 1) -> CompiledMethod:
        """Return the code of ``FUNCTIONS`` of a method, compiled at first use.

        In small stiff systems each operation waits for the one before; there, many subjects go two registers abreast.
        """
        twice = isinstance(METHODS[name], RosenbrockTableau) and self.n <= SHORT and subjects > self.lanes
        width = 2 * self.lanes if twice else self.lanes
        if (name, width) not in self._methods:
            self._methods[name, width] = self._compile(name, width)
        return self._methods[name, width]

    def _compile(self, name: str, width: int) -> CompiledMethod:
        tableau = METHODS[name]
        label = name if width == self.lanes else f"{name} {width} abreast"
        code = self._code(label, lambda: self._method_source(tableau, width), FUNCTIONS)
        if isinstance(tableau, RosenbrockTableau):
            power = (tableau.error_order + 1) / (tableau.order + 1)
            return CompiledMethod(code, width, tableau.stages, power)
        return CompiledMethod(code, width, rows_of_stages(tableau))

    def _method_source(self, tableau: ExplicitTableau | RosenbrockTableau, width: int) -> str:
        module = ir.Module(name=tableau.name)
        rhs = self._emit_rhs(module, width)
        if isinstance(tableau, RosenbrockTableau):
            emit_rosenbrock(module, rhs, tableau, self.jacobian, self.drift, self._leaf_values, self.n, width)
        else:
            emit_explicit(module, rhs, tableau, self.n, width)
        return str(module)

    def _leaf_values(self, f: Frame, roots: Sequence[Node]) -> dict[Node, Value]:
        """Return loads of time, states and places from the arguments t, y, p of a frame; unused ones vanish."""
        values = {TIME: f.load(f.arg["t"]), PIECE: f.load(f.arg["p"], self.n_hot)}
        values |= {s: f.load(f.arg["y"], i) for i, s in enumerate(self.states)}
        values |= {node: f.load(f.arg["p"], k) for k, node in enumerate(self.slots.nodes[: self.n_hot])}
        return values

    def _emit_rhs(self, module: ir.Module, width: int) -> ir.Function:
        f = Frame(module, "rhs", ("t", "y", "p", "r", "dy"), width)
        for i, value in enumerate(Emitter(f, self._leaf_values(f, self.derivatives))(self.derivatives)):
            f.store(f.math.add(value, f.load(f.arg["r"], i)), f.arg["dy"], i)
        function = f.done()
        function.attributes.add("noinline")
        return function
