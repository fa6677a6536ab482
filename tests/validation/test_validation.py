"""Models beside published numbers: the tables, how they are simulated, and what is said of them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from pkpd.catalogue import content_names
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError
from pkpd.library import load_model, models_with
from pkpd.people.population import Population
from pkpd.plot.validation import effect_curves, published_ratios
from pkpd.simulation.api import simulate
from pkpd.validation.api import effects_of, has_published, published_of, validate_model
from pkpd.validation.effects import SHARES, invert, run_effects
from pkpd.validation.records import Effect
from pkpd.validation.report import Agreement, ValidationReport

COMPOSED = "anakinra_inflammation"
YANG = {"normal": 100, "mild": 65, "moderate": 40, "severe": 15, "ESRD": 2}


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    return validate_model(COMPOSED, n=60)


def row(report: ValidationReport, key: str) -> Agreement:
    return next(c for c in report.rows if c.row.key == key)


def test_tables_are_sound():
    models = [load_model(name) for name in models_with("published")]
    rows = [(model, r) for model in models for r in published_of(model)[""]]
    reading = effects_of(load_model(COMPOSED))
    assert reading is not None
    keys = [r.key for _, r in rows] + [e.key for e in reading.trials]
    assert len(set(keys)) == len(keys) > 40
    for model, r in rows:
        low, high = r.limits
        assert low < high, r.key
        assert low <= r.centre <= high, r.key
        assert (r.spread == "") == (r.low is None and r.high is None), r.key
        assert r.source, r.key
        assert r.known == "assumed" or "not verified" not in r.source, r.key
        assert set(filter(None, r.used.split(", "))) <= set(model.parameters), r.key
        assert set(r.variants) <= set(content_names("models"))
    assert all(e.note and e.source for e in reading.trials)


def test_every_disagreement_is_explained_and_no_explanation_is_stale(report: ValidationReport):
    assert not report.unexplained
    assert {c.row.key for c in report.rows if c.row.why} == {c.row.key for c in report.outside}
    assert report.rows
    assert any(c.within and c.row.use == "external" for c in report.rows)


def test_kidney_groups_follow_the_regression(report: ValidationReport):
    """Yang 2003: log10 (CL/F [mL/min]) = 1.65 + 0.0062 CLcr."""
    for group, crcl in YANG.items():
        c = row(report, f"yang_{group}")
        assert c.simulated == pytest.approx(10 ** (1.65 + 0.0062 * crcl), rel=5e-3)
        assert c.within
        assert c.row.use == "used"
        assert c.p5 < c.simulated < c.p95


def test_measures_agree_with_closed_forms(report: ValidationReport):
    """Bateman's function at 60 kg and CLcr 100; an infusion's fluid; F of the two routes."""
    p = load_model("anakinra").evaluate(covariates={"WT": 60.0})
    k, ka = p["CL"] / p["V"], p["ka"]
    Tmax = np.log(ka / k) / (ka - k)
    Cmax = p["F"] * 60 / p["V"] * np.exp(-k * Tmax)
    Cmax *= ka / k * np.exp((k - ka) * Tmax) if k > ka else 1.0
    assert row(report, "tmax_1mgkg").simulated == pytest.approx(Tmax, abs=0.06)
    assert row(report, "cmax_1mgkg").simulated == pytest.approx(Cmax, rel=2e-3)
    assert row(report, "half_1mgkg").simulated == pytest.approx(np.log(2) / ka, rel=0.02)
    assert row(report, "f_crossover").simulated == pytest.approx(p["F"], rel=3e-3)
    assert row(report, "rhesus").simulated == pytest.approx(p["kin_csf"] / p["kout_csf"], rel=0.01)
    assert row(report, "q48h_daily").simulated == pytest.approx(10 ** (0.0062 * 85) / 2, rel=0.01)
    assert row(report, "weight_sc").simulated == pytest.approx((75 / 110) ** 0.47, rel=1e-3)


def test_agreement_is_judged_by_the_spread_or_by_a_fifth(report: ValidationReport):
    c = row(report, "yang_normal")
    assert replace(c, simulated=133.0).within
    assert not replace(c, simulated=132.9).within
    assert replace(c, simulated=132.9).verdict == "outside"
    bare = row(report, "half_oh")
    assert replace(bare, simulated=1.25 * 3.97).within
    assert not replace(bare, simulated=1.26 * 3.97).within
    assert replace(bare, simulated=1.26 * 3.97).verdict == "off (1.26)"
    assert row(report, "accumulation").row.limits == (-np.inf, 1.15)


def test_a_changed_model_is_reported_without_explanation():
    fast = validate_model(load_model("anakinra").with_values(CL=30.0), n=20)
    assert "yang_normal" in {c.row.key for c in fast.unexplained}
    assert f"{len(fast.unexplained)} of them without explanation" in repr(fast)


def test_values_of_the_composed_model_reach_its_parts():
    changed = load_model(COMPOSED).replace(values={"anakinra.ka": 0.4})
    found = validate_model(changed, n=2)
    assert row(found, "half_1mgkg").simulated < 2.2


def test_same_seed_same_report(report: ValidationReport):
    again = validate_model("anakinra", n=60)
    here = {c.row.key: (c.simulated, c.p5, c.p95) for c in report.rows}
    assert all(here[c.row.key] == pytest.approx((c.simulated, c.p5, c.p95)) for c in again.rows)
    other = validate_model("anakinra", n=60, seed=1)
    assert row(other, "yang_normal").p5 != row(again, "yang_normal").p5


def test_tables_and_text(report: ValidationReport):
    table, effects = report.table(), report.effect_table()
    parts = published_of(load_model(COMPOSED))
    assert list(parts) == ["anakinra", "tocilizumab"]
    assert len(table) == len(report.rows) == sum(map(len, parts.values()))
    assert set(table["use"]) == {"used", "external"}
    assert set(effects["use"]) == {"external"}
    assert {text for text, within in zip(table["explanation"], table["within"], strict=True) if within} == {""}
    assert np.isfinite(table["anakinra_jung2023"].to_numpy(float)).sum() >= 8
    text = repr(report)
    assert all(c.row.what in text for c in report.rows)
    level = effects.set_index(["key", "assumption"])["share"].to_dict()["anajis", "plateau"]
    assert f"phi {level:.2f}" in text


def test_unknown_models_are_refused():
    with pytest.raises(DataError, match=r"nothing published is stored for model 'pk1_oral'; there is anakinra, "):
        validate_model("pk1_oral")
    with pytest.raises(DataError, match="n must be at least 2, got 1"):
        validate_model("anakinra", n=1)
    assert not has_published(load_model("pk1_oral"))
    assert has_published(load_model("tocilizumab_linear"))


def test_effects_fall_linearly_with_the_share(report: ValidationReport):
    for result in report.effects:
        if not result.effect.of_share:
            continue
        for curve in result.curves.values():
            chord = curve[0] + np.array(SHARES) * (curve[-1] - curve[0])
            np.testing.assert_allclose(curve, chord, rtol=1e-6)
            assert curve[0] == pytest.approx(1.0, abs=1e-6)
            assert curve[-1] < 0.7
    assert report.reading is not None
    assert {name for r in report.effects for found in r.readings.values() for name in found} == set(
        report.reading.assumptions
    )


def test_inverted_share_gives_the_published_effect(report: ValidationReport):
    """VCUART3, twice daily: the disease scaled by hand so that untreated CRP averages 214 / 14 mg/L."""
    result = next(r for r in report.effects if r.effect.key == "vcuart3")
    phi = result.readings["100 mg BID"]["plateau"].share
    assert phi is not None
    fixed = {"tone.t_on": -1e4, "tone.tau_on": 1.0, "tone.t_off": 1e5, "tone.tau_off": 1.0, "tone.phi": phi,
             "acute.slope_CRP": 214 / 14 - 2.0}  # fmt: skip
    model = load_model(COMPOSED).replace(values=fixed)
    regimen = Regimen(amt=100, cmt="anakinra.depot", ii=12, addl=27, time=600)
    times = np.arange(600, 937, 0.5)
    CRP = simulate(model, regimen, Population.typical(model), times, outputs=["CRP"], progress=False)["CRP"]
    area = float(CRP.squeeze().sel(time=slice(600, 936)).integrate("time")) / 24
    assert area == pytest.approx(0.313 * 214, rel=5e-3)


def test_tocilizumab_needs_the_loss_that_is_said(report: ValidationReport):
    text = next(r for r in report.effects if r.effect.key == "tocilizumab").readings["8 mg/kg IV"]["plateau"].text
    found = re.search(r"([\d.]+) after 48 h; published 14, below both; .* needs kout_CRP ([\d.]+)/h", text)
    assert found
    assert float(found[1]) > 18  # what the tracer's 0.0365/h would leave without any delay
    changed = load_model(COMPOSED).replace(values={"acute.kout_CRP": float(found[2])})
    assert report.reading is not None
    again = next(r for r in run_effects(changed, report.reading) if r.effect.key == "tocilizumab")
    (course,) = again.curves.values()
    assert course[again.axis.index(48.0)] == pytest.approx(14.0, rel=0.03)
    assert course[0] == pytest.approx(95.0, rel=1e-3)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.6, None, None, "phi 0.50"),
        (0.1, None, None, "no phi: 1 gives 0.20, published 0.1"),
        (1.5, 0.8, 2.0, "no phi: 0 gives 1.00, published 1.5 (below 0 to 0.25)"),
        (0.3, 0.1, 0.6, "phi 0.88 (0.50 to above 1)"),
    ],
)
def test_inversion_says_when_no_phi_does(value: float, low: float | None, high: float | None, text: str):
    effect = Effect("a", "A", "ratio", (0, 1), {}, 10.0, value, "none", low=low, high=high)
    found = invert(effect, (0.0, 1.0), np.array([1.0, 0.2]), "phi")
    assert found.text == text
    assert (found.share is None) == text.startswith("no phi")


def test_figures(report: ValidationReport):
    from matplotlib import pyplot as plt

    ratios = published_ratios(report)
    labels = [t.get_text() for ax in ratios.axes for t in ax.get_yticklabels()]
    assert sorted(labels) == sorted(c.row.what for c in report.rows)
    curves = effect_curves(report, width=120)
    assert [ax.get_visible() for ax in curves.axes].count(True) == len(report.effects)
    plt.close("all")
    empty = ValidationReport("none", (), (), 2, 0)
    with pytest.raises(DataError, match="validation of none has no published numbers to draw"):
        published_ratios(empty)
    with pytest.raises(DataError, match="validation of none has no effects on a marker to draw"):
        effect_curves(empty)
