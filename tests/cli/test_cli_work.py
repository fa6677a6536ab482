"""What the commands do: files in, files out, the same numbers as the library's own verbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from command import run
from report_toy import write_study

from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.library import load_model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.timegrid import hours


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_simulate_writes_what_simulate_returns(here: Path):
    text = run("simulate", "anakinra", "-d", "100 mg SC q24h x3", "--times", "0:72:6,80", "--out", "new/sims.csv")
    assert "wrote new/sims.csv" in text
    found = pd.read_csv("new/sims.csv")
    wanted = simulate(
        load_model("anakinra"), Regimen.parse("100 mg q24h x3", cmt="depot"), times=[*hours(0, 72, 6), 80.0]
    )
    np.testing.assert_allclose(found["time"].to_numpy(float), wanted["time"].values)
    np.testing.assert_allclose(found["Cc"], wanted["Cc"], rtol=1e-6, atol=1e-12)


def test_simulate_people_routes_and_settings(here: Path):
    run("simulate", "anakinra", "-d", "vein=100 mg IV", "-d", "skin=100 mg SC", "--n", "5", "--seed", "3", "--set",
        "CL=5", "--covariate", "CRCL=20", "--times", "0:24", "--out", "sims.nc", "--figure", "sims.png")  # fmt: skip
    model = load_model("anakinra")
    people = Population.draw(model, 5, covariates={"CRCL": 20.0}, parameters={"CL": 5.0}, seed=3)
    doses = {"vein": Regimen(amt=100, cmt="central"), "skin": Regimen(amt=100, cmt="depot")}
    wanted = simulate(model, doses, people, hours(0, 24))
    with xr.open_dataset("sims.nc", engine="h5netcdf") as found:
        np.testing.assert_allclose(found["Cc"].values, wanted["Cc"].values, rtol=1e-12)
        assert found["regimen"].values.tolist() == ["vein", "skin"]
    assert Path("sims.png").read_bytes().startswith(b"\x89PNG")


def test_simulate_ones_own_model_and_data_set(here: Path):
    write_study(here / "mine")
    Path("trial.csv").write_text("ID,TIME,AMT,CMT,EVID\n7,0,100,depot,1\n7,4,.,.,0\n7,24,.,.,0\n", encoding="utf-8")
    text = run("simulate", "mine/own.py", "--events", "trial.csv", "--residual", "--out", "out.csv")
    assert "own: 1 person" in text
    found = pd.read_csv("out.csv")
    assert len(found) == 3
    assert {"Cc", "Cc_observed"} <= set(found.columns)


def test_models_lists_shows_and_documents(here: Path):
    assert "pk1_oral" in run("models")
    assert "d/dt depot" in run("models", "pk1_oral")
    run("models", "pk1_oral", "--document", "m.html")
    text = Path("m.html").read_text(encoding="utf-8")
    assert "<math" in text
    assert "http" not in text.replace("http://www.w3.org/1998/Math/MathML", "")
    run("models", "pk1_oral", "--document", "m.md")
    assert Path("m.md").read_text(encoding="utf-8").startswith("# One compartment")


def test_seeds_lists_shows_and_draws(here: Path):
    assert "strati2020" in run("seeds")
    assert "100 mg" in run("seeds", "naviglio2021", "--figure", "n.svg")
    assert "</svg>" in Path("n.svg").read_text(encoding="utf-8")
    write_study(here / "mine")
    assert "Nobody A" in run("seeds", "mine/report")


def test_validate_says_what_is_right_and_exits_3_on_faults(here: Path):
    write_study(here / "mine")
    assert "no faults" in run("validate", "mine/report", "mine/own.py")
    facts = Path("mine/report/facts.csv")
    facts.write_text(facts.read_text(encoding="utf-8").replace("fit,read", "fti,read"), encoding="utf-8")
    own = Path("mine/own.py")
    own.write_text(
        own.read_text(encoding="utf-8").replace('"mg/L", "half effect"', '"mg", "half effect"'), encoding="utf-8"
    )
    text = run("validate", "mine/report", "mine/own.py", code=3)
    assert "3 faults in 1 file" in text
    assert "did you mean 'fit'?" in text
    assert "model 'mine/own.py': model 'own'" in text


def test_validate_finds_a_model_that_cannot_be_solved(here: Path):
    text = (
        "from pkpd import Model, Output, Parameter, State\nfrom pkpd.math import log\n"
        "model = Model('bad', states=[State('A', 'mg')], parameters=[Parameter('k', 0.1, '1/h')],\n"
        "    outputs=[Output('y', '')], dynamics=lambda t, x, p: {'A': -p.k * x.A},\n"
        "    calculate=lambda t, x, p: {'y': log(x.A)}, check_units=False)\n"
    )
    Path("bad.py").write_text(text, encoding="utf-8")
    assert "cannot be solved without a dose" in run("validate", "bad.py", code=3)


def test_calibrate_ones_own_study(here: Path):
    write_study(here / "mine")
    text = run("calibrate", "mine/study.py", "--quick", "--out", "fit.nc")
    assert "phi[report/a]" in text
    assert "of 3 facts inside" in text
    assert Path("fit.nc").stat().st_size > 1000
    text = run("compare", "fit.nc", "--study", "mine/study.py", "--patient", "report/a",
               "-d", "daily=100 mg SC daily x3", "-d", "BID=100 mg SC BID x3d", "--n", "20",
               "--out", "c.csv")  # fmt: skip
    assert "posterior draws of patient report/a" in text
    assert Path("c.csv").is_file()


def test_compare_shifts_doses_and_reads_targets(here: Path):
    text = run("compare", "anakinra", "--schedule", "100 mg daily", "-d", "half=50 mg SC BID x14d", "--ic50", "0.027",
               "--n", "10", "--start", "48", "--target", "blockade > 0.5 at trough", "--out", "c.nc",
               "--figure", "c.png")  # fmt: skip
    assert "10 virtual subjects of 'anakinra'" in text
    with xr.open_dataset("c.nc", engine="h5netcdf") as found:
        assert 0 <= found["blockade > 0.5 at trough"].mean() <= 1
        assert found.attrs["window"].tolist() == [0.0, 384.0]
        assert found["regimen"].values.tolist() == ["half", "100 mg daily"]


def test_sensitivity_writes_indices(here: Path):
    run("sensitivity", "pk1_oral", "-d", "100 mg x1", "--times", "0:24", "--of", "Cc.last", "--vary", "CL",
        "--vary", "V", "--n", "64", "--out", "s.csv", "--figure", "s.png")  # fmt: skip
    found = pd.read_csv("s.csv")
    assert found["parameter"].tolist() == ["CL", "V"]
    assert "elasticity" in run("sensitivity", "pk1_oral", "-d", "100 mg x1", "--of", "Cc.last", "--method", "local")


def test_failed_write_leaves_the_old_file(tmp_path: Path):
    from pkpd.cli.files import write_whole

    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")

    def fail(target: Path) -> None:
        target.write_text("half", encoding="utf-8")
        raise OSError("disk full")

    with pytest.raises(PkpdError, match="disk full"):
        write_whole(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text(encoding="utf-8") == "old"


def test_compare_a_patient_with_his_other_drugs_or_without(here: Path):
    asked = ["compare", "anakinra_reports", "--patient", "villegas2020/p1", "-d", "daily=100 mg SC q24h x5",
             "--measure", "CRP_area", "--n", "10"]  # fmt: skip
    text = run(*asked)
    assert "besides: dexamethasone, tocilizumab as given" in text
    assert "begin on day 24 of villegas2020, the patient's own first dose of anakinra" in text
    assert "the patient's other drugs are left out" in run(*asked, "--no-background")
    assert "begin on day 9 of villegas2020" in run(*asked, "--start", "240", "--background")
    run("compare", "anakinra", "-d", "100 mg SC q24h x2", "--n", "2", "--no-background", code=1)
