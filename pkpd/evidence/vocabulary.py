"""Words of reports by their role; those of drugs and markers come with the content: seeds/, or a seed's own folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pkpd.catalogue import content_root
from pkpd.errors import DataError, UnitError, nearest
from pkpd.evidence.faults import SeedFault
from pkpd.evidence.reading import Sink, read_toml
from pkpd.files import is_file_at
from pkpd.units import parse

__all__ = ["Vocabulary", "Word", "vocabulary_of"]

FILE = "words.toml"
_TABLES = ("drugs", "markers", "labels")


@dataclass(frozen=True)
class Word:
    """How a drug or a marker is written.

    Attributes
    ----------
    unit : str
        Of a marker's output.
    label, key : str
        In figures, and in their keys; empty where the name itself will do.
    """

    unit: str = ""
    label: str = ""
    key: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """Drugs and markers by name, in the order of their lanes in figures.

    Attributes
    ----------
    drugs, markers : mapping of str to Word
    labels : mapping of str to str
        How figures write further names.
    """

    drugs: Mapping[str, Word] = field(default_factory=dict)
    markers: Mapping[str, Word] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Return how figures write a drug, a marker or another name."""
        word = self.drugs.get(name) or self.markers.get(name) or Word()
        return word.label or self.labels.get(name, name.replace("_", " "))

    def key(self, drug: str) -> str:
        """Return how the key of a figure writes a drug."""
        return self.drugs.get(drug, Word()).key or drug

    def order(self, drugs: Collection[str]) -> list[str]:
        """Return drugs in the order of their lanes, those that are not known last."""
        return [*(name for name in self.drugs if name in drugs), *(name for name in drugs if name not in self.drugs)]


def vocabulary_of(folder: Path) -> Vocabulary:
    """Return the words of a seed's own folder, of the folder above it and of the library, its own first.

    Raises
    ------
    DataError
        If one of the files cannot be understood.

    Examples
    --------
    >>> vocabulary_of(Path("anywhere")).label("IL6")
    'IL-6'
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in _TABLES}
    places = dict.fromkeys([folder / FILE, folder.parent / FILE, content_root() / "seeds" / FILE])
    for path in filter(is_file_at, places):
        for table, words in _read(path).items():
            found[table] |= {name: word for name, word in words.items() if name not in found[table]}
    return Vocabulary(**found)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    faults: list[SeedFault] = []
    content = read_toml(path, Sink(path.name, faults)) or {}
    wrong = [str(fault) for fault in faults]
    wrong += [f"there is no table [{t}]{nearest(t, _TABLES)}; there is {', '.join(_TABLES)}" for t in content
              if t not in _TABLES]  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for table in (t for t in _TABLES if t in content):
        found[table] = {}
        for name, given in content[table].items():
            try:
                word = given if table == "labels" else Word(**given)
                parse(word.unit if isinstance(word, Word) else "")
            except (TypeError, UnitError) as error:
                wrong.append(f"{table}.{name}: {error}; a word has {', '.join(Word.__dataclass_fields__)}, all texts")
                continue
            found[table][name] = word
    if wrong:
        raise DataError(f"{path}: {'; '.join(wrong)}")
    return found
