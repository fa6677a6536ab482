"""Tables of checks that take long: made by a run with all checks, kept beside a study, and read by any later run."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CARD", "CheckTables"]

CARD = "checks.toml"
"""Says which state of a study the tables beside it are of, and how each was made."""


@dataclass(frozen=True)
class CheckTables:
    """Tables of checks in a folder, of one state of a study.

    The folder holds ``NAME.csv`` and ``checks.toml`` with the study's fingerprint and, under ``[made]``, how each table
    was made. Tables of another state of the study count as not being there.

    Parameters
    ----------
    folder : Path
    fingerprint : str
        Of the study as it is.

    Examples
    --------
    >>> import tempfile, pandas
    >>> with tempfile.TemporaryDirectory() as place:
    ...     CheckTables(Path(place), "a1").write("sbc", pandas.DataFrame({"rank": [3]}), "2 chains, seed 0")
    ...     CheckTables(Path(place), "a1").made["sbc"], CheckTables(Path(place), "b2").belongs
    ('2 chains, seed 0', False)
    """

    folder: Path
    fingerprint: str

    def _card(self) -> dict[str, Any]:
        path = self.folder / CARD
        if not path.is_file():
            return {}
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise PkpdError(f"checks: {path}: {error}") from None
        made = found.get("made", {})
        if not isinstance(made, dict) or not all(isinstance(text, str) for text in made.values()):
            raise PkpdError(f"checks: {path}: [made] must say for each table how it was made, got {made!r}")
        return found

    @property
    def belongs(self) -> bool:
        """Whether tables are there that belong to the study as it is."""
        return self._card().get("fingerprint") == self.fingerprint

    @property
    def stale(self) -> bool:
        """Whether tables are there, of another state of the study."""
        found = self._card()
        return bool(found.get("made")) and found.get("fingerprint") != self.fingerprint

    @property
    def made(self) -> dict[str, str]:
        """How each table was made; empty unless they belong to the study."""
        found = self._card()
        return dict(found.get("made", {})) if found.get("fingerprint") == self.fingerprint else {}

    def read(self, name: str) -> pd.DataFrame | None:
        """Return a table, or None where there is none of this state of the study.

        Raises
        ------
        PkpdError
            If the card names a table whose file is missing.
        """
        import pandas as pd

        if name not in self.made:
            return None
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            raise PkpdError(f"checks: {self.folder / CARD} names {path.name}, which is not there; take out its line")
        return pd.read_csv(path)

    def write(self, name: str, frame: pd.DataFrame, how: str) -> None:
        """Write a table, its columns without the index, and how it was made.

        Raises
        ------
        PkpdError
            If the folder holds tables of another state of the study.
        """
        if self.stale:
            raise PkpdError(
                f"checks: {self.folder / CARD} is of another state of the study (fingerprint "
                f"{str(self._card()['fingerprint'])[:12]}, now {self.fingerprint[:12]}); move that folder away"
            )
        made = self.made | {name: how}
        write_whole(self.folder / f"{name}.csv", frame.to_csv(index=False, float_format="%.5g"))
        lines = [f"fingerprint = {json.dumps(self.fingerprint)}", "", "[made]"]
        lines += [f"{key} = {json.dumps(text)}" for key, text in made.items()]
        write_whole(self.folder / CARD, "\n".join([*lines, ""]))
