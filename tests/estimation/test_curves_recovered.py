"""A figure is drawn, digitised and fitted: what it was drawn from is recovered, and its reading error counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

import pkpd
from pkpd import Free, LogNormal, Model, Output, Parameter, State
from pkpd.evidence import Evidence, load_seed
from pkpd.plot.courses import course

TRUE = {"CRP0": 240.0, "low": 6.0, "k": 0.014, "LDH0": 700.0}
PRIORS = {"CRP0": (100.0, 1.0), "low": (10.0, 0.7), "k": (0.03, 0.8), "LDH0": (400.0, 0.7)}
SIGMA = 0.08
DAYS = np.array([0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0])
PIXELS = 2.0  # standard deviation of a click

SOURCE = """name = "drawn"
citation = "Nobody A. An invented report. 2024"
doi = ""
kind = "one invented adult"
day_zero = "admission"
start_day = 0
cohorts = ["mine"]
readable = ["absent: Figure 1 (CRP and LDH by day): an image"]
"""
PATIENTS = """patient,cohort,quantity,printed,printed_unit,value,unit,known,where,reason
a,mine,age,60,y,60,year,read,text,
"""
DOSES = "patient,drug,printed,amt,unit,route,start,interval,number,duration,known,where,reason\n"
# Both are wrong, so that a fit that took them would not recover anything.
FACTS = """\
fact,patient,marker,kind,time,time_to,at,op,printed,printed_unit,value,value_to,unit,reading_sd,use,known,where,reason
a_crp,a,CRP,value,2,,,,2400,mg/L,2400,,mg/L,,fit,read,text,
a_fall,a,CRP,change,1,5,,=,rose tenfold,,10,,,,fit,read,text,
"""


def course_of(p: Any, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return CRP and LDH in closed form."""
    crp = p["low"] + (p["CRP0"] - p["low"]) * np.exp(-p["k"] * hours)
    return crp, p["LDH0"] * crp / p["CRP0"]


def falling() -> Model:
    return Model(
        "falling",
        states=[State("marker", "mg/L")],
        parameters=[Parameter(n, PRIORS[n][0], u) for n, u in zip(PRIORS, ("mg/L", "mg/L", "1/h", "U/L"), strict=True)],
        outputs=[Output("CRP", "mg/L", error=LogNormal(SIGMA)), Output("LDH", "U/L", error=LogNormal(SIGMA))],
        dynamics=lambda t, x, p: {"marker": p.k * (p.low - x.marker)},
        initial=lambda p: {"marker": p.CRP0},
        calculate=lambda t, x, p: {"CRP": x.marker, "LDH": p.LDH0 * x.marker / p.CRP0},
    )


@dataclass
class Figure:
    """The points of both series as a digitiser has them, and how far off a click is in their units."""

    crp: np.ndarray
    ldh: np.ndarray
    crp_sd: float
    ldh_sd: float


def digitised(rng: np.random.Generator) -> Figure:
    """Draw the courses, CRP on a logarithmic axis and LDH on a linear one, and click on each measured point."""
    import matplotlib.pyplot as plt

    seen = [y * np.exp(SIGMA * rng.standard_normal(DAYS.size)) for y in course_of(TRUE, 24 * DAYS)]
    figure, (above, below) = plt.subplots(2, figsize=(4, 5), dpi=150)
    above.semilogy(DAYS, seen[0], "o-")
    below.plot(DAYS, seen[1], "o-")
    figure.canvas.draw()
    read = []
    for ax, y in ((above, seen[0]), (below, seen[1])):
        at = ax.transData.transform(np.column_stack([DAYS, y]))
        at += rng.normal(0.0, (0.5, PIXELS), at.shape)
        read.append(ax.transData.inverted().transform(np.round(at)))
    heights = [ax.get_window_extent().height for ax in (above, below)]
    spans = [np.ptp(np.log(above.get_ylim())), np.ptp(below.get_ylim())]
    plt.close(figure)
    return Figure(*read, *(float(PIXELS * s / h) for s, h in zip(spans, heights, strict=True)))


