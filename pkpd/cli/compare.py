"""x."""
from __future__ import annotations
HELP = "x"
NEEDS_ARGUMENTS = True
def command(name: str = "") -> None:
    """x."""
