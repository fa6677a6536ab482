"""One value per subject from what a user gives: a number, an array, a distribution, rows of a table."""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.dosing.identity import identifiers, label_texts
from pkpd.errors import DataError, DataWarning, PopulationError, nearest
from pkpd.people.distributions import Distribution
from pkpd.randomness import correlate, uniforms_at

if TYPE_CHECKING:
    from pkpd.model.declare import Covariate

__all__ = [
    "ColumnSource",
    "Correlations",
    "allowed_range",
    "check_covariate",
    "check_finite",
    "check_labels",
    "check_people",
    "check_range",
    "count",
    "factor",
    "fill",
    "label_array",
    "near_column",
    "numbers",
    "unknown",
    "warn_of_near",
]

Floats = NDArray[np.float64]
Correlations = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class ColumnSource:
    """Where random numbers come from.

    Attributes
    ----------
    who : str
        Whose population it is, for messages.
    seed : int
    index : array, shape (n,)
        Positions of the subjects in the streams.
    """

    who: str
    seed: int
    index: NDArray[np.int64]


def unknown(who: str, noun: str, given: Iterable[object], known: Sequence[str]) -> None:
    """Raise PopulationError if a given name is not among the known ones; all of them are named."""
    strange = [str(g) for g in given if g not in known]
    if strange:
        hints = ", ".join(f"'{s}'{nearest(s, known)}" for s in strange)
        has = ", ".join(known) if known else f"no {noun}s"
        raise PopulationError(f"{who}: unknown {noun} {hints}; the model has {has}")


def fill(
    source: ColumnSource,
    noun: str,
    given: Mapping[str, Any],
    known: Sequence[str],
    stream: int,
    correlations: Correlations | None = None,
) -> dict[str, Floats]:
    """Return an array of shape (n,) for each given name.

    Parameters
    ----------
    source : ColumnSource
        Subjects and seed.
    noun : str
        ``covariate`` or ``parameter``, for messages.
    given : mapping of name to number, array of shape (n,) or Distribution
        What the user wrote.
    known : sequence of str
        Names of the model; the place of a name in it is its column in the stream, so that giving one more name
        leaves the values of the others alone.
    stream : int
        Random stream.
    correlations : mapping of (name, name) to float
        Correlations of the normal scores of two distributions (Gaussian copula).

    Raises
    ------
    PopulationError
        If a name is unknown, a value is not finite or too short, or the correlations contradict each other.
    """
    unknown(source.who, noun, given, known)
    drawn = [n for n in known if isinstance(given.get(n), Distribution)]
    pairs = dict(correlations or {})
    coupled = _coupled(source.who, noun, pairs, drawn)
    out: dict[str, Floats] = {}
    if drawn:
        u = uniforms_at(source.seed, source.index, len(known), stream)[:, [known.index(n) for n in drawn]]
        _correlate(source.who, u, drawn, coupled, pairs)
        out = {n: given[n].quantile(u[:, i]) for i, n in enumerate(drawn)}
    for name, value in given.items():
        if name not in out:
            out[name] = _spread(f"{source.who}: {noun} '{name}'", value, len(source.index))
    return {n: out[n] for n in known if n in out}


def _coupled(who: str, noun: str, pairs: Correlations, drawn: Sequence[str]) -> list[str]:
    """Return the distributions that take part in a correlation, after checking the pairs."""
    for pair, r in pairs.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and pair[0] != pair[1]):
            raise PopulationError(f"{who}: a key of correlations is two {noun}s, ('WT', 'CRCL'), got {pair!r}")
        for name in pair:
            if name not in drawn:
                has = ", ".join(drawn) or "none"
                raise PopulationError(
                    f"{who}: correlation of {pair}: '{name}' is not drawn from a distribution; those drawn are {has}"
                    f"{nearest(str(name), drawn)}"
                )
        if not -1 < r < 1:
            raise PopulationError(f"{who}: correlation of {pair} must lie between -1 and 1, got {r:g}")
        if pair[::-1] in pairs:
            raise PopulationError(f"{who}: correlation of {pair} is given twice, in both orders; give it once")
    named = {name for pair in pairs for name in pair}
    return [n for n in drawn if n in named]


