"""Reads numbers, times and words of a dosing shorthand from left to right."""

from __future__ import annotations

from fractions import Fraction

from pkpd.dosing.lexer import Token, misread, tokens
from pkpd.dosing.words import HOURS, REFUSED
from pkpd.errors import RegimenError

__all__ = ["Cursor"]


class Cursor:
    """A place in the tokens of a text.

    Examples
    --------
    >>> cursor = Cursor("30 min")
    >>> cursor.time()
    Fraction(1, 2)
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.place = 0

    def peek(self, ahead: int = 0) -> Token | None:
        """Return the next token, or one after it, or None at the end."""
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def number(self) -> Fraction:
        """Read a number, exactly as written."""
        token = self.peek()
        if token is None or token.kind != "number":
            raise misread(self.text, "a number is expected here", token)
        self.place += 1
        return Fraction(token.value)

    def whole(self, what: str) -> int:
        """Read a whole number >= 1."""
        token = self.peek()
        value = self.number()
        if value.denominator != 1 or value < 1:
            raise misread(self.text, f"{what} must be a whole number from 1", token)
        return int(value)

    def time(self) -> Fraction:
        """Read a number and its unit of time; return h."""
        value = self.number()
        token = self.peek()
        if token is not None and token.value in HOURS:
            self.place += 1
            return value * HOURS[token.value]
        if token is not None and token.value in REFUSED:
            raise self.unknown(token)
        raise misread(self.text, "a unit of time is expected here: min, h, d or w", token)

    def positive_time(self, what: str) -> Fraction:
        """Read a time > 0; return h."""
        token = self.peek()
        hours = self.time()
        if hours <= 0:
            raise misread(self.text, f"the {what} must be > 0", token)
        return hours

    def unknown(self, token: Token | None, expected: str = "") -> RegimenError:
        """Return the error for a token that has no meaning here."""
        if token is not None and token.value in REFUSED:
            return misread(self.text, REFUSED[token.value], token)
        if expected or token is None:
            return misread(self.text, expected or "something is missing", token)
        if token.kind == "number":
            return misread(self.text, "this looks like a second amount; put 'then' or '+' before it", token)
        return misread(self.text, f"{self.text[token.start : token.end]!r} is not understood", token)
