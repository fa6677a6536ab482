"""Targets as ratios to numbalsoda, which stands in for mrgsolve."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.race import Result

__all__ = ["Target", "judge"]

# Workload: the peer, how many times as fast pkpd must and should be, the error allowed; README.md says where from.
RATIOS = {
    "W1": ("numbalsoda DOP853", (20.0, 24.0), 1e-5),
    "W2": ("numbalsoda DOP853", (30.0, 38.0), 1e-5),
    "W3": ("numbalsoda LSODA", (18.0, 46.0), 1e-4),
    "W4": ("numbalsoda DOP853", (22.0, 27.0), 1e-5),
}


@dataclass(frozen=True)
class Target:
    """Hold one target and whether it is met.

    Attributes
    ----------
    what : str
        The target in words.
    needed, measured : float
        How many times as fast as the peer pkpd has to be and is.
    met : bool
        Whether it is fast enough and right enough.
    note : str
        Times, or what is missing.
    """

    what: str
    needed: float
    measured: float
    met: bool
    note: str


def judge(name: str, results: list[Result]) -> list[Target]:
    """Return the targets of a workload.

    Parameters
    ----------
    name : str
        'W1' to 'W4'.
    results : list of Result
        Of its race, pkpd's own choice of method under the name 'pkpd'.
    """
    peer_name, ratios, allowed = RATIOS[name]
    by_name = {result.name: result for result in results}
    peer, own = by_name[peer_name], by_name["pkpd"]
    targets = []
    for word, needed in zip(("must", "aim"), ratios, strict=True):
        what = f"{name}, {word}: {needed:.3g}x {peer_name}"
        measured = peer.median / own.median
        right = own.worst_error[0] <= allowed
        if peer.absent or own.absent:
            note = f"{peer.name}: {peer.absent}" if peer.absent else f"pkpd: {own.absent}"
        else:
            note = f"{own.median:.3g} us, needs {peer.median / needed:.3g} us"
            note += "" if right else f"; error {own.worst_error[0]:.1e} above {allowed:.0e}"
        targets.append(Target(what, needed, measured, bool(measured >= needed and right), note))
    return targets
