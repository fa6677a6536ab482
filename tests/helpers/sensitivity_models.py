"""Functions and models whose sensitivity is known in closed form."""

from __future__ import annotations

import functools

import numpy as np

from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import LogNormal

ISHIGAMI = {f"x{i}": (-np.pi, np.pi) for i in (1, 2, 3)}
A, B = 7.0, 0.1


def ishigami(x: np.ndarray) -> np.ndarray:
    """Ishigami T, Homma T (1990), with the usual a = 7 and b = 0.1."""
    return np.sin(x[0]) + A * np.sin(x[1]) ** 2 + B * x[2] ** 4 * np.sin(x[0])


def ishigami_indices() -> tuple[np.ndarray, np.ndarray, float]:
    """Return S1, ST and S2 of x1 with x3, by the variances in Sobol IM, Levitan YL (1999)."""
    v1, v2 = 0.5 * (1 + B * np.pi**4 / 5) ** 2, A**2 / 8
    v13 = B**2 * np.pi**8 * (1 / 18 - 1 / 50)
    v = v1 + v2 + v13
    return np.array([v1, v2, 0.0]) / v, np.array([v1 + v13, v2, v13]) / v, v13 / v


def sobol_g(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Sobol's G function on the unit cube."""
    return np.prod((np.abs(4 * x - 2) + a[:, None]) / (1 + a[:, None]), axis=0)


def sobol_g_indices(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return S1 and ST of the G function (Saltelli A, Sobol IM 1995)."""
    own = 1 / (3 * (1 + a) ** 2)
    v = np.prod(1 + own) - 1
    return own / v, np.array([o * np.prod(1 + np.delete(own, i)) for i, o in enumerate(own)]) / v


@functools.cache
def area_model() -> Model:
    """One compartment by mouth that also integrates its concentration: the area is F dose / CL in the end."""

    def dynamics(t, x, p):
        return {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central, "area": x.central / p.V}

    return Model(
        "area",
        states=[State("depot", "mg"), State("central", "mg"), State("area", "mg*h/L")],
        covariates=[Covariate("WT", "kg", 70.0)],
        parameters=[
            Parameter("CL", 5.0, "L/h", cv=0.3),
            Parameter("V", 20.0, "L"),
            Parameter("ka", 1.0, "1/h"),
            Parameter("F", 0.5, "", bounds=(0, 1)),
            Parameter("WT_CL", 0.75, "", fixed=True),
        ],
        outputs=[Output("Cc", "mg/L", "concentration", error=LogNormal(0.1)), Output("AUC", "mg*h/L", "area")],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** p.WT_CL},
        dosing=lambda p: {"depot": {"F": p.F}},
        dynamics=dynamics,
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "AUC": x.area},
    )


@functools.cache
def exploding_model() -> Model:
    """The solution of x' = k x^2 from 1 is s / (1 - k t): none at t = 1 where k > 1."""
    return Model(
        "exploding",
        states=[State("x", "1")],
        parameters=[Parameter("k", 0.5, "1/h"), Parameter("s", 1.0, "")],
        outputs=[Output("y", "1")],
        dynamics=lambda t, x, p: {"x": p.k * x.x**2},
        calculate=lambda t, x, p: {"y": p.s * x.x},
    )