def _correlate(who: str, u: Floats, drawn: Sequence[str], coupled: Sequence[str], pairs: Correlations) -> None:
    """Replace the columns of the coupled names in place by uniform numbers that correlate."""
    if not coupled:
        return
    from scipy.special import ndtr, ndtri

    matrix = np.eye(len(coupled))
    for (a, b), r in pairs.items():
        i, j = coupled.index(a), coupled.index(b)
        matrix[i, j] = matrix[j, i] = r
    at = [drawn.index(n) for n in coupled]
    scores = correlate(ndtri(u[:, at]), factor(f"{who}: correlation of {', '.join(coupled)}", matrix))
    u[:, at] = ndtr(scores)


def factor(who: str, matrix: Floats) -> Floats:
    """Return the lower Cholesky factor of a covariance or correlation matrix.

    Raises
    ------
    PopulationError
        If the matrix is not positive definite; the smallest eigenvalue of its correlations and a remedy are named.
    """
    if not len(matrix):
        return np.zeros((0, 0))
    sd = np.sqrt(np.diag(matrix))
    smallest = float(np.linalg.eigvalsh(matrix / np.outer(sd, sd))[0]) if np.all(sd > 0) else 0.0
    if not smallest > 1e-12:
        raise PopulationError(
            f"{who} is not positive definite (smallest eigenvalue {smallest:.3g}): no people can vary together like "
            f"that; multiply the correlations by less than {1 / (1 - min(smallest, 0.0)):.3g}"
        )
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def _spread(what: str, value: Any, n: int) -> Floats:
    """Return a number or an array as an array of shape (n,)."""
    out = numbers(what, value)
    if out.ndim == 0:
        out = np.full(n, float(out))
    if out.shape != (n,):
        raise PopulationError(
            f"{what}: {_size(out)} for {n} subjects; give one per subject, one number or a distribution"
        )
    check_finite(what, out, [f"subject {i + 1}" for i in np.flatnonzero(~np.isfinite(out))[:1]])
    return out.copy()


def _size(a: Floats) -> str:
    return f"{len(a)} values" if a.ndim == 1 else f"an array of shape {a.shape}"


def numbers(what: str, value: Any) -> Floats:
    """Return a value as an array of floats; text raises PopulationError with its row."""
    raw = np.asarray(value)
    try:
        return raw.astype(np.float64)
    except (TypeError, ValueError):
        flat = raw.ravel()
        for row, item in enumerate(flat.tolist()):
            try:
                float(item)
            except (TypeError, ValueError):
                place = f" (row {row + 1})" if flat.size > 1 else ""
                raise PopulationError(f"{what} must be a number, got {item!r}{place}") from None
        raise


def check_finite(what: str, values: Floats, places: Sequence[str]) -> None:
    """Raise PopulationError with the count and the first place if a value is not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise PopulationError(
            f"{what} is not finite in {len(bad)} of {len(values)} (first: {places[0]}, {values[bad[0]]}); "
            "fill or remove them"
        )


def check_covariate(who: str, covariate: Covariate, values: Floats, labels: Sequence[Any] | NDArray[Any]) -> None:
    """Raise PopulationError if a covariate cannot have some values; the first subject who has one is named."""
    bad = np.flatnonzero(covariate.forbidden(values))
    if len(bad):
        share = f"others for {len(bad)} of {len(values)} subjects (first: {labels[bad[0]]}, {values[bad[0]]:g})"
        remedy = "limit a distribution with low= and high=, leave out whose value is missing, or "
        one = bool((values == values[0]).all())
        raise PopulationError(
            f"{who}: covariate '{covariate.name}' must be {covariate.allowed}, got "
            f"{f'{values[0]:g}' if one else share}; {'' if one else remedy}"
            "declare Covariate(..., bounds=(lowest, highest)) if it can be so"
        )


def check_people(who: str, model: Any, people: Any) -> None:
    """Raise PopulationError if covariates or typical values lie where the model does not allow them.

    Parameters
    ----------
    who : str
        For messages.
    model : Model
    people : Population
        Made for it.
    """
    for name, values in people.covariates.items():
        if name in model.covariates:
            check_covariate(who, model.covariates[name], values, people.labels)
    for name, series in people.varying.items():
        if name not in model.covariates:
            continue
        sizes = [len(values) for _, values in series]
        owner = np.repeat(np.arange(people.n), sizes)
        together = np.concatenate([values for _, values in series])
        check_covariate(who, model.covariates[name], together, people.labels[owner])
    for name, values in people.parameters.items():
        if name in model.parameters:
            check_range(who, model, name, values, people.labels)


def allowed_range(model: Any, name: str) -> tuple[float, float, bool]:
    """Return between which values a typical value may lie, and whether it may be one of these.

    They are its bounds; of a parameter that varies also 0 on the log scale, and the limits of the logit scale are out.
    """
    parameter = model.parameters[name]
    low, high = parameter.bounds or (-np.inf, np.inf)
    varies = name in model.etas or name in model.iov_etas
    if varies and parameter.scale == "log":
        low = max(low, 0.0)
    return low, high, not varies or parameter.scale == "additive"


def check_range(who: str, model: Any, name: str, values: Floats, labels: Sequence[Any] | NDArray[Any]) -> None:
    """Raise PopulationError if a typical value lies where the model does not allow it, beyond rounding."""
    low, high, closed = allowed_range(model, name)
    if not closed and model.parameters[name].scale == "logit":
        good = (values > low) & (values < high)
    else:
        good = (values >= low - 1e-12 * abs(low)) & (values <= high + 1e-12 * abs(high))
        good &= closed | (values > 0)
    bad = np.flatnonzero(~good)
    if len(bad):
        allowed = f"from {low:g} to {high:g}" if closed else f"between {low:g} and {high:g}"
        share = f"{len(bad)} of {len(values)} subjects (first: {labels[bad[0]]}, {values[bad[0]]:g})"
        raise PopulationError(f"{who}: parameter '{name}' must lie {allowed}, got others for {share}")


def count(who: str, name: str, value: object, why: str) -> int:
    """Return a whole number >= 1; the reason ends the text of the PopulationError otherwise."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise PopulationError(f"{who}: {name} must be a whole number, got {value!r}") from None
    if number < 1:
        raise PopulationError(f"{who}: {name} must be >= 1, got {number}: {why}")
    return number


