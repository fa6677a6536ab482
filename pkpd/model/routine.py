"""A model's functions, called with what they ask for, their mistakes reported with model, function and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pkpd.engine.graph.nodes import MASKS, Node
from pkpd.engine.graph.running import running
from pkpd.errors import ModelError
from pkpd.model.names import listed, unknown
from pkpd.model.namespace import MissingName

__all__ = ["ROLES", "Routine", "scalar"]

#: arguments by role; the last one may be left out
ROLES = {
    "individual": ("p", "cov"),
    "initial": ("p", "cov"),
    "dosing": ("p", "cov"),
    "connect": ("t", "x", "p", "cov"),
    "dynamics": ("t", "x", "p", "cov"),
    "calculate": ("t", "x", "p", "cov"),
}


@dataclass(frozen=True, slots=True)
class Routine:
    """One function of a model.

    Attributes
    ----------
    model : str
        Name of the model.
    role : str
        Key of ``ROLES``.
    function : callable
    takes : int
        How many of the role's arguments it wants.
    time_unit : str
        Unit of ``t``.
    """

    model: str
    role: str
    function: Callable[..., Any]
    takes: int
    time_unit: str

    @classmethod
    def of(cls, model: str, role: str, function: object, time_unit: str) -> Routine:
        """Return the routine of a function.

        Raises
        ------
        ModelError
            If it cannot be called, or not with the arguments of its role.
        """
        arguments = ROLES[role]
        forms = f"{role}({', '.join(arguments[:-1])}) or {role}({', '.join(arguments)})"
        if not callable(function):
            raise ModelError(f"model '{model}': {role} must be a function {forms}, got {function!r}")
        signature = inspect.signature(function)
        for takes in (len(arguments), len(arguments) - 1):
            try:
                signature.bind(*arguments[:takes])
            except TypeError:
                continue
            if takes < len(arguments) or _wants(signature, arguments):
                return cls(model, role, function, takes, time_unit)
        name = getattr(function, "__name__", role)
        raise ModelError(f"model '{model}': {role} must be written {forms}, got {name}{signature}")

    @property
    def who(self) -> str:
        """Name of model and function, for messages."""
        name = getattr(self.function, "__name__", self.role)
        return f"model '{self.model}', {name}"

    def __call__(self, *arguments: object) -> dict[str, Any]:
        """Return what the function returns, which must be a dict with text keys.

        Raises
        ------
        ModelError
            In place of every exception of the function, with its name and line.
        """
        try:
            with running(arguments[0] if ROLES[self.role][0] == "t" else None, self.time_unit):
                result = self.function(*arguments[: self.takes])
        except MissingName as error:
            raise ModelError(f"{error} (in {self.who.partition(', ')[2]}{self._line(error.__traceback__)})") from error
        except ModelError as error:
            raise ModelError(f"{self.who}{self._line(error.__traceback__)}: {error}") from error
        except Exception as error:
            line = self._line(error.__traceback__)
            raise ModelError(f"{self.who}{line}: {type(error).__name__}: {error}") from error
        if not isinstance(result, Mapping) or not all(isinstance(k, str) for k in result):
            hint = "; is its 'return' missing?" if result is None else ""
            raise ModelError(f"{self.who}: must return a dict of values by name, got {type(result).__name__}{hint}")
        return dict(result)

    def _line(self, trace: TracebackType | None) -> str:
        """Return file and line of the deepest frame that lies in the function's own file."""
        file = getattr(getattr(self.function, "__code__", None), "co_filename", None)
        line = None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return "" if line is None or file is None else f", {Path(file).name} line {line}"

    def check_keys(self, got: Sequence[str], known: Sequence[str], noun: str, required: Sequence[str] = ()) -> None:
        """Raise ModelError if a required name is missing or an unknown one is there; all are listed."""
        strange = [n for n in got if n not in known]
        missing = [n for n in required if n not in got]
        problems = []
        if strange:
            problems.append(f"returns unknown {noun} {unknown(strange, known)}; {listed(known)}")
        if missing:
            problems.append(f"returns nothing for {noun} {', '.join(repr(n) for n in missing)}")
        if problems:
            raise ModelError(f"{self.who}: {'; '.join(problems)}")

    def scalars(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values after checking that each is one number or equation."""
        return {name: scalar(value, f"{self.who}, '{name}'") for name, value in values.items()}


def _wants(signature: inspect.Signature, arguments: Sequence[str]) -> bool:
    """Tell whether a function that can take the last argument is meant to: not where it has a default of its own."""
    positional = [q for q in signature.parameters.values() if q.kind is not inspect.Parameter.KEYWORD_ONLY]
    last = positional[min(len(arguments), len(positional)) - 1]
    own = last.default is not inspect.Parameter.empty
    return last.name == arguments[-1] or not own


def scalar(value: Any, who: str) -> Any:
    """Return an equation or a float, or raise ModelError naming whose value it is."""
    if isinstance(value, Node):
        if value.op in MASKS:
            raise ModelError(f"{who}: is a condition, not a value; write where(condition, a, b)")
        return value
    if getattr(value, "ndim", 0) != 0 or isinstance(value, (list, tuple)):
        shape = getattr(value, "shape", None) or (len(value),)
        raise ModelError(f"{who}: is an array of shape {tuple(shape)}; equations are scalar, write one by one")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ModelError(f"{who}: is {value!r}, which is neither a number nor an equation") from None
