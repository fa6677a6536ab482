"""The comparison of what was published with what a model simulates, as a value, a table and text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pkpd.kinds import Kind
from pkpd.validation.records import Effect, EffectReading, Published

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Agreement", "EffectResult", "Inversion", "ValidationReport", "number"]


def number(value: float | None) -> str:
    """Write a number with three digits; nothing for None.

    Examples
    --------
    >>> number(0.67412), number(186.4), number(None)
    ('0.674', '186', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Agreement:
    """One published number and the simulated one.

    Attributes
    ----------
    row : Published
    model : str
        Which was simulated.
    simulated : float
        Of the typical person.
    p5, p95 : float
        Of the virtual population.
    variants : dict of model name to float
        Other models' typical persons.
    """

    row: Published
    model: str
    simulated: float
    p5: float
    p95: float
    variants: dict[str, float]

    @property
    def setting(self) -> str:
        """Who was dosed, in words."""
        return self.row.setting.text

    @property
    def assumed(self) -> str:
        """What of that was not published."""
        return self.row.setting.assumed

    @property
    def within(self) -> bool:
        """Whether the simulated value lies within the published spread, or by 0.8-1.25 where none was published."""
        low, high = self.row.limits
        return low <= self.simulated <= high

    @property
    def ratio(self) -> float:
        """Simulated over published."""
        return self.simulated / self.row.centre

    @property
    def explained(self) -> bool:
        """Whether nothing stands there without a reason."""
        return self.within or bool(self.row.why)

    @property
    def verdict(self) -> str:
        """``within`` or ``outside``; ``near`` or ``off``, with the ratio, where no spread was published."""
        if self.row.spread:
            return "within" if self.within else "outside"
        return f"{'near' if self.within else 'off'} ({self.ratio:.2f})"

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the columns of `COLUMNS`."""
        row = self.row
        bounds = "" if row.low is None and row.high is None else f"{number(row.low)}-{number(row.high)} ({row.spread})"
        if row.low is None and row.high is not None:
            bounds = f"at most {number(row.high)}"
        use = f"used: {row.used}" if row.used else "external"
        ends = number(self.p5), number(self.p95)
        between = f"{ends[0]}-{ends[1]}" if ends[0] != ends[1] else "does not vary"
        return (row.what, self.setting, row.unit, number(row.value), bounds, row.known, use, number(self.simulated),
                between, self.verdict)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inversion:
    """The share that reproduces a published effect under one regimen.

    Attributes
    ----------
    share : float or None
        For the published value; None where no share from 0 to 1 does.
    low, high : float or None
        For the ends of the published interval; None where no share reaches that end or none was published.
    text : str
        The same in words.
    """

    share: float | None
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class EffectResult:
    """A published effect on a marker and the model's.

    Attributes
    ----------
    effect : Effect
    axis : tuple of float
        Shares at which the model was simulated; hours after the dose for a level.
    curves : dict of regimen to tuple of float
        Simulated measure at each of them.
    readings : dict of regimen to dict of assumption to Inversion
        ``plateau`` first; the assumptions are those of the `EffectReading`.
    unit : str
        Of the marker.
    """

    effect: Effect
    axis: tuple[float, ...]
    curves: dict[str, tuple[float, ...]]
    readings: dict[str, dict[str, Inversion]]
    unit: str = ""


COLUMNS = ("quantity", "setting", "unit", "published", "spread", "known", "use", "simulated", "5-95%", "result")


@dataclass(frozen=True, repr=False)
class ValidationReport(Kind):
    """Published against simulated.

    Attributes
    ----------
    model : str
    rows : tuple of Agreement
        Pharmacokinetics.
    effects : tuple of EffectResult
        Effects on a marker, if the model's files have some.
    n, seed : int
        Size and seed of the virtual population.
    reading : EffectReading or None
        How these effects were read.
    """

    kind: ClassVar[str] = "ValidationReport"

    model: str
    rows: tuple[Agreement, ...]
    effects: tuple[EffectResult, ...]
    n: int
    seed: int
    reading: EffectReading | None = None

    @property
    def outside(self) -> tuple[Agreement, ...]:
        """Rows on which the model disagrees with what was published."""
        return tuple(row for row in self.rows if not row.within)

    @property
    def unexplained(self) -> tuple[Agreement, ...]:
        """Rows on which it disagrees and no explanation is stored."""
        return tuple(row for row in self.rows if not row.explained)

    def table(self) -> pd.DataFrame:
        """Return one row per published number, with numbers as numbers.

        Columns: key, model, quantity, setting, assumed, unit, published, low, high, spread, known, use, used_for,
        simulated, p5, p95, ratio, within, explanation, source, and one per other model.
        """
        import pandas as pd

        names = list(dict.fromkeys(name for c in self.rows for name in c.variants))
        records: list[dict[str, Any]] = []
        for c in self.rows:
            r = c.row
            records.append(
                {"key": r.key, "model": c.model, "quantity": r.what, "setting": c.setting, "assumed": c.assumed,
                 "unit": r.unit,
                 "published": r.value, "low": r.low, "high": r.high, "spread": r.spread, "known": r.known,
                 "use": r.use, "used_for": r.used, "simulated": c.simulated, "p5": c.p5, "p95": c.p95,
                 "ratio": c.ratio, "within": c.within, "explanation": "" if c.within else r.why, "source": r.source}
                | {name: c.variants.get(name, math.nan) for name in names}
            )  # fmt: skip
        return pd.DataFrame(records)

    def effect_table(self) -> pd.DataFrame:
        """Return one row per published effect, regimen and assumption under which it is read.

        Columns: key, effect, regimen, assumption, published, low, high, spread, known, use, share, share_low,
        share_high, reading, note, source.
        """
        import pandas as pd

        records = [
            {"key": r.effect.key, "effect": r.effect.what, "regimen": name, "assumption": assumption,
             "published": r.effect.value, "low": r.effect.low, "high": r.effect.high, "spread": r.effect.spread,
             "known": r.effect.known, "use": "external", "share": found.share, "share_low": found.low,
             "share_high": found.high, "reading": found.text, "note": r.effect.note, "source": r.effect.source}
            for r in self.effects
            for name, readings in r.readings.items()
            for assumption, found in readings.items()
        ]  # fmt: skip
        return pd.DataFrame(records)

    def lines(self) -> list[tuple[str, ...]]:
        """Return the rows as text, in the columns of `COLUMNS`."""
        return [c.cells() for c in self.rows]

    def __repr__(self) -> str:
        count = sum(c.within for c in self.rows)
        external = [c for c in self.rows if c.row.use == "external"]
        head = (
            f"validation of {self.model}: {count} of {len(self.rows)} published numbers reproduced "
            f"({sum(c.within for c in external)} of {len(external)} external ones), {len(self.outside)} not, "
            f"{len(self.unexplained)} of them without explanation"
        )
        if self.reading is not None:
            head += f"; {len(self.effects)} effects on {self.reading.output}"
        widths = [max(len(line[i]) for line in [COLUMNS, *self.lines()]) for i in range(len(COLUMNS))]
        body = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
                for line in [COLUMNS, *self.lines()]]  # fmt: skip
        shares = [
            f"{r.effect.what}, {name}: {found['plateau'].text}"
            for r in self.effects
            for name, found in r.readings.items()
        ]
        return "\n".join([head, *(body if self.rows else []), *shares])
