"""The state of a SAEM run on disk, so that a killed run goes on where it was and ends with the same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.estimation.checkpoint import read_state, write_state
from pkpd.estimation.identity import identity_of
from pkpd.estimation.methods.saem_chains import ConditionalNormal
from pkpd.estimation.methods.saem_settings import SaemSettings

if TYPE_CHECKING:
    from pkpd.estimation.methods.saem_run import SaemRun

__all__ = ["Checkpoint"]

_RUN = ("x", "omega", "iov", "z", "S1", "S2", "S3", "Sz", "J", "fit_of_data")
_CHAINS = ("psi", "f", "l")
#: iterations between two states that are written
EVERY = 10


class Checkpoint:
    """A file that holds the state of a run.

    Parameters
    ----------
    path : path
    run : SaemRun
    """

    def __init__(self, path: Any, run: SaemRun) -> None:
        self.path, self.run = Path(path), run
        own = {f.name: getattr(run.settings, f.name) for f in fields(SaemSettings)}
        settings = {k: dict(v) if isinstance(v, Mapping) else v for k, v in own.items()}
        self.head = {**identity_of(run.problem), "start": run.layout.start.tolist(), "settings": settings}

    def write(self) -> None:
        """Write the state in one step."""
        run, chains = self.run, self.run.chains
        arrays: dict[str, Any] = {n: np.asarray(getattr(run, n)) for n in _RUN}
        arrays |= {f"chains_{n}": getattr(chains, n) for n in _CHAINS}
        arrays |= {f"walk_{n}": v for n, v in chains._walk.items()}
        arrays |= {f"accepted_{n}": np.array(v) for n, v in chains.accepted.items()}
        if run.near is not None:
            arrays |= {"centre": run.near.centre, "root": run.near.root}
        arrays["history"] = np.array(run.history)
        text = {"rng": chains.rng.bit_generator.state, "turn": chains._turn, "uses": chains._uses}
        arrays["text"] = np.array(json.dumps(text))
        write_state(self.path, self.head, arrays)

    def read(self) -> bool:
        """Put the state of the file into the run; return whether there was one.

        Raises
        ------
        PkpdError
            If the file is of another run.
        """
        arrays = read_state("fit", self.path, self.head)
        if arrays is None:
            return False
        text = json.loads(str(arrays["text"]))
        run, chains = self.run, self.run.chains
        for n in _RUN:
            setattr(run, n, arrays[n])
        run.fit_of_data, run.history = arrays["fit_of_data"].tolist(), list(arrays["history"])
        for n in _CHAINS:
            setattr(chains, n, arrays[f"chains_{n}"])
        for n in chains._walk:
            chains._walk[n] = arrays[f"walk_{n}"]
        chains.accepted = {n[9:]: v.tolist() for n, v in arrays.items() if n.startswith("accepted_")}
        chains.rng.bit_generator.state = text["rng"]
        chains._turn, chains._uses = text["turn"], text["uses"]
        chains.point = run._point()
        if "centre" in arrays:
            run.near = ConditionalNormal(arrays["centre"], arrays["root"])
        return True
