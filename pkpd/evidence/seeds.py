"""Seed folders found by name or path: listed, checked, loaded."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pkpd.catalogue import Catalogue, Content, Entry, content_names, find_content, path_of
from pkpd.errors import LibraryError, shortened
from pkpd.evidence.card import Card, read_card
from pkpd.evidence.curves import CurveReader, curves_of_folder
from pkpd.evidence.doses import doses
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.facts import Scope, facts
from pkpd.evidence.faults import Report, SeedFault
from pkpd.evidence.patients import quantities
from pkpd.evidence.reading import Row, Sink, read_rows
from pkpd.evidence.superseded import supersede
from pkpd.evidence.values import PatientFact, ReportedDose
from pkpd.evidence.vocabulary import vocabulary_of
from pkpd.evidence.words import COLUMNS, CURVES, SUPERSEDED, USES
from pkpd.files import is_dir_at, is_file_at

__all__ = ["SeedFolder", "Seeds", "list_seeds", "load_seed", "locate", "seeds", "validate_seed"]


def list_seeds() -> Catalogue:
    """Return name, kind of patients and folder of every report in the library.

    Returns
    -------
    Catalogue
        A tuple of entries `(name, title, path)` that prints as a table.

    Examples
    --------
    >>> "strati2020" in list_seeds().names
    True
    """
    paths = [find_content("seeds", name) for name in content_names("seeds")]
    return Catalogue(Entry(path.name, _title(path), path) for path in paths)


def load_seed(name_or_path: str | os.PathLike[str] | Entry) -> Evidence:
    """Return what a report says about its patients.

    Parameters
    ----------
    name_or_path : str or path
        Name of a report in the library, or the path of a folder of one's own: a text with a folder separator, or a
        `Path`; or an entry of `list_seeds`.

    Returns
    -------
    Evidence

    Raises
    ------
    LibraryError
        If there is no such report or folder.
    DataError
        If the folder has faults; the text lists all of them, as `validate_seed` does.

    Examples
    --------
    >>> load_seed("strati2020").cohorts["p1"]
    'strati'
    """
    made = SeedFolder(locate(name_or_path))
    made.report.raise_if_any()
    return made.evidence()


def validate_seed(name_or_path: str | os.PathLike[str] | Entry) -> Report:
    """Check a seed folder and return all its faults, each with file, line, column and what is allowed.

    Parameters
    ----------
    name_or_path : str or path
        As for `load_seed`.

    Raises
    ------
    LibraryError
        If there is no such report or folder.

    Examples
    --------
    >>> validate_seed("strati2020").ok
    True
    """
    return SeedFolder(locate(name_or_path)).report


class SeedFolder:
    """A folder as far as it can be understood, and its report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[SeedFault] = []
        known = vocabulary_of(folder)
        self.card = read_card(folder, known, Sink("source.toml", self.faults))
        card = self.card
        start_day = card.start_day if card else None
        files = {file: names for file, names in COLUMNS.items() if file != CURVES or is_file_at(folder / file)}
        rows = {file: read_rows(folder / file, names, Sink(file, self.faults)) for file, names in files.items()}
        self.rows = rows
        who = rows["patients.csv"]
        self.quantities: list[PatientFact] = quantities(who or [], card.cohorts if card else None)
        # A table of patients with lost rows must not make all that speaks of them a fault as well.
        whole = who is not None and not any(fault.file == "patients.csv" and not fault.column for fault in self.faults)
        patients = list(dict.fromkeys(row["patient"] for row in who)) if who and whole else None
        drugs = card.drugs if card else tuple(known.drugs)
        units = {name: word.unit for name, word in known.markers.items()}
        scope = Scope(patients, card.markers if card else units, start_day)
        self.doses: list[ReportedDose] = doses(rows["doses.csv"] or [], patients, drugs, start_day)
        printed = facts(rows["facts.csv"] or [], scope)
        reader = CurveReader(scope, self.faults, taken={fact.fact for fact in printed})
        if rows.get(CURVES, []) is not None:
            curves_of_folder(folder, rows.get(CURVES) or [], reader)
        self.curves = tuple(reader.curves)
        self.facts = supersede([*printed, *reader.points], self.curves)
        self._check_not_empty(who)
        self.report = Report(folder.resolve().name, folder, tuple(_sorted(self.faults)), self._counts())

    def evidence(self) -> Evidence:
        """Return the value of a folder without faults."""
        card: Card | None = self.card
        if card is None or card.source is None:
            raise LibraryError(f"seed '{self.folder.name}' has no readable source card")
        rows = (tuple(self.quantities), tuple(self.doses), self.facts)
        return Evidence(card.source, *rows, self.folder, self.curves)

    def _check_not_empty(self, who: Sequence[Row] | None) -> None:
        if who is not None and not who:
            Sink("patients.csv", self.faults).add(None, "", "there is no patient", None, "give each at least one row")

    def _counts(self) -> dict[str, int]:
        uses = Counter(fact.use for fact in self.facts)
        return {
            "patients": len({row.patient for row in self.quantities}),
            "quantities": len(self.quantities),
            "doses": len(self.doses),
            "facts": len(self.facts),
            **({"curves": len(self.curves)} if self.curves else {}),
            **{use: uses[use] for use in (*USES, SUPERSEDED) if uses[use] or use in USES},
        }


def _sorted(faults: Sequence[SeedFault]) -> list[SeedFault]:
    order = {name: k for k, name in enumerate(("source.toml", *COLUMNS))}
    return sorted(faults, key=lambda fault: (order.get(fault.file, len(order)), fault.file, fault.line or 0))


def locate(given_as: str | os.PathLike[str] | Entry) -> Path:
    """Return the folder of a name, or the folder that a path means."""
    name_or_path = path_of(given_as, "seed")
    given = os.fspath(name_or_path)
    separators = [os.sep] + ([os.altsep] if os.altsep else [])
    if isinstance(name_or_path, str) and not any(sign in given for sign in separators):
        try:
            return find_content("seeds", given)
        except LibraryError as error:
            if is_dir_at(Path(given)):
                raise LibraryError(f"{error}; the folder '{given}' here is loaded by its path: './{given}'") from None
            raise
    path = Path(given).expanduser()
    if is_dir_at(path):
        return path
    if is_file_at(path):
        raise LibraryError(f"seed '{given}' is a file; give its folder, {path.parent}")
    raise LibraryError(
        f"seed folder '{shortened(given)}' does not exist; the library has {', '.join(content_names('seeds'))}"
    )


def _title(folder: Path) -> str:
    """Return the kind of patients of a report; a card that cannot be read is the validator's matter."""
    try:
        return str(tomllib.loads((folder / "source.toml").read_text(encoding="utf-8-sig")).get("kind", ""))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ""


class Seeds(Content[Evidence]):
    """Reports of the library; ``validate`` names all faults of a folder of one's own."""

    validate = staticmethod(validate_seed)


#: reports of the library
seeds = Seeds("seeds", load_seed, list_seeds)
