"""A route that is written is obeyed by every verb or refused; a text is taken wherever a regimen is.

Reference: 80 mg of `pk1_oral` into the vein are 80/50 exp(-0.1 t) mg/L.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import pkpd
from pkpd import EventTable, Model, Parameter, Population, Regimen, State
from pkpd.dosing.dose import Dose
from pkpd.dosing.routes import place_of, routes_of_states
from pkpd.errors import DataError, PkpdError, RegimenError

AT = np.array([0.5, 1.0, 2.0])
VEIN = 80 / 50 * np.exp(-0.1 * AT)


@functools.cache
def oral() -> Model:
    return pkpd.models["pk1_oral"].without_variability()


@functools.cache
def pot(lag: float = 0.0) -> Model:
    """A' = -0.1 A, doses `lag` hours late."""
    return Model(
        "pot", states=[State("A", "mg")], parameters=[Parameter("k", 0.1, "1/h"), Parameter("lag", lag, "h")],
        dosing=lambda p: {"A": {"tlag": p.lag}}, dynamics=lambda t, x, p: {"A": -p.k * x.A},
    )  # fmt: skip


def curve(doses: Any, times: Any = AT, model: Model | None = None, of: str = "Cc", **options: Any) -> np.ndarray:
    return pkpd.simulate(model or oral(), doses, times=times, outputs=[of], **options)[of].values.ravel()


# --- the rule ---------------------------------------------------------------------------------------------------------
def test_places_of_routes():
    assert routes_of_states(["x", "a.depot", "a.central", "b.central"])["IV"] == "a.central"
    assert routes_of_states(["central"]) == {"IV": "central"}
    assert routes_of_states(["A", "B"]) == {}
    assert routes_of_states(["A"]) == {"IV": "A"}
    assert routes_of_states(["gut", "wall", "central"]) == {"PO": "gut", "IV": "central"}
    states = ["depot", "gut", "central"]
    assert [place_of(None, route, states) for route in (None, "SC", "PO", "IM", "IV")] == [0, 0, 0, 0, 2]
    assert place_of("gut", "PO", states) == 1
    assert place_of(3, "IV", states) == 2
    assert place_of("central", "SC", ["central"]) == 0


@pytest.mark.parametrize(
    ("cmt", "route", "text"),
    [
        (
            "depot",
            "IV",
            r"it is given IV, but into 'depot'; drop the route or the compartment \(IV goes into 'central'",
        ),
        (1, "IV", "it is given IV, but into 'depot'"),
        ("gut", "IV", "it is given IV, but into 'gut'"),
        ("central", "SC", "it is given SC, but into 'central'"),
        ("central", "PO", "it is given PO, but into 'central'"),
        (None, "ICV", r"it is given ICV, but the model has no compartment for that \(none is known\)"),
        ("skin", None, "the model has no compartment 'skin'"),
    ],
)
def test_what_contradicts_itself_is_refused(cmt, route, text):
    with pytest.raises(RegimenError, match=text):
        place_of(cmt, route, ["depot", "gut", "central"])


def test_a_route_is_kept():
    r = Regimen.parse("80 mg IV over 30 min q12h x3")
    assert str(r) == "80 mg IV over 0.5 h q12h x3"
    assert eval(repr(r)) == r
    made = [r + r, r * 2, r.shift(1), r.repeat(2, 72), r.until(13), r.expand(), r.to("ug"), r.then(r), r.in_time("d")]
    assert {dose.route for each in made for dose in each} == {"IV"}
    assert r != Regimen.parse("80 mg SC over 30 min q12h x3")
    assert Dose(80, route="intravenous") == Dose(80, route="IV")
    assert Regimen(amt=[80, 80], route=["iv", "po"], time=[0, 6]).into(["depot", "central"]) == Regimen.parse(
        "80 IV into central + 80 PO into depot at 6 h"
    )
    assert repr(Dose(80, route="IV")) == "Dose(80, route='IV')"
    with pytest.raises(RegimenError, match="dose: route must be a text such as 'IV' or 'SC', got 5"):
        Dose(80, route=5)  # type: ignore[arg-type]