def comma(x: float) -> str:
    return f"{x:.6f}".replace(".", ",")


@pytest.fixture(scope="module")
def figure() -> Figure:
    return digitised(np.random.default_rng(3))


def write_seed(home: Path, figure: Figure) -> Path:
    """Write a report whose figure was exported with both series side by side and decimal commas."""
    (home / "curves").mkdir(parents=True)
    texts = {"source.toml": SOURCE, "patients.csv": PATIENTS, "doses.csv": DOSES, "facts.csv": FACTS}
    ldh = [[comma(x) for x in point] for point in figure.ldh[:-1]]  # one point fewer, and so an empty tail
    rows = [[*map(comma, point), *other] for point, other in zip(figure.crp, [*ldh, ["", ""]], strict=True)]
    lines = [["red", "", "blue", ""], ["X", "Y", "X", "Y"], *rows]
    texts["curves/fig1.csv"] = "\ufeff" + "\r\n".join(";".join(cells) for cells in lines)
    texts["curves/curves.csv"] = (
        "file,series,patient,marker,time_unit,zero,unit,reading_sd,below,use,known,where,reason\n"
        f"fig1.csv,red,a,CRP,day,,mg/L,{figure.crp_sd!r},,fit,read,Figure 1,\n"
        f"fig1.csv,blue,a,LDH,day,,U/L,{figure.ldh_sd!r} U/L,,fit,read,Figure 1,\n"
    )
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8", newline="")
    return home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, figure: Figure) -> Path:
    return write_seed(tmp_path_factory.mktemp("seeds") / "drawn", figure)


def study_of(evidence: Evidence) -> pkpd.Study:
    return pkpd.Study("drawn", falling(), [evidence], [Free(name, prior) for name, prior in PRIORS.items()])


@pytest.fixture(scope="module")
def fitted(folder: Path) -> pkpd.results.StudyFit:
    return pkpd.fit(study_of(load_seed(folder)), method=pkpd.Mode(draws=4000, starts=2, predictive=100))


