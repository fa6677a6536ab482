"""The grammar of unit texts: a product of named units and numbers with exponents."""

from __future__ import annotations

import re
from functools import lru_cache

from pkpd.errors import UnitError
from pkpd.units.names import TOLERANCE

__all__ = ["Factors", "factors", "spell"]

Factors = tuple[tuple[str, float], ...]

_SPELLINGS = str.maketrans({"µ": "u", "μ": "u", "·": "*", "×": "*", "⋅": "*", "²": "2", "³": "3", "⁻": "-", "¹": "1"})
_CELSIUS = re.compile(r"°C|°\s?C|\b[Cc]elsius\b")
_TOKEN = re.compile(
    r"(?P<surface>1\.73\s?m(?:\^|\*\*)?2(?!\d))|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_%]+)"
    r"|(?P<power>\^|\*\*)|(?P<times>[*.])|(?P<per>/)|(?P<open>\()|(?P<close>\))|(?P<minus>-)|(?P<space>\s+)"
)


@lru_cache(maxsize=4096)
def factors(unit: str) -> Factors:
    """Return the named units and numbers that a unit text multiplies, with exponents, in the order of the text.

    Examples
    --------
    >>> factors("mg*h/L")
    (('mg', 1.0), ('h', 1.0), ('L', -1.0))
    """
    text = _CELSIUS.sub("degC", unit.translate(_SPELLINGS)).strip()
    text = re.sub(r"^[x*]\s*(?=10)", "", text)
    if text in ("", "1", "-", "dimensionless"):
        return ()
    return _merge(_Reader(unit, text).whole())


def spell(parts: Factors) -> str:
    """Return factors as text: what multiplies first, then ``/`` before each name that divides."""
    merged = _merge(parts)
    over = "*".join(_power(n, e) for n, e in merged if e > 0)
    under = "".join("/" + _power(n, -e) for n, e in merged if e < 0)
    return (over or ("1" if under else "")) + under


def _merge(parts: Factors) -> Factors:
    total: dict[str, float] = {}
    for name, e in parts:
        total[name] = total.get(name, 0.0) + e
    return tuple((n, e) for n, e in total.items() if abs(e) > TOLERANCE and n != "1")


def _power(name: str, exponent: float) -> str:
    return name if exponent == 1 else f"{name}^{exponent:g}"


class _Reader:
    """Read ``unit := factor {(* | / | space) factor}``, ``factor := (name | number | "(" unit ")") [exponent]``."""

    def __init__(self, unit: str, text: str) -> None:
        self.unit = unit
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error(f"'{text[at]}' is not understood")
            self.tokens.append((str(match.lastgroup), match.group()))
            at = match.end()
        self.at = 0

    def error(self, why: str) -> UnitError:
        return UnitError(f"unit '{self.unit}': {why}; write for instance mg/L, 1/h, mg*h/L, 10^9/L or m^2")

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def skip(self, *kinds: str) -> bool:
        found = self.peek() in kinds and self.peek() != ""
        self.at += found
        return found

    def whole(self) -> Factors:
        out = self.product()
        if self.at < len(self.tokens):
            raise self.error(f"'{self.tokens[self.at][1]}' is out of place")
        return out

    def product(self) -> Factors:
        out = self.factor(1)
        while self.at < len(self.tokens) and self.peek() != "close":
            self.skip("space")
            sign = 1
            if self.skip("per"):
                sign = -1
            else:
                self.skip("times")
            self.skip("space")
            out = out + self.factor(sign)
        return out

    def factor(self, sign: int) -> Factors:
        kind, word = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        self.at += 1
        if kind == "open":
            inside = self.product()
            if not self.skip("close"):
                raise self.error("a bracket is not closed")
        elif kind in ("name", "number", "surface"):
            inside = (("1.73m^2" if kind == "surface" else word, 1.0),)
        else:
            raise self.error(f"a name is missing before '{word}'" if word else "it ends where a name should follow")
        exponent = self.exponent(kind)
        if kind == "number" and sign < 0:
            self.refuse_reference(word)
        return tuple((n, e * exponent * sign) for n, e in inside)

    def refuse_reference(self, number: str) -> None:
        ahead = self.tokens[self.at : self.at + 2]
        names = [w for k, w in ahead if k in ("name", "surface")]
        if ahead and (ahead[0][0] == "name" or (ahead[0][0] == "space" and names)):
            raise UnitError(
                f"unit '{self.unit}': '{number} {names[0]}' under the line is a reference value, no unit; "
                f"leave it out and write it into the equation, as in (cov.WT / {number})"
            )

    def exponent(self, kind: str) -> float:
        written = self.skip("power")
        glued = kind in ("name", "close", "open") and self.peek() in ("number", "minus")
        if not written and not glued:
            return 1.0
        bracket = self.skip("open")
        sign = -1.0 if self.skip("minus") else 1.0
        if self.peek() != "number":
            raise self.error("an exponent must be a number")
        value = sign * float(self.tokens[self.at][1])
        self.at += 1
        if bracket and not self.skip("close"):
            raise self.error("a bracket is not closed")
        return value
