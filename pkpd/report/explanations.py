"""Explanations of a patient's course that a study declares, and how probable each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.comparison.answering import given_and_others
from pkpd.errors import PkpdError, nearest
from pkpd.options import is_number
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.estimation.study.result import StudyFit
    from pkpd.estimation.study.study import Study

__all__ = ["Explanation", "explained", "read_explanations"]

_KEYS = ("name", "parameter", "output", "above", "below", "falls_to")
_TIMES = 25


@dataclass(frozen=True)
class Explanation:
    """An explanation of a course, and when a draw of what is known of a patient agrees with it.

    Attributes
    ----------
    name : str
        A sentence's part: "IL-1 carried it".
    parameter : str
        It holds where this parameter lies above ``above`` or below ``below``; empty where an output decides.
    output : str
        It holds where this output falls, without the drug, from the first dose to a day after the last one, to
        ``falls_to`` times its value at the first dose.
    above, below, falls_to : float or None
    """

    name: str
    parameter: str = ""
    output: str = ""
    above: float | None = None
    below: float | None = None
    falls_to: float | None = None


def read_explanations(rows: Sequence[Mapping[str, Any]], study: Study) -> tuple[Explanation, ...]:
    """Return the explanations that ``report.toml`` declares as ``[[explanation]]``.

    ::

        [[explanation]]
        name = "the drug's target carried it"
        parameter = "phi"
        above = 0.5

        [[explanation]]
        name = "it was ending by itself"
        output = "drive"
        falls_to = 0.5

    Raises
    ------
    PkpdError
        If a key, a parameter or an output is unknown, or a condition is missing.
    """
    return tuple(_read(row, study) for row in rows)


def _read(row: Mapping[str, Any], study: Study) -> Explanation:
    model = study.problem.model
    faults = [f"there is no '{key}'{nearest(key, _KEYS)}" for key in row if key not in _KEYS]
    name, parameter, output = (row.get(key, "") for key in ("name", "parameter", "output"))
    if not (isinstance(name, str) and name):
        faults.append("name is missing")
    if bool(parameter) == bool(output):
        faults.append("give a parameter or an output")
    if parameter and parameter not in model.parameters:
        faults.append(f"the model has no parameter '{parameter}'{nearest(str(parameter), model.parameters)}")
    if output and output not in model.outputs:
        faults.append(f"the model has no output '{output}'{nearest(str(output), model.outputs)}")
    wanted = ("falls_to",) if output else ("above", "below")
    given = [key for key in ("above", "below", "falls_to") if key in row]
    if len(given) != 1 or given[0] not in wanted or not is_number(row[given[0]]):
        faults.append(f"it needs {' or '.join(wanted)}, one number")
    if faults:
        raise PkpdError(f"explanation '{name}' of report.toml: {'; '.join(faults)}")
    return Explanation(**row)


def explained(
    fit: StudyFit, patient: str, drug: str | None, explanations: Sequence[Explanation], *, n: int = 400, seed: int = 0
) -> dict[str, NDArray[np.bool_]]:
    """Return in which draws of what is known of a patient each explanation holds.

    Parameters
    ----------
    fit : StudyFit
    patient : str
    drug : str or None
        The drug that is left out for explanations by an output; without a course of it these are left out.
    explanations : sequence of Explanation
    n : int
        Draws.
    seed : int

    Returns
    -------
    dict of name to bool array, (n,)
    """
    people = fit.population(n, patient=patient, seed=seed)
    outputs = [e.output for e in explanations if e.output]
    fallen = _fallen(fit, patient, drug, list(dict.fromkeys(outputs)), people) if outputs and drug else {}
    found = {}
    for each in explanations:
        if each.parameter:
            declared = fit.model.parameters[each.parameter].value
            values = np.broadcast_to(np.asarray(people.parameters.get(each.parameter, declared), float), n)
            found[each.name] = values > each.above if each.above is not None else values < each.below
        elif each.output in fallen:
            found[each.name] = fallen[each.output] <= each.falls_to
    return found


def _fallen(fit: StudyFit, patient: str, drug: str, outputs: list[str], people: Any) -> dict[str, np.ndarray]:
    """Return to which part of its value at the first dose each output falls without the drug."""
    from pkpd.dosing.regimen import Regimen
    from pkpd.simulation.api import simulate

    problem = fit.study.problem
    seed, _, who = problem.patients[problem.index_of(patient)].partition("/")
    evidence = next(e for e in problem.evidence if e.name == seed)
    given, others = given_and_others(evidence, who, drug, alone=problem.is_of_one_drug(drug))
    if not len(given.times):
        return {}
    ends = float(given.times[0]), float(given.times[-1]) + 24.0
    times = convert_time(np.linspace(*ends, _TIMES), "h", fit.model.time_unit)
    sims = simulate(
        fit.model, Regimen.of() if others is None else others, people, times, outputs=outputs, progress=False,
        rtol=1e-6, atol=1e-9,
    )  # fmt: skip
    found = {}
    for name in outputs:
        course = sims[name].values.reshape(-1, times.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = np.where(course[:, 0] > 0, course.min(axis=1) / course[:, 0], np.nan)
    return found
