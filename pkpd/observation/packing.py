"""From subjects and their terms to arrays: which cells are observed when, which doses are given, which inputs hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.dosing.record import NEAR, RECORD
from pkpd.engine.graph.nodes import Node
from pkpd.engine.solve.block import Block
from pkpd.errors import DataError, RegimenError, nearest
from pkpd.evidence.kinds import kind_named
from pkpd.observation.data import starts
from pkpd.observation.kernel import Batches, PackedTerms
from pkpd.observation.rules import RuleGroup, Said, compiled_rule
from pkpd.observation.subject import Subject, check, doses_of, faults_of
from pkpd.observation.tape import Tape
from pkpd.simulation.columns import constant_columns
from pkpd.simulation.grid import pack_records
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.evidence.term import Term
    from pkpd.model.model import Model
    from pkpd.model.residual import ResidualError

__all__ = ["CellLayout", "Cells", "checked_records", "lay_out", "pack_batches", "pack_inputs", "pack_terms"]


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


def checked_records(
    model: Model, subjects: Sequence[Subject], every: float, verb: str = "likelihood"
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the records of each subject's doses, and when each begins.

    Parameters
    ----------
    model : Model
    subjects : sequence of Subject
    every : float
        Time between the measurements of a window.
    verb : str
        Who asks, for messages.

    Raises
    ------
    DataError
        With all that is wrong with subjects and terms.
    """
    records, faults = [], []
    for subject in subjects:
        try:
            records.append(doses_of(model, subject)[1])
        except RegimenError as error:
            records.append(np.empty(0, RECORD))
            faults.append((f"subject '{subject.name}'", str(error)))
    origin = np.array([min(0.0, float(r["time"][0])) if r.size else 0.0 for r in records])
    faults += _faults(model, subjects, origin, every)
    if message := check(faults, verb):
        raise DataError(message)
    return records, origin


def lay_out(model: Model, subjects: Sequence[Subject], every: float) -> CellLayout:
    """Return the arrays of subjects' terms.

    Raises
    ------
    DataError
        With all that is wrong with subjects and terms.
    """
    records, origin = checked_records(model, subjects, every)
    terms = [t for s in subjects for t in s.terms]
    subject = np.repeat(np.arange(len(subjects)), [len(s.terms) for s in subjects])
    times = [kind_named(t.kind).times(t, every) for t in terms]
    first = starts([t.size for t in times])
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


def _faults(model: Model, subjects: Sequence[Subject], origin: np.ndarray, every: float) -> Iterator[tuple[str, str]]:
    """Yield all that is wrong with subjects: (who, what)."""
    errors = {n: o.error for n, o in model.outputs.items()}
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
            for fault in faults_of(term, errors, float(start), every):
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


def pack_terms(
    layout: CellLayout, model: Model, scaled: Sequence[str], reach: Mapping[str, Sequence[int]]
) -> PackedTerms:
    """Return what the terms depend on, as the compiled loop takes it.

    Parameters
    ----------
    scaled : sequence of str
        Outputs whose residual error has a factor.
    reach : mapping of output to the numbers of the inputs that it depends on
    """
    outputs = layout.outputs
    lists = [list(reach[n]) for n in outputs]
    return PackedTerms(
        subject=layout.subject.astype(np.int64),
        output=np.array([outputs.index(t.output) for t in layout.terms], np.int64),
        scaled=np.array([list(scaled).index(n) if n in scaled else -1 for n in outputs], np.int64),
        reach_first=starts([len(x) for x in lists]),
        reach=np.array([k for x in lists for k in x], np.int64),
    )


def pack_batches(
    groups: Sequence[RuleGroup], row: np.ndarray, said: Said, errors: Mapping[str, ResidualError]
) -> tuple[Batches, list[Tape]]:
    """Return the factors of terms as the compiled loop takes them, and the machine code, which must be kept.

    Groups of one machine code, which may be of several outputs, are one batch.

    Parameters
    ----------
    row : int array, (cells,)
        Row of each cell in the predictions.
    """
    together: dict[Tape, list[RuleGroup]] = {}
    for group in groups:
        code = compiled_rule(group.log, group.output, errors[group.output], len(group.cells))
        together.setdefault(code, []).append(group)
    size = np.array([sum(g.term.size for g in own) for own in together.values()], np.int64)
    cells = np.array([len(own[0].cells) for own in together.values()], np.int64)
    lanes = np.array([code.lanes for code in together], np.int64)
    width = -(-size // lanes) * lanes if size.size else size
    inputs = [_inputs(own, int(w), said, errors) for own, w in zip(together.values(), width, strict=True)]
    packed = Batches(
        address=np.array([code.address for code in together], np.int64), size=size, width=width, cells=cells,
        factor_first=starts(size)[:-1], cell_first=starts(size * cells)[:-1],
        input_first=starts([x.size for x in inputs])[:-1], root_first=starts(cells + 2)[:-1],
        term=_flat([g.term for own in together.values() for g in own], np.int64),
        row=_flat([row[np.concatenate([g.cells for g in own], axis=1)] for own in together.values()], np.int64),
        inputs=_flat(inputs, np.float64), place=_flat([code.places for code in together], np.int64),
        number=_flat([code.numbers for code in together], np.float64),
        room=max([int(code.rows * w) for code, w in zip(together, width, strict=True)], default=0),
    )  # fmt: skip
    return packed, list(together)


def _inputs(groups: Sequence[RuleGroup], width: int, said: Said, errors: Mapping[str, ResidualError]) -> np.ndarray:
    """Return the rows of inputs of a batch; those of predictions and factors are 0."""
    columns = []
    for g in groups:
        own = [np.full(g.term.size, p.value) for p in errors[g.output].parameters]
        stated = [said.reading[g.term], said.value[g.term], said.value_to[g.term]]
        columns.append(np.vstack([np.zeros((len(g.cells) + 1, g.term.size)), *stated, *own]))
    together = np.hstack(columns)
    return np.pad(together, ((0, 0), (0, width - together.shape[1])), mode="edge")


def _flat(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.empty(0), *(x.ravel() for x in parts)]).astype(kind)
