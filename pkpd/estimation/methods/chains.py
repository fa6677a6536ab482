"""The No-U-Turn sampler of nutpie, chain by chain."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.methods.chain_progress import ChainProgress
from pkpd.estimation.methods.chain_store import ChainStore, Journal
from pkpd.estimation.methods.modes import Believed, LogDensity, first_finite

__all__ = ["SampledChains", "sample"]

Floats = NDArray[np.float64]
_STATS = {
    "diverging": "diverging", "energy": "energy", "logp": "lp", "depth": "tree_depth", "n_steps": "n_steps",
    "step_size": "step_size", "mean_tree_accept": "acceptance_rate", "maxdepth_reached": "reached_max_treedepth",
}  # fmt: skip
_POLL = 0.05


@dataclass(frozen=True, eq=False)
class SampledChains:
    """Draws of the sampler.

    Attributes
    ----------
    q : array, shape (chain, draw, dim)
    stats : dict of name to array, shape (chain, draw)
        Under ArviZ's names.
    resumed : tuple of int
        Chains that were finished before.
    replayed : int
        Evaluations that were taken from journals of killed chains.
    """

    q: Floats
    stats: dict[str, NDArray[Any]]
    resumed: tuple[int, ...]
    replayed: int


class _Guarded:
    """A density whose errors wait for the main thread: nutpie's threads cannot bear them."""

    def __init__(self, density: Any) -> None:
        self.density = density
        self.error: Exception | None = None

    def __call__(self, q: Floats) -> tuple[float, Floats]:
        if self.error is None:
            try:
                return self.density(q)
            except Exception as error:  # noqa: BLE001
                self.error = error
        return -np.inf, np.zeros(len(q))


@dataclass
class _Chain:
    """A chain at work."""

    number: int
    sampler: Any
    density: _Guarded
    drawn: list[int] = field(default_factory=lambda: [0])

    def close(self) -> int:
        """Close the journal and return how much of it was replayed."""
        journal = self.density.density
        if isinstance(journal, Journal):
            journal.close()
            return journal.replayed
        return 0


def sample(
    make: Callable[[], LogDensity],
    *,
    settings: Mapping[str, float],
    seed: int,
    store: ChainStore,
    cores: int | None = None,
    starts: Sequence[Floats] | None = None,
    progress: bool | None = None,
) -> SampledChains:
    """Return draws of a posterior, taking from the store what was finished before.

    Parameters
    ----------
    make : callable
        Returns a posterior; one is made for every chain, since chains run side by side in threads. Without starts it
        is one that starts can be drawn from.
    settings : mapping
        chains, tune, draws, target_accept, maxdepth.
    seed : int
        Chain k depends on the seed and k alone.
    store : ChainStore
    cores : int, optional
        Chains side by side; as many as the machine has cores by default.
    starts : sequence of array, optional
        Where each chain begins; draws of a narrowed prior by default.
    progress : bool, optional
        None: bars on a terminal, a line every half minute elsewhere. False: nothing.

    Raises
    ------
    KeyboardInterrupt
        After finished chains were kept and journals closed.
    """
    chains = int(settings["chains"])
    done: dict[int, dict[str, Any]] = {}
    for k in range(chains):
        if (kept := store.chain(k)) is not None:
            done[k] = kept
    resumed = tuple(done)
    waiting = [k for k in range(chains) if k not in done]
    running: list[_Chain] = []
    replayed = 0
    total = int(settings["tune"] + settings["draws"])
    with ChainProgress(chains, total, progress, resumed) as shown:
        try:
            while waiting or running:
                while waiting and len(running) < (cores or os.cpu_count() or 1):
                    k = waiting.pop(0)
                    start = None if starts is None else starts[k]
                    running.append(_begin(make(), k, settings, seed, store, start))
                if failed := [c.density.error for c in running if c.density.error is not None]:
                    raise failed[0]
                for chain in [c for c in running if _is_finished(c.sampler)]:
                    done[chain.number] = _finish(chain, int(settings["draws"]))
                    running.remove(chain)
                    replayed += chain.close()
                    store.keep(chain.number, done[chain.number])
                    shown.finished(chain.number, int(done[chain.number]["diverging"].sum()))
                shown.tick({c.number: (c.drawn[0], c.sampler) for c in running})
                time.sleep(_POLL)
        finally:
            for chain in running:  # after an interrupt or an error
                chain.sampler.cancel()
                chain.close()
    stats = {name: np.stack([done[k][name] for k in range(chains)]) for name in _STATS.values()}
    return SampledChains(np.stack([done[k]["q"] for k in range(chains)]), stats, resumed, replayed)


def _begin(
    posterior: LogDensity, k: int, settings: Mapping[str, float], seed: int, store: ChainStore, start: Floats | None
) -> _Chain:
    """Start a chain in the background."""
    nutpie, from_pyfunc = _nutpie()
    dim = posterior.dim
    own = int(np.random.SeedSequence([seed, k]).generate_state(1)[0])
    begin = start
    if begin is None:
        begin = first_finite(cast(Believed, posterior), np.random.default_rng([seed, 3, k]))
    posterior.logp_grad(begin)  # compiled here, not in two threads at once
    density: Any = posterior.logp_grad
    if store.folder is not None:
        density = Journal(posterior.logp_grad, dim, store.journal_path(k))
    guarded = _Guarded(density)
    drawn = [0]

    def make_density() -> Callable[..., tuple[float, Floats]]:
        return guarded

    def make_expand(_a: int, _b: int, _c: int) -> Callable[..., dict[str, Floats]]:
        def expand(q: Floats, **_: Any) -> dict[str, Floats]:
            drawn[0] += 1
            return {"q": np.array(q)}

        return expand

    model = from_pyfunc(
        dim, make_density, make_expand, [np.dtype("float64")], [(dim,)], ["q"],
        coords={"entry": np.arange(dim)}, dims={"q": ("entry",)}, make_initial_point_fn=lambda _seed: begin.copy(),
    )  # fmt: skip
    sampler = nutpie.sample(
        model, draws=int(settings["draws"]), tune=int(settings["tune"]), chains=1, cores=1, seed=own,
        progress_bar=False, blocking=False, target_accept=float(settings["target_accept"]),
        maxdepth=int(settings["maxdepth"]),
    )  # fmt: skip
    return _Chain(k, sampler, guarded, drawn)


def _is_finished(sampler: Any) -> bool:
    try:
        return bool(sampler.is_finished)
    except TimeoutError:  # nutpie's word for a sampler at work
        return False


def _finish(chain: _Chain, draws: int) -> dict[str, Any]:
    """Return the arrays of a finished chain."""
    trace = chain.sampler.wait()
    if chain.density.error is not None:
        raise chain.density.error
    out = {"q": np.ascontiguousarray(trace.posterior["q"].values[0, -draws:])}
    for name, called in _STATS.items():
        out[called] = trace.sample_stats[name].values[0, -draws:]
    return out


def _nutpie() -> tuple[Any, Any]:
    """Return nutpie, whose import of ArviZ announces that library's next version by a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nutpie
        from nutpie.compiled_pyfunc import from_pyfunc
    return nutpie, from_pyfunc