def label_array(who: str, labels: Iterable[Any]) -> NDArray[Any]:
    """Return labels as int64 where every one reads back as its text, else as texts."""
    try:
        whole = isinstance(labels, np.ndarray) and labels.dtype.kind == "i"
        out = identifiers(np.asarray(labels) if whole else label_texts(labels))
    except DataError as error:
        raise PopulationError(f"{who}: {error}") from None
    return out if out.dtype != object else np.array(out.tolist(), dtype=str)


def check_labels(who: str, labels: Sequence[Any] | None, n: int) -> NDArray[Any]:
    """Return n labels, 1 to n by default; PopulationError if two are alike."""
    if labels is None:
        return np.arange(1, n + 1)
    out = label_array(who, labels)
    if out.shape != (n,):
        raise PopulationError(f"{who}: {out.size} labels for {n} subjects")
    first: dict[Any, int] = {}
    for i, label in enumerate(out.tolist()):
        if first.setdefault(label, i) != i:
            subjects = f"subjects {first[label] + 1} and {i + 1}"
            raise PopulationError(f"{who}: label {label!r} stands for {subjects}; give each its own")
    return out


def near_column(covariate: Covariate, others: Sequence[str]) -> str | None:
    """Return a column that likely means a covariate, or None.

    It is some letters away, has the same letters in another order, is the name with more behind or before it, or is a
    word of the covariate's meaning.
    """
    name, words = _letters(covariate.name), {_letters(word) for word in covariate.meaning.split()}
    words |= {_letters(covariate.meaning)}
    for other in others:
        own = _letters(other)
        longer = len(name) > 1 and (own.startswith(name) or own.endswith(name))
        spelt = len(own) > 3 and (own in words or sorted(own) == sorted(name))
        if longer or spelt or own == name:
            return other
    found = nearest(covariate.name, others) if len(name) > 1 else ""
    return next((other for other in others if f"'{other}'" in found), None)


def warn_of_near(who: str, model: Any, columns: Sequence[str]) -> None:
    """Warn if a covariate of the model has no column, but one of nearly its name is left aside."""
    others = [c for c in columns if c not in model.covariates and c not in model.parameters]
    for name, covariate in model.covariates.items():
        near = None if name in columns else near_column(covariate, others)
        if near is not None:
            text = (
                f"{who}: there is no column {name}, so its reference {covariate.reference:g} {covariate.unit}".rstrip()
            )
            warnings.warn(DataWarning(f"{text} is taken; is {near!r} meant? Then rename it"), stacklevel=4)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()
