"""From the named variables of a fit of reports back to the sampled vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.model.scales import to_scale

if TYPE_CHECKING:
    from pkpd.estimation.study.priors import Free
    from pkpd.estimation.study.record import StudyRecord
    from pkpd.estimation.study.vector import StudyVector

__all__ = ["vectors_of"]

Floats = NDArray[np.float64]


def vectors_of(found: StudyRecord) -> Floats:
    """Return the draws of a fit as vectors of ``problem.posterior()``, shape (chain, draw, dim).

    They are those that the variables were computed from, up to rounding.

    Raises
    ------
    PkpdError
        If a draw lies at the very limit of its scale, where rounding has taken it.
    """
    vector = found.study.problem.vector
    lay, frame = vector.population, vector.frame()
    of_spreads = {e.at[0]: f"{lay.etas[e.at[0]]}_spread" for e in lay.entries if e.kind == "omega"}
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = {label: x for f in vector.free for label, x in _typical(found, vector, f).items()}
        columns = []
        for e in lay.entries:
            if e.kind == "theta":
                columns.append(typical[e.name])
            else:
                columns.append(np.log(_values(found, of_spreads[e.at[0]] if e.kind == "omega" else e.name)))
        shape = (found.posterior.sizes["chain"], found.posterior.sizes["draw"])
        x = np.stack(columns, axis=-1) if columns else np.empty((*shape, 0))
        z = _effects(found, vector, x)
        q = np.concatenate([(x - frame.x) / np.diag(frame.x_root), z.reshape(*shape, -1)], axis=-1)
    if not np.isfinite(q).all():
        entry = vector.names[int(np.argwhere(~np.isfinite(q))[0, 2])]
        raise PkpdError(
            f"study '{found.study.name}': draws of {entry} lie at the limit of its scale, where rounding has taken "
            "them; keep the fit whole: fit.save(path), without compact=True"
        )
    return q


def _values(found: StudyRecord, name: str) -> Floats:
    return np.asarray(found.posterior[name].values, np.float64)


def _scaled(found: StudyRecord, f: Free, name: str) -> Floats:
    return np.asarray(to_scale(_values(found, name), f.scale, f.limits))


def _typical(found: StudyRecord, vector: StudyVector, f: Free) -> dict[str, Floats]:
    """Return typical values on their scale, (chain, draw) each, by the label that they have in the vector."""
    if f.level == "shared":
        return {f.name: _scaled(found, f, f.name)}
    if f.pooling is None:
        own = _scaled(found, f, f.name)
        return {f"{f.name}[{p}]": own[..., i] for i, p in enumerate(vector.patients)}
    name = f"{f.name}_location"
    if name not in found.posterior:
        return {}
    location = _scaled(found, f, name)
    if f.pooling == "all":
        return {name: location}
    return {f"{name}[{g}]": location[..., i] for i, g in enumerate(vector.groups)}


def _effects(found: StudyRecord, vector: StudyVector, x: Floats) -> Floats:
    """Return standardised effects of patients, (chain, draw, patient, eta)."""
    lay, free = vector.population, {f.name: f for f in vector.free}
    levels = vector.levels.values(x[..., : lay.q])
    place = {n: k for k, n in enumerate(lay.scales)}
    own = [_scaled(found, free[n], n) - levels[..., place[n], :] for n in lay.etas]
    z = np.stack(own, axis=-1) if own else np.empty((*x.shape[:-1], len(vector.patients), 0))
    return z / vector.spreads(x)[..., None, :]
