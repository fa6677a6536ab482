"""Anakinra's schedules by name, and where a drug's doses go in a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pkpd.errors import RegimenError
from pkpd.transport import frozen

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["ANAKINRA", "ANAKINRA_SOURCES", "routes_of"]

ANAKINRA: Mapping[str, str] = frozen(
    {
        "100 mg daily": "100 mg SC daily x14",
        "100 mg BID": "100 mg SC BID x14d",
        "100 mg every other day": "100 mg SC every other day x7",
        "200 mg daily": "200 mg SC daily x14",
        "100 mg BID day 1, then daily": "100 mg SC BID x1d then 100 mg SC daily x13",
        "100 mg IV daily": "100 mg IV over 0.5 h daily x14",
        "2 mg/kg/h IV for 72 h": "2 mg/kg/h IV for 72 h",
    }
)
"""Schedules of two weeks by name, in the shorthand; doses by weight follow each subject's own."""

ANAKINRA_SOURCES: Mapping[str, str] = frozen(
    {
        "100 mg daily": "US label; Strati 2020, Naviglio 2021 (7 days and more); read",
        "100 mg BID": "Naviglio 2021, after daily doses; read",
        "100 mg every other day": "US label for creatinine clearance < 30 mL/min; Strati 2020, patient 5; read",
        "200 mg daily": "liso-cel prophylaxis trial, 200 mg/d; Strati 2020, patient 8, one dose; read",
        "100 mg BID day 1, then daily": "Villegas 2020, there for 5 days; read",
        "100 mg IV daily": "trial 20010168 gave 100 mg IV once; daily doses and half an hour are assumed",
        "2 mg/kg/h IV for 72 h": "highest rate of the sepsis programme, 1015 patients, by way of an SmPC; read",
    }
)
"""Where each schedule comes from."""

_ROUTES = {"SC": "depot", "IM": "depot", "IV": "central"}


def routes_of(model: Model, drug: str = "anakinra") -> dict[str, str]:
    """Return the compartment by route of a drug in a model: its own states, or those of the part of that name.

    Parameters
    ----------
    model : Model
    drug : str
        Name of the part of a composed model.

    Raises
    ------
    RegimenError
        If the model has neither a depot nor a central compartment.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> routes_of(load_model("anakinra"))
    {'SC': 'depot', 'IM': 'depot', 'IV': 'central'}
    """
    for prefix in (f"{drug}.", ""):
        found = {route: prefix + state for route, state in _ROUTES.items() if prefix + state in model.states}
        if found:
            return found
    raise RegimenError(
        f"model '{model.name}' has no state depot or central, nor one of a part '{drug}'; it has "
        f"{', '.join(model.states)}; write doses 'into' one of them"
    )
