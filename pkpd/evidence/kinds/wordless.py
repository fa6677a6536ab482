"""What is told in words: there is no likelihood of it."""

from __future__ import annotations

from pkpd.evidence.kinds.kind import FactKind

__all__ = ["Anything", "Happening", "Order"]


class _Wordless(FactKind):
    """A fact without a likelihood; its value may be a text."""

    fitted = False
    needs = ()
    glyph = "none"


class Order(_Wordless):
    """The order of events, or of values."""

    name = "order"


class Happening(_Wordless):
    """Something that happened."""

    name = "event"


class Anything(_Wordless):
    """Any other statement."""

    name = "text"