# --- obeyed everywhere ------------------------------------------------------------------------------------------------
WAYS = {
    "text": "80 mg IV once", "parsed": Regimen.parse("80 mg IV once"), "route": Regimen(amt=80, route="IV"),
    "days": Regimen.parse("0.08 g intravenous once", time_unit="d"),
    "one a person": [Regimen.parse("80 mg IV once", cmt="central")], "texts": ["80 mg IV bolus"],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_simulate(way):
    np.testing.assert_allclose(curve(WAYS[way], population=Population.typical(oral())), VEIN, rtol=1e-9)


def test_the_doses_of_a_result_say_where_they_went():
    sims = pkpd.simulate(oral(), Regimen.parse("80 mg IV once"), times=AT)
    assert '"central"' in sims["Cc"].attrs["doses"]


def test_two_routes_in_one_order():
    found = curve("80 mg PO once then 80 mg IV once at 6 h", [6.0, 8.0])
    first = curve(Regimen(amt=80, cmt="depot"), [6.0, 8.0])
    np.testing.assert_allclose(found, first + np.array([0.0, 80 / 50 * np.exp(-0.2)]), rtol=1e-8)


def test_all_verbs():
    dose = Regimen.parse("80 mg IV once")
    wanted = pkpd.simulate(oral(), Regimen(amt=80, cmt="central"), times=AT, derivatives="V")
    for given in (dose, "80 mg IV once"):
        found = pkpd.simulate(oral(), given, times=AT, derivatives="V")
        np.testing.assert_allclose(found["Cc"], VEIN, rtol=1e-9)
        np.testing.assert_allclose(found["dCc"], wanted["dCc"], rtol=1e-9)
        local = pkpd.sensitivity(oral(), given, times=AT, of="Cc.last", parameters=["V"], method="local")
        assert float(local.data["elasticity"].values.ravel()[0]) == pytest.approx(-1 + 0.2, rel=1e-6)
        assert pkpd.sensitivity(
            oral(), given, times=AT, of="Cc.last", parameters=["CL", "V"], method=pkpd.Sobol(n=8, seed=1)
        )
        assert (
            pkpd.sensitivity(oral(), given, times=AT, of=["Cc"], parameters=["CL", "V"], method="identifiability")
            .data["identifiable"]
            .values.all()
        )
        arms = pkpd.compare(oral(), {"iv": given}, n=1, measures=["Cmax", "AUC24"], background=None).dataset
        assert float(arms["Cmax"].squeeze()) == pytest.approx(1.6, rel=1e-5)
        term = pkpd.extend.Term("a", "density", "Cc", 1.0, 1.4)
        a, b = (
            pkpd.extend.Likelihood(oral(), [pkpd.extend.Subject("p", r, terms=(term,))], ["V"])
            for r in (given, Regimen(amt=80, cmt="central"))
        )
        np.testing.assert_allclose(a.evaluate(a.start).terms, b.evaluate(b.start).terms, rtol=1e-9)
    model = pkpd.models["pk1_oral"]
    each = [pkpd.individual(model, [("Cc", 2.0, 1.3)], regimen=r, draws=1000, seed=1) for r in (dose, "80 mg IV once",
            Regimen(amt=80, cmt="central"))]  # fmt: skip
    tables = [one.table()["posterior"].to_numpy() for one in each]
    np.testing.assert_array_equal(tables[0], tables[2])
    np.testing.assert_array_equal(tables[1], tables[2])
    found = pkpd.recommend(each[1], {"iv": "80 mg IV once"}, "Cc > 0.1 mg/L at trough", n=20, also="1 mg PO once")
    assert found.comparison.regimens == ("iv",)


def test_what_cannot_be_obeyed_is_refused_by_every_verb():
    wrong = Regimen.parse("80 mg IV once", cmt="depot")
    iv = pkpd.models["pk1_iv"].without_variability()
    verbs = [
        lambda m, r: pkpd.simulate(m, r, times=AT),
        lambda m, r: pkpd.simulate(m, r, times=AT, derivatives="CL"),
        lambda m, r: pkpd.sensitivity(m, r, times=AT, of="Cc.last", parameters=["V"], method=pkpd.Sobol(n=8)),
        lambda m, r: pkpd.sensitivity(m, r, times=AT, method="identifiability"),
        lambda m, r: pkpd.compare(m, {"a": r}, n=1),
        lambda m, r: pkpd.individual(m, [("Cc", 2.0, 1.3)], regimen=r),
    ]
    for model, dose in ((oral(), wrong), (iv, Regimen.parse("80 mg SC once")), (iv, "80 mg SC once")):
        for verb in verbs:
            with pytest.raises(PkpdError, match=r"it is given (IV|SC), but"):
                verb(model, dose)


def test_a_table_has_no_model_to_ask():
    with pytest.raises(DataError, match="dose 1 is given IV, but a table has no model that says where that goes"):
        EventTable.from_regimen(Regimen.parse("80 mg IV once"), AT)
    with pytest.raises(DataError, match="dose 1 is given IV, but into 'depot'"):
        EventTable.from_regimen(Regimen.parse("80 mg IV once", cmt="depot"), AT)
    with pytest.raises(DataError, match=r"where '80 mg once' goes; give Regimen.parse\(text, cmt=...\)"):
        EventTable.from_regimen("80 mg once", AT)  # type: ignore[arg-type]
    table = EventTable.from_regimen(Regimen.parse("80 mg IV once").into(tuple(oral().states)), AT)
    assert pkpd.simulate(oral(), table)["Cc"].values[-3:] == pytest.approx(VEIN, rel=1e-9)


# --- texts ------------------------------------------------------------------------------------------------------------
def test_amounts_by_weight_follow_each_person():
    model = pkpd.models["anakinra"].without_variability()
    people = Population.from_table(model, {"ID": [1, 2], "WT": [50.0, 100.0]})
    found = pkpd.simulate(model, {"kg": "1 mg/kg IV once"}, people, [1.0])["Cc"].values.ravel()
    each = pkpd.simulate(model, [Regimen(amt=w, cmt="central") for w in (50, 100)], people, [1.0])["Cc"].values.ravel()
    np.testing.assert_allclose(found, each, rtol=1e-12)
    with pytest.raises(RegimenError, match="is by weight, but the subjects have no covariate 'WT'; give mg"):
        curve("1 mg/kg once", [1.0], pot(), "A")


def test_what_is_no_regimen_is_named():
    for given in (5, [5], {"a": 5}, {"a": ["x", 5]}):
        with pytest.raises(RegimenError):
            pkpd.simulate(oral(), given, times=AT)  # type: ignore[arg-type]
    with pytest.raises(PkpdError, match="individual: regimen must be a Regimen or its shorthand"):
        pkpd.individual(pkpd.models["pk1_oral"], [("Cc", 2.0, 1.3)], regimen=5)  # type: ignore[arg-type]


# --- an infusion at steady state --------------------------------------------------------------------------------------
TIMES = np.array([0.0, 2.0, 8.0, 24.0, 1000.0])


@pytest.mark.parametrize("method", ["auto", "dop853", "rodas5p"])
def test_an_infusion_at_steady_state_goes_on(method):
    """R/CL throughout, whatever the clock; 40 mg at 3 h come on top."""
    model = pkpd.models["pk1_iv"].without_variability()
    for text in ("8 mg/h at steady state", "8 mg/h IV at steady state"):
        np.testing.assert_allclose(curve(text, TIMES, model, method=method), 1.6, rtol=1e-7)
        for unit in ("h", "d"):
            parsed = Regimen.parse(f"{text} + 40 mg IV once at 3 h", time_unit=unit)
            late = np.where(TIMES > 3, 40 / 50 * np.exp(-0.1 * (TIMES - 3)), 0.0)
            np.testing.assert_allclose(curve(parsed, TIMES, model, method=method), 1.6 + late, rtol=1e-7)


def test_it_has_no_lag_and_no_gap():
    np.testing.assert_allclose(curve("10 mg/h into A at steady state", TIMES, pot(4.2), "A"), 100.0, rtol=1e-7)
    late = Regimen.parse("10 mg/h into A at steady state at 5 h")
    found = curve(late, [4.0, 5.0, 9.0, 99.0], pot(4.2), "A")
    np.testing.assert_allclose(found, [0.0, 100.0, 100.0, 100.0], rtol=1e-7)


def test_it_ends_where_it_is_cut_and_where_nonmem_says_so():
    cut = Regimen.parse("10 mg/h into A at steady state").until(5)
    np.testing.assert_allclose(
        curve(cut, [3.0, 5.0, 15.0], pot(), "A"), [100.0, 100.0, 100.0 * np.exp(-1.0)], rtol=1e-7
    )
    record = Regimen.of(Dose(0, "A", rate=10, ss=1))  # NONMEM's record: amount 0, at an end with its time
    np.testing.assert_allclose(curve(record, [1.0, 10.0], pot(), "A"), 100 * np.exp([-0.1, -1.0]), rtol=1e-7)
    assert repr(Regimen.parse("10 mg/h at steady state")) == "Regimen.parse('10 mg/h at steady state')"
    assert repr(record).startswith("Regimen(doses=[Dose(0, 'A', rate=10, ss=1)]")
    table = EventTable.from_regimen(Regimen.parse("10 mg/h into A at steady state"), [0.0, 5.0, 20.0])
    assert pkpd.simulate(pot(), table, outputs=["A"])["A"].values[
        (table.frame["EVID"] == 0).to_numpy()
    ] == pytest.approx(100.0)


def test_its_amount_is_a_rate_where_schedules_are_compared():
    model = pkpd.models["pk1_iv"].without_variability()
    found = pkpd.compare(model, {"a": "8 mg/h at steady state", "b": "192 mg over 24 h q24h x3"}, n=1,
                         measures=["Cmax"]).dataset  # fmt: skip
    assert found["mg_per_day"].values.tolist() == [192.0, 192.0]
    assert float(found["Cmax"].sel(regimen="a").squeeze()) == pytest.approx(1.6, rel=1e-6)
