"""What print, LaTeX, Markdown and notebooks show."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import pytest

from pkpd.engine.graph.functions import where
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.describe import WIDTH
from pkpd.model.model import Model
from pkpd.model.residual import Combined, LogNormal
from pkpd.model.tables import correlations, error_text


def individual(p: Any, cov: Any) -> dict[str, Any]:
    CL = p.CL * (cov.WT / 70) ** 0.75
    return {"CL": CL, "ke": CL / p.V}


def dynamics(t: Any, x: Any, p: Any) -> dict[str, Any]:
    concentration = x.central / p.V
    return {
        "depot": -p.ka * x.depot,
        "central": p.ka * x.depot - p.ke * x.central,
        "R": p.kin * (1 - concentration / (p.IC50 + concentration)) * where(t < 24, 1, 0.5) - p.kout * x.R,
    }


def build(**changes: Any) -> Model:
    settings: dict[str, Any] = {
        "title": "An indirect response",
        "description": "One compartment with first-order absorption.",
        "reference": "Dayneka 1993",
        "states": [State("depot", "mg", "injection site"), State("central", "mg", "plasma"), State("R", "U/L")],
        "covariates": [Covariate("WT", "kg", 70, "body weight")],
        "parameters": [
            Parameter("CL", 9.0, "L/h", "clearance", bounds=(0, inf), cv=0.28, iov_cv=0.1, source="Table 2"),
            Parameter("V", 30.0, "L", "volume", cv=0.2, known="assumed"),
            Parameter("ka", 0.2, "1/h", fixed=True),
            Parameter("F", 0.8, "", "bioavailability", scale="logit", bounds=(0, 1), sd=0.3),
            Parameter("kin", 10, "U/L/h"),
            Parameter("kout", 0.1, "1/h"),
            Parameter("IC50", 0.5, "mg/L"),
        ],
        "outputs": [Output("Cc", "mg/L", "plasma concentration", error=Combined(0.07, 0.2)), Output("R", "U/L")],
        "correlations": {("CL", "V"): 0.5},
        "individual": individual,
        "initial": lambda p: {"R": p.kin / p.kout},
        "dosing": lambda p: {"depot": {"F": p.F, "tlag": 0.5}},
        "dynamics": dynamics,
        "calculate": lambda t, x, p: {"Cc": x.central / p.V},
    }
    return Model("demo", **{**settings, **changes})


@pytest.mark.parametrize(
    "line",
    [
        "demo: An indirect response",
        "One compartment with first-order absorption.",
        "Reference: Dayneka 1993",
        "States (time in h)",
        "  depot    mg    injection site",
        "  CL        9  L/h             28%  10%  (0, inf)  clearance        read         Table 2",
        "  V        30  L               20%                 volume           assumed",
        "  ka      0.2  1/h                                                  read, fixed",
        "  F       0.8         sd 0.3 logit       (0, 1)    bioavailability  read",
        "  correlation of CL and V: 0.5",
        "  WT         70  kg    body weight  carried forward",
        "  Cc  mg/L  plasma concentration  Combined(add=0.07, prop=0.2)",
        "  CL = theta_CL * exp(eta_CL + kappa_CL) * (WT / 70)**0.75",
        "  V = theta_V * exp(eta_V)",
        "  F = expit(logit(theta_F) + eta_F)",
        "  ke = CL / V",
        "  R(0) = kin / kout",
        "  depot: F = F, tlag = 0.5",
        "  d/dt depot = -ka * depot",
        "  d/dt central = ka * depot - ke * central",
        "  d/dt R = kin * (1 - Cc / (IC50 + Cc)) * where(t < 24, 1, 0.5) - kout * R",
        "  Cc = central / V",
    ],
)
def test_print_reads_like_a_methods_section(line: str):
    assert line in str(build()).splitlines()


def test_empty_sections_and_columns_are_left_out():
    shown = str(
        Model(
            "decay",
            states=[State("A", "mg")],
            parameters=[Parameter("k", 0.1, "1/h")],
            dynamics=lambda t, x, p: {"A": -p.k * x.A},
        )
    )
    expected = ["decay", "", "States (time in h)", "     unit", "  A  mg", "", "Parameters", "     value  unit  known"]
    expected += ["  k    0.1  1/h   read", "", "Dynamics", "  d/dt A = -k * A"]
    assert shown.splitlines() == expected


def test_text_stays_within_its_width():
    long = "a very long explanation of what this parameter means in the model and where it was found " * 2
    parameters = [
        Parameter(q, 1.0, "1/h", long, cv=0.3, source=long) if q in ("ka", "kout") else Parameter(q, 1.0, u)
        for q, u in (
            ("ka", "1/h"),
            ("CL", "L/h"),
            ("V", "L"),
            ("F", ""),
            ("kin", "U/L/h"),
            ("kout", "1/h"),
            ("IC50", "mg/L"),
        )
    ]
    model = build(parameters=parameters, correlations={}, description=long, reference=long)
    lines = str(model).splitlines()
    assert max(map(len, lines)) <= WIDTH
    row = next(line for line in lines if line.startswith("  ka "))
    assert "a very long explanat" in row
    assert row.count("...") == 2


def test_logit_between_other_bounds_and_occasions():
    model = build(
        parameters=[*build().parameters.values(), Parameter("h", 1, "", scale="logit", bounds=(0.5, 2), iov_sd=1)]
    )
    assert "  h = expit(logit(theta_h, 0.5, 2) + kappa_h, 0.5, 2)" in str(model).splitlines()
    assert r"\mathrm{logit}\left(\frac{\theta_{h} - 0.5}{2 - 0.5}\right) + \kappa_{h}" in model.to_latex()


def test_individual_relation_equal_to_another_names_it():
    model = build(individual=lambda p, cov: {"CL2": p.CL, "unused": 1.0, "ke": p.CL / p.V})
    lines = str(model).splitlines()
    assert "  CL2 = CL" in lines
    assert "  unused = 1" in lines


def test_latex_is_one_aligned_environment():
    shown = build().to_latex()
    assert shown.startswith("\\begin{aligned}\n")
    assert shown.endswith("\n\\end{aligned}")
    for line in (
        r"\mathrm{CL} &= \theta_{\mathrm{CL}} \, e^{\eta_{\mathrm{CL}} + \kappa_{\mathrm{CL}}}",
        r"F &= \mathrm{expit}\left(\mathrm{logit}\left(\theta_{F}\right) + \eta_{F}\right)",
        r"R(0) &= \frac{k_{\mathrm{in}}}{k_{\mathrm{out}}}",
        r"\frac{d \mathrm{depot}}{d t} &= -k_{a} \, \mathrm{depot}",
        r"\begin{cases} 1 & t < 24 \\ 0.5 & \text{otherwise} \end{cases}",
        r"\mathrm{Cc} &= \frac{\mathrm{central}}{V}",
    ):
        assert line in shown
    assert shown.count("{") == shown.count("}")
    assert build()._repr_latex_() == f"$${shown}$$"


def test_markdown_has_tables_and_equations():
    shown = build().to_markdown()
    assert shown.startswith("# demo: An indirect response\n")
    assert "| CL | 9 | L/h | 28% | 10% | (0, inf) | clearance | read | Table 2 |" in shown
    assert "Correlation of CL and V: 0.5" in shown
    assert len(re.findall(r"^\$\$$", shown, re.MULTILINE)) == 2 * 5
    tables = [block for block in shown.split("\n\n") if block.startswith("| ")]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_html_is_escaped_and_balanced():
    shown = build(title="a < b & c")._repr_html_()
    assert "<h3>demo: a &lt; b &amp; c</h3>" in shown
    assert r"\begin{cases} 1 &amp; t &lt; 24" in shown
    for tag in ("div", "table", "tr", "td", "th", "h3", "h4", "thead", "tbody"):
        assert len(re.findall(rf"<{tag}>", shown)) == shown.count(f"</{tag}>")


def test_parts_are_printed_under_their_names():
    model = Model("joint", parts={"ana": build()}, individual=lambda p, cov: {"ana.V": 2 * p.ana.V})
    lines = str(model).splitlines()
    assert "  ana.V = 2 * theta_ana.V * exp(eta_ana.V)" in lines
    assert "  d/dt ana.depot = -ana.ka * ana.depot" in lines
    assert r"\frac{d \mathrm{depot}_{\mathrm{ana}}}{d t}" in model.to_latex()


def test_outputs_of_a_part_stand_by_name_in_the_equations_that_use_them():
    model = Model(
        "joint",
        parts={"ana": build()},
        states=[State("E", "mg/L")],
        parameters=[Parameter("ke0", 0.1, "1/h")],
        dynamics=lambda t, x, p: {"E": p.ke0 * (x.ana.Cc - x.E)},
    )
    lines = str(model).splitlines()
    assert "  d/dt E = ke0 * (ana.Cc - E)" in lines
    assert "  ana.Cc = ana.central / ana.V" in lines


def test_correlations_and_errors_as_text():
    assert correlations(build()) == [("CL", "V", pytest.approx(0.5))]
    assert error_text(None) == ""
    assert error_text(Combined(0.1, 0.2, "sd")) == "Combined(add=0.1, prop=0.2, convention='sd')"
    assert error_text(LogNormal(0.3)) == "LogNormal(sigma=0.3)"
