"""Functions for equations: they take symbols while a model is traced, and numbers or arrays else.

``tad`` and ``last_dose`` ask for the time after the last dose and for its amount; ``during`` and ``where`` are
conditions.
"""

from pkpd.engine.graph.functions import (
    absolute,
    cos,
    during,
    erf,
    exp,
    expit,
    floor,
    interpolate,
    last_dose,
    lgamma,
    log,
    log1mexp,
    log10,
    logit,
    maximum,
    minimum,
    mod,
    power,
    sin,
    sqrt,
    tad,
    tanh,
    where,
)

__all__ = [
    "absolute",
    "cos",
    "during",
    "erf",
    "exp",
    "expit",
    "floor",
    "interpolate",
    "last_dose",
    "lgamma",
    "log",
    "log1mexp",
    "log10",
    "logit",
    "maximum",
    "minimum",
    "mod",
    "power",
    "sin",
    "sqrt",
    "tad",
    "tanh",
    "where",
]
