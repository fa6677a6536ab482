"""What a table of prospects says in two sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.estimation.checks.prospects.ranking import LITTLE, MIDDLE, NEW, DesignGain, gain_of, ranked, rows_about

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["prospects_text"]


def prospects_text(
    table: pd.DataFrame, *, quantity: str, cohorts: Mapping[str, str] | None = None, responder: str = ""
) -> str:
    """Say which design would have told most, by how much, and what would have told next to nothing.

    Parameters
    ----------
    table : DataFrame
        `Prospects.table`, or read back from a file.
    quantity : str
        What the parameter is, as in "the 90% interval of the share of IL-1".
    cohorts : mapping of cohort to str, optional
        What they are called, as in "in COVID-19"; by default their names.
    responder : str
        What is called, as in "whether IL-1 carries more than half"; without, nothing is said of calls.

    Returns
    -------
    str
        Two sentences, a third where a design has further patients.

    Raises
    ------
    PkpdError
        If no row is about a patient of the study.
    """
    names, rows = dict(cohorts or {}), rows_about(table)
    if not rows:
        raise PkpdError("prospects_text: the table has no row about a patient of the study")
    found = ranked(rows)
    if not found[0].counts:
        what = f"would have made the 90% interval of the {quantity} narrower by more than {100 * LITTLE:.0f}%"
        said = [f"Nothing of what was tried ({_listed([g.label for g in found])}) {what}."]
    else:
        said = [f"{_first(found[0], rows, quantity, names)}{_calls(found[0], responder)}.", *_others(found)]
    return " ".join([*said, *_further(table, names)])


def _first(best: DesignGain, rows: Sequence[Mapping[str, Any]], quantity: str, names: Mapping[str, str]) -> str:
    """Say how wide the interval would be with the best design, on average and where it gains most."""
    mean = "on average " if best.rows > 1 else ""
    first = (
        f"{_capital(best.design)} would have told most: the 90% interval of the {quantity} would {mean}have been "
        f"{best.width:.2f} wide instead of {best.width_now:.2f}"
    )
    own = [r for r in rows if r["design"] == best.design]
    cohorts = list(dict.fromkeys(str(r["cohort"]) for r in own))
    if len(cohorts) == 1:
        return first
    by = {c: gain_of([r for r in own if r["cohort"] == c]) for c in cohorts}
    most = max(by, key=lambda c: by[c].width_now - by[c].width)
    return f"{first} (most in {names.get(most, most)}: {by[most].width:.2f} instead of {by[most].width_now:.2f})"


def _calls(best: DesignGain, responder: str) -> str:
    """Say how often a responder would be told."""
    if not responder or math.isnan(best.tells):
        return ""
    return (
        f", and {responder} would have been called rightly in {100 * best.tells:.0f} of 100 patients instead of "
        f"{100 * best.tells_now:.0f}"
    )


def _others(found: Sequence[DesignGain]) -> list[str]:
    """Say what other designs would have told, and that none would have told enough if that is so."""
    some = [g for g in found[1:] if g.counts]
    none = [g.label for g in found[1:] if not g.counts]
    said = []
    if some:
        low, high = (f"{100 * g.narrower:.0f}" for g in (some[-1], some[0]))
        span = high if low == high else f"{low} to {high}"
        said.append(f"{_listed([g.label for g in some])} would have made it {span}% narrower")
    if none:
        said.append(f"{_listed(none)} would have told next to nothing")
    if found[0].narrower < 0.5:
        said.append("nothing of what was tried would have halved it")
    return [f"{_capital('; '.join(said))}."] if said else []


def _further(table: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """Return the sentence about what patients have in common, or about a new one where they have nothing."""
    for about, words in ((MIDDLE, "the middle of such patients"), (NEW, "a new patient")):
        if not (rows := rows_about(table, about)):
            continue
        one = [r for r in rows if r["design"] == rows[0]["design"]]
        cohorts = {r["cohort"]: names.get(r["cohort"], r["cohort"]) for r in one}
        parts = [f"from {r['width_now']:.2f} to {r['width']:.2f} in {cohorts[r['cohort']]}" for r in one]
        return [f"For {words}, {one[0]['design']} would narrow the interval {_listed(parts)}."]
    return []


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
