"""From a model's names to machine code: which outputs, which inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pkpd.engine.graph.functions import NEVER
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.graph.tree import symbols_of
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.kernel_cache import kernel_of
from pkpd.errors import ModelError, nearest
from pkpd.model.names import TAKEN

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["OutputQuantity", "equations_for", "equations_key", "is_switch", "kernel_for", "quantities", "switch_of"]


class OutputQuantity:
    """An output, state or individual parameter that can be asked for: expression, unit and meaning.

    An amount, an output that is a state itself and no concentration, is ``aside`` where it is one of several.
    """

    __slots__ = ("aside", "meaning", "name", "node", "unit")

    def __init__(self, name: str, node: Node, unit: str, meaning: str, aside: bool = False) -> None:
        self.name, self.node, self.unit, self.meaning, self.aside = name, node, unit, meaning, aside


def quantities(model: Model, names: Sequence[str] | None) -> list[OutputQuantity]:
    """Return the quantities of the given names, all declared outputs by default.

    Raises
    ------
    ModelError
        If a name is none of the model's outputs, states or individual parameters.
    """
    trace = model.trace
    if names is None:
        names = list(trace.outputs)
    if isinstance(names, str):
        names = [names]
    missing = [n for n in names if not (n in trace.outputs or n in model.states or n in trace.individual)]
    if missing:
        known = [*trace.individual, *model.states, *trace.outputs]
        raise ModelError(
            f"model '{model.name}' has no output '{missing[0]}'; it has outputs {', '.join(trace.outputs) or '(none)'}"
            f" and states {', '.join(trace.states)}{nearest(missing[0], known)}"
        )
    if not names:
        any_one = list(trace.outputs or model.states)[:1]
        raise ModelError(
            f"model '{model.name}': no output is asked for; name outputs or states, e.g. outputs={any_one}"
        )
    if taken := [n for n in names if n in TAKEN]:
        raise ModelError(
            f"model '{model.name}': individual parameter '{taken[0]}' has a name that results need themselves; "
            "rename it"
        )
    different = dict.fromkeys(names)
    return [_quantity(model, n, len(different) > 1) for n in different]


def _quantity(model: Model, name: str, several: bool) -> OutputQuantity:
    """Return an output, else a state, else an individual parameter, of that name; alone or one of several."""
    trace = model.trace
    if name in trace.outputs:
        own, node = model.outputs[name], trace.outputs[name]
        amount = node.op == "symbol" and node.kind == "state" and "/" not in own.unit
        return OutputQuantity(name, node, own.unit, own.meaning, several and amount)
    if name in model.states:
        state = model.states[name]
        return OutputQuantity(name, symbol(name, "state"), state.unit, state.meaning, several and "/" not in state.unit)
    if name in model.parameters:
        parameter = model.parameters[name]
        return OutputQuantity(name, trace.individual[name], parameter.unit, parameter.meaning)
    return OutputQuantity(name, trace.individual[name], "", "individual parameter")


def switch_of(state: str) -> Node:
    """Return the input that is 1 while a state is on and 0 while it is off, where nothing enters or leaves it."""
    return symbol(f"{state}:on", "covariate")


def is_switch(node: Node) -> bool:
    """Tell whether an input switches a state on and off."""
    return node.kind == "covariate" and node.name.endswith(":on")


def equations_for(model: Model, chosen: Sequence[OutputQuantity], switched: Sequence[str] = ()) -> Equations:
    """Return the equations of a model with some outputs, as the solver takes them.

    Parameters
    ----------
    switched : sequence of str
        States that can be switched off: their derivative is multiplied by an input, see :func:`switch_of`.
    """
    trace = model.trace
    derivatives = tuple(
        d * switch_of(n) if n in switched else d for n, d in zip(trace.states, trace.derivatives, strict=True)
    )
    covariates = [symbol(n, "covariate") for n in trace.covariates]
    moving = [*trace.derivatives, *(q.node for q in chosen)]
    doses = sorted((s for s in symbols_of(moving) if s.kind == "dose"), key=lambda s: s.name)
    return Equations(
        states=(*(symbol(n, "state") for n in trace.states), *doses),
        inputs=(
            *(symbol(n, "theta") for n in trace.thetas),
            *(symbol(n, "eta") for n in trace.etas),
            *(symbol(n, "kappa") for n in trace.kappas),
            *covariates,
            *(switch_of(n) for n in switched),
        ),
        derivatives=(*derivatives, *(const(0) for _ in doses)),
        initial=(*trace.initial, *(const(NEVER if s.name.startswith("time") else 0.0) for s in doses)),
        outputs=tuple(q.node for q in chosen),
        dosing=trace.dosing,
        sloping=frozenset(s for s in covariates if model.covariates[s.name].carry == "linear"),
    )


def equations_key(model: Model, chosen: Sequence[OutputQuantity]) -> tuple[Any, ...]:
    """Return what decides the equations of a model with some outputs; values of parameters do not."""
    sloping = tuple(n for n, c in model.covariates.items() if c.carry == "linear")
    return (model.fingerprint, sloping, tuple(q.name for q in chosen))


def kernel_for(model: Model, chosen: Sequence[OutputQuantity], switched: Sequence[str] = ()) -> Kernel:
    """Return the machine code of a model for some outputs, made once for all models of these equations."""
    key = ("outputs", *equations_key(model, chosen), *switched)
    return kernel_of(key, lambda: equations_for(model, chosen, switched))
