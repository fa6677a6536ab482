"""Binding of data sets: what rows observe, and what is said of bad ones."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from fit_data import bolus_model, simulated

import pkpd
from pkpd import Additive, Combined, Covariate, LogNormal, Model, Output, Parameter, Proportional, State
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.problem import pose
from pkpd.observation.data import bind
from pkpd.observation.known import Known
from pkpd.outcomes import Ordinal


def frame_of(*subjects: list[tuple[float, float | None]], dose_at: float = 0.0) -> pd.DataFrame:
    """Return rows of (time, DV) for each subject, and a dose."""
    rows: list[dict[str, Any]] = []
    for i, own in enumerate(subjects, start=1):
        rows.append({"ID": i, "TIME": dose_at, "AMT": 100.0, "DV": np.nan, "EVID": 1})
        rows += [{"ID": i, "TIME": t, "AMT": 0.0, "DV": np.nan if y is None else y, "EVID": 0} for t, y in own]
    return pd.DataFrame(rows).sort_values(["ID", "TIME"], kind="stable")


GOOD: list[tuple[float, float | None]] = [(1.0, 4.5), (4.0, 3.3), (12.0, 1.4)]


def bound(frame: pd.DataFrame, model: Model | None = None, bloq: str = "m3") -> Any:
    return bind(model or bolus_model(), pkpd.read_events(frame), bloq)


def said(data: Any, pattern: str) -> bool:
    return any(re.search(pattern, m) for m in data.messages)


def test_rows_with_evid_0_and_mdv_0_are_observations() -> None:
    data = bound(frame_of(GOOD, GOOD))
    assert data.row.tolist() == [1, 2, 3, 5, 6, 7]
    assert data.subject.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.starts.tolist() == [0, 3, 6]
    assert data.n_continuous == data.n_observations == 6
    assert not data.messages


def test_a_subject_without_observations_is_told_and_changes_nothing() -> None:
    data = bound(frame_of(GOOD, [(1.0, None), (2.0, None)], GOOD))
    assert said(data, r"1 subject without any observation: ID 2 \(first: row 5, ID 2")
    model = bolus_model()
    with_empty = pose(model, pkpd.read_events(frame_of(GOOD, [(1.0, None)], GOOD))).objective("focei")
    without = pose(model, pkpd.read_events(frame_of(GOOD, GOOD))).objective("focei")
    x = with_empty.layout.start
    assert with_empty(x).ofv == pytest.approx(without(x).ofv, abs=1e-8)


def test_a_dose_behind_the_last_observation_is_told() -> None:
    data = bound(frame_of(GOOD, dose_at=24.0), bolus_model(Additive(1.0)))
    assert said(
        data, r"the first dose comes after the subject's last observation in 1 row \(first: row 4, ID 1, TIME 24"
    )


def test_duplicate_times_are_told() -> None:
    data = bound(frame_of([*GOOD, (12.0, 1.5)]))
    assert said(data, r"observed again at the same time in 1 row \(first: row 5, ID 1, TIME 12")


def test_unused_columns_are_told() -> None:
    assert said(bound(frame_of(GOOD).assign(WT=70.0, SITE=3)), r"columns not used by the model: WT, SITE")


def test_zero_concentrations_with_log_error_are_refused() -> None:
    frame = frame_of([(0.0, 0.0), *GOOD], [*GOOD, (24.0, -0.1)])
    with pytest.raises(DataError, match=r"DV is not above 0 but .* log-normal in 2 rows \(first: row \d, ID 1"):
        bound(frame, bolus_model(LogNormal(0.2)))


def test_a_zero_prediction_with_proportional_error_is_refused_with_rows() -> None:
    frame = frame_of([(0.0, 0.1), *GOOD]).sort_values(["TIME", "EVID"], kind="stable")
    with pytest.raises(DataError, match=r"impossible at the start values in 1 row \(first: row 1, .*prediction 0\.0"):
        fit(bolus_model(Proportional(0.1)), pkpd.read_events(frame))


def test_a_wrong_compartment_is_refused() -> None:
    frame = frame_of(GOOD).assign(CMT=[1, 1, 1, 3])
    with pytest.raises(DataError, match=r"CMT of an observation is not in the model in 1 row .*row 4.*1 central"):
        bound(frame)


def _two() -> Model:
    return Model(
        "two",
        states=[State("central", "mg"), State("E", "")],
        parameters=[Parameter("k", 0.1, "1/h", sd=0.3)],
        outputs=[Output("Cc", "mg", error=Additive(0.1)), Output("E", "", error=Additive(0.1))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central, "E": p.k * (1 - x.E)},
        calculate=lambda t, x, p: {"Cc": x.central},
    )


def test_dvid_names_or_numbers_the_outputs() -> None:
    for column in ([0, 1, 2, 1], [".", "Cc", "E", "Cc"]):
        data = bound(frame_of(GOOD).assign(DVID=column), _two())
        assert data.output.tolist() == ["Cc", "E", "Cc"]
        assert data.outputs == ("Cc", "E")


def test_a_wrong_dvid_is_refused() -> None:
    with pytest.raises(DataError, match=r"DVID of an observation names no output in 1 row .*DVID 7.* 1 Cc, 2 E"):
        bound(frame_of(GOOD).assign(DVID=[0, 1, 7, 1]), _two())


def test_several_outputs_need_to_be_told_apart() -> None:
    with pytest.raises(DataError, match=r"which output is observed is not said.*Cc, E.*add a column DVID"):
        bound(frame_of(GOOD), _two())
    data = bound(frame_of(GOOD).assign(CMT=[1, 2, 2, 2]), _two())
    assert set(data.output) == {"E"}


def test_covariates_missing_in_column_or_row() -> None:
    model = bolus_model(
        covariates=[Covariate("WT", "kg", 70), Covariate("AGE", "a", 40)],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) * (cov.AGE / 40)},
    )
    data = bound(frame_of(GOOD).assign(WT=[60.0, 60.0, 60.0, 61.0], AGES=1), model)
    assert said(data, r"covariate AGE is not in the data: its reference 40 a .*; is column 'AGES' meant\?")
    with pytest.raises(DataError, match="covariate AGE of model 'bolus' is not in the data, but 'age' is: rename"):
        bound(frame_of(GOOD).assign(WT=60.0, age=1), model)
    assert data.varying == {"WT"}
    with pytest.raises(DataError, match=r"covariate WT is missing in 1 row \(first: row 3"):
        bound(frame_of(GOOD).assign(WT=[60.0, 60.0, np.nan, 61.0], AGE=1), model)


def test_all_faults_are_said_at_once() -> None:
    frame = frame_of([(0.0, 0.0), *GOOD]).assign(DVID=[0, 1, 1, 1, 9])
    with pytest.raises(DataError, match="2 kinds of rows are wrong"):
        bound(frame, bolus_model(LogNormal(0.2)))


def test_censored_rows_by_cens_blq_and_lloq() -> None:
    frame = frame_of([*GOOD, (24.0, 1.0)])
    flagged = bound(frame.assign(CENS=[0, 0, 0, 0, 1]))
    assert flagged.censored.tolist() == [0, 0, 0, 1]
    assert flagged.channels[1].known is Known.BELOW
    assert flagged.n_continuous == 3
    missing = frame.assign(BLQ=[0, 0, 0, 0, 1], LLOQ=1.2)
    missing["DV"] = missing["DV"].where(missing["TIME"] < 24)
    data = bound(missing)
    assert data.censored.tolist() == [0, 0, 0, 1]
    assert data.y[-1] == 1.2
    alone = bound(frame.assign(LLOQ=1.2))
    assert alone.y.tolist() == [4.5, 3.3, 1.4, 1.2]
    assert alone.censored.tolist() == [0, 0, 0, 1]
    m1 = bound(frame.assign(LLOQ=1.2), bloq="m1")
    assert m1.y.size == 3
    assert said(m1, "bloq='m1': censored observations are left out in 1 row")
    m4 = bound(frame.assign(LLOQ=1.2), bolus_model(Combined(0.1, 0.1)), bloq="m4")
    assert [c.known for c in m4.channels] == [Known.POSITIVE, Known.BETWEEN]


def test_grades_must_be_grades() -> None:
    model = Model(
        "grades",
        states=[State("central", "mg")],
        parameters=[Parameter("base", 0.0, "", scale="additive", sd=1.0)],
        outputs=[Output("G", "", error=Ordinal((0.0, 1.0)))],
        dynamics=lambda t, x, p: {"central": 0.0 * x.central},
        calculate=lambda t, x, p: {"G": p.base},
        check_units=False,
    )
    with pytest.raises(DataError, match=r"DV is no datum of Ordinal error in 2 rows .*whole numbers from 0 to 2"):
        bound(frame_of([(1.0, 0.0), (2.0, 3.0), (3.0, 0.5)]), model)


def test_words_of_the_verb_are_checked() -> None:
    table = pkpd.read_events(frame_of(GOOD, GOOD))
    model = bolus_model()
    with pytest.raises(PkpdError, match=r"method must be .*got 'foci' \(did you mean 'focei'\?\)"):
        fit(model, table, cast(Any, "foci"))
    with pytest.raises(DataError, match=r"bloq must be m3, m4, m1, got 'm5'"):
        fit(model, table, bloq=cast(Any, "m5"))
    with pytest.raises(DataError, match=r"fixed names 'Cl', which .*did you mean 'CL'"):
        fit(model, table, fixed=["Cl"])
    with pytest.raises(DataError, match=r"start of omega_CL must be a finite number > 0, got -1"):
        fit(model, table, start={"omega_CL": -1.0})
    with pytest.raises(DataError, match="nothing is estimated"):
        fit(model, table, fixed=["CL", "V", "omega_CL", "omega_V", "sigma_prop"])
    with pytest.raises(DataError, match="data must be an EventTable"):
        fit(model, table.frame["DV"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="declares a residual error"):
        bound(frame_of(GOOD), _without_error())
    with pytest.raises(DataError, match="column DV is missing"):
        bound(frame_of(GOOD).drop(columns="DV"))


def _without_error() -> Model:
    return Model(
        "silent",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.1, "1/h")],
        outputs=[Output("Cc", "mg")],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central},
    )


def test_no_observation_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="there is no observation"):
        bound(frame_of([(1.0, None)]))


def test_occasions_need_a_column() -> None:
    model = Model(
        "iov",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", sd=0.2, iov_sd=0.1)],
        outputs=[Output("Cc", "mg", error=Additive(0.1))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central},
    )
    with pytest.raises(DataError, match=r"variability between occasions \(k\); add a column OCC"):
        bound(simulated(bolus_model(), 2), model)
