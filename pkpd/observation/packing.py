"""From subjects and their terms to arrays: which cells are observed when, which doses are given, which inputs hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from pkpd.dosing.record import NEAR, RECORD
from pkpd.engine.graph.nodes import Node
from pkpd.engine.solve.block import Block
from pkpd.errors import DataError, nearest
from pkpd.model.residual import Ordinal, ResidualError
from pkpd.observation.kernel import FAMILIES, KIND_CODES, Packed
from pkpd.observation.term import Subject, Term, check, faults_of
from pkpd.simulation.columns import constant_columns
from pkpd.simulation.doses import records_of, regimen_from
from pkpd.simulation.grid import pack_records
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["CellLayout", "Cells", "checked_records", "lay_out", "pack_inputs", "pack_terms"]

SAME = 1e-6  # times closer than this are one cell


@dataclass(frozen=True)
class Cells:
    """The measurements that terms are made of; those of one term side by side.

    Attributes
    ----------
    term, subject : int array, (cells,)
    output : tuple of str, (cells,)
    time : float array, (cells,)
    """

    term: np.ndarray
    subject: np.ndarray
    output: tuple[str, ...]
    time: np.ndarray


@dataclass(frozen=True)
class CellLayout:
    """Terms of all subjects as arrays, and what the solver is to do for them.

    Attributes
    ----------
    terms : list of Term
        Of all subjects, in order.
    subject : int array, (terms,)
    first : int array, (terms + 1,)
        Ranges of cells.
    row : int array, (cells,)
        Row of each cell in the solver's observations.
    outputs : tuple of str
        Those that terms speak of.
    cells : Cells
    block : Block
    """

    terms: list[Term]
    subject: np.ndarray
    first: np.ndarray
    row: np.ndarray
    outputs: tuple[str, ...]
    cells: Cells
    block: Block


def cell_times(term: Term, every: float) -> np.ndarray:
    """Return when a term's output is measured: the time of the extreme first, the two times of a ratio in order."""
    if term.time_to is None:
        return np.array([term.time])
    if term.kind.startswith("ratio"):
        return np.array([term.time, term.time_to])
    inside = np.arange(term.time, term.time_to, every)
    window = np.append(inside[inside < term.time_to - SAME], term.time_to)
    if term.at is None:
        return window
    return np.append(term.at, window[np.abs(window - term.at) > SAME])


