"""Equations as text and as LaTeX, in the order in which they were written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from pkpd.engine.graph.tree import Expression, walk

__all__ = ["latex", "latex_name", "text"]

E = TypeVar("E", bound=Expression)

_LEVEL = {"add": 1, "sub": 1, "neg": 2, "mul": 3, "div": 3, "pow": 5, "lt": 0, "le": 0, "and": 0, "or": 0, "not": 4}
_ATOM = 9
LONGEST = 100_000  # characters of a part of an equation: shared parts, written out at each place, double every time


def _number(value: float) -> str:
    return f"{value:.10g}"


def _leads_with_minus(n: Expression) -> bool:
    """Tell whether the expression starts with a minus sign, as ``-a * b`` does."""
    while n.op in ("mul", "div"):
        n = n.args[0]
    return n.op == "neg" or (n.op == "const" and n.value < 0)


def _level(n: Expression) -> int:
    return _LEVEL["neg"] if _leads_with_minus(n) else _LEVEL.get(n.op, _ATOM)


class _Printer:
    """Write a graph with the fewest brackets, arguments before what is made of them."""

    signs: ClassVar[Mapping[str, str]]
    brackets: ClassVar[tuple[str, str]]
    dots: ClassVar[str] = "(...)"

    def __init__(self, names: Callable[[Any], str]) -> None:
        self.names = names
        self.memo: dict[Expression, str] = {}

    def __call__(self, n: Expression) -> str:
        if n not in self.memo:
            order = [m for m in walk([n]) if m not in self.memo]
            uses = Counter(a for m in order for a in dict.fromkeys(m.args))
            for m in order:
                written = self._write(m)
                self.memo[m] = written if m is n or len(written) <= LONGEST else self.dots
                for a in dict.fromkeys(m.args):
                    uses[a] -= 1
                    if not uses[a]:  # long texts are not kept
                        del self.memo[a]
        return self.memo[n]

    def at(self, n: Expression, level: int) -> str:
        """Write n, in brackets if it binds weaker than level."""
        left, right = self.brackets
        return f"{left}{self(n)}{right}" if _level(n) < level else self(n)

    def _write(self, n: Expression) -> str:
        if n.op == "const":
            return self.number(n.value)
        if n.op == "symbol":
            return self.dose(n) if n.kind == "dose" else self.names(n)
        if n.op == "where" and n.args[0].args[0].kind == "dose":
            return self.since(n.args[0].args[0])
        special = getattr(self, f"_{n.op}", None)
        if special is not None:
            return special(*n.args)
        if n.op in self.signs and len(n.args) == 2:
            return self._infix(n.op, *n.args)
        return self.call(n.op, n.args)

    def _infix(self, op: str, a: Expression, b: Expression) -> str:
        if op == "and" and a.op == b.op == "le" and a.args == b.args[::-1]:
            return f"{self.at(a.args[0], 1)}{self.signs['eq']}{self.at(a.args[1], 1)}"
        if op in ("and", "or"):
            return f"{self.at(a, 4)}{self.signs[op]}{self.at(b, 4)}"
        if op == "add":
            right = self.at(b, 1)
            return f"{self.at(a, 1)} - {right[1:]}" if right.startswith("-") else f"{self.at(a, 1)} + {right}"
        if op == "sub":
            # -b * c on the right of a minus needs brackets, b * c does not
            return f"{self.at(a, 1)} - {self.at(b, 3)}"
        level = _LEVEL[op]
        return f"{self.first(a, level)}{self.signs[op]}{self.at(b, level if op == 'mul' else level + 1)}"

    def first(self, n: Expression, level: int) -> str:
        """Write the first factor of a product, where a leading minus needs no brackets."""
        return self(n) if _leads_with_minus(n) else self.at(n, level)

    def number(self, value: float) -> str:
        return _number(value)

    def dose(self, n: Expression) -> str:
        """Write what is known of the last dose."""
        return dose_name(n)

    def since(self, n: Expression) -> str:
        """Write the time after the last dose."""
        return dose_name(n).replace("time_of_dose", "tad")

    def _neg(self, a: Expression) -> str:
        return f"-{self.at(a, 3)}"

    def call(self, op: str, args: tuple[Expression, ...]) -> str:
        raise NotImplementedError


class _Text(_Printer):
    signs: ClassVar[Mapping[str, str]] = {
        "add": " + ",
        "sub": " - ",
        "mul": " * ",
        "div": " / ",
        "pow": "**",
        "lt": " < ",
        "le": " <= ",
        "eq": " == ",
        "and": " & ",
        "or": " | ",
    }
    brackets = ("(", ")")

    def _pow(self, a: Expression, b: Expression) -> str:
        return f"{self.at(a, 6)}**{self.at(b, 6)}"

    def call(self, op: str, args: tuple[Expression, ...]) -> str:
        return f"{op}({', '.join(self(a) for a in args)})"


_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
}  # fmt: skip


def latex_name(name: str) -> str:
    r"""Return a name typeset as the field writes it: ``tcz.V1`` -> ``V_{1,tcz}``, ``k_e0``, Greek letters.

    Examples
    --------
    >>> latex_name("gamma"), latex_name("V1"), latex_name("IC50")
    ('\\gamma', 'V_{1}', '\\mathrm{IC}_{50}')
    """
    *prefix, stem = name.split(".")
    body, _, tail = stem.partition("_")
    digits = body[len(body.rstrip("0123456789")) :]
    letters = body[: len(body) - len(digits)] if len(digits) < len(body) else body
    sub = [s for s in (digits, *tail.split("_"), *prefix) if s] if letters != body or tail or prefix else []
    if letters.startswith("k") and 1 < len(letters) <= 5 and letters not in _GREEK:
        sub.insert(0, letters[1:] + digits)
        sub = [s for i, s in enumerate(sub) if i == 0 or s != digits]
        letters = "k"
    head = f"\\{letters}" if letters in _GREEK else letters if len(letters) == 1 else f"\\mathrm{{{letters}}}"
    inner = ",".join(s if len(s) == 1 or s.isdigit() else f"\\mathrm{{{s}}}" for s in sub)
    return f"{head}_{{{inner}}}" if inner else head


class _Latex(_Printer):
    signs: ClassVar[Mapping[str, str]] = {
        "add": " + ",
        "sub": " - ",
        "mul": " \\, ",
        "lt": " < ",
        "le": " \\le ",
        "eq": " = ",
        "and": " \\wedge ",
        "or": " \\vee ",
    }
    brackets = ("\\left(", "\\right)")
    dots = "\\left(\\ldots\\right)"

    def number(self, value: float) -> str:
        mantissa, _, exponent = _number(value).partition("e")
        return f"{mantissa} \\cdot 10^{{{int(exponent)}}}" if exponent else mantissa

    def dose(self, n: Expression) -> str:
        return self._indexed("\\mathrm{dose}" if n.name.startswith("amount") else "t_\\mathrm{dose}", n)

    def since(self, n: Expression) -> str:
        return self._indexed("\\mathrm{tad}", n)

    def _indexed(self, what: str, n: Expression) -> str:
        where = n.name.partition(">")[2]
        return f"{what}_{{{latex_name(where)}}}" if where else what

    def _mul(self, a: Expression, b: Expression) -> str:
        dot = " \\cdot " if b.op == "const" or (b.op in ("mul", "pow") and b.args[0].op == "const") else " \\, "
        return f"{self.first(a, 3)}{dot}{self.at(b, 3)}"

    def _div(self, a: Expression, b: Expression) -> str:
        above = self(a)
        if _leads_with_minus(a) and above.startswith("-"):
            return f"-\\frac{{{above[1:]}}}{{{self(b)}}}"
        return f"\\frac{{{above}}}{{{self(b)}}}"

    def _pow(self, a: Expression, b: Expression) -> str:
        return f"{{{self.at(a, 6)}}}^{{{self(b)}}}"

    def _sqrt(self, a: Expression) -> str:
        return f"\\sqrt{{{self(a)}}}"

    def _exp(self, a: Expression) -> str:
        return f"e^{{{self(a)}}}"

    def _abs(self, a: Expression) -> str:
        return f"\\left|{self(a)}\\right|"

    def _where(self, c: Expression, a: Expression, b: Expression) -> str:
        return f"\\begin{{cases}} {self(a)} & {self(c)} \\\\ {self(b)} & \\text{{otherwise}} \\end{{cases}}"

    def call(self, op: str, args: tuple[Expression, ...]) -> str:
        name = {"lgamma": "\\ln\\Gamma", "log": "\\ln", "not": "\\neg"}.get(
            op, f"\\{op}" if op in ("tanh", "sin", "cos", "min", "max") else f"\\mathrm{{{op}}}"
        )
        return f"{name}\\left({', '.join(self(a) for a in args)}\\right)"


def dose_name(n: Expression) -> str:
    """Return how a symbol of the last dose is written: ``last_dose(depot)``, ``time_of_dose()``."""
    what, _, where = n.name.partition(">")
    return f"{'last_dose' if what == 'amount' else 'time_of_dose'}({where})"


def _plain_name(n: Expression) -> str:
    return f"eta_{n.name}" if n.kind == "eta" else f"kappa_{n.name}" if n.kind == "kappa" else n.name


def _latex_symbol(n: Expression) -> str:
    if n.kind in ("eta", "kappa"):
        return f"\\{n.kind}_{{{latex_name(n.name)}}}"
    return latex_name(n.name)


def text(node: E, names: Callable[[E], str] | None = None) -> str:
    """Return the expression as one line of Python-like text; ``names`` may write the symbols."""
    return _Text(names or _plain_name)(node)


def latex(node: E, names: Callable[[E], str] | None = None) -> str:
    """Return the expression as LaTeX, with fractions, Greek letters and cases; ``names`` may write the symbols."""
    return _Latex(names or _latex_symbol)(node)
