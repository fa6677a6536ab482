"""Cuts a dosing shorthand into numbers, words and signs, and points at the one that is not understood."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pkpd.dosing.words import EXAMPLES
from pkpd.errors import RegimenError

__all__ = ["Token", "misread", "tokens"]

_LEXER = re.compile(
    r"""(?P<into>(?:in)?to\s+(?P<name>[A-Za-z_][\w.]*|\d+))
      | (?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![\d.]))
      | (?P<word>[A-Za-zµμ]+(?:\.[A-Za-z]+)*\.?)
      | (?P<sign>[,;+/*×-])
      | (?P<space>\s+)""",
    re.VERBOSE | re.IGNORECASE,
)
_MOST = 1e100
"""Larger numbers are no amounts or times, and leave what floats can hold when units convert."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind (``into number word sign``), its value and the place where it starts.

    A word's value is lower case and has no full stops; the value of ``into`` is the compartment.
    """

    kind: str
    value: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Cut a text into tokens.

    Examples
    --------
    >>> [token.value for token in tokens("100mg S.C. q24h x7 into depot")]
    ['100', 'mg', 'sc', 'q', '24', 'h', 'x', '7', 'depot']
    """
    found: list[Token] = []
    place = 0
    while place < len(text):
        match = _LEXER.match(text, place)
        if match is None:
            raise misread(text, f"{text[place]!r} is not understood", Token("sign", text[place], place, place + 1))
        kind = match.lastgroup if match.lastgroup != "name" else "into"
        if match["into"]:
            kind, value = "into", match["name"]
        else:
            value = match.group().replace(".", "").lower() if kind == "word" else match.group()
        token = Token(str(kind), value, match.start(), match.end())
        if kind == "number" and float(value) > _MOST:
            raise misread(text, "no amount, time or number of doses is so large", token)
        if kind and kind != "space":
            found.append(token)
        place = match.end()
    _refuse_grouped_digits(text, found)
    return found


def misread(text: str, message: str, token: Token | None = None) -> RegimenError:
    """Return the error that points at a token, or at the end of the text, and shows texts that are understood."""
    start = len(text) if token is None else token.start
    width = 1 if token is None else token.end - token.start
    shown = text.expandtabs(1).replace("\n", " ")
    examples = "; ".join(EXAMPLES)
    caret = " " * start + "^" * width
    return RegimenError(f"regimen {text!r}: {message}\n    {shown}\n    {caret}\nfor example: {examples}")


def _refuse_grouped_digits(text: str, found: list[Token]) -> None:
    """Refuse ``1,000`` and ``0,5``: the comma has two meanings in the world."""
    for left, comma, right in zip(found, found[1:], found[2:], strict=False):
        touching = left.end == comma.start and comma.end == right.start
        if touching and comma.value == "," and left.kind == right.kind == "number":
            raise misread(text, "write numbers without commas: 1000 or 0.5", comma)