def checked_records(model: Model, subjects: Sequence[Subject]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the records of each subject's doses, and when each begins.

    Raises
    ------
    DataError
        With all that is wrong with subjects and terms.
    """
    records = [_records(model, s) for s in subjects]
    origin = np.array([min(0.0, float(r["time"][0])) if r.size else 0.0 for r in records])
    message = check([*_faults(model, subjects, origin)])
    if message:
        raise DataError(message)
    return records, origin


def lay_out(model: Model, subjects: Sequence[Subject], every: float) -> CellLayout:
    """Return the arrays of subjects' terms.

    Raises
    ------
    DataError
        With all that is wrong with subjects and terms.
    """
    records, origin = checked_records(model, subjects)
    terms = [t for s in subjects for t in s.terms]
    subject = np.repeat(np.arange(len(subjects)), [len(s.terms) for s in subjects])
    times = [cell_times(t, every) for t in terms]
    first = np.concatenate([[0], np.cumsum([t.size for t in times])]).astype(np.int64)
    flat = np.concatenate([*times, np.empty(0)])
    owner = np.repeat(subject, [t.size for t in times])
    row, grid, ends = np.zeros(flat.size, np.int64), [np.empty(0)], [0]
    for i in range(len(subjects)):
        mine = owner == i
        own, where = np.unique(flat[mine], return_inverse=True)
        row[mine] = ends[-1] + where
        grid.append(own)
        ends.append(ends[-1] + own.size)
    outputs = tuple(dict.fromkeys(t.output for t in terms))
    term = np.repeat(np.arange(len(terms)), [t.size for t in times])
    cells = Cells(term, owner, tuple(terms[k].output for k in term), flat)
    block = _block(records, origin, np.concatenate(grid), np.array(ends), convert_time(NEAR, "h", model.time_unit))
    return CellLayout(terms, subject, first, row, outputs, cells, block)


def _records(model: Model, subject: Subject) -> np.ndarray:
    if subject.regimen is None:
        return np.empty(0, RECORD)
    who = f"subject '{subject.name}': regimen"
    return records_of(model, regimen_from(model, subject.regimen, who, subject.covariates))


def _block(
    records: Sequence[np.ndarray], origin: np.ndarray, times: np.ndarray, ends: np.ndarray, near: float
) -> Block:
    together, offsets = pack_records(records)
    m = len(records)
    columns, none = constant_columns(m), np.empty(0, np.int64)
    return Block(
        column=columns.first, origin=origin, records=together, rec_first=offsets[:-1], rec_last=offsets[1:],
        rec_column=none, seg_first=columns.seg_first, seg_time=columns.seg_time, seg_rank=columns.seg_rank,
        seg_column=columns.seg_column, obs_time=times, obs_first=ends[:-1], obs_last=ends[1:], obs_rank=np.empty(0),
        obs_column=none, shared=False, near=near,
    )  # fmt: skip


def _faults(model: Model, subjects: Sequence[Subject], origin: np.ndarray) -> Iterator[tuple[str, str]]:
    """Yield all that is wrong with subjects: (who, what)."""
    errors = {n: o.error for n, o in model.outputs.items()}
    kinds = {n: None if e is None else type(e).__name__ for n, e in errors.items()}
    grades = {n: len(e.cuts) for n, e in errors.items() if isinstance(e, Ordinal)}
    names = [s.name for s in subjects]
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        yield f"subject '{name}'", f"is given {names.count(name)} times"
    for subject, start in zip(subjects, origin, strict=True):
        who = f"subject '{subject.name}'"
        for what, known, given in (
            ("covariate", model.covariates, subject.covariates), ("parameter", model.parameters, subject.values),
        ):  # fmt: skip
            for name, value in given.items():
                if name not in known:
                    yield who, f"the model has no {what} '{name}'{nearest(name, known)}"
                elif not np.isfinite(value):
                    yield who, f"{what} {name} must be finite, got {value}"
                elif what == "covariate" and model.covariates[name].forbidden(np.array([value], np.float64)).any():
                    yield who, f"covariate {name} must be {model.covariates[name].allowed}, got {value:g}"
        for term in subject.terms:
            for fault in faults_of(term, kinds, grades, float(start)):
                yield f"{who}, term '{term.name}'", fault


def pack_inputs(
    inputs: Sequence[Node], model: Model, subjects: Sequence[Subject], free: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the array of a kernel's inputs, (inputs, subjects), and the row of each free quantity."""
    out = np.zeros((len(inputs), len(subjects)))
    rows = {}
    for r, node in enumerate(inputs):
        if node.kind in ("theta", "covariate"):
            start = model.parameters[node.name].value if node.kind == "theta" else model.covariates[node.name].reference
            given = [s.values if node.kind == "theta" else s.covariates for s in subjects]
            out[r] = [g.get(node.name, start) for g in given] if ":" not in node.name else 0.0
        rows[f"eta_{node.name}" if node.kind == "eta" else node.name] = r
    return out, np.array([rows[n] for n in free], np.int64)


def pack_terms(layout: CellLayout, model: Model, scaled: Sequence[str], reach: Mapping[str, Sequence[int]]) -> Packed:
    """Return the terms as the compiled loop takes them.

    Parameters
    ----------
    scaled : sequence of str
        Outputs whose residual error has a factor.
    reach : mapping of output to the numbers of the inputs that it depends on
    """
    outputs = layout.outputs
    errors = [model.outputs[n].error for n in outputs]
    families, a, b = zip(*map(_family, errors), strict=True) if outputs else ((), (), ())
    bounds = [_bounds(t, model.outputs[t.output].error) for t in layout.terms]
    lists = [list(reach[n]) for n in outputs]

    def numbers(values: Sequence[float] | Iterator[float], kind: type = float) -> np.ndarray:
        return np.array(list(values), np.int64 if kind is int else np.float64)

    terms = layout.terms
    return Packed(
        kind=numbers([KIND_CODES[t.kind] for t in terms], int),
        subject=layout.subject.astype(np.int64), first=layout.first[:-1].copy(), last=layout.first[1:].copy(),
        value=numbers([t.value for t in terms]), low=numbers([x for x, _ in bounds]),
        high=numbers([x for _, x in bounds]), reading=numbers([t.reading_sd for t in terms]), row=layout.row,
        output=numbers([outputs.index(t.output) for t in terms], int), family=numbers(families, int),
        a=numbers(a), b=numbers(b),
        scaled=numbers([list(scaled).index(n) if n in scaled else -1 for n in outputs], int),
        reach_first=np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64),
        reach=numbers([k for x in lists for k in x], int),
    )  # fmt: skip


def _family(error: ResidualError | None) -> tuple[int, float, float]:
    """Return the family of a residual error and its numbers."""
    name = type(error).__name__
    given = {f.name: getattr(error, f.name) for f in fields(error)} if error is not None else {}  # type: ignore[arg-type]
    if given.get("convention") == "sd":
        name = "Combined sd"
    if name not in FAMILIES:
        raise DataError(
            f"likelihood: residual error {name} is not known; use {', '.join(list(FAMILIES)[:-2])} or Ordinal"
        )
    return FAMILIES[name], float(given.get("add", given.get("sigma", 0.0))), float(given.get("prop", 0.0))


def _bounds(term: Term, error: ResidualError | None) -> tuple[float, float]:
    """Return the cuts below and above the grades of a term."""
    if not isinstance(error, Ordinal):
        return 0.0, 0.0
    cuts = (-np.inf, *error.cuts, np.inf)
    top = term.value if term.value_to is None else term.value_to
    return cuts[int(term.value)], cuts[int(top) + 1]
