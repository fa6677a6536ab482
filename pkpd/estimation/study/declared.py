"""What a study declares, checked: model, evidence, what is free, and what is believed before the data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.spreads import ErrorScale
from pkpd.estimation.study.priors import Free
from pkpd.options import is_number
from pkpd.simulation.source import Source
from pkpd.timegrid import Span
from pkpd.transport import without_computed

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["NUTS_SETTINGS", "DeclaredStudy"]

NUTS_SETTINGS: Mapping[str, float] = {"chains": 4, "tune": 1000, "draws": 1000, "target_accept": 0.9, "maxdepth": 10}
"""Settings of the sampler where neither the study nor the call says otherwise."""

_WHOLE = ("chains", "tune", "draws", "maxdepth")


@dataclass(frozen=True, eq=False)
class DeclaredStudy(Source):
    """What is fitted to which reports; the base of `Study`.

    Parameters
    ----------
    name : str
        Short name; results are kept under it.
    model : str, path or Model
        As for ``load_model``.
    evidence : sequence of str, path or Evidence
        As for ``load_seed``; patients are called ``"seed/patient"``.
    free : sequence of Free
    title, description : str
        One line; what is asked and why this way.
    fixed : mapping of parameter to number, or to {patient, cohort or "*": number}
        Values that differ from the model's, in its units.
    errors : mapping of output to factor or ErrorScale
        Factor on the residual standard deviation that the model declares.
    cohorts : mapping of patient to str
        Cohorts other than those of the evidence.
    covariates : mapping of patient to {covariate: number}
        Covariates other than those of the evidence, in the model's units.
    reinterpret : mapping of (seed, marker) to number
        Factor on the values of a marker as the evidence understands them.
    exclude : sequence of str
        Facts left out of the fit: ``"seed/fact"``, with ``*`` and ``?`` as wildcards.
    include : sequence of str
        Facts that the evidence holds back to check with (``use`` is check) and that are fitted all the same.
    patients : sequence of str, optional
        Only these patients: ``"seed/patient"``, with wildcards as for ``exclude``.
    drugs : sequence of str, optional
        Only the doses of these; a single one is given to a model of that drug alone, with compartments as its own. By
        default all doses of the reports; those of one drug go into a model of that drug alone.
    every : float, or text such as "12 h", optional
        Time between the measurements that a statement on a window is about, from its beginning on, in the model's time
        unit where it has none of its own; a day by default. The end of the window is a measurement too. A window may be
        10,000 measurements at most.
    rtol, atol : float
        Tolerances of the solver.
    settings : mapping
        Of the sampler: chains, tune, draws, target_accept, maxdepth.
    folder : path, optional
        From where paths of the model and the evidence are meant; that of the study's file for one that was loaded, the
        working directory otherwise.

    Raises
    ------
    PkpdError
        If declarations contradict each other; all faults are named at once.
    """

    kind: ClassVar[str] = "Study"
    advice: ClassVar[str] = "a study says what to learn and knows nothing yet: fit(study) first"

    name: str
    model: str | os.PathLike[str] | Model
    evidence: Sequence[Any]
    free: Sequence[Free]
    _: KW_ONLY
    title: str = ""
    description: str = ""
    fixed: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    errors: Mapping[str, float | ErrorScale] = field(default_factory=dict)
    cohorts: Mapping[str, str] = field(default_factory=dict)
    covariates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reinterpret: Mapping[tuple[str, str], float] = field(default_factory=dict)
    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    patients: Sequence[str] | None = None
    drugs: Sequence[str] | None = None
    every: Span | None = None
    rtol: float = 1e-6
    atol: float = 1e-9
    settings: Mapping[str, float] = field(default_factory=dict)
    folder: str | os.PathLike[str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return without_computed(self)

    def __post_init__(self) -> None:
        for name in ("evidence", "free", "exclude", "include", "patients", "drugs"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise PkpdError(f"study '{self.name}': {name} must be a sequence, got the text {given!r}")
            if given is None:
                continue
            try:
                object.__setattr__(self, name, tuple(given))
            except TypeError:
                what = f"one {type(given).__name__}; write {name}=[...]"
                raise PkpdError(f"study '{self.name}': {name} must be a sequence, got {what}") from None
        given = {n: getattr(self, n) for n in ("fixed", "errors", "cohorts", "covariates", "reinterpret", "settings")}
        if loose := [f"{n} must be a mapping, got {v!r}" for n, v in given.items() if not isinstance(v, Mapping)]:
            raise PkpdError(f"study '{self.name}': {'; '.join(loose)}")
        self.fail_for([*self._identity(), *self._names(), *self._values()])

    def fail_for(self, faults: Sequence[str]) -> None:
        """Raise PkpdError with all that is wrong with the study, if anything is."""
        if faults:
            many = f"{len(faults)} faults: " if len(faults) > 1 else ""
            raise PkpdError(f"study '{self.name}': {many}{'; '.join(faults)}")

    def _identity(self) -> list[str]:
        out = []
        if not isinstance(self.name, str) or not self.name.replace("_", "").replace("-", "").isalnum():
            out.append(f"name must be a word of letters, digits, - and _, got {self.name!r}")
        if not self.evidence:
            out.append("there is no evidence; give names or folders of seeds")
        strange = [f for f in self.free if not isinstance(f, Free)]
        if strange:
            out.append(f"free must hold Free(...), got {strange[0]!r}")
        elif not self.free:
            out.append("nothing is free; give free=[Free(name, (value, sd)), ...]")
        return out

    def _names(self) -> list[str]:
        names = [f.name for f in self.free if isinstance(f, Free)]
        twice = sorted({n for n in names if names.count(n) > 1})
        both = [n for n in names if n in self.fixed]
        out = [f"'{n}' is free twice" for n in twice]
        out += [f"'{n}' is both free and fixed; drop one" for n in both]
        unknown = [n for n in self.settings if n not in NUTS_SETTINGS]
        return out + [
            f"settings has no '{n}'{nearest(n, NUTS_SETTINGS)}; it has {', '.join(NUTS_SETTINGS)}" for n in unknown
        ]

    def _values(self) -> list[str]:
        out = [f"{n} must be > 0, got {v!r}" for n, v in (("rtol", self.rtol), ("atol", self.atol)) if not _positive(v)]
        for key, factor in self.reinterpret.items():
            if not (isinstance(key, tuple) and len(key) == 2):
                out.append(f"a key of reinterpret is (seed, marker), got {key!r}")
            elif not _positive(factor):
                out.append(f"reinterpret {key}: the factor must be a number > 0, got {factor!r}")
        for name, prior in self.errors.items():
            if not isinstance(prior, ErrorScale) and not _positive(prior):
                out.append(f"errors of '{name}': must be a factor > 0 or ErrorScale(value, sd), got {prior!r}")
        for name, value in self.fixed.items():
            numbers = value.values() if isinstance(value, Mapping) else [value]
            if not all(is_number(v) for v in numbers):
                out.append(f"fixed '{name}' must be a number or numbers by patient or cohort, got {value!r}")
        for name, value in self.settings.items():
            if not _positive(value) or (name in _WHOLE and int(value) != value):
                kind = "whole number" if name in _WHOLE else "number"
                out.append(f"settings: {name} must be a {kind} > 0, got {value!r}")
        return out

    def sampler(self, **given: float | None) -> dict[str, float]:
        """Return the settings of the sampler: those given, else the study's, else the defaults."""
        return {**NUTS_SETTINGS, **self.settings, **{k: v for k, v in given.items() if v is not None}}

    def __repr__(self) -> str:
        return f"Study('{self.name}', {len(self.evidence)} sources of evidence, {len(self.free)} free parameters)"


def _positive(value: Any) -> bool:
    return is_number(value) and value > 0
