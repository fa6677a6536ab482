"""Declarations of a model: states, covariates, parameters, outputs, blocks of covariance."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import ModelError, UnitError, nearest
from pkpd.model.names import check_name, duplicates, quoted
from pkpd.model.residual import ResidualError
from pkpd.units import parse

__all__ = ["Covariate", "Omega", "Output", "Parameter", "State"]

Bounds = tuple[float, float]


def _text(who: str, **fields: object) -> None:
    for name, value in fields.items():
        if not isinstance(value, str):
            raise ModelError(f"{who}: {name} must be text, got {value!r}")


def _number(who: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ModelError(f"{who}: {name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ModelError(f"{who}: {name} must be finite, got {value}")
    return float(value)


def _choice(who: str, name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        hint = nearest(value, allowed) if isinstance(value, str) else ""
        raise ModelError(f"{who}: {name} must be {', '.join(allowed)}, got {value!r}{hint}")


def _bounds(who: str, bounds: object, name: str, value: float) -> Bounds | None:
    """Return bounds as floats after checking that they are in order and hold the value."""
    if bounds is None:
        return None
    try:
        low, high = (float(b) for b in bounds)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ModelError(f"{who}: bounds must be (lower, upper), got {bounds!r}") from None
    if not low < high:
        raise ModelError(f"{who}: bounds must rise, got ({low:g}, {high:g})")
    if not low <= value <= high:
        raise ModelError(f"{who}: {name} {value:g} lies outside its bounds ({low:g}, {high:g})")
    return low, high


@dataclass(frozen=True, slots=True)
class State:
    """A quantity that the differential equations move.

    Parameters
    ----------
    name : str
        Name, as in ``x.central``.
    unit : str
        Unit, e.g. ``mg``.
    meaning : str
        A few words.

    Examples
    --------
    >>> State("depot", "mg", "injection site").unit
    'mg'
    """

    name: str
    unit: str
    meaning: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "state")
        _text(f"state '{self.name}'", unit=self.unit, meaning=self.meaning)


@dataclass(frozen=True, slots=True)
class Covariate:
    """A property of a subject that is given, not modelled.

    Parameters
    ----------
    name : str
        Name, as in ``cov.WT``.
    unit : str
        Unit, e.g. ``kg``.
    reference : float
        Value taken where a subject has none, in ``unit``.
    meaning : str
        A few words.
    carry : {"forward", "backward", "linear"}
        Value between two records: the last one, the next one (NONMEM's rule), or interpolated linearly.
    bounds : (float, float), optional
        Values that it can have, in ``unit``; others are refused, with who has them. Without bounds a covariate whose
        reference is above 0 must be > 0 if it is a size (``kg``, ``m^2``, ``L``), >= 0 if it has any other unit but
        ``degC``; and none may be -99, -999 or -9999, which stand for missing values. A size is never 0.

    Examples
    --------
    >>> Covariate("WT", "kg", 70, "body weight").allowed, Covariate("BE", "mmol/L", 0).allowed
    ('> 0 kg', 'not -99, -999 or -9999')
    """

    name: str
    unit: str
    reference: float
    meaning: str = ""
    _: KW_ONLY
    carry: Literal["forward", "backward", "linear"] = "forward"
    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "covariate")
        who = f"covariate '{self.name}'"
        _text(who, unit=self.unit, meaning=self.meaning)
        object.__setattr__(self, "reference", _number(who, "reference", self.reference))
        _choice(who, "carry", self.carry, ("forward", "backward", "linear"))
        object.__setattr__(self, "bounds", _bounds(who, self.bounds, "reference", self.reference))

    @property
    def allowed(self) -> str:
        """What values it can have, in words."""
        low, high, above = self._range()
        if math.isfinite(low) and math.isfinite(high):
            return (
                f"{'above' if above else 'from'} {low:g} {'and up ' if above else ''}to {high:g} {self.unit}".rstrip()
            )
        if math.isfinite(low):
            return f"{'>' if above else '>='} {low:g} {self.unit}".rstrip()
        if math.isfinite(high):
            return f"<= {high:g} {self.unit}".rstrip()
        return "any number" if self.bounds else "not -99, -999 or -9999"

    def forbidden(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which values it cannot have; a missing one (NaN) is not among them.

        Parameters
        ----------
        values : array, any shape
            In ``unit``.
        """
        low, high, above = self._range()
        bad = (values <= low if above else values < low) | (values > high)
        if not self.bounds:
            for code in _CODES:
                bad |= values == code
        return bad

    @property
    def inner(self) -> tuple[float, float]:
        """Values between which, ends left out, none is forbidden."""
        low, high, _ = self._range()
        return (low, high) if self.bounds else (max(low, *_CODES), high)

    def _range(self) -> tuple[float, float, bool]:
        """Return the smallest and the largest value, and whether it must lie above the smallest."""
        kind = _kind(self.unit)
        if self.bounds is not None:
            return *self.bounds, kind == "size" and self.bounds[0] == 0
        if kind and self.reference > 0:
            return 0.0, math.inf, kind == "size"
        return -math.inf, math.inf, False


_CODES = (-99.0, -999.0, -9999.0)
"""Numbers that stand for missing values."""


@functools.lru_cache(maxsize=512)
def _kind(unit: str) -> str:
    """Return ``size`` for a mass, length, area, volume or mass by area, ``unit`` for another that cannot be < 0."""
    try:
        exponents = dict(parse(unit).exponents)
    except UnitError:
        return ""
    if not exponents or "temperature_reading" in exponents:
        return ""
    by_area = exponents == {"length": -2.0, "mass": 1.0}
    return "size" if exponents == {"mass": 1.0} or list(exponents) == ["length"] or by_area else "unit"


@dataclass(frozen=True, slots=True)
class Output:
    """A quantity calculated from the states, perhaps observed with error.

    Parameters
    ----------
    name : str
        Name of the variable in results, e.g. ``Cc``.
    unit : str
        Unit, e.g. ``mg/L``.
    meaning : str
        A few words.
    error : ResidualError, optional
        How observations of it scatter; additive parts are in ``unit``.
    """

    name: str
    unit: str
    meaning: str = ""
    _: KW_ONLY
    error: ResidualError | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "output")
        who = f"output '{self.name}'"
        _text(who, unit=self.unit, meaning=self.meaning)
        if self.error is not None and not isinstance(self.error, ResidualError):
            raise ModelError(
                f"{who}: error must be Additive, Proportional, Combined, LogNormal, Ordinal or Exact, got "
                f"{self.error!r}"
            )


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number of the model, perhaps different between subjects and occasions.

    The individual value is ``value * exp(eta + kappa)`` on the log scale, ``expit(logit(value) + eta + kappa)`` between
    the bounds on the logit scale, and ``value + eta + kappa`` on the additive scale; eta differs between subjects,
    kappa between occasions of one subject.

    Parameters
    ----------
    name : str
        Name, as in ``p.CL``.
    value : float
        Typical value, in ``unit``.
    unit : str
        Unit, e.g. ``L/h``; ``""`` for none.
    meaning : str
        A few words.
    bounds : (float, float), optional
        Allowed range, in ``unit``; needed, and finite, on the logit scale.
    cv : float, optional
        Between-subject coefficient of variation (0.28 for 28%), log scale only: ``omega = log(1 + cv^2)``.
    sd : float, optional
        Between-subject standard deviation of eta on its scale, instead of ``cv``. 0 is no variability.
    scale : {"log", "logit", "additive"}
        Scale on which variability acts.
    iov_cv, iov_sd : float, optional
        The same between occasions.
    source : str
        Where the number stands.
    known : {"read", "derived", "assumed"}
        Whether it was read there, derived from it, or assumed.
    fixed : bool
        Whether estimation leaves it alone.

    Raises
    ------
    ModelError
        If the declaration contradicts itself; the parameter and the reason are named.

    Examples
    --------
    >>> CL = Parameter("CL", 9.0, "L/h", "apparent clearance", cv=0.28, source="Table 2")
    >>> round(CL.variance, 4)
    0.0755
    """

    name: str
    value: float
    unit: str
    meaning: str = ""
    _: KW_ONLY
    bounds: Bounds | None = None
    cv: float | None = None
    sd: float | None = None
    scale: Literal["log", "logit", "additive"] = "log"
    iov_cv: float | None = None
    iov_sd: float | None = None
    source: str = ""
    known: Literal["read", "derived", "assumed"] = "read"
    fixed: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "parameter")
        who = f"parameter '{self.name}'"
        if isinstance(self.value, str):
            raise ModelError(f"{who}: the value comes before the unit: Parameter('{self.name}', value, '{self.value}')")
        object.__setattr__(self, "value", _number(who, "value", self.value))
        _text(who, unit=self.unit, meaning=self.meaning, source=self.source)
        _choice(who, "scale", self.scale, ("log", "logit", "additive"))
        _choice(who, "known", self.known, ("read", "derived", "assumed"))
        object.__setattr__(self, "bounds", _bounds(who, self.bounds, "value", self.value))
        self._check_spread(who, "cv", "sd")
        self._check_spread(who, "iov_cv", "iov_sd")
        if self.variance > 0 or self.iov_variance > 0:
            self.check_scale()

    def _check_spread(self, who: str, cv_name: str, sd_name: str) -> None:
        """Check one pair of coefficient of variation and standard deviation."""
        cv, sd = getattr(self, cv_name), getattr(self, sd_name)
        if cv is not None and sd is not None:
            raise ModelError(f"{who}: {cv_name} {cv} and {sd_name} {sd} are both given; give one")
        for name, spread in ((cv_name, cv), (sd_name, sd)):
            if spread is not None and _number(who, name, spread) < 0:
                raise ModelError(f"{who}: {name} must be >= 0, got {spread:g}")
        if cv is not None and self.scale != "log":
            raise ModelError(f"{who}: {cv_name} is for the log scale; on the {self.scale} scale give {sd_name} of eta")

    def check_scale(self) -> None:
        """Raise ModelError unless the value can vary on its scale."""
        who = f"parameter '{self.name}'"
        if self.scale == "log" and self.value <= 0:
            raise ModelError(
                f"{who}: variability on the log scale needs a value > 0, got {self.value:g}; "
                "use scale='additive' if it may be 0 or negative"
            )
        if self.scale == "logit":
            low, high = self.bounds or (-math.inf, math.inf)
            if not (math.isfinite(low) and math.isfinite(high)):
                got = "none" if self.bounds is None else f"({low:g}, {high:g})"
                raise ModelError(f"{who}: the logit scale needs finite bounds, e.g. bounds=(0, 1), got {got}")
            if not low < self.value < high:
                raise ModelError(f"{who}: the logit scale needs a value inside ({low:g}, {high:g}), got {self.value:g}")

    @property
    def variance(self) -> float:
        """Variance of eta that ``cv`` or ``sd`` gives; 0 for none."""
        return _variance(self.cv, self.sd)

    @property
    def iov_variance(self) -> float:
        """Variance of kappa that ``iov_cv`` or ``iov_sd`` gives; 0 for none."""
        return _variance(self.iov_cv, self.iov_sd)


def _variance(cv: float | None, sd: float | None) -> float:
    return math.log1p(cv**2) if cv is not None else sd**2 if sd is not None else 0.0


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Omega:
    """A block of the covariance of eta.

    Parameters
    ----------
    names : sequence of str, length n
        Parameters.
    matrix : array, shape (n, n), or lower triangle by rows
        Variances and covariances of eta (not correlations, not standard deviations).

    Raises
    ------
    ModelError
        If shape, symmetry or a variance is wrong; positive definiteness is checked by the model.

    Examples
    --------
    >>> Omega(("CL", "V"), [[0.09], [0.03, 0.04]]).matrix
    array([[0.09, 0.03],
           [0.03, 0.04]])
    """

    names: tuple[str, ...]
    matrix: NDArray[np.float64]

    def __init__(self, names: Sequence[str], matrix: Sequence[Sequence[float]] | NDArray[np.float64]) -> None:
        names = (names,) if isinstance(names, str) else tuple(names)
        who = f"Omega({', '.join(names)})"
        if twice := duplicates(names):
            raise ModelError(f"{who}: {quoted(twice)} named more than once")
        n = len(names)
        try:
            rows = [[float(v) for v in row] for row in matrix]
        except (TypeError, ValueError):
            raise ModelError(f"{who}: matrix must be rows of numbers, got {matrix!r}") from None
        lengths = [len(r) for r in rows]
        if n > 1 and lengths == list(range(1, n + 1)):
            rows = [[rows[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]
        elif lengths != [n] * n:
            raise ModelError(f"{who}: {n} names need a {n} x {n} matrix or its lower triangle, got rows of {lengths}")
        block = np.array(rows)
        if not np.all(np.isfinite(block)):
            raise ModelError(f"{who}: matrix must be finite, got {rows}")
        if not np.allclose(block, block.T, rtol=1e-9, atol=1e-14):
            raise ModelError(f"{who}: matrix must be symmetric, got {rows}")
        for name, v in zip(names, np.diag(block), strict=True):
            if v <= 0:
                raise ModelError(
                    f"{who}: the variance of '{name}' must be > 0, got {v:g}; leave out what does not vary"
                )
        block.setflags(write=False)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "matrix", block)
