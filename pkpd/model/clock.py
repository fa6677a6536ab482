"""Which parameters are times on a model's own clock, so that all of them moved together only move the curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import symbols_of, walk

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.model.trace import Trace

__all__ = ["clocked"]

_DIFFERENCES = ("sub", "lt", "le")


def clocked(model: Model) -> tuple[str, ...]:
    """Return the parameters that are times of the model's clock, such as the onset of a disease.

    They are compared with the time or subtracted from it, and no equation depends on anything but such differences, so
    that people who differ by a shift of all of them are the same people on other clocks.

    Returns
    -------
    tuple of str
        Empty where there is none, or where an equation depends on the time itself.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> clocked(load_model("anakinra_inflammation"))
    ('tone.t_on', 'tone.t_off', 'tone.t_back', 'tone.wander_from')
    """
    trace = model.trace
    roots = list(_equations(trace))
    nodes = list(walk(roots))
    if not (times := [n for n in nodes if n.op == "symbol" and n.kind == "time"]):
        return ()
    # A random effect moves the parameter by as much whatever its value on this scale only.
    shifts = {
        trace.individual[name]: name
        for name, p in model.parameters.items()
        if trace.individual[name].op == "symbol" or p.scale == "additive"
    }
    differences = [n for n in nodes if n.op in _DIFFERENCES]
    met = {a for n in differences if times[0] in n.args for a in n.args if a in shifts}
    inside = {times[0], *met}
    left = _below(roots, {n for n in differences if all(a in inside for a in n.args)})
    bare = {s for node in inside for s in symbols_of([node]) if s.kind in ("time", "theta")}
    return () if left & bare else tuple(name for node, name in shifts.items() if node in met)


def _below(roots: list[Node], ends: set[Node]) -> set[Node]:
    """Return all nodes below roots, but not below those at which the way ends."""
    found: set[Node] = set()
    ahead = list(roots)
    while ahead:
        node = ahead.pop()
        if node not in found and node not in ends:
            found.add(node)
            ahead += node.args
    return found


def _equations(trace: Trace) -> Iterator[Node]:
    yield from (*trace.initial, *trace.derivatives, *trace.outputs.values())
    yield from (node for entry in trace.dosing.values() for node in entry.values())