def by_hand(figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """Return mode and standard deviations of the logarithms, from the points, by the formula of the course."""
    names = list(PRIORS)
    centre = np.log([PRIORS[n][0] for n in names])
    wide = np.array([PRIORS[n][1] for n in names])
    ldh = figure.ldh[:-1]

    def half_chi2(x: np.ndarray) -> float:
        p = dict(zip(names, np.exp(x), strict=True))
        misfit = 0.5 * np.sum(((x - centre) / wide) ** 2)
        variance = SIGMA**2 + figure.crp_sd**2
        misfit += 0.5 * np.sum(np.log(figure.crp[:, 1] / course_of(p, 24 * figure.crp[:, 0])[0]) ** 2) / variance
        variance = SIGMA**2 + (figure.ldh_sd / ldh[:, 1]) ** 2
        return misfit + 0.5 * np.sum(np.log(ldh[:, 1] / course_of(p, 24 * ldh[:, 0])[1]) ** 2 / variance)

    mode = minimize(half_chi2, np.log(list(TRUE.values())), method="BFGS", options={"gtol": 1e-9}).x
    h = 1e-4 * np.eye(len(mode))
    hessian = [
        [(half_chi2(mode + a + b) - half_chi2(mode + a - b) - half_chi2(mode - a + b) + half_chi2(mode - a - b)) / 4e-8
         for b in h] for a in h
    ]  # fmt: skip
    return mode, np.sqrt(np.diag(np.linalg.inv(hessian)))


def test_what_was_drawn_is_recovered_as_often_as_intervals_say(tmp_path: Path):
    z, inside, before = [], 0, 0
    for seed in range(4):
        home = write_seed(tmp_path / f"{seed}" / "drawn", digitised(np.random.default_rng(seed)))
        found = pkpd.fit(study_of(load_seed(home)), method=pkpd.Mode(draws=1000, starts=1, predictive=50))
        for name, true in TRUE.items():
            draws = found.draws(name)
            z.append(float((np.log(true) - np.log(draws).mean()) / np.log(draws).std()))
            low, high = np.quantile(draws, [0.025, 0.975])
            inside += low < true < high
            before += low < PRIORS[name][0] < high
    assert inside >= stats.binom.ppf(0.002, 16, 0.95)
    assert np.sum(np.square(z)) < stats.chi2.ppf(0.998, 16)
    assert before < 8  # what the prior expected is mostly excluded


def test_it_is_the_least_squares_solution_with_both_errors(fitted: pkpd.results.StudyFit, figure: Figure):
    mode, sd = by_hand(figure)
    draws = np.log([fitted.draws(name) for name in PRIORS])
    np.testing.assert_allclose(draws.mean(axis=1), mode, atol=0.06 * sd.min())
    np.testing.assert_allclose(draws.std(axis=1), sd, rtol=0.05)


def test_facts_that_the_curve_shows_were_not_fitted(fitted: pkpd.results.StudyFit):
    evidence = fitted.study.problem.evidence[0]
    assert {f.fact: (f.use, f.curve) for f in evidence.facts if not f.is_point} == {
        "a_crp": ("superseded", "a_CRP_fig1_red"),
        "a_fall": ("superseded", "a_CRP_fig1_red"),
    }
    assert len(fitted.facts()) == 2 * DAYS.size - 1
    assert np.mean(fitted.facts()["inside"].to_numpy(bool)) > 0.8


def test_points_are_drawn_with_their_reading_error(fitted: pkpd.results.StudyFit, figure: Figure):
    axes = course(fitted, "a", draws=20)
    bars = [line.get_ydata() for line in axes[0].lines if line.get_label() == "_reading"]
    points = [line.get_ydata()[0] for line in axes[0].lines if line.get_label() == "_point"]
    assert len(bars) == len(points) == DAYS.size
    np.testing.assert_allclose(points, figure.crp[:, 1], rtol=1e-6)
    np.testing.assert_allclose([np.log(high / low) for low, high in bars], 2 * 1.96 * figure.crp_sd, rtol=1e-5)
    assert not [line for line in axes[0].lines if line.get_label() == "_fact"]
    labels = [text.get_text() for legend in axes[0].figure.legends for text in legend.get_texts()]
    assert "read off a figure" in labels
    assert "value" not in labels


@pytest.mark.parametrize("reading_sd", [0.02, 0.3])
def test_a_larger_reading_error_gives_a_wider_interval_as_on_paper(folder: Path, figure: Figure, reading_sd: float):
    plain = load_seed(folder).without("a_*_fig1_*", "a_*")
    path = folder / "curves" / "fig1.csv"
    more = plain.with_curve(
        path, series="red", patient="a", marker="CRP", unit="mg/L", reading_sd=reading_sd, where="Figure 1"
    )
    fixed = {name: TRUE[name] for name in ("k", "LDH0")} | {"low": 0.0}
    study = pkpd.Study("one", falling(), [more], [Free("CRP0", PRIORS["CRP0"])], fixed=fixed)
    draws = np.log(pkpd.fit(study, method=pkpd.Mode(draws=4000, starts=1, predictive=50)).draws("CRP0"))
    # log CRP0 is normal: a prior and n measurements of it, each with the variance of both errors
    centre, wide = np.log(PRIORS["CRP0"][0]), PRIORS["CRP0"][1]
    each = SIGMA**2 + reading_sd**2
    measured = np.log(figure.crp[:, 1]) + TRUE["k"] * 24 * figure.crp[:, 0]
    precision = 1 / wide**2 + DAYS.size / each
    mean = (centre / wide**2 + measured.sum() / each) / precision
    np.testing.assert_allclose(draws.std(), precision**-0.5, rtol=0.04)
    np.testing.assert_allclose(draws.mean(), mean, atol=4 * precision**-0.5 / np.sqrt(4000))
