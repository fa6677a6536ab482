"""Equations as text that Python reads back, and as LaTeX."""

from __future__ import annotations

import math

import pytest
from graph_value import value
from hypothesis import given
from hypothesis import strategies as st

from pkpd.engine.graph import functions as f
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.graph.printing import latex, latex_name, text

a, b, c = (symbol(n, "theta") for n in "abc")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (-a * b, "-a * b"),
        (c + -a * b, "c - a * b"),
        (c - (-a * b), "c - (-a * b)"),
        (c * (-a), "c * (-a)"),
        (-(a + b), "-(a + b)"),
        (a - (b - c), "a - (b - c)"),
        (a - b - c, "a - b - c"),
        (a / (b * c), "a / (b * c)"),
        (a / b * c, "a / b * c"),
        ((a + b) * c, "(a + b) * c"),
        (-a / b - c, "-a / b - c"),
        ((-a) ** 2, "(-a)**2"),
        (-(a**2), "-a**2"),
        ((a**b) ** c, "(a**b)**c"),
        (a**-2.0, "a**(-2)"),
        (f.exp(-a * b), "exp(-a * b)"),
        (f.where((a < b) & ~(c <= a) | (b < c), a, 0), "where(((a < b) & not(c <= a)) | (b < c), a, 0)"),
        (1e-7 * a, "1e-07 * a"),
    ],
)
def test_text_has_the_fewest_brackets(expression: Node, expected: str):
    assert text(expression) == expected
    assert repr(expression) == expected


def test_random_effects_are_told_from_typical_values():
    eta, kappa = symbol("CL", "eta"), symbol("CL", "kappa")
    assert text(symbol("CL", "theta") * f.exp(eta + kappa)) == "CL * exp(eta_CL + kappa_CL)"
    assert latex(f.exp(eta)) == r"e^{\eta_{\mathrm{CL}}}"


def test_names_can_be_written_otherwise():
    assert text(a * b, lambda n: f"p.{n.name}") == "p.a * p.b"
    assert latex(a / b, lambda n: n.name.upper()) == r"\frac{A}{B}"


trees = st.recursive(
    st.sampled_from([a, b, c, const(2), const(-1.5)]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "sub", "mul", "div"]), inner, inner).map(
            lambda n: {"add": n[1] + n[2], "sub": n[1] - n[2], "mul": n[1] * n[2], "div": n[1] / n[2]}[n[0]]
        ),
        inner.map(lambda n: -n),
        inner.map(lambda n: n**2),
    ),
    max_leaves=12,
)


@given(trees)
def test_text_read_by_python_has_the_value_of_the_graph(tree: Node):
    at = {"a": 1.37, "b": -0.71, "c": 2.93}
    expected = value(tree, at)
    try:
        read = eval(text(tree), {}, dict(at))
    except ZeroDivisionError:
        read = math.nan
    # the text carries ten digits of each number
    assert read == pytest.approx(expected, rel=1e-7, nan_ok=True)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (a / (b + c), r"\frac{a}{b + c}"),
        (-a / b, r"-\frac{a}{b}"),
        (c - a / b, r"c - \frac{a}{b}"),
        ((a + b) ** c, r"{\left(a + b\right)}^{c}"),
        (2 * a, r"2 \, a"),
        (a * 2, r"a \cdot 2"),
        (1e-7 * a, r"1 \cdot 10^{-7} \, a"),
        (f.sqrt(a), r"\sqrt{a}"),
        (abs(a), r"\left|a\right|"),
        (f.log(a), r"\ln\left(a\right)"),
        (f.maximum(a, b), r"\max\left(a, b\right)"),
        (f.erf(a), r"\mathrm{erf}\left(a\right)"),
        (f.where(a < b, a, 0), r"\begin{cases} a & a < b \\ 0 & \text{otherwise} \end{cases}"),
    ],
)
def test_latex(expression: Node, expected: str):
    assert latex(expression) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CL", r"\mathrm{CL}"),
        ("V", "V"),
        ("V1", "V_{1}"),
        ("ka", "k_{a}"),
        ("k12", "k_{12}"),
        ("ke0", r"k_{\mathrm{e0}}"),
        ("kout", r"k_{\mathrm{out}}"),
        ("kappa", r"\kappa"),
        ("gamma", r"\gamma"),
        ("Gamma", r"\Gamma"),
        ("XI", r"\mathrm{XI}"),
        ("IC50", r"\mathrm{IC}_{50}"),
        ("tcz.V1", r"V_{1,\mathrm{tcz}}"),
        ("theta_CL", r"\theta_{\mathrm{CL}}"),
    ],
)
def test_latex_names(name: str, expected: str):
    assert latex_name(name) == expected
