"""Options of fits are checked before anything is computed; an evaluation does not pretend to be a fit."""

from __future__ import annotations

import time
from dataclasses import make_dataclass
from typing import Any, cast

import numpy as np
import pytest
from fit_data import bolus_model, simulated_table

import pkpd
from pkpd import checks, search, uncertainty
from pkpd.errors import PkpdError
from pkpd.estimation import search_progress as telling
from pkpd.estimation.method import Method
from pkpd.estimation.methods.register import method_of
from pkpd.estimation.search_progress import Line


@pytest.mark.parametrize(
    ("method", "options", "text"),
    [
        (
            "focei",
            {"restart": 3},
            r"Focei has no option 'restart' \(did you mean 'restarts'\?\); it has restarts",
        ),
        ("nuts", {"warmup": 9}, r"Nuts has no option 'warmup'.*; it has priors, chains, tune"),
        ("nuts", {"tun": 9}, r"did you mean 'tune'"),
        ("focei", {"burn_in": 9}, r"Focei has no option 'burn_in'; it has restarts"),
        ("two_stage", {"priors": {}}, r"TwoStage has no option 'priors'; it has max_iterations"),
        ("fo", {"seed": 1.5}, r"Fo: seed must be a whole number >= 0, got 1.5"),
        ("focei", {"seed": -1, "restarts": True}, r"restarts must .* got True; seed must .* got -1"),
        ("focei", {"decrease": "small"}, r"decrease must be a number, got 'small'"),
        ("importance", {"points": 99.5}, r"points must be a whole number >= 0, got 99.5"),
        ("map", {"max_iterations": None}, r"max_iterations must be a whole number >= 0, got None"),
        ("focei", {"covariance": "Q"}, r"covariance must be auto, R, S, RS, linearised or None, got 'Q'"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_done(method: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(PkpdError, match=text):
        pkpd.fit(bolus_model(), simulated_table(), method_of(method, **options))


def test_whole_numbers_of_numpy_are_taken() -> None:
    found = pkpd.fit(
        bolus_model(), simulated_table(), method_of("fo", max_iterations=np.int64(2), seed=np.int32(1), covariance=None)
    )
    assert len(found.trace) == 3


def test_what_follows_a_fit_checks_its_options_too() -> None:
    found = pkpd.fit(bolus_model(), simulated_table(), pkpd.methods.Fo(covariance=None))
    with pytest.raises(
        PkpdError, match=r"diagnostics has no option 'roots' \(did you mean 'root'\?\); it has fit, n, seed, root"
    ):
        cast(Any, checks.diagnostics)(found, roots="cholesky")
    with pytest.raises(PkpdError, match=r"bootstrap has no option 'restart'; it has fit, n, by"):
        cast(Any, uncertainty.bootstrap)(found, 3, restart=2)
    with pytest.raises(PkpdError, match=r"bootstrap: the fit is by Fo; method must be Fo\(\.\.\.\), got Focei"):
        uncertainty.bootstrap(found, 3, method=pkpd.Focei())
    with pytest.raises(PkpdError, match=r"population has no option 'size'"):
        cast(Any, found.population)(3, size=2)


def test_an_evaluation_says_that_nothing_was_estimated() -> None:
    found = pkpd.fit(bolus_model(), simulated_table(), pkpd.methods.Importance(points=64))
    text = str(found)
    assert "evaluated at the start values" in text.splitlines()[0]
    assert "converged" not in text
    assert "start value" in text
    assert not any(word in text for word in ("RSE", "95% CI", "shrink", "covariance"))
    assert "evaluated at the start values" in repr(found)
    assert found.uncertainty is None


def test_the_first_evaluation_is_told_while_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(telling, "QUIET", 0.02)
    line = Line("FOCEI")
    time.sleep(0.3)
    line.close()
    said = capsys.readouterr().err
    assert "FOCEI: first evaluation at the start values, 0 s" in said
    assert said.count("FOCEI") > 1


def test_options_of_a_method_of_ones_own_are_checked_also_where_annotations_are_types() -> None:
    fields: Any = [("share", float, 0.5), ("count", int | None, None)]
    body = {"name": "own", "run": lambda self, problem, progress=None: 0}
    own = make_dataclass("Own", fields, bases=(Method,), frozen=True, kw_only=True, namespace=body)
    assert own(share=1, count=3).count == 3
    with pytest.raises(PkpdError, match=r"share must be a number, got .x.; count must be a whole number .* got 1"):
        own(share="x", count=1.5)


@pytest.mark.parametrize(
    "verb",
    [
        checks.vpc, checks.npde, checks.diagnostics, checks.listing, checks.curves, uncertainty.sir,
        uncertainty.bootstrap,
    ],
    ids=lambda verb: verb.__name__,
)  # fmt: skip
def test_what_is_no_fit_of_data_is_refused_in_words(verb: Any) -> None:
    with pytest.raises(PkpdError, match=rf"^{verb.__name__} takes a Fit, got a Model; pkpd.fit makes one$"):
        verb(pkpd.models["pk1_iv"])
    with pytest.raises(PkpdError, match="likelihood_ratio takes a Fit, got a Model"):
        search.likelihood_ratio(cast(Any, pkpd.models["pk1_iv"]), cast(Any, pkpd.models["pk1_iv"]))
